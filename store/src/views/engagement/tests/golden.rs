//! The golden scenarios of `scenarios.json`: each is appended to a real log, folded live one record
//! at a time, in one batch and by a rebuild, and must come to the same rows and to what it expects.
//!
//! Times are sums of parts relative to [`NOW`] (`5d -1ms`). Counts read `total/unique`, revenue
//! `model: orders for gross - refunded currency` in minor units, scores `weight@time` for each event
//! that counts (of pages the start of its UTC day, which is `-51200s` for [`NOW`]). What is not expected must not be there. Names of another workspace start with its
//! number and a slash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use shared::decimal::Decimal;
use shared::ids::{CampaignId, EventId, OrderId, RefundId};
use shared::money::{Currency, Money};
use shared::time::Timestamp;

use super::super::order::{Credit, CreditCause, TouchKind};
use super::super::tally::{self, Totals};
use super::{contact_of, dump_of, email, live, oracle, rebuilt};
use crate::ledger::decide::{RefundAsk, WorkspaceKeys as _};
use crate::ledger::memory::MemoryLedger;
use crate::ledger::{Appended, Log, Proposed, Submission};
use crate::record::extra::Timing;
use crate::record::{
    Class, Client, Entry, Fact, MessageType, Personal, SendRef, Seq, Source, ToldBy, Visitor,
    WorkspaceId,
};
use crate::targets::marks;
use crate::views::Views;
use crate::views::history::{Keys, NOW, address, all, at_once, entry, keys, message_id};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    #[serde(default)]
    messages: BTreeMap<String, Send>,
    events: Vec<Event>,
    /// The seqs that are redacted once all is appended.
    #[serde(default)]
    redact: Vec<u64>,
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    to: String,
    campaign: Option<String>,
    #[serde(default)]
    transactional: bool,
    /// How many different pages its links lead to, where that was noted.
    targets: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    at: String,
    /// Where it differs from `at`.
    received: Option<String>,
    #[serde(default = "one")]
    workspace: u32,
    what: What,
    /// For what is not about a message.
    who: Option<String>,
    message: Option<String>,
    class: Option<Class>,
    /// Of an open or a click: the class until so long after its message left; later a person.
    #[serde(default)]
    timing: Vec<(String, Class)>,
    #[serde(default = "an_address")]
    from: String,
    #[serde(default)]
    link: u32,
    /// Where the link leads, where the record tells.
    target: Option<String>,
    /// Whether the record has marks of target and network, as new ones do.
    #[serde(default)]
    marked: bool,
    order: Option<String>,
    refund: Option<String>,
    /// An amount, then a currency where one is given.
    money: Option<String>,
    #[serde(default = "yes")]
    verified: bool,
    #[serde(default)]
    becomes: Outcome,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum What {
    Send,
    Open,
    Click,
    Unsubscribe,
    Told,
    PageView,
    Track,
    Order,
    Amend,
    Refund,
}

#[derive(Deserialize, Debug, Default, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    #[default]
    Tracked,
    Duplicate,
    Conflict,
    Refused,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// Every order there is, with `messageId by cause` for each model that credits it.
    #[serde(default)]
    orders: BTreeMap<String, BTreeMap<String, String>>,
    /// Those that are not named have nothing.
    #[serde(default)]
    messages: BTreeMap<String, Figures>,
    #[serde(default)]
    campaigns: BTreeMap<String, Figures>,
    #[serde(default)]
    relabelled: BTreeSet<u64>,
    #[serde(default)]
    scores: BTreeMap<String, String>,
    #[serde(default)]
    unsubscribed: BTreeMap<String, String>,
}

#[derive(Deserialize, Debug, Default, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Figures {
    sent: i64,
    opens: String,
    clicks: String,
    inferred_opens: i64,
    unsubscribes: i64,
    revenue: Vec<String>,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn an_address() -> String {
    "192.0.2.1".into()
}

