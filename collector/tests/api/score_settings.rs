//! What events weigh in a workspace's scores, and how fast that fades: settings that scores, lists, their explanation
//! and segments go by.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::{KeyKind, Scope};
use shared::time::Timestamp;
use store::clock::Clock as _;

use crate::support::{Answer, TestApp, spawn_app, spawn_app_at_rest};

const ROUTE: &str = "/v1/settings";
const ADA: &str = "ada@person.example";
const BOB: &str = "bob@person.example";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

async fn change(app: &TestApp, key: &str, score: &Value) -> Answer {
    let body = json!({"score": score});
    loop {
        let ask = app.ask(Method::PATCH, ROUTE).key(key).json(&body);
        let answer = ask.send().await;
        if answer.body["error"]["code"] != "busy" {
            return answer;
        }
        tokio::task::yield_now().await;
    }
}

async fn track(app: &TestApp, key: &str, email: &str, event: &str, at: Timestamp) {
    let body = json!({"email": email, "event": event, "timestamp": at.to_string()});
    app.post("/v1/track/event", key, &body).await.is_tracked();
}

async fn buy(app: &TestApp, key: &str, email: &str, order: &str, at: Timestamp) {
    let body = json!({"email": email, "orderId": order, "revenue": 5, "currency": "EUR",
        "timestamp": at.to_string()});
    app.post("/v1/track/purchase", key, &body)
        .await
        .is_tracked();
}

/// The score, once it is near this.
async fn score_becomes(app: &TestApp, key: &str, email: &str, wanted: f64) {
    app.caught_up().await;
    let path = format!("/v1/contacts/{}/score", email.replace('@', "%40"));
    let mut last = Value::Null;
    for _ in 0..600 {
        let answer = app.get_with(&path, key).await;
        last = answer.body.clone();
        if answer.status == 200 && (last["score"].as_f64().unwrap() - wanted).abs() < 1e-6 {
            let entries = last["entries"].as_array().unwrap();
            let sum: f64 = entries
                .iter()
                .map(|entry| entry["points"].as_f64().unwrap())
                .sum();
            assert!((sum - wanted).abs() < 1e-6, "{last}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{email} is not at {wanted}: {last}");
}

async fn members(app: &TestApp, key: &str, id: &str) -> Vec<String> {
    app.caught_up().await;
    let answer = app
        .get_with(&format!("/v1/segments/{id}/members"), key)
        .await;
    let members = answer.body["members"].as_array().unwrap();
    let email = |member: &Value| member["email"].as_str().unwrap().to_owned();
    members.iter().map(email).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_lists_and_segments_go_by_the_weights_that_are_set() {
    let (app, clock) = spawn_app_at_rest().await;
    let key = app.secret(&[Scope::Admin]);
    let now = clock.now();
    // Ada does, Bob buys.
    for n in 0..3 {
        track(&app, &key, ADA, "seen", now.plus_millis(-n)).await;
    }
    buy(&app, &key, BOB, "o-1", now).await;
    let engaged = json!({"name": "Engaged", "definition": {"score": {"gte": 8}}});
    let made = app.post("/v1/segments", &key, &engaged).await;
    let id = made.text_of("id");
    score_becomes(&app, &key, ADA, 6.0).await;
    score_becomes(&app, &key, BOB, 10.0).await;
    assert_eq!(members(&app, &key, &id).await, [BOB]);

    let changed = change(
        &app,
        &key,
        &json!({"weights": {"event": 4, "purchase": 0.125}}),
    )
    .await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let weights =
        json!({"open": 1.0, "click": 3.0, "pageView": 0.5, "event": 4.0, "purchase": 0.125});
    assert_eq!(
        changed.body["score"],
        json!({"halfLifeDays": 30, "weights": weights})
    );
    score_becomes(&app, &key, ADA, 12.0).await;
    score_becomes(&app, &key, BOB, 0.125).await;
    let explained = app
        .get_with(&format!("/v1/contacts/{ADA}/score"), &key)
        .await;
    assert_eq!(explained.body["weights"], weights);
    for _ in 0..200 {
        if members(&app, &key, &id).await == [ADA] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(members(&app, &key, &id).await, [ADA]);
    let sorted = app.get_with("/v1/contacts?sort=score", &key).await;
    let emails: Vec<_> = sorted.body["contacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|contact| contact["email"].as_str().unwrap())
        .collect();
    assert_eq!(emails, [ADA, BOB]);

    // What comes later, and what is built anew, weighs the same.
    buy(&app, &key, BOB, "o-2", now).await;
    score_becomes(&app, &key, BOB, 0.25).await;
    app.app.projector.rebuild(|_, _| {}).await.unwrap();
    score_becomes(&app, &key, ADA, 12.0).await;
    score_becomes(&app, &key, BOB, 0.25).await;
    assert_eq!(members(&app, &key, &id).await, [ADA]);
    let theirs = app.key_of_other("elsewhere", KeyKind::Secret, &[Scope::Admin]);
    buy(&app, &theirs, BOB, "o-1", now).await;
    score_becomes(&app, &theirs, BOB, 10.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_half_life_holds_for_what_was_before_too() {
    let (app, clock) = spawn_app_at_rest().await;
    let key = app.secret(&[Scope::Admin]);
    let before = clock.now().plus_millis(-20 * DAY_MS);
    buy(&app, &key, ADA, "o-1", before).await;
    track(&app, &key, ADA, "seen", before).await;
    score_becomes(&app, &key, ADA, 12.0 * (-2.0_f64 / 3.0).exp2()).await;
    let changed = change(&app, &key, &json!({"halfLifeDays": 10})).await;
    assert_eq!(
        changed.body["score"]["halfLifeDays"], 10,
        "{}",
        changed.text
    );
    score_becomes(&app, &key, ADA, 3.0).await;
    let path = format!("/v1/contacts/{ADA}/score");
    assert_eq!(app.get_with(&path, &key).await.body["halfLifeDays"], 10);
    track(&app, &key, ADA, "seen", before).await;
    score_becomes(&app, &key, ADA, 3.5).await;
    // Both at once, and back.
    let both = json!({"halfLifeDays": 5, "weights": {"event": 1}});
    change(&app, &key, &both).await;
    score_becomes(&app, &key, ADA, 0.75).await;
    let back = json!({"halfLifeDays": 30, "weights": {"event": 2}});
    change(&app, &key, &back).await;
    score_becomes(&app, &key, ADA, 14.0 * (-2.0_f64 / 3.0).exp2()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_weight_and_no_half_life_can_be_is_refused() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    for score in [
        json!({"halfLifeDays": 0}),
        json!({"halfLifeDays": 3651}),
        json!({"halfLifeDays": 1.5}),
        json!({"halfLifeDays": "30d"}),
        json!({"halfLife": 30}),
        json!({"weights": {"open": -1}}),
        json!({"weights": {"open": 1000.5}}),
        json!({"weights": {"open": 0.0001}}),
        json!({"weights": {"open": "1"}}),
        json!({"weights": {"opens": 1}}),
        json!({"weights": []}),
        json!(5),
    ] {
        let refused = change(&app, &admin, &score).await;
        refused.is_refused_for("score", "invalid_parameter");
    }
    let told = app.get_with(ROUTE, &admin).await;
    let weights =
        json!({"open": 1.0, "click": 3.0, "pageView": 0.5, "event": 2.0, "purchase": 10.0});
    assert_eq!(
        told.body["score"],
        json!({"halfLifeDays": 30, "weights": weights})
    );
}
