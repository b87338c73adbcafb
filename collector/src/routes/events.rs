//! `GET /v1/events`: the events that are on record, newest first.

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Json;
use http::{Request, Uri};
use serde::Serialize;
use shared::api_key::Scope;
use shared::wire::ErrorBody;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use crate::log::Located;
use crate::log::public_seq::PublicSeq;
use crate::query::{self, EventFilter, EventView};

use super::read::{Meta, address, invalid, min_seq, parameters, read, time};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// The query of the list, as documented; `parse` reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct EventParameters {
    /// Only events of this name, such as `purchase`.
    name: Option<String>,
    /// Only events of this contact.
    #[param(format = Email, max_length = 254)]
    email: Option<String>,
    /// Only events that name this send.
    message_id: Option<String>,
    /// Only events at or after this time (RFC 3339).
    #[param(format = DateTime)]
    from: Option<String>,
    /// Only events before this time (RFC 3339).
    #[param(format = DateTime)]
    to: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Events on a page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Wait up to 2 s until the event with this `seq` is in the list. 422 `unknown_seq` where no
    /// event of the workspace has it.
    min_seq: Option<String>,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventPage {
    /// Newest first, by seq.
    pub events: Vec<EventView>,
    /// `cursor` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    pub meta: Meta,
}

/// List events, newest first
///
/// Filters narrow each other down. All time without `from` and `to`.
#[utoipa::path(
    get, path = "/v1/events", tag = "read",
    params(EventParameters),
    responses(
        (status = 200, description = "A page", body = EventPage),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn list_events(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<EventPage>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let Asked {
        mut filter,
        cursor,
        min_seq,
    } = parse(request.uri())?;
    let workspace = reader.workspace;
    let (list, meta) = read(&app, workspace, min_seq, move |app| {
        filter.cursor = match cursor {
            None => None,
            Some(cursor) => Some(match app.log.locate(workspace, cursor)? {
                Located::At(seq) => seq,
                // The page begins with what is left of those before it.
                Located::Behind(seq) => seq.next(),
            }),
        };
        query::list_events(&app.views, &*app.log, workspace, &filter)
    })
    .await?;
    Ok(Json(EventPage {
        events: list.events,
        next: list.next.map(|seq| seq.to_string()),
        meta,
    }))
}

/// What a query asks for. The filter's cursor stands beside it, because only the log knows its place.
struct Asked {
    filter: EventFilter,
    cursor: Option<PublicSeq>,
    min_seq: Option<PublicSeq>,
}

/// Reads the query. Unknown parameters are ignored; empty ones count as absent.
fn parse(uri: &Uri) -> Result<Asked, ApiError> {
    let mut filter = EventFilter {
        limit: DEFAULT_LIMIT,
        ..EventFilter::default()
    };
    let (mut cursor, mut least) = (None, None);
    for (name, value) in parameters(uri) {
        match &*name {
            "name" => filter.name = Some(value.into_owned()),
            "email" => filter.email = Some(address(&value)?.normalised().to_owned()),
            "messageId" => filter.message_id = Some(value.into_owned()),
            "from" => filter.from = Some(time("from", &value)?),
            "to" => filter.to = Some(time("to", &value)?),
            "cursor" => {
                let read = value.parse();
                cursor =
                    Some(read.map_err(|_| {
                        invalid("cursor", "send `next` as it was answered, or none")
                    })?);
            }
            "minSeq" => least = Some(min_seq(&value)?),
            "limit" => {
                filter.limit = usize::from_str(&value)
                    .ok()
                    .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                    .ok_or_else(|| invalid("limit", "send a whole number from 1 to 1000"))?;
            }
            _ => {}
        }
    }
    Ok(Asked {
        filter,
        cursor,
        min_seq: least,
    })
}
