//! Rejected events as they are listed.

use serde::Deserialize;
use serde_json::value::RawValue;
use shared::event_name::names;
use shared::time::Timestamp;

use super::asked::AskedRejected;
use crate::app::App;
use crate::error::ApiError;
use store::query::EventView;
use store::record::identity::{FactKind, Sender};
use store::record::{Source, WorkspaceId};
use store::rejected::Rejected;

/// A page, and the cursor of the next. Blocks on disk.
pub(super) fn list(
    app: &App,
    workspace: WorkspaceId,
    asked: &AskedRejected,
) -> Result<(Vec<EventView>, Option<String>), ApiError> {
    let wanted = |rejected: &Rejected| is_wanted(asked, rejected);
    let listed = app
        .rejected
        .list(workspace, asked.before, asked.limit, &wanted)
        .map_err(|error| {
            tracing::error!(%error, "the rejected events could not be read");
            ApiError::StorageFailing
        })?;
    let events = listed.found.into_iter().map(view).collect();
    Ok((events, listed.next.map(|place| place.to_string())))
}

/// What of a refused body a reader may look for; anything may stand in any of them.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Said {
    #[serde(rename = "type")]
    kind: Option<serde_json::Value>,
    email: Option<serde_json::Value>,
    message_id: Option<serde_json::Value>,
    anonymous_id: Option<serde_json::Value>,
    properties: Option<Box<RawValue>>,
    traits: Option<Box<RawValue>>,
}

impl Said {
    fn of(rejected: &Rejected) -> Self {
        let body = rejected.body.as_ref().map_or("", |body| &body.0);
        serde_json::from_str(body).unwrap_or_default()
    }
}

fn text(value: &Option<serde_json::Value>) -> Option<&str> {
    value.as_ref().and_then(serde_json::Value::as_str)
}

fn is_wanted(asked: &AskedRejected, rejected: &Rejected) -> bool {
    let received_at = Timestamp::from_millis(rejected.received_at);
    let is_near = asked.from.is_none_or(|from| received_at >= from)
        && asked.to.is_none_or(|to| received_at < to)
        && asked
            .code
            .as_ref()
            .is_none_or(|code| *code == rejected.code)
        && (asked.name.is_none() || asked.name == rejected.name);
    if !is_near || (asked.email.is_none() && asked.message_id.is_none() && asked.kind.is_none()) {
        return is_near;
    }
    let said = Said::of(rejected);
    let same = |email: &str| {
        let sent = text(&said.email).unwrap_or_default().trim();
        sent.to_lowercase() == email.to_lowercase()
    };
    asked.email.as_ref().is_none_or(|email| same(email))
        && (asked.message_id.is_none() || asked.message_id.as_deref() == text(&said.message_id))
        && asked
            .kind
            .is_none_or(|wanted| wanted == kind(rejected, &said))
}

/// What it would have been, as far as that can be told.
fn kind(rejected: &Rejected, said: &Said) -> FactKind {
    match rejected.name.as_deref() {
        Some(names::IDENTIFIED) => FactKind::Identify,
        Some(names::PURCHASE) => FactKind::Purchase,
        Some(names::REFUND) => FactKind::Refund,
        Some(names::EMAIL_SENT) => FactKind::Send,
        _ => match text(&said.kind) {
            Some("identify") => FactKind::Identify,
            Some("purchase") => FactKind::Purchase,
            Some("refund") => FactKind::Refund,
            _ => FactKind::Track,
        },
    }
}

/// As an event of the list: what was never recorded has no seq, and the time of its arrival.
pub(in crate::routes) fn view(rejected: Rejected) -> EventView {
    let said = Said::of(&rejected);
    let kind = kind(&rejected, &said);
    let received_at = Timestamp::from_millis(rejected.received_at).to_string();
    let owned = |value| text(value).map(str::to_owned);
    let (email, message_id, anonymous_id) = (
        owned(&said.email),
        owned(&said.message_id),
        owned(&said.anonymous_id),
    );
    let sent = if kind == FactKind::Identify {
        said.traits
    } else {
        said.properties
    };
    let properties = sent.filter(|sent| sent.get().starts_with('{'));
    EventView {
        id: rejected.id,
        seq: String::new(),
        kind,
        name: rejected.name.unwrap_or_default(),
        timestamp: received_at.clone(),
        received_at,
        email,
        anonymous_id,
        message_id,
        properties: properties.unwrap_or_else(store::query::no_properties),
        source: match rejected.sender {
            Sender::Page => Source::Browser,
            Sender::Server | Sender::System => Source::Server,
            Sender::Mail => Source::Mail,
        },
        class: None,
        reason: None,
        key_id: Some(rejected.key_id),
        status: Some("rejected"),
        dropped: None,
        code: Some(rejected.code),
        message: Some(rejected.message),
        field: rejected.field,
        ignored_fields: rejected.ignored_fields,
        body: rejected.body.map(|body| body.0),
    }
}
