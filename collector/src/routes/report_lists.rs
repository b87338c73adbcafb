//! `/v1/reports/overview`, `/v1/reports/campaigns` and `/v1/reports/messages`: what became of all
//! messages, together and one by one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Json;
use http::Request;
use serde::{Deserialize, Serialize};
use shared::api_key::Scope;
use shared::wire::ErrorBody;
use utoipa::{IntoParams, ToSchema};

use super::query::{CursorOfId, PageLimit, Query, value};
use super::read::{ReadMeta, read};
use super::reports::{Report, SubjectQuery};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use store::query::report::{self, CampaignReport, Engagement, MessageReport};

/// What pages of a list take beside what all reports do.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PageQuery {
    /// How many, 1 to 1,000; 100 without it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<u32>)]
    limit: Option<PageLimit>,
    /// Where the last page ended, as its `next` says.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    cursor: Option<CursorOfId>,
}

/// Of the list of messages alone.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CampaignQuery {
    /// Only messages of this campaign.
    campaign_id: Option<String>,
}

/// Campaigns in the order of their ids.
#[derive(Serialize, ToSchema)]
pub(crate) struct CampaignList {
    pub campaigns: Vec<CampaignReport>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    pub meta: ReadMeta,
}

/// Messages in the order of their ids.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageList {
    pub messages: Vec<MessageReport>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    pub meta: ReadMeta,
}

/// Report on all messages
///
/// The sums over all messages of the workspace, of campaigns and transactional, all time or within a
/// span.
#[utoipa::path(
    get, path = "/v1/reports/overview", tag = "read",
    params(SubjectQuery),
    responses(
        (status = 200, description = "What became of them", body = Report<Engagement>),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn get_overview(
    State(app): State<Arc<App>>,
    subject: Result<Query<SubjectQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<Report<Engagement>>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let (asked, min_seq) = subject?.0.asked(&app)?;
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
    params(SubjectQuery, PageQuery),
    responses(
        (status = 200, description = "A page of them", body = CampaignList),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn list_campaign_reports(
    State(app): State<Arc<App>>,
    subject: Result<Query<SubjectQuery>, ApiError>,
    page: Result<Query<PageQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<CampaignList>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let (asked, min_seq) = subject?.0.asked(&app)?;
    let (limit, after) = page?.0.asked();
    let (mut campaigns, meta) = read(&app, reader.workspace, min_seq, move |app| {
        report::campaigns(&app.views, reader.workspace, &after, limit + 1, &asked)
    })
    .await?;
    let has_more = campaigns.len() > limit;
    campaigns.truncate(limit);
    let last = campaigns.last().filter(|_| has_more);
    let next = last.map(|last| CursorOfId::text_of(&last.campaign_id));
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
    params(SubjectQuery, PageQuery, CampaignQuery),
    responses(
        (status = 200, description = "A page of them", body = MessageList),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn list_message_reports(
    State(app): State<Arc<App>>,
    subject: Result<Query<SubjectQuery>, ApiError>,
    page: Result<Query<PageQuery>, ApiError>,
    of: Result<Query<CampaignQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<MessageList>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let (asked, min_seq) = subject?.0.asked(&app)?;
    let (limit, after) = page?.0.asked();
    let campaign_id = of?.0.campaign_id;
    let (mut messages, meta) = read(&app, reader.workspace, min_seq, move |app| {
        let campaign_id = campaign_id.as_deref().map(str::trim);
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
    let next = last.map(|last| CursorOfId::text_of(&last.message_id));
    Ok(Json(MessageList {
        messages,
        next,
        meta,
    }))
}

impl PageQuery {
    /// How many entries, and behind which id.
    fn asked(self) -> (usize, String) {
        let limit = self.limit.unwrap_or_default().get();
        (limit, self.cursor.unwrap_or_default().into_id())
    }
}
