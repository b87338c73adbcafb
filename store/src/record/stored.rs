//! The bytes that an entry is on disk: its layout, which never changes, and the way from there to an entry
//! that has all that its kind needs. The workspace and the id lie elsewhere in the block, and what came to
//! be kept later behind these bytes (`extra`).
//!
//! Every record has every field here, in postcard, whether its kind has it or not: a newer layout is
//! another codec of `journal::block`. Of the newest, the same fields lie in columns (`columns`).

pub(crate) mod columns;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::ids::{AnonymousId, CampaignId, EventId, MessageId, OrderId, RefundId};
use shared::money::{Currency, Money};
use shared::time::Timestamp;

use super::extra::{self, Extras};
use super::{
    Address, Cause, Class, Client, ContactId, DeliveryStatus, Entry, Fact, MessageType, Personal,
    SendRef, Source, ToldBy, Visitor, WorkspaceId,
};

/// Why bytes are no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadRecord(pub(crate) &'static str);

const UNDECODED: BadRecord = BadRecord("a record does not decode");
const NO_MONEY: BadRecord = BadRecord("a record of an order has no money");
const NO_MESSAGE: BadRecord = BadRecord("a record of a mail names no message");

/// An entry as it lies there.
#[derive(Serialize, Deserialize)]
struct StoredEntry<'a> {
    /// Milliseconds since 1970.
    time: i64,
    time_sent: bool,
    /// Milliseconds since 1970.
    received_at: i64,
    source: Source,
    key_id: Option<Cow<'a, str>>,
    /// Told by a server; never read.
    verified: bool,
    address: Option<Cow<'a, Address>>,
    anonymous_id: Option<Cow<'a, str>>,
    message_id: Option<Cow<'a, str>>,
    fact: StoredFact<'a>,
    /// Minor units and the three letters of the currency.
    money: Option<(i64, Cow<'a, str>)>,
    rounded: bool,
    context: Option<Cow<'a, str>>,
    client: Option<Cow<'a, Client>>,
    class: Option<(Class, Cow<'a, str>)>,
    ignored_fields: Cow<'a, [String]>,
    redacted: bool,
}

/// What a fact has for itself there. New kinds come last: the bytes name a kind by its place.
#[derive(Serialize, Deserialize)]
enum StoredFact<'a> {
    Track {
        name: Cow<'a, str>,
        properties: Option<Cow<'a, str>>,
    },
    Identify {
        traits: Option<Cow<'a, str>>,
    },
    Purchase {
        order_id: Cow<'a, str>,
        items: Option<Cow<'a, str>>,
    },
    Refund {
        order_id: Cow<'a, str>,
        refund_id: Cow<'a, str>,
    },
    Send {
        campaign_id: Option<Cow<'a, str>>,
        message_type: MessageType,
        subject: Option<Cow<'a, str>>,
        content: [u8; 32],
        token_key: u32,
    },
    Open {
        send: StoredSend<'a>,
    },
    Click {
        send: StoredSend<'a>,
        link: u32,
        target: Option<Cow<'a, str>>,
    },
    Unsubscribe {
        send: StoredSend<'a>,
    },
    Told {
        send: StoredSend<'a>,
    },
    Delivery {
        send: StoredSend<'a>,
        status: DeliveryStatus,
        code: Option<Cow<'a, str>>,
        reason: Option<Cow<'a, str>>,
    },
    Suppress {
        cause: Cause,
    },
    Lift {
        send: Option<StoredSend<'a>>,
        cause: Option<Cause>,
    },
    Amend {
        order_id: Cow<'a, str>,
        items: Option<Cow<'a, str>>,
    },
    Erase {
        contact: ContactId,
    },
}

/// A send without its messageId, which is the entry's.
#[derive(Serialize, Deserialize)]
struct StoredSend<'a> {
    contact: Option<ContactId>,
    campaign_id: Option<Cow<'a, str>>,
    message_type: MessageType,
    /// Milliseconds since 1970.
    sent_at: i64,
}

/// Writes an entry behind what has been written, as blocks of before held it.
///
/// # Errors
/// Where there is no memory.
pub fn write(entry: &Entry, to: Vec<u8>) -> postcard::Result<Vec<u8>> {
    let to = postcard::to_extend(&StoredEntry::of(entry), to)?;
    extra::write(entry, to)
}

/// Reads what [`write()`] wrote, of any version.
///
/// # Errors
/// [`BadRecord`], where the bytes are none, or lack what their kind needs.
pub(crate) fn read(workspace: WorkspaceId, id: EventId, bytes: &[u8]) -> Result<Entry, BadRecord> {
    let (stored, behind) =
        postcard::take_from_bytes::<StoredEntry<'static>>(bytes).map_err(|_| UNDECODED)?;
    let extras = extra::read(behind).map_err(|_| UNDECODED)?;
    stored.into_entry(workspace, id, extras)
}

