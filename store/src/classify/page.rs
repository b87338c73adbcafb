//! Who stood behind an event that a page sent, by what its record keeps.

use serde::Deserialize;

use super::{Evidence, Kind, Verdict, classify, is_prefetch_header};
use crate::log::record::{Entry, Source};

/// The class of a page's event; `None` of any other event, and of one whose client was erased.
pub fn of_page(entry: &Entry) -> Option<Verdict> {
    let client = match (entry.source, &entry.client) {
        (Source::Browser, Some(client)) => client,
        _ => return None,
    };
    let mut headers = client.headers.iter();
    let agent = client.agent.as_ref().map(|agent| agent.0.as_str());
    Some(classify(&Evidence {
        // What is kept was an address when it was written.
        address: client.address.0.parse().ok(),
        is_prefetch: headers.any(|(name, value)| is_prefetch_header(name, &value.0)),
        is_automated: entry
            .context
            .as_ref()
            .is_some_and(|context| is_automated(&context.0)),
        ..Evidence::of_agent(Kind::Web, agent)
    }))
}

/// Whether a batch's context says that a program steers the browser.
fn is_automated(context: &str) -> bool {
    #[derive(Deserialize)]
    struct Automation {
        #[serde(default)]
        automation: serde_json::Value,
    }
    serde_json::from_str(context)
        .is_ok_and(|Automation { automation }| automation == serde_json::Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_true_says_that_a_program_steers() {
        assert!(is_automated(r#"{"page":"/","automation":true}"#));
        for context in [
            "{}",
            "[]",
            "",
            r#"{"automation":false}"#,
            r#"{"automation":"true"}"#,
        ] {
            assert!(!is_automated(context), "{context}");
        }
    }
}
