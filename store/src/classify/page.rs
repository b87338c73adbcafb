//! Who stood behind an event that a page sent, by what its record keeps.

use serde::Deserialize;

use super::{Evidence, HitKind, Judgement, classify, is_prefetch_header};
use crate::record::{Client, Entry, ToldBy};

/// The class of a page's event; `None` of any other event, and of one whose client was erased.
pub(crate) fn of_page(entry: &Entry) -> Option<Judgement> {
    match &entry.told_by {
        ToldBy::Browser { visitor, .. } => {
            let client = visitor.client.as_deref()?;
            Some(of_client(client, entry.told_by.context()))
        }
        ToldBy::Server { .. } | ToldBy::Mail { .. } => None,
    }
}

/// The class of all events of one request of a page: by who sent it, and what it says of all of them (a
/// JSON object).
pub fn of_client(client: &Client, context: Option<&str>) -> Judgement {
    let mut headers = client.headers.iter();
    let agent = client.agent.as_ref().map(|agent| agent.0.as_str());
    classify(&Evidence {
        // What is kept was an address when it was written.
        address: client.address.0.parse().ok(),
        is_prefetch: headers.any(|(name, value)| is_prefetch_header(name, &value.0)),
        is_automated: context.is_some_and(is_automated),
        ..Evidence::of_agent(HitKind::Web, agent)
    })
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