/// Milliseconds since 1970 of a sum of parts.
fn moment(text: &str) -> i64 {
    let part = |part: &str| {
        let unit = part.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit());
        let number: i64 = part[..part.len() - unit.len()].parse().unwrap();
        number
            * match unit {
                "d" => 86_400_000,
                "h" => 3_600_000,
                "m" => 60_000,
                "s" => 1_000,
                "ms" | "" => 1,
                unit => panic!("no unit of time: {unit}"),
            }
    };
    NOW + text.split(' ').map(part).sum::<i64>()
}

impl Event {
    fn submission(&self, number: usize, scenario: &Scenario) -> Submission {
        let workspace = WorkspaceId(self.workspace);
        let mut id = [0x41; 16];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let time = moment(&self.at);
        let message = || self.message.clone().expect("a message");
        let about = |id: &str| scenario.messages.get(id).expect("a known message");
        let kind = |send: &Send| match send.transactional {
            true => MessageType::Transactional,
            false => MessageType::Campaign,
        };
        let send = || {
            let send = about(&message());
            SendRef {
                message_id: message_id(&message()),
                contact: Some(contact_of(workspace, &send.to)),
                campaign_id: send.campaign.as_deref().map(campaign_id),
                message_type: kind(send),
                sent_at: Timestamp::from_millis(NOW - 30 * 86_400_000),
            }
        };
        let order = || OrderId::parse(self.order.as_ref().expect("an order")).unwrap();
        let (amount, currency) = match self.money.as_deref().map(|money| money.split_once(' ')) {
            Some(Some((amount, currency))) => (Some(amount), Some(currency)),
            Some(None) => (self.money.as_deref(), None),
            None => (None, None),
        };
        let amount = amount.map(|amount| Decimal::parse(amount).unwrap());
        let currency = currency.map(|currency| Currency::parse(currency).unwrap());
        let revenue = || {
            let amount = amount.as_ref().expect("an amount");
            let currency = currency.expect("a currency");
            Money::from_decimal(amount, currency).unwrap().0
        };
        let led_by = self.message.as_deref().map(message_id);
        let track = |name: &str| Fact::Track {
            name: name.into(),
            properties: None,
            message_id: led_by.clone(),
        };
        let (fact, source) = match self.what {
            What::Send => (
                Fact::Send {
                    message_id: message_id(&message()),
                    campaign_id: about(&message()).campaign.as_deref().map(campaign_id),
                    message_type: kind(about(&message())),
                    subject: None,
                    content: [0; 32],
                    token_key: 1,
                    targets: about(&message()).targets,
                },
                Source::Server,
            ),
            What::Open => (Fact::Open { send: send() }, Source::Mail),
            What::Click => (
                Fact::Click {
                    send: send(),
                    link: self.link,
                    target: self.target.clone().map(Personal),
                    target_number: None,
                    marks: self.marked.then(|| {
                        let link = format!("https://shop.example/{}", self.link);
                        let target = self.target.as_ref().unwrap_or(&link);
                        let key = Keys.key_of(workspace).unwrap();
                        marks(&key, &message(), target, self.from.parse().unwrap())
                    }),
                },
                Source::Mail,
            ),
            What::Unsubscribe => (Fact::Unsubscribe { send: send() }, Source::Mail),
            What::Told => (Fact::Told { send: send() }, Source::Server),
            What::PageView => (track("page_viewed"), Source::Browser),
            What::Track => (track("trial_started"), Source::Server),
            What::Order => (
                Fact::Purchase {
                    order_id: order(),
                    revenue: revenue(),
                    rounded: false,
                    items: None,
                    message_id: led_by.clone(),
                },
                if self.verified {
                    Source::Server
                } else {
                    Source::Browser
                },
            ),
            What::Amend => (
                Fact::Amend {
                    order_id: order(),
                    revenue: revenue(),
                    rounded: false,
                    items: None,
                    message_id: led_by.clone(),
                },
                Source::Server,
            ),
            // What it asks for is put in its place below.
            What::Refund => (Fact::Identify { traits: None }, Source::Server),
        };
        let class = self
            .class
            .or((source == Source::Mail).then_some(Class::Human));
        let window = |(end, class): &(String, Class)| {
            let end = u32::try_from(moment(end) - NOW).unwrap();
            (end, *class, "soon".to_owned())
        };
        let client = (source == Source::Mail).then(|| Client {
            address: Personal(self.from.clone()),
            agent: None,
            headers: Vec::new(),
        });
        let visitor = Visitor {
            client: client.map(Arc::new),
            class: class.map(|class| (class, "golden".into())),
        };
        let entry = Entry {
            workspace,
            id: EventId::from_bytes(id),
            time: Timestamp::from_millis(time),
            time_sent: matches!(self.what, What::Amend),
            received_at: Timestamp::from_millis(self.received.as_deref().map_or(time, moment)),
            told_by: match source {
                Source::Server => ToldBy::server(),
                Source::Browser => ToldBy::browser(visitor),
                Source::Mail => ToldBy::Mail {
                    visitor,
                    timing: (!self.timing.is_empty()).then(|| Timing {
                        windows: self.timing.iter().map(window).collect(),
                        otherwise: (Class::Human, "golden".into()),
                    }),
                },
            },
            address: match self.what {
                What::Send => address(&email(&about(&message()).to)),
                _ => self.who.as_deref().and_then(|who| address(&email(who))),
            },
            fact,
            ..entry(0)
        };
        match self.what {
            What::Refund => {
                let refund_id = self.refund.as_ref().expect("a refund");
                let refund = Proposed::Refund {
                    order_id: order(),
                    refund_id: RefundId::parse(refund_id).unwrap(),
                    asked: RefundAsk { amount, currency },
                };
                entry.saying(refund).into()
            }
            _ => entry.into(),
        }
    }
}

