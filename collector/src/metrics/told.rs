//! What a recorded fact adds to the counters of its workspace, beside its verdict: what mail servers tell,
//! and who is to get mail no more, or again.

use store::ledger::suppression::{Change, change_of};
use store::record::Fact;

/// What is counted of one fact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Of a delivery its status, as answers spell it.
    pub(super) delivery: Option<&'static str>,
    /// The reason by which it holds somebody back, or `lifted`.
    pub(super) suppression: Option<&'static str>,
}

impl Told {
    pub(crate) fn of(fact: &Fact) -> Self {
        let delivery = match fact {
            Fact::Delivery { status, .. } => Some(status.as_str()),
            _ => None,
        };
        let suppression = change_of(fact).and_then(|change| match change {
            Change::Add(cause) => Some(cause.as_str()),
            Change::Lift(_) => Some("lifted"),
            Change::Forget => None,
        });
        Self {
            delivery,
            suppression,
        }
    }
}
