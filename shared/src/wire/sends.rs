//! What is told of messages after they were registered: when they really left, and what became of them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::bodies::{DeliveryBody, SentBody, SentMessageBody, body};
use super::fields::{self, missing, required};
use super::json::{self, ListError};
use super::parse::finish;
use super::{Arrival, Parsed};
use crate::event::{Delivery, DeliveryStatus, Event, EventKind};
use crate::ids::{CampaignId, MessageId};
use crate::limits::{MAX_BATCH_MESSAGES, MAX_REASON_CHARS};
use crate::rejection::{Rejection, codes};
use crate::time::Timestamp;

/// Whose real time of sending is told.
#[derive(Clone, Debug)]
pub enum SentAsk<'a> {
    /// Of these messages, at most 1,000, not yet looked at; `sent_at` is for those without their own.
    Messages {
        /// Each as it came.
        messages: Vec<&'a RawValue>,
        /// For those without a time of their own.
        sent_at: Option<Timestamp>,
    },
    /// Of all messages of a campaign of which it has not been told yet.
    Campaign {
        /// The campaign.
        campaign_id: CampaignId,
        /// Absent: now.
        sent_at: Option<Timestamp>,
    },
}

/// When one message left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The send.
    pub message_id: MessageId,
    /// Absent: now, or what was told before.
    pub sent_at: Option<Timestamp>,
}

/// Reads whose time is told.
///
/// # Errors
/// `None` where there are too many messages; else what is wrong with the request as a whole.
pub fn parse_sent<'a>(
    body: &SentBody<'a>,
    received_at: Timestamp,
) -> Result<SentAsk<'a>, Option<Rejection>> {
    let sent_at = body.sent_at.map(|raw| fields::sent_at(raw, received_at));
    let sent_at = sent_at.transpose()?;
    let wanted = "Send `messages` as a JSON array of objects such as {\"messageId\":\"spring-42\"}";
    match (body.messages, body.campaign_id) {
        (Some(_), Some(_)) => {
            let message = "Send either `messages` or `campaignId`";
            Err(Some(Rejection::of(
                codes::INVALID_BODY,
                "campaignId",
                message,
            )))
        }
        (Some(messages), None) => match json::list(messages, MAX_BATCH_MESSAGES) {
            Ok(messages) => Ok(SentAsk::Messages { messages, sent_at }),
            Err(ListError::TooLong) => Err(None),
            Err(ListError::NotAList) => {
                Err(Some(Rejection::of(codes::INVALID_BODY, "messages", wanted)))
            }
        },
        (None, Some(raw)) => {
            let campaign_id = fields::caller_id(
                codes::INVALID_CAMPAIGN_ID,
                "campaignId",
                raw,
                CampaignId::parse,
            )?;
            Ok(SentAsk::Campaign {
                campaign_id,
                sent_at,
            })
        }
        (None, None) => {
            let message = "Send `messages`, or `campaignId` for all of a campaign";
            Err(Some(missing("messages", message)))
        }
    }
}

/// Reads when one message left; `sent_at` is what the request says of all.
///
/// # Errors
/// What is wrong with it.
pub fn parse_departure(
    raw: &RawValue,
    sent_at: Option<Timestamp>,
    received_at: Timestamp,
) -> Result<Departure, Rejection> {
    let sent: SentMessageBody<'_> = body(raw.get()).map_err(|_| {
        let message = "Send each message as an object such as {\"messageId\":\"spring-42\"}";
        Rejection::whole(codes::INVALID_BODY, message)
    })?;
    let message_id = fields::message_id(required("messageId", sent.message_id)?)?;
    let own = sent.sent_at.map(|raw| fields::sent_at(raw, received_at));
    Ok(Departure {
        message_id,
        sent_at: own.transpose()?.or(sent_at),
    })
}

/// What a mail server told of a message. Whether the message is registered is not known here.
#[must_use]
pub fn parse_delivery(body: &DeliveryBody<'_>, arrival: &Arrival<'_>) -> Parsed {
    delivery(body, None, arrival)
}

