//! Wrong keys and foreign origins, as the author of a page sees them.

use tests::chromium::{Browser, ConsoleLine};
use tests::collector::Collector;
use tests::site::{Site, published_embed};
use tests::wait::until;

const CALLS: &str = "<script>
  MisarMail.track('page_viewed', { url: window.location.href });
  MisarMail.identify('ada@example.com');
</script>";

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_one_error_in_the_console_and_no_request() {
    let (collector, gate) = Collector::start_behind_a_gate().await;
    let site = Site::open().await;
    let browser = Browser::open().await;
    let right = collector.public_key(&[]);
    let mistyped = mistype(&right.key);
    let embed = collector.embed(&right).await;
    for (path, key, reason) in [
        ("/secret", collector.secret_key.as_str(), "revoke it"),
        ("/mistyped", mistyped.as_str(), "typo"),
        ("/none", "", "no key"),
    ] {
        for (form, embed) in [
            ("stub", embed.replace(&right.key, key)),
            ("published", published_embed(key, &gate.url, false)),
        ] {
            browser.console().await;
            let page = site.put(&format!("{path}-{form}"), &format!("{embed}{CALLS}"));
            browser.goto(&page).await;
            let mut said = Vec::new();
            until("an error in the console", async || {
                said.extend(browser.console().await);
                errors(&said).next().map(drop)
            })
            .await;
            // What the page may still hold, it sends when it goes.
            browser.goto("about:blank").await;
            said.extend(browser.console().await);
            gate.idle().await;
            assert_eq!(errors(&said).count(), 1, "{path} {form}: {said:#?}");
            let message = &errors(&said).next().expect("counted above").message;
            assert!(message.contains(reason), "{path}: {message}");
            assert!(
                key.is_empty() || !message.contains(key),
                "a console is not the place for a key: {message}"
            );
            let requests = gate.passed_with_data();
            assert!(requests.is_empty(), "{path} {form}: {requests:#?}");
        }
    }
    assert!(collector.events().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_origin_reads_in_the_console_why_nothing_arrives() {
    let (collector, gate) = Collector::start_behind_a_gate().await;
    let site = Site::open().await;
    let browser = Browser::open().await;
    let key = collector.public_key(&["--origin", "https://shop.example"]);
    let embed = collector.embed(&key).await;
    browser
        .goto(&site.put("/", &format!("{embed}{CALLS}")))
        .await;
    let mut said = Vec::new();
    until("the reason in the console", async || {
        said.extend(browser.console().await);
        errors(&said)
            .any(|line| line.message.contains("this key is not for"))
            .then_some(())
    })
    .await;
    let refused = |line: &ConsoleLine| line.source == "network" && line.message.contains("403");
    assert!(said.iter().any(refused), "{said:#?}");
    browser.goto("about:blank").await;
    gate.idle().await;
    let events = collector.events().await;
    assert!(events.is_empty(), "{events:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_event_is_said_in_the_console_and_the_others_go_on() {
    let (collector, _gate) = Collector::start_behind_a_gate().await;
    let site = Site::open().await;
    let browser = Browser::open().await;
    let key = collector.public_key(&[]);
    let embed = collector.embed(&key).await;
    let calls = "<script>
        MisarMail.track('email_opened');
        MisarMail.identify(42);
        MisarMail.track('kept', { anonymous: 'still known' });
    </script>";
    browser
        .goto(&site.put("/", &format!("{embed}{calls}")))
        .await;
    let mut said = Vec::new();
    until("both reasons in the console", async || {
        said.extend(browser.console().await);
        ["/v1/messages", "address"]
            .iter()
            .all(|reason| errors(&said).any(|line| line.message.contains(reason)))
            .then_some(())
    })
    .await;
    let events = collector.events().await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(events[0]["name"], "kept");
}

/// What the page itself, or a script in it, has said as an error.
fn errors(said: &[ConsoleLine]) -> impl Iterator<Item = &ConsoleLine> {
    said.iter()
        .filter(|line| line.level == "SEVERE" && line.source == "console-api")
}

/// Another last character, which the checksum does not fit.
fn mistype(key: &str) -> String {
    let (rest, last) = key.split_at(key.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}
