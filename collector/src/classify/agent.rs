//! What an agent says about who stands behind it. The order of the questions is the rule: mailbox
//! proxies and mail clients are in every list of bots, so they are asked for before it.

use std::sync::LazyLock;

use super::tables::{Matcher, sections};
use crate::log::record::Class;

/// Apple's Mail Privacy Protection, to the letter. Sources: ua-parser/uap-core#509, Mailgun,
/// `ClickDimensions`; since 2021-09-20. Longer agents that begin with it are not meant.
const APPLE_PREFETCH: &str = "Mozilla/5.0";
/// The second entry of keila's list (`tracking.ex`). It is also what plain Chrome 104 sends, so it
/// counts only from Google's addresses.
const CHROME_104: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/104.0.0.0 \
     Safari/537.36";

const AGENTS: &str = include_str!("../../data/agents.txt");
const CRAWLERS: &str = include_str!("../../data/crawlers.txt");

/// What an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agent {
    MailboxProxy,
    ApplePrefetch,
    GmailPrefetch,
    MailClient,
    Browser,
    /// A browser, but see [`CHROME_104`].
    Chrome104,
    Empty,
    LinkChecker,
    SecurityVendor,
    Crawler,
    Automation,
    WithAddress,
}

impl Agent {
    /// Class and reason, where nothing but the agent is known.
    pub(super) fn verdict(self) -> (Class, &'static str) {
        match self {
            Self::MailboxProxy => (Class::ProxyHuman, "mailbox_proxy"),
            Self::MailClient => (Class::Human, "mail_client"),
            Self::Browser | Self::Chrome104 => (Class::Human, "browser"),
            Self::ApplePrefetch => (Class::Machine, "apple_prefetch"),
            Self::GmailPrefetch => (Class::Machine, "gmail_prefetch"),
            Self::Empty => (Class::Bot, "empty_agent"),
            Self::LinkChecker => (Class::Bot, "link_checker"),
            Self::SecurityVendor => (Class::Bot, "security_vendor"),
            Self::Crawler => (Class::Bot, "crawler_agent"),
            Self::Automation => (Class::Bot, "automation_agent"),
            Self::WithAddress => (Class::Bot, "agent_with_address"),
        }
    }

    /// Whether haste tells its machines from its people.
    pub(super) fn is_browser(self) -> bool {
        matches!(self, Self::Browser | Self::Chrome104)
    }
}

/// The tables, made ready once: a few milliseconds.
struct Tables {
    mailbox_proxy: Matcher,
    gmail_prefetch: Matcher,
    checker: Matcher,
    security_vendor: Matcher,
    vendor_with_browser: Matcher,
    vendor_browser: Matcher,
    office: Matcher,
    mail_client: Matcher,
    automation: Matcher,
    address: Matcher,
    crawlers: Matcher,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let sections = sections(AGENTS);
    let of = |name: &str| {
        let lines = sections
            .iter()
            .find(|(section, _)| *section == name)
            .map(|(_, lines)| lines.as_slice());
        Matcher::new(lines.unwrap_or_else(|| panic!("data/agents.txt has no section {name}")))
    };
    let crawlers: Vec<_> = CRAWLERS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    Tables {
        mailbox_proxy: of("mailbox_proxy"),
        gmail_prefetch: of("gmail_prefetch"),
        checker: of("checker"),
        security_vendor: of("security_vendor"),
        vendor_with_browser: of("vendor_with_browser"),
        vendor_browser: of("vendor_browser"),
        office: of("office"),
        mail_client: of("mail_client"),
        automation: of("automation"),
        address: of("address"),
        crawlers: Matcher::new(&crawlers),
    }
});

/// Says what an agent is.
pub(super) fn judge(agent: Option<&str>) -> Agent {
    let agent = agent.unwrap_or_default().trim();
    if agent.is_empty() {
        return Agent::Empty;
    }
    let tables = &*TABLES;
    if tables.mailbox_proxy.is_in(agent) {
        return Agent::MailboxProxy;
    }
    if agent == APPLE_PREFETCH {
        return Agent::ApplePrefetch;
    }
    if tables.gmail_prefetch.is_in(agent) {
        return Agent::GmailPrefetch;
    }
    if agent == CHROME_104 {
        return Agent::Chrome104;
    }
    if tables.checker.is_in(agent) {
        return Agent::LinkChecker;
    }
    if tables.security_vendor.is_in(agent) || is_vendor_not_browser(tables, agent) {
        return Agent::SecurityVendor;
    }
    // Outlook's agent also holds what Internet Explorer's add-ons put there, addresses among it.
    if tables.office.is_in(agent) {
        return Agent::MailClient;
    }
    let has_address = tables.address.is_in(agent);
    if !has_address && tables.mail_client.is_in(agent) {
        return Agent::MailClient;
    }
    if tables.automation.is_in(agent) {
        return Agent::Automation;
    }
    if tables.crawlers.is_in(agent) {
        return Agent::Crawler;
    }
    if has_address {
        return Agent::WithAddress;
    }
    Agent::Browser
}

/// Some vendors of virus scanners also ship a browser, which people use.
fn is_vendor_not_browser(tables: &Tables, agent: &str) -> bool {
    tables.vendor_with_browser.is_in(agent) && !tables.vendor_browser.is_in(agent)
}
