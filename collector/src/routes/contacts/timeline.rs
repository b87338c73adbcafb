//! `GET /v1/contacts/{email}/timeline`: everything that happened with a contact, as one list; and
//! `GET /v1/contacts/{email}/score`: what of it makes their score.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Json;
use http::Request;
use serde::{Deserialize, Serialize};
use shared::api_key::Scope;
use shared::email::Email;
use shared::time::Timestamp;
use shared::wire::ErrorBody;
use utoipa::{IntoParams, ToSchema};

use super::super::query::{PageLimit, Query, SentSeq, in_path, value};
use super::super::read::{ReadMeta, read};
use super::super::settings::scores::{ScoreView, WeightsView};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use crate::export::rounded_score;
use store::ledger::Located;
use store::ledger::decide::Scoring;
use store::query::{self, EventFilter, EventView};
use store::record::WorkspaceId;
use store::record::public_seq::PublicSeq;
use store::views::{Contact, MOST_OF_A_DAY};

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
    cursor: Option<SentSeq>,
    /// Wait up to 2 s until the event with this `seq` is reflected. 422 `unknown_seq` where no
    /// event of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    min_seq: Option<SentSeq>,
}

/// Something that happened with a contact.
#[derive(Serialize, ToSchema)]
pub(crate) struct TimelineEntry {
    /// `mail` of what became of messages, else `event`.
    #[schema(pattern = "^(event|mail)$")]
    pub kind: &'static str,
    #[serde(flatten)]
    pub event: EventView,
    /// What it adds to the score now. Rounded to 9 decimals.
    #[schema(example = 1.5)]
    pub points: f64,
}

/// A page of what happened.
#[derive(Serialize, ToSchema)]
pub(crate) struct Timeline {
    /// The last that arrived first.
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
/// their score, as one list. Takes the scope `contacts`.
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
    let (page, meta) = page(&app, reader.workspace, email, query, |_| true).await?;
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
    let counts = |points| points > 0.0;
    let (page, meta) = page(&app, reader.workspace, email, query, counts).await?;
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

/// The first page of what happened with a contact, or the one behind a cursor; `None` where nothing is known of them.
/// Blocks on disk.
pub(in crate::routes) fn listed(
    app: &App,
    workspace: WorkspaceId,
    email: &Email,
    cursor: Option<PublicSeq>,
) -> Result<Option<Timeline>, ApiError> {
    let asked = Asked {
        email: email.clone(),
        cursor,
        limit: PageLimit::default().get(),
        is_asked: |_| true,
    };
    let page = asked.of(app, workspace)?;
    let meta = ReadMeta::of(app)?;
    Ok(page.map(|page| Timeline {
        entries: page.entries,
        score: page.score,
        next: page.next,
        meta,
    }))
}

/// A page as it is found.
struct Page {
    entries: Vec<TimelineEntry>,
    score: f64,
    /// By which the score goes.
    scoring: Scoring,
    at: i64,
    next: Option<String>,
}

async fn page(
    app: &Arc<App>,
    workspace: WorkspaceId,
    email: Result<Path<String>, PathRejection>,
    query: Result<Query<TimelineQuery>, ApiError>,
    is_asked: fn(f64) -> bool,
) -> Result<(Page, ReadMeta), ApiError> {
    let email = in_path(email)?;
    let Query(query) = query?;
    let min_seq = query.min_seq.map(|seq| seq.known("minSeq")).transpose()?;
    let cursor = query.cursor.map(|seq| seq.known("cursor")).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let asked = Asked {
        email,
        cursor,
        limit,
        is_asked,
    };
    let (page, meta) = read(app, workspace, min_seq, move |app| asked.of(app, workspace)).await?;
    Ok((page.ok_or(ApiError::UnknownSubject("contact"))?, meta))
}

struct Asked {
    email: Email,
    cursor: Option<PublicSeq>,
    limit: usize,
    is_asked: fn(f64) -> bool,
}

impl Asked {
    /// `None` where nothing is known of the contact. Blocks on disk.
    fn of(&self, app: &App, workspace: WorkspaceId) -> Result<Option<Page>, ApiError> {
        let known = app.views.contact_id(workspace, self.email.normalised());
        let known = known.map(|id| app.views.contact(id)).transpose()?.flatten();
        let Some(contact) = known else {
            return Ok(None);
        };
        let cursor = self.cursor.map(|seq| app.log.locate(workspace, seq));
        let filter = EventFilter {
            email: Some(self.email.normalised().to_owned()),
            limit: self.limit,
            cursor: cursor.transpose()?.map(|located| match located {
                Located::At(seq) => seq,
                // The page begins with what is left of those before it.
                Located::Behind(seq) => seq.next(),
            }),
            ..EventFilter::default()
        };
        let at = app.clock.now().as_millis();
        let mut entries = Vec::new();
        let next = query::each_event(
            &app.views,
            &*app.log,
            workspace,
            &filter,
            &mut |record, view| {
                let points = contact.points(&record.entry, view.class, at);
                if (self.is_asked)(points) {
                    entries.push(TimelineEntry {
                        kind: kind_of(&view),
                        event: view,
                        points: rounded_score(points),
                    });
                }
            },
        )?;
        Ok(Some(Page {
            entries,
            score: score_of(&contact, at),
            scoring: contact.scoring,
            at,
            next: next.map(|seq| seq.to_string()),
        }))
    }
}

fn score_of(contact: &Contact, at: i64) -> f64 {
    rounded_score(contact.score_at(at))
}

fn kind_of(view: &EventView) -> &'static str {
    use store::record::identity::FactKind as F;
    match view.kind {
        F::Track | F::Identify | F::Purchase | F::Refund | F::Amend | F::Erase => "event",
        F::Send
        | F::Open
        | F::Click
        | F::Unsubscribe
        | F::Told
        | F::Delivery
        | F::Suppress
        | F::Lift => "mail",
    }
}
