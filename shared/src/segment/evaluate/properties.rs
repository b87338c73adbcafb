//! What is asked of a property's or trait's value. Types never coerce.

use super::Scene;
use crate::segment::calendar::Day;
use crate::segment::tree::{Comparison, DayWord, Scalar, Test};
use crate::segment::value::{self, Value};
use crate::time::Timestamp;

/// Whether a test holds; `None` is what is missing, or null.
pub(in crate::segment) fn holds(scene: &Scene<'_, '_>, test: &Test, value: Option<&Value>) -> bool {
    match test {
        Test::Eq(wanted) => value.is_some_and(|value| is(value, wanted)),
        Test::Ne(wanted) => !value.is_some_and(|value| is(value, wanted)),
        Test::In(wanted) => value.is_some_and(|value| wanted.iter().any(|one| is(value, one))),
        Test::NotIn(wanted) => !value.is_some_and(|value| wanted.iter().any(|one| is(value, one))),
        Test::Compare(comparison, than) => match value {
            Some(Value::Number(number)) => {
                let order = value::compare(number, than);
                match comparison {
                    Comparison::Greater => order.is_gt(),
                    Comparison::GreaterOrEqual => order.is_ge(),
                    Comparison::Less => order.is_lt(),
                    Comparison::LessOrEqual => order.is_le(),
                }
            }
            _ => false,
        },
        Test::Contains(wanted) => match (value, wanted) {
            (Some(Value::List(elements)), wanted) => elements.iter().any(|one| is(one, wanted)),
            (Some(Value::Text(text)), Scalar::Text(part)) => text.contains(part.as_str()),
            _ => false,
        },
        Test::StartsWith(part) => {
            matches!(value, Some(Value::Text(text)) if text.starts_with(part.as_str()))
        }
        Test::EndsWith(part) => {
            matches!(value, Some(Value::Text(text)) if text.ends_with(part.as_str()))
        }
        Test::Exists(exists) => value.is_some() == *exists,
        Test::Empty(empty) => is_empty(value) == *empty,
        Test::Before(moment) => {
            time(scene, value).is_some_and(|time| time < scene.instant(*moment))
        }
        Test::After(moment) => time(scene, value).is_some_and(|time| time > scene.instant(*moment)),
        Test::On(word) => is_on(scene, value, *word),
    }
}

fn is(value: &Value, wanted: &Scalar) -> bool {
    match (value, wanted) {
        (Value::Text(text), Scalar::Text(wanted)) => text == wanted,
        (Value::Number(number), Scalar::Number(wanted)) => number == wanted,
        (Value::Bool(value), Scalar::Bool(wanted)) => value == wanted,
        _ => false,
    }
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Text(text)) => text.is_empty(),
        Some(Value::List(elements)) => elements.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => false,
    }
}

/// What a text says as a time.
pub(in crate::segment) enum Dated {
    /// An instant.
    Instant(Timestamp),
    /// A calendar day.
    Day(Day),
}

/// The time that a value says. One without a zone says none.
pub(in crate::segment) fn dated(value: Option<&Value>) -> Option<Dated> {
    let Some(Value::Text(text)) = value else {
        return None;
    };
    match Day::parse(text) {
        Some(day) => Some(Dated::Day(day)),
        None => Timestamp::parse_rfc3339(text).ok().map(Dated::Instant),
    }
}

fn time(scene: &Scene<'_, '_>, value: Option<&Value>) -> Option<Timestamp> {
    match dated(value)? {
        Dated::Instant(time) => Some(time),
        Dated::Day(day) => Some(scene.world.calendar.start_of(day)),
    }
}

fn is_on(scene: &Scene<'_, '_>, value: Option<&Value>, word: DayWord) -> bool {
    let day = match dated(value) {
        Some(Dated::Day(day)) => day,
        Some(Dated::Instant(time)) => scene.world.calendar.day_of(time),
        None => return false,
    };
    day == scene.day(word)
}
