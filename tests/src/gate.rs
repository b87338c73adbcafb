//! A proxy in front of the collector, for the requests of browsers: it writes down what passes, delays the
//! script, loses answers, and stands in the way as networks, workers and roll-outs do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::server::{Answer, Failure, serve, whole};
use crate::wait::until;

/// Where [`Obstacle::RedirectsTo`] may send: what comes there goes on without it.
pub const MOVED: &str = "/moved";

/// The proxy. Clones are the same one.
#[derive(Clone)]
pub struct Gate {
    /// Where browsers reach the collector.
    pub url: String,
    state: Arc<State>,
}

/// A request that came by.
#[derive(Clone, Debug)]
pub struct Passed {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

/// What stands between a page and the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    Nothing,
    /// The first batch gets this answer instead: status, media type, body.
    AnswersOnce(u16, &'static str, &'static str),
    /// Every batch whose path does not begin with this is sent there, by this status.
    RedirectsTo(&'static str, u16),
    /// Every batch is sent to the same path with a slash at its end.
    RedirectsToSlash(u16),
    /// The first batch never gets an answer.
    StallsOnce,
    /// No request gets through.
    Blocks,
}

struct State {
    obstacle: Mutex<Obstacle>,
    collector: SocketAddr,
    script_delay: Duration,
    loses_answers: AtomicBool,
    passed: Mutex<Vec<Passed>>,
    /// Requests without an answer yet.
    open: AtomicUsize,
}

impl Gate {
    /// A gate that delays nothing.
    pub async fn open(collector: SocketAddr) -> Self {
        Self::open_delaying(collector, Duration::ZERO).await
    }

    /// Another gate to the same collector, which hands out the script with a delay.
    pub async fn beside(&self, script_delay: Duration) -> Self {
        Self::open_delaying(self.state.collector, script_delay).await
    }

    async fn open_delaying(collector: SocketAddr, script_delay: Duration) -> Self {
        let state = Arc::new(State {
            obstacle: Mutex::new(Obstacle::Nothing),
            collector,
            script_delay,
            loses_answers: AtomicBool::new(false),
            passed: Mutex::default(),
            open: AtomicUsize::new(0),
        });
        let own = Arc::clone(&state);
        let address = serve(move |request| {
            let state = Arc::clone(&own);
            async move {
                state.open.fetch_add(1, Ordering::SeqCst);
                let answer = state.pass(request).await;
                state.open.fetch_sub(1, Ordering::SeqCst);
                answer
            }
        })
        .await;
        Self {
            url: format!("http://{address}"),
            state,
        }
    }

    /// Puts something in the way.
    pub fn obstruct(&self, obstacle: Obstacle) {
        *self.state.obstacle() = obstacle;
    }

    /// From now on the collector gets every event and the browser no answer.
    pub fn lose_answers(&self, lose: bool) {
        self.state.loses_answers.store(lose, Ordering::SeqCst);
    }

    /// All that came by, in order.
    #[must_use]
    pub fn passed(&self) -> Vec<Passed> {
        let passed = self.state.passed.lock();
        passed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What came by that was not for the script itself.
    #[must_use]
    pub fn passed_with_data(&self) -> Vec<Passed> {
        let mut passed = self.passed();
        passed.retain(|request| !request.path.starts_with("/mail/track"));
        passed
    }

    /// The id of every event in every body that came by; one that was sent twice is there twice.
    #[must_use]
    pub fn sent_ids(&self) -> Vec<String> {
        let bodies = self.passed_with_data().into_iter();
        bodies
            .filter_map(|request| serde_json::from_str::<Value>(&request.body).ok())
            .flat_map(|body| body["events"].as_array().cloned().unwrap_or_default())
            .map(|event| event["id"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Waits until nothing is on its way.
    pub async fn idle(&self) {
        until("every request to be answered", async || {
            (self.state.open.load(Ordering::SeqCst) == 0).then_some(())
        })
        .await;
    }
}

impl State {
    async fn pass(&self, request: Request<Incoming>) -> Result<Answer, Failure> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let is_script = head.uri.path().starts_with("/mail/track");
        self.passed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Passed {
                method: head.method.clone(),
                path: head.uri.path().to_owned(),
                headers: head.headers.clone(),
                body: String::from_utf8_lossy(&body).into_owned(),
            });
        if is_script {
            tokio::time::sleep(self.script_delay).await;
        }
        if !is_script && let Some(answer) = self.stand_in_the_way(&head).await {
            return answer;
        }
        let mut head = head;
        if let Some(path) = head.uri.path().strip_prefix(MOVED) {
            head.uri = path.parse()?;
        }
        let answer = self
            .forward(Request::from_parts(head, Full::new(body)))
            .await?;
        if !is_script && self.loses_answers.load(Ordering::SeqCst) {
            return Err("this answer is to be lost".into());
        }
        Ok(answer)
    }

    fn obstacle(&self) -> MutexGuard<'_, Obstacle> {
        self.obstacle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer of what is in the way; `None` where the request passes.
    async fn stand_in_the_way(&self, head: &Parts) -> Option<Result<Answer, Failure>> {
        let path = head.uri.path();
        let obstacle = *self.obstacle();
        let redirect = |status: u16, to: String| {
            let answer = Response::builder()
                .status(status)
                .header("location", to)
                .header("access-control-allow-origin", "*")
                .body(whole(""));
            Some(answer.map_err(Failure::from))
        };
        match obstacle {
            Obstacle::Nothing => None,
            Obstacle::AnswersOnce(status, media, body) => {
                *self.obstacle() = Obstacle::Nothing;
                let answer = Response::builder()
                    .status(status)
                    .header("content-type", media)
                    .header("access-control-allow-origin", "*")
                    .body(whole(body));
                Some(answer.map_err(Failure::from))
            }
            Obstacle::RedirectsTo(prefix, status) if !path.starts_with(prefix) => {
                redirect(status, format!("{prefix}{path}"))
            }
            Obstacle::RedirectsToSlash(status) if !path.ends_with('/') => {
                redirect(status, format!("{path}/"))
            }
            Obstacle::RedirectsTo(..) | Obstacle::RedirectsToSlash(_) => None,
            Obstacle::StallsOnce => {
                *self.obstacle() = Obstacle::Nothing;
                // Until the browser goes away.
                std::future::pending().await
            }
            Obstacle::Blocks => Some(Err("nothing gets through".into())),
        }
    }

    async fn forward(&self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let stream = TcpStream::connect(self.collector).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let answer = sender.send_request(request).await?;
        Ok(answer.map(|body| body.map_err(Failure::from).boxed()))
    }
}