/// The same of an event in a batch, which may say how long ago it happened.
pub(super) fn delivery(
    body: &DeliveryBody<'_>,
    age: Option<&RawValue>,
    arrival: &Arrival<'_>,
) -> Parsed {
    let status = body.status.map(status);
    let name = match &status {
        Some(Ok(status)) => Some(status.event_name().into()),
        _ => None,
    };
    finish(body.id, name, body.unknown.clone(), |_| {
        if !arrival.deliveries_allowed {
            let message =
                "Send deliveries from a server, with a secret key that has the scope `write`";
            return Err(Rejection::whole(codes::DELIVERIES_NOT_ALLOWED, message));
        }
        let message_id = fields::message_id(required("messageId", body.message_id)?)?;
        let status = status.ok_or_else(|| missing("status", STATUSES))??;
        let code = body.code.map(enhanced_code).transpose()?;
        if let Some(code) = &code {
            fits(status, code)?;
        }
        let delivery = Delivery {
            status,
            code,
            reason: body.reason.map(reason).transpose()?,
        };
        let (time, time_sent) = fields::time(body.timestamp, age, arrival)?;
        Ok(Event {
            time,
            time_sent,
            email: None,
            anonymous_id: None,
            message_id: Some(message_id),
            kind: EventKind::Delivery(delivery),
            unknown_fields: Vec::new(),
            rounded: false,
        })
    })
}

const STATUSES: &str = "Send `status` as delivered, bounced, deferred or complained";

fn status(raw: &RawValue) -> Result<DeliveryStatus, Rejection> {
    let text = json::text(raw);
    text.and_then(|text| DeliveryStatus::parse(&text))
        .ok_or_else(|| Rejection::of(codes::INVALID_STATUS, "status", STATUSES))
}

/// RFC 3463, section 2: class, subject, detail; the last two of at most three digits, without zeros
/// before them and nothing around them.
fn enhanced_code(raw: &RawValue) -> Result<String, Rejection> {
    let is_number = |part: &str| {
        (1..=3).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part.len() == 1 || !part.starts_with('0'))
    };
    let is_code = |text: &str| {
        let mut parts = text.split('.');
        let (class, subject, detail) = (parts.next(), parts.next(), parts.next());
        matches!(class, Some("2" | "4" | "5"))
            && subject.is_some_and(is_number)
            && detail.is_some_and(is_number)
            && parts.next().is_none()
    };
    let text = json::text(raw).filter(|text| is_code(text));
    text.map(String::from).ok_or_else(|| {
        let message = "Send `code` as an enhanced status code of RFC 3463, such as \"5.1.1\", with nothing around it; \
                       what else the mail server says goes into `reason`";
        Rejection::of(codes::INVALID_CODE, "code", message)
    })
}

/// A code says in its class what became of the message: 2 it was taken, 4 it is tried again, 5 it failed
/// for good. A complaint comes after that and goes with any.
fn fits(status: DeliveryStatus, code: &str) -> Result<(), Rejection> {
    let (of_status, wanted) = match status {
        DeliveryStatus::Delivered => ("`delivered` is taken by the mailbox", '2'),
        DeliveryStatus::Deferred => ("`deferred` is tried again", '4'),
        DeliveryStatus::Bounced => ("`bounced` is for good", '5'),
        DeliveryStatus::Complained => return Ok(()),
    };
    if code.starts_with(wanted) {
        return Ok(());
    }
    let of_code = match code.as_bytes().first() {
        Some(b'2') => "delivered",
        Some(b'4') => "deferred",
        _ => "bounced",
    };
    let message = format!(
        "{of_status}, and its codes begin with {wanted}: {code} is `{of_code}`. Send the `status` that the code says, or \
         leave `code` out"
    );
    Err(Rejection::of(codes::INVALID_CODE, "code", message))
}

fn reason(raw: &RawValue) -> Result<String, Rejection> {
    let text = json::text(raw).filter(|text| text.chars().nth(MAX_REASON_CHARS).is_none());
    text.map(String::from).ok_or_else(|| {
        let message = format!("Send `reason` as a text of at most {MAX_REASON_CHARS} characters");
        Rejection::of(codes::INVALID_REASON, "reason", message)
    })
}
