//! Definitions from the outside: what is taken and refused, laws that hold for all of them, and the
//! labelled cases.

mod refused;
mod taken;
mod words;

use super::Definition;

#[track_caller]
fn read(json: &str) -> Definition {
    Definition::parse(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}
