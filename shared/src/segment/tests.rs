//! Definitions from the outside: what is taken and refused, laws that hold for all of them, and the
//! labelled cases.

mod cases;
mod dice;
mod laws;
mod meaning;
mod refused;
mod taken;
mod words;

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
