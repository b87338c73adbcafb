//! Segments as things that are kept: made, listed, changed, deleted, copied.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Json;
use http::{Method, Request};
use serde::Deserialize;
use shared::api_key::Scope;
use shared::limits::MAX_SEGMENT_BYTES;
use shared::wire::ErrorBody;
use utoipa::IntoParams;

use super::super::query::{MinSeqQuery, PageLimit, Query, SentSeq, Value, value};
use super::super::read::{read, read_elsewhere};
use super::InPath;
use super::bodies::{DuplicateBody, SegmentBody, SegmentChangeBody};
use super::named;
use super::views::{SegmentDeleted, SegmentDetails, SegmentHistory, SegmentList, SegmentView};
use super::work::Segments;
use crate::app::App;
use crate::auth;
use crate::body::{self, Means, Media, read_text};
use crate::error::ApiError;
use crate::ingest::Incoming;
use crate::limits::memory::Owner;
use crate::limits::network::Payer;
use store::record::WorkspaceId;

/// A definition and what stands around it.
const MAX_BODY: usize = 2 * MAX_SEGMENT_BYTES;

/// The query of the list.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SegmentsQuery {
    /// Where the last page ended, as its `next` says.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    cursor: Option<NumberCursor>,
    /// How many segments, 1 to 1,000; 100 without it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<u32>)]
    limit: Option<PageLimit>,
    /// Wait up to 2 s until the event with this `seq` is reflected. 422 `unknown_seq` where no
    /// event of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    min_seq: Option<SentSeq>,
}

/// A place behind a number.
struct NumberCursor(u32);

impl Value for NumberCursor {
    fn parse(text: &str) -> Result<Self, String> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number);
        let wanted = "send the `next` of the page before as it was";
        number.map(Self).ok_or_else(|| wanted.to_owned())
    }
}

