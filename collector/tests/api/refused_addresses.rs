//! An address that is none: it stops its `identify`, and spoils nothing else that a known browser did.

use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{PERSON, new_id, spawn_app};

/// What pages have sent as addresses.
fn refused() -> [Value; 7] {
    [
        json!("Ada <ada@example.com>"),
        json!("a@b.c;d@e.f"),
        json!("{{ user.email }}"),
        json!(["ada@example.com"]),
        json!({"email": "ada@example.com"}),
        json!(42),
        json!(""),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn events_with_a_refused_address_are_recorded_under_their_browser() {
    let app = spawn_app().await;
    let server = app.secret(&[Scope::Send]);
    for key in [app.public(&[]), server] {
        for address in refused() {
            let [track, identify] = [new_id(), new_id()];
            let batch = json!({"events": [
                {"id": track, "type": "track", "event": "viewed", "email": address, "anonymousId": "v-1"},
                {"id": identify, "type": "identify", "email": address, "anonymousId": "v-1"},
            ]});
            let answer = app.post("/v1/track/batch", &key, &batch).await;
            assert_eq!(answer.results()[0]["status"], "tracked", "{}", answer.text);
            assert_eq!(answer.results()[1]["code"], "invalid_email");
            let listed = app.listed_as(&track).await;
            assert_eq!(
                (&listed["anonymousId"], &listed["email"]),
                (&json!("v-1"), &Value::Null)
            );
            let receipt = app.receipt(&track).await;
            assert_eq!(receipt.body["status"], "tracked");
            assert_eq!(receipt.body["code"], "invalid_email", "{}", receipt.text);
            assert_eq!(receipt.body["ignoredFields"], json!(["email"]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_for_an_address_of_the_context_and_on_the_event_s_own_route() {
    let app = spawn_app().await;
    let [batched, single] = [new_id(), new_id()];
    let batch = json!({
        "context": {"email": "nobody", "anonymousId": "v-1"},
        "events": [{"id": batched, "type": "track", "event": "viewed"}],
    });
    app.post("/v1/track/batch", &app.key, &batch).await;
    let event = json!({"id": single, "event": "viewed", "email": "nobody", "anonymousId": "v-1"});
    app.post("/v1/track/event", &app.key, &event)
        .await
        .is_tracked();
    for (id, field) in [(batched, "context.email"), (single, "email")] {
        let receipt = app.receipt(&id).await;
        assert_eq!(receipt.body["code"], "invalid_email", "{}", receipt.text);
        assert_eq!(receipt.body["ignoredFields"], json!([field]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_a_page_is_recorded_and_one_of_a_server_is_refused() {
    let app = spawn_app().await;
    let order = |id: &str| {
        json!({"events": [{
            "id": id, "type": "purchase", "email": "a@b.c;d@e.f", "anonymousId": "v-1",
            "orderId": id, "revenue": 5, "currency": "EUR",
        }]})
    };
    let id = new_id();
    let shop = app.shop();
    let answer = app.post("/v1/track/batch", &shop, &order(&id)).await;
    assert_eq!(answer.results()[0]["status"], "tracked", "{}", answer.text);
    assert_eq!(app.receipt(&id).await.body["code"], "invalid_email");
    // The first of a server counts, whatever a page has said.
    let answer = app.post("/v1/track/batch", &app.key, &order(&id)).await;
    assert_eq!(answer.results()[0]["code"], "invalid_email");
    let order = json!({"email": PERSON, "orderId": id, "revenue": 5, "currency": "EUR"});
    app.post("/v1/track/purchase", &app.key, &order)
        .await
        .is_tracked();
    app.caught_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_browser_a_refused_address_is_refused() {
    let app = spawn_app().await;
    for more in [
        json!({}),
        json!({"anonymousId": ""}),
        json!({"anonymousId": 7}),
    ] {
        let mut event = json!({"type": "track", "event": "viewed", "email": "nobody"});
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let batch = json!({"events": [event]});
        let answer = app.post("/v1/track/batch", &app.key, &batch).await;
        assert_eq!(
            answer.results()[0]["code"],
            "invalid_email",
            "{}",
            answer.text
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_the_batch_by_that_name_is_no_refused_address() {
    let app = spawn_app().await;
    let id = new_id();
    let batch = json!({
        "email": PERSON,
        "events": [{"id": id, "type": "track", "event": "viewed", "anonymousId": "v-1"}],
    });
    app.post("/v1/track/batch", &app.key, &batch).await;
    let receipt = app.receipt(&id).await;
    assert_eq!(receipt.body["code"], Value::Null, "{}", receipt.text);
    assert_eq!(receipt.body["ignoredFields"], json!(["batch.email"]));
}
