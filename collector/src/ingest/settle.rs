//! What became of what went into the log: the one rule from its outcome to what an answer says. Where an
//! event comes again under an id that was made for it, or a refund does, it is compared with the first.
//! Not how events are refused for their form, nor what an answer looks like.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::ids::EventId;
use shared::rejection::Rejection;

use super::compare::{differing_fields, differing_refund};
use super::objection::Objection;
use crate::metrics::{Metrics, Told, Verdict};
use store::ledger::{Appended, Log, LogError, OrderRefusal, Proposed, Submission};
use store::record::identity::{FactKind, Sender};
use store::record::public_seq::PublicSeq;
use store::record::{Content as _, Entry, Record, Seq, WorkspaceId};

/// The codes of an unknown order, and of an id that another event has.
const UNKNOWN_ORDER: &str = "unknown_order";
const ID_CONFLICT: &str = "id_conflict";

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settled {
    /// New, and on disk; `told` is what it adds to the counters.
    Tracked { seq: PublicSeq, told: Told },
    /// On disk before, as the event of this id at this place.
    Duplicate { id: EventId, at: Seq },
    /// Not on disk.
    Refused(Objection),
}

impl Settled {
    /// Where it was recorded, if it is new.
    pub(crate) fn seq(&self) -> Option<PublicSeq> {
        match self {
            Self::Tracked { seq, .. } => Some(*seq),
            Self::Duplicate { .. } | Self::Refused(_) => None,
        }
    }

    /// Counts what is on disk, now or before. What is refused is counted with its receipt.
    pub(crate) fn count(&self, metrics: &Metrics, workspace: WorkspaceId) {
        match self {
            Self::Tracked { told, .. } => {
                metrics.count_told(workspace, *told);
                metrics.count_verdict(workspace, Verdict::Tracked);
            }
            Self::Duplicate { .. } => metrics.count_verdict(workspace, Verdict::Duplicate),
            Self::Refused(_) => {}
        }
    }
}

/// What an answer says where something else is on record: `code`, and `on_record FIELDS: advice`.
struct Wording {
    code: &'static str,
    on_record: &'static str,
    advice: &'static str,
}

const ORDER: Wording = Wording {
    code: "order_conflict",
    on_record: "this order is on record with a different",
    advice: "an order is sent once, corrections are refunds or have `amend: true`",
};
const AMENDMENT: Wording = Wording {
    code: "order_conflict",
    on_record: "this order is on record with another",
    advice: "an amendment keeps email and currency, and its timestamp is not before that of the last one",
};
const REFUND: Wording = Wording {
    code: "refund_conflict",
    on_record: "this refundId is on record with a different",
    advice: "a refund is sent once, another one needs another refundId",
};
const IDEMPOTENCY_KEY: Wording = Wording {
    code: ID_CONFLICT,
    on_record: "this Idempotency-Key is on record with a different",
    advice: "one key is one event, another one needs another key",
};

/// When what comes again has to say what the first said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// Where its id was made of a text that the caller chose.
    UnderDerivedId,
    Always,
    /// Its id says it all, or who asks looks at the first by itself (sends, and when they left).
    Never,
}

/// How facts of a kind are settled.
struct Rule {
    compared: Compared,
    /// Of a conflict that the log finds.
    conflict: &'static Wording,
}

impl Rule {
    fn of(kind: FactKind) -> Self {
        use FactKind as F;
        let (compared, conflict) = match kind {
            F::Track | F::Identify | F::Purchase | F::Delivery => {
                (Compared::UnderDerivedId, &ORDER)
            }
            F::Amend => (Compared::UnderDerivedId, &AMENDMENT),
            F::Refund => (Compared::Always, &REFUND),
            F::Send
            | F::Told
            | F::Open
            | F::Click
            | F::Unsubscribe
            | F::Suppress
            | F::Lift
            | F::Erase => (Compared::Never, &ORDER),
        };
        Self { compared, conflict }
    }
}

/// What settling needs to know of a submission that the log has taken over.
struct Claim {
    kind: FactKind,
    sender: Sender,
    told: Told,
    /// The entry, where it has to be compared if it is a duplicate.
    compared: Option<Box<Entry<Proposed>>>,
    /// The id that was made of a text, and those that older versions made of it; else empty.
    derived: Vec<EventId>,
}

