//! Read models: what `GET /v1/events` lists, and how an event is shown. Finds events through the
//! views and reads them from the log. Not the routes, nor who may ask.

use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;
use shared::ids::CampaignId;
use shared::money::Money;

use crate::classify::{LINK_BURST, of_page};
use crate::ledger::LogError;
use crate::ledger::suppression::Cause;
use crate::record::identity::FactKind;
use crate::record::public_seq::PublicSeq;
use crate::record::{Class, Entry, Fact, KeyId, MessageType, Personal, Record, SendRef, Source};
use crate::views::{Beside, ViewError};
use words::{EventClass, EventSource, EventType, spelled};

mod days;
pub mod dropped;
mod list;
mod places;
pub mod report;
mod sends;
mod sieve;
pub mod suppressions;
#[cfg(test)]
mod tests;
pub mod words;

pub use crate::views::filter::{ClassFilter, DEFAULT_LIMIT, EventFilter, Order, PAGE_LIMITS};
use dropped::dropped_before;
pub use list::{each_event, list_events};
pub use places::{newest_seqs, records_at, seqs_behind};
pub use sends::find_send;

/// A page of events, in the order that was asked for.
#[derive(Debug)]
pub struct EventList {
    pub events: Vec<EventView>,
    /// Behind which the next page begins: the last event of this one, or the last that was looked at
    /// where many do not match. There is none where nothing is left to look at.
    pub next: Option<PublicSeq>,
}

/// An event as it is shown.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// The event's identity, a UUID.
    #[schema(example = "0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b")]
    pub id: String,
    /// Its place among the workspace's events: opaque, 24 digits that sort as texts, to be sent as
    /// `minSeq` or `after`. Absent where the event was rejected.
    #[schema(
        required = false,
        pattern = "^[0-9]{24}$",
        example = "011764201600123456000000"
    )]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub seq: String,
    #[serde(rename = "type", serialize_with = "spelled")]
    #[schema(value_type = EventType)]
    pub kind: FactKind,
    /// The caller's name for it; of other types the system's own.
    #[schema(example = "trial_started")]
    pub name: String,
    /// When it happened, RFC 3339.
    #[schema(format = DateTime, example = "2026-11-23T10:00:00Z")]
    pub timestamp: String,
    /// When it arrived here, RFC 3339.
    #[schema(format = DateTime, example = "2026-11-23T10:00:01Z")]
    pub received_at: String,
    /// The contact's address, as it was spelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "user@example.com")]
    pub email: Option<String>,
    /// The browser, where it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub anonymous_id: Option<String>,
    /// The send that led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message_id: Option<String>,
    /// Always an object. Of `track` the caller's properties, of `identify` the traits, of `purchase`
    /// orderId, revenue, currency, items and verified, of `refund` orderId, refundId, amount and
    /// currency, of `send`, `open`, `click` and `unsubscribe` campaignId, messageType, sentAt, and
    /// subject, link (its number in the message) and url where they apply, of `delivery` these, status,
    /// code and reason.
    #[schema(value_type = Object)]
    pub properties: Box<RawValue>,
    #[serde(serialize_with = "spelled")]
    #[schema(value_type = EventSource)]
    pub source: Source,
    /// Who acted; of browsers and mail clients only.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "spelled")]
    #[schema(value_type = Option<EventClass>, nullable = false)]
    pub class: Option<Class>,
    /// Why it was judged so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// The id of the key that it came with, as `misar keys list` shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "key_4fTq0cMmZk9R2aXb")]
    pub key_id: Option<String>,
    /// So many events of the same page were lost before this one, because its queue was full.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub dropped: Option<u32>,
    /// `rejected` in a list of rejected events; absent of all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, pattern = "^(rejected)$")]
    pub status: Option<&'static str>,
    /// Why it was rejected, for programs; this and what follows is of rejected events alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "invalid_email")]
    pub code: Option<String>,
    /// Why it was rejected, for people: what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
    /// The field that was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub field: Option<String>,
    /// Fields that were sent and not used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub ignored_fields: Vec<String>,
    /// The event as it was sent, where it is no longer than 32 KB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub body: Option<String>,
}

/// Why events could not be listed. All of them are ours.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error(transparent)]
    Views(#[from] ViewError),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl EventView {
    /// Shows a record. Of a redacted one nothing personal is left to show.
    pub fn of(record: &Record, beside: Beside) -> Self {
        let entry = &record.entry;
        let judged = match beside.rejudged.as_ref().or(entry.told_by.class()) {
            _ if beside.is_relabelled => Some((Class::Bot, LINK_BURST)),
            Some((class, reason)) => Some((*class, reason.as_str())),
            // From before there were classes.
            None => of_page(entry).map(|judged| (judged.class, judged.reason)),
        };
        let anonymous_id = entry.anonymous_id.as_ref();
        Self {
            id: entry.id.to_string(),
            seq: record.public_seq.to_string(),
            kind: entry.fact.kind(),
            name: entry.fact.name().to_owned(),
            timestamp: entry.time.to_string(),
            received_at: entry.received_at.to_string(),
            email: match &entry.address {
                Some(address) => Some(address.spelled().to_owned()),
                None => beside.address.map(|address| address.0),
            },
            anonymous_id: anonymous_id.map(|id| id.as_str().to_owned()),
            message_id: entry.fact.message_id().map(|id| id.as_str().to_owned()),
            properties: properties(entry),
            source: entry.source(),
            class: judged.map(|(class, _)| class),
            reason: judged.map(|(_, reason)| reason.to_owned()),
            key_id: entry.told_by.key_id().map(KeyId::to_string),
            dropped: dropped_before(entry),
            status: None,
            code: None,
            message: None,
            field: None,
            ignored_fields: Vec::new(),
            body: None,
        }
    }
}

