//! How often a key may call.

use reqwest::Method;
use serde_json::json;
use shared::api_key::KeyKind;

use crate::support::{Answer, PERSON, spawn_app};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_calls_too_often_is_429_and_told_when_to_come_again() {
    let app = spawn_app().await;
    for kind in [KeyKind::Secret, KeyKind::Public] {
        let key = app.slow_key(kind, 1);
        let event = json!({"email": PERSON, "event": "x"});
        let first = app.post("/v1/track/event", &key, &event).await;
        first.is_tracked();
        assert_eq!(first.header("ratelimit-limit"), "1");
        assert_eq!(first.header("ratelimit-remaining"), "0");
        assert_eq!(first.header("ratelimit-reset"), "1");
        let second = limited(|| app.post("/v1/track/event", &key, &event)).await;
        assert_eq!(second.header("ratelimit-limit"), "1");
        assert_eq!(second.header("ratelimit-remaining"), "0");
        assert_eq!(second.header("retry-after"), "1");
        assert_eq!(second.header("ratelimit-reset"), "1");
        // The rate is the key's, whatever the route and the place.
        let batch = json!({"events": []});
        limited(|| app.post("/v1/track/batch", &key, &batch)).await;
        if kind == KeyKind::Public {
            let batch = json!({"key": key, "events": []});
            limited(|| app.ask(Method::POST, "/v1/track/batch").text(&batch).send()).await;
        }
    }
    let metrics = app.ask(Method::GET, "/metrics").send().await;
    assert!(
        metrics.text.contains("misar_rate_limited_total 5"),
        "{}",
        metrics.text
    );
}

/// Calls until the rate is used up: on a slow machine a second may pass between two calls.
async fn limited<F: Future<Output = Answer>>(call: impl Fn() -> F) -> Answer {
    for _ in 0..100 {
        let answer = call().await;
        if answer.status != 200 {
            answer.is_refused(429, "rate_limited");
            return answer;
        }
    }
    panic!("the rate is never used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn public_keys_have_a_burst_of_5000_and_secret_keys_no_limit() {
    let app = spawn_app().await;
    let event = json!({"email": PERSON, "event": "x"});
    let answer = app.post("/v1/track/event", &app.public(&[]), &event).await;
    assert_eq!(answer.is_tracked().header("ratelimit-limit"), "5000");
    assert_eq!(answer.header("ratelimit-remaining"), "4999");
    let answer = app.post("/v1/track/event", &app.key, &event).await;
    assert!(!answer.is_tracked().headers.contains_key("ratelimit-limit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_keys_rate_is_not_anothers() {
    let app = spawn_app().await;
    for _ in 0..3 {
        let key = app.slow_key(KeyKind::Secret, 1);
        app.post("/v1/track/batch", &key, &json!({"events": []}))
            .await
            .results();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_events_count_and_say_where_the_key_stands() {
    let app = spawn_app().await;
    let key = app.slow_key(KeyKind::Secret, 10);
    let answer = app
        .post(
            "/v1/track/event",
            &key,
            &json!({"email": "alice", "event": "x"}),
        )
        .await;
    assert_eq!(
        answer
            .is_refused(422, "invalid_email")
            .header("ratelimit-remaining"),
        "9"
    );
}
