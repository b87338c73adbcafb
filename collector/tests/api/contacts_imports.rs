//! Files of contacts that are taken as they arrive: of any length, with progress, errors by line.

use std::io::Write as _;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::{KeyKind, Scope};
use store::meta::NewKey;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::support::{Answer, TestApp, spawn_app};

const ROUTE: &str = "/v1/contacts/import";

async fn import(app: &TestApp, key: &str, media: &str, text: impl Into<Vec<u8>>) -> Answer {
    let ask = app.ask(Method::POST, ROUTE).key(key);
    let ask = ask.header("content-type", media).body(text);
    ask.send().await
}

fn counts(answer: &Value) -> (u64, u64, u64) {
    let count = |name: &str| answer[name].as_u64().unwrap();
    (count("recorded"), count("duplicates"), count("rejected"))
}

/// An import that is under way: the file is sent in parts.
struct Sending {
    stream: BufReader<TcpStream>,
}

impl Sending {
    async fn begin(app: &TestApp, key: &str, accept: &str) -> Self {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        let head = format!(
            "POST {ROUTE} HTTP/1.1\r\nHost: misar\r\nAuthorization: Bearer {key}\r\nContent-Type: text/csv\r\n\
             Accept: {accept}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    async fn send(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.stream.write_all(chunk.as_bytes()).await.unwrap();
    }

    /// The next line that holds JSON.
    async fn line(&mut self) -> Value {
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line);
            let read = tokio::time::timeout(Duration::from_secs(30), read).await;
            assert!(read.expect("a line in time").unwrap() > 0, "it ended");
            if let Ok(value @ Value::Object(_)) = serde_json::from_str(&line) {
                return value;
            }
        }
    }

    async fn end(mut self) -> String {
        self.stream.write_all(b"0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        let read = self.stream.read_to_string(&mut answer);
        let read = tokio::time::timeout(Duration::from_secs(30), read).await;
        read.expect("an answer in time").unwrap();
        answer
    }
}

