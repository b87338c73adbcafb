//! What a refusal says: the cause in our words, and what to do about it.

use reqwest::Method;
use serde_json::json;
use shared::api_key::{KeyKind, Scope};

use crate::support::{INGEST, PERSON, gzip, spawn_app};

#[track_caller]
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} in {message:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_is_missing_is_named_with_those_there_are_and_the_command_that_makes_a_key() {
    let app = spawn_app().await;
    let writer = app.secret(&[Scope::Write, Scope::Read]);
    let answer = app.get_with("/v1/contacts?email=a@b.c", &writer).await;
    answer.is_refused(403, "insufficient_scope");
    let command = "`misar keys create --scope write,contacts,read`";
    says(
        answer.message(),
        &["`contacts`", "`write`, `read`", command],
    );
    let sender = app.secret(&[Scope::Send]);
    let answer = app.get_with("/v1/events", &sender).await;
    says(
        answer.message(),
        &["`read`", "the scope `send`", "--scope send,read`"],
    );
    let answer = app
        .post("/v1/messages", &sender, &json!({"email": PERSON}))
        .await;
    says(
        answer.message(),
        &["`write`", "the scope `send`", "--scope write`"],
    );
    // In another workspace, where the command must say so.
    let reader = app.key_of_other("shop", KeyKind::Secret, &[Scope::Read]);
    let event = json!({"email": PERSON, "event": "x"});
    let answer = app.post("/v1/track/event", &reader, &event).await;
    says(answer.message(), &["--scope send,read --workspace shop`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_key_on_a_read_is_told_to_be_one_wherever_it_comes_from() {
    let app = spawn_app().await;
    for key in [
        app.public(&[]),
        app.public(&["https://shop.example"]),
        app.shop(),
    ] {
        for (method, path, scope) in [
            (Method::GET, "/v1/events", "`read`"),
            (Method::GET, "/v1/events?page=2", "`read`"),
            (Method::GET, "/v1/live", "`read`"),
            (Method::GET, "/v1/receipts/x", "`read`"),
            (Method::GET, "/v1/reports/revenue", "`read`"),
            (Method::GET, "/metrics", "`read`"),
            (Method::GET, "/v1/contacts?email=a@b.c", "`contacts`"),
            (Method::POST, "/v1/messages", "`write`"),
            (Method::POST, "/v1/messages/batch", "`write`"),
        ] {
            let mut ask = app.ask(method.clone(), path).key(&key);
            if method == Method::POST {
                ask = ask.json(&json!({}));
            }
            let answer = ask.send().await;
            answer.is_refused(403, "insufficient_scope");
            says(answer.message(), &["public keys", "a secret key", scope]);
            let verb = if method == Method::GET {
                "never read"
            } else {
                "only send"
            };
            says(answer.message(), &[verb]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_without_a_key_asks_for_the_variable() {
    let app = spawn_app().await;
    let event = json!({"email": PERSON, "event": "x"});
    for value in [
        "Bearer ",
        "Bearer",
        "bearer  ",
        "Bearer $KEY",
        "Bearer ${MISAR_KEY}",
        "Bearer undefined",
        "Bearer {{key}}",
        "Bearer <key>",
        "Bearer YOUR_API_KEY",
        "Bearer null",
    ] {
        for (method, path) in [
            (Method::POST, "/v1/track/event"),
            (Method::GET, "/v1/events"),
        ] {
            let mut ask = app.ask(method.clone(), path).header("authorization", value);
            if method == Method::POST {
                ask = ask.json(&event);
            }
            let answer = ask.send().await;
            answer.is_refused(401, "invalid_key");
            says(answer.message(), &["holds no key", "$KEY"]);
        }
    }
    let ask = app.ask(Method::GET, "/v1/events").header("x-api-key", "");
    says(ask.send().await.message(), &["holds no key"]);
    let ask = app.ask(Method::GET, "/v1/events").key("abc");
    says(ask.send().await.message(), &["this is no key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_path_names_the_nearest_route_and_a_wrong_method_the_right_one() {
    let app = spawn_app().await;
    for (method, path, nearest) in [
        (
            Method::POST,
            "/v1/purchase",
            Some("POST /v1/track/purchase"),
        ),
        (Method::POST, "/track/event", Some("POST /v1/track/event")),
        (
            Method::POST,
            "/v1/track/events",
            Some("POST /v1/track/event"),
        ),
        (Method::POST, "/api/v1/identify", Some("POST /v1/identify")),
        (Method::GET, "/v1/event", Some("GET /v1/events")),
        (Method::GET, "/v1/events/", Some("GET /v1/events")),
        (
            Method::GET,
            "/v1/report/revenue",
            Some("GET /v1/reports/revenue"),
        ),
        (Method::GET, "/health", Some("GET /healthz")),
        (Method::GET, "/wp-login.php", None),
    ] {
        let answer = app.ask(method, path).send().await;
        answer.is_refused(404, "not_found");
        says(
            answer.message(),
            &[
                "see /docs".trim_start_matches("see "),
                "nothing at this path",
            ],
        );
        match nearest {
            Some(nearest) => says(answer.message(), &[&format!("do you mean {nearest}?")]),
            None => assert!(!answer.message().contains("do you mean"), "{path}"),
        }
        assert!(
            !answer.message().contains("openapi"),
            "{}",
            answer.message()
        );
    }
    for path in INGEST {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = app.ask(method, path).send().await;
            answer.is_refused(405, "method_not_allowed");
            says(answer.message(), &["use POST", "/docs"]);
            assert_eq!(answer.header("allow"), "POST", "{path}");
        }
    }
    for (method, path, said, allow) in [
        (Method::POST, "/v1/events", "use GET", "GET,HEAD"),
        (Method::DELETE, "/v1/messages", "use POST", "POST"),
        (
            Method::PUT,
            "/session",
            "GET or POST",
            "DELETE,GET,HEAD,POST",
        ),
        (Method::POST, "/live", "use GET", "GET,HEAD"),
    ] {
        let answer = app.ask(method, path).send().await;
        answer.is_refused(405, "method_not_allowed");
        let mut allowed: Vec<_> = answer.header("allow").split(',').collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), allow, "{path}");
        if path != "/session" {
            says(answer.message(), &[said]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_told_why_in_our_words() {
    let app = spawn_app().await;
    for (body, said) in [
        ("", "the body is empty"),
        ("  \n", "the body is empty"),
        (
            r#"{"email":"a@b.c","event":"x","properties":{"n":NaN}}"#,
            "no `NaN` in JSON",
        ),
        (
            r#"{"email":"a@b.c","event":"x","properties":{"n":-Infinity}}"#,
            "no `Infinity`",
        ),
        (r#"{"email":"a@b.c","event":None}"#, "no `None`"),
        (r#"{"email":"a@b.c","event":"x""#, "cut off"),
        (r#"{"email":"a@b.c","event":"x",}"#, "a comma"),
        (r#"{'email':'a@b.c'}"#, "double quotes"),
        ("email=a%40b.c&event=x", "a form"),
        (
            "{\"email\":\"a@b.c\"}\n{\"email\":\"a@b.c\"}",
            "/v1/track/batch",
        ),
    ] {
        for path in INGEST {
            let answer = app.post_text(path, body).await;
            answer.is_refused(400, "invalid_json");
            let message = answer.message().to_lowercase();
            says(&message, &[&said.to_lowercase()]);
            assert!(
                !message.contains("eof while") && !message.contains("expected value"),
                "{message}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_too_large_is_told_its_size() {
    let app = spawn_app().await;
    let pad = |bytes: usize| {
        let head = format!(r#"{{"email":"{PERSON}","event":"x","properties":{{"pad":""#);
        let body = format!("{head}{}\"}}}}", "x".repeat(bytes - head.len() - 3));
        assert_eq!(body.len(), bytes);
        body
    };
    let answer = app.post_text("/v1/track/event", pad(33_000)).await;
    answer.is_refused(413, "body_too_large");
    says(answer.message(), &["an event has at most 32 KB", "33000"]);
    let packed = app.ask(Method::POST, "/v1/track/event").key(&app.key);
    let packed = packed
        .header("content-encoding", "gzip")
        .header("content-type", "application/json");
    let answer = packed.body(gzip(pad(33_000).as_bytes())).send().await;
    answer.is_refused(413, "body_too_large");
    says(answer.message(), &["an event has at most 32 KB"]);
    let event = crate::support::event_of(33_001);
    let answer = app
        .post_text("/v1/track/batch", format!("{{\"events\":[{event}]}}"))
        .await;
    let result = &answer.results()[0];
    assert_eq!(result["code"], "event_too_large");
    says(
        result["message"].as_str().unwrap(),
        &["at most 32 KB", "33001"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seq_ahead_of_all_is_none_yet() {
    let app = spawn_app().await;
    let event = json!({"email": PERSON, "event": "x"});
    app.post("/v1/track/event", &app.key, &event)
        .await
        .is_tracked();
    for path in [
        "/v1/events?minSeq=",
        "/v1/events?order=asc&after=",
        "/v1/reports/revenue?minSeq=",
    ] {
        for seq in ["999999999999999999999999", "017999999999999999000000", "7"] {
            let answer = app.get(&format!("{path}{seq}")).await;
            answer.is_refused(422, "unknown_seq");
            says(answer.message(), &["no such seq yet"]);
        }
    }
}
