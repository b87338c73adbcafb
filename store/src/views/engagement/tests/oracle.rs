//! What must come out, by the rules alone: every figure from a scan of all records, quadratic where
//! that is the plain way to say it.

use std::collections::{BTreeMap, BTreeSet};

use shared::ids::{CampaignId, MessageId};

use super::super::order::{CreditCause, TouchKind};
use super::super::tally::{Earned, Figures, Tally, Totals};
use crate::attribution::PerModel;
use crate::ledger::decide::WorkspaceKeys as _;
use crate::ledger::suppression;
use crate::record::{
    Class, ContactId, DeliveryStatus, Entry, Fact, MessageType, Record, SendRef, Source,
    WorkspaceId,
};
use crate::views::Views;
use crate::views::history::Keys;

const DAY: i64 = 86_400_000;
const WINDOW: i64 = 5 * DAY;

/// A messageId and why, for each model.
type Credits = PerModel<Option<(String, CreditCause)>>;

/// All that the rules say of these records.
#[derive(Default)]
pub(super) struct Report {
    relabelled: BTreeSet<u64>,
    rejudged: BTreeMap<u64, (Class, String)>,
    seqs: u64,
    messages: BTreeMap<(WorkspaceId, String), Totals>,
    abouts: BTreeMap<(WorkspaceId, String), About>,
    campaigns: BTreeMap<(WorkspaceId, String), Totals>,
    /// By workspace, verified and orderId.
    orders: BTreeMap<(WorkspaceId, bool, String), Sale>,
    contacts: BTreeMap<(WorkspaceId, ContactId), Person>,
}

type About = (Option<ContactId>, Option<String>, MessageType, i64);

#[derive(Debug, PartialEq)]
struct Sale {
    time: i64,
    contact: Option<ContactId>,
    currency: String,
    gross: i64,
    refunded: i64,
    credits: Credits,
}

#[derive(Default)]
struct Person {
    terms: Vec<(f64, i64)>,
    /// Of pages, by UTC day.
    pages: BTreeMap<i64, f64>,
    seen: Vec<i64>,
    unsubscribed: Vec<i64>,
}

/// What is left at `now` of a weight at `then`.
pub(super) fn decayed(weight: f64, then: i64, now: i64) -> f64 {
    let days = (now - then) as f64 / DAY as f64;
    weight * 0.5_f64.powf(days / 30.0)
}

fn time(entry: &Entry) -> i64 {
    let (time, received) = (entry.time.as_millis(), entry.received_at.as_millis());
    if time > received { received } else { time }
}

fn contact(entry: &Entry) -> Option<ContactId> {
    entry.contact(&Keys.key_of(entry.workspace).unwrap())
}

fn genuine(class: Class) -> bool {
    class == Class::Human || class == Class::ProxyHuman
}

/// What tells targets and networks of one message apart: the marks, or what an old record has instead.
type Sign = (Option<u64>, String);

struct Followed<'a> {
    seq: u64,
    message: (WorkspaceId, Option<&'a MessageId>),
    target: Sign,
    network: Option<Sign>,
    clock: i64,
    /// How many targets the message was known to have when it was counted last.
    of: Option<u32>,
}

impl<'a> Followed<'a> {
    fn of(Record { seq, entry, .. }: &'a Record, clock: i64, of: Option<u32>) -> Option<Self> {
        let Fact::Click {
            link,
            target,
            marks,
            ..
        } = &entry.fact
        else {
            return None;
        };
        let link = || (None, link.to_string());
        let page = || target.as_ref().map(|target| (None, target.0.clone()));
        let address = || {
            let address = &entry.told_by.client()?.address.0;
            Some((None, address.rsplit_once('.')?.0.to_owned()))
        };
        Some(Self {
            seq: seq.0,
            message: (entry.workspace, entry.fact.message_id()),
            target: marks.map_or_else(
                || page().unwrap_or_else(link),
                |marks| (Some(marks.target), String::new()),
            ),
            network: marks.map_or_else(address, |marks| Some((Some(marks.network), String::new()))),
            clock,
            of,
        })
    }
}

