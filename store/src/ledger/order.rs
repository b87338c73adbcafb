//! An order as it is remembered: what is compared when it is sent again, what is left of it, and its
//! refunds. Pure. What changes it later stands in `amend`.

use serde::{Deserialize, Serialize};
use shared::decimal::Decimal;
use shared::email::older_normal_form;
use shared::ids::{EventId, MessageId, OrderId, RefundId};
use shared::money::{Currency, Money, Rounded};
use shared::rejection::{Rejection, codes};

use super::Appended;
use super::amend::Amended;
use crate::record::{Address, Entry, Personal, Seq, WorkspaceId, WorkspaceKey};

/// A refunded order lists its refunds; a caller that splits one order into more than this is
/// refused, so that the row stays bounded.
const MAX_REFUNDS: usize = 1_000;

/// The code of a refund of more than is left.
const EXCEEDS_ORDER: &str = "exceeds_order";

/// An order that a server reported. What pages say of orders is known by its id alone: it is
/// tracked whatever is known of the order, so that a page learns nothing of it, and never blocks a
/// server's. (Order books of older versions hold such orders too, with `verified` false.)
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderKey {
    pub workspace: WorkspaceId,
    pub verified: bool,
    pub order_id: OrderId,
}

/// What is remembered of an order for ever. Holds no address: the compared fields are kept as
/// keyed digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderState {
    /// The purchase that was tracked.
    pub seq: u64,
    pub id: [u8; 16],
    pub(super) digests: Digests,
    /// Milliseconds, where the caller sent a time.
    time: Option<i64>,
    currency: String,
    /// Minor units not yet refunded.
    pub left: i64,
    refunds: Vec<SeenRefund>,
    /// The last record that changed this state.
    pub changed: u64,
    /// What has changed of it since; it lies behind the row, see `amend`.
    #[serde(skip)]
    pub(super) amended: Option<Box<Amended>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeenRefund {
    refund_id: String,
    seq: u64,
    id: [u8; 16],
}

/// HMAC-SHA-256 under the workspace's key, first 8 bytes, one for each field that is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Digests {
    email: u64,
    pub(super) revenue: u64,
    currency: u64,
    pub(super) items: u64,
    pub(super) message_id: u64,
}

/// A refund by the id that a server gave it: one for each workspace, whatever the order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RefundKey {
    pub workspace: WorkspaceId,
    pub refund_id: RefundId,
}

/// What a report of an order says, as far as another one is compared with it.
pub(super) struct OrderTerms<'a> {
    address: Option<&'a Address>,
    /// Milliseconds since 1970, where the caller sent a time.
    time: Option<i64>,
    revenue: Money,
    items: Option<&'a Personal>,
    message_id: Option<&'a MessageId>,
}

impl<'a> OrderTerms<'a> {
    pub(super) fn of<F>(
        entry: &'a Entry<F>,
        revenue: Money,
        items: Option<&'a Personal>,
        message_id: Option<&'a MessageId>,
    ) -> Self {
        Self {
            address: entry.address.as_ref(),
            time: entry.time_sent.then(|| entry.time.as_millis()),
            revenue,
            items,
            message_id,
        }
    }
}

/// What a refund asks for; the log judges it, because only there the order is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RefundAsk {
    /// Absent: all that is left.
    pub amount: Option<Decimal>,
    /// Absent: the order's.
    pub currency: Option<Currency>,
}

pub(super) struct JudgedRefund {
    pub(super) money: Money,
    pub(super) rounded: bool,
}

impl OrderState {
    /// The order as its first report says.
    pub(super) fn of_purchase(
        seq: Seq,
        id: EventId,
        terms: &OrderTerms<'_>,
        key: &WorkspaceKey,
    ) -> Self {
        Self {
            seq: seq.0,
            id: *id.as_bytes(),
            digests: Digests::of(terms, key),
            time: terms.time,
            currency: terms.revenue.currency.code().to_owned(),
            left: terms.revenue.minor,
            refunds: Vec::new(),
            changed: seq.0,
            amended: None,
        }
    }

    /// The names of the fields in which a second report of the order differs from the first; `today`
    /// gives the present digest of an address for one that an older rule gave.
    pub(super) fn differing_fields(
        &self,
        terms: &OrderTerms<'_>,
        key: &WorkspaceKey,
        today: &dyn Fn(u64) -> u64,
    ) -> Vec<&'static str> {
        let mine = &self.digests;
        let other = Digests::of(terms, key);
        let times = (self.time, terms.time);
        let times_differ = matches!(times, (Some(mine), Some(other)) if mine != other);
        // What holds since an amendment is the order too.
        let is_as_amended = self.amended.as_ref().is_some_and(|amended| {
            let now = &amended.digests;
            (now.revenue, now.currency, now.items, now.message_id)
                == (other.revenue, other.currency, other.items, other.message_id)
        });
        let emails_differ = self.emails_differ(terms.address, key, today);
        if is_as_amended && !emails_differ {
            return Vec::new();
        }
        [
            ("email", emails_differ),
            ("revenue", mine.revenue != other.revenue),
            ("currency", mine.currency != other.currency),
            ("items", mine.items != other.items),
            ("messageId", mine.message_id != other.message_id),
            ("timestamp", times_differ),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }

