//! What becomes of each submission: pure rules over what is already known. Every
//! ledger uses them, so that dedupe and orders mean the same over every journal. Reads nothing and writes nothing by itself.

use std::collections::HashMap;

use shared::ids::{EventId, OrderId, RefundId};
use shared::money::Money;

use super::amend::{self, Amending};
pub use super::order::{EXCEEDS_ORDER, OrderKey, OrderState, RefundAsk, RefundKey};
use super::order::{OrderTerms, SeenRefund};
use super::{Appended, LogError, OrderRefusal, Proposed, Submission};
use crate::ids::OlderId;
use crate::record::identity::{FactKind, IdKey, Seen};
use crate::record::public_seq::{Indexes, PublicSeq, Stamp};
pub use crate::record::{Attribution, WorkspaceKey, WorkspaceKeys};
use crate::record::{Content as _, Entry, Fact, Record, Seq, WorkspaceId};

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

    /// What becomes of an order that a server reports.
    fn purchase(&self, under: &Under, rest: &Entry<()>, fact: &Fact) -> Decided<OrderChange> {
        let Fact::Purchase {
            order_id,
            revenue,
            items,
            message_id,
            ..
        } = fact
        else {
            return Ok(Ok(OrderChange::None));
        };
        let key = order_key(rest.workspace, order_id);
        let workspace_key = self.known.workspace_key(rest.workspace)?;
        let terms = OrderTerms::of(rest, *revenue, items.as_ref(), message_id.as_ref());
        if let Some(first) = self.order(&key)? {
            if let Some(known) = under.ids().find_map(|id| first.by_id(id)) {
                return Ok(Err(known));
            }
            let today = |digest| self.known.email_digest_today(rest.workspace, digest);
            let fields = first.differing_fields(&terms, &workspace_key, &today);
            return Ok(Err(if fields.is_empty() {
                first.duplicate()
            } else {
                first.conflict(fields)
            }));
        }
        if let Some(outcome) = self.another_by_id(under)? {
            return Ok(Err(outcome));
        }
        let state = OrderState::of_purchase(self.next, rest.id, &terms, &workspace_key);
        Ok(Ok(OrderChange::Order(key, state)))
    }

    /// What becomes of a refund.
    fn refund(
        &self,
        under: &Under,
        rest: Entry<()>,
        order_id: OrderId,
        refund_id: RefundId,
        asked: &RefundAsk,
    ) -> Decided<(Entry, OrderChange)> {
        let key = order_key(rest.workspace, &order_id);
        let refund_key = RefundKey {
            workspace: rest.workspace,
            refund_id: refund_id.clone(),
        };
        let refused = |rejection| Ok(Err(Appended::Refused(OrderRefusal::Invalid(rejection))));
        let state = self.order(&key)?;
        if let Some(Err(rejection)) = state.as_ref().map(|state| state.currency(asked)) {
            return refused(rejection);
        }
        if let Some(outcome) = self.by_refund_id(&refund_key, &key, &state, asked)? {
            return Ok(Err(outcome));
        }
        if let Some(outcome) = self.another_by_id(under)? {
            return Ok(Err(outcome));
        }
        let Some(mut state) = state else {
            return Ok(Err(Appended::Refused(OrderRefusal::UnknownOrder)));
        };
        let judged = match state.judge(asked) {
            Ok(judged) => judged,
            Err(rejection) => return refused(rejection),
        };
        state.refund(self.next, rest.id, &refund_id, judged.money.minor);
        let change = OrderChange::Refund(refund_key, key, state);
        let fact = Fact::Refund {
            order_id,
            refund_id,
            amount: judged.money,
            rounded: judged.rounded,
        };
        Ok(Ok((rest.saying(fact), change)))
    }

    /// What becomes of an amendment; where it is new, with its time put right, and what the order is worth
    /// by it.
    fn amend(
        &self,
        under: &Under,
        mut rest: Entry<()>,
        order_id: &OrderId,
        revenue: Option<Money>,
        amending: &Amending<'_>,
    ) -> Decided<(Entry<()>, Money, OrderChange)> {
        let workspace = rest.workspace;
        let key = order_key(workspace, order_id);
        let workspace_key = self.known.workspace_key(workspace)?;
        let Some(mut state) = self.order(&key)? else {
            return Ok(Err(Appended::Refused(OrderRefusal::UnknownOrder)));
        };
        if let Some(known) = under.ids().find_map(|id| state.by_id(id)) {
            return Ok(Err(known));
        }
        let standing = amend::standing(self.known, &state, |seq| self.staged_revenue(seq))?;
        let today = |digest| self.known.email_digest_today(workspace, digest);
        let judged = state.judge_amendment(
            &mut rest,
            revenue,
            amending,
            &standing,
            &workspace_key,
            &today,
        );
        let money = match judged {
            Ok(money) => money,
            Err(outcome) => return Ok(Err(outcome)),
        };
        if let Some(outcome) = self.another_by_id(under)? {
            return Ok(Err(outcome));
        }
        let worth = (standing.minor(), money);
        state.amend(self.next, &rest, worth, amending, &workspace_key);
        Ok(Ok((rest, money, OrderChange::Order(key, state))))
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

    /// What a refundId says of a refund of the order `key`, which is in `state`. Whether the first one
    /// was of the same amount stands in its record, which the caller compares; only a refund of all
    /// that is left is told apart here.
    fn by_refund_id(
        &self,
        refund_key: &RefundKey,
        key: &OrderKey,
        state: &Option<OrderState>,
        asked: &RefundAsk,
    ) -> Result<Option<Appended>, LogError> {
        let of_this_order = state
            .as_ref()
            .and_then(|state| Some((state, state.refund_of(&refund_key.refund_id)?)));
        if let Some((state, first)) = of_this_order {
            if asked.amount.is_none() && !state.was_finished_by(first) {
                let fields = vec!["amount"];
                return Ok(Some(Appended::Conflict { fields }));
            }
            return Ok(Some(first.duplicate()));
        }
        let Some(order_id) = (match self.refunds.get(refund_key) {
            Some(order_id) => Some(order_id.clone()),
            None => self.known.refund(refund_key)?,
        }) else {
            return Ok(None);
        };
        let other = self.order(&OrderKey {
            order_id,
            ..key.clone()
        })?;
        let first = other
            .as_ref()
            .and_then(|state| state.refund_of(&refund_key.refund_id));
        Ok(first.map(SeenRefund::duplicate))
    }

    /// The money of an entry that is staged.
    fn staged_revenue(&self, seq: Seq) -> Option<i64> {
        let first = self.next.0 - self.entries.len() as u64;
        let at = usize::try_from(seq.0.checked_sub(first)?).ok()?;
        let entry = self.entries.get(at)?;
        entry.fact.money().map(|money| money.minor)
    }

    fn id(&self, key: &IdKey) -> Result<Option<Seen>, LogError> {
        match self.ids.get(key) {
            Some(seen) => Ok(Some(*seen)),
            None => self.known.id(key),
        }
    }

    fn order(&self, key: &OrderKey) -> Result<Option<OrderState>, LogError> {
        match self.orders.get(key) {
            Some(staged) => Ok(Some(staged.clone())),
            None => self.known.order(key),
        }
    }
}