/// The clicks that a burst shows to be a machine's, of whatever class they were.
fn in_bursts(records: &[Record]) -> BTreeSet<u64> {
    let mut clicks: Vec<Followed<'_>> = Vec::new();
    for (at, record) in records.iter().enumerate() {
        let entry = &record.entry;
        let message = (entry.workspace, entry.fact.message_id());
        let before = clicks.iter().filter(|click| click.message == message);
        let clock = before.map(|click| click.clock).max().unwrap_or(0);
        let is_of_it = |of: &Record| (of.entry.workspace, of.entry.fact.message_id()) == message;
        // Once it is told when the message left, its clicks are counted again.
        let is_told = |of: &Record| is_of_it(of) && matches!(of.entry.fact, Fact::Told { .. });
        let known = at.max(records.iter().position(is_told).unwrap_or(0));
        let of = records[..known]
            .iter()
            .find_map(|send| match send.entry.fact {
                Fact::Send { targets, .. } if is_of_it(send) => Some(targets),
                _ => None,
            });
        clicks.extend(Followed::of(record, clock.max(time(entry)), of.flatten()));
    }
    let mut found = BTreeSet::new();
    for (at, last) in clicks.iter().enumerate() {
        let within = |span: i64| {
            clicks[..=at]
                .iter()
                .filter(move |click| {
                    click.message == last.message && last.clock - click.clock < span
                })
                .collect::<Vec<_>>()
        };
        let targets = |clicks: &[&Followed<'_>]| {
            let targets: BTreeSet<&Sign> = clicks.iter().map(|click| &click.target).collect();
            targets.len()
        };
        for (least, span) in [(3, 1_000), (5, 5_000)] {
            let together = within(span);
            if targets(&together) >= least {
                found.extend(together.iter().map(|click| click.seq));
            }
        }
        let mut here = within(60_000);
        here.retain(|click| click.network.is_some() && click.network == last.network);
        let count = targets(&here);
        let are_most = last
            .of
            .is_some_and(|of| count as u64 * 10 >= u64::from(of) * 8);
        if count >= 4 && are_most {
            found.extend(here.iter().map(|click| click.seq));
        }
    }
    found
}

/// The class of each record by itself: the first, or where it was told when its message left, the one
/// that follows from that. Of several that tell, the first counts.
fn by_itself(records: &[Record]) -> BTreeMap<u64, (Class, String)> {
    let judge = |Record { seq, entry, .. }: &Record| {
        let first = entry.told_by.class().cloned();
        let first = first.unwrap_or((Class::Human, String::new()));
        let told = records.iter().find(|told| {
            matches!(told.entry.fact, Fact::Told { .. })
                && told.entry.workspace == entry.workspace
                && told.entry.fact.message_id() == entry.fact.message_id()
        });
        let judged = match (entry.told_by.timing(), told) {
            (Some(timing), Some(told)) => {
                let after = time(entry) - told.entry.time.as_millis();
                let (class, reason) = timing.class_at(after);
                (class, reason.to_owned())
            }
            _ => first,
        };
        (seq.0, judged)
    };
    records.iter().map(judge).collect()
}

impl Report {
    pub(super) fn of(records: &[Record]) -> Self {
        let bursts = in_bursts(records);
        let alone = by_itself(records);
        let first = |seq: u64| alone[&seq].0;
        let class = |Record { seq, .. }: &Record| match bursts.contains(&seq.0) {
            true if genuine(first(seq.0)) => Class::Bot,
            _ => first(seq.0),
        };
        let mut report = Self {
            seqs: records.last().map_or(0, |record| record.seq.0),
            ..Self::default()
        };
        for record in records {
            if class(record) != first(record.seq.0) {
                report.relabelled.insert(record.seq.0);
            }
            let alone = &alone[&record.seq.0];
            let is_timed = record.entry.told_by.timing().is_some();
            if is_timed && record.entry.told_by.class() != Some(alone) {
                report.rejudged.insert(record.seq.0, alone.clone());
            }
            report.see(record, class(record));
        }
        report.sell(records, &class);
        report.count(records, &class);
        report
    }

    fn see(&mut self, Record { entry, .. }: &Record, class: Class) {
        let Some(contact) = contact(entry) else {
            return;
        };
        let person = self.contacts.entry((entry.workspace, contact)).or_default();
        match &entry.fact {
            Fact::Unsubscribe { .. }
            | Fact::Suppress {
                cause: suppression::Cause::Unsubscribed,
            } => person.unsubscribed.push(time(entry)),
            Fact::Lift {
                cause: None | Some(suppression::Cause::Unsubscribed),
                ..
            } => person.unsubscribed.clear(),
            _ => {}
        }
        if !genuine(class) {
            return;
        }
        let weight = match &entry.fact {
            Fact::Send { .. }
            | Fact::Told { .. }
            | Fact::Delivery { .. }
            | Fact::Suppress { .. }
            | Fact::Lift { .. }
            | Fact::Amend { .. }
            | Fact::Refund { .. } => return,
            Fact::Open { .. } => 1.0,
            Fact::Click { .. } => 3.0,
            Fact::Track { name, .. } if name == "page_viewed" => 0.5,
            Fact::Track { .. } => 2.0,
            Fact::Purchase { .. } if entry.is_verified() => 10.0,
            _ => 0.0,
        };
        person.seen.push(time(entry));
        if entry.source() == Source::Browser {
            *person.pages.entry(time(entry).div_euclid(DAY)).or_default() += weight;
        } else {
            person.terms.push((weight, time(entry)));
        }
    }

