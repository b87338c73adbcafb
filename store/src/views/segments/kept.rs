//! What is kept of a record for segments: a fact of its contact, and what tells whose doing it was.
//! From a contact's rows comes the history that definitions are held against.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared::event_name::EventName;
use shared::ids::{CampaignId, EventId, MessageId, OrderId};
use shared::money::{Currency, Money};
use shared::segment::facts::{Fact, FactKind};
use shared::segment::tree::{MessageFact, Source};
use shared::segment::value::Value;
use shared::time::Timestamp;

use crate::record::extra::Timing;
use crate::record::fact::DeliveryStatus;
use crate::record::{self, Class, Entry, Seq};
use crate::views::engagement::message::Click;
use crate::views::engagement::replayed::{Replayed, click_of};
use crate::views::engagement::tally::is_genuine;
use crate::views::engagement::{class_of, happened_at};

/// A row: one record of a contact or of a browser.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    id: [u8; 16],
    /// As it was said, in milliseconds since 1970.
    time: i64,
    received_at: i64,
    source: record::Source,
    /// As judged when it came.
    class: Class,
    what: What,
}

#[derive(Clone, Serialize, Deserialize)]
enum What {
    Event {
        name: String,
        /// JSON; empty where there was none.
        properties: String,
    },
    Identify {
        /// JSON; empty where there was none.
        traits: String,
    },
    Purchase {
        order: String,
        minor: i64,
        currency: String,
        verified: bool,
    },
    Amend {
        order: String,
        minor: i64,
        currency: String,
    },
    Refund {
        order: String,
        minor: i64,
        currency: String,
    },
    Send {
        of: Message,
        targets: Option<u32>,
    },
    Told {
        of: Message,
    },
    Open {
        of: Message,
        timing: Option<Timing>,
    },
    Click {
        of: Message,
        timing: Option<Timing>,
        click: Click,
        target: Option<String>,
    },
    Unsubscribe {
        of: Message,
    },
    Delivery {
        of: Message,
        status: DeliveryStatus,
    },
    Other,
}

#[derive(Clone, Serialize, Deserialize)]
struct Message {
    id: String,
    campaign: Option<String>,
}

impl Message {
    fn of(entry: &Entry) -> Option<Self> {
        let campaign = entry.fact.campaign_id();
        Some(Self {
            id: entry.fact.message_id()?.as_str().to_owned(),
            campaign: campaign.map(|id| id.as_str().to_owned()),
        })
    }

    fn fact(&self, what: MessageFact, link: Option<String>) -> FactKind {
        FactKind::Message {
            what,
            message: MessageId::from_kept(self.id.clone()),
            campaign: self.campaign.clone().map(CampaignId::from_kept),
            link,
        }
    }
}

impl Kept {
    /// What is kept of a record.
    pub(super) fn of(seq: Seq, entry: &Entry) -> Self {
        Self {
            id: *entry.id.as_bytes(),
            time: entry.time.as_millis(),
            received_at: entry.received_at.as_millis(),
            source: entry.source(),
            class: class_of(entry),
            what: What::of(seq, entry).unwrap_or(What::Other),
        }
    }

    /// When it counts from, in milliseconds since 1970.
    pub(super) fn counts_from(&self) -> i64 {
        match self.what {
            What::Send { .. } | What::Told { .. } => self.time,
            _ => self.time.min(self.received_at),
        }
    }

    /// The order that a server told of, of which more may be told.
    pub(super) fn order(&self) -> Option<&str> {
        match &self.what {
            What::Purchase {
                order,
                verified: true,
                ..
            } => Some(order),
            _ => None,
        }
    }

    /// Whether it is worth the asking that it be told anew whose doing the opens and clicks of its message were.
    fn message(&self) -> Option<&Message> {
        match &self.what {
            What::Send { of, .. }
            | What::Told { of }
            | What::Open { of, .. }
            | What::Click { of, .. } => Some(of),
            _ => None,
        }
    }

    fn kind(&self) -> FactKind {
        let money = |minor: i64, currency: &str| {
            let currency = Currency::parse(currency).ok()?;
            Some(Money { minor, currency })
        };
        let order = |id: &str| OrderId::from_kept(id.to_owned());
        let kind = match &self.what {
            What::Event { name, properties } => EventName::parse(name).ok().map(|name| {
                let properties = value(properties);
                FactKind::Event { name, properties }
            }),
            What::Identify { traits } => Some(FactKind::Identify {
                traits: value(traits),
            }),
            What::Purchase {
                order: id,
                minor,
                currency,
                verified,
            } => money(*minor, currency).map(|revenue| FactKind::Purchase {
                order: order(id),
                revenue,
                verified: *verified,
            }),
            What::Amend {
                order: id,
                minor,
                currency,
            } => money(*minor, currency).map(|revenue| FactKind::Amend {
                order: order(id),
                revenue: Some(revenue),
            }),
            What::Refund {
                order: id,
                minor,
                currency,
            } => money(*minor, currency).map(|amount| FactKind::Refund {
                order: order(id),
                amount,
            }),
            What::Send { of, .. } => Some(of.fact(MessageFact::Sent, None)),
            What::Open { of, .. } => Some(of.fact(MessageFact::Opened, None)),
            What::Click { of, target, .. } => Some(of.fact(MessageFact::Clicked, target.clone())),
            What::Unsubscribe { of } => Some(of.fact(MessageFact::Unsubscribed, None)),
            What::Delivery { of, status } => match status {
                DeliveryStatus::Delivered => Some(of.fact(MessageFact::Delivered, None)),
                DeliveryStatus::Bounced => Some(of.fact(MessageFact::Bounced, None)),
                DeliveryStatus::Complained => Some(of.fact(MessageFact::Complained, None)),
                DeliveryStatus::Deferred => None,
            },
            What::Told { .. } | What::Other => None,
        };
        // What cannot be read shows at least that there is such a contact.
        kind.unwrap_or(FactKind::Other)
    }

