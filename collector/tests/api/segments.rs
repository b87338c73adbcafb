//! `/v1/segments`: definitions that are kept, who is in, why, and who moved.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;
use shared::time::Timestamp;
use store::clock::FixedClock;

use crate::sessions::{Browser, log_in};
use crate::support::{
    Answer, Folder, TestApp, is_opaque, spawn_app, spawn_app_at_rest, spawn_app_in,
};

pub(crate) const ADA: &str = "ada@person.example";
pub(crate) const BOB: &str = "bob@person.example";

/// An app with a key that may do everything in its workspace.
pub(crate) struct Stage {
    pub(crate) app: TestApp,
    pub(crate) key: String,
}

impl Stage {
    pub(crate) fn of(app: TestApp) -> Self {
        let key = app.secret(&[Scope::Admin]);
        Self { app, key }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.app
            .ask(method, path)
            .key(&self.key)
            .json(body)
            .send()
            .await
    }

    pub(crate) async fn create(&self, name: &str, definition: Value) -> String {
        let body = json!({"name": name, "definition": definition});
        let made = self.ask(Method::POST, "/v1/segments", &body).await;
        assert_eq!(made.status, 200, "{}", made.text);
        let id = made.text_of("id");
        is_opaque(&id);
        id
    }

    pub(crate) async fn track(&self, email: &str, event: &str, properties: Value) -> String {
        let body = json!({"email": email, "event": event, "properties": properties});
        let answer = self.app.post("/v1/track/event", &self.key, &body).await;
        answer.is_tracked();
        answer.text_of("seq")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let answer = self.app.get_with(path, &self.key).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer
    }

    pub(crate) async fn members(&self, id: &str) -> Vec<String> {
        self.app.caught_up().await;
        let answer = self.get(&format!("/v1/segments/{id}/members")).await;
        let members = answer.body["members"].as_array().unwrap();
        let email = |member: &Value| member["email"].as_str().unwrap().to_owned();
        let mut members: Vec<_> = members.iter().map(email).collect();
        members.sort();
        members
    }

