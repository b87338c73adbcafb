//! The rules one by one, and their edges.

use super::*;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36";
const CHROME_104: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/104.0.0.0 Safari/537.36";

fn at(kind: Kind, address: &str, after_send_ms: i64) -> Evidence<'static> {
    Evidence {
        address: Some(address.parse().unwrap()),
        after_send_ms: Some(after_send_ms),
        ..Evidence::of_agent(kind, Some(CHROME))
    }
}

#[test]
fn windows_are_half_open_and_negative_delays_say_nothing() {
    for (kind, address, delay, class) in [
        (Kind::Open, "203.0.113.9", 59_999, Class::Machine),
        (Kind::Open, "203.0.113.9", 60_000, Class::Human),
        (Kind::Open, "203.0.113.9", -1, Class::Human),
        (Kind::Click, "203.0.113.9", 29_999, Class::Bot),
        (Kind::Click, "203.0.113.9", 30_000, Class::Human),
        (Kind::Click, "203.0.113.9", -1, Class::Human),
        (Kind::Web, "203.0.113.9", 0, Class::Human),
        (Kind::Open, "67.231.152.7", 599_999, Class::Bot),
        (Kind::Open, "67.231.152.7", 600_000, Class::Human),
        (Kind::Click, "67.231.152.7", 599_999, Class::Bot),
        (Kind::Click, "67.231.152.7", -1, Class::Human),
        (Kind::Web, "67.231.152.7", 1, Class::Human),
        (Kind::Web, "40.107.1.2", -1, Class::Bot),
        (Kind::Open, "::ffff:40.107.1.2", 9_000_000, Class::Bot),
        (Kind::Open, "2a01:111:f400::1", 9_000_000, Class::Bot),
        (Kind::Click, "13.107.128.5", 3_600_000, Class::Human),
    ] {
        let verdict = classify(&at(kind, address, delay));
        assert_eq!(
            verdict.class, class,
            "{kind:?} {address} {delay} {verdict:?}"
        );
    }
}

#[test]
fn haste_says_nothing_of_transactional_mail_but_networks_do() {
    let hasty = |address| {
        classify(&Evidence {
            is_transactional: true,
            ..at(Kind::Click, address, 1)
        })
    };
    assert_eq!(hasty("203.0.113.9").class, Class::Human);
    assert_eq!(hasty("67.231.152.7").reason, "probable_scanner_network");
}

#[test]
fn agents_are_trimmed_and_blank_ones_are_bots() {
    assert_eq!(open_by(" Mozilla/5.0\t").reason, "apple_prefetch");
    assert_eq!(
        open_by("\they.com/imageproxy Mozilla/5.0").reason,
        "mailbox_proxy"
    );
    assert_eq!(
        open_by("Foo hey.com/imageproxy Mozilla/5.0").class,
        Class::Bot
    );
    for agent in [None, Some(""), Some(" \t ")] {
        let verdict = classify(&Evidence::of_agent(Kind::Web, agent));
        assert_eq!((verdict.class, verdict.reason), (Class::Bot, "empty_agent"));
    }
}

#[test]
fn chrome_104_is_gmails_prefetch_only_from_googles_addresses() {
    let from = |kind, address| {
        classify(&Evidence {
            agent: Some(CHROME_104),
            ..at(kind, address, 90_000_000)
        })
        .reason
    };
    assert_eq!(from(Kind::Open, "66.249.84.62"), "gmail_prefetch");
    assert_eq!(from(Kind::Open, "203.0.113.61"), "browser");
    assert_eq!(from(Kind::Open, "66.249.64.9"), "browser");
    assert_eq!(from(Kind::Web, "66.249.84.62"), "browser");
}

#[test]
fn the_relay_list_corroborates_an_apple_prefetch_and_nothing_else() {
    let on_list = |kind, agent| {
        classify(&Evidence {
            on_relay_list: true,
            ..Evidence::of_agent(kind, Some(agent))
        })
        .reason
    };
    assert_eq!(on_list(Kind::Open, "Mozilla/5.0"), "apple_prefetch_relay");
    assert_eq!(on_list(Kind::Click, "Mozilla/5.0"), "apple_prefetch");
    assert_eq!(on_list(Kind::Open, CHROME), "browser");
    assert_eq!(on_list(Kind::Click, CHROME), "browser");
}

#[test]
fn prefetch_headers_are_known_in_any_case() {
    for (name, value) in [
        ("Sec-Purpose", "prefetch;prerender"),
        ("purpose", "Prefetch"),
        ("X-PURPOSE", "preview"),
        ("x-moz", "prefetch"),
    ] {
        assert!(is_prefetch_header(name, value), "{name}: {value}");
    }
    assert!(!is_prefetch_header("referer", "prefetch"));
    assert!(!is_prefetch_header("purpose", "image"));
}
