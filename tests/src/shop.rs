//! A visit to the demo shop, as a visitor clicks through it.

use crate::chromium::Browser;

/// Opens the shop and waits until its articles are there.
pub async fn enter(browser: &Browser, shop: &str) {
    browser.goto(shop).await;
    browser.wait_for_element("[data-add]").await;
}

/// Signs up.
pub async fn sign_up(browser: &Browser, email: &str, name: &str) {
    browser.fill("#email", email).await;
    browser.fill("#name", name).await;
    browser.click("#sign-up").await;
}

/// Puts articles into the basket, counted from 0.
pub async fn add(browser: &Browser, articles: &[usize]) {
    for article in articles {
        browser
            .run(&format!(
                "document.querySelectorAll('[data-add]')[{article}].click()"
            ))
            .await;
    }
}

/// Buys what is in the basket; returns the id of the order.
pub async fn buy(browser: &Browser) -> String {
    browser.click("#buy").await;
    let order = "return document.querySelector('#order[data-state=unverified]')?.dataset.orderId";
    let order = browser.wait_for("an order", order).await;
    order.as_str().unwrap_or_default().to_owned()
}

/// Pays, and waits until the shop's server has confirmed the order.
pub async fn pay(browser: &Browser) {
    browser.click("#pay").await;
    browser
        .wait_for_element("#order[data-state=verified]")
        .await;
}
