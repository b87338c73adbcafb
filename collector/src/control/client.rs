//! HTTP to whoever answers a command: the server on the socket, or a router of this process.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tower_service::Service as _;

use super::calls::{self, Call};
use super::socket::Stream;
use crate::routes::admin::lines::{self, Line};
use crate::upkeep::Progress;

/// No answer, and no line of one, is longer: that of the longest message fits.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;
/// The server says who it is within this time, or is stuck.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

const OTHER_VERSION: &str = "the server that has this folder open is of another version of misar and does not \
                             understand this one: use the misar that runs it";
const GONE: &str = "the server went away before it had answered";
const UNKNOWN: &str = "the server answered in a way that this misar does not know";

/// One connection, for one call.
pub(super) struct ControlClient(Way);

enum Way {
    Socket(SendRequest<Body>),
    Within(Router),
}

/// What a refusal says.
#[derive(Deserialize)]
struct Refused {
    error: lines::Failure,
}

impl ControlClient {
    pub(super) fn within(router: Router) -> Self {
        Self(Way::Within(router))
    }

    /// Makes sure that whoever listens speaks as this program does.
    ///
    /// # Errors
    /// A sentence.
    pub(super) async fn on(stream: Stream) -> Result<Self, String> {
        let (send, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|_| GONE.to_owned())?;
        // What ends it early, the request learns too.
        tokio::spawn(async move { connection.await.ok() });
        let mut client = Self(Way::Socket(send));
        let hello = async {
            let response = client.send(&calls::hello()).await?;
            answer_of(response, &mut |_| {}).await.map(drop)
        };
        let asked: Result<Result<(), String>, _> = tokio::time::timeout(HELLO_TIMEOUT, hello).await;
        asked.map_err(|_| {
            "the server that has this folder open does not answer: it is stuck. Stop it first"
                .to_owned()
        })??;
        Ok(client)
    }

    /// Sends a call and reads its answer.
    ///
    /// # Errors
    /// A sentence.
    pub(super) async fn ask<T: DeserializeOwned>(
        mut self,
        call: &Call<T>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<T, String> {
        let response = self.send(call).await?;
        let answer = answer_of(response, progress).await?;
        serde_json::from_slice(&answer).map_err(|_| UNKNOWN.to_owned())
    }

    async fn send<T>(&mut self, call: &Call<T>) -> Result<Response<Body>, String> {
        let request = Request::builder()
            .method(&call.method)
            .uri(&call.target)
            // There is no host on a socket, and HTTP/1.1 wants one.
            .header(HOST, "misar")
            .header(ACCEPT, lines::MEDIA_TYPE)
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(call.body.clone()?))
            .map_err(|error| error.to_string())?;
        match &mut self.0 {
            Way::Socket(send) => match send.send_request(request).await {
                Ok(response) => Ok(response.map(Body::new)),
                Err(error) if error.is_parse() => Err(OTHER_VERSION.to_owned()),
                Err(_) => Err(GONE.to_owned()),
            },
            Way::Within(router) => match router.call(request).await {
                Ok(response) => Ok(response),
                Err(never) => match never {},
            },
        }
    }
}

/// The JSON of an answer, or the sentence of a refusal.
async fn answer_of(
    response: Response<Body>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<u8>, String> {
    let status = response.status();
    let is_lines = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|media| media == lines::MEDIA_TYPE);
    if status.is_success() && is_lines {
        return last_line(response.into_body(), progress).await;
    }
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
    let body = body
        .collect()
        .await
        .map_err(|_| GONE.to_owned())?
        .to_bytes();
    if status.is_success() {
        return Ok(body.into());
    }
    match serde_json::from_slice::<Refused>(&body) {
        // No route of that name.
        Ok(Refused { error }) if is_foreign(status, &error.code) => Err(OTHER_VERSION.to_owned()),
        Ok(Refused { error }) => Err(error.message),
        Err(_) => Err(OTHER_VERSION.to_owned()),
    }
}

fn is_foreign(status: StatusCode, code: &str) -> bool {
    code == "not_found" || status == StatusCode::METHOD_NOT_ALLOWED
}

/// Tells of the progress, and returns what comes behind it.
async fn last_line(mut body: Body, progress: &mut dyn FnMut(Progress)) -> Result<Vec<u8>, String> {
    let mut begun = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| GONE.to_owned())?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        begun.extend_from_slice(&data);
        while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
            let rest = begun.split_off(end + 1);
            let line = serde_json::from_slice::<Line<serde_json::Value>>(&begun);
            begun = rest;
            match line.map_err(|_| UNKNOWN.to_owned())? {
                Line::Progress(told) => progress(told),
                Line::Ok(value) => return Ok(value.to_string().into_bytes()),
                Line::Error(failure) => return Err(failure.message),
            }
        }
        if begun.len() > MAX_ANSWER_BYTES {
            return Err(UNKNOWN.to_owned());
        }
    }
    Err(GONE.to_owned())
}
