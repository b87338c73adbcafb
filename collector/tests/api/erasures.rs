//! `DELETE /v1/contacts/{email}`: nothing tells of who was erased, at once in every answer and then in
//! every file, and everything that was counted stays.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use store::record::{Seq, WorkspaceId, stored};
use store::rejected::Rejected;

use crate::mail::ask;
use crate::reports::{HUMAN, Stage};
use crate::support::{Answer, TestApp};

pub(crate) const ADA: &str = "ada@person.example";
const BOB: &str = "bob@person.example";
/// What the events of Ada hold of her, and nobody else's.
pub(crate) const HERS: [&str; 8] = [
    "ada@person",
    "Ada@Person",
    "ada-trait",
    "ada-property",
    "ada-context",
    "ada-browser",
    "AdaAgent",
    "ada-target",
];
/// Tables of the views in which the numbers of browsers stand.
const BY_BROWSER: [&str; 6] = [
    "browser_numbers",
    "newest_of_browsers_v1",
    "browsers_said_v1",
    "browsers_did_v2",
    "browsers_of_contacts_v1",
    "runs_v1",
];
const HOUR_MS: i64 = 3_600_000;

fn path(email: &str) -> String {
    format!("/v1/contacts/{}", email.replace('@', "%40"))
}

pub(crate) async fn erase(stage: &Stage, email: &str) -> Answer {
    let ask = stage.app.ask(Method::DELETE, &path(email)).key(&stage.key);
    let answer = ask.send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.body["success"], true);
    answer
}

/// The bytes of all that the files of the store hold once the log was written anew, decoded.
pub(crate) fn held(app: &TestApp) -> Vec<(String, Vec<u8>)> {
    let mut held = Vec::new();
    let records = app.app.log.read_from(Seq::START, usize::MAX).unwrap();
    for record in records {
        let bytes = stored::write(&record.entry, Vec::new()).unwrap();
        held.push((format!("log {}", record.seq), bytes));
    }
    for (table, rows) in app.app.views.dump().unwrap() {
        for (key, value) in rows {
            held.push((format!("views {table}"), [key, value].concat()));
        }
    }
    let all = |_: &Rejected| true;
    let rejected = app.app.rejected.list(WorkspaceId(1), None, 1_000, &all);
    for rejected in rejected.unwrap().found {
        held.push((
            "rejected".to_owned(),
            serde_json::to_vec(&rejected).unwrap(),
        ));
    }
    held
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}

#[track_caller]
pub(crate) fn is_clean(held: &[(String, Vec<u8>)], words: &[&str]) {
    for (place, bytes) in held {
        for word in words {
            assert!(!holds(bytes, word), "{word} in {place}");
        }
    }
}

