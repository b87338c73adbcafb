//! The header `Idempotency-Key`: a text that is the same whenever a request is tried again, and the ids that
//! are made of it. They are bound to who sends it and to the route, so that one text names one event of each
//! route; a batch is a route, and its text with a place names one event whatever its type.

use http::HeaderMap;
use shared::ids::EventId;
use shared::rejection::Rejection;

use store::ids::{OlderId, keyed, unkeyed};
use store::ledger::decide::WorkspaceKey;
use store::record::identity::{FactKind, Sender};

/// The header that makes a retry safe.
const HEADER: &str = "idempotency-key";
/// Characters of its text at the most.
const MAX_KEY_CHARS: usize = 255;

/// What stands in the header `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdempotencyKey {
    /// 1 to 255 visible ASCII characters, without the quotation marks of a structured header.
    text: String,
    /// What older versions made of the header.
    older: EventId,
}

/// An id that was made of such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RetriedId {
    pub(crate) id: EventId,
    /// What older versions made of the same text; never empty.
    pub(crate) older: Vec<OlderId>,
}

impl IdempotencyKey {
    /// Reads the header; `"abc"`, a string of RFC 8941, is the same key as `abc`.
    ///
    /// # Errors
    /// `invalid_idempotency_key`, where it is no key or where two differ.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Rejection> {
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
    pub(crate) fn names(&self, id: EventId) -> bool {
        EventId::parse(&self.text) == Ok(id)
    }

    /// The id of the one event that this kind of sender sends with it on the route of events of this
    /// type.
    pub(crate) fn id(&self, key: &WorkspaceKey, sender: Sender, kind: FactKind) -> RetriedId {
        let of = |route: &str| {
            let (sender, text) = ([sender.code()], self.text.as_bytes());
            keyed(key, &[b"idempotency-key", &sender, route.as_bytes(), text])
        };
        RetriedId {
            id: of(route_of(kind)),
            older: older(self.older, kind, None, of),
        }
    }

    /// The id of an event in a batch, by its place; `kind` is absent where it could not be read.
    pub(crate) fn id_in_batch(
        &self,
        key: &WorkspaceKey,
        sender: Sender,
        kind: Option<FactKind>,
        index: usize,
    ) -> RetriedId {
        let (place, sender) = ((index as u64).to_le_bytes(), [sender.code()]);
        let text = self.text.as_bytes();
        // Before, ids were bound to the type of what stood at the place.
        let of = |route: &str| {
            let what = b"idempotency-key of a batch";
            keyed(key, &[what, &sender, route.as_bytes(), text, &place])
        };
        let unkeyed = unkeyed(&[self.older.as_bytes(), &place]);
        RetriedId {
            id: keyed(key, &[b"idempotency-key of a place", &sender, text, &place]),
            older: match kind {
                Some(kind) => older(unkeyed, kind, Some(of(route_of(kind))), of),
                None => vec![OlderId::unkeyed(unkeyed)],
            },
        }
    }
}

/// What older versions made of a text for an event of this type: `of` makes the ids that were bound to
/// a name.
fn older(
    unkeyed: EventId,
    kind: FactKind,
    of_its_route: Option<EventId>,
    of: impl Fn(&str) -> EventId,
) -> Vec<OlderId> {
    // An amendment's were bound to its own type, before it shared those of its route.
    let of_its_type = (kind == FactKind::Amend).then(|| of(kind.as_str()));
    let keyed = [of_its_route, of_its_type].into_iter().flatten();
    let keyed = keyed.map(|id| OlderId { id, is_keyed: true });
    keyed.chain([OlderId::unkeyed(unkeyed)]).collect()
}

/// The route that a key is bound to: an order and its amendment share one, so that one key cannot be
/// both.
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::HeaderValue;

    use super::*;
    use store::ids::{of_send, of_unsubscribe};
    use store::record::{ContactId, WorkspaceId};

    const KEY: WorkspaceKey = WorkspaceKey([3; 32]);

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
        assert_eq!(order.older, amendment.older[1..]);
        assert!(amendment.older[0].is_keyed && amendment.older[0].id != order.id);
        let (order, amendment) = (
            in_batch(FactKind::Purchase, 1),
            in_batch(FactKind::Amend, 1),
        );
        assert_eq!(order.id, amendment.id);
        assert!(order.older.iter().all(|id| amendment.older.contains(id)));
        assert_eq!((order.older.len(), amendment.older.len()), (2, 3));
        assert_ne!(of(FactKind::Refund).id, of(FactKind::Purchase).id);
    }

    #[test]
    fn in_a_batch_the_place_binds_the_key_and_not_the_type() {
        let at = |kind, place| key("k").id_in_batch(&KEY, Sender::Server, kind, place);
        let order = at(Some(FactKind::Purchase), 1);
        for kind in [None, Some(FactKind::Track), Some(FactKind::Refund)] {
            assert_eq!(at(kind, 1).id, order.id);
            assert_ne!(at(kind, 2).id, order.id);
        }
        // What was recorded under the type's own id is its alone.
        assert_ne!(order.older[0], at(Some(FactKind::Refund), 1).older[0]);
        assert_eq!(order.older[1], at(None, 1).older[0]);
    }

    #[test]
    fn a_derived_id_is_another_one_for_each_workspace_sender_route_text_and_place() {
        let mut ids = HashSet::new();
        let mut made = 0;
        for workspace in [WorkspaceKey([1; 32]), WorkspaceKey([2; 32])] {
            for sender in [Sender::Page, Sender::Server] {
                for kind in [FactKind::Track, FactKind::Purchase, FactKind::Refund] {
                    for text in ["a", "b"] {
                        ids.insert(key(text).id(&workspace, sender, kind).id);
                        made += 1;
                    }
                }
                for (text, index) in [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)] {
                    let kind = Some(FactKind::Track);
                    ids.insert(key(text).id_in_batch(&workspace, sender, kind, index).id);
                    made += 1;
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

    /// What stands here was computed with the version that wrote such ids.
    #[test]
    fn the_older_id_is_the_one_that_older_versions_made() {
        let uuid = "01890f3e-6d6f-7c4e-8d2b-0a1b2c3d4e5f";
        let older = |text| {
            let of = key(text).id(&KEY, Sender::Server, FactKind::Track);
            assert!(!of.older[0].is_keyed && of.older.len() == 1);
            of.older[0].id
        };
        assert_eq!(older(uuid), EventId::parse(uuid).unwrap());
        assert_eq!(older("order-1001"), unkeyed(&[b"order-1001"]));
        assert_eq!(older("\"abc\""), unkeyed(&[b"\"abc\""]));
        assert!(key(uuid).names(EventId::parse(uuid).unwrap()));
        assert!(!key("abc").names(EventId::parse(uuid).unwrap()));
        let in_batch = key("k").id_in_batch(&KEY, Sender::Page, None, 2).older;
        let expected = unkeyed(&[unkeyed(&[b"k"]).as_bytes(), &2_usize.to_le_bytes()]);
        assert_eq!(in_batch, [OlderId::unkeyed(expected)]);
        assert_eq!(of_send(&KEY, "m").older, unkeyed(&[b"send", b"m"]));
    }
}
