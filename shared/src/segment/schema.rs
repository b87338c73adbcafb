//! The published JSON Schema (draft 2020-12) of definitions: what editors and other programs know of
//! them. It says all that a schema can; reading says the rest (`includeNew` where it must stand, bounds
//! over the whole).

/// The schema's text.
pub const SCHEMA: &str = include_str!("schema.json");
