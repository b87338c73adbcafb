//! What browsers may let pages of other sites do (CORS): send events, and read the verdicts.

use std::time::Duration;

use axum::body::Body;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_REQUEST_HEADERS, HeaderName, HeaderValue,
};
use http::{HeaderMap, Method, Request, StatusCode};
use tower_http::cors::{Any, CorsLayer};

use store::secrets;

/// Of the headers that a preflight asks for, so much is echoed; more is answered with those that are
/// known.
const MAX_ASKED_BYTES: usize = 1_024;
/// How long a browser may keep the answer to a preflight: a day, which is more than any of them keeps it.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Lets pages of any site send events; what they may send, their key says. Wants [`preflight`] around it.
pub(crate) fn cross_origin() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::POST, Method::OPTIONS])
        .max_age(MAX_AGE)
        // No answer depends on who asks, and no cache keeps any of these.
        .vary([])
}

/// Lets pages read the verdicts, and finishes the answers to preflights. By hand, because the library's
/// are 200 with a body of no bytes, and it echoes all headers that are asked for, or none.
pub(crate) async fn preflight(request: Request<Body>, next: Next) -> Response {
    let allowed = (request.method() == Method::OPTIONS).then(|| allowed(request.headers()));
    let mut response = next.run(request).await;
    if let Some(allowed) = allowed {
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    open_to_every_site(response.headers_mut());
    response
}

/// The headers that a page may send: those that are known, and whatever it asks for beside them, since
/// tracing tools add theirs to every request, and none of them says who asks.
fn allowed(preflight: &HeaderMap) -> HeaderValue {
    let known = "Content-Type, Content-Encoding, Authorization, X-API-Key, Idempotency-Key";
    preflight
        .get(ACCESS_CONTROL_REQUEST_HEADERS)
        .filter(|asked| is_list_of_names(asked.as_bytes()))
        .and_then(|asked| asked.to_str().ok())
        .and_then(|asked| HeaderValue::from_str(&format!("{known}, {asked}")).ok())
        .unwrap_or(HeaderValue::from_static(known))
}

/// Names of headers and no key: what is echoed.
fn is_list_of_names(asked: &[u8]) -> bool {
    let is_part = |byte: &u8| HeaderName::from_bytes(&[*byte]).is_ok() || b", ".contains(byte);
    (1..=MAX_ASKED_BYTES).contains(&asked.len())
        && asked.iter().all(is_part)
        && secrets::find(asked).is_empty()
}

/// Lets pages of any site read an answer. By hand where an answer is refused before the routes and their layers.
pub(crate) fn open_to_every_site(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = "Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset";
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(exposed),
    );
}
