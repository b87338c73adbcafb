//! `GET /v1/contacts/{email}` and `PATCH`: one contact with what is known of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Json, Response};
use http::Request;
use serde::Serialize;
use serde_json::value::RawValue;
use shared::api_key::Scope;
use shared::email::Email;
use shared::limits::MAX_EVENT_BYTES;
use shared::wire::ErrorBody;
use utoipa::ToSchema;

use super::super::query::{MinSeqQuery, Query, in_path};
use super::super::read::{ReadMeta, read};
use super::super::suppressions::ReasonView;
use super::ContactView;
use super::known::Known;
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use crate::ingest::Incoming;
use store::query::suppressions;
use store::record::WorkspaceId;

/// A contact with what is known of them.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactDetail {
    #[serde(flatten)]
    pub contact: ContactView,
    /// As servers and pages have told them: of each key the latest value by its time, in the caller's own JSON. What a
    /// server has set no page overwrites.
    #[schema(value_type = Object, example = json!({"plan": "pro", "seats": 5}))]
    pub traits: BTreeMap<String, Box<RawValue>>,
    /// Why they are to get no more mail; empty where they may.
    pub suppressions: Vec<ReasonView>,
}

/// What is known of a contact, and how far its view lies behind.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactAnswer {
    #[serde(flatten)]
    pub contact: ContactDetail,
    pub meta: ReadMeta,
}

/// What is to be changed of a contact.
#[derive(ToSchema)]
#[schema(example = json!({"traits": {"plan": "pro", "trialEndsAt": null}}))]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub(crate) struct ContactChange {
    /// What is known of them: at most 256 names, nested at most 8 levels. Those that are not named stay; `null`
    /// unsets.
    #[schema(value_type = Object)]
    pub traits: BTreeMap<String, Box<RawValue>>,
    /// When it was learnt: RFC 3339. Absent: now. What was learnt later stays.
    #[schema(nullable = false, format = DateTime)]
    pub timestamp: Option<String>,
}

/// A contact was changed.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactChanged {
    /// Always true: it is on disk.
    pub success: bool,
    /// Its place among the workspace's events; reads take it as `minSeq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9]{24}$")]
    pub seq: Option<String>,
    /// As it is now; absent where the view has not come so far yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub contact: Option<ContactDetail>,
}

/// Show a contact
///
/// When they were seen, how engaged they are, their traits, and whether they get mail. Takes the scope `contacts`.
#[utoipa::path(
    get, path = "/v1/contacts/{email}", tag = "read",
    params(("email" = String, Path, format = Email, max_length = 254, description = "The contact's address, percent-encoded", example = "user@example.com"), MinSeqQuery),
    responses(
        (status = 200, description = "What is known of them", body = ContactAnswer),
        (status = 404, description = "Nothing is known of this contact", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn get_contact(
    State(app): State<Arc<App>>,
    email: Result<Path<String>, PathRejection>,
    query: Result<Query<MinSeqQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<ContactAnswer>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Contacts)?;
    let email = in_path(email)?;
    let (min_seq, workspace) = (query?.0.known()?, reader.workspace);
    let (found, meta) = read(&app, workspace, min_seq, move |app| {
        detail(app, workspace, &email)
    })
    .await?;
    let contact = found.ok_or(ApiError::UnknownSubject("contact"))?;
    Ok(Json(ContactAnswer { contact, meta }))
}

/// Change a contact
///
/// Recorded like an `identify` of a server: `traits` that are named change, the others stay, `null` unsets. An address
/// that nobody knows makes a new contact. Takes the scope `contacts`.
#[utoipa::path(
    patch, path = "/v1/contacts/{email}", tag = "mail",
    params(("email" = String, Path, format = Email, max_length = 254, description = "The contact's address, percent-encoded", example = "user@example.com")),
    request_body(content = ContactChange, content_type = "application/json"),
    responses(
        (status = 200, description = "On disk", body = ContactChanged),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Nothing was recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = [])),
)]
pub(crate) async fn change_contact(
    State(app): State<Arc<App>>,
    email: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let incoming =
        Incoming::read_of_server(&app, request, MAX_EVENT_BYTES, Scope::Contacts).await?;
    let workspace = incoming.caller(&app, None)?.key.workspace;
    let email = in_path(email)?;
    let (seq, rate) = incoming.change_contact(&app, &email).await?;
    // It is on disk, whatever the views say.
    let found = read(&app, workspace, seq, move |app| {
        detail(app, workspace, &email)
    })
    .await;
    let answer = ContactChanged {
        success: true,
        seq: seq.map(|seq| seq.to_string()),
        contact: found.ok().and_then(|(found, _)| found),
    };
    let mut response = Json(answer).into_response();
    response.headers_mut().extend(rate);
    Ok(response)
}

/// What is known of a contact; `None` where nothing is. Blocks on disk.
pub(in crate::routes) fn detail(
    app: &App,
    workspace: WorkspaceId,
    email: &Email,
) -> Result<Option<ContactDetail>, ApiError> {
    let Some(known) = Known::by_address(app, workspace, email)? else {
        return Ok(None);
    };
    let traits = app.views.traits(known.id)?.into_iter();
    let traits =
        traits.filter_map(|(key, held)| Some((key, RawValue::from_string(held.value).ok()?)));
    let sources = suppressions::Sources {
        meta: &app.meta,
        log: &*app.log,
        book: app.suppressions(),
    };
    let held = suppressions::of_address(sources, workspace, email)?;
    let suppressions = held.iter().flat_map(|held| held.state.causes());
    Ok(Some(ContactDetail {
        contact: known.shown(app),
        traits: traits.collect(),
        suppressions: suppressions.map(ReasonView::of).collect(),
    }))
}
