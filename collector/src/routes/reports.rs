//! `/v1/reports/*`: what became of messages and campaigns, and which of them earned the revenue.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Json;
use http::Request;
use serde::{Deserialize, Serialize};
use shared::api_key::Scope;
use shared::ids::MessageId;
use shared::wire::ErrorBody;
use utoipa::{IntoParams, ToSchema};

use super::query::{Bound, Query, SentSeq, Span, value};
use super::read::{ReadMeta, read};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use store::attribution::Model;
use store::query::report::{
    self, CampaignReport, GroupBy, MessageReport, ReportAsk, RevenueReport, Zone,
};
use store::query::words::{AttributionModel, RevenueGrouping};
use store::record::public_seq::PublicSeq;

/// The query of the reports of messages and campaigns.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SubjectQuery {
    /// How revenue is attributed; `last_touch` without it.
    #[serde(deserialize_with = "value")]
    #[param(inline, value_type = Option<AttributionModel>)]
    model: Option<Model>,
    /// The time zone of days, by its IANA name; UTC without it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    tz: Option<Zone>,
    /// Only what happened at or after this time (RFC 3339), or from the start of this day in `tz`:
    /// messages that were sent, opens, clicks and deliveries then, orders that were paid then.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, example = "2026-11-23T00:00:00Z")]
    from: Option<Bound>,
    /// Only what happened before this time (RFC 3339), or until the end of this day in `tz`.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, example = "2026-11-24T00:00:00Z")]
    to: Option<Bound>,
    /// Wait up to 2 s until the event with this `seq` is in the report. 422 `unknown_seq` where no
    /// event of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    min_seq: Option<SentSeq>,
}

/// The query of the revenue report.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RevenueQuery {
    /// By what; `campaign` without it.
    #[serde(deserialize_with = "value")]
    #[param(inline, value_type = Option<RevenueGrouping>)]
    group_by: Option<GroupBy>,
    /// How revenue is attributed; `last_touch` without it.
    #[serde(deserialize_with = "value")]
    #[param(inline, value_type = Option<AttributionModel>)]
    model: Option<Model>,
    /// The time zone of days, by its IANA name; UTC without it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    tz: Option<Zone>,
    /// Only orders at or after this time (RFC 3339), or from the start of this day in `tz`.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, example = "2026-11-23T00:00:00Z")]
    from: Option<Bound>,
    /// Only orders before this time (RFC 3339), or until the end of this day in `tz`.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, example = "2026-11-24T00:00:00Z")]
    to: Option<Bound>,
    /// Wait up to 2 s until the event with this `seq` is in the report. 422 `unknown_seq` where no
    /// event of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    min_seq: Option<SentSeq>,
}

/// A report, and how far its view lies behind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Report<T> {
    #[serde(flatten)]
    pub report: T,
    pub meta: ReadMeta,
}

/// Report on a message
///
/// Opens, clicks and unsubscribes of one send, each in three figures (all, machine and bot, genuine),
/// and what it earned under every model of attribution.
#[utoipa::path(
    get, path = "/v1/reports/messages/{id}", tag = "read",
    params(("id" = String, Path, description = "The messageId", example = "spring-42"), SubjectQuery),
    responses(
        (status = 200, description = "What became of it", body = Report<MessageReport>),
        (status = 404, description = "Nothing is known of this message", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn get_message_report(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<SubjectQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<Report<MessageReport>>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let unknown = ApiError::UnknownSubject("message");
    let Ok(Path(id)) = id else {
        return Err(unknown);
    };
    // As it was stored: trimmed.
    let id = MessageId::parse(&id).map_err(|_| ApiError::UnknownSubject("message"))?;
    let (asked, min_seq) = query?.0.asked(&app)?;
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
    params(("id" = String, Path, description = "The campaignId", example = "spring"), SubjectQuery),
    responses(
        (status = 200, description = "What became of it", body = Report<CampaignReport>),
        (status = 404, description = "Nothing is known of this campaign", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn get_campaign_report(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<SubjectQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<Report<CampaignReport>>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let unknown = ApiError::UnknownSubject("campaign");
    let Ok(Path(id)) = id else {
        return Err(unknown);
    };
    let (asked, min_seq) = query?.0.asked(&app)?;
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
    params(RevenueQuery),
    responses(
        (status = 200, description = "What was earned", body = Report<RevenueReport>),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn get_revenue_report(
    State(app): State<Arc<App>>,
    query: Result<Query<RevenueQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<Report<RevenueReport>>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let (asked, min_seq) = query?.0.asked()?;
    let (report, meta) = read(&app, reader.workspace, min_seq, move |app| {
        report::revenue(&app.views, reader.workspace, &asked)
    })
    .await?;
    Ok(Json(Report { report, meta }))
}

impl SubjectQuery {
    /// What it asks for, and the seq that is to be waited for.
    ///
    /// # Errors
    /// 422.
    pub(super) fn asked(self, app: &App) -> Result<(ReportAsk, Option<PublicSeq>), ApiError> {
        let (from, to) = (("from", self.from), ("to", self.to));
        let span = Span::between(from, to, &self.tz.unwrap_or_default())?;
        let asked = ReportAsk {
            model: self.model.unwrap_or_default(),
            from: span.from,
            to: span.to,
            now: app.clock.now().as_millis(),
        };
        let min_seq = self.min_seq.map(|seq| seq.known("minSeq")).transpose()?;
        Ok((asked, min_seq))
    }
}

impl RevenueQuery {
    fn asked(self) -> Result<(report::RevenueAsk, Option<PublicSeq>), ApiError> {
        let tz = self.tz.unwrap_or_default();
        let span = Span::between(("from", self.from), ("to", self.to), &tz)?;
        let asked = report::RevenueAsk {
            group_by: self.group_by.unwrap_or(GroupBy::Campaign),
            model: self.model.unwrap_or_default(),
            tz,
            from: span.from,
            to: span.to,
        };
        let min_seq = self.min_seq.map(|seq| seq.known("minSeq")).transpose()?;
        Ok((asked, min_seq))
    }
}
