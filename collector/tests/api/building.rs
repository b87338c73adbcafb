//! Views that are lost, damaged or behind: a read says so, or tells all; it never tells less than is on
//! disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;
use store::clock::SystemClock;

use crate::support::{Answer, Folder, PERSON, TestApp, spawn_app, spawn_app_in};

/// Enough that building the views takes a while, in batches of [`BATCH`].
const MANY: usize = 24_000;
const BATCH: usize = 1_000;

pub(crate) async fn send(app: &TestApp, count: usize) {
    for first in (0..count).step_by(BATCH) {
        let event = |n: usize| {
            json!({"type": "track", "event": "viewed", "email": format!("user{}@person.example", n % 50),
                   "properties": {"n": n}})
        };
        let events: Vec<Value> = (first..count.min(first + BATCH)).map(event).collect();
        let sent = app
            .post("/v1/track/batch", &app.key, &json!({"events": events}))
            .await;
        assert_eq!(sent.results().len(), events.len());
    }
}

/// Registers a message to somebody and unsubscribes them by its link.
pub(crate) async fn unsubscribe(app: &TestApp, key: &str) {
    let message =
        json!({"email": PERSON, "messageId": "m", "campaignId": "spring", "text": "Hello"});
    let sent = app.post("/v1/messages", key, &message).await;
    let url = sent.text_of("unsubscribeUrl");
    let path = &url[url.find("/mail/").unwrap()..];
    let done = app.ask(Method::POST, path).send().await;
    assert_eq!(done.status, 200, "{}", done.text);
}

async fn start(folder: Folder) -> TestApp {
    spawn_app_in(folder, Arc::new(SystemClock)).await
}

/// The answer once there is one; until then it is refused as it should be.
pub(crate) async fn told(app: &TestApp, key: &str, path: &str) -> Answer {
    loop {
        let answer = app.get_with(path, key).await;
        if answer.status != 503 {
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            return answer;
        }
        answer.is_refused(503, "view_building");
        let progress = answer.body["error"]["progress"].as_u64().unwrap();
        assert!(progress < 100, "{}", answer.text);
        assert!(answer.message().contains(&format!("{progress} %")));
    }
}

/// Asks everything at once, before the views can be there, and expects to be told of all of it.
async fn tells_all(app: &TestApp, key: &str, events: usize) {
    let lines = |answer: &Answer| answer.text.lines().count();
    let of_person = format!("/v1/contacts?email={PERSON}");
    let (list, contact, overview, campaigns, messages, exported, contacts, revenue) = tokio::join!(
        told(app, key, "/v1/events?limit=1"),
        told(app, key, &of_person),
        told(app, key, "/v1/reports/overview"),
        told(app, key, "/v1/reports/campaigns"),
        told(app, key, "/v1/reports/messages?campaignId=spring"),
        told(app, key, "/v1/export/events"),
        told(app, key, "/v1/export/contacts"),
        told(app, key, "/v1/reports/revenue"),
    );
    assert_eq!(list.body["events"][0]["properties"]["n"], events - 1);
    let contact = &contact.body["contacts"][0];
    assert!(contact["unsubscribedAt"].is_string(), "{contact}");
    assert_eq!(overview.body["sent"], 1, "{}", overview.text);
    assert_eq!(overview.body["unsubscribes"], 1, "{}", overview.text);
    assert_eq!(campaigns.body["campaigns"][0]["campaignId"], "spring");
    assert_eq!(messages.body["messages"][0]["messageId"], "m");
    assert_eq!(lines(&exported), events + 2);
    assert_eq!(lines(&contacts), 51);
    assert_eq!(revenue.body["total"], json!([]));
}

/// Every derived file of a folder, and those in derived folders.
fn derived(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap());
    let views = entries.filter(|entry| entry.file_name().to_str().unwrap().starts_with("views"));
    let mut files = Vec::new();
    for path in views.map(|entry| entry.path()) {
        if path.is_dir() {
            let within = std::fs::read_dir(path).unwrap();
            files.extend(within.map(|entry| entry.unwrap().path()));
        } else {
            files.push(path);
        }
    }
    assert!(files.len() >= 3, "{files:?}");
    files
}

/// A store whose views have been spoilt while it was at rest.
async fn spoilt(events: usize, spoil: impl FnOnce(&Path)) -> (TestApp, String) {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    unsubscribe(&app, &key).await;
    send(&app, events).await;
    let (folder, _) = app.stop().await;
    spoil(folder.path());
    (start(folder).await, key)
}

