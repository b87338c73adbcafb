//! What is asked of the ledger, and what it answers.

use shared::ids::EventId;
use shared::rejection::Rejection;

use super::decide::RefundAsk;
use crate::ids::OlderId;
use crate::record::public_seq::PublicSeq;
use crate::record::{Entry, Seq};

/// One event on its way into the log.
#[derive(Debug, Clone)]
pub struct Submission {
    pub entry: Entry,
    /// With a refund: what it asks for. The log writes the entry's money.
    pub asked: Option<RefundAsk>,
    /// The id was made for this submission, so that nothing can have it yet.
    pub has_new_id: bool,
    /// The ids under which older versions would have recorded it: one counts as its own where such a
    /// version has recorded an event of its type under it. None where its id was not made of a text.
    pub older: Vec<OlderId>,
}

impl From<Entry> for Submission {
    fn from(entry: Entry) -> Self {
        Self {
            entry,
            asked: None,
            has_new_id: false,
            older: Vec::new(),
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
    /// The record itself; of one that was dropped with the beginning of the log, the place in front of
    /// what is left.
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
