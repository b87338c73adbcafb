//! `GET /v1/events`: the events that are on record, newest first or pulled on from one of them, and those
//! that were rejected.

mod asked;
pub(super) mod rejected;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Json;
use http::Request;
use serde::Serialize;
use shared::api_key::Scope;
use shared::wire::ErrorBody;
use utoipa::ToSchema;

use super::query::Query;
use super::read::{ReadMeta, read, read_elsewhere};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use store::ledger::Located;
use store::query::{self, EventList, EventView, Order, QueryError};

pub(crate) use asked::EventQuery;
use asked::{AskedEvents, PageStart};

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventPage)]
pub(crate) struct ListedEvents {
    /// In the order that was asked for.
    pub events: Vec<EventView>,
    /// `cursor` of the next page; absent on the last. A page before the last may hold fewer events than
    /// `limit`, where many had to be passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    pub meta: ReadMeta,
}

/// List events
///
/// Newest first; filters narrow each other down; all time without `from` and `to`. To pull everything
/// on, ask with `order=asc`, then again and again with `after` = the `seq` of the last event that came.
/// `status=rejected` lists what was refused, with its reason.
#[utoipa::path(
    get, path = "/v1/events", tag = "read",
    params(EventQuery),
    responses(
        (status = 200, description = "A page", body = ListedEvents),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn list_events(
    State(app): State<Arc<App>>,
    query: Result<Query<EventQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<ListedEvents>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let workspace = reader.workspace;
    let (list, meta) = match query?.0.asked()? {
        AskedEvents::Recorded(asked) => {
            let mut filter = asked.filter;
            let find = move |app: &App| -> Result<Option<EventList>, QueryError> {
                let located = match asked.start {
                    None => None,
                    Some(PageStart::Cursor(seq)) => Some(app.log.locate(workspace, seq)?),
                    Some(PageStart::After(seq)) => match app.log.locate(workspace, seq)? {
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
        AskedEvents::Rejected(asked) => {
            let find = move |app: &App| rejected::list(app, workspace, &asked);
            read_elsewhere(&app, find).await?
        }
    };
    let (events, next) = list;
    Ok(Json(ListedEvents { events, next, meta }))
}
