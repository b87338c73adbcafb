//! An event as a fact: fully checked, in types that cannot hold anything else.
//! How it was written in JSON stands in `wire`; how it is stored, in the collector.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::decimal::Decimal;
use crate::email::Email;
use crate::event_name::{EventName, names};
use crate::ids::{AnonymousId, MessageId, OrderId, RefundId};
use crate::money::{Currency, Money};
use crate::time::Timestamp;

/// What somebody did, when, and who. `Debug` shows the type and the time, nothing personal.
#[derive(Clone, PartialEq)]
pub struct Event {
    /// When it happened, as best as is known.
    pub time: Timestamp,
    /// `time` is the caller's own `timestamp`, not derived from the arrival. Only such times are
    /// compared when an order comes again: derived ones differ from attempt to attempt.
    pub time_sent: bool,
    /// Who, by address. Present in identify and purchase; in track this or `anonymous_id` is.
    pub email: Option<Email>,
    /// Who, by browser.
    pub anonymous_id: Option<AnonymousId>,
    /// The send that led to it, where the caller knows.
    pub message_id: Option<MessageId>,
    /// What happened.
    pub kind: EventKind,
    /// Fields that were sent and ignored, as JSON paths; at most 32 of at most 128 characters.
    pub unknown_fields: Vec<String>,
    /// An amount of money carried a float's noise, which was rounded off.
    pub rounded: bool,
}

/// What happened.
#[derive(Clone, PartialEq)]
pub enum EventKind {
    /// A custom event of the caller's.
    Track {
        /// Its name.
        name: EventName,
        /// A JSON object in the caller's own text: at most 256 names, 8 levels.
        properties: Option<String>,
    },
    /// A contact was named.
    Identify {
        /// A JSON object in the caller's own text: at most 256 names, 8 levels.
        traits: Option<String>,
    },
    /// An order was paid.
    Purchase(Purchase),
    /// An order was changed.
    Amend(Amendment),
    /// Money of an order was given back.
    Refund(Refund),
    /// A mail server told what became of a message.
    Delivery(Delivery),
}

/// An order was paid.
#[derive(Clone, Debug, PartialEq)]
pub struct Purchase {
    /// The order; recorded once.
    pub order_id: OrderId,
    /// The whole order's worth.
    pub revenue: Money,
    /// What was bought: at most 1,000.
    pub items: Vec<Item>,
}

/// An order was changed: what is absent stays as it was. Whether the order exists, and the change may
/// be, is decided where the order is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Amendment {
    /// The order that was paid.
    pub order_id: OrderId,
    /// What the whole order is worth now.
    pub revenue: Option<Money>,
    /// What was bought after all: at most 1,000.
    pub items: Option<Vec<Item>>,
}

/// One line of an order. Nothing of it is required, and nothing is summed up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// The caller's id of the article; a JSON number is kept as its text.
    pub id: Option<String>,
    /// The article's name.
    pub name: Option<String>,
    /// Price of one, in the order's currency.
    pub price: Option<Money>,
    /// Above 0; a decimal number in its canonical text.
    pub quantity: Option<String>,
}

/// Money of an order was given back. Whether the order exists, and the amount fits it, is decided
/// where the order is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Refund {
    /// The order that was paid.
    pub order_id: OrderId,
    /// The refund; recorded once.
    pub refund_id: RefundId,
    /// Major units of the order's currency, at least 0; absent for all that is left.
    pub amount: Option<Decimal>,
    /// What the caller takes for the order's currency.
    pub currency: Option<Currency>,
}

/// What a mail server told of a message; the message is the event's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What became of it.
    pub status: DeliveryStatus,
    /// The enhanced status code of RFC 3463, such as `5.1.1`.
    pub code: Option<String>,
    /// The mail server's own words: at most 998 characters. They may hold an address.
    pub reason: Option<String>,
}

/// What became of a message on its way. New ones come last: what is on disk names one by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeliveryStatus {
    /// The receiving server took it.
    Delivered,
    /// It was refused for good.
    Bounced,
    /// It is tried again.
    Deferred,
    /// Its reader called it spam.
    Complained,
}

