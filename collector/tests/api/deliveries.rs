//! `POST /v1/messages/delivery` and deliveries in a batch: what mail servers told of messages.

use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::messages::writer;
use crate::support::{PERSON, TestApp, new_id, spawn_app};

const ROUTE: &str = "/v1/messages/delivery";

async fn register(app: &TestApp, key: &str, id: &str) {
    let body = json!({"email": PERSON, "messageId": id, "campaignId": "spring", "text": "Hello"});
    let answer = app.post("/v1/messages", key, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn campaign(app: &TestApp, key: &str) -> Value {
    app.caught_up().await;
    let answer = app.get_with("/v1/reports/campaigns/spring", key).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_counts_once_and_a_bounce_takes_the_delivery_back_in_any_order() {
    let app = spawn_app().await;
    let key = writer(&app);
    for id in ["a", "b", "c", "d"] {
        register(&app, &key, id).await;
    }
    for (id, status) in [
        ("a", "delivered"),
        ("b", "delivered"),
        ("b", "bounced"),
        ("c", "bounced"),
        ("c", "delivered"),
        ("a", "complained"),
        ("d", "deferred"),
    ] {
        let body = json!({"messageId": id, "status": status});
        app.post(ROUTE, &key, &body).await.is_tracked();
    }
    let report = campaign(&app, &key).await;
    let counted = ["sent", "delivered", "bounced", "complained"].map(|name| &report[name]);
    assert_eq!(counted, [4, 1, 2, 1], "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_listed_with_what_the_server_said_and_its_id_is_known_again() {
    let app = spawn_app().await;
    let key = writer(&app);
    register(&app, &key, "a").await;
    let id = new_id();
    let body = json!({
        "messageId": "a", "status": "bounced", "code": "5.1.1", "reason": "550 5.1.1 No such user",
        "timestamp": "2026-01-02T03:04:05Z", "id": id,
    });
    let answer = app.post(ROUTE, &key, &body).await;
    answer.is_tracked();
    let event = app.listed(answer.body["seq"].as_str().unwrap()).await;
    assert_eq!(event["type"], "delivery");
    assert_eq!(event["name"], "email_bounced");
    assert_eq!(event["timestamp"], "2026-01-02T03:04:05Z");
    assert_eq!(event["email"], PERSON);
    assert_eq!(event["messageId"], "a");
    assert_eq!(event["properties"]["status"], "bounced");
    assert_eq!(event["properties"]["code"], "5.1.1");
    assert_eq!(event["properties"]["reason"], "550 5.1.1 No such user");
    let again = app.post(ROUTE, &key, &body).await;
    assert_eq!(again.body["tracked"], false, "{}", again.text);
    // It says nothing of when the contact was first seen.
    let path = format!("/v1/contacts?email={PERSON}");
    let contact = app.get_with(&path, &key).await;
    assert!(!contact.text.contains("2026-01-02"), "{}", contact.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_or_of_no_message_is_refused() {
    let app = spawn_app().await;
    let key = writer(&app);
    register(&app, &key, "a").await;
    let before = app.on_disk();
    for (body, status, code) in [
        (
            json!({"messageId": "never", "status": "bounced"}),
            404,
            "unknown_message",
        ),
        (json!({"status": "bounced"}), 422, "missing_field"),
        (json!({"messageId": "a"}), 422, "missing_field"),
        (
            json!({"messageId": "a", "status": "Bounced"}),
            422,
            "invalid_status",
        ),
        (
            json!({"messageId": "a", "status": "bounced", "code": "550"}),
            422,
            "invalid_code",
        ),
        (
            json!({"messageId": "a", "status": "bounced", "code": "5.1"}),
            422,
            "invalid_code",
        ),
        (
            json!({"messageId": "a", "status": "bounced", "code": "5.1.1\n"}),
            422,
            "invalid_code",
        ),
        (
            json!({"messageId": "a", "status": "bounced", "code": " 5.1.1"}),
            422,
            "invalid_code",
        ),
        (
            json!({"messageId": "a", "status": "bounced", "code": "5.01.1"}),
            422,
            "invalid_code",
        ),
        (
            json!({"messageId": "a", "status": "bounced", "code": "5.1.1000"}),
            422,
            "invalid_code",
        ),
        (
            json!({"messageId": "a", "status": "bounced", "code": "5.1.1.1"}),
            422,
            "invalid_code",
        ),
        (
            json!({"messageId": "a", "status": "bounced", "reason": 5}),
            422,
            "invalid_reason",
        ),
    ] {
        let answer = app.post(ROUTE, &key, &body).await;
        answer.is_refused(status, code);
    }
    assert_eq!(app.on_disk(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_says_what_the_status_says() {
    let app = spawn_app().await;
    let key = writer(&app);
    register(&app, &key, "a").await;
    for (status, code, meant) in [
        ("bounced", "5.1.1", None),
        ("bounced", "4.2.2", Some("deferred")),
        ("bounced", "2.0.0", Some("delivered")),
        ("deferred", "4.2.2", None),
        ("deferred", "5.2.2", Some("bounced")),
        ("deferred", "2.0.0", Some("delivered")),
        ("delivered", "2.1.5", None),
        ("delivered", "4.0.0", Some("deferred")),
        ("delivered", "5.0.0", Some("bounced")),
        ("complained", "2.0.0", None),
        ("complained", "4.0.0", None),
        ("complained", "5.999.0", None),
    ] {
        let body = json!({"messageId": "a", "status": status, "code": code});
        let answer = app.post(ROUTE, &key, &body).await;
        let mut of_batch = body.clone();
        of_batch["type"] = "delivery".into();
        let batch = json!({"events": [of_batch]});
        let batch = app.post("/v1/track/batch", &key, &batch).await;
        let in_batch = &batch.body["results"][0];
        let Some(meant) = meant else {
            answer.is_tracked();
            assert_ne!(in_batch["status"], "rejected", "{}", batch.text);
            continue;
        };
        answer.is_refused(422, "invalid_code");
        let advice = format!("{code} is `{meant}`");
        assert!(answer.text.contains(&advice), "{}", answer.text);
        assert_eq!(in_batch["code"], "invalid_code", "{}", batch.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_once_is_told_again_to_no_effect() {
    let app = spawn_app().await;
    let key = writer(&app);
    register(&app, &key, "a").await;
    register(&app, &key, "b").await;
    let at = "2026-01-02T03:04:05Z";
    let told = |status: &str, code: &str, at: Option<&str>| {
        let mut body = json!({"messageId": "a", "status": status});
        if !code.is_empty() {
            body["code"] = code.into();
        }
        if let Some(at) = at {
            body["timestamp"] = at.into();
        }
        body
    };
    let facts = [
        told("delivered", "", Some(at)),
        told("bounced", "5.1.1", Some(at)),
        told("bounced", "5.1.1", Some("2026-01-02T03:04:06Z")),
        told("bounced", "", Some(at)),
        told("deferred", "4.2.2", Some(at)),
        told("delivered", "", None),
        told("bounced", "", None),
        told("complained", "", None),
    ];
    for fact in &facts {
        app.post(ROUTE, &key, fact).await.is_tracked();
    }
    for fact in &facts {
        // The mail server's words are no part of it.
        let mut again = fact.clone();
        again["reason"] = "once more".into();
        let answer = app.post(ROUTE, &key, &again).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["tracked"], false, "{fact} {}", answer.text);
        again["type"] = "delivery".into();
        let batch = json!({"events": [again.clone(), again]});
        let answer = app.post("/v1/track/batch", &key, &batch).await;
        for result in answer.body["results"].as_array().unwrap() {
            assert_eq!(result["status"], "duplicate", "{fact} {}", answer.text);
        }
    }
    // That it is tried again may be told of a message many times; and another message is another.
    let deferred = told("deferred", "4.2.2", None);
    app.post(ROUTE, &key, &deferred).await.is_tracked();
    app.post(ROUTE, &key, &deferred).await.is_tracked();
    let mut other = facts[0].clone();
    other["messageId"] = "b".into();
    app.post(ROUTE, &key, &other).await.is_tracked();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_deliveries_with_write_and_refunds_from_servers() {
    let app = spawn_app().await;
    let key = writer(&app);
    register(&app, &key, "a").await;
    let order = json!({"email": PERSON, "orderId": "o", "revenue": 12, "currency": "EUR"});
    app.post("/v1/track/purchase", &key, &order)
        .await
        .is_tracked();
    let batch = json!({"events": [
        {"type": "delivery", "messageId": "a", "status": "delivered"},
        {"type": "delivery", "messageId": "never", "status": "delivered"},
        {"type": "refund", "orderId": "o", "refundId": "r", "amount": 2},
    ]});
    let codes = |answer: &crate::support::Answer| -> Vec<String> {
        let results = answer.body["results"].as_array().unwrap();
        let told = |result: &Value| result["code"].as_str().unwrap_or("tracked").to_owned();
        results.iter().map(told).collect()
    };
    let answer = app.post("/v1/track/batch", &key, &batch).await;
    assert_eq!(codes(&answer), ["tracked", "unknown_message", "tracked"]);
    let sender = app.secret(&[Scope::Send]);
    let answer = app.post("/v1/track/batch", &sender, &batch).await;
    let refused = "deliveries_not_allowed";
    assert_eq!(codes(&answer), [refused, refused, "tracked"]);
    let page = app.public(&[]);
    let answer = app.post("/v1/track/batch", &page, &batch).await;
    assert_eq!(codes(&answer), [refused, refused, "insufficient_scope"]);
    assert_eq!(campaign(&app, &key).await["delivered"], 1);
}
