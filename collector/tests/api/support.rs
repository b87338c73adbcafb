//! A collector on a free port with a data folder of its own, and a client that looks at every
//! answer: whatever a test asks, an error has the documented shape and echoes nothing personal.

mod answer;
mod ask;

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use collector::app::App;
use collector::public_url::PublicUrl;
use collector::server;
use ipnet::IpNet;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use shared::api_key::{ApiKey, KeyKind, Scope};
use shared::time::Timestamp;
use store::clock::{Clock, FixedClock, SystemClock};
use store::meta::{Key, NewKey};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use answer::{Answer, is_opaque};
pub(crate) use ask::Ask;

/// The routes that pages call.
pub(crate) const INGEST: [&str; 5] = [
    "/v1/track/event",
    "/v1/track/purchase",
    "/v1/track/refund",
    "/v1/track/batch",
    "/v1/identify",
];
/// The domain of every person in these tests: no message may hold it.
pub(crate) const PERSON: &str = "alice@person.example";
/// When clocks stand that a test has set: 2026-11-23T10:00:00Z.
pub(crate) const NOW: &str = "2026-11-23T10:00:00Z";

/// A running server. Stops with the test.
pub(crate) struct TestApp {
    pub(crate) app: Arc<App>,
    pub(crate) address: SocketAddr,
    /// May send and read, in the workspace `default`.
    pub(crate) key: String,
    client: reqwest::Client,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    folder: Folder,
}

/// A data folder, with room beside it for what a server puts there.
pub(crate) struct Folder {
    data: PathBuf,
    _room: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let room = tempfile::tempdir().unwrap();
        let data = room.path().join("data");
        // As a server makes it.
        DirBuilder::new().mode(0o700).create(&data).unwrap();
        Self { data, _room: room }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.data
    }
}

/// A server with the machine's clock.
pub(crate) async fn spawn_app() -> TestApp {
    spawn_app_with(Arc::new(SystemClock)).await
}

/// A server whose clock stands at [`NOW`].
pub(crate) async fn spawn_app_at_rest() -> (TestApp, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::new(Timestamp::parse_rfc3339(NOW).unwrap()));
    (spawn_app_with(Arc::clone(&clock) as _).await, clock)
}

async fn spawn_app_with(clock: Arc<dyn Clock>) -> TestApp {
    spawn_app_in(Folder::new(), clock).await
}

/// A server that others know by this URL.
pub(crate) async fn spawn_app_known_as(url: PublicUrl) -> TestApp {
    let folder = Folder::new();
    spawn(folder, Arc::new(SystemClock), Some(url), Vec::new()).await
}

/// A server behind proxies that it trusts: whose address counts, `X-Forwarded-For` says.
pub(crate) async fn spawn_app_behind(trusted: &[&str]) -> TestApp {
    let folder = Folder::new();
    let trusted = trusted.iter().map(|net| net.parse().unwrap()).collect();
    spawn(folder, Arc::new(SystemClock), None, trusted).await
}

/// A server on this folder.
pub(crate) async fn spawn_app_in(folder: Folder, clock: Arc<dyn Clock>) -> TestApp {
    spawn(folder, clock, None, Vec::new()).await
}