impl Claim {
    fn of(submission: &Submission) -> Self {
        let Submission { entry, older, .. } = submission;
        let kind = entry.fact.kind();
        let is_compared = match Rule::of(kind).compared {
            Compared::UnderDerivedId => !older.is_empty(),
            Compared::Always => true,
            Compared::Never => false,
        };
        Self {
            kind,
            sender: entry.sender(),
            told: match &entry.fact {
                Proposed::Fact(fact) => Told::of(fact),
                Proposed::Refund { .. } | Proposed::Amend { .. } => Told::default(),
            },
            compared: is_compared.then(|| Box::new(entry.clone())),
            derived: match older.as_slice() {
                [] => Vec::new(),
                older => older
                    .iter()
                    .map(|older| older.id)
                    .chain([entry.id])
                    .collect(),
            },
        }
    }

    /// Settles one outcome; `first` is the record of a duplicate, where it is there.
    fn settle(&self, outcome: Appended, first: Option<&Entry>) -> Settled {
        let objection = match outcome {
            Appended::Tracked { public_seq, .. } => {
                return Settled::Tracked {
                    seq: public_seq,
                    told: self.told,
                };
            }
            Appended::Duplicate { id, seq } => match self.differs(id, first) {
                Some((fields, wording)) => self.conflict(fields, wording),
                None => return Settled::Duplicate { id, at: seq },
            },
            Appended::Conflict { fields } => self.conflict(fields, Rule::of(self.kind).conflict),
            Appended::IdConflict if !self.derived.is_empty() => {
                self.conflict(vec!["type"], &IDEMPOTENCY_KEY)
            }
            Appended::IdConflict => {
                let message = format!(
                    "this id is on record as another event than this `{}`: give each event an id of its own",
                    self.kind.as_str()
                );
                Objection::Conflict {
                    rejection: Rejection::of(ID_CONFLICT, "id", message),
                    fields: Vec::new(),
                }
            }
            Appended::Refused(OrderRefusal::UnknownOrder) => Objection::Unknown(Rejection::of(
                UNKNOWN_ORDER,
                "orderId",
                "no server has sent a purchase with this orderId: send the purchase first",
            )),
            Appended::Refused(OrderRefusal::Invalid(rejection)) => Objection::Invalid(rejection),
        };
        Settled::Refused(objection)
    }

    /// The fields in which it differs from the first, if there are any; `id` is the first's.
    fn differs(
        &self,
        id: EventId,
        first: Option<&Entry>,
    ) -> Option<(Vec<&'static str>, &'static Wording)> {
        let again = self.compared.as_deref()?;
        let first = first?;
        let (fields, wording) = if self.derived.contains(&id) {
            (differing_fields(first, again), &IDEMPOTENCY_KEY)
        } else if self.kind == FactKind::Refund {
            (differing_refund(first, again), &REFUND)
        } else {
            return None;
        };
        (!fields.is_empty()).then_some((fields, wording))
    }

    /// A conflict, which tells a page nothing of what is on record: others may have sent it.
    fn conflict(&self, fields: Vec<&'static str>, wording: &Wording) -> Objection {
        let Wording {
            code,
            on_record,
            advice,
        } = wording;
        let (shown, fields) = match self.sender {
            Sender::Page => ("content".to_owned(), Vec::new()),
            Sender::Server | Sender::Mail | Sender::System => (fields.join(", "), fields),
        };
        let message = format!("{on_record} {shown}: {advice}");
        Objection::Conflict {
            rejection: Rejection {
                code,
                message,
                field: fields.first().map(|field| (*field).to_owned()),
            },
            fields,
        }
    }
}

/// Appends, and settles what became of each submission, in order. Reads the records of those that have to
/// be compared. Where there is nothing to append, the log is not asked.
///
/// # Errors
/// [`LogError`], where nothing was recorded or the first of a duplicate could not be read; asking again is
/// right then.
pub(super) async fn append(
    log: &Arc<dyn Log>,
    submissions: Vec<Submission>,
) -> Result<Vec<Settled>, LogError> {
    if submissions.is_empty() {
        return Ok(Vec::new());
    }
    let claims: Vec<Claim> = submissions.iter().map(Claim::of).collect();
    let outcomes = log.append(submissions).await?;
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

#[cfg(test)]
mod tests;
