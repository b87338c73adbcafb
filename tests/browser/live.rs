//! Looking at the live page: its rows, and when each was seen first.

use std::collections::HashMap;

use serde_json::Value;
use tests::chromium::Browser;

/// Notes, from here on, when each row comes up.
const WATCH: &str = "
    window.seenAt = {};
    const look = () => {
        for (const row of document.querySelectorAll('[data-event-id]'))
            window.seenAt[row.dataset.eventId] ??= Date.now();
    };
    look();
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
";

const ROWS: &str = "
    return [...document.querySelectorAll('#events [data-event-id]')].map((row) => ({
        id: row.dataset.eventId,
        status: row.dataset.status,
        name: row.dataset.name,
        visible: row.offsetParent !== null,
        text: row.textContent,
    }))
";

/// Opens the page with a link, and waits until it is connected.
pub(crate) async fn open(browser: &Browser, link: &str) {
    browser.goto(link).await;
    connected(browser).await;
    browser.run(WATCH).await;
}

pub(crate) async fn connected(browser: &Browser) {
    browser
        .wait_for_element("#connection[data-state=connected]")
        .await;
}

/// The rows, newest first, as they stand there.
pub(crate) async fn rows(browser: &Browser) -> Vec<Value> {
    browser
        .run(ROWS)
        .await
        .as_array()
        .cloned()
        .unwrap_or_default()
}

/// Waits for a row with an event's id.
pub(crate) async fn row(browser: &Browser, id: &str) {
    browser
        .wait_for_element(&format!("#events [data-event-id='{id}']"))
        .await;
}

/// Waits for a row with a name.
pub(crate) async fn row_named(browser: &Browser, name: &str) {
    browser
        .wait_for_element(&format!("#events [data-name='{name}']"))
        .await;
}

/// When each row was seen first, in milliseconds of the browser's clock.
pub(crate) async fn seen_at(browser: &Browser) -> HashMap<String, i64> {
    let seen = browser.run("return window.seenAt").await;
    let seen = seen.as_object().cloned().unwrap_or_default();
    seen.into_iter()
        .filter_map(|(id, at)| Some((id, at.as_i64()?)))
        .collect()
}

/// That no page has broken its Content-Security-Policy, nor thrown.
pub(crate) async fn nothing_to_complain_of(browser: &Browser) {
    nothing_to_complain_of_but(browser, "nothing at all").await;
}

/// The same, save for lines that hold a text, such as the status of an answer that a browser complains of.
pub(crate) async fn nothing_to_complain_of_but(browser: &Browser, expected: &str) {
    let console = browser.console().await;
    let complaints: Vec<_> = console
        .iter()
        .filter(|line| line.level == "SEVERE" && !line.message.contains(expected))
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
