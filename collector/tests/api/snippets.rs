//! What pages rely on for years: pinned copies of the snippet, addresses with a slash too many, and that
//! what a page has lost is said.

use std::sync::Arc;

use collector::public_url::PublicUrl;
use reqwest::Method;
use serde_json::{Value, json};
use store::clock::SystemClock;

use crate::support::{PERSON, TestApp, new_id, spawn_app, spawn_app_in, spawn_app_known_as};

/// The path of the pinned copy of this server.
async fn pinned(app: &TestApp) -> String {
    let about = app.get("/mail/track.json").await;
    let url = about.text_of("url");
    let (_, path) = url.split_once("/mail/").unwrap();
    format!("/mail/{path}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_snippet_is_served_by_every_later_server_with_the_base_it_was_served_for() {
    let url = PublicUrl::parse("https://track.example").unwrap();
    let app = spawn_app_known_as(url).await;
    let path = pinned(&app).await;
    let copy = app.get(&path).await;
    assert!(copy.text.contains("https://track.example"));
    let (folder, _) = app.stop().await;
    // Another base, and so another snippet.
    let app = spawn_app_in(folder, Arc::new(SystemClock)).await;
    assert_ne!(pinned(&app).await, path);
    let later = app
        .ask(Method::GET, &path)
        .header("accept-encoding", "gzip")
        .send()
        .await;
    assert_eq!(later.status, 200);
    assert_eq!(
        later.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(later.header("access-control-allow-origin"), "*");
    assert_eq!(app.get(&path).await.bytes, copy.bytes);
    app.get("/mail/track.0123456789abcdef.js")
        .await
        .is_refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_public_url_the_snippet_names_no_address() {
    let app = spawn_app().await;
    let snippet = app.get("/mail/track.js").await;
    assert!(!snippet.text.contains("__MISAR_BASE__"));
    assert!(!snippet.text.contains("127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_takes_one_slash_at_the_end_and_no_two() {
    let app = spawn_app().await;
    let writer = app.secret(&[shared::api_key::Scope::Write]);
    for (path, body) in [
        (
            "/v1/track/event/",
            json!({"email": PERSON, "event": "viewed"}),
        ),
        (
            "/v1/track/purchase/",
            json!({"email": PERSON, "orderId": "A-1", "revenue": 5, "currency": "EUR"}),
        ),
        (
            "/v1/track/refund/",
            json!({"orderId": "A-1", "refundId": "R-1"}),
        ),
        ("/v1/identify/", json!({"email": PERSON})),
        (
            "/v1/track/batch/",
            json!({"events": [{"type": "track", "event": "viewed", "email": PERSON}]}),
        ),
        ("/v1/messages/", json!({"email": PERSON})),
        (
            "/v1/messages/batch/",
            json!({"messages": [{"email": PERSON}]}),
        ),
    ] {
        let answer = app.post(path, &writer, &body).await;
        assert_eq!(answer.status, 200, "{path} {}", answer.text);
        app.post(&format!("{path}/"), &writer, &body)
            .await
            .is_refused(404, "not_found");
        let asked = app.ask(Method::OPTIONS, path).send().await;
        assert_eq!(asked.status, 204, "{path}");
        assert_eq!(asked.header("access-control-allow-origin"), "*");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_has_lost_is_counted_once_and_said_with_the_next_event() {
    let app = spawn_app().await;
    let key = app.public(&[]);
    let ids = [new_id(), new_id(), new_id()];
    let events: Vec<Value> = ids
        .iter()
        .map(|id| json!({"id": id, "type": "track", "event": "viewed", "anonymousId": "v-1"}))
        .collect();
    let batch = json!({"context": {"library": "track.js", "dropped": 7}, "events": events});
    for _ in 0..2 {
        // A page that has not seen the answer sends the same again.
        app.post("/v1/track/batch", &key, &batch).await;
    }
    let lost = "misar_events_lost_in_pages_total{workspace=\"default\"}";
    assert_eq!(app.series(lost).await, 7);
    for (at, id) in ids.iter().enumerate() {
        let wanted = if at == 0 { json!(7) } else { Value::Null };
        assert_eq!(app.receipt(id).await.body["dropped"], wanted);
        assert_eq!(app.listed_as(id).await["dropped"], wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_page_loses_events() {
    let app = spawn_app().await;
    let id = new_id();
    let batch = json!({
        "context": {"dropped": 7},
        "events": [{"id": id, "type": "track", "event": "viewed", "email": PERSON}],
    });
    app.post("/v1/track/batch", &app.key, &batch).await;
    assert_eq!(app.receipt(&id).await.body["dropped"], Value::Null);
    let lost = "misar_events_lost_in_pages_total{workspace=\"default\"}";
    assert_eq!(app.series(lost).await, 0);
}
