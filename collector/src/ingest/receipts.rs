//! What is kept of what was refused, so that it has a receipt.

use shared::rejection::Rejection;
use shared::time::Timestamp;

use super::sender::kind_of;
use crate::app::App;
use crate::auth::Caller;
use store::record::Personal;
use store::rejected::Rejected;
use store::secrets;

/// What the receipt of a refused event needs besides the reason.
pub(super) struct Sketch<'a> {
    name: Option<String>,
    /// Fields that were sent and not known: the event's own, then those of its batch.
    ignored: Vec<String>,
    /// How many of them are the event's own.
    own: usize,
    /// What to send in their place.
    hints: Vec<String>,
    body: &'a str,
}

impl<'a> Sketch<'a> {
    /// `ignored` are the event's own fields that are not known, `body` its text.
    pub(super) fn new(
        name: Option<String>,
        ignored: Vec<String>,
        hints: Vec<String>,
        body: &'a str,
    ) -> Self {
        Self {
            name,
            own: ignored.len(),
            ignored,
            hints,
            body,
        }
    }

    /// Adds fields beside the event that were sent and not known.
    pub(super) fn ignore_of_batch(&mut self, names: &[String]) {
        self.ignored.extend_from_slice(names);
    }

    /// All that was sent and not known, of the event and its batch.
    pub(super) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// What an answer says: the event's own fields that are not known, and the hints.
    pub(super) fn to_answer(&self) -> (Vec<String>, Vec<String>) {
        let own = self.ignored.iter().take(self.own);
        (own.cloned().collect(), self.hints.clone())
    }
}

/// Counts what was refused under this id, and keeps it for its receipt.
pub(super) fn keep(
    app: &App,
    caller: &Caller,
    received_at: Timestamp,
    id: &str,
    sketch: Sketch<'_>,
    rejection: &Rejection,
) {
    let workspace = caller.key.workspace;
    app.metrics.count_rejection(workspace, rejection.code);
    app.rejected.keep(Rejected {
        workspace,
        sender: kind_of(caller),
        id: id.to_owned(),
        received_at: received_at.as_millis(),
        key_id: caller.key.id.clone(),
        name: sketch.name,
        code: rejection.code.to_owned(),
        message: rejection.message.clone(),
        field: rejection.field.clone(),
        ignored_fields: sketch.ignored,
        body: (sketch.body.len() <= shared::limits::MAX_EVENT_BYTES)
            // Whoever hands it over: a refused body is shown to readers.
            .then(|| Personal(secrets::mask(sketch.body).into_owned())),
    });
}
