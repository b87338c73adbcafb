//! Definitions from the outside: what is taken and refused, laws that hold for all of them, and the
//! labelled cases.

mod cases;
mod dice;
mod laws;
mod meaning;
mod refused;
mod replay;
mod schema;
mod taken;
mod words;

use std::string::{String, ToString as _};

use super::Definition;
use super::calendar::Calendar;
use super::evaluate::World;
use super::score::ScoreRules;

#[track_caller]
fn read(json: &str) -> Definition {
    Definition::parse(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// UTC, the default rules of scoring and no other segments.
fn with_world<T>(then: impl FnOnce(World<'_>) -> T) -> T {
    then(World {
        calendar: &Calendar::UTC,
        score: &ScoreRules::default(),
        segments: &|_| None,
    })
}

/// Every definition of the labelled cases.
fn all_of_cases() -> std::vec::Vec<String> {
    fn collect(value: &serde_json::Value, found: &mut std::vec::Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    if name == "definition" && value.is_object() {
                        found.push(value.to_string());
                    } else {
                        collect(value, found);
                    }
                }
            }
            serde_json::Value::Array(values) => {
                values.iter().for_each(|value| collect(value, found))
            }
            _ => {}
        }
    }
    let mut found = std::vec::Vec::new();
    collect(&cases::file(), &mut found);
    found
}
