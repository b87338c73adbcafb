//! One send: what became of it, and the rule that finds out machines which follow many links.

use std::collections::BTreeSet;
use std::hash::Hasher as _;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::tally::{Figures, Revenue, Tally, Totals, is_genuine};
use crate::record::{Class, ContactId, DeliveryStatus, Entry, Fact, MessageType, Seq};
use crate::targets::{network, page};

/// So many different targets of one message within so many milliseconds are a machine's work, whatever
/// the addresses: design, section 6, after 836 clusters of 9 to 10 links in under a second, each from
/// several addresses (putyourlightson/craft-campaign#546).
pub(crate) const BURSTS: [(usize, i64); 2] = [(3, 1_000), (5, 5_000)];
/// From one network, so many different targets within [`NETWORK_BURST_MS`] are a machine's work where
/// they are at least [`NETWORK_BURST_PERCENT`] of the message's: readers open some links of a mail in
/// tabs, and hardly ever all of them.
pub(crate) const NETWORK_BURST: usize = 4;
pub(crate) const NETWORK_BURST_PERCENT: u64 = 80;
/// In milliseconds. All spans are half-open: what is so far apart is not together.
pub(crate) const NETWORK_BURST_MS: i64 = 60_000;
/// The most clicks of a message that are kept to find out bursts: with more within
/// [`NETWORK_BURST_MS`] the oldest is forgotten and stays what it was, so that nobody can make a row
/// grow at will. Where a rule needs more targets of one network than that, five of them fall within
/// five seconds.
const MAX_RECENT: usize = 256;

/// What is known of a send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub contact: Option<ContactId>,
    pub campaign_id: Option<String>,
    pub message_type: MessageType,
    /// As planned when it was registered, in milliseconds since 1970.
    pub sent_at: Option<i64>,
    /// When it really left, once that is told, in milliseconds since 1970; it may lie ahead.
    pub told_at: Option<i64>,
    /// By `POST /v1/messages`; events may name a message that never was.
    pub registered: bool,
    /// Its time of sending, where that lay ahead when it was told; milliseconds since 1970.
    pub(super) ahead: Option<i64>,
    /// How many different pages its tracked links lead to, where that is known.
    targets: Option<u32>,
    pub(crate) opens: Tally,
    pub(crate) clicks: Tally,
    pub(crate) unsubscribes: i64,
    pub(crate) fate: Fate,
    pub(crate) revenue: Revenue,
    /// Who has opened or clicked, or who is left of them: a message has one contact, and its own may not be known.
    hits_of: Option<ContactId>,
    /// When the latest click came: this clock never runs backwards, whatever the machine's does.
    clock: i64,
    /// The clicks within [`NETWORK_BURST_MS`] of `clock`, at most [`MAX_RECENT`], that may still tell
    /// something.
    recent: Vec<Click>,
}

/// What mail servers told of a message, in whatever order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fate {
    delivered: bool,
    bounced: bool,
    complained: bool,
}

impl Fate {
    pub(crate) fn see(&mut self, status: DeliveryStatus) {
        match status {
            DeliveryStatus::Delivered => self.delivered = true,
            DeliveryStatus::Bounced => self.bounced = true,
            DeliveryStatus::Complained => self.complained = true,
            DeliveryStatus::Deferred => {}
        }
    }

    /// It was taken, and did not bounce later.
    pub(crate) fn is_delivered(self) -> bool {
        self.delivered && !self.bounced
    }

    pub(crate) fn is_bounced(self) -> bool {
        self.bounced
    }

    pub(crate) fn is_complained(self) -> bool {
        self.complained
    }
}

/// A click, as long as others may show what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Click {
    pub(crate) seq: u64,
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    /// The message's clock when it came.
    came: i64,
    /// Tells the targets of one message apart.
    target: u64,
    /// Likewise the networks; `None` where nobody knows it any more.
    network: Option<u64>,
    class: Class,
}

impl Click {
    /// `None` where the entry is no click.
    pub(super) fn of(Seq(seq): Seq, time: i64, class: Class, entry: &Entry) -> Option<Self> {
        let Fact::Click {
            link,
            target,
            marks,
            ..
        } = &entry.fact
        else {
            return None;
        };
        let (target, network) = match marks {
            Some(marks) => (marks.target, Some(marks.network)),
            // Recorded before there were marks, or else of a link that was: what is left of it tells.
            None => {
                let page = target.as_ref().map(|target| page(&target.0));
                let target = page.map_or(u64::from(*link), |page| hash(page.as_bytes()));
                let address = entry.told_by.client().map(|client| &client.address.0);
                let address = address.and_then(|address| address.parse().ok());
                (target, address.map(|address| hash(&network(address))))
            }
        };
        Some(Self {
            seq,
            time,
            came: time,
            target,
            network,
            class,
        })
    }

    /// The same click, of another class.
    pub(super) fn of_class(self, class: Class) -> Self {
        Self { class, ..self }
    }
}

/// Enough to tell what one message has apart.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = XxHash3_64::with_seed(0);
    hasher.write(bytes);
    hasher.finish()
}

/// Clicks that belong together: those that came after a moment, from one network or from any.
struct Burst {
    since: i64,
    network: Option<u64>,
}

impl Burst {
    fn holds(&self, click: &Click) -> bool {
        click.came > self.since && (self.network.is_none() || self.network == click.network)
    }
}

