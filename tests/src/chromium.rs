//! A Chromium of one's own: a fresh profile, a chromedriver, and what the tests ask of a page.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};
use url::{ParseError, Url};

use crate::collector::target_folder;
use crate::wait::until;

/// Browsers at the same time: they are what two cores have the most work with.
static PLACES: Semaphore = Semaphore::const_new(2);

/// As root in a container, without a screen and without calls to its maker.
const FLAGS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en-GB",
    "--window-size=1280,900",
];

/// How often a browser is started before a test gives up: `--port=0` can lose its port to another process
/// between the choice and the use, and a busy machine can be too slow once.
const ATTEMPTS: usize = 5;
/// A chromedriver that has not said its port after this time is given up. Generous, for a machine that
/// does other work on its only core.
const DRIVER_PATIENCE: Duration = Duration::from_secs(60);

/// A browser. It ends, with all its processes, where it is dropped.
pub struct Browser {
    client: Client,
    // In this order: the processes end before their profile goes, and both before the next browser comes.
    _driver: Box<dyn Send + Sync>,
    _profile: TempDir,
    _place: SemaphorePermit<'static>,
}

/// A line in the browser's console.
#[derive(Debug)]
pub struct ConsoleLine {
    /// `SEVERE`, `WARNING`, `INFO`.
    pub level: String,
    /// `console-api` for what a page said; else the part of the browser that says it.
    pub source: String,
    pub message: String,
}

impl Browser {
    /// Starts one, when there is a place for it.
    pub async fn open() -> Self {
        Self::open_with(&[]).await
    }

    /// Starts one that says it is `agent`: the agent of one without a screen is rightly a bot's.
    pub async fn open_as(agent: &str) -> Self {
        Self::open_with(&[format!("--user-agent={agent}")]).await
    }

    /// The same, and it does not say that a program steers it: what it does is a visitor's.
    pub async fn open_as_visitor(agent: &str) -> Self {
        let unsteered = "--disable-blink-features=AutomationControlled";
        Self::open_with(&[format!("--user-agent={agent}"), unsteered.to_owned()]).await
    }

    async fn open_with(more_flags: &[String]) -> Self {
        let place = Self::take_place().await;
        let mut said = Vec::new();
        for _ in 0..ATTEMPTS {
            match Self::try_open(more_flags).await {
                Ok((client, driver, profile)) => {
                    return Self {
                        client,
                        _driver: Box::new(driver),
                        _profile: profile,
                        _place: place,
                    };
                }
                Err(words) => said.push(words),
            }
        }
        panic!(
            "Chromium did not start in {ATTEMPTS} attempts (./dev test installs it and chromedriver):\n{}",
            said.join("\n---\n")
        );
    }

    /// A browser that another driver has started, which ends where `driver` is dropped.
    pub(crate) fn of_other(
        client: Client,
        driver: impl Send + Sync + 'static,
        profile: TempDir,
        place: SemaphorePermit<'static>,
    ) -> Self {
        Self {
            client,
            _driver: Box::new(driver),
            _profile: profile,
            _place: place,
        }
    }

