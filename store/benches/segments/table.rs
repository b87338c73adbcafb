//! The table: each figure beside its bar.

use std::collections::BTreeMap;

use crate::plan::Plan;

pub(crate) type Figures = BTreeMap<String, f64>;

/// How a figure stands to its bar.
#[derive(Clone, Copy)]
enum Side {
    AtLeast(f64),
    AtMost(f64),
    /// There is none.
    Beside,
}

use Side::{AtLeast, AtMost, Beside};

/// A row: what, its bar, the figure's name, digits.
type Row = (&'static str, Side, &'static str, usize);

const ROWS: [Row; 27] = [
    (
        "fold, no segments used, events/s a core",
        Beside,
        "none-events",
        0,
    ),
    (
        "fold, 0 definitions, events/s a core",
        Beside,
        "kept-events",
        0,
    ),
    (
        "fold, 1,000 definitions (30 a name), events/s a core",
        AtLeast(40e3),
        "names-events",
        0,
    ),
    ("  of it in memory, µs an event", Beside, "names-fold-us", 1),
    (
        "  of it writing behind, µs an event",
        Beside,
        "names-write-us",
        1,
    ),
    ("  moves an event", Beside, "moves", 2),
    (
        "fold, 1,000 of `path = X`, events/s a core",
        Beside,
        "paths-events",
        0,
    ),
    (
        "fold, 10,000 of `path = X`, events/s a core",
        Beside,
        "many-paths-events",
        0,
    ),
    (
        "10,000 of `path = X` / 1,000, time",
        AtMost(1.3),
        "paths-ratio",
        2,
    ),
    (
        "disk, 0 definitions, B a contact",
        Beside,
        "kept-disk-each",
        0,
    ),
    (
        "disk, 1,000 definitions, more B a contact",
        AtMost(150.0),
        "names-disk-each",
        0,
    ),
    ("memberships a contact", Beside, "memberships-each", 1),
    ("disk, B a membership", AtMost(2.0), "membership", 1),
    (
        "memory of the process, 1,000 definitions, MB",
        Beside,
        "names-mb",
        0,
    ),
    ("a page of members, p99, ms", AtMost(2.0), "members-ms", 3),
    ("count, p99, ms", AtMost(2.0), "count-ms", 3),
    (
        "explain, one contact, all definitions, ms",
        AtMost(20.0),
        "explain-ms",
        1,
    ),
    (
        "backfill from what is kept, contacts/s a core",
        AtLeast(2e6),
        "backfill",
        0,
    ),
    (
        "backfill from the log, events/s a core",
        AtLeast(400e3),
        "fill",
        0,
    ),
    (
        "restart until members are read, s",
        AtMost(1.0),
        "restart",
        2,
    ),
    (
        "preview / DuckDB, trial without purchase",
        AtMost(1.0),
        "preview-trial-ratio",
        1,
    ),
    (
        "preview / DuckDB, viewed and did not buy",
        AtMost(1.0),
        "preview-viewed-ratio",
        1,
    ),
    (
        "preview / DuckDB, spent 100",
        AtMost(1.0),
        "preview-spent-ratio",
        1,
    ),
    (
        "preview / DuckDB, opened nothing",
        AtMost(1.0),
        "preview-asleep-ratio",
        1,
    ),
    (
        "preview of `opened nothing`, s of processor",
        Beside,
        "preview-asleep-cpu",
        2,
    ),
    ("  the same in DuckDB", Beside, "duckdb-asleep-cpu", 3),
    ("  the same in SQLite", Beside, "sqlite-asleep-cpu", 3),
];

/// Works out what comes of several figures.
pub(crate) fn derive(figures: &mut Figures, plan: &Plan) {
    let known = figures.clone();
    let get = |name: &str| known.get(name).copied();
    let over = |a: Option<f64>, b: Option<f64>| Some(a? / b?);
    let contacts = Some(plan.contacts as f64);
    let more = |a: &str, b: &str| Some(get(a)? - get(b)?);
    let disk = more("names-disk", "kept-disk");
    let mut derived = vec![
        (
            "paths-ratio".to_owned(),
            over(get("paths-events"), get("many-paths-events")),
        ),
        (
            "kept-disk-each".to_owned(),
            over(get("kept-disk"), contacts),
        ),
        ("names-disk-each".to_owned(), over(disk, contacts)),
        (
            "memberships-each".to_owned(),
            over(get("memberships"), contacts),
        ),
        ("membership".to_owned(), over(disk, get("memberships"))),
        ("names-mb".to_owned(), over(get("names-memory"), Some(1e6))),
    ];
    for question in ["trial", "viewed", "spent", "asleep"] {
        let ours = get(&format!("preview-{question}-cpu"));
        let theirs = get(&format!("duckdb-{question}-cpu"));
        derived.push((format!("preview-{question}-ratio"), over(ours, theirs)));
    }
    figures.extend(
        derived
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
}

#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
pub(crate) fn print(figures: &Figures, plan: &Plan) {
    println!("{} contacts, {} events", plan.contacts, plan.events);
    println!("{:<54} {:>12} {:>12}", "", "figure", "bar");
    for (what, side, name, digits) in ROWS {
        let figure = figures.get(name);
        let shown = figure.map_or("not here".to_owned(), |figure| format!("{figure:.digits$}"));
        let (bar, is_short) = match side {
            AtLeast(bar) => (
                format!(">= {bar}"),
                figure.is_some_and(|figure| *figure < bar),
            ),
            AtMost(bar) => (
                format!("<= {bar}"),
                figure.is_some_and(|figure| *figure > bar),
            ),
            Beside => (String::new(), false),
        };
        let mark = if is_short { "  short" } else { "" };
        println!("{what:<54} {shown:>12} {bar:>12}{mark}");
    }
}
