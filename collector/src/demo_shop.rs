//! A small shop on an origin of its own, to see the tracker at work: it embeds the snippet as a
//! customer does, and confirms paid orders from its server over HTTP. Not for production, and nothing
//! that a customer's server could not do: from the collector it gets two keys and no more.
//!
//! - `catalogue`: the articles, and what an order of them comes to
//! - `confirm`: the call with which the shop's server confirms an order

mod catalogue;
mod confirm;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HOST, HeaderValue, ORIGIN};
use http::{HeaderMap, Request, StatusCode};
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::api_key::{ApiKey, KeyKind, Scope};

use crate::app::App;
use crate::assets::Asset;
use crate::body::{Means, Media, read_text};
use crate::embed::{embed, inline_script};
use crate::limits::heavy::Heavy;
use crate::limits::memory::{BodyMemory, Owner};
use crate::public_url::PublicUrl;
use store::meta::{DEFAULT_WORKSPACE, Meta, MetaError, NewKey, OriginPattern, Workspace};

use catalogue::{CATALOGUE, Catalogue, ShopOrder};

/// How the keys of the shop are called.
const PAGE_LABEL: &str = "demo shop";
const SERVER_LABEL: &str = "demo shop server";

/// An order is small.
const MAX_ORDER_BYTES: usize = 16 * 1024;
/// Kilobytes of orders on their way, all together.
const ORDERS_KB: usize = 4 * 1024;

/// The shop, ready to be served.
pub struct DemoShop {
    page: Asset,
    script: Asset,
    style: Asset,
    articles: Asset,
    catalogue: Catalogue,
    /// Confirms orders.
    secret: ApiKey,
    /// Where the collector listens. Not its public URL: that may lead through a proxy that is not
    /// up yet.
    collector: SocketAddr,
    order_memory: BodyMemory,
    heavy: Arc<Heavy>,
}

