//! Secret keys in what events and messages say: rejected where the store knows them, masked where it
//! does not, and nowhere kept.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::secrets::{PAGE, is_refused, percent, routes, stranger, unicode};
use crate::support::{PERSON, base64, new_id, spawn_app};

/// What is kept in a key's place.
const MASK: &str = "msk_sec_[masked]";

/// Events that hold a key, one in each part of them that has a text.
fn contents(key: &str) -> Vec<(&'static str, Value)> {
    let url = format!("https://shop.example/?a=1&key={}#x", percent(key));
    let with = |field: &str, value: Value| {
        let mut event = json!({"type": "track", "email": PERSON, "event": "viewed"});
        event[field] = value;
        event
    };
    let mut all = vec![
        ("name", with("event", json!(key))),
        (
            "part of a name",
            with("event", json!(format!("clicked {key}"))),
        ),
        ("properties", with("properties", json!({"token": key}))),
        ("properties.key", with("properties", json!({"key": key}))),
        (
            "deep",
            with("properties", json!({"a": [{"b": format!("Bearer {key}")}]})),
        ),
        ("a property's name", with("properties", json!({key: 1}))),
        ("url", with("properties", json!({"url": url}))),
        (
            "base64",
            with(
                "properties",
                json!({"auth": format!("Basic {}", base64(format!("{key}:").as_bytes()))}),
            ),
        ),
        (
            "json in json",
            with(
                "properties",
                json!({"body": json!({"key": key.replace('_', "\\u005f")}).to_string()}),
            ),
        ),
        ("messageId", with("messageId", json!(key))),
        ("anonymousId", with("anonymousId", json!(key))),
        ("an unknown field", with("secret", json!(key))),
        ("an unknown field's name", with(key, json!(1))),
    ];
    all.push((
        "traits",
        json!({"type": "identify", "email": PERSON, "traits": {"token": key}}),
    ));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_holds_a_known_key_is_rejected_and_the_others_are_taken() {
    let app = spawn_app().await;
    let public = app.public(&[]);
    for by_page in [true, false] {
        let places = contents(&stranger()).len();
        for place in 0..places {
            let key = app.secret(&[Scope::Admin]);
            let (what, event) = contents(&key).swap_remove(place);
            let before = app.on_disk();
            let mut own = event.clone();
            own.as_object_mut().unwrap().remove("type");
            let route = if event["type"] == "identify" {
                "/v1/identify"
            } else {
                "/v1/track/event"
            };
            let sender = if by_page { &public } else { &app.key };
            let ask = |route: &str, mut body: Value| {
                let ask = app.ask(Method::POST, route);
                if by_page {
                    body["key"] = json!(sender);
                    ask.header(PAGE.0, PAGE.1).text(&body)
                } else {
                    ask.key(sender).json(&body)
                }
            };
            let answer = ask(route, own).send().await;
            is_refused(&answer, &key, what);
            assert!(app.known(&key).exposed_at().is_some(), "{what}");
            assert_eq!(app.on_disk(), before, "{what}");
            let receipt = app.receipt(&answer.text_of("id")).await;
            assert_eq!(
                receipt.body["code"], "secret_key_in_browser",
                "{what} {}",
                receipt.text
            );
            assert!(!receipt.text.contains(&key), "{what}");

            let good = json!({"type": "track", "email": PERSON, "event": "good"});
            let batch = json!({"events": [good, event, good]});
            let answer = ask("/v1/track/batch", batch).send().await;
            let statuses: Vec<_> = answer
                .results()
                .iter()
                .map(|result| result["status"].clone())
                .collect();
            assert_eq!(
                statuses,
                ["tracked", "rejected", "tracked"],
                "{what} {}",
                answer.text
            );
            assert_eq!(answer.results()[1]["code"], "secret_key_in_browser");
            assert_eq!(app.on_disk(), before + 2, "{what}");
            assert!(!answer.text.contains(&key), "{what}");
        }
    }
    // What is said of all of them.
    let key = app.secret(&[Scope::Admin]);
    for around in [
        json!({"context": {"page": {"url": key}}}),
        json!({"comment": key}),
    ] {
        let mut batch = around;
        let event = json!({"type": "track", "email": PERSON, "event": "x"});
        batch["events"] = json!([event, event]);
        let answer = app.post("/v1/track/batch", &app.key, &batch).await;
        for result in answer.results() {
            assert_eq!(
                (&result["status"], &result["code"]),
                (&json!("rejected"), &json!("secret_key_in_browser"))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_silences_nobody_and_is_kept_masked() {
    let app = spawn_app().await;
    let public = app.public(&[]);
    let key = stranger();
    for (what, event) in contents(&key) {
        let mut own = event.clone();
        own.as_object_mut().unwrap().remove("type");
        own["key"] = json!(public);
        let route = if event["type"] == "identify" {
            "/v1/identify"
        } else {
            "/v1/track/event"
        };
        let ask = app.ask(Method::POST, route).header(PAGE.0, PAGE.1);
        let answer = ask
            .header("referer", &format!("https://shop.example/?k={key}"))
            .text(&own)
            .send()
            .await;
        answer.is_tracked();
        let context = json!({"page": {"url": format!("https://shop.example/?k={key}")}});
        let batch = json!({"context": context, "events": [event]});
        let answer = app.post("/v1/track/batch", &app.key, &batch).await;
        assert_eq!(
            answer.results()[0]["status"],
            "tracked",
            "{what} {}",
            answer.text
        );
    }
    let all = app.all_events().await;
    let text = Value::from(all).to_string();
    assert!(text.contains(MASK));
    for form in [
        key.clone(),
        percent(&key),
        base64(format!("{key}:").as_bytes()),
    ] {
        assert!(!text.contains(&form));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_a_known_key_is_refused_and_one_with_an_unknown_key_stays_as_it_is() {
    let app = spawn_app().await;
    let writer = app.secret(&[Scope::Write]);
    let stranger = stranger();
    for (place, field) in ["html", "text", "subject", "campaignId", "messageId"]
        .into_iter()
        .enumerate()
    {
        let message = |key: &str| {
            let mut message =
                json!({"email": PERSON, "html": "<p>x</p>", "messageId": format!("m{place}")});
            message[field] = json!(format!("<a href=\"https://x.example/?k={key}\">{key}</a>"));
            message
        };
        let key = app.secret(&[Scope::Send]);
        let answer = app.post("/v1/messages", &writer, &message(&key)).await;
        is_refused(&answer, &key, field);
        assert!(app.known(&key).exposed_at().is_some(), "{field}");
        let batch = json!({"messages": [{"email": PERSON, "html": "x"}, message(&key)]});
        let answer = app.post("/v1/messages/batch", &writer, &batch).await;
        let results = answer.results();
        assert_eq!(results[0]["status"], "registered", "{}", answer.text);
        assert_eq!(
            results[1]["code"], "secret_key_in_browser",
            "{}",
            answer.text
        );
        assert!(!answer.text.contains(&key));

        let answer = app.post("/v1/messages", &writer, &message(&stranger)).await;
        assert_eq!(answer.status, 200, "{field} {}", answer.text);
        if field == "text" {
            let text = answer.text_of("text");
            assert!(text.contains(&format!("{stranger}</a>")), "{text}");
        }
    }
    let listed = Value::from(app.all_events().await).to_string();
    assert!(
        !listed.contains(&stranger) && listed.contains(MASK),
        "{listed}"
    );
}

/// What all tests of this process log.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logged.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether any file below holds the text.
fn is_in_a_file(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            return is_in_a_file(&entry.path(), text);
        }
        if !entry.file_type().unwrap().is_file() {
            return false;
        }
        let bytes = std::fs::read(entry.path()).unwrap();
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_sent_in_every_way_is_in_no_answer_no_file_and_no_log_line() {
    // Arrange
    let logged = Logged::default();
    let writer = logged.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .try_init()
        .unwrap();
    let app = spawn_app().await;
    let public = app.public(&[]);
    let (known, strange) = (app.secret(&[Scope::Admin]), stranger());
    let mut told = String::new();
    // Act: both keys in all places of all routes.
    for key in [&known, &strange] {
        for (method, path) in routes() {
            if path == "/v1/live" {
                continue;
            }
            let basic = format!("Basic {}", base64(format!("{key}:").as_bytes()));
            for ask in [
                app.ask(method.clone(), &format!("{path}?k={key}")),
                app.ask(method.clone(), path)
                    .header(PAGE.0, PAGE.1)
                    .header("authorization", &basic),
                app.ask(method.clone(), path)
                    .key(&app.key)
                    .header("referer", key)
                    .header("user-agent", key),
                app.ask(method.clone(), path)
                    .key(&app.key)
                    .json(&json!({"key": key})),
                app.ask(method.clone(), path)
                    .key(&app.key)
                    .body(format!("{{{key}")),
                app.ask(method.clone(), path)
                    .key(&app.key)
                    .json(&json!({"id": key, "email": key, "event": key})),
                app.ask(method.clone(), path)
                    .key(&app.key)
                    .json(&json!({"orderId": key, "currency": key, "revenue": key})),
            ] {
                told += &ask.send().await.text;
            }
        }
        for path in [
            "/mail/track/open/",
            "/mail/track/click/",
            "/mail/unsubscribe/",
        ] {
            let ask = app
                .ask(Method::GET, &format!("{path}{key}"))
                .header("user-agent", key);
            told += &ask.send().await.text;
        }
        for (_, event) in contents(key) {
            let mut bad = event.clone();
            bad["id"] = json!(key);
            let mut old = event.clone();
            old["timestamp"] = json!("1999-01-01T00:00:00Z");
            old["id"] = json!(new_id());
            for (sender, marks) in [(&app.key, None), (&public, Some(PAGE))] {
                let batch = json!({"context": {"url": key}, "events": [event, bad, old]});
                let ask = app
                    .ask(Method::POST, "/v1/track/batch")
                    .key(sender)
                    .json(&batch);
                let ask = match marks {
                    Some((name, value)) => ask.header(name, value),
                    None => ask,
                };
                told += &ask.header("user-agent", "x").send().await.text;
            }
            let batch = json!({"events": [bad, old, event]});
            let answer = app.post("/v1/track/batch", &app.key, &batch).await;
            told += &answer.text;
            for result in answer.results() {
                let receipt = format!("/v1/receipts/{}", percent(result["id"].as_str().unwrap()));
                told += &app.get(&receipt).await.text;
            }
        }
    }
    for path in ["/v1/events?limit=1000", "/metrics", "/v1/contacts"] {
        told += &app.get(path).await.text;
    }
    let mut live = app
        .ask(Method::GET, "/v1/live?recent=200")
        .key(&app.key)
        .open()
        .await;
    // The first part begins with what was asked for.
    while !told.contains("\"status\":\"rejected\"") {
        told += &String::from_utf8_lossy(&live.chunk().await.unwrap().unwrap());
    }
    drop(live);
    // Assert
    let folder = app.stop().await.0;
    let logged = logged.0.lock().unwrap_or_else(PoisonError::into_inner);
    let logged = String::from_utf8_lossy(&logged);
    assert!(told.contains(MASK));
    assert!(logged.contains("secret key key_"), "{logged}");
    for key in [&known, &strange] {
        for form in [
            key.clone(),
            percent(key),
            unicode(key),
            base64(format!("{key}:").as_bytes()),
        ] {
            let form = form.trim_end_matches('=');
            assert!(!told.contains(form), "{form} was answered");
            assert!(!logged.contains(form), "{form} was logged");
            assert!(!is_in_a_file(folder.path(), form), "{form} is in a file");
        }
    }
}
