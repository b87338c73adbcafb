//! What callers are answered, as it is written in JSON.
//! Which status goes with which answer is the collector's.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use crate::rejection::Rejection;

/// A request that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// Always false.
    pub success: bool,
    /// What was wrong.
    pub error: ErrorDetail,
    /// The event's id, where it had or was given one: `GET /v1/receipts/{id}` knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(nullable = false))]
    pub id: Option<String>,
}

impl ErrorBody {
    /// An answer without a field or an id.
    pub fn new(code: &'static str, message: impl Into<String>) -> ErrorBody {
        ErrorBody::from(Rejection::whole(code, message))
    }
}

impl From<Rejection> for ErrorBody {
    fn from(rejection: Rejection) -> ErrorBody {
        let Rejection {
            code,
            message,
            field,
        } = rejection;
        let error = ErrorDetail {
            code,
            message,
            field,
            fields: None,
            progress: None,
        };
        ErrorBody {
            success: false,
            error,
            id: None,
        }
    }
}

/// What was wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ErrorDetail {
    /// For programs; never renamed.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "invalid_email"))]
    pub code: &'static str,
    /// For people: what to do. Never repeats a key or an address.
    pub message: String,
    /// The JSON path of the field that is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(nullable = false, example = "email"))]
    pub field: Option<String>,
    /// The fields in which an order differs from the one on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(nullable = false))]
    pub fields: Option<Vec<String>>,
    /// How far what is being built is, in percent; of `view_building` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schema(nullable = false, minimum = 0, maximum = 99)
    )]
    pub progress: Option<u8>,
}

/// An event that is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EventAnswer {
    /// Always true.
    pub success: bool,
    /// Recorded by this request; false where it was on record before.
    pub tracked: bool,
    /// The event's identity, as sent or as given.
    pub id: String,
    /// Its place among the workspace's events: opaque, 24 digits that sort as texts; reads take it as
    /// `minSeq`. Absent in answers to public keys, and of a duplicate that the log no longer has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schema(
            nullable = false,
            pattern = "^[0-9]{24}$",
            example = "011764201600123456000000"
        )
    )]
    pub seq: Option<String>,
    /// `duplicate` where `tracked` is false.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(nullable = false, value_type = Option<String>, pattern = "^(duplicate)$"))]
    pub reason: Option<&'static str>,
    /// Fields that were sent and not used, as JSON paths, at most 32; absent where all were used.
    #[serde(rename = "ignoredFields", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schema(rename = "ignoredFields", required = false))]
    pub ignored_fields: Vec<String>,
    /// What to send in their place, where one comes near a field that was not sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schema(required = false, example = json!(["send `messageId` (you sent `message_id`)"])))]
    pub hints: Vec<String>,
}

impl EventAnswer {
    /// Recorded by this request.
    #[must_use]
    pub fn tracked(id: String, seq: Option<String>) -> EventAnswer {
        EventAnswer {
            success: true,
            tracked: true,
            id,
            seq,
            reason: None,
            ignored_fields: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// With the names of what was sent and not used.
    #[must_use]
    pub fn ignoring(self, ignored_fields: Vec<String>, hints: Vec<String>) -> EventAnswer {
        EventAnswer {
            ignored_fields,
            hints,
            ..self
        }
    }

    /// On record before.
    #[must_use]
    pub fn duplicate(id: String, seq: Option<String>) -> EventAnswer {
        EventAnswer {
            success: true,
            tracked: false,
            id,
            seq,
            reason: Some("duplicate"),
            ignored_fields: Vec::new(),
            hints: Vec::new(),
        }
    }
}

/// Why one of several was refused; nothing of it where it was taken. Verdicts hold it among their own
/// fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Refused {
    /// Why it was rejected, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(nullable = false, value_type = Option<String>, example = "invalid_email"))]
    pub code: Option<&'static str>,
    /// What to do, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(nullable = false))]
    pub message: Option<String>,
    /// The JSON path of the field that is meant, from the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(nullable = false))]
    pub field: Option<String>,
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Refused {
        let Rejection {
            code,
            message,
            field,
        } = rejection;
        Refused {
            code: Some(code),
            message: Some(message),
            field,
        }
    }
}

/// The verdicts on a batch, one per event, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BatchAnswer {
    /// Always true: the batch was well-formed.
    pub success: bool,
    /// One verdict per event, in the order in which they were sent.
    pub results: Vec<BatchResult>,
    /// Fields beside the events that were sent and not used; absent where all were used.
    #[serde(rename = "ignoredFields", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schema(rename = "ignoredFields", required = false))]
    pub ignored_fields: Vec<String>,
}

/// The verdict on one event of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BatchResult {
    /// The event's identity, as sent or as given.
    pub id: String,
    /// What became of it.
    pub status: BatchStatus,
    /// Its place among the workspace's events: opaque, 24 digits that sort as texts; reads take it as
    /// `minSeq`. Absent where rejected, in answers to public keys, and of a duplicate that the log no
    /// longer has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schema(
            nullable = false,
            pattern = "^[0-9]{24}$",
            example = "011764201600123456000000"
        )
    )]
    pub seq: Option<String>,
    /// Why it was rejected.
    #[serde(flatten)]
    pub refused: Refused,
    /// The fields in which an order differs from the one on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(nullable = false))]
    pub fields: Option<Vec<String>>,
    /// Fields of the event that were sent and not used, as JSON paths, at most 32; absent where all were
    /// used.
    #[serde(rename = "ignoredFields", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schema(rename = "ignoredFields", required = false))]
    pub ignored_fields: Vec<String>,
    /// What to send in their place, where one comes near a field that was not sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schema(required = false))]
    pub hints: Vec<String>,
}

impl BatchResult {
    /// With the names of what was sent and not used.
    #[must_use]
    pub fn ignoring(self, ignored_fields: Vec<String>, hints: Vec<String>) -> BatchResult {
        BatchResult {
            ignored_fields,
            hints,
            ..self
        }
    }

    /// Recorded, or on record before.
    #[must_use]
    pub fn accepted(id: String, status: BatchStatus, seq: Option<String>) -> BatchResult {
        BatchResult {
            id,
            status,
            seq,
            refused: Refused::default(),
            fields: None,
            ignored_fields: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// Refused.
    #[must_use]
    pub fn rejected(id: String, rejection: Rejection) -> BatchResult {
        BatchResult {
            id,
            status: BatchStatus::Rejected,
            seq: None,
            refused: rejection.into(),
            fields: None,
            ignored_fields: Vec::new(),
            hints: Vec::new(),
        }
    }
}

/// What became of one event of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum BatchStatus {
    /// Recorded by this request: on disk.
    Tracked,
    /// On record before.
    Duplicate,
    /// Refused; `code` says why.
    Rejected,
}
