//! The list of contacts: the most engaged first, page by page, by the beginning of an address.

use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{TestApp, spawn_app};

/// So many events of each person, from a server: each is worth 2.
async fn engage(app: &TestApp, people: &[(&str, usize)]) {
    let events: Vec<Value> = people
        .iter()
        .flat_map(|(email, count)| std::iter::repeat_n(email, *count))
        .map(|email| {
            json!({"type": "track", "event": "joined", "email": email,
                            "timestamp": "2026-11-20T10:00:00Z"})
        })
        .collect();
    let sent = app
        .post("/v1/track/batch", &app.key, &json!({"events": events}))
        .await;
    assert_eq!(sent.results().len(), events.len());
    app.caught_up().await;
}

async fn list(app: &TestApp, key: &str, query: &str) -> (Vec<String>, Option<String>) {
    let answer = app.get_with(&format!("/v1/contacts{query}"), key).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    let contacts = answer.body["contacts"].as_array().unwrap().iter();
    let emails = contacts.map(|contact| contact["email"].as_str().unwrap().to_owned());
    let next = answer.body["next"].as_str().map(str::to_owned);
    (emails.collect(), next)
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_listed_by_their_score_page_by_page() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    let people = [
        ("ada@person.example", 2),
        ("ben@person.example", 5),
        ("cy@person.example", 1),
        ("Dee@person.example", 9),
        ("anna@person.example", 5),
    ];
    engage(&app, &people).await;
    // Equal ones as they were first heard of.
    let expected = ["Dee", "ben", "anna", "ada", "cy"].map(|name| format!("{name}@person.example"));
    for query in ["", "?sort=score", "?order=desc&sort=score"] {
        assert_eq!(
            list(&app, &key, query).await,
            (expected.to_vec(), None),
            "{query}"
        );
    }
    let (ascending, _) = list(&app, &key, "?order=asc").await;
    let names = ["cy", "ada", "ben", "anna", "Dee"].map(|name| format!("{name}@person.example"));
    assert_eq!(ascending, names);
    let (mut all, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let (page, next) = list(&app, &key, &query).await;
        assert!(page.len() <= 2);
        all.extend(page);
        // Somebody who comes later is on no page that is behind them already.
        engage(&app, &[(&format!("late{}@person.example", all.len()), 20)]).await;
        match next {
            Some(next) => query = format!("?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(all, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_found_by_the_beginning_of_their_address() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    let people = [
        ("Anna@person.example", 1),
        ("ann@person.example", 2),
        ("ben.ann@person.example", 3),
    ];
    engage(&app, &people).await;
    for (query, expected) in [
        ("ann", vec!["ann@person.example", "Anna@person.example"]),
        ("ANNA@", vec!["Anna@person.example"]),
        ("person", vec![]),
    ] {
        let (found, next) = list(&app, &key, &format!("?query={query}&limit=2")).await;
        assert_eq!(
            (found, next),
            (expected.into_iter().map(str::to_owned).collect(), None)
        );
    }
    let (first, next) = list(&app, &key, "?query=ann&limit=1").await;
    assert_eq!(first, ["ann@person.example"]);
    let query = format!("?query=ann&limit=1&cursor={}", next.unwrap());
    assert_eq!(
        list(&app, &key, &query).await,
        (vec!["Anna@person.example".to_owned()], None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_listed_is_refused_by_its_name() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Contacts]);
    for (query, field) in [
        ("sort=name", "sort"),
        ("order=up", "order"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=x", "cursor"),
    ] {
        let answer = app.get_with(&format!("/v1/contacts?{query}"), &key).await;
        answer.is_refused_for(field, "invalid_parameter");
    }
    let reader = app.secret(&[Scope::Read]);
    let refused = app.get_with("/v1/contacts", &reader).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
}
