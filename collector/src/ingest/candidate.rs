//! One event of a request as far as it was read: the id that it goes under, what a receipt says of it, and
//! the event or why it is none.

use shared::event::{Event, EventKind};
use shared::ids::EventId;
use shared::rejection::Rejection;
use shared::wire::{self, Parsed};

use super::deliveries;
use super::idempotency::RetriedId;
use super::identity::Identity;
use super::objection::Objection;
use super::receipts::Sketch;
use super::sender::RequestSender;
use super::signed;
use store::record::identity::FactKind;

/// An event on its way into the log, which becomes a submission or an objection.
pub(super) struct Candidate<'a> {
    pub(super) named: Named<'a>,
    pub(super) event: Result<Event, Objection>,
}

/// What is left of a candidate when its event has gone to the log or been refused: enough to answer.
pub(super) struct Named<'a> {
    pub(super) identity: Identity,
    pub(super) sketch: Sketch<'a>,
}

impl<'a> Candidate<'a> {
    /// `body` is the event's own text. `refused` is why it is refused whatever it says. `derive` makes
    /// the id that the request's headers give an event of this type, `None` of one that is no event.
    pub(super) fn of(
        sender: &RequestSender,
        parsed: Parsed,
        body: &'a str,
        refused: Option<Rejection>,
        derive: impl FnOnce(Option<FactKind>) -> Option<RetriedId>,
    ) -> Self {
        let Parsed {
            sent_id,
            name,
            unknown_fields,
            outcome,
        } = parsed;
        let hints = match &outcome {
            Ok(event) => wire::hints(event.type_name(), body, &unknown_fields),
            Err(_) => Vec::new(),
        };
        let event = match refused {
            Some(rejection) => Err(rejection),
            None => outcome,
        };
        let (event, drops_address) = match event {
            Ok(event) if sender.must_sign => match signed::check(&sender.key, body, event) {
                Ok((event, drops_address)) => (Ok(event), drops_address),
                Err(rejection) => (Err(rejection), false),
            },
            event => (event, false),
        };
        let read = event.as_ref().ok();
        let derived = derive(read.map(kind_of));
        let told: Option<EventId> = read.and_then(|event| deliveries::id_of(&sender.key, event));
        let mut sketch = Sketch::new(name, unknown_fields, hints, body);
        if drops_address {
            sketch.ignore_of_batch(&["email".to_owned()]);
        }
        Self {
            named: Named {
                identity: Identity::of(sent_id.as_ref(), derived, told),
                sketch,
            },
            event: event.map_err(Objection::Invalid),
        }
    }
}

fn kind_of(event: &Event) -> FactKind {
    match event.kind {
        EventKind::Track { .. } => FactKind::Track,
        EventKind::Identify { .. } => FactKind::Identify,
        EventKind::Purchase(_) => FactKind::Purchase,
        EventKind::Amend(_) => FactKind::Amend,
        EventKind::Refund(_) => FactKind::Refund,
        EventKind::Delivery(_) => FactKind::Delivery,
    }
}
