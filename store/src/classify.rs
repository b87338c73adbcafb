//! Who acted: a person, a mailbox's image proxy for one, a machine that fetches ahead, or a bot.
//!
//! [`classify`] is a pure function of the [`Evidence`]: no clock, no file, no network. Every rule
//! looks at the evidence by itself and may name a class; the most severe one counts (people before
//! machines before bots). More evidence can only add classes, so it never turns a machine into a
//! person. The agent alone decides between `human` and `proxy_human`.
//!
//! - `agent`: what an agent says
//! - `networks`: whose an address is
//! - `of_page`: the class of an event that a page sent; [`of_client`]: that of all of a request
//! - `ranges`: sorted ranges of addresses
//! - [`relay`]: Apple's relay addresses, a list that is fetched and not shipped
//! - [`timing`]: how a verdict depends on the time since the sending
//! - `tables`: the data files in `collector/data`, which name their sources
//! - [`unsubscribe`]: the class of an unsubscribe, by its way
//!
//! Who sends many links at once is not seen here but by the fold, which re-labels with
//! `link_burst`; each rule says where it comes from.

mod agent;
mod networks;
mod page;
mod ranges;
pub mod relay;
mod tables;
#[cfg(test)]
mod tests;
mod timing;
pub mod unsubscribe;

use std::net::IpAddr;

use crate::record::Class;
use agent::Agent;
use networks::KnownNetwork;
pub use page::of_client;
pub(crate) use page::of_page;
pub use timing::timing;

/// An open by an ordinary browser less than so many milliseconds after sending is a machine's.
/// Source: warmbly, `open_class_test.go`, 60 s, half-open.
pub(crate) const OPEN_WINDOW_MS: i64 = 60_000;
/// A click by an ordinary browser less than so many milliseconds after sending is a bot's.
/// Source: warmbly, 30 s, half-open; scanners click when they deliver.
pub(crate) const CLICK_WINDOW_MS: i64 = 30_000;
/// A network that is only probably a scanner's counts for so many milliseconds after sending.
/// Source: design, section 6: 10 minutes, half-open; later it is a person in an isolated browser.
pub(crate) const PROBABLE_WINDOW_MS: i64 = 600_000;

/// The reason of clicks that the fold re-labels: too many different targets of one message at once,
/// see `views::engagement::message`.
pub(crate) const LINK_BURST: &str = "link_burst";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HitKind {
    /// The pixel of a mail was fetched.
    Open,
    /// A link of a mail was followed.
    Click,
    /// A page sent an event.
    Web,
}

/// The method of a request, as far as it says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    #[default]
    Get,
    Head,
    Other,
}

impl Method {
    /// From its name, in any case.
    pub fn named(name: &str) -> Self {
        match name {
            name if name.eq_ignore_ascii_case("GET") => Self::Get,
            name if name.eq_ignore_ascii_case("HEAD") => Self::Head,
            _ => Self::Other,
        }
    }
}

/// What is known of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Evidence<'a> {
    pub kind: HitKind,
    /// The user agent as it was sent.
    pub agent: Option<&'a str>,
    /// The client's address, as resolved through the trusted proxies.
    pub address: Option<IpAddr>,
    /// Means nothing where [`HitKind::Web`]: pages post.
    pub method: Method,
    /// Whether a header says that this is fetched ahead: see [`is_prefetch_header`].
    pub is_prefetch: bool,
    /// Milliseconds since the message was sent; negative where clocks disagree.
    pub after_send_ms: Option<i64>,
    /// Whether the message is transactional: people wait for those, so haste says nothing.
    pub is_transactional: bool,
    /// Whether a page says that a program steers its browser (`navigator.webdriver`).
    pub is_automated: bool,
    /// Whether the address is one of Apple's relays: see [`relay`]. People use them too, so it
    /// corroborates an Apple prefetch and means nothing by itself.
    pub on_relay_list: bool,
}

impl<'a> Evidence<'a> {
    /// An agent and nothing else.
    pub fn of_agent(kind: HitKind, agent: Option<&'a str>) -> Self {
        Self {
            kind,
            agent,
            address: None,
            method: Method::Get,
            is_prefetch: false,
            after_send_ms: None,
            is_transactional: false,
            is_automated: false,
            on_relay_list: false,
        }
    }
}

/// Who acted, and the rule that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    pub class: Class,
    /// A stable code:
    ///
    /// | class | reasons |
    /// |---|---|
    /// | human | `browser`, `mail_client`, `desktop_app`, `other_program`, `unsubscribe_form` |
    /// | proxy_human | `mailbox_proxy`, `one_click` |
    /// | machine | `apple_prefetch`, `apple_prefetch_relay` (from an address on Apple's list), `gmail_prefetch`, `prefetch_header`, `too_soon_after_send` |
    /// | bot | `head_request`, `unusual_method`, `scanner_network`, `probable_scanner_network`, `empty_agent`, `link_checker`, `security_vendor`, `crawler_agent`, `automation_agent`, `agent_with_address`, `automation`, `image_proxy` (a click or a page under the agent of a mailbox's proxy), `too_soon_after_send`, and `link_burst` from the fold |
    pub reason: &'static str,
}

