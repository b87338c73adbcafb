//! Amounts of money: from the number's own text to minor units, and back.

use serde_json::Value;

use crate::support::{Answer, PERSON, TestApp, new_id, spawn_app};

async fn buy(app: &TestApp, revenue: &str, currency: &str) -> Answer {
    let order = new_id();
    let text = format!(
        r#"{{"email":"{PERSON}","orderId":"{order}","revenue":{revenue},"currency":"{currency}"}}"#
    );
    app.post_text("/v1/track/purchase", text).await
}

/// The amount as the list shows it, and whether the receipt says that it was rounded.
async fn kept(app: &TestApp, answer: &Answer) -> (String, bool) {
    let seq = answer.is_tracked().text_of("seq");
    let page = app.get(&format!("/v1/events?limit=1&minSeq={seq}")).await;
    let (_, rest) = page.text.split_once("\"revenue\":").unwrap();
    let (amount, _) = rest.split_once(',').unwrap();
    let receipt = app.receipt(&answer.text_of("id")).await;
    let rounded = receipt
        .body
        .get("rounded")
        .is_some_and(|rounded| *rounded == Value::Bool(true));
    (amount.to_owned(), rounded)
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_are_exact_in_the_currencys_own_decimals() {
    let app = spawn_app().await;
    for (revenue, currency, shown) in [
        ("49.99", "USD", "49.99"),
        ("1e2", "USD", "100.00"),
        ("1E+2", "USD", "100.00"),
        ("4999e-2", "USD", "49.99"),
        ("0", "USD", "0.00"),
        ("0.10", "eur", "0.10"),
        ("49.9900000", "USD", "49.99"),
        ("500.0", "JPY", "500"),
        ("500", "JPY", "500"),
        ("1.234", "KWD", "1.234"),
        ("92233720368547758.07", "USD", "92233720368547758.07"),
    ] {
        let answer = buy(&app, revenue, currency).await;
        assert_eq!(
            kept(&app, &answer).await,
            (shown.to_owned(), false),
            "{revenue} {currency}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn float_noise_is_rounded_and_marked_in_the_receipt() {
    let app = spawn_app().await;
    for (revenue, currency, shown) in [
        ("49.990000000000002", "USD", "49.99"),
        ("0.30000000000000004", "USD", "0.30"),
        ("29.979999999999997", "USD", "29.98"),
        ("500.00000000000006", "JPY", "500"),
    ] {
        let answer = buy(&app, revenue, currency).await;
        assert_eq!(
            kept(&app, &answer).await,
            (shown.to_owned(), true),
            "{revenue} {currency}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn excess_decimals_are_refused_with_the_rounded_amount() {
    let app = spawn_app().await;
    for (revenue, currency, advice) in [
        ("49.999", "USD", "50.00"),
        ("49.991", "USD", "49.99"),
        ("500.5", "JPY", "501"),
        ("1.2345", "KWD", "1.235"),
        ("0.001", "USD", "0.00"),
    ] {
        let answer = buy(&app, revenue, currency).await;
        answer.is_refused_for("revenue", "invalid_revenue");
        assert!(answer.message().contains(advice), "{}", answer.text);
    }
    assert_eq!(app.on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_amount_is_refused() {
    let app = spawn_app().await;
    for revenue in [
        "\"49.99\"",
        "-1",
        "-0.01",
        "92233720368547758.08",
        "1e30",
        "1e400",
        "true",
        "[1]",
        "{}",
    ] {
        buy(&app, revenue, "USD")
            .await
            .is_refused_for("revenue", "invalid_revenue");
    }
    for currency in ["", "XX", "ABC", "DOLLAR", "XAU", "XXX"] {
        buy(&app, "1", currency)
            .await
            .is_refused_for("currency", "invalid_currency");
    }
    assert_eq!(app.on_disk(), 0);
}
