//! `GET /v1/events`: filters, pages, and how far the view is.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{Answer, PERSON, TestApp, is_opaque, spawn_app};

/// Ten events, one each day from 1 to 10 January 2026, of two contacts, names and sends in turn.
async fn ten_events(app: &TestApp) {
    let events: Vec<Value> = (1..=10)
        .map(|day| {
            let odd = day % 2 == 1;
            json!({
                "type": "track",
                "event": if odd { "odd_day" } else { "even_day" },
                "email": if day <= 5 { "first@person.example" } else { "second@person.example" },
                "messageId": if day % 5 == 0 { "m-5" } else { "m" },
                "timestamp": format!("2026-01-{day:02}T00:00:00Z"),
                "properties": {"day": day},
            })
        })
        .collect();
    let answer = app
        .post("/v1/track/batch", &app.key, &json!({"events": events}))
        .await;
    assert!(
        answer
            .results()
            .iter()
            .all(|result| result["status"] == "tracked"),
        "{}",
        answer.text
    );
    let seq = answer.results()[9]["seq"].as_str().unwrap();
    assert_eq!(
        app.get(&format!("/v1/events?limit=1&minSeq={seq}"))
            .await
            .status,
        200
    );
}

fn days(page: &Answer) -> Vec<u64> {
    assert_eq!(page.status, 200, "{}", page.text);
    let events = page.body["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["properties"]["day"].as_u64().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_each_other_down() {
    let app = spawn_app().await;
    ten_events(&app).await;
    for (query, expected) in [
        ("", vec![10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("name=odd_day", vec![9, 7, 5, 3, 1]),
        ("email=First@Person.Example", vec![5, 4, 3, 2, 1]),
        ("email=first%40person.example&name=even_day", vec![4, 2]),
        ("messageId=m-5", vec![10, 5]),
        ("messageId=m-5&email=second@person.example", vec![10]),
        // From is within, to is not.
        (
            "from=2026-01-03T00:00:00Z&to=2026-01-05T00:00:00Z",
            vec![4, 3],
        ),
        (
            "from=2026-01-03T01:00:00%2B01:00&to=2026-01-03T00:00:00.001Z",
            vec![3],
        ),
        (
            "from=2026-01-03T01:00:00+01:00&to=2026-01-03T00:00:00.001Z",
            vec![3],
        ),
        ("from=2026-01-09T00:00:00Z", vec![10, 9]),
        ("to=2026-01-02T00:00:00Z", vec![1]),
        ("from=2026-01-03T00:00:00Z&to=2026-01-03T00:00:00Z", vec![]),
        ("name=nothing", vec![]),
        ("name=Odd_day", vec![]),
        ("email=nobody@person.example", vec![]),
        ("limit=3", vec![10, 9, 8]),
    ] {
        let page = app.get(&format!("/v1/events?{query}")).await;
        assert_eq!(days(&page), expected, "{query}");
        assert_eq!(
            page.body.get("next").is_some(),
            query == "limit=3",
            "{query}"
        );
        assert!(page.body["meta"]["lagMs"].is_u64(), "{}", page.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_join_without_gap_and_the_last_has_no_next() {
    let app = spawn_app().await;
    ten_events(&app).await;
    for (filter, limit, pages) in [
        (
            "",
            3,
            vec![vec![10, 9, 8], vec![7, 6, 5], vec![4, 3, 2], vec![1]],
        ),
        ("", 5, vec![vec![10, 9, 8, 7, 6], vec![5, 4, 3, 2, 1]]),
        ("&name=odd_day", 2, vec![vec![9, 7], vec![5, 3], vec![1]]),
        (
            "&from=2026-01-02T00:00:00Z&to=2026-01-06T00:00:00Z",
            2,
            vec![vec![5, 4], vec![3, 2]],
        ),
        (
            "&email=first@person.example",
            1,
            vec![vec![5], vec![4], vec![3], vec![2], vec![1]],
        ),
    ] {
        let mut cursor = String::new();
        for (at, expected) in pages.iter().enumerate() {
            let page = app
                .get(&format!("/v1/events?limit={limit}{filter}{cursor}"))
                .await;
            assert_eq!(days(&page), *expected, "{filter} {limit} {at}");
            match page.body.get("next") {
                Some(next) => {
                    is_opaque(next.as_str().unwrap());
                    cursor = format!("&cursor={}", next.as_str().unwrap());
                }
                None => assert_eq!(at + 1, pages.len(), "{filter} {limit}"),
            }
            assert_eq!(page.body.get("next").is_some(), at + 1 < pages.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_events_do_not_disturb_a_walk_through_the_pages() {
    let app = spawn_app().await;
    ten_events(&app).await;
    let page = app.get("/v1/events?limit=4").await;
    let next = page.text_of("next");
    app.post(
        "/v1/track/event",
        &app.key,
        &json!({"email": PERSON, "event": "late"}),
    )
    .await
    .is_tracked();
    let page = app.get(&format!("/v1/events?limit=4&cursor={next}")).await;
    assert_eq!(days(&page), [6, 5, 4, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_events_stand_on_a_page_unless_asked_for_more_or_less() {
    let app = spawn_app().await;
    for _ in 0..11 {
        let events = vec![json!({"type": "track", "event": "x", "email": PERSON}); 100];
        app.post("/v1/track/batch", &app.key, &json!({"events": events}))
            .await
            .results();
    }
    app.caught_up().await;
    let count = async |query: &str| {
        let page = app.get(&format!("/v1/events?{query}")).await;
        assert!(page.body.get("next").is_some(), "{query}");
        page.body["events"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 100);
    assert_eq!(count("limit=1").await, 1);
    assert_eq!(count("limit=1000").await, 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_parameters_are_named() {
    let app = spawn_app().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.5", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("cursor=!", "cursor"),
        ("cursor=alice@person.example", "cursor"),
        ("email=alice", "email"),
        ("from=yesterday", "from"),
        ("to=2026-01", "to"),
    ] {
        app.get(&format!("/v1/events?{query}"))
            .await
            .is_refused_for(field, "invalid_parameter");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_wants_the_scope_read() {
    let app = spawn_app().await;
    app.get_with("/v1/events", &app.secret(&[Scope::Read]))
        .await
        .check_page();
    app.get_with("/v1/events", &app.secret(&[Scope::Admin]))
        .await
        .check_page();
    for scope in [Scope::Send, Scope::Write, Scope::Contacts] {
        app.get_with("/v1/events", &app.secret(&[scope]))
            .await
            .is_refused(403, "insufficient_scope");
    }
    app.get_with("/v1/events", &app.public(&[]))
        .await
        .is_refused(403, "insufficient_scope");
    app.ask(Method::GET, "/v1/events")
        .send()
        .await
        .is_refused(401, "missing_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_never_see_each_other() {
    let app = spawn_app().await;
    let elsewhere = app.key_elsewhere();
    let body = json!({"email": PERSON, "event": "viewed"});
    for key in [&app.key, &elsewhere] {
        let sent = app.post("/v1/track/event", key, &body).await;
        let path = format!("/v1/events?email={PERSON}&minSeq={}", sent.text_of("seq"));
        let id = sent.text_of("id");
        let page = app.get_with(&path, key).await;
        let events = page.check_page();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["id"], *id);
    }
}

impl Answer {
    fn check_page(&self) -> &Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text);
        assert!(self.body["meta"]["lagMs"].is_u64(), "{}", self.text);
        self.body["events"].as_array().unwrap()
    }
}
