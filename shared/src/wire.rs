//! What callers send and what they are answered: JSON bodies, and the rules that turn a body into an
//! [`Event`] or a [`Rejection`]. No HTTP: status codes, headers and keys are the collector's.
//!
//! Reading goes in two stages. First a body becomes a plain struct of raw JSON values ([`bodies`]),
//! so that one mistyped field spoils one event and numbers keep their own text; then each field is
//! parsed into its type (`fields`, `parse`), or the event is refused with a code.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::event::Event;
use crate::ids::{EventId, OrderId};
use crate::money::Currency;
use crate::rejection::Rejection;
use crate::time::Timestamp;

pub mod bodies;

mod batch;
mod fields;
mod json;
mod message;
mod near_miss;
mod not_json;
mod parse;
mod sends;
mod suppressions;

pub mod refused;

pub mod answers;

pub use answers::{
    BatchAnswer, BatchResult, BatchStatus, ErrorBody, ErrorDetail, EventAnswer, Refused,
};
pub use batch::{Batch, BatchError, Context, parse_batch, parse_batch_event};
pub use bodies::{
    BatchBody, BatchEvent, Body, BodyError, DeliveryBody, EventBody, IdentifyBody, ItemBody,
    MessageBatchBody, MessageBody, PurchaseBody, RefundBody, SentBody, SentMessageBody,
    SuppressionBody, SuppressionsBody, UtmBody, body,
};
pub use message::{
    Outgoing, ParsedMessage, TrackClicks, UtmParameters, parse_message, parse_messages,
};
pub use near_miss::hints;
pub use parse::{parse_event, parse_identify, parse_purchase, parse_refund};
pub use sends::{Departure, SentAsk, parse_delivery, parse_departure, parse_sent};
pub use suppressions::{
    Suppressed, SuppressionReason, parse_suppression, parse_suppression_row, parse_suppressions,
};

/// Who speaks: decides whose clock is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A web page, with a public key: its clock may be wrong, so ages count.
    Browser,
    /// A server, with a secret key: its timestamps count.
    Server,
    /// A mail client, with a token; treated as a server is.
    Mail,
}

/// Looks up the currency of an order, by its orderId.
pub type OrderCurrency<'a> = dyn Fn(&OrderId) -> Option<Currency> + Sync + 'a;

/// What is known of an event's arrival besides its body.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    /// When the request arrived, by the collector's clock.
    pub received_at: Timestamp,
    /// Who speaks.
    pub source: Source,
    /// Whether the key may send purchases.
    pub purchases_allowed: bool,
    /// Whether the key may tell what became of messages.
    pub deliveries_allowed: bool,
    /// The currency of an order that is on record, for amendments that leave it out.
    pub order_currency: Option<&'a OrderCurrency<'a>>,
    /// When the caller sent the batch, by its own clock.
    pub sent_at: Option<Timestamp>,
    /// What the batch says of all its events.
    pub context: Option<&'a Context>,
}

impl fmt::Debug for Arrival<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival")
            .field("received_at", &self.received_at)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// One event's body, parsed: what is needed to answer and to write a receipt, whatever the outcome.
#[derive(Clone, PartialEq)]
pub struct Parsed {
    /// The `id` that came with it.
    pub sent_id: Option<SentId>,
    /// The event's name as far as it could be read, at most 128 characters; also of a refused event,
    /// and then perhaps reserved or malformed.
    pub name: Option<String>,
    /// Fields that were sent and ignored, as JSON paths; at most 32 of at most 128 characters.
    pub unknown_fields: Vec<String>,
    /// The event, or why it is refused.
    pub outcome: Result<Event, Rejection>,
}

impl fmt::Debug for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parsed")
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// An `id` as it came. `Debug` shows only a valid one: anything could stand in the other.
#[derive(Clone, PartialEq, Eq)]
pub enum SentId {
    /// A UUID, and its spelling as sent, for the answer.
    Valid(EventId, String),
    /// Something else: the string's value, or the raw JSON text of what is no string; at most 255
    /// characters.
    Invalid(String),
}

impl SentId {
    /// The id as sent, to echo in an answer.
    #[must_use]
    pub fn as_sent(&self) -> &str {
        match self {
            SentId::Valid(_, sent) | SentId::Invalid(sent) => sent,
        }
    }
}

impl fmt::Debug for SentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SentId::Valid(id, _) => f.debug_tuple("Valid").field(id).finish(),
            SentId::Invalid(_) => f.write_str("Invalid[redacted]"),
        }
    }
}

#[cfg(test)]
mod tests;
