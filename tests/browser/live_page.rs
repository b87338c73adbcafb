//! What the live page shows of hostile events, and that it survives a crash, pauses, filters, and says when
//! an embed works.

use std::collections::HashSet;

use serde_json::json;
use tests::chromium::Browser;
use tests::collector::Collector;
use tests::site::Site;

use crate::live;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_and_properties_are_text() {
    let collector = Collector::start().await;
    let browser = Browser::open().await;
    live::open(&browser, &collector.new_link()).await;
    let markup = "<img src=x onerror=\"window.hacked=1;alert(1)\">";
    let script = "<script>window.hacked=1</script>";
    for (name, property) in [
        (markup, script),
        (script, "\u{202e}gnp.exe\u{2066}\u{0}\u{1b}[31m"),
        (
            "\u{202e}dekcah javascript:alert(1)",
            "'\"><svg/onload=alert(1)>",
        ),
        ("{{constructor.constructor('alert(1)')()}}", markup),
    ] {
        let event = json!({
            "email": "\"<b>\"@example.com",
            "event": name,
            "properties": { property: property, "__proto__": { "polluted": property } },
        });
        let answer = collector.send(event).await;
        let event = json!({ "email": "ada@example.com", "event": name, "properties": { property: property } });
        let plain = collector.send(event).await;
        for answer in [answer, plain] {
            if let Some(id) = answer["id"].as_str() {
                live::row(&browser, id).await;
            }
        }
    }
    // One that is refused is shown with its body.
    collector
        .send(json!({ "email": markup, "event": script, "properties": { "a": markup } }))
        .await;
    browser
        .wait_for_element("#events [data-status=rejected]")
        .await;
    open_every_row(&browser).await;
    let found = browser
        .run("return document.querySelectorAll('#events img, #events script, #events svg[onload], #events b').length")
        .await;
    assert_eq!(found, 0, "elements that an event brought in");
    assert!(!browser.shows_a_dialog().await);
    let traces = browser
        .run("return [window.hacked === undefined, ({}).polluted === undefined]")
        .await;
    assert_eq!(traces, json!([true, true]));
    let text = live::rows(&browser).await;
    assert!(
        text.iter().any(|row| row["text"]
            .as_str()
            .is_some_and(|text| text.contains(markup))),
        "{text:#?}"
    );
    live::nothing_to_complain_of(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_of_the_collector_the_page_comes_back_and_has_missed_nothing() {
    let mut collector = Collector::start().await;
    let browser = Browser::open().await;
    live::open(&browser, &collector.new_link()).await;
    let mut sent = HashSet::new();
    for round in 0..2 {
        for number in 0..20 {
            let event =
                json!({ "email": "ada@example.com", "event": format!("event_{round}_{number}") });
            let answer = collector.send(event).await;
            sent.insert(answer["id"].as_str().unwrap_or_default().to_owned());
        }
        if round == 0 {
            for id in &sent {
                live::row(&browser, id).await;
            }
            collector.kill();
            browser
                .wait_for_element("#connection:not([data-state=connected])")
                .await;
            // What comes now arrives before the page has noticed that the collector is back.
            collector.restart().await;
        }
    }
    live::connected(&browser).await;
    for id in &sent {
        live::row(&browser, id).await;
    }
    let rows = live::rows(&browser).await;
    let ids: HashSet<_> = rows.iter().map(|row| row["id"].to_string()).collect();
    assert_eq!((rows.len(), ids.len()), (40, 40), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_pauses_and_filters() {
    let collector = Collector::start().await;
    let browser = Browser::open().await;
    live::open(&browser, &collector.new_link()).await;
    let send = async |name: &str| {
        let answer = collector
            .send(json!({ "email": "ada@example.com", "event": name }))
            .await;
        answer["id"].as_str().unwrap_or_default().to_owned()
    };
    live::row(&browser, &send("before").await).await;
    browser.click("#pause").await;
    let held = send("held_back").await;
    browser
        .wait_for(
            "the page to count what it holds",
            "return /1 new/.test(document.body.innerText)",
        )
        .await;
    let rows = live::rows(&browser).await;
    assert!(
        rows.iter().all(|row| row["id"] != held.as_str()),
        "{rows:#?}"
    );
    browser.click("#pause").await;
    live::row(&browser, &held).await;

    collector
        .send(json!({ "email": "nobody", "event": "refused" }))
        .await;
    browser
        .wait_for_element("#events [data-status=rejected]")
        .await;
    browser.fill("#filter", "held").await;
    names_become(&browser, &["held_back"]).await;
    browser.fill("#filter", "ada@example").await;
    names_become(&browser, &["held_back", "before"]).await;
    // Emptied as a visitor does it: a cleared field alone tells the page nothing.
    browser.fill("#filter", " ").await;
    browser
        .run("const choice = document.querySelector('#verdict-filter'); choice.value = 'rejected'; choice.dispatchEvent(new Event('change', { bubbles: true }));")
        .await;
    names_become(&browser, &["refused"]).await;
    live::nothing_to_complain_of(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_page_lets_go_of_its_stream_and_misses_nothing() {
    let collector = Collector::start().await;
    let browser = Browser::open().await;
    live::open(&browser, &collector.new_link()).await;
    browser
        .run(
            "window.states = [];
             const connection = document.querySelector('#connection');
             new MutationObserver(() => states.push(connection.dataset.state)).observe(connection, { attributes: true });",
        )
        .await;
    let page = browser.current().await;
    // In front of the first.
    browser.open_tab().await;
    let answer = collector
        .send(json!({ "email": "ada@example.com", "event": "meanwhile" }))
        .await;
    let id = answer["id"].as_str().unwrap_or_default().to_owned();
    browser.go_on_in(&page).await;
    browser
        .wait_for(
            "the page to have let go",
            "return states.includes('hidden')",
        )
        .await;
    browser.devtools("Page.bringToFront", json!({})).await;
    live::connected(&browser).await;
    live::row(&browser, &id).await;
    live::nothing_to_complain_of(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_has_gone_silent_is_begun_anew() {
    let collector = Collector::start().await;
    let browser = Browser::open().await;
    live::open(&browser, &collector.new_link()).await;
    browser
        .run(
            "const Own = EventSource;
             window.begun = 0;
             window.EventSource = class extends Own { constructor(address) { super(address); begun += 1; } };
             const { now } = Date;
             Date.now = () => now() + (begun ? 0 : 60000);",
        )
        .await;
    browser
        .wait_for("another stream", "return begun === 1")
        .await;
    live::connected(&browser).await;
    let answer = collector
        .send(json!({ "email": "ada@example.com", "event": "afterwards" }))
        .await;
    live::row(&browser, answer["id"].as_str().unwrap_or_default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_and_filter_say_what_they_cover() {
    let collector = Collector::start().await;
    let browser = Browser::open().await;
    live::open(&browser, &collector.new_link()).await;
    browser
        .wait_for(
            "what the counters count",
            "return /last 100 before this page was opened at .+ and since/.test(document.querySelector('#counts').innerText)",
        )
        .await;
    let is_hidden = "return document.querySelector('#filter-covers').hidden";
    assert_eq!(browser.run(is_hidden).await, true);
    browser.fill("#filter", "ada").await;
    browser
        .wait_for(
            "what the filter covers",
            "const covers = document.querySelector('#filter-covers'); return !covers.hidden && /at most the newest 500/.test(covers.innerText)",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embed_turns_green_at_its_first_event() {
    let collector = Collector::start().await;
    let site = Site::open().await;
    let browser = Browser::open().await;
    let key = collector.public_key(&["--origin", &site.origin(), "--label", "new site"]);
    live::open(&browser, &collector.new_link()).await;
    choose_key(&browser, &key.key).await;
    browser
        .wait_for_element("#install[data-state=waiting]")
        .await;
    let embed = browser
        .run("return document.querySelector('#embed-code').textContent")
        .await;
    let embed = embed.as_str().unwrap_or_default();
    assert_eq!(embed.trim(), collector.embed(&key).await.trim());

    let live_page = browser.current().await;
    browser.open_window().await;
    browser
        .goto(&site.put("/", &format!("{embed}<script>MisarMail.page();</script>")))
        .await;
    browser.go_on_in(&live_page).await;
    browser
        .wait_for_element("#install[data-state=receiving]")
        .await;
    live::row_named(&browser, "page_viewed").await;
    live::nothing_to_complain_of(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_works_once_and_the_session_stays() {
    let collector = Collector::start().await;
    let browser = Browser::open().await;
    let link = collector.new_link();
    live::open(&browser, &link).await;
    let page = link.split('#').next().unwrap_or_default();
    // No code any more: the cookie is enough.
    browser.goto(&format!("{page}?again")).await;
    live::connected(&browser).await;
    live::nothing_to_complain_of(&browser).await;

    let stranger = browser;
    stranger.click("#sign-out").await;
    stranger.wait_for_element("#sign-in").await;
    stranger.goto("about:blank").await;
    stranger.goto(&link).await;
    stranger.wait_for_element("#sign-in").await;
    stranger.fill("#key-input", &collector.secret_key).await;
    stranger.click("#sign-in-button").await;
    live::connected(&stranger).await;
}

/// Shows the embed code of a key, where there is a choice.
async fn choose_key(browser: &Browser, key: &str) {
    let script = format!(
        "const shown = () => document.querySelector('#embed-code')?.textContent.includes({key});
         const choice = document.querySelector('#install select');
         for (const option of choice?.options ?? []) {{
             if (shown()) break;
             choice.value = option.value;
             choice.dispatchEvent(new Event('change', {{ bubbles: true }}));
         }}
         return shown();",
        key = json!(key)
    );
    browser.wait_for("the embed code of the key", &script).await;
}

async fn open_every_row(browser: &Browser) {
    browser
        .run(
            "for (const row of document.querySelectorAll('#events [data-event-id]'))
                 (row.querySelector('summary, [aria-expanded=false]') ?? row).click();",
        )
        .await;
}

async fn names_become(browser: &Browser, names: &[&str]) {
    let script = format!(
        "const names = [...document.querySelectorAll('#events [data-event-id]')]
             .filter((row) => row.offsetParent !== null).map((row) => row.dataset.name ?? '');
         return JSON.stringify(names) === JSON.stringify({})",
        json!(names)
    );
    browser
        .wait_for(&format!("only {names:?} in the list"), &script)
        .await;
}