fn rows(from: usize, to: usize) -> String {
    (from..to)
        .map(|at| format!("p{at}@person.example,pro\n"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_on_disk_and_told_of_while_the_file_is_still_on_its_way() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    let mut sending = Sending::begin(&app, &key, "application/x-ndjson").await;
    sending.send("email,plan\nnobody,pro\n").await;
    sending.send(&rows(0, 1_500)).await;
    let told = sending.line().await;
    assert_eq!(
        told,
        json!({"progress": {"rows": 1_000, "recorded": 999, "duplicates": 0, "rejected": 1}})
    );
    assert_eq!(app.on_disk(), 999);
    sending.send(&rows(1_500, 2_500)).await;
    let told = sending.line().await;
    assert_eq!(told["progress"]["rows"], 2_000);
    let rest = sending.end().await;
    let last: Value = rest
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str(line).ok().filter(Value::is_object))
        .unwrap();
    assert_eq!(counts(&last), (2_500, 0, 1), "{rest}");
    assert_eq!(last["success"], true);
    assert_eq!(last["results"][0]["line"], 2);
    assert!(last["seq"].is_string());
    assert_eq!(app.on_disk(), 2_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_breaks_off_leaves_whole_portions_and_goes_on_when_it_is_sent_again() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    let mut sending = Sending::begin(&app, &key, "application/x-ndjson").await;
    sending.send("email,plan\n").await;
    sending.send(&rows(0, 1_200)).await;
    sending.line().await;
    drop(sending);
    assert_eq!(app.on_disk(), 1_000);
    let file = format!("email,plan\n{}", rows(0, 1_200));
    let again = import(&app, &key, "text/csv", file).await;
    assert_eq!(counts(&again.body), (200, 1_000, 0), "{}", again.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_more_rows_than_a_request_once_took_is_imported_packed_or_not() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    // One contact, so that what is new is one row and the rest is known.
    let line = |at| {
        format!(
            "{{\"email\":\"ada@person.example\",\"traits\":{{\"plan\":\"pro\"}},\"row\":{at}}}\n"
        )
    };
    let text: String = (0..101_000).map(line).collect();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let first = import(&app, &key, "application/x-ndjson", text).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let (recorded, duplicates, _) = counts(&first.body);
    assert_eq!(recorded + duplicates, 101_000);
    assert_eq!(recorded, 1, "{duplicates}");
    let ask = app.ask(Method::POST, ROUTE).key(&key);
    let ask = ask.header("content-type", "application/x-ndjson");
    let again = ask
        .header("content-encoding", "gzip")
        .body(packed)
        .send()
        .await;
    assert_eq!(counts(&again.body), (0, 101_000, 0), "{}", again.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_refused_by_its_line_and_loses_nobody_else() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    let known = app.secret(&[Scope::Admin]);
    let long = "x".repeat(40_000);
    let text = format!(
        "email,note\na@person.example,\"two\nlines\"\nb@person.example,\"never closed\nc@person.example,{long}\nd@person.example,{known}\ne@person.example,ok\n"
    );
    let answer = import(&app, &key, "text/csv", text).await;
    assert_eq!(counts(&answer.body), (2, 0, 3), "{}", answer.text);
    let results = answer.body["results"].as_array().unwrap();
    let refused: Vec<_> = results
        .iter()
        .map(|one| (one["line"].as_u64().unwrap(), one["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        refused,
        [
            (4, "invalid_body"),
            (5, "invalid_body"),
            (6, "secret_key_in_browser")
        ]
    );
    assert!(!answer.text.contains(&known));
    assert!(app.known(&known).exposed_at().is_some());
    // What is no text is told of by its line too.
    let bytes = b"{\"email\":\"f@person.example\"}\n\xff\xfe\n{\"email\":\"g@person.example\"}\n";
    let answer = import(&app, &key, "application/x-ndjson", &bytes[..]).await;
    assert_eq!(counts(&answer.body), (2, 0, 1), "{}", answer.text);
    assert_eq!(answer.body["results"][0]["line"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_stands_in_a_file_twice_is_as_the_last_row_says() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    let text = "email,plan\nada@person.example,free\nada@person.example,pro\n";
    for _ in 0..2 {
        let answer = import(&app, &key, "text/csv", text).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        app.caught_up().await;
        let shown = app
            .get_with("/v1/contacts/ada%40person.example", &key)
            .await;
        assert_eq!(shown.body["traits"]["plan"], "pro", "{}", shown.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_imported_ends_an_answer_that_had_begun_with_its_error() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    for (headers, text, code) in [
        (vec![], b"name\nada\n".to_vec(), "invalid_body"),
        (
            vec![("content-encoding", "gzip")],
            b"no gzip".to_vec(),
            "invalid_encoding",
        ),
    ] {
        let mut ask = app.ask(Method::POST, ROUTE).key(&key);
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        let ask = ask.header("content-type", "text/csv");
        let answer = ask
            .header("accept", "application/x-ndjson")
            .body(text)
            .send()
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["success"], false, "{}", answer.text);
        assert_eq!(answer.body["error"]["code"], code, "{}", answer.text);
    }
    assert_eq!(app.on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_has_two_imports_at_once() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut sending = Sending::begin(&app, &key, "application/x-ndjson").await;
        sending
            .send(&format!("email,plan\n{}", rows(0, 1_000)))
            .await;
        sending.line().await;
        open.push(sending);
    }
    let refused = import(&app, &key, "text/csv", "email\nada@person.example\n").await;
    refused.is_refused(503, "too_many_imports");
    for sending in open {
        sending.end().await;
    }
    let taken = import(&app, &key, "text/csv", "email\nada@person.example\n").await;
    assert_eq!(counts(&taken.body), (1, 0, 0), "{}", taken.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_waits_for_the_rate_of_its_key_and_takes_every_row() {
    let app = spawn_app().await;
    let slow = |new: &mut NewKey| {
        new.rate = NonZeroU32::new(400);
        new.scopes = vec![Scope::Contacts, Scope::Send];
    };
    let (_, key) = app.key_of(slow, KeyKind::Secret);
    // Others have just taken all that the key may send at once.
    let events: Vec<Value> = (0..390)
        .map(|at| json!({"type": "track", "event": "seen", "email": format!("s{at}@person.example")}))
        .collect();
    let batch = json!({"events": events});
    let taken = app.post("/v1/track/batch", &key, &batch).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    let started = Instant::now();
    let file = format!("email,plan\n{}", rows(0, 800));
    let answer = import(&app, &key, "text/csv", file).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(counts(&answer.body), (800, 0, 0), "{}", answer.text);
    // Nor does it take more than that: a second's worth at the least was not there when it began.
    assert!(started.elapsed() > Duration::from_millis(900));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_on_which_a_file_was_refused_is_used_again_only_where_all_of_it_came() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    let head = |length: usize| {
        format!(
            "POST {ROUTE} HTTP/1.1\r\nHost: misar\r\nAuthorization: Bearer {key}\r\nContent-Type: text/csv\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let file = "name\nada\n";
    let next = "GET /healthz HTTP/1.1\r\nHost: misar\r\nConnection: close\r\n\r\n";
    let whole = format!("{}{file}{next}", head(file.len()));
    let whole = app.raw(whole.as_bytes()).await;
    assert!(whole.starts_with("HTTP/1.1 422"), "{whole}");
    assert!(whole.contains("HTTP/1.1 200"), "{whole}");
    // The rest still comes, and could be taken for a request.
    let part = format!("{}{file}{next}", head(10_000_000));
    let part = app.raw(part.as_bytes()).await.to_lowercase();
    assert!(part.starts_with("http/1.1 422"), "{part}");
    assert!(part.contains("connection: close"), "{part}");
    assert_eq!(part.matches("http/1.1 ").count(), 1, "{part}");
}
