//! Secret keys where the world can see them: refused, flagged, and nothing recorded.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{Answer, INGEST, PERSON, TestApp, spawn_app};

fn event() -> Value {
    json!({"email": PERSON, "event": "x"})
}

/// A secret key that has sent one event already.
async fn used_key(app: &TestApp) -> String {
    let key = app.secret(&[Scope::Admin]);
    app.post("/v1/track/event", &key, &event())
        .await
        .is_tracked();
    assert!(app.known(&key).exposed_at().is_none());
    key
}

/// Refused, flagged, nothing recorded, and not revoked.
async fn is_exposed(app: &TestApp, key: &str, answer: &Answer, before: u64) {
    answer.is_refused(403, "secret_key_in_browser");
    for header in ["Origin", "Sec-Fetch-Site", "Sec-Fetch-Dest"] {
        assert!(
            answer.message().contains(header),
            "it says what to strip: {}",
            answer.text
        );
    }
    assert!(app.known(key).exposed_at().is_some());
    assert!(app.known(key).revoked_at().is_none());
    assert_eq!(app.on_disk(), before);
    app.post("/v1/track/event", key, &event())
        .await
        .is_tracked();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_key_in_a_page_is_refused_and_flagged() {
    let app = spawn_app().await;
    for (name, value) in [
        ("origin", "https://shop.example"),
        ("origin", "null"),
        ("origin", ""),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-dest", "empty"),
    ] {
        let key = used_key(&app).await;
        let before = app.on_disk();
        let ask = app.ask(Method::POST, "/v1/track/event").header(name, value);
        let answer = ask.key(&key).json(&event()).send().await;
        is_exposed(&app, &key, &answer, before).await;
    }
    let metrics = app.ask(Method::GET, "/metrics").send().await;
    assert!(
        metrics.text.contains("misar_exposed_keys_total 7"),
        "{}",
        metrics.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_key_in_a_page_is_refused_on_every_route_and_in_either_header() {
    let app = spawn_app().await;
    let routes = INGEST.map(|route| (Method::POST, route));
    for (method, route) in routes
        .into_iter()
        .chain([(Method::GET, "/v1/events"), (Method::GET, "/v1/receipts/x")])
    {
        for header in ["authorization", "x-api-key"] {
            let key = used_key(&app).await;
            let before = app.on_disk();
            let ask = app
                .ask(method.clone(), route)
                .header("origin", "https://shop.example");
            let value = if header == "authorization" {
                format!("Bearer {key}")
            } else {
                key.clone()
            };
            let answer = ask.header(header, &value).json(&event()).send().await;
            is_exposed(&app, &key, &answer, before).await;
        }
    }
    // Also where another key stands before it.
    let key = used_key(&app).await;
    let before = app.on_disk();
    let ask = app
        .ask(Method::POST, "/v1/track/event")
        .header("origin", "https://shop.example");
    let answer = ask
        .key(&app.public(&[]))
        .header("x-api-key", &key)
        .json(&event())
        .send()
        .await;
    is_exposed(&app, &key, &answer, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_fetch_is_no_page() {
    let app = spawn_app().await;
    let key = used_key(&app).await;
    let answer = app
        .ask(Method::POST, "/v1/track/event")
        .header("sec-fetch-mode", "cors")
        .header("user-agent", "node")
        .header("accept-language", "*")
        .key(&key)
        .json(&event())
        .send()
        .await;
    answer.is_tracked();
    assert!(app.known(&key).exposed_at().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_key_in_a_body_is_refused_whoever_sends_it() {
    let app = spawn_app().await;
    for route in INGEST {
        let key = used_key(&app).await;
        let before = app.on_disk();
        let body = json!({"email": PERSON, "event": "x", "events": [], "key": key});
        let answer = app.ask(Method::POST, route).json(&body).send().await;
        is_exposed(&app, &key, &answer, before).await;
        // Also beside a good key in the header.
        let key = used_key(&app).await;
        let before = app.on_disk();
        let body = json!({"email": PERSON, "event": "x", "events": [], "key": key});
        let answer = app.post(route, &app.key, &body).await;
        is_exposed(&app, &key, &answer, before).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_key_in_an_address_is_refused_whoever_sends_it() {
    let app = spawn_app().await;
    for (method, route) in [
        (Method::POST, "/v1/track/event"),
        (Method::POST, "/v1/track/batch"),
        (Method::GET, "/v1/events"),
        (Method::GET, "/v1/receipts/x"),
    ] {
        for name in ["key", "api_key", "x"] {
            let key = used_key(&app).await;
            let before = app.on_disk();
            let path = format!("{route}?a=1&{name}={}", key.replace('_', "%5F"));
            let answer = app.ask(method.clone(), &path).json(&event()).send().await;
            is_exposed(&app, &key, &answer, before).await;
        }
    }
    // Also beside a good key in the header.
    let key = used_key(&app).await;
    let before = app.on_disk();
    let answer = app.get(&format!("/v1/events?key={key}")).await;
    is_exposed(&app, &key, &answer, before).await;
}
