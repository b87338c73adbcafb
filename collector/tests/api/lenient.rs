//! What is taken although it is not written as it should be: a slash too many, PHP's empty object.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::sessions::log_in;
use crate::support::{PERSON, gzip, new_id, spawn_app};

#[tokio::test(flavor = "multi_thread")]
async fn every_ingest_route_takes_one_slash_at_its_end() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    let order = new_id();
    for (path, body) in [
        ("/v1/track/event/", json!({"email": PERSON, "event": "x"})),
        (
            "/v1/track/purchase/?from=crm",
            json!({"email": PERSON, "orderId": order, "revenue": 5, "currency": "EUR"}),
        ),
        (
            "/v1/track/refund/",
            json!({"orderId": order, "refundId": order}),
        ),
        ("/v1/track/batch/", json!({"events": []})),
        ("/v1/identify/", json!({"email": PERSON})),
        ("/v1/messages/", json!({"email": PERSON})),
        ("/v1/messages/batch/", json!({"messages": []})),
    ] {
        let answer = app.post(path, &admin, &body).await;
        assert_eq!(answer.status, 200, "{path} {}", answer.text);
        let preflight = app
            .ask(Method::OPTIONS, path)
            .header("origin", "https://a.example");
        assert_eq!(preflight.send().await.status, 204, "{path}");
    }
    for path in ["/v1/track/event//", "/v1/track/", "/v1/events/"] {
        let answer = app.post(path, &admin, &json!({})).await;
        answer.is_refused(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_array_is_an_empty_object_and_another_one_is_refused() {
    let app = spawn_app().await;
    for empty in ["[]", "[ ]", "[\n\t]", "{}"] {
        let event = format!(r#"{{"email":"{PERSON}","event":"x","properties":{empty}}}"#);
        let answer = app.post_text("/v1/track/event", event).await;
        let listed = app.listed(&answer.is_tracked().text_of("seq")).await;
        assert_eq!(listed["properties"], json!({}));
        let traits = format!(r#"{{"email":"{PERSON}","traits":{empty}}}"#);
        let answer = app.post_text("/v1/identify", traits).await;
        let listed = app.listed(&answer.is_tracked().text_of("seq")).await;
        assert_eq!(listed["properties"], json!({}));
        let batch = format!(
            r#"{{"context":{empty},"events":[{{"type":"track","email":"{PERSON}","event":"x","properties":{empty}}}]}}"#
        );
        let answer = app.post_text("/v1/track/batch", batch).await;
        assert_eq!(answer.results()[0]["status"], "tracked", "{}", answer.text);
    }
    for (other, named) in [
        (json!(["a"]), "not an array"),
        (json!([[]]), "not an array"),
        (json!("{}"), "not a text"),
        (json!(7), "not a number"),
        (json!(false), "not true or false"),
    ] {
        for (path, field) in [
            ("/v1/track/event", "properties"),
            ("/v1/identify", "traits"),
        ] {
            let mut body = json!({"email": PERSON, "event": "x"});
            body[field] = Value::clone(&other);
            let answer = app.post(path, &app.key, &body).await;
            answer.is_refused_for(field, &format!("invalid_{field}"));
            let message = answer.message();
            assert!(message.contains(named), "{message}");
            assert!(message.contains("as an object"), "{message}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_is_skipped() {
    let app = spawn_app().await;
    let event = format!("\u{feff}{{\"email\":\"{PERSON}\",\"event\":\"x\"}}");
    app.post_text("/v1/track/event", event.clone())
        .await
        .is_tracked();
    let packed = app.ask(Method::POST, "/v1/track/event").key(&app.key);
    let packed = packed
        .header("content-encoding", "gzip")
        .header("content-type", "application/json");
    packed
        .body(gzip(event.as_bytes()))
        .send()
        .await
        .is_tracked();
    let batch = format!(
        "\u{feff}{{\"events\":[{{\"type\":\"track\",\"email\":\"{PERSON}\",\"event\":\"x\"}}]}}"
    );
    let answer = app.post_text("/v1/track/batch", batch).await;
    assert_eq!(answer.results()[0]["status"], "tracked");
    let public = app.public(&[]);
    let event = format!("\u{feff}{{\"key\":\"{public}\",\"email\":\"{PERSON}\",\"event\":\"x\"}}");
    let ask = app
        .ask(Method::POST, "/v1/track/event")
        .header("content-type", "text/plain");
    ask.body(event).send().await.is_tracked();
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_numbers_are_taken_as_their_text() {
    let app = spawn_app().await;
    let order = json!({"email": PERSON, "orderId": 12345, "revenue": 5, "currency": "EUR", "messageId": 77,
        "items": [{"id": 9, "price": 5}]});
    let first = app.post("/v1/track/purchase", &app.key, &order).await;
    let listed = app.listed(&first.is_tracked().text_of("seq")).await;
    assert_eq!(listed["properties"]["orderId"], "12345");
    assert_eq!(listed["messageId"], "77");
    assert_eq!(listed["properties"]["items"][0]["id"], "9");
    // The text is the same order.
    let mut text = order.clone();
    text["orderId"] = json!("12345");
    text["messageId"] = json!("77");
    app.post("/v1/track/purchase", &app.key, &text)
        .await
        .is_duplicate_of(&first);
    let refund = json!({"orderId": 12345, "refundId": 1, "amount": 2});
    app.post("/v1/track/refund", &app.key, &refund)
        .await
        .is_tracked();
    let event = r#"{"email":"a@b.c","event":"x","messageId":12345678901234567890123}"#;
    let answer = app.post_text("/v1/track/event", event).await;
    let listed = app.listed(&answer.is_tracked().text_of("seq")).await;
    assert_eq!(listed["messageId"], "12345678901234567890123");
    for wrong in [json!(true), json!([1]), json!({})] {
        let mut order = order.clone();
        order["orderId"] = wrong;
        let answer = app.post("/v1/track/purchase", &app.key, &order).await;
        answer.is_refused_for("orderId", "invalid_order_id");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_price_of_an_item_never_rejects_an_order() {
    let app = spawn_app().await;
    let prices = json!(["5.00", 1.6666666666666667, -1, 1.999, true, [5], {"amount": 5}, 1e300, "free", 2.5]);
    let prices = prices.as_array().unwrap();
    let items: Vec<Value> = prices
        .iter()
        .map(|price| json!({"id": "a", "price": price}))
        .collect();
    let order =
        json!({"email": PERSON, "orderId": "A-1", "revenue": 5, "currency": "EUR", "items": items});
    let answer = app.post("/v1/track/purchase", &app.key, &order).await;
    let dropped: Vec<String> = (0..9).map(|at| format!("items[{at}].price")).collect();
    assert_eq!(answer.is_tracked().body["ignoredFields"], json!(dropped));
    let listed = app.listed(&answer.text_of("seq")).await;
    let items = listed["properties"]["items"].as_array().unwrap();
    assert!(
        items[..9].iter().all(|item| item.get("price").is_none()),
        "{listed}"
    );
    assert_eq!(items[9]["price"], 2.5);
    // Sent again, it is the same order.
    app.post("/v1/track/purchase", &app.key, &order)
        .await
        .is_duplicate_of(&answer);
    let entry = json!({"type": "purchase", "email": PERSON, "orderId": "A-2", "revenue": 5, "currency": "JPY",
        "items": [{"price": 1.5}]});
    let answer = app
        .post("/v1/track/batch", &app.key, &json!({"events": [entry]}))
        .await;
    assert_eq!(answer.results()[0]["status"], "tracked", "{}", answer.text);
    assert_eq!(
        answer.results()[0]["ignoredFields"],
        json!(["items[0].price"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_refunds_of_servers() {
    let app = spawn_app().await;
    let refund = |id: &str, amount: i64| json!({"type": "refund", "orderId": "A-1", "refundId": id, "amount": amount});
    let order = json!({"type": "purchase", "email": PERSON, "orderId": "A-1", "revenue": 10, "currency": "EUR"});
    let events = json!({"events": [order, refund("R-1", 4), refund("R-1", 4), refund("R-1", 5), refund("R-2", 7),
        {"type": "refund", "orderId": "nowhere", "refundId": "R-3"}, {"type": "refund", "orderId": "A-1"},
        {"type": "refund", "orderId": "A-1", "refundId": "R-4", "event": "x"}]});
    let answer = app.post("/v1/track/batch", &app.key, &events).await;
    let told: Vec<_> = answer
        .results()
        .iter()
        .map(|one| (one["status"].as_str().unwrap(), one["code"].as_str()))
        .collect();
    assert_eq!(
        told[..3],
        [("tracked", None), ("tracked", None), ("duplicate", None)],
        "{}",
        answer.text
    );
    assert_eq!(told[3].0, "rejected");
    assert_eq!(answer.results()[3]["fields"], json!(["amount"]));
    assert_eq!(told[4], ("rejected", Some("exceeds_order")));
    assert_eq!(
        (told[5].0, told[6]),
        ("rejected", ("rejected", Some("missing_field")))
    );
    assert_eq!(told[7], ("tracked", None));
    assert_eq!(answer.results()[7]["ignoredFields"], json!(["event"]));
    let public = json!({"key": app.shop(), "events": [refund("R-9", 1)]});
    let answer = app
        .ask(Method::POST, "/v1/track/batch")
        .text(&public)
        .send()
        .await;
    assert_eq!(
        answer.results()[0]["code"],
        "insufficient_scope",
        "{}",
        answer.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_beyond_the_year_9999_loses_no_batch() {
    let app = spawn_app().await;
    let public = app.public(&[]);
    for sent_at in [
        "+010000-01-01T00:00:00.000Z",
        "-000001-01-01T00:00:00.000Z",
        "+275760-09-13T00:00:00.000Z",
    ] {
        let batch = json!({"key": public, "sentAt": sent_at, "events": [
            {"type": "track", "email": PERSON, "event": "x", "age": 5},
            {"type": "track", "email": PERSON, "event": "x", "timestamp": sent_at},
            {"type": "track", "email": PERSON, "event": "x"}]});
        let answer = app
            .ask(Method::POST, "/v1/track/batch")
            .text(&batch)
            .send()
            .await;
        let told: Vec<_> = answer
            .results()
            .iter()
            .map(|one| one["status"].as_str().unwrap())
            .collect();
        assert_eq!(told, ["tracked", "rejected", "tracked"], "{}", answer.text);
        assert_eq!(answer.results()[1]["code"], "invalid_timestamp");
    }
    for wrong in ["yesterday", "2026-11-23", "10000-01-01T00:00:00Z"] {
        let batch = json!({"sentAt": wrong, "events": []});
        let answer = app.post("/v1/track/batch", &app.key, &batch).await;
        answer.is_refused_for("sentAt", "invalid_timestamp");
    }
    let batch = json!({"sentAt": "9999-12-31T23:59:59Z", "events": [{"type": "track", "email": PERSON, "event": "x"}]});
    let answer = app.post("/v1/track/batch", &app.key, &batch).await;
    assert_eq!(answer.results()[0]["status"], "tracked", "{}", answer.text);
    let event = json!({"email": PERSON, "event": "x", "timestamp": "9999-12-31T23:59:59Z"});
    let answer = app.post("/v1/track/event", &app.key, &event).await;
    answer.is_refused_for("timestamp", "invalid_timestamp");
    assert!(
        answer.message().contains("24 hours ahead"),
        "{}",
        answer.message()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_age_that_a_server_sends_counts_without_a_timestamp_and_is_named_beside_one() {
    let (app, _) = crate::support::spawn_app_at_rest().await;
    let day = 24 * 3_600_000_i64;
    let event = |fields: Value| {
        let mut event = json!({"type": "track", "email": PERSON, "event": "x"});
        event
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        event
    };
    let batch = json!({"events": [event(json!({"age": 1500})), event(json!({"age": 30 * day})),
        event(json!({"age": 5, "timestamp": "2020-01-01T00:00:00Z"})), event(json!({"age": 1e300}))]});
    let answer = app.post("/v1/track/batch", &app.key, &batch).await;
    let results = answer.results();
    for (at, time) in [
        (0, "2026-11-23T09:59:58.500Z"),
        (1, "2026-10-24T10:00:00Z"),
        (2, "2020-01-01T00:00:00Z"),
    ] {
        let listed = app.listed(results[at]["seq"].as_str().unwrap()).await;
        assert_eq!(listed["timestamp"], time);
    }
    assert!(results[1].get("ignoredFields").is_none());
    assert_eq!(results[2]["ignoredFields"], json!(["age"]));
    assert_eq!(results[3]["code"], "invalid_timestamp", "{}", answer.text);
    assert_eq!(results[3]["field"], "age");
    // The single routes know none.
    let answer = app
        .post("/v1/track/event", &app.key, &event(json!({"age": 5})))
        .await;
    assert_eq!(answer.body["ignoredFields"], json!(["age", "type"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_the_same_in_quotes() {
    let app = spawn_app().await;
    let event = json!({"email": PERSON, "event": "x"});
    let post = async |key: &str| {
        let ask = app.ask(Method::POST, "/v1/track/event").key(&app.key);
        ask.header("idempotency-key", key).json(&event).send().await
    };
    let first = post("abc").await;
    first.is_tracked();
    post("\"abc\"").await.is_duplicate_of(&first);
    post("\"abd\"").await.is_tracked();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_cookies_of_one_name_each_is_tried() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Read]);
    let session = log_in(&app, json!({"key": key})).await;
    let cookie = &session.cookie;
    let (name, _) = cookie.split_once('=').unwrap();
    for cookies in [
        vec![format!("{name}=stale; {cookie}")],
        vec![format!("{cookie}; {name}=stale")],
        vec![format!("{name}=stale"), cookie.clone()],
        vec![format!("{name}="), format!("other=1; {cookie}")],
    ] {
        for path in ["/session", "/v1/events"] {
            let mut ask = app
                .ask(Method::GET, path)
                .header("sec-fetch-site", "same-origin");
            for one in &cookies {
                ask = ask.header("cookie", one);
            }
            let answer = ask.send().await;
            assert_eq!(answer.status, 200, "{cookies:?} {}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_messages_warns_once() {
    let app = spawn_app().await;
    let writer = app.secret(&[Scope::Write]);
    let batch = json!({"messages": [{"email": PERSON}, {"email": PERSON}]});
    let answer = app.post("/v1/messages/batch", &writer, &batch).await;
    assert_eq!(
        answer.body["warnings"].as_array().unwrap().len(),
        1,
        "{}",
        answer.text
    );
    assert!(
        answer
            .results()
            .iter()
            .all(|one| one.get("warnings").is_none()),
        "{}",
        answer.text
    );
    let answer = app
        .post("/v1/messages", &writer, &json!({"email": PERSON}))
        .await;
    assert_eq!(
        answer.body["warnings"].as_array().unwrap().len(),
        1,
        "{}",
        answer.text
    );
}
