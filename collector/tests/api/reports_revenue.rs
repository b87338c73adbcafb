//! The report of revenue: how it is grouped, by which days and models, and what is taken back.

use serde_json::{Value, json};

use crate::reports::{ALICE, BOB, HOUR_MS, HUMAN, Stage, has_figures, has_rows, played};

#[tokio::test(flavor = "multi_thread")]
async fn the_revenue_report_groups_by_campaign_message_and_currency() {
    let stage = played().await;
    let amount = |of: &Value| {
        let text = |field: &str| of[field].to_string();
        [
            text("key"),
            text("currency"),
            text("orders"),
            text("gross"),
            text("net"),
        ]
        .join(" ")
    };
    for (group_by, wanted) in [
        (
            "campaign",
            [
                r#"null "USD" 1 10.0 10.0"#,
                r#""spring" "JPY" 1 500 500"#,
                r#""spring" "KWD" 1 1.234 1.234"#,
                r#""spring" "USD" 2 120.05 100.05"#,
            ]
            .as_slice(),
        ),
        (
            "message",
            &[
                r#"null "USD" 1 10.0 10.0"#,
                r#""m1" "KWD" 1 1.234 1.234"#,
                r#""m1" "USD" 2 120.05 100.05"#,
                r#""m2" "JPY" 1 500 500"#,
            ],
        ),
        (
            "currency",
            &[
                r#""JPY" "JPY" 1 500 500"#,
                r#""KWD" "KWD" 1 1.234 1.234"#,
                r#""USD" "USD" 3 130.05 110.05"#,
            ],
        ),
    ] {
        let report = stage.report(&format!("revenue?groupBy={group_by}")).await;
        let body = &report.body;
        assert_eq!(
            (&body["groupBy"], &body["model"]),
            (&json!(group_by), &json!("last_touch"))
        );
        assert_eq!((&body["tz"], &body["omitted"]), (&json!("UTC"), &json!(0)));
        let mut groups: Vec<_> = body["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(amount)
            .collect();
        groups.sort_unstable();
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        assert_eq!(groups, wanted, "{group_by}");
        let usd = r#"{"currency":"USD","orders":3,"gross":130.05,"refunded":20.00,"net":110.05,"averageOrder":43.35}"#;
        assert!(report.text.contains(usd), "{}", report.text);
        let in_usd = |list: &str| {
            let list = body[list].as_array().unwrap().clone();
            let of = list
                .into_iter()
                .find(|money| money["currency"] == "USD")
                .unwrap();
            (of["orders"].clone(), of["net"].clone())
        };
        assert_eq!(in_usd("total"), (json!(3), json!(110.05)));
        assert_eq!(in_usd("attributed"), (json!(2), json!(100.05)));
        assert_eq!(in_usd("unattributed"), (json!(1), json!(10.0)));
        assert_eq!(body["unverified"].as_array().unwrap().len(), 1);
        assert_eq!(in_usd("unverified"), (json!(1), json!(7.0)));
        assert_eq!(body["models"]["last_touch"], body["attributed"]);
    }
    let explicit = stage.report("revenue?groupBy=message&model=explicit").await;
    assert_eq!(explicit.body["attributed"].as_array().unwrap().len(), 1);
    assert_eq!(
        explicit.body["models"]["explicit"],
        explicit.body["attributed"]
    );
    // A server's order takes the place of what the page said of it.
    stage.buy("U", ALICE, "7", "USD", json!({})).await;
    let report = stage.report("revenue").await;
    assert_eq!(report.body["unverified"], json!([]));
    let orders: i64 = report.body["total"]
        .as_array()
        .unwrap()
        .iter()
        .map(|money| money["orders"].as_i64().unwrap())
        .sum();
    assert_eq!(orders, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn days_begin_at_midnight_of_the_zone_that_is_asked_for() {
    let stage = Stage::new().await;
    for (order, time) in [("A", "2026-11-22T18:14:59Z"), ("B", "2026-11-22T18:15:00Z")] {
        stage
            .buy(order, ALICE, "5", "USD", json!({"timestamp": time}))
            .await;
    }
    // Money that is given back later counts on the day of its order.
    stage.refund("A", 2.0).await;
    let days = async |query: &str| -> Vec<(String, Value, Value)> {
        let report = stage.report(&format!("revenue?groupBy=day{query}")).await;
        let groups = report.body["groups"].as_array().unwrap().clone();
        let day = |group: Value| {
            (
                group["key"].as_str().unwrap().to_owned(),
                group["orders"].clone(),
                group["net"].clone(),
            )
        };
        groups.into_iter().map(day).collect()
    };
    assert_eq!(
        days("").await,
        [("2026-11-22".to_owned(), json!(2), json!(8.0))]
    );
    assert_eq!(
        days("&tz=Asia/Kathmandu").await,
        [
            ("2026-11-22".to_owned(), json!(1), json!(3.0)),
            ("2026-11-23".to_owned(), json!(1), json!(5.0))
        ]
    );
    // `from` counts, `to` does not.
    for query in [
        "&from=2026-11-22T18:15:00Z",
        "&from=2026-11-22T18:15:00Z&to=2026-11-22T18:15:00.001Z",
    ] {
        assert_eq!(
            days(query).await,
            [("2026-11-22".to_owned(), json!(1), json!(5.0))],
            "{query}"
        );
    }
    assert_eq!(days("&to=2026-11-22T18:15:00Z").await[0].2, json!(3.0));
    // So may days, which are those of the zone: the one that `to` names counts.
    for (query, orders) in [
        ("&tz=Asia/Kathmandu&from=2026-11-23", vec![json!(1)]),
        (
            "&tz=Asia/Kathmandu&from=2026-11-22&to=2026-11-22",
            vec![json!(1)],
        ),
        (
            "&tz=Asia/Kathmandu&from=2026-11-22&to=2026-11-23",
            vec![json!(1), json!(1)],
        ),
        ("&from=2026-11-22&to=2026-11-22", vec![json!(2)]),
        ("&from=2026-11-23", vec![]),
        ("&to=9999-12-31T23:59:59Z", vec![json!(2)]),
    ] {
        let found: Vec<Value> = days(query).await.into_iter().map(|day| day.1).collect();
        assert_eq!(found, orders, "{query}");
    }
    assert_eq!(
        days("&from=2026-11-22T00:00:00Z&to=2026-11-22T00:00:00Z").await,
        []
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn models_differ_where_an_open_alone_or_a_click_before_it_leads_to_an_order() {
    let stage = Stage::new().await;
    let opened = stage.send("opened", json!("c"), ALICE).await;
    let clicked = stage.send("clicked", json!("c"), BOB).await;
    let later = stage.send("later", json!("c"), BOB).await;
    stage.clock.advance_millis(HOUR_MS);
    stage.hit(&opened.pixel, HUMAN).await;
    stage.hit(&clicked.links[0], HUMAN).await;
    stage.clock.advance_millis(HOUR_MS);
    // A click says more than an open that is later.
    stage.hit(&later.pixel, HUMAN).await;
    stage.buy("A", ALICE, "1", "USD", json!({})).await;
    stage.buy("B", BOB, "2", "USD", json!({})).await;
    // Past the window of 5 days nobody is credited.
    stage.clock.advance_millis(5 * 24 * HOUR_MS + 1);
    stage.buy("C", BOB, "4", "USD", json!({})).await;
    let earned = async |path: &str| {
        let report = stage.report(path).await.body;
        let net = |model: &str| {
            report["models"][model][0]["net"]
                .as_f64()
                .unwrap_or_default()
        };
        [net("last_touch"), net("last_click"), net("explicit")]
    };
    assert_eq!(earned("messages/opened").await, [1.0, 0.0, 0.0]);
    assert_eq!(earned("messages/clicked").await, [2.0, 2.0, 0.0]);
    assert_eq!(earned("messages/later").await, [0.0, 0.0, 0.0]);
    assert_eq!(earned("revenue").await, [3.0, 2.0, 0.0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_links_within_a_second_take_back_click_inferred_open_score_and_revenue() {
    let stage = Stage::new().await;
    let sent = stage.send("m", json!("spring"), ALICE).await;
    stage.clock.advance_millis(HOUR_MS);
    stage.hit(&sent.links[0], HUMAN).await;
    stage.buy("A", ALICE, "120", "USD", json!({})).await;
    stage.clock.advance_millis(499);
    stage.hit(&sent.links[1], HUMAN).await;
    for path in ["messages/m", "campaigns/spring"] {
        let before = stage.report(path).await.body;
        has_figures(&before["clicks"], [2, 1], [0, 0], [2, 1]);
        has_figures(&before["opens"], [0, 1], [0, 0], [0, 1]);
        assert_eq!(
            (&before["opens"]["inferred"], &before["orders"]),
            (&json!(1), &json!(1))
        );
    }
    assert!(stage.contact(ALICE).await[0]["score"].as_f64().unwrap() > 15.9);
    stage.clock.advance_millis(500);
    stage.hit(&sent.links[2], HUMAN).await;
    for path in ["messages/m", "campaigns/spring"] {
        let after = stage.report(path).await.body;
        has_figures(&after["clicks"], [3, 1], [3, 1], [0, 0]);
        has_figures(&after["opens"], [0, 0], [0, 0], [0, 0]);
        assert_eq!(
            (&after["opens"]["inferred"], &after["orders"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(after["revenue"], json!([]));
        has_rows(&after["clicks"], stage.rows("click", &["m"]).await);
    }
    let revenue = stage.report("revenue").await.body;
    assert_eq!(revenue["attributed"], json!([]));
    assert_eq!(revenue["unattributed"][0]["net"], json!(120.0));
    for event in stage.app.all_events().await {
        if event["type"] == "click" {
            assert_eq!(
                (&event["class"], &event["reason"]),
                (&json!("bot"), &json!("link_burst"))
            );
        }
    }
    let score = stage.contact(ALICE).await[0]["score"].as_f64().unwrap();
    assert!((score - 10.0).abs() < 0.01, "{score}");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_links_in_a_whole_second_or_one_link_three_times_are_a_person() {
    let stage = Stage::new().await;
    let slow = stage.send("slow", json!(null), ALICE).await;
    let same = stage.send("same", json!(null), BOB).await;
    stage.clock.advance_millis(HOUR_MS);
    for link in &slow.links {
        stage.hit(link, HUMAN).await;
        stage.hit(&same.links[0], HUMAN).await;
        stage.clock.advance_millis(500);
    }
    for id in ["slow", "same"] {
        let report = stage.report(&format!("messages/{id}")).await.body;
        has_figures(&report["clicks"], [3, 1], [0, 0], [3, 1]);
        assert!(report.get("campaignId").is_none_or(Value::is_null));
    }
}
