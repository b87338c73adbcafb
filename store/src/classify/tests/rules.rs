//! The rules one by one, and their edges.

use super::*;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36";
const CHROME_104: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/104.0.0.0 Safari/537.36";

fn at(kind: HitKind, address: &str, after_send_ms: i64) -> Evidence<'static> {
    Evidence {
        address: Some(address.parse().unwrap()),
        after_send_ms: Some(after_send_ms),
        ..Evidence::of_agent(kind, Some(CHROME))
    }
}

#[test]
fn windows_are_half_open_and_negative_delays_say_nothing() {
    for (kind, address, delay, class) in [
        (HitKind::Open, "203.0.113.9", 59_999, Class::Machine),
        (HitKind::Open, "203.0.113.9", 60_000, Class::Human),
        (HitKind::Open, "203.0.113.9", -1, Class::Human),
        (HitKind::Click, "203.0.113.9", 29_999, Class::Bot),
        (HitKind::Click, "203.0.113.9", 30_000, Class::Human),
        (HitKind::Click, "203.0.113.9", -1, Class::Human),
        (HitKind::Web, "203.0.113.9", 0, Class::Human),
        (HitKind::Open, "67.231.152.7", 599_999, Class::Bot),
        (HitKind::Open, "67.231.152.7", 600_000, Class::Human),
        (HitKind::Click, "67.231.152.7", 599_999, Class::Bot),
        (HitKind::Click, "67.231.152.7", -1, Class::Human),
        (HitKind::Open, "40.94.89.21", 599_999, Class::Bot),
        (HitKind::Open, "40.94.89.21", 600_000, Class::Human),
        (HitKind::Click, "40.94.30.7", 45_000, Class::Bot),
        (HitKind::Click, "40.64.64.110", 599_999, Class::Bot),
        (HitKind::Click, "40.64.64.110", 600_000, Class::Human),
        (HitKind::Web, "67.231.152.7", 1, Class::Human),
        (HitKind::Web, "40.107.1.2", -1, Class::Bot),
        (HitKind::Open, "::ffff:40.107.1.2", 9_000_000, Class::Bot),
        (HitKind::Open, "2a01:111:f400::1", 9_000_000, Class::Bot),
        (HitKind::Click, "13.107.128.5", 3_600_000, Class::Human),
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
            ..at(HitKind::Click, address, 1)
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
        let verdict = classify(&Evidence::of_agent(HitKind::Web, agent));
        assert_eq!((verdict.class, verdict.reason), (Class::Bot, "empty_agent"));
    }
}

#[test]
fn a_mailboxs_proxy_is_a_reader_where_it_fetches_a_picture_and_a_bot_where_it_does_anything_else() {
    for agent in [
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
        "hey.com/imageproxy Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/118.0.5993.117 Safari/537.36 FastmailUA/1.0",
        "Superhuman/1.7.3(4636); com.android.vending; (OnePlus; CPH2417; Android 34-14) (via SuperhumanProxy; hello@superhuman.com)",
        "Shortwave Image Fetcher",
        "SeznamEmailProxy/3.1",
        "RamblerMail/6.0 (incompatible; ImageProxy/6.0)",
        "Mozilla/5.0 (Windows NT 10.0) Chrome/55.0.2883.87 Safari/537.36 (via secureurl.fwdcdn.com - mail.ukr.net proxy)",
        // Of a mailbox that nobody has named yet.
        "Mozilla/5.0 (compatible; AcmeMail Image Proxy)",
    ] {
        for (kind, class) in [
            (HitKind::Open, Class::ProxyHuman),
            (HitKind::Click, Class::Bot),
            (HitKind::Web, Class::Bot),
        ] {
            let verdict = classify(&Evidence {
                after_send_ms: Some(1),
                ..Evidence::of_agent(kind, Some(agent))
            });
            assert_eq!(verdict.class, class, "{kind:?} {agent} {verdict:?}");
        }
    }
    // Fastmail's fetcher of calendars.
    assert_eq!(open_by("FastmailUA/1.0").class, Class::Bot);
}

#[test]
fn a_program_that_is_no_browser_opens_as_soon_as_it_likes_and_clicks_as_a_browser_does() {
    let program = |kind, after| {
        classify(&Evidence {
            after_send_ms: Some(after),
            ..Evidence::of_agent(kind, Some("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8)"))
        })
    };
    assert_eq!(program(HitKind::Open, 1).reason, "other_program");
    assert_eq!(program(HitKind::Click, 29_999).class, Class::Bot);
    assert_eq!(program(HitKind::Click, 30_000).class, Class::Human);
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
    assert_eq!(from(HitKind::Open, "66.249.84.62"), "gmail_prefetch");
    assert_eq!(from(HitKind::Open, "203.0.113.61"), "browser");
    assert_eq!(from(HitKind::Open, "66.249.64.9"), "browser");
    assert_eq!(from(HitKind::Web, "66.249.84.62"), "browser");
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
    assert_eq!(
        on_list(HitKind::Open, "Mozilla/5.0"),
        "apple_prefetch_relay"
    );
    assert_eq!(on_list(HitKind::Click, "Mozilla/5.0"), "apple_prefetch");
    assert_eq!(on_list(HitKind::Open, CHROME), "browser");
    assert_eq!(on_list(HitKind::Click, CHROME), "browser");
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
