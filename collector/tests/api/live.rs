//! `GET /v1/live`: what arrives is shown, once, to whom it belongs, and to nobody too late.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::sessions::log_in;
use crate::support::{Ask, PERSON, TestApp, new_id, spawn_app};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// A message of the stream.
#[derive(Debug)]
struct Message {
    id: String,
    data: Value,
}

/// A reader of the stream.
struct Live {
    response: reqwest::Response,
    text: String,
    /// The last id that came, with or without data.
    last_id: String,
}

impl Live {
    async fn of(ask: Ask<'_>) -> Self {
        let response = ask.open().await;
        assert_eq!(response.status(), 200);
        let header = |name| response.headers()[name].to_str().unwrap();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-accel-buffering"), "no");
        let mut live = Self {
            response,
            text: String::new(),
            last_id: String::new(),
        };
        // The stream is there once its first block is.
        let block = live.block().await.unwrap();
        assert!(block.starts_with("retry: 1000\nid: "), "{block}");
        live
    }

    async fn open(app: &TestApp, path: &str) -> Self {
        Self::of(app.ask(Method::GET, path).key(&app.key)).await
    }

    async fn behind(app: &TestApp, id: &str) -> Self {
        let ask = app.ask(Method::GET, "/v1/live?recent=5").key(&app.key);
        Self::of(ask.header("last-event-id", id)).await
    }

