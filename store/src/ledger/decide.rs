//! What becomes of each submission: pure rules over what is already known. Every
//! ledger uses them, so that dedupe and orders mean the same over every journal. Reads nothing and writes nothing by itself.
//!
//! - `orders`: of orders, refunds and amendments

mod orders;

use std::collections::HashMap;

use shared::ids::{EventId, OrderId};

use super::amend::Amending;
pub use super::order::{OrderKey, OrderState, RefundAsk, RefundKey};
use super::{Appended, LogError, Proposed, Submission};
use crate::ids::OlderId;
use crate::record::identity::{FactKind, IdKey, Seen};
use crate::record::public_seq::{Indexes, PublicSeq, Stamp};
pub use crate::record::{Attribution, Scoring, WorkspaceKey, WorkspaceKeys};
use crate::record::{Content as _, Entry, Fact, Seq, WorkspaceId};
pub(crate) use orders::fold_order;

/// What is committed already.
pub(crate) trait Known {
    fn id(&self, key: &IdKey) -> Result<Option<Seen>, LogError>;
    /// Whether the record at this place is from before ids belonged to who sends them.
    fn is_of_older_version(&self, seq: Seq) -> Result<bool, LogError>;
    fn order(&self, key: &OrderKey) -> Result<Option<OrderState>, LogError>;
    /// The orderId of the order that this refund is of.
    fn refund(&self, key: &RefundKey) -> Result<Option<OrderId>, LogError>;
    /// The money of the record at this place, in minor units; `None` where there is none (any more).
    fn revenue(&self, seq: Seq) -> Result<Option<i64>, LogError>;
    fn workspace_key(&self, workspace: WorkspaceId) -> Result<WorkspaceKey, LogError>;
    /// See [`WorkspaceKeys::email_digest_today`].
    fn email_digest_today(&self, workspace: WorkspaceId, digest: u64) -> u64;
}

/// What a submission goes under.
struct Under {
    key: IdKey,
    kind: FactKind,
    /// The id was made for it.
    is_new: bool,
    /// See [`Submission::older`].
    older: Vec<OlderId>,
}

impl Under {
    /// The ids that it may be known by.
    fn ids(&self) -> impl Iterator<Item = EventId> {
        let older = self.older.iter().map(|older| older.id);
        std::iter::once(self.key.id).chain(older)
    }
}

/// What is new, or else what becomes of it; unless something could not be looked up.
type Decided<T> = Result<Result<T, Appended>, LogError>;

/// What a new entry changes beside itself.
enum OrderChange {
    None,
    Order(OrderKey, OrderState),
    Refund(RefundKey, OrderKey, OrderState),
}

/// The entries that one commit will hold, and what they would make known.
pub(crate) struct Staged<'a, K> {
    known: &'a K,
    next: Seq,
    stamp: Stamp,
    indexes: Indexes,
    pub(crate) entries: Vec<Entry>,
    pub(crate) ids: HashMap<IdKey, Seen>,
    pub(crate) orders: HashMap<OrderKey, OrderState>,
    /// The orderIds of refunds.
    pub(crate) refunds: HashMap<RefundKey, OrderId>,
    /// What the append that is being decided has replaced among the orders.
    replaced: Vec<(OrderKey, Option<OrderState>)>,
    /// And what it has put among the refunds.
    added: Vec<RefundKey>,
}

impl<'a, K: Known> Staged<'a, K> {
    /// `next` is the seq of the first entry that will be staged, `stamp` that of the commit.
    pub(crate) fn new(known: &'a K, next: Seq, stamp: Stamp) -> Self {
        Self {
            known,
            next,
            stamp,
            indexes: Indexes::default(),
            entries: Vec::new(),
            ids: HashMap::new(),
            orders: HashMap::new(),
            refunds: HashMap::new(),
            replaced: Vec::new(),
            added: Vec::new(),
        }
    }

    /// Decides the submissions of one append: all of them are staged, or, where something could not
    /// be looked up, none.
    pub(crate) fn decide_all(&mut self, batch: Vec<Submission>) -> Result<Vec<Appended>, LogError> {
        let staged = self.entries.len();
        self.replaced.clear();
        self.added.clear();
        let outcomes: Result<Vec<_>, _> = batch
            .into_iter()
            .map(|submission| self.decide(submission))
            .collect();
        if outcomes.is_err() {
            self.take_back(staged);
        }
        outcomes
    }

    /// Forgets the entries from `staged` on and what they changed.
    fn take_back(&mut self, staged: usize) {
        for entry in self.entries.drain(staged..) {
            self.ids.remove(&entry.id_key());
            self.indexes.give_back(entry.workspace);
            self.next = Seq(self.next.0 - 1);
        }
        while let Some((key, before)) = self.replaced.pop() {
            match before {
                Some(state) => drop(self.orders.insert(key, state)),
                None => drop(self.orders.remove(&key)),
            }
        }
        for key in self.added.drain(..) {
            self.refunds.remove(&key);
        }
    }

