//! `GET /v1/live`: events as they arrive.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, Request};
use serde::Deserialize;
use shared::api_key::Scope;
use shared::wire::ErrorBody;
use utoipa::IntoParams;

use super::query::{Query, Value, invalid, value};
use super::read::whole;
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use crate::live::{self, Cursor, LiveMessage, LiveStart, MAX_RECENT};
use crate::seal::Seal;

const LAST_EVENT_ID: &str = "last-event-id";

/// The query of the stream.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LiveQuery {
    /// Begin with so many events that are there already.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<u32>, minimum = 0, maximum = 200, default = 0)]
    recent: Option<Recent>,
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
    params(LiveQuery),
    responses(
        (status = 200, description = "The stream; each `data` is one of these", body = LiveMessage, content_type = "text/event-stream"),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Too many streams of this key, of its workspace or in all are open, or what it shows is being built: come again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn get_live(
    State(app): State<Arc<App>>,
    query: Result<Query<LiveQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let seal = Seal::of(&app.meta, reader.workspace).ok_or(ApiError::Internal)?;
    let start = query?.0.start(request.headers(), &seal)?;
    // It shows events as the views know them.
    whole(&app).await?;
    let workspaces = app.meta.workspaces().len();
    let permit = app
        .live_permits
        .take(reader.workspace, reader.key_id(), workspaces)?;
    let headers = [
        (CACHE_CONTROL.as_str(), "no-store"),
        // nginx would gather the messages.
        ("x-accel-buffering", "no"),
    ];
    Ok((headers, live::start(app, reader, seal, start, permit)).into_response())
}

/// How many events a stream begins with, 0 unless said.
#[derive(Debug, Clone, Copy, Default)]
struct Recent(usize);

impl Value for Recent {
    fn parse(text: &str) -> Result<Self, String> {
        let recent = text.parse().ok().filter(|recent| *recent <= MAX_RECENT);
        recent
            .map(Self)
            .ok_or_else(|| "send a whole number from 0 to 200".to_owned())
    }
}

impl LiveQuery {
    fn start(self, headers: &HeaderMap, seal: &Seal) -> Result<LiveStart, ApiError> {
        // A browser that connects again keeps the query of the first time.
        let header = headers
            .get(LAST_EVENT_ID)
            .map(|value| value.to_str().unwrap_or("?").to_owned());
        let last = header.filter(|header| !header.is_empty());
        match last.or(self.last_event_id) {
            None => Ok(LiveStart::Recent(self.recent.unwrap_or_default().0)),
            Some(text) => {
                let cursor = Cursor::read(&text, seal).map_err(|_| {
                    let message = "send the `id` of a message as it was received, or none";
                    invalid("lastEventId", message)
                })?;
                Ok(LiveStart::Behind(cursor))
            }
        }
    }
}
