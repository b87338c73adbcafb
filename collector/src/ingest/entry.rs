//! From an event to what the log takes: an [`Entry`] of what it proposes.

use shared::event::{Event, EventKind, items_json};

use super::candidate::Named;
use super::deliveries::{self, Sends};
use super::objection::Objection;
use super::sender::RequestSender;
use store::ledger::decide::RefundAsk;
use store::ledger::{Proposed, Submission};
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
    let Event {
        time,
        time_sent,
        email,
        anonymous_id,
        message_id,
        kind,
        unknown_fields: _,
        rounded,
    } = event;
    let proposed = match kind {
        EventKind::Track { name, properties } => Proposed::Fact(Fact::Track {
            name: name.as_str().to_owned(),
            properties: properties.map(Personal),
            message_id,
        }),
        EventKind::Identify { traits } => Proposed::Fact(Fact::Identify {
            traits: traits.map(Personal),
        }),
        EventKind::Purchase(purchase) => Proposed::Fact(Fact::Purchase {
            order_id: purchase.order_id,
            revenue: purchase.revenue,
            rounded,
            items: items_text(&purchase.items),
            message_id,
        }),
        EventKind::Amend(amendment) => Proposed::Amend {
            order_id: amendment.order_id,
            revenue: amendment.revenue,
            rounded,
            items: amendment.items.as_deref().map(items_json).map(Personal),
            message_id,
        },
        EventKind::Refund(refund) => Proposed::Refund {
            order_id: refund.order_id,
            refund_id: refund.refund_id,
            asked: RefundAsk {
                amount: refund.amount,
                currency: refund.currency,
            },
        },
        EventKind::Delivery(delivery) => {
            Proposed::Fact(deliveries::fact(delivery, message_id.as_ref(), sends)?)
        }
    };
    let entry = Entry {
        time,
        time_sent,
        address: email.as_ref().map(Address::from),
        anonymous_id,
        ignored_fields: sketch.ignored().to_vec(),
        ..Entry::new(
            sender.workspace(),
            identity.id,
            sender.told_by(is_first),
            sender.received_at,
            proposed,
        )
    };
    Ok(Submission {
        has_new_id: identity.is_new,
        older: identity.older.clone(),
        ..Submission::from(entry)
    })
}