fn remove_all(data: &Path) {
    for file in derived(data) {
        std::fs::remove_file(file).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_views_are_built_before_anything_is_read_from_them() {
    let (app, key) = spoilt(MANY, remove_all).await;
    tells_all(&app, &key, MANY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_views_are_built_before_anything_is_read_from_them() {
    let spoil = |data: &Path| {
        for file in derived(data) {
            std::fs::write(file, vec![0x5a; 100_000]).unwrap();
        }
    };
    let (app, key) = spoilt(MANY, spoil).await;
    tells_all(&app, &key, MANY).await;
}

/// Whatever one of them loses or suffers, what depends on it is built anew, and everything else goes on.
#[tokio::test(flavor = "multi_thread")]
async fn each_derived_file_may_be_lost_or_damaged() {
    const FEW: usize = 2_000;
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    unsubscribe(&app, &key).await;
    send(&app, FEW).await;
    let (mut folder, _) = app.stop().await;
    for number in 0..derived(folder.path()).len() {
        for is_lost in [true, false] {
            let mut files = derived(folder.path());
            files.sort();
            let file = &files[number.min(files.len() - 1)];
            if is_lost {
                std::fs::remove_file(file).unwrap();
            } else {
                let mut bytes = std::fs::read(file).unwrap();
                let (half, length) = (bytes.len() / 2, bytes.len());
                bytes[half..length.min(half + 5_000)].fill(0x5a);
                std::fs::write(file, bytes).unwrap();
            }
            let app = start(folder).await;
            tells_all(&app, &key, FEW).await;
            (folder, _) = app.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_that_a_crash_has_thrown_back_catch_up_before_they_are_read() {
    // Arrange: of before the last events, as after `kill -9`.
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    let (folder, _) = app.stop().await;
    let older: Vec<_> = derived(folder.path())
        .into_iter()
        .map(|path| (std::fs::read(&path).unwrap(), path))
        .collect();
    let app = start(folder).await;
    unsubscribe(&app, &key).await;
    send(&app, MANY).await;
    let (folder, _) = app.stop().await;
    remove_all(folder.path());
    for (bytes, path) in older {
        std::fs::write(path, bytes).unwrap();
    }
    // Act, assert
    let app = start(folder).await;
    tells_all(&app, &key, MANY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_waits_for_views_that_are_built_soon() {
    let (app, key) = spoilt(50, remove_all).await;
    let list = app.get_with("/v1/events?limit=1000", &key).await;
    assert_eq!(list.status, 200, "{}", list.text);
    assert_eq!(list.body["events"].as_array().unwrap().len(), 52);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_views_are_built_events_are_taken_and_it_is_said_how_far_they_are() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    unsubscribe(&app, &key).await;
    send(&app, 8).await;
    app.caught_up().await;
    let ready = app.ask(Method::GET, "/readyz").send().await;
    assert_eq!(ready.body, json!({"status": "ok"}));
    let page = app.ask(Method::GET, "/metrics").send().await.text;
    assert!(page.contains("\nmisar_views_built_ratio 1\n"), "{page}");
    // Ten of forty.
    app.app.views.owe(store::record::Seq(40));
    let event = json!({"email": PERSON, "event": "x"});
    let sent = app.post("/v1/track/event", &app.key, &event).await;
    let receipt = app.receipt(&sent.is_tracked().text_of("id")).await;
    assert_eq!(receipt.body["status"], "tracked");
    app.caught_up().await;
    let rejected = app.get("/v1/events?status=rejected").await;
    assert_eq!(rejected.status, 200, "{}", rejected.text);
    let held = app.get_with("/v1/suppressions", &key).await;
    assert_eq!(held.body["suppressions"].as_array().unwrap().len(), 1);
    let ready = app.ask(Method::GET, "/readyz").send().await;
    assert_eq!(ready.body, json!({"status": "ok", "viewsBuilding": 27}));
    let page = app.ask(Method::GET, "/metrics").send().await.text;
    assert!(page.contains("\nmisar_views_built_ratio 0.27\n"), "{page}");
    let seq = sent.text_of("seq");
    let path = format!("/v1/events?minSeq={seq}");
    let refused = app.get(&path).await;
    refused.is_refused(503, "view_building");
    assert_eq!(refused.body["error"]["progress"], 27, "{}", refused.text);
    let told = json!({"campaignId": "spring"});
    let told = app.post("/v1/messages/sent", &key, &told).await;
    told.is_refused(503, "view_building");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_books_of_orders_and_suppressions_are_made_anew_before_anything_is_answered() {
    // Arrange
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    unsubscribe(&app, &key).await;
    send(&app, 2_000).await;
    let order = json!({"email": PERSON, "orderId": "o", "revenue": 5, "currency": "EUR"});
    let first = app.post("/v1/track/purchase", &key, &order).await;
    first.is_tracked();
    let (folder, _) = app.stop().await;
    for file in ["orders.redb", "suppressions.redb"] {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    remove_all(folder.path());
    // Act
    let app = start(folder).await;
    // Assert
    let message = json!({"email": PERSON, "messageId": "n", "campaignId": "spring", "text": "Hello",
                         "refuseUnsubscribed": true});
    let refused = app.post("/v1/messages", &key, &message).await;
    refused.is_refused(422, "unsubscribed");
    let again = app.post("/v1/track/purchase", &key, &order).await;
    again.is_duplicate_of(&first);
    let held = app.get_with("/v1/suppressions", &key).await;
    assert_eq!(held.body["suppressions"].as_array().unwrap().len(), 1);
}