/// Hides what names a person.
impl fmt::Debug for EventView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventView")
            .field("id", &self.id)
            .field("seq", &self.seq)
            .field("type", &self.kind)
            .finish_non_exhaustive()
    }
}

fn properties(entry: &Entry) -> Box<RawValue> {
    match &entry.fact {
        Fact::Track { properties, .. } => kept(properties.as_ref(), "{}"),
        Fact::Identify { traits } => kept(traits.as_ref(), "{}"),
        Fact::Purchase {
            order_id,
            revenue,
            items,
            ..
        } => object(&PurchaseProperties {
            order_id: order_id.as_str(),
            revenue: exact(*revenue),
            currency: revenue.currency.code(),
            items: kept(items.as_ref(), "[]"),
            verified: entry.is_verified(),
        }),
        Fact::Amend {
            order_id,
            revenue,
            items,
            ..
        } => object(&AmendmentProperties {
            order_id: order_id.as_str(),
            revenue: exact(*revenue),
            currency: revenue.currency.code(),
            items: items.as_ref().map(|items| kept(Some(items), "[]")),
        }),
        Fact::Refund {
            order_id,
            refund_id,
            amount,
            ..
        } => object(&RefundProperties {
            order_id: order_id.as_str(),
            refund_id: refund_id.as_str(),
            amount: exact(*amount),
            currency: amount.currency.code(),
        }),
        Fact::Send {
            campaign_id,
            message_type,
            subject,
            ..
        } => object(&MailProperties {
            subject: subject.as_ref().map(|subject| subject.0.as_str()),
            ..MailProperties::of(campaign_id.as_ref(), *message_type)
        }),
        Fact::Open { send } | Fact::Unsubscribe { send } | Fact::Told { send } => {
            object(&MailProperties::of_send(send))
        }
        Fact::Erase { .. } => kept(None, "{}"),
        Fact::Suppress { cause } => object(&SuppressionProperties {
            reason: Some(cause.as_str()),
        }),
        Fact::Lift { cause, .. } => object(&SuppressionProperties {
            reason: cause.map(Cause::as_str),
        }),
        Fact::Delivery {
            send,
            status,
            code,
            reason,
        } => object(&MailProperties {
            status: Some(status.as_str()),
            code: code.as_deref(),
            reason: reason.as_ref().map(|reason| reason.0.as_str()),
            ..MailProperties::of_send(send)
        }),
        Fact::Click {
            send, link, target, ..
        } => object(&MailProperties {
            link: Some(*link),
            url: target.as_ref().map(|target| target.0.as_str()),
            ..MailProperties::of_send(send)
        }),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MailProperties<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign_id: Option<&'a str>,
    message_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> MailProperties<'a> {
    fn of(campaign_id: Option<&'a CampaignId>, message_type: MessageType) -> Self {
        Self {
            campaign_id: campaign_id.map(CampaignId::as_str),
            message_type: message_type.as_str(),
            sent_at: None,
            subject: None,
            link: None,
            url: None,
            status: None,
            code: None,
            reason: None,
        }
    }

    fn of_send(send: &'a SendRef) -> Self {
        Self {
            sent_at: Some(send.sent_at.to_string()),
            ..Self::of(send.campaign_id.as_ref(), send.message_type)
        }
    }
}

#[derive(Serialize)]
struct SuppressionProperties {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PurchaseProperties<'a> {
    order_id: &'a str,
    revenue: Box<RawValue>,
    currency: &'static str,
    items: Box<RawValue>,
    verified: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AmendmentProperties<'a> {
    order_id: &'a str,
    revenue: Box<RawValue>,
    currency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RefundProperties<'a> {
    order_id: &'a str,
    refund_id: &'a str,
    amount: Box<RawValue>,
    currency: &'static str,
}

/// The amount as a JSON number with its exact decimals: no float comes near money.
fn exact(money: Money) -> Box<RawValue> {
    raw(money.to_decimal_string())
}

/// JSON in the caller's own text, checked when it came in; `empty` where there is none.
fn kept(text: Option<&Personal>, empty: &str) -> Box<RawValue> {
    raw(text.map_or(empty, |text| &text.0).to_owned())
}

/// The properties of an event that has none.
pub fn no_properties() -> Box<RawValue> {
    raw("{}".to_owned())
}

fn raw(json: String) -> Box<RawValue> {
    // Everything handed in is JSON by construction; `null` in its place beats a panic in a query.
    RawValue::from_string(json).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn object<T: Serialize>(properties: &T) -> Box<RawValue> {
    // Texts, booleans and JSON as it is: nothing of this can fail to serialise.
    serde_json::value::to_raw_value(properties).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
