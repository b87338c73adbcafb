//! `kill -9` while a contact is being erased, also while the log is written anew behind that: nothing is half gone,
//! nobody else has lost anything, and asking again erases to the end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::load::Random;
use crate::process::{LOOK_AGAIN, Server, Store};
use crate::setting;

/// Events of each contact.
const EACH: usize = 400;
/// How long a command may take that is not killed.
const PATIENCE: Duration = Duration::from_secs(60);

fn address(number: u64) -> String {
    format!("person{number}@example.com")
}

fn erase(number: u64) -> Vec<String> {
    let address = address(number);
    let words = ["contacts", "erase", &address, "--yes", "--json"];
    words.map(str::to_owned).to_vec()
}

/// When a command is killed.
enum Moment {
    After(Duration),
    /// As soon as a segment of the log is being written anew.
    Rewriting,
}

/// Erases with no server there, and kills that at this moment. True where it had answered by then.
fn erase_and_kill(store: &Store, number: u64, moment: &Moment) -> bool {
    let arguments = erase(number);
    let mut child = store.spawn(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let began = Instant::now();
    let log = store.data().join("log");
    loop {
        if let Some(status) = child.try_wait().expect("a status") {
            assert!(status.success(), "{status}");
            return true;
        }
        let is_now = match moment {
            Moment::After(delay) => began.elapsed() >= *delay,
            Moment::Rewriting => std::fs::read_dir(&log)
                .expect("a log")
                .map_while(Result::ok)
                .any(|file| {
                    file.path()
                        .extension()
                        .is_some_and(|ending| ending == "draft")
                }),
        };
        if is_now {
            child.kill().expect("a kill");
            return child.wait().expect("an end").success();
        }
        assert!(began.elapsed() < PATIENCE, "the erasure does not end");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// An answer of the views, once they are built.
async fn read(client: &Client, path: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = client.get(path).await;
        if answer.status == 200 {
            return answer.body;
        }
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(Instant::now() < deadline, "{answer:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn events_of(client: &Client, number: u64) -> usize {
    let path = format!("/v1/events?limit=1000&email={}", address(number));
    read(client, &path).await["events"]
        .as_array()
        .expect("a list")
        .len()
}

async fn started(store: &Store) -> (Server, Client) {
    let server = store.start();
    let client = Client::new(store, &server);
    client.ready(&server).await;
    (server, client)
}

fn stop(server: Server) {
    server.terminate();
    let status = server.wait_for_end(PATIENCE);
    assert!(status.success(), "{status}");
}

/// `TORTURE_CYCLES` says how often, at most 50 (12), `TORTURE_SEED` repeats a run as far as timing allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_is_killed_is_all_or_nothing_and_is_made_good_by_asking_again() {
    // Arrange: contacts side by side in every block of the log.
    let cycles = setting("TORTURE_CYCLES").unwrap_or(12).min(50);
    let seed =
        setting("TORTURE_SEED").unwrap_or_else(|| getrandom::u64().expect("random numbers") >> 32);
    eprintln!("erasing: {cycles} kills, TORTURE_SEED={seed}");
    let mut random = Random::new(seed);
    let store = Store::new();
    let (server, client) = started(&store).await;
    for number in 0..EACH {
        let event = |person: u64| {
            json!({"type": "track", "event": "seen", "email": address(person), "anonymousId": format!("b{person}"),
                   "properties": {"n": number}})
        };
        // One more than are erased.
        let body = json!({"events": (0..=cycles).map(event).collect::<Vec<_>>()});
        let sent = client
            .post("/v1/track/batch", body.to_string(), |_| {})
            .await;
        assert_eq!(sent.expect("an answer").status, 200);
    }
    stop(server);
    let mut rewrites = 0;
    for number in 0..cycles {
        // Act
        let moment = match number % 2 {
            0 => Moment::Rewriting,
            _ => Moment::After(Duration::from_millis(random.below(250))),
        };
        let has_answered = erase_and_kill(&store, number, &moment);
        rewrites += u32::from(matches!(moment, Moment::Rewriting) && !has_answered);
        // Assert
        let report = store.run(&["log", "verify", "--json"]);
        assert_eq!(report["ok"], true, "{report}");
        let (server, client) = started(&store).await;
        let left = events_of(&client, number).await;
        assert!(
            left == 0 || !has_answered && left == EACH,
            "{left} are left"
        );
        assert_eq!(events_of(&client, number + 1).await, EACH);
        if number % 3 == 0 {
            server.kill();
        } else {
            stop(server);
        }
    }
    assert!(
        rewrites > 0,
        "none was killed while the log was written anew"
    );
    for number in 0..cycles {
        let arguments = erase(number);
        store.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let report = store.run(&["log", "verify", "--json"]);
    assert_eq!(report["ok"], true, "{report}");
    // What is in the log itself: nothing hides anything any more, and the views are built from it.
    for entry in std::fs::read_dir(store.data()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name == "redactions.redb" || name.starts_with("views-") && path.is_file() {
            std::fs::remove_file(path).expect("a file to remove");
        }
    }
    let (server, client) = started(&store).await;
    for number in 0..cycles {
        assert_eq!(events_of(&client, number).await, 0);
    }
    assert_eq!(events_of(&client, cycles).await, EACH);
    let newest = read(&client, "/v1/events?limit=1").await;
    let newest = newest["events"][0]["seq"]
        .as_str()
        .expect("a seq")
        .to_owned();
    let all = client.all_events(&newest).await;
    let seen: Vec<_> = all.iter().filter(|event| event["name"] == "seen").collect();
    assert_eq!(
        seen.len(),
        EACH * usize::try_from(cycles + 1).expect("a count")
    );
    let named = seen.iter().filter(|event| event["email"].is_string());
    assert_eq!(named.count(), EACH);
    stop(server);
}