    /// Whether it names another address than the order's, or none where that has one.
    pub(super) fn emails_differ(
        &self,
        address: Option<&Address>,
        key: &WorkspaceKey,
        today: &dyn Fn(u64) -> u64,
    ) -> bool {
        let mine = self.digests.email;
        let Some(address) = address else {
            return mine != key.email_digest("");
        };
        let other = key.email_digest(&address.normalised.0);
        // Also an order whose record is gone is known again by the spelling that it came with.
        let older = || key.email_digest(&older_normal_form(address.spelled()));
        mine != other && today(mine) != other && mine != older()
    }

    /// Whether anything of it was refunded.
    pub(super) fn has_refunds(&self) -> bool {
        !self.refunds.is_empty()
    }

    /// `None` where it is known here no longer.
    pub(crate) fn its_currency(&self) -> Option<Currency> {
        Currency::parse(&self.currency).ok()
    }

    pub(super) fn duplicate(&self) -> Appended {
        Appended::Duplicate {
            id: EventId::from_bytes(self.id),
            seq: Seq(self.seq),
        }
    }

    pub(super) fn conflict(&self, fields: Vec<&'static str>) -> Appended {
        Appended::Conflict { fields }
    }

    /// The order's currency, unless another one is asked for.
    pub(super) fn currency(&self, asked: &RefundAsk) -> Result<Currency, Rejection> {
        let currency = Currency::parse(&self.currency).map_err(|_| {
            Rejection::whole(
                codes::INVALID_CURRENCY,
                "the order's currency is not known here",
            )
        })?;
        if asked.currency.is_some_and(|asked| asked != currency) {
            let message = format!(
                "the order is in {}: refund in that currency or leave `currency` out",
                self.currency
            );
            return Err(Rejection::of(codes::INVALID_CURRENCY, "currency", message));
        }
        Ok(currency)
    }

    pub(super) fn judge(&self, asked: &RefundAsk) -> Result<JudgedRefund, Rejection> {
        let currency = self.currency(asked)?;
        let exceeds = |message: String| Err(Rejection::of(EXCEEDS_ORDER, "amount", message));
        let (money, rounded) = match &asked.amount {
            Some(amount) => Money::from_decimal(amount, currency)
                .map(|(money, rounded)| (money, rounded == Rounded::Yes))
                .map_err(|error| {
                    Rejection::of(codes::INVALID_AMOUNT, "amount", error.to_string())
                })?,
            None if self.left == 0 => {
                return exceeds("nothing is left to refund of this order".to_owned());
            }
            None => (
                Money {
                    minor: self.left,
                    currency,
                },
                false,
            ),
        };
        if money.minor > self.left {
            let left = Money {
                minor: self.left,
                currency,
            }
            .to_decimal_string();
            return exceeds(format!(
                "only {left} {} is left to refund of this order",
                self.currency
            ));
        }
        if self.refunds.len() >= MAX_REFUNDS {
            return exceeds(format!("an order takes at most {MAX_REFUNDS} refunds"));
        }
        Ok(JudgedRefund { money, rounded })
    }

    pub(super) fn refund_of(&self, refund_id: &RefundId) -> Option<&SeenRefund> {
        let mut refunds = self.refunds.iter();
        refunds.find(|seen| seen.refund_id == refund_id.as_str())
    }

    /// Whether this refund took all that was left.
    pub(super) fn was_finished_by(&self, refund: &SeenRefund) -> bool {
        self.left == 0 && self.refunds.last().is_some_and(|last| last == refund)
    }

    /// The refunds that records behind `after` told of.
    pub(crate) fn refunds_after(&self, after: Seq) -> impl Iterator<Item = RefundId> + '_ {
        let refunds = self.refunds.iter();
        let later = refunds.filter(move |seen| seen.seq > after.0);
        later.map(|seen| RefundId::from_kept(seen.refund_id.clone()))
    }

    pub(super) fn refund(&mut self, seq: Seq, id: EventId, refund_id: &RefundId, minor: i64) {
        self.left -= minor;
        self.refunds.push(SeenRefund {
            refund_id: refund_id.as_str().to_owned(),
            seq: seq.0,
            id: *id.as_bytes(),
        });
        self.changed = seq.0;
    }
}

impl SeenRefund {
    pub(super) fn duplicate(&self) -> Appended {
        Appended::Duplicate {
            id: EventId::from_bytes(self.id),
            seq: Seq(self.seq),
        }
    }
}

impl Digests {
    pub(super) fn of(terms: &OrderTerms<'_>, key: &WorkspaceKey) -> Self {
        let email = terms.address.map_or("", |address| &address.normalised.0);
        let items = terms.items.map_or("", |items| &items.0);
        let message_id = terms.message_id.map_or("", MessageId::as_str);
        let Money { minor, currency } = terms.revenue;
        Self {
            email: key.email_digest(email),
            revenue: key.digest("revenue", &minor.to_le_bytes()),
            currency: key.digest("currency", currency.code().as_bytes()),
            items: key.digest("items", items.as_bytes()),
            message_id: key.digest("messageId", message_id.as_bytes()),
        }
    }
}
