//! A store of the version from before ids belonged to who sends them: a first call was made then, its
//! retry comes now, and is told the first's id. The clock stands where the store was closed.

use std::sync::Arc;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::time::Timestamp;
use store::clock::FixedClock;

use crate::messages::writer;
use crate::support::{Answer, TestApp, spawn_app_in};
use crate::upgrade::{kept, older_store};

/// A call that was made of the old version, and what it answered.
#[derive(Deserialize)]
struct Call {
    name: String,
    method: String,
    path: String,
    /// `server`, `page` or `elsewhere`, or absent for a mail client.
    sender: Option<String>,
    headers: std::collections::BTreeMap<String, String>,
    body: Option<String>,
    status: u16,
    answer: Option<Value>,
}

impl Call {
    /// Whether it names a person by an address with U+212A, which was taken for a K then and is refused
    /// today.
    fn is_to_a_look_alike(&self) -> bool {
        let body = self.body.as_deref().unwrap_or_default();
        body.contains('\u{212A}')
    }
}

/// A server on the old store, at the moment of its last event, and a key of each sender.
pub(crate) struct Upgraded {
    pub(crate) app: TestApp,
    pub(crate) server: String,
    pub(crate) elsewhere: String,
    page: String,
}

impl Upgraded {
    pub(crate) async fn start() -> Self {
        let reads = kept("reads.json");
        let events = &reads["server"]["/v1/events?limit=1000"]["body"]["events"];
        let last = events[0]["receivedAt"].as_str().unwrap();
        let clock = FixedClock::new(Timestamp::parse_rfc3339(last).unwrap());
        clock.advance_millis(60_000);
        let app = spawn_app_in(older_store(), Arc::new(clock)).await;
        Self {
            server: writer(&app),
            elsewhere: app.key_elsewhere(),
            page: app.shop(),
            app,
        }
    }

    async fn again(&self, call: &Call) -> Answer {
        let method = Method::from_bytes(call.method.as_bytes()).unwrap();
        let mut ask = self.app.ask(method, &call.path);
        let is_purchase = call.path.contains("purchase");
        ask = match call.sender.as_deref() {
            Some("page") => ask
                .header("origin", "https://shop.example")
                .header("x-api-key", &self.page),
            Some("elsewhere") => ask.key(&self.elsewhere),
            Some(_) => ask.key(&self.server),
            None => ask,
        };
        if call.sender.as_deref() == Some("page") && !is_purchase {
            ask = ask.header("content-type", "text/plain");
        } else if call.sender.is_some() {
            ask = ask.header("content-type", "application/json");
        }
        for (name, value) in &call.headers {
            ask = match name.as_str() {
                "idempotency-key" => ask.header("idempotency-key", value),
                "content-type" => ask.header("content-type", value),
                _ => ask,
            };
        }
        if let Some(body) = &call.body {
            ask = ask.body(body.clone());
        }
        ask.send().await
    }
}

/// Whether a retry of this call can be told from another call.
fn has_identity(call: &Call) -> bool {
    let body: Value = serde_json::from_str(call.body.as_deref().unwrap()).unwrap();
    let is_order = body.get("orderId").is_some() && call.sender.as_deref() != Some("page");
    call.headers.contains_key("idempotency-key") || body.get("id").is_some() || is_order
}

