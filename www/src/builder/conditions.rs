//! The fields of a condition on a property or trait: what it is on, what is asked of it, and the value.

use shared::segment::value::Value;

use super::fields::{Choice, Edit, Field, Form, Input};
use super::leaves::{Sentence, options};
use super::names::Kind;
use super::place::child;
use super::times;

const TESTS: &[Choice] = &[
    Choice("eq", "is", r#"{"eq":""}"#),
    Choice("ne", "is not", r#"{"ne":""}"#),
    Choice("gt", "is more than", r#"{"gt":null}"#),
    Choice("gte", "is at least", r#"{"gte":null}"#),
    Choice("lt", "is less than", r#"{"lt":null}"#),
    Choice("lte", "is at most", r#"{"lte":null}"#),
    Choice("in", "is one of", r#"{"in":[]}"#),
    Choice("notIn", "is none of", r#"{"notIn":[]}"#),
    Choice("contains", "contains", r#"{"contains":""}"#),
    Choice("startsWith", "begins with", r#"{"startsWith":""}"#),
    Choice("endsWith", "ends with", r#"{"endsWith":""}"#),
    Choice("exists", "is known", r#"{"exists":true}"#),
    Choice("not exists", "is not known", r#"{"exists":false}"#),
    Choice("empty", "is empty or missing", r#"{"empty":true}"#),
    Choice("not empty", "is not empty", r#"{"empty":false}"#),
    Choice("before", "is before", r#"{"before":"now"}"#),
    Choice("after", "is after", r#"{"after":{"ago":"30d"}}"#),
    Choice("on", "is on", r#"{"on":"today"}"#),
];
const NAMES: &[&str] = &[
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
const TYPES: &[Choice] = &[
    Choice("text", "text", ""),
    Choice("number", "number", ""),
    Choice("true", "true", ""),
    Choice("false", "false", ""),
];

/// The condition at a place, on what stands under `head`.
pub(super) fn test(said: &mut Sentence<'_>, path: &str, head: &str, kind: Kind) {
    let name = said.shown(&child(path, head));
    let (label, values) = match &kind {
        Kind::Property(event) => (
            "Name of the property",
            Kind::PropertyValue(event.clone(), name),
        ),
        _ => ("Name of the trait", Kind::TraitValue(name)),
    };
    said.text(&child(path, head), label, kind, Form::Text);
    let word = said.present(path, NAMES);
    let at = child(path, word);
    let chosen = match (word, said.value(&at)) {
        ("exists" | "empty", Some(Value::Bool(false))) => format!("not {word}"),
        _ => word.to_owned(),
    };
    said.swap(path, "eq", "What is asked of it", NAMES, TESTS, chosen);
    match word {
        "eq" | "ne" | "contains" => scalar(said, &at, values),
        "gt" | "gte" | "lt" | "lte" => said.typed(&at, "Value", Input::Number, Form::Number),
        "in" | "notIn" => said.typed(&at, "Values, one a line", Input::Lines(values), Form::Lines),
        "startsWith" | "endsWith" => said.text(&at, "Text", values, Form::Text),
        "before" | "after" => times::moment(said, &at, "The moment", times::MOMENTS),
        "on" => times::day(said, &at),
        _ => {}
    }
}

/// One value, and of which type it is.
fn scalar(said: &mut Sentence<'_>, path: &str, kind: Kind) {
    let (word, input, form) = match said.value(path) {
        Some(Value::Bool(true)) => ("true", None, Form::Text),
        Some(Value::Bool(false)) => ("false", None, Form::Text),
        Some(Value::Text(_)) => ("text", Some(Input::Text(kind)), Form::Text),
        _ => ("number", Some(Input::Number), Form::Number),
    };
    if let Some(input) = input {
        said.typed(path, "Value", input, form);
    }
    said.field(Field {
        key: format!("{path}!type"),
        label: "Type of the value",
        input: options(TYPES),
        value: word.to_owned(),
        edit: Edit::Retype(path.to_owned()),
    });
}
