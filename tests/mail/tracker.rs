//! The collector inside the test, with a clock that the test moves.

use std::sync::Arc;
use std::time::Duration;

use collector::app::App;
use collector::public_url::PublicUrl;
use collector::server;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::api_key::{KeyKind, Scope};
use shared::time::Timestamp;
use store::clock::FixedClock;
use store::meta::NewKey;
use tempfile::TempDir;
use tests::wait::until;
use tokio::net::TcpListener;

/// When every mail here is sent.
const SENT_AT: &str = "2026-11-23T10:00:00Z";
/// The agent of an ordinary browser.
pub(crate) const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/142.0.0.0 Safari/537.36";

/// A collector. It ends with its test.
pub(crate) struct Tracker {
    app: Arc<App>,
    clock: Arc<FixedClock>,
    url: String,
    key: String,
    /// Follows no redirect.
    http: reqwest::Client,
    _folder: TempDir,
}

impl Tracker {
    /// One that believes these proxies.
    pub(crate) async fn start(trusted_proxies: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::parse_rfc3339(SENT_AT).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let public_url = PublicUrl::listening_on(listener.local_addr().unwrap());
        let proxies = trusted_proxies.iter().map(|net| net.parse().unwrap());
        let app = App::open(
            folder.path(),
            proxies.collect(),
            public_url,
            Arc::clone(&clock) as _,
        );
        let app = Arc::new(app.unwrap());
        let never = std::future::pending();
        tokio::spawn(server::serve(listener, Arc::clone(&app), never));
        let workspace = app.meta.workspace("default").unwrap();
        let new = NewKey {
            scopes: vec![Scope::Write, Scope::Read, Scope::Contacts],
            ..NewKey::of(workspace, KeyKind::Secret)
        };
        let (_, key) = app.meta.create_key(new).unwrap();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Self {
            url: app.public_url.to_string(),
            key: key.as_str().to_owned(),
            http: http.build().unwrap(),
            app,
            clock,
            _folder: folder,
        }
    }

    pub(crate) fn let_pass(&self, seconds: i64) {
        self.clock.advance_millis(seconds * 1_000);
    }

    /// Registers a mail of the campaign `spring`.
    pub(crate) async fn register(
        &self,
        message_id: &str,
        email: &str,
        html: &str,
        text: &str,
    ) -> Value {
        let body = json!({
            "messageId": message_id, "campaignId": "spring", "email": email, "subject": "Spring",
            "html": html, "text": text,
        });
        self.post("/v1/messages", &body).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        self.answer(request).await
    }

    /// What is answered once everything on record is in it.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let end = *self.app.log.committed().borrow();
        let patience = Duration::from_secs(30);
        self.app.projector.wait_for(end, patience).await.unwrap();
        self.answer(self.http.get(format!("{}{path}", self.url)))
            .await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Value {
        let response = request.bearer_auth(&self.key).send().await.unwrap();
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// The report on a message.
    pub(crate) async fn report(&self, message_id: &str) -> Value {
        self.get(&format!("/v1/reports/messages/{message_id}"))
            .await
    }

    /// What is known of a contact.
    pub(crate) async fn contact(&self, email: &str) -> Value {
        let answer = self.get(&format!("/v1/contacts?email={email}")).await;
        answer["contacts"][0].clone()
    }

    /// Waits until a message has so many events of this name; the newest first.
    pub(crate) async fn events(&self, message_id: &str, name: &str, count: usize) -> Vec<Value> {
        let path = format!("/v1/events?messageId={message_id}&name={name}");
        until(&format!("{count} × {name} of {message_id}"), async || {
            let page = self.get(&path).await;
            let events = page["events"].as_array().unwrap();
            assert!(events.len() <= count, "{events:?}");
            (events.len() == count).then(|| events.clone())
        })
        .await
    }

    /// Fetches an address in a mail, as something at that address behind a proxy does, and waits until
    /// that is on record.
    pub(crate) async fn fetch(&self, url: &str, agent: &str, address: &str) {
        let before = self.app.log.committed().borrow().0;
        let request = self.http.request(Method::GET, url);
        let response = request
            .header("user-agent", agent)
            .header("x-forwarded-for", address)
            .send()
            .await
            .unwrap();
        let is_right =
            response.status() == StatusCode::OK || response.status() == StatusCode::FOUND;
        assert!(is_right, "{response:?}");
        until("a hit to be on record", async || {
            (self.app.log.committed().borrow().0 > before).then_some(())
        })
        .await;
    }
}
