//! What every read refuses in its query, whatever the route: a parameter that is there twice, a span that
//! ends before it begins. Goes through the document, so that no route is forgotten.

use reqwest::Method;
use shared::api_key::Scope;

use crate::support::{PERSON, TestApp, spawn_app};

/// Of each read under /v1/ its path, with something in place of ids, and the names of its parameters.
async fn reads(app: &TestApp) -> Vec<(String, Vec<String>)> {
    let document = app.ask(Method::GET, "/openapi.json").send().await.body;
    let mut reads = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(get) = item.get("get").filter(|_| path.starts_with("/v1/")) else {
            continue;
        };
        let parameters = get["parameters"].as_array().into_iter().flatten();
        let names = parameters
            .filter(|one| one["in"] == "query")
            .map(|one| one["name"].as_str().unwrap().to_owned());
        reads.push((path.replace("{id}", "x"), names.collect()));
    }
    assert!(reads.len() > 10, "{reads:?}");
    reads
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_is_there_twice_is_named_and_not_chosen_from() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    for (path, names) in reads(&app).await {
        for name in names {
            let (first, rest) = name.split_at(1);
            let escaped = format!("%{:02x}{rest}", first.as_bytes()[0]);
            for query in [
                format!("{name}=1&{name}=2"),
                format!("{name}=1&{name}=1"),
                format!("{name}=1&{escaped}=2"),
            ] {
                let answer = app.get_with(&format!("{path}?{query}"), &key).await;
                answer.is_refused_for(&name, "invalid_parameter");
                assert!(answer.message().contains("twice"), "{}", answer.text);
            }
        }
    }
    let path = format!("/v1/suppressions?email={PERSON}&email=bob@person.example");
    let lift = app.ask(Method::DELETE, &path).key(&key).send().await;
    lift.is_refused_for("email", "invalid_parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_that_ends_before_it_begins_is_refused_and_an_empty_one_is_empty() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Admin]);
    let mut spans = 0;
    for (path, names) in reads(&app).await {
        for (from, to) in [("from", "to"), ("receivedFrom", "receivedTo")] {
            if !names.iter().any(|name| name == from) {
                continue;
            }
            spans += 1;
            for (since, until) in [
                ("2026-11-24", "2026-11-23"),
                ("2026-11-24T00:00:00Z", "2026-11-22"),
                ("2026-11-24T00:00:00Z", "2026-11-23"),
                ("2026-11-23T10:00:00.001Z", "2026-11-23T10:00:00Z"),
                ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00%2B01:00"),
            ] {
                let answer = app
                    .get_with(&format!("{path}?{to}={until}&{from}={since}"), &key)
                    .await;
                answer.is_refused_for(from, "invalid_parameter");
                assert!(answer.message().contains(to), "{}", answer.text);
            }
            for (since, until) in [
                ("2026-11-23", "2026-11-23"),
                ("2026-11-23T23:59:59.999Z", "2026-11-23"),
                ("2026-11-23", "2026-11-23T00:00:00Z"),
                ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"),
                ("2026-11-23T10:00:00%2B01:00", "2026-11-23T09:00:00Z"),
            ] {
                let query = format!("{from}={since}&{to}={until}");
                let answer = app.get_with(&format!("{path}?{query}"), &key).await;
                let is_taken = [200, 404].contains(&answer.status);
                assert!(is_taken, "{path}?{query}: {}", answer.text);
            }
        }
    }
    assert!(spans >= 10, "{spans}");
    let rejected = "/v1/events?status=rejected&from=2026-11-24&to=2026-11-23";
    let answer = app.get_with(rejected, &key).await;
    answer.is_refused_for("from", "invalid_parameter");
}