impl<'a> StoredEntry<'a> {
    fn of(entry: &'a Entry) -> Self {
        let Entry {
            // Both lie beside the compressed records.
            workspace: _,
            id: _,
            time,
            time_sent,
            received_at,
            told_by,
            address,
            anonymous_id,
            fact,
            ignored_fields,
            redacted,
            // It lies behind, see `extra`.
            person: _,
        } = entry;
        let class = told_by.class();
        let money = fact.money();
        Self {
            time: time.as_millis(),
            time_sent: *time_sent,
            received_at: received_at.as_millis(),
            source: told_by.source(),
            key_id: told_by.key_id().map(|id| id.as_str().into()),
            verified: entry.is_verified(),
            address: address.as_ref().map(Cow::Borrowed),
            anonymous_id: anonymous_id.as_ref().map(|id| id.as_str().into()),
            message_id: fact.message_id().map(|id| id.as_str().into()),
            fact: StoredFact::of(fact),
            money: money.map(|money| (money.minor, money.currency.code().into())),
            rounded: fact.is_rounded(),
            context: told_by.context().map(Cow::Borrowed),
            client: told_by.client().map(Cow::Borrowed),
            class: class.map(|(class, reason)| (*class, reason.as_str().into())),
            ignored_fields: ignored_fields.into(),
            redacted: *redacted,
        }
    }

    fn into_entry(
        self,
        workspace: WorkspaceId,
        id: EventId,
        extras: Extras,
    ) -> Result<Entry, BadRecord> {
        let key_id = self.key_id.as_deref().map(Into::into);
        let context = self
            .context
            .map(|context| Arc::new(Personal(context.into_owned())));
        let client = self.client.map(|client| Arc::new(client.into_owned()));
        let class = self
            .class
            .map(|(class, reason)| (class, reason.into_owned()));
        let visitor = Visitor { client, class };
        let told_by = match self.source {
            Source::Server => ToldBy::Server { key_id, context },
            Source::Browser => ToldBy::Browser {
                key_id,
                context,
                visitor,
            },
            Source::Mail => ToldBy::Mail {
                visitor,
                timing: extras.timing,
            },
        };
        let elsewhere = Elsewhere {
            message_id: self
                .message_id
                .map(|id| MessageId::from_kept(id.into_owned())),
            money: self.money.as_ref().map(money).transpose()?,
            rounded: self.rounded,
            targets: extras.targets,
            target_number: extras.target_number,
            marks: extras.marks,
        };
        let anonymous_id = self.anonymous_id;
        Ok(Entry {
            workspace,
            id,
            time: Timestamp::from_millis(self.time),
            time_sent: self.time_sent,
            received_at: Timestamp::from_millis(self.received_at),
            told_by,
            address: self.address.map(Cow::into_owned),
            anonymous_id: anonymous_id.map(|id| AnonymousId::from_kept(id.into_owned())),
            fact: self.fact.into_fact(elsewhere)?,
            ignored_fields: self.ignored_fields.into_owned(),
            redacted: self.redacted,
            person: extras.person,
        })
    }
}

/// What of a fact lies elsewhere in its record.
struct Elsewhere {
    message_id: Option<MessageId>,
    money: Option<Money>,
    rounded: bool,
    targets: Option<u32>,
    target_number: Option<u32>,
    marks: Option<super::ClickMarks>,
}

fn money((minor, code): &(i64, Cow<'_, str>)) -> Result<Money, BadRecord> {
    let currency = Currency::parse(code).map_err(|_| UNDECODED)?;
    Ok(Money {
        minor: *minor,
        currency,
    })
}

fn text(text: &Option<Personal>) -> Option<Cow<'_, str>> {
    text.as_ref().map(|text| text.0.as_str().into())
}

fn personal(text: Option<Cow<'_, str>>) -> Option<Personal> {
    text.map(|text| Personal(text.into_owned()))
}

fn campaign(id: Option<Cow<'_, str>>) -> Option<CampaignId> {
    id.map(|id| CampaignId::from_kept(id.into_owned()))
}

