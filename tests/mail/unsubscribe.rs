//! The way out of a list, from the link in a delivered mail.

use serde_json::Value;
use tests::chromium::{Browser, pictures};

use crate::journey::{Copy, newsletter};
use crate::postfix::Postfix;
use crate::tracker::{BROWSER, Tracker};

const READER: &str = "alan@reader.test";

#[tokio::test(flavor = "multi_thread")]
async fn the_link_in_a_mail_asks_and_its_button_unsubscribes() {
    let tracker = Tracker::start(&[]).await;
    let postfix = Postfix::start(&[READER]).await;
    let copy = Copy::send(&tracker, &postfix, "spring-1", READER, &newsletter(&[])).await;
    tracker.let_pass(61);
    let browser = Browser::open_as(BROWSER).await;
    copy.open(&browser).await;
    tracker.events("spring-1", "email_opened", 1).await;

    browser.click("#leave").await;
    browser.wait_for_element("form[method=post] button").await;
    let here = browser.run("return location.href").await;
    assert_eq!(
        format!("<{}>", here.as_str().unwrap()),
        copy.mail.list_unsubscribe
    );
    take_pictures(&browser, "unsubscribe").await;
    // Looking, however often, changes nothing.
    assert_eq!(tracker.contact(READER).await["unsubscribedAt"], Value::Null);
    assert_eq!(tracker.report("spring-1").await["unsubscribes"], 0);

    browser.click("button").await;
    browser
        .wait_for(
            "the page that says so, with the way back",
            "return !!document.querySelector('form[action^=\"/mail/subscribe/\"] button')",
        )
        .await;
    take_pictures(&browser, "unsubscribed").await;
    let contact = tracker.contact(READER).await;
    assert_eq!(
        contact["unsubscribedAt"], "2026-11-23T10:01:01Z",
        "{contact}"
    );
    assert_eq!(tracker.report("spring-1").await["unsubscribes"], 1);
    let events = tracker.events("spring-1", "email_unsubscribed", 1).await;
    assert_eq!(events[0]["class"], "human");

    // She had not meant to: the page's own button takes it back, later than ten minutes after the send.
    tracker.let_pass(600);
    browser.click("button").await;
    browser
        .wait_for(
            "the page without a button",
            "return document.querySelector('h1') && !document.querySelector('button')",
        )
        .await;
    let contact = tracker.contact(READER).await;
    assert_eq!(contact["unsubscribedAt"], Value::Null, "{contact}");
    assert_eq!(tracker.report("spring-1").await["unsubscribes"], 1);
}

async fn take_pictures(browser: &Browser, name: &str) {
    for (look, scheme, width, height) in [
        ("light", "light", 1_280, 800),
        ("dark", "dark", 1_280, 800),
        ("360", "light", 360, 640),
        ("360-dark", "dark", 360, 640),
    ] {
        browser.look(scheme, width, height).await;
        let overflows = "return document.documentElement.scrollWidth > innerWidth";
        assert_eq!(browser.run(overflows).await, false, "{name} at {width}");
        browser
            .screenshot(&pictures().join(format!("{name}-{look}.png")))
            .await;
    }
}
