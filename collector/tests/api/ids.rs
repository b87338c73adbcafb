//! Ids belong to who sends them: nobody's takes the place of another's, one id is one type of event,
//! and an id that was made of a header is one event with one content.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::messages::{self, writer};
use crate::support::{Answer, PERSON, TestApp, new_id, spawn_app};

pub(crate) const EVENT: &str = "/v1/track/event";
pub(crate) const PURCHASE: &str = "/v1/track/purchase";
pub(crate) const REFUND: &str = "/v1/track/refund";
pub(crate) const IDENTIFY: &str = "/v1/identify";
pub(crate) const BATCH: &str = "/v1/track/batch";

pub(crate) fn event() -> Value {
    json!({"email": PERSON, "event": "viewed", "properties": {"a": 1, "b": [2]}})
}

pub(crate) fn order(order: &str) -> Value {
    json!({"email": PERSON, "orderId": order, "revenue": 50, "currency": "USD"})
}

pub(crate) fn refund(order: &str, amount: i32) -> Value {
    json!({"orderId": order, "refundId": format!("r-{order}"), "amount": amount})
}

pub(crate) fn with(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

/// Posts with the header, from a server.
pub(crate) async fn retried(app: &TestApp, path: &str, key: &str, body: &Value) -> Answer {
    let ask = app.ask(Method::POST, path).key(&app.key);
    ask.header("idempotency-key", key).json(body).send().await
}

/// Posts from a page, with the header where there is one.
pub(crate) async fn in_page(
    app: &TestApp,
    path: &str,
    shop: &str,
    header: Option<&str>,
    body: &Value,
) -> Answer {
    let mut ask = app
        .ask(Method::POST, path)
        .header("origin", "https://shop.example");
    if let Some(header) = header {
        ask = ask.header("idempotency-key", header);
    }
    ask.json(&with(body.clone(), "key", shop)).send().await
}

/// The ids that versions made of texts before ids were keyed.
pub(crate) fn guessed(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes)
        .as_uuid()
        .to_string()
}

pub(crate) fn item(kind: &str, body: Value) -> Value {
    with(body, "type", kind)
}

/// Whatever a page sends first, by header, by id, in a batch, a server's order goes in.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_never_takes_a_servers_id() {
    let app = spawn_app().await;
    let shop = app.shop();
    let key = "order-1001";
    // By the header alone, on every route and in a batch.
    in_page(&app, EVENT, &shop, Some(key), &event())
        .await
        .is_tracked();
    in_page(&app, IDENTIFY, &shop, Some(key), &json!({"email": PERSON}))
        .await
        .is_tracked();
    in_page(&app, PURCHASE, &shop, Some(key), &order("1001"))
        .await
        .is_tracked();
    let batch = json!({"events": [item("track", event()), item("purchase", order("1001"))]});
    in_page(&app, BATCH, &shop, Some(key), &batch)
        .await
        .results();
    // By the ids that anybody can make of the header.
    let whole = guessed(&[key.as_bytes()]);
    let uuid = uuid::Uuid::parse_str(&whole).unwrap();
    let in_batch = |index: u64| guessed(&[uuid.as_bytes(), &index.to_le_bytes()]);
    for id in [whole, in_batch(0), in_batch(1)] {
        for body in [event(), order("1001")] {
            let route = if body.get("event").is_some() {
                EVENT
            } else {
                PURCHASE
            };
            in_page(&app, route, &shop, None, &with(body, "id", id.clone())).await;
        }
    }
    let first = retried(&app, PURCHASE, key, &order("1001")).await;
    first.is_tracked();
    retried(&app, PURCHASE, key, &order("1001"))
        .await
        .is_duplicate_of(&first);
    let batch = json!({"events": [item("track", event()), item("purchase", order("1002"))]});
    for status in ["tracked", "duplicate"] {
        let answer = retried(&app, BATCH, key, &batch).await;
        for result in answer.results() {
            assert_eq!(result["status"], status, "{result}");
        }
    }
    // By an id of its own, and the other way round.
    for path in [EVENT, PURCHASE] {
        let body = |order_id: &str| {
            if path == EVENT {
                event()
            } else {
                order(order_id)
            }
        };
        for page_first in [true, false] {
            let id = new_id();
            let body = with(body(&id), "id", id.clone());
            for from_page in [page_first, !page_first] {
                let answer = if from_page {
                    in_page(&app, path, &shop, None, &body).await
                } else {
                    app.post(path, &app.key, &body).await
                };
                assert_eq!(answer.is_tracked().body["id"], *id);
            }
            let answer = in_page(&app, path, &shop, None, &body).await;
            assert_eq!(answer.body["tracked"], false, "{}", answer.text);
        }
    }
    // In a batch by an id.
    let id = new_id();
    let batch = json!({"events": [item("track", with(event(), "id", id.clone()))]});
    in_page(&app, BATCH, &shop, None, &batch).await.results();
    let bought = with(order("1003"), "id", id);
    app.post(PURCHASE, &app.key, &bought).await.is_tracked();
}

