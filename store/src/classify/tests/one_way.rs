//! More evidence never turns a machine into a person, over a full grid.

use std::collections::HashMap;

use super::unsubscribe::{of_form, of_one_click};
use super::*;

const AGENTS: [&str; 18] = [
    "",
    "Mozilla/5.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36",
    CHROME_104,
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
    "Microsoft Office Existence Discovery",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; Proofpoint/2.0)",
    "python-requests/2.31.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/118.0.5993.117 Safari/537.36 FastmailUA/1.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) ZohoMail-Desktop/1.6.0 Chrome/116.0.5845.228 Electron/26.3.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Code/1.115.0 Chrome/142.0.7444.265 Electron/39.8.5 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 15; SM-S928B; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/142.0.7444.74 Mobile Safari/537.36 MetaIAB Facebook",
    "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0",
];
const CHROME_104: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/104.0.0.0 Safari/537.36";

/// Delays from the one that says least to the one that says most.
const DELAYS: [Option<i64>; 8] = [
    None,
    Some(-1),
    Some(600_000),
    Some(599_999),
    Some(60_000),
    Some(59_999),
    Some(29_999),
    Some(0),
];
const ADDRESSES: [Option<&str>; 6] = [
    None,
    Some("203.0.113.9"),
    Some("66.249.84.10"),
    Some("67.231.152.7"),
    Some("40.94.89.21"),
    Some("40.107.1.2"),
];

fn grid() -> Vec<Evidence<'static>> {
    let mut grid = Vec::new();
    for kind in [HitKind::Open, HitKind::Click, HitKind::Web] {
        for agent in AGENTS {
            for after_send_ms in DELAYS {
                for address in ADDRESSES {
                    for method in [Method::Get, Method::Head, Method::Other] {
                        for bits in 0..16 {
                            grid.push(Evidence {
                                address: address.map(|address| address.parse().unwrap()),
                                method,
                                after_send_ms,
                                is_prefetch: bits & 1 > 0,
                                is_transactional: bits & 2 > 0,
                                is_automated: bits & 4 > 0,
                                on_relay_list: bits & 8 > 0,
                                ..Evidence::of_agent(kind, Some(agent))
                            });
                        }
                    }
                }
            }
        }
    }
    grid
}

/// The evidence with one more thing that speaks for a machine, in every way there is.
fn worse(evidence: Evidence<'static>) -> Vec<Evidence<'static>> {
    let mut worse = vec![
        Evidence {
            is_prefetch: true,
            ..evidence
        },
        Evidence {
            is_automated: true,
            ..evidence
        },
        Evidence {
            on_relay_list: true,
            ..evidence
        },
        Evidence {
            is_transactional: false,
            ..evidence
        },
        Evidence {
            method: Method::Head,
            ..evidence
        },
        Evidence {
            method: Method::Other,
            ..evidence
        },
        Evidence {
            address: Some("40.107.1.2".parse().unwrap()),
            ..evidence
        },
    ];
    if evidence.address.is_none() {
        worse.extend(ADDRESSES.map(|address| Evidence {
            address: address.map(|address| address.parse().unwrap()),
            ..evidence
        }));
    }
    let place = DELAYS
        .iter()
        .position(|delay| *delay == evidence.after_send_ms)
        .unwrap();
    worse.extend(DELAYS[place..].iter().map(|delay| Evidence {
        after_send_ms: *delay,
        ..evidence
    }));
    worse
}

/// By the rules of a hit, of a button pressed, and of one click.
fn judged(evidence: &Evidence<'_>) -> [Judgement; 3] {
    [
        classify(evidence),
        of_form(evidence),
        of_one_click(evidence),
    ]
}

#[test]
fn more_evidence_never_turns_a_machine_into_a_person() {
    // Each is worse than many.
    let mut known = HashMap::new();
    let mut verdicts =
        |evidence: &Evidence<'static>| *known.entry(*evidence).or_insert_with(|| judged(evidence));
    for evidence in grid() {
        let before = verdicts(&evidence);
        for worse in worse(evidence) {
            for (before, after) in before.into_iter().zip(verdicts(&worse)) {
                assert!(
                    severity(after.class) >= severity(before.class),
                    "{evidence:?} {before:?}; {worse:?} {after:?}"
                );
                if before.class == Class::Human {
                    assert_ne!(after.class, Class::ProxyHuman, "{worse:?}");
                }
            }
        }
    }
}
