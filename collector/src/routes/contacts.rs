//! `GET /v1/contacts`: what is known of a contact, and of all of them, the most engaged first.
//!
//! - `one`: one contact
//! - `sorting`: in which order they are listed
//! - `timeline`: what happened with one, and what makes their score
//! - `erase`: nothing any more
//! - `export`: everything that is held of one
//! - `import`: files of them

mod erase;
pub(super) mod export;
mod import;
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

use super::query::{PageLimit, Query, SentSeq, invalid, value};
use super::read::{ReadMeta, read};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use crate::export::rounded_score;
use store::query::Order;
use store::record::WorkspaceId;
use store::views::{Contact, ViewError};

/// The most contacts that are looked at for one page: behind them a page ends early, with a `next`.
const MAX_LOOKED_AT: usize = 20_000;

pub(crate) use erase::*;
pub(crate) use export::*;
pub(crate) use import::*;
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
/// them, the most engaged first. Contacts whose address nobody has told (tokens alone name them) are found
/// by neither. Takes the scope `contacts`.
#[utoipa::path(
    get, path = "/v1/contacts", tag = "read",
    params(ContactQuery),
    responses(
        (status = 200, description = "The contacts that were asked for", body = ContactList),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view has not reached `minSeq`, or is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn list_contacts(
    State(app): State<Arc<App>>,
    query: Result<Query<ContactQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Json<ContactList>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Contacts)?;
    let Query(query) = query?;
    let min_seq = query.min_seq.map(|seq| seq.known("minSeq")).transpose()?;
    let sort = query.sort.unwrap_or_default();
    if query
        .cursor
        .as_ref()
        .is_some_and(|place| place.sort() != sort)
    {
        let message = "send the `next` of a page that was sorted in the same way";
        return Err(invalid("cursor", message));
    }
    let asked = Asked {
        begins: query.query.unwrap_or_default().to_lowercase(),
        sort,
        descending: sort.descends(query.order),
        behind: query.cursor,
        limit: query.limit.unwrap_or_default().get(),
    };
    let (email, workspace) = (query.email, reader.workspace);
    let ((contacts, next), meta) = read(&app, workspace, min_seq, move |app| match &email {
        Some(email) => one(app, workspace, email),
        None => asked.page(app, workspace),
    })
    .await?;
    Ok(Json(ContactList {
        contacts,
        next,
        meta,
    }))
}

/// Contacts, and where the next page begins.
type Page = (Vec<ContactView>, Option<String>);

fn one(app: &App, workspace: WorkspaceId, email: &Email) -> Result<Page, ViewError> {
    let Some(id) = app.views.contact_id(workspace, email.normalised()) else {
        return Ok((Vec::new(), None));
    };
    let now = app.clock.now().as_millis();
    let view = app.views.contact(id)?.map(|contact| {
        let shown = contact.address.clone();
        let shown = shown.unwrap_or_else(|| email.normalised().to_owned());
        ContactView::of(contact, shown, now)
    });
    Ok((view.into_iter().collect(), None))
}

/// What is asked of the list.
struct Asked {
    /// How their address begins, in lower case.
    begins: String,
    sort: Sort,
    descending: bool,
    behind: Option<ContactPlace>,
    limit: usize,
}

impl Asked {
    fn page(&self, app: &App, workspace: WorkspaceId) -> Result<Page, ViewError> {
        let now = app.clock.now().as_millis();
        let (mut shown, mut behind, mut looked_at) = (Vec::new(), self.behind.clone(), 0);
        // Where all match, one more than fits tells whether there is a next page.
        let mut portion = match self.begins.is_empty() {
            true => self.limit + 1,
            false => PageLimit::MOST.get(),
        };
        loop {
            let (sort, descending) = (self.sort, self.descending);
            let behind_it = behind.as_ref();
            let found = ContactPlace::behind(app, workspace, sort, descending, behind_it, portion)?;
            let is_all = found.len() < portion;
            looked_at += found.len();
            for (place, contact) in found {
                if let Some(email) = self.matching(app, workspace, &place, &contact)? {
                    if shown.len() == self.limit {
                        return Ok((shown, behind.as_ref().map(ContactPlace::to_cursor)));
                    }
                    shown.push(ContactView::of(contact, email, now));
                }
                behind = Some(place);
            }
            if is_all {
                return Ok((shown, None));
            }
            if looked_at >= MAX_LOOKED_AT {
                return Ok((shown, behind.as_ref().map(ContactPlace::to_cursor)));
            }
            // Each time all contacts are gone through, so that few times are better.
            portion = (portion * 4).min(MAX_LOOKED_AT - looked_at);
        }
    }

    /// The address of a contact that is asked for.
    fn matching(
        &self,
        app: &App,
        workspace: WorkspaceId,
        place: &ContactPlace,
        contact: &Contact,
    ) -> Result<Option<String>, ViewError> {
        let Some(address) = &contact.address else {
            return Ok(None);
        };
        let is_meant = address.to_lowercase().starts_with(&self.begins)
            || app
                .views
                .has_trait(workspace, place.ordinal(), |json| self.begins_so(json))?;
        Ok(is_meant.then(|| address.clone()))
    }

    /// Whether the value of a trait, as JSON, begins as is asked for.
    fn begins_so(&self, json: &str) -> bool {
        match serde_json::from_str::<String>(json) {
            Ok(text) => text.to_lowercase().starts_with(&self.begins),
            // A number or a truth value is asked for as it is written; what is nested is not.
            Err(_) => !json.starts_with(['{', '[']) && json.starts_with(&self.begins),
        }
    }
}
