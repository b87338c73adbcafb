//! Who is to get no more mail, as callers say it: one by one, in lists, and in rows of a file.

use alloc::format;
use alloc::string::ToString as _;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::bodies::{SuppressionBody, SuppressionsBody};
use super::fields::{self, missing, required};
use super::json::{self, ListError};
use crate::email::Email;
use crate::limits::MAX_BATCH_MESSAGES;
use crate::rejection::{Rejection, codes};
use crate::time::{TimeError, Timestamp};

/// Why somebody may be suppressed, as it is spelled.
pub const SUPPRESSION_REASONS: [&str; 4] = ["manual", "unsubscribed", "bounced", "complained"];

/// Somebody who is to get no more mail.
#[derive(Clone, Debug, PartialEq)]
pub struct Suppressed {
    /// Who.
    pub email: Email,
    /// One of [`SUPPRESSION_REASONS`].
    pub reason: &'static str,
    /// Since when; absent: now.
    pub time: Option<Timestamp>,
}

/// Reads the list of a request, of entries not yet looked at; `None` where the body is an entry itself.
///
/// # Errors
/// `None` where there are more than 1,000; else why it is no list.
pub fn parse_suppressions<'a>(
    body: &SuppressionsBody<'a>,
) -> Result<Option<Vec<&'a RawValue>>, Option<Rejection>> {
    let Some(raw) = body.suppressions else {
        return Ok(None);
    };
    match json::list(raw, MAX_BATCH_MESSAGES) {
        Ok(list) => Ok(Some(list)),
        Err(ListError::TooLong) => Err(None),
        Err(ListError::NotAList) => {
            let message = "Send `suppressions` as a JSON array of objects such as {\"email\":\"user@example.com\"}";
            Err(Some(Rejection::of(
                codes::INVALID_BODY,
                "suppressions",
                message,
            )))
        }
    }
}

/// Reads one entry.
///
/// # Errors
/// What is wrong with it.
pub fn parse_suppression(
    body: &SuppressionBody<'_>,
    received_at: Timestamp,
) -> Result<Suppressed, Rejection> {
    let email = fields::email("email", required("email", body.email)?)?;
    let reason = body.reason.map(|raw| {
        let text = json::text(raw);
        text.and_then(|text| known_reason(&text))
            .ok_or_else(invalid_reason)
    });
    let time = body.timestamp.map(|raw| {
        let time = fields::timestamp("timestamp", raw)?;
        fields::within_bounds("timestamp", time, received_at)
    });
    Ok(Suppressed {
        email,
        reason: reason.transpose()?.unwrap_or(SUPPRESSION_REASONS[0]),
        time: time.transpose()?,
    })
}

/// Reads a row of a file; blank parts are absent.
///
/// # Errors
/// What is wrong with it.
pub fn parse_suppression_row(
    email: &str,
    reason: &str,
    time: &str,
    received_at: Timestamp,
) -> Result<Suppressed, Rejection> {
    if email.trim().is_empty() {
        return Err(missing("email", "Send `email`"));
    }
    let email = Email::parse(email)
        .map_err(|error| Rejection::of(codes::INVALID_EMAIL, "email", error.to_string()))?;
    let reason = match reason.trim() {
        "" => SUPPRESSION_REASONS[0],
        text => known_reason(text).ok_or_else(invalid_reason)?,
    };
    let time = match time.trim() {
        "" => None,
        text => {
            let time = Timestamp::parse_rfc3339(text).map_err(|_| {
                Rejection::of(codes::INVALID_TIMESTAMP, "timestamp", TimeError.to_string())
            })?;
            Some(fields::within_bounds("timestamp", time, received_at)?)
        }
    };
    Ok(Suppressed {
        email,
        reason,
        time,
    })
}

fn known_reason(text: &str) -> Option<&'static str> {
    SUPPRESSION_REASONS.into_iter().find(|known| *known == text)
}

fn invalid_reason() -> Rejection {
    let message = format!("Send `reason` as one of {}", SUPPRESSION_REASONS.join(", "));
    Rejection::of(codes::INVALID_REASON, "reason", message)
}
