//! JSON values with exact numbers, as properties, traits and definitions hold them, and what may be
//! asked of two of them. Types never coerce.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::decimal::Decimal;

/// Objects and arrays inside each other that are read; deeper ones are refused.
const MAX_LEVELS: usize = 64;

/// A JSON value. Objects keep the order of their names.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, exactly as it was sent.
    Number(Decimal),
    /// A text.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object; each name stands once.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Reads a JSON text.
    ///
    /// # Errors
    /// [`ValueError`].
    pub fn read(json: &str) -> Result<Value, ValueError> {
        let raw: &RawValue = serde_json::from_str(json).map_err(|_| ValueError::NotJson)?;
        read(raw, 1)
    }

    /// What a sentence calls such a value.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    /// The value as JSON, without blanks; reading it gives the value again.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Value::Null => "null".into(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => written(text),
            Value::List(elements) => {
                let elements: Vec<String> = elements.iter().map(Value::to_json).collect();
                format!("[{}]", elements.join(","))
            }
            Value::Object(fields) => {
                let write = |(name, value): &(String, Value)| {
                    format!("{}:{}", written(name), value.to_json())
                };
                let fields: Vec<String> = fields.iter().map(write).collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }

    /// What an object holds under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(fields) => fields
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// What stands at a dotted path: one name a level. Where nothing does, a name of the first level
    /// that is the whole path, dots and all. `null` is nothing.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Value> {
        self.nested(path)
            .or_else(|| self.get(path))
            .filter(|found| **found != Value::Null)
    }

    /// What stands at a dotted path by one name a level, `null` included.
    pub(super) fn nested(&self, path: &str) -> Option<&Value> {
        path.split('.')
            .try_fold(self, |value, name| value.get(name))
    }
}

/// A text as JSON.
pub(super) fn written(text: &str) -> String {
    // Serialising a text cannot fail.
    serde_json::to_string(text).unwrap_or_default()
}

/// Shows no content: a value may be personal.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value[{}]", self.kind())
    }
}

/// Why a text is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// Not JSON, or a number or text that cannot be held.
    NotJson,
    /// A name stands twice in one object.
    Twice,
    /// Nested too deep to be read.
    TooDeep,
}

fn read(raw: &RawValue, level: usize) -> Result<Value, ValueError> {
    if level > MAX_LEVELS {
        return Err(ValueError::TooDeep);
    }
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'n') => Ok(Value::Null),
        Some(b't') => Ok(Value::Bool(true)),
        Some(b'f') => Ok(Value::Bool(false)),
        Some(b'"') => parsed(text).map(Value::Text),
        Some(b'[') => {
            let elements: Vec<&RawValue> = parsed(text)?;
            let values = elements.into_iter().map(|raw| read(raw, level + 1));
            values.collect::<Result<_, _>>().map(Value::List)
        }
        Some(b'{') => {
            let Fields(fields) = parsed(text)?;
            let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            if names.windows(2).any(|two| two[0] == two[1]) {
                return Err(ValueError::Twice);
            }
            let values = fields
                .into_iter()
                .map(|(name, raw)| Ok((name, read(raw, level + 1)?)));
            values.collect::<Result<_, _>>().map(Value::Object)
        }
        _ => Decimal::parse(text)
            .map(Value::Number)
            .map_err(|_| ValueError::NotJson),
    }
}

fn parsed<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, ValueError> {
    serde_json::from_str(text).map_err(|_| ValueError::NotJson)
}

/// The fields of an object in their order, doubles included, their values unread.
struct Fields<'de>(Vec<(String, &'de RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// The order of two numbers, exactly.
pub(super) fn compare(a: &Decimal, b: &Decimal) -> Ordering {
    let sign = |number: &Decimal| match (number.is_zero(), number.is_negative()) {
        (true, _) => 0,
        (false, true) => -1,
        (false, false) => 1,
    };
    let (sign_a, sign_b) = (sign(a), sign(b));
    if sign_a != sign_b || sign_a == 0 {
        return sign_a.cmp(&sign_b);
    }
    let ((digits_a, exponent_a), (digits_b, exponent_b)) = (a.parts(), b.parts());
    let places =
        |digits: &str, exponent| exponent + i64::try_from(digits.len()).unwrap_or(i64::MAX);
    // Neither has zeros at its ends, so that digits which begin alike are ordered as texts are.
    let size = places(digits_a, exponent_a)
        .cmp(&places(digits_b, exponent_b))
        .then_with(|| digits_a.cmp(digits_b));
    if sign_a < 0 { size.reverse() } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_compared_exactly() {
        for (less, more) in [
            ("0", "1e-9"),
            ("-1", "0"),
            ("-2", "-1"),
            ("9.99", "10"),
            ("0.1", "0.11"),
            ("12", "120"),
            ("9007199254740992", "9007199254740993"),
            ("-1e40", "1e-40"),
        ] {
            assert_eq!(compare(&number(less), &number(more)), Ordering::Less);
            assert_eq!(compare(&number(more), &number(less)), Ordering::Greater);
        }
        assert_eq!(compare(&number("1e2"), &number("100.0")), Ordering::Equal);
    }

    #[test]
    fn paths_go_into_objects_and_else_may_be_a_name_of_their_own() {
        let value = Value::read(r#"{"a":{"b":[1]},"c.d":2,"a.b":3,"n":null}"#).unwrap();
        assert_eq!(value.at("a.b").map(Value::kind), Some("a list"));
        assert_eq!(value.at("c.d").map(Value::kind), Some("a number"));
        assert_eq!(value.at("n"), None);
        assert_eq!(value.at("a.b.c"), None);
        assert_eq!(value.at(""), None);
    }

    #[test]
    fn a_name_that_stands_twice_and_bottomless_nesting_are_refused() {
        assert_eq!(Value::read(r#"{"a":1,"\u0061":2}"#), Err(ValueError::Twice));
        let deep = ["[".repeat(100), "]".repeat(100)].concat();
        assert_eq!(Value::read(&deep), Err(ValueError::TooDeep));
        assert_eq!(Value::read("{"), Err(ValueError::NotJson));
        assert_eq!(Value::read("1e99999"), Err(ValueError::NotJson));
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_whole_numbers(a: i64, b: i64, shift in 0u32..9) {
            let of = |whole: i64| number(&std::format!("{whole}e-{shift}"));
            prop_assert_eq!(compare(&of(a), &of(b)), a.cmp(&b));
        }
    }
}
