//! `/v1/suppressions`: who is to get no more mail.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{Request, Uri};
use hyper::body::Frame;
use serde::Serialize;
use shared::api_key::Scope;
use shared::email::Email;
use shared::limits::{MAX_EVENT_BYTES, MAX_MESSAGES_BYTES};
use shared::time::Timestamp;
use shared::wire::{ErrorBody, SuppressionsBody};
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use super::read::{address, invalid, parameters};
use crate::app::App;
use crate::auth;
use crate::csv_text;
use crate::error::ApiError;
use crate::ingest::suppressions::{LiftAnswer, SuppressAnswer};
use crate::ingest::{Incoming, parse};
use store::ledger::LogError;
use store::ledger::suppression::{Cause, Suppression};
use store::query::suppressions::{self as query, Found};
use store::query::words::SuppressionReason;
use store::record::{ContactId, WorkspaceId};

/// Contacts on a page unless the caller says, and at the most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// The query of the list, as documented; `parse_list` reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct SuppressionParameters {
    /// Only the contact with this address.
    #[param(format = Email, max_length = 254)]
    email: Option<String>,
    /// Only those who are suppressed for this reason.
    #[param(inline, value_type = Option<SuppressionReason>)]
    reason: Option<String>,
    /// How many contacts, 1 to 1,000; 100 without it.
    limit: Option<u32>,
    /// Where the last page ended, as its `next` says.
    cursor: Option<String>,
    /// `json` (the default), or the whole list as a file: `csv` or `ndjson`, which POST takes back.
    #[param(pattern = "^(json|csv|ndjson)$")]
    format: Option<String>,
}

/// The query of a lift, as documented; `parse_lift` reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields stand for the document alone")]
pub struct LiftParameters {
    /// The contact with this address. It may stand in a JSON body in its place, which no proxy's log
    /// keeps.
    #[param(format = Email, max_length = 254, example = "user@example.com")]
    email: String,
    /// Lift this reason alone; all without it.
    #[param(inline, value_type = Option<SuppressionReason>)]
    reason: Option<String>,
}

