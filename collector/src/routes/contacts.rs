//! `GET /v1/contacts`: what is known of a contact, and of all of them, the most engaged first.
//!
//! - `known`: one, looked up by an address
//! - `one`: what is known of one
//! - `sorting`: in which order they are listed; `listed`: which of them
//! - `timeline`: what happened with one, and what makes their score
//! - `erase`: nothing any more
//! - `export`: everything that is held of one
//! - `import`: files of them

mod erase;
pub(super) mod export;
mod import;
mod known;
mod listed;
pub(super) mod one;
mod sorting;
pub(super) mod timeline;

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

use super::query::{PageLimit, Query, SentSeq, value};
use super::read::{ReadMeta, read};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use crate::export::rounded_score;
use store::query::Order;
use store::views::Contact;

pub(crate) use erase::*;
pub(crate) use export::*;
pub(crate) use import::*;
use listed::Listed;
pub(in crate::routes) use listed::listed;
pub(crate) use one::*;
use sorting::{ContactPlace, Sort};
pub(crate) use timeline::*;

/// The query of the list.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContactQuery {
    /// The contact with this address, and no other.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, format = Email, max_length = 254, example = "user@example.com")]
    email: Option<Email>,
    /// Those whose address begins so, or one of whose traits does, in upper or lower case. A page may end early, with a
    /// `next`, where many had to be passed over.
    #[param(max_length = 254, example = "user@")]
    query: Option<String>,
    /// The members of the segment with this id, as they are now; 404 `unknown_segment` where there is none.
    #[param(example = "seg_5f1c9a03b2d47e608c11")]
    segment: Option<String>,
    /// What they are sorted by: `score` without this parameter.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, pattern = "^(score|lastSeen|firstSeen|email)$")]
    sort: Option<Sort>,
    /// `desc`, the highest and the latest first, or `asc`. Without it `asc` of addresses and `desc` of all else.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, pattern = "^(asc|desc)$")]
    order: Option<Order>,
    /// Where the last page ended, as its `next` says. Pages stay right while events arrive, save for contacts
    /// whose own place changes.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    cursor: Option<ContactPlace>,
    /// How many contacts, 1 to 1,000; 100 without it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<u32>)]
    limit: Option<PageLimit>,
    /// Wait up to 2 s until the event with this `seq` is reflected. 422 `unknown_seq` where no
    /// event of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    min_seq: Option<SentSeq>,
}

/// The contacts that were asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactList {
    /// With `email` none, or the one with this address.
    pub contacts: Vec<ContactView>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    pub meta: ReadMeta,
}

/// A contact as it is shown; times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContactView {
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

impl ContactView {
    /// As it is at `now`, in milliseconds since 1970.
    fn of(contact: Contact, email: String, now: i64) -> Self {
        let time = |millis: i64| Timestamp::from_millis(millis).to_string();
        Self {
            email,
            first_seen: contact.first_seen.map(time),
            last_seen: contact.last_seen.map(time),
            unsubscribed_at: contact.unsubscribed_at.map(time),
            score: rounded_score(contact.score_at(now)),
        }
    }
}

/// List contacts
///
/// When they were seen, whether they have unsubscribed, and how engaged they are: one by its address, or all of
/// them, or the members of a segment, the most engaged first. Contacts whose address nobody has told (tokens alone name them) are found
/// by neither. Takes the scope `contacts`.
#[utoipa::path(
    get, path = "/v1/contacts", tag = "read",
    params(ContactQuery),
    responses(
        (status = 200, description = "The contacts that were asked for", body = ContactList),
        (status = 404, description = "There is no such segment", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or it or the segment is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn list_contacts(
    State(app): State<Arc<App>>,
    query: Result<Query<ContactQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<ContactList>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Contacts)?;
    let Query(mut query) = query?;
    let min_seq = query.min_seq.take();
    let min_seq = min_seq.map(|seq| seq.known("minSeq")).transpose()?;
    let asked = Listed::of(query)?;
    if asked.is_of_segment() {
        // Whose window has run out is in it no more.
        app.projector.reach_now().await?;
    }
    let workspace = reader.workspace;
    let work = move |app: &App| asked.page(app, workspace);
    let ((contacts, next), meta) = read(&app, workspace, min_seq, work).await?;
    Ok(Json(ContactList {
        contacts,
        next,
        meta,
    }))
}
