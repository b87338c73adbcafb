//! Ids belong to who sends them: nobody's takes the place of another's, one id is one type of event,
//! and an id that was made of a header is one event with one content.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use store::record::WorkspaceKeys as _;

use crate::messages::{self, writer};
use crate::support::{Answer, PERSON, TestApp, new_id, spawn_app};

const EVENT: &str = "/v1/track/event";
const PURCHASE: &str = "/v1/track/purchase";
const REFUND: &str = "/v1/track/refund";
const IDENTIFY: &str = "/v1/identify";
const BATCH: &str = "/v1/track/batch";

fn event() -> Value {
    json!({"email": PERSON, "event": "viewed", "properties": {"a": 1, "b": [2]}})
}

fn order(order: &str) -> Value {
    json!({"email": PERSON, "orderId": order, "revenue": 50, "currency": "USD"})
}

fn refund(order: &str, amount: i32) -> Value {
    json!({"orderId": order, "refundId": format!("r-{order}"), "amount": amount})
}

fn with(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

/// Posts with the header, from a server.
async fn retried(app: &TestApp, path: &str, key: &str, body: &Value) -> Answer {
    let ask = app.ask(Method::POST, path).key(&app.key);
    ask.header("idempotency-key", key).json(body).send().await
}

/// Posts from a page, with the header where there is one.
async fn in_page(
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
fn guessed(parts: &[&[u8]]) -> String {
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

fn item(kind: &str, body: Value) -> Value {
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
async fn one_idempotency_key_is_an_id_of_its_own_on_each_route() {
    let app = spawn_app().await;
    for key in ["checkout-7", &new_id()] {
        let calls = [
            (EVENT, event()),
            (IDENTIFY, json!({"email": PERSON})),
            (PURCHASE, order(key)),
            (REFUND, refund(key, 5)),
        ];
        let mut firsts = Vec::new();
        for (path, body) in &calls {
            let first = retried(&app, path, key, body).await;
            first.is_tracked();
            firsts.push(first);
        }
        let mut ids: Vec<_> = firsts.iter().map(|first| first.text_of("id")).collect();
        for ((path, body), first) in calls.iter().zip(&firsts) {
            retried(&app, path, key, body).await.is_duplicate_of(first);
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), calls.len());
    }
    assert_eq!(app.on_disk(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_a_batch_is_one_event_whatever_its_type() {
    let app = spawn_app().await;
    app.post(PURCHASE, &app.key, &order("B")).await.is_tracked();
    let kinds = [
        item("track", event()),
        item("identify", json!({"email": PERSON})),
        item("purchase", order("C")),
        item("refund", refund("B", 1)),
    ];
    for (number, first) in kinds.iter().enumerate() {
        let key = format!("nightly-{number}");
        let post = |item: &Value| json!({"events": [item]});
        let answer = retried(&app, BATCH, &key, &post(first)).await;
        assert_eq!(answer.results()[0]["status"], "tracked", "{}", answer.text);
        let id = answer.results()[0]["id"].clone();
        for other in kinds.iter().filter(|other| *other != first) {
            let answer = retried(&app, BATCH, &key, &post(other)).await;
            let result = &answer.results()[0];
            // An order or a refund that is on record is looked for before the id.
            let is_on_record = kinds[..number].contains(other) && other.get("orderId").is_some();
            if is_on_record {
                assert_eq!(result["status"], "duplicate", "{}", answer.text);
                continue;
            }
            assert_eq!(result["status"], "rejected", "{}", answer.text);
            assert_eq!(result["code"], "id_conflict");
            assert_eq!(result["fields"], json!(["type"]));
        }
        let again = retried(&app, BATCH, &key, &post(first)).await;
        assert_eq!(again.results()[0]["status"], "duplicate", "{}", again.text);
        assert_eq!(again.results()[0]["id"], id);
        // At another place it is another event.
        let moved = json!({"events": [item("track", with(event(), "event", "other")), first]});
        let answer = retried(
            &app,
            BATCH,
            &format!("{key} moved").replace(' ', "-"),
            &moved,
        )
        .await;
        assert_eq!(answer.results()[0]["status"], "tracked", "{}", answer.text);
    }
    assert_eq!(app.on_disk(), 11);
}

/// Before, the id of a place was bound to the type of what stood there.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_version_recorded_at_a_place_of_a_batch_stays_a_duplicate() {
    let app = spawn_app().await;
    let key = app.app.meta.key_of(store::record::WorkspaceId(1)).unwrap();
    let id_then = |kind: &str, place: u64| {
        let sender = [store::record::identity::Sender::Server.code()];
        let place = place.to_le_bytes();
        let what = b"idempotency-key of a batch";
        store::ids::keyed(&key, &[what, &sender, kind.as_bytes(), b"nightly", &place]).to_string()
    };
    let items = [
        ("track", event()),
        ("purchase", order("B")),
        ("identify", json!({"email": PERSON})),
    ];
    for (place, (kind, body)) in (0..).zip(&items) {
        let path = match *kind {
            "track" => EVENT,
            "purchase" => PURCHASE,
            _ => IDENTIFY,
        };
        let body = with(body.clone(), "id", id_then(kind, place));
        app.post(path, &app.key, &body).await.is_tracked();
    }
    let events: Vec<Value> = (items.iter())
        .map(|(kind, body)| item(kind, body.clone()))
        .collect();
    let answer = retried(&app, BATCH, "nightly", &json!({"events": events})).await;
    for (place, result) in (0..).zip(answer.results()) {
        assert_eq!(result["status"], "duplicate", "{}", answer.text);
        assert_eq!(result["id"], id_then(items[place as usize].0, place));
    }
    let other = json!({"events": [item("track", with(event(), "event", "other"))]});
    let answer = retried(&app, BATCH, "nightly", &other).await;
    assert_eq!(
        answer.results()[0]["code"],
        "id_conflict",
        "{}",
        answer.text
    );
    assert_eq!(app.on_disk(), 3);
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

#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_one_idempotency_key_is_409() {
    let app = spawn_app().await;
    let time = "2026-01-15T10:30:00Z";
    let other_mail = with(event(), "email", "bob@person.example");
    let cases = [
        (
            EVENT,
            event(),
            vec![
                (with(event(), "event", "other"), "event"),
                (with(event(), "properties", json!({"a": 1})), "properties"),
                (with(event(), "properties", Value::Null), "properties"),
                (with(event(), "messageId", "m"), "messageId"),
                (other_mail, "email"),
            ],
        ),
        (
            IDENTIFY,
            json!({"email": PERSON, "traits": {"plan": "pro"}}),
            vec![
                (
                    json!({"email": PERSON, "traits": {"plan": "free"}}),
                    "traits",
                ),
                (json!({"email": PERSON}), "traits"),
            ],
        ),
        (
            PURCHASE,
            order("A"),
            vec![
                (with(order("A"), "revenue", 51), "revenue"),
                (with(order("A"), "currency", "EUR"), "currency"),
                (order("another"), "orderId"),
            ],
        ),
        (
            REFUND,
            refund("A", 5),
            vec![
                (refund("A", 6), "amount"),
                (with(refund("A", 5), "refundId", "other"), "refundId"),
            ],
        ),
    ];
    for (path, body, others) in cases {
        let key = format!("key {path}").replace(' ', "-");
        let first = retried(&app, path, &key, &body).await;
        first.is_tracked();
        // A retry computes its time anew.
        retried(&app, path, &key, &with(body.clone(), "timestamp", time))
            .await
            .is_duplicate_of(&first);
        for (other, field) in others {
            let answer = retried(&app, path, &key, &other).await;
            answer.is_refused(409, "id_conflict");
            assert_eq!(answer.body["error"]["fields"], json!([field]), "{other}");
        }
    }
    // Neither the order of names nor blanks are content.
    let spelled = r#"{"event":"viewed","email":" Alice@Person.Example ","properties":{ "b": [ 2 ], "a": 1 }}"#;
    let ask = app.ask(Method::POST, EVENT).key(&app.key);
    let again = ask
        .header("idempotency-key", "key-/v1/track/event")
        .header("content-type", "application/json")
        .body(spelled)
        .send()
        .await;
    assert_eq!(again.body["reason"], "duplicate", "{}", again.text);
    assert_eq!(app.on_disk(), 4);

    let batch = |plan: &str| {
        let traits = json!({"plan": plan});
        json!({"events": [
            item("track", event()),
            item("identify", json!({"email": PERSON, "traits": traits})),
        ]})
    };
    retried(&app, BATCH, "nightly", &batch("pro"))
        .await
        .results();
    let answer = retried(&app, BATCH, "nightly", &batch("free")).await;
    let results = answer.results();
    assert_eq!(results[0]["status"], "duplicate", "{}", answer.text);
    assert_eq!(results[1]["code"], "id_conflict", "{}", answer.text);
    assert_eq!(results[1]["fields"], json!(["traits"]));
    assert_eq!(app.on_disk(), 6);

    // A page is told that it conflicts, and not where.
    let shop = app.shop();
    let key = Some("visit-1");
    in_page(&app, EVENT, &shop, key, &event())
        .await
        .is_tracked();
    let other = with(event(), "event", "other");
    let answer = in_page(&app, EVENT, &shop, key, &other).await;
    answer.is_refused(409, "id_conflict");
    assert!(
        answer.body["error"].get("fields").is_none(),
        "{}",
        answer.text
    );
    assert!(
        answer.body["error"].get("field").is_none(),
        "{}",
        answer.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_structured_header_is_the_same_key() {
    let app = spawn_app().await;
    let first = retried(&app, EVENT, "checkout-7", &event()).await;
    first.is_tracked();
    retried(&app, EVENT, "\"checkout-7\"", &event())
        .await
        .is_duplicate_of(&first);
    let id = new_id();
    let quoted = format!("\"{id}\"");
    let answer = retried(&app, EVENT, &quoted, &with(event(), "id", id.clone())).await;
    assert_eq!(answer.is_tracked().body["id"], *id);
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

/// Ids of headers were hashes that anybody can make: events that have such an id today are no event of a
/// header, and stand in nobody's way.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_an_older_version_would_have_made_of_a_header_blocks_nobody() {
    let app = spawn_app().await;
    let shop = app.shop();
    let single = guessed(&[b"visit-77"]);
    let item = uuid::Uuid::parse_str(&guessed(&[b"batch-9"])).unwrap();
    let item = guessed(&[item.as_bytes(), &0_usize.to_le_bytes()]);
    let uuid = new_id();
    for id in [&single, &item, &uuid] {
        let taken = with(event(), "id", id.as_str());
        assert_eq!(in_page(&app, EVENT, &shop, None, &taken).await.status, 200);
        app.post(EVENT, &app.key, &taken).await.is_tracked();
    }
    let other = json!({"email": PERSON, "event": "bought"});
    for key in ["visit-77", &uuid] {
        let answer = in_page(&app, EVENT, &shop, Some(key), &other).await;
        assert_eq!(answer.body["tracked"], true, "{key} {}", answer.text);
        retried(&app, EVENT, key, &other).await.is_tracked();
    }
    let batch = json!({"events": [with(other, "type", "track")]});
    for answer in [
        in_page(&app, BATCH, &shop, Some("batch-9"), &batch).await,
        retried(&app, BATCH, "batch-9", &batch).await,
    ] {
        assert_eq!(answer.results()[0]["status"], "tracked", "{}", answer.text);
    }
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
