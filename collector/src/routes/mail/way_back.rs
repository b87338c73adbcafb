//! `POST /mail/subscribe/{token}`: the way back from an unsubscription, from its page.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Request;

use super::page::Shown;
use super::{Text, message_of, read_a_little};
use crate::app::App;
use crate::ingest::hits::MailHit;
use crate::ingest::hits::way_back::{WayBack, subscribe};
use crate::screen;

/// Get mail again
///
/// What the button of the unsubscribe link's page does. It lifts the unsubscription that the page told of,
/// and that alone: where another has come since, the page is shown anew. Without the page's nonce, from a
/// program, or within ten minutes of the send, it changes nothing and asks again.
#[utoipa::path(
    post, path = "/mail/subscribe/{token}", tag = "mail",
    params(("token" = String, Path, description = "From the instrumented message: that of its unsubscribe link")),
    responses(
        (status = 200, description = "A page that says so, or asks again", body = String, content_type = "text/html"),
        (status = 404, description = "A page that says that the link is incomplete", body = String, content_type = "text/html"),
        (status = 503, description = "Not now: try again (Retry-After)", body = String, content_type = "text/html"),
    ),
)]
pub(crate) async fn post_subscribe(
    State(app): State<Arc<App>>,
    token: Text,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let hit = MailHit::of(&app, &parts);
    let body = read_a_little(body).await;
    screen::flag(&app, &body);
    let page = Shown::to(&parts.headers);
    let Some((sent, text, sender)) = message_of(&app, token) else {
        return page.incomplete();
    };
    let page = page.from(sender);
    let shown = form_urlencoded::parse(&body)
        .find(|(name, _)| name == "nonce")
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default();
    match subscribe(&app, hit, sent, &text, &shown).await {
        Ok(WayBack::Open) => page.subscribed(),
        Ok(WayBack::Changed { nonce }) => page.changed(&text, &nonce),
        Ok(WayBack::Unclear { nonce }) => page.ask_back(&text, &nonce),
        Err(error) => {
            tracing::error!(%error, "a way back could not be kept");
            page.later()
        }
    }
}
