//! `/mail/track/…` and `/mail/unsubscribe/…`: what the addresses in a mail answer. Everything that
//! they need is in their token; nothing that a caller adds changes where they lead.

mod page;
pub(crate) mod way_back;
mod words;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use percent_encoding::percent_decode_str;

use crate::app::App;
use crate::ingest::hits::way_back::nonce;
use crate::ingest::hits::{self, MailHit, Way};
use crate::instrument::redirect_location;
use crate::metrics::DroppedHit;
use crate::screen;
use page::Shown;
use store::token::{Sent, Token, TokenKind};

/// One transparent pixel.
const PIXEL: &[u8; 43] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\
    \0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// Of the body of an unsubscribe so much is kept: it is `List-Unsubscribe=One-Click` or a form's, and
/// what it says changes nothing but the reason that is recorded.
const KEPT_BYTES: usize = 1_024;
/// So much is read and thrown away, for so long: a caller that is still sending would get a broken
/// connection rather than the answer.
const DRAINED_BYTES: usize = 8 * 1024 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The text in the place of the token, decoded, with whatever was put behind it in the same segment of the
/// path. Taken from the address as it came: in what is put behind, nothing need be sound.
pub(crate) struct Text(String);

impl<S: Sync> FromRequestParts<S> for Text {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let path = parts.uri.path();
        let token = BEFORE_TOKEN
            .iter()
            .find_map(|start| path.strip_prefix(start));
        let token = token.unwrap_or_default().split('/').next();
        let decoded = percent_decode_str(token.unwrap_or_default()).decode_utf8_lossy();
        Ok(Self(decoded.into_owned()))
    }
}

/// What stands before the token in the paths of these routes.
const BEFORE_TOKEN: [&str; 4] = [
    "/mail/track/open/",
    "/mail/track/click/",
    "/mail/unsubscribe/",
    "/mail/subscribe/",
];

/// Give the pixel of a message
///
/// Always 200 and the same image, whatever the token, without a look at any store. That it was loaded
/// is recorded behind the answer: this 200 acknowledges nothing, and what is dropped is counted in
/// `misar_mail_hits_dropped`. HEAD is answered alike and recorded as class `bot`.
#[utoipa::path(
    get, path = "/mail/track/open/{token}", tag = "mail",
    params(("token" = String, Path, description = "From the instrumented message")),
    responses((status = 200, description = "A transparent GIF of one pixel", body = [u8], content_type = "image/gif")),
)]
pub(crate) async fn get_open(
    State(app): State<Arc<App>>,
    Text(text): Text,
    parts: Parts,
) -> Response {
    hits::record_open(&app, MailHit::of(&app, &parts), text);
    pixel()
}

/// The pixel at an address that holds no token at all.
pub(crate) async fn get_pixel() -> Response {
    pixel()
}

/// Follow a link of a message
///
/// Leads to the target inside the token and nowhere else: the query of the request is not copied, what
/// mail programs put behind a token is cut off, and whatever was not made here is 404. Recorded as the pixel is.
#[utoipa::path(
    get, path = "/mail/track/click/{token}", tag = "mail",
    params(("token" = String, Path, description = "From the instrumented message")),
    responses(
        (status = 302, description = "`Location` is the link's target"),
        (status = 404, description = "A page that says that the link is incomplete", body = String, content_type = "text/html"),
        (status = "default", description = "No redirect: the request itself was unsound", body = String, content_type = "text/html"),
    ),
)]
pub(crate) async fn get_click(
    State(app): State<Arc<App>>,
    Text(text): Text,
    parts: Parts,
) -> Response {
    let keys = app.meta.token_keys();
    let Some((token @ Token::Click { .. }, text)) = keys.read(TokenKind::Click, &text) else {
        app.metrics.count_dropped_hit(DroppedHit::BadToken);
        return Shown::to(&parts.headers).incomplete();
    };
    let location = match &token {
        Token::Click { target, .. } => location(target),
        _ => None,
    };
    let Some(location) = location else {
        return Shown::to(&parts.headers).incomplete();
    };
    hits::record_click(&app, MailHit::of(&app, &parts), token, text.to_owned());
    let mut response = (StatusCode::FOUND, [(LOCATION, location)]).into_response();
    page::keep_private(response.headers_mut());
    response
}

/// Show the page that unsubscribes
///
/// A page with a button, in the reader's language (`Accept-Language`; English where it is none of ours), that names the
/// sender as `senderName` of the settings says. Looking at it changes nothing, at any age: programs follow links.
#[utoipa::path(
    get, path = "/mail/unsubscribe/{token}", tag = "mail",
    params(("token" = String, Path, description = "From the instrumented message")),
    responses(
        (status = 200, description = "A page with a button", body = String, content_type = "text/html"),
        (status = 404, description = "A page that says that the link is incomplete", body = String, content_type = "text/html"),
    ),
)]
pub(crate) async fn get_unsubscribe(
    State(app): State<Arc<App>>,
    token: Text,
    headers: HeaderMap,
) -> Response {
    let shown = Shown::to(&headers);
    let Some((sent, text, sender)) = message_of(&app, token) else {
        return shown.incomplete();
    };
    let shown = shown.from(sender);
    match shown_nonce(app, sent, &text).await {
        Some(nonce) => shown.done(&text, &nonce),
        None => shown.ask(),
    }
}

