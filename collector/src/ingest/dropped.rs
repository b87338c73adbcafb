//! What records keep of a request's context. A page says in it what it has lost: its queue was full, and
//! the oldest events went. That is said once, with the first event that is recorded behind the gap.

use std::sync::Arc;

use shared::api_key::KeyKind;
use shared::wire::Context;

use store::query::dropped::in_context;
use store::record::Personal;

/// The context of a request, as its records keep it.
pub(super) struct KeptContext {
    first: Option<Arc<Personal>>,
    /// Without what was lost, where the first says that.
    behind: Option<Option<Arc<Personal>>>,
    /// How many events a page has lost; `None` where it says nothing of it.
    pub(super) lost: Option<u32>,
}

impl KeptContext {
    /// Of a request without one, nothing is kept. What a server says of lost events counts for nothing.
    pub(super) fn of(context: Option<&Context>, kind: KeyKind) -> Self {
        let json = context.map(|context| context.json.as_str());
        let lost = match kind {
            KeyKind::Public => json.and_then(in_context),
            KeyKind::Secret => None,
        };
        Self {
            first: json.and_then(|json| kept(json.to_owned())),
            behind: lost.and(json).map(|json| kept(said_before(json))),
            lost,
        }
    }

    /// That of the first event that is recorded.
    pub(super) fn of_first(&self) -> Option<&str> {
        self.first.as_ref().map(|context| context.0.as_str())
    }

    /// That of one event: of the first one that is recorded, or of another. All of them share it.
    pub(super) fn of_event(&self, is_first: bool) -> Option<Arc<Personal>> {
        match &self.behind {
            Some(behind) if !is_first => behind.clone(),
            _ => self.first.clone(),
        }
    }
}

/// The context of an event behind the first: without the number, so that it is not said again.
fn said_before(json: &str) -> String {
    let fields: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(json);
    let Ok(mut fields) = fields else {
        return json.to_owned();
    };
    fields.remove("dropped");
    serde_json::Value::Object(fields).to_string()
}

/// Nothing of one that says nothing.
fn kept(json: String) -> Option<Arc<Personal>> {
    (json != "{}").then(|| Arc::new(Personal(json)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str, kind: KeyKind) -> KeptContext {
        let context = Context {
            email: None,
            anonymous_id: None,
            anonymous: false,
            json: json.to_owned(),
        };
        KeptContext::of(Some(&context), kind)
    }

    fn text(context: &KeptContext, is_first: bool) -> Option<String> {
        context.of_event(is_first).map(|context| context.0.clone())
    }

    #[test]
    fn what_a_page_has_lost_is_kept_of_the_first_event_alone() {
        let context = of(r#"{"page":"/","dropped":3}"#, KeyKind::Public);
        assert_eq!(context.lost, Some(3));
        let first = text(&context, true).unwrap();
        assert_eq!(first, r#"{"page":"/","dropped":3}"#);
        assert_eq!(text(&context, false).unwrap(), r#"{"page":"/"}"#);
        let alone = of(r#"{"dropped":3}"#, KeyKind::Public);
        assert_eq!(text(&alone, false), None);
    }

    #[test]
    fn a_context_without_it_is_kept_of_all_events_and_an_empty_one_of_none() {
        for (json, kind) in [
            (r#"{"page":"/"}"#, KeyKind::Public),
            (r#"{"dropped":3}"#, KeyKind::Secret),
        ] {
            let context = of(json, kind);
            assert_eq!(context.lost, None);
            assert_eq!(text(&context, true).unwrap(), json);
            assert_eq!(text(&context, false).unwrap(), json);
        }
        let empty = of("{}", KeyKind::Public);
        assert_eq!((text(&empty, true), text(&empty, false)), (None, None));
        let none = KeptContext::of(None, KeyKind::Public);
        assert_eq!(none.of_first(), None);
    }
}