/// Why the shop could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    #[error(transparent)]
    Meta(#[from] MetaError),
    #[error("the workspace {DEFAULT_WORKSPACE} is missing")]
    NoWorkspace,
    #[error("the catalogue of the demo shop makes no sense: {0}")]
    Catalogue(#[from] serde_json::Error),
    #[error("the demo shop's policy is no header: {0}")]
    Policy(#[from] http::header::InvalidHeaderValue),
}

impl DemoShop {
    /// Gets the shop its keys and puts its page together. Blocks on disk.
    ///
    /// # Errors
    /// When no key could be made.
    pub fn open(app: &App, shop: SocketAddr, collector: SocketAddr) -> Result<Self, ShopError> {
        let workspace = app.meta.workspace(DEFAULT_WORKSPACE);
        let workspace = workspace.ok_or(ShopError::NoWorkspace)?;
        let public = page_key(&app.meta, &workspace, shop)?;
        let secret = server_key(&app.meta, &workspace)?;
        let url = &app.public_url;
        let page = include_str!("../../www/shop/index.html")
            .replacen("<!-- EMBED -->", &embed(&public, url), 1)
            .replace("__LIVE_PAGE__", &format!("{url}/live"));
        let policy = HeaderValue::from_str(&policy(&public, url))?;
        Ok(Self {
            page: Asset::page(page, policy),
            script: Asset::script(include_bytes!("../../www/shop/shop.js")),
            style: Asset::style(include_bytes!("../../www/shop/shop.css")),
            articles: Asset::json(CATALOGUE.as_bytes()),
            catalogue: Catalogue::read()?,
            secret,
            collector: reachable(collector),
            order_memory: BodyMemory::sized(app.metrics.clone(), 0, ORDERS_KB),
            heavy: Arc::clone(&app.heavy),
        })
    }

    /// The shop's routes.
    pub fn router(self) -> Router {
        Router::new()
            .route(
                "/",
                get(async |State(shop): Shop, asked: HeaderMap| shop.page.respond(&asked).await),
            )
            .route(
                "/shop.js",
                get(async |State(shop): Shop, asked: HeaderMap| shop.script.respond(&asked).await),
            )
            .route(
                "/shop.css",
                get(async |State(shop): Shop, asked: HeaderMap| shop.style.respond(&asked).await),
            )
            .route(
                "/catalogue.json",
                get(async |State(shop): Shop, asked: HeaderMap| {
                    shop.articles.respond(&asked).await
                }),
            )
            .route("/pay", post(pay))
            .fallback(async || {
                (
                    StatusCode::NOT_FOUND,
                    "There is nothing here: the shop is at /\n",
                )
            })
            .with_state(Arc::new(self))
    }
}

type Shop = State<Arc<DemoShop>>;

/// What the page is told of its order.
#[derive(Serialize)]
struct Paid {
    message: String,
}

/// Takes the payment, as far as a demo does, and confirms the order to the collector.
async fn pay(State(shop): Shop, request: Request<Body>) -> Response {
    let (status, message) = match confirm_order(&shop, request).await {
        Ok(message) => (StatusCode::OK, message),
        Err((status, message)) => (status, message),
    };
    (status, Json(Paid { message })).into_response()
}

async fn confirm_order(
    shop: &DemoShop,
    request: Request<Body>,
) -> Result<String, (StatusCode, String)> {
    let (parts, body) = request.into_parts();
    if !is_own_page(&parts.headers) {
        let message = "An order is paid for in the shop's own page.";
        return Err((StatusCode::FORBIDDEN, message.to_owned()));
    }
    let refused = |message: String| (StatusCode::UNPROCESSABLE_ENTITY, message);
    let means = Means {
        memory: &shop.order_memory,
        owner: &Owner::Anybody(None),
        heavy: &shop.heavy,
    };
    let (text, _memory) = read_text(&parts.headers, body, Media::Json, MAX_ORDER_BYTES, means)
        .await
        .map_err(|error| {
            let status = error.into_response().status();
            (
                status,
                "The order could not be read: send it again.".to_owned(),
            )
        })?;
    let order: ShopOrder = serde_json::from_str(&text).map_err(|_| {
        refused("The order is not complete: it has an orderId, an email and items.".to_owned())
    })?;
    let purchase = shop.catalogue.purchase(&order).map_err(refused)?;
    let confirmed = confirm::confirm(shop.collector, &shop.secret, purchase).await;
    confirmed.map_err(|message| (StatusCode::BAD_GATEWAY, message))
}

/// Whether no page of another site sent this. Browsers name the origin of every POST.
fn is_own_page(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| {
        // A proxy in front of the shop may speak https.
        origin
            .strip_prefix("http://")
            .or(origin.strip_prefix("https://"))
    });
    host.is_some() && origin == host
}

/// The key in the page: the one of an earlier run where it fits, so that its events stay together.
fn page_key(
    meta: &Meta,
    workspace: &Arc<Workspace>,
    shop: SocketAddr,
) -> Result<ApiKey, MetaError> {
    let origins = origins(shop);
    let known = meta.keys(workspace.id).into_iter().find_map(|key| {
        let fits = key.label.as_deref() == Some(PAGE_LABEL)
            && key.is_good(meta.now())
            && key.allow_purchases
            && key.origins == origins;
        // Only public keys are kept in plain.
        let plain = key.plain.as_deref().filter(|_| fits)?;
        ApiKey::parse(plain).ok()
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let (_, plain) = meta.create_key(NewKey {
        origins,
        allow_purchases: true,
        label: Some(PAGE_LABEL.to_owned()),
        ..NewKey::of(Arc::clone(workspace), KeyKind::Public)
    })?;
    Ok(plain)
}

/// The key on the shop's server: a new one at each start, because only a hash of it is kept. Those of
/// earlier runs go.
fn server_key(meta: &Meta, workspace: &Arc<Workspace>) -> Result<ApiKey, MetaError> {
    let (new, plain) = meta.create_key(NewKey {
        scopes: vec![Scope::Send],
        label: Some(SERVER_LABEL.to_owned()),
        ..NewKey::of(Arc::clone(workspace), KeyKind::Secret)
    })?;
    for key in meta.keys(workspace.id) {
        let earlier = key.label == new.label && key.kind == KeyKind::Secret && key.id != new.id;
        if earlier && key.revoked_at().is_none() {
            meta.revoke_key(workspace.id, &key.id)?;
        }
    }
    Ok(plain)
}

/// What browsers call the shop that listens there.
fn origins(shop: SocketAddr) -> Vec<OriginPattern> {
    let port = shop.port();
    let mut origins = Vec::new();
    for origin in [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        PublicUrl::listening_on(shop).to_string(),
    ] {
        // Scheme, host and port: each of them is an origin.
        if let Ok(origin) = OriginPattern::parse(&origin)
            && !origins.contains(&origin)
        {
            origins.push(origin);
        }
    }
    origins
}

/// Where to reach a server that listens there from this machine.
fn reachable(listening: SocketAddr) -> SocketAddr {
    match listening {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            (std::net::Ipv6Addr::LOCALHOST, v6.port()).into()
        }
        other => other,
    }
}

/// What the shop's page may do: what a customer has to allow for the snippet, and nothing else from
/// elsewhere. The first script of the embed code stands in the page, so its hash is named.
fn policy(public: &ApiKey, url: &PublicUrl) -> String {
    let hash = STANDARD.encode(Sha256::digest(inline_script(public)));
    format!(
        "default-src 'none'; script-src 'self' {url} 'wasm-unsafe-eval' 'sha256-{hash}'; \
         style-src 'self'; img-src 'self' data:; connect-src 'self' {url}; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'"
    )
}
