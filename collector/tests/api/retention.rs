//! A log whose beginning is dropped: what was counted stays, what is decided stays decided, and nothing that depends on
//! what is gone is answered as if it were not.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;
use shared::time::Timestamp;
use store::clock::FixedClock;

use crate::support::{Answer, Folder, TestApp, spawn_app_in};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const KEEP_MS: i64 = 400 * DAY_MS;
/// Behind what came first and is gone.
const SINCE: &str = "2025-01-01T00:00:00.001Z";

fn time(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

struct Stage {
    app: TestApp,
    clock: Arc<FixedClock>,
    key: String,
}

impl Stage {
    async fn at(start: &str) -> Self {
        let clock = Arc::new(FixedClock::new(time(start)));
        let app = spawn_app_in(Folder::new(), Arc::clone(&clock) as _).await;
        Self {
            key: app.secret(&[Scope::Admin]),
            app,
            clock,
        }
    }

    fn go_to(&self, at: &str) {
        self.clock.set(time(at));
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.app.post(path, &self.key, body).await
    }

    async fn get(&self, path: &str) -> Value {
        self.app.caught_up().await;
        let answer = self.app.get_with(path, &self.key).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.body
    }

    async fn track(&self, email: &str, price: i64) -> Answer {
        let body = json!({"email": email, "event": "bought", "properties": {"price": price}});
        let answer = self.post("/v1/track/event", &body).await;
        answer.is_tracked();
        answer
    }

    /// Drops what is old enough; whether anything went.
    async fn retain(&self) -> bool {
        self.app.caught_up().await;
        let app = Arc::clone(&self.app.app);
        let passed = tokio::task::spawn_blocking(move || app.retain(KEEP_MS)).await;
        passed.unwrap().unwrap().is_some()
    }

    /// Another server on the same folder.
    async fn again(self) -> Self {
        let (folder, _) = self.app.stop().await;
        let app = spawn_app_in(folder, Arc::clone(&self.clock) as _).await;
        Self { app, ..self }
    }
}

fn emails(list: &Value) -> Vec<&str> {
    let email = |one: &'_ Value| one["email"].as_str().map(str::to_owned);
    assert!(
        list.as_array()
            .unwrap()
            .iter()
            .all(|one| email(one).is_some())
    );
    list.as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["email"].as_str())
        .collect()
}

