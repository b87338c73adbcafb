//! `kill -9` of a consumer that follows moves into segments and out of them, and of the server that tells them, again
//! and again: in the end the consumer has every move once, in order. It does what an outbox asks of whoever reads it:
//! it notes what it got together with where to go on.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::load::Random;
use crate::process::{LOOK_AGAIN, Server, Store};
use crate::setting;

/// What a consumer is told: where the server listens, its key, and where it notes what it got.
const SERVER: &str = "MISAR_TEST_MOVES_SERVER";
const KEY: &str = "MISAR_TEST_MOVES_KEY";
const NOTES: &str = "MISAR_TEST_MOVES_NOTES";
/// Few, so that a kill comes between pages.
const PAGE: usize = 7;
/// People of one request.
const PEOPLE: u64 = 5;
/// Between two requests.
const PAUSE: Duration = Duration::from_millis(20);
/// What each of them does: enters by an event, enters and leaves by time alone.
const MOVES_OF_EACH: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// Where to go on, and the moves so far. A line that a kill has cut off was never noted.
fn noted(notes: &Path) -> (Option<String>, Vec<Value>, u64) {
    let text = std::fs::read_to_string(notes).unwrap_or_default();
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let (mut after, mut moves) = (None, Vec::new());
    for line in text[..whole].lines() {
        let mut line: Value = serde_json::from_str(line).expect("a line of notes");
        after = line["next"].as_str().map(str::to_owned);
        match line["moves"].take() {
            Value::Array(more) => moves.extend(more),
            other => panic!("no list of moves: {other}"),
        }
    }
    (after, moves, whole as u64)
}

fn notes_from(notes: &Path, whole: u64) -> File {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(notes)
        .expect("notes");
    file.set_len(whole).expect("notes without what was cut off");
    file.seek(SeekFrom::End(0)).expect("the end of the notes");
    file
}

/// No test: what the consumers do that are killed. Does nothing where nobody says.
#[tokio::test]
async fn the_consumer_that_follows_the_moves() {
    let Ok(server) = std::env::var(SERVER) else {
        return;
    };
    let set = |name| std::env::var(name).expect(name);
    let client = Client::at(&server, &set(KEY));
    let notes = set(NOTES);
    let (mut after, _, whole) = noted(Path::new(&notes));
    let mut notes = notes_from(Path::new(&notes), whole);
    loop {
        let behind = after.as_ref().map(|after| format!("&after={after}"));
        let path = format!(
            "/v1/segments/moves?limit={PAGE}{}",
            behind.unwrap_or_default()
        );
        // The server may be dead, or building its views: whoever kills us starts the next one.
        let Some(answer) = client
            .try_get(&path)
            .await
            .filter(|answer| answer.status == 200)
        else {
            tokio::time::sleep(LOOK_AGAIN).await;
            continue;
        };
        let moves = answer.body["moves"].as_array().expect("a list");
        if moves.is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
            continue;
        }
        let line = json!({"next": answer.body["next"], "moves": moves});
        writeln!(notes, "{line}").expect("a note");
        after = answer.body["next"].as_str().map(str::to_owned);
    }
}

struct Consumer(Child);

impl Consumer {
    fn start(store: &Store, server: &Server, notes: &Path) -> Self {
        let child = Command::new(std::env::current_exe().expect("a program"))
            .args(["--exact", "moves::the_consumer_that_follows_the_moves"])
            .args(["--nocapture", "--test-threads=1"])
            .env(SERVER, server.address.to_string())
            .env(KEY, &store.key)
            .env(NOTES, notes)
            .stdout(Stdio::null())
            .spawn();
        Self(child.expect("a consumer"))
    }
}

impl Drop for Consumer {
    /// Kills it.
    fn drop(&mut self) {
        self.0.kill().ok();
        let ended = self.0.wait().expect("an end");
        // It goes on until it is killed: an end of its own is a failure.
        assert!(
            std::thread::panicking() || ended.code().is_none(),
            "{ended}"
        );
    }
}

/// What people do, in one request; the same ids each time.
fn people(first: u64) -> String {
    let event = |number: u64, name: &str, kind: u64| {
        let id = format!("00000000-0000-4000-8000-{kind:04}{number:08}");
        json!({"type": "track", "id": id, "event": name, "email": format!("person{number}@example.com")})
    };
    let both = |number| [event(number, "trial_started", 1), event(number, "seen", 2)];
    let events: Vec<Value> = (first..first + PEOPLE).flat_map(both).collect();
    json!({ "events": events }).to_string()
}

