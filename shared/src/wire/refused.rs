//! Parts of an event that were refused while the event was taken: among its ignored fields.

use alloc::string::String;

use crate::rejection::codes;

/// The event's own address; no known field stands there otherwise.
pub(super) const ADDRESS: &str = "email";
/// The address that its batch said of all events.
pub(super) const ADDRESS_IN_CONTEXT: &str = "context.email";

/// Why a part of a recorded event was refused: the code of its address, where the event has none for
/// that reason.
#[must_use]
pub fn code(ignored_fields: &[String], has_address: bool) -> Option<&'static str> {
    let is_address = |field: &String| field == ADDRESS || field == ADDRESS_IN_CONTEXT;
    (!has_address && ignored_fields.iter().any(is_address)).then_some(codes::INVALID_EMAIL)
}
