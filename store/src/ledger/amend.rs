//! Orders that a server has changed since: what an amendment asks for, whether it may be, and what the
//! order book remembers of it. Pure but for looking one record up.

use serde::{Deserialize, Serialize};
use shared::ids::{EventId, MessageId};
use shared::money::Money;
use shared::rejection::Rejection;
use shared::time::Timestamp;

use super::decide::{Known, WorkspaceKey};
use super::order::{Digests, OrderState};
use super::{Appended, LogError, OrderRefusal};
use crate::record::{Entry, Personal, Record, Seq};

/// An order that a caller changes more often than this is refused, so that the row stays bounded.
const MAX_AMENDMENTS: usize = 1_000;

/// The code of an amendment to less than what was refunded.
const BELOW_REFUNDED: &str = "below_refunded";
/// The code of one amendment too many.
const TOO_MANY_AMENDMENTS: &str = "too_many_amendments";

/// What is remembered of an order's amendments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Amended {
    /// The revenue that holds now, in minor units.
    gross: i64,
    /// Of the fields that hold now.
    pub(super) digests: Digests,
    /// The time of the last one, in milliseconds since 1970.
    last: i64,
    /// Each, by its id and its place.
    taken: Vec<([u8; 16], u64)>,
}

/// What an amendment says of the order; what it leaves out stays.
pub(super) struct Amending<'a> {
    pub(super) items: Option<&'a Personal>,
    pub(super) message_id: Option<&'a MessageId>,
}

/// Money in the order's currency, from which an amendment starts.
pub(crate) struct OrderWorth {
    money: Money,
}

impl OrderState {
    /// The revenue that holds now, in minor units; `None` where it stands only in the record of the
    /// order: of one that has refunds and was never amended.
    fn gross(&self) -> Option<i64> {
        match &self.amended {
            Some(amended) => Some(amended.gross),
            None => (!self.has_refunds()).then_some(self.left),
        }
    }

    /// What this id says of the order: the order itself, or an amendment of it.
    pub(super) fn by_id(&self, id: EventId) -> Option<Appended> {
        if self.id == *id.as_bytes() {
            return Some(self.duplicate());
        }
        let mut taken = self.amended.iter().flat_map(|amended| &amended.taken);
        let (id, seq) = taken.find(|(taken, _)| taken == id.as_bytes())?;
        Some(Appended::Duplicate {
            id: EventId::from_bytes(*id),
            seq: Seq(*seq),
        })
    }

    /// The fields that hold now.
    fn digests_now(&self) -> &Digests {
        self.amended
            .as_ref()
            .map_or(&self.digests, |amended| &amended.digests)
    }

    /// What the order is worth by an amendment that is new, whose time is put right in `entry`.
    ///
    /// # Errors
    /// What becomes of one that is not to be recorded.
    pub(super) fn judge_amendment(
        &self,
        entry: &mut Entry<()>,
        revenue: Option<Money>,
        amending: &Amending<'_>,
        standing: &OrderWorth,
        key: &WorkspaceKey,
        today: &dyn Fn(u64) -> u64,
    ) -> Result<Money, Appended> {
        let now = self.digests_now();
        let OrderWorth { money: gross } = standing;
        let mut fields = Vec::new();
        // One that leaves the address out means the order's.
        let address = entry.address.as_ref();
        if address.is_some() && self.emails_differ(address, key, today) {
            fields.push("email");
        }
        if revenue.is_some_and(|money| money.currency != gross.currency) {
            fields.push("currency");
        }
        if !fields.is_empty() {
            return Err(Appended::Conflict { fields });
        }
        let money = revenue.unwrap_or(*gross);
        let after = now.amended_by(amending, money, key);
        if after == *now {
            return Err(self.last_of_it());
        }
        let last = self.amended.as_ref().map(|amended| amended.last);
        if let Some(last) = last {
            if entry.time_sent && entry.time.as_millis() < last {
                let fields = vec!["timestamp"];
                return Err(Appended::Conflict { fields });
            }
            entry.time = entry.time.max(Timestamp::from_millis(last));
        }
        let refunded = gross.minor - self.left;
        if money.minor < refunded {
            let refunded = Money {
                minor: refunded,
                ..*gross
            };
            let message = format!(
                "{} {} of this order was refunded: an order cannot be worth less than that",
                refunded.to_decimal_string(),
                gross.currency.code()
            );
            let rejection = Rejection::of(BELOW_REFUNDED, "revenue", message);
            return Err(Appended::Refused(OrderRefusal::Invalid(rejection)));
        }
        let taken = self
            .amended
            .as_ref()
            .map_or(0, |amended| amended.taken.len());
        if taken >= MAX_AMENDMENTS {
            let message = format!("an order takes at most {MAX_AMENDMENTS} amendments");
            let rejection = Rejection::of(TOO_MANY_AMENDMENTS, "orderId", message);
            return Err(Appended::Refused(OrderRefusal::Invalid(rejection)));
        }
        Ok(money)
    }

