//! The main job: from the printed link to a paid order, seen on the live page.

use serde_json::Value;
use tests::chromium::{Browser, pictures};
use tests::collector::Collector;
use tests::shop;
use tests::wait::until;

use crate::live;

/// From the arrival of an event to its row.
const AT_ONCE_MS: i64 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_visitor_does_in_the_shop_is_on_the_live_page_within_a_second() {
    let collector = Collector::start().await;
    let browser = Browser::open().await;
    let live_page = browser.current().await;
    live::open(&browser, &collector.new_link()).await;
    let hash = browser.run("return location.hash").await;
    assert_eq!(hash, "", "the code stays in nobody's history");

    let shop_page = browser.open_window().await;
    shop::enter(&browser, &collector.shop_url()).await;
    shop::sign_up(&browser, "ada@example.com", "Ada").await;
    shop::add(&browser, &[0, 1]).await;
    let order = shop::buy(&browser).await;

    browser.go_on_in(&live_page).await;
    for name in ["page_viewed", "identified", "purchase"] {
        live::row_named(&browser, name).await;
    }
    let unverified = purchase(&collector, &order, false).await;
    live::row(&browser, &unverified).await;

    browser.go_on_in(&shop_page).await;
    shop::pay(&browser).await;
    browser.go_on_in(&live_page).await;
    let verified = purchase(&collector, &order, true).await;
    live::row(&browser, &verified).await;

    in_time(&browser, &collector).await;
    for window in [&live_page, &shop_page] {
        browser.go_on_in(window).await;
        take_pictures(&browser, if window == &live_page { "live" } else { "shop" }).await;
    }
    live::nothing_to_complain_of(&browser).await;
}

/// The id of the event that holds an order: what the page said is not verified, what the shop's server
/// said is.
async fn purchase(collector: &Collector, order: &str, verified: bool) -> String {
    let source = if verified { "server" } else { "browser" };
    let what = format!("the order {order} from the {source}");
    let event = until(&what, async || {
        let mut events = collector.events().await.into_iter();
        events.find(|event| {
            event["name"] == "purchase"
                && event["source"] == source
                && event["properties"]["orderId"] == order
        })
    })
    .await;
    event["id"].as_str().unwrap_or_default().to_owned()
}

/// Browser and collector share this machine's clock.
async fn in_time(browser: &Browser, collector: &Collector) {
    let seen_at = live::seen_at(browser).await;
    for event in collector.events().await {
        let id = event["id"].as_str().unwrap_or_default();
        let arrived = browser
            .run(&format!("return Date.parse({})", event["receivedAt"]))
            .await;
        let lag = seen_at.get(id).copied().zip(arrived.as_i64());
        let lag = lag.map(|(seen, arrived)| seen - arrived);
        assert!(
            lag.is_some_and(|lag| lag <= AT_ONCE_MS),
            "{} came up after {lag:?} ms",
            event["name"]
        );
    }
}

/// Light, dark, and on a phone, where nothing may be wider than the screen.
async fn take_pictures(browser: &Browser, name: &str) {
    for (look, scheme, width, height) in [
        ("light", "light", 1_280, 800),
        ("dark", "dark", 1_280, 800),
        ("phone", "light", 360, 740),
        ("phone-dark", "dark", 360, 740),
    ] {
        browser.look(scheme, width, height).await;
        let wide = browser
            .run("return document.documentElement.scrollWidth")
            .await;
        assert!(
            wide.as_u64() <= Some(width.into()),
            "{name} is {wide} wide on {width}"
        );
        let picture = pictures().join(format!("{name}-{look}.png"));
        browser.screenshot(&picture).await;
    }
    let missing: Value = browser
        .run("return [...document.querySelectorAll('input, select')].filter((field) => field.offsetParent && !field.labels.length && !field.ariaLabel).length")
        .await;
    assert_eq!(missing, 0, "{name} has fields without a label");
}
