//! The published schema against what reading takes. The validator knows the words that the schema uses,
//! and no others.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::string::{String, ToString as _};
use std::vec::Vec;

use super::dice::Dice;
use super::{all_of_cases, read};
use crate::segment::Definition;
use crate::segment::refusal::DefinitionError;
use crate::segment::schema::SCHEMA;

struct Schema(Json);

impl Schema {
    fn published() -> Schema {
        Schema(serde_json::from_str(SCHEMA).unwrap())
    }

    fn takes(&self, definition: &str) -> bool {
        self.fits(&self.0, &serde_json::from_str(definition).unwrap())
    }

    fn fits(&self, schema: &Json, value: &Json) -> bool {
        schema
            .as_object()
            .unwrap()
            .iter()
            .all(|(word, says)| self.word(word, says, schema, value))
    }

    fn word(&self, word: &str, says: &Json, schema: &Json, value: &Json) -> bool {
        let each = |says: &Json| -> Vec<bool> {
            says.as_array()
                .unwrap()
                .iter()
                .map(|one| self.fits(one, value))
                .collect()
        };
        let number = |says: &Json| says.as_f64().unwrap();
        let object = value.as_object();
        let has =
            |name: &Json| object.is_some_and(|object| object.contains_key(name.as_str().unwrap()));
        let size = |value: &Json| match value {
            Json::String(text) => Some(text.chars().count()),
            _ => None,
        };
        match word {
            "$schema" | "$id" | "$defs" | "title" | "description" | "examples" => true,
            "$ref" => {
                let place = says.as_str().unwrap().strip_prefix('#').unwrap();
                self.fits(self.0.pointer(place).unwrap(), value)
            }
            "type" => match says.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "number" => value.is_number(),
                "integer" => value.as_f64().is_some_and(|number| number % 1.0 == 0.0),
                other => panic!("{other}"),
            },
            "properties" => object
                .into_iter()
                .flatten()
                .all(|(name, value)| says.get(name).is_none_or(|schema| self.fits(schema, value))),
            "additionalProperties" => {
                assert_eq!(*says, json!(false));
                let known = schema["properties"].as_object().unwrap();
                object
                    .into_iter()
                    .flatten()
                    .all(|(name, _)| known.contains_key(name))
            }
            "required" => object.is_none() || says.as_array().unwrap().iter().all(has),
            "minProperties" => object.is_none_or(|object| object.len() as f64 >= number(says)),
            "maxProperties" => object.is_none_or(|object| object.len() as f64 <= number(says)),
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .all(|value| self.fits(says, value)),
            "minItems" => value
                .as_array()
                .is_none_or(|list| list.len() as f64 >= number(says)),
            "maxItems" => value
                .as_array()
                .is_none_or(|list| list.len() as f64 <= number(says)),
            "minLength" => size(value).is_none_or(|size| size as f64 >= number(says)),
            "maxLength" => size(value).is_none_or(|size| size as f64 <= number(says)),
            "minimum" => value.as_f64().is_none_or(|value| value >= number(says)),
            "maximum" => value.as_f64().is_none_or(|value| value <= number(says)),
            "exclusiveMinimum" => value.as_f64().is_none_or(|value| value > number(says)),
            "exclusiveMaximum" => value.as_f64().is_none_or(|value| value < number(says)),
            "pattern" => value
                .as_str()
                .is_none_or(|text| matches(says.as_str().unwrap(), text)),
            "enum" => says.as_array().unwrap().contains(value),
            "const" => says == value,
            "anyOf" => each(says).contains(&true),
            "allOf" => !each(says).contains(&false),
            "oneOf" => each(says).iter().filter(|fits| **fits).count() == 1,
            "not" => !self.fits(says, value),
            other => panic!("the schema has a word that no test understands: {other}"),
        }
    }
}

/// The patterns of the schema, each said again in Rust.
fn matches(pattern: &str, text: &str) -> bool {
    let digits = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text
                .bytes()
                .zip(shape.bytes())
                .all(|(byte, sign)| match sign {
                    b'd' => byte.is_ascii_digit(),
                    sign => byte == sign,
                })
    };
    match pattern {
        "^[0-9]+[smhdw]$" => {
            let number = text.strip_suffix(['s', 'm', 'h', 'd', 'w']);
            number.is_some_and(|number| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            })
        }
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" => digits(text, "dddd-dd-dd"),
        "^[^.]+([.][^.]+)*$" => text.split('.').all(|name| !name.is_empty()),
        "^\\s*[A-Za-z]{3}\\s*$" => {
            let code = text.trim();
            code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic())
        }
        pattern => {
            assert!(
                pattern.starts_with("^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt]"),
                "{pattern}"
            );
            digits(text, "dddd-dd-dd") || crate::time::Timestamp::parse_rfc3339(text).is_ok()
        }
    }
}

