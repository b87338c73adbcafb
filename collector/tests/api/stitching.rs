//! Whose browsers are whose, as callers see it: events, score, when seen, and what a visit earned a message.

use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{TestApp, spawn_app};

const ADA: &str = "ada@person.example";
const BEN: &str = "ben@person.example";

struct Stage {
    app: TestApp,
    key: String,
    page: String,
}

impl Stage {
    async fn new() -> Self {
        let app = spawn_app().await;
        let key = app.secret(&[Scope::Admin]);
        let page = app.public(&[]);
        Self { app, key, page }
    }

    /// What a page sends, which came so many minutes ago.
    async fn visit(&self, browser: &str, minutes_ago: i64, mut event: Value) {
        let event_too = event.as_object_mut().unwrap();
        event_too.insert("anonymousId".into(), json!(browser));
        event_too.insert("age".into(), json!(minutes_ago * 60_000));
        let body = json!({"key": self.page, "events": [event]});
        let ask = self.app.ask(reqwest::Method::POST, "/v1/track/batch");
        let answer = ask.header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        );
        let answer = answer.text(&body).send().await;
        assert_eq!(answer.results()[0]["status"], "tracked", "{}", answer.text);
    }

    async fn view(&self, browser: &str, minutes_ago: i64, name: &str) {
        let view = json!({"type": "track", "event": name});
        self.visit(browser, minutes_ago, view).await;
    }

    async fn identify(&self, browser: &str, minutes_ago: i64, email: &str) {
        let identify = json!({"type": "identify", "email": email});
        self.visit(browser, minutes_ago, identify).await;
    }

    async fn get(&self, path: &str) -> Value {
        self.app.caught_up().await;
        let answer = self.app.get_with(path, &self.key).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.body
    }

    /// The names of a contact's events, newest first.
    async fn events_of(&self, email: &str) -> Vec<String> {
        let listed = self.get(&format!("/v1/events?email={email}&limit=3")).await;
        let mut names = Vec::new();
        let mut page = listed;
        loop {
            for event in page["events"].as_array().unwrap() {
                assert_eq!(event["email"], email, "{event}");
                names.push(event["name"].as_str().unwrap().to_owned());
            }
            let Some(next) = page["next"].as_str() else {
                return names;
            };
            let path = format!("/v1/events?email={email}&limit=3&cursor={next}");
            page = self.get(&path).await;
        }
    }

    async fn score_of(&self, email: &str) -> f64 {
        let listed = self.get(&format!("/v1/contacts?email={email}")).await;
        listed["contacts"][0]["score"].as_f64().unwrap_or(0.0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_browsers_did_before_and_after_is_listed_and_counted_for_whom_they_belong_to() {
    let stage = Stage::new().await;
    stage.view("phone", 90, "seen_1").await;
    stage.view("laptop", 80, "seen_2").await;
    stage.view("stranger", 70, "seen_3").await;
    stage.identify("phone", 60, ADA).await;
    assert_eq!(stage.events_of(ADA).await, ["identified", "seen_1"]);
    stage.identify("laptop", 50, ADA).await;
    stage.view("phone", 40, "seen_4").await;
    let all = ["seen_4", "identified", "identified", "seen_2", "seen_1"];
    assert_eq!(stage.events_of(ADA).await, all);
    // A day of a page's events begins with the day: three of them count for a little less than 6.
    let score = stage.score_of(ADA).await;
    assert!((5.7..=6.0).contains(&score), "{score}");
    let path = format!("/v1/events?email={ADA}&name=seen_2");
    assert_eq!(
        stage.get(&path).await["events"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_contact_on_a_browser_takes_what_lies_behind_their_time_even_where_it_is_told_late()
 {
    let stage = Stage::new().await;
    stage.view("shared", 90, "seen_1").await;
    stage.identify("shared", 80, ADA).await;
    stage.view("shared", 70, "seen_2").await;
    stage.view("shared", 50, "seen_3").await;
    assert_eq!(
        stage.events_of(ADA).await,
        ["seen_3", "seen_2", "identified", "seen_1"]
    );
    let before = stage.score_of(ADA).await;
    stage.identify("shared", 60, BEN).await;
    assert_eq!(
        stage.events_of(ADA).await,
        ["seen_2", "identified", "seen_1"]
    );
    assert_eq!(stage.events_of(BEN).await, ["identified", "seen_3"]);
    let (ada, ben) = (stage.score_of(ADA).await, stage.score_of(BEN).await);
    assert!((before - ada - ben).abs() < 1e-6, "{before} {ada} {ben}");
    let last = stage.get(&format!("/v1/contacts?email={ADA}")).await;
    let timeline = stage.get(&format!("/v1/events?email={ADA}&limit=1")).await;
    assert_eq!(
        last["contacts"][0]["lastSeen"],
        timeline["events"][0]["timestamp"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_names_a_message_to_its_contact_earns_it_their_order() {
    let stage = Stage::new().await;
    let send =
        json!({"email": ADA, "messageId": "m-1", "campaignId": "c-1", "html": "<p>Hello</p>"});
    let sent = stage.app.post("/v1/messages", &stage.key, &send).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let arrival = json!({"type": "track", "event": "page_viewed", "messageId": "m-1"});
    stage.visit("phone", 30, arrival.clone()).await;
    stage.visit("stranger", 20, arrival).await;
    let order = json!({"email": ADA, "orderId": "o-1", "revenue": 50, "currency": "EUR"});
    stage
        .app
        .post("/v1/track/purchase", &stage.key, &order)
        .await
        .is_tracked();
    let earned = async || {
        let report = stage.get("/v1/reports/messages/m-1").await;
        report["revenue"].clone()
    };
    assert_eq!(
        earned().await,
        json!([]),
        "nobody knows yet whose browser it is"
    );
    stage.identify("phone", 10, ADA).await;
    let revenue = earned().await;
    assert_eq!(revenue[0]["currency"], "EUR", "{revenue}");
    assert_eq!(revenue[0]["gross"], json!(50.00), "{revenue}");
    // Once it turns out that somebody else sat before it then, it is theirs no more.
    stage.identify("phone", 40, BEN).await;
    assert_eq!(earned().await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_erased_contacts_browsers_is_found_and_other_peoples_stay() {
    let stage = Stage::new().await;
    stage.view("shared", 90, "hers_1").await;
    stage.identify("shared", 80, ADA).await;
    stage.view("shared", 70, "hers_2").await;
    stage.identify("shared", 60, BEN).await;
    stage.view("shared", 50, "his").await;
    let ben = stage.score_of(BEN).await;
    stage.app.caught_up().await;
    let path = format!("/v1/contacts/{}", ADA.replace('@', "%40"));
    let ask = stage
        .app
        .ask(reqwest::Method::DELETE, &path)
        .key(&stage.key);
    let erased = ask.send().await;
    assert_eq!(erased.body["erased"]["events"], 3, "{}", erased.text);
    assert_eq!(stage.events_of(ADA).await, [""; 0]);
    assert_eq!(stage.events_of(BEN).await, ["his", "identified"]);
    assert!((stage.score_of(BEN).await - ben).abs() < 1e-6);
    // A new life begins with nothing of the old one.
    stage.identify("shared", 0, ADA).await;
    stage.view("shared", 0, "new").await;
    assert_eq!(stage.events_of(ADA).await, ["new", "identified"]);
}
