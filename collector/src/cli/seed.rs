//! `misar seed`: made-up events in a data folder, to try a store out and to measure one.

use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use shared::segment::Definition;
use shared::time::Timestamp;
use store::clock::SystemClock;
use store::folder::{DataFolder, FolderError};
use store::ledger::Submission;
use store::lineage::Running;
use store::meta::{DEFAULT_WORKSPACE, Meta, SegmentRefusal};
use store::record::WorkspaceKeys as _;
use store::seed::{self, Seed};

use super::output::{Output, log_warnings};
use super::progress::{Elsewhere, Shown};
use super::{Failure, Folder};
use crate::log_at_rest::{reached, with_log};
use crate::upkeep::Progress;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Fills a data folder with made-up events, and segments of them
///
/// The events are the same every time, but for when they happened: they come evenly over the days until now. Page
/// views lead, other names have a long tail; some tell traits, some are orders, some are about messages, some come late,
/// some from browsers that say only later whose they are. Events that are there already are not counted twice, so that a
/// command that was stopped can be given again. No server may have the folder open: the next one that starts builds its
/// views of it. Nobody is written to: all addresses end in example.com.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar seed                                             10,000 contacts, 100,000 events
  misar seed --contacts 1000000 --events 10000000 --segments 1000
  misar seed --contacts 100000 --events 0 --paths 10000  segments alone
Afterwards: misar serve")]
pub(super) struct Fill {
    /// Contacts, at least one
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    contacts: u64,
    /// Events, in all
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(..=10_000_000_000))]
    events: u64,
    /// Days over which they come, the last one being today
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = clap::value_parser!(i64).range(1..=3_650))]
    days: i64,
    /// Segments besides, thirty for each name of events: counts, windows, properties, sums, orders, traits, sequences
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=10_000))]
    segments: u16,
    /// Segments besides of who viewed one page within 30 days, one for each page
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=10_000))]
    paths: u16,
    /// The workspace
    #[arg(long, value_name = "NAME", default_value = DEFAULT_WORKSPACE)]
    workspace: String,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// What came of it.
#[derive(Serialize)]
struct Seeded {
    /// Those that were not there yet.
    events: u64,
    segments: usize,
}

pub(super) fn run(asked: &Fill, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    log_warnings();
    let folder = DataFolder::open(&folder.0).map_err(|error| match error {
        FolderError::Held(_) => format!("{error}: stop it first"),
        other => other.to_string(),
    })?;
    let data = folder.path();
    let found = Running::look(data).map_err(|strange| strange.to_string())?;
    let meta = Meta::open(data, Arc::new(SystemClock)).map_err(|error| error.to_string())?;
    let standing = meta.standing();
    standing
        .check(data, found)
        .map_err(|strange| strange.to_string())?;
    let meta = Arc::new(meta);
    let workspace = meta.workspace(&asked.workspace).ok_or_else(|| {
        format!(
            "there is no workspace {0:?}: misar workspaces create {0} makes it",
            asked.workspace
        )
    })?;
    let key = meta.key_of(workspace.id);
    let seed = Seed {
        workspace: workspace.id,
        key: key.ok_or_else(|| "the workspace has no key".to_owned())?,
        contacts: asked.contacts,
        events: asked.events,
        until: meta.now(),
        span_ms: asked.days * DAY_MS,
    };
    let mut wanted = seed::of_names(asked.segments.into());
    wanted.extend(seed::of_paths(asked.paths.into()));
    let segments = define(&meta, &seed, wanted)?;
    let mut shown = Shown::new("seeding", Elsewhere::Lines);
    let events = with_log(data, &meta, reached(data, &meta), async |log| {
        let make = |number| Submission::from(seed.entry(number));
        let mut tell = |done| {
            let total = seed.events;
            shown.tell(Progress { done, total });
        };
        let appended = seed::append(&**log, seed.events, make, &mut tell).await;
        appended.map_err(|error| error.to_string())
    })?;
    drop(shown);
    let seeded = Seeded { events, segments };
    if asked.json {
        return Ok(output.json(&seeded)?);
    }
    Ok(output.line(&format!(
        "{events} events of {} contacts, from {} on; {segments} segments",
        seed.contacts,
        Timestamp::from_millis(seed.until.as_millis() - seed.span_ms)
    ))?)
}

/// Makes those segments whose names are not taken yet.
fn define(meta: &Meta, seed: &Seed, wanted: Vec<(String, String)>) -> Result<usize, Failure> {
    let book = meta.segment_book(seed.workspace);
    let known = book.kept();
    let known: std::collections::BTreeSet<&str> =
        known.iter().map(|segment| segment.name.as_str()).collect();
    let mut new = Vec::new();
    for (name, json) in wanted {
        if !known.contains(name.as_str()) {
            let definition = Definition::parse(&json);
            new.push((name, definition.map_err(|error| error.to_string())?));
        }
    }
    if new.is_empty() {
        return Ok(0);
    }
    let count = new.len();
    let made = meta.create_segments(seed.workspace, new);
    match made.map_err(|error| error.to_string())? {
        Ok(_) => Ok(count),
        Err(SegmentRefusal::TooMany) => Err(Failure::Failed(format!(
            "a workspace has {} segments at the most",
            store::meta::MAX_SEGMENTS
        ))),
        Err(_) => Err(Failure::Failed("the segments were refused".to_owned())),
    }
}
