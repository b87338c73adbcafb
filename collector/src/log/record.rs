//! What the log keeps of an event: the entry as it is appended, and the record that it becomes.
//! Not how entries are laid out on disk (`block`).

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use shared::email::{Email, renewed};
use shared::event::Item;
use shared::event_name::names;
use shared::ids::EventId;
use shared::money::{Currency, Money};
use shared::time::Timestamp;

use super::decide::WorkspaceKey;
use super::extra::Timing;
use super::public_seq::PublicSeq;
use super::suppression::Cause;

/// A record's place in the log: from 1, without gaps save where a damaged segment was set aside.
/// Callers see a [`PublicSeq`] in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first record.
    pub const START: Self = Self(0);

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Seq {
    type Err = std::num::ParseIntError;

    /// Digits alone: `u64::from_str` would take a sign too.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = if text.bytes().all(|byte| byte.is_ascii_digit()) {
            text
        } else {
            ""
        };
        digits.parse().map(Self)
    }
}

/// A tenant's number, given when the workspace is created and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkspaceId(pub u32);

/// Text about a person: `Debug` hides it, so that it cannot reach a log line by accident.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal(pub String);

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Personal(…)")
    }
}

/// Who told us: a page (public key), a server (secret key) or a mail client (token).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    Browser,
    Server,
    Mail,
}

impl Source {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Server => "server",
            Self::Mail => "mail",
        }
    }
}

/// A contact's address in its spellings, read by today's rule however old the record is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "StoredAddress")]
pub struct Address {
    /// The contact's identity, see [`Email::normalised`].
    pub normalised: Personal,
    /// As the caller spelled it, where that differs: for display alone.
    pub original: Option<Personal>,
    /// The identity under the rule of the record's time, where that was another: tokens and digests
    /// of that time were made from it.
    pub older: Option<Personal>,
}

impl Address {
    /// The identity as it was when the record was made.
    pub fn as_recorded(&self) -> &str {
        &self.older.as_ref().unwrap_or(&self.normalised).0
    }

    /// The spelling to show of the event.
    pub fn spelled(&self) -> &str {
        &self.original.as_ref().unwrap_or(&self.normalised).0
    }

    /// The spelling to show of the contact: one that is refused today is not theirs.
    pub fn spelled_for_contact(&self) -> &str {
        let spelled = self.spelled();
        // Of ASCII, only the case can differ.
        let is_theirs = spelled.is_ascii()
            || Email::parse(spelled).is_ok_and(|email| email.normalised() == self.normalised.0);
        if is_theirs {
            spelled
        } else {
            &self.normalised.0
        }
    }
}

impl From<&Email> for Address {
    fn from(email: &Email) -> Self {
        let differs = email.original() != email.normalised();
        Self {
            normalised: Personal(email.normalised().to_owned()),
            original: differs.then(|| Personal(email.original().to_owned())),
            older: None,
        }
    }
}

/// An address as it lies in the log: what the rule of its time made of it, and its spelling where that
/// differs. The log is never written anew for a new rule.
#[derive(Deserialize)]
struct StoredAddress {
    normalised: Personal,
    original: Option<Personal>,
}

impl From<StoredAddress> for Address {
    fn from(stored: StoredAddress) -> Self {
        let StoredAddress {
            normalised,
            original,
        } = stored;
        let spelling = original.as_ref().map(|original| original.0.as_str());
        match renewed(&normalised.0, spelling) {
            None => Self {
                normalised,
                original,
                older: None,
            },
            Some(today) => Self {
                normalised: Personal(today),
                original: Some(original.unwrap_or_else(|| normalised.clone())),
                older: Some(normalised),
            },
        }
    }
}

/// Writes what was read, to the byte: a record that is copied must say the same under the next rule.
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Stored<'a> {
            normalised: &'a Personal,
            original: Option<&'a Personal>,
        }
        let normalised = self.older.as_ref().unwrap_or(&self.normalised);
        let original = self.original.as_ref();
        let stored = Stored {
            normalised,
            original: original.filter(|original| *original != normalised),
        };
        stored.serialize(to)
    }
}

/// Who stood behind a browser's or mail client's request; what classification reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The address, as resolved through the trusted proxies.
    pub address: Personal,
    pub agent: Option<Personal>,
    /// Of `CLASSIFYING_HEADERS`, those that were sent: name in lower case, value.
    pub headers: Vec<(String, Personal)>,
}

/// Who acted, as judged at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    Human,
    ProxyHuman,
    Machine,
    Bot,
}

/// A person's pseudonym within a workspace: the first 16 bytes of HMAC-SHA-256 of the normalised
/// address under the workspace's key. See [`super::decide::WorkspaceKey::contact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContactId(pub [u8; 16]);

