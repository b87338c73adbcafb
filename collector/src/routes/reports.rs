//! `/v1/reports/*`: what became of messages and campaigns, and which of them earned the revenue.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Json;
use http::{Request, Uri};
use serde::Serialize;
use shared::api_key::Scope;
use shared::ids::MessageId;
use shared::wire::ErrorBody;
use utoipa::{IntoParams, ToSchema};

use super::read::{Meta, from, invalid, min_seq, parameters, read, to, zone};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use store::query::report::{
    self, Asked, CampaignReport, GroupBy, MessageReport, ModelName, RevenueQuery, RevenueReport,
};
use store::query::words::{AttributionModel, RevenueGrouping};
use store::record::public_seq::PublicSeq;

/// The query of the reports of messages and campaigns, as documented; `parse_subject` reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct SubjectParameters {
    /// How revenue is attributed; `last_touch` without it.
    #[param(inline, value_type = Option<AttributionModel>)]
    model: Option<String>,
    /// The time zone of days, by its IANA name; UTC without it.
    tz: Option<String>,
    /// Only what happened at or after this time (RFC 3339), or from the start of this day in `tz`:
    /// messages that were sent, opens, clicks and deliveries then, orders that were paid then.
    #[param(example = "2026-11-23T00:00:00Z")]
    from: Option<String>,
    /// Only what happened before this time (RFC 3339), or until the end of this day in `tz`.
    #[param(example = "2026-11-24T00:00:00Z")]
    to: Option<String>,
    /// Wait up to 2 s until the event with this `seq` is in the report. 422 `unknown_seq` where no
    /// event of the workspace has it.
    min_seq: Option<String>,
}

/// The query of the revenue report, as documented; `parse_revenue` reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct RevenueParameters {
    /// By what; `campaign` without it.
    #[param(inline, value_type = Option<RevenueGrouping>)]
    group_by: Option<String>,
    /// How revenue is attributed; `last_touch` without it.
    #[param(inline, value_type = Option<AttributionModel>)]
    model: Option<String>,
    /// The time zone of days, by its IANA name; UTC without it.
    tz: Option<String>,
    /// Only orders at or after this time (RFC 3339), or from the start of this day in `tz`.
    #[param(example = "2026-11-23T00:00:00Z")]
    from: Option<String>,
    /// Only orders before this time (RFC 3339), or until the end of this day in `tz`.
    #[param(example = "2026-11-24T00:00:00Z")]
    to: Option<String>,
    /// Wait up to 2 s until the event with this `seq` is in the report. 422 `unknown_seq` where no
    /// event of the workspace has it.
    min_seq: Option<String>,
}

/// A report, and how far its view lies behind.
#[derive(Debug, Serialize, ToSchema)]
pub struct Report<T> {
    #[serde(flatten)]
    pub report: T,
    pub meta: Meta,
}

/// Report on a message
///
/// Opens, clicks and unsubscribes of one send, each in three figures (all, machine and bot, genuine),
/// and what it earned under every model of attribution.
#[utoipa::path(
    get, path = "/v1/reports/messages/{id}", tag = "read",
    params(("id" = String, Path, description = "The messageId", example = "spring-42"), SubjectParameters),
    responses(
        (status = 200, description = "What became of it", body = Report<MessageReport>),
        (status = 404, description = "Nothing is known of this message", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn get_message_report(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<Json<Report<MessageReport>>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let unknown = ApiError::UnknownSubject("message");
    let Ok(Path(id)) = id else {
        return Err(unknown);
    };
    // As it was stored: trimmed.
    let id = MessageId::parse(&id).map_err(|_| ApiError::UnknownSubject("message"))?;
    let (asked, min_seq) = parse_subject(&app, request.uri())?;
    let (report, meta) = read(&app, reader.workspace, min_seq, move |app| {
        report::message(&app.views, reader.workspace, id.as_str(), &asked)
    })
    .await?;
    let report = report.ok_or(unknown)?;
    Ok(Json(Report { report, meta }))
}

/// Report on a campaign
///
/// The sums over its messages. A message counts once in every `unique`.
#[utoipa::path(
    get, path = "/v1/reports/campaigns/{id}", tag = "read",
    params(("id" = String, Path, description = "The campaignId", example = "spring"), SubjectParameters),
    responses(
        (status = 200, description = "What became of it", body = Report<CampaignReport>),
        (status = 404, description = "Nothing is known of this campaign", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn get_campaign_report(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<Json<Report<CampaignReport>>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let unknown = ApiError::UnknownSubject("campaign");
    let Ok(Path(id)) = id else {
        return Err(unknown);
    };
    let (asked, min_seq) = parse_subject(&app, request.uri())?;
    let (report, meta) = read(&app, reader.workspace, min_seq, move |app| {
        report::campaign(&app.views, reader.workspace, id.trim(), &asked)
    })
    .await?;
    let report = report.ok_or(unknown)?;
    Ok(Json(Report { report, meta }))
}

/// Report on revenue
///
/// Verified orders by campaign, message, day or currency, with the models of attribution side by
/// side. Refunds count on the day of their order. Amounts are never summed across currencies.
#[utoipa::path(
    get, path = "/v1/reports/revenue", tag = "read",
    params(RevenueParameters),
    responses(
        (status = 200, description = "What was earned", body = Report<RevenueReport>),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn get_revenue_report(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<Report<RevenueReport>>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let (query, min_seq) = parse_revenue(&app, request.uri())?;
    let (report, meta) = read(&app, reader.workspace, min_seq, move |app| {
        report::revenue(&app.views, reader.workspace, &query)
    })
    .await?;
    Ok(Json(Report { report, meta }))
}

pub(super) fn parse_subject(app: &App, uri: &Uri) -> Result<(Asked, Option<PublicSeq>), ApiError> {
    let mut asked = Asked {
        now: app.clock.now().as_millis(),
        ..Asked::default()
    };
    let mut least = None;
    let tz = zone(uri)?;
    for (name, value) in parameters(uri) {
        match &*name {
            "model" => asked.model = model(&value)?,
            "from" => asked.from = Some(from("from", &value, &tz)?),
            "to" => asked.to = Some(to("to", &value, &tz)?),
            "minSeq" => least = Some(min_seq(&value)?),
            _ => {}
        }
    }
    Ok((asked, least))
}

fn parse_revenue(app: &App, uri: &Uri) -> Result<(RevenueQuery, Option<PublicSeq>), ApiError> {
    let (asked, min_seq) = parse_subject(app, uri)?;
    let Asked {
        model, from, to, ..
    } = asked;
    let mut query = RevenueQuery {
        group_by: GroupBy::Campaign,
        model,
        tz: zone(uri)?,
        from,
        to,
    };
    if let Some((_, value)) = parameters(uri).find(|(name, _)| name == "groupBy") {
        query.group_by = GroupBy::ALL
            .into_iter()
            .find(|group_by| group_by.as_str() == value)
            .ok_or_else(|| invalid("groupBy", "send campaign, message, day or currency"))?;
    }
    Ok((query, min_seq))
}

fn model(value: &str) -> Result<ModelName, ApiError> {
    ModelName::parse(value)
        .ok_or_else(|| invalid("model", "send last_touch, last_click or explicit"))
}
