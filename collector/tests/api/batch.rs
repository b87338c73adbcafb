//! `POST /v1/track/batch`: one verdict for each event, in order.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{Answer, PERSON, TestApp, event_of, new_id, spawn_app};

const ROUTE: &str = "/v1/track/batch";

async fn send(app: &TestApp, events: Value) -> Answer {
    app.post(ROUTE, &app.key, &json!({"events": events})).await
}

fn track() -> Value {
    json!({"type": "track", "event": "viewed", "email": PERSON})
}

#[tokio::test(flavor = "multi_thread")]
async fn of_100_events_with_three_bad_ones_97_are_tracked_in_order() {
    // Arrange
    let app = spawn_app().await;
    let mut events: Vec<Value> = (0..100)
        .map(|n| json!({"type": "track", "event": "viewed", "email": PERSON, "id": new_id(), "properties": {"n": n}}))
        .collect();
    events[3]["email"] = json!("alice");
    events[50]["event"] = json!("purchase");
    events[99]["id"] = json!("Not A UUID");
    // Act
    let answer = send(&app, json!(events)).await;
    // Assert
    let results = answer.results();
    assert_eq!(results.len(), 100);
    let mut last = "";
    for (event, result) in events.iter().zip(results) {
        assert_eq!(result["id"], event["id"]);
        if result["status"] == "tracked" {
            let seq = result["seq"].as_str().unwrap();
            assert!(seq > last && result.get("code").is_none());
            last = seq;
        }
    }
    let rejected: Vec<(usize, &Value, &Value)> = results
        .iter()
        .enumerate()
        .filter(|(_, result)| result["status"] != "tracked")
        .map(|(at, result)| (at, &result["code"], &result["field"]))
        .collect();
    assert_eq!(
        rejected,
        [
            (3, &json!("invalid_email"), &json!("email")),
            (50, &json!("reserved_name"), &json!("event")),
            (99, &json!("invalid_id"), &json!("id")),
        ]
    );
    for (at, code, _) in rejected {
        assert_eq!(results[at]["status"], "rejected");
        assert!(results[at].get("seq").is_none());
        assert!(results[at]["message"].as_str().unwrap().len() > 10);
        let id = results[at]["id"].as_str().unwrap().replace(' ', "%20");
        let receipt = app.receipt(&id).await;
        assert_eq!(receipt.body["status"], "rejected", "{}", receipt.text);
        assert_eq!(receipt.body["code"], *code);
    }
    let listed = app.all_events().await;
    assert_eq!(listed.len(), 97);
    assert_eq!(listed[96]["properties"], json!({"n": 0}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_again_is_all_duplicates() {
    let app = spawn_app().await;
    let upper = new_id().to_uppercase();
    let events = json!([
        {"type": "track", "event": "viewed", "email": PERSON, "id": upper},
        {"type": "track", "event": "viewed", "email": PERSON, "id": upper.to_lowercase()},
        {"type": "purchase", "email": PERSON, "orderId": "A", "revenue": 5, "currency": "EUR", "id": new_id()},
        {"type": "purchase", "email": PERSON, "orderId": "A", "revenue": 5, "currency": "EUR", "id": new_id()},
        {"type": "purchase", "email": PERSON, "orderId": "A", "revenue": 6, "currency": "EUR", "id": new_id()},
    ]);
    let first = send(&app, events.clone()).await;
    let statuses = |answer: &Answer| -> Vec<Value> {
        answer
            .results()
            .iter()
            .map(|result| result["status"].clone())
            .collect()
    };
    assert_eq!(
        statuses(&first),
        ["tracked", "duplicate", "tracked", "duplicate", "rejected"]
    );
    let results = first.results();
    // Ids are echoed as sent; of an order's duplicate it is that of the first.
    assert_eq!(results[0]["id"], *upper);
    assert_eq!(results[1]["id"], *upper.to_lowercase());
    assert_eq!(results[1]["seq"], results[0]["seq"]);
    assert_eq!(
        (&results[3]["id"], &results[3]["seq"]),
        (&results[2]["id"], &results[2]["seq"])
    );
    assert_eq!(results[4]["code"], "order_conflict");
    assert_eq!(results[4]["fields"], json!(["revenue"]));
    let again = send(&app, events).await;
    assert_eq!(
        statuses(&again),
        [
            "duplicate",
            "duplicate",
            "duplicate",
            "duplicate",
            "rejected"
        ]
    );
    assert_eq!(again.results()[0]["seq"], results[0]["seq"]);
    assert_eq!(app.on_disk(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_made_where_none_are_sent_and_have_receipts() {
    let app = spawn_app().await;
    let answer = send(
        &app,
        json!([track(), {"type": "track", "event": "x"}, 7, {}]),
    )
    .await;
    for (result, status) in answer
        .results()
        .iter()
        .zip(["tracked", "rejected", "rejected", "rejected"])
    {
        assert_eq!(result["status"], status);
        let receipt = app.receipt(result["id"].as_str().unwrap()).await;
        assert_eq!(receipt.body["status"], status, "{}", receipt.text);
    }
    let codes: Vec<&Value> = answer
        .results()
        .iter()
        .map(|result| &result["code"])
        .collect();
    assert_eq!(
        codes[1..],
        ["missing_field", "invalid_body", "missing_field"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_type_needs_its_own_fields() {
    let app = spawn_app().await;
    let answer = send(
        &app,
        json!([
            {"type": "track", "event": "viewed", "anonymousId": "v-1"},
            {"type": "track", "event": "viewed"},
            {"type": "track", "email": PERSON},
            {"type": "identify", "email": PERSON, "traits": {"a": 1}, "anonymousId": "v-1"},
            {"type": "identify", "anonymousId": "v-1"},
            {"type": "purchase", "email": PERSON, "orderId": "A", "revenue": 1.5, "currency": "USD"},
            {"type": "purchase", "email": PERSON, "revenue": 1.5, "currency": "USD"},
            {"type": "refund", "orderId": "A", "refundId": "r"},
            {"type": "page", "email": PERSON},
            {"email": PERSON, "event": "viewed"},
        ]),
    )
    .await;
    let told: Vec<(Value, Value)> = answer
        .results()
        .iter()
        .map(|result| (result["code"].clone(), result["field"].clone()))
        .collect();
    let ok = (Value::Null, Value::Null);
    let no = |code: &str, field: &str| (json!(code), json!(field));
    assert_eq!(
        told,
        [
            ok.clone(),
            no("missing_field", "email"),
            no("missing_field", "event"),
            ok.clone(),
            no("missing_field", "email"),
            ok.clone(),
            no("missing_field", "orderId"),
            ok,
            no("invalid_type", "type"),
            no("missing_field", "type"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_context_serves_events_that_have_nobody_of_their_own() {
    let app = spawn_app().await;
    let body = json!({
        "context": {"anonymousId": "v-1", "automation": false},
        "events": [
            {"type": "track", "event": "viewed"},
            {"type": "track", "event": "viewed", "anonymousId": "v-2"},
            {"type": "track", "event": "viewed", "anonymousId": ""},
        ],
    });
    let answer = app.post(ROUTE, &app.key, &body).await;
    assert_eq!(answer.results()[2]["code"], "invalid_anonymous_id");
    let listed = app.all_events().await;
    assert_eq!(
        (&listed[1]["anonymousId"], &listed[0]["anonymousId"]),
        (&json!("v-1"), &json!("v-2"))
    );
    for context in [json!([1]), json!("x"), json!({"a": "x".repeat(4096)})] {
        let body = json!({"context": context, "events": [track()]});
        app.post(ROUTE, &app.key, &body)
            .await
            .is_refused_for("context", "invalid_context");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_visitor_must_not_be_known_may_name_nobody() {
    let app = spawn_app().await;
    let public = app.public(&[]);
    let body = json!({
        "context": {"anonymous": true},
        "events": [{"type": "track", "event": "page_viewed"}, {"type": "identify"}],
    });
    let answer = app.post(ROUTE, &public, &body).await;
    assert_eq!(answer.results()[0]["status"], "tracked");
    assert_eq!(answer.results()[1]["code"], "missing_field");
    // A server knows whom it means.
    let answer = app.post(ROUTE, &app.key, &body).await;
    assert_eq!(answer.results()[0]["code"], "missing_field");
    let body = json!({"context": {"anonymous": 1}, "events": [{"type": "track", "event": "x"}]});
    let answer = app.post(ROUTE, &public, &body).await;
    assert_eq!(answer.results()[0]["code"], "missing_field");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_events_are_required_and_they_are_a_list() {
    let app = spawn_app().await;
    assert_eq!(send(&app, json!([])).await.results().len(), 0);
    assert_eq!(send(&app, json!([7, 8])).await.results().len(), 2);
    app.post(ROUTE, &app.key, &json!({}))
        .await
        .is_refused_for("events", "missing_field");
    send(&app, json!({}))
        .await
        .is_refused_for("events", "invalid_body");
    app.post_text(ROUTE, "[]")
        .await
        .is_refused(422, "invalid_body");
    app.post_text(ROUTE, "{\"events\":[")
        .await
        .is_refused(400, "invalid_json");
    let body = json!({"sentAt": "yesterday", "events": []});
    app.post(ROUTE, &app.key, &body)
        .await
        .is_refused_for("sentAt", "invalid_timestamp");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_events_pass_and_one_more_is_413() {
    let app = spawn_app().await;
    let events = vec![track(); 1_001];
    let answer = send(&app, json!(events[1..])).await;
    assert!(
        answer
            .results()
            .iter()
            .all(|result| result["status"] == "tracked")
    );
    send(&app, json!(events))
        .await
        .is_refused(413, "too_many_events");
    assert_eq!(app.on_disk(), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_over_32_kb_is_rejected_alone() {
    let app = spawn_app().await;
    let events = format!(
        r#"{{"events":[{},{},{}]}}"#,
        event_of(32_768),
        event_of(32_769),
        track()
    );
    let answer = app.post_text(ROUTE, events).await;
    let results = answer.results();
    assert_eq!(
        (&results[0]["status"], &results[2]["status"]),
        (&json!("tracked"), &json!("tracked"))
    );
    assert_eq!(results[1]["code"], "event_too_large");
    let receipt = app.receipt(results[1]["id"].as_str().unwrap()).await;
    assert_eq!(receipt.body["code"], "event_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_sends_a_batch_as_text_and_its_purchases_need_a_key_for_them() {
    let app = spawn_app().await;
    let purchase = json!({"type": "purchase", "email": PERSON, "orderId": "A", "revenue": 5, "currency": "EUR"});
    let post = async |key: String| {
        let body = json!({"key": key, "events": [track(), purchase]});
        let ask = app
            .ask(Method::POST, ROUTE)
            .header("origin", "https://shop.example");
        ask.text(&body).send().await
    };
    let answer = post(app.public(&[])).await;
    assert_eq!(answer.results()[0]["status"], "tracked");
    assert_eq!(answer.results()[1]["code"], "purchases_not_allowed");
    let answer = post(app.shop()).await;
    assert_eq!(answer.results()[1]["status"], "tracked");
    assert_eq!(app.all_events().await[0]["properties"]["verified"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_without_ids_can_be_sent_again_with_an_idempotency_key() {
    let app = spawn_app().await;
    let post = async |key: &str| {
        let ask = app
            .ask(Method::POST, ROUTE)
            .key(&app.key)
            .header("idempotency-key", key);
        ask.json(&json!({"events": [track(), track()]}))
            .send()
            .await
    };
    let first = post("nightly-7").await;
    let again = post("nightly-7").await;
    let ids = |answer: &Answer, status: &str| -> Vec<Value> {
        answer
            .results()
            .iter()
            .map(|result| {
                assert_eq!(result["status"], status);
                result["id"].clone()
            })
            .collect()
    };
    assert_eq!(ids(&first, "tracked"), ids(&again, "duplicate"));
    assert_eq!(app.on_disk(), 2);
    post("two words")
        .await
        .is_refused(422, "invalid_idempotency_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_are_named_in_each_receipt() {
    let app = spawn_app().await;
    let body = json!({"writeKey": 1, "events": [{"type": "track", "event": "x", "email": PERSON, "userId": 7, "traits": {}}]});
    let answer = app.post(ROUTE, &app.key, &body).await;
    let receipt = app
        .receipt(answer.results()[0]["id"].as_str().unwrap())
        .await;
    assert_eq!(
        receipt.body["ignoredFields"],
        json!(["userId", "traits", "writeKey"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_needs_a_key_that_may_send_even_where_it_is_malformed() {
    let app = spawn_app().await;
    let body = json!({"events": [track()]});
    app.ask(Method::POST, ROUTE)
        .json(&body)
        .send()
        .await
        .is_refused(401, "missing_key");
    let reader = app.secret(&[Scope::Read]);
    app.post(ROUTE, &reader, &body)
        .await
        .is_refused(403, "insufficient_scope");
    // A secret key in a body is told and flagged, whatever is wrong beside it.
    for bad in [
        json!({"events": vec![track(); 1_001]}),
        json!({}),
        json!({"events": [], "sentAt": 1}),
    ] {
        app.ask(Method::POST, ROUTE)
            .json(&bad)
            .send()
            .await
            .is_refused(401, "missing_key");
        let key = app.secret(&[Scope::Send]);
        let mut bad = bad;
        bad["key"] = json!(key);
        let answer = app.ask(Method::POST, ROUTE).text(&bad).send().await;
        answer.is_refused(403, "secret_key_in_browser");
        assert!(app.known(&key).exposed_at().is_some());
    }
    assert_eq!(app.on_disk(), 0);
}
