//! From an event to what the log takes: an [`Entry`], and what a refund asks for.

use shared::event::{Event, EventKind, items_json};
use shared::ids::MessageId;
use shared::money::Money;

use super::candidate::Named;
use super::deliveries::{self, Sends};
use super::objection::Objection;
use super::sender::RequestSender;
use store::ledger::Submission;
use store::ledger::decide::RefundAsk;
use store::record::{Address, Entry, Fact, Personal, items_text};

/// What the log takes of an event. `is_first` of the first one that is recorded of its request; `sends` are
/// those of the deliveries.
///
/// # Errors
/// `unknown_message`, of a delivery whose send is not among them.
pub(super) fn submission(
    sender: &RequestSender,
    named: &Named<'_>,
    event: Event,
    is_first: bool,
    sends: &Sends,
) -> Result<Submission, Objection> {
    let Named { identity, sketch } = named;
    let message_id = event.message_id;
    let Content { fact, money, asked } = Content::of(event.kind, message_id.as_ref(), sends)?;
    let (client, class) = sender.client();
    let anonymous_id = event.anonymous_id.as_ref();
    let entry = Entry {
        time: event.time,
        time_sent: event.time_sent,
        key_id: Some(sender.caller.key.id.clone()),
        address: event.email.as_ref().map(Address::from),
        anonymous_id: anonymous_id.map(|id| Personal(id.as_str().to_owned())),
        message_id: message_id.map(|id| id.as_str().to_owned()),
        money,
        rounded: event.rounded,
        context: sender.context.of_event(is_first),
        client,
        class,
        ignored_fields: sketch.ignored().to_vec(),
        ..Entry::new(
            sender.workspace(),
            identity.id,
            sender.source(),
            sender.received_at,
            fact,
        )
    };
    Ok(Submission {
        entry,
        asked,
        has_new_id: identity.is_new,
        older: identity.older.clone(),
    })
}

/// What an event says, as the log takes it.
struct Content {
    fact: Fact,
    money: Option<Money>,
    asked: Option<RefundAsk>,
}

impl Content {
    fn of(
        kind: EventKind,
        message_id: Option<&MessageId>,
        sends: &Sends,
    ) -> Result<Self, Objection> {
        Ok(match kind {
            EventKind::Track { name, properties } => Self::plain(Fact::Track {
                name: name.as_str().to_owned(),
                properties: properties.map(Personal),
            }),
            EventKind::Identify { traits } => Self::plain(Fact::Identify {
                traits: traits.map(Personal),
            }),
            EventKind::Purchase(purchase) => Self {
                money: Some(purchase.revenue),
                ..Self::plain(Fact::Purchase {
                    order_id: purchase.order_id.as_str().to_owned(),
                    items: items_text(&purchase.items),
                })
            },
            EventKind::Amend(amendment) => Self {
                money: amendment.revenue,
                ..Self::plain(Fact::Amend {
                    order_id: amendment.order_id.as_str().to_owned(),
                    items: amendment.items.as_deref().map(items_json).map(Personal),
                })
            },
            EventKind::Refund(refund) => Self {
                asked: Some(RefundAsk {
                    amount: refund.amount,
                    currency: refund.currency,
                }),
                ..Self::plain(Fact::Refund {
                    order_id: refund.order_id.as_str().to_owned(),
                    refund_id: refund.refund_id.as_str().to_owned(),
                })
            },
            EventKind::Delivery(delivery) => {
                Self::plain(deliveries::fact(delivery, message_id, sends)?)
            }
        })
    }

    fn plain(fact: Fact) -> Self {
        Self {
            fact,
            money: None,
            asked: None,
        }
    }
}
