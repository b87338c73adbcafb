//! `POST /v1/contacts/import`: files of contacts.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Json, Response};
use futures_util::stream::StreamExt as _;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Request};
use serde::Serialize;
use shared::api_key::Scope;
use shared::limits::MAX_EVENT_BYTES;
use shared::wire::{ErrorBody, IdentifyBody};
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;

use super::super::read::whole;
use crate::app::App;
use crate::body;
use crate::body::source::BodySource;
use crate::channel::through;
use crate::error::ApiError;
use crate::ingest::Incoming;
use crate::ingest::contacts::{ImportAnswer, ImportProgress};
use crate::ingest::files::FileFormat;
use crate::limits::exports::ExportPermit;

const LINES: &str = "application/x-ndjson";
/// Lines that wait for their reader; progress beyond is not told.
const WAITING: usize = 4;

/// A line of an answer that tells how far the import is: the last of them is the answer itself, or the error that ended
/// it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImportLine {
    pub progress: ImportProgress,
}

/// Import contacts
///
/// A file of any length in UTF-8, as `text/csv` or `application/x-ndjson`, or one contact as JSON. Rows are recorded as
/// they arrive, a thousand in one go, each row of up to 32 KB. CSV has a header line with the column `email`, if wanted
/// `timestamp`, and one for each trait: empty cells say nothing, `null` unsets, numbers, `true` and `false` are what they
/// look like, and a text that looks like one stands in quotation marks of its own. A line of NDJSON is a body of `POST
/// /v1/identify`. Each row that says something new is recorded like an `identify` of a server; what is known already is a
/// duplicate, so that the same file can be sent again, also one that broke off. A row that cannot be read is refused by
/// its line, and the others are taken. A key with a rate imports at that rate: it is waited for. With `Accept: application/x-ndjson` the answer begins at once: a line with
/// `progress` after each portion, for whoever reads while sending, and as the last line the answer, or the error that
/// ended it. Takes the scope `contacts`.
#[utoipa::path(
    post, path = "/v1/contacts/import", tag = "mail",
    request_body(content(
        (String = "text/csv"),
        (String = "application/x-ndjson"),
        (IdentifyBody<'static> = "application/json"),
    )),
    responses(
        (status = 200, description = "How many are new, and which rows were refused", content(
            (ImportAnswer = "application/json"),
            (ImportLine = "application/x-ndjson"),
        )),
        (status = "4XX", description = "Refused; `error.code` says why, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "Not, or not all, recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = [])),
)]
pub(crate) async fn import_contacts(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (format, reads_lines) = forms(request.headers());
    let Some(format) = format else {
        let scope = Scope::Contacts;
        let incoming = Incoming::read_file_of_server(&app, request, MAX_EVENT_BYTES, scope).await?;
        incoming.caller(&app, None)?;
        caught_up(&app).await?;
        return Ok(Json(incoming.import_contact(&app).await?).into_response());
    };
    let (incoming, body) = Incoming::open_of_server(&app, request, Scope::Contacts).await?;
    let begun = begin(&app, &incoming).await;
    let permit = begun.map_err(ApiError::unread)?;
    let headers = incoming.headers();
    let source = match BodySource::of_rows(headers, body, app.draining()) {
        Ok(source) => source,
        Err((error, body)) => return Err(body::refuse(headers, body, error).await),
    };
    let (tell, lines) = mpsc::channel(WAITING);
    let (end, ended) = oneshot::channel();
    let telling = tell.clone();
    let importing = Arc::clone(&app);
    // It waits for its sender, as long as that takes: not on a thread of those who work for others.
    tokio::task::spawn_blocking(move || {
        let told = &mut |progress| {
            // Who does not read while sending is told the end alone.
            telling.try_send(line(&ImportLine { progress })).ok();
        };
        let imported = incoming.import_contacts(&importing, source, format, told);
        drop(permit);
        end.send(imported).ok();
    });
    if !reads_lines {
        let imported = ended.await.map_err(|_| ApiError::Internal)?;
        return Ok(Json(imported?).into_response());
    }
    tokio::spawn(async move {
        let last = match ended.await.unwrap_or(Err(ApiError::Internal)) {
            Ok(answer) => line(&answer),
            Err(error) => line(&error.to_body()),
        };
        tell.send(last).await.ok();
    });
    let lines = through(lines).map(Ok::<_, Infallible>);
    Ok(([(CONTENT_TYPE, LINES)], Body::from_stream(lines)).into_response())
}

/// What is asked before anything of the file is read.
async fn begin(app: &Arc<App>, incoming: &Incoming) -> Result<ExportPermit, ApiError> {
    let workspace = incoming.caller(app, None)?.key.workspace;
    let permit = app.imports.take(workspace);
    let permit = permit.ok_or(ApiError::TooManyImports)?;
    caught_up(app).await?;
    Ok(permit)
}

/// How the file is written, if it is one, and whether lines are to be answered.
fn forms(headers: &HeaderMap) -> (Option<FileFormat>, bool) {
    let text = |name| headers.get(name)?.to_str().ok();
    let format = text(CONTENT_TYPE).and_then(FileFormat::of);
    let reads_lines = text(ACCEPT).is_some_and(|accepted| accepted.contains(LINES));
    (format, reads_lines)
}

/// What is known is asked of the views, and what was acknowledged before is known.
async fn caught_up(app: &Arc<App>) -> Result<(), ApiError> {
    let end = *app.log.committed().borrow();
    whole(app).await?;
    let patience = std::time::Duration::from_secs(2);
    let reached = app.projector.wait_for(end, patience).await;
    reached.map_err(|_| ApiError::ViewBehind)
}

fn line<T: Serialize>(line: &T) -> Bytes {
    // Texts and numbers: nothing of this can fail to serialise.
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes.into()
}
