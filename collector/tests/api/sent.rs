//! `POST /v1/messages/sent`: when messages really left, and what follows for what came of them.

use reqwest::Method;
use serde_json::{Value, json};
use shared::time::Timestamp;

use crate::mail::{ask, settled};
use crate::messages::writer;
use crate::support::{Answer, NOW, PERSON, TestApp, spawn_app, spawn_app_at_rest};

const ROUTE: &str = "/v1/messages/sent";
const MINUTE_MS: i64 = 60_000;

fn now() -> Timestamp {
    Timestamp::parse_rfc3339(NOW).unwrap()
}

fn at(ms: i64) -> String {
    now().plus_millis(ms).to_string()
}

/// Registers a message of the campaign `spring`, and gives what it came back as.
async fn register(app: &TestApp, key: &str, id: &str, sent_at: Option<String>) -> Value {
    let mut body = json!({
        "email": PERSON, "messageId": id, "campaignId": "spring",
        "html": "<body><a href=\"https://shop.example/mugs\">Mugs</a></body>",
    });
    if let Some(sent_at) = sent_at {
        body["sentAt"] = sent_at.into();
    }
    let answer = app.post("/v1/messages", key, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

/// The path of its pixel or of its link.
fn path_in(message: &Value, kind: &str) -> String {
    let html = message["html"].as_str().unwrap();
    let (_, rest) = html.split_once(kind).unwrap();
    format!("{kind}{}", rest.split('"').next().unwrap())
}

async fn tell(app: &TestApp, key: &str, body: Value) -> Vec<Value> {
    let answer = app.post(ROUTE, key, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.body["success"], true);
    answer.body["results"].as_array().unwrap().clone()
}

fn statuses(results: &[Value]) -> Vec<&str> {
    let status = |result: &'_ Value| result["status"].as_str().unwrap().to_owned();
    results
        .iter()
        .map(|result| {
            result["status"]
                .as_str()
                .unwrap_or_else(|| panic!("{}", status(result)))
        })
        .collect()
}

async fn report(app: &TestApp, key: &str, message_id: &str) -> Value {
    app.caught_up().await;
    let path = format!("/v1/reports/messages/{message_id}");
    let answer = app.get_with(&path, key).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_gets_its_verdict_and_the_first_time_stands() {
    let (app, clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    for id in ["a", "b", "c"] {
        register(&app, &key, id, None).await;
    }
    let results = tell(
        &app,
        &key,
        json!({"messages": [
            {"messageId": "a", "sentAt": at(MINUTE_MS)},
            {"messageId": "b"},
            {"messageId": "never"},
            {"messageId": "a"},
            {"messageId": "a", "sentAt": at(MINUTE_MS)},
            {"messageId": "a", "sentAt": at(2 * MINUTE_MS)},
            {"messageId": ""},
        ]}),
    )
    .await;
    assert_eq!(
        statuses(&results),
        [
            "recorded",
            "recorded",
            "unknown",
            "duplicate",
            "duplicate",
            "conflict",
            "rejected"
        ]
    );
    assert_eq!(results[5]["sentAt"], at(MINUTE_MS));
    assert_eq!(results[6]["code"], "invalid_message_id");
    // Without a time the first call stands, however late it comes again.
    clock.set(now().plus_millis(3_600_000));
    let again = json!({"messages": [{"messageId": "b"}, {"messageId": "b", "sentAt": at(5)}]});
    let results = tell(&app, &key, again).await;
    assert_eq!(statuses(&results), ["duplicate", "conflict"]);
    assert_eq!(results[0]["sentAt"], at(0));
    let seq = results[0]["seq"].as_str().unwrap();
    let event = app.listed(seq).await;
    assert_eq!(event["type"], "sent");
    assert_eq!(event["name"], "email_sent_told");
    assert_eq!(event["email"], PERSON);
    assert_eq!(report(&app, &key, "a").await["sentAt"], at(MINUTE_MS));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_is_told_at_once_of_all_that_were_not_told_yet() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    for id in ["a", "b", "c"] {
        register(&app, &key, id, Some(at(3_600_000))).await;
    }
    tell(
        &app,
        &key,
        json!({"messages": [{"messageId": "b", "sentAt": at(5)}]}),
    )
    .await;
    let whole = json!({"campaignId": "spring", "sentAt": at(-MINUTE_MS)});
    let results = tell(&app, &key, whole.clone()).await;
    assert_eq!(statuses(&results), ["recorded"]);
    assert_eq!(results[0]["campaignId"], "spring");
    assert_eq!(results[0]["messages"], 2);
    for (id, time) in [("a", at(-MINUTE_MS)), ("b", at(5)), ("c", at(-MINUTE_MS))] {
        assert_eq!(report(&app, &key, id).await["sentAt"], time, "{id}");
    }
    let results = tell(&app, &key, whole).await;
    assert_eq!(statuses(&results), ["duplicate"]);
    assert_eq!(results[0]["messages"], 0);
    // What is registered later is told of by another call.
    register(&app, &key, "d", None).await;
    let results = tell(&app, &key, json!({"campaignId": "spring"})).await;
    assert_eq!(
        (&results[0]["status"], &results[0]["messages"]),
        (&json!("recorded"), &json!(1))
    );
    let results = tell(&app, &key, json!({"campaignId": "summer"})).await;
    assert_eq!(statuses(&results), ["unknown"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_that_only_the_planned_time_condemned_is_judged_anew_and_earns() {
    let (app, clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    // Planned for now, but it left an hour ago.
    let message = register(&app, &key, "a", Some(at(0))).await;
    clock.set(now().plus_millis(5_000));
    ask(
        &app,
        Method::GET,
        &path_in(&message, "/mail/track/click/"),
        &[],
    )
    .await;
    ask(
        &app,
        Method::GET,
        &path_in(&message, "/mail/track/open/"),
        &[],
    )
    .await;
    settled(&app, 3).await;
    let before = report(&app, &key, "a").await;
    assert_eq!(before["clicks"]["byClass"]["bot"], 1, "{before}");
    assert_eq!(before["opens"]["byClass"]["machine"], 1, "{before}");
    let order = json!({"email": PERSON, "orderId": "o", "revenue": 12, "currency": "EUR"});
    app.post("/v1/track/purchase", &key, &order)
        .await
        .is_tracked();
    assert_eq!(report(&app, &key, "a").await["orders"], 0);

    let told = json!({"messages": [{"messageId": "a", "sentAt": at(-3_600_000)}]});
    assert_eq!(statuses(&tell(&app, &key, told).await), ["recorded"]);
    let after = report(&app, &key, "a").await;
    assert_eq!(after["clicks"]["byClass"]["human"], 1, "{after}");
    assert_eq!(after["opens"]["byClass"]["human"], 1, "{after}");
    assert_eq!(after["orders"], 1, "{after}");
    for event in app.all_events().await {
        if event["type"] == "click" || event["type"] == "open" {
            assert_eq!(
                (&event["class"], &event["reason"]),
                (&json!("human"), &json!("browser"))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_campaign_is_protected_from_when_it_really_leaves() {
    let (app, clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let message = register(&app, &key, "a", None).await;
    // It leaves two hours after it was registered; a scanner opens it at once, before anybody tells.
    clock.set(now().plus_millis(120 * MINUTE_MS + 5_000));
    ask(
        &app,
        Method::GET,
        &path_in(&message, "/mail/track/open/"),
        &[],
    )
    .await;
    settled(&app, 2).await;
    assert_eq!(
        report(&app, &key, "a").await["opens"]["byClass"]["human"],
        1
    );
    let told = json!({"messages": [{"messageId": "a", "sentAt": at(120 * MINUTE_MS)}]});
    tell(&app, &key, told).await;
    // And clicks it afterwards.
    clock.set(now().plus_millis(120 * MINUTE_MS + 20_000));
    ask(
        &app,
        Method::GET,
        &path_in(&message, "/mail/track/click/"),
        &[],
    )
    .await;
    settled(&app, 4).await;
    let after = report(&app, &key, "a").await;
    assert_eq!(after["opens"]["byClass"]["machine"], 1, "{after}");
    assert_eq!(after["clicks"]["byClass"]["bot"], 1, "{after}");
    assert_eq!(after["opens"]["genuine"]["unique"], 0, "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_list_and_no_campaign_is_refused_and_nothing_is_recorded() {
    let app = spawn_app().await;
    let key = writer(&app);
    let many: Vec<Value> = (0..1_001)
        .map(|n| json!({"messageId": n.to_string()}))
        .collect();
    let far = Timestamp::parse_rfc3339("2099-01-01T00:00:00Z")
        .unwrap()
        .to_string();
    for (body, status, code) in [
        (json!({}), 422, "missing_field"),
        (json!({"messages": "a"}), 422, "invalid_body"),
        (
            json!({"messages": [], "campaignId": "spring"}),
            422,
            "invalid_body",
        ),
        (json!({"messages": many}), 413, "too_many_events"),
        (json!({"campaignId": ""}), 422, "invalid_campaign_id"),
        (
            json!({"campaignId": "spring", "sentAt": "soon"}),
            422,
            "invalid_timestamp",
        ),
        (
            json!({"campaignId": "spring", "sentAt": far}),
            422,
            "invalid_timestamp",
        ),
    ] {
        let answer: Answer = app.post(ROUTE, &key, &body).await;
        answer.is_refused(status, code);
    }
    assert_eq!(app.on_disk(), 0);
}

/// `sent` and `planned` of every report that holds the campaign `spring`.
async fn counted(app: &TestApp, key: &str, span: &str) -> Vec<[i64; 2]> {
    app.caught_up().await;
    let mut counted = Vec::new();
    for path in [
        "/v1/reports/overview",
        "/v1/reports/campaigns/spring",
        "/v1/reports/campaigns",
        "/v1/reports/messages",
    ] {
        let answer = app.get_with(&format!("{path}?{span}"), key).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let of = |report: &Value| ["sent", "planned"].map(|name| report[name].as_i64().unwrap());
        let rows = ["campaigns", "messages"]
            .iter()
            .find_map(|name| answer.body[name].as_array());
        let sum = |rows: &Vec<Value>| {
            rows.iter()
                .map(of)
                .fold([0, 0], |sum, one| [sum[0] + one[0], sum[1] + one[1]])
        };
        counted.push(rows.map_or_else(|| of(&answer.body), sum));
    }
    counted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_planned_counts_as_sent_once_its_time_has_come() {
    // Arrange: one that has left, two that are to leave together, one later.
    let (app, clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    register(&app, &key, "a", None).await;
    for (id, minutes) in [("b", 10), ("c", 10), ("d", 60)] {
        register(&app, &key, id, Some(at(minutes * MINUTE_MS))).await;
    }
    // Act, assert: in every report, of all time and of spans.
    assert_eq!(counted(&app, &key, "").await, [[1, 3]; 4]);
    let message = report(&app, &key, "b").await;
    assert_eq!([&message["sent"], &message["planned"]], [0, 1]);
    let hour = format!("from={}&to={}", at(0), at(60 * MINUTE_MS));
    assert_eq!(counted(&app, &key, &hour).await, [[1, 2]; 4]);
    clock.set(now().plus_millis(10 * MINUTE_MS - 1));
    assert_eq!(counted(&app, &key, "").await, [[1, 3]; 4]);
    clock.set(now().plus_millis(10 * MINUTE_MS));
    assert_eq!(counted(&app, &key, "").await, [[3, 1]; 4]);
    assert_eq!(counted(&app, &key, &hour).await, [[3, 0]; 4]);
    // One leaves earlier than was planned.
    let told = json!({"messages": [{"messageId": "d"}]});
    assert_eq!(statuses(&tell(&app, &key, told).await), ["recorded"]);
    assert_eq!(counted(&app, &key, "").await, [[4, 0]; 4]);
    // And the same from views that are built anew.
    app.app.projector.rebuild(|_, _| {}).await.unwrap();
    assert_eq!(counted(&app, &key, "").await, [[4, 0]; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_told_to_leave_later_is_planned_again() {
    let (app, clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    register(&app, &key, "a", None).await;
    assert_eq!(counted(&app, &key, "").await, [[1, 0]; 4]);
    let told = json!({"messages": [{"messageId": "a", "sentAt": at(5 * MINUTE_MS)}]});
    assert_eq!(statuses(&tell(&app, &key, told).await), ["recorded"]);
    assert_eq!(counted(&app, &key, "").await, [[0, 1]; 4]);
    clock.set(now().plus_millis(5 * MINUTE_MS));
    assert_eq!(counted(&app, &key, "").await, [[1, 0]; 4]);
}
