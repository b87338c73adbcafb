//! What becomes of each submission: pure rules over what is already known. Every
//! ledger uses them, so that dedupe and orders mean the same over every journal. Reads nothing and writes nothing by itself.

use std::collections::HashMap;

use super::amend;
use super::order::SeenRefund;
pub use super::order::{EXCEEDS_ORDER, OrderKey, OrderState, RefundAsk, RefundKey};
use super::{Appended, LogError, Refusal, Submission};
use crate::ids::OlderId;
use crate::record::identity::{IdKey, Seen};
use crate::record::public_seq::{Indexes, PublicSeq, Stamp};
pub use crate::record::{Attribution, WorkspaceKey, WorkspaceKeys};
use crate::record::{Entry, Fact, Record, Seq, WorkspaceId};

/// What is committed already.
pub(crate) trait Known {
    fn id(&self, key: &IdKey) -> Result<Option<Seen>, LogError>;
    /// Whether the record at this place is from before ids belonged to who sends them.
    fn is_of_older_version(&self, seq: Seq) -> Result<bool, LogError>;
    fn order(&self, key: &OrderKey) -> Result<Option<OrderState>, LogError>;
    /// The orderId of the order that this refund is of.
    fn refund(&self, key: &RefundKey) -> Result<Option<String>, LogError>;
    /// The money of the record at this place, in minor units; `None` where there is none (any more).
    fn revenue(&self, seq: Seq) -> Result<Option<i64>, LogError>;
    fn workspace_key(&self, workspace: WorkspaceId) -> Result<WorkspaceKey, LogError>;
    /// See [`WorkspaceKeys::email_digest_today`].
    fn email_digest_today(&self, workspace: WorkspaceId, digest: u64) -> u64;
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
    pub(crate) refunds: HashMap<RefundKey, String>,
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
            mut entry,
            asked,
            has_new_id,
            older,
        } = submission;
        let known_id = |staged: &Self, entry: &Entry| match has_new_id {
            true => Ok(None),
            false => staged.by_id(entry, &older),
        };
        let mut order = None;
        let mut refund = None;
        match &entry.fact {
            Fact::Purchase { order_id, .. } if entry.verified => {
                let key = order_key(&entry, order_id);
                let workspace_key = self.known.workspace_key(entry.workspace)?;
                if let Some(first) = self.order(&key)? {
                    let older = older.iter().map(|older| older.id);
                    let mut ids = std::iter::once(entry.id).chain(older);
                    if let Some(known) = ids.find_map(|id| first.by_id(id)) {
                        return Ok(known);
                    }
                    let today = |digest| self.known.email_digest_today(entry.workspace, digest);
                    let fields = first.differing_fields(&entry, &workspace_key, &today);
                    return Ok(if fields.is_empty() {
                        first.duplicate()
                    } else {
                        first.conflict(fields)
                    });
                }
                // The order is new, so that the id is another event's; of a derived id the content says so.
                match known_id(self, &entry)? {
                    Some(_) if older.is_empty() => return Ok(Appended::IdConflict),
                    Some(outcome) => return Ok(outcome),
                    None => {}
                }
                order = OrderState::of_purchase(self.next, &entry, &workspace_key)
                    .map(|state| (key, state));
            }
            Fact::Refund {
                order_id,
                refund_id,
            } => {
                let asked = asked.unwrap_or_default();
                let key = order_key(&entry, order_id);
                let refund_key = RefundKey {
                    workspace: entry.workspace,
                    refund_id: refund_id.clone(),
                };
                let state = self.order(&key)?;
                if let Some(Err(rejection)) = state.as_ref().map(|state| state.currency(&asked)) {
                    return Ok(Appended::Refused(Refusal::Invalid(rejection)));
                }
                if let Some(outcome) = self.by_refund_id(&refund_key, &key, &state, &asked)? {
                    return Ok(outcome);
                }
                // The refund is new, so that the id is another event's; of a derived id the content says so.
                match known_id(self, &entry)? {
                    Some(_) if older.is_empty() => return Ok(Appended::IdConflict),
                    Some(outcome) => return Ok(outcome),
                    None => {}
                }
                let Some(mut state) = state else {
                    return Ok(Appended::Refused(Refusal::UnknownOrder));
                };
                let judged = match state.judge(&asked) {
                    Ok(judged) => judged,
                    Err(rejection) => return Ok(Appended::Refused(Refusal::Invalid(rejection))),
                };
                state.refund(self.next, entry.id, refund_id.clone(), judged.money.minor);
                refund = Some((refund_key, order_id.clone()));
                order = Some((key, state));
                entry.money = Some(judged.money);
                entry.rounded = judged.rounded;
            }
            Fact::Amend { order_id, .. } => {
                let key = order_key(&entry, order_id);
                let workspace_key = self.known.workspace_key(entry.workspace)?;
                let Some(mut state) = self.order(&key)? else {
                    return Ok(Appended::Refused(Refusal::UnknownOrder));
                };
                let mut ids = std::iter::once(entry.id).chain(older.iter().map(|older| older.id));
                if let Some(known) = ids.find_map(|id| state.by_id(id)) {
                    return Ok(known);
                }
                let standing = amend::standing(self.known, &state, |seq| self.staged_revenue(seq))?;
                let workspace = entry.workspace;
                let today = |digest| self.known.email_digest_today(workspace, digest);
                let judged = state.judge_amendment(&mut entry, &standing, &workspace_key, &today);
                if let Some(outcome) = judged {
                    return Ok(outcome);
                }
                // It is none of this order's, so that the id is another event's; of a derived id the
                // content says so.
                match known_id(self, &entry)? {
                    Some(_) if older.is_empty() => return Ok(Appended::IdConflict),
                    Some(outcome) => return Ok(outcome),
                    None => {}
                }
                state.amend(self.next, &entry, standing.minor(), &workspace_key);
                order = Some((key, state));
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
            | Fact::Erase { .. } => {
                if let Some(outcome) = known_id(self, &entry)? {
                    return Ok(outcome);
                }
            }
        }
        let seq = self.next;
        self.next = seq.next();
        let kind = entry.fact.kind();
        self.ids.insert(entry.id_key(), Seen { seq, kind });
        if let Some((key, state)) = order {
            let before = self.orders.insert(key.clone(), state);
            self.replaced.push((key, before));
        }
        if let Some((key, order_id)) = refund {
            self.refunds.insert(key.clone(), order_id);
            self.added.push(key);
        }
        let index = self.indexes.take(entry.workspace);
        self.entries.push(entry);
        let public_seq = PublicSeq::of(self.stamp, index, seq);
        Ok(Appended::Tracked { seq, public_seq })
    }

    /// What its id, or one that an older version would have given it, says of an entry. The id of
    /// another type is a conflict; an older id of another type is another event's.
    fn by_id(&self, entry: &Entry, older: &[OlderId]) -> Result<Option<Appended>, LogError> {
        let (key, kind) = (entry.id_key(), entry.fact.kind());
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
        entry.money.map(|money| money.minor)
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
    match &entry.fact {
        Fact::Purchase { order_id, .. } if entry.verified => {
            let workspace_key = known.workspace_key(entry.workspace)?;
            let state = OrderState::of_purchase(*seq, entry, &workspace_key);
            Ok(state.map(|state| (order_key(entry, order_id), state)))
        }
        Fact::Refund {
            order_id,
            refund_id,
        } => {
            let key = order_key(entry, order_id);
            let Some(mut state) = known.order(&key)? else {
                return Ok(None);
            };
            if state.changed < seq.0 {
                let minor = entry.money.map_or(0, |money| money.minor);
                state.refund(*seq, entry.id, refund_id.clone(), minor);
            }
            Ok(Some((key, state)))
        }
        Fact::Amend { order_id, .. } => {
            let key = order_key(entry, order_id);
            let workspace_key = known.workspace_key(entry.workspace)?;
            let Some(mut state) = known.order(&key)? else {
                return Ok(None);
            };
            if state.changed < seq.0 {
                let standing = amend::standing(known, &state, |_| None)?;
                state.amend(*seq, entry, standing.minor(), &workspace_key);
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

fn order_key(entry: &Entry, order_id: &str) -> OrderKey {
    OrderKey {
        workspace: entry.workspace,
        verified: true,
        order_id: order_id.to_owned(),
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
            if key.order_id == self.0 {
                Err(LogError::Unavailable)
            } else {
                Ok(None)
            }
        }

        fn is_of_older_version(&self, _: Seq) -> Result<bool, LogError> {
            Ok(false)
        }

        fn refund(&self, _: &RefundKey) -> Result<Option<String>, LogError> {
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
