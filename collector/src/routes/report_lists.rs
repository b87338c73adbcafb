//! `/v1/reports/overview`, `/v1/reports/campaigns` and `/v1/reports/messages`: what became of all
//! messages, together and one by one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Uri};
use serde::Serialize;
use shared::api_key::Scope;
use shared::wire::ErrorBody;
use utoipa::{IntoParams, ToSchema};

use super::read::{Meta, invalid, parameters, read};
use super::reports::{Report, SubjectParameters, parse_subject};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use store::query::report::{self, CampaignReport, Engagement, MessageReport};

/// Entries of a page unless the caller says, and at the most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// What pages of a list take beside what all reports do, as documented; `parse_page` reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct PageParameters {
    /// How many, 1 to 1,000; 100 without it.
    limit: Option<u32>,
    /// Where the last page ended, as its `next` says.
    cursor: Option<String>,
}

/// Of the list of messages alone.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct MessagesParameters {
    /// Only messages of this campaign.
    campaign_id: Option<String>,
}

/// Campaigns in the order of their ids.
#[derive(Serialize, ToSchema)]
pub struct CampaignList {
    pub campaigns: Vec<CampaignReport>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    pub meta: Meta,
}

/// Messages in the order of their ids.
#[derive(Serialize, ToSchema)]
pub struct MessageList {
    pub messages: Vec<MessageReport>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    pub meta: Meta,
}

/// Report on all messages
///
/// The sums over all messages of the workspace, of campaigns and transactional, all time or within a
/// span.
#[utoipa::path(
    get, path = "/v1/reports/overview", tag = "read",
    params(SubjectParameters),
    responses(
        (status = 200, description = "What became of them", body = Report<Engagement>),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn get_overview(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<Report<Engagement>>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let (asked, min_seq) = parse_subject(&app, request.uri())?;
    let (report, meta) = read(&app, reader.workspace, min_seq, move |app| {
        report::overview(&app.views, reader.workspace, &asked)
    })
    .await?;
    Ok(Json(Report { report, meta }))
}

/// List the reports of all campaigns
///
/// In the order of their ids, a page at a time, all time or within a span. Links are in the report of
/// one campaign alone.
#[utoipa::path(
    get, path = "/v1/reports/campaigns", tag = "read",
    params(SubjectParameters, PageParameters),
    responses(
        (status = 200, description = "A page of them", body = CampaignList),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn list_campaign_reports(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<CampaignList>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let (asked, min_seq) = parse_subject(&app, request.uri())?;
    let Page { limit, after, .. } = parse_page(request.uri())?;
    let (mut campaigns, meta) = read(&app, reader.workspace, min_seq, move |app| {
        report::campaigns(&app.views, reader.workspace, &after, limit + 1, &asked)
    })
    .await?;
    let has_more = campaigns.len() > limit;
    campaigns.truncate(limit);
    let last = campaigns.last().filter(|_| has_more);
    let next = last.map(|last| cursor_of(&last.campaign_id));
    Ok(Json(CampaignList {
        campaigns,
        next,
        meta,
    }))
}

/// List the reports of all messages
///
/// In the order of their ids, a page at a time, of one campaign where that is asked for. Links are in
/// the report of one message alone.
#[utoipa::path(
    get, path = "/v1/reports/messages", tag = "read",
    params(SubjectParameters, PageParameters, MessagesParameters),
    responses(
        (status = 200, description = "A page of them", body = MessageList),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn list_message_reports(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<MessageList>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let (asked, min_seq) = parse_subject(&app, request.uri())?;
    let Page {
        limit,
        after,
        campaign_id,
    } = parse_page(request.uri())?;
    let (mut messages, meta) = read(&app, reader.workspace, min_seq, move |app| {
        let campaign_id = campaign_id.as_deref();
        let workspace = reader.workspace;
        report::messages(
            &app.views,
            workspace,
            campaign_id,
            &after,
            limit + 1,
            &asked,
        )
    })
    .await?;
    let has_more = messages.len() > limit;
    messages.truncate(limit);
    let last = messages.last().filter(|_| has_more);
    let next = last.map(|last| cursor_of(&last.message_id));
    Ok(Json(MessageList {
        messages,
        next,
        meta,
    }))
}

struct Page {
    limit: usize,
    /// The id behind which it begins; empty for the first.
    after: String,
    campaign_id: Option<String>,
}

fn parse_page(uri: &Uri) -> Result<Page, ApiError> {
    let mut page = Page {
        limit: DEFAULT_LIMIT,
        after: String::new(),
        campaign_id: None,
    };
    for (name, value) in parameters(uri) {
        match &*name {
            "limit" => {
                let limit = value.parse().ok();
                let limit = limit.filter(|limit| (1..=MAX_LIMIT).contains(limit));
                let wanted = || invalid("limit", "send a whole number from 1 to 1000");
                page.limit = limit.ok_or_else(wanted)?;
            }
            "cursor" => {
                let wanted = || invalid("cursor", "send the `next` of the page before as it was");
                page.after = id_of(&value).ok_or_else(wanted)?;
            }
            "campaignId" => page.campaign_id = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Ok(page)
}

/// An id as a cursor, in letters, digits, - and _ alone.
fn cursor_of(id: &str) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

fn id_of(cursor: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    String::from_utf8(bytes).ok()
}
