//! `misar log verify`: reads everything, checks every checksum and invariant, and counts. And the
//! command that sets a damaged segment aside. Both work on a folder that nobody has open, or, for
//! verify, on segments that are read beside the running writer.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::ids::OrderId;

use super::local::{ORDERS_FILE, SUPPRESSIONS_FILE};
use super::orders::{self, OrderBook};
use super::suppressions::{self, Suppressions};
use super::{DEDUPE_WINDOW_MS, LogError};
use crate::files;
use crate::journal::JournalError;
use crate::journal::block::Block;
use crate::journal::local::segment::{self, LogSegment, RealDisk, SegmentSummary};
use crate::journal::local::{
    LOG_FOLDER, QUARANTINE_FOLDER, floor_of, list_segments, quarantined_in, sorted,
};
use crate::record::identity::IdKey;
use crate::record::public_seq::PublicSeq;
use crate::record::{Fact, Record, Seq, WorkspaceId};

/// What a segment holds, in the words of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentReport {
    pub segment: String,
    pub first_seq: String,
    pub last_seq: String,
    pub blocks: u64,
    pub events: u64,
    pub bytes: u64,
    pub sealed: bool,
}

/// What `misar log verify` found; printed with `--json` as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogReport {
    pub ok: bool,
    pub events: u64,
    pub blocks: u64,
    pub orders: u64,
    pub last_seq: String,
    /// The highest seq that callers were given, of all workspaces: whatever they hold that sorts above
    /// it, this log does not have. Zeros where there is no record.
    pub last_public_seq: String,
    /// The first seq that may be there, where what lay before was dropped (`misar serve --retention`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    pub segments: Vec<SegmentReport>,
    /// One sentence for each thing that is wrong.
    pub problems: Vec<String>,
}

/// Checks the invariants that reach across records and segments.
#[derive(Default)]
struct Invariants {
    /// Ids within the dedupe window, with the arrival of each: an id may come back later.
    ids: HashMap<IdKey, i64>,
    orders: HashSet<(u32, bool, OrderId)>,
    /// The last seq of each workspace as callers see it.
    shown: HashMap<WorkspaceId, PublicSeq>,
    problems: Vec<String>,
}

/// More problems than this are counted, not listed.
const MAX_PROBLEMS: usize = 100;

impl Invariants {
    fn see(&mut self, record: &Record, segment: &str) {
        let Record {
            seq,
            public_seq,
            entry,
        } = record;
        if let Some(before) = self.shown.insert(entry.workspace, *public_seq)
            && before >= *public_seq
        {
            self.problem(format!(
                "segment {segment}, seq {seq}: callers see {public_seq} as its seq, and {before} before it"
            ));
        }
        let received = entry.received_at.as_millis();
        if let Some(before) = self.ids.insert(entry.id_key(), received)
            && received - before < DEDUPE_WINDOW_MS
        {
            self.problem(format!(
                "segment {segment}, seq {seq}: the id {} is there twice",
                entry.id
            ));
        }
        // What pages say of an order is tracked however often it is said.
        if let Fact::Purchase { order_id, .. } = &entry.fact
            && !self
                .orders
                .insert((entry.workspace.0, entry.is_verified(), order_id.clone()))
            && entry.is_verified()
        {
            self.problem(format!(
                "segment {segment}, seq {seq}: an order is there twice"
            ));
        }
    }

