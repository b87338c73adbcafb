//! The call with which the shop's server confirms an order: over HTTP with a secret key, as any
//! server does it.

use std::net::SocketAddr;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use shared::api_key::ApiKey;
use tokio::net::TcpStream;

use super::catalogue::ShopPurchase;

/// The whole call.
const TIMEOUT: Duration = Duration::from_secs(10);
/// More than any answer of the collector.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The part of an error that the buyer is shown.
#[derive(Deserialize)]
struct RefusedEvent {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
    message: String,
}

/// Tells the collector of a paid order. Both outcomes are sentences for the buyer.
pub(super) async fn confirm(
    collector: SocketAddr,
    key: &ApiKey,
    purchase: ShopPurchase<'_>,
) -> Result<String, String> {
    let failed = |error: Failure| format!("The collector did not answer ({error}): try again.");
    let body = serde_json::to_vec(&purchase).map_err(|error| failed(error.into()))?;
    let (status, answer) = match tokio::time::timeout(TIMEOUT, send(collector, key, body)).await {
        Ok(answered) => answered.map_err(failed)?,
        Err(elapsed) => return Err(failed(elapsed.into())),
    };
    if status == StatusCode::OK {
        return Ok(
            "The order is on record as paid, with the prices of the shop’s own catalogue."
                .to_owned(),
        );
    }
    Err(match serde_json::from_slice::<RefusedEvent>(&answer) {
        Ok(RefusedEvent { error }) => format!("{}: {}", error.code, error.message),
        Err(_) => format!("The collector answered {status}: try again."),
    })
}

async fn send(
    collector: SocketAddr,
    key: &ApiKey,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes), Failure> {
    let stream = TcpStream::connect(collector).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer, or with `sender` when that is given up.
    tokio::spawn(async move { connection.await.ok() });
    let request = Request::post("/v1/track/purchase")
        .header(HOST, collector.to_string())
        .header(AUTHORIZATION, format!("Bearer {}", key.as_str()))
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?;
    Ok((head.status, body.to_bytes()))
}