impl Message {
    /// Learns which send it is. What registered it knows best; else the first to tell is believed.
    pub(super) fn learn(&mut self, entry: &Entry, contact: Option<ContactId>) {
        let (campaign_id, message_type, sent_at) = match &entry.fact {
            Fact::Send {
                campaign_id,
                message_type,
                ..
            } => (campaign_id, *message_type, entry.time),
            fact => match fact.send() {
                Some(send) => (&send.campaign_id, send.message_type, send.sent_at),
                None => return,
            },
        };
        let knows_best = matches!(entry.fact, Fact::Send { .. });
        if self.registered || (self.sent_at.is_some() && !knows_best) {
            return;
        }
        if let Fact::Send { targets, .. } = entry.fact {
            self.targets = targets;
        }
        self.contact = contact;
        self.campaign_id = campaign_id.as_ref().map(|id| id.as_str().to_owned());
        self.message_type = message_type;
        self.sent_at = Some(sent_at.as_millis());
    }

    /// Learns of its registration how many different pages its links lead to; the first that tells is believed.
    pub(super) fn register(&mut self, targets: Option<u32>) {
        if !self.registered {
            (self.registered, self.targets) = (true, targets);
        }
    }

    /// Whether it went to this contact, or is known by opens and clicks of theirs.
    pub(super) fn is_of(&self, contact: ContactId) -> bool {
        self.contacts().any(|one| one == contact)
    }

    /// Whom it went to, and whose opens and clicks it is known by.
    pub(super) fn contacts(&self) -> impl Iterator<Item = ContactId> + use<> {
        let hits_of = self.hits_of.filter(|_| self.hits_of != self.contact);
        self.contact.into_iter().chain(hits_of)
    }

    /// A contact was erased, and this person is left.
    pub(super) fn rename(&mut self, contact: ContactId, person: ContactId) {
        for named in [&mut self.contact, &mut self.hits_of] {
            if *named == Some(contact) {
                *named = Some(person);
            }
        }
    }

    /// Somebody has opened or clicked.
    pub(super) fn hit_by(&mut self, contact: Option<ContactId>) {
        self.hits_of = self.hits_of.or(contact);
    }

    /// Counts a click. Returns the genuine ones, this one perhaps among them, that it shows to be a
    /// machine's; they are counted as a bot's now.
    pub(super) fn click(&mut self, mut click: Click) -> Vec<Click> {
        self.clock = self.clock.max(click.time);
        click.came = self.clock;
        self.clicks.add(click.class, 1);
        let since = self.clock - NETWORK_BURST_MS;
        // A machine's click tells nothing that a later one of the same target and network does not.
        self.recent.retain(|recent| {
            let is_told = recent.target == click.target && recent.network == click.network;
            recent.came > since && (is_genuine(recent.class) || !is_told)
        });
        if self.recent.len() == MAX_RECENT {
            self.recent.remove(0);
        }
        self.recent.push(click);
        let bursts = self.bursts(click.network);
        let mut found_out = Vec::new();
        for recent in &mut self.recent {
            if is_genuine(recent.class) && bursts.iter().any(|burst| burst.holds(recent)) {
                found_out.push(*recent);
                self.clicks.add(recent.class, -1);
                self.clicks.add(Class::Bot, 1);
                recent.class = Class::Bot;
            }
        }
        found_out
    }

    /// Forgets what has been counted of opens and clicks, to count them again by what is known of the
    /// message now.
    pub(super) fn start_counting(&mut self) {
        self.opens = Tally::default();
        self.clicks = Tally::default();
        self.clock = 0;
        self.recent.clear();
    }

    /// The bursts that the click which came last ends, if any; `network` is its own.
    fn bursts(&self, network: Option<u64>) -> Vec<Burst> {
        let anywhere = BURSTS.map(|(least, span)| {
            let burst = Burst {
                since: self.clock - span,
                network: None,
            };
            (self.targets_in(&burst) >= least).then_some(burst)
        });
        let here = network.zip(self.targets).and_then(|(network, all)| {
            let burst = Burst {
                since: self.clock - NETWORK_BURST_MS,
                network: Some(network),
            };
            let targets = self.targets_in(&burst);
            let are_most = targets as u64 * 100 >= u64::from(all) * NETWORK_BURST_PERCENT;
            (targets >= NETWORK_BURST && are_most).then_some(burst)
        });
        anywhere.into_iter().chain([here]).flatten().collect()
    }

    /// How many different targets were followed in it.
    fn targets_in(&self, burst: &Burst) -> usize {
        let clicks = self.recent.iter().filter(|recent| burst.holds(recent));
        clicks
            .map(|click| click.target)
            .collect::<BTreeSet<u64>>()
            .len()
    }

    /// What it adds to its campaign, whenever it is sent.
    pub(crate) fn totals(&self) -> Totals {
        let clicked = self.clicks.genuine() > 0;
        let inferred = clicked && self.opens.genuine() == 0;
        Totals {
            sent: i64::from(self.registered),
            opens: Figures::of_message(self.opens, inferred),
            clicks: Figures::of_message(self.clicks, false),
            inferred_opens: i64::from(inferred),
            unsubscribes: i64::from(self.unsubscribes > 0),
            delivered: i64::from(self.fate.is_delivered()),
            bounced: i64::from(self.fate.is_bounced()),
            complained: i64::from(self.fate.is_complained()),
            revenue: self.revenue.clone(),
            planned: 0,
        }
    }
}
