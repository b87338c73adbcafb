//! `GET /v1/contacts`: what is known of a contact.
//!
//! - `erase`: nothing any more

mod erase;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Json;
use http::Request;
use serde::{Deserialize, Serialize};
use shared::api_key::Scope;
use shared::email::Email;
use shared::time::Timestamp;
use shared::wire::ErrorBody;
use utoipa::{IntoParams, ToSchema};

use super::query::{Query, SentSeq, invalid, value};
use super::read::{ReadMeta, read};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use store::views::ViewError;

pub use erase::*;

/// The query of the list.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub struct ContactQuery {
    /// The contact with this address.
    #[serde(deserialize_with = "value")]
    #[param(value_type = String, required = true, format = Email, max_length = 254, example = "user@example.com")]
    email: Option<Email>,
    /// Wait up to 2 s until the event with this `seq` is reflected. 422 `unknown_seq` where no
    /// event of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    min_seq: Option<SentSeq>,
}

/// The contacts that were asked for.
#[derive(Serialize, ToSchema)]
pub struct ContactList {
    /// None, or the one with this address.
    pub contacts: Vec<ContactView>,
    pub meta: ReadMeta,
}

/// A contact as it is shown; times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContactView {
    /// As a server last spelled it; where only pages have named the contact, the form by which it is
    /// known (lower case, the domain as IDNA's A-labels).
    #[schema(example = "user@example.com")]
    pub email: String,
    /// Of their genuine events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub first_seen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub last_seen: Option<String>,
    /// When they asked for no more mail, the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub unsubscribed_at: Option<String>,
    /// How engaged they are now: genuine events, each by its weight (open 1, click 3, page view 0.5,
    /// other events 2, purchase 10), halved every 30 days; of what pages say, at most 20 for each day
    /// (UTC), from the start of that day. Rounded to 9 decimals.
    #[schema(example = 12.5)]
    pub score: f64,
}

/// Show a contact
///
/// When they were seen, whether they have unsubscribed, and how engaged they are. Takes the scope
/// `contacts`.
#[utoipa::path(
    get, path = "/v1/contacts", tag = "read",
    params(ContactQuery),
    responses(
        (status = 200, description = "The contact with this address, if there is one", body = ContactList),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn list_contacts(
    State(app): State<Arc<App>>,
    query: Result<Query<ContactQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<ContactList>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Contacts)?;
    let Query(ContactQuery { email, min_seq }) = query?;
    let email = email.ok_or_else(|| invalid("email", "send an e-mail address"))?;
    let min_seq = min_seq.map(|seq| seq.known("minSeq")).transpose()?;
    let (contact, meta) = read(
        &app,
        reader.workspace,
        min_seq,
        move |app| -> Result<_, ViewError> {
            let Some(id) = app.views.contact_id(reader.workspace, email.normalised()) else {
                return Ok(None);
            };
            let contact = app.views.contact(reader.workspace, id)?;
            let time = |millis: i64| Timestamp::from_millis(millis).to_string();
            Ok(contact.map(|contact| ContactView {
                email: contact
                    .address
                    .unwrap_or_else(|| email.normalised().to_owned()),
                first_seen: contact.first_seen.map(time),
                last_seen: contact.last_seen.map(time),
                unsubscribed_at: contact.unsubscribed_at.map(time),
                score: rounded(contact.score.value_at(app.clock.now().as_millis())),
            }))
        },
    )
    .await?;
    let contacts = contact.into_iter().collect();
    Ok(Json(ContactList { contacts, meta }))
}

/// To 9 decimals: what is behind them is the sums' own.
fn rounded(score: f64) -> f64 {
    (score * 1e9).round() / 1e9
}