    /// Takes an amendment in, as it is recorded; `was` is what the order was worth before.
    pub(super) fn amend<F>(
        &mut self,
        seq: Seq,
        entry: &Entry<F>,
        (was, money): (i64, Money),
        amending: &Amending<'_>,
        key: &WorkspaceKey,
    ) {
        let digests = self.digests_now().amended_by(amending, money, key);
        let mut taken = self
            .amended
            .take()
            .map_or(Vec::new(), |amended| amended.taken);
        taken.push((*entry.id.as_bytes(), seq.0));
        self.left += money.minor - was;
        self.amended = Some(Box::new(Amended {
            gross: money.minor,
            digests,
            last: entry.time.as_millis(),
            taken,
        }));
        self.changed = seq.0;
    }

    /// The last amendment, or the order itself.
    fn last_of_it(&self) -> Appended {
        let last = self
            .amended
            .as_ref()
            .and_then(|amended| amended.taken.last());
        match last {
            Some((id, seq)) => Appended::Duplicate {
                id: EventId::from_bytes(*id),
                seq: Seq(*seq),
            },
            None => self.duplicate(),
        }
    }
}

impl Digests {
    /// What they are once the fields that an amendment sends have taken the place of those before.
    fn amended_by(&self, amending: &Amending<'_>, money: Money, key: &WorkspaceKey) -> Self {
        let mut after = self.clone();
        after.revenue = key.digest("revenue", &money.minor.to_le_bytes());
        if let Some(items) = amending.items {
            // An order without items keeps no text of them.
            let text = if items.0 == "[]" {
                ""
            } else {
                items.0.as_str()
            };
            after.items = key.digest("items", text.as_bytes());
        }
        if let Some(message_id) = amending.message_id {
            after.message_id = key.digest("messageId", message_id.as_str().as_bytes());
        }
        after
    }
}

/// What an order is worth now. `staged` are records that are not committed yet.
///
/// # Errors
/// Where the order's record would have to be read and is not there.
pub(crate) fn standing<K: Known>(
    known: &K,
    state: &OrderState,
    staged: impl FnOnce(Seq) -> Option<i64>,
) -> Result<OrderWorth, LogError> {
    let minor = match state.gross() {
        Some(minor) => minor,
        None => match staged(Seq(state.seq)) {
            Some(minor) => minor,
            None => {
                let minor = known.revenue(Seq(state.seq))?;
                minor.ok_or(LogError::Unavailable)?
            }
        },
    };
    let currency = state.its_currency().ok_or(LogError::Unavailable)?;
    Ok(OrderWorth {
        money: Money { minor, currency },
    })
}

impl OrderWorth {
    pub(super) fn minor(&self) -> i64 {
        self.money.minor
    }
}

/// The revenue that a record names, in minor units.
pub(crate) fn revenue_of(record: &Record) -> Option<i64> {
    record.entry.fact.money().map(|money| money.minor)
}

/// An order's row, with what is remembered of its amendments behind it where there are any: older
/// versions read it without.
pub(super) fn to_bytes(state: &OrderState) -> postcard::Result<Vec<u8>> {
    let bytes = postcard::to_stdvec(state)?;
    match &state.amended {
        Some(amended) => postcard::to_extend(amended, bytes),
        None => Ok(bytes),
    }
}

/// What [`to_bytes`] made, or an older version.
pub(super) fn from_bytes(bytes: &[u8]) -> postcard::Result<OrderState> {
    let (mut state, behind) = postcard::take_from_bytes::<OrderState>(bytes)?;
    if !behind.is_empty() {
        state.amended = Some(Box::new(postcard::from_bytes(behind)?));
    }
    Ok(state)
}
