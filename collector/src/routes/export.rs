//! `/v1/export/*`: everything of a kind as a table, to be taken elsewhere.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderName, Request, Uri};
use shared::api_key::Scope;
use shared::wire::ErrorBody;
use utoipa::IntoParams;

use super::events::type_named;
use super::read::{Whole, from, invalid, parameters, to, whole, zone};
use crate::app::App;
use crate::auth::{self, Reader};
use crate::error::ApiError;
use crate::export::{self, Contacts, Events, Format, Orders, Source};
use store::ledger::Located;
use store::query::EventFilter;
use store::query::report::ModelName;
use store::query::words::{AttributionModel, EventType};
use store::record::WorkspaceId;
use store::record::public_seq::PublicSeq;

/// Rows have no place for what reads tell in `meta`.
const LAG_MS: HeaderName = HeaderName::from_static("misar-lag-ms");

/// The query of the export of events, as documented; `parse` reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct EventsParameters {
    /// `ndjson` (the default) or `csv`.
    #[param(pattern = "^(ndjson|csv)$", example = "ndjson")]
    format: Option<String>,
    /// Only events behind the one with this `seq`: where an earlier export ended. 422 `unknown_seq` where
    /// no event of the workspace has it.
    after: Option<String>,
    /// Only events of this type.
    #[param(rename = "type", inline, value_type = Option<EventType>)]
    kind: Option<String>,
    /// Only events of this name.
    name: Option<String>,
    /// Only events at or after this time (RFC 3339), or from the start of this day in `tz`.
    from: Option<String>,
    /// Only events before this time (RFC 3339), or until the end of this day in `tz`.
    to: Option<String>,
    /// Only events that arrived at or after this time, or day.
    received_from: Option<String>,
    /// Only events that arrived before this time, or until the end of this day.
    received_to: Option<String>,
    /// The time zone of days, by its IANA name; UTC without it.
    tz: Option<String>,
}

/// The query of the export of orders.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct OrdersParameters {
    /// `ndjson` (the default) or `csv`.
    #[param(pattern = "^(ndjson|csv)$", example = "csv")]
    format: Option<String>,
    /// Only orders whose purchase came behind the event with this `seq`. 422 `unknown_seq` where no event
    /// of the workspace has it.
    after: Option<String>,
    /// Only orders at or after this time (RFC 3339), or from the start of this day in `tz`.
    from: Option<String>,
    /// Only orders before this time (RFC 3339), or until the end of this day in `tz`.
    to: Option<String>,
    /// Only orders that arrived at or after this time, or day.
    received_from: Option<String>,
    /// Only orders that arrived before this time, or until the end of this day.
    received_to: Option<String>,
    /// The time zone of days, by its IANA name; UTC without it.
    tz: Option<String>,
    /// How orders are credited; `last_touch` without it.
    #[param(inline, value_type = Option<AttributionModel>)]
    model: Option<String>,
}

