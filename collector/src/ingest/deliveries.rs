//! What mail servers tell of messages: whose messages those are. A delivery names a registered send
//! alone; what is told of another is refused, because nobody knows whom it is about.

use std::collections::HashMap;
use std::sync::Arc;

use shared::event::{Delivery, Event, EventKind};
use shared::ids::{EventId, MessageId};
use shared::rejection::Rejection;

use super::objection::Objection;
use super::sender::RequestSender;
use super::sent::send_ref;
use crate::app::App;
use store::ids;
use store::ledger::LogError;
use store::ledger::decide::WorkspaceKey;
use store::query::find_send;
use store::record::{Fact, Personal, SendRef};

/// The code of a delivery of a message that is not registered.
const UNKNOWN_MESSAGE: &str = "unknown_message";

/// The sends by their messageId, of those that are registered.
pub(super) type Sends = HashMap<MessageId, SendRef>;

/// Looks up the sends of those events that are deliveries.
///
/// # Errors
/// [`LogError`], where the log could not be read.
pub(super) async fn sends_of<'e>(
    app: &App,
    sender: &RequestSender,
    events: impl IntoIterator<Item = &'e Event>,
) -> Result<Sends, LogError> {
    let named = events.into_iter().filter_map(|event| match event.kind {
        EventKind::Delivery(_) => event.message_id.clone(),
        _ => None,
    });
    let named: Vec<MessageId> = named.collect();
    if named.is_empty() {
        return Ok(Sends::new());
    }
    let (workspace, key) = (sender.workspace(), sender.key);
    let log = Arc::clone(&app.log);
    // The log blocks on disk.
    let found = tokio::task::spawn_blocking(move || {
        let mut sends = Sends::new();
        for message_id in named {
            if !sends.contains_key(&message_id)
                && let Some(send) = find_send(&*log, &key, workspace, message_id.as_str())?
            {
                let send = send_ref(&send, &message_id, &key);
                sends.insert(message_id, send);
            }
        }
        Ok(sends)
    });
    found
        .await
        .unwrap_or_else(|error| Err(LogError::Storage(format!("looking up sends: {error}"))))
}

/// The id that an event has where none was sent: what a delivery tells is its own identity, so that a
/// mail server's report that comes again is no other fact. `None` for everything else.
pub(super) fn id_of(key: &WorkspaceKey, event: &Event) -> Option<EventId> {
    let EventKind::Delivery(delivery) = &event.kind else {
        return None;
    };
    let message_id = event.message_id.as_ref()?.as_str();
    let time = event.time_sent.then_some(event.time);
    ids::of_delivery(key, message_id, delivery, time)
}

/// The fact that a delivery is.
///
/// # Errors
/// `unknown_message`.
pub(super) fn fact(
    delivery: Delivery,
    message_id: Option<&MessageId>,
    sends: &Sends,
) -> Result<Fact, Objection> {
    let send = message_id.and_then(|id| sends.get(id));
    let Some(send) = send.cloned() else {
        let message = "no message with this messageId is registered: register it with POST /v1/messages first";
        let rejection = Rejection::of(UNKNOWN_MESSAGE, "messageId", message);
        return Err(Objection::Unknown(rejection));
    };
    Ok(Fact::Delivery {
        send,
        status: delivery.status,
        code: delivery.code,
        reason: delivery.reason.map(Personal),
    })
}
