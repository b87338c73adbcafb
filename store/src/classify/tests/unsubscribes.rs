//! Who unsubscribes: the evidence of a click for the button, and of networks and names for one click.

use super::unsubscribe::{of_form, of_one_click};
use super::*;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36";
const HEADLESS: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36";
const VENDOR: &str = "Mozilla/5.0 (compatible; Mimecast/1.0)";
const ORDINARY: &str = "198.51.100.7";
const CERTAIN: &str = "40.107.1.2";
const PROBABLE: &str = "40.94.30.7";

fn posted(agent: &'static str, address: &str, after_send_ms: i64) -> Evidence<'static> {
    Evidence {
        address: Some(address.parse().unwrap()),
        after_send_ms: Some(after_send_ms),
        method: Method::Other,
        ..Evidence::of_agent(HitKind::Click, Some(agent))
    }
}

#[test]
fn one_click_is_a_providers_unless_a_scanners_network_or_agent_says_otherwise() {
    for (agent, address, after, class, reason) in [
        ("", ORDINARY, 1, Class::ProxyHuman, "one_click"),
        (
            "Go-http-client/2.0",
            ORDINARY,
            1,
            Class::ProxyHuman,
            "one_click",
        ),
        ("Mozilla/5.0", ORDINARY, 1, Class::ProxyHuman, "one_click"),
        (
            "Acme/1.0 (+https://acme.example)",
            ORDINARY,
            1,
            Class::ProxyHuman,
            "one_click",
        ),
        (CHROME, ORDINARY, 1, Class::ProxyHuman, "one_click"),
        ("", CERTAIN, 9_000_000, Class::Bot, "scanner_network"),
        (
            "",
            PROBABLE,
            599_999,
            Class::Bot,
            "probable_scanner_network",
        ),
        ("", PROBABLE, 600_000, Class::ProxyHuman, "one_click"),
        (
            HEADLESS,
            ORDINARY,
            9_000_000,
            Class::Bot,
            "automation_agent",
        ),
        (VENDOR, ORDINARY, 9_000_000, Class::Bot, "security_vendor"),
    ] {
        let verdict = of_one_click(&posted(agent, address, after));
        assert_eq!(
            (verdict.class, verdict.reason),
            (class, reason),
            "{agent} {address} {after}"
        );
    }
}

#[test]
fn the_button_is_judged_as_a_click_is() {
    for (agent, address, after, class, reason) in [
        (CHROME, ORDINARY, 30_000, Class::Human, "unsubscribe_form"),
        (CHROME, ORDINARY, 29_999, Class::Bot, "too_soon_after_send"),
        (CHROME, CERTAIN, 9_000_000, Class::Bot, "scanner_network"),
        (
            CHROME,
            PROBABLE,
            599_999,
            Class::Bot,
            "probable_scanner_network",
        ),
        (
            HEADLESS,
            ORDINARY,
            9_000_000,
            Class::Bot,
            "automation_agent",
        ),
        ("", ORDINARY, 9_000_000, Class::Bot, "empty_agent"),
    ] {
        let verdict = of_form(&posted(agent, address, after));
        assert_eq!(
            (verdict.class, verdict.reason),
            (class, reason),
            "{agent} {address} {after}"
        );
    }
}
