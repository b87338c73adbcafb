//! What the journal finds on disk when it starts: which segments, in which order, and what comes next.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::QUARANTINE_FOLDER;
use super::floor::floor_of;
use super::segment::{self, Disk, LogSegment, RealDisk};
use crate::files;
use crate::journal::{Damage, JournalError};
use crate::lineage::{Part, Standing};
use crate::record::Seq;

/// Behind a tail that was set aside nobody knows how far the seqs had got; so many are skipped.
const QUARANTINE_GAP: u64 = 1 << 32;

/// Opens what is there from `floor` on, and says which seq comes next. What a crash left below the floor
/// is removed.
pub(super) fn open_segments(
    folder: &Path,
    standing: Option<&Standing>,
    reached: Seq,
    floor: Seq,
    disk: &Arc<dyn Disk>,
) -> Result<(Vec<Arc<LogSegment>>, Seq), JournalError> {
    let quarantined = quarantined_in(folder)?;
    let mut segments: Vec<Arc<LogSegment>> = Vec::new();
    let mut next = floor;
    let files = list_segments(folder)?;
    for (first, path) in sorted(files) {
        if first < floor {
            std::fs::remove_file(&path)
                .map_err(|error| JournalError::storage("removing a dropped segment", &error))?;
            continue;
        }
        let segment = LogSegment::open(path.clone(), disk)?;
        if let Some(standing) = standing {
            standing.check_file(segment.path(), Part::OldSegment, segment.lineage()?)?;
        }
        if first > next && !quarantined.iter().any(|gap| (next..first).contains(gap)) {
            let what = format!("the records before it, from seq {next}, are missing");
            return Err(lost(&path, "its start", what, next));
        }
        if first < next {
            // Rotation made it and failed before anything was appended there.
            if segment.last() < first && !segment.is_sealed() {
                std::fs::remove_file(segment.path())
                    .map_err(|error| JournalError::storage("removing an empty segment", &error))?;
                continue;
            }
            let what = format!("the segment before it reaches up to seq {}", next.0 - 1);
            return Err(segment::damaged(segment.path(), "its start", &what));
        }
        next = segment.last().next().max(first);
        segments.push(Arc::new(segment));
    }
    let tail = quarantined.iter().filter(|first| **first >= next).max();
    // Whose newest segment was set aside has an older one now, and knows of it.
    if let (Some(standing), Some(newest), None) = (standing, segments.last(), tail) {
        standing.check_file(newest.path(), Part::NewestSegment, newest.lineage()?)?;
    }
    if let Some(tail) = tail {
        return Ok((segments, Seq(tail.0.max(reached.0) + QUARANTINE_GAP)));
    }
    if reached >= next {
        let path = segments.last().map_or_else(
            || folder.join(segment::file_name(floor)),
            |last| last.path().to_owned(),
        );
        let what = format!(
            "seq {reached} was acknowledged, but the log ends at seq {}",
            next.0 - 1
        );
        return Err(lost(&path, "its end", what, next));
    }
    Ok((segments, next))
}

/// Records are missing around a segment that is itself sound.
fn lost(path: &Path, position: &str, what: String, from: Seq) -> JournalError {
    JournalError::Damaged(Box::new(Damage {
        lost_from: Some(from),
        ..segment::damage(path, position, &what)
    }))
}

/// Writes down that records are missing and that this is known, so that the log opens again.
/// Returns the first seq of each gap. The mark is an empty file in the folder of segments that were
/// set aside, under the name that the missing segment would have.
///
/// # Errors
/// [`JournalError::Damaged`] where something is damaged rather than missing.
pub fn accept_loss(data: &Path, reached: Seq) -> Result<Vec<Seq>, JournalError> {
    let storage = |error: &dyn std::fmt::Display| JournalError::storage("noting a loss", error);
    let folder = data.join(super::LOG_FOLDER);
    let quarantined = folder.join(QUARANTINE_FOLDER);
    files::create_folder(&quarantined).map_err(|error| storage(&error))?;
    let floor = floor_of(&folder)?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut gaps = Vec::new();
    loop {
        match open_segments(&folder, None, reached, floor, &disk) {
            Ok(_) => return Ok(gaps),
            Err(JournalError::Damaged(damage)) => {
                let Some(from) = damage.lost_from else {
                    return Err(JournalError::Damaged(damage));
                };
                let mark = quarantined.join(segment::file_name(from));
                files::create(&mark)
                    .and_then(|mark| mark.sync_all())
                    .and_then(|()| segment::sync_folder_of(&mark))
                    .and_then(|()| segment::sync_folder_of(&quarantined))
                    .map_err(|error| storage(&error))?;
                gaps.push(from);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The first seqs of the segments that were set aside, and of the gaps that were accepted.
pub(crate) fn quarantined_in(folder: &Path) -> Result<Vec<Seq>, JournalError> {
    Ok(list_segments(&folder.join(QUARANTINE_FOLDER))?
        .into_keys()
        .collect())
}

/// The segments of a folder by their first seq; drafts that a crash left behind are removed.
pub(crate) fn list_segments(folder: &Path) -> Result<HashMap<Seq, PathBuf>, JournalError> {
    let storage =
        |error: &dyn std::fmt::Display| JournalError::storage("listing the segments", error);
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
            match std::fs::remove_file(&path) {
                // A copy that is not to be written: a draft is nothing there either.
                Err(error)
                    if !matches!(
                        error.kind(),
                        std::io::ErrorKind::PermissionDenied
                            | std::io::ErrorKind::ReadOnlyFilesystem
                    ) =>
                {
                    return Err(storage(&error));
                }
                Ok(()) | Err(_) => {}
            }
        } else if path
            .extension()
            .is_some_and(|extension| extension == "redb")
        {
            let first = segment::first_of(&path)
                .ok_or_else(|| JournalError::Foreign(path.display().to_string()))?;
            found.insert(first, path);
        }
    }
    Ok(found)
}

pub(crate) fn sorted(files: HashMap<Seq, PathBuf>) -> Vec<(Seq, PathBuf)> {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_unstable();
    files
}
