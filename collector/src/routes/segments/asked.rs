//! Who is in a segment, why, who moved, and who would be in under another definition.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Json, Response};
use http::Request;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use shared::api_key::Scope;
use shared::email::Email;
use shared::wire::ErrorBody;
use utoipa::IntoParams;

use super::super::query::{MinSeqQuery, PageLimit, Query, SentSeq, Value, in_path, invalid, value};
use super::InPath;
use super::bodies::{DraftBody, PreviewBody};
use super::kept::{asked, sent};
use super::named;
use super::views::{
    MoveList, SegmentDifference, SegmentExplanation, SegmentMembers, SegmentPreview,
    SegmentsOfContact,
};
use super::work::Segments;
use crate::app::App;
use crate::auth;
use crate::csv_text;
use crate::error::ApiError;

/// The query of members.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct MembersQuery {
    /// Where the last page ended, as its `next` says. Pages stay right while members come and go.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    cursor: Option<Told>,
    /// How many members, 1 to 1,000; 100 without it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<u32>)]
    limit: Option<PageLimit>,
    /// `json` (the default) or `csv`, with the cursor of the next page in the header `X-Next-Cursor`.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, pattern = "^(json|csv)$")]
    format: Option<MembersForm>,
    /// Wait up to 2 s until the event with this `seq` is reflected. 422 `unknown_seq` where no
    /// event of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    min_seq: Option<SentSeq>,
}

/// How members are told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MembersForm {
    Json,
    Csv,
}

impl Value for MembersForm {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            _ => Err("send json or csv".to_owned()),
        }
    }
}

/// The query of an explanation.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ExplainQuery {
    /// The contact.
    #[serde(deserialize_with = "value")]
    #[param(value_type = String, required = true, format = Email, max_length = 254, example = "user@example.com")]
    email: Option<Email>,
    /// Wait up to 2 s until the event with this `seq` is reflected. 422 `unknown_seq` where no
    /// event of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    min_seq: Option<SentSeq>,
}

/// The query of moves.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct MovesQuery {
    /// Behind this place, as `next` of the answer before says; all of them without it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    after: Option<Told>,
    /// How many moves, 1 to 1,000; 100 without it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<u32>)]
    limit: Option<PageLimit>,
    /// Wait up to 2 s until the event with this `seq` is reflected. 422 `unknown_seq` where no
    /// event of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    min_seq: Option<SentSeq>,
}

/// A place as an answer told it. What it is is seen where the workspace is known.
struct Told(String);

