//! What a page says it has lost: its queue was full, and the oldest events went. Said once, with the first
//! event that is recorded behind the gap.

use shared::wire::Context;

use crate::log::record::Personal;

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