    /// Decides one submission and stages it where it is new.
    fn decide(&mut self, submission: Submission) -> Result<Appended, LogError> {
        let Submission {
            entry,
            has_new_id,
            older,
        } = submission;
        let under = Under {
            key: entry.id_key(),
            kind: entry.fact.kind(),
            is_new: has_new_id,
            older,
        };
        let (proposed, rest) = entry.take();
        let decided = match proposed {
            Proposed::Fact(fact) => match fact {
                Fact::Purchase { .. } if rest.is_verified() => {
                    self.purchase(&under, &rest, &fact)?.map(|change| {
                        let entry = rest.saying(fact);
                        (entry, change)
                    })
                }
                Fact::Refund { .. } | Fact::Amend { .. } => {
                    let entry = rest.saying(Proposed::from(fact));
                    return self.decide(Submission {
                        entry,
                        has_new_id,
                        older: under.older,
                    });
                }
                Fact::Purchase { .. }
                | Fact::Track { .. }
                | Fact::Identify { .. }
                | Fact::Send { .. }
                | Fact::Open { .. }
                | Fact::Click { .. }
                | Fact::Unsubscribe { .. }
                | Fact::Told { .. }
                | Fact::Delivery { .. }
                | Fact::Suppress { .. }
                | Fact::Lift { .. }
                | Fact::Erase { .. } => match self.by_id(&under)? {
                    Some(outcome) => Err(outcome),
                    None => Ok((rest.saying(fact), OrderChange::None)),
                },
            },
            Proposed::Refund {
                order_id,
                refund_id,
                asked,
            } => self.refund(&under, rest, order_id, refund_id, &asked)?,
            Proposed::Amend {
                order_id,
                revenue,
                rounded,
                items,
                message_id,
            } => {
                let amending = Amending {
                    items: items.as_ref(),
                    message_id: message_id.as_ref(),
                };
                let amended = self.amend(&under, rest, &order_id, revenue, &amending)?;
                amended.map(|(rest, revenue, change)| {
                    let fact = Fact::Amend {
                        order_id,
                        revenue,
                        rounded,
                        items,
                        message_id,
                    };
                    (rest.saying(fact), change)
                })
            }
        };
        Ok(match decided {
            Ok((entry, change)) => self.stage(entry, change),
            Err(outcome) => outcome,
        })
    }

    /// Takes a new entry in.
    fn stage(&mut self, entry: Entry, change: OrderChange) -> Appended {
        let seq = self.next;
        self.next = seq.next();
        let kind = entry.fact.kind();
        self.ids.insert(entry.id_key(), Seen { seq, kind });
        match change {
            OrderChange::None => {}
            OrderChange::Order(key, state) => self.put_order(key, state),
            OrderChange::Refund(refund_key, key, state) => {
                let order_id = key.order_id.clone();
                self.put_order(key, state);
                self.refunds.insert(refund_key.clone(), order_id);
                self.added.push(refund_key);
            }
        }
        let index = self.indexes.take(entry.workspace);
        self.entries.push(entry);
        let public_seq = PublicSeq::of(self.stamp, index, seq);
        Appended::Tracked { seq, public_seq }
    }

    fn put_order(&mut self, key: OrderKey, state: OrderState) {
        let before = self.orders.insert(key.clone(), state);
        self.replaced.push((key, before));
    }

    /// What the id says of what is no duplicate by its content: it is another event's, unless it was made
    /// of a text. Then the content says so.
    fn another_by_id(&self, under: &Under) -> Result<Option<Appended>, LogError> {
        Ok(match self.by_id(under)? {
            Some(_) if under.older.is_empty() => Some(Appended::IdConflict),
            known => known,
        })
    }

    /// What its id, or one that an older version would have given it, says of an entry. The id of
    /// another type is a conflict; an older id of another type is another event's.
    fn by_id(&self, under: &Under) -> Result<Option<Appended>, LogError> {
        let Under {
            key,
            kind,
            is_new,
            older,
        } = under;
        let (key, kind) = (*key, *kind);
        if *is_new {
            return Ok(None);
        }
        let duplicate = |id, seq| Ok(Some(Appended::Duplicate { id, seq }));
        match self.id(&key)? {
            Some(seen) if seen.kind == kind => return duplicate(key.id, seen.seq),
            Some(_) => return Ok(Some(Appended::IdConflict)),
            None => {}
        }
        for OlderId { id, is_keyed } in older.iter().copied() {
            // Anybody can make an id without the secret: it counts only where it was given then.
            if let Some(seen) = self.known.id(&IdKey { id, ..key })?
                && seen.kind == kind
                && (is_keyed || self.known.is_of_older_version(seen.seq)?)
            {
                return duplicate(id, seen.seq);
            }
        }
        Ok(None)
    }

    fn id(&self, key: &IdKey) -> Result<Option<Seen>, LogError> {
        match self.ids.get(key) {
            Some(seen) => Ok(Some(*seen)),
            None => self.known.id(key),
        }
    }
}

#[cfg(test)]
mod tests;
