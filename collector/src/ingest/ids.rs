//! Ids that no caller chose: made at random, or of a text that is the same whenever a request is tried
//! again. Those of a text are keyed by the workspace's secret and bound to who sends what, so that
//! nobody outside knows them beforehand and one text names one event of each type. Not which ids are
//! known (`log::decide`).

use http::HeaderMap;
use sha2::{Digest, Sha256};
use shared::event::{Delivery, DeliveryStatus};
use shared::ids::EventId;
use shared::rejection::Rejection;
use shared::time::Timestamp;

use crate::log::decide::WorkspaceKey;
use crate::log::identity::{FactKind, Sender};
use crate::log::record::{ContactId, WorkspaceId};

/// The header that makes a retry safe.
const HEADER: &str = "idempotency-key";
/// Characters of its text at the most.
const MAX_KEY_CHARS: usize = 255;

/// An id that was made of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DerivedId {
    pub id: EventId,
    /// What versions from before ids were keyed made of the same text: it may be on record.
    pub older: EventId,
}

/// An id for an event that came without one: the time, and random bits.
pub(crate) fn new_id() -> EventId {
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

/// What stands in the header `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// 1 to 255 visible ASCII characters, without the quotation marks of a structured header.
    text: String,
    /// What older versions made of the header.
    older: EventId,
}

impl IdempotencyKey {
    /// Reads the header; `"abc"`, a string of RFC 8941, is the same key as `abc`.
    ///
    /// # Errors
    /// `invalid_idempotency_key`, where it is no key or where two differ.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Rejection> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let refuse = |message| Err(Rejection::whole("invalid_idempotency_key", message));
        if values.any(|other| other != value) {
            return refuse("the header Idempotency-Key was sent twice, with two values: send one");
        }
        let text = value.to_str().ok().and_then(unquoted).filter(|text| {
            (1..=MAX_KEY_CHARS).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
        });
        let Some(text) = text else {
            return refuse("the header Idempotency-Key takes 1 to 255 visible ASCII characters");
        };
        let raw = value.as_bytes();
        let as_uuid = value.to_str().ok().and_then(|raw| EventId::parse(raw).ok());
        Ok(Some(Self {
            text,
            older: as_uuid.unwrap_or_else(|| unkeyed(&[raw])),
        }))
    }

    /// Whether its text is this id.
    pub fn names(&self, id: EventId) -> bool {
        EventId::parse(&self.text) == Ok(id)
    }

    /// The id of the one event that this kind of sender sends with it on the route of events of this
    /// type.
    pub fn id(&self, key: &WorkspaceKey, sender: Sender, kind: FactKind) -> DerivedId {
        let of = |route: &str| {
            let (sender, text) = ([sender.code()], self.text.as_bytes());
            keyed(key, &[b"idempotency-key", &sender, route.as_bytes(), text])
        };
        DerivedId {
            id: of(route_of(kind)),
            older: match kind {
                FactKind::Amend => of(kind.as_str()),
                _ => self.older,
            },
        }
    }

    /// The id of an event in a batch, by its place; `kind` is absent where it could not be read.
    pub fn id_in_batch(
        &self,
        key: &WorkspaceKey,
        sender: Sender,
        kind: Option<FactKind>,
        index: usize,
    ) -> DerivedId {
        let place = (index as u64).to_le_bytes();
        let of = |route: &str| {
            let (sender, text) = ([sender.code()], self.text.as_bytes());
            let what = b"idempotency-key of a batch";
            keyed(key, &[what, &sender, route.as_bytes(), text, &place])
        };
        DerivedId {
            id: of(kind.map_or("", route_of)),
            older: match kind {
                Some(FactKind::Amend) => of(FactKind::Amend.as_str()),
                _ => unkeyed(&[self.older.as_bytes(), &place]),
            },
        }
    }
}

/// The route that a key is bound to: an order and its amendment share one, so that one key cannot be
/// both. (Before that, an amendment's ids were bound to its own type.)
fn route_of(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Amend => FactKind::Purchase.as_str(),
        other => other.as_str(),
    }
}

/// The content of a string of RFC 8941 (section 3.3.3), or the text as it is; `None` where a quoted
/// one is malformed.
fn unquoted(text: &str) -> Option<String> {
    let Some(quoted) = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return Some(text.to_owned());
    };
    let mut content = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => content.push(characters.next().filter(|c| matches!(c, '"' | '\\'))?),
            '"' => return None,
            other => content.push(other),
        }
    }
    Some(content)
}

/// An HMAC of the parts under the workspace's secret.
fn keyed(key: &WorkspaceKey, parts: &[&[u8]]) -> EventId {
    let mac = key.mac(&[&[b"id".as_slice()], parts].concat());
    uuid_of(&mac)
}