impl Value for Told {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

/// List the members of a segment
///
/// As they are now, to the millisecond: whose window has run out is in it no more, whatever has come since.
#[utoipa::path(
    get, path = "/v1/segments/{id}/members", tag = "segments",
    params(("id" = String, Path, description = "The segment's id", example = "seg_5f1c9a03b2d47e608c11"), MembersQuery),
    responses(
        (status = 200, description = "A page of them", content(
            (SegmentMembers = "application/json"),
            (String = "text/csv"),
        )),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The segment is building, or the view has not reached `minSeq`: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn list_segment_members(
    State(app): State<Arc<App>>,
    id: InPath,
    query: Result<Query<MembersQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let Query(query) = query?;
    let behind = query.cursor.map(|Told(text)| text);
    let limit = query.limit.unwrap_or_default().get();
    let members =
        move |segments: Segments<'_>| segments.members(&named(id), behind.as_deref(), limit);
    let Json(page) = asked(&app, reader.workspace, query.min_seq, members).await?;
    Ok(match query.format {
        Some(MembersForm::Csv) => as_csv(&page),
        None | Some(MembersForm::Json) => Json(page).into_response(),
    })
}

fn as_csv(page: &SegmentMembers) -> Response {
    let mut text = b"email,enteredAt\r\n".to_vec();
    for member in &page.members {
        let email = member.email.as_deref().unwrap_or_default();
        csv_text::write(email, &mut text);
        text.push(b',');
        text.extend(member.entered_at.bytes());
        text.extend(b"\r\n");
    }
    let mut response = ([(CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response();
    if let Some(Ok(next)) = page.next.as_ref().map(|next| next.parse()) {
        response.headers_mut().insert("x-next-cursor", next);
    }
    response
}

/// Explain why a contact is in a segment or not
///
/// Each condition, true or false, with the events that decide it, and when it changes next if nothing new comes. Of an
/// address that nobody knows no condition is told.
#[utoipa::path(
    get, path = "/v1/segments/{id}/explain", tag = "segments",
    params(("id" = String, Path, description = "The segment's id", example = "seg_5f1c9a03b2d47e608c11"), ExplainQuery),
    responses(
        (status = 200, description = "Why", body = SegmentExplanation),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The segment is building, or the view has not reached `minSeq`: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn explain_segment(
    State(app): State<Arc<App>>,
    id: InPath,
    query: Result<Query<ExplainQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<SegmentExplanation>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let Query(query) = query?;
    let wanted = || invalid("email", "send the contact's e-mail address");
    let email = query.email.ok_or_else(wanted)?;
    let explain = move |segments: Segments<'_>| {
        let views = &segments.app.views;
        let contact = views.contact_id(segments.workspace, email.normalised());
        segments.explain(&named(id), contact)
    };
    asked(&app, reader.workspace, query.min_seq, explain).await
}

/// Tell in which segments a contact is
///
/// And in which not. An address that nobody knows is in none. Takes the scope `contacts`.
#[utoipa::path(
    get, path = "/v1/contacts/{email}/segments", tag = "segments",
    params(("email" = String, Path, format = Email, max_length = 254, description = "The contact's address, percent-encoded", example = "user@example.com"), MinSeqQuery),
    responses(
        (status = 200, description = "All segments that hold, and whether the contact is in", body = SegmentsOfContact),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn list_segments_of_contact(
    State(app): State<Arc<App>>,
    email: InPath,
    query: Result<Query<MinSeqQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<SegmentsOfContact>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Contacts)?;
    let Query(query) = query?;
    let email = in_path(email)?;
    let list = move |segments: Segments<'_>| {
        let views = &segments.app.views;
        let contact = views.contact_id(segments.workspace, email.normalised());
        segments.of_contact(contact)
    };
    asked(&app, reader.workspace, query.min_seq, list).await
}

/// List moves into segments and out of them
///
/// In the order in which they were due; `next` is where to go on, for good. The same moves come on the live stream.
#[utoipa::path(
    get, path = "/v1/segments/moves", tag = "segments",
    params(MovesQuery),
    responses(
        (status = 200, description = "The next of them", body = MoveList),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn list_segment_moves(
    State(app): State<Arc<App>>,
    query: Result<Query<MovesQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<MoveList>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let Query(query) = query?;
    let after = query.after.map(|Told(text)| text);
    let limit = query.limit.unwrap_or_default().get();
    let moves = move |segments: Segments<'_>| segments.moves(after.as_deref(), limit);
    asked(&app, reader.workspace, query.min_seq, moves).await
}

/// Try a definition
///
/// Nothing is saved. Tells how many would be in, now or at an instant, the first of them, how many are left after each
/// condition, for how many `includeNew` matters, and names in it that nobody has ever sent. Takes the scope `read`.
#[utoipa::path(
    post, path = "/v1/segments/preview", tag = "segments",
    request_body(content = PreviewBody, content_type = "application/json"),
    responses(
        (status = 200, description = "What it comes to", body = SegmentPreview),
        (status = "4XX", description = "Refused; `error.field` says where, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "What it asks is being gathered, or events wait: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn preview_segment(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<SegmentPreview>, ApiError> {
    let (workspace, text) = sent(&app, request, Scope::Read).await?;
    let segments = Segments {
        app: &app,
        workspace,
    };
    segments.prepared().await?;
    let preview = move |segments: Segments<'_>| segments.preview(&text);
    asked(&app, workspace, None, preview).await
}

/// Tell who would move under another definition
///
/// Nothing is saved: who would enter the segment and who would leave it if the draft were its definition now. Takes the
/// scope `read`.
#[utoipa::path(
    post, path = "/v1/segments/{id}/diff", tag = "segments",
    params(("id" = String, Path, description = "The segment's id", example = "seg_5f1c9a03b2d47e608c11")),
    request_body(content = DraftBody, content_type = "application/json"),
    responses(
        (status = 200, description = "Who would move", body = SegmentDifference),
        (status = "4XX", description = "Refused; `error.field` says where, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "The segment is building, or events wait: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn diff_segment(
    State(app): State<Arc<App>>,
    id: InPath,
    request: Request<Body>,
) -> Result<Json<SegmentDifference>, ApiError> {
    let (workspace, text) = sent(&app, request, Scope::Read).await?;
    let diff = move |segments: Segments<'_>| segments.diff(&named(id), &text);
    asked(&app, workspace, None, diff).await
}