/// Scenario 45 of the labelled ones.
#[tokio::test(flavor = "multi_thread")]
async fn a_definition_made_after_old_events_are_gone_says_since_when_it_knows() {
    let stage = Stage::at("2025-01-01T00:00:00Z").await;
    stage.track("a@example.com", 20).await;
    stage.go_to("2026-03-01T00:00:00Z");
    assert!(stage.retain().await);
    stage.go_to("2026-03-11T00:00:00Z");
    let definition = json!({"event": "bought", "count": {"gte": 1},
        "where": [{"property": "price", "gt": 10}]});
    let made = stage
        .post(
            "/v1/segments",
            &json!({"name": "S", "definition": definition}),
        )
        .await;
    assert_eq!(made.status, 200, "{}", made.text);
    let id = made.text_of("id");
    stage.go_to("2026-03-11T01:00:00Z");
    stage.track("b@example.com", 20).await;
    stage.go_to("2026-03-11T02:00:00Z");

    let shown = stage.get(&format!("/v1/segments/{id}")).await;
    assert_eq!(
        (&shown["count"], &shown["uncertain"]),
        (&json!(1), &json!(1)),
        "{shown}"
    );
    let since = time(shown["since"].as_str().unwrap());
    assert!(since > time("2025-01-01T00:00:00Z"), "{since}");
    assert!(since <= time("2026-03-11T00:00:00Z"), "{since}");
    let members = stage.get(&format!("/v1/segments/{id}/members")).await;
    assert_eq!(emails(&members["members"]), ["b@example.com"]);
    assert_eq!(members["uncertain"], 1);
    assert_eq!(members["since"], shown["since"]);
    // A list does not ask all contacts about each of its segments, nor does any page but the first.
    let listed = stage.get("/v1/segments").await["segments"][0].clone();
    assert_eq!(
        (listed.get("uncertain"), &listed["since"]),
        (None, &shown["since"])
    );
    let rest = format!("/v1/segments/{id}/members?cursor=0");
    let rest = stage.get(&rest).await;
    assert_eq!(
        (rest.get("uncertain"), &rest["since"]),
        (None, &shown["since"])
    );
    let explain = |email: &str| format!("/v1/segments/{id}/explain?email={email}");
    let of_a = stage.get(&explain("a@example.com")).await;
    assert_eq!(
        (&of_a["in"], &of_a["unknown"]),
        (&json!(false), &json!(true)),
        "{of_a}"
    );
    assert_eq!(of_a["since"], shown["since"]);
    let of_b = stage.get(&explain("b@example.com")).await;
    assert_eq!(
        (&of_b["in"], of_b.get("unknown")),
        (&json!(true), None),
        "{of_b}"
    );
    let preview = stage
        .post("/v1/segments/preview", &json!({"definition": definition}))
        .await
        .body;
    assert_eq!(
        (&preview["count"], &preview["uncertain"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(preview["since"], shown["since"]);

    // What lies within what is left is certain; so is a once it has done it again.
    let recent = json!({"event": "bought", "within": "7d"});
    let preview = stage
        .post("/v1/segments/preview", &json!({"definition": recent}))
        .await
        .body;
    assert_eq!(
        (&preview["count"], &preview["uncertain"]),
        (&json!(1), &json!(0))
    );
    stage.track("a@example.com", 20).await;
    let stage = stage.again().await;
    stage.app.app.projector.rebuild(|_, _| {}).await.unwrap();
    let shown = stage.get(&format!("/v1/segments/{id}")).await;
    assert_eq!(
        (&shown["count"], &shown["uncertain"]),
        (&json!(2), &json!(0)),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_and_decided_stays_and_reads_say_from_when_they_tell() {
    let stage = Stage::at("2025-01-01T00:00:00Z").await;
    let track =
        json!({"email": "a@example.com", "event": "bought", "id": crate::support::new_id()});
    stage.post("/v1/track/event", &track).await.is_tracked();
    let order =
        json!({"email": "a@example.com", "orderId": "o-1", "revenue": 10, "currency": "EUR"});
    let first = stage.post("/v1/track/purchase", &order).await;
    first.is_tracked();
    let traits = json!({"email": "a@example.com", "traits": {"plan": "pro"}});
    stage.post("/v1/identify", &traits).await.is_tracked();
    let gone = json!({"email": "gone@example.com"});
    stage.post("/v1/suppressions", &gone).await;
    // A segment of before knows all.
    let bought = json!({"name": "B", "definition": {"event": "bought"}});
    let made = stage.post("/v1/segments", &bought).await;
    let id = made.text_of("id");
    let before = stage.get("/v1/contacts/a%40example.com").await;
    assert!(stage.get("/v1/events").await["meta"].get("since").is_none());
    let revenue = stage.get("/v1/reports/overview").await["revenue"].clone();

    // A segment ends where its first event is old, so that it goes as a whole.
    stage.go_to("2025-06-01T00:00:00Z");
    assert!(!stage.retain().await);
    stage.go_to("2026-03-01T00:00:00Z");
    stage.track("b@example.com", 1).await;
    assert!(stage.retain().await);
    assert!(!stage.retain().await);
    for turn in 0..3 {
        let listed = stage.get("/v1/events").await;
        assert_eq!(emails(&listed["events"]), ["b@example.com"], "{turn}");
        assert_eq!(listed["meta"]["since"], SINCE, "{listed}");
        let timeline = stage.get("/v1/contacts/a%40example.com/timeline").await;
        assert_eq!(timeline["meta"]["since"], SINCE, "{timeline}");
        let after = stage.get("/v1/contacts/a%40example.com").await;
        for field in ["firstSeen", "lastSeen", "traits"] {
            assert_eq!(after[field], before[field], "{turn}: {field}");
        }
        assert!(after["score"].as_f64().unwrap() > 0.0, "{after}");
        assert_eq!(stage.get("/v1/reports/overview").await["revenue"], revenue);
        let shown = stage.get(&format!("/v1/segments/{id}")).await;
        assert_eq!(
            (&shown["count"], shown.get("uncertain")),
            (&json!(2), None),
            "{shown}"
        );
        let suppressed = stage.get("/v1/suppressions").await;
        assert!(
            suppressed.to_string().contains("gone@example.com"),
            "{suppressed}"
        );
        // The order is known, and has something left.
        let again = stage.post("/v1/track/purchase", &order).await;
        assert_eq!(again.status, 200, "{}", again.text);
        assert_eq!(
            (&again.body["tracked"], &again.body["reason"]),
            (&json!(false), &json!("duplicate"))
        );
        assert_eq!(again.body["id"], first.body["id"]);
        let refund = json!({"orderId": "o-1", "refundId": format!("r-{turn}"), "amount": 1});
        if turn == 2 {
            stage.post("/v1/track/refund", &refund).await.is_tracked();
        }
        let export = stage
            .app
            .ask(Method::GET, "/v1/export/events")
            .key(&stage.key);
        let export = export.send().await;
        assert_eq!(export.header("misar-since"), SINCE);
        match turn {
            0 => stage
                .app
                .app
                .projector
                .rebuild(|_, _| {})
                .await
                .map(drop)
                .unwrap(),
            _ => {
                let verified = stage.app.app.verify_log(&mut |_| {}).unwrap();
                assert!(verified.ok && verified.floor.is_some(), "{verified:?}");
            }
        }
    }
    let stage = stage.again().await;
    let shown = stage.get(&format!("/v1/segments/{id}")).await;
    assert_eq!(shown["count"], 2, "{shown}");
}
