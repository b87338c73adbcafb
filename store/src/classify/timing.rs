//! How a verdict depends on the time since the message was sent.

use super::{CLICK_WINDOW_MS, Evidence, Judgement, OPEN_WINDOW_MS, PROBABLE_WINDOW_MS, classify};
use crate::record::extra::Timing;

/// Every bound of a rule about time, ascending.
const BOUNDS: [i64; 3] = [CLICK_WINDOW_MS, OPEN_WINDOW_MS, PROBABLE_WINDOW_MS];

/// The verdict at every time since the sending; `None` where it is always the same. What the evidence
/// itself says of that time is not looked at.
pub fn timing(evidence: &Evidence<'_>) -> Option<Timing> {
    let judge = |after_send_ms| {
        classify(&Evidence {
            after_send_ms,
            ..*evidence
        })
    };
    let otherwise = judge(None);
    let mut windows: Vec<(i64, Judgement)> = Vec::new();
    let mut start = 0;
    for end in BOUNDS {
        let verdict = judge(Some(start));
        start = end;
        match windows.last_mut() {
            Some((last, same)) if *same == verdict => *last = end,
            _ => windows.push((end, verdict)),
        }
    }
    if windows.last().is_some_and(|(_, last)| *last == otherwise) {
        windows.pop();
    }
    let window = |(end, verdict): (i64, Judgement)| {
        // 10 minutes at the most.
        let end = u32::try_from(end).unwrap_or(u32::MAX);
        (end, verdict.class, verdict.reason.to_owned())
    };
    (!windows.is_empty()).then(|| Timing {
        windows: windows.into_iter().map(window).collect(),
        otherwise: (otherwise.class, otherwise.reason.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::classify::HitKind;

    const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

    fn grid() -> impl Iterator<Item = Evidence<'static>> {
        const AGENTS: [&str; 5] = [
            BROWSER,
            "Mozilla/5.0",
            "curl/8.5.0",
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15) Thunderbird/140.0",
        ];
        const ADDRESSES: [Option<[u8; 4]>; 3] = [None, Some([192, 0, 2, 1]), Some([40, 94, 1, 1])];
        [HitKind::Open, HitKind::Click]
            .into_iter()
            .flat_map(|kind| {
                AGENTS.into_iter().flat_map(move |agent| {
                    ADDRESSES.into_iter().flat_map(move |address| {
                        [false, true].map(move |is_transactional| Evidence {
                            address: address.map(IpAddr::from),
                            is_transactional,
                            ..Evidence::of_agent(kind, Some(agent))
                        })
                    })
                })
            })
    }

    #[test]
    fn at_every_time_it_says_what_classifying_says() {
        let mut timed = 0;
        for evidence in grid() {
            let found = timing(&evidence);
            timed += u32::from(found.is_some());
            for after in [
                -1, 0, 29_999, 30_000, 59_999, 60_000, 599_999, 600_000, 86_400_000,
            ] {
                let after_send_ms = Some(after);
                let Judgement { class, reason } = classify(&Evidence {
                    after_send_ms,
                    ..evidence
                });
                match &found {
                    Some(timing) => assert_eq!(timing.class_at(after), (class, reason)),
                    None => assert_eq!(
                        Judgement { class, reason },
                        classify(&evidence),
                        "{evidence:?} {after}"
                    ),
                }
            }
        }
        assert!(timed > 0);
    }

    #[test]
    fn a_browser_is_judged_by_the_time_and_a_transactional_mail_is_not() {
        let open = Evidence::of_agent(HitKind::Open, Some(BROWSER));
        let windows = timing(&open).unwrap().windows;
        assert_eq!(windows.len(), 1);
        assert_eq!(windows[0].0, 60_000);
        let transactional = Evidence {
            is_transactional: true,
            ..open
        };
        assert_eq!(timing(&transactional), None);
    }
}
