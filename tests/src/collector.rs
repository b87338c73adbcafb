//! The `misar` binary as a child process: started, killed, started again on the same port; its commands,
//! and what is on its record.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

use crate::gate::Gate;
use crate::wait::until;

/// A data folder with a secret key, and the server that runs on it.
pub struct Collector {
    folder: TempDir,
    listen: SocketAddr,
    demo: SocketAddr,
    /// Where browsers reach it, as it was told; empty where it was not.
    pub url: String,
    /// A secret key that may send, keep segments, and read, contacts too.
    pub secret_key: String,
    server: Option<Server>,
    http: reqwest::Client,
}

/// A key for pages.
pub struct PublicKey {
    /// What names it in events and commands.
    pub id: String,
    /// What stands in the page.
    pub key: String,
}

impl Collector {
    /// Starts one that browsers reach directly.
    pub async fn start() -> Self {
        let listen = free_address();
        Self::start_at(listen, format!("http://{listen}")).await
    }

    /// Starts one that browsers reach only through a gate.
    pub async fn start_behind_a_gate() -> (Self, Gate) {
        let listen = free_address();
        let gate = Gate::open(listen).await;
        (Self::start_at(listen, gate.url.clone()).await, gate)
    }

    /// Starts one that has not been told where browsers reach it, and gates to it on demand.
    pub async fn start_without_public_url() -> Self {
        Self::start_at(free_address(), String::new()).await
    }

    /// Another way for browsers to reach it.
    pub async fn gate(&self) -> Gate {
        Gate::open(self.listen).await
    }

    async fn start_at(listen: SocketAddr, url: String) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the data");
        let key = run(
            &folder.path().join("data"),
            &["keys", "create", "--scope", "write,read,contacts", "--json"],
        );
        let mut collector = Self {
            folder,
            listen,
            demo: free_address(),
            url,
            secret_key: text(&key, "key"),
            server: None,
            http: reqwest::Client::new(),
        };
        collector.restart().await;
        collector
    }

    /// Starts it where it was before.
    pub async fn restart(&mut self) {
        self.kill();
        self.server = Some(Server::start(
            &self.data(),
            self.listen,
            self.demo,
            &self.url,
        ));
        let ready = format!("http://{}/readyz", self.listen);
        until("the collector to be ready", async || {
            let server = self.server.as_mut()?;
            if let Ok(Some(status)) = server.child.try_wait() {
                panic!("misar serve ended: {status}\n{}", server.said());
            }
            let answer = self.http.get(&ready).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// A new link to the live page; each works once.
    #[must_use]
    pub fn new_link(&self) -> String {
        let output = output(&self.data(), &["link"]);
        output
            .split_whitespace()
            .find(|word| word.contains("/live#code="))
            .expect("misar link prints a link")
            .to_owned()
    }

    /// Where the demo shop is.
    #[must_use]
    pub fn shop_url(&self) -> String {
        format!("http://{}", self.demo)
    }

    /// A new key for pages.
    #[must_use]
    pub fn public_key(&self, options: &[&str]) -> PublicKey {
        let mut arguments = vec!["keys", "create", "--public", "--json"];
        arguments.extend(options);
        let key = run(&self.data(), &arguments);
        PublicKey {
            id: text(&key, "id"),
            key: text(&key, "key"),
        }
    }

    /// The embed code that the collector hands out for a key.
    pub async fn embed(&self, key: &PublicKey) -> String {
        let answer = self.get("/v1/embeds").await.expect("the embed codes");
        let embeds = answer["embeds"].as_array().expect("a list").clone();
        let embed = embeds
            .iter()
            .find(|embed| embed["keyId"] == key.id.as_str())
            .expect("the key is in the list");
        text(embed, "html")
    }

    /// Sends one event as a customer's server does.
    pub async fn send(&self, event: Value) -> Value {
        self.post("/v1/track/event", event).await
    }

    /// Sends a JSON body with the secret key.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.http
            .post(format!("http://{}{path}", self.listen))
            .bearer_auth(&self.secret_key)
            .json(&body)
            .send()
            .await
            .expect("an answer from the collector")
            .json()
            .await
            .expect("a JSON answer")
    }

    /// Reads with the secret key.
    ///
    /// # Panics
    /// When there is no good answer.
    pub async fn read(&self, path: &str) -> Value {
        self.get(path)
            .await
            .unwrap_or_else(|| panic!("an answer from {path}"))
    }

    /// Every event on record, oldest first; nothing while the collector cannot say.
    pub async fn events(&self) -> Vec<Value> {
        let mut events = Vec::new();
        let mut behind = String::new();
        loop {
            let page = self.get(&format!("/v1/events?limit=1000{behind}")).await;
            let Some(page) = page else {
                return Vec::new();
            };
            events.extend(page["events"].as_array().into_iter().flatten().cloned());
            match page["next"].as_str() {
                Some(next) => behind = format!("&cursor={next}"),
                None => break,
            }
        }
        events.reverse();
        events
    }

    /// Waits until so many events of a name are on record, and returns them, oldest first.
    pub async fn events_named(&self, name: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} × {name} on record"), async || {
            let mut events = self.events().await;
            events.retain(|event| event["name"] == name);
            (events.len() >= count).then_some(events)
        })
        .await
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let answer = self
            .http
            .get(format!("http://{}{path}", self.listen))
            .bearer_auth(&self.secret_key)
            .send()
            .await
            .ok()?;
        if !answer.status().is_success() {
            return None;
        }
        answer.json().await.ok()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

