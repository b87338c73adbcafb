//! `POST /v1/messages`: registers what is sent, and gives it back instrumented.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Request;
use shared::api_key::Scope;
use shared::limits::MAX_MESSAGES_BYTES;
use shared::wire::{ErrorBody, MessageBatchBody, MessageBody};

use crate::app::App;
use crate::error::ApiError;
use crate::ingest::Incoming;
use crate::ingest::messages::MessageBatchAnswer;
use crate::ingest::register::MessageAnswer;

/// Register a message
///
/// Records that the message is sent to its contact, and gives its parts back to be sent as they are:
/// a pixel at the end (or, with `pixel: start`, at the beginning), links that lead through the tracker,
/// an unsubscribe link for `{{unsubscribe_url}}`. Everything else stays as it was, byte for byte. Links
/// with `data-misar-notrack`, with merge tags, unsubscribe links and whatever is no absolute web address
/// are left alone and listed in `skipped`. Addresses that were made for another message are made anew for
/// this one; what cannot be, a damaged address of the tracker, and a placeholder that cannot be filled
/// where it stands, are 422 with line and column. `warnings` says so where the HTML passes 100 KB. The same `messageId` with the same
/// content gives the same answer; with other content 409. At most 32 MB and 10,000 links; the answer is
/// at most twice the request, 4 KB and 400 bytes a link, else 413. Where the server listens to others
/// and nobody has said its public URL, 422 `public_url_missing`; where only its own machine reaches it,
/// `warnings` says so.
#[utoipa::path(
    post, path = "/v1/messages", tag = "mail",
    request_body(content = MessageBody<'static>, content_type = "application/json"),
    responses(
        (status = 200, description = "On disk, and ready to be sent", body = MessageAnswer),
        (status = 409, description = "This messageId is on record with other content", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.code` says why, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "Nothing was recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = [])),
)]
pub(crate) async fn register_message(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let incoming = read(&app, request).await?;
    let work =
        |incoming: Incoming, app: Arc<App>| async move { incoming.register_message(&app).await };
    incoming.apart(&app, work).await
}

/// Register up to 1,000 messages at once
///
/// 200 for any well-formed batch, with one verdict for each message, in order: `registered` or
/// `rejected` with a code. At most 32 MB after decompression, 10,000 links a message and 100,000 in all,
/// else 413 and nothing is registered.
#[utoipa::path(
    post, path = "/v1/messages/batch", tag = "mail",
    request_body(content = MessageBatchBody<'static>, content_type = "application/json"),
    responses(
        (status = 200, description = "One verdict for each message", body = MessageBatchAnswer),
        (status = "4XX", description = "The batch as a whole was refused", body = ErrorBody),
        (status = 503, description = "Nothing was recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = [])),
)]
pub(crate) async fn register_messages(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let incoming = read(&app, request).await?;
    let work =
        |incoming: Incoming, app: Arc<App>| async move { incoming.register_messages(&app).await };
    incoming.apart(&app, work).await
}

/// Only of a server that may register messages is anything read.
async fn read(app: &Arc<App>, request: Request<Body>) -> Result<Incoming, ApiError> {
    Incoming::read_of_server(app, request, MAX_MESSAGES_BYTES, Scope::Write).await
}
