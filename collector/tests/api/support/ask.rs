//! A request in the making.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::{Answer, TestApp};

/// A request in the making.
pub(crate) struct Ask<'a> {
    pub(super) app: &'a TestApp,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
}

impl Ask<'_> {
    /// Sends the key as a server does.
    pub(crate) fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub(crate) fn header(self, name: &'static str, value: &str) -> Self {
        self.header_bytes(name, value.as_bytes())
    }

    pub(crate) fn header_bytes(mut self, name: &'static str, value: &[u8]) -> Self {
        self.headers.append(
            HeaderName::from_static(name),
            HeaderValue::from_bytes(value).unwrap(),
        );
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    /// Sends JSON as a page does that wants no preflight.
    pub(crate) fn text(self, body: &Value) -> Self {
        self.header("content-type", "text/plain;charset=UTF-8")
            .body(body.to_string())
    }

    /// Sends it, and leaves the body to the caller.
    pub(crate) async fn open(self) -> reqwest::Response {
        let client = self.app.client.clone();
        self.open_with(client).await
    }

    /// The same, of an answer that may lead elsewhere.
    pub(crate) async fn open_without_following(self) -> reqwest::Response {
        let client = reqwest::Client::builder();
        let client = client.redirect(reqwest::redirect::Policy::none());
        self.open_with(client.build().unwrap()).await
    }

    /// The same where the server may end the connection before all of the body was sent.
    pub(crate) async fn try_open(self) -> Result<reqwest::Response, reqwest::Error> {
        let client = self.app.client.clone();
        self.try_with(client).await
    }

    async fn open_with(self, client: reqwest::Client) -> reqwest::Response {
        self.try_with(client).await.unwrap()
    }

    async fn try_with(self, client: reqwest::Client) -> Result<reqwest::Response, reqwest::Error> {
        let url = format!("http://{}{}", self.app.address, self.path);
        let mut request = client.request(self.method, url).headers(self.headers);
        if let Some(body) = self.body {
            request = request.body(body);
        }
        request.send().await
    }

    pub(crate) async fn send(self) -> Answer {
        let path = self.path.clone();
        let response = self.open().await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        Answer::of(&path, status, headers, bytes)
    }
}
