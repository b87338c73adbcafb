//! Ids that no caller chose: made at random, or of what there is but once. Those are keyed by the workspace's
//! secret, so that nobody outside knows them beforehand. Not which ids are known (`log::decide`).

use sha2::{Digest, Sha256};
use shared::event::{Delivery, DeliveryStatus};
use shared::ids::EventId;
use shared::time::Timestamp;

use crate::record::WorkspaceKey;
use crate::record::{ContactId, WorkspaceId};

/// An id that was made of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DerivedId {
    pub id: EventId,
    /// What versions from before ids were keyed made of the same text: it may be on record.
    pub older: EventId,
}

/// Another id under which an event may be on record, because an older version made that of the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OlderId {
    pub id: EventId,
    /// It was made with the workspace's secret. Anybody can make one that was not.
    pub is_keyed: bool,
}

impl OlderId {
    /// One from before ids were keyed.
    pub fn unkeyed(id: EventId) -> Self {
        Self {
            id,
            is_keyed: false,
        }
    }
}

/// An id for an event that came without one: the time, and random bits.
pub fn new_id() -> EventId {
    // `now_v7` counts within a millisecond: two ids would tell how many others got one between them.
    let id = uuid::Uuid::new_v7(uuid::Timestamp::now(uuid::NoContext));
    EventId::from_bytes(*id.as_bytes())
}

/// The id of a send, one for each messageId of a workspace.
pub fn of_send(key: &WorkspaceKey, message_id: &str) -> DerivedId {
    let message_id = message_id.as_bytes();
    DerivedId {
        id: keyed(key, &[b"send", message_id]),
        older: unkeyed(&[b"send", message_id]),
    }
}

/// The id of what tells when a message left, one for each messageId of a workspace.
pub fn of_departure(key: &WorkspaceKey, message_id: &str) -> EventId {
    keyed(key, &[b"departure", message_id.as_bytes()])
}

/// The id of an unsubscribe, one for each message and contact.
pub fn of_unsubscribe(
    key: &WorkspaceKey,
    workspace: WorkspaceId,
    message_id: &str,
    contact: ContactId,
) -> DerivedId {
    let (workspace, message_id) = (workspace.0.to_le_bytes(), message_id.as_bytes());
    DerivedId {
        id: keyed(key, &[b"unsubscribe", message_id, &contact.0]),
        older: unkeyed(&[b"unsubscribe", &workspace, message_id, &contact.0]),
    }
}

/// The id of what was told of a message on its way where no id was sent: one for each message, status,
/// code and time, whatever words stand beside them. Without a time it is one for each of what a message
/// becomes but once; `None` where it is deferred, which it may be again and again.
pub fn of_delivery(
    key: &WorkspaceKey,
    message_id: &str,
    delivery: &Delivery,
    time: Option<Timestamp>,
) -> Option<EventId> {
    if time.is_none() && delivery.status == DeliveryStatus::Deferred {
        return None;
    }
    let time = time.map(|time| time.as_millis().to_le_bytes());
    let parts: [&[u8]; 5] = [
        b"delivery",
        message_id.as_bytes(),
        delivery.status.as_str().as_bytes(),
        delivery.code.as_deref().unwrap_or_default().as_bytes(),
        time.as_ref().map_or(&[], |time| time.as_slice()),
    ];
    Some(keyed(key, &parts))
}

/// An HMAC of the parts under the workspace's secret.
pub fn keyed(key: &WorkspaceKey, parts: &[&[u8]]) -> EventId {
    let mac = key.mac(&[&[b"id".as_slice()], parts].concat());
    uuid_of(&mac)
}

/// SHA-256 of the parts: how ids were made before they were keyed. Anybody can make them.
pub fn unkeyed(parts: &[&[u8]]) -> EventId {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    uuid_of(&hasher.finalize().into())
}

/// A hash cut to a UUID of version 8 (RFC 9562, section 5.8: bits of one's own).
fn uuid_of(hash: &[u8; 32]) -> EventId {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    EventId::from_bytes(*uuid::Builder::from_custom_bytes(bytes).as_uuid().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const KEY: WorkspaceKey = WorkspaceKey([3; 32]);

    /// Ids that count up would tell how many others were made between two of one's own.
    #[test]
    fn ids_that_are_made_do_not_count() {
        let ids: Vec<EventId> = (0..1_000).map(|_| new_id()).collect();
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert!(!texts.is_sorted(), "{texts:?}");
        let unique: std::collections::BTreeSet<_> = texts.iter().collect();
        assert_eq!(unique.len(), 1_000);
        assert!(texts.iter().all(|id| id.as_bytes()[14] == b'7'));
    }

    #[test]
    fn what_is_told_of_a_message_has_one_id_until_something_else_is_told() {
        let told = |status, code: Option<&str>, reason: Option<&str>| Delivery {
            status,
            code: code.map(str::to_owned),
            reason: reason.map(str::to_owned),
        };
        let at = |millis| Some(Timestamp::from_millis(millis));
        let first = told(DeliveryStatus::Bounced, Some("5.1.1"), Some("550 No"));
        let id = of_delivery(&KEY, "m", &first, at(1)).unwrap();
        let in_other_words = told(DeliveryStatus::Bounced, Some("5.1.1"), None);
        assert_eq!(of_delivery(&KEY, "m", &in_other_words, at(1)), Some(id));
        let delivered = told(DeliveryStatus::Delivered, None, None);
        let others = [
            of_delivery(&WorkspaceKey([4; 32]), "m", &first, at(1)),
            of_delivery(&KEY, "n", &first, at(1)),
            of_delivery(&KEY, "m", &first, at(2)),
            of_delivery(&KEY, "m", &first, None),
            of_delivery(&KEY, "m", &told(DeliveryStatus::Bounced, None, None), at(1)),
            of_delivery(&KEY, "m", &delivered, at(1)),
            of_delivery(&KEY, "m", &delivered, None),
        ];
        let unique: HashSet<_> = others.into_iter().flatten().chain([id]).collect();
        assert_eq!(unique.len(), 8);
        let deferred = told(DeliveryStatus::Deferred, None, None);
        assert_eq!(of_delivery(&KEY, "m", &deferred, None), None);
        assert!(of_delivery(&KEY, "m", &deferred, at(1)).is_some());
    }
}
