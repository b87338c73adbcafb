//! A message to be registered: its fields, from their JSON to their types. What instrumenting makes
//! of its parts is the collector's.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde_json::value::RawValue;

use super::bodies::{MessageBatchBody, MessageBody, UtmBody, body, note_unknown};
use super::fields::{self, missing, required};
use super::json::{self, ListError};
use super::near_miss;
use crate::email::Email;
use crate::ids::{CampaignId, MessageId};
use crate::limits::{MAX_BATCH_MESSAGES, MAX_ID_CHARS, MAX_SUBJECT_CHARS};
use crate::rejection::{Rejection, codes};
use crate::time::Timestamp;

/// A message that goes to one contact, fully checked.
#[derive(Clone, PartialEq)]
pub struct Outgoing {
    /// To whom.
    pub email: Email,
    /// The campaign that it belongs to.
    pub campaign_id: Option<CampaignId>,
    /// People wait for it; else it is a campaign's.
    pub is_transactional: bool,
    /// At most 998 characters.
    pub subject: Option<String>,
    /// The caller's own time of sending.
    pub sent_at: Option<Timestamp>,
    /// The HTML part as it came.
    pub html: Option<String>,
    /// The text part as it came.
    pub text: Option<String>,
    /// Whether a pixel is wanted.
    pub track_opens: bool,
    /// Whether links are to lead through the tracker.
    pub track_clicks: TrackClicks,
    /// Whether the pixel is to stand at the beginning of the HTML part, rather than at its end.
    pub is_pixel_first: bool,
    /// Whether a campaign's message to whom is suppressed is refused.
    pub refuse_unsubscribed: bool,
    /// Campaign parameters for links.
    pub utm: Option<UtmParameters>,
}

/// Of which parts the links lead through the tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackClicks {
    /// Of none.
    Nowhere,
    /// Of the HTML part alone.
    Html,
    /// Of both parts.
    Everywhere,
}

/// Campaign parameters of links, each of 1 to 255 characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UtmParameters {
    /// `utm_source`
    pub source: Option<String>,
    /// `utm_medium`
    pub medium: Option<String>,
    /// `utm_campaign`
    pub campaign: Option<String>,
    /// `utm_term`
    pub term: Option<String>,
    /// `utm_content`
    pub content: Option<String>,
}

/// One message's body, parsed.
#[derive(Clone, PartialEq)]
pub struct ParsedMessage {
    /// The send's identity, where one came that is one.
    pub message_id: Option<MessageId>,
    /// Fields that were sent and ignored, as JSON paths; at most 32 of at most 128 characters.
    pub unknown_fields: Vec<String>,
    /// The message, or why it is refused.
    pub outcome: Result<Outgoing, Rejection>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outgoing[redacted]")
    }
}

impl fmt::Debug for ParsedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedMessage")
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// Reads the list of a batch: at most 1,000 messages, not yet looked at.
///
/// # Errors
/// `None` where there are too many; else why it is no list.
pub fn parse_messages<'a>(
    batch: &MessageBatchBody<'a>,
) -> Result<Vec<&'a RawValue>, Option<Rejection>> {
    let wanted = "Send `messages` as a JSON array";
    let messages = batch.messages.ok_or_else(|| {
        let rejection = missing("messages", wanted);
        near_miss::explain(rejection, &batch.unknown)
    })?;
    json::list(messages, MAX_BATCH_MESSAGES).map_err(|error| match error {
        ListError::TooLong => None,
        ListError::NotAList => Some(Rejection::of(codes::INVALID_BODY, "messages", wanted)),
    })
}

/// Reads one message. Never fails: what is wrong with it is its outcome.
#[must_use]
pub fn parse_message(body: &MessageBody<'_>, received_at: Timestamp) -> ParsedMessage {
    let message_id = body.message_id.map(fields::message_id).transpose();
    let mut unknown_fields = body.unknown.clone();
    let outcome = match &message_id {
        Ok(_) => outgoing(body, received_at, &mut unknown_fields),
        Err(rejection) => Err(rejection.clone()),
    };
    ParsedMessage {
        message_id: message_id.unwrap_or_default(),
        outcome: outcome.map_err(|rejection| near_miss::explain(rejection, &unknown_fields)),
        unknown_fields,
    }
}