async fn spawn(
    folder: Folder,
    clock: Arc<dyn Clock>,
    public_url: Option<PublicUrl>,
    trusted: Vec<IpNet>,
) -> TestApp {
    // A test of thousands of callers holds both ends of each connection.
    server::raise_open_files().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let public_url = public_url.unwrap_or_else(|| PublicUrl::listening_on(address));
    let app = Arc::new(App::open(folder.path(), trusted, public_url, clock).unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let draining = Arc::clone(&app);
    let serving = tokio::spawn(server::serve(listener, Arc::clone(&app), async move {
        // Also done when the sender is dropped.
        stopped.await.ok();
        draining.start_draining();
    }));
    let workspace = app.meta.workspace("default").unwrap();
    let new = NewKey {
        scopes: vec![Scope::Send, Scope::Read],
        ..NewKey::of(workspace, KeyKind::Secret)
    };
    let (_, key) = app.meta.create_key(new).unwrap();
    TestApp {
        key: key.as_str().to_owned(),
        app,
        address,
        client: reqwest::Client::new(),
        stop,
        serving,
        folder,
    }
}

impl TestApp {
    /// Stops it in order; the time that the server itself took to end.
    pub(crate) async fn stop(self) -> (Folder, Duration) {
        let started = Instant::now();
        drop(self.stop);
        self.serving.await.unwrap();
        let took = started.elapsed();
        self.app.close().await.unwrap();
        let mut app = self.app;
        // The last connections are letting go of it.
        while let Err(shared) = Arc::try_unwrap(app) {
            app = shared;
            tokio::task::yield_now().await;
        }
        (self.folder, took)
    }

    /// Stops it and starts it again on the same folder, with the machine's clock; also how long the
    /// server took to end.
    pub(crate) async fn restart(self) -> (TestApp, Duration) {
        let (folder, took) = self.stop().await;
        (spawn_app_in(folder, Arc::new(SystemClock)).await, took)
    }

    /// The origin of the server's own pages.
    pub(crate) fn origin(&self) -> String {
        self.app.public_url.to_string()
    }

    /// A secret key of the workspace `default`.
    pub(crate) fn secret(&self, scopes: &[Scope]) -> String {
        self.key_of(|new| new.scopes = scopes.to_vec(), KeyKind::Secret)
            .1
    }

    /// A public key of the workspace `default`, for these origins.
    pub(crate) fn public(&self, origins: &[&str]) -> String {
        let parse = |origin: &&str| origin.parse().unwrap();
        self.key_of(
            |new| new.origins = origins.iter().map(parse).collect(),
            KeyKind::Public,
        )
        .1
    }

    /// A public key that may send purchases.
    pub(crate) fn shop(&self) -> String {
        self.key_of(|new| new.allow_purchases = true, KeyKind::Public)
            .1
    }

    /// A secret key of so many requests a second.
    pub(crate) fn slow_key(&self, kind: KeyKind, rate: u32) -> String {
        self.key_of(|new| new.rate = NonZeroU32::new(rate), kind).1
    }

    /// A key that registers so many messages a second.
    pub(crate) fn slow_writer(&self, rate: u32) -> String {
        self.slow_with(Scope::Write, rate)
    }

    /// A key that reads so often a second.
    pub(crate) fn slow_reader(&self, rate: u32) -> String {
        self.slow_with(Scope::Read, rate)
    }

    fn slow_with(&self, scope: Scope, rate: u32) -> String {
        let change = |new: &mut NewKey| {
            new.rate = NonZeroU32::new(rate);
            new.scopes = vec![scope];
        };
        self.key_of(change, KeyKind::Secret).1
    }

    /// A key that may send and, where it is a secret one, read, until then.
    pub(crate) fn expiring(&self, kind: KeyKind, end: Timestamp) -> String {
        let change = |new: &mut NewKey| {
            new.expires_at = Some(end);
            if kind == KeyKind::Secret {
                new.scopes = vec![Scope::Send, Scope::Read];
            }
        };
        self.key_of(change, kind).1
    }

    /// A key that sends and reads in another workspace.
    pub(crate) fn key_elsewhere(&self) -> String {
        let workspace = self.app.meta.workspace("elsewhere");
        let workspace =
            workspace.unwrap_or_else(|| self.app.meta.create_workspace("elsewhere").unwrap());
        let scopes = vec![Scope::Send, Scope::Read];
        self.key_of(
            |new| {
                new.workspace = workspace;
                new.scopes = scopes;
            },
            KeyKind::Secret,
        )
        .1
    }

    /// A key of this kind and these scopes in a workspace that nobody else uses.
    pub(crate) fn key_of_other(&self, name: &str, kind: KeyKind, scopes: &[Scope]) -> String {
        let known = self.app.meta.workspace(name);
        let workspace = known.unwrap_or_else(|| self.app.meta.create_workspace(name).unwrap());
        let scopes = scopes.to_vec();
        self.key_of(
            |new| {
                new.workspace = workspace;
                new.scopes = scopes;
            },
            kind,
        )
        .1
    }

    /// A public key of so many events a second in a workspace that nobody else uses.
    pub(crate) fn slow_key_of_other(&self, name: &str, rate: u32) -> String {
        let workspace = self.app.meta.create_workspace(name).unwrap();
        self.key_of(
            |new| {
                new.workspace = workspace;
                new.rate = NonZeroU32::new(rate);
            },
            KeyKind::Public,
        )
        .1
    }

    /// The value of a series of the whole process; 0 where it is not there.
    pub(crate) async fn series(&self, name: &str) -> u64 {
        let page = self.ask(Method::GET, "/metrics").send().await.text;
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// A key of any workspace and kind, changed as the caller likes.
    pub(crate) fn key_of(
        &self,
        change: impl FnOnce(&mut NewKey),
        kind: KeyKind,
    ) -> (Arc<Key>, String) {
        let workspace = self.app.meta.workspace("default").unwrap();
        let mut new = NewKey::of(workspace, kind);
        change(&mut new);
        let (key, plain) = self.app.meta.create_key(new).unwrap();
        (key, plain.as_str().to_owned())
    }

    /// What the server knows of a key.
    pub(crate) fn known(&self, key: &str) -> Arc<Key> {
        let key = ApiKey::parse(key).unwrap();
        self.app.meta.authenticate(&key).unwrap()
    }

    /// Where it keeps its data.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How many events are on disk.
    pub(crate) fn on_disk(&self) -> u64 {
        self.app.log.committed().borrow().0
    }

    /// Waits until everything on disk is in the views.
    pub(crate) async fn caught_up(&self) {
        let end = *self.app.log.committed().borrow();
        let patience = Duration::from_secs(30);
        self.app.projector.wait_for(end, patience).await.unwrap();
    }

    /// Posts JSON with a key in the header.
    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path)
            .key(key)
            .json(body)
            .send()
            .await
    }

    /// Posts text as JSON with the app's own key, for what a `Value` cannot hold.
    pub(crate) async fn post_text(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.ask(Method::POST, path)
            .key(&self.key)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
    }

    /// Gets with the app's own key.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &self.key).await
    }

    pub(crate) async fn get_with(&self, path: &str, key: &str) -> Answer {
        self.ask(Method::GET, path).key(key).send().await
    }

    pub(crate) async fn receipt(&self, id: &str) -> Answer {
        self.get(&format!("/v1/receipts/{id}")).await
    }

    /// The event of that seq, as it is listed.
    pub(crate) async fn listed(&self, seq: &str) -> Value {
        let page = self.get(&format!("/v1/events?minSeq={seq}")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let events = page.body["events"].as_array().unwrap();
        let event = events.iter().find(|event| event["seq"] == seq);
        event.unwrap().clone()
    }

    /// The event of that id, as it is listed: for those whose answers carry no seq.
    pub(crate) async fn listed_as(&self, id: &str) -> Value {
        let events = self.all_events().await;
        let event = events.into_iter().find(|event| event["id"] == id);
        event.unwrap()
    }

    /// Every event of the list, newest first.
    pub(crate) async fn all_events(&self) -> Vec<Value> {
        self.caught_up().await;
        let page = self.get("/v1/events?limit=1000").await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(page.body.get("next").is_none());
        page.body["events"].as_array().unwrap().clone()
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        Ask {
            app: self,
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: None,
        }
    }

    /// Writes bytes to a connection of its own and reads until the server closes it: they should
    /// ask for that.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        write_what_is_taken(&mut stream, bytes).await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let read = tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .expect("the server closes the connection");
        if let Err(error) = read {
            assert!(is_hung_up(&error), "{error}");
        }
        String::from_utf8(answer).unwrap()
    }
}

/// Writes bytes until the server takes no more: it may refuse a request before it has read all of it,
/// and closes the connection then.
pub(crate) async fn write_what_is_taken(stream: &mut TcpStream, bytes: &[u8]) {
    if let Err(error) = stream.write_all(bytes).await {
        assert!(is_hung_up(&error), "{error}");
    }
}

fn is_hung_up(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset
    )
}

/// A new id.
pub(crate) fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Padded within `properties` to exactly so many bytes of JSON.
pub(crate) fn event_of(bytes: usize) -> String {
    let event = |pad: usize| {
        format!(
            r#"{{"type":"track","email":"{PERSON}","event":"x","properties":{{"pad":"{}"}}}}"#,
            "x".repeat(pad)
        )
    };
    event(bytes - event(0).len())
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
