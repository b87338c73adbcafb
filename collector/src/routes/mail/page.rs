//! The small pages that readers of a mail see: one file each, nothing loaded, and no script.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    HeaderValue, REFERRER_POLICY, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};

use super::words::Words;
use crate::ingest::hits::{FORM_FIELD, FORM_VALUE};

pub(super) const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
/// Seconds after which an unsubscribe that could not be kept is worth another try.
const RETRY_SECONDS: u32 = 5;

const STYLE: &str = "\
:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}\
body{margin:0;min-height:100vh;min-height:100dvh;display:grid;place-items:center}\
main{max-width:26rem;padding:1.5rem;text-align:center}\
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem}\
p{margin:0 0 1.25rem}\
.sender{overflow-wrap:anywhere;opacity:.8}\
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

/// For whom a page is: their language, and whose mail it is about.
pub(super) struct Shown {
    words: &'static Words,
    /// As the workspace calls itself; `None` where it does not say.
    sender: Option<String>,
}

impl Shown {
    /// What stands in a page of whose link nobody knows anything.
    pub(super) fn to(headers: &HeaderMap) -> Self {
        Self {
            words: Words::of(headers),
            sender: None,
        }
    }

    pub(super) fn from(self, sender: Option<String>) -> Self {
        Self { sender, ..self }
    }

    /// Asks whether to unsubscribe. The form goes to the page's own address.
    pub(super) fn ask(&self) -> Response {
        let words = self.words;
        let form = form(words.unsubscribe);
        let content = format!("<p>{}</p>{form}", words.ask);
        self.page(StatusCode::OK, words.ask_title, &content)
    }

    /// Says that it is done, and offers the way back. An empty nonce is none: its button asks again.
    pub(super) fn done(&self, token: &str, nonce: &str) -> Response {
        let words = self.words;
        let form = back_form(token, nonce, words.again);
        let content = format!("<p>{}</p><p>{}</p>{form}", words.done, words.mistake);
        self.page(StatusCode::OK, words.done_title, &content)
    }

    /// Asks whether to get mail again.
    pub(super) fn ask_back(&self, token: &str, nonce: &str) -> Response {
        self.back(self.words.back, token, nonce)
    }

    /// Says that the page was of another state of things, and asks once more.
    pub(super) fn changed(&self, token: &str, nonce: &str) -> Response {
        self.back(self.words.changed, token, nonce)
    }

    fn back(&self, text: &str, token: &str, nonce: &str) -> Response {
        let form = back_form(token, nonce, self.words.back_button);
        let content = format!("<p>{text}</p>{form}");
        self.page(StatusCode::OK, self.words.back_title, &content)
    }

    /// Says that mail comes again.
    pub(super) fn subscribed(&self) -> Response {
        let content = format!("<p>{}</p>", self.words.close);
        self.page(StatusCode::OK, self.words.subscribed_title, &content)
    }

    /// Says that the token is none.
    pub(super) fn incomplete(&self) -> Response {
        let content = format!("<p>{}</p>", self.words.incomplete);
        self.page(StatusCode::NOT_FOUND, self.words.incomplete_title, &content)
    }

    /// Says that it is not done.
    pub(super) fn later(&self) -> Response {
        let words = self.words;
        let content = format!("<p>{}</p>{}", words.later, form(words.try_again));
        let mut response = self.page(StatusCode::SERVICE_UNAVAILABLE, words.later_title, &content);
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        response
    }

    fn page(&self, status: StatusCode, title: &str, content: &str) -> Response {
        let words = self.words;
        let sender = self.sender.as_deref().map(|sender| {
            let sender = escaped(sender);
            format!("<p class=\"sender\">{} <b>{sender}</b></p>", words.sender)
        });
        let sender = sender.unwrap_or_default();
        let html = format!(
            "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\"><title>{title}</title>\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <style>{STYLE}</style></head><body><main>{sender}<h1>{title}</h1>{content}</main></body></html>\n",
            lang = words.lang
        );
        let mut response = (status, html).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(words.lang));
        headers.insert(VARY, HeaderValue::from_static("accept-language"));
        headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
        keep_private(headers);
        response
    }
}

/// A text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            sign => html.push(sign),
        }
    }
    html
}

/// A button that posts to the page's own address, and says that it is the page's.
fn form(button: &str) -> String {
    format!(
        "<form method=\"post\"><input type=\"hidden\" name=\"{FORM_FIELD}\" value=\"{FORM_VALUE}\">\
         <button type=\"submit\">{button}</button></form>"
    )
}

/// The form of the way back. A token and a nonce are of letters, digits, - and _ alone.
fn back_form(token: &str, nonce: &str, label: &str) -> String {
    format!(
        "<form method=\"post\" action=\"/mail/subscribe/{token}\"><input type=\"hidden\" name=\"nonce\" \
         value=\"{nonce}\"><button type=\"submit\">{label}</button></form>"
    )
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
