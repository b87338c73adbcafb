//! `POST /v1/contacts/import`: files of contacts.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Json, Response};
use http::Request;
use shared::api_key::Scope;
use shared::limits::MAX_MESSAGES_BYTES;
use shared::wire::{ErrorBody, IdentifyBody};

use super::super::read::whole;
use crate::app::App;
use crate::error::ApiError;
use crate::ingest::Incoming;
use crate::ingest::contacts::ImportAnswer;

/// Import contacts
///
/// A file of up to 100,000 rows and 32 MB, in UTF-8, as `text/csv` or `application/x-ndjson`, or one contact as JSON. CSV has a header line with
/// the column `email`, if wanted `timestamp`, and one for each trait: empty cells say nothing, `null` unsets, numbers,
/// `true` and `false` are what they look like, and a text that looks like one stands in quotation marks of its own. A
/// line of NDJSON is a body of `POST /v1/identify`. Each row that says something new is recorded like an `identify` of a
/// server; what is known already is a duplicate, so that the same file can be sent again. `misar contacts import` sends
/// larger files in parts and shows how far it is. Takes the scope `contacts`.
#[utoipa::path(
    post, path = "/v1/contacts/import", tag = "mail",
    request_body(content(
        (String = "text/csv"),
        (String = "application/x-ndjson"),
        (IdentifyBody<'static> = "application/json"),
    )),
    responses(
        (status = 200, description = "How many are new, and which rows were refused", body = ImportAnswer),
        (status = "4XX", description = "Refused; `error.code` says why, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "Not, or not all, recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = [])),
)]
pub(crate) async fn import_contacts(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let incoming =
        Incoming::read_file_of_server(&app, request, MAX_MESSAGES_BYTES, Scope::Contacts).await?;
    incoming.caller(&app, None)?;
    // What is known is asked of them, and what was acknowledged before is known.
    let end = *app.log.committed().borrow();
    whole(&app).await?;
    let reached = app
        .projector
        .wait_for(end, std::time::Duration::from_secs(2))
        .await;
    reached.map_err(|_| ApiError::ViewBehind)?;
    let work = |incoming: Incoming, app: Arc<App>| async move {
        let answer = incoming.import_contacts(&app).await?;
        Ok(Json(answer).into_response())
    };
    if incoming.is_large() {
        return incoming.apart(&app, work).await;
    }
    work(incoming, app).await
}
