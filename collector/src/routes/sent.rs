//! `POST /v1/messages/sent` and `/delivery`: when registered messages really left, and what mail
//! servers told of them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Request;
use shared::api_key::Scope;
use shared::limits::{MAX_BATCH_BYTES, MAX_EVENT_BYTES};
use shared::wire::{DeliveryBody, ErrorBody, EventAnswer, SentBody, parse_delivery};

use crate::app::App;
use crate::error::ApiError;
use crate::ingest::sent::SentAnswer;
use crate::ingest::{Incoming, parse};
use store::record::identity::FactKind;

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
pub(crate) async fn tell_sent(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let incoming = Incoming::read_of_server(&app, request, MAX_BATCH_BYTES, Scope::Write).await?;
    incoming.tell_sent(&app).await
}

/// Tell what became of a message on its way
///
/// `delivered`, `bounced` (for good), `deferred` (it is tried again) or `complained`. A bounce (unless
/// its code is 5.7.x, which is about policy and not about the mailbox) and a complaint suppress the
/// contact; one that happened before the suppression was lifted does not bring it back. `code` must say
/// what `status` says: 2.x.x `delivered`, 4.x.x `deferred`, 5.x.x `bounced`; `complained` takes any.
/// Reports count messages: `delivered` are those that were taken and did not bounce later.
///
/// Without `id` and Idempotency-Key, message, status, code and `timestamp` are the identity: the same told
/// again is a duplicate. Without `timestamp` too, `delivered`, `bounced` and `complained` are one fact for
/// each code, since a message becomes that but once, and each `deferred` is a fact of its own, at the time
/// when it arrived: send `timestamp` or `id` so that a retry is known again. Many at once go to
/// `/v1/track/batch` with the type `delivery`.
#[utoipa::path(
    post, path = "/v1/messages/delivery", tag = "mail",
    request_body(content = DeliveryBody<'static>, content_type = "application/json"),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Makes a retry safe where no `id` is sent; where one is, it must be the same")),
    responses(
        (status = 200, description = "On disk, or on disk before (`tracked: false`)", body = EventAnswer),
        (status = 404, description = "No such message is registered", body = ErrorBody),
        (status = 409, description = "The id is on record as another event", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.code` says why, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "Nothing was recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = [])),
)]
pub(crate) async fn tell_delivery(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let incoming = Incoming::read_of_server(&app, request, MAX_EVENT_BYTES, Scope::Write).await?;
    let caller = incoming.caller(&app, None)?;
    let body: DeliveryBody<'_> = parse(&incoming.text)?;
    let parsed = parse_delivery(&body, &incoming.arrival(&caller));
    Ok(incoming
        .record(&app, caller, FactKind::Delivery, parsed)
        .await)
}