/// The query of the export of contacts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct ContactsParameters {
    /// `ndjson` (the default) or `csv`.
    #[param(pattern = "^(ndjson|csv)$")]
    format: Option<String>,
    /// Only contacts behind the one with this `contactId`: where an earlier export broke off.
    after: Option<String>,
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
    params(EventsParameters),
    responses(
        (
            status = 200, description = "The rows",
            content((String = "application/x-ndjson"), (String = "text/csv")),
            headers(("Misar-Lag-Ms" = u64, description = "How far the export lay behind the log when it began, in milliseconds: `meta.lagMs` of other reads")),
        ),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Too many exports are running, or what they read is being built: come again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn export_events(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let asked = parse(request.uri())?;
    let filter = asked.filter(&app, reader.workspace).await?;
    let views = whole(&app).await?;
    let source = Events::new(filter, views.reached);
    stream(app, reader, source, asked.format, "events", &views)
}

/// Export orders
///
/// Each order once, as it stands now: refunds taken off, credited to a message and its campaign under one
/// model. In the order in which their purchases came; of what pages told, orders with `verified` false
/// that no server has sent. What happens to an order later (refunds, other credit) is in the next export
/// that holds it: export anew what must be exact. Rows, forms and `after` are as for events.
#[utoipa::path(
    get, path = "/v1/export/orders", tag = "read",
    params(OrdersParameters),
    responses(
        (
            status = 200, description = "The rows",
            content((String = "application/x-ndjson"), (String = "text/csv")),
            headers(("Misar-Lag-Ms" = u64, description = "How far the export lay behind the log when it began, in milliseconds: `meta.lagMs` of other reads")),
        ),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Too many exports are running, or what they read is being built: come again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn export_orders(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let asked = parse(request.uri())?;
    let filter = asked.filter(&app, reader.workspace).await?;
    let views = whole(&app).await?;
    let source = Orders::new(filter, views.reached, asked.model.model());
    stream(app, reader, source, asked.format, "orders", &views)
}

/// Export contacts
///
/// Every contact, in the order of their `contactId`. Takes the scope `contacts`. Rows and forms are as
/// for events; `after` takes the last row's `contactId`.
#[utoipa::path(
    get, path = "/v1/export/contacts", tag = "read",
    params(ContactsParameters),
    responses(
        (
            status = 200, description = "The rows",
            content((String = "application/x-ndjson"), (String = "text/csv")),
            headers(("Misar-Lag-Ms" = u64, description = "How far the export lay behind the log when it began, in milliseconds: `meta.lagMs` of other reads")),
        ),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Too many exports are running, or what they read is being built: come again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn export_contacts(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Contacts)?;
    let (mut format, mut after) = (Format::default(), None);
    for (name, value) in parameters(request.uri()) {
        match &*name {
            "format" => format = form(&value)?,
            "after" => {
                let id = export::parse_contact_id(&value);
                let wanted = "send the `contactId` of a row as it was answered, or none";
                after = Some(id.ok_or_else(|| invalid("after", wanted))?);
            }
            _ => {}
        }
    }
    let views = whole(&app).await?;
    let source = Contacts::new(after);
    stream(app, reader, source, format, "contacts", &views)
}

fn stream(
    app: Arc<App>,
    reader: Reader,
    source: impl Source,
    format: Format,
    what: &str,
    views: &Whole,
) -> Result<Response, ApiError> {
    let place = app.exports.take(reader.workspace);
    let place = place.ok_or(ApiError::TooManyExports)?;
    let file = format!(
        "attachment; filename=\"misar-{what}.{}\"",
        format.extension()
    );
    let headers = [
        (CONTENT_TYPE, format.media_type().to_owned()),
        (CONTENT_DISPOSITION, file),
        (LAG_MS, views.lag_ms.to_string()),
    ];
    let rows = export::start(app, reader, source, format, place);
    Ok((headers, Body::new(rows)).into_response())
}

struct Asked {
    format: Format,
    after: Option<PublicSeq>,
    filter: EventFilter,
    model: ModelName,
}

impl Asked {
    /// The filter, behind the event that `after` names.
    async fn filter(
        &self,
        app: &Arc<App>,
        workspace: WorkspaceId,
    ) -> Result<EventFilter, ApiError> {
        let mut filter = self.filter.clone();
        if let Some(after) = self.after {
            let looking = Arc::clone(app);
            let located = tokio::task::spawn_blocking(move || looking.log.locate(workspace, after));
            let Located::At(seq) = located.await.map_err(|_| ApiError::Internal)?? else {
                return Err(ApiError::UnknownSeq { name: "after" });
            };
            filter.cursor = Some(seq);
        }
        Ok(filter)
    }
}

fn form(value: &str) -> Result<Format, ApiError> {
    Format::parse(value).ok_or_else(|| invalid("format", "send ndjson or csv"))
}

/// Reads the query of events and orders; that each parameter is known has been seen to.
fn parse(uri: &Uri) -> Result<Asked, ApiError> {
    let tz = zone(uri)?;
    let mut asked = Asked {
        format: Format::default(),
        after: None,
        filter: EventFilter::default(),
        model: ModelName::default(),
    };
    let filter = &mut asked.filter;
    for (name, value) in parameters(uri) {
        match &*name {
            "format" => asked.format = form(&value)?,
            "after" => {
                let seq = value.parse();
                asked.after = Some(seq.map_err(|_| ApiError::UnknownSeq { name: "after" })?);
            }
            "type" => filter.kind = Some(type_named(&value)?),
            "name" => filter.name = Some(value.into_owned()),
            "from" => filter.from = Some(from("from", &value, &tz)?),
            "to" => filter.to = Some(to("to", &value, &tz)?),
            "receivedFrom" => filter.received_from = Some(from("receivedFrom", &value, &tz)?),
            "receivedTo" => filter.received_to = Some(to("receivedTo", &value, &tz)?),
            "model" => {
                asked.model = ModelName::parse(&value)
                    .ok_or_else(|| invalid("model", "send last_touch, last_click or explicit"))?;
            }
            _ => {}
        }
    }
    Ok(asked)
}
