//! Where in a body its keys, its events and its messages stand: read only of a body in which a
//! secret key was found. Duplicates of a name count, each of them; what a body means is `shared::wire`'s.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use shared::limits::{MAX_BATCH_EVENTS, MAX_BATCH_MESSAGES};

use store::secrets::FoundKey;

/// More events or messages are refused as a whole.
const MAX_ITEMS: usize = if MAX_BATCH_EVENTS > MAX_BATCH_MESSAGES {
    MAX_BATCH_EVENTS
} else {
    MAX_BATCH_MESSAGES
};

/// What stands at a place of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyPlace {
    /// A field that is meant for a key.
    KeyField,
    /// The event or message with this index.
    Item(usize),
    /// What is said of all events, or a body of one.
    Around,
    /// The body is no JSON object.
    Unreadable,
}

/// The places of one body that hold something of interest, each list in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Layout {
    is_object: bool,
    key_fields: Vec<Range<usize>>,
    /// With their index.
    items: Vec<(usize, Range<usize>)>,
    mail_parts: Vec<Range<usize>>,
}

impl Layout {
    /// Looks for the places of what was found, and for no others.
    pub(super) fn of(text: &str, found: &[FoundKey]) -> Self {
        let mut layout = Self::default();
        let Ok(members) = serde_json::from_str::<Members<'_>>(text) else {
            return layout;
        };
        layout.is_object = true;
        let places = Places { text, found };
        for (name, value) in members.0 {
            let place = places.of(value);
            if !places.hold_one(&place) {
                if is_list(&name) {
                    // The last of duplicates is the one that counts.
                    layout.items.clear();
                }
                continue;
            }
            layout.note(&name, place);
            if !is_list(&name) {
                continue;
            }
            layout.items.clear();
            let Ok(items) = serde_json::from_str::<Items<'_>>(value.get()) else {
                continue;
            };
            for (index, item) in items.0.into_iter().enumerate() {
                let place = places.of(item);
                if !places.hold_one(&place) {
                    continue;
                }
                if let Ok(members) = serde_json::from_str::<Members<'_>>(item.get()) {
                    for (name, value) in members.0 {
                        let place = places.of(value);
                        if places.hold_one(&place) {
                            layout.note(&name, place);
                        }
                    }
                }
                layout.items.push((index, place));
            }
        }
        layout
    }

    pub(super) fn place(&self, range: &Range<usize>) -> BodyPlace {
        if !self.is_object {
            return BodyPlace::Unreadable;
        }
        if within(&self.key_fields, range).is_some() {
            return BodyPlace::KeyField;
        }
        let after = self
            .items
            .partition_point(|(_, item)| item.start <= range.start);
        match after.checked_sub(1).map(|last| &self.items[last]) {
            Some((index, item)) if range.start < item.end => BodyPlace::Item(*index),
            _ => BodyPlace::Around,
        }
    }

    /// Whether it stands in the HTML or the text of a mail.
    pub(super) fn is_part_of_mail(&self, range: &Range<usize>) -> bool {
        within(&self.mail_parts, range).is_some()
    }

    fn note(&mut self, name: &str, place: Range<usize>) {
        if is_key_field(name) {
            self.key_fields.push(place);
        } else if matches!(name, "html" | "text") {
            self.mail_parts.push(place);
        }
    }
}

fn within<'a>(places: &'a [Range<usize>], range: &Range<usize>) -> Option<&'a Range<usize>> {
    let after = places.partition_point(|place| place.start <= range.start);
    let place = places.get(after.checked_sub(1)?)?;
    (range.start < place.end).then_some(place)
}

fn is_list(name: &str) -> bool {
    matches!(name, "events" | "messages")
}

/// `key`, `apiKey`, `writeKey`, in every spelling of their words.
fn is_key_field(name: &str) -> bool {
    // Longer than any of them, with every character escaped by a separator.
    if name.len() > 32 {
        return false;
    }
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    matches!(
        plain.as_str(),
        "key" | "apikey" | "writekey" | "xapikey" | "secretkey"
    )
}

/// Where slices of a text stand in it.
struct Places<'a> {
    text: &'a str,
    found: &'a [FoundKey],
}

impl Places<'_> {
    /// `value` was read from the text, and borrows from it.
    fn of(&self, value: &RawValue) -> Range<usize> {
        let start = value.get().as_ptr().addr() - self.text.as_ptr().addr();
        start..start + value.get().len()
    }

    fn hold_one(&self, place: &Range<usize>) -> bool {
        let after = self
            .found
            .partition_point(|one| one.range.start < place.start);
        self.found
            .get(after)
            .is_some_and(|one| one.range.start < place.end)
    }
}

/// The members of an object, each of duplicates.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// The first elements of a list.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First;
        impl<'de> Visitor<'de> for First {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while items.len() < MAX_ITEMS {
                    match seq.next_element()? {
                        Some(item) => items.push(item),
                        None => return Ok(Items(items)),
                    }
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(First)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::secrets::find;

    fn secret() -> String {
        let mut byte = 3_u8;
        let key = shared::api_key::ApiKey::generate(shared::api_key::KeyKind::Secret, &mut || {
            byte = byte.wrapping_mul(5).wrapping_add(57);
            byte
        });
        key.as_str().to_owned()
    }

    /// The places of the keys, for each of which an `@` stands.
    fn places(text: &str) -> Vec<BodyPlace> {
        let text = text.replace('@', &secret());
        let found = find(text.as_bytes());
        let layout = Layout::of(&text, &found);
        found.iter().map(|one| layout.place(&one.range)).collect()
    }

    #[test]
    fn every_key_of_a_body_has_its_place() {
        use BodyPlace::{Around, Item, KeyField, Unreadable};
        let cases: &[(&str, &[BodyPlace])] = &[
            (r#"{"key":"@"}"#, &[KeyField]),
            (r#"{"key":"@","key":"x"}"#, &[KeyField]),
            (r#"{"key":"x","key":["@"]}"#, &[KeyField]),
            (r#"{"\u006bey":" @ "}"#, &[KeyField]),
            (
                r#"{"apiKey":"@","write_key":"@","API-KEY":"@"}"#,
                &[KeyField; 3],
            ),
            (
                r#"{"event":"@","properties":{"key":"@"}}"#,
                &[Around, Around],
            ),
            (r#"{"@":1}"#, &[Around]),
            (
                r#"{"context":{"a":"@"},"events":[{"a":1},{"b":"@"}]}"#,
                &[Around, Item(1)],
            ),
            (
                r#"{"events":[{"b":"@"},{"writeKey":"@"},"@"],"x":"@"}"#,
                &[Item(0), KeyField, Item(2), Around],
            ),
            (
                r#"{"events":["@"],"events":[{"a":"@"}]}"#,
                &[Around, Item(0)],
            ),
            (r#"{"events":["@"],"events":null}"#, &[Around]),
            (r#"{"messages":[{"html":"@"}]}"#, &[Item(0)]),
            (r#"["@"]"#, &[Unreadable]),
            (r#"{"key":"@""#, &[Unreadable]),
            ("key=@", &[Unreadable]),
        ];
        for (text, expected) in cases {
            assert_eq!(places(text), *expected, "{text}");
        }
    }
}
