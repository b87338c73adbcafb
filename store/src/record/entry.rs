//! What the log keeps of an event: the entry as it is appended, and the record that it becomes.
//! Not how entries are laid out on disk (`journal::block`).

use serde::{Deserialize, Serialize};
use shared::event::Item;
use shared::ids::EventId;
use shared::money::{Currency, Money};
use shared::time::Timestamp;

use super::contact::{Address, ContactId, Personal};
use super::extra::Timing;
use super::fact::Fact;
use super::public_seq::PublicSeq;
use super::seq::Seq;
use super::source::{Class, Client, Source};
use super::workspace::{WorkspaceId, WorkspaceKey};

/// One fact from outside, as it is appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    // The workspace and the id lie beside the compressed records, see `block`.
    #[serde(skip, default = "no_workspace")]
    pub workspace: WorkspaceId,
    #[serde(skip, default = "no_id")]
    pub id: EventId,
    #[serde(with = "millis")]
    pub time: Timestamp,
    /// The caller sent the time (it takes part in comparing orders then).
    pub time_sent: bool,
    #[serde(with = "millis")]
    pub received_at: Timestamp,
    pub source: Source,
    pub key_id: Option<String>,
    /// False where a browser reported a purchase: nobody trustworthy vouches for it.
    pub verified: bool,
    pub address: Option<Address>,
    pub anonymous_id: Option<Personal>,
    pub message_id: Option<String>,
    pub fact: Fact,
    /// A purchase's revenue, also as amended, a refund's amount.
    #[serde(with = "money")]
    pub money: Option<Money>,
    /// An amount arrived as float noise and was rounded to the minor unit.
    pub rounded: bool,
    /// The batch's `context` without its identities, a JSON object.
    pub context: Option<Personal>,
    pub client: Option<Client>,
    /// The first class and its reason, decided at the edge and never changed.
    pub class: Option<(Class, String)>,
    /// Fields that were sent and not known, for the receipt.
    pub ignored_fields: Vec<String>,
    /// The personal part was erased.
    pub redacted: bool,
    /// Of an open or a click whose class depends on when the message was sent.
    // It lies behind the entry, see `extra`.
    #[serde(skip)]
    pub timing: Option<Timing>,
    /// Whom it was about, once that is erased: the id of the erasure, which stands for one person and
    /// leads to nobody. `None` where nothing named them, and of what a send names.
    // Behind the entry, too.
    #[serde(skip)]
    pub person: Option<ContactId>,
}

impl Entry {
    /// An entry of this fact that came now, with nothing that may be absent.
    #[must_use]
    pub fn new(
        workspace: WorkspaceId,
        id: EventId,
        source: Source,
        received_at: Timestamp,
        fact: Fact,
    ) -> Self {
        Self {
            workspace,
            id,
            time: received_at,
            time_sent: false,
            received_at,
            source,
            key_id: None,
            verified: source == Source::Server,
            address: None,
            anonymous_id: None,
            message_id: None,
            fact,
            money: None,
            rounded: false,
            context: None,
            client: None,
            class: None,
            ignored_fields: Vec::new(),
            redacted: false,
            timing: None,
            person: None,
        }
    }

    /// Takes the personal part away. What counts stays: id, time, name, class, money, message.
    pub fn redact(&mut self) {
        self.redact_for(None);
    }

    /// The same, and what named a contact names this person from now on, so that what one person did
    /// stays one person's. What has no personal part any more stays as it is.
    pub fn redact_for(&mut self, person: Option<ContactId>) {
        if self.redacted {
            return;
        }
        if self.address.is_some() && self.fact.send().is_none() {
            self.person = person;
        }
        self.address = None;
        self.anonymous_id = None;
        self.context = None;
        self.client = None;
        self.ignored_fields.clear();
        match &mut self.fact {
            Fact::Track { properties, .. } => *properties = None,
            Fact::Identify { traits } => *traits = None,
            Fact::Purchase { items, .. } | Fact::Amend { items, .. } => *items = None,
            Fact::Refund { .. } => {}
            Fact::Send { subject, .. } => *subject = None,
            Fact::Click { send, target, .. } => {
                send.contact = send.contact.and(person);
                *target = None;
            }
            Fact::Open { send } | Fact::Unsubscribe { send } | Fact::Told { send } => {
                send.contact = send.contact.and(person);
            }
            Fact::Delivery { send, reason, .. } => {
                send.contact = send.contact.and(person);
                *reason = None;
            }
            Fact::Suppress { .. } | Fact::Erase { .. } => {}
            Fact::Lift { send, .. } => {
                if let Some(send) = send {
                    send.contact = send.contact.and(person);
                }
            }
        }
        self.redacted = true;
    }

    /// Whom it is about, where it names a contact; once erased, the person that is left of it.
    pub fn contact(&self, key: &WorkspaceKey) -> Option<ContactId> {
        match (&self.fact, self.fact.send(), &self.address) {
            (Fact::Erase { contact }, ..) => Some(*contact),
            (_, Some(send), _) => send.contact,
            (_, None, Some(address)) => Some(key.contact(&address.normalised.0)),
            (_, None, None) => self.person,
        }
    }

    /// A cheap upper estimate of the entry's encoded size, in bytes.
    pub fn weight(&self) -> usize {
        let text = |text: &Option<Personal>| text.as_ref().map_or(0, |text| text.0.len());
        let fact = match &self.fact {
            Fact::Track { name, properties } => name.len() + text(properties),
            Fact::Identify { traits } => text(traits),
            Fact::Purchase { order_id, items } | Fact::Amend { order_id, items } => {
                order_id.len() + text(items)
            }
            Fact::Refund {
                order_id,
                refund_id,
            } => order_id.len() + refund_id.len(),
            Fact::Send { subject, .. } => text(subject),
            Fact::Click { target, .. } => text(target),
            Fact::Delivery { reason, .. } => text(reason),
            Fact::Open { .. }
            | Fact::Unsubscribe { .. }
            | Fact::Told { .. }
            | Fact::Suppress { .. }
            | Fact::Lift { .. }
            | Fact::Erase { .. } => 0,
        };
        512 + fact + text(&self.context)
    }
}

/// An entry with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub seq: Seq,
    /// What callers see as its seq.
    pub public_seq: PublicSeq,
    pub entry: Entry,
}

/// Renders items for an entry; `None` where there are none.
pub fn items_text(items: &[Item]) -> Option<Personal> {
    (!items.is_empty()).then(|| Personal(shared::event::items_json(items)))
}

fn no_workspace() -> WorkspaceId {
    WorkspaceId(0)
}

fn no_id() -> EventId {
    EventId::from_bytes([0; 16])
}

/// Money as minor units and the three letters of its currency.
mod money {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::{Currency, Money};

    pub(super) fn serialize<S: Serializer>(
        money: &Option<Money>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        money
            .map(|money| (money.minor, money.currency.code().to_owned()))
            .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Money>, D::Error> {
        Option::<(i64, String)>::deserialize(from)?
            .map(|(minor, code)| {
                let currency =
                    Currency::parse(&code).map_err(|_| D::Error::custom("unknown currency"))?;
                Ok(Money { minor, currency })
            })
            .transpose()
    }
}

/// Times as milliseconds since 1970.
pub(super) mod millis {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use shared::time::Timestamp;

    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        time.as_millis().serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_millis)
    }
}
