//! The server on the Unix socket: the operator's routes, over HTTP, for whoever may reach the data folder.

use std::convert::Infallible;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};
use tower_service::Service as _;

use super::patient::{AnswerBody, Patience, Patient, WhoseTurn};
use crate::control::ControlSocket;
use crate::limits::long::LongWork;

/// Commands at once; more are refused.
pub(crate) const MAX_CONNECTIONS: usize = 16;
/// A request has so long to arrive, and each part of an answer to be taken.
const PATIENCE: Patience = Patience {
    header: Duration::from_secs(10),
    idle: Duration::from_secs(10),
    write: Duration::from_secs(10),
};
/// At a stop, commands in flight get so long to finish.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// After an accept that failed, so long is waited.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Who is refused gets so long to read why.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 96\r\n\r\n\
    {\"success\":false,\"error\":{\"code\":\"overloaded\",\"message\":\"too many commands at once: try again\"}}";
/// What a misar understands that spoke lines of JSON here.
const TOO_OLD: &[u8] =
    b"{\"error\":{\"message\":\"the server is of a newer misar than this one: use the misar that runs it\"}}\n";

/// Answers commands until `shutdown`; then those in flight get a moment to finish.
pub(crate) async fn serve(
    socket: ControlSocket,
    router: Router,
    long_work: &LongWork,
    shutdown: impl Future<Output = ()>,
) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let (serving, stopped) = watch::channel(());
    tokio::pin!(shutdown);
    loop {
        let stream = tokio::select! {
            stream = socket.accept() => stream,
            () = &mut shutdown => break,
        };
        let stream = match stream {
            Ok(Some(stream)) => stream,
            // Another user's.
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(%error, "a command could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            tokio::spawn(refuse(stream, TOO_MANY));
            continue;
        };
        let answering = answer(stream, router.clone(), graceful.watcher(), stopped.clone());
        tokio::spawn(async move {
            answering.await;
            drop(permit);
        });
    }
    // Who has said nothing yet is not waited for.
    drop((socket, router, serving));
    let finished = async {
        graceful.shutdown().await;
        // It outlives whoever asked for it.
        long_work.idle().await;
    };
    if tokio::time::timeout(DRAIN_TIMEOUT, finished).await.is_err() {
        tracing::warn!("a command did not finish before the stop");
    }
}

async fn answer(
    mut stream: UnixStream,
    router: Router,
    watcher: Watcher,
    mut stopped: watch::Receiver<()>,
) {
    // No method of HTTP begins as JSON does.
    let mut first = [0];
    let reading = tokio::time::timeout(PATIENCE.header, stream.read_exact(&mut first));
    let read = tokio::select! {
        read = reading => read,
        _ = stopped.changed() => return,
    };
    match read {
        Ok(Ok(_)) if matches!(first, [b'{' | b'"']) => return refuse(stream, TOO_OLD).await,
        Ok(Ok(_)) => {}
        Ok(Err(_)) | Err(_) => return,
    }
    let (read, write) = stream.into_split();
    let stream = tokio::io::join(Cursor::new(first).chain(read), write);
    let turn = Arc::new(WhoseTurn::default());
    let stream = Patient::new(stream, PATIENCE, Arc::clone(&turn));
    let service = service_fn(move |request: Request<Incoming>| {
        let answering = turn.answering();
        let routed = router.clone().call(request.map(Body::new));
        async move {
            let response = routed.await?;
            Ok::<_, Infallible>(response.map(|body| AnswerBody::new(body, answering)))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(PATIENCE.idle + PATIENCE.header);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    // What ends a connection early is the caller's affair; what it asked for is done.
    watcher.watch(connection).await.ok();
}

/// Says why, and reads on for a moment: a caller that is still sending would see a broken connection.
async fn refuse(mut stream: UnixStream, why: &[u8]) {
    let telling = async {
        stream.write_all(why).await.ok();
        stream.shutdown().await.ok();
        tokio::io::copy(&mut stream, &mut tokio::io::sink())
            .await
            .ok();
    };
    tokio::time::timeout(REFUSAL_TIMEOUT, telling).await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_says_how_long_it_is() {
        let text = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
    }
}
