//! What becomes of orders, refunds and amendments, and what a committed one leaves known of its order.

use shared::ids::{OrderId, RefundId};
use shared::money::Money;

use super::{Decided, Known, OrderChange, Staged, Under};
use crate::ledger::amend::{self, Amending};
use crate::ledger::order::{OrderKey, OrderState, OrderTerms, RefundAsk, RefundKey, SeenRefund};
use crate::ledger::{Appended, LogError, OrderRefusal};
use crate::record::{Entry, Fact, Record, Seq, WorkspaceId};

impl<K: Known> Staged<'_, K> {
    /// What becomes of an order that a server reports.
    pub(super) fn purchase(
        &self,
        under: &Under,
        rest: &Entry<()>,
        fact: &Fact,
    ) -> Decided<OrderChange> {
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
    pub(super) fn refund(
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
    pub(super) fn amend(
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
