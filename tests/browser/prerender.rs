//! A page that the browser loads ahead, by speculation rules as sites write them.

use tests::chromium::Browser;
use tests::collector::Collector;
use tests::site::Site;
use tests::wait::until;

/// One that a visitor has; the agent of a browser without a screen is rightly a bot's.
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
     Chrome/142.0.0.0 Safari/537.36";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_loaded_ahead_counts_when_it_is_seen_and_as_a_person_s() {
    let (collector, gate) = Collector::start_behind_a_gate().await;
    let site = Site::open().await;
    let embed = collector.embed(&collector.public_key(&[])).await;
    site.put(
        "/next",
        &format!("{embed}<script>MisarMail.page(); MisarMail.flush();</script>"),
    );
    let first = site.put(
        "/",
        "<script type=\"speculationrules\">
             {\"prerender\": [{\"source\": \"list\", \"urls\": [\"/next\"], \"eagerness\": \"immediate\"}]}
         </script><a id=\"on\" href=\"/next\">on</a>",
    );
    let browser = Browser::open_as_visitor(AGENT).await;
    browser.goto(&first).await;
    // The script is asked for by the page that nobody has seen yet, and then the page has nothing to wait for.
    until("the page to be loaded ahead", async || {
        let passed = gate.passed();
        passed
            .iter()
            .any(|request| request.path == "/mail/track.js")
            .then_some(())
    })
    .await;
    gate.idle().await;
    assert!(gate.passed_with_data().is_empty());
    assert!(collector.events().await.is_empty());
    browser.click("#on").await;
    let events = collector.events_named("page_viewed", 1).await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(events[0]["class"], "human", "{events:#?}");
    let loaded_ahead = "return performance.getEntriesByType('navigation')[0].activationStart > 0";
    assert_eq!(browser.run(loaded_ahead).await, true);
}