/// Nobody can send the id of a message that will be registered.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_never_takes_the_id_of_a_send() {
    let app = spawn_app().await;
    let shop = app.shop();
    let key = writer(&app);
    let message = |id: &str| json!({"email": PERSON, "messageId": id, "text": "Hello"});
    let old = guessed(&[b"send", b"welcome-7"]);
    for body in [event(), order("a")] {
        let route = if body.get("event").is_some() {
            EVENT
        } else {
            PURCHASE
        };
        let body = with(body, "id", old.clone());
        in_page(&app, route, &shop, None, &body).await;
        // A server may not block itself either.
        app.post(route, &app.key, &body).await;
    }
    in_page(&app, EVENT, &shop, Some("welcome-7"), &event())
        .await
        .is_tracked();
    let first = app.post(messages::ROUTE, &key, &message("welcome-7")).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_ne!(first.text_of("id"), old);
    // The send's id is nobody else's either, and its receipt is the send's.
    let id = first.text_of("id");
    for sender in [&app.key, &shop] {
        let body = with(event(), "id", id.clone());
        let answer = if sender == &shop {
            in_page(&app, EVENT, &shop, None, &body).await
        } else {
            app.post(EVENT, sender, &body).await
        };
        answer.is_tracked();
    }
    let again = app.post(messages::ROUTE, &key, &message("welcome-7")).await;
    assert_eq!(again.text, first.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_with_another_type_is_409() {
    let app = spawn_app().await;
    app.post(PURCHASE, &app.key, &order("A")).await.is_tracked();
    let bodies = |n: usize| {
        [
            (EVENT, "track", event()),
            (IDENTIFY, "identify", json!({"email": PERSON})),
            (PURCHASE, "purchase", order(&format!("B{n}"))),
            (
                REFUND,
                "refund",
                with(refund("A", 1), "refundId", format!("r{n}")),
            ),
        ]
    };
    for (first_path, _, body) in bodies(0) {
        let id = new_id();
        app.post(first_path, &app.key, &with(body, "id", id.clone()))
            .await
            .is_tracked();
        let mut expected = app.on_disk();
        for (path, kind, body) in bodies(1) {
            if path == first_path {
                continue;
            }
            let body = with(body, "id", id.clone());
            let answer = app.post(path, &app.key, &body).await;
            answer.is_refused(409, "id_conflict");
            assert_eq!(answer.body["error"]["field"], "id");
            assert_eq!(answer.body["id"], *id);
            assert!(answer.body["error"].get("fields").is_none());
            if kind == "refund" {
                continue;
            }
            expected += 1;
            let batch = json!({"events": [item(kind, body), item("track", event())]});
            let answer = app.post(BATCH, &app.key, &batch).await;
            let results = answer.results();
            assert_eq!(results[0]["status"], "rejected", "{}", answer.text);
            assert_eq!(results[0]["code"], "id_conflict");
            assert_eq!(results[1]["status"], "tracked");
        }
        // The first is what the receipt tells.
        assert_eq!(app.receipt(&id).await.body["status"], "tracked");
        assert_eq!(app.on_disk(), expected);
    }
    // Within one batch as well.
    let id = new_id();
    let batch = json!({"events": [
        item("track", with(event(), "id", id.clone())),
        item("identify", json!({"email": PERSON, "id": id})),
    ]});
    let answer = app.post(BATCH, &app.key, &batch).await;
    assert_eq!(
        answer.results()[1]["code"],
        "id_conflict",
        "{}",
        answer.text
    );
}

/// Two shops: in one a server has reported the order that a page asks about, in the other nobody has.
#[tokio::test(flavor = "multi_thread")]
async fn a_guesser_in_a_page_cannot_tell_which_orders_are_known() {
    let known = spawn_app().await;
    let unknown = spawn_app().await;
    known
        .post(PURCHASE, &known.key, &order("A"))
        .await
        .is_tracked();
    known
        .post(REFUND, &known.key, &refund("A", 5))
        .await
        .is_tracked();
    let in_batch = |body: &Value| json!({"events": [item("purchase", body.clone())]});
    let shops = [known.shop(), unknown.shop()];
    for guess in [
        order("A"),
        with(order("A"), "revenue", 49),
        with(order("A"), "email", "bob@person.example"),
        order("B"),
    ] {
        for (path, body) in [
            (PURCHASE, with(guess.clone(), "id", new_id())),
            (PURCHASE, guess.clone()),
            (BATCH, in_batch(&with(guess.clone(), "id", new_id()))),
            (BATCH, in_batch(&guess)),
        ] {
            for header in [None, Some("guess")] {
                let header = header.filter(|_| !body.to_string().contains("\"id\""));
                // Both the first time and again.
                for _ in 0..2 {
                    let one = in_page(&known, path, &shops[0], header, &body).await;
                    let two = in_page(&unknown, path, &shops[1], header, &body).await;
                    assert_eq!(one.status, two.status);
                    let has_id = body.to_string().contains("\"id\"");
                    assert_eq!(
                        without_places(&one, has_id),
                        without_places(&two, has_id),
                        "{body}"
                    );
                }
            }
        }
    }
}

/// The answer without what is another one each time: seqs, and ids that were made.
fn without_places(answer: &Answer, has_id: bool) -> Value {
    let mut body = answer.body.clone();
    let strip = |verdict: &mut Value| {
        let verdict = verdict.as_object_mut().unwrap();
        verdict.remove("seq");
        if !has_id {
            verdict.remove("id");
        }
    };
    match body.get_mut("results").and_then(Value::as_array_mut) {
        Some(results) => results.iter_mut().for_each(strip),
        None => strip(&mut body),
    }
    body
}

/// What a page sends under an id that a server has used says nothing of the server's event.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_does_not_take_over_the_receipt_of_a_server() {
    let app = spawn_app().await;
    let shop = app.shop();
    let wrong = |code: &str, id: &str| match code {
        "invalid_email" => with(with(event(), "email", "nobody"), "id", id),
        _ => with(with(event(), "event", ""), "id", id),
    };
    let id = new_id();
    let of_server = app
        .post(EVENT, &app.key, &wrong("invalid_email", &id))
        .await;
    of_server.is_refused(422, "invalid_email");
    for body in [wrong("", &id), with(event(), "id", id.clone())] {
        in_page(&app, EVENT, &shop, None, &body).await;
        let receipt = app.receipt(&id).await;
        assert_eq!(receipt.body["status"], "rejected", "{}", receipt.text);
        assert_eq!(receipt.body["code"], "invalid_email", "{}", receipt.text);
    }
    // A tracked one neither.
    app.post(EVENT, &app.key, &with(event(), "id", id.clone()))
        .await
        .is_tracked();
    in_page(&app, EVENT, &shop, None, &wrong("", &id)).await;
    let receipt = app.receipt(&id).await;
    assert_eq!(receipt.body["status"], "tracked", "{}", receipt.text);
    // What only a page sent is found as well.
    let id = new_id();
    in_page(&app, EVENT, &shop, None, &wrong("", &id)).await;
    assert_eq!(app.receipt(&id).await.body["status"], "rejected");
    in_page(&app, EVENT, &shop, None, &with(event(), "id", id.clone())).await;
    assert_eq!(app.receipt(&id).await.body["status"], "tracked");
}

