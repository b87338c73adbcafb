//! The engines that pages run in: Chromium, Firefox and WebKitGTK, each with the driver that Debian or
//! `./dev` brings. What the other two cannot do (a console to be read, devtools), tests ask of Chromium.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::Pid;
use serde_json::{Value, json};

use crate::chromium::Browser;
use crate::collector::free_address;

/// How often a browser is started before a test gives up: a busy machine can be too slow once.
const ATTEMPTS: usize = 3;
/// A browser that is not there after this time is given up. Generous, for a machine that does other
/// work on its only core.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two attempts to reach a driver that is starting.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// An engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Chromium,
    Firefox,
    WebKit,
}

impl Engine {
    /// Starts a browser of this engine, when there is a place for it.
    ///
    /// # Panics
    /// When it cannot be started; the sentence says what is missing.
    pub async fn open(self) -> Browser {
        if self == Self::Chromium {
            return Browser::open().await;
        }
        let place = Browser::take_place().await;
        let mut said = Vec::new();
        for _ in 0..ATTEMPTS {
            let profile = tempfile::tempdir().expect("a folder for the profile");
            let driver = Driver::start(self, profile.path());
            match driver.connect(self).await {
                Ok(client) => return Browser::of_other(client, driver, profile, place),
                Err(error) => said.push(format!("{error}\n{}", driver.words())),
            }
        }
        panic!(
            "{self:?} did not start in {ATTEMPTS} attempts (./dev installs it and its driver):\n{}",
            said.join("\n---\n")
        );
    }

    /// The driver's program, its arguments for a port, and the Debian package or crate that brings it.
    fn driver(self, address: SocketAddr) -> (&'static str, Vec<String>, &'static str) {
        let port = address.port();
        match self {
            Self::Chromium => (
                "chromedriver",
                vec![format!("--port={port}")],
                "chromium-driver",
            ),
            Self::Firefox => (
                "geckodriver",
                vec!["--port".to_owned(), port.to_string()],
                "the crate geckodriver",
            ),
            // It needs a screen; this one exists in memory alone.
            Self::WebKit => (
                "xvfb-run",
                ["-a", "WebKitWebDriver", &format!("--port={port}")]
                    .map(str::to_owned)
                    .to_vec(),
                "xvfb and webkit2gtk-driver",
            ),
        }
    }

    fn capabilities(self) -> Capabilities {
        let capabilities = match self {
            Self::Chromium => json!({ "browserName": "chrome" }),
            Self::Firefox => json!({
                "browserName": "firefox",
                "moz:firefoxOptions": { "binary": firefox(), "args": ["-headless"] },
            }),
            Self::WebKit => json!({
                "browserName": "MiniBrowser",
                "webkitgtk:browserOptions": { "binary": mini_browser(), "args": ["--automation"] },
            }),
        };
        match capabilities {
            Value::Object(capabilities) => capabilities,
            _ => Capabilities::default(),
        }
    }
}

/// Debian's Firefox, or another one.
fn firefox() -> PathBuf {
    ["/usr/bin/firefox-esr", "/usr/bin/firefox"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
        .expect("firefox-esr is missing: ./dev installs it, or apt-get install firefox-esr")
}

/// The browser that comes with WebKitGTK; its folder names the machine and the version.
fn mini_browser() -> PathBuf {
    let entries = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries.map_while(Result::ok).map(|entry| entry.path())
    };
    let mut found: Vec<PathBuf> = ["/usr/lib", "/usr/libexec"]
        .into_iter()
        .flat_map(|folder| entries(Path::new(folder)))
        .flat_map(|folder| {
            let inner = entries(folder.as_path()).collect::<Vec<_>>();
            inner.into_iter().chain([folder])
        })
        .map(|folder| folder.join("MiniBrowser"))
        .filter(|program| program.is_file())
        .collect();
    found.sort();
    found.pop().expect(
        "WebKitGTK's MiniBrowser is missing: ./dev installs it, or apt-get install webkit2gtk-driver",
    )
}

/// A driver, the leader of a group of processes to which its browser belongs.
struct Driver {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Driver {
    fn start(engine: Engine, folder: &Path) -> Self {
        let address = free_address();
        let (program, arguments, bringer) = engine.driver(address);
        let log = folder.join("driver-log");
        let file = File::create(&log).expect("a file for the words of the driver");
        let errors = file.try_clone().expect("the same file");
        let child = Command::new(program)
            .args(arguments)
            .env("TMPDIR", folder)
            // Nothing of whoever runs the tests, and a home that belongs to this user.
            .env("HOME", folder)
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{program} cannot be started ({error}): ./dev installs it; it comes with {bringer}")
            });
        Self {
            child,
            address,
            log,
        }
    }

    /// The browser, as soon as the driver answers.
    async fn connect(&self, engine: Engine) -> Result<Client, String> {
        let deadline = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            if Instant::now() > deadline {
                return Err("the driver does not answer".to_owned());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let begun = ClientBuilder::new(HttpConnector::new())
            .capabilities(engine.capabilities())
            .connect(&format!("http://{}", self.address))
            .await;
        begun.map_err(|error| error.to_string())
    }

    fn words(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        let left = screens_of(group);
        // Fails where all have ended, which is what is wanted.
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
        self.child.wait().ok();
        for path in left {
            std::fs::remove_file(path).ok();
        }
    }
}

/// The files that the screens of a group leave behind where they are killed: a lock, which names its process, and a
/// socket.
fn screens_of(group: Pid) -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/tmp").into_iter().flatten();
    let mut left = Vec::new();
    for entry in entries.map_while(Result::ok) {
        let name = entry.file_name().into_string().unwrap_or_default();
        let number = name
            .strip_prefix(".X")
            .and_then(|rest| rest.strip_suffix("-lock"));
        let Some(number) = number else { continue };
        let holder = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let holder = holder.trim().parse().ok().and_then(Pid::from_raw);
        let of_group = |holder| rustix::process::getpgid(Some(holder)) == Ok(group);
        if holder.is_some_and(of_group) {
            left.push(entry.path());
            left.push(format!("/tmp/.X11-unix/X{number}").into());
        }
    }
    left
}