/// Who is to get no more mail, in an order that means nothing and lasts.
#[derive(Serialize, ToSchema)]
pub struct SuppressionList {
    pub suppressions: Vec<SuppressionView>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// A contact that is to get no more mail.
#[derive(Serialize, ToSchema)]
pub struct SuppressionView {
    /// Absent where only a link in a mail named them and that mail is no longer on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "user@example.com")]
    pub email: Option<String>,
    /// At least one.
    pub reasons: Vec<ReasonView>,
}

/// Why, and since when.
#[derive(Serialize, ToSchema)]
pub struct ReasonView {
    #[schema(value_type = SuppressionReason)]
    pub reason: &'static str,
    /// RFC 3339.
    #[schema(format = DateTime, example = "2026-11-23T10:00:00Z")]
    pub at: String,
}

impl SuppressionView {
    fn of(found: &Found) -> Self {
        let reason = |(cause, at): &(Cause, i64)| ReasonView {
            reason: cause.as_str(),
            at: Timestamp::from_millis(*at).to_string(),
        };
        Self {
            email: found.email.clone(),
            reasons: found.state.causes().iter().map(reason).collect(),
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
    params(SuppressionParameters),
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
pub async fn list_suppressions(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Contacts)?;
    let asked = parse_list(request.uri())?;
    let workspace = reader.workspace;
    match asked.format {
        Some(format) => Ok(file(app, workspace, format, asked)),
        None => {
            let (found, next) = page(&app, workspace, &asked).await?;
            let list = SuppressionList {
                suppressions: found.iter().map(SuppressionView::of).collect(),
                next: next.map(cursor_of),
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
pub async fn suppress(
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
    params(LiftParameters),
    responses(
        (status = 200, description = "Whether something was lifted", body = LiftAnswer),
        (status = "4XX", description = "Refused; `error.code` says why, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "Nothing was recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = [])),
)]
pub async fn lift(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let uri = request.uri().clone();
    let incoming =
        Incoming::read_of_server(&app, request, MAX_EVENT_BYTES, Scope::Contacts).await?;
    incoming.caller(&app, None)?;
    let (email, cause) = parse_lift(&uri, &incoming.text)?;
    incoming.lift(&app, email, cause).await
}

/// What the list is asked for.
struct Asked {
    email: Option<Email>,
    cause: Option<Cause>,
    limit: usize,
    after: Option<ContactId>,
    format: Option<FileFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileFormat {
    Csv,
    Lines,
}

fn cause_of(value: &str) -> Result<Cause, ApiError> {
    let wanted = || invalid("reason", "send unsubscribed, bounced, complained or manual");
    Cause::parse(value).ok_or_else(wanted)
}

fn parse_list(uri: &Uri) -> Result<Asked, ApiError> {
    let mut asked = Asked {
        email: None,
        cause: None,
        limit: DEFAULT_LIMIT,
        after: None,
        format: None,
    };
    for (name, value) in parameters(uri) {
        match &*name {
            "email" => asked.email = Some(address(&value)?),
            "reason" => asked.cause = Some(cause_of(&value)?),
            "limit" => {
                let limit = value.parse().ok();
                let limit = limit.filter(|limit| (1..=MAX_LIMIT).contains(limit));
                let wanted = || invalid("limit", "send a whole number from 1 to 1000");
                asked.limit = limit.ok_or_else(wanted)?;
            }
            "cursor" => {
                let wanted = || invalid("cursor", "send the `next` of the page before as it was");
                asked.after = Some(contact_of(&value).ok_or_else(wanted)?);
            }
            "format" => {
                asked.format = match &*value {
                    "json" => None,
                    "csv" => Some(FileFormat::Csv),
                    "ndjson" => Some(FileFormat::Lines),
                    _ => return Err(invalid("format", "send json, csv or ndjson")),
                }
            }
            _ => {}
        }
    }
    Ok(asked)
}

fn parse_lift(uri: &Uri, text: &str) -> Result<(Email, Option<Cause>), ApiError> {
    let (mut email, mut cause) = (None, None);
    for (name, value) in parameters(uri) {
        match &*name {
            "email" => email = Some(address(&value)?),
            "reason" => cause = Some(cause_of(&value)?),
            _ => {}
        }
    }
    if !text.trim().is_empty() {
        let body: SuppressionsBody<'_> = parse(text)?;
        let in_body = |raw: &serde_json::value::RawValue| -> String {
            serde_json::from_str(raw.get()).unwrap_or_default()
        };
        if let Some(raw) = body.email {
            email = Some(address(&in_body(raw))?);
        }
        if let Some(raw) = body.reason {
            cause = Some(cause_of(&in_body(raw))?);
        }
    }
    let wanted = || invalid("email", "send the contact's e-mail address");
    Ok((email.ok_or_else(wanted)?, cause))
}

/// A contact's id as a cursor: 32 hexadecimal digits.
fn cursor_of(ContactId(id): ContactId) -> String {
    id.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

fn contact_of(cursor: &str) -> Option<ContactId> {
    let is_hex = cursor.len() == 32 && cursor.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u128::from_str_radix(cursor, 16).ok().filter(|_| is_hex)?;
    Some(ContactId(number.to_be_bytes()))
}

/// One page, and the contact behind which the next begins.
async fn page(
    app: &Arc<App>,
    workspace: WorkspaceId,
    asked: &Asked,
) -> Result<(Vec<Found>, Option<ContactId>), ApiError> {
    let (looking, cause, limit) = (Arc::clone(app), asked.cause, asked.limit);
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

/// All of the list as a file, a portion at a time.
fn file(app: Arc<App>, workspace: WorkspaceId, format: FileFormat, mut asked: Asked) -> Response {
    asked.limit = MAX_LIMIT;
    let (media, name) = match format {
        FileFormat::Csv => ("text/csv; charset=utf-8", "suppressions.csv"),
        FileFormat::Lines => ("application/x-ndjson", "suppressions.ndjson"),
    };
    // One portion on its way is enough: the rest is still in the book.
    let (out, body) = mpsc::channel(1);
    tokio::spawn(async move {
        if format == FileFormat::Csv {
            let header = Bytes::from_static(b"email,reason,timestamp\r\n");
            if out.send(Ok(header)).await.is_err() {
                return;
            }
        }
        loop {
            let (found, next) = match page(&app, workspace, &asked).await {
                Ok(page) => page,
                // A file that breaks off must not look whole.
                Err(error) => {
                    tracing::error!(code = error.code(), "an export broke off");
                    drop(
                        out.send(Err(std::io::Error::other("the export broke off")))
                            .await,
                    );
                    return;
                }
            };
            let rows = rows_of(&found, format, asked.cause);
            if !rows.is_empty() && out.send(Ok(rows.into())).await.is_err() {
                return;
            }
            match next {
                Some(_) => asked.after = next,
                None => return,
            }
        }
    });
    let headers = [
        (CONTENT_TYPE, media.to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, Body::new(FileBody(body))).into_response()
}

fn rows_of(found: &[Found], format: FileFormat, wanted: Option<Cause>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Line<'a> {
        email: &'a str,
        reason: &'static str,
        timestamp: String,
    }
    let mut rows = Vec::new();
    for one in found {
        // A row without an address could not be taken back.
        let Some(email) = &one.email else { continue };
        for (cause, at) in one.state.causes() {
            if wanted.is_some_and(|wanted| wanted != *cause) {
                continue;
            }
            let (reason, timestamp) = (cause.as_str(), Timestamp::from_millis(*at).to_string());
            match format {
                FileFormat::Csv => {
                    csv_text::write(email, &mut rows);
                    rows.extend_from_slice(format!(",{reason},{timestamp}\r\n").as_bytes());
                }
                FileFormat::Lines => {
                    let line = Line {
                        email,
                        reason,
                        timestamp,
                    };
                    // Texts alone: nothing of this can fail to serialise.
                    rows.extend(serde_json::to_vec(&line).unwrap_or_default());
                    rows.push(b'\n');
                }
            }
        }
    }
    rows
}

/// The body of a file that is written while it is read.
struct FileBody(mpsc::Receiver<Result<Bytes, std::io::Error>>);

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let part = self.0.poll_recv(context);
        part.map(|part| part.map(|bytes| bytes.map(Frame::data)))
    }
}