/// The nonce of the way back from what holds now; `None` also where it cannot be told: asking does no
/// harm.
async fn shown_nonce(app: Arc<App>, sent: Sent, token: &str) -> Option<String> {
    let token = token.to_owned();
    let looked = tokio::task::spawn_blocking(move || nonce(&app, &sent, &token));
    looked.await.ok()?.ok()?
}

/// Unsubscribe
///
/// What the button does, and the one click of mailbox providers (RFC 8058), whose body may be
/// urlencoded, multipart or empty. 200 means that it is on disk; saying it again, at any age, changes
/// nothing. There is no rate limit. It acts whoever asks; the event's class is `proxy_human` for one
/// click, what a click would get for the button, and `bot` where a scanner's network or agent asks.
#[utoipa::path(
    post, path = "/mail/unsubscribe/{token}", tag = "mail",
    params(("token" = String, Path, description = "From the instrumented message")),
    responses(
        (status = 200, description = "A page that says so", body = String, content_type = "text/html"),
        (status = 404, description = "A page that says that the link is incomplete", body = String, content_type = "text/html"),
        (status = 503, description = "Not now: try again (Retry-After)", body = String, content_type = "text/html"),
    ),
)]
pub(crate) async fn post_unsubscribe(
    State(app): State<Arc<App>>,
    token: Text,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let hit = MailHit::of(&app, &parts);
    let body = read_a_little(body).await;
    screen::flag(&app, &body);
    let way = Way::of(&parts.headers, &body);
    let shown = Shown::to(&parts.headers);
    let Some((sent, text, sender)) = message_of(&app, token) else {
        return shown.incomplete();
    };
    let shown = shown.from(sender);
    match hits::unsubscribe(&app, hit, sent.clone(), way).await {
        Ok(()) => {
            let nonce = shown_nonce(app, sent, &text).await;
            shown.done(&text, nonce.as_deref().unwrap_or_default())
        }
        Err(error) => {
            tracing::error!(%error, "an unsubscribe could not be kept");
            shown.later()
        }
    }
}

/// What an unsubscribe link is about, and its token without what was put behind it: that alone may stand
/// in a page, with the sender's name. `None` also where the workspace is not in this store.
fn message_of(app: &App, Text(text): Text) -> Option<(Sent, String, Option<String>)> {
    let keys = app.meta.token_keys();
    let (token, text) = keys.read(TokenKind::Unsubscribe, &text)?;
    let sent = match token {
        Token::Unsubscribe(sent) => sent,
        Token::Open(_) | Token::Click { .. } => return None,
    };
    let text = text.to_owned();
    let workspace = app.meta.workspace_of(sent.workspace)?;
    Some((sent, text, workspace.sender_name.clone()))
}

fn pixel() -> Response {
    let mut response = PIXEL.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "image/gif"),
        (CACHE_CONTROL, "no-store, private"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The body's beginning, without white space around it; what is beyond the bounds, or comes too late,
/// is left where it is.
async fn read_a_little(mut body: Body) -> Vec<u8> {
    let (mut kept, mut length) = (Vec::new(), 0);
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let Some(data) = frame.data_ref() else {
                continue;
            };
            length += data.len();
            let room = data.len().min(KEPT_BYTES - kept.len());
            kept.extend_from_slice(&data[..room]);
            if length > DRAINED_BYTES {
                break;
            }
        }
    };
    tokio::time::timeout(BODY_TIMEOUT, reading).await.ok();
    kept.trim_ascii().to_vec()
}

/// What leads to a link's target; `None` where it is no web address.
fn location(target: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&redirect_location(target)?).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_target_is_led_to_as_it_stands_or_as_browsers_write_it() {
        for (target, location) in [
            (
                "https://shop.example/a?b=c#d",
                Some("https://shop.example/a?b=c#d"),
            ),
            ("HTTP://Shop.example", Some("HTTP://Shop.example")),
            (
                "https://shop.example/a b",
                Some("https://shop.example/a%20b"),
            ),
            (
                "https://shop.example/ü",
                Some("https://shop.example/%C3%BC"),
            ),
            (
                "https://bücher.example/",
                Some("https://xn--bcher-kva.example/"),
            ),
            ("https:shop.example", Some("https://shop.example/")),
            ("https:\\\\shop.example", Some("https://shop.example/")),
            ("https://shop.example/\r\nSet-Cookie: a=b", None),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
            ("//shop.example", None),
            ("/path", None),
            ("https://", None),
            ("ftp://shop.example/", None),
            ("", None),
        ] {
            let made = super::location(target);
            let made = made.as_ref().map(|made| made.to_str().unwrap());
            assert_eq!(made, location, "{target:?}");
        }
    }
}
