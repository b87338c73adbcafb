//! Every route in one table, and the layers around them.
//!
//! Outermost first: one slash too many taken off → counting → privacy of answers → untrusted proxies → secret keys → CORS (ingest
//! routes) or shedding (reads) → route. Ingest sheds by itself, once the body is there: see
//! `Incoming::read`. What is no sound HTTP never gets here: see `server::framing`.

mod parameters;

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, MatchedPath, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Request};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::assets::Assets;
use crate::client_address::Peer;
use crate::cross_origin::{cross_origin, preflight};
use crate::document::{self, KnownRoutes};
use crate::routes::admin::Desk;
use crate::routes::{
    assets, contacts, control, embeds, events, export, keys, live, mail, messages, operations,
    receipts, report_lists, reports, segments, sent, session, settings, suppressions, track,
};
use crate::screen;

/// Answers of so many bytes or more are compressed: it makes smaller ones hardly smaller.
const COMPRESSED: u16 = 1_024;

/// The routes that the document describes, in the groups that share their layers.
struct Described {
    ingest: Router<Arc<App>>,
    reads: Router<Arc<App>>,
    /// Neither shed nor open to other sites.
    operations: Router<Arc<App>>,
    /// Neither that nor compressed.
    others: Router<Arc<App>>,
}

/// The document of every route, as annotated; `document` gives it its shape.
#[cfg(test)]
pub(crate) fn described() -> OpenApi {
    parts().1
}

fn parts() -> (Described, OpenApi) {
    let (ingest, mut document) = OpenApiRouter::with_openapi(document::beginning())
        .routes(routes!(track::track_event))
        .routes(routes!(track::track_purchase))
        .routes(routes!(track::track_refund))
        .routes(routes!(track::track_batch))
        .routes(routes!(track::identify))
        .routes(routes!(messages::register_message))
        .routes(routes!(messages::register_messages))
        .routes(routes!(sent::tell_sent))
        .routes(routes!(sent::tell_delivery))
        .split_for_parts();
    let (reads, read_document) = OpenApiRouter::new()
        .routes(routes!(events::list_events))
        .routes(routes!(receipts::get_receipt))
        .routes(routes!(live::get_live))
        .routes(routes!(
            session::open_session,
            session::get_session,
            session::end_session
        ))
        .routes(routes!(embeds::list_embeds))
        .routes(routes!(report_lists::get_overview))
        .routes(routes!(report_lists::list_campaign_reports))
        .routes(routes!(report_lists::list_message_reports))
        .routes(routes!(reports::get_message_report))
        .routes(routes!(reports::get_campaign_report))
        .routes(routes!(reports::get_revenue_report))
        .routes(routes!(contacts::list_contacts))
        .routes(routes!(
            contacts::get_contact,
            contacts::change_contact,
            contacts::erase_contact
        ))
        .routes(routes!(contacts::import_contacts))
        .routes(routes!(contacts::export_contact))
        .routes(routes!(contacts::get_timeline))
        .routes(routes!(contacts::explain_score))
        .routes(routes!(
            suppressions::list_suppressions,
            suppressions::suppress,
            suppressions::lift
        ))
        .routes(routes!(segments::list_segments, segments::create_segment))
        .routes(routes!(segments::preview_segment))
        .routes(routes!(segments::list_segment_moves))
        .routes(routes!(
            segments::get_segment,
            segments::change_segment,
            segments::delete_segment
        ))
        .routes(routes!(segments::duplicate_segment))
        .routes(routes!(segments::get_segment_history))
        .routes(routes!(segments::list_segment_members))
        .routes(routes!(segments::explain_segment))
        .routes(routes!(segments::diff_segment))
        .routes(routes!(segments::list_segments_of_contact))
        .routes(routes!(export::export_events))
        .routes(routes!(export::export_orders))
        .routes(routes!(export::export_contacts))
        .merge(admin_routes())
        .split_for_parts();
    let (operations, operations_document) = OpenApiRouter::new()
        .routes(routes!(operations::get_health))
        .routes(routes!(operations::get_readiness))
        .routes(routes!(operations::get_metrics))
        .routes(routes!(operations::get_document))
        .routes(routes!(operations::get_older_document))
        .routes(routes!(segments::get_segment_schema))
        .split_for_parts();
    let (snippet, snippet_document) = OpenApiRouter::new()
        .routes(routes!(assets::get_snippet))
        .routes(routes!(assets::get_about_snippet))
        .split_for_parts();
    let (mails, mails_document) = OpenApiRouter::new()
        .routes(routes!(mail::get_open))
        .routes(routes!(mail::get_click))
        .routes(routes!(mail::get_unsubscribe, mail::post_unsubscribe))
        .routes(routes!(mail::way_back::post_subscribe))
        .split_for_parts();
    document.merge(read_document);
    document.merge(mails_document);
    document.merge(snippet_document);
    document.merge(operations_document);
    let described = Described {
        ingest,
        reads,
        operations,
        others: mails.merge(snippet),
    };
    (described, document)
}

/// Keys and settings: over TCP for admins of a workspace, on the Unix socket for the operator.
fn admin_routes<S: Clone + Send + Sync + 'static>() -> OpenApiRouter<S>
where
    Desk: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::get_key, keys::change_key, keys::revoke_key))
        .routes(routes!(settings::get_settings, settings::change_settings))
}

/// The router of the operator: keys, settings, and what belongs to the whole store. Whoever serves it makes sure
/// that the operator asks.
pub(crate) fn operators_router(desk: Desk) -> Router {
    let (admin, _) = admin_routes().split_for_parts();
    Router::new()
        .merge(admin)
        .merge(control::routes())
        .fallback(operations::not_found)
        .method_not_allowed_fallback(operations::method_not_allowed)
        .layer(from_fn(private))
        .with_state(desk)
}

