//! The HTTP server: an accept loop with limits. `life` runs it as `misar serve`.
//!
//! Own loop rather than `axum::serve`, because that one never closes a connection that is silent or
//! drips its header (measured, in the survey of crates that the design rests on).

mod connections;
mod framing;
mod life;
mod mail_line;
pub(crate) mod operators;
mod patient;
mod service_manager;
pub mod settings;
mod signals;
mod slash;
mod unsound;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service as _;

use crate::app::App;
use crate::client_address::Peer;
use crate::cross_origin::open_to_every_site;
use crate::metrics::Metrics;
use crate::router::{keep_private, router};

use connections::{Connections, TurnedAway};
use patient::{AnswerBody, Patience, Patient, WhoseTurn};

pub use life::run;

/// Open connections; more are told 503 and closed. Above half of them, so are those of a network that
/// has a tenth.
pub const MAX_CONNECTIONS: usize = 10_000;
/// A connection whose request header takes longer to arrive whole is closed: a new one that stays
/// silent, and one that drips.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// A connection on which so long after an answer no other request begins is closed. nginx keeps its
/// own for 75 s by default: behind it, no request meets a connection that is just being closed.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// A client that takes nothing of its answer for so long is cut off.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// A header block that is larger is answered 431.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// At a stop, requests in flight get so long to finish.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// After an accept that failed (too many open files, say), so long is waited.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const PATIENCE: Patience = Patience {
    header: HEADER_TIMEOUT,
    idle: IDLE_TIMEOUT,
    write: WRITE_TIMEOUT,
};

const TOO_MANY_CONNECTIONS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
    Retry-After: 1\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
    Access-Control-Allow-Origin: *\r\nConnection: close\r\nContent-Length: 108\r\n\r\n\
    {\"success\":false,\"error\":{\"code\":\"overloaded\",\"message\":\"too many connections are open: come again later\"}}\n";

/// Serves until `shutdown`, then lets requests in flight finish.
pub async fn serve(listener: TcpListener, app: Arc<App>, shutdown: impl Future<Output = ()>) {
    let metrics = app.metrics.clone();
    let connections = Connections::new(MAX_CONNECTIONS, app.trusted_proxies.clone());
    serve_within(listener, router(app), &metrics, &connections, shutdown).await;
}

/// Serves any router within the same limits.
pub async fn serve_router(
    listener: TcpListener,
    router: Router,
    metrics: &Metrics,
    shutdown: impl Future<Output = ()>,
) {
    let connections = Connections::new(MAX_CONNECTIONS, Vec::new());
    serve_within(listener, router, metrics, &connections, shutdown).await;
}

async fn serve_within(
    listener: TcpListener,
    router: Router,
    metrics: &Metrics,
    connections: &Connections,
    shutdown: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // `patient` is stricter. hyper asks an idle connection for bytes only where it has a limit too.
        .header_read_timeout(IDLE_TIMEOUT + HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES);
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = match connections.take(peer.ip()) {
            Ok(place) => place,
            Err(reason) => {
                metrics.refused_connections.inc();
                if reason == TurnedAway::Network {
                    metrics.refused_network_connections.inc();
                }
                refuse(stream).await;
                continue;
            }
        };
        // Without it, small answers wait for the caller's acknowledgement.
        stream.set_nodelay(true).ok();
        let turn = Arc::new(WhoseTurn::default());
        let stream = Patient::new(stream, PATIENCE, Arc::clone(&turn));
        let service = handle(router.clone(), peer, turn, metrics.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // What ends a connection early is the caller's affair: it went away, or was too slow.
            connection.await.ok();
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            "some requests did not finish within {} s",
            DRAIN_TIMEOUT.as_secs()
        );
    }
}

/// The router as a service of one connection, which knows its peer. What is no sound request reaches
/// no route.
fn handle(
    router: Router,
    peer: SocketAddr,
    turn: Arc<WhoseTurn>,
    metrics: Metrics,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = http::Response<AnswerBody>,
    Error = Infallible,
    Future: Send,
> {
    service_fn(move |mut request: Request<Incoming>| {
        let answering = turn.answering();
        let answer = match framing::check(&request) {
            Ok(()) => {
                request.extensions_mut().insert(Peer(peer));
                let mended = slash::without_slash(request.uri());
                if let Some(uri) = mended.or_else(|| slash::one_before_token(request.uri())) {
                    *request.uri_mut() = uri;
                }
                Ok(router.clone().call(request.map(Body::new)))
            }
            Err(error) => {
                let mut response = error.into_response();
                open_to_every_site(response.headers_mut());
                keep_private(response.headers_mut());
                metrics.count_request("none", response.status().as_u16());
                Err(response)
            }
        };
        async move {
            let response = match answer {
                Ok(routed) => routed.await?,
                Err(refused) => refused,
            };
            Ok(response.map(|body| AnswerBody::new(body, answering)))
        }
    })
}

async fn refuse(mut stream: TcpStream) {
    // Tells the caller if that goes at once; the loop must not wait for a slow one.
    let told = tokio::time::timeout(
        Duration::from_millis(10),
        stream.write_all(TOO_MANY_CONNECTIONS),
    )
    .await;
    drop((told, stream));
}

/// Raises the soft limit of open files to the hard one, so that [`MAX_CONNECTIONS`] can be reached.
pub fn raise_open_files() -> io::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX)
}