impl DeliveryStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Delivered,
        Self::Bounced,
        Self::Deferred,
        Self::Complained,
    ];

    /// The spelling on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::Deferred => "deferred",
            Self::Complained => "complained",
        }
    }

    /// Reads that spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The name under which such an event is listed.
    #[must_use]
    pub fn event_name(self) -> &'static str {
        match self {
            Self::Delivered => names::EMAIL_DELIVERED,
            Self::Bounced => names::EMAIL_BOUNCED,
            Self::Deferred => names::EMAIL_DEFERRED,
            Self::Complained => names::EMAIL_COMPLAINED,
        }
    }
}

impl Event {
    /// The name under which the event is listed and counted.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.kind {
            EventKind::Track { name, .. } => name.as_str(),
            EventKind::Identify { .. } => names::IDENTIFIED,
            EventKind::Purchase(_) => names::PURCHASE,
            EventKind::Amend(_) => names::PURCHASE_AMENDED,
            EventKind::Refund(_) => names::REFUND,
            EventKind::Delivery(delivery) => delivery.status.event_name(),
        }
    }

    /// `track`, `identify`, `purchase`, `amendment`, `refund` or `delivery`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.kind.type_name()
    }
}

impl EventKind {
    /// `track`, `identify`, `purchase`, `amendment`, `refund` or `delivery`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            EventKind::Track { .. } => "track",
            EventKind::Identify { .. } => "identify",
            EventKind::Purchase(_) => "purchase",
            EventKind::Amend(_) => "amendment",
            EventKind::Refund(_) => "refund",
            EventKind::Delivery(_) => "delivery",
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("type", &self.type_name())
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())?;
        f.write_str("[redacted]")
    }
}

/// Items as canonical JSON: equal items give equal texts, so it serves for comparing an order that
/// comes again and for reading back. Fields stand in the order `id`, `name`, `price`, `quantity`,
/// absent ones are left out, prices are exact decimals (`49.90`).
#[must_use]
pub fn items_json(items: &[Item]) -> String {
    #[derive(Serialize)]
    struct ItemJson<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        price: Option<alloc::boxed::Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        quantity: Option<alloc::boxed::Box<RawValue>>,
    }
    // Both are JSON numbers by construction, so `ok` drops nothing.
    let number = |text: String| RawValue::from_string(text).ok();
    let items: Vec<ItemJson<'_>> = items
        .iter()
        .map(|item| ItemJson {
            id: item.id.as_deref(),
            name: item.name.as_deref(),
            price: item
                .price
                .and_then(|price| number(price.to_decimal_string())),
            quantity: item.quantity.clone().and_then(number),
        })
        .collect();
    // Strings, numbers and lists alone: nothing of this can fail to serialise.
    serde_json::to_string(&items).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::vec;

    #[test]
    fn items_are_written_in_one_order_with_exact_prices() {
        let currency = Currency::parse("USD").unwrap();
        let items = vec![
            Item {
                id: Some("sku-1".into()),
                name: Some("A \"quoted\" name".into()),
                price: Some(Money {
                    minor: 4990,
                    currency,
                }),
                quantity: Some("1.5".into()),
            },
            Item::default(),
        ];
        assert_eq!(
            items_json(&items),
            r#"[{"id":"sku-1","name":"A \"quoted\" name","price":49.90,"quantity":1.5},{}]"#
        );
        assert_eq!(items_json(&[]), "[]");
    }

    #[test]
    fn debug_output_holds_nothing_personal() {
        let event = Event {
            time: Timestamp::from_millis(0),
            time_sent: false,
            email: Email::parse("alice@example.com").ok(),
            anonymous_id: AnonymousId::parse("visitor-7").ok(),
            message_id: None,
            kind: EventKind::Identify {
                traits: Some(r#"{"name":"Alice"}"#.into()),
            },
            unknown_fields: vec!["Alice".into()],
            rounded: false,
        };
        let shown = format!("{event:?} {:?}", event.kind);
        assert!(
            !shown.to_lowercase().contains("alice") && !shown.contains("visitor"),
            "{shown}"
        );
        assert_eq!(
            (event.name(), event.type_name()),
            ("identified", "identify")
        );
    }
}
