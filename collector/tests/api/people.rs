//! Who is who: which spellings are one contact, which addresses are refused and why, and what pages may
//! say of a contact.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::messages::ROUTE as MESSAGES;
use crate::support::{Answer, PERSON, TestApp, spawn_app, spawn_app_at_rest};

/// Spellings of one contact each: as a server sends it first, then as others do.
const ONE_CONTACT: [[&str; 4]; 6] = [
    [
        "Kate@Exámple.person.example",
        "kate@xn--exmple-qta.person.example",
        "KATE@EXÁMPLE.person.example",
        "kate@exa\u{301}mple。person.example",
    ],
    [
        "René@person.example",
        "rene\u{301}@person.example",
        "RENÉ@person.example",
        "RENE\u{301}@PERSON.example",
    ],
    [
        "a\u{30a}sa@person.example",
        "\u{e5}sa@person.example",
        "\u{212b}sa@person.example",
        "ÅSA@person.example",
    ],
    [
        "संपर्क@भारत.person.example",
        "संपर्क@xn--h2brj9c.person.example",
        "संपर्क@भारत.PERSON.example",
        " संपर्क@भारत.person.example ",
    ],
    [
        "ผู้ใช้@person.example",
        "ผู้ใช้@PERSON.example",
        "ผู้ใช้@ｐｅｒｓｏｎ．example",
        "ผู้ใช้@person.exam\u{ad}ple",
    ],
    [
        "தமிழ்@person.example",
        "தமிழ்@PERSON.EXAMPLE",
        "தமிழ்@person．example",
        "\tதமிழ்@person.example",
    ],
];

/// What is refused, and a part of the reason.
const REFUSED: [(&str, &str); 16] = [
    ("\u{212a}ate@person.example", "U+212A"),
    ("\u{130}pek@person.example", "U+0130"),
    ("I\u{307}pek@person.example", "U+0130"),
    ("ｋate@person.example", "full-width"),
    ("kate＠person.example", "full-width"),
    ("ka\u{ad}te@person.example", "invisible"),
    ("kate\u{200b}@person.example", "invisible"),
    ("\u{feff}kate@person.example", "invisible"),
    ("ka\u{378}te@person.example", "Unicode"),
    ("kate@person..example", "domain"),
    ("kate@person.example.", "domain"),
    ("kate@-person.example", "domain"),
    ("kate@xn--a.person.example", "domain"),
    ("Kate <kate@person.example>", "display name"),
    ("kate.person.example", "user@example.com"),
    (
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@person.example",
        "64",
    ),
];

struct Stage {
    app: TestApp,
    key: String,
}

impl Stage {
    fn of(app: TestApp) -> Self {
        let key = app.secret(&[Scope::Write, Scope::Read, Scope::Contacts]);
        Self { app, key }
    }

    async fn read(&self, route: &str, email: &str) -> Answer {
        self.app.caught_up().await;
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("email", email)
            .finish();
        self.app
            .get_with(&format!("{route}?{query}"), &self.key)
            .await
    }

    async fn contact(&self, email: &str) -> Value {
        let answer = self.read("/v1/contacts", email).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["contacts"][0].clone()
    }

    async fn event_of(&self, email: &str) -> Answer {
        let body = json!({"email": email, "event": "joined"});
        self.app.post("/v1/track/event", &self.key, &body).await
    }

    /// One event of a page.
    async fn page_says(&self, fields: Value) -> Answer {
        let mut event = json!({"type": "track", "event": "page_viewed"});
        event
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        self.page_sends(vec![event]).await
    }