    /// The next block of lines; `None` at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                if let Some(id) = block.lines().find_map(|line| line.strip_prefix("id: ")) {
                    self.last_id = id.to_owned();
                }
                return Some(block);
            }
            let chunk = tokio::time::timeout(DEADLINE, self.response.chunk()).await;
            let chunk = chunk.expect("the stream goes on").unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn next(&mut self) -> Option<Message> {
        loop {
            let block = self.block().await?;
            let data: Vec<&str> = block
                .lines()
                .filter_map(|line| line.strip_prefix("data: "))
                .collect();
            let [data] = data[..] else {
                assert!(data.is_empty(), "one line: {block}");
                continue;
            };
            return Some(Message {
                id: self.last_id.clone(),
                data: serde_json::from_str(data).unwrap(),
            });
        }
    }

    async fn message(&mut self) -> Message {
        self.next().await.expect("another message")
    }

    /// The names of the next so many events.
    async fn names(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(
                self.message().await.data["name"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
        names
    }
}

async fn send(app: &TestApp, key: &str, name: &str) {
    let event = json!({"email": PERSON, "event": name});
    app.post("/v1/track/event", key, &event).await.is_tracked();
}

/// Sends events with these numbers for names, in batches.
async fn send_many(app: &TestApp, numbers: std::ops::Range<usize>) {
    let numbers: Vec<usize> = numbers.collect();
    for part in numbers.chunks(500) {
        let events: Vec<Value> = part
            .iter()
            .map(|number| json!({"type": "track", "email": PERSON, "event": number.to_string()}))
            .collect();
        let answer = app
            .post("/v1/track/batch", &app.key, &json!({"events": events}))
            .await;
        assert_eq!(answer.results().len(), part.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_and_a_rejected_event_are_shown_as_they_arrive() {
    let app = spawn_app().await;
    let mut live = Live::open(&app, "/v1/live").await;
    let id = new_id();
    // As its sender laid it out: a line break must not end the message.
    let body = format!(
        "{{\"email\":\"{PERSON}\",\"event\":\"viewed\",\"id\":\"{id}\",\n\"properties\":{{\"a\":\n1,\r\n\"b\":\"x\"}}}}"
    );
    let answer = app.post_text("/v1/track/event", body).await;
    answer.is_tracked();
    let soon = tokio::time::timeout(Duration::from_secs(1), live.message());
    let mut shown = soon.await.expect("within a second").data;
    assert_eq!(shown["status"], "tracked");
    assert_eq!(shown["properties"], json!({"a": 1, "b": "x"}));
    assert_eq!(shown["keyId"], app.known(&app.key).id);
    // Otherwise it is what the list shows.
    shown.as_object_mut().unwrap().remove("status");
    assert_eq!(shown, app.listed(&answer.text_of("seq")).await);

    let bad = json!({"email": "nobody", "event": "viewed", "id": id});
    app.post("/v1/track/event", &app.key, &bad).await;
    let soon = tokio::time::timeout(Duration::from_secs(1), live.message());
    let shown = soon.await.expect("within a second").data;
    assert_eq!(shown["status"], "rejected");
    assert_eq!(shown["code"], "invalid_email");
    assert_eq!(shown["field"], "email");
    assert_eq!(shown["id"], id);
    assert_eq!(shown["name"], "viewed");
    assert_eq!(shown["keyId"], app.known(&app.key).id);
    assert!(!shown["message"].as_str().unwrap().is_empty());
    let sent: Value = serde_json::from_str(shown["body"].as_str().unwrap()).unwrap();
    assert_eq!(sent, bad);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_says_that_it_is_there_and_keeps_its_place() {
    let app = spawn_app().await;
    let mut live = Live::open(&app, "/v1/live").await;
    send(&app, &app.key, "first").await;
    let first = live.message().await;
    // 15 s later.
    let heartbeat = live.block().await.unwrap();
    assert_eq!(heartbeat, "event: heartbeat\ndata: {}");
    // It has no id of its own, so that who comes again goes on where it was.
    assert_eq!(live.last_id, first.id);
    send(&app, &app.key, "second").await;
    assert_eq!(live.names(1).await, ["second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_with_as_many_events_as_it_asks_for() {
    let app = spawn_app().await;
    for name in ["a", "b", "c"] {
        send(&app, &app.key, name).await;
    }
    let bad = json!({"email": "nobody", "event": "bad"});
    app.post("/v1/track/event", &app.key, &bad).await;
    let mut live = Live::open(&app, "/v1/live?recent=3").await;
    assert_eq!(live.names(3).await, ["b", "c", "bad"]);
    let mut all = Live::open(&app, "/v1/live?recent=200").await;
    assert_eq!(all.names(4).await, ["a", "b", "c", "bad"]);
    let mut none = Live::open(&app, "/v1/live").await;
    send(&app, &app.key, "d").await;
    for live in [&mut live, &mut all, &mut none] {
        assert_eq!(live.names(1).await, ["d"]);
    }
    for path in [
        "/v1/live?recent=201",
        "/v1/live?recent=x",
        "/v1/live?lastEventId=x",
    ] {
        app.get(path).await.is_refused(422, "invalid_parameter");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_again_misses_nothing_and_gets_nothing_twice() {
    let app = spawn_app().await;
    // Before the first message there is a cursor too.
    let mut last = Live::open(&app, "/v1/live").await.last_id;
    let total = 3_000;
    let bad = json!({"email": "nobody", "event": "bad"});
    let writing = async {
        send_many(&app, 0..total / 2).await;
        app.post("/v1/track/event", &app.key, &bad).await;
        send_many(&app, total / 2..total).await;
    };
    let reading = async {
        let (mut seen, mut rejected) = (Vec::new(), 0);
        while seen.len() < total || rejected == 0 {
            let mut live = Live::behind(&app, &last).await;
            // Breaks off in the midst of what comes.
            for _ in 0..700 {
                if seen.len() == total && rejected == 1 {
                    break;
                }
                let message = live.message().await;
                if message.data["status"] == "rejected" {
                    rejected += 1;
                } else {
                    let name = message.data["name"].as_str().unwrap();
                    seen.push(name.parse::<usize>().unwrap());
                }
                last = message.id;
            }
        }
        assert_eq!(rejected, 1);
        seen
    };
    let ((), seen) = tokio::join!(writing, reading);
    assert_eq!(seen, (0..total).collect::<Vec<_>>());
    // The query says the same for those who cannot set the header.
    send(&app, &app.key, "last").await;
    let path = format!("/v1/live?lastEventId={last}");
    assert_eq!(Live::open(&app, &path).await.names(1).await, ["last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_far_behind_is_told_how_many_it_misses() {
    let app = spawn_app().await;
    let begin = Live::open(&app, "/v1/live").await.last_id;
    send_many(&app, 0..4_999).await;
    // Behind the log by more than the bound, but not within its own workspace.
    let elsewhere = app.key_elsewhere();
    for name in ["x", "y", "z"] {
        send(&app, &elsewhere, name).await;
    }
    let mut live = Live::behind(&app, &begin).await;
    for number in 0..4_999 {
        assert_eq!(live.message().await.data["name"], number.to_string());
    }
    send_many(&app, 4_999..6_000).await;
    let mut live = Live::behind(&app, &begin).await;
    let first = live.message().await;
    assert_eq!(first.data, json!({"status": "skipped", "count": 5_500}));
    // What was skipped is not skipped again by a reader that got no further.
    for mut live in [live, Live::behind(&app, &first.id).await] {
        for number in 5_500..6_000 {
            assert_eq!(live.message().await.data["name"], number.to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_tells_nothing_of_other_workspaces() {
    let app = spawn_app().await;
    let elsewhere = app.key_elsewhere();
    let before_any = Live::open(&app, "/v1/live").await.last_id;
    let seq_of = |id: &str| id.split('-').next().unwrap().to_owned();
    assert_eq!(seq_of(&before_any), "0".repeat(24));
    for name in ["theirs", "ours", "theirs", "theirs"] {
        let key = if name == "ours" { &app.key } else { &elsewhere };
        send(&app, key, name).await;
        // Whether the view knows it already or not.
        for recent in [0, 1, 5] {
            let path = format!("/v1/live?recent={recent}");
            let mut live = Live::open(&app, &path).await;
            if recent > 0 && name != "theirs" {
                live.message().await;
            }
        }
    }
    let ours = app.all_events().await.remove(0);
    let ours = ours["seq"].as_str().unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        for _ in 0..10 {
            send(&app, &elsewhere, "theirs").await;
        }
        ids.push(Live::open(&app, "/v1/live").await.last_id);
        let mut live = Live::open(&app, "/v1/live?recent=3").await;
        assert_eq!(seq_of(&live.last_id), "0".repeat(24));
        ids.push(live.message().await.id);
    }
    assert!(ids.iter().all(|id| seq_of(id) == ours), "{ours} {ids:?}");
    // Both lead to the same: nothing of theirs, and what comes.
    send(&app, &app.key, "next").await;
    assert_eq!(Live::behind(&app, &ids[0]).await.names(1).await, ["next"]);
    let mut all = Live::behind(&app, &before_any).await;
    assert_eq!(all.names(2).await, ["ours", "next"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_from_before_a_restore_leads_to_what_comes() {
    let app = spawn_app().await;
    send(&app, &app.key, "before").await;
    // Given by the store that was lost, after the backup; and of an older version.
    let ours = app.all_events().await.remove(0);
    let (generation, rest) = ours["seq"].as_str().unwrap().split_at(2);
    assert_eq!(generation, "01");
    let lost = format!("01{:022}-beef-7", rest.parse::<u128>().unwrap() + 3_000_000);
    let app = {
        app.app.meta.raise_generation().unwrap();
        app.restart().await.0
    };
    send(&app, &app.key, "after").await;
    assert_eq!(Live::behind(&app, &lost).await.names(1).await, ["after"]);
    let mut old = Live::behind(&app, "5-beef-7").await;
    assert_eq!(old.names(2).await, ["before", "after"]);
    let after = app.all_events().await.remove(0);
    assert!(after["seq"].as_str().unwrap().starts_with("02"), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rejections_than_are_kept_are_told_as_a_number() {
    let app = spawn_app().await;
    let begin = Live::open(&app, "/v1/live").await.last_id;
    let events: Vec<Value> = (0..1_000)
        .map(|_| json!({"type": "track", "email": "nobody", "event": "bad"}))
        .collect();
    let batch = json!({"events": events});
    app.post("/v1/track/batch", &app.key, &batch).await;
    let few = json!({"events": events[..7]});
    app.post("/v1/track/batch", &app.key, &few).await;
    let mut live = Live::behind(&app, &begin).await;
    let first = live.message().await.data;
    assert_eq!(first, json!({"status": "skipped", "count": 7}));
    for _ in 0..1_000 {
        assert_eq!(live.message().await.data["status"], "rejected");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_workspaces_events_are_never_shown() {
    let app = spawn_app().await;
    let elsewhere = app.key_elsewhere();
    let bad = json!({"email": "nobody", "event": "theirs"});
    send(&app, &elsewhere, "theirs").await;
    app.post("/v1/track/event", &elsewhere, &bad).await;
    let mut live = Live::open(&app, "/v1/live?recent=10").await;
    for _ in 0..20 {
        send(&app, &elsewhere, "theirs").await;
        app.post("/v1/track/event", &elsewhere, &bad).await;
    }
    send(&app, &app.key, "ours").await;
    assert_eq!(live.names(1).await, ["ours"]);
    let ask = app.ask(Method::GET, "/v1/live?recent=1").key(&elsewhere);
    assert_eq!(Live::of(ask).await.names(1).await, ["theirs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_reader_may_watch_and_only_while_it_may_read() {
    let app = spawn_app().await;
    let bare = app.ask(Method::GET, "/v1/live").send().await;
    bare.is_refused(401, "missing_key");
    for key in [app.secret(&[Scope::Send]), app.public(&[])] {
        app.get_with("/v1/live", &key)
            .await
            .is_refused(403, "insufficient_scope");
    }
    let reader = app.secret(&[Scope::Read]);
    let mut by_key = Live::of(app.ask(Method::GET, "/v1/live").key(&reader)).await;
    let browser = log_in(&app, json!({"key": reader})).await;
    let ask = app.ask(Method::GET, "/v1/live");
    let ask = ask.header("cookie", &browser.cookie);
    let mut by_cookie = Live::of(ask.header("sec-fetch-site", "same-origin")).await;
    send(&app, &app.key, "seen").await;
    assert_eq!(by_key.names(1).await, ["seen"]);
    assert_eq!(by_cookie.names(1).await, ["seen"]);
    let key = app.known(&reader);
    app.app.meta.revoke_key(key.workspace, &key.id).unwrap();
    send(&app, &app.key, "unseen").await;
    assert!(by_key.next().await.is_none());
    assert!(by_cookie.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_places_for_so_many_streams_and_one_that_ends_makes_room() {
    let app = spawn_app().await;
    // The only workspace may have all of them, and each of its keys half.
    let mut streams = Vec::new();
    for key in [app.secret(&[Scope::Read]), app.key.clone()] {
        for _ in 0..collector::limits::live::MAX_READERS / 2 {
            streams.push(Live::of(app.ask(Method::GET, "/v1/live").key(&key)).await);
        }
        app.get_with("/v1/live", &key)
            .await
            .is_refused(503, "too_many_live_readers");
    }
    // They take no place from other requests.
    assert_eq!(app.get("/v1/events").await.status, 200);
    streams.pop();
    let again = async {
        loop {
            let ask = app.ask(Method::GET, "/v1/live").key(&app.key);
            if ask.open().await.status() == 200 {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_streams_at_once_and_a_cursor_outlives_it() {
    let app = spawn_app().await;
    let mut live = Live::open(&app, "/v1/live").await;
    send(&app, &app.key, "before").await;
    let id = live.message().await.id;
    let (app, took) = app.restart().await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(live.next().await.is_none());
    send(&app, &app.key, "after").await;
    let bad = json!({"email": "nobody", "event": "bad"});
    app.post("/v1/track/event", &app.key, &bad).await;
    let shown = Live::behind(&app, &id).await.names(2).await;
    let shown: BTreeSet<&str> = shown.iter().map(String::as_str).collect();
    assert_eq!(shown, BTreeSet::from(["after", "bad"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_into_segments_and_out_of_them_come_once_also_behind_a_cursor() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    let body = json!({"name": "Seen", "definition": {"event": "seen", "within": "1s"}});
    let made = app.post("/v1/segments", &admin, &body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let mut live = Live::open(&app, "/v1/live?recent=0").await;
    let event = json!({"email": PERSON, "event": "seen"});
    app.post("/v1/track/event", &app.key, &event)
        .await
        .is_tracked();
    let mut moved = Vec::new();
    let mut cursor = String::new();
    while moved.len() < 2 {
        let message = live.message().await;
        if message.data["status"] == "moved" {
            if moved.is_empty() {
                cursor = message.id.clone();
            }
            moved.push(message.data);
        }
    }
    let of = |moved: &Value| {
        let text = |name: &str| moved[name].as_str().unwrap().to_owned();
        (text("type"), text("email"), text("cause"))
    };
    let told = |kind: &str, cause: &str| (kind.to_owned(), PERSON.to_owned(), cause.to_owned());
    assert_eq!(of(&moved[0]), told("segment_entered", "event"));
    assert_eq!(of(&moved[1]), told("segment_left", "time"));
    assert_eq!(moved[1]["segmentId"], made.body["id"]);
    let mut again = Live::behind(&app, &cursor).await;
    assert_eq!(again.message().await.data, moved[1]);
}
