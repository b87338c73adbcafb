//! Files of contacts in, and everything that is held of one out.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{Answer, TestApp, spawn_app};

const ROUTE: &str = "/v1/contacts/import";
const ADA: &str = "ada@person.example";

async fn import(app: &TestApp, key: &str, media: &str, text: &str) -> Answer {
    let ask = app.ask(Method::POST, ROUTE).key(key);
    let ask = ask.header("content-type", media).body(text);
    ask.send().await
}

fn counts(answer: &Answer) -> (u64, u64, u64) {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let count = |name: &str| answer.body[name].as_u64().unwrap();
    (count("recorded"), count("duplicates"), count("rejected"))
}

async fn traits(app: &TestApp, key: &str, email: &str) -> Value {
    app.caught_up().await;
    let path = format!("/v1/contacts/{}", email.replace('@', "%40"));
    app.get_with(&path, key).await.body["traits"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_is_imported_once_however_often_it_is_sent() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    let text = "email,plan,seats,joined\nada@person.example,pro,12,2026-01-05\nnobody,x,,\nben@person.example,free,,\n";
    let first = import(&app, &key, "text/csv", text).await;
    assert_eq!(counts(&first), (2, 0, 1));
    assert_eq!(first.body["results"][0]["line"], 3);
    assert_eq!(first.body["results"][0]["code"], "invalid_email");
    let seq = first.text_of("seq");
    let path = format!("/v1/contacts?minSeq={seq}&sort=email");
    let listed = app.get_with(&path, &key).await;
    assert_eq!(listed.body["contacts"].as_array().unwrap().len(), 2);
    let expected = json!({"plan": "pro", "seats": 12, "joined": "2026-01-05"});
    assert_eq!(traits(&app, &key, ADA).await, expected);
    let before = app.on_disk();
    assert_eq!(
        counts(&import(&app, &key, "text/csv; charset=utf-8", text).await),
        (0, 2, 1)
    );
    assert_eq!(app.on_disk(), before);
    // What is new is recorded, and what it does not name stays.
    let changed = "email,plan\nada@person.example,team\nben@person.example,free\n";
    assert_eq!(
        counts(&import(&app, &key, "text/csv", changed).await),
        (1, 1, 0)
    );
    let expected = json!({"plan": "team", "seats": 12, "joined": "2026-01-05"});
    assert_eq!(traits(&app, &key, ADA).await, expected);
    assert_eq!(
        counts(&import(&app, &key, "text/csv", text).await),
        (1, 1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_imported_with_their_times_and_what_a_page_said_is_made_the_servers() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    let page = app.public(&[]);
    let said = json!({"key": page, "email": ADA, "traits": {"plan": "pro"}});
    app.ask(Method::POST, "/v1/identify")
        .text(&said)
        .send()
        .await
        .is_tracked();
    let text = "{\"email\":\"ada@person.example\",\"traits\":{\"plan\":\"pro\"}}\n\n{\"email\":\"ben@person.example\"}\nnothing\n";
    let first = import(&app, &key, "application/x-ndjson", text).await;
    assert_eq!(counts(&first), (2, 0, 1));
    assert_eq!(first.body["results"][0]["line"], 4);
    let said = json!({"key": page, "email": ADA, "traits": {"plan": "free"}});
    app.ask(Method::POST, "/v1/identify")
        .text(&said)
        .send()
        .await
        .is_tracked();
    assert_eq!(traits(&app, &key, ADA).await["plan"], "pro");
    assert_eq!(
        counts(&import(&app, &key, "application/x-ndjson", text).await),
        (0, 2, 1)
    );
    // A row of before changes nothing, and is no news.
    let late = "{\"email\":\"ada@person.example\",\"traits\":{\"plan\":\"old\"},\"timestamp\":\"2024-01-01T00:00:00Z\"}\n";
    assert_eq!(
        counts(&import(&app, &key, "application/x-ndjson", late).await),
        (0, 1, 0)
    );
    assert_eq!(
        counts(
            &import(
                &app,
                &key,
                "application/json",
                "{\"email\":\"cy@person.example\"}"
            )
            .await
        ),
        (1, 0, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_of_contacts_is_refused_whole() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    for (media, text) in [
        ("text/csv", "name\nada\n"),
        ("text/csv", "\"email\nada@person.example\n"),
        ("text/csv", "e\0m\0a\0i\0l\0\n\0"),
    ] {
        let answer = import(&app, &key, media, text).await;
        answer.is_refused(422, "invalid_body");
    }
    import(&app, &key, "text/html", "email\n")
        .await
        .is_refused(415, "unsupported_media_type");
    assert_eq!(app.on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_held_of_a_contact_is_exported_and_nothing_of_others() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    let page = app.public(&[]);
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let view = json!({"key": page, "context": {"locale": "fr-FR"}, "events": [
        {"type": "track", "event": "page_viewed", "anonymousId": "b-1", "properties": {"path": "/a"}}]});
    let ask = app
        .ask(Method::POST, "/v1/track/batch")
        .header("user-agent", agent);
    ask.text(&view).send().await.results();
    let who = json!({"email": ADA, "anonymousId": "b-1", "traits": {"plan": "pro"}});
    app.post("/v1/identify", &key, &who).await.is_tracked();
    app.post(
        "/v1/track/event",
        &key,
        &json!({"email": "ben@person.example", "event": "his"}),
    )
    .await
    .is_tracked();
    app.post("/v1/suppressions", &key, &json!({"email": ADA}))
        .await;
    let wrong = json!({"email": ADA, "event": "email_wrong"});
    assert_eq!(app.post("/v1/track/event", &key, &wrong).await.status, 422);
    app.caught_up().await;
    let answer = app
        .get_with("/v1/contacts/ada%40person.example/export", &key)
        .await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "application/x-ndjson")
    );
    let lines: Vec<Value> = answer
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = lines
        .iter()
        .map(|line| line["record"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["contact", "event", "event", "event", "rejected"],
        "{}",
        answer.text
    );
    assert_eq!(lines[0]["traits"], json!({"plan": "pro"}));
    assert_eq!(lines[0]["suppressions"][0]["reason"], "manual");
    assert_eq!(lines[1]["name"], "page_viewed");
    assert_eq!(lines[1]["agent"], agent);
    assert_eq!(lines[1]["context"]["locale"], "fr-FR");
    assert!(lines[1]["address"].is_string());
    assert_eq!(lines[4]["code"], "reserved_name");
    assert!(!answer.text.contains("ben@"));
    let unknown = app
        .get_with("/v1/contacts/cy%40person.example/export", &key)
        .await;
    unknown.is_refused(404, "unknown_contact");
}