    async fn page_sends(&self, events: Vec<Value>) -> Answer {
        let body = json!({"key": self.app.public(&[]), "events": events});
        let ask = self.app.ask(Method::POST, "/v1/track/batch");
        let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
        let ask = ask.header("user-agent", browser).text(&body);
        ask.send().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spellings_of_one_address_are_one_contact_wherever_they_come() {
    let stage = Stage::of(spawn_app().await);
    for (number, spellings) in ONE_CONTACT.iter().enumerate() {
        for spelling in spellings {
            stage.event_of(spelling).await.is_tracked();
        }
        let order = |email: &str| json!({"email": email, "orderId": format!("o-{number}"), "revenue": 5, "currency": "EUR"});
        let post = async |email: &str| {
            stage
                .app
                .post("/v1/track/purchase", &stage.key, &order(email))
                .await
        };
        let first = post(spellings[0]).await;
        first.is_tracked();
        for spelling in spellings {
            post(spelling).await.is_duplicate_of(&first);
        }
        // The same message to the same contact is the same message.
        let message = |email: &str| json!({"email": email, "messageId": format!("m-{number}"), "html": "<p>Hello</p>"});
        let mut answers = Vec::new();
        for spelling in spellings {
            let body = message(spelling);
            answers.push(stage.app.post(MESSAGES, &stage.key, &body).await);
        }
        for answer in &answers {
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.body, answers[0].body);
        }
        let origin = stage.app.origin();
        let unsubscribe = answers[0].text_of("unsubscribeUrl");
        let unsubscribe = unsubscribe.strip_prefix(&origin).unwrap();
        let answer = stage.app.ask(Method::POST, unsubscribe).send().await;
        assert_eq!(answer.status, 200);

        let expected = stage.contact(spellings[0]).await;
        assert!(expected["unsubscribedAt"].is_string(), "{expected}");
        for spelling in spellings {
            let events = stage.read("/v1/events", spelling).await;
            let events = events.body["events"].as_array().unwrap().clone();
            // Four events, the order, the send and the unsubscribe.
            assert_eq!(events.len(), 7, "{spelling:?}");
            let mut found = stage.contact(spelling).await;
            // It falls with every millisecond.
            found["score"] = expected["score"].clone();
            assert_eq!(found, expected, "{spelling:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_refused_for_its_reason_on_every_route_and_never_echoed() {
    let stage = Stage::of(spawn_app().await);
    let routes = |email: &str| {
        [
            (
                "/v1/track/event",
                json!({"email": email, "event": "joined"}),
            ),
            ("/v1/identify", json!({"email": email})),
            (
                "/v1/track/purchase",
                json!({"email": email, "orderId": "o", "revenue": 5, "currency": "EUR"}),
            ),
            (MESSAGES, json!({"email": email, "html": "<p>Hello</p>"})),
        ]
    };
    for (email, reason) in REFUSED {
        for (route, body) in routes(email) {
            let answer = stage.app.post(route, &stage.key, &body).await;
            answer.is_refused_for("email", "invalid_email");
            assert!(answer.message().contains(reason), "{}", answer.text);
            assert!(!answer.message().contains(email), "{}", answer.text);
        }
        for route in ["/v1/contacts", "/v1/events"] {
            let answer = stage.read(route, email).await;
            answer.is_refused_for("email", "invalid_parameter");
            assert!(answer.message().contains(reason), "{}", answer.text);
        }
        let events = json!([
            {"type": "track", "event": "x", "email": email},
            {"type": "track", "event": "x"},
            {"type": "track", "event": "x", "email": PERSON},
        ]);
        let body = json!({"events": events, "context": {"email": email}});
        let batch = stage.app.post("/v1/track/batch", &stage.key, &body).await;
        for (result, field) in batch.results().iter().zip(["email", "context.email"]) {
            assert_eq!(result["code"], "invalid_email", "{}", batch.text);
            assert_eq!(result["field"], field, "{}", batch.text);
            let message = result["message"].as_str().unwrap();
            assert!(message.contains(reason) && !message.contains(email));
        }
        assert_eq!(batch.results()[2]["status"], "tracked", "{}", batch.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_alike_neither_merges_people_nor_rewrites_what_is_shown() {
    let stage = Stage::of(spawn_app().await);
    stage.event_of("Kate@person.example").await.is_tracked();
    for email in ["\u{212a}ate@person.example", "ｋate@person.example"] {
        let answer = stage.page_says(json!({"email": email})).await;
        assert_eq!(answer.results()[0]["code"], "invalid_email");
    }
    let contact = stage.contact("kate@person.example").await;
    assert_eq!(contact["email"], "Kate@person.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spelling_that_is_shown_is_a_servers() {
    let stage = Stage::of(spawn_app().await);
    let page = async |email: &str| {
        let answer = stage.page_says(json!({"email": email})).await;
        assert_eq!(answer.results()[0]["status"], "tracked", "{}", answer.text);
        stage.contact("kate@exámple.person.example").await["email"].clone()
    };
    let known_as = "kate@xn--exmple-qta.person.example";
    assert_eq!(page("kAtE@EXÁMPLE.person.example").await, known_as);
    let server = "Kate@exámple.person.example";
    stage.event_of(server).await.is_tracked();
    assert_eq!(page("KATE@exámple.person.example").await, server);
    assert_eq!(page(known_as).await, server);
    // An event is shown as it came.
    let newest = stage.app.all_events().await[0].clone();
    assert_eq!(newest["email"], known_as);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_earn_a_contact_twenty_a_day_at_the_most() {
    let (app, clock) = spawn_app_at_rest().await;
    let stage = Stage::of(app);
    let score = async || {
        let contact = stage.contact(PERSON).await;
        contact["score"].as_f64().unwrap()
    };
    let event = |age: i64| json!({"type": "track", "event": "joined", "email": PERSON, "age": age});
    let send = async |count: usize, age: i64| {
        let answer = stage.page_sends(vec![event(age); count]).await;
        let results = answer.results().iter();
        assert!(results.clone().all(|result| result["status"] == "tracked"));
    };
    // It is ten in the morning, and days count from their start.
    let hours = |hours: f64| (-hours / (30.0 * 24.0)).exp2();
    let near = |found: f64, expected: f64| {
        assert!((found - expected).abs() < 1e-8, "{found} for {expected}");
    };
    send(1, 0).await;
    near(score().await, 2.0 * hours(10.0));
    send(1_000, 0).await;
    near(score().await, 20.0 * hours(10.0));
    // What a server says comes on top.
    stage.event_of(PERSON).await.is_tracked();
    near(score().await, 20.0 * hours(10.0) + 2.0);
    // Seven days back at the most, however they are told.
    for day in 1..=9 {
        let age = day * 24 * 3_600_000;
        let timestamp = 1_795_428_000_000 - age;
        let at = shared::time::Timestamp::from_millis(timestamp).to_string();
        let told = json!({"type": "track", "event": "joined", "email": PERSON, "timestamp": at});
        stage.page_sends(vec![told; 100]).await;
        stage.page_sends(vec![event(age); 100]).await;
    }
    let days = (0..=7).map(|day| 20.0 * hours(10.0 + 24.0 * f64::from(day)));
    let expected = days.sum::<f64>() + 2.0;
    near(score().await, expected);
    // The most that was ever told is gone after 60 half-lives.
    clock.advance_millis(1_800 * 24 * 3_600_000);
    near(score().await, 0.0);
}