/// What became of a message on its way: see [`shared::event::DeliveryStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryStatus {
    Delivered,
    Bounced,
    Deferred,
    Complained,
}

impl DeliveryStatus {
    pub fn on_wire(self) -> shared::event::DeliveryStatus {
        use shared::event::DeliveryStatus as Wire;
        match self {
            Self::Delivered => Wire::Delivered,
            Self::Bounced => Wire::Bounced,
            Self::Deferred => Wire::Deferred,
            Self::Complained => Wire::Complained,
        }
    }
}

impl From<shared::event::DeliveryStatus> for DeliveryStatus {
    fn from(status: shared::event::DeliveryStatus) -> Self {
        use shared::event::DeliveryStatus as Wire;
        match status {
            Wire::Delivered => Self::Delivered,
            Wire::Bounced => Self::Bounced,
            Wire::Deferred => Self::Deferred,
            Wire::Complained => Self::Complained,
        }
    }
}

/// What a message is for: machines that open mail at once are told apart in campaigns alone, because
/// people wait for a transactional message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum MessageType {
    #[default]
    Campaign,
    Transactional,
}

impl MessageType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Transactional => "transactional",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Campaign, Self::Transactional]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// The send that a mail client's request belongs to, as its token tells; the messageId is the
/// entry's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendRef {
    /// `None` once erased.
    pub contact: Option<ContactId>,
    pub campaign_id: Option<String>,
    pub message_type: MessageType,
    #[serde(with = "millis")]
    pub sent_at: Timestamp,
}

/// What tells a click from the others of its message: pseudonyms under the workspace's key that mean
/// nothing outside the message, see [`crate::targets`]. They stay when the click is redacted, so that
/// what was a burst stays one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClickMarks {
    /// Of the page that the link leads to: links to one page have one mark.
    pub target: u64,
    /// Of the client's network: the first 24 bits of an IPv4 address, the first 64 of an IPv6 one.
    pub network: u64,
}

/// The kind of fact, with what that kind alone has. New kinds come last: what is on disk names a
/// kind by its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// A named event; `properties` is a JSON object in the caller's own text.
    Track {
        name: String,
        properties: Option<Personal>,
    },
    /// Traits of a contact, a JSON object in the caller's own text.
    Identify {
        traits: Option<Personal>,
    },
    /// `items` is the canonical JSON of the order's items.
    Purchase {
        order_id: String,
        items: Option<Personal>,
    },
    Refund {
        order_id: String,
        refund_id: String,
    },
    /// A message was registered; its time is `sentAt`. No HTML is kept.
    Send {
        campaign_id: Option<String>,
        message_type: MessageType,
        subject: Option<Personal>,
        /// SHA-256 of what was to be instrumented, and how.
        content: [u8; 32],
        /// The key under which its tokens were made, so that the same message again gets the same.
        token_key: u32,
        /// How many different pages its tracked links lead to; `None` where nobody noted that.
        /// Written behind the entry, see `extra`.
        #[serde(skip)]
        targets: Option<u32>,
    },
    /// The pixel was loaded.
    Open {
        send: SendRef,
    },
    /// A link was followed.
    Click {
        send: SendRef,
        /// The link's number within the message, from 0 in the order of the text.
        link: u32,
        /// Where it led.
        target: Option<Personal>,
        /// `None` where nobody noted them. Written behind the entry, see `extra`.
        #[serde(skip)]
        marks: Option<ClickMarks>,
    },
    Unsubscribe {
        send: SendRef,
    },
    /// It was told when a message really left: its time is that time, and may lie ahead. The first
    /// such fact of a message counts.
    Told {
        send: SendRef,
    },
    /// A mail server told what became of a message.
    Delivery {
        send: SendRef,
        status: DeliveryStatus,
        /// RFC 3463.
        code: Option<String>,
        /// The mail server's own words.
        reason: Option<Personal>,
    },
    /// A contact was put among those who are to get no more mail, by its address.
    Suppress {
        cause: Cause,
    },
    /// A contact may get mail again.
    Lift {
        /// Where the contact said so: the send by whose link they did.
        send: Option<SendRef>,
        /// `None` lifts all causes.
        cause: Option<Cause>,
    },
    /// A server changed an order: the entry's money is what it is worth from then on, its messageId the
    /// new one where one was sent.
    Amend {
        order_id: String,
        /// The canonical JSON of the items, `[]` of none; `None` leaves them as they were.
        items: Option<Personal>,
    },
}