    /// The fact that it is, by itself.
    pub(super) fn fact(&self, seq: u64) -> Fact {
        Fact {
            id: EventId::from_bytes(self.id),
            seq,
            time: Timestamp::from_millis(self.time),
            received_at: Timestamp::from_millis(self.received_at),
            source: match self.source {
                record::Source::Browser => Source::Browser,
                record::Source::Server => Source::Server,
                record::Source::Mail => Source::Mail,
            },
            genuine: is_genuine(self.class),
            kind: self.kind(),
        }
    }
}

impl What {
    fn of(seq: Seq, entry: &Entry) -> Option<Self> {
        use record::Fact;
        let text = |text: &Option<record::Personal>| {
            text.as_ref().map(|text| text.0.clone()).unwrap_or_default()
        };
        let code = |money: Money| money.currency.code().to_owned();
        let timing = entry.told_by.timing().cloned();
        Some(match &entry.fact {
            Fact::Track {
                name, properties, ..
            } => Self::Event {
                name: name.clone(),
                properties: text(properties),
            },
            Fact::Identify { traits } => Self::Identify {
                traits: text(traits),
            },
            Fact::Purchase {
                order_id, revenue, ..
            } => Self::Purchase {
                order: order_id.as_str().to_owned(),
                minor: revenue.minor,
                currency: code(*revenue),
                verified: entry.is_verified(),
            },
            Fact::Amend {
                order_id, revenue, ..
            } => Self::Amend {
                order: order_id.as_str().to_owned(),
                minor: revenue.minor,
                currency: code(*revenue),
            },
            Fact::Refund {
                order_id, amount, ..
            } => Self::Refund {
                order: order_id.as_str().to_owned(),
                minor: amount.minor,
                currency: code(*amount),
            },
            Fact::Send { targets, .. } => Self::Send {
                of: Message::of(entry)?,
                targets: *targets,
            },
            Fact::Told { .. } => Self::Told {
                of: Message::of(entry)?,
            },
            Fact::Open { .. } => Self::Open {
                of: Message::of(entry)?,
                timing,
            },
            Fact::Click { target, .. } => Self::Click {
                of: Message::of(entry)?,
                timing,
                click: click_of(seq, happened_at(entry), class_of(entry), entry)?,
                target: target.as_ref().map(|target| target.0.clone()),
            },
            Fact::Unsubscribe { .. } => Self::Unsubscribe {
                of: Message::of(entry)?,
            },
            Fact::Delivery { status, .. } => Self::Delivery {
                of: Message::of(entry)?,
                status: *status,
            },
            Fact::Suppress { .. } | Fact::Lift { .. } | Fact::Erase { .. } => Self::Other,
        })
    }
}

fn value(json: &str) -> Value {
    // What was recorded is JSON; of what is none nothing is asked.
    match json {
        "" => Value::Null,
        json => Value::read(json).unwrap_or(Value::Null),
    }
}

/// The facts of rows in the order of their seqs, by all that is known today: when messages really left, and which
/// opens and clicks were a machine's.
pub(super) fn facts(rows: &[(u64, Kept)]) -> Vec<Fact> {
    let mut facts: Vec<Fact> = rows.iter().map(|(seq, kept)| kept.fact(*seq)).collect();
    let mut messages: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, (_, kept)) in rows.iter().enumerate() {
        if let Some(message) = kept.message() {
            messages.entry(&message.id).or_default().push(at);
        }
    }
    for places in messages.into_values() {
        of_message(rows, &places, &mut facts);
    }
    facts
}

/// Puts the facts of one message right.
fn of_message(rows: &[(u64, Kept)], places: &[usize], facts: &mut [Fact]) {
    let mut replayed = Replayed::default();
    let (mut sent, mut told) = (None, None);
    for at in places {
        let (seq, kept) = &rows[*at];
        let time = kept.time.min(kept.received_at);
        match &kept.what {
            What::Send { targets, .. } => {
                replayed.sent(*targets);
                sent.get_or_insert(*at);
            }
            What::Told { .. } => {
                replayed.told(kept.time);
                told.get_or_insert(*at);
            }
            What::Open { timing, .. } => {
                replayed.opened(Seq(*seq), time, kept.class, timing.as_ref());
            }
            What::Click { timing, click, .. } => {
                replayed.clicked(Seq(*seq), time, kept.class, timing.as_ref(), *click);
            }
            _ => {}
        }
    }
    let genuine: BTreeSet<u64> = replayed.genuine().collect();
    for at in places {
        let (seq, kept) = &rows[*at];
        if matches!(kept.what, What::Open { .. } | What::Click { .. }) {
            facts[*at].genuine = genuine.contains(seq);
        }
    }
    // It counts as sent from when it really left. A message of which nothing else is known was sent all the same.
    if let Some(told) = told {
        let time = facts[told].time;
        match (sent, rows[told].1.message()) {
            (Some(sent), _) => facts[sent].time = time,
            (None, Some(message)) => facts[told].kind = message.fact(MessageFact::Sent, None),
            (None, None) => {}
        }
    }
}
