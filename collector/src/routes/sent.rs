//! `POST /v1/messages/sent`: when registered messages really left.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Request;
use shared::api_key::Scope;
use shared::limits::MAX_BATCH_BYTES;
use shared::wire::{ErrorBody, SentBody};

use crate::app::App;
use crate::error::ApiError;
use crate::ingest::Incoming;
use crate::ingest::sent::SentAnswer;

/// Tell when messages really left
///
/// `messages` (at most 1,000), or `campaignId` for all messages of a campaign of which it has not been
/// told yet. The time takes the place of the one that was planned at registration: machines that open
/// or click right after the sending are told apart from it, and opens and clicks that are here already
/// are judged anew. Each message gets a verdict: `recorded`, `duplicate` (told before), `unknown` (not
/// registered) or `conflict` (another time was told before, which stands). Without `sentAt` it is now,
/// and the first call stands.
#[utoipa::path(
    post, path = "/v1/messages/sent", tag = "mail",
    request_body(content = SentBody<'static>, content_type = "application/json"),
    responses(
        (status = 200, description = "One verdict for each message, or one for the campaign", body = SentAnswer),
        (status = "4XX", description = "The request as a whole was refused", body = ErrorBody),
        (status = 503, description = "Not, or not all, recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = [])),
)]
pub async fn tell_sent(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let incoming = Incoming::read_of_server(&app, request, MAX_BATCH_BYTES, Scope::Write).await?;
    incoming.tell_sent(&app).await
}
