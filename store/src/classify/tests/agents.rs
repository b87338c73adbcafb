//! Agents alone: what the lists of crawlers hold is caught, and nobody who reads mail is lost.

use super::*;

use super::mail_clients::mail_clients;

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
        .filter(|(reason, _)| !["browser", "mail_client", "desktop_app"].contains(reason))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {}: {lost:#?}",
        lost.len(),
        all.len()
    );
}

#[test]
fn nobody_is_lost_who_reads_in_a_mail_client_within_the_first_minute() {
    let all = mail_clients();
    assert!(all.len() > 500, "{}", all.len());
    let lost: Vec<_> = all
        .iter()
        .filter(|agent| {
            let evidence = Evidence::of_agent(HitKind::Open, Some(agent));
            let after_send_ms = Some(1);
            let verdict = classify(&Evidence {
                after_send_ms,
                ..evidence
            });
            verdict.class != Class::Human
        })
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {}: {lost:#?}",
        lost.len(),
        all.len()
    );
}

#[test]
fn what_calls_itself_mail_and_reads_none_is_no_mail_client() {
    for agent in [
        "EmailWolf 1.00",
        "EmailSiphon",
        "EmailCollector/1.0",
        "MailCrawler/2.0",
        "mailbot/1.0",
        "MailChecker/3.1",
        "MailPreview/1.0",
        "Thunderbird/91.0 (+https://crawler.example/bot)",
        "Barracuda Email Proxy/1.0",
    ] {
        assert_eq!(open_by(agent).class, Class::Bot, "{agent}");
    }
}

/// crawler-user-agents and isbot take agents in bulk from lists of others, and people's among them.
#[test]
fn neither_a_phones_model_nor_the_app_that_shows_a_page_makes_a_crawler() {
    const ANDROID: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
    for agent in [
        format!("Mozilla/5.0 (Linux; Android 15; SM-S928B Build/AP3A.240905.015.A2; ) {ANDROID} Version/4.0 Chrome/142.0.7444.74 Mobile Safari/537.36 MetaIAB Facebook"),
        format!("Mozilla/5.0 (Linux; Android 16; Pixel 9 Build/BP1A; wv) {ANDROID} Version/4.0 Chrome/146.0.0.0 Mobile Safari/537.36 MetaIAB Instagram"),
        format!("Mozilla/5.0 (Linux; Android 15; CPH2557 Build/AP3A.240617.008) {ANDROID} Chrome/142.0.0.0 Mobile Safari/537.36"),
        format!("Mozilla/5.0 (Linux; Android 13; HTC Butterfly Build/JDQ39) {ANDROID} Chrome/131.0.0.0 Mobile Safari/537.36"),
        format!("Mozilla/5.0 (Linux; Android 7.0; M bot 54) {ANDROID} Chrome/78.0.3904.96 Mobile Safari/537.36"),
        format!("Mozilla/5.0 (Linux; Android 13; Spider 8) {ANDROID} Chrome/124.0.0.0 Safari/537.36"),
        format!("Mozilla/5.0 (Linux; Android 9; moto g(7) power) {ANDROID} Chrome/120.0.0.0 Mobile Safari/537.36"),
        format!("Mozilla/5.0 (Linux; Android 16; SM-F966N; wv) {ANDROID} Version/4.0 Chrome/145.0.0.0 Mobile Safari/537.36 Viber/27.4.0.0"),
        format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {ANDROID} Code/1.115.0 Chrome/142.0.7444.265 Electron/39.8.5 Safari/537.36"),
        "[FBAN/FB4A;FBAV/80.0.0.21.65;FBBV/31390006;FBCR/VIVO;FBPN/com.facebook.katana;FBOP/19;FBCA/armeabi]".to_owned(),
    ] {
        let verdict = classify(&Evidence::of_agent(HitKind::Click, Some(&agent)));
        assert_eq!(verdict.class, Class::Human, "{verdict:?} {agent}");
    }
    for agent in [
        format!(
            "Mozilla/5.0 (Linux; Android 8.0; Pixel 2 Build/OPD3.170816.012; Storebot-Google/1.0) {ANDROID} Chrome/81.0.4044.138 Mobile Safari/537.36"
        ),
        format!(
            "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) {ANDROID} Chrome/114.0.0.0 Mobile Safari/537.36 (compatible; Google-Safety; +http://www.google.com/bot.html)"
        ),
        format!(
            "Mozilla/5.0 (iPad; CPU OS 15_3_1 like Mac OS X) adbeat.com/policy {ANDROID} Version/15.3.1 Mobile/15E148 Safari/604.1"
        ),
    ] {
        let verdict = classify(&Evidence::of_agent(HitKind::Click, Some(&agent)));
        assert_eq!(verdict.class, Class::Bot, "{agent}");
    }
}

#[test]
fn scanners_checkers_and_libraries_are_bots() {
    let missed: Vec<_> = lines(BOTS)
        .map(|agent| (open_by(agent), agent))
        .filter(|(verdict, _)| verdict.class != Class::Bot)
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}
