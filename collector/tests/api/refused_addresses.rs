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

/// What a page sends once its `identify` was refused: it knows no address.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_a_page_needs_no_address_where_its_browser_is_known() {
    let app = spawn_app().await;
    let shop = app.shop();
    let order = |id: &str, order: &str| {
        json!({
            "id": id, "type": "purchase", "anonymousId": "v-1", "messageId": "m",
            "orderId": order, "revenue": 5, "currency": "EUR",
        })
    };
    let [bad, first, second] = [new_id(), new_id(), new_id()];
    let batch = json!({"events": [
        {"id": bad, "type": "identify", "email": "{{ user.email }}", "anonymousId": "v-1"},
        order(&first, "o-1"),
    ]});
    let answer = app.post("/v1/track/batch", &shop, &batch).await;
    assert_eq!(
        answer.results()[0]["code"],
        "invalid_email",
        "{}",
        answer.text
    );
    assert_eq!(answer.results()[1]["status"], "tracked", "{}", answer.text);
    let visit = json!({
        "context": {"anonymous": true},
        "events": [{"id": second, "type": "purchase", "orderId": "o-2", "revenue": 7, "currency": "EUR"}],
    });
    let answer = app.post("/v1/track/batch", &shop, &visit).await;
    assert_eq!(answer.results()[0]["status"], "tracked", "{}", answer.text);
    let listed = app.listed_as(&first).await;
    assert_eq!(
        (&listed["anonymousId"], &listed["email"]),
        (&json!("v-1"), &Value::Null)
    );
    assert_eq!(listed["properties"]["verified"], false, "{listed}");
    // A server is told.
    let server = json!({"events": [order(&new_id(), "o-3")]});
    let answer = app.post("/v1/track/batch", &app.key, &server).await;
    assert_eq!(
        answer.results()[0]["code"],
        "missing_field",
        "{}",
        answer.text
    );
    // The browser turns out to be somebody's.
    let identify = json!({"email": PERSON, "anonymousId": "v-1"});
    app.post("/v1/identify", &app.key, &identify)
        .await
        .is_tracked();
    app.caught_up().await;
    let export = app.get("/v1/export/orders").await;
    let rows: Vec<Value> = export
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<_> = rows
        .iter()
        .map(|row| (&row["orderId"], &row["verified"], &row["creditedMessageId"]))
        .collect();
    let (no, none) = (json!(false), Value::Null);
    assert_eq!(
        told,
        [(&json!("o-1"), &no, &none), (&json!("o-2"), &no, &none)]
    );
    // Unverified orders earn nothing, and the server's word takes the place of a page's.
    let revenue = app.get("/v1/reports/revenue?groupBy=currency").await;
    assert_eq!(revenue.body["total"], json!([]), "{}", revenue.text);
    let order = json!({"email": PERSON, "orderId": "o-1", "revenue": 5, "currency": "EUR"});
    app.post("/v1/track/purchase", &app.key, &order)
        .await
        .is_tracked();
    app.caught_up().await;
    let revenue = app.get("/v1/reports/revenue?groupBy=currency").await;
    assert_eq!(revenue.body["total"][0]["gross"], 5.0, "{}", revenue.text);
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
