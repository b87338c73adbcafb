//! The reports of messages, campaigns and revenue, from real pixels, links, orders and refunds; and
//! what a contact shows of them.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;
use store::clock::FixedClock;

use crate::mail::{ask, settled};
use crate::messages::{ROUTE, writer};
use crate::support::{Answer, TestApp, spawn_app_at_rest};

pub(crate) const ALICE: &str = "alice@person.example";
pub(crate) const BOB: &str = "bob@person.example";
pub(crate) const HUMAN: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const PROXY: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const MACHINE: &str = "Mozilla/5.0";
const BOT: &str = "";
pub(crate) const HOUR_MS: i64 = 3_600_000;

pub(crate) struct Stage {
    pub(crate) app: TestApp,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) key: String,
}

/// What came back for a message, as paths.
pub(crate) struct Sent {
    pub(crate) pixel: String,
    pub(crate) links: Vec<String>,
    pub(crate) unsubscribe: String,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let (app, clock) = spawn_app_at_rest().await;
        let key = writer(&app);
        Self { app, clock, key }
    }

    /// Registers a message with three links.
    pub(crate) async fn send(&self, id: &str, campaign: Value, email: &str) -> Sent {
        let links: String = (0..3)
            .map(|n| format!("<a href=\"https://shop.example/{n}\">{n}</a>"))
            .collect();
        let body = json!({"email": email, "messageId": id, "campaignId": campaign, "html": links});
        let answer = self.app.post(ROUTE, &self.key, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let html = answer.text_of("html");
        let origin = self.app.origin();
        let paths: Vec<String> = html
            .split('"')
            .filter_map(|part| part.strip_prefix(&origin).map(str::to_owned))
            .collect();
        let of = |start: &str| {
            let found = paths.iter().filter(|path| path.starts_with(start));
            found.cloned().collect::<Vec<_>>()
        };
        let unsubscribe = answer.text_of("unsubscribeUrl");
        Sent {
            pixel: of("/mail/track/open/").pop().unwrap(),
            links: of("/mail/track/click/"),
            unsubscribe: unsubscribe.strip_prefix(&origin).unwrap().to_owned(),
        }
    }

    /// A mail client asks for it, and it is on disk.
    pub(crate) async fn hit_by(&self, method: Method, path: &str, agent: &str) {
        let wanted = self.app.on_disk() + 1;
        ask(&self.app, method, path, &[("user-agent", agent)]).await;
        settled(&self.app, wanted).await;
    }

    pub(crate) async fn hit(&self, path: &str, agent: &str) {
        self.hit_by(Method::GET, path, agent).await;
    }

    /// A server's order; the amount is JSON.
    pub(crate) async fn buy(
        &self,
        order: &str,
        email: &str,
        amount: &str,
        currency: &str,
        more: Value,
    ) {
        let mut body = json!({"email": email, "orderId": order, "currency": currency});
        body["revenue"] = serde_json::from_str(amount).unwrap();
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = self
            .app
            .post("/v1/track/purchase", &self.app.key, &body)
            .await;
        answer.is_tracked();
    }

    pub(crate) async fn refund(&self, order: &str, amount: f64) {
        let body =
            json!({"orderId": order, "refundId": format!("{order}-{amount}"), "amount": amount});
        let answer = self.app.post("/v1/track/refund", &self.app.key, &body);
        answer.await.is_tracked();
    }

    /// A report of all that is on disk.
    pub(crate) async fn report(&self, path: &str) -> Answer {
        self.app.caught_up().await;
        let answer = self.app.get(&format!("/v1/reports/{path}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.body["meta"]["lagMs"].is_u64(), "{}", answer.text);
        answer
    }

    pub(crate) async fn contact(&self, email: &str) -> Value {
        self.app.caught_up().await;
        let path = format!("/v1/contacts?email={email}");
        let answer = self.app.get_with(&path, &self.key).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["contacts"].clone()
    }

    /// Rows of the list of this type and message, by class, in the order of `byClass`.
    pub(crate) async fn rows(&self, kind: &str, messages: &[&str]) -> [i64; 4] {
        let mut rows = [0; 4];
        for event in self.app.all_events().await {
            let of = event["messageId"].as_str().unwrap_or_default();
            if event["type"] == kind && messages.contains(&of) {
                let class = event["class"].as_str().unwrap();
                let classes = ["human", "proxy_human", "machine", "bot"];
                rows[classes.iter().position(|known| *known == class).unwrap()] += 1;
            }
        }
        rows
    }
}

/// `[total, unique]` of all, machine and genuine.
#[track_caller]
pub(crate) fn has_figures(figures: &Value, all: [i64; 2], machine: [i64; 2], genuine: [i64; 2]) {
    for (name, [total, unique]) in [("all", all), ("machine", machine), ("genuine", genuine)] {
        assert_eq!(
            figures[name],
            json!({"total": total, "unique": unique}),
            "{name}: {figures}"
        );
    }
}

#[track_caller]
pub(crate) fn has_rows(figures: &Value, [human, proxy_human, machine, bot]: [i64; 4]) {
    assert_eq!(
        figures["byClass"],
        json!({"human": human, "proxy_human": proxy_human, "machine": machine, "bot": bot})
    );
    assert_eq!(figures["all"]["total"], human + proxy_human + machine + bot);
    assert_eq!(figures["machine"]["total"], machine + bot);
    assert_eq!(figures["genuine"]["total"], human + proxy_human);
}

/// Three messages of two campaigns, with every class of opens and clicks, orders and refunds.
pub(crate) async fn played() -> Stage {
    let stage = Stage::new().await;
    let m1 = stage.send("m1", json!("spring"), ALICE).await;
    let m2 = stage.send("m2", json!("spring"), BOB).await;
    let m3 = stage
        .send("m3", json!("autumn"), "carol@person.example")
        .await;
    stage.clock.advance_millis(HOUR_MS);
    for agent in [HUMAN, PROXY, MACHINE, BOT] {
        stage.hit(&m1.pixel, agent).await;
    }
    stage.hit(&m1.links[0], HUMAN).await;
    // Nobody loaded the pixel of this one.
    stage.hit(&m2.links[1], HUMAN).await;
    stage.hit_by(Method::HEAD, &m2.links[1], HUMAN).await;
    // Of this one a machine alone.
    stage.hit(&m3.pixel, MACHINE).await;
    let unsubscribe = stage.app.ask(Method::POST, &m2.unsubscribe);
    assert_eq!(unsubscribe.send().await.status, 200);
    stage.clock.advance_millis(HOUR_MS);
    stage.buy("A", ALICE, "120", "USD", json!({})).await;
    stage.buy("A2", ALICE, "0.05", "USD", json!({})).await;
    stage.buy("B", BOB, "500", "JPY", json!({})).await;
    stage
        .buy("C", BOB, "1.234", "KWD", json!({"messageId": "m1"}))
        .await;
    stage
        .buy("D", "carol@person.example", "10", "USD", json!({}))
        .await;
    stage.refund("A", 20.0).await;
    let page_says = json!({"key": stage.app.shop(), "email": ALICE, "orderId": "U", "revenue": 7, "currency": "USD"});
    let page_says = stage
        .app
        .ask(Method::POST, "/v1/track/purchase")
        .json(&page_says);
    page_says.send().await.is_tracked();
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_messages_report_counts_every_class_total_and_unique() {
    let stage = played().await;
    let m1 = stage.report("messages/m1").await;
    assert_eq!(m1.body["messageId"], "m1");
    assert_eq!(m1.body["campaignId"], "spring");
    assert_eq!(m1.body["type"], "campaign");
    assert!(m1.text_of("sentAt").starts_with("2026-11-23T10:00:00"));
    assert_eq!(m1.body["sent"], 1);
    has_figures(&m1.body["opens"], [4, 1], [2, 1], [2, 1]);
    has_figures(&m1.body["clicks"], [1, 1], [0, 0], [1, 1]);
    assert_eq!(m1.body["opens"]["inferred"], 0);
    assert_eq!(m1.body["unsubscribes"], 0);
    assert_eq!(m1.body["orders"], 3);
    // An open that only a click shows is one person's, and no row.
    let m2 = stage.report("messages/m2").await;
    has_figures(&m2.body["opens"], [0, 1], [0, 0], [0, 1]);
    has_figures(&m2.body["clicks"], [2, 1], [1, 1], [1, 1]);
    assert_eq!(m2.body["opens"]["inferred"], 1);
    assert!(m2.body["clicks"].get("inferred").is_none());
    assert_eq!(m2.body["unsubscribes"], 1);
    let m3 = stage.report("messages/m3").await;
    has_figures(&m3.body["opens"], [1, 1], [1, 1], [0, 0]);
    assert_eq!(m3.body["openRate"], json!(0.0));
    assert_eq!(m3.body["clickToOpenRate"], Value::Null);
    assert_eq!(m3.body["revenue"], json!([]));
    for (id, report) in [("m1", &m1), ("m2", &m2), ("m3", &m3)] {
        has_rows(&report.body["opens"], stage.rows("open", &[id]).await);
        has_rows(&report.body["clicks"], stage.rows("click", &[id]).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaigns_report_is_the_sum_over_its_messages() {
    let stage = played().await;
    let report = stage.report("campaigns/spring").await;
    let body = &report.body;
    assert_eq!(body["campaignId"], "spring");
    assert_eq!(body["sent"], 2);
    has_figures(&body["opens"], [4, 2], [2, 1], [2, 2]);
    has_figures(&body["clicks"], [3, 2], [1, 1], [2, 2]);
    has_rows(&body["opens"], stage.rows("open", &["m1", "m2"]).await);
    has_rows(&body["clicks"], stage.rows("click", &["m1", "m2"]).await);
    assert_eq!(body["opens"]["inferred"], 1);
    assert_eq!(body["unsubscribes"], 1);
    for rate in ["openRate", "clickRate", "clickToOpenRate"] {
        assert_eq!(body[rate], json!(1.0), "{rate}");
    }
    assert_eq!(body["orders"], 4);
    // To the digit, in the currency's own decimals.
    for money in [
        r#"{"currency":"JPY","orders":1,"gross":500,"refunded":0,"net":500,"averageOrder":500,"revenuePerRecipient":250}"#,
        r#"{"currency":"KWD","orders":1,"gross":1.234,"refunded":0.000,"net":1.234,"averageOrder":1.234,"revenuePerRecipient":0.617}"#,
        r#"{"currency":"USD","orders":2,"gross":120.05,"refunded":20.00,"net":100.05,"averageOrder":60.03,"revenuePerRecipient":50.03}"#,
    ] {
        assert!(report.text.contains(money), "{money} in {}", report.text);
    }
    let models = &body["models"];
    assert_eq!(models["last_touch"], body["revenue"]);
    assert_eq!(models["last_click"], body["revenue"]);
    let explicit = models["explicit"].as_array().unwrap();
    assert_eq!(explicit.len(), 1);
    assert_eq!(
        (&explicit[0]["currency"], &explicit[0]["orders"]),
        (&json!("KWD"), &json!(1))
    );
    let asked = stage.report("campaigns/spring?model=explicit").await;
    assert_eq!(asked.body["orders"], 1);
    assert_eq!(asked.body["revenue"], models["explicit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn opens_and_clicks_are_listed_with_the_address_of_their_contact() {
    let stage = played().await;
    stage.app.caught_up().await;
    let page = stage.app.get(&format!("/v1/events?email={ALICE}")).await;
    let events = page.body["events"].as_array().unwrap();
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    assert_eq!(
        (of("send"), of("open"), of("click"), of("purchase")),
        (1, 4, 1, 3)
    );
    for event in events {
        assert_eq!(event["email"], ALICE, "{event}");
    }
    let all = stage.app.all_events().await;
    let unsubscribe = all.iter().find(|event| event["type"] == "unsubscribe");
    assert_eq!(unsubscribe.unwrap()["email"], BOB);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_text_may_be_the_id_of_a_message_or_campaign() {
    let stage = Stage::new().await;
    for (id, path) in [
        ("a/b", "a%2Fb"),
        ("50%", "50%25"),
        ("a%2Fb", "a%252Fb"),
        ("größe ☕", "gr%C3%B6%C3%9Fe%20%E2%98%95"),
        ("a+b?c#d", "a+b%3Fc%23d"),
        ("..", "%2E%2E%20"),
    ] {
        stage.send(id, json!(id), ALICE).await;
        if id == ".." {
            // A client takes it out of the path; the message is registered all the same.
            continue;
        }
        let report = stage.report(&format!("messages/{path}")).await.body;
        assert_eq!(
            (&report["messageId"], &report["campaignId"]),
            (&json!(id), &json!(id))
        );
        let report = stage.report(&format!("campaigns/{path}")).await.body;
        assert_eq!(
            (&report["campaignId"], &report["sent"]),
            (&json!(id), &json!(1))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_is_404_and_wrong_parameters_are_422() {
    let stage = played().await;
    let long = "x".repeat(300);
    for id in ["m9", "spring", "%FF", "%20", long.as_str()] {
        let answer = stage.app.get(&format!("/v1/reports/messages/{id}")).await;
        answer.is_refused(404, "unknown_message");
    }
    for id in ["m1", "%FF", "%20", long.as_str()] {
        let answer = stage.app.get(&format!("/v1/reports/campaigns/{id}")).await;
        answer.is_refused(404, "unknown_campaign");
    }
    // Another workspace knows nothing of it.
    let elsewhere = stage.app.key_elsewhere();
    let answer = stage
        .app
        .get_with("/v1/reports/messages/m1", &elsewhere)
        .await;
    answer.is_refused(404, "unknown_message");
    let empty = stage
        .app
        .get_with("/v1/reports/revenue", &elsewhere)
        .await
        .body;
    assert_eq!(
        (&empty["groups"], &empty["total"]),
        (&json!([]), &json!([]))
    );
    for (path, field) in [
        ("messages/m1?model=first_touch", "model"),
        ("campaigns/spring?model=last-touch", "model"),
        ("revenue?model=x", "model"),
        ("revenue?groupBy=week", "groupBy"),
        ("revenue?groupBy=Campaign", "groupBy"),
        ("revenue?tz=Mars/Olympus", "tz"),
        ("revenue?tz=../etc/passwd", "tz"),
        ("revenue?from=yesterday", "from"),
        ("revenue?to=2026", "to"),
    ] {
        let answer = stage.app.get(&format!("/v1/reports/{path}")).await;
        answer.is_refused_for(field, "invalid_parameter");
    }
    for report in ["messages/m1", "campaigns/spring", "revenue"] {
        for min_seq in ["!", "999999", "011764201600123456000000"] {
            let path = format!("/v1/reports/{report}?minSeq={min_seq}");
            let answer = stage.app.get(&path).await;
            answer.is_refused_for("minSeq", "unknown_seq");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_need_the_scope_read_and_contacts_the_scope_contacts() {
    let stage = played().await;
    let app = &stage.app;
    for (path, scope) in [
        ("/v1/reports/messages/m1", Scope::Read),
        ("/v1/reports/campaigns/spring", Scope::Read),
        ("/v1/reports/revenue", Scope::Read),
        ("/v1/contacts?email=alice@person.example", Scope::Contacts),
    ] {
        for other in [Scope::Send, Scope::Write, Scope::Read, Scope::Contacts] {
            let answer = app.get_with(path, &app.secret(&[other])).await;
            if other == scope {
                assert_eq!(answer.status, 200, "{}", answer.text);
            } else {
                answer.is_refused(403, "insufficient_scope");
            }
        }
        let answer = app.get_with(path, &app.public(&[])).await;
        answer.is_refused(403, "insufficient_scope");
        assert_eq!(app.ask(Method::GET, path).send().await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_shows_score_when_seen_and_when_unsubscribed() {
    let stage = Stage::new().await;
    let sent = stage
        .send("m", json!("spring"), "Alice@Person.example")
        .await;
    // A send is what we did, not what they did.
    let contact = stage.contact(ALICE).await;
    assert_eq!(contact[0]["email"], "Alice@Person.example");
    assert_eq!(contact[0]["score"], json!(0.0));
    for field in ["firstSeen", "lastSeen", "unsubscribedAt"] {
        assert!(contact[0].get(field).is_none(), "{contact}");
    }
    stage.clock.advance_millis(HOUR_MS);
    stage.hit(&sent.pixel, MACHINE).await;
    stage.hit(&sent.pixel, HUMAN).await;
    stage.hit(&sent.links[0], HUMAN).await;
    let contact = stage.contact(ALICE).await[0].clone();
    assert_eq!(contact["score"], json!(4.0));
    assert!(
        contact["firstSeen"]
            .as_str()
            .unwrap()
            .starts_with("2026-11-23T11:00:00")
    );
    assert_eq!(contact["firstSeen"], contact["lastSeen"]);
    // In 30 days it is worth half.
    stage.clock.advance_millis(30 * 24 * HOUR_MS);
    assert_eq!(stage.contact(ALICE).await[0]["score"], json!(2.0));
    // Looking at the page changes nothing.
    stage.app.get(&sent.unsubscribe).await;
    assert!(
        stage.contact(ALICE).await[0]
            .get("unsubscribedAt")
            .is_none()
    );
    for _ in 0..2 {
        assert_eq!(
            stage
                .app
                .ask(Method::POST, &sent.unsubscribe)
                .send()
                .await
                .status,
            200
        );
        stage.clock.advance_millis(HOUR_MS);
    }
    let contact = stage.contact(ALICE).await[0].clone();
    assert!(
        contact["unsubscribedAt"]
            .as_str()
            .unwrap()
            .starts_with("2026-12-23T11:00:00")
    );
    assert_eq!(stage.contact("%20ALICE@person.EXAMPLE").await[0], contact);
    assert_eq!(stage.contact("nobody@person.example").await, json!([]));
    for query in ["?email=", "?email=nobody"] {
        let answer = stage
            .app
            .get_with(&format!("/v1/contacts{query}"), &stage.key)
            .await;
        answer.is_refused_for("email", "invalid_parameter");
    }
}
