//! The labelled cases: bars that a change of rules must not fall below.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    ua: String,
    ip: IpAddr,
    seconds_after_send: i64,
    method: String,
    expected: String,
    source: String,
}

fn misses(kind: HitKind, file: &str) -> (usize, Vec<(String, Judgement)>) {
    let cases: Vec<Case> = serde_json::from_str(file).unwrap();
    let judged: Vec<_> = cases
        .iter()
        .filter(|case| !case.source.contains("CONTESTED"))
        .map(|case| {
            let verdict = classify(&Evidence {
                address: Some(case.ip),
                method: Method::named(&case.method),
                after_send_ms: Some(case.seconds_after_send * 1_000),
                ..Evidence::of_agent(kind, Some(&case.ua))
            });
            (case, verdict)
        })
        .collect();
    let wrong = judged
        .iter()
        .filter(|(case, verdict)| verdict.class.as_str() != case.expected)
        .map(|(case, verdict)| (format!("{} {}", case.expected, case.ua), *verdict))
        .collect();
    (judged.len(), wrong)
}

#[test]
fn every_uncontested_case_gets_its_very_class() {
    for (kind, file) in [
        (
            HitKind::Open,
            include_str!("../../../tests/data/cases/opens.json"),
        ),
        (
            HitKind::Click,
            include_str!("../../../tests/data/cases/clicks.json"),
        ),
    ] {
        let (all, wrong) = misses(kind, file);
        assert!(all > 10 && wrong.is_empty(), "{kind:?}: {wrong:#?}");
    }
}