impl Fact {
    /// The spelling of the type in answers.
    pub fn type_name(&self) -> &'static str {
        self.kind().as_str()
    }

    /// The event's name: the caller's, or the system's own.
    pub fn name(&self) -> &str {
        match self {
            Self::Track { name, .. } => name,
            Self::Identify { .. } => names::IDENTIFIED,
            Self::Purchase { .. } => names::PURCHASE,
            Self::Refund { .. } => names::REFUND,
            Self::Send { .. } => names::EMAIL_SENT,
            Self::Open { .. } => names::EMAIL_OPENED,
            Self::Click { .. } => names::EMAIL_CLICKED,
            Self::Unsubscribe { .. } => names::EMAIL_UNSUBSCRIBED,
            Self::Told { .. } => names::EMAIL_SENT_TOLD,
            Self::Delivery { status, .. } => status.on_wire().event_name(),
            Self::Suppress { .. } => names::EMAIL_SUPPRESSED,
            Self::Amend { .. } => names::PURCHASE_AMENDED,
            Self::Lift { .. } => names::EMAIL_SUPPRESSION_LIFTED,
        }
    }

    /// The send that it belongs to, of what a mail client asks for and of what became of a send.
    pub fn send(&self) -> Option<&SendRef> {
        match self {
            Self::Open { send }
            | Self::Click { send, .. }
            | Self::Unsubscribe { send }
            | Self::Told { send }
            | Self::Delivery { send, .. } => Some(send),
            Self::Lift { send, .. } => send.as_ref(),
            _ => None,
        }
    }
}

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
}

impl Entry {
    /// Takes the personal part away. What counts stays: id, time, name, class, money, message.
    pub fn redact(&mut self) {
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
                send.contact = None;
                *target = None;
            }
            Fact::Open { send } | Fact::Unsubscribe { send } | Fact::Told { send } => {
                send.contact = None;
            }
            Fact::Delivery { send, reason, .. } => {
                send.contact = None;
                *reason = None;
            }
            Fact::Suppress { .. } => {}
            Fact::Lift { send, .. } => {
                if let Some(send) = send {
                    send.contact = None;
                }
            }
        }
        self.redacted = true;
    }

    /// Whom it is about, where it names a contact.
    pub fn contact(&self, key: &WorkspaceKey) -> Option<ContactId> {
        match (self.fact.send(), &self.address) {
            (Some(send), _) => send.contact,
            (None, Some(address)) => Some(key.contact(&address.normalised.0)),
            (None, None) => None,
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
            | Fact::Lift { .. } => 0,
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

/// Times as milliseconds since 1970.
mod millis {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use shared::time::Timestamp;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        time.as_millis().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_millis)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use shared::email::older_normal_form;

    /// The bytes that an older version wrote of an address.
    fn written_then(spelling: &str) -> Vec<u8> {
        let normalised = older_normal_form(spelling);
        let original = (normalised != spelling).then_some(spelling);
        postcard::to_allocvec(&(&normalised, original)).unwrap()
    }

    #[test]
    fn an_old_address_is_read_by_todays_rule_and_written_as_it_was() {
        for (spelling, today, is_older) in [
            ("ada@example.com", "ada@example.com", false),
            ("Ada@Example.com", "ada@example.com", false),
            ("kate@exámple.com", "kate@xn--exmple-qta.com", true),
            ("Kate@Exámple.com", "kate@xn--exmple-qta.com", true),
            ("\u{212a}ate@example.com", "kate@example.com", false),
            ("ren\u{e9}@example.com", "ren\u{e9}@example.com", false),
        ] {
            let bytes = written_then(spelling);
            let address: Address = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(address.normalised.0, today);
            assert_eq!(address.spelled(), spelling);
            assert_eq!(address.older.is_some(), is_older, "{spelling}");
            assert_eq!(address.as_recorded(), older_normal_form(spelling));
            assert_eq!(postcard::to_allocvec(&address).unwrap(), bytes);
        }
    }

    #[test]
    fn an_address_of_today_is_read_as_it_was_written() {
        for spelling in ["Kate@EXÁMPLE.com", "kate@exámple.com", "Rene\u{301}@b.c"] {
            let address = Address::from(&Email::parse(spelling).unwrap());
            let bytes = postcard::to_allocvec(&address).unwrap();
            assert_eq!(postcard::from_bytes::<Address>(&bytes).unwrap(), address);
            assert_eq!(address.spelled_for_contact(), spelling);
        }
    }

    #[test]
    fn a_spelling_that_is_refused_today_is_shown_of_the_event_and_not_of_the_contact() {
        let bytes = written_then("\u{212a}ate@example.com");
        let address: Address = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(address.spelled(), "\u{212a}ate@example.com");
        assert_eq!(address.spelled_for_contact(), "kate@example.com");
    }
}