/// The paths that only the operator's router has.
pub fn operators_paths() -> impl IntoIterator<Item = &'static str> {
    control::paths()
}

/// The router, with the document of it at `/openapi.json`.
pub fn router(app: Arc<App>) -> Router {
    let (described, document) = parts();
    let Described {
        ingest,
        reads,
        operations,
        others,
    } = described;
    let pages = pages()
        .into_iter()
        .fold(Router::new(), |router, (path, _, page)| {
            router.route(path, page)
        });
    // It holds nothing that could fail to serialise.
    let document = serde_json::to_value(document).unwrap_or_default();
    let known = KnownRoutes::of(&document, undocumented());

    // The fallback for methods comes before the layers, so that they stand around it too.
    let ingest = ingest
        .method_not_allowed_fallback(operations::method_not_allowed)
        .layer(cross_origin())
        .layer(from_fn(preflight));
    let reads = reads
        .method_not_allowed_fallback(operations::method_not_allowed)
        .layer(from_fn_with_state(
            (Arc::clone(&app), known.clone()),
            parameters::know,
        ))
        .layer(from_fn_with_state(Arc::clone(&app), shed))
        .layer(compression());
    Router::new()
        .merge(ingest)
        .merge(reads)
        .merge(operations.layer(compression()))
        .merge(others)
        .merge(pages)
        .method_not_allowed_fallback(operations::method_not_allowed)
        .fallback(operations::not_found)
        .layer(Extension(Assets::new(
            &app.public_url,
            app.data(),
            &document,
        )))
        .layer(Extension(known))
        .layer(from_fn_with_state(Arc::clone(&app), screen::guard))
        .layer(from_fn_with_state(Arc::clone(&app), notice_proxies))
        .layer(from_fn(private))
        .layer(from_fn_with_state(Arc::clone(&app), count))
        .with_state(app)
}

/// Compresses answers where that is asked for and worth it: no streams of events, which must not wait for
/// more, and nothing that is compressed. Verdicts are not worth it.
fn compression() -> CompressionLayer<impl Predicate> {
    let is_worth_it = SizeAbove::new(COMPRESSED)
        .and(NotForContentType::SSE)
        .and(NotForContentType::IMAGES);
    CompressionLayer::new()
        .gzip(true)
        .compress_when(is_worth_it)
}

/// A path, the methods that it takes, and what answers.
type Page = (
    &'static str,
    &'static [&'static str],
    MethodRouter<Arc<App>>,
);

/// What people and their browsers ask for: not part of the document.
fn pages() -> [Page; 15] {
    const GET: &[&str] = &["GET"];
    const BOTH: &[&str] = &["GET", "POST"];
    let unsubscribe = || get(mail::get_unsubscribe).post(mail::post_unsubscribe);
    [
        ("/", GET, get(assets::get_root)),
        ("/docs", GET, get(assets::get_docs)),
        ("/live", GET, get(assets::get_live)),
        ("/contacts", GET, get(assets::get_contacts_page)),
        ("/segments", GET, get(assets::get_segments_page)),
        ("/assets/{name}", GET, get(assets::get_asset)),
        ("/mail/{file}", GET, get(assets::get_versioned_snippet)),
        // Whatever mail programs and gateways have made of the addresses in mails.
        ("/mail/track/open", GET, get(mail::get_pixel)),
        ("/mail/track/open/", GET, get(mail::get_pixel)),
        ("/mail/track/open/{token}/", GET, get(mail::get_open)),
        ("/mail/track/open/{token}/{*rest}", GET, get(mail::get_open)),
        ("/mail/track/click/{token}/", GET, get(mail::get_click)),
        (
            "/mail/track/click/{token}/{*rest}",
            GET,
            get(mail::get_click),
        ),
        ("/mail/unsubscribe/{token}/", BOTH, unsubscribe()),
        ("/mail/unsubscribe/{token}/{*rest}", BOTH, unsubscribe()),
    ]
}

/// The paths of the routes that the document leaves out, with the methods that each takes.
pub fn undocumented() -> [(&'static str, &'static [&'static str]); 15] {
    pages().map(|(path, methods, _)| (path, methods))
}

/// The router of `--metrics-listen`: metrics, and nothing else.
pub fn metrics_router(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(operations::get_all_metrics))
        .method_not_allowed_fallback(operations::method_not_allowed)
        .fallback(operations::not_found)
        .layer(from_fn_with_state(Arc::clone(&app), screen::guard))
        .layer(from_fn(private))
        .with_state(app)
}

/// Counts the answer, and how long it took.
async fn count(State(app): State<Arc<App>>, request: Request<Body>, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let started = Instant::now();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let status = response.status().as_u16();
    app.metrics.count_request(route, status);
    app.metrics
        .observe_request(route, status, started.elapsed());
    response
}

/// Notices who forwards requests without being trusted.
async fn notice_proxies(
    State(app): State<Arc<App>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if let Some(Peer(peer)) = request.extensions().get::<Peer>() {
        app.proxies_seen
            .notice(peer.ip(), request.headers(), &app.trusted_proxies);
    }
    next.run(request).await
}

/// Keeps answers out of caches and browsers from guessing at what they are; see [`keep_private`].
async fn private(request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    keep_private(response.headers_mut());
    response
}

/// What is public says itself how long it may be kept; everything else, errors too, no cache keeps.
pub(crate) fn keep_private(headers: &mut HeaderMap) {
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Refuses a read at once where too many requests are in flight.
async fn shed(State(app): State<Arc<App>>, request: Request<Body>, next: Next) -> Response {
    match app.take_permit() {
        Ok(_permit) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}