/// SHA-256 of the parts: how ids were made before they were keyed. Anybody can make them.
fn unkeyed(parts: &[&[u8]]) -> EventId {
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

    use http::HeaderValue;

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

    fn read(values: &[&str]) -> Result<Option<IdempotencyKey>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        IdempotencyKey::of(&headers).map_err(|rejection| rejection.code)
    }

    fn key(text: &str) -> IdempotencyKey {
        read(&[text]).unwrap().unwrap()
    }

    #[test]
    fn a_structured_string_is_the_same_key_and_anything_else_stands_as_it_is() {
        let id = |text| key(text).id(&KEY, Sender::Server, FactKind::Track).id;
        assert_eq!(id("abc"), id("\"abc\""));
        assert_eq!(id("a\"b\\c"), id("\"a\\\"b\\\\c\""));
        assert_ne!(id("abc"), id("\"abc"));
        assert_ne!(id("abc"), id("abc\""));
        assert_ne!(id("abc"), id("Abc"));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["abc", "abc"]), Ok(Some(key("abc"))));
        let long = "x".repeat(256);
        let refused: [&[&str]; 9] = [
            &[""],
            &["\"\""],
            &["a b"],
            &["\"a b\""],
            &["\"a\\b\""],
            &["\"a\"b\""],
            &["schlüssel"],
            &[&long],
            &["abc", "abd"],
        ];
        for values in refused {
            assert_eq!(read(values), Err("invalid_idempotency_key"), "{values:?}");
        }
        assert!(read(&[&long[1..]]).is_ok());
    }

    #[test]
    fn an_order_and_its_amendment_share_the_ids_of_their_route() {
        let (key, text) = (KEY, key("k"));
        let of = |kind| text.id(&key, Sender::Server, kind);
        let in_batch = |kind, at| text.id_in_batch(&key, Sender::Server, Some(kind), at);
        let (order, amendment) = (of(FactKind::Purchase), of(FactKind::Amend));
        assert_eq!(order.id, amendment.id);
        // What an amendment had before is asked for too.
        assert!(![order.id, order.older].contains(&amendment.older));
        let amendment = in_batch(FactKind::Amend, 1);
        assert_eq!(in_batch(FactKind::Purchase, 1).id, amendment.id);
        assert_ne!(in_batch(FactKind::Purchase, 2).id, amendment.id);
        assert_ne!(of(FactKind::Refund).id, order.id);
    }

    #[test]
    fn a_derived_id_is_another_one_for_each_workspace_sender_type_text_and_place() {
        let mut ids = HashSet::new();
        let mut made = 0;
        for workspace in [WorkspaceKey([1; 32]), WorkspaceKey([2; 32])] {
            for sender in [Sender::Page, Sender::Server] {
                for kind in [FactKind::Track, FactKind::Purchase, FactKind::Refund] {
                    for text in ["a", "b"] {
                        ids.insert(key(text).id(&workspace, sender, kind).id);
                        for index in 0..3 {
                            let derived =
                                key(text).id_in_batch(&workspace, sender, Some(kind), index);
                            ids.insert(derived.id);
                        }
                        made += 4;
                    }
                }
            }
            ids.insert(of_send(&workspace, "a").id);
            ids.insert(of_unsubscribe(&workspace, WorkspaceId(1), "a", ContactId([0; 16])).id);
            made += 2;
        }
        assert_eq!(ids.len(), made);
        let again = key("a").id(&WorkspaceKey([1; 32]), Sender::Page, FactKind::Track);
        assert!(ids.contains(&again.id));
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

    /// What stands here was computed with the version that wrote such ids.
    #[test]
    fn the_older_id_is_the_one_that_older_versions_made() {
        let uuid = "01890f3e-6d6f-7c4e-8d2b-0a1b2c3d4e5f";
        let older = |text| key(text).id(&KEY, Sender::Server, FactKind::Track).older;
        assert_eq!(older(uuid), EventId::parse(uuid).unwrap());
        assert_eq!(older("order-1001"), unkeyed(&[b"order-1001"]));
        assert_eq!(older("\"abc\""), unkeyed(&[b"\"abc\""]));
        assert!(key(uuid).names(EventId::parse(uuid).unwrap()));
        assert!(!key("abc").names(EventId::parse(uuid).unwrap()));
        let in_batch = key("k").id_in_batch(&KEY, Sender::Page, None, 2).older;
        let expected = unkeyed(&[unkeyed(&[b"k"]).as_bytes(), &2_usize.to_le_bytes()]);
        assert_eq!(in_batch, expected);
        assert_eq!(of_send(&KEY, "m").older, unkeyed(&[b"send", b"m"]));
    }
}