#[test]
fn the_schema_takes_every_definition_of_the_cases() {
    let schema = Schema::published();
    let definitions = all_of_cases();
    assert!(definitions.len() >= 60, "{}", definitions.len());
    for definition in definitions {
        assert!(schema.takes(&definition), "{definition}");
        assert!(schema.takes(&read(&definition).to_json()), "{definition}");
    }
    for example in schema.0["examples"].as_array().unwrap() {
        read(&example.to_string());
    }
}

/// Whether a refusal is of what no schema can say of one place: it needs the whole, or a calendar.
fn is_beyond(error: &DefinitionError) -> bool {
    [
        "includeNew",
        "at most 8",
        "100 conditions",
        "never hold",
        "longer span",
        "lies before",
        "another word",
        "ten years",
        "YYYY-MM-DD",
        "nine decimals",
        "system",
        "own: send",
        "asked by",
        "taken off orders",
        "ISO 4217",
        "page_*",
        "white space",
        "RFC 3339",
        "1 to 255",
        "control characters",
    ]
    .iter()
    .any(|words| error.message.contains(words))
}

/// One place of a value, changed.
fn change(value: &mut Json, at: &mut usize, how: usize) {
    if *at == 0 {
        let word = [
            "within",
            "event",
            "count",
            "gte",
            "lte",
            "eq",
            "sum",
            "property",
            "all",
            "not",
            "colour",
            "currency",
            "includeNew",
            "ago",
            "from",
        ][how % 15];
        match value {
            Json::Object(fields) => match how % 3 {
                0 => {
                    let name = fields.keys().nth(how % fields.len().max(1)).cloned();
                    name.map(|name| fields.remove(&name));
                }
                1 => drop(fields.insert(
                    word.into(),
                    [json!("7d"), json!(1), json!([])][how / 3 % 3].clone(),
                )),
                _ => *value = json!(how.is_multiple_of(2)),
            },
            other => {
                *other = [
                    json!("7d"),
                    json!(3),
                    json!(-1.5),
                    json!(null),
                    json!(true),
                    json!([]),
                    json!({}),
                    json!(""),
                ][how % 8]
                    .clone();
            }
        }
        return;
    }
    let inner: Vec<&mut Json> = match value {
        Json::Object(fields) => fields.values_mut().collect(),
        Json::Array(values) => values.iter_mut().collect(),
        _ => Vec::new(),
    };
    for value in inner {
        let Some(left) = at.checked_sub(1) else {
            return;
        };
        *at = left;
        change(value, at, how);
        if *at == 0 {
            // Done further in: nothing else is changed.
            *at = usize::MAX;
            return;
        }
        if *at == usize::MAX {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_schema_takes_what_is_written(bytes in proptest::collection::vec(any::<u8>(), 0..160)) {
        let definition = Dice::of(&bytes).definition().to_json();
        prop_assert!(Schema::published().takes(&definition), "{}", definition);
    }

    #[test]
    fn the_schema_and_reading_agree_on_what_is_wrong(
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
        place in 0usize..30,
        how in 0usize..10_000,
    ) {
        let written = Dice::of(&bytes).definition().to_json();
        let mut value: Json = serde_json::from_str(&written).unwrap();
        change(&mut value, &mut { place }, how);
        let changed = value.to_string();
        let takes = Schema::published().takes(&changed);
        match Definition::parse(&changed) {
            Ok(_) => prop_assert!(takes, "read, but not of the schema: {}", changed),
            Err(error) if is_beyond(&error) => {}
            Err(error) => prop_assert!(!takes, "of the schema, but refused: {} {}", changed, error),
        }
    }
}

#[test]
fn every_word_of_the_grammar_stands_in_the_schema() {
    fn names(value: &Json, found: &mut std::collections::BTreeSet<String>) {
        if let Json::Object(fields) = value {
            if let Some(properties) = fields.get("properties").and_then(Json::as_object) {
                found.extend(properties.keys().cloned());
            }
            fields.values().for_each(|value| names(value, found));
        } else if let Json::Array(values) = value {
            values.iter().for_each(|value| names(value, found));
        }
    }
    let mut found = std::collections::BTreeSet::new();
    names(&Schema::published().0, &mut found);
    let heads = crate::segment::read::HEADS;
    for word in heads.iter().chain(&crate::segment::read::TESTS) {
        assert!(found.contains(*word), "{word}");
    }
}
