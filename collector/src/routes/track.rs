//! `/v1/track/*` and `/v1/identify`: events in.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Request;
use shared::api_key::{KeyKind, Scope};
use shared::ids::OrderId;
use shared::limits::{MAX_BATCH_BYTES, MAX_EVENT_BYTES};
use shared::wire::{
    Arrival, BatchAnswer, BatchBody, ErrorBody, EventAnswer, EventBody, IdentifyBody, PurchaseBody,
    RefundBody, parse_event, parse_identify, parse_purchase, parse_refund,
};

use crate::app::App;
use crate::auth::asks::Asks;
use crate::body::Media;
use crate::error::ApiError;
use crate::ingest::{Incoming, parse};
use store::record::identity::FactKind;

/// Record a custom event
///
/// The answer comes when the event is on disk. `id` (any UUID) makes a retry safe: the same id again
/// answers 200 with `tracked: false`; the header `Idempotency-Key` (1 to 255 visible ASCII
/// characters) does the same, and there the content is compared as well: another one is 409
/// `id_conflict`, as is the same id with another type. Ids of servers and of pages are told apart, and
/// so is one `Idempotency-Key` on two routes. Pages send the key in the body, as `text/plain`, without
/// a preflight.
#[utoipa::path(
    post, path = "/v1/track/event", tag = "ingest",
    request_body(content = EventBody<'static>, content_type = "application/json"),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Makes a retry safe where no `id` is sent; where one is, it must be the same. `\"abc\"` (RFC 8941) is the same key as `abc`")),
    responses(
        (status = 200, description = "On disk, or on disk before (`tracked: false`)", body = EventAnswer),
        (status = 409, description = "The id is on record as another event", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.code` says why, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "Nothing was recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("public_key" = [])),
)]
pub(crate) async fn track_event(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (media, asks) = (Media::JsonOrText, Asks::Events);
    let incoming = Incoming::read(&app, request, media, MAX_EVENT_BYTES, asks).await?;
    let body: EventBody<'_> = parse(&incoming.text)?;
    let caller = incoming.caller(&app, body.key)?;
    let parsed = parse_event(&body, &incoming.arrival(&caller));
    Ok(incoming.record(&app, caller, FactKind::Track, parsed).await)
}

/// Record a purchase
///
/// An order is recorded once: the same order again is a duplicate when `email`, `revenue`,
/// `currency`, `items` and `messageId` (and `timestamp`, if both sent one) are equal, else 409 with
/// the differing fields; its own `id` again is a duplicate whatever else is said. With `amend: true` a
/// server changes an order that is on record: the fields that are sent take the place of those before,
/// and the difference is credited where the order is, from the `timestamp` on, which is not before that
/// of the last amendment (else 409 with `fields`). What says nothing new is a duplicate; less than was
/// refunded is 422. An amendment takes an `Idempotency-Key` of its own: under the order's it is 409
/// `id_conflict`. Purchases of public
/// keys are unverified: each is tracked under its own id, whatever is known of the order; the first one
/// of an order counts, until a server sends the order.
#[utoipa::path(
    post, path = "/v1/track/purchase", tag = "ingest",
    request_body(content = PurchaseBody<'static>, content_type = "application/json"),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Makes a retry safe where no `id` is sent; where one is, it must be the same. `\"abc\"` (RFC 8941) is the same key as `abc`")),
    responses(
        (status = 200, description = "On disk, or on disk before (`tracked: false`)", body = EventAnswer),
        (status = 409, description = "The order is on record with other content, or the id as another event", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.code` says why, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "Nothing was recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("public_key" = [])),
)]
pub(crate) async fn track_purchase(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (media, asks) = (Media::Json, Asks::Purchases);
    let incoming = Incoming::read(&app, request, media, MAX_EVENT_BYTES, asks).await?;
    let body: PurchaseBody<'_> = parse(&incoming.text)?;
    let caller = incoming.caller(&app, body.key)?;
    let arrival = incoming.arrival(&caller);
    let is_amendment = body.amend.is_some_and(|amend| amend.get() == "true");
    if is_amendment && caller.key.kind == KeyKind::Public {
        return Err(ApiError::NotForPublicKeys(Scope::Send));
    }
    let workspace = caller.key.workspace;
    let order_currency = |order_id: &OrderId| app.durable().order_currency(workspace, order_id);
    let arrival = Arrival {
        order_currency: Some(&order_currency),
        ..arrival
    };
    let parsed = parse_purchase(&body, &arrival);
    let kind = if is_amendment {
        FactKind::Amend
    } else {
        FactKind::Purchase
    };
    Ok(incoming.record(&app, caller, kind, parsed).await)
}

/// Record a refund
///
/// Of an order that a server has sent. `amount` is in the order's currency; without it, all that is
/// left is refunded. The same `refundId` again is a duplicate; with another order or amount it is 409
/// with the differing fields, as it is without an amount where the first did not take all that was
/// left.
#[utoipa::path(
    post, path = "/v1/track/refund", tag = "ingest",
    request_body(content = RefundBody<'static>, content_type = "application/json"),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Makes a retry safe where no `id` is sent; where one is, it must be the same. `\"abc\"` (RFC 8941) is the same key as `abc`")),
    responses(
        (status = 200, description = "On disk, or on disk before (`tracked: false`)", body = EventAnswer),
        (status = 404, description = "No server has sent a purchase of this order", body = ErrorBody),
        (status = 409, description = "The refundId is on record with another order or amount, or the id as another event", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.code` says why, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "Nothing was recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = [])),
)]
pub(crate) async fn track_refund(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (media, asks) = (Media::Json, Asks::Server(Scope::Send));
    let incoming = Incoming::read(&app, request, media, MAX_EVENT_BYTES, asks).await?;
    let body: RefundBody<'_> = parse(&incoming.text)?;
    let caller = incoming.caller(&app, body.key)?;
    let parsed = parse_refund(&body, &incoming.arrival(&caller));
    Ok(incoming
        .record(&app, caller, FactKind::Refund, parsed)
        .await)
}

/// Say who a browser is, and what is known of a contact
///
/// Recorded like an event, under the name `identified`: `traits` say what is known of the contact, and
/// `anonymousId` which browser is theirs.
#[utoipa::path(
    post, path = "/v1/identify", tag = "ingest",
    request_body(content = IdentifyBody<'static>, content_type = "application/json"),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Makes a retry safe where no `id` is sent; where one is, it must be the same. `\"abc\"` (RFC 8941) is the same key as `abc`")),
    responses(
        (status = 200, description = "On disk, or on disk before (`tracked: false`)", body = EventAnswer),
        (status = 409, description = "The id is on record as another event", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.code` says why, `error.message` what to do", body = ErrorBody),
        (status = 503, description = "Nothing was recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("public_key" = [])),
)]
pub(crate) async fn identify(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (media, asks) = (Media::JsonOrText, Asks::Events);
    let incoming = Incoming::read(&app, request, media, MAX_EVENT_BYTES, asks).await?;
    let body: IdentifyBody<'_> = parse(&incoming.text)?;
    let caller = incoming.caller(&app, body.key)?;
    let parsed = parse_identify(&body, &incoming.arrival(&caller));
    Ok(incoming
        .record(&app, caller, FactKind::Identify, parsed)
        .await)
}

/// Record up to 1,000 events at once
///
/// 200 for any well-formed batch, with one verdict for each event, in order: `tracked`, `duplicate`
/// or `rejected` with a code. At most 1 MB after decompression, 32 KB an event. With the header
/// `Idempotency-Key`, events without an `id` get one made of the header and their place, so
/// that the same batch can be sent again; one with other content is rejected with `id_conflict`, as is
/// one whose `id` is that of another type of event.
#[utoipa::path(
    post, path = "/v1/track/batch", tag = "ingest",
    request_body(content = BatchBody<'static>, content_type = "application/json"),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Makes a retry of the batch safe")),
    responses(
        (status = 200, description = "One verdict for each event", body = BatchAnswer),
        (status = "4XX", description = "The batch as a whole was refused", body = ErrorBody),
        (status = 503, description = "Nothing was recorded: send it again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("public_key" = [])),
)]
pub(crate) async fn track_batch(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (media, asks) = (Media::JsonOrText, Asks::Events);
    let incoming = Incoming::read(&app, request, media, MAX_BATCH_BYTES, asks).await?;
    if incoming.is_large() {
        let work =
            |incoming: Incoming, app: Arc<App>| async move { incoming.record_batch(&app).await };
        return incoming.apart(&app, work).await;
    }
    incoming.record_batch(&app).await
}
