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

/// Why somebody is to get no more mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SuppressionReason {
    /// Somebody put them on the list; where none is said.
    #[default]
    Manual,
    /// They said so.
    Unsubscribed,
    /// Their mailbox does not exist.
    Bounced,
    /// They called a mail spam.
    Complained,
}

impl SuppressionReason {
    const ALL: [Self; 4] = [
        Self::Manual,
        Self::Unsubscribed,
        Self::Bounced,
        Self::Complained,
    ];

    /// As it is spelled.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Unsubscribed => "unsubscribed",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
        }
    }

    fn parse(text: &str) -> Result<Self, Rejection> {
        let mut all = Self::ALL.into_iter();
        all.find(|reason| reason.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            let message = format!("Send `reason` as one of {all}");
            Rejection::of(codes::INVALID_REASON, "reason", message)
        })
    }
}

/// Somebody who is to get no more mail.
#[derive(Clone, Debug, PartialEq)]
pub struct Suppressed {
    /// Who.
    pub email: Email,
    /// Why.
    pub reason: SuppressionReason,
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
    // What is no text is no reason either.
    let reason = |raw| SuppressionReason::parse(&json::text(raw).unwrap_or_default());
    let time = body.timestamp.map(|raw| {
        let time = fields::timestamp("timestamp", raw)?;
        fields::within_bounds("timestamp", time, received_at)
    });
    Ok(Suppressed {
        email,
        reason: body.reason.map(reason).transpose()?.unwrap_or_default(),
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
        "" => SuppressionReason::default(),
        text => SuppressionReason::parse(text)?,
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
