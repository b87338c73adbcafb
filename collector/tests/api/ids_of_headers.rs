//! Ids that are made of a header: one event with one content on each route, and at each place of a batch.

use reqwest::Method;
use serde_json::{Value, json};
use store::record::WorkspaceKeys as _;

use crate::ids::{
    BATCH, EVENT, IDENTIFY, PURCHASE, REFUND, event, guessed, in_page, item, order, refund,
    retried, with,
};
use crate::support::{PERSON, new_id, spawn_app};

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
