//! `/v1/segments`: groups of contacts by what they did and are, live.
//!
//! - `kept`: definitions: made, listed, changed, deleted, copied
//! - `asked`: who is in, why, and who would be under another definition
//! - `bodies`: what is sent
//! - `views`: what is answered; `refusals`: what is said where that is none
//! - `work`: the same for commands: from what was asked to the answer

mod asked;
mod bodies;
mod kept;
mod refusals;
mod views;
pub(crate) mod work;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue};

pub(crate) use asked::*;
pub(crate) use kept::*;

/// The id in a path, as it came.
type InPath = Result<Path<String>, PathRejection>;

/// The same as a text; what is none names no segment.
fn named(id: InPath) -> String {
    id.map(|Path(id)| id).unwrap_or_default()
}

/// The JSON Schema of definitions
///
/// Draft 2020-12, for editors and programs that write definitions: what may stand under `definition`.
#[utoipa::path(
    get, path = "/schemas/segment.json", tag = "segments",
    responses((status = 200, description = "The schema", body = String, content_type = "application/schema+json")),
)]
pub(crate) async fn get_segment_schema() -> Response {
    let kind = HeaderValue::from_static("application/schema+json");
    ([(CONTENT_TYPE, kind)], shared::segment::schema::SCHEMA).into_response()
}