/// The verdict of an event, whether alone or in a batch: what it became, its id, its code.
fn verdict(answer: &Value) -> (String, Value, Value) {
    let status = answer.get("status").and_then(Value::as_str);
    let status = status.unwrap_or(match answer["tracked"].as_bool() {
        Some(true) => "tracked",
        Some(false) => "duplicate",
        None => "rejected",
    });
    let code = answer.get("code").unwrap_or(&answer["error"]["code"]);
    (status.to_owned(), answer["id"].clone(), code.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_the_upgrade_is_told_the_id_of_the_first() {
    let store = Upgraded::start().await;
    let calls: Vec<Call> = serde_json::from_value(kept("calls.json")).unwrap();
    let before = store.app.on_disk();
    let mut retried = 0;
    // Twice: what is asked for under two ids stays one event.
    for call in calls.iter().chain(&calls) {
        let is_event = call.path.starts_with("/v1/track/") || call.path == "/v1/identify";
        if !is_event || (call.path != "/v1/track/batch" && !has_identity(call)) {
            continue;
        }
        let first = call.answer.as_ref().unwrap();
        let again = store.again(call).await;
        if call.is_to_a_look_alike() {
            again.is_refused(422, "invalid_email");
            continue;
        }
        assert_eq!(again.status, call.status, "{}: {}", call.name, again.text);
        let results = |answer: &Value| match answer["results"].as_array() {
            Some(results) => results.clone(),
            None => vec![answer.clone()],
        };
        let (firsts, agains) = (results(first), results(&again.body));
        assert_eq!(firsts.len(), agains.len(), "{}", call.name);
        for (first, again) in firsts.iter().zip(&agains) {
            let (became, id, code) = verdict(first);
            let (now, id_now, code_now) = verdict(again);
            assert_eq!(code_now, code, "{}: {again}", call.name);
            if became == "rejected" {
                assert_eq!(now, "rejected", "{}: {again}", call.name);
            } else {
                assert_eq!((now.as_str(), id_now), ("duplicate", id), "{}", call.name);
                retried += 1;
            }
        }
    }
    assert_eq!(retried, 80);
    assert_eq!(store.app.on_disk(), before);
    assert!(store.app.app.verify_log(&mut |_| {}).unwrap().ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_and_unsubscribes_of_the_old_store_stay_one() {
    let store = Upgraded::start().await;
    let calls: Vec<Call> = serde_json::from_value(kept("calls.json")).unwrap();
    let before = store.app.on_disk();
    let (mut sends, mut unsubscribes) = (0, 0);
    for call in calls.iter().chain(&calls) {
        if call.path.starts_with("/mail/unsubscribe/") {
            assert_eq!(store.again(call).await.status, 200, "{}", call.name);
            unsubscribes += 1;
        } else if call.path.starts_with("/v1/messages") {
            let again = store.again(call).await;
            assert_eq!(again.status, 200, "{}: {}", call.name, again.text);
            let results = |answer: &Value| match answer["results"].as_array() {
                Some(results) => results.clone(),
                None => vec![answer.clone()],
            };
            let firsts = results(call.answer.as_ref().unwrap());
            for (first, again) in firsts.iter().zip(results(&again.body)) {
                let message_id = first["messageId"].as_str().unwrap();
                if ["msg-karl-1", "msg-karl-2"].contains(&message_id) {
                    assert_eq!(again["code"], "invalid_email", "{again}");
                    continue;
                }
                assert_eq!(first["id"], again["id"], "{}: {again}", call.name);
                assert_eq!(first["messageId"], again["messageId"]);
                // The tokens are those of then; only the server has another name in this test.
                let html = |answer: &Value, origin: &str| {
                    answer["html"].as_str().unwrap().replace(origin, "")
                };
                let origin = store.app.origin();
                assert_eq!(html(first, "https://track.example"), html(&again, &origin));
                sends += 1;
            }
        }
    }
    assert_eq!((sends, unsubscribes), (20, 8));
    assert_eq!(store.app.on_disk(), before);
}

/// The ids of old headers can be made by anybody: they count for who sent them and what it was.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_id_counts_only_for_its_sender_and_its_type() {
    let store = Upgraded::start().await;
    let person = json!({"email": "new@person.example", "event": "viewed"});
    for header in [
        "order-1",
        "refund-2",
        "identify-1",
        "page-header-1",
        "page-header-2",
    ] {
        let ask = store.app.ask(Method::POST, "/v1/track/event");
        let ask = ask.key(&store.server).header("idempotency-key", header);
        ask.json(&person).send().await.is_tracked();
    }
    for header in ["header-1", "order-2", "batch-1", "page-order-1"] {
        let ask = store.app.ask(Method::POST, "/v1/track/event");
        let ask = ask
            .header("origin", "https://shop.example")
            .header("x-api-key", &store.page)
            .header("idempotency-key", header);
        ask.json(&person).send().await.is_tracked();
    }
    // The receipts of old events are found, rejected ones under their kind of sender.
    let calls: Vec<Call> = serde_json::from_value(kept("calls.json")).unwrap();
    for call in &calls {
        let Some(id) = call
            .answer
            .as_ref()
            .and_then(|answer| answer["id"].as_str())
        else {
            continue;
        };
        let key = match call.sender.as_deref() {
            Some("elsewhere") => &store.elsewhere,
            _ => &store.server,
        };
        let receipt = store.app.get_with(&format!("/v1/receipts/{id}"), key).await;
        let status = if call.status == 200 {
            "tracked"
        } else {
            "rejected"
        };
        assert_eq!(
            receipt.body["status"], status,
            "{}: {}",
            call.name, receipt.text
        );
    }
}
