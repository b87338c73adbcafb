//! `/v1/suppressions`: who is to get no more mail.

mod file;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use http::Request;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::api_key::Scope;
use shared::email::Email;
use shared::limits::{MAX_EVENT_BYTES, MAX_MESSAGES_BYTES};
use shared::time::Timestamp;
use shared::wire::{ErrorBody, SuppressionsBody};
use utoipa::{IntoParams, ToSchema};

use super::query::{PageLimit, Query, Value, invalid, value};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use crate::export::{ExportFormat, parse_contact_id, shown_contact_id};
use crate::ingest::suppressions::{LiftAnswer, SuppressAnswer};
use crate::ingest::{Incoming, parse};
use store::ledger::LogError;
use store::ledger::suppression::{Cause, Suppression};
use store::query::suppressions::{self as query, HeldBack};
use store::query::words::{SuppressionReason, spelled};
use store::record::{ContactId, WorkspaceId};

/// The query of the list.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SuppressionQuery {
    /// Only the contact with this address.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, format = Email, max_length = 254)]
    email: Option<Email>,
    /// Only those who are suppressed for this reason.
    #[serde(deserialize_with = "value")]
    #[param(inline, value_type = Option<SuppressionReason>)]
    reason: Option<Cause>,
    /// How many contacts, 1 to 1,000; 100 without it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<u32>)]
    limit: Option<PageLimit>,
    /// Where the last page ended, as its `next` says.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    cursor: Option<CursorOfContact>,
    /// `json` (the default), or the whole list as a file: `csv` or `ndjson`, which POST takes back.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>, pattern = "^(json|csv|ndjson)$")]
    format: Option<ListForm>,
}

/// The query of a lift.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LiftQuery {
    /// The contact with this address. It may stand in a JSON body in its place, which no proxy's log
    /// keeps.
    #[serde(deserialize_with = "value")]
    #[param(value_type = String, required = true, format = Email, max_length = 254, example = "user@example.com")]
    email: Option<Email>,
    /// Lift this reason alone; all without it.
    #[serde(deserialize_with = "value")]
    #[param(inline, value_type = Option<SuppressionReason>)]
    reason: Option<Cause>,
}

/// Who is to get no more mail, in an order that means nothing and lasts.
#[derive(Serialize, ToSchema)]
pub(crate) struct SuppressionList {
    pub suppressions: Vec<SuppressionView>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// A contact that is to get no more mail.
#[derive(Serialize, ToSchema)]
pub(crate) struct SuppressionView {
    /// Absent where only a link in a mail named them and that mail is no longer on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "user@example.com")]
    pub email: Option<String>,
    /// At least one.
    pub reasons: Vec<ReasonView>,
}

/// Why, and since when.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReasonView {
    #[serde(serialize_with = "spelled")]
    #[schema(value_type = SuppressionReason)]
    pub reason: Cause,
    /// RFC 3339.
    #[schema(format = DateTime, example = "2026-11-23T10:00:00Z")]
    pub at: String,
}

impl ReasonView {
    /// A reason, and since when: milliseconds since 1970.
    pub(super) fn of((cause, at): &(Cause, i64)) -> Self {
        Self {
            reason: *cause,
            at: Timestamp::from_millis(*at).to_string(),
        }
    }
}

impl SuppressionView {
    fn of(found: &HeldBack) -> Self {
        Self {
            email: found.email.clone(),
            reasons: found.state.causes().iter().map(ReasonView::of).collect(),
        }
    }
}

/// List who is to get no more mail
///
/// Everybody who has unsubscribed, whose mail bounced for good, who called one spam, or who was put
/// here by hand. What is on disk is in it at once. `format=csv` and `format=ndjson` give all of it as a
/// file, one row for each reason; addresses in CSV are marked as texts in exports are, and POST takes the
/// marks off.
#[utoipa::path(
    get, path = "/v1/suppressions", tag = "read",
    params(SuppressionQuery),
    responses(
        (status = 200, description = "A page of them, or a file of all", content(
            (SuppressionList = "application/json"),
            (String = "text/csv"),
            (String = "application/x-ndjson"),
        )),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Not now: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn list_suppressions(
    State(app): State<Arc<App>>,
    query: Result<Query<SuppressionQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Contacts)?;
    let Query(query) = query?;
    let workspace = reader.workspace;
    let asked = Asked {
        email: query.email,
        cause: query.reason,
        limit: query.limit.unwrap_or_default(),
        after: query.cursor.map(|CursorOfContact(id)| id),
    };
    match query.format {
        Some(ListForm::File(format)) => Ok(file::of(app, workspace, format, asked)),
        None | Some(ListForm::Page) => {
            let (found, next) = page(&app, workspace, &asked).await?;
            let list = SuppressionList {
                suppressions: found.iter().map(SuppressionView::of).collect(),
                next: next.map(shown_contact_id),
            };
            Ok(Json(list).into_response())
        }
    }
}