/// Sends requests until one is not answered; how many were.
async fn send(client: Client, mut next: u64) -> u64 {
    loop {
        let sent = client.post("/v1/track/batch", people(next * PEOPLE), |_| {});
        match sent.await {
            Ok(answer) if answer.status == 200 => next += 1,
            Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
            Err(_) => return next,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn all_moves(client: &Client) -> Vec<Value> {
    let (mut moves, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/segments/moves?limit=1000{after}");
        let mut page = client.get(&path).await;
        assert_eq!(page.status, 200, "{page:?}");
        match page.body["moves"].take() {
            Value::Array(more) if more.is_empty() => return moves,
            Value::Array(more) => moves.extend(more),
            other => panic!("no list of moves: {other}"),
        }
        after = format!("&after={}", page.body["next"].as_str().expect("a cursor"));
    }
}

async fn started(store: &Store) -> (Server, Client) {
    let server = store.start();
    let client = Client::new(store, &server);
    client.ready(&server).await;
    (server, client)
}

/// Makes a segment and waits until its definition holds.
async fn make(store: &Store, client: &Client, name: &str, definition: &str) {
    let made = store.run(&["segments", "create", name, definition, "--json"]);
    let path = format!("/v1/segments/{}", made["id"].as_str().expect("an id"));
    let deadline = Instant::now() + PATIENCE;
    while client.get(&path).await.body["status"] != "active" {
        assert!(Instant::now() < deadline, "{name} does not hold");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// `TORTURE_CYCLES` says how often the server is killed, at most 50 (8), `TORTURE_SEED` repeats a run as far as timing
/// allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_of_moves_that_is_killed_with_the_server_has_each_once_and_in_order() {
    // Arrange
    let cycles = setting("TORTURE_CYCLES").unwrap_or(8).min(50);
    let seed =
        setting("TORTURE_SEED").unwrap_or_else(|| getrandom::u64().expect("random numbers") >> 32);
    eprintln!("moves: {cycles} kills, TORTURE_SEED={seed}");
    let mut random = Random::new(seed);
    let store = Store::new();
    let notes = store.data().with_extension("notes");
    let (mut server, mut client) = started(&store).await;
    make(
        &store,
        &client,
        "Trial",
        r#"{"event":"trial_started","within":"1s"}"#,
    )
    .await;
    make(&store, &client, "Seen", r#"{"event":"seen"}"#).await;

    // Act: not waiting for anything, since the moments of the crashes are what is tried.
    let mut next = 0;
    for _ in 0..cycles {
        let sending = tokio::spawn(send(client.clone(), next));
        for _ in 0..1 + random.below(3) {
            let consumer = Consumer::start(&store, &server, &notes);
            tokio::time::sleep(Duration::from_millis(random.below(400))).await;
            drop(consumer);
        }
        let consumer = Consumer::start(&store, &server, &notes);
        tokio::time::sleep(Duration::from_millis(random.below(400))).await;
        server.kill();
        // Those that were not answered come again: the ids tell.
        next = sending.await.expect("a sender");
        drop(consumer);
        (server, client) = started(&store).await;
    }
    let last = client.post("/v1/track/batch", people(next * PEOPLE), |_| {});
    assert_eq!(last.await.expect("an answer").status, 200);
    let people = usize::try_from((next + 1) * PEOPLE).expect("a count");
    let consumer = Consumer::start(&store, &server, &notes);
    let deadline = Instant::now() + PATIENCE;
    while noted(&notes).1.len() < people * MOVES_OF_EACH {
        assert!(
            Instant::now() < deadline,
            "moves are missing\n{}",
            server.said()
        );
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    drop(consumer);

    // Assert
    let (_, told, _) = noted(&notes);
    let expected = all_moves(&client).await;
    let ids = |moves: &[Value]| -> Vec<String> {
        let id = |one: &Value| one["id"].as_str().expect("an id").to_owned();
        moves.iter().map(id).collect()
    };
    assert_eq!(ids(&told), ids(&expected));
    assert_eq!(told.len(), people * MOVES_OF_EACH);
    for number in 0..people {
        let email = format!("person{number}@example.com");
        let theirs = told.iter().filter(|one| one["email"] == email.as_str());
        let mut theirs: Vec<_> = theirs
            .map(|one| {
                let text = |name: &str| one[name].as_str().expect(name);
                (text("segmentName"), text("type"))
            })
            .collect();
        // In one segment in the order of time, whatever there is between.
        theirs.sort_by_key(|(segment, _)| *segment);
        let expected = [
            ("Seen", "segment_entered"),
            ("Trial", "segment_entered"),
            ("Trial", "segment_left"),
        ];
        assert_eq!(theirs, expected, "{email}");
    }
    eprintln!("moves: {} told, 0 lost, 0 twice", told.len());
}
