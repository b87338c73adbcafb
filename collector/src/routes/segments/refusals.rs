//! What is said where something about segments is refused.

use http::StatusCode;
use shared::ids::SegmentId;
use shared::segment::Definition;

use super::bodies::refused;
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use store::meta::{MAX_SEGMENTS, MAX_VERSIONS, MetaError, SegmentRefusal};
use store::record::SegmentBook;

pub(super) fn not_kept(error: MetaError) -> ApiError {
    tracing::error!(%error, "what was asked of segments could not be kept");
    ApiError::StorageFailing
}

/// Why a change was not made.
pub(super) fn of_change(refusal: SegmentRefusal) -> ApiError {
    match refusal {
        SegmentRefusal::Unknown => unknown(),
        SegmentRefusal::TooMany => too_many(format!(
            "the workspace has {MAX_SEGMENTS} segments, which is all that it may have: delete some"
        )),
        SegmentRefusal::TooManyVersions => too_many(format!(
            "the definition was changed {MAX_VERSIONS} times, and all are kept: duplicate the segment"
        )),
        SegmentRefusal::UnknownReference(id) => unknown_reference(&id),
        SegmentRefusal::Circle(way) => circle(&way),
        SegmentRefusal::AskedFor(by) => {
            let names: Vec<&str> = by.iter().map(SegmentId::as_str).collect();
            let message = format!(
                "other segments ask for this one: change or delete {} before",
                names.join(", ")
            );
            Refusal::new(StatusCode::CONFLICT, "segment_in_use", message).into()
        }
    }
}

pub(super) fn unknown() -> ApiError {
    let message =
        "there is no such segment: GET /v1/segments, or `misar segments list`, lists them";
    Refusal::new(StatusCode::NOT_FOUND, "unknown_segment", message).into()
}

fn too_many(message: String) -> ApiError {
    Refusal::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "too_many_segments",
        message,
    )
    .into()
}

fn unknown_reference(id: &SegmentId) -> ApiError {
    let message = format!(
        "There is no segment {}: send the `id` of one, as GET /v1/segments tells it",
        shown(id)
    );
    refused("segment", message)
}

/// Whether there is every segment that a definition asks for.
pub(super) fn all_known(book: &SegmentBook, definition: &Definition) -> Result<(), ApiError> {
    let asked = definition.references().into_iter();
    let mut unknown = asked.filter(|id| book.get(id).is_none());
    match unknown.next() {
        Some(id) => Err(unknown_reference(id)),
        None => Ok(()),
    }
}

pub(super) fn circle(way: &[SegmentId]) -> ApiError {
    let way: Vec<String> = way.iter().map(shown).collect();
    let message = format!(
        "A segment cannot ask for itself, and this one would: {}",
        way.join(" → ")
    );
    refused("segment", message)
}

/// An id as it may be repeated: one of ours, or nothing of it.
fn shown(id: &SegmentId) -> String {
    let is_ours = id
        .as_str()
        .strip_prefix("seg_")
        .is_some_and(|rest| rest.len() == 20 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match is_ours {
        true => id.as_str().to_owned(),
        false => "of this id".to_owned(),
    }
}
