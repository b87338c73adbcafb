//! Data folders, runs of the `misar` binary on them, and servers that listen on a port of their own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const MISAR: &str = env!("CARGO_BIN_EXE_misar");
/// Two cores may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// A user that owns nothing here, as services have one.
pub(crate) const SERVICE: u32 = 65_534;

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

    /// Standard output, of a run that went well.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{} {}", self.out, self.err);
        self.out
    }

    /// Standard output as one line of JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let out = self.good();
        assert_eq!(out.matches('\n').count(), 1, "{out}");
        serde_json::from_str(&out).unwrap()
    }

    /// One sentence on standard error, nothing on standard output.
    #[track_caller]
    pub(crate) fn refusal(self) -> String {
        assert_eq!(self.code, Some(1), "{} {}", self.out, self.err);
        assert_eq!(self.out, "");
        let sentence = self.err.strip_prefix("error: ").unwrap_or(&self.err);
        assert_eq!(sentence.matches('\n').count(), 1, "{sentence}");
        sentence.trim_end().to_owned()
    }
}

/// A data folder that is not made yet, with room for other files beside it.
pub(crate) struct Store(TempDir);

impl Store {
    pub(crate) fn new() -> Self {
        let store = Self(TempDir::new().unwrap());
        // Other users get through it to the data folder, if that lets them.
        set_mode(store.0.path(), 0o755);
        store
    }

    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.beside("data")
    }

    /// A command, words apart from each other by white space.
    pub(crate) fn command(&self, line: &str) -> Command {
        command(MISAR, &self.data(), line)
    }

    pub(crate) fn misar(&self, line: &str) -> Run {
        run(self.command(line))
    }

    /// With every file that a store can have, and at rest: a sound event, a rejected one, an order, a
    /// key, a relay list, a segment that is missing.
    pub(crate) fn fill(&self) {
        let key = self.misar("keys create --scope send,read --json").json();
        let server = self.serve();
        server.fill(key["key"].as_str().unwrap());
        server.stop("TERM");
        let csv = self.beside("egress.csv");
        std::fs::write(&csv, "192.0.2.0/24,US,,,\n").unwrap();
        let update = format!("relay-list update --file {}", csv.display());
        self.misar(&update).good();
        self.misar("log accept-loss").good();
    }

    pub(crate) fn serve(&self) -> Server {
        Server::start(self.command("serve --listen 127.0.0.1:0 --log-format json"))
    }
}

pub(crate) fn command(program: impl AsRef<OsStr>, data: &Path, line: &str) -> Command {
    let mut command = Command::new(program);
    // The settings of whoever runs the tests are not ours.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("MISAR_") || text == "NOTIFY_SOCKET" {
            command.env_remove(name);
        }
    }
    command
        .args(line.split_whitespace())
        .env("MISAR_DATA", data)
        .stdin(Stdio::null());
    command
}

