//! Reading conditions on properties and traits.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Fields, Read, elements, text, times, wanted};
use crate::limits::{
    MAX_SEGMENT_PATH_CHARS, MAX_SEGMENT_TEXT_CHARS, MAX_SEGMENT_VALUES, MAX_SEGMENT_WHERE,
};
use crate::segment::refusal::{DefinitionError, child, element, list};
use crate::segment::spelling::Spelled as _;
use crate::segment::tree::{Comparison, Path, PropertyTest, Scalar, Test};
use crate::segment::value::Value;

/// The words that ask something of a value.
pub(in crate::segment) const TESTS: [&str; 16] = [
    "eq",
    "ne",
    "gt",
    "gte",
    "lt",
    "lte",
    "in",
    "notIn",
    "contains",
    "startsWith",
    "endsWith",
    "exists",
    "empty",
    "before",
    "after",
    "on",
];

/// The list under `where`.
pub(super) fn list_of(path: &str, value: &Value) -> Read<Vec<PropertyTest>> {
    if let Value::Object(_) = value {
        return Err(DefinitionError::at(
            path,
            "Send a list here, such as [{\"property\":\"plan\",\"eq\":\"pro\"}]",
        ));
    }
    let tests = elements(path, value, MAX_SEGMENT_WHERE, "conditions")?;
    let read = tests.iter().enumerate();
    read.map(|(at, test)| property(&element(path, at), test))
        .collect()
}

/// One condition on a property of an event.
pub(super) fn property(path: &str, value: &Value) -> Read<PropertyTest> {
    test(&Fields::of(path, value)?, "property")
}

/// One condition; `head` names what it is on.
pub(super) fn test(fields: &Fields<'_>, head: &str) -> Read<PropertyTest> {
    let known: Vec<&str> = [head].into_iter().chain(TESTS).collect();
    fields.only(&known)?;
    let (place, value) = fields.required(head)?;
    let path = path(&place, value)?;
    let which = fields.which(&TESTS);
    let word = match which.as_slice() {
        [word] => *word,
        [] => {
            let message = format!("Send what is asked of it: one of {}", list(&TESTS, "and"));
            return Err(DefinitionError::at(&*fields.path, message));
        }
        [first, second, ..] => {
            let message = format!(
                "Send one of `{first}` and `{second}`: two conditions stand beside each other"
            );
            return Err(DefinitionError::at(child(&fields.path, second), message));
        }
    };
    let (place, value) = fields.required(word)?;
    let test = of_word(word, &place, value)?;
    Ok(PropertyTest { path, test })
}

fn of_word(word: &str, path: &str, value: &Value) -> Read<Test> {
    if let Some(comparison) = Comparison::of(word) {
        return match value {
            Value::Number(number) => Ok(Test::Compare(comparison, number.clone())),
            Value::Text(_) => Err(DefinitionError::at(
                path,
                "Send a number here: times are compared with `before` and `after`, texts are not",
            )),
            other => Err(wanted(path, "a number", other)),
        };
    }
    let truth = || match value {
        Value::Bool(value) => Ok(*value),
        other => Err(wanted(path, "true or false", other)),
    };
    Ok(match word {
        "eq" => Test::Eq(scalar(path, value)?),
        "ne" => Test::Ne(scalar(path, value)?),
        "in" => Test::In(scalars(path, value)?),
        "notIn" => Test::NotIn(scalars(path, value)?),
        "contains" => Test::Contains(scalar(path, value)?),
        "startsWith" => Test::StartsWith(bounded(path, text(path, value)?)?),
        "endsWith" => Test::EndsWith(bounded(path, text(path, value)?)?),
        "exists" => Test::Exists(truth()?),
        "empty" => Test::Empty(truth()?),
        "before" => Test::Before(times::moment(path, value)?),
        "after" => Test::After(times::moment(path, value)?),
        _ => Test::On(times::day(path, value)?),
    })
}

/// A dotted path.
pub(super) fn path(place: &str, value: &Value) -> Read<Path> {
    let path = text(place, value)?;
    if path.split('.').any(str::is_empty) || path.chars().nth(MAX_SEGMENT_PATH_CHARS).is_some() {
        let message = format!(
            "Send the name of a property, or names with dots between them, such as cart.total, of at most \
             {MAX_SEGMENT_PATH_CHARS} characters"
        );
        return Err(DefinitionError::at(place, message));
    }
    Ok(Path(path.into()))
}

fn scalars(path: &str, value: &Value) -> Read<Vec<Scalar>> {
    let values = elements(path, value, MAX_SEGMENT_VALUES, "values")?;
    if values.is_empty() {
        return Err(DefinitionError::at(path, "Send at least one value"));
    }
    let read = values.iter().enumerate();
    read.map(|(at, value)| scalar(&element(path, at), value))
        .collect()
}

fn scalar(path: &str, value: &Value) -> Read<Scalar> {
    match value {
        Value::Text(text) => bounded(path, text).map(Scalar::Text),
        Value::Number(number) => Ok(Scalar::Number(number.clone())),
        Value::Bool(value) => Ok(Scalar::Bool(*value)),
        Value::Null => Err(DefinitionError::at(
            path,
            "Send \"exists\":false to ask for what is missing or null",
        )),
        other => Err(wanted(path, "a text, a number, true or false", other)),
    }
}

/// A text within its bound.
pub(super) fn bounded(path: &str, text: &str) -> Read<String> {
    if text.chars().nth(MAX_SEGMENT_TEXT_CHARS).is_some() {
        let message = format!("Send a text of at most {MAX_SEGMENT_TEXT_CHARS} characters");
        return Err(DefinitionError::at(path, message));
    }
    Ok(text.into())
}
