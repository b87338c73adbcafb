//! `POST /v1/track/purchase`: an order is recorded once, from a server and apart from that from a
//! page.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, PERSON, TestApp, new_id, spawn_app};

const ROUTE: &str = "/v1/track/purchase";

fn order() -> Value {
    json!({
        "email": "user@example.com",
        "orderId": "order_1234",
        "revenue": 49.99,
        "currency": "USD",
        "items": [{"id": "prod_1", "name": "Pro plan", "price": 49.99, "quantity": 1}],
        "messageId": "msg_abc",
    })
}

/// The order with one field changed.
fn but(field: &str, value: Value) -> Value {
    let mut order = order();
    order[field] = value;
    order
}

async fn buy(app: &TestApp, body: &Value) -> Answer {
    app.post(ROUTE, &app.key, body).await
}

async fn buy_in_page(app: &TestApp, key: &str, body: &Value) -> Answer {
    let mut body = body.clone();
    body["key"] = json!(key);
    let ask = app
        .ask(Method::POST, ROUTE)
        .header("origin", "https://shop.example");
    ask.json(&body).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_call_answers_and_can_be_read_back() {
    let app = spawn_app().await;
    let answer = buy(&app, &order()).await;
    answer.is_tracked();
    let listed = app.listed(&answer.text_of("seq")).await;
    assert_eq!(listed["type"], "purchase");
    assert_eq!(listed["name"], "purchase");
    assert_eq!(listed["email"], "user@example.com");
    assert_eq!(listed["messageId"], "msg_abc");
    let properties = &listed["properties"];
    assert_eq!(properties["orderId"], "order_1234");
    assert_eq!(properties["revenue"], json!(49.99));
    assert_eq!(properties["currency"], "USD");
    assert_eq!(properties["items"], order()["items"]);
    assert_eq!(properties["verified"], true);
    let receipt = app.receipt(&answer.text_of("id")).await;
    assert_eq!(receipt.body["status"], "tracked");
    assert_eq!(receipt.body["name"], "purchase");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_order_again_is_a_duplicate_with_the_id_and_seq_of_the_first() {
    let app = spawn_app().await;
    let id = new_id();
    let first = buy(&app, &but("id", json!(id))).await;
    first.is_tracked();
    let mut same = order();
    same["email"] = json!(" USER@Example.com ");
    same["currency"] = json!("usd");
    for again in [
        order(),
        but("id", json!(new_id())),
        but("id", json!(id)),
        but("timestamp", json!("2026-01-15T10:30:00Z")),
        but("extra", json!(1)),
        same,
    ] {
        let answer = buy(&app, &again).await;
        assert_eq!(answer.is_duplicate_of(&first).body["id"], *id, "{again}");
    }
    let text = order()
        .to_string()
        .replace("\"revenue\":49.99", "\"revenue\":4999e-2");
    app.post_text(ROUTE, text).await.is_duplicate_of(&first);
    assert_eq!(app.on_disk(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_differs_is_409_and_names_the_fields() {
    let app = spawn_app().await;
    let first = but("timestamp", json!("2026-01-15T10:30:00Z"));
    buy(&app, &first).await.is_tracked();
    for (field, value) in [
        ("email", json!("other@person.example")),
        ("revenue", json!(50)),
        ("currency", json!("EUR")),
        ("items", json!([])),
        ("messageId", json!("msg_other")),
        ("messageId", json!(null)),
        ("timestamp", json!("2026-01-15T10:30:01Z")),
    ] {
        let answer = buy(&app, &but(field, value)).await;
        answer.is_refused(409, "order_conflict");
        assert_eq!(
            answer.body["error"]["fields"],
            json!([field]),
            "{}",
            answer.text
        );
        assert!(answer.message().contains(field), "{}", answer.text);
        let receipt = app.receipt(&answer.text_of("id")).await;
        assert_eq!(
            (receipt.text_of("status"), receipt.text_of("code")),
            ("rejected".into(), "order_conflict".into())
        );
    }
    let mut two = but("revenue", json!(1));
    two["currency"] = json!("EUR");
    let answer = buy(&app, &two).await;
    assert_eq!(
        answer.body["error"]["fields"],
        json!(["revenue", "currency"])
    );
    assert_eq!(app.on_disk(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_is_looked_at_before_the_id() {
    let app = spawn_app().await;
    let first = buy(&app, &but("id", json!(new_id()))).await;
    first.is_tracked();
    // The order's own id again is the order again, whatever else is said.
    let mut other = but("revenue", json!(7));
    other["id"] = first.body["id"].clone();
    buy(&app, &other).await.is_duplicate_of(&first);
    other["id"] = json!(new_id());
    buy(&app, &other).await.is_refused(409, "order_conflict");
    // An event's id makes no event out of an order that is known.
    let event = json!({"email": PERSON, "event": "viewed", "id": new_id()});
    app.post("/v1/track/event", &app.key, &event)
        .await
        .is_tracked();
    let again = buy(&app, &but("id", event["id"].clone())).await;
    assert_eq!(again.is_duplicate_of(&first).body["id"], first.body["id"]);
    assert_eq!(app.on_disk(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_2000_parallel_copies_one_is_tracked() {
    // Arrange
    let app = std::sync::Arc::new(spawn_app().await);
    // Act: each a request of its own, tried again where the server has too much to do.
    let callers: Vec<_> = (0..2_000)
        .map(|_| {
            let app = std::sync::Arc::clone(&app);
            tokio::spawn(async move {
                loop {
                    let answer = buy(&app, &order()).await;
                    if answer.status != 503 {
                        return answer;
                    }
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    // Assert
    let (tracked, duplicates): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.body["tracked"] == true);
    assert_eq!((tracked.len(), duplicates.len()), (1, 1_999));
    for duplicate in duplicates {
        duplicate.is_duplicate_of(tracked[0]);
        assert_eq!(duplicate.body["id"], tracked[0].body["id"]);
    }
    assert_eq!(app.all_events().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_may_send_purchases_only_with_a_key_made_for_them() {
    let app = spawn_app().await;
    let answer = buy_in_page(&app, &app.public(&[]), &order()).await;
    answer.is_refused(403, "purchases_not_allowed");
    assert_eq!(app.on_disk(), 0);
    let answer = buy_in_page(&app, &app.shop(), &order()).await;
    let listed = app.listed_as(&answer.is_tracked().text_of("id")).await;
    assert_eq!(listed["properties"]["verified"], false);
    assert_eq!(listed["source"], "browser");
}

#[tokio::test(flavor = "multi_thread")]
async fn unverified_orders_are_kept_apart_and_superseded_by_a_servers() {
    let app = spawn_app().await;
    let shop = app.shop();
    // A page says what it likes, as often as it likes: its own ids are all that it is told.
    let say = async |revenue: i32, id: &str| {
        let mut order = but("revenue", json!(revenue));
        order["id"] = json!(id);
        buy_in_page(&app, &shop, &order).await
    };
    let mut said = Vec::new();
    for revenue in [1, 1, 2] {
        let id = new_id();
        let answer = say(revenue, &id).await;
        assert_eq!(answer.is_tracked().body["id"], *id);
        said.push(id);
    }
    // The server's word never conflicts with it.
    let from_server = buy(&app, &order()).await;
    from_server.is_tracked();
    for revenue in [1, 2, 3] {
        let id = new_id();
        let answer = say(revenue, &id).await;
        assert_eq!(answer.is_tracked().body["id"], *id);
    }
    // Its own ids are once all the same, with whatever content.
    for id in &said {
        let again = say(9, id).await;
        assert_eq!(
            (&again.body["tracked"], &again.body["id"]),
            (&json!(false), &json!(id))
        );
    }
    buy(&app, &order()).await.is_duplicate_of(&from_server);
    assert_eq!(app.on_disk(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn required_fields_are_named_and_empty_ones_refused() {
    let app = spawn_app().await;
    for field in ["email", "orderId", "revenue", "currency"] {
        buy(&app, &but(field, Value::Null))
            .await
            .is_refused_for(field, "missing_field");
    }
    for (field, value, code) in [
        ("email", json!("alice"), "invalid_email"),
        ("orderId", json!(""), "invalid_order_id"),
        ("orderId", json!(" "), "invalid_order_id"),
        ("orderId", json!(true), "invalid_order_id"),
        ("orderId", json!("x".repeat(256)), "invalid_order_id"),
        ("items", json!({}), "invalid_items"),
        ("messageId", json!([1]), "invalid_message_id"),
        ("id", json!("order_1234"), "invalid_id"),
    ] {
        buy(&app, &but(field, value))
            .await
            .is_refused_for(field, code);
    }
    let item = |item: Value| but("items", json!([{"id": "a"}, item]));
    for (wrong, field) in [
        (json!("mug"), "items[1]"),
        (json!({"quantity": 0}), "items[1].quantity"),
        (json!({"quantity": "1"}), "items[1].quantity"),
        (json!({"name": 1}), "items[1].name"),
    ] {
        buy(&app, &item(wrong))
            .await
            .is_refused_for(field, "invalid_items");
    }
    assert_eq!(app.on_disk(), 0);
    let answer = buy(&app, &item(json!({"colour": "red"}))).await;
    let receipt = app.receipt(&answer.is_tracked().text_of("id")).await;
    assert_eq!(receipt.body["ignoredFields"], json!(["items[1].colour"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_two_workspaces_have_nothing_to_do_with_each_other() {
    let app = spawn_app().await;
    let elsewhere = app.key_elsewhere();
    buy(&app, &order()).await.is_tracked();
    let mut other = but("revenue", json!(7));
    other["email"] = json!(PERSON);
    app.post(ROUTE, &elsewhere, &other).await.is_tracked();
    let refund = json!({"orderId": "order_1234", "refundId": "r-1", "amount": 8});
    app.post("/v1/track/refund", &elsewhere, &refund)
        .await
        .is_refused(422, "exceeds_order");
}