/// Suppress contacts
///
/// One (`email`), up to 1,000 (`suppressions`), or a file of up to 100,000 rows and 32 MB as `text/csv`
/// (with a header line) or `application/x-ndjson`, in UTF-8. `reason` is `manual` unless said. Whoever is
/// suppressed for that reason already is a duplicate, so that the same list can be sent again.
#[utoipa::path(
    post, path = "/v1/suppressions", tag = "mail",
    request_body(content = SuppressionsBody<'static>, content_type = "application/json"),
    responses(
        (status = 200, description = "How many are new, and a verdict for each", body = SuppressAnswer),
        (status = "4XX", description = "Refused; `error.code` says why, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "Not, or not all, recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = [])),
)]
pub(crate) async fn suppress(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let incoming =
        Incoming::read_file_of_server(&app, request, MAX_MESSAGES_BYTES, Scope::Contacts).await?;
    if incoming.is_large() {
        let work = |incoming: Incoming, app: Arc<App>| async move { incoming.suppress(&app).await };
        return incoming.apart(&app, work).await;
    }
    incoming.suppress(&app).await
}

/// Let a contact get mail again
///
/// Lifts every reason, or the one that is named. Who is not suppressed is `lifted: false`.
#[utoipa::path(
    delete, path = "/v1/suppressions", tag = "mail",
    params(LiftQuery),
    responses(
        (status = 200, description = "Whether something was lifted", body = LiftAnswer),
        (status = "4XX", description = "Refused; `error.code` says why, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "Nothing was recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = [])),
)]
pub(crate) async fn lift(
    State(app): State<Arc<App>>,
    query: Result<Query<LiftQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let incoming =
        Incoming::read_of_server(&app, request, MAX_EVENT_BYTES, Scope::Contacts).await?;
    incoming.caller(&app, None)?;
    let (email, cause) = query?.0.asked(&incoming.text)?;
    incoming.lift(&app, email, cause).await
}

/// What the list is asked for.
struct Asked {
    email: Option<Email>,
    cause: Option<Cause>,
    limit: PageLimit,
    after: Option<ContactId>,
}

/// How the list is told.
#[derive(Debug, Clone, Copy)]
enum ListForm {
    Page,
    File(ExportFormat),
}

impl Value for ListForm {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Page),
            text => ExportFormat::parse(text)
                .map(Self::File)
                .ok_or_else(|| "send json, csv or ndjson".to_owned()),
        }
    }
}

impl LiftQuery {
    /// Whom, and which reason: a body goes before the query.
    ///
    /// # Errors
    /// 400 and 422.
    fn asked(self, body: &str) -> Result<(Email, Option<Cause>), ApiError> {
        let (mut email, mut cause) = (self.email, self.reason);
        if !body.trim().is_empty() {
            let body: SuppressionsBody<'_> = parse(body)?;
            email = in_body("email", body.email)?.or(email);
            cause = in_body("reason", body.reason)?.or(cause);
        }
        let wanted = || invalid("email", "send the contact's e-mail address");
        Ok((email.ok_or_else(wanted)?, cause))
    }
}

fn in_body<T: Value>(name: &'static str, raw: Option<&RawValue>) -> Result<Option<T>, ApiError> {
    let Some(raw) = raw else { return Ok(None) };
    // What is no text is refused as an empty one is.
    let text: String = serde_json::from_str(raw.get()).unwrap_or_default();
    let value = T::parse(&text).map_err(|wanted| invalid(name, &wanted))?;
    Ok(Some(value))
}

/// The contact behind whom a page begins.
struct CursorOfContact(ContactId);

impl Value for CursorOfContact {
    fn parse(text: &str) -> Result<Self, String> {
        parse_contact_id(text)
            .map(Self)
            .ok_or_else(|| "send the `next` of the page before as it was".to_owned())
    }
}

/// One page, and the contact behind which the next begins.
async fn page(
    app: &Arc<App>,
    workspace: WorkspaceId,
    asked: &Asked,
) -> Result<(Vec<HeldBack>, Option<ContactId>), ApiError> {
    let (looking, cause, limit) = (Arc::clone(app), asked.cause, asked.limit.get());
    let (email, after) = (asked.email.clone(), asked.after);
    let found = tokio::task::spawn_blocking(move || match email {
        Some(email) => {
            let found = query::of_address(sources(&looking), workspace, &email)?;
            let found = found.filter(|found| is_asked(&found.state, cause));
            Ok((found.into_iter().collect(), None))
        }
        None => query::list(sources(&looking), workspace, after, limit, |state| {
            is_asked(state, cause)
        }),
    });
    let found: Result<_, LogError> = found.await.map_err(|_| ApiError::Internal)?;
    Ok(found?)
}

fn sources(app: &App) -> query::Sources<'_> {
    query::Sources {
        meta: &app.meta,
        log: &*app.log,
        book: app.suppressions(),
    }
}

fn is_asked(state: &Suppression, cause: Option<Cause>) -> bool {
    cause.is_none_or(|cause| state.since(cause).is_some())
}
