//! Long work, and answers that tell how far it has got: lines of JSON, each `{"progress":{"done":…,"total":…}}`,
//! and last `{"ok":…}` or `{"error":{…}}`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::StreamExt as _;
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::Desk;
use crate::channel::through;
use crate::error::ApiError;
use crate::error::refusal::FAILED;
use crate::limits::long::Permit;
use crate::upkeep::{Progress, Upkeep};

pub(crate) const MEDIA_TYPE: &str = "application/x-ndjson";
/// Progress is told at most this often.
const PAUSE: Duration = Duration::from_millis(100);
/// Lines that wait for their reader; progress beyond is not told.
const WAITING: usize = 16;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Line<T> {
    Progress(Progress),
    Ok(T),
    Error(Failure),
}

/// Why there is no answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) code: String,
    /// A sentence for whoever asked.
    pub(crate) message: String,
}

/// Does long work on a thread of its own, because the runtime would wait for one of its own at a stop, however
/// long a verify takes. `told` gets the outcome; who waits for it may go away, and the work goes on.
pub(crate) fn begin<T: Send + 'static>(
    desk: &Desk,
    permit: Option<Permit>,
    work: impl FnOnce(&dyn Upkeep) -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, ApiError> {
    let (tell, told) = oneshot::channel();
    let (store, runtime) = (Arc::clone(&desk.store), Handle::current());
    std::thread::Builder::new()
        .name("upkeep".into())
        .spawn(move || {
            let _within = runtime.enter();
            let outcome = work(&*store);
            // In this order: who waits for the permit may close what the store holds open.
            drop(store);
            drop(permit);
            tell.send(outcome).ok();
        })
        .map_err(|error| {
            tracing::error!(%error, "a thread could not be started");
            ApiError::Internal
        })?;
    Ok(told)
}

/// Does work that is soon done, but not for the threads that answer others.
pub(crate) async fn apart<T: Send + 'static>(
    desk: &Desk,
    work: impl FnOnce(&dyn Upkeep) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let told = begin(desk, None, work)?;
    told.await.map_err(|_| ApiError::Internal)
}

/// Does long work and tells of it.
pub(crate) fn tell<T: Serialize + DeserializeOwned + Send + 'static>(
    desk: &Desk,
    permit: Permit,
    work: impl FnOnce(&dyn Upkeep, &mut dyn FnMut(Progress)) -> Result<T, String> + Send + 'static,
) -> Result<Response, ApiError> {
    let (out, lines) = mpsc::channel(WAITING);
    let telling = out.clone();
    let told = begin(desk, Some(permit), move |store| {
        let mut last: Option<Instant> = None;
        work(store, &mut |progress| {
            if last.is_none_or(|last| last.elapsed() >= PAUSE) {
                last = Some(Instant::now());
                // A reader who is slow or gone is told less; what it asked for is still done.
                telling.try_send(line(&Line::<T>::Progress(progress))).ok();
            }
        })
    })?;
    tokio::spawn(async move {
        let end = match told.await {
            Ok(Ok(value)) => Line::Ok(value),
            Ok(Err(sentence)) => Line::Error(Failure::of(sentence)),
            Err(_) => Line::Error(Failure::of("the work broke off".to_owned())),
        };
        out.send(line(&end)).await.ok();
    });
    let lines = through(lines).map(Ok::<_, Infallible>);
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], Body::from_stream(lines)).into_response())
}

impl Failure {
    fn of(message: String) -> Self {
        Self {
            code: FAILED.to_owned(),
            message,
        }
    }
}

fn line<T: Serialize>(line: &Line<T>) -> Bytes {
    // Structs of texts and numbers: nothing of this can fail to serialise.
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes.into()
}
