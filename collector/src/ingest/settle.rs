//! What became of a well-formed event, in the words of an answer: the log's outcome, and where an event
//! comes again under an id that was made for it, or a refund does, whether it still says the same.
//! Not how events are refused for their form, nor what an answer looks like.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::ids::EventId;
use shared::rejection::Rejection;

use super::compare::{differing_fields, differing_refund};
use crate::log::decide::RefundAsk;
use crate::log::identity::{FactKind, Sender};
use crate::log::record::{Entry, Record, Seq};
use crate::log::{Appended, Log, LogError, Refusal, Submission};

/// The codes of an unknown order, of one that is on record with other content, of such a refund, and
/// of an id that another event has.
const UNKNOWN_ORDER: &str = "unknown_order";
const ORDER_CONFLICT: &str = "order_conflict";
const REFUND_CONFLICT: &str = "refund_conflict";
pub const ID_CONFLICT: &str = "id_conflict";

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// New, and on disk.
    Tracked,
    /// On disk before, as the event of this id.
    Duplicate {
        id: EventId,
    },
    /// On disk before with something else; `fields` are those that differ, where that may be told.
    Conflict {
        rejection: Rejection,
        fields: Vec<&'static str>,
    },
    /// A refund of an order that no server has sent.
    UnknownOrder(Rejection),
    Refused(Rejection),
}

/// What settling needs to know of a submission that the log has taken over.
pub struct Claim {
    kind: FactKind,
    sender: Sender,
    /// The entry and what a refund asks for, where it has to be compared if it is a duplicate.
    compared: Option<Box<(Entry, Option<RefundAsk>)>>,
    /// The id that was made of a text, and the one that older versions made of it.
    derived: Option<[EventId; 2]>,
}

impl Claim {
    pub fn of(submission: &Submission) -> Self {
        let Submission {
            entry,
            asked,
            older,
            ..
        } = submission;
        let kind = entry.fact.kind();
        let is_compared = older.is_some() || kind == FactKind::Refund;
        Self {
            kind,
            sender: entry.sender(),
            compared: is_compared.then(|| Box::new((entry.clone(), asked.clone()))),
            derived: older.map(|older| [entry.id, older]),
        }
    }

    /// Settles one outcome; `first` is the record of a duplicate, where it is there.
    fn settle(&self, outcome: Appended, first: Option<&Entry>) -> Settled {
        match outcome {
            Appended::Tracked { .. } => Settled::Tracked,
            Appended::Duplicate { id, .. } => {
                let repeat = Settled::Duplicate { id };
                let (Some(compared), Some(first)) = (&self.compared, first) else {
                    return repeat;
                };
                let (again, asked) = &**compared;
                if self.derived.is_some_and(|derived| derived.contains(&id)) {
                    let fields = differing_fields(first, again, asked.as_ref());
                    return self.unless(fields, repeat, |fields| {
                        let message = format!(
                            "this Idempotency-Key is on record with a different {fields}: one key is one event, \
                             another one needs another key"
                        );
                        Rejection::whole(ID_CONFLICT, message)
                    });
                }
                if self.kind != FactKind::Refund {
                    return repeat;
                }
                let fields = differing_refund(first, again, asked.as_ref());
                self.unless(fields, repeat, refund_conflict)
            }
            Appended::Conflict { fields } if self.kind == FactKind::Refund => {
                self.conflict(fields, refund_conflict)
            }
            Appended::Conflict { fields } if self.kind == FactKind::Amend => {
                self.conflict(fields, amendment_conflict)
            }
            Appended::Conflict { fields } => self.conflict(fields, |fields| {
                let message = format!(
                    "this order is on record with a different {fields}: an order is sent once, corrections are refunds or \
                     have `amend: true`"
                );
                Rejection::whole(ORDER_CONFLICT, message)
            }),
            Appended::IdConflict => {
                let message = format!(
                    "this id is on record as another event than this `{}`: give each event an id of its own",
                    self.kind.as_str()
                );
                Settled::Conflict {
                    rejection: Rejection::of(ID_CONFLICT, "id", message),
                    fields: Vec::new(),
                }
            }
            Appended::Refused(Refusal::UnknownOrder) => Settled::UnknownOrder(Rejection::of(
                UNKNOWN_ORDER,
                "orderId",
                "no server has sent a purchase with this orderId: send the purchase first",
            )),
            Appended::Refused(Refusal::Invalid(rejection)) => Settled::Refused(rejection),
        }
    }

