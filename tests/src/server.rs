//! The loop of the small HTTP servers here. They end with the runtime of their test.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What closes a connection without an answer.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;
pub(crate) type Answer = Response<BoxBody<Bytes, Failure>>;

/// Answers on a free port of this machine.
pub(crate) async fn serve<F>(
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) -> SocketAddr
where
    F: Future<Output = Result<Answer, Failure>> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("the port that it is");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(answer.clone());
            tokio::spawn(async move {
                // Fails where the answer is to be lost, or the browser has gone.
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await
                    .ok();
            });
        }
    });
    address
}

pub(crate) fn whole(text: impl Into<Bytes>) -> BoxBody<Bytes, Failure> {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed()
}
