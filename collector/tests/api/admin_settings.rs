//! `/v1/settings`: an admin changes how its own workspace credits orders, within bounds.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::{KeyKind, Scope};

use crate::support::{Answer, TestApp, spawn_app};

const ROUTE: &str = "/v1/settings";
const FIVE_DAYS: i64 = 432_000_000;
const WHOLE_YEAR: i64 = 31_536_000_000;

async fn change(app: &TestApp, key: &str, body: &Value) -> Answer {
    let ask = app.ask(Method::PATCH, ROUTE).key(key).json(body);
    ask.send().await
}

/// Changes one window, once no other such work goes on.
async fn set(app: &TestApp, key: &str, millis: i64) -> Answer {
    let body = json!({"attribution": {"openWindowMs": millis}});
    loop {
        let answer = change(app, key, &body).await;
        if answer.body["error"]["code"] != "busy" {
            return answer;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_told_and_changed_one_by_one_and_for_this_workspace_alone() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    let theirs = app.key_of_other("elsewhere", KeyKind::Secret, &[Scope::Admin]);
    let weights =
        json!({"open": 1.0, "click": 3.0, "pageView": 0.5, "event": 2.0, "purchase": 10.0});
    let both = json!({"workspace": "default", "timeZone": "UTC", "attribution":
        {"clickWindowMs": FIVE_DAYS, "openWindowMs": FIVE_DAYS},
        "score": {"halfLifeDays": 30, "weights": weights}});
    assert_eq!(app.get_with(ROUTE, &admin).await.body, both);
    for same in [
        json!({}),
        json!({"attribution": {}}),
        json!({"attribution": null}),
    ] {
        assert_eq!(change(&app, &admin, &same).await.body, both, "{same}");
    }
    assert_eq!(
        set(&app, &admin, WHOLE_YEAR).await.body["attribution"]["openWindowMs"],
        WHOLE_YEAR
    );
    let told = app.get_with(ROUTE, &admin).await;
    assert_eq!(told.body["attribution"]["openWindowMs"], WHOLE_YEAR);
    assert_eq!(told.body["attribution"]["clickWindowMs"], FIVE_DAYS);
    let theirs = app.get_with(ROUTE, &theirs).await;
    assert_eq!(theirs.body["attribution"]["openWindowMs"], FIVE_DAYS);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_zone_is_one_that_there_is() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    let told = change(&app, &admin, &json!({"timeZone": "Europe/Berlin"})).await;
    assert_eq!(told.body["timeZone"], "Europe/Berlin", "{}", told.text);
    for zone in [json!("Mars/Base"), json!(""), json!(7)] {
        let refused = change(&app, &admin, &json!({"timeZone": zone})).await;
        refused.is_refused_for("timeZone", "invalid_parameter");
    }
    let told = app.get_with(ROUTE, &admin).await;
    assert_eq!(told.body["timeZone"], "Europe/Berlin");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_window_can_be_is_refused() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    for windows in [
        json!({"openWindowMs": -1}),
        json!({"openWindowMs": WHOLE_YEAR + 1}),
        json!({"clickWindowMs": 1.5}),
        json!({"clickWindowMs": "5d"}),
        json!({"clickWindow": 1}),
        json!([]),
        json!(5),
    ] {
        let refused = change(&app, &admin, &json!({"attribution": windows})).await;
        refused.is_refused(422, "invalid_parameter");
        assert_eq!(refused.body["error"]["field"], "attribution", "{windows}");
    }
    change(&app, &admin, &json!({"openWindowMs": 0}))
        .await
        .is_refused(422, "unknown_parameter");
    let told = app.get_with(ROUTE, &admin).await;
    assert_eq!(told.body["attribution"]["openWindowMs"], FIVE_DAYS);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_workspace_keeps_the_server_at_crediting_orders_anew() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    for millis in 1..=6 {
        assert_eq!(set(&app, &admin, millis).await.status, 200);
    }
    let refused = set(&app, &admin, 7).await;
    refused.is_refused(429, "rate_limited");
    // What changes nothing costs nothing.
    assert_eq!(set(&app, &admin, 6).await.status, 200);
    let theirs = app.key_of_other("elsewhere", KeyKind::Secret, &[Scope::Admin]);
    assert_eq!(set(&app, &theirs, 7).await.status, 200);
}
