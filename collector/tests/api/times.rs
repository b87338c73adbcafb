//! When an event happened: whose clock is believed, and how far.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, NOW, PERSON, TestApp, spawn_app_at_rest};

/// One event in a batch, from a page or a server.
async fn one(app: &TestApp, from_page: bool, envelope: Value, fields: Value) -> Answer {
    let mut event = json!({"type": "track", "event": "x", "email": PERSON});
    event
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let mut body = json!({"events": [event]});
    body.as_object_mut()
        .unwrap()
        .extend(envelope.as_object().unwrap().clone());
    if from_page {
        body["key"] = json!(app.public(&[]));
        app.ask(Method::POST, "/v1/track/batch")
            .text(&body)
            .send()
            .await
    } else {
        app.post("/v1/track/batch", &app.key, &body).await
    }
}

async fn happened(app: &TestApp, answer: &Answer) -> String {
    let result = &answer.results()[0];
    assert_eq!(result["status"], "tracked", "{}", answer.text);
    let listed = app.listed_as(result["id"].as_str().unwrap()).await;
    assert_eq!(listed["receivedAt"], NOW);
    listed["timestamp"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timestamp_is_rfc_3339_from_2000_to_a_day_ahead() {
    let (app, _) = spawn_app_at_rest().await;
    let post = async |timestamp: Value| {
        let body = json!({"email": PERSON, "event": "x", "timestamp": timestamp});
        app.post("/v1/track/event", &app.key, &body).await
    };
    for (sent, shown) in [
        (json!("2026-11-23T09:00:00Z"), "2026-11-23T09:00:00Z"),
        (
            json!("2026-11-23T09:00:00.5+02:00"),
            "2026-11-23T07:00:00.500Z",
        ),
        (json!("2000-01-01T00:00:00Z"), "2000-01-01T00:00:00Z"),
        (json!("2026-11-24T10:00:00Z"), "2026-11-24T10:00:00Z"),
        (json!(null), NOW),
    ] {
        let answer = post(sent).await;
        let listed = app.listed(&answer.is_tracked().text_of("seq")).await;
        assert_eq!(listed["timestamp"], shown);
        assert_eq!(listed["receivedAt"], NOW);
    }
    for wrong in [
        json!("1999-12-31T23:59:59.999Z"),
        json!("2026-11-24T10:00:00.001Z"),
        json!("2026-11-23"),
        json!("2026-11-23T09:00:00"),
        json!("2026-11-23 09:00:00Z"),
        json!("2026-02-30T00:00:00Z"),
        json!("1795428000"),
        json!(1795428000),
        json!(""),
        json!({}),
    ] {
        post(wrong)
            .await
            .is_refused_for("timestamp", "invalid_timestamp");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_page_the_age_counts_and_else_the_difference_of_its_own_clock() {
    let (app, _) = spawn_app_at_rest().await;
    for (envelope, fields, expected) in [
        (json!({}), json!({"age": 1500}), "2026-11-23T09:59:58.500Z"),
        (
            json!({}),
            json!({"age": 1500, "timestamp": "2001-01-01T00:00:00Z"}),
            "2026-11-23T09:59:58.500Z",
        ),
        // Years wrong, but right in its differences.
        (
            json!({"sentAt": "2001-01-01T00:00:10Z"}),
            json!({"timestamp": "2001-01-01T00:00:00Z"}),
            "2026-11-23T09:59:50Z",
        ),
        (
            json!({"sentAt": "2001-01-01T00:00:10Z"}),
            json!({"timestamp": "2001-01-01T00:00:00Z", "age": 1000}),
            "2026-11-23T09:59:59Z",
        ),
        (
            json!({"sentAt": "1980-01-01T00:00:10Z"}),
            json!({"timestamp": "1980-01-01T00:00:00Z"}),
            "2026-11-23T09:59:50Z",
        ),
        (json!({"sentAt": "2001-01-01T00:00:10Z"}), json!({}), NOW),
        (json!({}), json!({"age": 0}), NOW),
        (json!({}), json!({"age": -5}), NOW),
        (
            json!({}),
            json!({"age": 7 * 24 * 3_600_000_i64}),
            "2026-11-16T10:00:00Z",
        ),
        (
            json!({}),
            json!({"timestamp": "2026-11-20T10:00:00Z"}),
            "2026-11-20T10:00:00Z",
        ),
    ] {
        let answer = one(&app, true, envelope.clone(), fields.clone()).await;
        assert_eq!(
            happened(&app, &answer).await,
            expected,
            "{envelope} {fields}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_server_the_timestamp_counts() {
    let (app, _) = spawn_app_at_rest().await;
    let envelope = json!({"sentAt": "2026-11-23T10:00:00Z"});
    let fields = json!({"timestamp": "2020-01-01T00:00:00Z", "age": 5});
    let answer = one(&app, false, envelope, fields).await;
    assert_eq!(happened(&app, &answer).await, "2020-01-01T00:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_seven_days_is_too_old() {
    let (app, _) = spawn_app_at_rest().await;
    for (envelope, fields) in [
        (json!({}), json!({"age": 7 * 24 * 3_600_000_i64 + 1})),
        (json!({}), json!({"age": 1e300})),
        (
            json!({"sentAt": "2026-11-23T10:00:00Z"}),
            json!({"timestamp": "2026-11-16T09:59:59Z"}),
        ),
        (json!({}), json!({"timestamp": "2026-11-16T09:59:59.999Z"})),
        (json!({}), json!({"timestamp": "2001-01-01T00:00:00Z"})),
        (json!({}), json!({"timestamp": "1970-01-01T00:00:00Z"})),
        (
            json!({}),
            json!({"type": "identify", "timestamp": "2001-01-01T00:00:00Z"}),
        ),
    ] {
        let answer = one(&app, true, envelope, fields).await;
        assert_eq!(answer.results()[0]["code"], "too_old", "{}", answer.text);
    }
    let shop = app.shop();
    for (route, fields) in [
        ("/v1/track/event", json!({"event": "x"})),
        ("/v1/identify", json!({"traits": {}})),
        (
            "/v1/track/purchase",
            json!({"orderId": "o-1", "revenue": 5, "currency": "EUR"}),
        ),
    ] {
        let mut body =
            json!({"key": shop, "email": PERSON, "timestamp": "2026-11-16T09:59:59.999Z"});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        app.ask(Method::POST, route)
            .json(&body)
            .send()
            .await
            .is_refused_for("timestamp", "too_old");
        body["timestamp"] = json!("2026-11-16T10:00:00Z");
        let answer = app.ask(Method::POST, route).json(&body).send().await;
        answer.is_tracked();
    }
    for age in [json!("5"), json!([]), json!(true)] {
        let answer = one(&app, true, json!({}), json!({"age": age})).await;
        assert_eq!(
            answer.results()[0]["code"],
            "invalid_age",
            "{}",
            answer.text
        );
    }
}
