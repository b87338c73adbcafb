//! HTTP calls to a running server with a secret key.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{LOOK_AGAIN, Server, Store};

/// Until a server takes events, and until views have caught up. Generous, see `process`.
const PATIENCE: Duration = Duration::from_secs(60);

/// Calls one server. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
}

/// A status and a JSON body, both read to the end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn new(store: &Store, server: &Server) -> Self {
        Self::at(&server.address.to_string(), &store.key)
    }

    /// By the address of a server and a key of its store.
    pub(crate) fn at(address: &str, key: &str) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .expect("a client");
        Self {
            http,
            base: format!("http://{address}"),
            key: key.to_owned(),
        }
    }

    /// Waits until the server takes events.
    pub(crate) async fn ready(&self, server: &Server) {
        let deadline = Instant::now() + PATIENCE;
        while self.readiness().await != Some(200) {
            assert!(Instant::now() < deadline, "not ready\n{}", server.said());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The status of `/readyz`, asked on a connection of its own; `None` where nobody listens.
    pub(crate) async fn readiness(&self) -> Option<u16> {
        let url = format!("{}/readyz", self.base);
        let request = self.http.get(url).header("Connection", "close");
        Some(request.send().await.ok()?.status().as_u16())
    }

    /// Sends a body; `at_status` is called when the status has been read and the body has not.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: String,
        at_status: impl FnOnce(u16),
    ) -> Result<Answer, reqwest::Error> {
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .header("Content-Type", "application/json")
            .bearer_auth(&self.key)
            .body(body);
        let response = request.send().await?;
        let status = response.status().as_u16();
        at_status(status);
        let body = response.json().await?;
        Ok(Answer { status, body })
    }

    /// Posts as the form of a mail does, with nothing in it.
    pub(crate) async fn press(&self, path: &str) -> reqwest::StatusCode {
        let request = self.http.post(format!("{}{path}", self.base));
        request.send().await.expect(path).status()
    }

    pub(crate) async fn delete(&self, path: &str) -> reqwest::StatusCode {
        let request = self.http.delete(format!("{}{path}", self.base));
        let response = request.bearer_auth(&self.key).send().await;
        response.expect(path).status()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.try_get(path).await.expect(path)
    }

    /// The same of a server that may be gone.
    pub(crate) async fn try_get(&self, path: &str) -> Option<Answer> {
        let request = self
            .http
            .get(format!("{}{path}", self.base))
            .bearer_auth(&self.key);
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let body = response.json().await.ok()?;
        Some(Answer { status, body })
    }

    /// All events, newest first, once the views have reached `min_seq`.
    pub(crate) async fn all_events(&self, min_seq: &str) -> Vec<Value> {
        let first = format!("/v1/events?limit=1000&minSeq={min_seq}");
        let deadline = Instant::now() + PATIENCE;
        let mut page = self.get(&first).await;
        while page.status == 503 {
            assert!(Instant::now() < deadline, "the views stay behind {min_seq}");
            page = self.get(&first).await;
        }
        let mut events = Vec::new();
        loop {
            assert_eq!(page.status, 200, "{page:?}");
            match page.body["events"].take() {
                Value::Array(more) => events.extend(more),
                other => panic!("no list of events: {other}"),
            }
            let Some(next) = page.body["next"].as_str() else {
                return events;
            };
            page = self
                .get(&format!("/v1/events?limit=1000&cursor={next}"))
                .await;
        }
    }
}
