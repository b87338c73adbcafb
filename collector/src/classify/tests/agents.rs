//! Agents alone: what the lists of crawlers hold is caught, and nobody who reads mail is lost.

use super::*;

/// Of npm crawler-user-agents.
const CRAWLERS: &str = include_str!("../../../tests/data/agents/crawlers.txt");
/// Of npm top-user-agents and user-agents.
const BROWSERS: &str = include_str!("../../../tests/data/agents/browsers.txt");
/// Collected by hand: mail clients, apps, browsers of antivirus vendors, old browsers.
const PEOPLE: &str = include_str!("../../../tests/data/agents/people.txt");
/// Collected by hand: scanners, checkers, libraries.
const BOTS: &str = include_str!("../../../tests/data/agents/bots.txt");

#[test]
fn of_the_crawlers_all_but_mailbox_proxies_are_caught() {
    let (mut all, mut missed) = (0, Vec::new());
    for agent in lines(CRAWLERS) {
        all += 1;
        let verdict = open_by(agent);
        if is_genuine(verdict.class) {
            missed.push((verdict.reason, agent));
        }
    }
    assert!(all > 2_000, "{all}");
    missed.retain(|(reason, _)| *reason != "mailbox_proxy");
    assert!(missed.len() * 1_000 <= all, "{missed:#?}");
}

#[test]
fn nobody_with_an_ordinary_browser_or_mail_client_is_lost() {
    let all: Vec<_> = lines(BROWSERS).chain(lines(PEOPLE)).collect();
    assert!(all.len() > 1_000, "{}", all.len());
    let lost: Vec<_> = all
        .iter()
        .map(|agent| (open_by(agent).reason, agent))
        .filter(|(reason, _)| !["browser", "mail_client"].contains(reason))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {}: {lost:#?}",
        lost.len(),
        all.len()
    );
}

#[test]
fn scanners_checkers_and_libraries_are_bots() {
    let missed: Vec<_> = lines(BOTS)
        .map(|agent| (open_by(agent), agent))
        .filter(|(verdict, _)| verdict.class != Class::Bot)
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}
