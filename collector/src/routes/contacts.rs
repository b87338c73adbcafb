//! `GET /v1/contacts`: what is known of a contact.
//!
//! - `erase`: nothing any more

mod erase;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Json;
use http::{Request, Uri};
use serde::Serialize;
use shared::api_key::Scope;
use shared::email::Email;
use shared::time::Timestamp;
use shared::wire::ErrorBody;
use utoipa::{IntoParams, ToSchema};

use super::read::{Meta, address, invalid, min_seq, parameters, read};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use store::record::public_seq::PublicSeq;
use store::views::ViewError;

pub use erase::*;

/// The query of the list, as documented; `parse` reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct ContactParameters {
    /// The contact with this address.
    #[param(format = Email, max_length = 254, example = "user@example.com")]
    email: String,
    /// Wait up to 2 s until the event with this `seq` is reflected. 422 `unknown_seq` where no
    /// event of the workspace has it.
    min_seq: Option<String>,
}

/// The contacts that were asked for.
#[derive(Serialize, ToSchema)]
pub struct ContactList {
    /// None, or the one with this address.
    pub contacts: Vec<ContactView>,
    pub meta: Meta,
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
    params(ContactParameters),
    responses(
        (status = 200, description = "The contact with this address, if there is one", body = ContactList),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn list_contacts(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<ContactList>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Contacts)?;
    let (email, min_seq) = parse(request.uri())?;
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

fn parse(uri: &Uri) -> Result<(Email, Option<PublicSeq>), ApiError> {
    let wanted = || invalid("email", "send an e-mail address");
    let (mut email, mut least) = (None, None);
    for (name, value) in parameters(uri) {
        match &*name {
            "email" => email = Some(address(&value)?),
            "minSeq" => least = Some(min_seq(&value)?),
            _ => {}
        }
    }
    Ok((email.ok_or_else(wanted)?, least))
}
