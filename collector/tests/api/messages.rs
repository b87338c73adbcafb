//! `POST /v1/messages` and `/v1/messages/batch`: what is sent comes back instrumented, once.

use std::path::Path;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;
use store::record::{Seq, stored};

use crate::mail::ask;
use crate::support::{Answer, PERSON, TestApp, spawn_app, spawn_app_at_rest};

pub(crate) const ROUTE: &str = "/v1/messages";
const BATCH: &str = "/v1/messages/batch";
const HOUR_MS: i64 = 3_600_000;

/// A key that registers messages.
pub(crate) fn writer(app: &TestApp) -> String {
    app.secret(&[Scope::Write, Scope::Read, Scope::Contacts])
}

/// A message to [`PERSON`] with a link in each part, and whatever else is said.
fn message(id: &str, more: Value) -> Value {
    let mut message = json!({
        "email": PERSON, "messageId": id, "campaignId": "spring", "subject": "New mugs",
        "html": "<html><body><p><a href=\"https://shop.example/mugs\">Mugs</a></p></body></html>",
        "text": "Mugs: https://shop.example/text",
    });
    for (name, value) in more.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

#[track_caller]
fn is_registered(answer: &Answer) -> &Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.body["success"], true, "{}", answer.text);
    &answer.body
}

#[track_caller]
fn is_conflict(answer: &Answer, fields: &[&str]) {
    answer.is_refused(409, "message_conflict");
    assert_eq!(answer.body["error"]["fields"], json!(fields));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_comes_back_with_pixel_links_headers_and_what_was_left_alone() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let html = "<body><a href=\"https://shop.example/mugs?a=1\">Mugs</a> <a href=\"mailto:x@shop.example\">Ask</a> \
                <a href=\"{{unsubscribe_url}}\">Bye</a></body>";
    let utm = json!({"source": "newsletter"});
    let body = message("m", json!({"html": html, "utm": utm}));
    let answer = app.post(ROUTE, &key, &body).await;
    let body = is_registered(&answer);
    assert_eq!(body["messageId"], "m");
    let html = body["html"].as_str().unwrap();
    let text = body["text"].as_str().unwrap();
    let origin = app.origin();
    assert_eq!(
        html.matches(&format!("{origin}/mail/track/open/")).count(),
        1
    );
    assert_eq!(
        html.matches(&format!("{origin}/mail/track/click/")).count(),
        1
    );
    assert_eq!(
        text.matches(&format!("{origin}/mail/track/click/")).count(),
        1
    );
    assert!(html.contains("<a href=\"mailto:x@shop.example\">Ask</a>"));
    let unsubscribe = answer.text_of("unsubscribeUrl");
    assert!(html.contains(&format!("href=\"{unsubscribe}\"")), "{html}");
    assert_eq!(
        body["headers"],
        json!({"List-Unsubscribe": format!("<{unsubscribe}>"), "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"})
    );
    let links: Vec<_> = body["links"].as_array().unwrap().iter().collect();
    assert_eq!(links.len(), 2, "{}", answer.text);
    for (index, link) in links.iter().enumerate() {
        assert_eq!(link["index"], index);
        let url = link["url"].as_str().unwrap();
        assert!(url.contains("utm_source=newsletter"), "{url}");
    }
    let skipped = body["skipped"].as_array().unwrap();
    assert!(
        skipped.contains(&json!({"url": "mailto:x@shop.example", "reason": "other_scheme"})),
        "{skipped:?}"
    );
    // Every address leads where it says.
    let click = html
        .split_once(&format!("{origin}/mail/track/click/"))
        .unwrap()
        .1;
    let click = click.split('"').next().unwrap();
    let click = ask(
        &app,
        Method::GET,
        &format!("/mail/track/click/{click}"),
        &[],
    )
    .await;
    assert_eq!(click.header("location"), links[0]["url"].as_str().unwrap());
    let path = unsubscribe.strip_prefix(&origin).unwrap();
    assert_eq!(app.get(path).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_is_an_event_in_the_list_and_its_html_is_kept_nowhere() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let marker = "marker-7d1f0c";
    let html = format!("<p>{marker} <a href=\"https://shop.example/{marker}\">x</a></p>");
    let body = message(
        "m",
        json!({"html": html, "text": marker, "email": "Alice@Person.example"}),
    );
    let answer = app.post(ROUTE, &key, &body).await;
    let event = app
        .listed(is_registered(&answer)["seq"].as_str().unwrap())
        .await;
    assert_eq!(
        (&event["type"], &event["name"]),
        (&json!("send"), &json!("email_sent"))
    );
    assert_eq!(event["id"], answer.body["id"]);
    assert_eq!(event["source"], "server");
    assert_eq!(event["messageId"], "m");
    assert_eq!(event["email"], "Alice@Person.example");
    assert_eq!(event["properties"]["campaignId"], "spring", "{event}");
    assert_eq!(event["properties"]["subject"], "New mugs", "{event}");
    assert!(event.get("class").is_none(), "{event}");
    let receipt = app.receipt(&answer.text_of("id")).await;
    assert_eq!(receipt.body["status"], "tracked");
    // Nor does one that is refused leave its parts behind.
    let bad = message("bad", json!({"html": html, "text": marker, "type": marker}));
    app.post(ROUTE, &key, &bad)
        .await
        .is_refused_for("type", "invalid_type");
    let records = app.app.log.read_from(Seq::START, 10).unwrap();
    let entries = records.iter().map(|record| &record.entry);
    let on_record: Vec<u8> =
        entries.fold(Vec::new(), |to, entry| stored::write(entry, to).unwrap());
    let on_record = String::from_utf8_lossy(&on_record);
    assert!(on_record.contains("New mugs"), "{on_record}");
    assert!(!on_record.contains(marker), "{on_record}");
    // Blocks are compressed; whatever is not would show here, once caches are written out.
    let (app, _) = app.restart().await;
    let (mut found, mut contacts_found) = (0, 0);
    let has = |bytes: &[u8], text: &str| {
        let text = text.as_bytes();
        bytes.windows(text.len()).any(|window| window == text)
    };
    look_into(app.folder(), &mut |bytes| {
        found += usize::from(has(bytes, marker));
        contacts_found += usize::from(has(bytes, "Alice@Person.example"));
    });
    assert_eq!(found, 0);
    assert!(contacts_found > 0, "what is kept is found");
}

fn look_into(folder: &Path, each: &mut dyn FnMut(&[u8])) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look_into(&path, each);
        } else if path.is_file() {
            each(&std::fs::read(&path).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_message_again_gives_the_same_answer_byte_for_byte() {
    let (app, clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let body = message("m", json!({}));
    let first = app.post(ROUTE, &key, &body).await;
    is_registered(&first);
    assert_eq!(app.post(ROUTE, &key, &body).await.text, first.text);
    clock.advance_millis(30 * 24 * HOUR_MS);
    assert_eq!(app.post(ROUTE, &key, &body).await.text, first.text);
    app.app.meta.rotate_token_keys().unwrap();
    assert_eq!(app.post(ROUTE, &key, &body).await.text, first.text);
    let batch = app.post(BATCH, &key, &json!({"messages": [body]})).await;
    let mut again = batch.results()[0].clone();
    assert_eq!(again["status"], "registered");
    again.as_object_mut().unwrap().remove("status");
    // What is true of all of them, a batch says once.
    again["warnings"] = batch.body["warnings"].clone();
    assert_eq!(again, first.body);
    // The time of sending is compared where both have said one.
    let late = message("m", json!({"sentAt": "2026-11-23T09:00:00Z"}));
    assert_eq!(app.post(ROUTE, &key, &late).await.text, first.text);
    assert_eq!(app.on_disk(), 1);
    let before = app.origin();
    let (app, _) = app.restart().await;
    let again = app.post(ROUTE, &key, &body).await;
    assert_eq!(again.text.replace(&app.origin(), &before), first.text);
    assert_eq!(app.on_disk(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_the_same_message_id_is_409_and_names_the_fields() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let sent_at = json!({"sentAt": "2026-11-23T09:00:00Z"});
    is_registered(&app.post(ROUTE, &key, &message("m", sent_at.clone())).await);
    for (more, field) in [
        (json!({"email": "bob@person.example"}), "email"),
        (json!({"campaignId": "autumn"}), "campaignId"),
        (json!({"campaignId": null}), "campaignId"),
        (json!({"type": "transactional"}), "type"),
        (json!({"subject": "Old mugs"}), "subject"),
        (json!({"sentAt": "2026-11-23T09:00:01Z"}), "sentAt"),
        (json!({"html": "<p>x</p>"}), "content"),
        (json!({"text": null}), "content"),
        (json!({"trackOpens": false}), "content"),
        (json!({"trackClicks": false}), "content"),
        (json!({"utm": {"source": "x"}}), "content"),
    ] {
        let answer = app.post(ROUTE, &key, &message("m", more)).await;
        is_conflict(&answer, &[field]);
        let receipt = app.receipt(&answer.text_of("id")).await;
        assert_eq!(receipt.body["status"], "rejected");
        assert_eq!(receipt.body["code"], "message_conflict");
    }
    let both = message("m", json!({"subject": "x", "html": "y"}));
    is_conflict(&app.post(ROUTE, &key, &both).await, &["subject", "content"]);
    // The address is compared as it is normalised, and an absent time is no other one.
    let alike = message("m", json!({"email": " Alice@Person.Example"}));
    is_registered(&app.post(ROUTE, &key, &alike).await);
    assert_eq!(app.on_disk(), 1);
    // Elsewhere it is another message.
    assert_eq!(app.get(&format!("{ROUTE}/m")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_ones_that_race_are_one_event_and_get_one_answer() {
    let app = Arc::new(spawn_app().await);
    let key = writer(&app);
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (app, key) = (Arc::clone(&app), key.clone());
            tokio::spawn(async move { app.post(ROUTE, &key, &message("m", json!({}))).await })
        })
        .collect();
    let mut texts = std::collections::BTreeSet::new();
    for caller in callers {
        let answer = caller.await.unwrap();
        is_registered(&answer);
        texts.insert(answer.text);
    }
    assert_eq!(texts.len(), 1);
    assert_eq!(app.on_disk(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_gives_verdicts_in_order_and_a_bad_message_costs_no_other() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let messages = json!([
        message("a", json!({})),
        message("bad", json!({"email": "nobody"})),
        7,
        message("a", json!({})),
        message("a", json!({"subject": "x"})),
        message("b", json!({"sentAt": "1999-01-01T00:00:00Z"})),
        message("c", json!({"messageId": null})),
    ]);
    let answer = app.post(BATCH, &key, &json!({"messages": messages})).await;
    let results = answer.results();
    let statuses: Vec<_> = results
        .iter()
        .map(|result| {
            result["code"]
                .as_str()
                .or(result["status"].as_str())
                .unwrap()
        })
        .collect();
    assert_eq!(
        statuses,
        [
            "registered",
            "invalid_email",
            "invalid_body",
            "registered",
            "message_conflict",
            "invalid_timestamp",
            "registered"
        ]
    );
    assert_eq!(results[0], results[3]);
    assert_eq!(results[1]["messageId"], "bad");
    assert_eq!(results[1]["field"], "email");
    assert!(results[2].get("messageId").is_none());
    assert_eq!(results[4]["messageId"], "a");
    assert_eq!(results[4]["fields"], json!(["subject"]));
    assert_eq!(results[5]["field"], "sentAt");
    let made = results[6]["messageId"].as_str().unwrap();
    assert!(made.starts_with("msg_") && made.len() == 36, "{made}");
    for at in [1, 2, 4, 5] {
        assert_eq!(results[at]["status"], "rejected");
        let receipt = app.receipt(results[at]["id"].as_str().unwrap()).await;
        assert_eq!(receipt.body["code"], results[at]["code"]);
        assert_eq!(receipt.body["name"], "email_sent");
    }
    assert_eq!(app.on_disk(), 2);
    assert_eq!(
        app.post(BATCH, &key, &json!({"messages": []}))
            .await
            .results()
            .len(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_1000_messages_passes_and_one_more_is_413() {
    let app = spawn_app().await;
    let key = writer(&app);
    let batch = |count: usize| {
        let message = |n| json!({"email": PERSON, "messageId": format!("m-{n}")});
        json!({"messages": (0..count).map(message).collect::<Vec<_>>()})
    };
    app.post(BATCH, &key, &batch(1_001))
        .await
        .is_refused(413, "too_many_events");
    assert_eq!(app.on_disk(), 0);
    let answer = app.post(BATCH, &key, &batch(1_000)).await;
    assert_eq!(answer.results().len(), 1_000);
    assert_eq!(app.on_disk(), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_32_mb_are_413_and_a_megabyte_of_html_is_fine() {
    let app = spawn_app().await;
    let key = writer(&app);
    let text = "Mugs of all sizes, for tea and for coffee. ".repeat(3);
    let link = format!("<p>{text}<a href=\"https://shop.example/mugs\">See them</a></p>\n");
    let html = link.repeat(1_000_000 / link.len());
    let answer = app
        .post(
            ROUTE,
            &key,
            &message("m", json!({"html": html, "text": null})),
        )
        .await;
    let links = is_registered(&answer)["links"].as_array().unwrap();
    assert_eq!(links.len(), html.len() / link.len());
    for route in [ROUTE, BATCH] {
        let body = vec![b' '; 32 * 1024 * 1024 + 1];
        let ask = app.ask(Method::POST, route).key(&key);
        let answer = ask
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await;
        answer.is_refused(413, "body_too_large");
    }
    assert_eq!(app.on_disk(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_servers_with_the_scope_write_register_messages() {
    let app = spawn_app().await;
    let body = message("m", json!({}));
    for route in [ROUTE, BATCH] {
        for scope in [Scope::Send, Scope::Read, Scope::Contacts] {
            let answer = app.post(route, &app.secret(&[scope]), &body).await;
            answer.is_refused(403, "insufficient_scope");
        }
        let answer = app.post(route, &app.public(&[]), &body).await;
        answer.is_refused(403, "insufficient_scope");
        let answer = app.ask(Method::POST, route).json(&body).send().await;
        assert_eq!(answer.status, 401, "{}", answer.text);
        let key = writer(&app);
        let page = app.ask(Method::POST, route).key(&key);
        let answer = page
            .header("origin", "https://shop.example")
            .json(&body)
            .send()
            .await;
        answer.is_refused(403, "secret_key_in_browser");
    }
    assert_eq!(app.on_disk(), 0);
    is_registered(&app.post(ROUTE, &app.secret(&[Scope::Admin]), &body).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_says_which_field_and_has_a_receipt() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    for (more, field, code) in [
        (json!({"email": null}), "email", "missing_field"),
        (json!({"email": "nobody"}), "email", "invalid_email"),
        (
            json!({"sentAt": "1999-12-31T23:59:59Z"}),
            "sentAt",
            "invalid_timestamp",
        ),
        (
            json!({"sentAt": "2026-12-23T10:00:01Z"}),
            "sentAt",
            "invalid_timestamp",
        ),
        (json!({"type": "other"}), "type", "invalid_type"),
        (json!({"trackOpens": "no"}), "trackOpens", "invalid_flag"),
        (json!({"utm": {"term": 7}}), "utm.term", "invalid_utm"),
    ] {
        let answer = app.post(ROUTE, &key, &message("m", more)).await;
        answer.is_refused_for(field, code);
        let receipt = app.receipt(&answer.text_of("id")).await;
        assert_eq!(
            (&receipt.body["status"], &receipt.body["code"]),
            (&json!("rejected"), &json!(code))
        );
    }
    assert_eq!(app.on_disk(), 0);
    let bounds = ["2000-01-01T00:00:00Z", "2026-12-23T10:00:00Z"];
    for sent_at in bounds {
        let answer = app
            .post(ROUTE, &key, &message(sent_at, json!({"sentAt": sent_at})))
            .await;
        let seq = is_registered(&answer)["seq"].as_str().unwrap();
        let listed = app.listed(seq).await;
        let told = listed["timestamp"].as_str().unwrap();
        assert_eq!(told.get(..19), sent_at.get(..19));
    }
    // What nobody knows is ignored, and named.
    let answer = app
        .post(ROUTE, &key, &message("n", json!({"Subject": "x"})))
        .await;
    is_registered(&answer);
    let receipt = app.receipt(&answer.text_of("id")).await;
    assert_eq!(
        receipt.body["ignoredFields"],
        json!(["Subject"]),
        "{}",
        receipt.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_to_be_tracked_stays_as_it_was() {
    let (app, _clock) = spawn_app_at_rest().await;
    let key = writer(&app);
    let off = json!({"trackOpens": false, "trackClicks": false, "type": "transactional"});
    let body = message("m", off);
    let answer = app.post(ROUTE, &key, &body).await;
    let told = is_registered(&answer);
    assert_eq!(
        (&told["html"], &told["text"]),
        (&body["html"], &body["text"])
    );
    assert_eq!(told["links"], json!([]));
    assert!(told["unsubscribeUrl"].is_string());
    let answer = app
        .post(ROUTE, &key, &message("n", json!({"trackOpens": false})))
        .await;
    assert!(!answer.text.contains("/track/open/") && answer.text.contains("/track/click/"));
    let answer = app
        .post(ROUTE, &key, &message("o", json!({"trackClicks": false})))
        .await;
    assert!(answer.text.contains("/track/open/") && !answer.text.contains("/track/click/"));
    // Without parts there is still a send.
    let bare = app.post(ROUTE, &key, &json!({"email": PERSON})).await;
    let bare = is_registered(&bare);
    assert!(bare.get("html").is_none() && bare.get("text").is_none());
}