    fn sell(&mut self, records: &[Record], class: &dyn Fn(&Record) -> Class) {
        for Record { entry, .. } in records {
            let Fact::Purchase {
                order_id,
                revenue: money,
                ..
            } = &entry.fact
            else {
                continue;
            };
            let verified = entry.is_verified();
            let text = |id: &MessageId| id.as_str().to_owned();
            let is_this = |other: &Entry| match &other.fact {
                Fact::Purchase { order_id: id, .. }
                | Fact::Amend { order_id: id, .. }
                | Fact::Refund { order_id: id, .. } => {
                    other.workspace == entry.workspace && id == order_id
                }
                _ => false,
            };
            let others = || records.iter().filter(|other| is_this(&other.entry));
            let is_sale = |other: &Record| matches!(other.entry.fact, Fact::Purchase { .. });
            let vouched = others().any(|other| is_sale(other) && other.entry.is_verified());
            if vouched && !verified {
                continue;
            }
            let is_refund = |other: &Record| matches!(other.entry.fact, Fact::Refund { .. });
            let refunds = others().filter(|other| is_refund(other) && verified);
            let is_amendment = |other: &Record| matches!(other.entry.fact, Fact::Amend { .. });
            let amendments = || others().filter(|other| is_amendment(other) && verified);
            let amended = amendments()
                .filter_map(|other| other.entry.fact.money())
                .next_back();
            let mut renamed = amendments().filter_map(|other| other.entry.fact.message_id());
            let refunded = refunds.map(|refund| refund.entry.fact.money().map_or(0, |m| m.minor));
            let last = |kind| {
                let touches = records.iter().filter(|record| {
                    let touch = &record.entry;
                    let is_kind = match touch.fact {
                        Fact::Open { .. } => kind == TouchKind::Open,
                        Fact::Click { .. } => kind == TouchKind::Click,
                        _ => false,
                    };
                    is_kind
                        && genuine(class(record))
                        && touch.workspace == entry.workspace
                        && contact(touch).is_some()
                        && contact(touch) == contact(entry)
                        && time(touch) <= time(entry)
                        && time(entry) < time(touch) + WINDOW
                });
                let touch = touches.max_by_key(|record| (time(&record.entry), record.seq))?;
                Some((
                    touch.entry.fact.message_id().map(text)?,
                    CreditCause::Touch(kind),
                ))
            };
            let explicit = renamed.next_back().or(entry.fact.message_id());
            let explicit = explicit.map(|id| (text(id), CreditCause::Explicit));
            let click = explicit.clone().or_else(|| last(TouchKind::Click));
            let any = click.clone().or_else(|| last(TouchKind::Open));
            let sale = Sale {
                time: time(entry),
                contact: contact(entry),
                currency: money.currency.code().to_owned(),
                gross: amended.unwrap_or(*money).minor,
                refunded: refunded.sum(),
                credits: match verified {
                    true => PerModel {
                        last_touch: any,
                        last_click: click,
                        explicit,
                    },
                    false => Default::default(),
                },
            };
            let key = (entry.workspace, verified, order_id.as_str().to_owned());
            // Of what pages say of one order, the first counts.
            self.orders.entry(key).or_insert(sale);
        }
    }

