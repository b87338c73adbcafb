//! Runs of the `misar` binary, and servers that listen on a port of their own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A browser that a person uses.
pub(crate) const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
/// Two cores may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What a run of `misar` came to.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Standard output, of a run that went well and had nothing else to say.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(
            (self.code, self.err.as_str()),
            (Some(0), ""),
            "{}",
            self.out
        );
        self.out
    }

    /// Standard output, of a run that had one warning beside it: the server's links lead to this machine.
    #[track_caller]
    pub(crate) fn warned(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        assert!(self.err.starts_with("warning: "), "{}", self.err);
        assert_eq!(self.err.matches('\n').count(), 1, "{}", self.err);
        self.out
    }

    /// Standard output as one line of JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.err);
        assert_eq!(self.out.matches('\n').count(), 1, "{}", self.out);
        serde_json::from_str(&self.out).unwrap()
    }

    /// One sentence on standard error, nothing on standard output.
    #[track_caller]
    pub(crate) fn refusal(self) -> String {
        assert_eq!(self.code, Some(1), "{} {}", self.out, self.err);
        assert_eq!(self.out, "");
        assert_eq!(self.err.matches('\n').count(), 1, "{}", self.err);
        self.err
            .strip_prefix("error: ")
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// The words of a usage error.
    #[track_caller]
    pub(crate) fn misuse(self) -> String {
        assert_eq!(
            (self.code, self.out.as_str()),
            (Some(2), ""),
            "{}",
            self.err
        );
        assert!(self.err.starts_with("error: "), "{}", self.err);
        self.err
    }
}

/// A data folder that is not made yet, with room for other files beside it.
pub(crate) struct Store(TempDir);

impl Store {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Writes a file beside the data folder; its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A command, words apart from each other by white space.
    pub(crate) fn command(&self, line: &str) -> Command {
        command(&self.data(), line)
    }

    pub(crate) fn misar(&self, line: &str) -> Run {
        self.fed(line, "")
    }

    /// With a standard input.
    pub(crate) fn fed(&self, line: &str, input: impl Into<Vec<u8>>) -> Run {
        let mut child = spawn(&mut self.command(line));
        let mut pipe = child.stdin.take().unwrap();
        let input = input.into();
        let feeder = std::thread::spawn(move || {
            // Fails where the command ends without reading to the end.
            pipe.write_all(&input).ok();
        });
        let run = Run::of(child.wait_with_output().unwrap());
        feeder.join().unwrap();
        run
    }

    pub(crate) fn serve(&self) -> Server {
        let made = self.misar("keys create --scope send,read --json").json();
        let mut command =
            self.command("serve --listen 127.0.0.1:0 --trusted-proxy 127.0.0.1 --log-format json");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, bases) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // To the end, so that the server is never kept from writing.
            for line in lines.map_while(Result::ok) {
                let base = line
                    .split_once("listening on ")
                    .and_then(|(_, rest)| rest.split(',').next())
                    .map(str::to_owned);
                base.into_iter()
                    .for_each(|base| tell.send(base).unwrap_or(()));
            }
        });
        let mut server = Server {
            child,
            base: String::new(),
            key: made["key"].as_str().unwrap().to_owned(),
            http: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(PATIENCE)
                .build()
                .unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        };
        server.base = bases.recv_timeout(PATIENCE).unwrap();
        server.until("/readyz", |status, _| status == 200);
        server
    }
}

fn command(data: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_misar"));
    // The settings of whoever runs the tests are not ours.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MISAR_") {
            command.env_remove(name);
        }
    }
    command
        .args(line.split_whitespace())
        .env("MISAR_DATA", data);
    command
}

/// With all three streams piped.
pub(crate) fn spawn(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A running server with a key for it. Killed where it is dropped.
pub(crate) struct Server {
    child: Child,
    /// Such as `http://127.0.0.1:12345`.
    pub(crate) base: String,
    key: String,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Server {
    /// Gets an address as a mail client does; the status.
    pub(crate) fn visit(&self, url: &str, agent: &str, address: &str) -> u16 {
        let request = self
            .http
            .get(url)
            .header("user-agent", agent)
            .header("x-forwarded-for", address);
        let answer = self
            .runtime
            .block_on(async { request.send().await.unwrap() });
        answer.status().as_u16()
    }

    /// Sends an order; its `seq`.
    pub(crate) fn buy(&self, order: &Value) -> String {
        let url = format!("{}/v1/track/purchase", self.base);
        let request = self.http.post(url).bearer_auth(&self.key).json(order);
        let body: Value = self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            answer.json().await.unwrap()
        });
        assert_eq!(body["tracked"], true, "{body}");
        body["seq"].as_str().unwrap().to_owned()
    }

    /// Asks until the answer is as it is to be; that answer.
    #[track_caller]
    pub(crate) fn until(&self, path: &str, is_there: impl Fn(u16, &Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let url = format!("{}{path}", self.base);
            let request = self.http.get(url).bearer_auth(&self.key);
            let (status, text) = self.runtime.block_on(async {
                let answer = request.send().await.unwrap();
                (answer.status().as_u16(), answer.text().await.unwrap())
            });
            let body = serde_json::from_str(&text).unwrap_or_default();
            if is_there(status, &body) {
                return body;
            }
            assert!(Instant::now() < deadline, "{path}: {status} {text}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Stops it as an init system does.
    pub(crate) fn stop(mut self) {
        // The shell's own `kill`, because no program of that name need be installed.
        let told = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(told.success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail where it has ended, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