    pub(crate) async fn moves(&self) -> Vec<(String, String)> {
        self.app.caught_up().await;
        let answer = self.get("/v1/segments/moves?limit=1000").await;
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let moves = answer.body["moves"].as_array().unwrap();
        moves
            .iter()
            .map(|one| (text(one, "type"), text(one, "email")))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_holds_who_did_it_from_the_event_on() {
    let stage = Stage::of(spawn_app().await);
    stage
        .track(ADA, "trial_started", json!({"plan": "pro"}))
        .await;
    let definition = json!({"all": [
        {"event": "trial_started", "within": "7d", "where": [{"property": "plan", "eq": "pro"}]},
        {"not": {"purchase": {}}}
    ]});
    let id = stage
        .create("Trial without purchase", definition.clone())
        .await;
    assert_eq!(stage.members(&id).await, [ADA]);
    stage
        .track(BOB, "trial_started", json!({"plan": "pro"}))
        .await;
    stage
        .track(
            "carol@person.example",
            "trial_started",
            json!({"plan": "free"}),
        )
        .await;
    assert_eq!(stage.members(&id).await, [ADA, BOB]);
    let body = json!({"email": ADA, "orderId": "o", "revenue": 5, "currency": "EUR"});
    stage
        .app
        .post("/v1/track/purchase", &stage.key, &body)
        .await
        .is_tracked();
    assert_eq!(stage.members(&id).await, [BOB]);

    let shown = stage.get(&format!("/v1/segments/{id}")).await;
    assert_eq!(shown.body["status"], "active");
    assert_eq!(shown.body["count"], 1);
    assert_eq!(shown.body["definition"], definition);
    assert_eq!(shown.body["version"], 1);
    assert!(
        shown.text_of("sentence").starts_with("Contacts who"),
        "{}",
        shown.text
    );
    assert_eq!(shown.body["moves"]["entered"], 2);
    assert_eq!(shown.body["moves"]["left"], 1);
    assert_eq!(shown.body["moves"]["days"].as_array().unwrap().len(), 1);
    let moves = stage.moves().await;
    let told = |kind: &str, email: &str| (kind.to_owned(), email.to_owned());
    assert_eq!(
        moves,
        [
            told("segment_entered", ADA),
            told("segment_entered", BOB),
            told("segment_left", ADA),
        ]
    );
    let listed = stage.get("/v1/segments").await;
    assert_eq!(listed.body["segments"][0]["id"], id.as_str());
    assert!(listed.body.get("next").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_by_a_window_leaves_at_its_end_without_an_event() {
    let (app, clock) = spawn_app_at_rest().await;
    let stage = Stage::of(app);
    let id = stage
        .create("Seen", json!({"event": "seen", "within": "4s"}))
        .await;
    let began = Timestamp::parse_rfc3339(crate::support::NOW).unwrap();
    stage.track(ADA, "seen", json!({})).await;
    assert_eq!(stage.members(&id).await, [ADA]);
    clock.advance_millis(3_999);
    assert_eq!(stage.members(&id).await, [ADA]);
    clock.advance_millis(1);
    assert!(stage.members(&id).await.is_empty());
    // Asked late, it was due all the same.
    clock.advance_millis(60_000);
    let answer = stage.get("/v1/segments/moves").await;
    let left = &answer.body["moves"][1];
    assert_eq!(left["type"], "segment_left");
    assert_eq!(left["time"], began.plus_millis(4_000).to_string());
    assert_eq!(left["cause"], "time");
    // What comes next begins where this ended, and is the same after a restart.
    let next = answer.text_of("next");
    // Nor does it say how far the log is, which others fill too.
    assert!(next.bytes().any(|byte| !byte.is_ascii_hexdigit()), "{next}");
    let more = stage.get(&format!("/v1/segments/moves?after={next}")).await;
    assert!(more.body["moves"].as_array().unwrap().is_empty());
    assert_eq!(more.text_of("next"), next);
    let (folder, _) = stage.app.stop().await;
    let stage = Stage::of(spawn_app_in(folder, clock).await);
    let again = stage.get("/v1/segments/moves").await;
    assert_eq!(again.body["moves"], answer.body["moves"]);
    assert!(stage.members(&id).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_ends_while_no_server_runs_has_ended_when_one_does() {
    let (app, clock) = spawn_app_at_rest().await;
    let stage = Stage::of(app);
    let definition =
        json!({"all": [{"event": "trial_started", "within": "4s"}, {"not": {"purchase": {}}}]});
    let id = stage.create("Trial", definition).await;
    stage.track(ADA, "trial_started", json!({})).await;
    assert_eq!(stage.members(&id).await, [ADA]);
    let (folder, _) = stage.app.stop().await;
    clock.advance_millis(10_000);
    let stage = Stage::of(spawn_app_in(folder, Arc::clone(&clock) as _).await);
    assert!(stage.members(&id).await.is_empty());
    let told = stage.get("/v1/segments/moves").await;
    let due = Timestamp::parse_rfc3339(crate::support::NOW)
        .unwrap()
        .plus_millis(4_000);
    assert_eq!(told.body["moves"][1]["time"], due.to_string());
    stage.app.app.projector.rebuild(|_, _| {}).await.unwrap();
    let again = stage.get("/v1/segments/moves").await;
    assert_eq!(again.body["moves"], told.body["moves"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_definition_moves_the_difference_and_another_name_nobody() {
    let stage = Stage::of(spawn_app().await);
    stage.track(ADA, "a", json!({})).await;
    stage.track(BOB, "b", json!({})).await;
    let id = stage.create("One", json!({"event": "a"})).await;
    assert_eq!(stage.members(&id).await, [ADA]);
    let path = format!("/v1/segments/{id}");
    let diff = json!({"definition": {"event": "b"}});
    let diff = stage
        .ask(Method::POST, &format!("{path}/diff"), &diff)
        .await;
    assert_eq!(
        (&diff.body["enter"], &diff.body["leave"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(diff.body["entering"], json!([BOB]));
    let named = stage
        .ask(Method::PATCH, &path, &json!({"name": "Two"}))
        .await;
    assert_eq!((named.status, &named.body["name"]), (200, &json!("Two")));
    assert_eq!(stage.moves().await.len(), 1);
    let changed = json!({"definition": {"any": [{"event": "b"}, {"event": "c"}]}});
    let changed = stage.ask(Method::PATCH, &path, &changed).await;
    assert_eq!(changed.body["version"], 2, "{}", changed.text);
    assert_eq!(stage.members(&id).await, [BOB]);
    let moves = stage.moves().await;
    assert_eq!(moves.len(), 3, "{moves:?}");
    let history = stage.get(&format!("{path}/history")).await;
    let versions = history.body["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 2);
    assert!(versions[0]["heldFrom"].as_str() > versions[1]["heldFrom"].as_str());
    // A replay puts each version where it was.
    stage.app.app.projector.rebuild(|_, _| {}).await.unwrap();
    assert_eq!(stage.moves().await, moves);
    assert_eq!(stage.members(&id).await, [BOB]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_segment_is_gone_unless_others_ask_for_it() {
    let stage = Stage::of(spawn_app().await);
    stage.track(ADA, "a", json!({})).await;
    let id = stage.create("One", json!({"event": "a"})).await;
    let path = format!("/v1/segments/{id}");
    let copy = stage
        .ask(Method::POST, &format!("{path}/duplicate"), &json!({}))
        .await;
    assert_eq!(copy.body["name"], "Copy of One", "{}", copy.text);
    let other = stage
        .create("Not One", json!({"not": {"segment": id}}))
        .await;
    assert!(stage.members(&other).await.is_empty());
    let circle = json!({"definition": {"segment": other}});
    let circle = stage.ask(Method::PATCH, &path, &circle).await;
    circle.is_refused_for("segment", "invalid_definition");
    let in_use = stage
        .app
        .ask(Method::DELETE, &path)
        .key(&stage.key)
        .send()
        .await;
    in_use.is_refused(409, "segment_in_use");
    for gone in [&other, &id] {
        let path = format!("/v1/segments/{gone}");
        let answer = stage
            .app
            .ask(Method::DELETE, &path)
            .key(&stage.key)
            .send()
            .await;
        assert_eq!(
            (answer.status, &answer.body["success"]),
            (200, &json!(true)),
            "{}",
            answer.text
        );
        let answer = stage.app.get_with(&path, &stage.key).await;
        answer.is_refused(404, "unknown_segment");
    }
    let copy = copy.text_of("id");
    assert_eq!(stage.members(&copy).await, [ADA]);
    stage.app.app.projector.rebuild(|_, _| {}).await.unwrap();
    assert_eq!(stage.members(&copy).await, [ADA]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_refused_with_its_place_and_the_word_that_was_meant() {
    let stage = Stage::of(spawn_app().await);
    for (definition, field, part) in [
        (
            json!({"all": [{"event": "a"}, {"event": "b", "wihtin": "7d"}]}),
            "all[1].wihtin",
            "within",
        ),
        (
            json!({"all": [{"event": "a"}, {"event": "b", "within": "soon"}]}),
            "all[1].within",
            "7d",
        ),
        (
            json!({"not": {"event": "a", "within": "7d"}}),
            "not.includeNew",
            "includeNew",
        ),
        (
            json!({"segment": "seg_00000000000000000000"}),
            "segment",
            "GET /v1/segments",
        ),
        (json!("everybody"), "definition", "object"),
    ] {
        for (path, body) in [
            (
                "/v1/segments",
                json!({"name": "x", "definition": definition}),
            ),
            ("/v1/segments/preview", json!({"definition": definition})),
        ] {
            let answer = stage.ask(Method::POST, path, &body).await;
            answer.is_refused_for(field, "invalid_definition");
            assert!(answer.message().contains(part), "{}", answer.text);
        }
    }
    let no_name = json!({"definition": {"event": "a"}});
    let no_name = stage.ask(Method::POST, "/v1/segments", &no_name).await;
    no_name.is_refused_for("name", "invalid_parameter");
    let slip = json!({"name": "x", "defintion": {"event": "a"}});
    let slip = stage.ask(Method::POST, "/v1/segments", &slip).await;
    slip.is_refused(422, "unknown_parameter");
    assert!(slip.message().contains("definition"), "{}", slip.text);
    stage
        .ask(Method::POST, "/v1/segments", &json!([]))
        .await
        .is_refused(422, "unknown_parameter");
    assert!(
        stage.get("/v1/segments").await.body["segments"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_segments_were_used_is_known_to_them_beside_what_comes() {
    let clock = FixedClock::new(Timestamp::parse_rfc3339("2026-03-01T00:00:00Z").unwrap());
    let app = spawn_app_in(Folder::new(), Arc::new(clock)).await;
    let stage = Stage::of(app);
    for number in 0..300 {
        let email = format!("p{}@person.example", number % 30);
        stage.track(&email, "a", json!({"n": number})).await;
    }
    let (folder, _) = stage.app.stop().await;
    let clock = FixedClock::new(Timestamp::parse_rfc3339("2026-03-02T00:00:00Z").unwrap());
    let stage = Stage::of(spawn_app_in(folder, Arc::new(clock)).await);
    let id = stage
        .create("Ten", json!({"event": "a", "count": {"gte": 10}}))
        .await;
    assert_eq!(stage.members(&id).await.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_of_definitions_needs_no_key() {
    let app = spawn_app().await;
    let answer = app.ask(Method::GET, "/schemas/segment.json").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/schema+json");
    assert!(
        answer.body["$defs"].is_object() || answer.body["definitions"].is_object(),
        "{}",
        answer.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_pages_try_and_keep_segments_with_their_token_and_within_their_scopes() {
    let stage = Stage::of(spawn_app().await);
    let app = &stage.app;
    let admin = log_in(app, json!({"key": stage.key})).await;
    let reader = log_in(app, json!({"key": app.secret(&[Scope::Read])})).await;
    let (name, definition) = ("By a page", json!({"event": "viewed"}));
    let ask = |browser: &Browser, method: Method, path: &str| {
        let ask = app.ask(method, path).header("cookie", &browser.cookie);
        let body = match path {
            path if path.ends_with("/duplicate") => json!({"name": name}),
            path if path.ends_with("/preview") || path.ends_with("/diff") => {
                json!({"definition": definition})
            }
            _ => json!({"name": name, "definition": definition}),
        };
        ask.header("sec-fetch-site", "same-origin").json(&body)
    };
    let (made, tried) = ("/v1/segments", "/v1/segments/preview");
    for path in [made, tried] {
        let without = ask(&admin, Method::POST, path).send().await;
        without.is_refused(403, "invalid_csrf_token");
    }
    for browser in [&admin, &reader] {
        let ask = ask(browser, Method::POST, tried).header("x-csrf-token", &browser.csrf);
        let tried = ask.send().await;
        assert_eq!((tried.status, &tried.body["count"]), (200, &json!(0)));
    }
    let by_reader = ask(&reader, Method::POST, made).header("x-csrf-token", &reader.csrf);
    by_reader.send().await.is_refused(403, "insufficient_scope");
    let by_admin = ask(&admin, Method::POST, made).header("x-csrf-token", &admin.csrf);
    let one = format!("{made}/{}", by_admin.send().await.text_of("id"));
    for (method, path) in [
        (Method::PATCH, one.clone()),
        (Method::POST, format!("{one}/duplicate")),
        (Method::POST, format!("{one}/diff")),
        (Method::DELETE, one),
    ] {
        let ask = ask(&admin, method, &path).header("x-csrf-token", &admin.csrf);
        let done = ask.send().await;
        assert_eq!(done.status, 200, "{path} {}", done.text);
    }
}
