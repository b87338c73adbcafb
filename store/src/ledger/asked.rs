//! What is asked of the ledger, and what it answers.

use shared::decimal::Decimal;
use shared::ids::{EventId, MessageId, OrderId, RefundId};
use shared::money::Money;
use shared::rejection::Rejection;

use super::decide::RefundAsk;
use crate::ids::OlderId;
use crate::record::identity::FactKind;
use crate::record::public_seq::PublicSeq;
use crate::record::{Content, Entry, Fact, Personal, Seq};

/// What an event says before the ledger has decided: a fact, or what an order must be known for to make
/// one of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Proposed {
    /// All that is a fact as it comes.
    Fact(Fact),
    /// A refund: how much that is, its order tells.
    Refund {
        order_id: OrderId,
        refund_id: RefundId,
        asked: RefundAsk,
    },
    /// A change of an order. What is `None` stays as it is.
    Amend {
        order_id: OrderId,
        revenue: Option<Money>,
        rounded: bool,
        items: Option<Personal>,
        message_id: Option<MessageId>,
    },
}

/// Of a refund and of an amendment as they were recorded: what asks for the same again.
impl From<Fact> for Proposed {
    fn from(fact: Fact) -> Self {
        match fact {
            Fact::Refund {
                order_id,
                refund_id,
                amount,
                rounded: _,
            } => {
                let decimal = Decimal::parse(&amount.to_decimal_string());
                let asked = RefundAsk {
                    amount: Some(decimal.expect("money is written as a decimal number")),
                    currency: Some(amount.currency),
                };
                Self::Refund {
                    order_id,
                    refund_id,
                    asked,
                }
            }
            Fact::Amend {
                order_id,
                revenue,
                rounded,
                items,
                message_id,
            } => Self::Amend {
                order_id,
                revenue: Some(revenue),
                rounded,
                items,
                message_id,
            },
            other => Self::Fact(other),
        }
    }
}

impl Content for Proposed {
    fn kind(&self) -> FactKind {
        match self {
            Self::Fact(fact) => fact.kind(),
            Self::Refund { .. } => FactKind::Refund,
            Self::Amend { .. } => FactKind::Amend,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Fact(fact) => fact.weight(),
            Self::Refund {
                order_id,
                refund_id,
                ..
            } => order_id.as_str().len() + refund_id.as_str().len(),
            Self::Amend {
                order_id, items, ..
            } => order_id.as_str().len() + items.as_ref().map_or(0, |items| items.0.len()),
        }
    }
}

/// One event on its way into the log.
#[derive(Debug, Clone)]
pub struct Submission {
    pub entry: Entry<Proposed>,
    /// The id was made for this submission, so that nothing can have it yet.
    pub has_new_id: bool,
    /// The ids under which older versions would have recorded it: one counts as its own where such a
    /// version has recorded an event of its type under it. None where its id was not made of a text.
    pub older: Vec<OlderId>,
}

impl From<Entry> for Submission {
    fn from(entry: Entry) -> Self {
        let (fact, rest) = entry.take();
        rest.saying(Proposed::from(fact)).into()
    }
}

impl From<Entry<Proposed>> for Submission {
    fn from(entry: Entry<Proposed>) -> Self {
        Self {
            entry,
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
    Refused(OrderRefusal),
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
pub enum OrderRefusal {
    /// No server has reported a purchase of this order.
    UnknownOrder,
    Invalid(Rejection),
}
