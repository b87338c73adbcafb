//! What a page says it has lost before an event: its queue was full, and the oldest events went.

use serde::Deserialize;

use crate::record::{Entry, ToldBy};

#[derive(Deserialize)]
struct Dropped {
    dropped: Option<u32>,
}

/// How many events the page of this one had lost before it.
pub fn dropped_before(entry: &Entry) -> Option<u32> {
    match &entry.told_by {
        ToldBy::Browser { .. } => in_context(entry.told_by.context()?),
        ToldBy::Server { .. } | ToldBy::Mail { .. } => None,
    }
}

/// The number in a batch's `context`; none where it is no whole number above 0.
pub fn in_context(context: &str) -> Option<u32> {
    // Nearly no batch says it: those pay for no parser.
    if !context.contains("\"dropped\"") {
        return None;
    }
    let read: Dropped = serde_json::from_str(context).ok()?;
    read.dropped.filter(|count| *count > 0)
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
