//! What a message comes back as: its parts, ready to be sent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::instrument::{SkipReason, SkippedLink, TrackedLink};

/// A message that is on record, ready to be sent.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageAnswer {
    /// Always true.
    pub success: bool,
    /// As sent, or as made.
    #[schema(example = "spring-42")]
    pub message_id: String,
    /// The identity of the event `email_sent`.
    pub id: String,
    /// Its place among the workspace's events: opaque, 24 digits that sort as texts; reads take it as
    /// `minSeq`.
    #[schema(pattern = "^[0-9]{24}$", example = "011764201600123456000000")]
    pub seq: String,
    /// The HTML part, to be sent as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub html: Option<String>,
    /// The text part, to be sent as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub text: Option<String>,
    /// The links that are tracked, in the order of the text.
    #[schema(value_type = Vec<Link>)]
    pub links: Vec<TrackedLink>,
    /// The links that stayed as they were, each with its reason.
    #[schema(value_type = Vec<Skipped>)]
    pub skipped: Vec<SkippedLink>,
    /// Where a person unsubscribes: a page with a button.
    #[schema(example = "https://track.example/mail/unsubscribe/AQM…")]
    pub unsubscribe_url: String,
    /// Headers to send the message with (RFC 2369, RFC 8058).
    pub headers: MessageHeaders,
    /// When the contact asked for no more mail, RFC 3339; absent where they did not, or where that was
    /// lifted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-11-23T10:00:00Z")]
    pub unsubscribed_at: Option<String>,
    /// What to look at before it is sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Fields that were sent and not used, as JSON paths, at most 32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored_fields: Vec<String>,
    /// What to send in their place, where one comes near a field that was not sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// Headers to send a message with.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct MessageHeaders {
    #[serde(rename = "List-Unsubscribe")]
    #[schema(example = "<https://track.example/mail/unsubscribe/AQM…>")]
    pub list_unsubscribe: String,
    #[serde(rename = "List-Unsubscribe-Post")]
    #[schema(example = "List-Unsubscribe=One-Click")]
    pub list_unsubscribe_post: String,
}

/// A tracked link, as the document describes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the fields stand for the document alone")]
struct Link {
    /// Its number within the message, from 0; clicks name it.
    index: u32,
    /// Where it leads.
    url: String,
}

/// A link that stayed as it was, as the document describes it.
#[derive(ToSchema)]
#[schema(as = SkippedLink)]
#[expect(dead_code, reason = "the fields stand for the document alone")]
struct Skipped {
    url: String,
    reason: SkipReason,
}

/// Hides the parts and to whom they go.
impl std::fmt::Debug for MessageAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageAnswer")
            .field("message_id", &self.message_id)
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}

impl MessageAnswer {
    /// About how many bytes of JSON its parts and links are; the rest is small.
    pub(super) fn written(&self) -> usize {
        // `{"index":12345,"url":"…"},` and `{"url":"…","reason":"…"},`
        const LINK: usize = 40;
        let links = self.links.iter().map(|link| &link.url);
        let urls = links.chain(self.skipped.iter().map(|link| &link.url));
        let urls: usize = urls.map(|url| written_text(url) + LINK).sum();
        written(&self.html) + written(&self.text) + urls
    }
}

pub(super) fn written(text: &Option<String>) -> usize {
    text.as_deref().map_or(0, written_text)
}

/// How many bytes of JSON a text is.
fn written_text(text: &str) -> usize {
    let more = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
        0..0x20 => 5,
        _ => 0,
    };
    text.len() + text.bytes().map(more).sum::<usize>()
}
