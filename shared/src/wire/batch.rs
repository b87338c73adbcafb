//! A batch: its envelope, what it says of all its events, and each event on its own.
//! The fields of an event stand in `parse`.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use serde_json::value::RawValue;

use super::bodies::{BatchBody, BatchEvent, Body, body};
use super::fields::{self, missing};
use super::json::{self, ListError};
use super::near_miss;
use super::parse::parse_entry;
use super::{Arrival, Parsed};
use crate::email::Email;
use crate::ids::AnonymousId;
use crate::limits::{MAX_BATCH_EVENTS, MAX_CONTEXT_BYTES, MAX_EVENT_BYTES};
use crate::rejection::{Rejection, codes};
use crate::time::Timestamp;

/// A well-formed batch; its events have not been looked at yet.
#[derive(Clone)]
pub struct Batch<'a> {
    /// When the caller sent it, by its own clock, however wrong.
    pub sent_at: Option<Timestamp>,
    /// What it says of all events.
    pub context: Option<Context>,
    /// The events in order: at most 1,000.
    pub events: Vec<&'a RawValue>,
    /// Names beside these that were sent and ignored.
    pub unknown: Vec<String>,
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

/// What a batch says of all its events.
#[derive(Clone, PartialEq)]
pub struct Context {
    /// Who, for events without an address of their own; an invalid one refuses those events alone.
    pub email: Option<Result<Email, Rejection>>,
    /// The browser, for events without one of their own; likewise.
    pub anonymous_id: Option<Result<AnonymousId, Rejection>>,
    /// `"anonymous": true`: the visitor asked not to be followed (Global Privacy Control), so that a
    /// page's events name nobody and count all the same.
    pub anonymous: bool,
    /// The object as sent, at most 4 KB, without `email` and `anonymousId`.
    pub json: String,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context[redacted]")
    }
}

/// Why a batch as a whole is refused: nothing of it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// No array of events, or a malformed `sentAt` or `context` (status 422).
    Rejected(Rejection),
    /// More than 1,000 events (status 413).
    TooManyEvents,
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchError::Rejected(rejection) => f.write_str(&rejection.message),
            BatchError::TooManyEvents => f.write_str("Send at most 1000 events in one batch"),
        }
    }
}

impl core::error::Error for BatchError {}

/// Reads what stands in a batch's envelope. Its key is the caller's affair, and is there whatever is
/// wrong with the rest.
///
/// # Errors
/// See [`BatchError`].
pub fn parse_batch(envelope: BatchBody<'_>) -> Result<Batch<'_>, BatchError> {
    let Some(events) = envelope.events else {
        let rejection = missing("events", "Send `events` as a JSON array");
        let rejection = near_miss::explain(rejection, &envelope.unknown);
        return Err(BatchError::Rejected(rejection));
    };
    let events = json::list(events, MAX_BATCH_EVENTS).map_err(|error| match error {
        ListError::TooLong => BatchError::TooManyEvents,
        ListError::NotAList => BatchError::Rejected(Rejection::of(
            codes::INVALID_BODY,
            "events",
            "Send `events` as a JSON array",
        )),
    })?;
    let sent_at = envelope.sent_at.map(fields::batch_sent_at).transpose();
    let context = envelope.context.map(context).transpose();
    Ok(Batch {
        sent_at: sent_at.map_err(BatchError::Rejected)?.flatten(),
        context: context.map_err(BatchError::Rejected)?,
        events,
        unknown: envelope.unknown,
    })
}

/// Reads one event of a batch. Never fails: what is wrong with it is its outcome.
///
/// An event that is too large, or no object, is refused before its id is looked at; where it has an
/// id that can be read, it is there for the answer all the same.
#[must_use]
pub fn parse_batch_event(raw: &RawValue, arrival: &Arrival<'_>) -> Parsed {
    let refused = |rejection| Parsed {
        sent_id: None,
        name: None,
        unknown_fields: Vec::new(),
        outcome: Err(rejection),
    };
    let Ok(entry) = body::<BatchEvent<'_>>(raw.get()) else {
        return refused(Rejection::whole(
            codes::INVALID_BODY,
            "Send each event as a JSON object with a `type`",
        ));
    };
    if raw.get().len() > MAX_EVENT_BYTES {
        let message = format!(
            "An event has at most 32 KB ({MAX_EVENT_BYTES} bytes) of JSON, this one has {} bytes",
            raw.get().len()
        );
        let rejection = Rejection::whole(codes::EVENT_TOO_LARGE, message);
        return Parsed {
            sent_id: entry.id.map(fields::sent_id),
            name: fields::name_as_sent(entry.event),
            unknown_fields: entry.unknown,
            ..refused(rejection)
        };
    }
    parse_entry(entry, arrival)
}

fn context(raw: &RawValue) -> Result<Context, Rejection> {
    if raw.get().len() > MAX_CONTEXT_BYTES {
        return Err(Rejection::of(
            codes::INVALID_CONTEXT,
            "context",
            "Send at most 4 KB of `context`",
        ));
    }
    fields::object(codes::INVALID_CONTEXT, "context", Some(raw))?;
    // It is an object by now, so nothing is lost here.
    let entries: ContextEntries<'_> = body(raw.get()).unwrap_or_default();
    let mut json = String::from("{");
    for (name, value) in &entries.others {
        if json.len() > 1 {
            json.push(',');
        }
        // A string always serialises.
        json.push_str(&serde_json::to_string(name).unwrap_or_default());
        json.push(':');
        json.push_str(value);
    }
    json.push('}');
    Ok(Context {
        email: entries.email.map(|raw| fields::email("context.email", raw)),
        anonymous_id: entries
            .anonymous_id
            .map(|raw| fields::anonymous_id("context.anonymousId", raw)),
        anonymous: entries
            .others
            .iter()
            .any(|(name, value)| name == "anonymous" && *value == "true"),
        json,
    })
}

/// A context's fields: two that are read, and all others in their own order and text.
#[derive(Default)]
struct ContextEntries<'a> {
    email: Option<&'a RawValue>,
    anonymous_id: Option<&'a RawValue>,
    others: Vec<(String, &'a str)>,
    unknown: Vec<String>,
}

impl<'a> Body<'a> for ContextEntries<'a> {
    const FIELDS: &'static [&'static str] = &["email", "anonymousId"];

    fn set(&mut self, name: &str, value: Option<&'a RawValue>) -> bool {
        match name {
            "email" => self.email = value,
            "anonymousId" => self.anonymous_id = value,
            _ => {
                // At most 256 names passed the check, so looking through them is cheap.
                self.others.retain(|(known, _)| known != name);
                self.others
                    .push((name.to_string(), value.map_or("null", RawValue::get)));
            }
        }
        true
    }

    fn unknown_mut(&mut self) -> &mut Vec<String> {
        &mut self.unknown
    }
}
