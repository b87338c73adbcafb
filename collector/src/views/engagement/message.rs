//! One send: what became of it, and the rule that finds out machines which follow many links.

use std::collections::BTreeSet;
use std::hash::Hasher as _;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::tally::{Figures, Revenue, Tally, Totals, is_genuine};
use crate::log::record::{Class, ContactId, DeliveryStatus, Entry, Fact, MessageType, Seq};

/// So many different links of one message, followed from one address within [`BURST_MS`], are a
/// machine's work (design, section 6; the rule of the `OpenEngage` specification).
pub(crate) const BURST_LINKS: usize = 3;
/// In milliseconds; half-open.
pub(crate) const BURST_MS: i64 = 60_000;
/// The most clicks of a message that are kept to find out bursts: with more within [`BURST_MS`] the
/// oldest is forgotten and stays what it was, so that nobody can make a row grow at will.
const MAX_RECENT: usize = 256;

/// What is known of a send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) contact: Option<ContactId>,
    pub(crate) campaign_id: Option<String>,
    pub(crate) message_type: MessageType,
    /// As planned when it was registered, in milliseconds since 1970.
    pub(crate) sent_at: Option<i64>,
    /// When it really left, once that is told, in milliseconds since 1970; it may lie ahead.
    pub(crate) told_at: Option<i64>,
    /// By `POST /v1/messages`; events may name a message that never was.
    pub(crate) registered: bool,
    pub(crate) opens: Tally,
    pub(crate) clicks: Tally,
    pub(crate) unsubscribes: i64,
    pub(crate) fate: Fate,
    pub(crate) revenue: Revenue,
    /// When the latest click came: this clock never runs backwards, whatever the machine's does.
    clock: i64,
    /// The clicks within [`BURST_MS`] of `clock`, at most [`MAX_RECENT`], that may still tell
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
    link: u32,
    /// XXH3-64 of the client's address: enough to tell the addresses of one message apart.
    address: u64,
    class: Class,
}

impl Click {
    pub(super) fn new(
        Seq(seq): Seq,
        time: i64,
        link: u32,
        class: Class,
        address: Option<&str>,
    ) -> Self {
        let mut hasher = XxHash3_64::with_seed(0);
        hasher.write(address.unwrap_or_default().as_bytes());
        Self {
            seq,
            time,
            came: time,
            link,
            address: hasher.finish(),
            class,
        }
    }

    /// The number of its link within the message.
    pub(crate) fn link(&self) -> u32 {
        self.link
    }

    /// The same click, of another class.
    pub(super) fn of_class(self, class: Class) -> Self {
        Self { class, ..self }
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
        self.contact = contact;
        self.campaign_id.clone_from(campaign_id);
        self.message_type = message_type;
        self.sent_at = Some(sent_at.as_millis());
    }

    /// Counts a click. Returns the genuine ones, this one perhaps among them, that it shows to be a
    /// machine's; they are counted as a bot's now.
    pub(super) fn click(&mut self, mut click: Click) -> Vec<Click> {
        self.clock = self.clock.max(click.time);
        click.came = self.clock;
        self.clicks.add(click.class, 1);
        let since = self.clock - BURST_MS;
        // A machine's click tells nothing that a later one of the same link does not.
        self.recent.retain(|recent| {
            let is_told = recent.link == click.link && recent.address == click.address;
            recent.came > since && (is_genuine(recent.class) || !is_told)
        });
        if self.recent.len() == MAX_RECENT {
            self.recent.remove(0);
        }
        self.recent.push(click);
        let here = |recent: &Click| recent.address == click.address;
        let links: BTreeSet<u32> = self
            .recent
            .iter()
            .filter(|recent| here(recent))
            .map(|recent| recent.link)
            .collect();
        if links.len() < BURST_LINKS {
            return Vec::new();
        }
        let mut found_out = Vec::new();
        for recent in self.recent.iter_mut().filter(|recent| here(recent)) {
            if is_genuine(recent.class) {
                found_out.push(*recent);
                self.clicks.add(recent.class, -1);
                self.clicks.add(Class::Bot, 1);
                recent.class = Class::Bot;
            }
        }
        self.forget_old_links(click.address);
        found_out
    }

    /// Forgets what has been counted of opens and clicks, to count them again.
    pub(super) fn start_counting(&mut self) {
        self.opens = Tally::default();
        self.clicks = Tally::default();
        self.clock = 0;
        self.recent.clear();
    }

    /// Keeps of an address that is found out the latest click of each of its latest links, as many
    /// as make a burst: they tell of any later click what all would, and the row stays small.
    fn forget_old_links(&mut self, address: u64) {
        let mut latest = BTreeSet::new();
        let mut at = self.recent.len();
        while at > 0 {
            at -= 1;
            let recent = &self.recent[at];
            if recent.address == address
                && (latest.len() == BURST_LINKS || !latest.insert(recent.link))
            {
                self.recent.remove(at);
            }
        }
    }

    /// What it adds to its campaign.
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
        }
    }
}
