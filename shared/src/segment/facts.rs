//! What definitions are held against: one contact's facts, plainly, with all that is known of them today.
//! How facts find their contact ([`owner`]) stands here too; how they are kept does not.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::tree::{MessageFact, Source};
use super::value::Value;
use crate::event_name::EventName;
use crate::ids::{CampaignId, EventId, MessageId, OrderId};
use crate::money::Money;
use crate::time::Timestamp;

/// Something that happened with a contact. `Debug` shows nothing personal.
#[derive(Clone, PartialEq)]
pub struct Fact {
    /// The event's identity.
    pub id: EventId,
    /// Its place among all that was recorded; decides between facts of one instant.
    pub seq: u64,
    /// When it happened, as it was said.
    pub time: Timestamp,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Who said so.
    pub source: Source,
    /// Whether it was a person's doing, as judged by all that is known today. What servers say is.
    pub genuine: bool,
    /// What happened.
    pub kind: FactKind,
}

/// What happened.
#[derive(Clone, PartialEq)]
pub enum FactKind {
    /// An event of the caller's.
    Event {
        /// Its name.
        name: EventName,
        /// An object; `Null` where there was none.
        properties: Value,
    },
    /// The contact was named.
    Identify {
        /// An object; `Null` where there was none.
        traits: Value,
    },
    /// An order was paid.
    Purchase {
        /// Recorded once.
        order: OrderId,
        /// The whole order's worth.
        revenue: Money,
        /// Whether a server said so; what pages say is kept apart from orders.
        verified: bool,
    },
    /// An order was changed: what it is worth now.
    Amend {
        /// Which.
        order: OrderId,
        /// In the order's currency; absent where something else changed.
        revenue: Option<Money>,
    },
    /// Money of an order was given back.
    Refund {
        /// Which.
        order: OrderId,
        /// In the order's currency.
        amount: Money,
    },
    /// Something happened with a message to the contact.
    Message {
        /// What.
        what: MessageFact,
        /// Which message.
        message: MessageId,
        /// Of which campaign.
        campaign: Option<CampaignId>,
        /// Of a click: the page that the link leads to.
        link: Option<String>,
    },
    /// Anything else on record, such as a suppression set by hand: the contact exists.
    Other,
    /// The contact was erased: nothing of them that happened or arrived until then is known any more.
    Erased,
}

impl Fact {
    /// The instant from which there is such a contact: when it happened, but not after it arrived.
    pub(super) fn exists_from(&self) -> Timestamp {
        self.time.min(self.received_at)
    }

    /// The instant from which the fact counts. Nothing happened after it arrived, but that a message may
    /// be registered before it is sent.
    #[must_use]
    pub fn counts_from(&self) -> Timestamp {
        match &self.kind {
            FactKind::Message {
                what: MessageFact::Sent,
                ..
            } => self.time,
            _ => self.exists_from(),
        }
    }

    /// Whether the contact was seen: events and orders, opens, clicks and unsubscribing, by a person.
    /// What a server does with a contact is no sign of life.
    #[must_use]
    pub fn is_sighting(&self) -> bool {
        self.genuine
            && match &self.kind {
                FactKind::Event { .. } | FactKind::Identify { .. } | FactKind::Purchase { .. } => {
                    true
                }
                FactKind::Message { what, .. } => matches!(
                    what,
                    MessageFact::Opened | MessageFact::Clicked | MessageFact::Unsubscribed
                ),
                FactKind::Amend { .. }
                | FactKind::Refund { .. }
                | FactKind::Other
                | FactKind::Erased => false,
            }
    }

    /// What it is called in an explanation.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.kind {
            FactKind::Event { name, .. } => name.as_str(),
            FactKind::Identify { .. } => "identify",
            FactKind::Purchase { .. } => "purchase",
            FactKind::Amend { .. } => "amendment",
            FactKind::Refund { .. } => "refund",
            FactKind::Message { what, .. } => what.as_str(),
            FactKind::Other => "other",
            FactKind::Erased => "erased",
        }
    }
}

impl fmt::Debug for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fact")
            .field("name", &self.name())
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

/// One contact's facts, those before an erasure left out, in the order in which they count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    facts: Vec<Fact>,
}

impl History {
    /// Takes facts in any order.
    #[must_use]
    pub fn of(facts: impl IntoIterator<Item = Fact>) -> History {
        let mut facts: Vec<Fact> = facts.into_iter().collect();
        let erased = facts
            .iter()
            .filter(|fact| fact.kind == FactKind::Erased)
            .map(|fact| fact.received_at)
            .max();
        // What arrives later with an earlier time goes with the rest.
        facts.retain(|fact| erased.is_none_or(|erased| fact.exists_from() > erased));
        facts.sort_by_key(|fact| (fact.counts_from(), fact.seq));
        History { facts }
    }

    /// All facts, in the order in which they count.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// The facts that count at an instant.
    pub(super) fn until(&self, instant: Timestamp) -> &[Fact] {
        let end = self
            .facts
            .partition_point(|fact| fact.counts_from() <= instant);
        &self.facts[..end]
    }

    /// Whether there is such a contact at an instant: from the first record of any kind on, that of a
    /// message to be sent included.
    #[must_use]
    pub fn exists(&self, instant: Timestamp) -> bool {
        let mut facts = self.facts.iter();
        facts.any(|fact| fact.exists_from() <= instant)
    }
}

/// An identify of a browser: when it counts, its place among all records, and of which contact.
pub type Identified<C> = (Timestamp, u64, C);

/// To whom an event of a browser belongs: to the latest identify of that browser at or before it, else
/// to the earliest; of two at one instant to the one recorded last, and first. `None` where the browser
/// was never identified.
#[must_use]
pub fn owner<C>(identifies: &[Identified<C>], time: Timestamp) -> Option<&C> {
    let place = |(time, seq, _): &&Identified<C>| (*time, *seq);
    let before = identifies.iter().filter(|identify| identify.0 <= time);
    before
        .max_by_key(place)
        .or_else(|| identifies.iter().min_by_key(place))
        .map(|(_, _, contact)| contact)
}