/// The order state that a committed record leads to, for those who fold the log; `None` where the
/// record is about no order of a server's.
pub(crate) fn fold_order<K: Known>(
    known: &K,
    record: &Record,
) -> Result<Option<(OrderKey, OrderState)>, LogError> {
    let Record { seq, entry, .. } = record;
    let key_of = |order_id| order_key(entry.workspace, order_id);
    match &entry.fact {
        Fact::Purchase {
            order_id,
            revenue,
            items,
            message_id,
            ..
        } if entry.is_verified() => {
            let workspace_key = known.workspace_key(entry.workspace)?;
            let terms = OrderTerms::of(entry, *revenue, items.as_ref(), message_id.as_ref());
            let state = OrderState::of_purchase(*seq, entry.id, &terms, &workspace_key);
            Ok(Some((key_of(order_id), state)))
        }
        Fact::Refund {
            order_id,
            refund_id,
            amount,
            ..
        } => {
            let key = key_of(order_id);
            let Some(mut state) = known.order(&key)? else {
                return Ok(None);
            };
            if state.changed < seq.0 {
                state.refund(*seq, entry.id, refund_id, amount.minor);
            }
            Ok(Some((key, state)))
        }
        Fact::Amend {
            order_id,
            revenue,
            items,
            message_id,
            ..
        } => {
            let key = key_of(order_id);
            let workspace_key = known.workspace_key(entry.workspace)?;
            let Some(mut state) = known.order(&key)? else {
                return Ok(None);
            };
            if state.changed < seq.0 {
                let standing = amend::standing(known, &state, |_| None)?;
                let amending = Amending {
                    items: items.as_ref(),
                    message_id: message_id.as_ref(),
                };
                let worth = (standing.minor(), *revenue);
                state.amend(*seq, entry, worth, &amending, &workspace_key);
            }
            Ok(Some((key, state)))
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
        | Fact::Erase { .. } => Ok(None),
    }
}

fn order_key(workspace: WorkspaceId, order_id: &OrderId) -> OrderKey {
    OrderKey {
        workspace,
        verified: true,
        order_id: order_id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::conformance::subject::{purchase, refund, track};

    /// Knows nothing, and cannot look up one order.
    struct Unreadable(&'static str);

    impl Known for Unreadable {
        fn id(&self, _: &IdKey) -> Result<Option<Seen>, LogError> {
            Ok(None)
        }

        fn order(&self, key: &OrderKey) -> Result<Option<OrderState>, LogError> {
            if key.order_id.as_str() == self.0 {
                Err(LogError::Unavailable)
            } else {
                Ok(None)
            }
        }

        fn is_of_older_version(&self, _: Seq) -> Result<bool, LogError> {
            Ok(false)
        }

        fn refund(&self, _: &RefundKey) -> Result<Option<OrderId>, LogError> {
            Ok(None)
        }

        fn revenue(&self, _: Seq) -> Result<Option<i64>, LogError> {
            Ok(None)
        }

        fn workspace_key(&self, _: WorkspaceId) -> Result<WorkspaceKey, LogError> {
            Ok(WorkspaceKey([1; 32]))
        }

        fn email_digest_today(&self, _: WorkspaceId, digest: u64) -> u64 {
            digest
        }
    }

    #[test]
    fn an_append_that_cannot_be_decided_leaves_no_trace_among_the_others() {
        let known = Unreadable("lost");
        let stamp = Stamp {
            generation: 1,
            micros: 7,
        };
        let mut staged = Staged::new(&known, Seq(1), stamp);
        staged
            .decide_all(vec![track(1), purchase(2, "a", 100)])
            .unwrap();
        let bad = vec![
            track(3),
            purchase(4, "b", 100),
            refund(5, "a", "r", None),
            purchase(6, "lost", 100),
        ];
        assert!(staged.decide_all(bad.clone()).is_err());
        let next = staged.decide_all(bad[..3].to_vec()).unwrap();
        let tracked = |seq: u32| Appended::Tracked {
            seq: Seq(seq.into()),
            // Of one workspace, and without a gap.
            public_seq: PublicSeq::of(stamp, seq - 1, Seq(seq.into())),
        };
        assert_eq!(next, [tracked(3), tracked(4), tracked(5)]);
        assert_eq!((staged.entries.len(), staged.ids.len()), (5, 5));
        assert_eq!(staged.refunds.len(), 1);
    }
}
