//! Four questions as definitions that nobody keeps; and the same events as a file, for engines that are asked the same.

use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use shared::segment::Definition;
use store::record::Fact;

use crate::Failure;
use crate::legs::{figure, open};
use crate::load::{Keys, WORKSPACE, seed};
use crate::plan::Plan;
use crate::store_in::computed;

/// Where the events are put: contact, name, milliseconds since 1970, minor units of an order's worth.
pub(crate) const FILE: &str = "events.csv";

/// Of `anchors/segments.md`, section 1.
const QUESTIONS: [(&str, &str); 4] = [
    (
        "trial",
        r#"{"all":[{"event":"trial_started","within":"7d"},{"not":{"purchase":{}}}]}"#,
    ),
    (
        "viewed",
        r#"{"all":[{"event":"page_viewed","count":{"gte":3},"within":"30d"},{"not":{"purchase":{},"within":"30d","includeNew":true}}]}"#,
    ),
    (
        "spent",
        r#"{"purchase":{"sum":{"gte":100},"currency":"EUR"},"within":"90d"}"#,
    ),
    (
        "asleep",
        r#"{"not":{"message":"opened","within":"90d","includeNew":true}}"#,
    ),
];

pub(crate) fn ask(plan: &Plan, data: &Path, folder: &Path) -> Result<(), Failure> {
    if !folder.exists() {
        return Err("the leg `kept` comes first".into());
    }
    let keys = Keys::holding(Vec::new())?;
    let views = open(folder, &keys, plan)?;
    let (book, now) = (keys.book(), seed(plan).until);
    for (name, json) in QUESTIONS {
        let definition = Definition::parse(json).map_err(|error| format!("{json}: {error}"))?;
        let (before, began) = (computed()?, Instant::now());
        let preview = views.preview_segment(WORKSPACE, &book, &definition, now, 10)?;
        figure(&format!("preview-{name}-s"), began.elapsed().as_secs_f64());
        figure(&format!("preview-{name}-cpu"), computed()? - before);
        figure(&format!("preview-{name}-count"), preview.count as f64);
    }
    views.close()?;
    export(plan, data)
}

/// Writes the events that the questions look at.
fn export(plan: &Plan, data: &Path) -> Result<(), Failure> {
    let path = data.join(FILE);
    if path.exists() {
        return Ok(());
    }
    let seed = seed(plan);
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    for number in 0..plan.events {
        let entry = seed.entry(number);
        let (name, minor) = match &entry.fact {
            Fact::Purchase { revenue, .. } => ("purchase", revenue.minor),
            Fact::Open { .. } | Fact::Click { .. } => ("opened", 0),
            Fact::Send { .. } => ("sent", 0),
            Fact::Identify { .. } => ("identify", 0),
            Fact::Track { name, .. } => (name.as_str(), 0),
            _ => continue,
        };
        // A browser's events are those of who was identified there.
        let contact = seed.whose(number);
        let time = entry.time.as_millis();
        writeln!(file, "{contact},{name},{time},{minor}")?;
    }
    file.flush()?;
    Ok(())
}
