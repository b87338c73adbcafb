//! The `misar` binary as a child process: started, waited for, killed, stopped; and its commands.

use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const MISAR: &str = env!("CARGO_BIN_EXE_misar");
/// Until a server says where it listens. Generous: two cores may be busy with other tests.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at something that is waited for.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A fresh data folder, and a secret key for it.
pub(crate) struct Store {
    /// Removed with the last store in it.
    folder: Arc<TempDir>,
    /// Its name in there.
    name: String,
    pub(crate) key_id: String,
    pub(crate) key: String,
}

impl Store {
    pub(crate) fn new() -> Self {
        // Not in /tmp: that can be memory, where no sync means anything.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let data = folder.path().join("data");
        let key = run(&data, &["keys", "create", "--scope", "send,read", "--json"]);
        let text = |name: &str| key[name].as_str().expect(name).to_owned();
        Self {
            folder: Arc::new(folder),
            name: "data".to_owned(),
            key_id: text("id"),
            key: text("key"),
        }
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join(&self.name)
    }

    /// What lies, or is to lie, in a folder beside this one: a copy, say, which has the same key.
    pub(crate) fn beside(&self, name: &str) -> Self {
        Self {
            folder: Arc::clone(&self.folder),
            name: name.to_owned(),
            key_id: self.key_id.clone(),
            key: self.key.clone(),
        }
    }

    /// Removes the data folder.
    pub(crate) fn remove(&self) {
        std::fs::remove_dir_all(self.data()).expect("a folder to remove");
    }

    /// Runs a command that prints text.
    pub(crate) fn say(&self, arguments: &[&str]) -> String {
        let output = output(&self.data(), arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts a server that is to refuse: how it ended, and what it said.
    pub(crate) fn start_refused(&self, within: Duration) -> (ExitStatus, String) {
        let mut child = command(Command::new(MISAR), &self.data())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (said, _) = listen(&mut child);
        let server = Server {
            child,
            address: ([127, 0, 0, 1], 0).into(),
            said: Arc::clone(&said),
        };
        let status = server.wait_for_end(within);
        // The reader has it all once the pipe is closed, which only it sees.
        let deadline = Instant::now() + within;
        while Arc::strong_count(&said) > 1 && Instant::now() < deadline {
            std::thread::sleep(LOOK_AGAIN);
        }
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        (status, said.join("\n"))
    }

    /// Runs a command that prints one JSON value.
    pub(crate) fn run(&self, arguments: &[&str]) -> Value {
        run(&self.data(), arguments)
    }

    /// Starts a command, for whoever waits for its end, or brings it about.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut program = Command::new(MISAR);
        program.args(arguments).arg("--data").arg(self.data());
        program.stdin(Stdio::null()).stdout(Stdio::null());
        clean(&mut program);
        program.spawn().expect("the binary starts")
    }

    pub(crate) fn start(&self) -> Server {
        Server::start(Command::new(MISAR), &self.data())
    }

    /// Starts the server below another program, which is to replace itself with it.
    pub(crate) fn start_under(&self, wrapper: &str, arguments: &[&str], missing: &str) -> Server {
        let found = Command::new(wrapper)
            .arg("-V")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if matches!(found, Err(error) if error.kind() == ErrorKind::NotFound) {
            panic!("{missing}");
        }
        let mut command = Command::new(wrapper);
        command.args(arguments).arg(MISAR);
        Server::start(command, &self.data())
    }

    /// Starts the server and kills it on its way up.
    pub(crate) fn start_and_kill(&self, after: Duration) {
        let mut child = command(Command::new(MISAR), &self.data())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        // Not waiting for anything: the moment of the crash is what is tried.
        std::thread::sleep(after);
        child.kill().expect("a kill");
        child.wait().expect("an end");
    }
}

/// A running server. Killed where it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    said: Said,
}

/// What it wrote to stderr, for the day when something fails.
type Said = Arc<Mutex<Vec<String>>>;

impl Server {
    fn start(program: Command, data: &Path) -> Self {
        let mut child = command(program, data)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (said, addresses) = listen(&mut child);
        let address = addresses.recv_timeout(START_DEADLINE);
        let mut server = Self {
            child,
            address: ([127, 0, 0, 1], 0).into(),
            said,
        };
        match address {
            Ok(address) => server.address = address,
            Err(_) => panic!(
                "the server does not say where it listens\n{}",
                server.said()
            ),
        }
        server
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a kill");
        self.child.wait().expect("an end");
    }

    /// Asks it to stop, as an init system does.
    pub(crate) fn terminate(&self) {
        // The shell's own `kill`, because no program of that name need be installed.
        let told = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()])
            .status()
            .expect("a shell");
        assert!(told.success(), "the server has gone\n{}", self.said());
    }

    /// How it ended.
    pub(crate) fn wait_for_end(mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "the server has not ended within {within:?}\n{}",
                self.said()
            );
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    pub(crate) fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        format!("its log:\n{}", said.join("\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail where it has ended, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn command(mut program: Command, data: &Path) -> Command {
    program
        .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .arg("--data")
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    clean(&mut program);
    program
}

fn output(data: &Path, arguments: &[&str]) -> std::process::Output {
    let mut program = Command::new(MISAR);
    program.args(arguments).arg("--data").arg(data);
    clean(&mut program);
    program.output().expect("the binary starts")
}

fn run(data: &Path, arguments: &[&str]) -> Value {
    let output = output(data, arguments);
    assert!(
        output.status.success(),
        "misar {} failed\n{}{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON and nothing else on stdout")
}

/// The settings of whoever runs the tests are not the tests' own.
fn clean(program: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MISAR_") {
            program.env_remove(name);
        }
    }
}

/// Reads the server's log to its end; the first address in it is where it listens.
fn listen(child: &mut Child) -> (Said, Receiver<SocketAddr>) {
    let stderr = child.stderr.take().expect("a pipe");
    let said = Said::default();
    let (tell, addresses) = channel();
    let keep = Arc::clone(&said);
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some(address) = address_in(&line) {
                // Nobody listens any more from the second one on.
                tell.send(address).ok();
            }
            keep.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    });
    (said, addresses)
}

fn address_in(line: &str) -> Option<SocketAddr> {
    const HOST: &str = "127.0.0.1:";
    let rest = &line[line.find(HOST)? + HOST.len()..];
    let digits = rest
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(rest.len());
    let port: u16 = rest[..digits].parse().ok()?;
    (port != 0).then(|| ([127, 0, 0, 1], port).into())
}
