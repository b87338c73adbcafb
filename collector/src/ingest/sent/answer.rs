//! What is answered of when messages left.

use serde::Serialize;
use shared::rejection::Rejection;
use shared::time::Timestamp;
use shared::wire::{Departure, Refused};
use utoipa::ToSchema;

use store::record::public_seq::PublicSeq;

/// One verdict for each message, in order; one for a campaign.
#[derive(Serialize, ToSchema)]
pub(crate) struct SentAnswer {
    /// Always true: the request was read.
    pub success: bool,
    pub results: Vec<SentResult>,
}

/// What became of one message's time, or of a campaign's.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SentResult {
    /// As sent, where it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub campaign_id: Option<String>,
    pub status: SentStatus,
    /// Of a campaign: how many messages this call told it of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub messages: Option<u64>,
    /// The time on record, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-11-23T10:00:00Z")]
    pub sent_at: Option<String>,
    /// The place of the (last) fact among the workspace's events; reads take it as `minSeq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9]{24}$")]
    pub seq: Option<String>,
    /// Why it was rejected.
    #[serde(flatten)]
    pub refused: Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SentStatus {
    /// On disk by this call.
    Recorded,
    /// Told before, of the same time or without one. Of a campaign: of every message of it.
    Duplicate,
    /// No such message, or no message of such a campaign, was registered.
    #[default]
    Unknown,
    /// Another time was told before, which stands.
    Conflict,
    /// It could not be read.
    Rejected,
}

impl SentResult {
    pub(super) fn rejected(rejection: Rejection) -> Self {
        Self {
            status: SentStatus::Rejected,
            refused: rejection.into(),
            ..Self::default()
        }
    }

    pub(super) fn of(departure: &Departure, status: SentStatus) -> Self {
        Self {
            message_id: Some(departure.message_id.as_str().to_owned()),
            status,
            ..Self::default()
        }
    }

    pub(super) fn told(self, at: Timestamp, seq: PublicSeq) -> Self {
        Self {
            sent_at: Some(at.to_string()),
            seq: Some(seq.to_string()),
            ..self
        }
    }
}
