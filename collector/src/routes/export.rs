//! `/v1/export/*`: everything of a kind as a table, to be taken elsewhere.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderName, Request};
use serde::Deserialize;
use shared::api_key::Scope;
use shared::wire::ErrorBody;
use utoipa::IntoParams;

use super::query::{Bound, Query, SentSeq, Span, Value, value};
use super::read::{Whole, whole};
use crate::app::App;
use crate::auth::{self, Reader};
use crate::error::ApiError;
use crate::export::{self, ContactRows, EventRows, ExportFormat, OrderRows, RowSource, Table};
use store::attribution::Model;
use store::ledger::Located;
use store::query::EventFilter;
use store::query::report::Zone;
use store::query::words::{AttributionModel, EventType};
use store::record::identity::FactKind;
use store::record::{ContactId, WorkspaceId};

/// Rows have no permit for what reads tell in `meta`.
const LAG_MS: HeaderName = HeaderName::from_static("misar-lag-ms");
const SINCE: HeaderName = HeaderName::from_static("misar-since");

/// The query of the export of events.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EventsQuery {
    /// `ndjson` (the default) or `csv`.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, pattern = "^(ndjson|csv)$", example = "ndjson")]
    format: Option<ExportFormat>,
    /// Only events behind the one with this `seq`: where an earlier export ended. 422 `unknown_seq` where
    /// no event of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    after: Option<SentSeq>,
    /// Only events of this type.
    #[serde(rename = "type", deserialize_with = "value")]
    #[param(inline, value_type = Option<EventType>)]
    kind: Option<FactKind>,
    /// Only events of this name.
    name: Option<String>,
    /// Only events at or after this time (RFC 3339), or from the start of this day in `tz`.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    from: Option<Bound>,
    /// Only events before this time (RFC 3339), or until the end of this day in `tz`.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    to: Option<Bound>,
    /// Only events that arrived at or after this time, or day.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    received_from: Option<Bound>,
    /// Only events that arrived before this time, or until the end of this day.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    received_to: Option<Bound>,
    /// The time zone of days, by its IANA name; UTC without it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    tz: Option<Zone>,
}

/// The query of the export of orders.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct OrdersQuery {
    /// `ndjson` (the default) or `csv`.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, pattern = "^(ndjson|csv)$", example = "csv")]
    format: Option<ExportFormat>,
    /// Only orders whose purchase came behind the event with this `seq`. 422 `unknown_seq` where no event
    /// of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    after: Option<SentSeq>,
    /// Only orders at or after this time (RFC 3339), or from the start of this day in `tz`.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    from: Option<Bound>,
    /// Only orders before this time (RFC 3339), or until the end of this day in `tz`.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    to: Option<Bound>,
    /// Only orders that arrived at or after this time, or day.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    received_from: Option<Bound>,
    /// Only orders that arrived before this time, or until the end of this day.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    received_to: Option<Bound>,
    /// The time zone of days, by its IANA name; UTC without it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    tz: Option<Zone>,
    /// How orders are credited; `last_touch` without it.
    #[serde(deserialize_with = "value")]
    #[param(inline, value_type = Option<AttributionModel>)]
    model: Option<Model>,
}

/// The query of the export of contacts.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContactsQuery {
    /// `ndjson` (the default) or `csv`.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, pattern = "^(ndjson|csv)$")]
    format: Option<ExportFormat>,
    /// Only contacts behind the one with this `contactId`: where an earlier export broke off.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    after: Option<ExportedContact>,
}

