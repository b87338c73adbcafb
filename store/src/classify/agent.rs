//! What an agent says about who stands behind it. The order of the questions is the rule: mailbox
//! proxies, mail clients and apps are in every list of bots, so they are asked for before it.
//!
//! Names are looked for outside a phone's model, and crawler-user-agents is not asked about phones and
//! desktop apps at all: it takes agents in bulk from lists of others, and the names of Android builds,
//! in-app browsers and programs among them (its #430, #445, #446, of which #451, isbot#314 and
//! uap-core#665 complain). Of its 2,100 examples that costs none that is a crawler's.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::HitKind;
use super::tables::{Matcher, sections};
use crate::record::Class;

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
    /// A program with a browser inside, such as Electron's: people read in it, and it is no ordinary
    /// browser.
    DesktopApp,
    Browser,
    /// A browser, but see [`CHROME_104`].
    Chrome104,
    /// A program that is no browser and in no list.
    Other,
    Empty,
    LinkChecker,
    SecurityVendor,
    Crawler,
    Automation,
    WithAddress,
}

impl Agent {
    /// Class and reason, where nothing but the agent is known.
    pub(super) fn verdict(self, kind: HitKind) -> (Class, &'static str) {
        match self {
            Self::MailboxProxy if kind == HitKind::Open => (Class::ProxyHuman, "mailbox_proxy"),
            // They fetch pictures, and neither follow links nor run pages.
            Self::MailboxProxy => (Class::Bot, "image_proxy"),
            Self::MailClient => (Class::Human, "mail_client"),
            Self::DesktopApp => (Class::Human, "desktop_app"),
            Self::Browser | Self::Chrome104 => (Class::Human, "browser"),
            Self::Other => (Class::Human, "other_program"),
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

    /// Whether haste tells its machines from its people. Mail clients load pictures as they show a
    /// mail that has just come, and so may any program; links open in browsers.
    pub(super) fn is_judged_by_haste(self, kind: HitKind) -> bool {
        match self {
            Self::Browser | Self::Chrome104 => true,
            Self::Other => kind == HitKind::Click,
            _ => false,
        }
    }

    /// Whether it names itself a machine that checks or is steered, rather than a library: evidence
    /// also where back ends speak for people.
    pub(super) fn is_checking(self) -> bool {
        matches!(self, Self::LinkChecker | Self::SecurityVendor)
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
    image_proxy: Matcher,
    office: Matcher,
    mail_client: Matcher,
    no_mail_client: Matcher,
    app: Matcher,
    desktop_app: Matcher,
    named_device: Matcher,
    automation: Matcher,
    headless: Matcher,
    address: Matcher,
    crawler_user_agents: Matcher,
    isbot: Matcher,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let (agents, crawlers) = (sections(AGENTS), sections(CRAWLERS));
    let of = |name: &str| {
        let lines = agents
            .iter()
            .chain(&crawlers)
            .find(|(section, _)| *section == name)
            .map(|(_, lines)| lines.as_slice());
        Matcher::new(lines.unwrap_or_else(|| panic!("no data file has a section {name}")))
    };
    Tables {
        mailbox_proxy: of("mailbox_proxy"),
        gmail_prefetch: of("gmail_prefetch"),
        checker: of("checker"),
        security_vendor: of("security_vendor"),
        vendor_with_browser: of("vendor_with_browser"),
        vendor_browser: of("vendor_browser"),
        image_proxy: of("image_proxy"),
        office: of("office"),
        mail_client: of("mail_client"),
        no_mail_client: of("no_mail_client"),
        app: of("app"),
        desktop_app: of("desktop_app"),
        named_device: of("named_device"),
        automation: of("automation"),
        headless: of("headless"),
        address: of("address"),
        crawler_user_agents: of("crawler-user-agents"),
        isbot: of("isbot"),
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
    let (named, is_phone) = without_model(tables, agent);
    let named = named.as_ref();
    if tables.checker.is_in(named) {
        return Agent::LinkChecker;
    }
    if tables.security_vendor.is_in(named) || is_vendor_not_browser(tables, agent) {
        return Agent::SecurityVendor;
    }
    if tables.image_proxy.is_in(agent) {
        return Agent::MailboxProxy;
    }
    // Outlook's agent also holds what Internet Explorer's add-ons put there, addresses among it.
    if tables.office.is_in(agent) {
        return Agent::MailClient;
    }
    let has_address = tables.address.is_in(agent);
    let is_mail_client = || tables.mail_client.is_in(agent) && !tables.no_mail_client.is_in(named);
    if !has_address && is_mail_client() {
        return Agent::MailClient;
    }
    if tables.headless.is_in(agent) || tables.automation.is_in(agent) {
        return Agent::Automation;
    }
    let is_desktop_app = tables.desktop_app.is_in(agent);
    let is_app = || {
        // Without a browser's agent around it, it is the app's server that looks at links.
        (agent.starts_with("Mozilla/") || agent.starts_with("[FB")) && tables.app.is_in(agent)
    };
    let is_listed = || {
        !(is_phone || is_desktop_app) && tables.crawler_user_agents.is_in(agent)
            || tables.isbot.is_in(named)
    };
    if (has_address || !is_app()) && is_listed() {
        return Agent::Crawler;
    }
    if has_address {
        return Agent::WithAddress;
    }
    if is_desktop_app {
        return Agent::DesktopApp;
    }
    if ["Mozilla/", "Opera/", "[FB"]
        .iter()
        .any(|start| agent.starts_with(start))
    {
        Agent::Browser
    } else {
        Agent::Other
    }
}

/// Whether an agent is a program's that steers a browser without a window.
pub(super) fn is_headless(agent: Option<&str>) -> bool {
    agent.is_some_and(|agent| TABLES.headless.is_in(agent))
}

/// The agent without a phone's model, where it is a phone's, and whether it is.
fn without_model<'a>(tables: &Tables, agent: &'a str) -> (Cow<'a, str>, bool) {
    const BROWSER: &str = "Mozilla/5.0 (";
    const PHONES: [&str; 6] = [
        "Linux; Android",
        "Linux; U; Android",
        "Linux; arm_64; Android",
        "iPhone",
        "iPad",
        "iPod",
    ];
    let parts = agent
        .strip_prefix(BROWSER)
        .filter(|rest| PHONES.iter().any(|phone| rest.starts_with(phone)))
        .and_then(|rest| rest.split_once(')'));
    match parts {
        None => (Cow::Borrowed(agent), false),
        Some((model, _)) if tables.named_device.is_in(model) => (Cow::Borrowed(agent), false),
        Some((_, rest)) => (Cow::Owned(format!("{BROWSER}phone){rest}")), true),
    }
}

/// Some vendors of virus scanners also ship a browser, which people use.
fn is_vendor_not_browser(tables: &Tables, agent: &str) -> bool {
    tables.vendor_with_browser.is_in(agent) && !tables.vendor_browser.is_in(agent)
}