    fn count(&mut self, records: &[Record], class: &dyn Fn(&Record) -> Class) {
        let mut ids: BTreeSet<(WorkspaceId, String)> = BTreeSet::new();
        for Record { entry, .. } in records {
            let is_mail = entry.fact.send().is_some() || matches!(entry.fact, Fact::Send { .. });
            if let (true, Some(id)) = (is_mail, entry.fact.message_id()) {
                ids.insert((entry.workspace, id.as_str().to_owned()));
            }
        }
        for ((workspace, ..), sale) in &self.orders {
            let credited = sale
                .credits
                .iter()
                .filter_map(|(_, credit)| credit.as_ref());
            ids.extend(credited.map(|(id, _)| (*workspace, id.clone())));
        }
        for (workspace, id) in ids {
            let of_message = |record: &&Record| {
                let named = record.entry.fact.message_id().map(MessageId::as_str);
                record.entry.workspace == workspace && named == Some(id.as_str())
            };
            let mine: Vec<&Record> = records.iter().filter(of_message).collect();
            let about = about(&mine);
            let mut totals = Totals {
                sent: i64::from(
                    mine.iter()
                        .any(|record| matches!(record.entry.fact, Fact::Send { .. })),
                ),
                ..Totals::default()
            };
            let count = |is_kind: fn(&Fact) -> bool| {
                let mut tally = Tally::default();
                for record in mine.iter().filter(|record| is_kind(&record.entry.fact)) {
                    match class(record) {
                        Class::Human => tally.human += 1,
                        Class::ProxyHuman => tally.proxy_human += 1,
                        Class::Machine => tally.machine += 1,
                        Class::Bot => tally.bot += 1,
                    }
                }
                tally
            };
            let (opens, clicks, gone) = (
                count(|fact| matches!(fact, Fact::Open { .. })),
                count(|fact| matches!(fact, Fact::Click { .. })),
                count(|fact| matches!(fact, Fact::Unsubscribe { .. })),
            );
            let people = |tally: Tally| tally.human + tally.proxy_human;
            let machines = |tally: Tally| tally.machine + tally.bot;
            let inferred = people(clicks) > 0 && people(opens) == 0;
            let any = |is: bool| if is { 1 } else { 0 };
            totals.opens = Figures {
                total: opens,
                unique_all: any(people(opens) + machines(opens) > 0 || inferred),
                unique_machines: any(machines(opens) > 0),
                unique_genuine: any(people(opens) > 0 || inferred),
            };
            totals.clicks = Figures {
                total: clicks,
                unique_all: any(people(clicks) + machines(clicks) > 0),
                unique_machines: any(machines(clicks) > 0),
                unique_genuine: any(people(clicks) > 0),
            };
            totals.inferred_opens = any(inferred);
            totals.unsubscribes = any(people(gone) + machines(gone) > 0);
            let is = |wanted: DeliveryStatus| {
                mine.iter().any(|record| match &record.entry.fact {
                    Fact::Delivery { status, .. } => *status == wanted,
                    _ => false,
                })
            };
            let bounced = is(DeliveryStatus::Bounced);
            totals.delivered = any(is(DeliveryStatus::Delivered) && !bounced);
            totals.bounced = any(bounced);
            totals.complained = any(is(DeliveryStatus::Complained));
            for ((of, ..), sale) in self.orders.iter().filter(|((of, ..), _)| *of == workspace) {
                debug_assert_eq!(*of, workspace);
                for (model, credit) in sale.credits.iter() {
                    if credit.as_ref().is_some_and(|(credited, _)| *credited == id) {
                        let earned = Earned {
                            model,
                            currency: sale.currency.clone(),
                            orders: 1,
                            gross: sale.gross.into(),
                            refunded: sale.refunded.into(),
                        };
                        totals.revenue.add(&earned, 1);
                    }
                }
            }
            if let Some((_, Some(campaign), ..)) = &about {
                let campaign = self.campaigns.entry((workspace, campaign.clone()));
                sum(campaign.or_default(), &totals);
            }
            if let Some(about) = about {
                self.abouts.insert((workspace, id.clone()), about);
            }
            self.messages.insert((workspace, id), totals);
        }
    }

    /// That the views say the same, and nothing else.
    pub(super) fn check(&self, views: &Views) {
        let rows = views.engagement_rows();
        for seq in 1..=self.seqs {
            let found = super::super::is_relabelled(&rows, seq);
            assert_eq!(found.unwrap(), self.relabelled.contains(&seq), "seq {seq}");
            let found = super::super::rejudged(&rows, seq);
            let expected = self.rejudged.get(&seq).cloned();
            assert_eq!(found.unwrap(), expected, "seq {seq}");
        }
        let dump = views.dump().unwrap();
        assert_eq!(dump["messages_v1"].len(), self.messages.len());
        for ((workspace, id), expected) in &self.messages {
            let found = views.message(*workspace, id).unwrap().unwrap();
            assert_eq!(found.totals(), *expected, "message {id}");
            let about = self.abouts.get(&(*workspace, id.clone()));
            let of = |sent_at| {
                (
                    found.contact,
                    found.campaign_id.clone(),
                    found.message_type,
                    sent_at,
                )
            };
            assert_eq!(found.sent_at.map(of), about.cloned(), "message {id}");
        }
        let mut of_messages = BTreeMap::new();
        for (key, row) in &dump["messages_v1"] {
            let message: super::super::Message = postcard::from_bytes(row).unwrap();
            if let Some(campaign) = &message.campaign_id {
                let key = [&key[..4], campaign.as_bytes()].concat();
                sum(of_messages.entry(key).or_default(), &message.totals());
            }
        }
        for (key, row) in &dump["campaigns_v1"] {
            let found: Totals = postcard::from_bytes(row).unwrap();
            let workspace = WorkspaceId(u32::from_be_bytes(key[..4].try_into().unwrap()));
            let campaign = String::from_utf8(key[4..].to_vec()).unwrap();
            let its_messages = of_messages.remove(key).unwrap_or_default();
            assert_eq!(found, its_messages, "messages of campaign {campaign}");
            let expected = self.campaigns.get(&(workspace, campaign.clone()));
            assert_eq!(found, expected.cloned().unwrap_or_default(), "{campaign}");
        }
        assert!(of_messages.is_empty());
        self.check_orders(views, dump["orders_v1"].len());
        self.check_contacts(views);
    }