    /// A place among the browsers, when there is one.
    pub(crate) async fn take_place() -> SemaphorePermit<'static> {
        PLACES.acquire().await.expect("the places are never closed")
    }

    /// Starts a driver and a browser; what they said where one of them does not start.
    async fn try_open(more_flags: &[String]) -> Result<(Client, Driver, TempDir), String> {
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let driver = Driver::start(profile.path())?;
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        flags.extend_from_slice(more_flags);
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
            "unhandledPromptBehavior": "ignore",
        });
        let capabilities: Capabilities = capabilities.as_object().cloned().unwrap_or_default();
        let connected = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await;
        match connected {
            Ok(client) => Ok((client, driver, profile)),
            Err(error) => Err(format!("{error}\n{}", driver.words())),
        }
    }

    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.expect(url);
    }

    /// Opens a window beside the others and goes on in it.
    pub async fn open_window(&self) -> WindowHandle {
        self.open_beside(false).await
    }

    /// Opens a tab in front of the others and goes on in it.
    pub async fn open_tab(&self) -> WindowHandle {
        self.open_beside(true).await
    }

    async fn open_beside(&self, as_tab: bool) -> WindowHandle {
        let opened = self.client.new_window(as_tab).await.expect("a new window");
        self.go_on_in(&opened.handle).await;
        opened.handle
    }

    /// The window or tab that is driven now.
    pub async fn current(&self) -> WindowHandle {
        self.client.window().await.expect("a window")
    }

    /// Goes on in another window or tab.
    pub async fn go_on_in(&self, window: &WindowHandle) {
        self.client
            .switch_to_window(window.clone())
            .await
            .expect("the window is still there");
    }

    /// Runs the body of a function in the page.
    pub async fn run(&self, script: &str) -> Value {
        match self.client.execute(script, Vec::new()).await {
            Ok(value) => value,
            Err(error) => panic!("{script}\n{error}"),
        }
    }

    /// Waits until the body of a function returns something true, and returns it.
    pub async fn wait_for(&self, what: &str, script: &str) -> Value {
        until(what, async || {
            // Fails while the page is on its way, too.
            let value = self.client.execute(script, Vec::new()).await.ok()?;
            let nothing = [json!(null), json!(false), json!(0), json!("")];
            (!nothing.contains(&value)).then_some(value)
        })
        .await
    }

    /// Waits until an element is there.
    pub async fn wait_for_element(&self, selector: &str) {
        let script = format!(
            "return document.querySelector({}) !== null",
            json!(selector)
        );
        self.wait_for(selector, &script).await;
    }

    /// Waits for an element that can be clicked, and clicks it as a visitor does.
    pub async fn click(&self, selector: &str) {
        // Into the middle: at an edge, what is fixed there would take the click.
        let center = format!(
            "document.querySelector({})?.scrollIntoView({{ block: 'center', behavior: 'instant' }})",
            json!(selector)
        );
        until(&format!("{selector} to be clicked"), async || {
            self.client.execute(&center, Vec::new()).await.ok()?;
            let element = self.client.find(Locator::Css(selector)).await.ok()?;
            element.click().await.ok()
        })
        .await;
    }

    /// Waits for a field and types into it, in place of what was there.
    pub async fn fill(&self, selector: &str, text: &str) {
        until(&format!("{selector} to be filled in"), async || {
            let element = self.client.find(Locator::Css(selector)).await.ok()?;
            element.clear().await.ok()?;
            element.send_keys(text).await.ok()
        })
        .await;
    }

    /// Types into what has the focus, as a visitor without a mouse does; for keys without a letter see [`keys`].
    pub async fn press(&self, text: &str) {
        until("something to have the focus", async || {
            let focused = self.client.active_element().await.ok()?;
            focused.send_keys(text).await.ok()
        })
        .await;
    }

    /// Whether a dialog is open: no page of ours opens one.
    pub async fn shows_a_dialog(&self) -> bool {
        self.client.get_alert_text().await.is_ok()
    }

    /// What has come into the console since the last call.
    pub async fn console(&self) -> Vec<ConsoleLine> {
        let lines = self.command("se/log", json!({ "type": "browser" })).await;
        let lines = lines.as_array().cloned().unwrap_or_default();
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        lines
            .iter()
            .map(|line| ConsoleLine {
                level: text(line, "level"),
                source: text(line, "source"),
                message: text(line, "message"),
            })
            .collect()
    }

    /// Lays pages out for light or dark, and for a width, until the next call.
    pub async fn look(&self, scheme: &str, width: u32, height: u32) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 }),
        )
        .await;
    }

    /// A command of Chromium's own protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.command(
            "goog/cdp/execute",
            json!({ "cmd": command, "params": parameters }),
        )
        .await
    }

    /// Keeps a picture of the page.
    pub async fn screenshot(&self, path: &Path) {
        let picture = self.client.screenshot().await.expect("a picture");
        let folder = path.parent().expect("a file lies in a folder");
        std::fs::create_dir_all(folder).expect("a folder for pictures");
        std::fs::write(path, picture).expect("a picture on the disk");
    }

    async fn command(&self, path: &'static str, body: Value) -> Value {
        let command = Extension { path, body };
        match self.client.issue_cmd(command).await {
            Ok(value) => value,
            Err(error) => panic!("chromedriver refuses {path}: {error}"),
        }
    }
}

/// Keys without a letter, as drivers of browsers spell them.
pub mod keys {
    pub const TAB: &str = "\u{e004}";
    pub const ENTER: &str = "\u{e007}";
    pub const BACKSPACE: &str = "\u{e003}";
    pub const UP: &str = "\u{e013}";
    pub const DOWN: &str = "\u{e015}";
    /// Held until [`RELEASE`].
    pub const SHIFT: &str = "\u{e008}";
    pub const CONTROL: &str = "\u{e009}";
    pub const ALT: &str = "\u{e00a}";
    pub const RELEASE: &str = "\u{e000}";
}

/// Where pictures are kept that tests take, for whoever wants to look at what they saw.
#[must_use]
pub fn pictures() -> PathBuf {
    target_folder().join("screenshots")
}

/// A command that chromedriver knows beyond the standard.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// A chromedriver, the leader of a group of processes to which its browser belongs.
struct Driver {
    child: Child,
    port: u16,
    /// Where its standard error goes.
    errors: PathBuf,
}

impl Driver {
    /// Starts one whose files lie in `folder`; its words where it does not say a port.
    fn start(folder: &Path) -> Result<Self, String> {
        let errors = folder.join("chromedriver-errors");
        let error_file = File::create(&errors).expect("a file for the errors of chromedriver");
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(error_file)
            .process_group(0)
            .spawn()
            .expect("chromedriver is there: ./dev test installs it");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let mut driver = Self {
            child,
            port: 0,
            errors,
        };
        let (sender, lines) = mpsc::channel();
        // Reads to the end, or chromedriver would stop when the pipe is full.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens once the port is known.
                sender.send(line).ok();
            }
        });
        let deadline = Instant::now() + DRIVER_PATIENCE;
        let mut said = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = lines.recv_timeout(left) else {
                // It has ended, or takes too long.
                return Err(format!("{}\n{}", said.join("\n"), driver.words()));
            };
            if let Some(port) = port_in(&line) {
                driver.port = port;
                return Ok(driver);
            }
            said.push(line);
        }
    }

    /// What it has said on its standard error.
    fn words(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

/// The port in the line with which a driver says that it has started.
fn port_in(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("started successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Fails where all have ended, which is what is wanted.
        let group = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
        self.child.wait().ok();
    }
}
