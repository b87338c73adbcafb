//! Each file that the views consist of, lost, cut, damaged, of before, of another version or store, and settings
//! that change, while the store rests: the start that follows, under load, tells all that was known or says that it
//! is building, and never less.

mod harm;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;
use shared::time::Timestamp;
use store::clock::{Clock, FixedClock};
use store::ledger::decide::Attribution;
use store::meta::Meta;
use tokio::task::JoinSet;

use crate::building::{send, told, unsubscribe};
use crate::mail::ask;
use crate::support::{Folder, NOW, PERSON, TestApp, spawn_app_in};
use harm::{HARMS, Harm, copy, files_of_views};

const MANY: usize = 2_000;
/// Seqs of a run, see `store::views::runs`.
const RUN: u64 = 1 << 20;

/// Every read of the views, of a workspace that [`lived`].
const READS: [&str; 17] = [
    "/v1/events?name=viewed&limit=1000",
    "/v1/events?name=viewed&limit=1000&order=asc",
    "/v1/events?email=user7@person.example&limit=1000",
    "/v1/events?messageId=m&limit=1000",
    "/v1/events?campaignId=spring",
    "/v1/events?type=purchase",
    "/v1/contacts?email=alice@person.example",
    "/v1/contacts?sort=score&limit=1000",
    "/v1/reports/overview",
    "/v1/reports/messages?campaignId=spring",
    "/v1/reports/messages/m",
    "/v1/reports/campaigns",
    "/v1/reports/campaigns/spring",
    "/v1/reports/revenue",
    "/v1/export/events",
    "/v1/export/orders",
    "/v1/export/contacts",
];

/// Time stands still, so that scores are the same whenever they are asked for.
fn clock() -> Arc<dyn Clock> {
    Arc::new(FixedClock::new(Timestamp::parse_rfc3339(NOW).unwrap()))
}

async fn start(folder: Folder) -> TestApp {
    spawn_app_in(folder, clock()).await
}

/// A store with nothing in it whose log begins a few events before the end of a run, so that one of them is sealed.
async fn begun() -> (TestApp, String) {
    let app = start(Folder::new()).await;
    let key = app.secret(&[Scope::Admin]);
    let (folder, _) = app.stop().await;
    let floor = folder.path().join("log/FLOOR");
    fs::write(floor, format!("{}\n", RUN - 1_000)).unwrap();
    (start(folder).await, key)
}

async fn lived(app: &TestApp, key: &str) {
    unsubscribe(app, key).await;
    send(app, MANY).await;
    let order =
        json!({"email": PERSON, "orderId": "o", "revenue": 5, "currency": "EUR", "messageId": "m"});
    let bought = app.post("/v1/track/purchase", key, &order).await;
    bought.is_tracked();
    app.caught_up().await;
}

/// Every answer, without what changes by itself.
async fn all_of(app: &TestApp, key: &str) -> BTreeMap<&'static str, Value> {
    let mut answers = BTreeMap::new();
    for path in READS {
        let answer = told(app, key, path).await;
        let answer = if path.starts_with("/v1/export") {
            let rows = answer.text.lines();
            rows.map(|row| serde_json::from_str::<Value>(row).unwrap())
                .collect()
        } else {
            let mut body = answer.body;
            body.as_object_mut().unwrap().remove("meta");
            body
        };
        answers.insert(path, answer);
    }
    answers
}

/// What was known and is not any more, or is otherwise, as sentences. Lists may have become longer.
fn lost(was: &Value, is: &Value, at: &str, lost_so_far: &mut Vec<String>) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            for (name, was) in was {
                let is = is.get(name).unwrap_or(&Value::Null);
                lost(was, is, &format!("{at}/{name}"), lost_so_far);
            }
        }
        (Value::Array(was), Value::Array(is)) => {
            let is: HashSet<String> = is.iter().map(Value::to_string).collect();
            let rows = was.iter().map(Value::to_string);
            for row in rows.filter(|row| !is.contains(row)) {
                lost_so_far.push(format!("{at}: no {row}"));
            }
        }
        (was, is) if was == is => {}
        (was, is) => lost_so_far.push(format!("{at}: {was} became {is}")),
    }
}

