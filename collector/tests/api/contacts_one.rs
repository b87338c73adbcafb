//! One contact: what is known of them, changing it, what happened with them, and what makes their score.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{Answer, TestApp, spawn_app};

const ADA: &str = "Ada@Person.example";

fn path(email: &str) -> String {
    format!("/v1/contacts/{}", email.replace('@', "%40"))
}

async fn change(app: &TestApp, key: &str, email: &str, body: &Value) -> Answer {
    let ask = app.ask(Method::PATCH, &path(email)).key(key);
    ask.json(body).send().await
}

async fn get(app: &TestApp, key: &str, path: &str) -> Value {
    app.caught_up().await;
    let answer = app.get_with(path, key).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_changed_and_shown_with_traits_that_merge() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    let unknown = app.get_with(&path(ADA), &key).await;
    unknown.is_refused(404, "unknown_contact");
    let first = change(
        &app,
        &key,
        ADA,
        &json!({"traits": {"plan": "free", "seats": 3, "x": [1, {"y": null}]}}),
    )
    .await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(first.body["success"], true);
    assert_eq!(
        first.body["contact"]["traits"]["plan"], "free",
        "{}",
        first.text
    );
    let second = change(
        &app,
        &key,
        ADA,
        &json!({"traits": {"plan": "pro", "seats": null}}),
    )
    .await;
    let seq = second.text_of("seq");
    let answer = app
        .get_with(&format!("{}?minSeq={seq}", path(ADA)), &key)
        .await;
    assert_eq!(answer.body["email"], ADA);
    assert_eq!(
        answer.body["traits"],
        json!({"plan": "pro", "x": [1, {"y": null}]})
    );
    assert_eq!(answer.body["suppressions"], json!([]));
    assert!(answer.body["meta"]["lagMs"].is_u64());
    // What is late changes nothing, and what a page says does not either.
    let late =
        json!({"traits": {"plan": "trial", "new": true}, "timestamp": "2024-01-01T00:00:00Z"});
    let late = change(&app, &key, ADA, &late).await;
    assert_eq!(
        late.body["contact"]["traits"],
        json!({"new": true, "plan": "pro", "x": [1, {"y": null}]})
    );
    let page = app.public(&[]);
    let body = json!({"key": page, "email": ADA, "traits": {"plan": "hacked", "city": "Paris"}});
    let said = app
        .ask(Method::POST, "/v1/identify")
        .text(&body)
        .send()
        .await;
    said.is_tracked();
    let shown = get(&app, &key, &path(ADA)).await;
    assert_eq!(shown["traits"]["plan"], "pro");
    assert_eq!(shown["traits"]["city"], "Paris");
    let held = json!({"email": ADA, "reason": "manual"});
    assert_eq!(app.post("/v1/suppressions", &key, &held).await.status, 200);
    let shown = get(&app, &key, &path(ADA)).await;
    assert_eq!(shown["suppressions"][0]["reason"], "manual");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_changed_is_refused_and_nothing_is_recorded() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    for (body, field, code) in [
        (json!({}), "traits", "missing_field"),
        (json!({"traits": [1]}), "traits", "invalid_traits"),
        (
            json!({"traits": {}, "timestamp": "soon"}),
            "timestamp",
            "invalid_timestamp",
        ),
    ] {
        change(&app, &key, ADA, &body)
            .await
            .is_refused_for(field, code);
    }
    change(&app, &key, "nobody", &json!({"traits": {}}))
        .await
        .is_refused_for("email", "invalid_parameter");
    assert_eq!(app.on_disk(), 0);
    let sender = app.secret(&[Scope::Send]);
    change(&app, &sender, ADA, &json!({"traits": {}}))
        .await
        .is_refused(403, "insufficient_scope");
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_listed_by_when_they_were_seen_and_by_their_addresses() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    let events: Vec<Value> = [
        ("cy@person.example", 20),
        ("Ben@person.example", 22),
        ("ada@person.example", 21),
        ("cy@person.example", 25),
    ]
    .iter()
    .map(|(email, day)| {
        json!({"type": "track", "event": "joined", "email": email,
        "timestamp": format!("2026-10-{day}T10:00:00Z")})
    })
    .collect();
    app.post("/v1/track/batch", &key, &json!({"events": events}))
        .await
        .results();
    for (query, expected) in [
        ("sort=lastSeen", ["cy", "Ben", "ada"]),
        ("sort=lastSeen&order=asc", ["ada", "Ben", "cy"]),
        ("sort=firstSeen", ["Ben", "ada", "cy"]),
        ("sort=email", ["ada", "Ben", "cy"]),
        ("sort=email&order=desc", ["cy", "Ben", "ada"]),
    ] {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(&app, &key, &format!("/v1/contacts?{query}&limit=1{cursor}")).await;
            let contacts = page["contacts"].as_array().unwrap();
            all.extend(
                contacts
                    .iter()
                    .map(|one| one["email"].as_str().unwrap().to_owned()),
            );
            let Some(next) = page["next"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        let expected = expected.map(|name| format!("{name}@person.example"));
        assert_eq!(all, expected, "{query}");
    }
    let page = get(&app, &key, "/v1/contacts?sort=email&limit=1").await;
    let cursor = page["next"].as_str().unwrap();
    let wrong = app
        .get_with(&format!("/v1/contacts?sort=score&cursor={cursor}"), &key)
        .await;
    wrong.is_refused_for("cursor", "invalid_parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_found_by_the_beginning_of_a_trait() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    change(
        &app,
        &key,
        "a@person.example",
        &json!({"traits": {"company": "Acme Ltd", "seats": 12}}),
    )
    .await;
    change(
        &app,
        &key,
        "b@person.example",
        &json!({"traits": {"company": "Bolt", "tags": ["acme"]}}),
    )
    .await;
    app.caught_up().await;
    for (query, expected) in [
        ("acme", vec!["a@person.example"]),
        ("BOLT", vec!["b@person.example"]),
        ("12", vec!["a@person.example"]),
        ("ltd", vec![]),
        ("b@", vec!["b@person.example"]),
    ] {
        let page = get(&app, &key, &format!("/v1/contacts?query={query}")).await;
        let found = page["contacts"].as_array().unwrap().iter();
        let found: Vec<&str> = found.map(|one| one["email"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_holds_events_mails_and_browsers_and_its_pages_stay_right_while_events_arrive() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    let page = app.public(&[]);
    let view = json!({"key": page, "events": [{"type": "track", "event": "page_viewed", "anonymousId": "b-1", "properties": {"path": "/a"}}]});
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let ask = app
        .ask(Method::POST, "/v1/track/batch")
        .header("user-agent", agent);
    ask.text(&view).send().await.results();
    app.post(
        "/v1/identify",
        &key,
        &json!({"email": ADA, "anonymousId": "b-1", "traits": {"plan": "pro"}}),
    )
    .await
    .is_tracked();
    let send = json!({"email": ADA, "messageId": "m-1", "html": "<p>Hello</p>"});
    assert_eq!(app.post("/v1/messages", &key, &send).await.status, 200);
    app.post(
        "/v1/track/event",
        &key,
        &json!({"email": ADA, "event": "joined"}),
    )
    .await
    .is_tracked();
    let path = format!("{}/timeline", path(ADA));
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&app, &key, &format!("{path}?limit=1{cursor}")).await;
        for entry in page["entries"].as_array().unwrap() {
            names.push(format!(
                "{} {}",
                entry["kind"].as_str().unwrap(),
                entry["name"].as_str().unwrap()
            ));
        }
        app.post(
            "/v1/track/event",
            &key,
            &json!({"email": ADA, "event": "later"}),
        )
        .await
        .is_tracked();
        let Some(next) = page["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(
        names,
        [
            "event joined",
            "mail email_sent",
            "event identified",
            "event page_viewed"
        ]
    );
    let page = get(&app, &key, &path).await;
    let last = page["entries"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["properties"], json!({"path": "/a"}));
    assert!(last["points"].as_f64().unwrap() > 0.4, "{last}");
    let unknown = app
        .get_with("/v1/contacts/nobody%40person.example/timeline", &key)
        .await;
    unknown.is_refused(404, "unknown_contact");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_that_make_a_score_sum_up_to_it() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    let page = app.public(&[]);
    // More than a day of a page counts for.
    let views: Vec<Value> = (0..30)
        .map(|_| json!({"type": "track", "event": "seen", "email": ADA}))
        .collect();
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let ask = app
        .ask(Method::POST, "/v1/track/batch")
        .header("user-agent", agent);
    ask.text(&json!({"key": page, "events": views}))
        .send()
        .await
        .results();
    let old = json!({"email": ADA, "event": "joined", "timestamp": "2026-09-01T00:00:00Z"});
    app.post("/v1/track/event", &key, &old).await.is_tracked();
    let order = json!({"email": ADA, "orderId": "o-1", "revenue": 5, "currency": "EUR"});
    app.post("/v1/track/purchase", &key, &order)
        .await
        .is_tracked();
    app.post("/v1/identify", &key, &json!({"email": ADA}))
        .await
        .is_tracked();
    let explained = get(&app, &key, &format!("{}/score", path(ADA))).await;
    let entries = explained["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 32, "an identify is worth nothing");
    let sum: f64 = entries
        .iter()
        .map(|entry| entry["points"].as_f64().unwrap())
        .sum();
    let score = explained["score"].as_f64().unwrap();
    assert!((sum - score).abs() < 1e-6, "{sum} for {score}");
    assert!((29.0..=30.5).contains(&score), "{score}");
    assert_eq!(explained["halfLifeDays"], 30);
    assert_eq!(explained["mostOfPagesOnADay"], 20);
}
