//! Reports within a span of time, clicks by link, the overview, and the lists of campaigns and messages.

use reqwest::Method;
use serde_json::{Value, json};
use shared::time::Timestamp;

use crate::reports::{HUMAN, Stage};
use crate::support::NOW;

const ALICE: &str = "alice@person.example";
const BOB: &str = "bob@person.example";
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

fn move_to(stage: &Stage, ms: i64) {
    let now = Timestamp::parse_rfc3339(NOW).unwrap();
    stage.clock.set(now.plus_millis(ms));
}

/// Sent on the 23rd; opened, clicked and paid on the 24th, a click at half past eleven at night.
async fn two_days() -> Stage {
    let stage = Stage::new().await;
    let first = stage.send("m1", json!("spring"), ALICE).await;
    let second = stage.send("m2", json!("spring"), BOB).await;
    stage.send("m3", json!(null), BOB).await;
    move_to(&stage, DAY_MS);
    stage.hit(&first.pixel, HUMAN).await;
    stage.hit(&first.links[0], HUMAN).await;
    let order = json!({"timestamp": "2026-11-24T10:30:00Z"});
    stage.buy("o1", ALICE, "9.99", "USD", order).await;
    let bounce = json!({"messageId": "m2", "status": "bounced"});
    stage
        .app
        .post("/v1/messages/delivery", &stage.key, &bounce)
        .await
        .is_tracked();
    move_to(&stage, DAY_MS + 13 * HOUR_MS + HOUR_MS / 2);
    stage.hit(&second.links[0], HUMAN).await;
    stage.hit(&second.links[1], HUMAN).await;
    stage
}