/// One page floods with rejections; another workspace and the same workspace's server keep theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_rejections_displaces_nobody_elses() {
    let app = spawn_app().await;
    let shop = app.shop();
    let elsewhere = app.key_elsewhere();
    let mine = new_id();
    let wrong = |id: &str| with(with(event(), "email", "nobody"), "id", id);
    let theirs = new_id();
    for (key, id) in [(&app.key, &mine), (&elsewhere, &theirs)] {
        app.post(EVENT, key, &wrong(id))
            .await
            .is_refused(422, "invalid_email");
    }
    let items: Vec<Value> = (0..1_000)
        .map(|_| item("track", json!({"email": "nobody", "event": "x"})))
        .collect();
    let batch = json!({ "events": items });
    // More than are kept of one kind in one workspace, and than may wait.
    for _ in 0..24 {
        in_page(&app, BATCH, &shop, None, &batch).await.results();
    }
    let receipt = app.receipt(&mine).await;
    assert_eq!(receipt.body["status"], "rejected", "{}", receipt.text);
    let receipt = app
        .get_with(&format!("/v1/receipts/{theirs}"), &elsewhere)
        .await;
    assert_eq!(receipt.body["status"], "rejected", "{}", receipt.text);
    let late = new_id();
    app.post(EVENT, &app.key, &wrong(&late)).await;
    assert_eq!(app.receipt(&late).await.body["status"], "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_is_one_order_and_one_refund() {
    let app = spawn_app().await;
    let id = new_id();
    let first = with(order("one"), "id", id.as_str());
    app.post(PURCHASE, &app.key, &first).await.is_tracked();
    let second = with(order("two"), "id", id.as_str());
    let answer = app.post(PURCHASE, &app.key, &second).await;
    answer.is_refused(409, "id_conflict");
    let batch = json!({"events": [with(second, "type", "purchase")]});
    let answer = app.post(BATCH, &app.key, &batch).await;
    assert_eq!(
        answer.results()[0]["code"],
        "id_conflict",
        "{}",
        answer.text
    );
    app.post(PURCHASE, &app.key, &order("two"))
        .await
        .is_tracked();
    let id = new_id();
    let first = with(refund("one", 1), "id", id.as_str());
    app.post(REFUND, &app.key, &first).await.is_tracked();
    for (order, amount) in [("two", 1), ("two", 2)] {
        let other = with(refund(order, amount), "id", id.as_str());
        let answer = app.post(REFUND, &app.key, &other).await;
        answer.is_refused(409, "id_conflict");
    }
    app.post(REFUND, &app.key, &refund("two", 1))
        .await
        .is_tracked();
}
