//! What a page says it has lost: its queue was full, and the oldest events went. Said once, with the first
//! event that is recorded behind the gap.

use serde::Deserialize;
use shared::wire::Context;

use crate::log::record::{Entry, Personal, Source};

#[derive(Deserialize)]
struct Dropped {
    dropped: Option<u32>,
}

/// How many events the page of this one had lost before it.
pub fn dropped_before(entry: &Entry) -> Option<u32> {
    match &entry.context {
        Some(context) if entry.source == Source::Browser => in_context(&context.0),
        _ => None,
    }
}

/// The number in a batch's `context`; none where it is no whole number above 0.
pub(super) fn in_context(context: &str) -> Option<u32> {
    // Nearly no batch says it: those pay for no parser.
    if !context.contains("\"dropped\"") {
        return None;
    }
    let read: Dropped = serde_json::from_str(context).ok()?;
    read.dropped.filter(|count| *count > 0)
}

/// The context of an event behind the first: without the number, so that it is not said again.
pub(super) fn said_before(context: &Context) -> Context {
    let mut said = context.clone();
    let fields: Result<serde_json::Map<String, serde_json::Value>, _> =
        serde_json::from_str(&context.json);
    if let Ok(mut fields) = fields {
        fields.remove("dropped");
        said.json = serde_json::Value::Object(fields).to_string();
    }
    said
}

/// Whether an entry keeps anything of a context.
pub(super) fn kept(context: Option<&Context>) -> Option<Personal> {
    context
        .filter(|context| context.json != "{}")
        .map(|context| Personal(context.json.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_of_lost_events_is_one() {
        assert_eq!(in_context(r#"{"library":"track.js","dropped":3}"#), Some(3));
        for none in [
            r#"{"dropped":0}"#,
            r#"{"dropped":"3"}"#,
            r#"{"dropped":-3}"#,
            r#"{"dropped":1.5}"#,
            r#"{"page":"dropped"}"#,
            "{}",
        ] {
            assert_eq!(in_context(none), None, "{none}");
        }
    }
}
