//! Under which id an event is recorded, and under which it is answered.

use shared::ids::EventId;
use shared::wire::SentId;

use super::idempotency::RetriedId;
use store::ids::{OlderId, new_id};

/// The id of one event.
pub(super) struct Identity {
    pub(super) id: EventId,
    pub(super) as_sent: String,
    /// Where it was made of a text: what older versions made of that.
    pub(super) older: Vec<OlderId>,
    /// It was made just now.
    pub(super) is_new: bool,
}

impl Identity {
    /// The id that was sent, else the one that was made of a text, else the one that what is `told` has
    /// by itself, else a new one.
    pub(super) fn of(
        sent: Option<&SentId>,
        derived: Option<RetriedId>,
        told: Option<EventId>,
    ) -> Self {
        let (id, older, is_new) = match (sent, derived) {
            (Some(SentId::Valid(id, _)), _) => (*id, Vec::new(), false),
            (Some(SentId::Invalid(_)), _) => (new_id(), Vec::new(), true),
            (None, Some(RetriedId { id, older })) => (id, older, false),
            (None, None) => (told.unwrap_or_else(new_id), Vec::new(), told.is_none()),
        };
        let as_sent = sent.map_or_else(|| id.to_string(), |sent| sent.as_sent().to_owned());
        Self {
            id,
            as_sent,
            older,
            is_new,
        }
    }

    /// The spelling of the id on record in an answer.
    pub(super) fn in_answer(self, recorded: EventId) -> String {
        if recorded == self.id {
            self.as_sent
        } else {
            recorded.to_string()
        }
    }
}
