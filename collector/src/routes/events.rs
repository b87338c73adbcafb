//! `GET /v1/events`: the events that are on record, newest first or pulled on from one of them, and those
//! that were rejected.

mod asked;
mod rejected;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Json;
use http::Request;
use serde::Serialize;
use shared::api_key::Scope;
use shared::wire::ErrorBody;
use utoipa::{IntoParams, ToSchema};

use super::read::{Meta, read, read_elsewhere};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use store::ledger::Located;
use store::query::words::{ClassFilter, EventType};
use store::query::{self, EventList, EventView, Order, QueryError};

pub(super) use asked::type_named;
use asked::{Asked, Start};

/// The query of the list, as documented; `asked` reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct EventParameters {
    /// Only events of this name, such as `plan_upgraded`.
    name: Option<String>,
    /// Only events of this type.
    #[param(rename = "type", inline, value_type = Option<EventType>, example = "purchase")]
    kind: Option<String>,
    /// Only events of this contact.
    #[param(format = Email, max_length = 254)]
    email: Option<String>,
    /// Only events that name this send.
    message_id: Option<String>,
    /// Only events that name a send of this campaign.
    campaign_id: Option<String>,
    /// Only events of this class; `genuine` is `human` and `proxy_human`. What servers tell has none.
    #[param(inline, value_type = Option<ClassFilter>, example = "genuine")]
    class: Option<String>,
    /// `tracked` or `erased` events only, or `rejected` ones, of the last 30 days, in the order of their
    /// arrival.
    #[param(pattern = "^(tracked|erased|rejected)$", example = "rejected")]
    status: Option<String>,
    /// Only events that were rejected with this code; the same as `status=rejected` beside it.
    #[param(example = "invalid_email")]
    code: Option<String>,
    /// Only events at or after this time (RFC 3339), or from the start of this day in `tz`. Of rejected
    /// events the time of arrival counts.
    #[param(example = "2026-11-23T00:00:00Z")]
    from: Option<String>,
    /// Only events before this time (RFC 3339), or until the end of this day in `tz`.
    #[param(example = "2026-11-24T00:00:00Z")]
    to: Option<String>,
    /// Only events that arrived at or after this time, or day.
    #[param(example = "2026-11-23T00:00:00Z")]
    received_from: Option<String>,
    /// Only events that arrived before this time, or until the end of this day.
    #[param(example = "2026-11-24T00:00:00Z")]
    received_to: Option<String>,
    /// The time zone of days, by its IANA name; UTC without it.
    #[param(example = "Europe/Paris")]
    tz: Option<String>,
    /// `desc` (the default): newest first, by seq. `asc`: oldest first, for pulling on.
    #[param(pattern = "^(desc|asc)$", example = "asc")]
    order: Option<String>,
    /// With `order=asc`: only events behind the one with this `seq`. 422 `unknown_seq` where no event of
    /// the workspace has it.
    after: Option<String>,
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
    /// In the order that was asked for.
    pub events: Vec<EventView>,
    /// `cursor` of the next page; absent on the last. A page before the last may hold fewer events than
    /// `limit`, where many had to be passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    pub meta: Meta,
}

/// List events
///
/// Newest first; filters narrow each other down; all time without `from` and `to`. To pull everything
/// on, ask with `order=asc`, then again and again with `after` = the `seq` of the last event that came.
/// `status=rejected` lists what was refused, with its reason.
#[utoipa::path(
    get, path = "/v1/events", tag = "read",
    params(EventParameters),
    responses(
        (status = 200, description = "A page", body = EventPage),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn list_events(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<EventPage>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let workspace = reader.workspace;
    let (list, meta) = match asked::parse(request.uri())? {
        Asked::Recorded(asked) => {
            let mut filter = asked.filter;
            let find = move |app: &App| -> Result<Option<EventList>, QueryError> {
                let located = match asked.start {
                    None => None,
                    Some(Start::Cursor(seq)) => Some(app.log.locate(workspace, seq)?),
                    Some(Start::After(seq)) => match app.log.locate(workspace, seq)? {
                        at @ Located::At(_) => Some(at),
                        Located::Behind(_) => return Ok(None),
                    },
                };
                filter.cursor = located.map(|located| match (located, filter.order) {
                    (Located::At(seq), _) | (Located::Behind(seq), Order::OldestFirst) => seq,
                    // The page begins with what is left of those before it.
                    (Located::Behind(seq), Order::NewestFirst) => seq.next(),
                });
                query::list_events(&app.views, &*app.log, workspace, &filter).map(Some)
            };
            let (list, meta) = read(&app, workspace, asked.min_seq, find).await?;
            let list = list.ok_or(ApiError::UnknownSeq { name: "after" })?;
            let next = list.next.map(|seq| seq.to_string());
            ((list.events, next), meta)
        }
        Asked::Rejected(asked) => {
            let find = move |app: &App| rejected::list(app, workspace, &asked);
            read_elsewhere(&app, find).await?
        }
    };
    let (events, next) = list;
    Ok(Json(EventPage { events, next, meta }))
}