/// Make a segment
///
/// It is `building` until what its definition asks is gathered, mostly for less than a second, then `active`: live and
/// exact at every instant. A definition is refused with the path of what is wrong as `error.field`
/// (`all[2].within`). At most 10,000 a workspace. Takes the scope `write`.
#[utoipa::path(
    post, path = "/v1/segments", tag = "segments",
    request_body(content = SegmentBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The segment", body = SegmentView),
        (status = "4XX", description = "Refused; `error.field` says where, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "Not made: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn create_segment(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<SegmentView>, ApiError> {
    let (workspace, text) = sent(&app, request, Scope::Write).await?;
    let made = at_disk(&app, workspace, move |segments| segments.create(&text)).await?;
    settled(&app, workspace, made).await
}

/// List segments
///
/// In the order in which they were made, each with how many are in now.
#[utoipa::path(
    get, path = "/v1/segments", tag = "segments",
    params(SegmentsQuery),
    responses(
        (status = 200, description = "A page of them", body = SegmentList),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn list_segments(
    State(app): State<Arc<App>>,
    query: Result<Query<SegmentsQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<SegmentList>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let Query(query) = query?;
    let behind = query.cursor.map_or(0, |NumberCursor(number)| number);
    let limit = query.limit.unwrap_or_default().get();
    let list = move |segments: Segments<'_>| segments.list(behind, limit);
    asked(&app, reader.workspace, query.min_seq, list).await
}

/// Tell about a segment
///
/// Its definition, in words too, whether it holds, how many are in now, and how many entered and left over time.
#[utoipa::path(
    get, path = "/v1/segments/{id}", tag = "segments",
    params(("id" = String, Path, description = "The segment's id", example = "seg_5f1c9a03b2d47e608c11"), MinSeqQuery),
    responses(
        (status = 200, description = "The segment", body = SegmentDetails),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn get_segment(
    State(app): State<Arc<App>>,
    id: InPath,
    query: Result<Query<MinSeqQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<SegmentDetails>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let Query(query) = query?;
    let show = move |segments: Segments<'_>| segments.show(&named(id));
    asked(&app, reader.workspace, query.min_seq, show).await
}

/// Change a segment
///
/// What is not named stays. Another definition is built beside the old one, which holds until then; who enters and who
/// leaves is the difference, so that a new name moves nobody. Takes the scope `write`.
#[utoipa::path(
    patch, path = "/v1/segments/{id}", tag = "segments",
    params(("id" = String, Path, description = "The segment's id", example = "seg_5f1c9a03b2d47e608c11")),
    request_body(content = SegmentChangeBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The segment", body = SegmentView),
        (status = "4XX", description = "Refused, and nothing has changed; `error.field` says where, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "Not changed: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn change_segment(
    State(app): State<Arc<App>>,
    id: InPath,
    request: Request<Body>,
) -> Result<Json<SegmentView>, ApiError> {
    let (workspace, text) = sent(&app, request, Scope::Write).await?;
    let change = move |segments: Segments<'_>| segments.change(&named(id), &text);
    let changed = at_disk(&app, workspace, change).await?;
    settled(&app, workspace, changed).await
}

/// Delete a segment
///
/// Nobody is told that its members have left. One that other segments ask for stays (409 `segment_in_use`). Takes the
/// scope `write`.
#[utoipa::path(
    delete, path = "/v1/segments/{id}", tag = "segments",
    params(("id" = String, Path, description = "The segment's id", example = "seg_5f1c9a03b2d47e608c11")),
    responses(
        (status = 200, description = "It is gone", body = SegmentDeleted),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Not deleted: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn delete_segment(
    State(app): State<Arc<App>>,
    id: InPath,
    request: Request<Body>,
) -> Result<Json<SegmentDeleted>, ApiError> {
    let (workspace, _) = sent(&app, request, Scope::Write).await?;
    let delete = move |segments: Segments<'_>| segments.delete(&named(id));
    at_disk(&app, workspace, delete).await.map(Json)
}

/// Copy a segment
///
/// Another one of the same definition. Takes the scope `write`.
#[utoipa::path(
    post, path = "/v1/segments/{id}/duplicate", tag = "segments",
    params(("id" = String, Path, description = "The segment's id", example = "seg_5f1c9a03b2d47e608c11")),
    request_body(content = DuplicateBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The copy", body = SegmentView),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Not made: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn duplicate_segment(
    State(app): State<Arc<App>>,
    id: InPath,
    request: Request<Body>,
) -> Result<Json<SegmentView>, ApiError> {
    let (workspace, text) = sent(&app, request, Scope::Write).await?;
    let duplicate = move |segments: Segments<'_>| segments.duplicate(&named(id), &text);
    let copied = at_disk(&app, workspace, duplicate).await?;
    settled(&app, workspace, copied).await
}

/// Tell the versions of a segment
///
/// Every definition that it had, the newest first, and from when on each held.
#[utoipa::path(
    get, path = "/v1/segments/{id}/history", tag = "segments",
    params(("id" = String, Path, description = "The segment's id", example = "seg_5f1c9a03b2d47e608c11")),
    responses(
        (status = 200, description = "Its versions", body = SegmentHistory),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Not now: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn get_segment_history(
    State(app): State<Arc<App>>,
    id: InPath,
    request: Request<Body>,
) -> Result<Json<SegmentHistory>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let history = move |segments: Segments<'_>| segments.history(&named(id));
    at_disk(&app, reader.workspace, history).await.map(Json)
}

/// Who changes something or tries it, by a key or in a session of one of our own pages, and what was sent.
pub(super) async fn sent(
    app: &Arc<App>,
    request: Request<Body>,
    scope: Scope,
) -> Result<(WorkspaceId, String), ApiError> {
    if !auth::is_by_session(app, request.headers()) {
        let incoming = Incoming::read_of_server(app, request, MAX_BODY, scope).await?;
        let caller = incoming.caller(app, None)?;
        return Ok((caller.key.workspace, incoming.text));
    }
    let (parts, body) = request.into_parts();
    let payer = Payer::of(&parts, &app.trusted_proxies);
    let session = match auth::session_for(app, &parts, scope) {
        Ok(session) => session,
        Err(error) => {
            let error = app.rates.blame(&payer, error);
            return Err(body::refuse(&parts.headers, body, error).await);
        }
    };
    if parts.method == Method::DELETE {
        return Ok((session.workspace, String::new()));
    }
    let owner = Owner::Anybody(payer.for_memory());
    let means = Means {
        memory: &app.body_memory,
        owner: &owner,
        heavy: &app.heavy,
    };
    let read = read_text(&parts.headers, body, Media::Json, MAX_BODY, means).await;
    let (text, _held) = read.map_err(|error| app.rates.blame_unread(&Payer::NOBODY, error))?;
    Ok((session.workspace, text))
}

/// Waits a moment until what was asked for holds, and tells how it stands then.
async fn settled(
    app: &Arc<App>,
    workspace: WorkspaceId,
    made: SegmentView,
) -> Result<Json<SegmentView>, ApiError> {
    Segments { app, workspace }.held_soon().await;
    let id = made.id.clone();
    let shown = at_disk(app, workspace, move |segments| segments.show(&id)).await;
    // It is made, whatever can be read of it now.
    Ok(Json(shown.map_or(made, |shown| shown.segment)))
}

/// Answers where blocking on disk is allowed.
pub(super) async fn at_disk<T: Send + 'static>(
    app: &Arc<App>,
    workspace: WorkspaceId,
    work: impl FnOnce(Segments<'_>) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let work = move |app: &App| work(Segments { app, workspace });
    Ok(read_elsewhere(app, work).await?.0)
}

/// The same once the views may be read and reflect this event, and everything that is due by now has happened.
pub(super) async fn asked<T: Send + 'static>(
    app: &Arc<App>,
    workspace: WorkspaceId,
    min_seq: Option<SentSeq>,
    work: impl FnOnce(Segments<'_>) -> Result<T, ApiError> + Send + 'static,
) -> Result<Json<T>, ApiError> {
    let min_seq = min_seq.map(|seq| seq.known("minSeq")).transpose()?;
    app.projector.reach_now().await?;
    let work = move |app: &App| work(Segments { app, workspace });
    let (answer, _) = read(app, workspace, min_seq, work).await?;
    Ok(Json(answer))
}
