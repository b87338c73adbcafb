//! `GET /v1/contacts`: what is known of a contact, and of all of them, the most engaged first.

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
use store::record::WorkspaceId;
use store::record::public_seq::PublicSeq;
use store::views::{Contact, ScorePlace, ViewError};

/// Contacts on a page.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
/// The most contacts that are looked at for one page: behind them a page ends early, with a `next`.
const MAX_LOOKED_AT: usize = 20_000;

/// The query of the list, as documented; `parse` reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct ContactParameters {
    /// The contact with this address, and no other.
    #[param(format = Email, max_length = 254, example = "user@example.com")]
    email: Option<String>,
    /// Those whose address begins so, as it is known (in lower case). A page may end early, with a `next`,
    /// where many had to be passed over.
    #[param(max_length = 254, example = "user@")]
    query: Option<String>,
    /// What they are sorted by: `score`, also without this parameter.
    #[param(value_type = Option<ContactSort>)]
    sort: Option<String>,
    /// `desc`, the highest first (the default), or `asc`.
    #[param(value_type = Option<ContactOrder>)]
    order: Option<String>,
    /// The `next` of the page before. Pages stay right while events arrive, save for contacts whose own place
    /// changes.
    cursor: Option<String>,
    /// Contacts on a page, 100 unless said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Wait up to 2 s until the event with this `seq` is reflected. 422 `unknown_seq` where no
    /// event of the workspace has it.
    min_seq: Option<String>,
}

/// What contacts are sorted by.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub enum ContactSort {
    Score,
}

/// Which of them come first.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub enum ContactOrder {
    Asc,
    Desc,
}

/// The contacts that were asked for.
#[derive(Serialize, ToSchema)]
pub struct ContactList {
    /// With `email` none, or the one with this address.
    pub contacts: Vec<ContactView>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
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

impl ContactView {
    /// As it is at `now`, in milliseconds since 1970.
    fn of(contact: Contact, email: String, now: i64) -> Self {
        let time = |millis: i64| Timestamp::from_millis(millis).to_string();
        Self {
            email,
            first_seen: contact.first_seen.map(time),
            last_seen: contact.last_seen.map(time),
            unsubscribed_at: contact.unsubscribed_at.map(time),
            score: rounded(contact.score.value_at(now)),
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
    params(ContactParameters),
    responses(
        (status = 200, description = "The contacts that were asked for", body = ContactList),
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
    let asked = Asked::parse(request.uri())?;
    let ((contacts, next), meta) =
        read(
            &app,
            reader.workspace,
            asked.min_seq,
            move |app| match &asked.email {
                Some(email) => one(app, reader.workspace, email),
                None => asked.page(app, reader.workspace),
            },
        )
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

/// What is asked for.
struct Asked {
    email: Option<Email>,
    query: Option<String>,
    descending: bool,
    behind: Option<ScorePlace>,
    limit: usize,
    min_seq: Option<PublicSeq>,
}

impl Asked {
    fn parse(uri: &Uri) -> Result<Self, ApiError> {
        let mut asked = Self {
            email: None,
            query: None,
            descending: true,
            behind: None,
            limit: DEFAULT_LIMIT,
            min_seq: None,
        };
        for (name, value) in parameters(uri) {
            match &*name {
                "email" => asked.email = Some(address(&value)?),
                "query" => asked.query = Some(value.to_lowercase()),
                "sort" if value != "score" => return Err(invalid("sort", "send `score`")),
                "order" => {
                    asked.descending = match &*value {
                        "desc" => true,
                        "asc" => false,
                        _ => return Err(invalid("order", "send `desc` or `asc`")),
                    }
                }
                "cursor" => {
                    let wanted =
                        || invalid("cursor", "send the `next` of the page before as it was");
                    asked.behind = Some(place_of(&value).ok_or_else(wanted)?);
                }
                "limit" => {
                    let limit = value.parse().ok();
                    let limit = limit.filter(|limit| (1..=MAX_LIMIT).contains(limit));
                    let wanted = || invalid("limit", "send a whole number from 1 to 1000");
                    asked.limit = limit.ok_or_else(wanted)?;
                }
                "minSeq" => asked.min_seq = Some(min_seq(&value)?),
                _ => {}
            }
        }
        Ok(asked)
    }

    fn page(&self, app: &App, workspace: WorkspaceId) -> Result<Page, ViewError> {
        let now = app.clock.now().as_millis();
        let (mut shown, mut behind, mut looked_at) = (Vec::new(), self.behind, 0);
        // Where all match, one more than fits tells whether there is a next page.
        let portion = match self.query {
            Some(_) => MAX_LIMIT,
            None => self.limit + 1,
        };
        loop {
            let views = &app.views;
            let found = views.contacts_by_score(workspace, self.descending, behind, portion)?;
            let is_all = found.len() < portion;
            looked_at += found.len();
            for (place, contact) in found {
                if let Some(email) = self.matching(&contact) {
                    if shown.len() == self.limit {
                        return Ok((shown, behind.map(cursor_of)));
                    }
                    shown.push(ContactView::of(contact, email, now));
                }
                behind = Some(place);
            }
            if is_all {
                return Ok((shown, None));
            }
            if looked_at >= MAX_LOOKED_AT {
                return Ok((shown, behind.map(cursor_of)));
            }
        }
    }

    /// The address of a contact that is asked for.
    fn matching(&self, contact: &Contact) -> Option<String> {
        let address = contact.address.as_ref()?;
        let query = self.query.as_deref().unwrap_or_default();
        let is_meant = address.to_lowercase().starts_with(query);
        is_meant.then(|| address.clone())
    }
}

/// A place as a cursor: the bits of the height and the ordinal, in hexadecimal digits.
fn cursor_of(ScorePlace { height, ordinal }: ScorePlace) -> String {
    format!("{:016x}{ordinal:08x}", height.to_bits())
}

fn place_of(cursor: &str) -> Option<ScorePlace> {
    let is_hex = cursor.len() == 24 && cursor.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (height, ordinal) = cursor.split_at_checked(16).filter(|_| is_hex)?;
    let height = f64::from_bits(u64::from_str_radix(height, 16).ok()?);
    let ordinal = u32::from_str_radix(ordinal, 16).ok()?;
    (!height.is_nan()).then_some(ScorePlace { height, ordinal })
}

/// To 9 decimals: what is behind them is the sums' own.
fn rounded(score: f64) -> f64 {
    (score * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        for height in [f64::NEG_INFINITY, 0.0, 689.25] {
            let place = ScorePlace { height, ordinal: 7 };
            assert_eq!(place_of(&cursor_of(place)), Some(place));
        }
        for text in [
            "",
            "x",
            "7ff80000000000000000000g",
            "7ff800000000000000000007",
        ] {
            assert_eq!(place_of(text), None, "{text}");
        }
    }
}
