//! Contacts by their segments: lists of the members of one, and moves in what happened with a person.

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;
use shared::time::Timestamp;
use store::clock::FixedClock;

use crate::support::{NOW, TestApp, spawn_app_at_rest, spawn_app_in};

const ADA: &str = "ada@person.example";
const BOB: &str = "bob@person.example";

/// An app whose clock a test sets, with a key that may do everything in its workspace.
struct Stage {
    app: TestApp,
    clock: Arc<FixedClock>,
    key: String,
}

impl Stage {
    async fn new() -> Self {
        let (app, clock) = spawn_app_at_rest().await;
        let key = app.secret(&[Scope::Admin]);
        Self { app, clock, key }
    }

    async fn create(&self, name: &str, definition: Value) -> String {
        let body = json!({"name": name, "definition": definition});
        let made = self.app.post("/v1/segments", &self.key, &body).await;
        assert_eq!(made.status, 200, "{}", made.text);
        made.text_of("id")
    }

    /// So many events of this name of each person.
    async fn track(&self, event: &str, people: &[(&str, usize)]) {
        let events: Vec<Value> = people
            .iter()
            .flat_map(|(email, count)| std::iter::repeat_n(email, *count))
            .map(|email| json!({"type": "track", "event": event, "email": email}))
            .collect();
        let body = json!({"events": events});
        let sent = self.app.post("/v1/track/batch", &self.key, &body).await;
        assert_eq!(sent.results().len(), events.len());
        self.app.caught_up().await;
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.app.get_with(path, &self.key).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.body
    }

    async fn list(&self, query: &str) -> (Vec<String>, Option<String>) {
        let answer = self.get(&format!("/v1/contacts?{query}")).await;
        let contacts = answer["contacts"].as_array().unwrap().iter();
        let name = |contact: &Value| {
            let email = contact["email"].as_str().unwrap();
            email.split('@').next().unwrap().to_owned()
        };
        let next = answer["next"].as_str().map(str::to_owned);
        (contacts.map(name).collect(), next)
    }

