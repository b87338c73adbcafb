//! What `misar serve` says at its start and of what it sees, and to whom.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::support::{Store, spawn};

/// Two cores may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server whose lines are read one by one. Killed where it is dropped.
struct Serving {
    child: Child,
    lines: Receiver<String>,
    /// All that were read so far.
    said: Vec<String>,
}

impl Serving {
    fn start(store: &Store, options: &str) -> Self {
        let mut command = store.command(&format!("serve {options}"));
        Self::of(&mut command)
    }

    fn of(command: &mut Command) -> Self {
        let mut child = spawn(command.stdin(Stdio::null()));
        let (tell, lines) = channel();
        let errors = child.stderr.take().unwrap();
        let output = child.stdout.take().unwrap();
        for stream in [
            Box::new(errors) as Box<dyn std::io::Read + Send>,
            Box::new(output),
        ] {
            let tell = tell.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    // To the end, so that the server is never kept from writing.
                    tell.send(line).ok();
                }
            });
        }
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Reads on to a line that holds this.
    #[track_caller]
    fn line_with(&mut self, part: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no {part:?} in {:#?}", self.said);
            };
            self.said.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Where it listens, as the line says that holds `part`.
    fn address(&mut self, part: &str) -> String {
        let line = self.line_with(part);
        let (_, rest) = line.split_once("http://").unwrap();
        let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)));
        rest[..end.unwrap_or(rest.len())].to_owned()
    }

    /// Stops it; everything that it has said.
    fn stop(mut self) -> String {
        let told = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(told.success());
        self.child.wait().unwrap();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.said.push(line);
        }
        self.said.join("\n")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both fail where it has ended, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn get(address: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_link_that_lets_its_reader_in_goes_to_a_terminal_and_into_no_log() {
    for format in ["text", "json"] {
        let store = Store::new();
        let mut server = Serving::start(
            &store,
            &format!("--listen 127.0.0.1:0 --log-format {format}"),
        );
        server.line_with("`misar link` prints a link");
        let link = store.misar("link").good();
        assert!(link.contains("/live#code="), "{link}");
        let said = server.stop();
        assert!(!said.contains("#code="), "{said}");
    }
    // A program that gives its child a terminal and prints what that says.
    let store = Store::new();
    let serve = store.command("serve --listen 127.0.0.1:0");
    let program = serve.get_program().to_str().unwrap();
    let line = format!("exec {program} serve --listen 127.0.0.1:0");
    let mut command = Command::new("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .env("MISAR_DATA", store.data());
    let mut server = Serving::of(&mut command);
    let said = server.line_with("the link works once");
    assert!(said.contains("/live#code="), "{said}");
}

#[test]
fn a_public_url_that_leads_nowhere_is_told_before_the_first_mail() {
    let store = Store::new();
    let mut server = Serving::start(&store, "--listen 127.0.0.1:0");
    let said = server.line_with("only this machine reaches");
    assert!(
        said.contains("WARN") && said.contains("--public-url"),
        "{said}"
    );
    let line = "instrument --message-id m --email ada@example.com";
    server.line_with("`misar link`");
    let run = store.fed(line, "<p>x</p>");
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(
        run.err.starts_with("warning: ") && run.err.contains("--public-url"),
        "{}",
        run.err
    );
    server.stop();

    let mut server = Serving::start(&store, "--listen 0.0.0.0:0");
    server.line_with("/v1/messages is refused");
    server.line_with("`misar link`");
    let refused = store.fed(line, "<p>x</p>").refusal();
    assert!(refused.contains("--public-url"), "{refused}");
    // The command can say what the server does not know.
    store
        .fed(
            &format!("{line} --public-url https://track.example"),
            "<p>x</p>",
        )
        .good();
    server.stop();

    let options = "--listen 127.0.0.1:0 --public-url https://track.example";
    let mut server = Serving::start(&store, options);
    server.line_with("`misar link`");
    let said = server.stop();
    assert!(!said.contains("WARN"), "{said}");
}

#[test]
fn a_proxy_that_is_not_trusted_is_told_once_with_the_option_that_it_wants() {
    let store = Store::new();
    let mut server = Serving::start(
        &store,
        "--listen 127.0.0.1:0 --public-url https://track.example",
    );
    let address = server.address("listening on ");
    for _ in 0..5 {
        let answer = get(&address, "/healthz", "X-Forwarded-For: 203.0.113.9\r\n");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let said = server.line_with("X-Forwarded-For");
    assert!(said.contains("--trusted-proxy 127.0.0.1"), "{said}");
    let said = server.stop();
    assert_eq!(said.matches("--trusted-proxy").count(), 1, "{said}");
    assert!(!said.contains("203.0.113.9"), "{said}");

    let options =
        "--listen 127.0.0.1:0 --public-url https://track.example --trusted-proxy 127.0.0.1";
    let mut server = Serving::start(&store, options);
    let address = server.address("listening on ");
    get(&address, "/healthz", "X-Forwarded-For: 203.0.113.9\r\n");
    assert!(!server.stop().contains("--trusted-proxy"));
}

#[test]
fn metrics_have_a_listener_of_their_own_where_they_are_given_one() {
    let store = Store::new();
    let mut server = Serving::start(&store, "--listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0");
    let main = server.address("listening on ");
    let own = server.address("metrics are at ");
    let proxied = "X-Forwarded-For: 203.0.113.9\r\n";
    let page = get(&own, "/metrics", proxied);
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("misar_commit_events_count"),
        "{page}"
    );
    assert!(get(&own, "/v1/events", "").starts_with("HTTP/1.1 404"));
    let refused = get(&main, "/metrics", proxied);
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    // A key that only the operator can make.
    let made = store
        .misar("keys create --scope read --operator --json")
        .json();
    assert_eq!(made["operator"], true);
    let bearer = format!(
        "Authorization: Bearer {}\r\n{proxied}",
        made["key"].as_str().unwrap()
    );
    let page = get(&main, "/metrics", &bearer);
    assert!(page.contains("misar_commit_events_count"), "{page}");
    let refused = store.misar("keys create --public --operator").refusal();
    assert!(refused.contains("--operator"), "{refused}");
    let listed = store.misar("keys list --json").json();
    assert_eq!(listed[0]["operator"], true, "{listed}");
    server.stop();
}

#[test]
fn a_message_with_a_secret_key_of_this_store_is_refused_by_the_command_too() {
    let store = Store::new();
    let made = store.misar("keys create --json").json();
    let key = made["key"].as_str().unwrap();
    let line =
        "instrument --message-id m --email ada@example.com --public-url https://track.example";
    let html = format!("<p>{key}</p>");
    let refused = store.fed(line, html).refusal();
    assert!(
        refused.contains("secret key") && !refused.contains(key),
        "{refused}"
    );
    store.fed(line, "<p>x</p>").good();
}
