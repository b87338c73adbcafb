//! The folder of the runs: what its files are called, and which of them a start needs.

use std::io;
use std::path::{Path, PathBuf};

use super::{RunsError, run};
use crate::record::Seq;

/// How names end.
pub(super) const RUN: &str = "run";
pub(super) const TAIL: &str = "tail";

/// Ten digits, so that names sort as runs do.
pub(super) fn name_of(index: u32, ending: &str) -> String {
    format!("{index:010}.{ending}")
}

pub(super) fn run_path(folder: &Path, index: u32) -> PathBuf {
    folder.join(name_of(index, RUN))
}

pub(super) fn tail_path(folder: &Path, index: u32) -> PathBuf {
    folder.join(name_of(index, TAIL))
}

/// Removes what no start needs: drafts, what lies behind the checkpoint, and what the log has let go.
pub(super) fn remove_others(folder: &Path, kept: &dyn Fn(&str) -> bool) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(kept) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A file that must be there and is not has been lost.
pub(super) fn missing(path: &Path) -> impl Fn(RunsError) -> RunsError {
    move |error| match error {
        RunsError::Storage(error) if error.kind() == io::ErrorKind::NotFound => {
            run::damaged(path, "it is missing")
        }
        error => error,
    }
}

pub(super) fn run_of(seq: Seq, size: u32) -> Result<u32, RunsError> {
    u32::try_from(seq.0 / u64::from(size)).map_err(|_| RunsError::Damaged(format!("seq {seq}")))
}

pub(super) fn run_of_floor(floor: Seq, size: u32) -> u32 {
    u32::try_from(floor.0 / u64::from(size)).unwrap_or(u32::MAX)
}
