//! `GET /v1/receipts/{id}`: what became of an event.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Json;
use http::Request;
use serde::Serialize;
use shared::api_key::Scope;
use shared::ids::EventId;
use shared::time::Timestamp;
use shared::wire::{self, ErrorBody};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use store::query::dropped::dropped_before;
use store::query::words::{EventClass, spelled};
use store::record::identity::Sender;
use store::record::{Class, KeyId, Record, WorkspaceId};
use store::rejected::Rejected;

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    /// As sent, or as given.
    pub id: String,
    pub status: ReceiptStatus,
    /// Its place among the workspace's events: opaque, 24 digits that sort as texts; reads take it as
    /// `minSeq`. Absent where it was rejected.
    #[schema(
        nullable = false,
        pattern = "^[0-9]{24}$",
        example = "011764201600123456000000"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<String>,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub received_at: String,
    /// The event's name, as far as it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// Who acted.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "spelled")]
    #[schema(value_type = Option<EventClass>, nullable = false)]
    pub class: Option<Class>,
    /// Why it was rejected, for programs; of a tracked event `invalid_email`, where its address was
    /// refused and it was recorded under its anonymousId.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// Why it was rejected, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
    /// The field that was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub field: Option<String>,
    /// Fields that were sent and are not known.
    pub ignored_fields: Vec<String>,
    /// So many events of the same page were lost before this one, because its queue was full.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub dropped: Option<u32>,
    /// An amount came as float noise and was rounded to the minor unit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rounded: bool,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReceiptStatus {
    Tracked,
    Rejected,
    Erased,
}

/// Say what became of an event
///
/// From the log, then from the rejected events of the last 30 days; never waits. Where a server and a
/// page chose the same id, it is the server's event. Takes the scope `read`, or the secret key that
/// sent the event.
#[utoipa::path(
    get, path = "/v1/receipts/{id}", tag = "read",
    params(("id" = String, Path, description = "The event's id, as sent or as answered", example = "0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b")),
    responses(
        (status = 200, description = "The receipt", body = Receipt),
        (status = 404, description = "No such event", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn get_receipt(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<Json<Receipt>, ApiError> {
    let reader = auth::any_reader(&app, request.headers(), request.uri())?;
    // The path is not UTF-8, as every id is.
    let Path(id) = id.map_err(|_| ApiError::UnknownReceipt)?;
    let workspace = reader.workspace;
    let found = {
        let app = Arc::clone(&app);
        tokio::task::spawn_blocking(move || find(&app, workspace, &id))
            .await
            .map_err(|_| ApiError::Internal)??
    };
    let (receipt, key_id) = found.ok_or(ApiError::UnknownReceipt)?;
    if !reader.is_key(key_id.as_deref()) {
        reader.require(Scope::Read)?;
    }
    Ok(Json(receipt))
}

/// Whose ids are looked up, and in which order: those of servers first, because that is what everybody
/// is who may ask; what pages choose last, so that no page hides what others did.
const ORDER: [Sender; 4] = [Sender::Server, Sender::System, Sender::Mail, Sender::Page];

/// The receipt, and the key that sent the event: of each kind of sender from the log, then from the
/// rejected events.
fn find(
    app: &App,
    workspace: WorkspaceId,
    id: &str,
) -> Result<Option<(Receipt, Option<String>)>, ApiError> {
    let event_id = EventId::parse(id).ok();
    for sender in ORDER {
        let record = match event_id {
            Some(event_id) => app.log.find(workspace, sender, event_id)?,
            None => None,
        };
        if let Some(record) = record {
            let key_id = record.entry.told_by.key_id().map(KeyId::to_string);
            return Ok(Some((of_record(id, record), key_id)));
        }
        let rejected = app.rejected.find(workspace, sender, id);
        let rejected = rejected.map_err(|error| {
            tracing::error!(%error, "the rejected events could not be read");
            ApiError::StorageFailing
        })?;
        if let Some(rejected) = rejected {
            let key_id = rejected.key_id.clone();
            return Ok(Some((of_rejected(rejected), Some(key_id))));
        }
    }
    Ok(None)
}

fn of_record(id: &str, record: Record) -> Receipt {
    let Record {
        public_seq, entry, ..
    } = record;
    let dropped = dropped_before(&entry);
    let code = wire::refused::code(&entry.ignored_fields, entry.address.is_some());
    Receipt {
        id: id.to_owned(),
        status: if entry.redacted {
            ReceiptStatus::Erased
        } else {
            ReceiptStatus::Tracked
        },
        seq: Some(public_seq.to_string()),
        received_at: entry.received_at.to_string(),
        name: Some(entry.fact.name().to_owned()),
        class: entry.told_by.class().map(|(class, _)| *class),
        code: code.map(str::to_owned),
        message: None,
        field: None,
        dropped,
        ignored_fields: entry.ignored_fields,
        rounded: entry.fact.is_rounded(),
    }
}

fn of_rejected(rejected: Rejected) -> Receipt {
    Receipt {
        id: rejected.id,
        status: ReceiptStatus::Rejected,
        seq: None,
        received_at: Timestamp::from_millis(rejected.received_at).to_string(),
        name: rejected.name,
        class: None,
        code: Some(rejected.code),
        message: Some(rejected.message),
        field: rejected.field,
        ignored_fields: rejected.ignored_fields,
        dropped: None,
        rounded: false,
    }
}