/// Export events
///
/// Every event up to now, the oldest first, streamed: one JSON object a line (NDJSON), or CSV with a line
/// of names. Each row has all columns; what an event does not have is null, or empty. `seq` and ids are
/// texts, times RFC 3339 in UTC, `amount` is exact in major units and `amountMinor` in minor ones,
/// `properties` JSON. In CSV a text that begins with `=`, `+`, `-`, `@` (also their wide forms), a tab, a
/// line break or `'` has a `'` in front, so that no spreadsheet runs a stranger's words: programs take that
/// one character off, or read NDJSON, which has every text as it is. Numbers, times and JSON are never
/// marked. Sent with gzip where `Accept-Encoding` asks for it. To go on where an export ended
/// or broke off, send the last row's `seq` as `after`. The header `Misar-Lag-Ms` says how far the export lay
/// behind the log when it began. Two exports of a workspace may run at once.
#[utoipa::path(
    get, path = "/v1/export/events", tag = "read",
    params(EventsQuery),
    responses(
        (
            status = 200, description = "The rows",
            content((String = "application/x-ndjson"), (String = "text/csv")),
            headers(("Misar-Lag-Ms" = u64, description = "How far the export lay behind the log when it began, in milliseconds: `meta.lagMs` of other reads"),
                ("Misar-Since" = String, description = "From when on events are whole, RFC 3339, where what came before was dropped: `meta.since` of other reads")),
        ),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Too many exports are running, or what they read is being built: come again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn export_events(
    State(app): State<Arc<App>>,
    query: Result<Query<EventsQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let Query(asked) = query?;
    let format = asked.format.unwrap_or_default();
    let filter = behind(asked.after, asked.filter()?, &app, reader.workspace).await?;
    let views = whole(&app).await?;
    let source = EventRows::new(filter, views.reached);
    stream(app, reader, source, format, "events", &views).await
}

/// Export orders
///
/// Each order once, as it stands now: refunds taken off, credited to a message and its campaign under one
/// model. In the order in which their purchases came; of what pages told, orders with `verified` false
/// that no server has sent. What happens to an order later (refunds, other credit) is in the next export
/// that holds it: export anew what must be exact. Rows, forms and `after` are as for events.
#[utoipa::path(
    get, path = "/v1/export/orders", tag = "read",
    params(OrdersQuery),
    responses(
        (
            status = 200, description = "The rows",
            content((String = "application/x-ndjson"), (String = "text/csv")),
            headers(("Misar-Lag-Ms" = u64, description = "How far the export lay behind the log when it began, in milliseconds: `meta.lagMs` of other reads"),
                ("Misar-Since" = String, description = "From when on events are whole, RFC 3339, where what came before was dropped: `meta.since` of other reads")),
        ),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Too many exports are running, or what they read is being built: come again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn export_orders(
    State(app): State<Arc<App>>,
    query: Result<Query<OrdersQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let Query(asked) = query?;
    let format = asked.format.unwrap_or_default();
    let model = asked.model.unwrap_or_default();
    let filter = behind(asked.after, asked.filter()?, &app, reader.workspace).await?;
    let views = whole(&app).await?;
    let source = OrderRows::new(filter, views.reached, model);
    stream(app, reader, source, format, "orders", &views).await
}

/// Export contacts
///
/// Every contact, in the order of their `contactId`. Takes the scope `contacts`. Rows and forms are as
/// for events; `after` takes the last row's `contactId`.
#[utoipa::path(
    get, path = "/v1/export/contacts", tag = "read",
    params(ContactsQuery),
    responses(
        (
            status = 200, description = "The rows",
            content((String = "application/x-ndjson"), (String = "text/csv")),
            headers(("Misar-Lag-Ms" = u64, description = "How far the export lay behind the log when it began, in milliseconds: `meta.lagMs` of other reads"),
                ("Misar-Since" = String, description = "From when on events are whole, RFC 3339, where what came before was dropped: `meta.since` of other reads")),
        ),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Too many exports are running, or what they read is being built: come again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn export_contacts(
    State(app): State<Arc<App>>,
    query: Result<Query<ContactsQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Contacts)?;
    let Query(ContactsQuery { format, after }) = query?;
    let format = format.unwrap_or_default();
    let views = whole(&app).await?;
    let source = ContactRows::new(after.map(|ExportedContact(id)| id));
    stream(app, reader, source, format, "contacts", &views).await
}

async fn stream(
    app: Arc<App>,
    reader: Reader,
    source: impl RowSource,
    format: ExportFormat,
    what: &str,
    views: &Whole,
) -> Result<Response, ApiError> {
    let permit = app.exports.take(reader.workspace);
    let permit = permit.ok_or(ApiError::TooManyExports)?;
    let file = format!(
        "attachment; filename=\"misar-{what}.{}\"",
        format.extension()
    );
    let headers = [
        (CONTENT_TYPE, format.media_type().to_owned()),
        (CONTENT_DISPOSITION, file),
        (LAG_MS, views.lag_ms.to_string()),
    ];
    let since = views.since.iter().map(|since| (SINCE, since.clone()));
    let since = AppendHeaders(since.collect::<Vec<_>>());
    let rows = export::start(app, reader, Table::new(source, format), permit).await?;
    Ok((headers, since, rows).into_response())
}

impl EventsQuery {
    fn filter(&self) -> Result<EventFilter, ApiError> {
        let zone = self.tz.clone().unwrap_or_default();
        let span = Span::between(("from", self.from), ("to", self.to), &zone)?;
        let received = Span::between(
            ("receivedFrom", self.received_from),
            ("receivedTo", self.received_to),
            &zone,
        )?;
        Ok(EventFilter {
            name: self.name.clone(),
            kind: self.kind,
            ..filter_of(span, received)
        })
    }
}

impl OrdersQuery {
    fn filter(&self) -> Result<EventFilter, ApiError> {
        let zone = self.tz.clone().unwrap_or_default();
        let span = Span::between(("from", self.from), ("to", self.to), &zone)?;
        let received = Span::between(
            ("receivedFrom", self.received_from),
            ("receivedTo", self.received_to),
            &zone,
        )?;
        Ok(filter_of(span, received))
    }
}

fn filter_of(span: Span, received: Span) -> EventFilter {
    EventFilter {
        from: span.from,
        to: span.to,
        received_from: received.from,
        received_to: received.to,
        ..EventFilter::default()
    }
}

/// The filter, behind the event that `after` names.
async fn behind(
    after: Option<SentSeq>,
    mut filter: EventFilter,
    app: &Arc<App>,
    workspace: WorkspaceId,
) -> Result<EventFilter, ApiError> {
    if let Some(after) = after {
        let (looking, seq) = (Arc::clone(app), after.known("after")?);
        let located = tokio::task::spawn_blocking(move || looking.log.locate(workspace, seq));
        let Located::At(seq) = located.await.map_err(|_| ApiError::Internal)?? else {
            return Err(ApiError::UnknownSeq { name: "after" });
        };
        filter.cursor = Some(seq);
    }
    Ok(filter)
}

/// A contact, by the `contactId` of its row.
struct ExportedContact(ContactId);

impl Value for ExportedContact {
    fn parse(text: &str) -> Result<Self, String> {
        let id = export::parse_contact_id(text);
        id.map(Self)
            .ok_or_else(|| "send the `contactId` of a row as it was answered, or none".to_owned())
    }
}
