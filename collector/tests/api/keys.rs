//! Keys: where they stand, typos, unknown and revoked ones.

use reqwest::Method;
use serde_json::json;
use shared::api_key::{ApiKey, KeyKind};
use store::clock::Clock as _;

use crate::support::{INGEST, PERSON, spawn_app, spawn_app_at_rest};

/// A key that the server never made, with a right checksum.
pub(crate) fn foreign(kind: KeyKind) -> String {
    let mut byte = 7_u8;
    let key = ApiKey::generate(kind, &mut || {
        byte = byte.wrapping_mul(5).wrapping_add(57);
        byte
    });
    key.as_str().to_owned()
}

/// The key with its last character but two changed.
pub(crate) fn typo(key: &str) -> String {
    let at = key.len() - 3;
    let other = if &key[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &key[..at], &key[at + 1..])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_in_either_header_or_a_public_one_in_the_body() {
    let app = spawn_app().await;
    let public = app.public(&[]);
    let event = json!({"email": PERSON, "event": "x"});
    let in_body = json!({"email": PERSON, "event": "x", "key": public});
    let post = || app.ask(Method::POST, "/v1/track/event");
    for key in [&app.key, &public] {
        post()
            .header("authorization", &format!("Bearer {key}"))
            .json(&event)
            .send()
            .await
            .is_tracked();
        post()
            .header("authorization", &format!("bearer  {key}"))
            .json(&event)
            .send()
            .await
            .is_tracked();
        post()
            .header("x-api-key", key)
            .json(&event)
            .send()
            .await
            .is_tracked();
    }
    post().json(&in_body).send().await.is_tracked();
    post().text(&in_body).send().await.is_tracked();
    // The header wins over the body.
    let both = post().key(&app.key).json(&in_body).send().await;
    assert_eq!(
        app.listed(&both.is_tracked().text_of("seq")).await["source"],
        "server"
    );
    // What is no key at all, such as a proxy's own password, does not stand in the way.
    post()
        .header("authorization", "Basic YWxpY2U6cGFzcw==")
        .json(&in_body)
        .send()
        .await
        .is_tracked();
    post()
        .header("authorization", "Basic YWxpY2U6cGFzcw==")
        .header("x-api-key", &app.key)
        .json(&event)
        .send()
        .await
        .is_tracked();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_401_on_every_route() {
    let app = spawn_app().await;
    for route in INGEST {
        let answer = app
            .ask(Method::POST, route)
            .json(&json!({"events": []}))
            .send()
            .await;
        answer.is_refused(401, "missing_key");
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    for route in ["/v1/events", "/v1/receipts/x"] {
        app.ask(Method::GET, route)
            .send()
            .await
            .is_refused(401, "missing_key");
    }
    // A query is no place for a key.
    let event = json!({"email": PERSON, "event": "x"});
    let path = format!("/v1/track/event?key={}", app.public(&[]));
    let answer = app
        .ask(Method::POST, "/v1/track/event")
        .json(&event)
        .send()
        .await;
    answer.is_refused(401, "missing_key");
    app.ask(Method::POST, &path)
        .json(&event)
        .send()
        .await
        .is_refused(401, "missing_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn typos_strangers_and_revoked_keys_are_told_apart() {
    let app = spawn_app().await;
    let event = json!({"email": PERSON, "event": "x"});
    let public = app.public(&[]);
    for key in [
        typo(&app.key),
        typo(&public),
        app.key[..37].to_owned(),
        "sk_live_7".to_owned(),
        format!("{}0", app.key),
    ] {
        app.post("/v1/track/event", &key, &event)
            .await
            .is_refused(401, "invalid_key");
    }
    let in_body = json!({"email": PERSON, "event": "x", "key": typo(&public)});
    app.ask(Method::POST, "/v1/track/event")
        .text(&in_body)
        .send()
        .await
        .is_refused(401, "invalid_key");
    let in_body = json!({"email": PERSON, "event": "x", "key": 7});
    app.ask(Method::POST, "/v1/track/event")
        .text(&in_body)
        .send()
        .await
        .is_refused(401, "invalid_key");
    for kind in [KeyKind::Public, KeyKind::Secret] {
        app.post("/v1/track/event", &foreign(kind), &event)
            .await
            .is_refused(401, "unknown_key");
    }
    for key in [&app.key, &public] {
        let known = app.known(key);
        app.app.meta.revoke_key(known.workspace, &known.id).unwrap();
        app.post("/v1/track/event", key, &event)
            .await
            .is_refused(401, "revoked_key");
    }
    assert_eq!(app.on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn public_keys_only_send() {
    let app = spawn_app().await;
    let public = app.public(&[]);
    app.post(
        "/v1/track/event",
        &public,
        &json!({"email": PERSON, "event": "x"}),
    )
    .await
    .is_tracked();
    app.post("/v1/track/batch", &public, &json!({"events": []}))
        .await
        .results();
    app.post("/v1/identify", &public, &json!({"email": PERSON}))
        .await
        .is_tracked();
    for path in ["/v1/events", "/v1/receipts/x"] {
        app.get_with(path, &public)
            .await
            .is_refused(403, "insufficient_scope");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_refused_from_the_moment_on_at_which_it_expires() {
    let (app, clock) = spawn_app_at_rest().await;
    let end = clock.now().plus_millis(1_000);
    let secret = app.expiring(KeyKind::Secret, end);
    let public = app.expiring(KeyKind::Public, end);
    let event = json!({"email": PERSON, "event": "x"});
    clock.advance_millis(999);
    for key in [&secret, &public] {
        app.post("/v1/track/event", key, &event).await.is_tracked();
    }
    let before = app.on_disk();
    clock.advance_millis(1);
    for key in [&secret, &public] {
        app.post("/v1/track/event", key, &event)
            .await
            .is_refused(401, "expired_key");
    }
    let in_body = json!({"email": PERSON, "event": "x", "key": public});
    app.ask(Method::POST, "/v1/track/event")
        .json(&in_body)
        .send()
        .await
        .is_refused(401, "expired_key");
    app.get_with("/v1/events", &secret)
        .await
        .is_refused(401, "expired_key");
    assert_eq!(app.on_disk(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_of_a_key_is_noted() {
    let app = spawn_app().await;
    assert!(app.known(&app.key).last_used_at().is_none());
    app.get("/v1/events").await;
    assert!(app.known(&app.key).last_used_at().is_some());
}
