//! The log: the durable record of events, and the truth. Here are its promises; what keeps them is
//! in the modules, in reading order.
//!
//! - `record`: what is kept of an event
//! - `public_seq`: its seq as callers see it; `stamps`: the times in these
//! - `identity`: what identifies it
//! - `decide`: duplicate, conflict or new (pure)
//! - `block`, `segment`: how records lie on disk
//! - `orders`: every order for ever
//! - `redb`: the log on one machine's disk; `memory`: a small one that keeps the trait honest
//! - `verify`: a look at everything
//! - `conformance`: the promises as tests, for every log

pub(crate) mod amend;
pub mod block;
pub mod decide;
pub mod extra;
pub mod identity;
mod orders;
pub mod public_seq;
pub mod record;
pub mod segment;
mod stamps;
pub mod suppression;
pub mod suppressions;

pub mod memory;
pub mod redb;
pub mod verify;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
mod old_layout;
#[cfg(test)]
mod power_cut;

use std::pin::Pin;

use shared::ids::EventId;
use shared::rejection::Rejection;
use tokio::sync::watch;

use crate::lineage::Strange;
use decide::RefundAsk;
use identity::Sender;
use public_seq::PublicSeq;
use record::{Entry, Record, Seq, WorkspaceId};

/// How long an id is remembered at the least, in milliseconds: 7 days.
pub const DEDUPE_WINDOW_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// One event on its way into the log.
#[derive(Debug, Clone)]
pub struct Submission {
    pub entry: Entry,
    /// With a refund: what it asks for. The log writes the entry's money.
    pub asked: Option<RefundAsk>,
    /// The id was made for this submission, so that nothing can have it yet.
    pub has_new_id: bool,
    /// The id under which a version from before ids were keyed would have recorded it: that counts
    /// as its own where such a version has recorded an event of its type under it.
    pub older: Option<EventId>,
}

impl From<Entry> for Submission {
    fn from(entry: Entry) -> Self {
        Self {
            entry,
            asked: None,
            has_new_id: false,
            older: None,
        }
    }
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// New, and on disk; callers see `public_seq`.
    Tracked { seq: Seq, public_seq: PublicSeq },
    /// Known already; `id` and `seq` are those of the first. Its content is not compared, save an
    /// order's: who must know whether a refund or a derived id says the same reads the record.
    Duplicate { id: EventId, seq: Seq },
    /// An order or a refund that is known with other content in `fields`.
    Conflict { fields: Vec<&'static str> },
    /// The id is that of an event of another type.
    IdConflict,
    /// A refund that cannot be.
    Refused(Refusal),
}

/// Where a seq that callers see leads to in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Located {
    /// The record itself.
    At(Seq),
    /// No record of the workspace has this seq: of its records, those with lower ones lie up to this
    /// place, all others behind it.
    Behind(Seq),
}

impl Located {
    /// The place up to which the workspace's records have this seq or a lower one.
    #[must_use]
    pub fn seq(self) -> Seq {
        match self {
            Self::At(seq) | Self::Behind(seq) => seq,
        }
    }
}

/// Why a refund was not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No server has reported a purchase of this order.
    UnknownOrder,
    Invalid(Rejection),
}

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
    /// The log is closed or being opened again.
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

impl LogError {
    fn storage(doing: &str, error: &dyn std::fmt::Display) -> Self {
        Self::Storage(format!("{doing}: {error}"))
    }
}

/// Whether the log takes events now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Ready,
    QueueFull,
    /// The last commit failed, or the log is closed.
    Failing,
}

/// A future that a trait object can return.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The durable record of events.
///
/// Promises, each of which `conformance` tests:
/// 1. **Durable**: when `append` returns `Ok`, every `Tracked` record is on storage that survives
///    the process and the machine's power (memory logs excepted, and they say so).
/// 2. **Atomic**: the submissions of one `append` are all recorded or none is.
/// 3. **Ordered**: seqs grow by one from 1 in the order of submission; `read_from` yields them in
///    that order without gaps, and never yields a record that was not committed.
/// 4. **Once**: an (workspace, kind of sender, id) is tracked once within [`DEDUPE_WINDOW_MS`], however
///    many appends race; an id counts as seen only with the commit that holds it. An order of a
///    server's is tracked once for ever, and so is a refund by its refundId.
/// 5. **Found**: `find` sees a record as soon as its `append` has returned.
/// 6. **Bounded**: `append` waits for no space: it takes the submissions or says `Overloaded`.
/// 7. **Redacted**: after `redact`, the personal part of those records is nowhere in the log;
///    their seq, id, time, name, class and money are as before. Repeating it changes nothing.
/// 8. **Shown**: a record has one public seq for ever. Those of a workspace rise with the log, and
///    differ by the time between commits and by its own records within one, by nothing of others.
///    `public_seqs` tells them, and `locate` leads back.
pub trait Log: Send + Sync + 'static {
    /// Appends; one outcome for each submission, in order.
    fn append(&self, batch: Vec<Submission>) -> Later<'_, Result<Vec<Appended>, LogError>>;

    /// Reads up to `limit` records behind `after`. Blocks on disk: not for an async worker.
    fn read_from(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError>;

    /// Finds a record by its id and by who chose that, at any age; the newest where the id came back
    /// after the window. Blocks on disk.
    fn find(
        &self,
        workspace: WorkspaceId,
        sender: Sender,
        id: EventId,
    ) -> Result<Option<Record>, LogError>;

    /// What callers see as the seqs of the records at these places, in their order; `None` where there
    /// is no record (any more). Blocks on disk.
    fn public_seqs(&self, places: &[Seq]) -> Result<Vec<Option<PublicSeq>>, LogError>;

    /// Where the workspace's record with this seq is, or would be. Blocks on disk.
    fn locate(&self, workspace: WorkspaceId, seq: PublicSeq) -> Result<Located, LogError>;

    /// Takes away the personal part of these records; returns once that is durable.
    fn redact(&self, seqs: Vec<Seq>) -> Later<'_, Result<(), LogError>>;

    /// The last committed seq, and a wake-up for whoever follows the log.
    fn committed(&self) -> watch::Receiver<Seq>;

    fn health(&self) -> Health;

    /// Events taken and not yet answered.
    fn queued(&self) -> usize;

    /// Commits what is queued, then closes the store in order. Appends fail from then on.
    fn close(&self) -> Later<'_, Result<(), LogError>>;
}
