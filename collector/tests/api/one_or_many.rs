//! An event is a batch of one: alone on its route or alone in a batch, the same becomes of it. And a batch
//! as a whole: who asks is settled before what is wrong with it.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{Answer, PERSON, TestApp, new_id, spawn_app};

const BATCH: &str = "/v1/track/batch";

/// What an answer says of its event, without the seq: places differ from store to store.
#[derive(Debug, PartialEq)]
struct Said {
    id: Value,
    status: &'static str,
    has_seq: bool,
    /// Code, message, field, fields.
    refused: [Value; 4],
    hints: Value,
    ignored: Value,
}

/// Of a route of one event; with the status of HTTP.
fn alone(answer: &Answer) -> (Said, u16) {
    let (body, error) = (&answer.body, &answer.body["error"]);
    let status = match (answer.status, &body["tracked"]) {
        (200, Value::Bool(true)) => "tracked",
        (200, _) => "duplicate",
        _ => "rejected",
    };
    let said = Said {
        id: body["id"].clone(),
        status,
        has_seq: body["seq"].is_string(),
        refused: ["code", "message", "field", "fields"].map(|name| error[name].clone()),
        hints: body["hints"].clone(),
        ignored: body["ignoredFields"].clone(),
    };
    (said, answer.status)
}

fn in_batch(answer: &Answer) -> Said {
    let [row] = answer.results() else {
        panic!("{}", answer.text);
    };
    let statuses = ["tracked", "duplicate", "rejected"];
    Said {
        id: row["id"].clone(),
        status: statuses
            .into_iter()
            .find(|status| row["status"] == *status)
            .unwrap(),
        has_seq: row["seq"].is_string(),
        refused: ["code", "message", "field", "fields"].map(|name| row[name].clone()),
        hints: row["hints"].clone(),
        ignored: row["ignoredFields"].clone(),
    }
}

/// What stays of it, without places and times.
async fn receipt(app: &TestApp, said: &Said) -> Value {
    let id = said.id.as_str().unwrap().replace(' ', "%20");
    let mut receipt = app.receipt(&id).await.body;
    for name in ["seq", "receivedAt"] {
        receipt.as_object_mut().unwrap().remove(name);
    }
    receipt
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_alone_and_one_in_a_batch_of_one_get_the_same_verdict_and_receipt() {
    let (one, many) = (spawn_app().await, spawn_app().await);
    let pages = [one.shop(), many.shop()];
    let all = [Scope::Send, Scope::Read, Scope::Write];
    let servers = [one.secret(&all), many.secret(&all)];
    let [first, order, refund, page] = [0; 4].map(|_| new_id());
    let order_of = |id: &str, revenue: u32| json!({"id": id, "email": PERSON, "orderId": "A", "revenue": revenue, "currency": "EUR"});
    let refund_of = |id: &str, order: &str, amount: u32| json!({"id": id, "orderId": order, "refundId": "r", "amount": amount});
    let on_page = |id: &str, event: &str| json!({"id": id, "email": PERSON, "event": event});
    // Route, type, whether a page sends it, the event, and the status where it is alone.
    let rows = [
        (
            "/v1/track/event",
            "track",
            false,
            json!({"id": first, "email": PERSON, "event": "viewed", "props": {"a": 1}}),
            200,
        ),
        (
            "/v1/track/event",
            "track",
            false,
            json!({"id": first, "email": PERSON, "event": "viewed"}),
            200,
        ),
        (
            "/v1/track/purchase",
            "purchase",
            false,
            order_of(&first, 5),
            409,
        ),
        (
            "/v1/track/purchase",
            "purchase",
            false,
            order_of(&order, 5),
            200,
        ),
        (
            "/v1/track/purchase",
            "purchase",
            false,
            order_of(&new_id(), 6),
            409,
        ),
        (
            "/v1/track/purchase",
            "purchase",
            false,
            order_of(&new_id(), 5),
            200,
        ),
        (
            "/v1/track/refund",
            "refund",
            false,
            refund_of(&new_id(), "B", 1),
            404,
        ),
        (
            "/v1/track/refund",
            "refund",
            false,
            refund_of(&new_id(), "A", 9),
            422,
        ),
        (
            "/v1/track/refund",
            "refund",
            false,
            refund_of(&refund, "A", 2),
            200,
        ),
        (
            "/v1/track/refund",
            "refund",
            false,
            refund_of(&new_id(), "A", 3),
            409,
        ),
        (
            "/v1/identify",
            "identify",
            false,
            json!({"id": new_id(), "email": "alice"}),
            422,
        ),
        (
            "/v1/track/event",
            "track",
            false,
            json!({"id": "No Id", "email": PERSON, "event": "viewed"}),
            422,
        ),
        (
            "/v1/messages/delivery",
            "delivery",
            false,
            json!({"id": new_id(), "messageId": "m", "status": "delivered"}),
            404,
        ),
        (
            "/v1/track/event",
            "track",
            true,
            on_page(&page, "viewed"),
            200,
        ),
        (
            "/v1/track/event",
            "track",
            true,
            on_page(&page, "viewed"),
            200,
        ),
        (
            "/v1/track/purchase",
            "purchase",
            true,
            order_of(&page, 5),
            409,
        ),
        (
            "/v1/track/event",
            "track",
            true,
            on_page(&new_id(), "purchase"),
            422,
        ),
    ];
    for (route, kind, by_page, event, status) in rows {
        let keys = if by_page {
            [&pages[0], &pages[1]]
        } else {
            [&servers[0], &servers[1]]
        };
        let answer = one.post(route, keys[0], &event).await;
        let (said, told) = alone(&answer);
        assert_eq!(told, status, "{route} {event}: {}", answer.text);
        let mut entry = event.clone();
        entry["type"] = json!(kind);
        let answer = many.post(BATCH, keys[1], &json!({"events": [entry]})).await;
        assert_eq!(said, in_batch(&answer), "{route} {event}");
        let receipts = [receipt(&one, &said).await, receipt(&many, &said).await];
        assert_eq!(receipts[0], receipts[1], "{route} {event}");
    }
    assert_eq!(one.on_disk(), many.on_disk());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_is_settled_before_what_is_wrong_with_a_batch() {
    let app = spawn_app().await;
    let page = app.public(&[]);
    let many = json!([7].repeat(1001));
    let wrong = [
        (json!({}), 422, "missing_field"),
        (json!({"events": {}}), 422, "invalid_body"),
        (json!({"events": many}), 413, "too_many_events"),
        (json!({"events": [], "sentAt": 1}), 422, "invalid_timestamp"),
        (
            json!({"events": [], "context": [1]}),
            422,
            "invalid_context",
        ),
    ];
    for (body, status, code) in wrong {
        let ask = |key: Option<Value>| {
            let mut body = body.clone();
            if let Some(key) = key {
                body["key"] = key;
            }
            app.ask(Method::POST, BATCH).text(&body).send()
        };
        ask(None).await.is_refused(401, "missing_key");
        ask(Some(json!(7))).await.is_refused(401, "invalid_key");
        let typo = ask(Some(json!(format!("{page}x")))).await;
        typo.is_refused(401, "invalid_key");
        let secret = ask(Some(json!(app.secret(&[])))).await;
        secret.is_refused(403, "secret_key_in_browser");
        ask(Some(json!(page))).await.is_refused(status, code);
    }
    let text = app
        .ask(Method::POST, BATCH)
        .header("content-type", "text/plain");
    text.body("{").send().await.is_refused(400, "invalid_json");
}
