//! How a journal says that it could not do what was asked, and what is damaged.

use crate::lineage::Strange;
use crate::record::Seq;

/// Where a log is damaged, and how to go on without the damaged part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file name.
    pub segment: String,
    /// Where in it.
    pub position: String,
    pub what: String,
    /// The data folder, for the command.
    pub data: String,
    /// Where the segment itself is sound and records are missing: the first of those.
    pub lost_from: Option<Seq>,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            segment,
            position,
            what,
            data,
            lost_from,
        } = self;
        write!(
            f,
            "segment {segment} of the log is damaged at {position}: {what}. Restore "
        )?;
        match lost_from {
            None => write!(
                f,
                "the file from a backup, or go on without the events in it: \
                 misar log set-aside {segment} --data {data}"
            ),
            Some(_) => write!(
                f,
                "the folder `log` from a backup, or go on without what is missing: \
                 misar log accept-loss --data {data}"
            ),
        }
    }
}

/// Why a journal could not do what was asked. All of them are ours, none the caller's fault.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The storage failed.
    #[error("the store is failing while {0}")]
    Storage(String),
    /// The journal is closed or being opened again.
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

impl From<Strange> for JournalError {
    fn from(strange: Strange) -> Self {
        Self::Strange(Box::new(strange))
    }
}

impl JournalError {
    pub(crate) fn storage(doing: &str, error: &dyn std::fmt::Display) -> Self {
        Self::Storage(format!("{doing}: {error}"))
    }
}

/// Why an append was not acknowledged, and whether it may be there all the same.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Nothing of it is there: the journal ends elsewhere, because somebody else has appended.
    #[error("the journal ends at seq {end}, where another writer has appended")]
    Lost { end: Seq },
    /// Nothing of it is there, and nothing ever will be.
    #[error("nothing was written: {0}")]
    NotWritten(JournalError),
    /// It may be there or not until [`super::Journal::settle`] has returned.
    #[error("whether it was written is not known: {0}")]
    Unknown(JournalError),
}
