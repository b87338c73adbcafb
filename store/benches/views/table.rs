//! The table: each figure beside its bar.

use std::collections::BTreeMap;

use crate::plan::Plan;

/// How a figure stands to its bar.
#[derive(Clone, Copy)]
enum Side {
    AtLeast,
    AtMost,
}

/// A row: what, bar at a million contacts, bar at ten, whether it is a floor, the figure's name, digits.
type Row = (&'static str, f64, f64, Side, &'static str, usize);

const ROWS: [Row; 23] = [
    (
        "rebuild from the log, one core, events/s",
        130e3,
        100e3,
        Side::AtLeast,
        "rebuilt",
        0,
    ),
    (
        "catching up, events/s",
        130e3,
        100e3,
        Side::AtLeast,
        "caught-up",
        0,
    ),
    (
        "fold alone, entries in memory, events/s",
        500e3,
        300e3,
        Side::AtLeast,
        "folded",
        0,
    ),
    (
        "written for views, B an event",
        100.0,
        250.0,
        Side::AtMost,
        "written",
        1,
    ),
    (
        "kept: log, ids and derived, B an event",
        120.0,
        220.0,
        Side::AtMost,
        "kept",
        1,
    ),
    (
        "kept / raw JSON",
        0.7,
        f64::INFINITY,
        Side::AtMost,
        "kept-of-json",
        2,
    ),
    (
        "memory, B a contact",
        140.0,
        140.0,
        Side::AtMost,
        "memory-each",
        0,
    ),
    (
        "point read while folding, p99, ms",
        10.0,
        10.0,
        Side::AtMost,
        "read-p99",
        3,
    ),
    (
        "point read while folding, max, ms",
        100.0,
        100.0,
        Side::AtMost,
        "read-max",
        1,
    ),
    (
        "top 100 by score, ms",
        5.0,
        30.0,
        Side::AtMost,
        "top-100",
        2,
    ),
    (
        "newest 100 at 1,000 segments, p99, ms",
        4.0,
        4.0,
        Side::AtMost,
        "newest-100",
        3,
    ),
    (
        "event indexes kept, B an event",
        12.0,
        13.0,
        Side::AtMost,
        "runs-kept",
        2,
    ),
    (
        "start after a kill: the log, s",
        1.0,
        1.0,
        Side::AtMost,
        "log-open",
        2,
    ),
    (
        "start after a kill: first answer, s",
        2.0,
        6.0,
        Side::AtMost,
        "first-answer",
        2,
    ),
    (
        "of which the views are open after, s",
        2.0,
        6.0,
        Side::AtMost,
        "views-open",
        2,
    ),
    (
        "records folded again after the kill",
        f64::INFINITY,
        f64::INFINITY,
        Side::AtMost,
        "replayed",
        0,
    ),
    (
        "an erasure: hidden, s",
        1.0,
        1.0,
        Side::AtMost,
        "erase-hidden",
        3,
    ),
    of_erasure("folded after, s", "erase-folded"),
    of_erasure("found, and the log written anew, s", "erase-purged"),
    of_erasure("the views' files without it, s", "erase-checkpoint"),
    of_erasure("computing, s", "erase-cpu"),
    of_erasure("read, MB", "erase-read"),
    of_erasure("written, MB", "erase-written"),
];

/// A figure without a bar.
const fn of_erasure(what: &'static str, name: &'static str) -> Row {
    const ANY: f64 = f64::INFINITY;
    (what, ANY, ANY, Side::AtMost, name, 2)
}

pub(crate) type Figures = BTreeMap<String, f64>;

/// What follows from the figures of several legs.
pub(crate) fn derive(figures: &mut Figures, plan: &Plan) {
    let get = |figures: &Figures, name: &str| figures.get(name).copied();
    let events = plan.events as f64;
    if let (Some(log), Some(ids), Some(views)) = (
        get(figures, "log"),
        get(figures, "ids"),
        get(figures, "views"),
    ) {
        figures.insert("kept".into(), (log + ids + views) / events);
        if let Some(json) = get(figures, "json") {
            figures.insert("kept-of-json".into(), (log + ids + views) / json);
        }
    }
    if let (Some(full), Some(empty)) = (get(figures, "memory"), get(figures, "memory-empty")) {
        figures.insert("memory-each".into(), (full - empty) / plan.contacts as f64);
    }
}

#[expect(clippy::print_stdout, reason = "printing is what it is for")]
pub(crate) fn print(figures: &Figures, plan: &Plan) {
    println!(
        "\n{} events of {} contacts; bars at 1 M / 10 M contacts",
        plan.events, plan.contacts
    );
    println!("{:42} {:>22} {:>12}  ", "figure", "bar", "measured");
    for (what, one, ten, side, name, digits) in ROWS {
        let Some(measured) = figures.get(name) else {
            continue;
        };
        let bar = if plan.contacts > 3_000_000 { ten } else { one };
        let (sign, holds) = match side {
            Side::AtLeast => (">=", *measured >= bar),
            Side::AtMost => ("<=", *measured <= bar),
        };
        let tell = |bar: f64| match bar.is_finite() {
            true => format!("{bar}"),
            false => "-".into(),
        };
        let bars = format!("{sign} {} / {}", tell(one), tell(ten));
        let verdict = if holds { "" } else { "misses" };
        println!("{what:42} {bars:>22} {measured:>12.digits$}  {verdict}");
    }
    let told: Vec<_> = ROWS.iter().map(|row| row.4).collect();
    for (name, value) in figures {
        if !told.contains(&name.as_str()) {
            println!("{name:42} {:>22} {value:>12.1}", "");
        }
    }
}