fn figures(body: &Value) -> [i64; 6] {
    [
        &body["sent"],
        &body["opens"]["genuine"]["unique"],
        &body["clicks"]["genuine"]["total"],
        &body["clicks"]["genuine"]["unique"],
        &body["bounced"],
        &body["orders"],
    ]
    .map(|figure| figure.as_i64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_counts_when_it_happened_and_a_date_is_a_day_of_the_zone() {
    let stage = two_days().await;
    for (query, expected) in [
        ("", [2, 2, 3, 2, 1, 1]),
        ("?from=2000-01-01", [2, 2, 3, 2, 1, 1]),
        ("?from=2026-11-23&to=2026-11-23", [2, 0, 0, 0, 0, 0]),
        ("?from=2026-11-24&to=2026-11-24", [0, 2, 3, 2, 1, 1]),
        (
            "?from=2026-11-24T00:00:00Z&to=2026-11-24T12:00:00Z",
            [0, 1, 1, 1, 1, 1],
        ),
        ("?to=2026-11-23", [2, 0, 0, 0, 0, 0]),
        ("?from=2026-11-25", [0, 0, 0, 0, 0, 0]),
        // Half past eleven at night is the next day in Paris.
        ("?from=2026-11-25&tz=Europe/Paris", [0, 1, 2, 1, 0, 0]),
    ] {
        let report = stage.report(&format!("campaigns/spring{query}")).await;
        assert_eq!(figures(&report.body), expected, "{query} {}", report.text);
        let list = stage.report(&format!("campaigns{query}")).await;
        assert_eq!(
            figures(&list.body["campaigns"][0]),
            expected,
            "{query} {}",
            list.text
        );
        let mut all = expected;
        // Of no campaign, one more was sent.
        all[0] = if all[0] == 2 { 3 } else { 0 };
        let overview = stage.report(&format!("overview{query}")).await;
        assert_eq!(figures(&overview.body), all, "{query} {}", overview.text);
    }
    for (query, expected) in [
        ("?from=2026-11-24", [0, 1, 1, 1, 0, 1]),
        ("?to=2026-11-23", [1, 0, 0, 0, 0, 0]),
    ] {
        let report = stage.report(&format!("messages/m1{query}")).await;
        assert_eq!(figures(&report.body), expected, "{query} {}", report.text);
    }
    for (query, name) in [
        ("from=soon", "from"),
        ("to=2026-13-01", "to"),
        ("tz=Mars", "tz"),
    ] {
        let path = format!("/v1/reports/campaigns/spring?{query}");
        let answer = stage.app.get(&path).await;
        answer.is_refused(422, "invalid_parameter");
        assert_eq!(answer.body["error"]["field"], name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clicks_are_told_by_link() {
    let stage = two_days().await;
    let told = |body: &Value| -> Vec<(Value, String, i64, i64)> {
        let links = body["links"].as_array().unwrap().iter();
        let one = |link: &Value| {
            let genuine = &link["clicks"]["genuine"];
            let url = link["url"].as_str().unwrap().to_owned();
            let count = |name: &str| genuine[name].as_i64().unwrap();
            (link["link"].clone(), url, count("total"), count("unique"))
        };
        links.map(one).collect()
    };
    let url = |n: u8| format!("https://shop.example/{n}");
    let report = stage.report("campaigns/spring").await;
    let expected = [(Value::Null, url(0), 2, 2), (Value::Null, url(1), 1, 1)];
    assert_eq!(told(&report.body), expected);
    let report = stage.report("messages/m2").await;
    assert_eq!(
        told(&report.body),
        [(json!(0), url(0), 1, 1), (json!(1), url(1), 1, 1)]
    );
    let report = stage
        .report("campaigns/spring?to=2026-11-24T12:00:00Z")
        .await;
    assert_eq!(told(&report.body), [(Value::Null, url(0), 1, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_in_the_order_of_their_ids() {
    let stage = Stage::new().await;
    for (id, campaign) in [
        ("a", "x"),
        ("b", "y"),
        ("c", "x"),
        ("d", "z"),
        ("ab", "x y/&"),
    ] {
        stage.send(id, json!(campaign), ALICE).await;
    }
    for (path, list, name, expected) in [
        (
            "messages?",
            "messages",
            "messageId",
            vec!["a", "ab", "b", "c", "d"],
        ),
        (
            "messages?campaignId=x&",
            "messages",
            "messageId",
            vec!["a", "c"],
        ),
        (
            "campaigns?",
            "campaigns",
            "campaignId",
            vec!["x", "x y/&", "y", "z"],
        ),
    ] {
        for limit in [1, 2, 100] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = stage.report(&format!("{path}limit={limit}{cursor}")).await;
                let found = page.body[list].as_array().unwrap();
                assert!(found.len() <= limit);
                seen.extend(
                    found
                        .iter()
                        .map(|one| one[name].as_str().unwrap().to_owned()),
                );
                match page.body["next"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(seen, expected, "{path} {limit}");
        }
    }
    let first = stage.report("messages?limit=1").await;
    assert_eq!(first.body["messages"][0]["sent"], 1);
    assert!(first.body["messages"][0].get("links").is_none());
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=%20", "cursor=!"] {
        let answer = stage
            .app
            .get(&format!("/v1/reports/messages?{query}"))
            .await;
        answer.is_refused(422, "invalid_parameter");
    }
    // Nobody else's are among them.
    let elsewhere = stage.app.key_elsewhere();
    for list in ["messages", "campaigns"] {
        let path = format!("/v1/reports/{list}");
        let answer = stage
            .app
            .ask(Method::GET, &path)
            .key(&elsewhere)
            .send()
            .await;
        assert_eq!(answer.body[list], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_has_the_decimals_of_its_currency_and_rates_have_four() {
    let stage = Stage::new().await;
    let sent = stage.send("m", json!("spring"), ALICE).await;
    stage.send("n", json!("spring"), BOB).await;
    stage.send("o", json!("spring"), BOB).await;
    move_to(&stage, HOUR_MS);
    stage.hit(&sent.links[0], HUMAN).await;
    for (order, amount, currency) in [
        ("1", "656.15", "USD"),
        ("2", "656.16", "USD"),
        ("3", "7", "JPY"),
    ] {
        stage.buy(order, ALICE, amount, currency, json!({})).await;
    }
    let report = stage.report("campaigns/spring").await;
    for text in [
        r#""gross":1312.31,"refunded":0.00,"net":1312.31,"averageOrder":656.16,"revenuePerRecipient":437.44"#,
        r#""gross":7,"refunded":0,"net":7,"averageOrder":7,"revenuePerRecipient":2"#,
        r#""openRate":0.3333,"clickRate":0.3333,"clickToOpenRate":1.0000"#,
    ] {
        assert!(report.text.contains(text), "{text} in {}", report.text);
    }
}
