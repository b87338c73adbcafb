//! What the log finds on disk when it starts: which segments, in which order, and what comes next.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ASIDE_FOLDER;
use crate::clock::Clock;
use crate::log::record::Seq;
use crate::log::segment::{self, Disk, Segment};
use crate::log::{DEDUPE_WINDOW_MS, LogError};

/// Behind a tail that was set aside nobody knows how far the seqs had got; so many are skipped.
const ASIDE_GAP: u64 = 1 << 32;
/// Opens what is there, and says which seq comes next.
pub(super) fn open_segments(
    folder: &Path,
    reached: Seq,
    since: i64,
    disk: &Arc<dyn Disk>,
) -> Result<(Vec<Arc<Segment>>, Seq), LogError> {
    let aside: Vec<Seq> = list_segments(&folder.join(ASIDE_FOLDER))?
        .into_keys()
        .collect();
    let mut segments: Vec<Arc<Segment>> = Vec::new();
    let mut next = Seq(1);
    let files = list_segments(folder)?;
    for (first, path) in sorted(files) {
        let explained = aside.iter().any(|gap| (next..first).contains(gap));
        if first != next && !explained {
            let what = format!("the records before it, from seq {next}, are missing");
            return Err(segment::damaged(&path, "its start", &what));
        }
        let segment = Segment::open(path, since, disk)?;
        next = segment.last().next().max(first);
        segments.push(Arc::new(segment));
    }
    if let Some(tail) = aside.iter().filter(|first| **first >= next).max() {
        return Ok((segments, Seq(tail.0.max(reached.0) + ASIDE_GAP)));
    }
    if reached >= next {
        let path = segments.last().map_or_else(
            || folder.join(segment::file_name(Seq(1))),
            |last| last.path().to_owned(),
        );
        let what = format!(
            "seq {reached} was acknowledged, but the log ends at seq {}",
            next.0 - 1
        );
        return Err(segment::damaged(&path, "its end", &what));
    }
    Ok((segments, next))
}

/// The segments of a folder by their first seq; drafts that a crash left behind are removed.
pub(crate) fn list_segments(folder: &Path) -> Result<HashMap<Seq, PathBuf>, LogError> {
    let storage = |error: &dyn std::fmt::Display| LogError::storage("listing the segments", error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(storage(&error)),
    };
    let mut found = HashMap::new();
    for entry in entries {
        let path = entry.map_err(|error| storage(&error))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "draft")
        {
            std::fs::remove_file(&path).map_err(|error| storage(&error))?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "redb")
        {
            let first = segment::first_of(&path)
                .ok_or_else(|| LogError::Foreign(path.display().to_string()))?;
            found.insert(first, path);
        }
    }
    Ok(found)
}

/// Ids that arrived before this (milliseconds) may be tracked again.
pub(super) fn remembered_since(clock: &dyn Clock) -> i64 {
    clock.now().as_millis() - DEDUPE_WINDOW_MS
}

pub(crate) fn sorted(files: HashMap<Seq, PathBuf>) -> Vec<(Seq, PathBuf)> {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_unstable();
    files
}
