//! From places to records: which a workspace has, and what lies there. Places near each other are read in one go.

use super::EventFilter;
use crate::ledger::{Log, LogError};
use crate::record::{Record, Seq, WorkspaceId};
use crate::views::{ViewError, Views};

/// Seqs this close are read from the log in one go: they mostly lie in one compressed block.
const NEIGHBOURS: u64 = 32;
/// The longest stretch of the log that is read in one go, so that memory stays bounded.
const STRETCH: u64 = 256;

/// Seqs are counted in portions of so many.
const COUNTED: usize = 4_096;

/// The seqs of a workspace's newest records, oldest first and at most `most`, as far as the views
/// reach. Blocks on disk.
///
/// # Errors
/// [`ViewError`].
pub fn newest_seqs(
    views: &Views,
    workspace: WorkspaceId,
    most: usize,
) -> Result<Vec<Seq>, ViewError> {
    let filter = EventFilter {
        limit: most,
        ..EventFilter::default()
    };
    let mut seqs = views.events(workspace, &filter)?.seqs;
    seqs.reverse();
    Ok(seqs)
}

/// The same of those behind `after`, and how many there are of these in all.
///
/// # Errors
/// [`ViewError`].
pub fn seqs_behind(
    views: &Views,
    workspace: WorkspaceId,
    after: Seq,
    most: usize,
) -> Result<(Vec<Seq>, u64), ViewError> {
    let mut asked = EventFilter {
        limit: COUNTED,
        ..EventFilter::default()
    };
    let (mut newest, mut count) = (Vec::new(), 0);
    loop {
        let page = views.events(workspace, &asked)?;
        let behind = page.seqs.partition_point(|seq| *seq > after);
        count += behind as u64;
        let wanted = most.saturating_sub(newest.len()).min(behind);
        newest.extend_from_slice(&page.seqs[..wanted]);
        asked.cursor = page.seqs.last().copied();
        if behind < page.seqs.len() || page.complete || asked.cursor.is_none() {
            newest.reverse();
            return Ok((newest, count));
        }
    }
}

/// The records of a workspace with these seqs (ascending), in their order; those that were set aside
/// are left out. Blocks on disk.
///
/// # Errors
/// [`LogError`].
pub fn records_at(
    log: &dyn Log,
    workspace: WorkspaceId,
    seqs: &[Seq],
) -> Result<Vec<Record>, LogError> {
    let newest_first: Vec<Seq> = seqs.iter().rev().copied().collect();
    let mut records = Vec::with_capacity(seqs.len());
    let stretches: Vec<&[Seq]> = stretches(&newest_first).collect();
    for stretch in stretches.into_iter().rev() {
        records.extend(read(log, stretch)?);
    }
    records.retain(|record| record.entry.workspace == workspace);
    Ok(records)
}

/// Parts descending seqs where reading what lies between would cost more than it saves.
pub(super) fn stretches(seqs: &[Seq]) -> impl Iterator<Item = &[Seq]> {
    let mut newest = seqs.first().map_or(0, |seq| seq.0);
    seqs.chunk_by(move |newer, older| {
        let near = newer.0 - older.0 <= NEIGHBOURS && newest - older.0 < STRETCH;
        if !near {
            newest = older.0;
        }
        near
    })
}

/// Reads the records of a stretch, oldest first. One that the log no longer has, because its segment
/// was set aside, is left out.
pub(super) fn read(log: &dyn Log, seqs: &[Seq]) -> Result<Vec<Record>, LogError> {
    let (Some(newest), Some(oldest)) = (seqs.first(), seqs.last()) else {
        return Ok(Vec::new());
    };
    let span = usize::try_from(newest.0 - oldest.0 + 1).unwrap_or(usize::MAX);
    let mut records = log.read_from(Seq(oldest.0.saturating_sub(1)), span)?;
    records.retain(|record| {
        let wanted = seqs.binary_search_by(|seq| record.seq.cmp(seq));
        wanted.is_ok()
    });
    Ok(records)
}
