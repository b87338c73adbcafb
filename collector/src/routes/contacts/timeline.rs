//! `GET /v1/contacts/{email}/timeline`: everything that happened with a contact, as one list; and
//! `GET /v1/contacts/{email}/score`: what of it makes their score.
//!
//! - `page`: how a page of it is put together

mod page;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Json;
use http::Request;
use serde::{Deserialize, Serialize};
use shared::api_key::Scope;
use shared::time::Timestamp;
use shared::wire::ErrorBody;
use utoipa::{IntoParams, ToSchema};

use super::super::query::{PageLimit, Query, SentSeq, in_path, value};
use super::super::read::{ReadMeta, read};
use super::super::settings::scores::{ScoreView, WeightsView};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use crate::segment_moves::{MoveType, MoveView};
use store::query::EventView;
use store::record::WorkspaceId;
use store::views::MOST_OF_A_DAY;

use page::{Asked, Page, Wanted};
pub(in crate::routes) use page::{SentPlace, listed};

/// The query of a contact's lists.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TimelineQuery {
    /// How many entries, 1 to 1,000; 100 without it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<u32>)]
    limit: Option<PageLimit>,
    /// Where the last page ended, as its `next` says. Pages stay right while events arrive.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    cursor: Option<SentPlace>,
    /// Wait up to 2 s until the event with this `seq` is reflected. 422 `unknown_seq` where no
    /// event of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    min_seq: Option<SentSeq>,
}

/// Something that happened with a contact.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum TimelineEntry {
    Event(Box<TimelineEvent>),
    /// What became of a message.
    Mail(Box<TimelineEvent>),
    /// They entered a segment or left it.
    Segment(Box<TimelineMove>),
}

/// An event of a contact.
#[derive(Serialize, ToSchema)]
pub(crate) struct TimelineEvent {
    #[serde(flatten)]
    pub event: EventView,
    /// What it adds to the score now. Rounded to 9 decimals.
    #[schema(example = 1.5)]
    pub points: f64,
}

/// A move of a contact into a segment or out of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct TimelineMove {
    #[serde(flatten)]
    pub moved: MoveView,
    /// As `type`, so that every entry has one.
    #[schema(example = "segment_entered")]
    pub name: MoveType,
    /// As `time`, when it was due, so that every entry has one.
    #[schema(format = DateTime)]
    pub timestamp: String,
}

/// A page of what happened.
#[derive(Serialize, ToSchema)]
pub(crate) struct Timeline {
    /// The last that arrived first, and moves where they were due: one that an event brought about stands before that
    /// event.
    pub entries: Vec<TimelineEntry>,
    /// How engaged they are now. Rounded to 9 decimals.
    #[schema(example = 12.5)]
    pub score: f64,
    /// The `cursor` of the next page; absent on the last. A page before the last may hold fewer entries than
    /// `limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    pub meta: ReadMeta,
}

/// What makes a score.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScoreExplained {
    /// The sum of the `points` of all pages. Rounded to 9 decimals.
    #[schema(example = 12.5)]
    pub score: f64,
    /// As of when, RFC 3339.
    #[schema(format = DateTime, example = "2026-11-23T10:00:00Z")]
    pub at: String,
    /// After so many days an event counts half.
    #[schema(minimum = 1, example = 30)]
    pub half_life_days: u32,
    pub weights: WeightsView,
    /// What pages say counts from the start of its day (UTC), and on one day for so much at the most: where there is
    /// more, each event has its share of that.
    pub most_of_pages_on_a_day: u32,
    /// The events that count, the last that arrived first.
    pub entries: Vec<TimelineEntry>,
    /// The `cursor` of the next page; absent on the last. A page before the last may hold fewer entries than
    /// `limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    pub meta: ReadMeta,
}

/// List what happened with a contact
///
/// Events under their address and in browsers that are theirs, what became of messages to them, and what each adds to
/// their score; and every segment that they entered or left, with what brought it about and when it was due: as one
/// list. Takes the scope `contacts`.
#[utoipa::path(
    get, path = "/v1/contacts/{email}/timeline", tag = "read",
    params(("email" = String, Path, format = Email, max_length = 254, description = "The contact's address, percent-encoded", example = "user@example.com"), TimelineQuery),
    responses(
        (status = 200, description = "A page", body = Timeline),
        (status = 404, description = "Nothing is known of this contact", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn get_timeline(
    State(app): State<Arc<App>>,
    email: Result<Path<String>, PathRejection>,
    query: Result<Query<TimelineQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<Timeline>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Contacts)?;
    let (page, meta) = page(&app, reader.workspace, email, query, Wanted::All).await?;
    Ok(Json(Timeline {
        entries: page.entries,
        score: page.score,
        next: page.next,
        meta,
    }))
}

/// Explain a contact's score
///
/// Which events make it, and what each adds now: its weight, halved with every half-life; both stand in the answer,
/// as they were when the events were last weighed (`/v1/settings`). Takes the scope `contacts`.
#[utoipa::path(
    get, path = "/v1/contacts/{email}/score", tag = "read",
    params(("email" = String, Path, format = Email, max_length = 254, description = "The contact's address, percent-encoded", example = "user@example.com"), TimelineQuery),
    responses(
        (status = 200, description = "A page of the events that make it", body = ScoreExplained),
        (status = 404, description = "Nothing is known of this contact", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn explain_score(
    State(app): State<Arc<App>>,
    email: Result<Path<String>, PathRejection>,
    query: Result<Query<TimelineQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<ScoreExplained>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Contacts)?;
    let (page, meta) = page(&app, reader.workspace, email, query, Wanted::Counting).await?;
    let reckoned = ScoreView::of(&page.scoring);
    Ok(Json(ScoreExplained {
        score: page.score,
        at: Timestamp::from_millis(page.at).to_string(),
        half_life_days: reckoned.half_life_days,
        weights: reckoned.weights,
        most_of_pages_on_a_day: MOST_OF_A_DAY,
        entries: page.entries,
        next: page.next,
        meta,
    }))
}

async fn page(
    app: &Arc<App>,
    workspace: WorkspaceId,
    email: Result<Path<String>, PathRejection>,
    query: Result<Query<TimelineQuery>, ApiError>,
    wanted: Wanted,
) -> Result<(Page, ReadMeta), ApiError> {
    let email = in_path(email)?;
    let Query(query) = query?;
    let min_seq = query.min_seq.map(|seq| seq.known("minSeq")).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let asked = Asked {
        email,
        behind: query.cursor,
        limit,
        wanted,
    };
    if wanted == Wanted::All {
        // A window that has run out has moved them.
        app.projector.reach_now().await?;
    }
    let (page, meta) = read(app, workspace, min_seq, move |app| asked.of(app, workspace)).await?;
    Ok((page.ok_or(ApiError::UnknownSubject("contact"))?, meta))
}
