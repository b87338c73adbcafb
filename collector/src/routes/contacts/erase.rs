//! `DELETE /v1/contacts/{email}`: a contact is erased.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Json, Response};
use http::Request;
use serde::Serialize;
use shared::api_key::Scope;
use shared::limits::MAX_EVENT_BYTES;
use shared::wire::ErrorBody;
use utoipa::ToSchema;

use super::super::query::in_path;
use super::super::read::{ReadMeta, read_elsewhere};
use crate::app::App;
use crate::error::ApiError;
use crate::ingest::Incoming;
use crate::ingest::erasures::ErasedCounts;

/// A contact is erased.
#[derive(Serialize, ToSchema)]
pub(crate) struct EraseAnswer {
    /// Always true: no read tells anything of them any more.
    pub success: bool,
    pub erased: ErasedCounts,
    /// The place of the erasure among the workspace's events; reads take it as `minSeq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9]{24}$")]
    pub seq: Option<String>,
    pub meta: ReadMeta,
}

/// Erase a contact
///
/// At once nothing tells of them any more: events keep id, time, name, class and money, without address,
/// properties, traits, agent or network (their receipts say `erased`), reports keep their totals, and rejected events
/// that name the address are gone. The log is written anew without them some minutes later. Whether they get mail
/// stays known, by a keyed hash of the address; so does when they were erased: what comes later and is of before then
/// is recorded without them. A later event makes a new contact. An address that nobody knows is erased like any
/// other. Backups that were made before are out of reach: restore them with the file of erasures. Takes the scope
/// `contacts`.
#[utoipa::path(
    delete, path = "/v1/contacts/{email}", tag = "mail",
    params(("email" = String, Path, format = Email, max_length = 254, description = "The contact's address, percent-encoded", example = "user@example.com")),
    responses(
        (status = 200, description = "The contact is erased", body = EraseAnswer),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Not now, and perhaps not wholly: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = [])),
)]
pub(crate) async fn erase_contact(
    State(app): State<Arc<App>>,
    email: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let incoming =
        Incoming::read_of_server(&app, request, MAX_EVENT_BYTES, Scope::Contacts).await?;
    incoming.caller(&app, None)?;
    let email = in_path(email)?;
    // Before it is done: what is done is not answered by an error.
    let ((), meta) = read_elsewhere(&app, |_| Ok::<_, ApiError>(())).await?;
    let (erased, rate) = incoming.erase(&app, email).await?;
    let answer = EraseAnswer {
        success: true,
        erased: erased.counts,
        seq: erased.seq.map(|seq| seq.to_string()),
        meta,
    };
    let mut response = Json(answer).into_response();
    response.headers_mut().extend(rate);
    Ok(response)
}