impl Judgement {
    /// As a record keeps it.
    pub fn kept(self) -> (Class, String) {
        (self.class, self.reason.to_owned())
    }
}

/// Says who acted. Where several rules name the same class, the reason is that of the first.
pub fn classify(evidence: &Evidence<'_>) -> Judgement {
    let network = evidence.address.and_then(networks::find);
    let agent = agent::judge(evidence.agent);
    let is_corroborated =
        agent == Agent::ApplePrefetch && evidence.kind == HitKind::Open && evidence.on_relay_list;
    let basis = if is_corroborated {
        (Class::Machine, "apple_prefetch_relay")
    } else {
        agent.verdict(evidence.kind)
    };
    let rules = [
        by_method(evidence),
        by_network(evidence, network),
        evidence.is_automated.then_some((Class::Bot, "automation")),
        by_prefetch(evidence, agent, network),
        by_time(evidence, agent),
    ];
    let (class, reason) = rules.into_iter().flatten().fold(basis, |worst, found| {
        if severity(found.0) > severity(worst.0) {
            found
        } else {
            worst
        }
    });
    Judgement { class, reason }
}

/// How far a class is from a person. A proxy acts for one, so both are as far.
pub(crate) fn severity(class: Class) -> u8 {
    match class {
        Class::Human | Class::ProxyHuman => 0,
        Class::Machine => 1,
        Class::Bot => 2,
    }
}

/// Whether a header says that nobody looks yet. Names and values in any case.
///
/// Source: the Fetch standard (`Sec-Purpose`), Chrome (`Purpose`), Safari (`X-Purpose`), Firefox
/// (`X-Moz`), as listed by warmbly and `OpenEngage`.
pub fn is_prefetch_header(name: &str, value: &str) -> bool {
    const NAMES: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
    const VALUES: [&str; 3] = ["prefetch", "preview", "prerender"];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)) && {
        let value = value.to_ascii_lowercase();
        VALUES.iter().any(|known| value.contains(known))
    }
}

type Found = Option<(Class, &'static str)>;

/// People's programs get pixels and follow links; whatever looks without getting is none.
/// Source: jusso-dev/Collie#31, `OpenEngage` rule 3.
fn by_method(evidence: &Evidence<'_>) -> Found {
    match (evidence.kind, evidence.method) {
        (HitKind::Web, _) | (_, Method::Get) => None,
        (_, Method::Head) => Some((Class::Bot, "head_request")),
        (_, Method::Other) => Some((Class::Bot, "unusual_method")),
    }
}

fn by_network(evidence: &Evidence<'_>, network: Option<KnownNetwork>) -> Found {
    match network? {
        KnownNetwork::Scanner => Some((Class::Bot, "scanner_network")),
        KnownNetwork::ProbableScanner
            if evidence.kind != HitKind::Web && is_within(evidence, PROBABLE_WINDOW_MS) =>
        {
            Some((Class::Bot, "probable_scanner_network"))
        }
        KnownNetwork::ProbableScanner | KnownNetwork::GmailProxy => None,
    }
}

fn by_prefetch(evidence: &Evidence<'_>, agent: Agent, network: Option<KnownNetwork>) -> Found {
    let is_mail = evidence.kind != HitKind::Web;
    match agent {
        // Plain Chrome 104, save from where Gmail fetches.
        Agent::Chrome104 if is_mail && network == Some(KnownNetwork::GmailProxy) => {
            Some((Class::Machine, "gmail_prefetch"))
        }
        _ if evidence.is_prefetch => Some((Class::Machine, "prefetch_header")),
        _ => None,
    }
}

/// Only ordinary browsers, and for clicks whatever else is unknown: mail clients load pictures as they
/// show a mail that has just come, and mailbox proxies fetch for a reader at any time.
fn by_time(evidence: &Evidence<'_>, agent: Agent) -> Found {
    let (class, window) = match evidence.kind {
        HitKind::Open => (Class::Machine, OPEN_WINDOW_MS),
        HitKind::Click => (Class::Bot, CLICK_WINDOW_MS),
        HitKind::Web => return None,
    };
    let counts = agent.is_judged_by_haste(evidence.kind)
        && !evidence.is_transactional
        && is_within(evidence, window);
    counts.then_some((class, "too_soon_after_send"))
}

/// Half-open: the end is outside. A delay that is absent or negative says nothing.
fn is_within(evidence: &Evidence<'_>, window_ms: i64) -> bool {
    evidence
        .after_send_ms
        .is_some_and(|after| (0..window_ms).contains(&after))
}
