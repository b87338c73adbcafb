//! `GET /v1/events`: by type, class, campaign, status and arrival, days of a zone, rejected events, and
//! pulling on from one event.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{Answer, PERSON, TestApp, is_opaque, new_id, spawn_app, spawn_app_at_rest};

/// What the events of a page are called, joined.
#[track_caller]
fn names(page: &Answer) -> String {
    assert_eq!(page.status, 200, "{}", page.text);
    let events = page.body["events"].as_array().unwrap().iter();
    let names: Vec<_> = events
        .map(|event| event["name"].as_str().unwrap())
        .collect();
    names.join(" ")
}

/// One event of each kind: a send of a campaign, its open, a page's view, a server's event, a purchase
/// that names the send, an identify.
async fn one_of_each(app: &TestApp) {
    let writer = app.secret(&[Scope::Write]);
    let message = json!({"email": PERSON, "messageId": "m-1", "campaignId": "spring", "type": "transactional",
        "html": "<a href=\"https://shop.example/\">shop</a>"});
    let sent = app.post("/v1/messages", &writer, &message).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let other = json!({"email": PERSON, "messageId": "m-2", "campaignId": "summer"});
    app.post("/v1/messages", &writer, &other).await;
    let html = sent.text_of("html");
    let (_, token) = html.split_once("/mail/track/open/").unwrap();
    let token = token.split('"').next().unwrap();
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
    let before = app.on_disk();
    let ask = app.ask(Method::GET, &format!("/mail/track/open/{token}"));
    ask.header("user-agent", agent).send().await;
    while app.on_disk() == before {
        tokio::task::yield_now().await;
    }
    let viewed = json!({"key": app.public(&[]), "email": PERSON, "event": "page_viewed"});
    let ask = app
        .ask(Method::POST, "/v1/track/event")
        .header("user-agent", "curl/8.1");
    ask.text(&viewed).send().await.is_tracked();
    let event = json!({"email": PERSON, "event": "upgraded", "messageId": "m-2"});
    app.post("/v1/track/event", &app.key, &event)
        .await
        .is_tracked();
    let order = json!({"email": PERSON, "orderId": "A-1", "revenue": 5, "currency": "EUR", "messageId": "m-1"});
    app.post("/v1/track/purchase", &app.key, &order)
        .await
        .is_tracked();
    app.post("/v1/identify", &app.key, &json!({"email": PERSON}))
        .await
        .is_tracked();
    app.caught_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_by_type_class_and_campaign() {
    let app = spawn_app().await;
    one_of_each(&app).await;
    for (query, found) in [
        (
            "",
            "identified purchase upgraded page_viewed email_opened email_sent email_sent",
        ),
        ("type=purchase", "purchase"),
        ("type=track", "upgraded page_viewed"),
        ("type=identify", "identified"),
        ("type=send", "email_sent email_sent"),
        ("type=open", "email_opened"),
        ("type=click", ""),
        ("type=track&name=purchase", ""),
        ("type=purchase&name=purchase", "purchase"),
        ("class=human", "email_opened"),
        ("class=genuine", "email_opened"),
        ("class=bot", "page_viewed"),
        ("class=machine", ""),
        ("class=bot&type=open", ""),
        ("campaignId=spring", "purchase email_opened email_sent"),
        ("campaignId=summer", "upgraded email_sent"),
        ("campaignId=spring&type=send", "email_sent"),
        ("campaignId=autumn", ""),
        ("status=tracked&type=open", "email_opened"),
        ("status=erased", ""),
        (
            "order=asc",
            "email_sent email_sent email_opened page_viewed upgraded purchase identified",
        ),
        ("order=asc&type=track", "page_viewed upgraded"),
        ("order=desc&limit=1", "identified"),
    ] {
        let page = app.get(&format!("/v1/events?{query}")).await;
        assert_eq!(names(&page), found, "{query}");
    }
    for (query, field) in [
        ("type=orders", "type"),
        ("class=person", "class"),
        ("status=lost", "status"),
        ("order=up", "order"),
        ("status=tracked&code=invalid_email", "code"),
        ("status=rejected&class=bot", "class"),
        ("status=rejected&order=asc", "order"),
        ("receivedFrom=soon", "receivedFrom"),
        ("tz=Mars", "tz"),
        ("after=000000000000000000000001", "after"),
        ("cursor=x", "cursor"),
        ("status=rejected&cursor=x", "cursor"),
    ] {
        let answer = app.get(&format!("/v1/events?{query}")).await;
        answer.is_refused_for(field, "invalid_parameter");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_those_of_a_zone_and_the_end_of_time_is_a_time() {
    let (app, clock) = spawn_app_at_rest().await;
    for time in [
        "2026-11-20T23:30:00Z",
        "2026-11-21T00:30:00Z",
        "2026-11-21T23:30:00Z",
        "2026-11-22T12:00:00Z",
    ] {
        let event = json!({"email": PERSON, "event": time, "timestamp": time});
        app.post("/v1/track/event", &app.key, &event)
            .await
            .is_tracked();
    }
    drop(clock);
    app.caught_up().await;
    let (a, b, c, d) = (
        "2026-11-20T23:30:00Z",
        "2026-11-21T00:30:00Z",
        "2026-11-21T23:30:00Z",
        "2026-11-22T12:00:00Z",
    );
    for (query, found) in [
        ("from=2026-11-21", vec![d, c, b]),
        ("from=2026-11-21&tz=Europe/Paris", vec![d, c, b, a]),
        ("from=2026-11-22&tz=Europe/Paris", vec![d, c]),
        ("to=2026-11-20", vec![a]),
        ("from=2026-11-21&to=2026-11-21", vec![c, b]),
        ("from=2026-11-21&to=2026-11-21&tz=Europe/Paris", vec![b, a]),
        ("from=2026-11-21&to=2026-11-21&tz=UTC", vec![c, b]),
        ("from=2026-11-20&to=9999-12-31T23:59:59Z", vec![d, c, b, a]),
        ("from=9999-12-31T23:59:59Z", vec![]),
        ("from=9999-12-31", vec![]),
        ("to=9999-12-31", vec![d, c, b, a]),
        ("from=0001-01-01", vec![d, c, b, a]),
        ("receivedFrom=2026-11-23", vec![d, c, b, a]),
        ("receivedTo=2026-11-22", vec![]),
        (
            "receivedFrom=2026-11-23T10:00:00Z&receivedTo=2026-11-23T10:00:00.001Z",
            vec![d, c, b, a],
        ),
        ("receivedFrom=2026-11-24", vec![]),
    ] {
        let page = app.get(&format!("/v1/events?{query}")).await;
        assert_eq!(names(&page), found.join(" "), "{query}");
    }
    for wrong in [
        "2026-11-31",
        "2026-13-01",
        "20261121",
        "26-11-2026",
        "tomorrow",
        "2026-11",
    ] {
        let answer = app.get(&format!("/v1/events?from={wrong}")).await;
        answer.is_refused_for("from", "invalid_parameter");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_pulled_on_from_the_last_seq() {
    let app = spawn_app().await;
    let post = async |n: u64| {
        let event = json!({"email": PERSON, "event": format!("e{n}")});
        let answer = app.post("/v1/track/event", &app.key, &event).await;
        answer.is_tracked().text_of("seq")
    };
    let elsewhere = app.key_elsewhere();
    let mut last = String::new();
    for n in 0..25 {
        last = post(n).await;
        let event = json!({"email": PERSON, "event": "theirs"});
        app.post("/v1/track/event", &elsewhere, &event)
            .await
            .is_tracked();
    }
    let mut pulled = Vec::new();
    let mut after = String::new();
    loop {
        let page = app
            .get(&format!(
                "/v1/events?order=asc&limit=10&minSeq={last}{after}"
            ))
            .await;
        pulled.extend(names(&page).split_whitespace().map(str::to_owned));
        let events = page.body["events"].as_array().unwrap();
        after = format!("&after={}", events.last().unwrap()["seq"].as_str().unwrap());
        let Some(next) = page.body.get("next") else {
            break;
        };
        is_opaque(next.as_str().unwrap());
        assert!(after.ends_with(next.as_str().unwrap()), "{next}");
    }
    let all: Vec<String> = (0..25).map(|n| format!("e{n}")).collect();
    assert_eq!(pulled, all);
    // Nothing new yet; then what came since.
    let page = app.get(&format!("/v1/events?order=asc{after}")).await;
    assert_eq!(names(&page), "");
    let newest = post(25).await;
    let page = app
        .get(&format!("/v1/events?order=asc{after}&minSeq={newest}"))
        .await;
    assert_eq!(names(&page), "e25");
    // One of another workspace is none.
    let event = json!({"email": PERSON, "event": "theirs"});
    let theirs = app
        .post("/v1/track/event", &elsewhere, &event)
        .await
        .text_of("seq");
    for seq in [theirs.as_str(), "x", "999999999999999999999999"] {
        let answer = app.get(&format!("/v1/events?order=asc&after={seq}")).await;
        answer.is_refused_for("after", "unknown_seq");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_events_are_found_without_their_id() {
    let app = spawn_app().await;
    let id = new_id();
    let bad = json!({"id": id, "email": "Nobody", "event": "first", "extra": 1, "messageId": "m", "properties": {"a": 1}});
    app.post("/v1/track/event", &app.key, &bad)
        .await
        .is_refused(422, "invalid_email");
    let order = json!({"email": PERSON, "orderId": "A-1", "revenue": "5", "currency": "EUR"});
    app.post("/v1/track/purchase", &app.key, &order)
        .await
        .is_refused(422, "invalid_revenue");
    let page = json!({"key": app.public(&[]), "events": [{"type": "identify", "email": PERSON, "traits": 7}]});
    app.ask(Method::POST, "/v1/track/batch")
        .text(&page)
        .send()
        .await;
    app.post(
        "/v1/track/event",
        &app.key,
        &json!({"email": PERSON, "event": "good"}),
    )
    .await
    .is_tracked();
    app.post("/v1/track/event", &app.key_elsewhere(), &bad)
        .await;
    app.caught_up().await;
    for (query, found) in [
        ("status=rejected", "identified purchase first"),
        ("code=invalid_email", "first"),
        ("status=rejected&code=invalid_revenue", "purchase"),
        ("status=rejected&email=nobody", "first"),
        (
            "status=rejected&email=Alice%40Person.Example",
            "identified purchase",
        ),
        ("status=rejected&name=first", "first"),
        ("status=rejected&type=purchase", "purchase"),
        ("status=rejected&type=track", "first"),
        ("status=rejected&messageId=m", "first"),
        (
            "status=rejected&from=2020-01-01",
            "identified purchase first",
        ),
        ("status=rejected&to=2020-01-01", ""),
        ("status=rejected&receivedFrom=9999-12-31", ""),
        ("code=too_old", ""),
        ("", "good"),
    ] {
        let page = app.get(&format!("/v1/events?{query}")).await;
        assert_eq!(names(&page), found, "{query}");
    }
    let page = app.get("/v1/events?code=invalid_email").await;
    let event: &Value = &page.body["events"][0];
    assert_eq!(event["id"], id.as_str());
    assert_eq!(event["status"], "rejected");
    assert_eq!(event["type"], "track");
    assert_eq!(event["code"], "invalid_email");
    assert_eq!(event["field"], "email");
    assert_eq!(event["email"], "Nobody");
    assert_eq!(event["source"], "server");
    assert_eq!(event["properties"], json!({"a": 1}));
    assert_eq!(event["ignoredFields"], json!(["extra"]));
    assert_eq!(event["keyId"], app.known(&app.key).id.as_str());
    assert!(event.get("seq").is_none(), "{event}");
    let body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, bad);
    // Page by page.
    let (mut cursor, mut found) = (String::new(), Vec::new());
    loop {
        let page = app
            .get(&format!("/v1/events?status=rejected&limit=2{cursor}"))
            .await;
        found.push(names(&page));
        let Some(next) = page.body.get("next") else {
            break;
        };
        is_opaque(next.as_str().unwrap());
        cursor = format!("&cursor={}", next.as_str().unwrap());
    }
    assert_eq!(found, ["identified purchase", "first"]);
}