    /// What happened with a person, all pages of so many, each entry told shortly.
    async fn timeline(&self, email: &str, limit: usize) -> Vec<String> {
        let path = format!("/v1/contacts/{}/timeline", email.replace('@', "%40"));
        let (mut told, mut behind) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}?limit={limit}{behind}")).await;
            let entries = page["entries"].as_array().unwrap();
            assert!(entries.len() <= limit);
            for entry in entries {
                let text = |name: &str| entry[name].as_str().unwrap_or_default();
                assert!(!text("timestamp").is_empty() && !text("id").is_empty());
                told.push(match text("kind") {
                    "segment" => {
                        assert_eq!(entry["type"], entry["name"]);
                        assert_eq!(entry["time"], entry["timestamp"]);
                        assert_eq!(entry["email"], email);
                        format!(
                            "{} {} by {}",
                            text("type"),
                            text("segmentName"),
                            text("cause")
                        )
                    }
                    kind => {
                        assert!(entry["points"].is_number());
                        format!("{kind} {}", text("name"))
                    }
                });
            }
            match page["next"].as_str() {
                Some(next) => behind = format!("&cursor={next}"),
                None => return told,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_members_of_a_segment_are_listed_in_every_order_page_by_page_while_events_arrive() {
    let stage = Stage::new().await;
    stage
        .track("joined", &[("zoe@person.example", 9), (ADA, 2), (BOB, 5)])
        .await;
    let segment = stage.create("Readers", json!({"event": "read"})).await;
    stage
        .track(
            "read",
            &[
                (ADA, 1),
                ("cy@person.example", 1),
                (BOB, 1),
                ("Dee@person.example", 4),
            ],
        )
        .await;
    for (query, expected) in [
        ("", ["bob", "Dee", "ada", "cy"]),
        ("&order=asc", ["cy", "ada", "Dee", "bob"]),
        ("&sort=email", ["ada", "bob", "cy", "Dee"]),
        ("&sort=email&order=desc", ["Dee", "cy", "bob", "ada"]),
    ] {
        let whole = stage.list(&format!("segment={segment}{query}")).await;
        assert_eq!(
            whole,
            (expected.map(str::to_owned).to_vec(), None),
            "{query}"
        );
        let (mut all, mut behind, mut late) = (Vec::new(), String::new(), 0);
        loop {
            let asked = format!("segment={segment}{query}&limit=1{behind}");
            let (page, next) = stage.list(&asked).await;
            all.extend(page);
            // Who is in no segment, and who comes before the place of this page, is on no later one.
            stage
                .track("joined", &[(&format!("z{late}@person.example"), 20)])
                .await;
            late += 1;
            match next {
                Some(next) => behind = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(all, expected, "{query}");
    }
    let seen = stage
        .list(&format!("segment={segment}&sort=lastSeen"))
        .await;
    assert_eq!(seen.0.iter().collect::<BTreeSet<_>>().len(), 4);
    let found = stage.list(&format!("segment={segment}&query=d")).await;
    assert_eq!(found, (vec!["Dee".to_owned()], None));
    let (first, next) = stage.list(&format!("segment={segment}&limit=3")).await;
    assert_eq!((first.len(), next.is_some()), (3, true));
    for (email, count) in [
        (ADA, 1),
        ("zoe@person.example", 0),
        ("nobody@person.example", 0),
    ] {
        let found = stage
            .list(&format!("segment={segment}&email={email}"))
            .await;
        assert_eq!(found.0.len(), count, "{email}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_members_than_are_gone_through_at_once_are_listed_once_each() {
    let stage = Stage::new().await;
    let segment = stage.create("Even", json!({"event": "even"})).await;
    let names: Vec<String> = (0..300)
        .map(|at| format!("p{at:03}@person.example"))
        .collect();
    let odd: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    stage.track("joined", &odd).await;
    let even: Vec<_> = odd.iter().step_by(2).copied().collect();
    stage.track("even", &even).await;
    let (mut all, mut behind) = (Vec::new(), String::new());
    loop {
        let (page, next) = stage
            .list(&format!("segment={segment}&sort=email&limit=7{behind}"))
            .await;
        all.extend(page);
        match next {
            Some(next) => behind = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<String> = (0..300).step_by(2).map(|at| format!("p{at:03}")).collect();
    assert_eq!(all, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_by_time_alone_is_in_the_list_no_more() {
    let stage = Stage::new().await;
    let definition = json!({"event": "seen", "within": "4s"});
    let segment = stage.create("Seen", definition).await;
    stage.track("seen", &[(ADA, 1)]).await;
    let asked = format!("segment={segment}");
    stage.clock.advance_millis(3_999);
    assert_eq!(stage.list(&asked).await.0, ["ada"]);
    stage.clock.advance_millis(1);
    assert!(stage.list(&asked).await.0.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_no_segment_is_refused() {
    let stage = Stage::new().await;
    for id in ["seg_00000000000000000000", "everybody"] {
        let answer = stage
            .app
            .get_with(&format!("/v1/contacts?segment={id}"), &stage.key)
            .await;
        answer.is_refused(404, "unknown_segment");
    }
    let elsewhere = stage.app.key_of_other(
        "elsewhere",
        shared::api_key::KeyKind::Secret,
        &[Scope::Admin],
    );
    let segment = stage.create("Seen", json!({"event": "seen"})).await;
    let path = format!("/v1/contacts?segment={segment}");
    let answer = stage.app.get_with(&path, &elsewhere).await;
    answer.is_refused(404, "unknown_segment");
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_stand_in_the_timeline_behind_what_brought_them_about() {
    let stage = Stage::new().await;
    stage.track("joined", &[(ADA, 1), (BOB, 1)]).await;
    // By a definition,
    stage.create("All", json!({"event": "joined"})).await;
    stage
        .create("Seen", json!({"event": "seen", "within": "4s"}))
        .await;
    // by an event,
    stage.clock.advance_millis(1_000);
    stage.track("seen", &[(ADA, 1)]).await;
    // and by time alone, which nobody has asked about since.
    stage.clock.advance_millis(60_000);
    let expected = [
        "segment_left Seen by time",
        "segment_entered Seen by event",
        "event seen",
        "segment_entered All by definition",
        "event joined",
    ];
    for limit in 1..=6 {
        assert_eq!(stage.timeline(ADA, limit).await, expected, "{limit}");
    }
    let bobs = ["segment_entered All by definition", "event joined"];
    assert_eq!(stage.timeline(BOB, 100).await, bobs);
    let path = format!("/v1/contacts/{}", ADA.replace('@', "%40"));
    let first = stage.get(&format!("{path}/timeline?limit=1")).await;
    let left = &first["entries"][0];
    let due = Timestamp::parse_rfc3339(NOW).unwrap().plus_millis(5_000);
    assert_eq!(left["time"], due.to_string());
    assert_eq!(left["version"], 1);
    // What comes later is on the first page alone.
    let next = first["next"].as_str().unwrap();
    stage.track("seen", &[(ADA, 1)]).await;
    let rest = stage.get(&format!("{path}/timeline?cursor={next}")).await;
    assert_eq!(rest["entries"].as_array().unwrap().len(), 4);
    // No move makes a score.
    let score = stage.get(&format!("{path}/score")).await;
    assert!(
        score["entries"]
            .as_array()
            .unwrap()
            .iter()
            .all(|entry| entry["kind"] == "event")
    );
    // A replay comes to the same.
    let told = stage.get(&format!("{path}/timeline")).await;
    let (folder, _) = stage.app.stop().await;
    let app = spawn_app_in(folder, Arc::clone(&stage.clock) as _).await;
    let stage = Stage { app, ..stage };
    stage.app.app.projector.rebuild(|_, _| {}).await.unwrap();
    stage.app.caught_up().await;
    let again = stage.get(&format!("{path}/timeline")).await;
    assert_eq!(again["entries"], told["entries"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_person_tells_every_move_the_first_first() {
    let stage = Stage::new().await;
    let definition = json!({"event": "seen", "within": "4s"});
    stage.create("Seen", definition).await;
    for _ in 0..3 {
        stage.track("seen", &[(ADA, 1), (BOB, 1)]).await;
        stage.clock.advance_millis(10_000);
    }
    let path = format!("/v1/contacts/{}/export", ADA.replace('@', "%40"));
    // Asked before, so that the last window has ended.
    stage.timeline(ADA, 100).await;
    let answer = stage.app.get_with(&path, &stage.key).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let lines = answer
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let moves: Vec<Value> = lines
        .filter(|line: &Value| line["record"] == "move")
        .collect();
    let kinds: Vec<_> = moves
        .iter()
        .map(|line| line["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["segment_entered", "segment_left"].repeat(3));
    assert!(moves.iter().all(|line| line["email"] == ADA));
    assert!(moves.is_sorted_by_key(|line| line["time"].as_str().unwrap().to_owned()));
    // And nothing of who is erased.
    let erase = stage.app.ask(Method::DELETE, &path.replace("/export", ""));
    assert_eq!(erase.key(&stage.key).send().await.status, 200);
    let answer = stage.app.get_with(&path, &stage.key).await;
    answer.is_refused(404, "unknown_contact");
}