fn campaign_id(text: &str) -> CampaignId {
    CampaignId::parse(text).unwrap()
}

/// The workspace and the name within it.
fn split(name: &str) -> (WorkspaceId, &str) {
    match name.split_once('/') {
        Some((workspace, name)) => (WorkspaceId(workspace.parse().unwrap()), name),
        None => (WorkspaceId(1), name),
    }
}

fn figures(totals: &Totals) -> Figures {
    let counts = |figures: &tally::Figures| {
        let tally::Figures {
            total,
            unique_all,
            unique_machines,
            unique_genuine,
        } = figures;
        if total.all() == 0 && *unique_all == 0 {
            return String::new();
        }
        format!(
            "{}/{unique_all} all, {}/{unique_machines} machine, {}/{unique_genuine} genuine",
            total.all(),
            total.machines(),
            total.genuine(),
        )
    };
    let revenue = totals.revenue.iter().map(|earned| {
        let model = earned.model.as_str();
        format!(
            "{model}: {} for {} - {} {}",
            earned.orders, earned.gross, earned.refunded, earned.currency
        )
    });
    Figures {
        sent: totals.sent,
        opens: counts(&totals.opens),
        clicks: counts(&totals.clicks),
        inferred_opens: totals.inferred_opens,
        unsubscribes: totals.unsubscribes,
        revenue: revenue.collect(),
    }
}

fn credit(credit: &Credit) -> String {
    let cause = match credit.cause {
        CreditCause::Explicit => "explicit",
        CreditCause::Touch(TouchKind::Open) => "open",
        CreditCause::Touch(TouchKind::Click) => "click",
    };
    format!("{} by {cause}", credit.message_id)
}

