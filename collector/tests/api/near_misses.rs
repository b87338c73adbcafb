//! Names that come near: fields that were sent in place of others, and parameters that a read does not
//! know. What is not used is named, in the answer and in the receipt.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{PERSON, new_id, spawn_app};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_field_is_named_with_what_was_sent_in_its_place() {
    let app = spawn_app().await;
    let order = || json!({"email": PERSON, "orderId": "A-1", "revenue": 5, "currency": "EUR"});
    for (path, full, field, sent) in [
        ("/v1/track/purchase", order(), "orderId", "order_id"),
        ("/v1/track/purchase", order(), "orderId", "transaction_id"),
        ("/v1/track/purchase", order(), "revenue", "total"),
        ("/v1/track/purchase", order(), "revenue", "amount"),
        ("/v1/track/purchase", order(), "email", "user_id"),
        ("/v1/track/purchase", order(), "email", "Email"),
        ("/v1/track/purchase", order(), "currency", "currency_code"),
        (
            "/v1/track/event",
            json!({"email": PERSON, "event": "x"}),
            "event",
            "event_name",
        ),
        (
            "/v1/track/event",
            json!({"email": PERSON, "event": "x"}),
            "email",
            "userId",
        ),
        (
            "/v1/track/refund",
            json!({"orderId": "A", "refundId": "R"}),
            "refundId",
            "refund_id",
        ),
        ("/v1/identify", json!({"email": PERSON}), "email", "e_mail"),
        ("/v1/track/batch", json!({"events": []}), "events", "batch"),
    ] {
        let mut body = full.clone();
        let value = body.as_object_mut().unwrap().remove(field).unwrap();
        body[sent] = value;
        let answer = app.post(path, &app.key, &body).await;
        answer.is_refused_for(field, "missing_field");
        let said = format!("Send `{field}` (you sent `{sent}`)");
        assert_eq!(answer.message(), said, "{path}");
        let kind = match path {
            "/v1/track/event" => "track",
            "/v1/track/purchase" => "purchase",
            "/v1/track/refund" => "refund",
            "/v1/identify" => "identify",
            _ => continue,
        };
        body["type"] = json!(kind);
        let answer = app
            .post("/v1/track/batch", &app.key, &json!({"events": [body]}))
            .await;
        let told = &answer.results()[0];
        assert_eq!(told["code"], "missing_field", "{}", answer.text);
        // A batch takes an anonymousId in place of the address of an event.
        assert_eq!(told["message"], said.as_str(), "{}", answer.text);
        assert_eq!(told["ignoredFields"], json!([sent]), "{}", answer.text);
    }
    let writer = app.secret(&[Scope::Write]);
    let answer = app
        .post("/v1/messages", &writer, &json!({"to": PERSON}))
        .await;
    assert_eq!(answer.message(), "Send `email` (you sent `to`)");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_and_not_used_is_named_in_the_answer_and_in_the_receipt() {
    let app = spawn_app().await;
    let order = json!({"email": PERSON, "orderId": "A-1", "revenue": 5, "currency": "EUR", "message_id": "m",
        "coupon": "X", "items": [{"sku": "s", "qty": 2, "price": 1}, {"id": "b", "colour": "red"}]});
    let first = app.post("/v1/track/purchase", &app.key, &order).await;
    let ignored = json!([
        "coupon",
        "message_id",
        "items[0].qty",
        "items[0].sku",
        "items[1].colour"
    ]);
    first.is_tracked();
    assert_eq!(first.body["ignoredFields"], ignored);
    let hints = json!([
        "send `messageId` (you sent `message_id`)",
        "send `items[0].quantity` (you sent `items[0].qty`)",
        "send `items[0].id` (you sent `items[0].sku`)"
    ]);
    assert_eq!(first.body["hints"], hints);
    let receipt = app.receipt(&first.text_of("id")).await;
    assert_eq!(receipt.body["ignoredFields"], ignored);
    // A duplicate is told the same.
    let again = app.post("/v1/track/purchase", &app.key, &order).await;
    again.is_duplicate_of(&first);
    assert_eq!(again.body["ignoredFields"], ignored);

    let identify = json!({"email": PERSON, "properties": {"plan": "pro"}});
    let answer = app.post("/v1/identify", &app.key, &identify).await;
    answer.is_tracked();
    assert_eq!(answer.body["ignoredFields"], json!(["properties"]));
    assert_eq!(
        answer.body["hints"],
        json!(["send `traits` (you sent `properties`)"])
    );

    // Pages are told too.
    let event = json!({"key": app.public(&[]), "email": PERSON, "event": "x", "age": 5});
    let answer = app
        .ask(Method::POST, "/v1/track/event")
        .text(&event)
        .send()
        .await;
    assert_eq!(answer.is_tracked().body["ignoredFields"], json!(["age"]));

    let event = json!({"email": PERSON, "event": "x"});
    let answer = app.post("/v1/track/event", &app.key, &event).await;
    assert!(answer.is_tracked().body.get("ignoredFields").is_none());
    assert!(answer.body.get("hints").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_result_of_a_batch_names_its_own_and_the_batch_those_beside_them() {
    let app = spawn_app().await;
    let id = new_id();
    let batch = json!({"integrations": {}, "events": [
        {"type": "track", "id": id, "email": PERSON, "event": "x", "userId": 7},
        {"type": "track", "email": PERSON, "event": "x"},
        {"type": "identify", "email": PERSON, "event": "y"},
        {"type": "track", "email": "nobody", "event": "x", "extra": 1},
    ]});
    let answer = app.post("/v1/track/batch", &app.key, &batch).await;
    let results = answer.results();
    assert_eq!(answer.body["ignoredFields"], json!(["integrations"]));
    assert_eq!(results[0]["ignoredFields"], json!(["userId"]));
    assert!(results[1].get("ignoredFields").is_none(), "{}", answer.text);
    assert_eq!(results[2]["ignoredFields"], json!(["event"]));
    assert_eq!(results[3]["status"], "rejected");
    assert_eq!(results[3]["ignoredFields"], json!(["extra"]));
    let receipt = app.receipt(&id).await;
    assert_eq!(
        receipt.body["ignoredFields"],
        json!(["userId", "integrations"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_name_what_was_not_used() {
    let app = spawn_app().await;
    let writer = app.secret(&[Scope::Write, Scope::Read]);
    let message = json!({"email": PERSON, "campaign_id": "c", "replyTo": "x", "html": "<p>Hi</p>"});
    let answer = app.post("/v1/messages", &writer, &message).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        answer.body["ignoredFields"],
        json!(["campaign_id", "replyTo"])
    );
    assert_eq!(
        answer.body["hints"],
        json!(["send `campaignId` (you sent `campaign_id`)"])
    );
    let receipt = app.receipt(&answer.text_of("id")).await;
    assert_eq!(
        receipt.body["ignoredFields"],
        json!(["campaign_id", "replyTo"])
    );
    let bad = json!({"email": "nobody", "replyTo": "x"});
    let batch = json!({"from": "me", "messages": [message, bad, {"email": PERSON}]});
    let answer = app.post("/v1/messages/batch", &writer, &batch).await;
    let results = answer.results();
    assert_eq!(answer.body["ignoredFields"], json!(["from"]));
    assert_eq!(
        results[0]["ignoredFields"],
        json!(["campaign_id", "replyTo"])
    );
    assert_eq!(results[1]["ignoredFields"], json!(["replyTo"]));
    let receipt = app.receipt(results[1]["id"].as_str().unwrap()).await;
    assert_eq!(receipt.body["ignoredFields"], json!(["replyTo"]));
    assert!(results[2].get("ignoredFields").is_none(), "{}", answer.text);
}

/// Every read under /v1/ with what it needs.
const READS: [&str; 8] = [
    "/v1/events?",
    "/v1/contacts?email=a@b.c&",
    "/v1/receipts/x?",
    "/v1/live?",
    "/v1/embeds?",
    "/v1/reports/messages/m?",
    "/v1/reports/campaigns/c?",
    "/v1/reports/revenue?",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_a_read_does_not_know_is_refused_on_every_read() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    for read in READS {
        for parameter in ["foo=1", "page=2", "foo", "utm_source=x", "_=1"] {
            let answer = app.get_with(&format!("{read}{parameter}"), &admin).await;
            answer.is_refused(422, "unknown_parameter");
            let name = parameter.split('=').next().unwrap();
            assert_eq!(answer.body["error"]["field"], name, "{}", answer.text);
            assert!(
                answer.message().contains(&format!("`{name}`")),
                "{}",
                answer.text
            );
        }
        // Who may not ask is told that.
        let answer = app.ask(Method::GET, &format!("{read}foo=1")).send().await;
        answer.is_refused(401, "missing_key");
    }
    for (query, nearest, listed) in [
        ("/v1/events?messageid=x", Some("`messageId`"), "`email`"),
        (
            "/v1/events?message_id=x",
            Some("`messageId`"),
            "`campaignId`",
        ),
        ("/v1/events?limits=5", Some("`limit`"), "`cursor`"),
        ("/v1/events?page=2", None, "`cursor`"),
        (
            "/v1/reports/revenue?form=2026-11-26",
            Some("`from`"),
            "`to`",
        ),
        (
            "/v1/reports/revenue?group_by=day",
            Some("`groupBy`"),
            "`tz`",
        ),
        ("/v1/contacts?mail=x", Some("`email`"), "`minSeq`"),
        ("/v1/embeds?limit=5", None, "takes none"),
    ] {
        let answer = app.get_with(query, &admin).await;
        answer.is_refused(422, "unknown_parameter");
        let message = answer.message();
        assert_eq!(
            message.contains("do you mean"),
            nearest.is_some(),
            "{message}"
        );
        for part in [nearest.unwrap_or_default(), listed] {
            assert!(message.contains(part), "{message}");
        }
    }
    // What could be personal is not repeated.
    let answer = app
        .get_with("/v1/events?alice@person.example=1", &admin)
        .await;
    answer.is_refused(422, "unknown_parameter");
    assert!(
        answer.body["error"].get("field").is_none(),
        "{}",
        answer.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_parameter_is_refused_and_those_beside_the_reads_are_ignored() {
    let app = spawn_app().await;
    let admin = app.secret(&[Scope::Admin]);
    for query in [
        "/v1/events?email=",
        "/v1/events?name",
        "/v1/events?limit=%20",
        "/v1/reports/revenue?from=",
        "/v1/contacts?email=",
        "/v1/live?recent=",
    ] {
        let answer = app.get_with(query, &admin).await;
        answer.is_refused(422, "invalid_parameter");
        assert!(
            answer.message().contains("is empty"),
            "{}",
            answer.message()
        );
    }
    for path in [
        "/healthz?x=1",
        "/readyz?x",
        "/openapi.json?v=2",
        "/live?fbclid=1",
        "/mail/track.js?cb=1",
        "/mail/track/open/x?utm_source=a",
        "/metrics?x=1",
    ] {
        let answer = app.ask(Method::GET, path).send().await;
        assert_eq!(answer.status, 200, "{path} {}", answer.text);
    }
    let event: Value = json!({"email": PERSON, "event": "x"});
    let answer = app
        .post("/v1/track/event?cachebuster=1", &app.key, &event)
        .await;
    answer.is_tracked();
}
