//! Nothing is lost and nothing sent twice: over a navigation, a crash of the collector, lost answers, and
//! a tab that is hidden and shown.

use std::collections::HashSet;

use hyper::Method;
use tests::chromium::Browser;
use tests::collector::Collector;
use tests::gate::Gate;
use tests::site::Site;
use tests::wait::until;

/// Tracks thirty events of 3 KB and leaves the page in the same turn.
const TRACK_AND_LEAVE: &str = "
    for (let n = 0; n < 30; n++) MisarMail.track('big', { n, filler: 'x'.repeat(3000) });
    location.assign('/next');
";

/// A site with two pages, a browser on the first of them, and the first event on record.
struct Visit {
    collector: Collector,
    gate: Gate,
    browser: Browser,
    site: Site,
}

impl Visit {
    async fn begin() -> Self {
        let (collector, gate) = Collector::start_behind_a_gate().await;
        let site = Site::open().await;
        let origin = site.origin();
        let key = collector.public_key(&["--allow-purchases", "--origin", &origin]);
        let embed = collector.embed(&key).await;
        let page =
            |path: &str| site.put(path, &format!("{embed}<script>MisarMail.page();</script>"));
        let first = page("/first");
        page("/next");
        let browser = Browser::open().await;
        browser.goto(&first).await;
        collector.events_named("page_viewed", 1).await;
        Self {
            collector,
            gate,
            browser,
            site,
        }
    }

    async fn on_the_next_page(&self) {
        let loaded = "return location.pathname === '/next' && document.readyState === 'complete'";
        self.browser.wait_for("the next page", loaded).await;
    }

    /// Thirty different events and no more, also after the last page has gone.
    async fn all_thirty_once(&self) {
        self.collector.events_named("big", 30).await;
        self.browser.goto("about:blank").await;
        self.gate.idle().await;
        let events = self.collector.events_named("big", 30).await;
        let numbers: HashSet<_> = events
            .iter()
            .map(|event| event["properties"]["n"].as_u64())
            .collect();
        let ids: HashSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
        assert_eq!((events.len(), numbers.len(), ids.len()), (30, 30, 30));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_big_events_survive_leaving_the_page() {
    let visit = Visit::begin().await;
    visit.browser.run(TRACK_AND_LEAVE).await;
    visit.on_the_next_page().await;
    visit.all_thirty_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_big_events_survive_a_crash_of_the_collector() {
    let mut visit = Visit::begin().await;
    visit.collector.kill();
    visit.browser.run(TRACK_AND_LEAVE).await;
    visit.on_the_next_page().await;
    visit.collector.restart().await;
    visit.all_thirty_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_whose_answer_was_lost_are_on_record_once() {
    let mut visit = Visit::begin().await;
    visit.gate.lose_answers(true);
    visit.browser.run(TRACK_AND_LEAVE).await;
    // Some are on record, and the browser does not know it; only then the crash.
    visit.collector.events_named("big", 1).await;
    visit.on_the_next_page().await;
    visit.collector.kill();
    visit.gate.lose_answers(false);
    visit.collector.restart().await;
    visit.all_thirty_once().await;
    let sent = visit.gate.sent_ids();
    let different: HashSet<_> = sent.iter().collect();
    assert!(different.len() < sent.len(), "nothing was sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_across_origins_asks_no_leave_and_sends_nothing_twice() {
    let visit = Visit::begin().await;
    let browser = &visit.browser;
    browser
        .run(
            "MisarMail.identify('ada@example.com', { name: 'Ada' });
             for (let n = 0; n < 25; n++) MisarMail.track('scrolled', { n });
             MisarMail.purchase({ orderId: 'A-1', revenue: 9.5, currency: 'EUR', email: 'ada@example.com' });",
        )
        .await;
    let shop = browser.current().await;
    // Another tab in front hides the first.
    browser.open_tab().await;
    browser.goto("about:blank").await;
    browser.go_on_in(&shop).await;
    hide_and_show(browser).await;
    browser.run("MisarMail.track('came_back')").await;
    hide_and_show(browser).await;
    // On a busy machine the page may leave before it has read the last answer; then the next one sends
    // again what it finds in storage, as it should.
    browser
        .wait_for(
            "the page to know that all has arrived",
            "return !Object.keys(localStorage).some(name => name.startsWith('misarmail.queue.'))",
        )
        .await;
    browser.goto(&format!("{}/next", visit.site.origin())).await;
    visit.collector.events_named("page_viewed", 2).await;
    visit.collector.events_named("came_back", 1).await;
    browser.goto("about:blank").await;
    visit.gate.idle().await;

    let asked = visit.gate.passed();
    let asked = asked
        .iter()
        .filter(|request| request.method == Method::OPTIONS);
    assert_eq!(asked.count(), 0, "OPTIONS requests");
    let sent = visit.gate.sent_ids();
    let different: HashSet<_> = sent.iter().collect();
    assert_eq!(different.len(), sent.len(), "ids that were sent twice");
    // Two views, one sign-up, 25 scrolls, one purchase, one return.
    assert_eq!(sent.len(), 30);
    assert_eq!(visit.collector.events().await.len(), 30);
}

/// Hides the page and shows it again, and makes sure that it noticed both.
async fn hide_and_show(browser: &Browser) {
    browser
        .run(
            "window.states = [];
             document.addEventListener('visibilitychange', () => states.push(document.visibilityState));",
        )
        .await;
    let page = browser.current().await;
    let front = browser.open_tab().await;
    browser.go_on_in(&page).await;
    browser
        .wait_for("the page to be hidden", "return states.includes('hidden')")
        .await;
    browser
        .devtools("Page.bringToFront", serde_json::json!({}))
        .await;
    browser
        .wait_for("the page to be shown", "return states.at(-1) === 'visible'")
        .await;
    assert_ne!(page, front);
    until("the page to be in front", async || {
        let state = browser.run("return document.visibilityState").await;
        (state == "visible").then_some(())
    })
    .await;
}
