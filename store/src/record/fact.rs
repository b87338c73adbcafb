//! The kinds of facts, and what each kind alone has.

use serde::{Deserialize, Serialize};
pub use shared::event::DeliveryStatus;
use shared::event_name::names;
use shared::ids::{CampaignId, MessageId, OrderId, RefundId};
use shared::money::Money;
use shared::time::Timestamp;

use super::contact::{ContactId, Personal};
use super::entry::Content;
use super::identity::FactKind;

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

/// The send that a fact belongs to, as a mail's token or the send's own record tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRef {
    pub message_id: MessageId,
    /// `None` once erased.
    pub contact: Option<ContactId>,
    /// `None` of a message of no campaign.
    pub campaign_id: Option<CampaignId>,
    pub message_type: MessageType,
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

/// The kind of fact, with what that kind alone has. What is personal is `None` once erased, too. How it
/// lies on disk stands in `stored`.
///
/// Of what callers tell, `message_id` is the send that led to it, `None` where they name none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A named event; `properties` is a JSON object in the caller's own text.
    Track {
        name: String,
        properties: Option<Personal>,
        message_id: Option<MessageId>,
    },
    /// Traits of a contact, a JSON object in the caller's own text.
    Identify {
        traits: Option<Personal>,
    },
    /// An order was paid.
    Purchase {
        order_id: OrderId,
        revenue: Money,
        /// An amount arrived as float noise and was rounded to the minor unit; likewise below.
        rounded: bool,
        /// The canonical JSON of the order's items; `None` of an order without.
        items: Option<Personal>,
        message_id: Option<MessageId>,
    },
    /// Money of an order was given back.
    Refund {
        order_id: OrderId,
        refund_id: RefundId,
        amount: Money,
        rounded: bool,
    },
    /// A message was registered; its time is `sentAt`. No HTML is kept.
    Send {
        message_id: MessageId,
        /// `None` of a message of no campaign.
        campaign_id: Option<CampaignId>,
        message_type: MessageType,
        subject: Option<Personal>,
        /// SHA-256 of what was to be instrumented, and how.
        content: [u8; 32],
        /// The key under which its tokens were made, so that the same message again gets the same.
        token_key: u32,
        /// How many different pages its tracked links lead to; `None` where nobody noted that.
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
        /// The number of its page among the message's different ones, from 0, as the token tells; `None`
        /// where that is of a version before. It stays when the click is redacted.
        target_number: Option<u32>,
        /// `None` where nobody noted them.
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
        /// RFC 3463; `None` where the server named none.
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
    /// A server changed an order.
    Amend {
        order_id: OrderId,
        /// What the order is worth from then on.
        revenue: Money,
        rounded: bool,
        /// The canonical JSON of the items, `[]` of none; `None` leaves them as they were.
        items: Option<Personal>,
        /// The new one; `None` leaves it as it was.
        message_id: Option<MessageId>,
    },
    /// A contact was erased: what the log holds of it, and what comes later of before this fact's time,
    /// has no personal part. The entry's id is the person that it leaves, see [`super::Entry::person`].
    Erase {
        contact: ContactId,
    },
}

impl Fact {
    /// A named event that says nothing else.
    #[must_use]
    pub fn track(name: &str) -> Self {
        Self::Track {
            name: name.to_owned(),
            properties: None,
            message_id: None,
        }
    }

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
            Self::Delivery { status, .. } => status.event_name(),
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
            Self::Track { .. }
            | Self::Identify { .. }
            | Self::Purchase { .. }
            | Self::Refund { .. }
            | Self::Send { .. }
            | Self::Suppress { .. }
            | Self::Amend { .. }
            | Self::Erase { .. } => None,
        }
    }

    /// The message that it is, belongs to, or was led to by.
    pub fn message_id(&self) -> Option<&MessageId> {
        match self {
            Self::Track { message_id, .. }
            | Self::Purchase { message_id, .. }
            | Self::Amend { message_id, .. } => message_id.as_ref(),
            Self::Send { message_id, .. } => Some(message_id),
            _ => self.send().map(|send| &send.message_id),
        }
    }

    /// The campaign, of a send and of what belongs to one.
    pub fn campaign_id(&self) -> Option<&CampaignId> {
        match self {
            Self::Send { campaign_id, .. } => campaign_id.as_ref(),
            _ => self.send()?.campaign_id.as_ref(),
        }
    }

    /// What an order is worth, from then on where it was changed, or what of it was given back.
    pub fn money(&self) -> Option<Money> {
        match self {
            Self::Purchase { revenue, .. } | Self::Amend { revenue, .. } => Some(*revenue),
            Self::Refund { amount, .. } => Some(*amount),
            _ => None,
        }
    }

    /// Whether its money arrived as float noise and was rounded.
    pub fn is_rounded(&self) -> bool {
        match self {
            Self::Purchase { rounded, .. }
            | Self::Amend { rounded, .. }
            | Self::Refund { rounded, .. } => *rounded,
            _ => false,
        }
    }

    /// Takes the personal part away. What counts stays, and what named a contact names this person.
    pub(super) fn redact(&mut self, person: Option<ContactId>) {
        match self {
            Self::Track { properties, .. } => *properties = None,
            Self::Identify { traits } => *traits = None,
            Self::Purchase { items, .. } | Self::Amend { items, .. } => *items = None,
            Self::Refund { .. } | Self::Suppress { .. } | Self::Erase { .. } => {}
            Self::Send { subject, .. } => *subject = None,
            Self::Click { send, target, .. } => {
                send.contact = send.contact.and(person);
                *target = None;
            }
            Self::Open { send } | Self::Unsubscribe { send } | Self::Told { send } => {
                send.contact = send.contact.and(person);
            }
            Self::Delivery { send, reason, .. } => {
                send.contact = send.contact.and(person);
                *reason = None;
            }
            Self::Lift { send, .. } => {
                if let Some(send) = send {
                    send.contact = send.contact.and(person);
                }
            }
        }
    }
}

impl Content for Fact {
    fn kind(&self) -> FactKind {
        Self::kind(self)
    }

    fn weight(&self) -> usize {
        let text = |text: &Option<Personal>| text.as_ref().map_or(0, |text| text.0.len());
        match self {
            Self::Track {
                name, properties, ..
            } => name.len() + text(properties),
            Self::Identify { traits } => text(traits),
            Self::Purchase {
                order_id, items, ..
            }
            | Self::Amend {
                order_id, items, ..
            } => order_id.as_str().len() + text(items),
            Self::Refund {
                order_id,
                refund_id,
                ..
            } => order_id.as_str().len() + refund_id.as_str().len(),
            Self::Send { subject, .. } => text(subject),
            Self::Click { target, .. } => text(target),
            Self::Delivery { reason, .. } => text(reason),
            Self::Open { .. }
            | Self::Unsubscribe { .. }
            | Self::Told { .. }
            | Self::Suppress { .. }
            | Self::Lift { .. }
            | Self::Erase { .. } => 0,
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
