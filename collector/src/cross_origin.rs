//! What browsers may let pages of other sites do (CORS): send events, and read the verdicts.

use axum::body::Body;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    HeaderName, HeaderValue,
};
use http::{HeaderMap, Method, Request, StatusCode};

use store::secrets;

/// Of the headers that a preflight asks for, so much is echoed; more is answered with those that are
/// known.
const MAX_ASKED_BYTES: usize = 1_024;

/// Lets pages of any site send events and read the verdicts; what they may send, their key says.
pub(crate) async fn cross_origin(request: Request<Body>, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        preflight(request.headers())
    } else {
        next.run(request).await
    };
    open_to_every_site(response.headers_mut());
    response
}

/// The answer to a preflight. Whatever headers a page asks for are allowed beside those that are
/// known: tracing tools add theirs to every request, and none of them says who asks.
fn preflight(asked: &HeaderMap) -> Response {
    let known = "Content-Type, Content-Encoding, Authorization, X-API-Key, Idempotency-Key";
    let asked = asked
        .get(ACCESS_CONTROL_REQUEST_HEADERS)
        .filter(|asked| is_list_of_names(asked.as_bytes()))
        .and_then(|asked| asked.to_str().ok())
        .and_then(|asked| HeaderValue::from_str(&format!("{known}, {asked}")).ok());
    let allowed = asked.unwrap_or(HeaderValue::from_static(known));
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST, OPTIONS"),
    );
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// Names of headers and no key: what is echoed.
fn is_list_of_names(asked: &[u8]) -> bool {
    let is_part = |byte: &u8| HeaderName::from_bytes(&[*byte]).is_ok() || b", ".contains(byte);
    (1..=MAX_ASKED_BYTES).contains(&asked.len())
        && asked.iter().all(is_part)
        && secrets::find(asked).is_empty()
}

pub(crate) fn open_to_every_site(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = "Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset";
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(exposed),
    );
}
