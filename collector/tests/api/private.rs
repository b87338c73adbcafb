//! Which answers may be kept, and what browsers may make of them.

use reqwest::Method;
use serde_json::json;
use shared::api_key::Scope;

use crate::sessions::log_in;
use crate::support::{Answer, PERSON, spawn_app};

#[track_caller]
fn is_private(answer: &Answer, what: &str) {
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_a_key_or_a_cookie_are_kept_by_nobody_errors_too() {
    let app = spawn_app().await;
    let all = app.secret(&[Scope::Admin]);
    let browser = log_in(&app, json!({"key": all})).await;
    let good = json!({"email": PERSON, "event": "x"});
    let first = app.post("/v1/track/event", &app.key, &good).await;
    is_private(&first, "an event");
    let receipt = format!("/v1/receipts/{}", first.text_of("id"));
    for path in [
        "/v1/events",
        "/v1/events?limit=x",
        &receipt,
        "/v1/receipts/x",
        "/v1/contacts",
        "/v1/embeds",
        "/v1/reports/messages/x",
        "/v1/reports/campaigns/x",
        "/v1/reports/revenue",
        "/v1/live?recent=x",
        "/session",
        "/metrics",
        "/nowhere",
        "/healthz",
    ] {
        for ask in [
            app.ask(Method::GET, path).key(&all),
            app.ask(Method::GET, path).key("msk_sec_x"),
            app.ask(Method::GET, path).header("cookie", &browser.cookie),
            app.ask(Method::GET, path)
                .header("cookie", &browser.cookie)
                .header("origin", "https://evil.example"),
            app.ask(Method::GET, path),
        ] {
            let answer = ask.send().await;
            is_private(&answer, &format!("{path} {}", answer.status));
        }
        let answer = app.ask(Method::DELETE, path).key(&all).send().await;
        is_private(&answer, &format!("DELETE {path} {}", answer.status));
    }
    for path in [
        "/v1/track/event",
        "/v1/track/purchase",
        "/v1/track/refund",
        "/v1/track/batch",
        "/v1/identify",
        "/v1/messages",
        "/v1/messages/batch",
        "/session",
    ] {
        for body in ["{}", "{", "[]"] {
            let answer = app
                .ask(Method::POST, path)
                .key(&all)
                .body(body)
                .send()
                .await;
            is_private(&answer, &format!("{path} {}", answer.status));
        }
        let answer = app
            .ask(Method::POST, path)
            .header("content-type", "text/csv")
            .send()
            .await;
        is_private(&answer, &format!("{path} {}", answer.status));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_public_is_kept_as_ever() {
    let app = spawn_app().await;
    let about = app.ask(Method::GET, "/mail/track.json").send().await;
    let versioned = about.text_of("url").replace(&app.origin(), "");
    for (path, caching) in [
        ("/mail/track.js", "public, max-age=3600"),
        (versioned.as_str(), "public, max-age=31536000, immutable"),
        ("/mail/track.json", "no-cache"),
        ("/live", "no-cache"),
        ("/contacts", "no-cache"),
        ("/segments", "no-cache"),
        ("/assets/style.css", "no-cache"),
        ("/openapi.json", "no-cache"),
        ("/openapi-3.0.json", "no-cache"),
        ("/docs", "no-cache"),
        ("/mail/track/open/x", "no-store, private"),
    ] {
        let answer = app.ask(Method::GET, path).send().await;
        assert_eq!(
            (answer.status, answer.header("cache-control")),
            (200, caching),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
}