    fn unless(
        &self,
        fields: Vec<&'static str>,
        repeat: Settled,
        rejection: impl Fn(&str) -> Rejection,
    ) -> Settled {
        if fields.is_empty() {
            repeat
        } else {
            self.conflict(fields, rejection)
        }
    }

    /// A conflict, which tells a page nothing of what is on record: others may have sent it.
    fn conflict(
        &self,
        fields: Vec<&'static str>,
        rejection: impl Fn(&str) -> Rejection,
    ) -> Settled {
        if self.sender == Sender::Page {
            let fields = Vec::new();
            let rejection = rejection("content");
            return Settled::Conflict { rejection, fields };
        }
        let mut rejection = rejection(&fields.join(", "));
        rejection.field = fields.first().map(|field| (*field).to_owned());
        Settled::Conflict { rejection, fields }
    }
}

fn amendment_conflict(fields: &str) -> Rejection {
    let message = format!(
        "this order is on record with another {fields}: an amendment keeps email and currency, and its timestamp is \
         not before that of the last one"
    );
    Rejection::whole(ORDER_CONFLICT, message)
}

fn refund_conflict(fields: &str) -> Rejection {
    let message = format!(
        "this refundId is on record with a different {fields}: a refund is sent once, another one needs another \
         refundId"
    );
    Rejection::whole(REFUND_CONFLICT, message)
}

/// Settles the outcomes of one append, in order. Reads the records of those that have to be compared.
///
/// # Errors
/// [`LogError`], where a record could not be read; asking again is right then.
pub async fn settle(
    log: &Arc<dyn Log>,
    claims: &[Claim],
    outcomes: Vec<Appended>,
) -> Result<Vec<Settled>, LogError> {
    let compared = |(claim, outcome): (&Claim, &Appended)| match outcome {
        Appended::Duplicate { seq, .. } if claim.compared.is_some() => Some(*seq),
        _ => None,
    };
    let mut seqs: Vec<Seq> = claims.iter().zip(&outcomes).filter_map(compared).collect();
    seqs.sort_unstable();
    seqs.dedup();
    let firsts = if seqs.is_empty() {
        BTreeMap::new()
    } else {
        let log = Arc::clone(log);
        // The log blocks on disk.
        tokio::task::spawn_blocking(move || read_all(&*log, &seqs))
            .await
            .unwrap_or_else(|error| Err(LogError::Storage(format!("comparing events: {error}"))))?
    };
    let settled = claims.iter().zip(outcomes).map(|(claim, outcome)| {
        let first = match &outcome {
            Appended::Duplicate { seq, .. } => firsts.get(seq),
            _ => None,
        };
        claim.settle(outcome, first)
    });
    Ok(settled.collect())
}

/// Reads the records at these places, which are in order; a run of neighbours in one go, as a batch
/// that comes again wants them.
fn read_all(log: &dyn Log, seqs: &[Seq]) -> Result<BTreeMap<Seq, Entry>, LogError> {
    let mut found = BTreeMap::new();
    for run in seqs.chunk_by(|one, next| one.next() == *next) {
        let before = Seq(run[0].0 - 1);
        let records = log.read_from(before, run.len())?;
        let entry = |Record { seq, entry, .. }| (seq, entry);
        found.extend(records.into_iter().map(entry));
    }
    Ok(found)
}
