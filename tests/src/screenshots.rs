//! Makes docs/live.png: visitors in the demo shop, as the live page shows them.

use std::path::Path;

use serde_json::json;
use tests::chromium::Browser;
use tests::collector::Collector;
use tests::shop;

/// Who comes, and what each puts into the basket.
const VISITORS: [(&str, &str, &[usize]); 3] = [
    ("ada.lovelace@example.com", "Ada Lovelace", &[0, 2]),
    ("grace.hopper@example.org", "Grace Hopper", &[1]),
    ("alan.turing@example.net", "Alan Turing", &[3, 4, 4]),
];

#[tokio::main]
async fn main() {
    let collector = Collector::start().await;
    let browser = Browser::open().await;
    let live_page = browser.current().await;
    browser.look("light", 1_280, 800).await;
    browser.goto(&collector.new_link()).await;
    browser
        .wait_for_element("#connection[data-state=connected]")
        .await;
    browser.open_window().await;
    for (email, name, basket) in VISITORS {
        shop::enter(&browser, &collector.shop_url()).await;
        shop::sign_up(&browser, email, name).await;
        shop::add(&browser, basket).await;
        shop::buy(&browser).await;
        if name.starts_with('A') {
            shop::pay(&browser).await;
        }
    }
    // And a server that makes a mistake: it reads on the page which.
    let event = json!({ "email": "ada.lovelace", "event": "newsletter_joined" });
    collector.send(event).await;
    browser.go_on_in(&live_page).await;
    browser
        .wait_for_element("#events [data-status=rejected]")
        .await;
    browser
        .wait_for(
            "three orders, two of them paid",
            "return document.querySelectorAll('#events [data-name=purchase]').length >= 5",
        )
        .await;
    browser
        .screenshot(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/live.png"))
        .await;
}
