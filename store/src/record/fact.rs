//! The kinds of facts, and what each kind alone has.

use serde::{Deserialize, Serialize};
use shared::event_name::names;
use shared::time::Timestamp;

use super::contact::{ContactId, Personal};
use super::entry::millis;

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
    /// A contact was erased: what the log holds of it, and what comes later of before this fact's time,
    /// has no personal part. The entry's id is the person that it leaves, see [`super::Entry::person`].
    Erase {
        contact: ContactId,
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
            Self::Erase { .. } => names::EMAIL_ERASED,
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

/// Why somebody is to get no more mail. New causes come last: what is on disk names one by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// They said so.
    Unsubscribed,
    /// Their mailbox does not exist.
    Bounced,
    /// They called a mail spam.
    Complained,
    /// Somebody put them on the list.
    Manual,
}

impl Cause {
    pub const ALL: [Self; 4] = [
        Self::Unsubscribed,
        Self::Bounced,
        Self::Complained,
        Self::Manual,
    ];

    /// The spelling in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsubscribed => "unsubscribed",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
            Self::Manual => "manual",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}
