//! What mail servers tell of messages: whose messages those are. A delivery names a registered send
//! alone; what is told of another is refused, because nobody knows whom it is about.

use std::collections::HashMap;
use std::sync::Arc;

use shared::event::{Delivery, Event, EventKind};
use shared::ids::{EventId, MessageId};
use shared::rejection::Rejection;

use super::sent::send_ref;
use crate::app::App;
use crate::auth::Caller;
use crate::ids;
use crate::log::LogError;
use crate::log::decide::{WorkspaceKey, WorkspaceKeys as _};
use crate::log::record::{Fact, Personal, SendRef};
use crate::query::find_send;

/// The code of a delivery of a message that is not registered.
const UNKNOWN_MESSAGE: &str = "unknown_message";

/// The sends by their messageId, of those that are registered.
pub(super) type Sends = HashMap<String, SendRef>;

/// Looks up the sends of those events that are deliveries.
///
/// # Errors
/// [`LogError`], where the log could not be read.
pub(super) async fn sends_of<'e>(
    app: &App,
    caller: &Caller,
    events: impl IntoIterator<Item = &'e Event>,
) -> Result<Sends, LogError> {
    let named = events.into_iter().filter_map(|event| match event.kind {
        EventKind::Delivery(_) => Some(event.message_id.as_ref()?.as_str().to_owned()),
        _ => None,
    });
    let named: Vec<String> = named.collect();
    if named.is_empty() {
        return Ok(Sends::new());
    }
    let workspace = caller.key.workspace;
    let key = app.meta.key_of(workspace).ok_or(LogError::Unavailable)?;
    let log = Arc::clone(&app.log);
    // The log blocks on disk.
    let found = tokio::task::spawn_blocking(move || {
        let mut sends = Sends::new();
        for message_id in named {
            if !sends.contains_key(&message_id)
                && let Some(send) = find_send(&*log, &key, workspace, &message_id)?
            {
                sends.insert(message_id, send_ref(&send, &key));
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
pub(super) fn id_of(key: &WorkspaceKey, event: &Result<Event, Rejection>) -> Option<EventId> {
    let event = event.as_ref().ok()?;
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
) -> Result<Fact, Rejection> {
    let send = message_id.and_then(|id| sends.get(id.as_str()));
    let Some(send) = send.cloned() else {
        let message = "no message with this messageId is registered: register it with POST /v1/messages first";
        return Err(Rejection::of(UNKNOWN_MESSAGE, "messageId", message));
    };
    Ok(Fact::Delivery {
        send,
        status: delivery.status.into(),
        code: delivery.code,
        reason: delivery.reason.map(Personal),
    })
}