fn check(scenario: &Scenario, views: &Views, seqs: u64) {
    let Scenario { name, expect, .. } = scenario;
    let mut orders = BTreeMap::new();
    for workspace in [1, 2] {
        let each = |_, order: super::super::Order, _: &dyn Fn(&str) -> _| {
            let credits = order.credits.iter().filter_map(|(model, found)| {
                let found = found.as_ref()?;
                Some((model.as_str().to_owned(), credit(found)))
            });
            let prefix = if workspace == 1 { "" } else { "2/" };
            let page = if order.verified { "" } else { " (unverified)" };
            let order_id = format!("{prefix}{}{page}", order.order_id);
            orders.insert(order_id, credits.collect::<BTreeMap<_, _>>());
            Ok(())
        };
        let ever = i64::MIN..i64::MAX;
        views.orders(WorkspaceId(workspace), ever, each).unwrap();
    }
    assert_eq!(orders, expect.orders, "{name}: orders");

    let mut messages: BTreeSet<&str> = expect.messages.keys().map(String::as_str).collect();
    messages.extend(scenario.messages.keys().map(String::as_str));
    let nothing = Figures::default();
    for id in messages {
        let (workspace, message_id) = split(id);
        let found = views.message(workspace, message_id).unwrap();
        let found = figures(&found.unwrap_or_default().totals());
        let expected = expect.messages.get(id).unwrap_or(&nothing);
        assert_eq!(found, *expected, "{name}: message {id}");
    }
    for (id, expected) in &expect.campaigns {
        let (workspace, campaign_id) = split(id);
        let found = views.campaign(workspace, campaign_id, i64::MAX).unwrap();
        let found = figures(&found.unwrap_or_default());
        assert_eq!(found, *expected, "{name}: campaign {id}");
    }
    let rows = views.engagement_rows();
    let snapshot = |seq: &u64| super::super::is_relabelled(&rows, *seq);
    let relabelled: BTreeSet<u64> = (1..=seqs).filter(|seq| snapshot(seq).unwrap()).collect();
    assert_eq!(relabelled, expect.relabelled, "{name}: re-labelled");

    for (who, terms) in &expect.scores {
        let (workspace, who) = split(who);
        let now = NOW + 40 * 86_400_000;
        let term = |term: &str| {
            let (weight, time) = term.split_once('@').unwrap();
            oracle::decayed(
                weight.parse().unwrap(),
                moment(&time.replace('+', " ")),
                now,
            )
        };
        let expected: f64 = terms.split_whitespace().map(term).sum();
        let found = views.contact(contact_of(workspace, who)).unwrap();
        let found = found.unwrap_or_default().score_at(now);
        let off = (found - expected).abs();
        assert!(off < 1e-9, "{name}: score of {who}: {found} for {expected}");
    }
    let named = scenario.messages.values().map(|send| send.to.as_str());
    for who in named.chain(expect.unsubscribed.keys().map(String::as_str)) {
        let (workspace, contact) = split(who);
        let found = views.contact(contact_of(workspace, contact));
        let found = found.unwrap().unwrap_or_default().unsubscribed_at;
        let expected = expect.unsubscribed.get(who).map(|at| moment(at));
        assert_eq!(found, expected, "{name}: {who} unsubscribed");
    }
}

#[test]
fn every_golden_scenario_comes_out_as_expected_live_and_by_a_rebuild() {
    let scenarios: Vec<Scenario> = serde_json::from_str(include_str!("scenarios.json")).unwrap();
    let names: BTreeSet<&str> = scenarios.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names.len(), scenarios.len(), "two of one name");
    assert!(scenarios.len() >= 30);
    for scenario in &scenarios {
        let name = &scenario.name;
        let log = MemoryLedger::new(keys());
        for (number, event) in scenario.events.iter().enumerate() {
            let appended = at_once(log.append(vec![event.submission(number, scenario)])).unwrap();
            let outcome = match &appended[0] {
                Appended::Tracked { .. } => Outcome::Tracked,
                Appended::Duplicate { .. } => Outcome::Duplicate,
                Appended::Conflict { .. } | Appended::IdConflict => Outcome::Conflict,
                Appended::Refused(_) => Outcome::Refused,
            };
            assert_eq!(outcome, event.becomes, "{name}: event {number}");
        }
        at_once(log.redact(scenario.redact.iter().copied().map(Seq).collect())).unwrap();

        let records = all(&log);
        let one_by_one = live(records.chunks(1));
        let expected = dump_of(&one_by_one);
        let at_one_go = live(std::iter::once(records.as_slice()));
        assert_eq!(dump_of(&at_one_go), expected, "{name}");
        let rebuilt = rebuilt(&log);
        assert_eq!(dump_of(&rebuilt), expected, "{name}");
        for folded in [&one_by_one, &at_one_go, &rebuilt] {
            check(scenario, &folded.views, records.len() as u64);
            oracle::Report::of(&records).check(&folded.views);
        }
    }
}