/// Asks everything that was known when the store stopped, while others send.
async fn tells_all(app: &TestApp, key: &str, known: &BTreeMap<&'static str, Value>, what: &str) {
    let done = AtomicBool::new(false);
    let load = async {
        let event = json!({"type": "track", "event": "loaded", "email": "load@person.example"});
        let body = json!({"events": vec![event; 10]});
        while !done.load(Ordering::Acquire) {
            assert_eq!(
                app.post("/v1/track/batch", &app.key, &body).await.status,
                200
            );
        }
    };
    let ask = async {
        let now = all_of(app, key).await;
        done.store(true, Ordering::Release);
        let mut less = Vec::new();
        for (path, was) in known {
            lost(was, &now[path], path, &mut less);
        }
        less.truncate(5);
        assert!(less.is_empty(), "{what}: {less:#?}");
    };
    tokio::join!(load, ask);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_a_file_of_the_views_no_answer_knows_less() {
    // Arrange: the store as it was with nothing in it, another one, and as it is.
    let (app, key) = begun().await;
    let (folder, _) = app.stop().await;
    let before = Folder::new();
    copy(folder.path(), before.path());
    let app = start(folder).await;
    lived(&app, &key).await;
    let known = all_of(&app, &key).await;
    let (whole, _) = app.stop().await;
    let (other, others) = begun().await;
    lived(&other, &others).await;
    let (other, _) = other.stop().await;
    let files = files_of_views(whole.path());
    assert!(files.len() >= 5, "{files:?}");
    // A file beside the others: each start waits for the disk more than it computes.
    let stores = Arc::new((whole, before, other));
    let (key, known) = (Arc::new(key), Arc::new(known));
    let mut each_file = JoinSet::new();
    for file in files.clone() {
        let (stores, key, known) = (stores.clone(), key.clone(), known.clone());
        each_file.spawn(async move {
            let (whole, before, other) = &*stores;
            for harm in HARMS {
                let folder = Folder::new();
                copy(whole.path(), folder.path());
                harm.on(folder.path(), &file, before.path(), other.path());
                // Act, assert
                let app = start(folder).await;
                tells_all(&app, &key, &known, &format!("{} {harm:?}", file.display())).await;
                app.stop().await;
            }
        });
    }
    each_file.join_all().await;
    // All of them at once, and a folder among them.
    let (whole, before, other) = Arc::into_inner(stores).unwrap();
    for file in &files {
        Harm::Lost.on(whole.path(), file, before.path(), other.path());
    }
    fs::remove_dir(whole.path().join("views-runs")).unwrap();
    let app = start(whole).await;
    tells_all(&app, &key, &known, "all").await;
}

/// Changes the windows of the workspace `default` in a store at rest.
fn set_windows(data: &Path, millis: i64) {
    let meta = Meta::open(data, clock()).unwrap();
    let workspace = meta.workspace("default").unwrap();
    let windows = Attribution {
        click_window_ms: millis,
        open_window_ms: millis,
    };
    meta.set_attribution(&workspace, windows).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_change_at_rest_hold_from_the_first_answer_on() {
    let (app, key) = begun().await;
    lived(&app, &key).await;
    click_and_buy(&app, &key).await;
    let by_old = all_of(&app, &key).await;
    let (whole, _) = app.stop().await;
    // What is right under the others, from the log alone.
    set_windows(whole.path(), 0);
    let rebuilt = Folder::new();
    copy(whole.path(), rebuilt.path());
    for file in files_of_views(rebuilt.path()) {
        fs::remove_file(rebuilt.path().join(file)).unwrap();
    }
    let app = start(rebuilt).await;
    let by_new = all_of(&app, &key).await;
    app.stop().await;
    let revenue = "/v1/reports/revenue";
    assert_ne!(by_old[revenue], by_new[revenue]);
    let files = files_of_views(whole.path());
    for harmed in files.iter().map(Some).chain([None]) {
        let folder = Folder::new();
        copy(whole.path(), folder.path());
        if let Some(file) = harmed {
            fs::remove_file(folder.path().join(file)).unwrap();
        }
        let app = start(folder).await;
        tells_all(&app, &key, &by_new, &format!("{harmed:?}")).await;
        app.stop().await;
    }
}

/// A person follows a link of a message, and buys.
async fn click_and_buy(app: &TestApp, key: &str) {
    let message = json!({"email": PERSON, "messageId": "n", "campaignId": "spring",
                         "type": "transactional", "text": "See https://shop.example/now"});
    let sent = app.post("/v1/messages", key, &message).await;
    let text = sent.text_of("text");
    let link = &text[text.find("/mail/track/click/").unwrap()..];
    let link = link.split_whitespace().next().unwrap();
    let before = app.on_disk();
    let clicked = ask(app, Method::GET, link, &[]).await;
    assert!((300..400).contains(&clicked.status), "{}", clicked.text);
    // It is recorded behind the answer.
    while app.on_disk() == before {
        tokio::task::yield_now().await;
    }
    let order = json!({"email": PERSON, "orderId": "p", "revenue": 7, "currency": "EUR"});
    let bought = app.post("/v1/track/purchase", key, &order).await;
    bought.is_tracked();
    app.caught_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_read_is_begun_anew_and_everything_else_goes_on() {
    let (app, key) = begun().await;
    lived(&app, &key).await;
    let known = all_of(&app, &key).await;
    let (folder, _) = app.stop().await;
    let run = Path::new("views-runs/0000000000.run");
    Harm::DamagedWithin.on(folder.path(), run, folder.path(), folder.path());
    let app = start(folder).await;
    // What was folded is there, and only a look into the run tells that it is damaged.
    let contact = format!("/v1/contacts?email={PERSON}");
    app.caught_up().await;
    assert_eq!(app.get_with(&contact, &key).await.status, 200);
    let path = "/v1/events?email=user7@person.example&limit=1000";
    let first = app.get_with(path, &key).await;
    first.is_refused(503, "view_building");
    assert!(first.body["error"]["progress"].is_u64(), "{}", first.text);
    assert_eq!(app.get_with(&contact, &key).await.status, 200);
    tells_all(&app, &key, &known, "while it runs").await;
    // What was begun anew is whole.
    let (folder, _) = app.stop().await;
    let app = start(folder).await;
    tells_all(&app, &key, &known, "after a start").await;
}