impl<'a> StoredFact<'a> {
    fn of(fact: &'a Fact) -> Self {
        match fact {
            Fact::Track {
                name, properties, ..
            } => Self::Track {
                name: name.into(),
                properties: text(properties),
            },
            Fact::Identify { traits } => Self::Identify {
                traits: text(traits),
            },
            Fact::Purchase {
                order_id, items, ..
            } => Self::Purchase {
                order_id: order_id.as_str().into(),
                items: text(items),
            },
            Fact::Refund {
                order_id,
                refund_id,
                ..
            } => Self::Refund {
                order_id: order_id.as_str().into(),
                refund_id: refund_id.as_str().into(),
            },
            Fact::Send {
                campaign_id,
                message_type,
                subject,
                content,
                token_key,
                ..
            } => Self::Send {
                campaign_id: campaign_id.as_ref().map(|id| id.as_str().into()),
                message_type: *message_type,
                subject: text(subject),
                content: *content,
                token_key: *token_key,
            },
            Fact::Open { send } => Self::Open {
                send: StoredSend::of(send),
            },
            Fact::Click {
                send, link, target, ..
            } => Self::Click {
                send: StoredSend::of(send),
                link: *link,
                target: text(target),
            },
            Fact::Unsubscribe { send } => Self::Unsubscribe {
                send: StoredSend::of(send),
            },
            Fact::Told { send } => Self::Told {
                send: StoredSend::of(send),
            },
            Fact::Delivery {
                send,
                status,
                code,
                reason,
            } => Self::Delivery {
                send: StoredSend::of(send),
                status: *status,
                code: code.as_deref().map(Cow::Borrowed),
                reason: text(reason),
            },
            Fact::Suppress { cause } => Self::Suppress { cause: *cause },
            Fact::Erase { contact } => Self::Erase { contact: *contact },
            Fact::Lift { send, cause } => Self::Lift {
                send: send.as_ref().map(StoredSend::of),
                cause: *cause,
            },
            Fact::Amend {
                order_id, items, ..
            } => Self::Amend {
                order_id: order_id.as_str().into(),
                items: text(items),
            },
        }
    }

    fn into_fact(self, elsewhere: Elsewhere) -> Result<Fact, BadRecord> {
        let Elsewhere {
            message_id,
            money,
            rounded,
            targets,
            target_number,
            marks,
        } = elsewhere;
        let order = |id: Cow<'_, str>| OrderId::from_kept(id.into_owned());
        Ok(match self {
            Self::Track { name, properties } => Fact::Track {
                name: name.into_owned(),
                properties: personal(properties),
                message_id,
            },
            Self::Identify { traits } => Fact::Identify {
                traits: personal(traits),
            },
            Self::Purchase { order_id, items } => Fact::Purchase {
                order_id: order(order_id),
                revenue: money.ok_or(NO_MONEY)?,
                rounded,
                items: personal(items),
                message_id,
            },
            Self::Refund {
                order_id,
                refund_id,
            } => Fact::Refund {
                order_id: order(order_id),
                refund_id: RefundId::from_kept(refund_id.into_owned()),
                amount: money.ok_or(NO_MONEY)?,
                rounded,
            },
            Self::Send {
                campaign_id,
                message_type,
                subject,
                content,
                token_key,
            } => Fact::Send {
                message_id: message_id.ok_or(NO_MESSAGE)?,
                campaign_id: campaign(campaign_id),
                message_type,
                subject: personal(subject),
                content,
                token_key,
                targets,
            },
            Self::Open { send } => Fact::Open {
                send: send.of_message(message_id)?,
            },
            Self::Click { send, link, target } => Fact::Click {
                send: send.of_message(message_id)?,
                link,
                target: personal(target),
                target_number,
                marks,
            },
            Self::Unsubscribe { send } => Fact::Unsubscribe {
                send: send.of_message(message_id)?,
            },
            Self::Told { send } => Fact::Told {
                send: send.of_message(message_id)?,
            },
            Self::Delivery {
                send,
                status,
                code,
                reason,
            } => Fact::Delivery {
                send: send.of_message(message_id)?,
                status,
                code: code.map(Cow::into_owned),
                reason: personal(reason),
            },
            Self::Suppress { cause } => Fact::Suppress { cause },
            Self::Erase { contact } => Fact::Erase { contact },
            Self::Lift { send, cause } => Fact::Lift {
                send: send.map(|send| send.of_message(message_id)).transpose()?,
                cause,
            },
            Self::Amend { order_id, items } => Fact::Amend {
                order_id: order(order_id),
                revenue: money.ok_or(NO_MONEY)?,
                rounded,
                items: personal(items),
                message_id,
            },
        })
    }
}

impl<'a> StoredSend<'a> {
    fn of(send: &'a SendRef) -> Self {
        let SendRef {
            message_id: _,
            contact,
            campaign_id,
            message_type,
            sent_at,
        } = send;
        Self {
            contact: *contact,
            campaign_id: campaign_id.as_ref().map(|id| id.as_str().into()),
            message_type: *message_type,
            sent_at: sent_at.as_millis(),
        }
    }

    fn of_message(self, message_id: Option<MessageId>) -> Result<SendRef, BadRecord> {
        Ok(SendRef {
            message_id: message_id.ok_or(NO_MESSAGE)?,
            contact: self.contact,
            campaign_id: campaign(self.campaign_id),
            message_type: self.message_type,
            sent_at: Timestamp::from_millis(self.sent_at),
        })
    }
}

#[cfg(test)]
mod tests;
