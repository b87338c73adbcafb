//! `POST /v1/track/refund`: money of an order that is given back.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, PERSON, TestApp, new_id, spawn_app};

const ROUTE: &str = "/v1/track/refund";

async fn buy(app: &TestApp, order: &str, revenue: Value, currency: &str) {
    let body = json!({"email": PERSON, "orderId": order, "revenue": revenue, "currency": currency});
    app.post("/v1/track/purchase", &app.key, &body)
        .await
        .is_tracked();
}

async fn refund(app: &TestApp, body: Value) -> Answer {
    app.post(ROUTE, &app.key, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_an_order_are_refunded_until_nothing_is_left() {
    let app = spawn_app().await;
    buy(&app, "A", json!(50), "USD").await;
    let first = refund(
        &app,
        json!({"orderId": "A", "refundId": "r-1", "amount": 10.5}),
    )
    .await;
    let listed = app.listed(&first.is_tracked().text_of("seq")).await;
    assert_eq!(
        (&listed["type"], &listed["name"]),
        (&json!("refund"), &json!("refund"))
    );
    assert_eq!(
        listed["properties"],
        json!({"orderId": "A", "refundId": "r-1", "amount": 10.5, "currency": "USD"})
    );
    assert_eq!(
        app.receipt(&first.text_of("id")).await.body["status"],
        "tracked"
    );
    // More than is left.
    let answer = refund(
        &app,
        json!({"orderId": "A", "refundId": "r-2", "amount": 39.51}),
    )
    .await;
    answer.is_refused_for("amount", "exceeds_order");
    assert!(answer.message().contains("39.50"), "{}", answer.text);
    assert_eq!(
        app.receipt(&answer.text_of("id")).await.body["code"],
        "exceeds_order"
    );
    // All that is left, under the id that was refused.
    let rest = refund(
        &app,
        json!({"orderId": "A", "refundId": "r-2", "currency": "usd"}),
    )
    .await;
    let listed = app.listed(&rest.is_tracked().text_of("seq")).await;
    assert_eq!(listed["properties"]["amount"], json!(39.5));
    refund(&app, json!({"orderId": "A", "refundId": "r-3"}))
        .await
        .is_refused(422, "exceeds_order");
    refund(
        &app,
        json!({"orderId": "A", "refundId": "r-3", "amount": 0.01}),
    )
    .await
    .is_refused(422, "exceeds_order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_recorded_once() {
    let app = spawn_app().await;
    buy(&app, "A", json!(50), "USD").await;
    let body = json!({"orderId": "A", "refundId": "r-1", "amount": 30, "id": new_id()});
    let first = refund(&app, body.clone()).await;
    first.is_tracked();
    for id in [body["id"].clone(), json!(new_id()), json!(null)] {
        let again = refund(
            &app,
            json!({"orderId": "A", "refundId": "r-1", "amount": 30, "id": id}),
        )
        .await;
        assert_eq!(again.is_duplicate_of(&first).body["id"], first.body["id"]);
    }
    assert_eq!(app.on_disk(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_id_with_another_order_or_amount_is_409_and_names_the_fields() {
    let app = spawn_app().await;
    buy(&app, "A", json!(50), "USD").await;
    buy(&app, "B", json!(50), "USD").await;
    let id = new_id();
    let body = |order: &str, amount: Value| {
        let mut body = json!({"orderId": order, "refundId": "r-1"});
        body["amount"] = amount;
        body
    };
    let mut with_id = body("A", json!(30));
    with_id["id"] = json!(id);
    let first = refund(&app, with_id.clone()).await;
    first.is_tracked();
    with_id["amount"] = json!(31);
    for (again, fields) in [
        (body("A", json!(30.01)), json!(["amount"])),
        // All that is left: that was not asked for.
        (body("A", json!(null)), json!(["amount"])),
        (body("B", json!(30)), json!(["orderId"])),
        (body("B", json!(null)), json!(["orderId"])),
        (body("B", json!(7)), json!(["orderId", "amount"])),
        // Nobody knows that order, but the refund is known.
        (body("C", json!(30)), json!(["orderId"])),
        (with_id, json!(["amount"])),
    ] {
        let answer = refund(&app, again.clone()).await;
        answer.is_refused(409, "refund_conflict");
        assert_eq!(answer.body["error"]["fields"], fields, "{again}");
        let receipt = app.receipt(&answer.text_of("id")).await;
        if again.get("id").is_none() {
            assert_eq!(receipt.body["code"], "refund_conflict");
        }
    }
    for amount in [json!(30), json!(30.0)] {
        refund(&app, body("A", amount))
            .await
            .is_duplicate_of(&first);
    }
    assert_eq!(app.on_disk(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_all_that_is_left_can_be_sent_again() {
    let app = spawn_app().await;
    buy(&app, "A", json!(50), "USD").await;
    let all = json!({"orderId": "A", "refundId": "all"});
    let part = json!({"orderId": "A", "refundId": "part", "amount": 20});
    let first_part = refund(&app, part.clone()).await;
    first_part.is_tracked();
    let first = refund(&app, all.clone()).await;
    first.is_tracked();
    refund(&app, all.clone()).await.is_duplicate_of(&first);
    let mut in_figures = all;
    in_figures["amount"] = json!(30);
    refund(&app, in_figures).await.is_duplicate_of(&first);
    refund(&app, part).await.is_duplicate_of(&first_part);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_orders_currency_judges_the_amount() {
    let app = spawn_app().await;
    buy(&app, "yen", json!(500), "JPY").await;
    buy(&app, "usd", json!(500), "USD").await;
    let answer = refund(
        &app,
        json!({"orderId": "yen", "refundId": "r", "amount": 1.5}),
    )
    .await;
    answer.is_refused_for("amount", "invalid_amount");
    assert!(answer.message().contains("send 2"), "{}", answer.text);
    refund(
        &app,
        json!({"orderId": "usd", "refundId": "r", "amount": 1.5}),
    )
    .await
    .is_tracked();
    let answer = refund(
        &app,
        json!({"orderId": "yen", "refundId": "r", "amount": 1, "currency": "USD"}),
    )
    .await;
    answer.is_refused_for("currency", "invalid_currency");
    assert!(answer.message().contains("JPY"), "{}", answer.text);
    for amount in [json!("1"), json!(-1), json!([])] {
        let answer = refund(
            &app,
            json!({"orderId": "usd", "refundId": "x", "amount": amount}),
        )
        .await;
        answer.is_refused_for("amount", "invalid_amount");
    }
    let noise = r#"{"orderId":"usd","refundId":"noise","amount":0.30000000000000004}"#;
    let answer = app.post_text(ROUTE, noise).await;
    assert_eq!(
        app.receipt(&answer.is_tracked().text_of("id")).await.body["rounded"],
        true
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_no_server_sent_is_unknown() {
    let app = spawn_app().await;
    let answer = refund(&app, json!({"orderId": "A", "refundId": "r-1"})).await;
    answer.is_refused(404, "unknown_order");
    assert_eq!(
        app.receipt(&answer.text_of("id")).await.body["code"],
        "unknown_order"
    );
    // A page's word is not enough.
    let body = json!({"key": app.shop(), "email": PERSON, "orderId": "A", "revenue": 5, "currency": "USD"});
    app.ask(Method::POST, "/v1/track/purchase")
        .json(&body)
        .send()
        .await
        .is_tracked();
    refund(&app, json!({"orderId": "A", "refundId": "r-1"}))
        .await
        .is_refused(404, "unknown_order");
}

#[tokio::test(flavor = "multi_thread")]
async fn order_and_refund_ids_are_required_and_public_keys_refund_nothing() {
    let app = spawn_app().await;
    refund(&app, json!({"refundId": "r"}))
        .await
        .is_refused_for("orderId", "missing_field");
    refund(&app, json!({"orderId": "A"}))
        .await
        .is_refused_for("refundId", "missing_field");
    refund(&app, json!({"orderId": "A", "refundId": ""}))
        .await
        .is_refused_for("refundId", "invalid_refund_id");
    refund(&app, json!({"orderId": "", "refundId": "r"}))
        .await
        .is_refused_for("orderId", "invalid_order_id");
    let body = json!({"orderId": "A", "refundId": "r", "key": app.shop()});
    app.ask(Method::POST, ROUTE)
        .json(&body)
        .send()
        .await
        .is_refused(403, "insufficient_scope");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_refunds_never_give_back_more_than_was_paid() {
    let app = std::sync::Arc::new(spawn_app().await);
    buy(&app, "A", json!(10), "USD").await;
    let callers: Vec<_> = (0..50)
        .map(|n| {
            let app = std::sync::Arc::clone(&app);
            tokio::spawn(async move {
                refund(
                    &app,
                    json!({"orderId": "A", "refundId": format!("r-{n}"), "amount": 1}),
                )
                .await
                .status
            })
        })
        .collect();
    let mut tracked = 0;
    for caller in callers {
        match caller.await.unwrap() {
            200 => tracked += 1,
            other => assert_eq!(other, 422),
        }
    }
    assert_eq!(tracked, 10);
}
