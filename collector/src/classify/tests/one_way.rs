//! More evidence never turns a machine into a person, over a full grid.

use super::*;

const AGENTS: [&str; 12] = [
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
const ADDRESSES: [Option<&str>; 5] = [
    None,
    Some("203.0.113.9"),
    Some("66.249.84.10"),
    Some("67.231.152.7"),
    Some("40.107.1.2"),
];

fn grid() -> Vec<Evidence<'static>> {
    let mut grid = Vec::new();
    for kind in [Kind::Open, Kind::Click, Kind::Web] {
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

#[test]
fn more_evidence_never_turns_a_machine_into_a_person() {
    for evidence in grid() {
        let before = classify(&evidence);
        for worse in worse(evidence) {
            let after = classify(&worse);
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