    /// Ids that arrived before this (milliseconds) may come again.
    fn forget_before(&mut self, since: i64) {
        self.ids.retain(|_, received| *received >= since);
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Verifies the log of a data folder that no process has open. The log must reach `reached`,
/// because something durable reflects it. `progress` is told the events read.
///
/// # Errors
/// Only when the folder cannot be listed; damage stands in the report.
pub fn verify(
    data: &Path,
    reached: Seq,
    progress: &mut dyn FnMut(u64),
) -> Result<LogReport, LogError> {
    let disk: Arc<dyn segment::Disk> = Arc::new(RealDisk);
    let open = |path: PathBuf| LogSegment::open(path, &disk);
    let orders = |file: &Path| Ok(OrderBook::open(file)?.cursor());
    let suppressions = |file: &Path| Ok(Suppressions::open(file)?.cursor());
    verify_files(data, reached, open, (orders, suppressions), progress)
}

/// The same in a folder that is not to be written: what was not closed in order is named, because it
/// takes a repair.
///
/// # Errors
/// Only when the folder cannot be listed, or the order book cannot be read.
pub fn verify_read_only(
    data: &Path,
    reached: Seq,
    progress: &mut dyn FnMut(u64),
) -> Result<LogReport, LogError> {
    verify_files(
        data,
        reached,
        LogSegment::open_to_read,
        (orders::cursor_at_rest, suppressions::cursor_at_rest),
        progress,
    )
}

fn verify_files(
    data: &Path,
    reached: Seq,
    open: impl Fn(PathBuf) -> Result<LogSegment, JournalError>,
    (orders, suppressions): (
        impl Fn(&Path) -> Result<Seq, LogError>,
        impl Fn(&Path) -> Result<Seq, LogError>,
    ),
    progress: &mut dyn FnMut(u64),
) -> Result<LogReport, LogError> {
    let folder = data.join(LOG_FOLDER);
    let files = sorted(list_segments(&folder)?);
    let segments = files
        .iter()
        .map(|(first, path)| (*first, open(path.clone()).map(Arc::new)));
    let mut reached = reached;
    let file = data.join(ORDERS_FILE);
    if file.is_file() {
        reached = reached.max(orders(&file)?);
    }
    let file = data.join(SUPPRESSIONS_FILE);
    if file.is_file() {
        reached = reached.max(suppressions(&file)?);
    }
    let floor = floor_of(&folder)?;
    // A crash may have left what lies below.
    let segments = segments.filter(|(first, _)| *first >= floor);
    verify_segments(
        floor,
        &quarantined_in(&folder)?,
        segments,
        reached,
        progress,
    )
}

/// Verifies the segments of a backup, which lie under other names, in order. `quarantined` are the first
/// seqs of those that were set aside, `floor` is where the log begins.
///
/// # Errors
/// None but what [`verify`] has.
pub fn verify_copies(
    floor: Seq,
    quarantined: &[Seq],
    files: Vec<(Seq, PathBuf)>,
    reached: Seq,
    progress: &mut dyn FnMut(u64),
) -> Result<LogReport, LogError> {
    let segments = files
        .into_iter()
        .map(|(first, path)| (first, LogSegment::open_copy(path, first).map(Arc::new)));
    let segments = segments.filter(|(first, _)| *first >= floor);
    verify_segments(floor, quarantined, segments, reached, progress)
}

/// Verifies segments that are open already, in order.
pub(super) fn verify_segments(
    floor: Seq,
    quarantined: &[Seq],
    segments: impl Iterator<Item = (Seq, Result<Arc<LogSegment>, JournalError>)>,
    reached: Seq,
    progress: &mut dyn FnMut(u64),
) -> Result<LogReport, LogError> {
    let mut report = LogReport {
        floor: (!floor.is_first()).then(|| floor.to_string()),
        ..LogReport::default()
    };
    let mut invariants = Invariants::default();
    // `None` behind a damaged segment: nobody knows where it ended.
    let mut next = Some(floor);
    for (first, opened) in segments {
        if let Some(next) = next
            && first > next
            && !quarantined.iter().any(|gap| (next..first).contains(gap))
        {
            let name = segment::file_name(first);
            invariants.problem(format!(
                "segment {name}: the records before it, from seq {next}, are missing"
            ));
        }
        let checked = opened
            .map_err(LogError::from)
            .and_then(|segment| check(&segment, &mut invariants, &mut report, progress));
        next = match checked {
            Ok(summary) => Some(summary.last.next().max(first)),
            Err(error) => {
                invariants.problem(error.to_string());
                None
            }
        };
    }
    let tail_is_quarantined =
        next.is_some_and(|next| quarantined.iter().any(|first| *first >= next));
    if let Some(next) = next
        && reached >= next
        && !tail_is_quarantined
    {
        let end = next.0 - 1;
        invariants.problem(format!(
            "seq {reached} was acknowledged, but the log ends at seq {end}"
        ));
    }
    report.last_seq = report
        .segments
        .last()
        .map_or_else(|| "0".to_owned(), |last| last.last_seq.clone());
    let shown = invariants.shown.values().max().copied();
    report.last_public_seq = shown.unwrap_or_default().to_string();
    report.orders = invariants.orders.len() as u64;
    report.problems = invariants.problems;
    report.ok = report.problems.is_empty();
    Ok(report)
}

fn check(
    segment: &LogSegment,
    invariants: &mut Invariants,
    report: &mut LogReport,
    progress: &mut dyn FnMut(u64),
) -> Result<SegmentSummary, LogError> {
    let name = segment::file_name(segment.first());
    // Before the scan: beside a running writer the segment may be sealed meanwhile, with more in it.
    let sealed = segment.is_sealed();
    let summary = segment.scan(&mut |block: &Block<'_>| {
        let mut records = Vec::with_capacity(block.count());
        block
            .records(Seq::START, usize::MAX, &mut records)
            .map_err(|bad| segment.bad_block(block.first(), &bad))?;
        let listed = block
            .ids()
            .map_err(|bad| segment.bad_block(block.first(), &bad))?;
        for (record, listed) in records.iter().zip(listed) {
            invariants.see(record, &name);
            let (key, seen) = record.seen();
            if listed != (key, seen.kind) {
                let what = "the id beside it is not its own";
                let position = format!("seq {}", record.seq);
                return Err(segment::damaged(segment.path(), &position, &what));
            }
        }
        report.events += records.len() as u64;
        report.blocks += 1;
        progress(report.events);
        Ok(())
    })?;
    invariants.forget_before(segment.last_received() - DEDUPE_WINDOW_MS);
    if sealed && segment.last() != summary.last {
        let what = format!(
            "the seal says that it ends at seq {}, its blocks end at seq {}",
            segment.last(),
            summary.last
        );
        return Err(segment::damaged(segment.path(), "its seal", &what).into());
    }
    report.segments.push(SegmentReport {
        segment: name,
        first_seq: summary.first.to_string(),
        last_seq: summary.last.to_string(),
        blocks: summary.blocks,
        events: summary.records,
        bytes: segment.file_size(),
        sealed,
    });
    Ok(summary)
}

/// Moves a segment out of the log. Its events are gone from every answer; the file is kept.
///
/// # Errors
/// When there is no such segment, or the disk refuses.
pub fn quarantine(data: &Path, name: &str) -> Result<std::path::PathBuf, LogError> {
    let storage =
        |error: &dyn std::fmt::Display| LogError::storage("setting a segment aside", error);
    let folder = data.join(LOG_FOLDER);
    let from = folder.join(name);
    if segment::first_of(&from).is_none() || !from.is_file() {
        return Err(storage(&format!(
            "there is no segment {name} in {}",
            folder.display()
        )));
    }
    let quarantined = folder.join(QUARANTINE_FOLDER);
    files::create_folder(&quarantined).map_err(|error| storage(&error))?;
    let to = quarantined.join(name);
    segment::rename_synced(&from, &to).map_err(|error| storage(&error))?;
    segment::sync_folder_of(&from).map_err(|error| storage(&error))?;
    Ok(to)
}