/// The same command as the last words of a line of the shell, which is to end in `exec "$0" "$@"`.
pub(crate) fn in_shell(script: &str, within: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(within.get_program());
    shell.args(within.get_args()).stdin(Stdio::null());
    for (name, value) in within.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// The same command with what signals do by default, whoever runs the tests: a program inherits which of them are
/// ignored, a shell cannot take that back, and std has no safe way to.
fn with_default_signals(within: Command) -> Command {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The bit of SIGHUP, which is 1.
    if ignored.is_none_or(|mask| mask & 1 == 0) {
        return within;
    }
    // GNU's.
    let mut reset = Command::new("env");
    reset.arg("--default-signal=HUP");
    reset.arg(within.get_program()).args(within.get_args());
    reset.stdin(Stdio::null());
    for (name, value) in within.get_envs() {
        match value {
            Some(value) => reset.env(name, value),
            None => reset.env_remove(name),
        };
    }
    if let Some(folder) = within.get_current_dir() {
        reset.current_dir(folder);
    }
    reset
}

/// Runs a command to its end; a server that should have refused is not waited for.
#[track_caller]
pub(crate) fn run(mut command: Command) -> Run {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = read_to_end(child.stdout.take().unwrap());
    let err = read_to_end(child.stderr.take().unwrap());
    let status = end_of(&mut child);
    if status.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (out, err) = (out.join().unwrap(), err.join().unwrap());
    let code = status
        .unwrap_or_else(|| panic!("it does not end: {out} {err}"))
        .code();
    Run { code, out, err }
}

fn read_to_end(mut pipe: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

/// How it ended, where it did.
fn end_of(child: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    None
}

/// With a standard input.
pub(crate) fn fed(mut command: Command, input: &str) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(input.as_bytes()).unwrap();
    drop(pipe);
    Run::of(child.wait_with_output().unwrap())
}

/// A running server. Killed where it is dropped.
pub(crate) struct Server {
    child: Child,
    /// Such as `127.0.0.1:12345`.
    pub(crate) address: String,
    lines: Receiver<String>,
}

impl Server {
    pub(crate) fn start(command: Command) -> Self {
        let mut child = with_default_signals(command)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let read = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            // To the end, so that the server is never kept from writing.
            for line in read.map_while(Result::ok) {
                tell.send(line).ok();
            }
        });
        let mut server = Self {
            child,
            address: String::new(),
            lines,
        };
        let said = server.until("listening on http://");
        let (_, rest) = said.split_once("listening on http://").unwrap();
        server.address = rest.split(',').next().unwrap().to_owned();
        server
    }

    /// The next line of its log that holds this.
    #[track_caller]
    pub(crate) fn until(&self, part: &str) -> String {
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => said.push(line),
                Err(_) => panic!("it does not say {part:?}, but\n{}", said.join("\n")),
            }
        }
    }

    /// Asks with JSON where there is any; status and body.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> (u16, Value) {
        let body = body.map_or_else(String::new, ToString::to_string);
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    pub(crate) fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", path, &[("X-API-Key", key)], Some(body))
    }

    pub(crate) fn health(&self) -> u16 {
        self.ask("GET", "/healthz", &[], None).0
    }

    pub(crate) fn fill(&self, key: &str) {
        let event = json!({"email": "kate@example.com", "event": "x"});
        assert_eq!(self.post("/v1/track/event", key, &event).0, 200);
        let bad = json!({"email": "kate@example.com", "event": ""});
        assert_eq!(self.post("/v1/track/event", key, &bad).0, 422);
        let order = json!({
            "email": "kate@example.com", "orderId": "1", "revenue": 1.5, "currency": "EUR"
        });
        assert_eq!(self.post("/v1/track/purchase", key, &order).0, 200);
    }

    /// Sends it a signal of this name.
    pub(crate) fn signal(&self, name: &str) {
        // The shell's own `kill`, because no program of that name need be installed.
        let script = format!("kill -{name} \"$0\"");
        let told = Command::new("sh")
            .args(["-c", &script, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(told.success());
    }

    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        end_of(&mut self.child).expect("it ends")
    }

    /// Ends it with a signal, in good order.
    #[track_caller]
    pub(crate) fn stop(mut self, signal: &str) {
        self.signal(signal);
        self.until("stopped: everything is on disk");
        assert_eq!(self.ended().code(), Some(0));
    }

    /// As a crash does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail where it has ended, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Asks until the answer is as it is to be; that answer.
#[track_caller]
pub(crate) fn until<T>(ask: impl Fn() -> T, is_there: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if is_there(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "it never came");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Kind (`f`ile, `d`irectory, `s`ocket, `l`ink), mode, user and group of what lies in a folder, and of
/// the folder itself as `.`.
pub(crate) type Entries = BTreeMap<String, (char, u32, u32, u32)>;

pub(crate) fn entries(data: &Path) -> Entries {
    let mut found = Entries::new();
    let mut folders = vec![PathBuf::from(".")];
    note(data, Path::new("."), &mut found);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(data.join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            note(data, &path, &mut found);
            if data.join(&path).is_dir() && !data.join(&path).is_symlink() {
                folders.push(path);
            }
        }
    }
    found
}

fn note(data: &Path, path: &Path, found: &mut Entries) {
    let about = std::fs::symlink_metadata(data.join(path)).unwrap();
    let kind = about.file_type();
    let kind = match kind {
        kind if kind.is_symlink() => 'l',
        kind if kind.is_dir() => 'd',
        kind if kind.is_socket() => 's',
        _ => 'f',
    };
    let name = path.to_string_lossy();
    let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
    found.insert(name, (kind, about.mode() & 0o777, about.uid(), about.gid()));
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The name of the one segment of a store, within its folder.
pub(crate) fn segment(data: &Path) -> String {
    let mut names: Vec<_> = std::fs::read_dir(data.join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".redb"))
        .collect();
    names.sort();
    format!("log/{}", names[0])
}

/// Copies a folder with all that lies in it; the modes and the user are those given.
pub(crate) fn copy(from: &Path, to: &Path, modes: (u32, u32), user: Option<u32>) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&entry.path(), &target, modes, user);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &target).unwrap();
            own(&target, modes.0, user);
        }
    }
    own(to, modes.1, user);
}

fn own(path: &Path, mode: u32, user: Option<u32>) {
    chown(path, user, user).unwrap();
    set_mode(path, mode);
}

/// Whether these tests run as root, who may give files away and is kept from nothing.
pub(crate) fn is_root() -> bool {
    let probe = tempfile::tempfile().unwrap();
    probe.metadata().unwrap().uid() == 0
}

/// Has a command run by [`SERVICE`], where that can be; else by who runs the tests.
pub(crate) fn as_service(mut command: Command) -> Command {
    if is_root() {
        // Groups go with the user.
        command.uid(SERVICE).gid(SERVICE);
    }
    command
}

/// The binary under a name that every user reaches.
pub(crate) fn reachable(store: &Store) -> PathBuf {
    let path = store.beside("misar");
    if std::fs::hard_link(MISAR, &path).is_err() {
        std::fs::copy(MISAR, &path).unwrap();
    }
    path
}
