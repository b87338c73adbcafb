//! `POST /v1/track/purchase` with `amend: true`: an order that turned out otherwise.

use reqwest::Method;
use serde_json::{Value, json};

use crate::messages::writer;
use crate::support::{Answer, PERSON, TestApp, new_id, spawn_app};

const ROUTE: &str = "/v1/track/purchase";

fn order(revenue: Value, more: Value) -> Value {
    let mut order = json!({"email": PERSON, "orderId": "o", "revenue": revenue, "currency": "EUR"});
    for (name, value) in more.as_object().unwrap() {
        order[name] = value.clone();
    }
    order
}

async fn revenue(app: &TestApp) -> Value {
    app.caught_up().await;
    let answer = app.get("/v1/reports/revenue?groupBy=currency").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["total"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_goes_from_ten_to_twelve_and_counts_once() {
    let app = spawn_app().await;
    let key = app.key.clone();
    app.post(ROUTE, &key, &order(json!(10), json!({})))
        .await
        .is_tracked();
    let amended = order(json!(12), json!({"amend": true}));
    let answer = app.post(ROUTE, &key, &amended).await;
    answer.is_tracked();
    let event = app.listed(answer.body["seq"].as_str().unwrap()).await;
    assert_eq!(event["type"], "amendment");
    assert_eq!(event["name"], "purchase_amended");
    assert_eq!(event["properties"]["orderId"], "o");
    assert_eq!(event["properties"]["revenue"], 12.0);
    let total = revenue(&app).await;
    assert_eq!(
        (&total[0]["orders"], &total[0]["gross"]),
        (&json!(1), &json!(12.0))
    );
    // The same again says nothing new.
    let again = app.post(ROUTE, &key, &amended).await;
    assert_eq!(again.body["tracked"], false, "{}", again.text);
    // Nothing but what changes need be sent.
    let short = json!({"orderId": "o", "revenue": 12.5, "amend": true});
    app.post(ROUTE, &key, &short).await.is_tracked();
    assert_eq!(revenue(&app).await[0]["gross"], 12.5);
    let items = json!({"orderId": "o", "amend": true, "items": [{"id": "sku", "price": 2.5, "quantity": 5}]});
    app.post(ROUTE, &key, &items).await.is_tracked();
    let again = app.post(ROUTE, &key, &items).await;
    assert_eq!(again.body["tracked"], false, "{}", again.text);
    assert_eq!(revenue(&app).await[0]["gross"], 12.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_change_and_what_cannot_be_is_refused_with_its_fields() {
    let app = spawn_app().await;
    let key = app.key.clone();
    let missing = json!({"orderId": "o", "revenue": 12, "currency": "EUR", "amend": true});
    app.post(ROUTE, &key, &missing)
        .await
        .is_refused(404, "unknown_order");
    let first = order(json!(10), json!({"id": new_id()}));
    app.post(ROUTE, &key, &first).await.is_tracked();
    let conflict = |answer: &crate::support::Answer, fields: &[&str]| {
        answer.is_refused(409, "order_conflict");
        assert_eq!(answer.body["error"]["fields"], json!(fields));
    };
    let other = json!({"amend": true, "email": "bob@person.example", "currency": "USD"});
    let answer = app.post(ROUTE, &key, &order(json!(12), other)).await;
    conflict(&answer, &["email", "currency"]);
    let at =
        |time: &str, revenue: i64| order(json!(revenue), json!({"amend": true, "timestamp": time}));
    let answer = app.post(ROUTE, &key, &at("2026-03-02T00:00:00Z", 12)).await;
    answer.is_tracked();
    let answer = app.post(ROUTE, &key, &at("2026-03-01T00:00:00Z", 13)).await;
    conflict(&answer, &["timestamp"]);
    let refund = json!({"orderId": "o", "refundId": "r", "amount": 11});
    app.post("/v1/track/refund", &key, &refund)
        .await
        .is_tracked();
    let answer = app
        .post(ROUTE, &key, &order(json!(10.99), json!({"amend": true})))
        .await;
    answer.is_refused(422, "below_refunded");
    let answer = app
        .post(ROUTE, &key, &order(json!(12), json!({"amend": "yes"})))
        .await;
    answer.is_refused(422, "invalid_flag");
    // An id of this order is a duplicate, whatever else is said.
    let mut known = order(json!(99), json!({"amend": true}));
    known["id"] = first["id"].clone();
    let answer = app.post(ROUTE, &key, &known).await;
    assert_eq!(
        (&answer.body["tracked"], &answer.body["id"]),
        (&json!(false), &first["id"])
    );
    // Pages do not change orders.
    let answer = app
        .post(
            ROUTE,
            &app.shop(),
            &order(json!(12), json!({"amend": true})),
        )
        .await;
    answer.is_refused(403, "insufficient_scope");
    let batch = json!({"events": [
        order(json!(20), json!({"type": "purchase", "amend": true})),
        {"type": "purchase", "orderId": "p", "revenue": 5, "amend": true},
    ]});
    let answer = app.post("/v1/track/batch", &key, &batch).await;
    assert_eq!(
        answer.body["results"][0]["status"], "tracked",
        "{}",
        answer.text
    );
    assert_eq!(
        answer.body["results"][1]["field"], "currency",
        "{}",
        answer.text
    );
    let answer = app.post("/v1/track/batch", &app.shop(), &batch).await;
    assert_eq!(answer.body["results"][0]["code"], "amendment_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_difference_is_credited_where_the_order_is() {
    let app = spawn_app().await;
    let key = writer(&app);
    let message =
        json!({"email": PERSON, "messageId": "m", "campaignId": "spring", "text": "Hello"});
    app.post("/v1/messages", &key, &message).await;
    app.post(ROUTE, &key, &order(json!(10), json!({"messageId": "m"})))
        .await
        .is_tracked();
    app.post(ROUTE, &key, &order(json!(12), json!({"amend": true})))
        .await
        .is_tracked();
    app.caught_up().await;
    let report = app.get_with("/v1/reports/messages/m", &key).await;
    assert_eq!(report.body["orders"], 1, "{}", report.text);
    assert_eq!(report.body["revenue"][0]["gross"], 12.0, "{}", report.text);
}

async fn under(app: &TestApp, path: &str, key: &str, body: &Value) -> Answer {
    let ask = app.ask(Method::POST, path).key(&app.key);
    ask.header("idempotency-key", key).json(body).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_idempotency_key_is_not_both_an_order_and_its_amendment() {
    let app = spawn_app().await;
    let first = order(json!(10), json!({}));
    let amended = |revenue: i64| order(json!(revenue), json!({"amend": true}));
    let placed = under(&app, ROUTE, "k", &first).await;
    placed.is_tracked();
    let answer = under(&app, ROUTE, "k", &amended(12)).await;
    answer.is_refused(409, "id_conflict");
    assert_eq!(answer.body["error"]["fields"], json!(["type"]));
    // Under a key of its own it is taken, once, and that key is no order's from then on.
    let taken = under(&app, ROUTE, "l", &amended(12)).await;
    taken.is_tracked();
    let again = under(&app, ROUTE, "l", &amended(12)).await;
    again.is_duplicate_of(&taken);
    let other = under(&app, ROUTE, "l", &amended(13)).await;
    other.is_refused(409, "id_conflict");
    assert_eq!(other.body["error"]["fields"], json!(["revenue"]));
    for of_order in ["o", "p"] {
        let order = order(json!(10), json!({"orderId": of_order}));
        under(&app, ROUTE, "l", &order)
            .await
            .is_refused(409, "id_conflict");
    }
    // It came after another amendment, and is a retry all the same.
    under(&app, ROUTE, "m", &amended(14)).await.is_tracked();
    let again = under(&app, ROUTE, "l", &amended(12)).await;
    again.is_duplicate_of(&taken);
    // A refund has a route of its own.
    let refund = json!({"orderId": "o", "refundId": "r", "amount": 1});
    under(&app, "/v1/track/refund", "k", &refund)
        .await
        .is_tracked();
    under(&app, ROUTE, "k", &first)
        .await
        .is_duplicate_of(&placed);
    assert_eq!(app.on_disk(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_at_one_place_of_a_batch() {
    let app = spawn_app().await;
    let item = |revenue: i64, amend: bool| {
        order(json!(revenue), json!({"type": "purchase", "amend": amend}))
    };
    let batch = |items: &[Value]| json!({"events": items});
    let path = "/v1/track/batch";
    let statuses = |answer: &Answer| {
        let results = answer.results().iter();
        results
            .map(|result| result["status"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // Beside each other they are two events.
    let both = batch(&[item(10, false), item(12, true)]);
    let answer = under(&app, path, "k", &both).await;
    assert_eq!(statuses(&answer), ["tracked", "tracked"], "{}", answer.text);
    let answer = under(&app, path, "k", &both).await;
    assert_eq!(
        statuses(&answer),
        ["duplicate", "duplicate"],
        "{}",
        answer.text
    );
    let answer = under(&app, path, "k", &batch(&[item(14, true), item(10, false)])).await;
    assert_eq!(
        statuses(&answer),
        ["rejected", "rejected"],
        "{}",
        answer.text
    );
    for result in answer.results() {
        assert_eq!(result["code"], "id_conflict", "{}", answer.text);
    }
    assert_eq!(app.on_disk(), 2);
}
