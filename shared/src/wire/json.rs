//! Small readers of raw JSON values: a string, a bounded list, a checked object.
//! They know nothing of events.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits::{MAX_DEPTH, MAX_PROPERTIES};

/// The string that a value is; `None` for another type, and for half a surrogate pair, which is no
/// Unicode text.
pub(super) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inside = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    serde_json::from_str::<String>(raw.get())
        .ok()
        .map(Cow::Owned)
}

/// The number's own text, where the value is a number.
pub(super) fn number(raw: &RawValue) -> Option<&str> {
    raw.get()
        .starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
        .then(|| raw.get())
}

/// What a value is, as a sentence names it.
pub(super) fn kind(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The first characters of a text.
pub(super) fn truncated(text: &str, max_chars: usize) -> &str {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// Why a value is no bounded list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListError {
    NotAList,
    TooLong,
}

/// The elements of an array of at most `max`; gives up at the first one too many.
pub(super) fn list(raw: &RawValue, max: usize) -> Result<Vec<&RawValue>, ListError> {
    struct Elements<'f> {
        max: usize,
        too_long: &'f Cell<bool>,
    }
    impl<'de> Visitor<'de> for Elements<'_> {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = seq.next_element()? {
                if elements.len() == self.max {
                    self.too_long.set(true);
                    return Err(A::Error::custom("too long"));
                }
                elements.push(element);
            }
            Ok(elements)
        }
    }

    let too_long = Cell::new(false);
    let mut json = serde_json::Deserializer::from_str(raw.get());
    json.deserialize_seq(Elements {
        max,
        too_long: &too_long,
    })
    .map_err(|_| {
        if too_long.get() {
            ListError::TooLong
        } else {
            ListError::NotAList
        }
    })
}

/// Why a value is no object that can be kept as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectError {
    /// Not an object, or one with a number beyond a 64-bit float or half a surrogate pair.
    Malformed,
    /// More than [`MAX_PROPERTIES`] names on the first level.
    TooMany,
    /// More than [`MAX_DEPTH`] levels.
    TooDeep,
}

/// Checks an object whose text is kept: in one pass, so that everyone who reads it later can.
pub(super) fn check_object(raw: &RawValue) -> Result<(), ObjectError> {
    if !raw.get().starts_with('{') {
        return Err(ObjectError::Malformed);
    }
    let fault = Cell::new(ObjectError::Malformed);
    let mut json = serde_json::Deserializer::from_str(raw.get());
    Checked {
        level: 1,
        fault: &fault,
    }
    .deserialize(&mut json)
    .map_err(|_| fault.get())
}

/// Walks a value. The first fault that is not the JSON's own is noted outside, since serde's errors
/// carry only text.
#[derive(Clone, Copy)]
struct Checked<'f> {
    /// The level of the object or array that may stand here.
    level: usize,
    fault: &'f Cell<ObjectError>,
}

impl Checked<'_> {
    fn fail<E: serde::de::Error>(self, fault: ObjectError) -> E {
        self.fault.set(fault);
        E::custom("refused")
    }

    fn enter<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.level > MAX_DEPTH {
            return Err(self.fail(ObjectError::TooDeep));
        }
        Ok(Checked {
            level: self.level + 1,
            fault: self.fault,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.enter()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.enter()?;
        let mut names = 0;
        while map.next_key_seed(inner)?.is_some() {
            names += 1;
            if self.level == 1 && names > MAX_PROPERTIES {
                return Err(self.fail(ObjectError::TooMany));
            }
            map.next_value_seed(inner)?;
        }
        Ok(())
    }
}
