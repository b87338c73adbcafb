//! The small pages that readers of a mail see: one file each, nothing loaded, and no script.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::mail::{FORM_FIELD, FORM_VALUE};

pub(super) const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
/// Seconds after which an unsubscribe that could not be kept is worth another try.
const RETRY_SECONDS: u32 = 5;

const STYLE: &str = "\
:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}\
body{margin:0;min-height:100vh;min-height:100dvh;display:grid;place-items:center}\
main{max-width:26rem;padding:1.5rem;text-align:center}\
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem}\
p{margin:0 0 1.25rem}\
button{font:inherit;font-weight:600;padding:.75rem 1.5rem;min-height:3rem;border:0;border-radius:.5rem;\
background:#0b57d0;color:#fff;cursor:pointer}\
button:focus-visible{outline:3px solid;outline-offset:3px}";

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("it is visible ASCII")
});

/// Asks whether to unsubscribe. The form goes to the page's own address.
pub(super) fn ask() -> Response {
    page(
        StatusCode::OK,
        "Unsubscribe?",
        &format!(
            "<p>Press the button to get no more of these e-mails.</p>{}",
            form("Unsubscribe")
        ),
    )
}

/// A button that posts to the page's own address, and says that it is the page's.
fn form(button: &str) -> String {
    format!(
        "<form method=\"post\"><input type=\"hidden\" name=\"{FORM_FIELD}\" value=\"{FORM_VALUE}\">\
         <button type=\"submit\">{button}</button></form>"
    )
}

/// Says that it is done, and offers the way back. An empty nonce is none: its button asks again.
pub(super) fn done(token: &str, nonce: &str) -> Response {
    let form = back_form(token, nonce, "Get them again");
    page(
        StatusCode::OK,
        "You are unsubscribed",
        &format!(
            "<p>You will get no more of these e-mails. You can close this page.</p>\
             <p>You pressed it by mistake?</p>{form}"
        ),
    )
}

/// Asks whether to get mail again.
pub(super) fn ask_back(token: &str, nonce: &str) -> Response {
    let form = back_form(token, nonce, "Get these e-mails again");
    page(
        StatusCode::OK,
        "Get these e-mails again?",
        &format!(
            "<p>Press the button to get them again. Within ten minutes of an e-mail this does not work \
             yet: please try again then.</p>{form}"
        ),
    )
}

/// Says that the page was of another state of things, and asks once more.
pub(super) fn changed(token: &str, nonce: &str) -> Response {
    let form = back_form(token, nonce, "Get these e-mails again");
    page(
        StatusCode::OK,
        "Get these e-mails again?",
        &format!(
            "<p>The page that you came from was out of date, so nothing has changed. As things are now, you \
             are unsubscribed from these e-mails. Press the button to get them again.</p>{form}"
        ),
    )
}

/// Says that mail comes again.
pub(super) fn subscribed() -> Response {
    page(
        StatusCode::OK,
        "You get these e-mails again",
        "<p>You can close this page.</p>",
    )
}

/// The form of the way back. A token and a nonce are of letters, digits, - and _ alone.
fn back_form(token: &str, nonce: &str, label: &str) -> String {
    format!(
        "<form method=\"post\" action=\"/mail/subscribe/{token}\"><input type=\"hidden\" name=\"nonce\" \
         value=\"{nonce}\"><button type=\"submit\">{label}</button></form>"
    )
}

/// Says that the token is none.
pub(super) fn incomplete() -> Response {
    page(
        StatusCode::NOT_FOUND,
        "This link is incomplete",
        "<p>Part of it may have been lost on the way. Open it from the e-mail again, or copy all of it.</p>",
    )
}

/// Says that it is not done.
pub(super) fn later() -> Response {
    let mut response = page(
        StatusCode::SERVICE_UNAVAILABLE,
        "Not yet unsubscribed",
        &format!(
            "<p>This could not be saved just now. Please try again in a moment.</p>{}",
            form("Try again")
        ),
    );
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
    response
}

/// What nobody may keep, list, or learn the token from.
pub(super) fn keep_private(headers: &mut HeaderMap) {
    for (name, value) in [
        (CACHE_CONTROL, "no-store, private"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (ROBOTS, "noindex"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn page(status: StatusCode, title: &str, content: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <style>{STYLE}</style></head><body><main><h1>{title}</h1>{content}</main></body></html>\n"
    );
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    keep_private(headers);
    response
}
