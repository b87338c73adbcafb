//! The seqs in answers: servers are told those of their events, pages none. Only where an event is
//! stands here; what became of it stands in `settle`.

use std::collections::HashMap;
use std::sync::Arc;

use shared::api_key::KeyKind;

use super::settle::Settled;
use crate::app::App;
use crate::auth::Caller;
use store::ledger::Log;
use store::record::Seq;
use store::record::public_seq::PublicSeq;

/// The seqs of a request's events, as its caller is told them.
pub(super) struct Shown {
    /// Pages are told none: they have no use for them.
    is_told: bool,
    /// Of what was on record before. One whose record cannot be read is absent: the verdict matters
    /// more.
    firsts: HashMap<Seq, PublicSeq>,
}

impl Shown {
    pub(super) async fn of<'s>(
        app: &App,
        caller: &Caller,
        settled: impl Iterator<Item = &'s Settled>,
    ) -> Self {
        let is_told = caller.key.kind == KeyKind::Secret;
        let places: Vec<Seq> = settled
            .filter_map(|settled| match settled {
                Settled::Duplicate { at, .. } if is_told => Some(*at),
                _ => None,
            })
            .collect();
        Self {
            is_told,
            firsts: of_records(&app.log, places).await,
        }
    }

    /// That of one event; `None` of what was not recorded.
    pub(super) fn seq(&self, settled: &Settled) -> Option<String> {
        let seq = match settled {
            Settled::Duplicate { at, .. } => self.firsts.get(at).copied(),
            Settled::Tracked { .. } | Settled::Refused(_) => settled.seq(),
        };
        seq.filter(|_| self.is_told).map(|seq| seq.to_string())
    }
}

/// Asked behind the writer, which finds duplicates, because looking may block.
async fn of_records(log: &Arc<dyn Log>, places: Vec<Seq>) -> HashMap<Seq, PublicSeq> {
    if places.is_empty() {
        return HashMap::new();
    }
    let log = Arc::clone(log);
    let found = tokio::task::spawn_blocking(move || {
        let found = log.public_seqs(&places)?;
        let found = places.into_iter().zip(found);
        Ok::<_, store::ledger::LogError>(found.filter_map(|(at, seq)| Some((at, seq?))).collect())
    });
    match found.await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            tracing::error!(%error, "the seqs of duplicates could not be read");
            HashMap::new()
        }
        // A panic has been reported by itself.
        Err(_) => HashMap::new(),
    }
}
