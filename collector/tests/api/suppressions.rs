//! `/v1/suppressions`, what feeds it, and who is refused for it.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use shared::time::Timestamp;
use store::clock::FixedClock;

use crate::messages::writer;
use crate::support::{Answer, NOW, PERSON, TestApp, spawn_app, spawn_app_at_rest};

pub(crate) const ROUTE: &str = "/v1/suppressions";
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// Moves the clock so many milliseconds past [`NOW`].
pub(crate) fn move_to(clock: &Arc<FixedClock>, ms: i64) {
    clock.set(Timestamp::parse_rfc3339(NOW).unwrap().plus_millis(ms));
}

fn message(id: &str) -> Value {
    json!({"email": PERSON, "messageId": id, "campaignId": "spring", "text": "Hello"})
}

pub(crate) async fn register(app: &TestApp, key: &str, id: &str) -> Value {
    let answer = app.post("/v1/messages", key, &message(id)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

/// The path of the link by which a message is unsubscribed.
pub(crate) fn unsubscribe_path(message: &Value) -> String {
    let url = message["unsubscribeUrl"].as_str().unwrap();
    let at = url.find("/mail/").unwrap();
    url[at..].to_owned()
}

pub(crate) async fn list(app: &TestApp, key: &str, query: &str) -> Value {
    let answer = app.get_with(&format!("{ROUTE}{query}"), key).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

/// Reasons of the one contact that is listed, or none.
pub(crate) async fn reasons(app: &TestApp, key: &str) -> Vec<String> {
    let page = list(app, key, "").await;
    let all = page["suppressions"].as_array().unwrap();
    assert!(all.len() <= 1, "{page}");
    let reasons = all.first().map(|one| {
        assert_eq!(one["email"], PERSON);
        one["reasons"].as_array().unwrap().clone()
    });
    let name = |reason: Value| reason["reason"].as_str().unwrap().to_owned();
    reasons.unwrap_or_default().into_iter().map(name).collect()
}

/// What a browser sends.
pub(crate) async fn press(app: &TestApp, path: &str, body: &str) -> Answer {
    let client = reqwest::Client::new();
    let response = client
        .post(format!("http://{}{path}", app.address))
        .header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        )
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap().to_vec();
    Answer::of(path, status, headers, bytes)
}

pub(crate) async fn lift(app: &TestApp, key: &str, query: &str) -> Answer {
    app.ask(Method::DELETE, &format!("{ROUTE}{query}"))
        .key(key)
        .send()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_put_on_the_list_and_taken_off_it() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let answer = app.post(ROUTE, &key, &json!({"email": PERSON})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.body["recorded"], 1);
    assert_eq!(answer.body["results"][0]["status"], "recorded");
    let event = app
        .listed(answer.body["results"][0]["seq"].as_str().unwrap())
        .await;
    assert_eq!(
        (&event["type"], &event["name"]),
        (&json!("suppress"), &json!("email_suppressed"))
    );
    let page = list(&app, &key, "").await;
    assert_eq!(
        page,
        json!({"suppressions": [{"email": PERSON, "reasons": [{"reason": "manual", "at": NOW}]}]})
    );
    let again = app
        .post(ROUTE, &key, &json!({"email": PERSON.to_uppercase()}))
        .await;
    assert_eq!(
        (&again.body["recorded"], &again.body["duplicates"]),
        (&json!(0), &json!(1))
    );

    let body = json!({"suppressions": [
        {"email": PERSON, "reason": "bounced", "timestamp": "2026-01-02T03:04:05Z"},
        {"email": "nobody"},
        {"email": PERSON, "reason": "cold"},
        {"email": PERSON, "reason": "bounced"},
    ]});
    let answer = app.post(ROUTE, &key, &body).await;
    let told = |name: &str| answer.body[name].as_u64().unwrap();
    assert_eq!(
        (told("recorded"), told("duplicates"), told("rejected")),
        (1, 1, 2)
    );
    assert_eq!(answer.body["results"][1]["code"], "invalid_email");
    assert_eq!(answer.body["results"][2]["code"], "invalid_reason");
    assert_eq!(reasons(&app, &key).await, ["bounced", "manual"]);
    let page = list(&app, &key, &format!("?email={PERSON}&reason=bounced")).await;
    assert_eq!(
        page["suppressions"][0]["reasons"][0]["at"],
        "2026-01-02T03:04:05Z"
    );
    let page = list(&app, &key, "?reason=complained").await;
    assert_eq!(page["suppressions"], json!([]));

    let lifted = lift(&app, &key, &format!("?email={PERSON}&reason=bounced")).await;
    assert_eq!(lifted.body["lifted"], true, "{}", lifted.text);
    assert_eq!(reasons(&app, &key).await, ["manual"]);
    let body = json!({"email": PERSON});
    let lifted = app
        .ask(Method::DELETE, ROUTE)
        .key(&key)
        .json(&body)
        .send()
        .await;
    assert_eq!(lifted.body["lifted"], true, "{}", lifted.text);
    assert!(reasons(&app, &key).await.is_empty());
    let lifted = lift(&app, &key, &format!("?email={PERSON}")).await;
    assert_eq!(lifted.body, json!({"success": true, "lifted": false}));
    lift(&app, &key, "")
        .await
        .is_refused(422, "invalid_parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn bounces_complaints_and_unsubscribes_feed_it() {
    let (app, clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let first = register(&app, &key, "a").await;
    assert!(first.get("unsubscribedAt").is_none());
    for (status, code, expected) in [
        ("bounced", "5.7.1", Vec::new()),
        ("deferred", "4.2.2", Vec::new()),
        ("bounced", "5.1.1", vec!["bounced"]),
        ("complained", "5.0.0", vec!["bounced", "complained"]),
    ] {
        let body = json!({"messageId": "a", "status": status, "code": code});
        app.post("/v1/messages/delivery", &key, &body)
            .await
            .is_tracked();
        assert_eq!(reasons(&app, &key).await, expected, "{status} {code}");
    }
    move_to(&clock, HOUR_MS);
    let path = unsubscribe_path(&first);
    assert_eq!(press(&app, &path, "").await.status, 200);
    // At once, without waiting for a view.
    assert_eq!(
        reasons(&app, &key).await,
        ["unsubscribed", "bounced", "complained"]
    );
    let second = register(&app, &key, "b").await;
    assert_eq!(second["unsubscribedAt"], "2026-11-23T11:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_to_whom_is_suppressed_is_refused_where_that_is_asked_for() {
    let app = spawn_app().await;
    let key = writer(&app);
    let refusing = |id: &str, kind: &str| {
        let mut message = message(id);
        message["refuseUnsubscribed"] = true.into();
        message["type"] = kind.into();
        message
    };
    let answer = app
        .post("/v1/messages", &key, &refusing("a", "campaign"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let unsubscribed = json!({"email": PERSON, "reason": "unsubscribed"});
    app.post(ROUTE, &key, &unsubscribed).await;
    let answer = app
        .post("/v1/messages", &key, &refusing("b", "campaign"))
        .await;
    answer.is_refused(422, "unsubscribed");
    // Also one that was registered before: it may not have left yet.
    let answer = app
        .post("/v1/messages", &key, &refusing("a", "campaign"))
        .await;
    answer.is_refused(422, "unsubscribed");
    let answer = app
        .post("/v1/messages", &key, &refusing("c", "transactional"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer = app.post("/v1/messages", &key, &message("d")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let batch = json!({"messages": [refusing("e", "campaign"), message("f")]});
    let answer = app.post("/v1/messages/batch", &key, &batch).await;
    assert_eq!(answer.body["results"][0]["code"], "unsubscribed");
    assert_eq!(answer.body["results"][1]["status"], "registered");
    lift(&app, &key, &format!("?email={PERSON}")).await;
    app.post(ROUTE, &key, &json!({"email": PERSON})).await;
    let answer = app
        .post("/v1/messages", &key, &refusing("g", "campaign"))
        .await;
    answer.is_refused(422, "suppressed");
    let mut odd = message("h");
    odd["refuseUnsubscribed"] = "yes".into();
    let answer = app.post("/v1/messages", &key, &odd).await;
    answer.is_refused(422, "invalid_flag");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_from_before_gets_its_list_from_the_log_and_keeps_it_across_restarts() {
    let app = spawn_app().await;
    let key = writer(&app);
    let mail = register(&app, &key, "a").await;
    press(&app, &unsubscribe_path(&mail), "").await;
    let (app, _) = app.restart().await;
    assert_eq!(reasons(&app, &key).await, ["unsubscribed"]);
    let (folder, _) = app.stop().await;
    std::fs::remove_file(folder.path().join("suppressions.redb")).unwrap();
    let app = crate::support::spawn_app_in(folder, Arc::new(store::clock::SystemClock)).await;
    assert_eq!(reasons(&app, &key).await, ["unsubscribed"]);
}
