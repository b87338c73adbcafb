//! `GET /v1/live`: events as they arrive.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, Request, Uri};
use shared::api_key::Scope;
use shared::wire::ErrorBody;
use utoipa::IntoParams;

use super::read::whole;
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use crate::live::{self, LiveMessage, MAX_RECENT, Start};

const LAST_EVENT_ID: &str = "last-event-id";

/// The query of the stream, as documented; `parse` reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct LiveParameters {
    /// Begin with so many events that are there already.
    #[param(minimum = 0, maximum = 200, default = 0)]
    recent: Option<u32>,
    /// `id` of the last message that was received. The header Last-Event-ID says the same, and goes
    /// before it.
    last_event_id: Option<String>,
}

/// Watch events arrive, accepted and rejected
///
/// Server-sent events: `data` is one JSON object, `id` a cursor. A reader that comes again with the
/// last id in `Last-Event-ID` (as browsers do by themselves) misses nothing and gets nothing twice;
/// across a restart, rejections of its last moments may be missing. One that is more than 5,000
/// events behind is told how many it does not get, and goes on with the newest. The stream ends with
/// its key or session; a silent one has an event `heartbeat` (its `data` is `{}`) every 15 s. 64 streams may be open: a workspace may
/// have 64 divided by the number of workspaces, at least 16, and a key half as many as its workspace.
#[utoipa::path(
    get, path = "/v1/live", tag = "read",
    params(LiveParameters),
    responses(
        (status = 200, description = "The stream; each `data` is one of these", body = LiveMessage, content_type = "text/event-stream"),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Too many streams of this key, of its workspace or in all are open, or what it shows is being built: come again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn get_live(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let start = parse(request.headers(), request.uri())?;
    // It shows events as the views know them.
    whole(&app).await?;
    let workspaces = app.meta.workspaces().len();
    let place = app
        .live_places
        .take(reader.workspace, reader.key_id(), workspaces)?;
    let headers = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        (CACHE_CONTROL.as_str(), "no-store"),
        // nginx would gather the messages.
        ("x-accel-buffering", "no"),
    ];
    let body = Body::new(live::start(app, reader, start, place));
    Ok((headers, body).into_response())
}

/// Reads header and query. That each parameter is known and none empty has been seen to.
fn parse(headers: &HeaderMap, uri: &Uri) -> Result<Start, ApiError> {
    let mut recent = 0;
    let mut last = None;
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or("").as_bytes()) {
        match &*name {
            "recent" if !value.is_empty() => {
                recent = value
                    .parse()
                    .ok()
                    .filter(|recent| *recent <= MAX_RECENT)
                    .ok_or_else(|| invalid("recent", "send a whole number from 0 to 200"))?;
            }
            "lastEventId" if !value.is_empty() => last = Some(value.into_owned()),
            _ => {}
        }
    }
    // A browser that connects again keeps the query of the first time.
    let header = headers
        .get(LAST_EVENT_ID)
        .map(|value| value.to_str().unwrap_or("?").to_owned());
    match header.filter(|header| !header.is_empty()).or(last) {
        None => Ok(Start::Recent(recent)),
        Some(text) => text.parse().map(Start::Behind).map_err(|_| {
            let message = "send the `id` of a message as it was received, or none";
            invalid("lastEventId", message)
        }),
    }
}

fn invalid(name: &'static str, message: &str) -> ApiError {
    ApiError::InvalidParameter {
        name: name.into(),
        message: message.to_owned(),
    }
}
