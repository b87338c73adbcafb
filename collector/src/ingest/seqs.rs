//! The seqs in answers: servers are told those of their events, pages none. Only where an event is
//! stands here; what became of it stands in `ingest`.

use std::sync::Arc;

use shared::api_key::KeyKind;

use crate::app::App;
use crate::auth::Caller;
use crate::log::public_seq::PublicSeq;
use crate::log::record::Seq;
use crate::log::{Appended, Log};

/// The seq of each outcome, as this caller is told it: none of what was not recorded, and none to a
/// page, which has no use for it. Of a duplicate whose record cannot be read there is none either:
/// the verdict matters more.
pub(super) async fn shown(
    app: &App,
    caller: &Caller,
    outcomes: &[Appended],
) -> Vec<Option<String>> {
    if caller.key.kind == KeyKind::Public {
        return vec![None; outcomes.len()];
    }
    let firsts = outcomes.iter().filter_map(|outcome| match outcome {
        Appended::Duplicate { seq, .. } => Some(*seq),
        _ => None,
    });
    let mut firsts = of_records(&app.log, firsts.collect()).await.into_iter();
    outcomes
        .iter()
        .map(|outcome| match outcome {
            Appended::Tracked { public_seq, .. } => Some(*public_seq),
            Appended::Duplicate { .. } => firsts.next().flatten(),
            Appended::Conflict { .. } | Appended::IdConflict | Appended::Refused(_) => None,
        })
        .map(|seq| seq.map(|seq| seq.to_string()))
        .collect()
}

/// Asked behind the writer, which finds duplicates, because looking may block.
async fn of_records(log: &Arc<dyn Log>, seqs: Vec<Seq>) -> Vec<Option<PublicSeq>> {
    if seqs.is_empty() {
        return Vec::new();
    }
    let log = Arc::clone(log);
    match tokio::task::spawn_blocking(move || log.public_seqs(&seqs)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            tracing::error!(%error, "the seqs of duplicates could not be read");
            Vec::new()
        }
        // A panic has been reported by itself.
        Err(_) => Vec::new(),
    }
}
