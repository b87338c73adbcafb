//! A move into a segment or out of it, as it is shown on the live stream and by the route.

use serde::Serialize;
use utoipa::ToSchema;

use store::views::segments::{Cause, Moved};

/// Somebody entered a segment or left it.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MoveView {
    /// The same after every rebuild.
    pub id: String,
    pub r#type: MoveType,
    pub segment_id: String,
    pub segment_name: String,
    /// Of the definition.
    pub version: u32,
    /// Absent where only a link in a mail has named them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "user@example.com")]
    pub email: Option<String>,
    /// When it was due, whenever it was told.
    #[schema(format = DateTime)]
    pub time: String,
    pub cause: MoveCause,
}

/// Hides whom it names.
impl std::fmt::Debug for MoveView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MoveView")
            .field("type", &self.r#type)
            .field("segment_id", &self.segment_id)
            .finish_non_exhaustive()
    }
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MoveType {
    SegmentEntered,
    SegmentLeft,
}

/// What brings a move about: an event, time alone, or another definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MoveCause {
    Event,
    Time,
    Definition,
}

impl MoveView {
    pub(crate) fn of(moved: Moved) -> Self {
        Self {
            id: moved.of.id.to_string(),
            r#type: match moved.of.entered {
                true => MoveType::SegmentEntered,
                false => MoveType::SegmentLeft,
            },
            segment_id: moved.segment.as_str().to_owned(),
            segment_name: moved.name,
            version: moved.of.version,
            email: moved.email,
            time: moved.of.at.to_string(),
            cause: match moved.of.cause {
                Cause::Record(_) => MoveCause::Event,
                Cause::Time => MoveCause::Time,
                Cause::Definition => MoveCause::Definition,
            },
        }
    }
}
