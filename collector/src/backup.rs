//! Backups: a folder with everything of a store that is the truth, and a list of it with hashes. Not
//! the views, which are derived, nor sessions, which a restore ends.
//!
//! - `manifest`: the list, `manifest.json`; what it names is the backup, whatever else lies beside it
//! - `copy`: files with their hashes
//! - `take`: makes a backup beside the store that is in use, or brings one up to date; `writer` its files
//! - `check`: whether a backup is what its list says
//! - `restore`: makes a data folder of one, `erase_again` without those who were erased since
//!
//! A file's name in the backup holds a part of its hash, so that a new version never overwrites one
//! that the list still names: until the new list is in its place, the older backup is whole. Only then
//! is what nothing names any more removed.

mod check;
mod copy;
mod erase_again;
mod manifest;
mod restore;
mod take;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use restore::restore;
pub(crate) use take::{BackupSources, take};

/// What `misar backup` is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupAsk {
    /// Where to; absolute, since a server has another working folder.
    pub dir: PathBuf,
    /// Brings a backup up to date.
    pub incremental: bool,
    /// Sealed segments are hard links where the file system can: no copies.
    pub link: bool,
}

/// What a backup came to; printed with `--json` as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupReport {
    pub dir: String,
    pub files: u64,
    pub bytes: u64,
    /// Bytes that were written, not taken over from the backup before.
    pub copied_bytes: u64,
    /// Files that were hard-linked: no copies.
    pub linked: u64,
    /// Files that were the same in the backup before.
    pub reused: u64,
    pub events: u64,
    pub orders: u64,
    /// As `misar log verify` says it.
    pub last_seq: String,
    pub seconds: f64,
}
