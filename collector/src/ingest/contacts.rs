//! What a server says of contacts, under their addresses: facts like those of `identify`.
//!
//! - `import`: files of them; `rows`: how they are read

mod import;
mod rows;

use std::sync::Arc;

use http::HeaderMap;
use serde_json::value::{RawValue, to_raw_value};
use shared::email::Email;
use shared::rejection::{Rejection, codes};
use shared::wire::{Arrival, IdentifyBody, Speaker, parse_identify};

use super::incoming::{Incoming, parse};
use super::pending::append_one;
use crate::app::App;
use crate::error::ApiError;
use shared::event::{Event, EventKind};
use shared::time::Timestamp;
use store::ids::new_id;
use store::ledger::Submission;
use store::record::public_seq::PublicSeq;
use store::record::{Address, Entry, Fact, Personal, ToldBy, WorkspaceId};

pub(crate) use import::{ImportAnswer, ImportProgress, import_file};

impl Incoming {
    /// Records what the body says of the contact with this address; the fact's seq, and the headers that tell of
    /// rates.
    ///
    /// # Errors
    /// [`ApiError`]; nothing is recorded then.
    pub(crate) async fn change_contact(
        self,
        app: &Arc<App>,
        email: &Email,
    ) -> Result<(Option<PublicSeq>, HeaderMap), ApiError> {
        let caller = self.caller(app, None)?;
        self.take_events(1)?;
        let address: Box<RawValue> =
            to_raw_value(email.original()).map_err(|_| ApiError::Internal)?;
        let mut body: IdentifyBody<'_> = parse(&self.text)?;
        if body.traits.is_none() {
            let message = "send `traits`, an object of what is known of the contact";
            let missing = Rejection::of(codes::MISSING_FIELD, "traits", message);
            return Err(ApiError::Rejected(missing));
        }
        (body.email, body.anonymous_id) = (Some(&*address), None);
        if let Some(rejection) = self.screened.rejection(0) {
            return Err(ApiError::Rejected(rejection));
        }
        let parsed = parse_identify(&body, &self.arrival(&caller));
        let event = parsed.outcome.map_err(ApiError::Rejected)?;
        let told_by = ToldBy::server_with(caller.key.id.as_str());
        let submission = identified(caller.key.workspace, told_by, event, self.received_at);
        let settled = append_one(&app.log, submission).await?;
        settled.count(&app.metrics, caller.key.workspace);
        let mut rate = HeaderMap::new();
        self.write_rate(&mut rate);
        Ok((settled.seq(), rate))
    }
}

/// Records what the operator says of a contact: a JSON object of traits.
///
/// # Errors
/// [`ApiError`]; nothing is recorded then.
pub(crate) async fn change_one(
    app: &App,
    workspace: WorkspaceId,
    email: &Email,
    traits: &RawValue,
) -> Result<(), ApiError> {
    let address: Box<RawValue> = to_raw_value(email.original()).map_err(|_| ApiError::Internal)?;
    let received_at = app.clock.now();
    let body = IdentifyBody {
        email: Some(&*address),
        traits: Some(traits),
        ..IdentifyBody::default()
    };
    let event = parse_identify(&body, &of_operator(received_at)).outcome;
    let event = event.map_err(ApiError::Rejected)?;
    let submission = identified(workspace, ToldBy::server(), event, received_at);
    let settled = append_one(&app.log, submission).await?;
    settled.count(&app.metrics, workspace);
    Ok(())
}

/// How what the operator says arrives: as a server's word.
fn of_operator(received_at: Timestamp) -> Arrival<'static> {
    Arrival {
        received_at,
        source: Speaker::Server,
        purchases_allowed: true,
        deliveries_allowed: true,
        order_currency: None,
        sent_at: None,
        context: None,
    }
}

/// What the log takes of an `identify` that nobody has given an id.
pub(super) fn identified(
    workspace: WorkspaceId,
    told_by: ToldBy,
    event: Event,
    received_at: Timestamp,
) -> Submission {
    let traits = match event.kind {
        EventKind::Identify { traits } => traits,
        _ => None,
    };
    let fact = Fact::Identify {
        traits: traits.map(Personal),
    };
    Submission {
        has_new_id: true,
        ..Submission::from(Entry {
            time: event.time,
            time_sent: event.time_sent,
            address: event.email.as_ref().map(Address::from),
            ..Entry::new(workspace, new_id(), told_by, received_at, fact)
        })
    }
}