fn outgoing(
    body: &MessageBody<'_>,
    received_at: Timestamp,
    unknown_fields: &mut Vec<String>,
) -> Result<Outgoing, Rejection> {
    let email = fields::email("email", required("email", body.email)?)?;
    let campaign_id = body.campaign_id.map(|raw| {
        fields::caller_id(
            codes::INVALID_CAMPAIGN_ID,
            "campaignId",
            raw,
            CampaignId::parse,
        )
    });
    let kind = body.kind.map(json::text);
    let is_transactional = match kind.as_ref().map(Option::as_deref) {
        None | Some(Some("campaign")) => false,
        Some(Some("transactional")) => true,
        Some(_) => {
            let message = "Send `type` as campaign or transactional";
            return Err(Rejection::of(codes::INVALID_TYPE, "type", message));
        }
    };
    let subject = body.subject.map(subject).transpose()?;
    let sent_at = body.sent_at.map(|raw| fields::sent_at(raw, received_at));
    let part = |code, field: &'static str, raw: Option<&RawValue>| {
        let text = |raw| {
            let text = json::text(raw).map(String::from);
            let message = || format!("Send `{field}` as a JSON string");
            text.ok_or_else(|| Rejection::of(code, field, message()))
        };
        raw.map(text).transpose()
    };
    // Only an HTML part has a pixel, so that for opens `"html"` is the same as true.
    let tracked = |field: &'static str, raw: Option<&RawValue>| match raw.map(RawValue::get) {
        None | Some("true") => Ok(TrackClicks::Everywhere),
        Some("false") => Ok(TrackClicks::Nowhere),
        Some(_) if raw.and_then(json::text).as_deref() == Some("html") => Ok(TrackClicks::Html),
        Some(_) => {
            let message = format!("Send `{field}` as true, false or \"html\"");
            Err(Rejection::of(codes::INVALID_FLAG, field, message))
        }
    };
    let is_pixel_first = match body.pixel.map(json::text).as_ref().map(Option::as_deref) {
        None | Some(Some("end")) => false,
        Some(Some("start")) => true,
        Some(_) => {
            let message = "Send `pixel` as start or end";
            return Err(Rejection::of(codes::INVALID_FLAG, "pixel", message));
        }
    };
    let refuse_unsubscribed = match body.refuse_unsubscribed.map(RawValue::get) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            let (field, message) = (
                "refuseUnsubscribed",
                "Send `refuseUnsubscribed` as true or false",
            );
            return Err(Rejection::of(codes::INVALID_FLAG, field, message));
        }
    };
    Ok(Outgoing {
        email,
        campaign_id: campaign_id.transpose()?,
        is_transactional,
        subject,
        sent_at: sent_at.transpose()?,
        html: part(codes::INVALID_HTML, "html", body.html)?,
        text: part(codes::INVALID_TEXT, "text", body.text)?,
        track_opens: tracked("trackOpens", body.track_opens)? != TrackClicks::Nowhere,
        track_clicks: tracked("trackClicks", body.track_clicks)?,
        is_pixel_first,
        refuse_unsubscribed,
        utm: body.utm.map(|raw| utm(raw, unknown_fields)).transpose()?,
    })
}

fn subject(raw: &RawValue) -> Result<String, Rejection> {
    let text = json::text(raw).filter(|text| text.chars().nth(MAX_SUBJECT_CHARS).is_none());
    text.map(String::from).ok_or_else(|| {
        let message = format!("Send `subject` as a text of at most {MAX_SUBJECT_CHARS} characters");
        Rejection::of(codes::INVALID_SUBJECT, "subject", message)
    })
}

fn utm(raw: &RawValue, unknown_fields: &mut Vec<String>) -> Result<UtmParameters, Rejection> {
    if fields::is_empty_array(raw) {
        return Ok(UtmParameters::default());
    }
    let parameters: UtmBody<'_> = body(raw.get()).map_err(|_| {
        let message = "Send `utm` as an object such as {\"source\":\"newsletter\"}";
        Rejection::of(codes::INVALID_UTM, "utm", message)
    })?;
    for name in &parameters.unknown {
        note_unknown(unknown_fields, &format!("utm.{name}"));
    }
    let parameter = |name: &str, raw: Option<&RawValue>| {
        let text = |raw| {
            let text = json::text(raw).filter(|text| {
                let is_short = text.chars().nth(MAX_ID_CHARS).is_none();
                !text.is_empty() && is_short && !text.chars().any(char::is_control)
            });
            text.map(String::from).ok_or_else(|| {
                let field = format!("utm.{name}");
                let message = format!("Send `{field}` as a text of 1 to {MAX_ID_CHARS} characters");
                Rejection::of(codes::INVALID_UTM, field, message)
            })
        };
        raw.map(text).transpose()
    };
    Ok(UtmParameters {
        source: parameter("source", parameters.source)?,
        medium: parameter("medium", parameters.medium)?,
        campaign: parameter("campaign", parameters.campaign)?,
        term: parameter("term", parameters.term)?,
        content: parameter("content", parameters.content)?,
    })
}
