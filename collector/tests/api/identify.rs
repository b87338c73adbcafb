//! `POST /v1/identify`: who a browser is.

use reqwest::Method;
use serde_json::json;

use crate::support::{PERSON, new_id, spawn_app};

const ROUTE: &str = "/v1/identify";

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_named_and_can_be_read_back() {
    let app = spawn_app().await;
    let id = new_id();
    let body = json!({"email": PERSON, "traits": {"plan": "pro"}, "anonymousId": "v-1", "id": id});
    let answer = app.post(ROUTE, &app.key, &body).await;
    answer.is_tracked();
    assert_eq!(answer.body["id"], *id);
    let listed = app.listed(&answer.text_of("seq")).await;
    assert_eq!(listed["type"], "identify");
    assert_eq!(listed["name"], "identified");
    assert_eq!(listed["email"], PERSON);
    assert_eq!(listed["anonymousId"], "v-1");
    assert_eq!(listed["properties"], json!({"plan": "pro"}));
    assert_eq!(app.receipt(&id).await.body["name"], "identified");
    app.post(ROUTE, &app.key, &body)
        .await
        .is_duplicate_of(&answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_required_and_the_traits_are_an_object() {
    let app = spawn_app().await;
    let post = async |body| app.post(ROUTE, &app.key, &body).await;
    post(json!({"anonymousId": "v-1"}))
        .await
        .is_refused_for("email", "missing_field");
    post(json!({"email": "alice"}))
        .await
        .is_refused_for("email", "invalid_email");
    post(json!({"email": PERSON, "traits": [1]}))
        .await
        .is_refused_for("traits", "invalid_traits");
    post(json!({"email": PERSON, "anonymousId": 7}))
        .await
        .is_refused_for("anonymousId", "invalid_anonymous_id");
    assert_eq!(app.on_disk(), 0);
    post(json!({"email": PERSON})).await.is_tracked();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_identifies_with_a_public_key_as_text() {
    let app = spawn_app().await;
    let key = app.public(&["https://shop.example"]);
    let answer = app
        .ask(Method::POST, ROUTE)
        .header("origin", "https://shop.example")
        .text(&json!({"key": key, "email": PERSON}))
        .send()
        .await;
    answer.is_tracked();
    assert_eq!(
        app.listed_as(&answer.text_of("id")).await["source"],
        "browser"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_an_id_here_too() {
    let app = spawn_app().await;
    let post = async || {
        let ask = app.ask(Method::POST, ROUTE).key(&app.key);
        ask.header("idempotency-key", "signup-7")
            .json(&json!({"email": PERSON}))
            .send()
            .await
    };
    let first = post().await;
    first.is_tracked();
    post().await.is_duplicate_of(&first);
}
