//! Why the ledger could not do what was asked.

use crate::journal::{Damage, JournalError};
use crate::lineage::Strange;

/// Why the log could not do what was asked. All of them are ours, none the caller's fault.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The queue is full: nothing was taken; trying again later is right.
    #[error("the queue of the log is full")]
    Overloaded,
    /// The disk failed. Whether an append of that moment is in the log is not known; once the
    /// store is open again the same id gets the true answer.
    #[error("the store is failing while {0}")]
    Storage(String),
    /// The log is closed, being opened again, or somebody else decides: nothing was taken.
    #[error("the log is not open")]
    Unavailable,
    /// What is on disk is not what was written.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// A file that is no segment lies among the segments.
    #[error("{0} is not a segment of the log: move it elsewhere")]
    Foreign(String),
    /// The file is of another store, or of another time, than `meta.redb`.
    #[error(transparent)]
    Strange(Box<Strange>),
}

impl From<Strange> for LogError {
    fn from(strange: Strange) -> Self {
        Self::Strange(Box::new(strange))
    }
}

impl From<JournalError> for LogError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Storage(doing) => Self::Storage(doing),
            JournalError::Unavailable => Self::Unavailable,
            JournalError::Damaged(damage) => Self::Damaged(damage),
            JournalError::Foreign(path) => Self::Foreign(path),
            JournalError::Strange(strange) => Self::Strange(strange),
        }
    }
}

impl LogError {
    pub(crate) fn storage(doing: &str, error: &dyn std::fmt::Display) -> Self {
        Self::Storage(format!("{doing}: {error}"))
    }
}
