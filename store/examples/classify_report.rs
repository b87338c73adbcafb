//! `just classify-report`: how the classifier does on the labelled cases and on agents of crawlers
//! and of people, and which it gets wrong. Fails below the bars.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::net::IpAddr;
use std::process::ExitCode;

use serde::Deserialize;
use store::classify::{Evidence, HitKind, Judgement, Method, classify};
use store::record::Class;

const OPENS: &str = include_str!("../tests/data/cases/opens.json");
const CLICKS: &str = include_str!("../tests/data/cases/clicks.json");
const CRAWLERS: &str = include_str!("../tests/data/agents/crawlers.txt");
const BOTS: &str = include_str!("../tests/data/agents/bots.txt");
const BROWSERS: &str = include_str!("../tests/data/agents/browsers.txt");
const PEOPLE: &str = include_str!("../tests/data/agents/people.txt");

/// In percent; what the classifier is held to.
const OPENS_BAR: f64 = 97.0;
const CLICKS_BAR: f64 = 95.0;
const CRAWLERS_BAR: f64 = 98.0;

#[path = "../tests/data/agents/mail_clients.rs"]
mod mail_clients;

#[derive(Deserialize)]
struct Case {
    ua: String,
    ip: IpAddr,
    seconds_after_send: i64,
    method: String,
    expected: String,
    source: String,
}

/// What became of one group.
#[derive(Default)]
struct Tally {
    all: usize,
    right: usize,
    misses: Vec<String>,
}

impl Tally {
    fn count(&mut self, is_right: bool, miss: impl FnOnce() -> String) {
        self.all += 1;
        if is_right {
            self.right += 1;
        } else {
            self.misses.push(miss());
        }
    }

    fn percent(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand rows")]
        let share = self.right as f64 / self.all.max(1) as f64;
        share * 100.0
    }
}

fn main() -> ExitCode {
    let mut went_well = true;
    let mut row = |name: &str, tally: &Tally, bar: f64| {
        let passed = tally.all > 0 && tally.percent() >= bar;
        went_well &= passed;
        println!(
            "{name:<44} {:>5} {:>5} {:>7.2} % {bar:>7.2} %  {}",
            tally.all,
            tally.right,
            tally.percent(),
            if passed { "ok" } else { "BELOW" }
        );
    };
    println!(
        "{:<44} {:>5} {:>5} {:>9} {:>9}",
        "", "rows", "right", "share", "bar"
    );
    let mut misses = Vec::new();
    let mut contested = 0;
    for (name, kind, file, bar) in [
        ("opens", HitKind::Open, OPENS, OPENS_BAR),
        ("clicks", HitKind::Click, CLICKS, CLICKS_BAR),
    ] {
        let cases: Vec<Case> = serde_json::from_str(file).expect("the case files are sound");
        let (mut sides, mut kept, mut exact, mut apple) = <(Tally, Tally, Tally, Tally)>::default();
        for case in &cases {
            if case.source.contains("CONTESTED") {
                contested += 1;
                continue;
            }
            let verdict = judge(kind, case);
            let found = verdict.class.as_str();
            let expected_genuine = ["human", "proxy_human"].contains(&case.expected.as_str());
            let is_right = is_genuine(verdict) == expected_genuine;
            let miss = || {
                format!(
                    "{name}: expected {}, found {found} ({}): {} {} {} s",
                    case.expected, verdict.reason, case.ua, case.ip, case.seconds_after_send
                )
            };
            sides.count(is_right, miss);
            exact.count(found == case.expected, miss);
            if expected_genuine {
                kept.count(is_right, miss);
            }
            if case.ua == "Mozilla/5.0" {
                apple.count(!is_genuine(verdict), miss);
            }
        }
        row(&format!("{name}: genuine or not"), &sides, bar);
        row(&format!("{name}: genuine kept"), &kept, 100.0);
        row(&format!("{name}: the very class"), &exact, 0.0);
        if apple.all > 0 {
            row(&format!("{name}: Apple prefetches caught"), &apple, 100.0);
        }
        misses.extend(exact.misses);
    }
    for (name, files, people, bar) in [
        (
            "agents of crawler-user-agents caught",
            vec![CRAWLERS],
            false,
            CRAWLERS_BAR,
        ),
        (
            "agents of scanners and libraries caught",
            vec![BOTS],
            false,
            100.0,
        ),
        (
            "agents of browsers and mail clients kept",
            vec![BROWSERS, PEOPLE],
            true,
            100.0,
        ),
    ] {
        let mut tally = Tally::default();
        for agent in files.into_iter().flat_map(str::lines) {
            if agent.is_empty() || agent.starts_with('#') {
                continue;
            }
            let verdict = classify(&Evidence::of_agent(HitKind::Open, Some(agent)));
            tally.count(is_genuine(verdict) == people, || {
                format!(
                    "{name}: {} ({}): {agent}",
                    verdict.class.as_str(),
                    verdict.reason
                )
            });
        }
        row(name, &tally, bar);
        misses.extend(tally.misses);
    }
    let name = "mail clients kept in the first minute";
    let mut tally = Tally::default();
    for agent in mail_clients::mail_clients() {
        let verdict = classify(&Evidence {
            after_send_ms: Some(1),
            ..Evidence::of_agent(HitKind::Open, Some(&agent))
        });
        tally.count(is_genuine(verdict), || {
            format!(
                "{name}: {} ({}): {agent}",
                verdict.class.as_str(),
                verdict.reason
            )
        });
    }
    row(name, &tally, 100.0);
    misses.extend(tally.misses);
    println!("\n{contested} contested rows left out (their source says CONTESTED)");
    println!(
        "{} misses{}",
        misses.len(),
        if misses.is_empty() { "" } else { ":" }
    );
    for miss in misses {
        println!("  {miss}");
    }
    if went_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn judge(kind: HitKind, case: &Case) -> Judgement {
    classify(&Evidence {
        address: Some(case.ip),
        method: Method::named(&case.method),
        after_send_ms: Some(case.seconds_after_send * 1_000),
        ..Evidence::of_agent(kind, Some(&case.ua))
    })
}

fn is_genuine(verdict: Judgement) -> bool {
    matches!(verdict.class, Class::Human | Class::ProxyHuman)
}
