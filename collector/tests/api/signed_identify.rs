//! `--require-signed-identify`: a page names nobody without the signature of its server.

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use shared::api_key::Scope;
use store::ledger::decide::WorkspaceKeys as _;

use crate::support::{Answer, TestApp, new_id, spawn_app};

const ADA: &str = "Ada@person.example";

/// As docs/identify.md says.
fn signature(app: &TestApp, email: &str) -> String {
    let workspace = app.app.meta.workspace("default").unwrap();
    let key = app.app.meta.key_of(workspace.id).unwrap();
    // What `misar settings identify-secret` prints, which stays the same for ever.
    let secret = digits(&key.mac(&[b"identify signature"]));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(email.as_bytes());
    digits(&mac.finalize().into_bytes())
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn page(app: &TestApp, key: &str, events: &Value) -> Answer {
    let body = json!({"key": key, "events": events});
    let ask = app.ask(Method::POST, "/v1/track/batch");
    ask.text(&body).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_names_somebody_with_a_signature_alone_and_a_server_without() {
    let app = spawn_app().await;
    let key = app.public(&[]);
    let good = signature(&app, ADA);
    // Nobody asks for it yet.
    let identify = json!([{"type": "identify", "email": ADA, "anonymousId": "b-1"}]);
    assert_eq!(
        page(&app, &key, &identify).await.results()[0]["status"],
        "tracked"
    );
    app.app.require_signed_identify();
    let events = json!([
        {"type": "identify", "email": ADA, "anonymousId": "b-1"},
        {"type": "identify", "email": ADA, "anonymousId": "b-1", "signature": "00"},
        {"type": "identify", "email": "eve@person.example", "anonymousId": "b-1", "signature": good},
        {"type": "identify", "email": ADA, "anonymousId": "b-1", "signature": good},
    ]);
    let answer = page(&app, &key, &events).await;
    let results = answer.results();
    for refused in &results[..3] {
        assert_eq!(refused["code"], "unsigned_identify", "{refused}");
        assert_eq!(refused["field"], "signature");
    }
    assert_eq!(results[3]["status"], "tracked", "{}", answer.text);
    let alone = json!({"key": key, "email": ADA, "signature": good});
    app.ask(Method::POST, "/v1/identify")
        .text(&alone)
        .send()
        .await
        .is_tracked();
    app.post("/v1/identify", &app.key, &json!({"email": ADA}))
        .await
        .is_tracked();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_says_with_an_address_is_its_browsers_alone() {
    let app = spawn_app().await;
    app.app.require_signed_identify();
    let key = app.public(&[]);
    let reader = app.secret(&[Scope::Admin]);
    let id = new_id();
    let events = json!([
        {"type": "track", "event": "seen", "email": ADA, "anonymousId": "b-1", "id": id},
        {"type": "track", "event": "seen", "email": ADA},
    ]);
    let answer = page(&app, &key, &events).await;
    assert_eq!(answer.results()[0]["status"], "tracked", "{}", answer.text);
    assert_eq!(answer.results()[1]["code"], "unsigned_identify");
    assert_eq!(
        app.receipt(&id).await.body["ignoredFields"],
        json!(["email"])
    );
    app.caught_up().await;
    let path = format!("/v1/events?email={ADA}");
    let none = app.get_with(&path, &reader).await;
    assert_eq!(none.body["events"], json!([]));
    let identify = json!([{"type": "identify", "email": ADA, "anonymousId": "b-1", "signature": signature(&app, ADA)}]);
    assert_eq!(
        page(&app, &key, &identify).await.results()[0]["status"],
        "tracked"
    );
    app.caught_up().await;
    let both = app.get_with(&path, &reader).await;
    assert_eq!(
        both.body["events"].as_array().unwrap().len(),
        2,
        "{}",
        both.text
    );
}