/// A running server. Killed where it is dropped.
struct Server {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(data: &Path, listen: SocketAddr, demo: SocketAddr, public_url: &str) -> Self {
        let mut program = misar();
        program
            .args(["serve", "--listen", &listen.to_string()])
            .args(["--demo-listen", &demo.to_string()])
            .arg("--data")
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if !public_url.is_empty() {
            program.args(["--public-url", public_url]);
        }
        let mut child = program.spawn().expect("misar starts");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let said = Arc::default();
        let keep: Arc<Mutex<Vec<String>>> = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                keep.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        Self { child, said }
    }

    fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail where it has ended, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The folder that cargo builds into, `target` unless somebody chose another.
///
/// # Panics
/// When this program does not lie where cargo puts it.
#[must_use]
pub fn target_folder() -> PathBuf {
    profile_folder()
        .parent()
        .expect("the folder of a profile lies in the target folder")
        .to_owned()
}

/// `target/debug`: a test lies in `deps` below it, a program directly in it.
fn profile_folder() -> PathBuf {
    let program = std::env::current_exe().expect("the path of this program");
    let folder = program.parent().expect("a program lies in a folder");
    let folder = match folder.ends_with("deps") {
        true => folder.parent().expect("deps lies in a folder"),
        false => folder,
    };
    folder.to_owned()
}

/// The binary, free of the settings of whoever runs the tests.
fn misar() -> Command {
    let path = profile_folder().join("misar");
    assert!(
        path.exists(),
        "{} is missing: build it first: cargo build -p collector",
        path.display()
    );
    let mut program = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MISAR_") {
            program.env_remove(name);
        }
    }
    program
}

fn output(data: &Path, arguments: &[&str]) -> String {
    let output = misar()
        .args(arguments)
        .arg("--data")
        .arg(data)
        .output()
        .expect("misar starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "misar {} failed\n{stderr}",
        arguments.join(" ")
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn run(data: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&output(data, arguments)).expect("JSON and nothing else on stdout")
}

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().expect(name).to_owned()
}

/// An address that nobody listens on, to be kept over restarts.
///
/// Its port lies below those that systems hand out by themselves (from 32768 on Linux, from 49152
/// elsewhere), or somebody's port 0, or a connection that goes out, could take it before its server
/// starts and between a kill and the start after it.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    const FIRST: u32 = 12_000;
    const PORTS: u32 = 20_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Two runs beside each other begin far apart; what one process has taken it never takes again.
    let begin = std::process::id().wrapping_mul(97);
    (0..PORTS)
        .map(|_| begin.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % PORTS + FIRST)
        .filter_map(|port| u16::try_from(port).ok())
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a free port")
}
