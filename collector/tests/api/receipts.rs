//! `GET /v1/receipts/{id}`: what became of an event, and who may ask.

use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{PERSON, new_id, spawn_app, spawn_app_at_rest};

fn event(id: &str) -> Value {
    json!({"email": PERSON, "event": "viewed", "id": id})
}

fn bad_event(id: &str) -> Value {
    json!({"email": "nobody", "event": "viewed", "id": id})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_needs_the_scope_read_or_the_key_that_sent_the_event() {
    let app = spawn_app().await;
    let sender = app.secret(&[Scope::Send]);
    let other = app.secret(&[Scope::Send]);
    let reader = app.secret(&[Scope::Read]);
    let admin = app.secret(&[Scope::Admin]);
    let contacts = app.secret(&[Scope::Contacts]);
    for (id, body, status) in [
        (new_id(), event as fn(&str) -> Value, "tracked"),
        (new_id(), bad_event, "rejected"),
    ] {
        app.post("/v1/track/event", &sender, &body(&id)).await;
        let path = format!("/v1/receipts/{id}");
        for key in [&sender, &reader, &admin] {
            let receipt = app.get_with(&path, key).await;
            assert_eq!(
                (receipt.status, receipt.text_of("status")),
                (200, status.to_owned())
            );
        }
        for key in [&other, &contacts] {
            app.get_with(&path, key)
                .await
                .is_refused(403, "insufficient_scope");
        }
        app.get_with(&path, &app.public(&[]))
            .await
            .is_refused(403, "insufficient_scope");
        app.ask(reqwest::Method::GET, &path)
            .send()
            .await
            .is_refused(401, "missing_key");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_workspace_knows_nothing_of_it() {
    let app = spawn_app().await;
    let elsewhere = app.key_elsewhere();
    for body in [event as fn(&str) -> Value, bad_event] {
        let id = new_id();
        app.post("/v1/track/event", &app.key, &body(&id)).await;
        let path = format!("/v1/receipts/{id}");
        app.get_with(&path, &elsewhere)
            .await
            .is_refused(404, "unknown_receipt");
        // There the same id is free.
        app.post("/v1/track/event", &elsewhere, &event(&id))
            .await
            .is_tracked();
        assert_eq!(
            app.get_with(&path, &elsewhere).await.body["status"],
            "tracked"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_receipt_says_why() {
    let app = spawn_app().await;
    let id = new_id();
    let answer = app.post("/v1/track/event", &app.key, &bad_event(&id)).await;
    let receipt = app.receipt(&id).await;
    assert_eq!(receipt.status, 200);
    assert_eq!(receipt.body["id"], *id);
    assert_eq!(receipt.body["status"], "rejected");
    assert_eq!(receipt.body["name"], "viewed");
    for field in ["code", "message", "field"] {
        assert_eq!(receipt.body[field], answer.body["error"][field]);
    }
    assert!(receipt.body.get("seq").is_none());
    assert!(receipt.text_of("receivedAt").ends_with('Z'));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_id_is_found_in_every_spelling_of_it() {
    let app = spawn_app().await;
    let upper = new_id().to_uppercase();
    app.post("/v1/track/event", &app.key, &bad_event(&upper))
        .await
        .is_refused(422, "invalid_email");
    for spelling in [upper.clone(), upper.to_lowercase(), upper.replace('-', "")] {
        let receipt = app.receipt(&spelling).await;
        assert_eq!(
            (receipt.status, receipt.text_of("status")),
            (200, "rejected".to_owned()),
            "{spelling}"
        );
        assert_eq!(receipt.body["id"], *upper, "as sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_no_uuid_has_its_receipt_too() {
    let app = spawn_app().await;
    for (id, path) in [
        ("order 7/é?", "order%207%2F%C3%A9%3F"),
        ("a.b", "a.b"),
        ("..", "%2E%2E"),
    ] {
        app.post("/v1/track/event", &app.key, &event(id))
            .await
            .is_refused(422, "invalid_id");
        let receipt = app.raw(format!(
            "GET /v1/receipts/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: {}\r\n\r\n",
            app.key
        ).as_bytes()).await;
        assert!(receipt.contains("\"status\":\"rejected\""), "{receipt}");
        assert!(receipt.contains("\"code\":\"invalid_id\""), "{receipt}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_came_is_404_in_the_documented_shape() {
    let app = spawn_app().await;
    for id in [
        new_id().as_str(),
        "nothing",
        "%00",
        "%C3%A9",
        "00000000-0000-0000-0000-000000000000",
    ] {
        app.receipt(id).await.is_refused(404, "unknown_receipt");
    }
    // No text in UTF-8 is no id either.
    app.receipt("%FF").await.is_refused(404, "unknown_receipt");
    app.receipt("").await.is_refused(404, "not_found");
    app.receipt("a/b").await.is_refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_kept_for_30_days() {
    let (app, clock) = spawn_app_at_rest().await;
    let id = new_id();
    app.post("/v1/track/event", &app.key, &bad_event(&id))
        .await
        .is_refused(422, "invalid_email");
    let day = 24 * 60 * 60 * 1000;
    clock.advance_millis(30 * day);
    assert_eq!(app.receipt(&id).await.status, 200);
    clock.advance_millis(day);
    // What waits for the disk is as old as what lies there.
    app.receipt(&id).await.is_refused(404, "unknown_receipt");
}