/// Ada and Bob each get a mail, open it, follow a link, order, and are seen; Ada leaves more.
pub(crate) async fn lived(stage: &Stage) -> String {
    let app = &stage.app;
    for (email, id) in [(ADA, "m-ada"), (BOB, "m-bob")] {
        let who = if email == ADA { "ada" } else { "bob" };
        let html = format!("<a href=\"https://shop.example/?to={who}-target\">x</a>");
        let body = json!({"email": email, "messageId": id, "campaignId": "spring", "subject": format!("To {email}"),
            "html": html});
        let answer = app.post("/v1/messages", &stage.key, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        stage.clock.advance_millis(HOUR_MS);
        let html = answer.text_of("html");
        let origin = app.origin();
        let paths = html
            .split('"')
            .filter_map(|part| part.strip_prefix(&origin));
        let agent = format!(
            "{HUMAN} {}",
            if email == ADA {
                "AdaAgent/1.0"
            } else {
                "Other/1.0"
            }
        );
        let paths: Vec<_> = paths.collect();
        for path in paths
            .iter()
            .rev()
            .filter(|path| path.starts_with("/mail/track"))
        {
            stage.hit(path, &agent).await;
        }
        stage
            .buy(&format!("o-{id}"), email, "10", "EUR", json!({}))
            .await;
    }
    let shop = app.public(&[]);
    let mut event = String::new();
    for (email, who) in [(ADA, "ada"), (BOB, "bob")] {
        let spelled = if email == ADA {
            "Ada@Person.example"
        } else {
            email
        };
        let identify = json!({"email": spelled, "traits": {"plan": format!("{who}-trait")}});
        app.post("/v1/identify", &app.key, &identify)
            .await
            .is_tracked();
        let batch = json!({"key": shop, "context": {"page": format!("{who}-context")}, "events": [
            {"type": "track", "event": "page_viewed", "anonymousId": format!("{who}-browser"),
             "properties": {"url": format!("https://x.example/{who}-property")}},
            {"type": "identify", "email": email, "anonymousId": format!("{who}-browser"),
             "traits": {"page": format!("{who}-trait")}},
            {"type": "track", "event": "cart_seen", "anonymousId": format!("{who}-browser"),
             "properties": {"note": format!("{who}-property")}},
        ]});
        let answer = app
            .ask(Method::POST, "/v1/track/batch")
            .text(&batch)
            .send()
            .await;
        for result in answer.results() {
            assert_eq!(result["status"], "tracked", "{}", answer.text);
        }
        let tracked = json!({"email": email, "event": "seen", "properties": {"a": format!("{who}-property")}});
        let tracked = app.post("/v1/track/event", &app.key, &tracked).await;
        event = if email == ADA {
            tracked.text_of("id")
        } else {
            event
        };
        let bad = json!({"email": email, "event": "bad", "timestamp": "never", "properties": {"a": format!("{who}-property")}});
        app.post("/v1/track/event", &app.key, &bad)
            .await
            .is_refused(422, "invalid_timestamp");
        let body = json!({"email": email, "reason": "complained"});
        app.post("/v1/suppressions", &stage.key, &body).await;
    }
    app.caught_up().await;
    event
}

/// Everything that is answered, as one text.
async fn answers(stage: &Stage) -> String {
    let app = &stage.app;
    let mut all = String::new();
    for path in [
        "/v1/events?limit=1000".to_owned(),
        "/v1/events?status=rejected".to_owned(),
        format!("/v1/events?email={ADA}"),
        "/v1/export/events".to_owned(),
        "/v1/export/orders".to_owned(),
        "/v1/export/contacts".to_owned(),
        format!("/v1/contacts?email={ADA}"),
        "/v1/suppressions".to_owned(),
        "/v1/suppressions?format=csv".to_owned(),
        "/v1/reports/messages/m-ada".to_owned(),
        "/v1/reports/campaigns/spring".to_owned(),
    ] {
        let answer = app.get_with(&path, &stage.key).await;
        let answer = match answer.status {
            403 => app.get(&path).await,
            _ => answer,
        };
        assert_eq!(answer.status, 200, "{path} {}", answer.text);
        all.push_str(&answer.text);
    }
    all
}

/// Reports without what only says how fresh they are, and without the targets of links.
pub(crate) async fn totals(stage: &Stage) -> Vec<Value> {
    let mut totals = Vec::new();
    for path in [
        "overview",
        "messages",
        "campaigns",
        "messages/m-ada",
        "messages/m-bob",
        "campaigns/spring",
        "revenue",
    ] {
        let mut report = stage.report(path).await.body;
        report.as_object_mut().unwrap().remove("meta");
        without_links(&mut report);
        totals.push(report);
    }
    totals
}

/// Where links led is told with them.
fn without_links(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("links");
            fields.values_mut().for_each(without_links);
        }
        Value::Array(values) => values.iter_mut().for_each(without_links),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_erased_is_in_no_answer_and_then_in_no_file_and_the_totals_stay() {
    let stage = Stage::new().await;
    let event = lived(&stage).await;
    let before = totals(&stage).await;
    let told = answers(&stage).await;
    for word in HERS {
        assert!(
            holds(told.as_bytes(), word) || ["AdaAgent", "ada-context"].contains(&word),
            "{word}"
        );
    }
    let rows = stage.app.all_events().await;
    let erased = erase(&stage, ADA).await;
    assert_eq!(erased.body["erased"]["rejected"], 1, "{}", erased.text);
    // Send, open, click, order, two identifies, event, suppression, and two that her browser did.
    assert_eq!(erased.body["erased"]["events"], 10, "{}", erased.text);
    // Nothing was waited for.
    let contact = stage
        .app
        .get_with(&format!("/v1/contacts?email={ADA}"), &stage.key)
        .await;
    assert_eq!(contact.body["contacts"], json!([]), "{}", contact.text);
    let listed = stage
        .app
        .get_with(&format!("/v1/events?email={ADA}"), &stage.app.key)
        .await;
    assert_eq!(listed.body["events"], json!([]), "{}", listed.text);
    assert_eq!(stage.app.receipt(&event).await.body["status"], "erased");
    stage.app.app.purge_log().unwrap();
    stage.app.caught_up().await;
    let told = answers(&stage).await;
    for word in HERS {
        assert!(!holds(told.as_bytes(), word), "{word}: {told}");
    }
    for word in [BOB, "bob-property", "bob-trait", "bob-browser"] {
        assert!(holds(told.as_bytes(), word), "{word}");
    }
    assert_eq!(totals(&stage).await, before);
    let after = stage.app.all_events().await;
    assert_eq!(after.len(), rows.len() + 1);
    for (now, then) in after[1..].iter().zip(&rows) {
        for field in [
            "id",
            "seq",
            "type",
            "name",
            "timestamp",
            "receivedAt",
            "class",
            "messageId",
            "revenue",
        ] {
            assert_eq!(now[field], then[field], "{now} {then}");
        }
    }
    // In the files too, whoever looks.
    is_clean(&held(&stage.app), &HERS);
    // Who complained gets no mail under that address, whoever sends it.
    let listed = stage.app.get_with("/v1/suppressions", &stage.key).await;
    let emails: Vec<_> = listed.body["suppressions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.get("email").is_some())
        .collect();
    assert_eq!(
        emails.iter().filter(|has| !**has).count(),
        1,
        "{}",
        listed.text
    );
    assert!(stage.app.app.verify_log(&mut |_| {}).unwrap().ok);
    // A rebuild comes to the same, save that browsers have other numbers: hers has none in it.
    let dump = stage.app.app.views.dump().unwrap();
    let his = async || {
        let path = format!("/v1/events?email={BOB}");
        let listed = stage.app.get_with(&path, &stage.app.key).await;
        listed.body["events"].clone()
    };
    let before_it = his().await;
    stage.app.app.projector.rebuild(|_, _| {}).await.unwrap();
    stage.app.caught_up().await;
    let rebuilt = stage.app.app.views.dump().unwrap();
    for (table, rows) in dump.iter().filter(|(table, _)| !BY_BROWSER.contains(table)) {
        assert_eq!(&rebuilt[table], rows, "{table}");
    }
    assert_eq!(his().await, before_it);
    assert_eq!(before_it.as_array().map(Vec::len), Some(10));
    assert_eq!(totals(&stage).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_late_names_nobody_and_what_comes_later_makes_a_new_contact() {
    let stage = Stage::new().await;
    let mail = stage.send("m", json!("spring"), ADA).await;
    stage.clock.advance_millis(HOUR_MS);
    erase(&stage, ADA).await;
    stage.clock.advance_millis(HOUR_MS);
    let contact = async || {
        stage.app.caught_up().await;
        let answer = stage
            .app
            .get_with(&format!("/v1/contacts?email={ADA}"), &stage.key)
            .await;
        answer.body["contacts"].clone()
    };
    // Of before: redacted as it is recorded.
    let early = json!({"email": ADA, "event": "seen", "timestamp": "2026-11-23T10:30:00Z", "properties": {"a": "ada-property"}});
    let early = stage
        .app
        .post("/v1/track/event", &stage.app.key, &early)
        .await;
    early.is_tracked();
    let receipt = stage.app.receipt(&early.text_of("id")).await;
    assert_eq!(receipt.body["status"], "erased", "{}", receipt.text);
    // A mail of before resurrects nobody, and still takes the wish for no more of them.
    stage.hit(&mail.pixel, HUMAN).await;
    stage.hit(&mail.links[0], HUMAN).await;
    assert_eq!(contact().await, json!([]));
    let pressed = ask(&stage.app, Method::POST, &mail.unsubscribe, &[]).await;
    assert_eq!(pressed.status, 200);
    assert_eq!(contact().await, json!([]));
    is_clean(&held(&stage.app), &["ada@person", "ada-property"]);
    let report = stage.report("messages/m").await;
    assert_eq!(report.body["opens"]["all"]["total"], 1, "{}", report.text);
    let list = stage
        .app
        .get_with(&format!("/v1/suppressions?email={ADA}"), &stage.key)
        .await;
    assert_eq!(
        list.body["suppressions"][0]["reasons"][0]["reason"], "unsubscribed",
        "{}",
        list.text
    );
    // Of later: somebody new, of whom nothing is known but that.
    let later = json!({"email": ADA, "event": "seen", "properties": {"a": "ada-property"}});
    let later = stage
        .app
        .post("/v1/track/event", &stage.app.key, &later)
        .await;
    assert_eq!(
        stage.app.receipt(&later.text_of("id")).await.body["status"],
        "tracked"
    );
    let found = contact().await;
    assert_eq!(found[0]["firstSeen"], "2026-11-23T12:00:00Z", "{found}");
    assert_eq!(found[0]["score"], 2.0, "{found}");
    stage.app.app.purge_log().unwrap();
    let listed = stage
        .app
        .get_with(&format!("/v1/events?email={ADA}"), &stage.app.key)
        .await;
    assert_eq!(
        listed.body["events"].as_array().unwrap().len(),
        1,
        "{}",
        listed.text
    );
    // And erased again.
    stage.clock.advance_millis(HOUR_MS);
    erase(&stage, ADA).await;
    assert_eq!(contact().await, json!([]));
    assert_eq!(
        stage.app.receipt(&later.text_of("id")).await.body["status"],
        "erased"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_of_theirs_tells_late_without_an_address_is_redacted_too() {
    let stage = Stage::new().await;
    lived(&stage).await;
    stage.clock.advance_millis(HOUR_MS);
    erase(&stage, ADA).await;
    // Whose browsers were is found behind the answer.
    stage.app.app.purge_log().unwrap();
    stage.clock.advance_millis(HOUR_MS);
    let statuses = async || {
        let deeds = [
            (
                "ada-browser",
                "2026-11-23T10:30:00Z",
                "of before she said who she is",
            ),
            ("ada-browser", "2026-11-23T12:30:00Z", "behind that"),
            ("ada-browser", "2026-11-23T13:30:00Z", "behind her erasure"),
            ("bob-browser", "2026-11-23T12:30:00Z", "somebody else's"),
        ];
        let events: Vec<Value> = deeds
            .iter()
            .map(|(browser, time, note)| {
                json!({"type": "track", "event": "late", "anonymousId": browser, "timestamp": time,
                    "properties": {"note": format!("{note} ada-property")}})
            })
            .collect();
        let body = json!({"events": events});
        let answer = stage
            .app
            .post("/v1/track/batch", &stage.app.key, &body)
            .await;
        let mut statuses = Vec::new();
        for result in answer.results() {
            let receipt = stage.app.receipt(result["id"].as_str().unwrap()).await;
            statuses.push(receipt.body["status"].as_str().unwrap().to_owned());
        }
        statuses
    };
    let expected = ["erased", "erased", "tracked", "tracked"];
    assert_eq!(statuses().await, expected);
    // Also after a restart.
    let Stage { app, clock, key } = stage;
    let (folder, _) = app.stop().await;
    let app = crate::support::spawn_app_in(folder, clock.clone() as _).await;
    let stage = Stage { app, clock, key };
    let event = json!({"type": "track", "event": "late", "anonymousId": "ada-browser",
        "timestamp": "2026-11-23T10:31:00Z"});
    let body = json!({"events": [event]});
    let answer = stage
        .app
        .post("/v1/track/batch", &stage.app.key, &body)
        .await;
    let id = answer.results()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(stage.app.receipt(&id).await.body["status"], "erased");
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_whom_nobody_knows_is_remembered_and_can_be_said_again() {
    let stage = Stage::new().await;
    for _ in 0..2 {
        let answer = erase(&stage, "Nobody@Person.example").await;
        assert_eq!(answer.body["erased"], json!({"events": 0, "rejected": 0}));
    }
    let early = json!({"email": "nobody@person.example", "event": "seen", "timestamp": "2026-11-01T00:00:00Z"});
    let early = stage
        .app
        .post("/v1/track/event", &stage.app.key, &early)
        .await;
    assert_eq!(
        stage.app.receipt(&early.text_of("id")).await.body["status"],
        "erased"
    );
    let refused = stage
        .app
        .ask(Method::DELETE, "/v1/contacts/nobody")
        .key(&stage.key);
    refused.send().await.is_refused(422, "invalid_parameter");
    let elsewhere = stage.app.key_elsewhere();
    let refused = stage
        .app
        .ask(Method::DELETE, &path(ADA))
        .key(&elsewhere)
        .send()
        .await;
    assert_eq!(refused.status, 403, "{}", refused.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_outlives_a_restart_and_stands_beside_the_folder_without_an_address() {
    let stage = Stage::new().await;
    let event = lived(&stage).await;
    erase(&stage, ADA).await;
    let file = stage.app.app.erasures.path().to_owned();
    let noted = std::fs::read_to_string(&file).unwrap();
    assert_eq!(noted.lines().count(), 1);
    assert!(
        !noted.contains('@') && noted.contains("\"contact\""),
        "{noted}"
    );
    let Stage { app, clock, key } = stage;
    let (app, _) = app.restart().await;
    let stage = Stage { app, clock, key };
    stage.app.caught_up().await;
    assert_eq!(stage.app.receipt(&event).await.body["status"], "erased");
    let told = answers(&stage).await;
    for word in HERS {
        assert!(!holds(told.as_bytes(), word), "{word}");
    }
    stage.app.app.purge_log().unwrap();
    is_clean(&held(&stage.app), &HERS);
    let metrics = stage.app.ask(Method::GET, "/metrics").send().await;
    assert!(
        metrics.text.contains("misar_log_segments_to_redact 0\n"),
        "{}",
        metrics.text
    );
    remove(&file);
}

fn remove(file: &Path) {
    std::fs::remove_file(file).ok();
}