    fn check_orders(&self, views: &Views, rows: usize) {
        let mut found = BTreeMap::new();
        for workspace in [1, 2].map(WorkspaceId) {
            let each = |time, order: super::super::Order, _: &dyn Fn(&str) -> _| {
                let credit =
                    |credit: super::super::order::Credit| (credit.message_id, credit.cause);
                let sale = Sale {
                    time,
                    contact: order.contact,
                    currency: order.currency,
                    gross: order.gross,
                    refunded: order.refunded,
                    credits: order.credits.map(|found| found.map(credit)),
                };
                found.insert((workspace, order.verified, order.order_id), sale);
                Ok(())
            };
            views.orders(workspace, i64::MIN..i64::MAX, each).unwrap();
        }
        assert_eq!(found, self.orders);
        assert_eq!(rows, self.orders.len());
    }

    fn check_contacts(&self, views: &Views) {
        for ((_, contact), person) in &self.contacts {
            let found = views.contact(*contact).unwrap().unwrap();
            let now = person.seen.iter().max().unwrap_or(&0) + DAY;
            let pages = person.pages.iter();
            let pages = pages.map(|(day, weight)| (weight.min(20.0), day * DAY));
            let terms = person.terms.iter().copied().chain(pages);
            let expected: f64 = terms.map(|(weight, then)| decayed(weight, then, now)).sum();
            let score = found.score_at(now);
            assert!((score - expected).abs() < 1e-9, "{score} for {expected}");
            assert_eq!(
                found.unsubscribed_at,
                person.unsubscribed.iter().min().copied()
            );
            let seen = (person.seen.iter().min(), person.seen.iter().max());
            assert_eq!((found.first_seen.as_ref(), found.last_seen.as_ref()), seen);
        }
    }
}

fn text_of(campaign_id: &Option<CampaignId>) -> Option<String> {
    campaign_id.as_ref().map(|id| id.as_str().to_owned())
}

/// What is known of a send: from its registration, else from the first event that tells.
fn about(records: &[&Record]) -> Option<About> {
    let registered = records.iter().find_map(|record| match &record.entry.fact {
        Fact::Send {
            campaign_id,
            message_type,
            ..
        } => Some((
            contact(&record.entry),
            text_of(campaign_id),
            *message_type,
            record.entry.time.as_millis(),
        )),
        _ => None,
    });
    registered.or_else(|| {
        let SendRef {
            contact,
            campaign_id,
            message_type,
            sent_at,
            ..
        } = records.iter().find_map(|record| record.entry.fact.send())?;
        let sent_at = sent_at.as_millis();
        Some((*contact, text_of(campaign_id), *message_type, sent_at))
    })
}

/// Adds one message's totals, field by field.
fn sum(to: &mut Totals, other: &Totals) {
    to.sent += other.sent;
    for (to, other) in [
        (&mut to.opens, &other.opens),
        (&mut to.clicks, &other.clicks),
    ] {
        to.total.human += other.total.human;
        to.total.proxy_human += other.total.proxy_human;
        to.total.machine += other.total.machine;
        to.total.bot += other.total.bot;
        to.unique_all += other.unique_all;
        to.unique_machines += other.unique_machines;
        to.unique_genuine += other.unique_genuine;
    }
    to.inferred_opens += other.inferred_opens;
    to.unsubscribes += other.unsubscribes;
    to.delivered += other.delivered;
    to.bounced += other.bounced;
    to.complained += other.complained;
    for earned in other.revenue.iter() {
        to.revenue.add(earned, 1);
    }
}
