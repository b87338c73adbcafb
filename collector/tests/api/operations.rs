//! Health, metrics, the document, and what is said at paths and methods that do not exist.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{INGEST, PERSON, TestApp, spawn_app};

#[tokio::test(flavor = "multi_thread")]
async fn health_and_readiness_need_no_key() {
    let app = spawn_app().await;
    for path in ["/healthz", "/readyz"] {
        let answer = app.ask(Method::GET, path).send().await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("ok")));
    }
    app.app.start_draining();
    let answer = app.ask(Method::GET, "/readyz").send().await;
    answer.is_refused(503, "not_ready");
    assert_eq!(answer.body["status"], answer.body["error"]["message"]);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(app.ask(Method::GET, "/healthz").send().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_nothing_is_503_and_not_ready() {
    let app = spawn_app().await;
    app.app.log.close().await.unwrap();
    let bodies = [
        ("/v1/track/event", json!({"email": PERSON, "event": "x"})),
        (
            "/v1/track/purchase",
            json!({"email": PERSON, "orderId": "A", "revenue": 1, "currency": "USD"}),
        ),
        ("/v1/track/refund", json!({"orderId": "A", "refundId": "r"})),
        (
            "/v1/track/batch",
            json!({"events": [{"type": "track", "email": PERSON, "event": "x"}]}),
        ),
        ("/v1/identify", json!({"email": PERSON})),
    ];
    for (route, body) in bodies {
        app.post(route, &app.key, &body)
            .await
            .is_refused(503, "storage_failing");
    }
    let answer = app.ask(Method::GET, "/readyz").send().await;
    assert_eq!(answer.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_are_404_and_wrong_methods_405() {
    let app = spawn_app().await;
    for path in [
        "/index.html",
        "/live//",
        "/assets",
        "/mail",
        "/v1",
        "/v1/track",
        "/v1/track/event//",
        "/v1/track/events",
        "/v1/receipts",
        "/admin",
        "/v1/events/1",
        "/%00",
        "//v1/events",
    ] {
        app.ask(Method::GET, path)
            .send()
            .await
            .is_refused(404, "not_found");
        app.ask(Method::POST, path)
            .send()
            .await
            .is_refused(404, "not_found");
    }
    for (method, path, allow) in [
        (Method::GET, "/v1/track/event", "POST"),
        (Method::PUT, "/v1/track/batch", "POST"),
        (Method::DELETE, "/v1/identify", "POST"),
        (Method::PATCH, "/v1/track/purchase", "POST"),
        (Method::GET, "/v1/track/refund", "POST"),
        (Method::POST, "/v1/events", "GET"),
        (Method::DELETE, "/v1/receipts/x", "GET"),
        (Method::POST, "/v1/embeds", "GET"),
        (Method::PUT, "/v1/keys", "GET"),
        (Method::POST, "/v1/settings", "PATCH"),
        (Method::POST, "/", "GET"),
        (Method::POST, "/live", "GET"),
        (Method::POST, "/assets/style.css", "GET"),
        (Method::POST, "/mail/track.js", "GET"),
        (Method::POST, "/healthz", "GET"),
        (Method::POST, "/metrics", "GET"),
        (Method::POST, "/openapi.json", "GET"),
    ] {
        let answer = app.ask(method.clone(), path).send().await;
        answer.is_refused(405, "method_not_allowed");
        let allowed: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
        assert!(allowed.contains(&allow), "{path}: {allowed:?}");
        assert!(!allowed.contains(&method.as_str()), "{path}: {allowed:?}");
    }
}

async fn document(app: &TestApp) -> Value {
    let answer = app.ask(Method::GET, "/openapi.json").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    answer.body
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_route_with_its_full_path() {
    let app = spawn_app().await;
    let document = document(&app).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            operations.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let mut expected: BTreeSet<String> =
        INGEST.iter().map(|route| format!("POST {route}")).collect();
    for path in [
        "/v1/keys",
        "/v1/keys/{id}",
        "/v1/settings",
        "/v1/events",
        "/v1/receipts/{id}",
        "/v1/live",
        "/session",
        "/v1/embeds",
        "/v1/export/events",
        "/v1/export/orders",
        "/v1/export/contacts",
        "/v1/contacts",
        "/v1/contacts/{email}",
        "/v1/contacts/{email}/timeline",
        "/v1/contacts/{email}/score",
        "/v1/contacts/{email}/export",
        "/v1/contacts/{email}/segments",
        "/v1/segments",
        "/v1/segments/moves",
        "/v1/segments/{id}",
        "/v1/segments/{id}/history",
        "/v1/segments/{id}/members",
        "/v1/segments/{id}/explain",
        "/schemas/segment.json",
        "/v1/suppressions",
        "/v1/reports/overview",
        "/v1/reports/messages",
        "/v1/reports/messages/{id}",
        "/v1/reports/campaigns",
        "/v1/reports/campaigns/{id}",
        "/v1/reports/revenue",
        "/mail/track/open/{token}",
        "/mail/track/click/{token}",
        "/mail/unsubscribe/{token}",
        "/mail/track.js",
        "/mail/track.json",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/openapi-3.0.json",
    ] {
        expected.insert(format!("GET {path}"));
    }
    for operation in [
        "PATCH /v1/contacts/{email}",
        "POST /v1/contacts/import",
        "POST /v1/keys",
        "PATCH /v1/keys/{id}",
        "DELETE /v1/keys/{id}",
        "DELETE /v1/contacts/{email}",
        "PATCH /v1/settings",
        "POST /v1/segments",
        "POST /v1/segments/preview",
        "PATCH /v1/segments/{id}",
        "DELETE /v1/segments/{id}",
        "POST /v1/segments/{id}/duplicate",
        "POST /v1/segments/{id}/diff",
    ] {
        expected.insert(operation.to_owned());
    }
    for method in ["POST", "DELETE"] {
        expected.insert(format!("{method} /session"));
        expected.insert(format!("{method} /v1/suppressions"));
    }
    for path in [
        "/v1/messages",
        "/v1/messages/batch",
        "/v1/messages/sent",
        "/v1/messages/delivery",
        "/mail/unsubscribe/{token}",
        "/mail/subscribe/{token}",
    ] {
        expected.insert(format!("POST {path}"));
    }
    assert_eq!(operations, expected);
    assert_eq!(
        document["servers"][0]["url"],
        app.origin(),
        "the server shortens no path"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_route_answers_and_with_a_documented_status() {
    let app = spawn_app().await;
    let document = document(&app).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let documented = |status: u16| {
                let class = format!("{}XX", status / 100);
                responses.contains_key(&status.to_string()) || responses.contains_key(&class)
            };
            let method: Method = method.to_uppercase().parse().unwrap();
            // A stream that is let in does not end; a wrong parameter is answered all the same.
            let url = match path.as_str() {
                "/v1/live" => "/v1/live?recent=-1".to_owned(),
                _ => path.replace("{id}", "7"),
            };
            // With a key, without one, and with rubbish.
            let keyed = app
                .ask(method.clone(), &url)
                .key(&app.key)
                .json(&json!({}))
                .send()
                .await;
            let bare = app.ask(method.clone(), &url).json(&json!({})).send().await;
            let rubbish = app
                .ask(method.clone(), &url)
                .key("x")
                .body("{")
                .send()
                .await;
            for answer in [keyed, bare, rubbish] {
                assert!(
                    documented(answer.status),
                    "{method} {path} {}",
                    answer.status
                );
                let nothing = answer.status == 404 && answer.body["error"]["code"] == "not_found";
                assert!(!nothing, "{method} {path}");
                assert!(answer.status < 500, "{method} {path} {}", answer.status);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_own_examples_are_taken() {
    let app = spawn_app().await;
    let document = document(&app).await;
    let schemas = &document["components"]["schemas"];
    let key = app.secret(&[Scope::Write, Scope::Contacts]);
    for (route, schema) in [
        ("/v1/track/event", "EventBody"),
        ("/v1/track/purchase", "PurchaseBody"),
        ("/v1/track/refund", "RefundBody"),
        ("/v1/track/batch", "BatchBody"),
        ("/v1/identify", "IdentifyBody"),
        ("/v1/messages", "MessageBody"),
        ("/v1/messages/batch", "MessageBatchBody"),
        ("/v1/messages/sent", "SentBody"),
        ("/v1/messages/delivery", "DeliveryBody"),
        ("/v1/suppressions", "SuppressionsBody"),
        ("/v1/segments", "SegmentBody"),
    ] {
        let body = &document["paths"][route]["post"]["requestBody"]["content"]["application/json"]
            ["schema"];
        assert_eq!(body["$ref"], format!("#/components/schemas/{schema}"));
        let mut example = schemas[schema]["example"].clone();
        example.as_object_mut().unwrap().remove("key");
        assert!(example.is_object(), "{schema}");
        let answer = app.post(route, &key, &example).await;
        assert_eq!(answer.status, 200, "{schema}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_found_with_a_slash_at_its_end() {
    let app = spawn_app().await;
    for page in [
        "/docs",
        "/live",
        "/contacts",
        "/segments",
        "/openapi.json",
        "/openapi-3.0.json",
        "/healthz",
        "/readyz",
        "/mail/track.js",
    ] {
        for method in [Method::GET, Method::HEAD] {
            let ask = app.ask(method, &format!("{page}/?a=b"));
            let answer = ask.open_without_following().await;
            assert_eq!(answer.status(), 308, "{page}");
            assert_eq!(answer.headers()["location"], format!("{page}?a=b"));
        }
        assert_eq!(
            app.ask(Method::GET, page).send().await.status,
            200,
            "{page}"
        );
        let answer = app.ask(Method::POST, &format!("{page}/")).send().await;
        answer.is_refused(404, "not_found");
    }
}
