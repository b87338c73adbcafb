//! `misar log accept-copy`: takes files for a store that are no longer where they were made, or are of
//! different times.

use std::sync::Arc;

use clap::Args;

use super::super::Failure;
use super::super::output::{Output, tell};
use super::super::progress::{Elsewhere, Shown};
use super::open_at_rest;
use crate::log_at_rest::reached;
use crate::upkeep::Progress;
use store::accept_copy::accept_copy;
use store::clock::SystemClock;
use store::ledger::verify::verify;
use store::meta::Meta;

/// Takes a copied data folder for the store, after checking everything in it
///
/// For a folder that `misar serve` refuses because it was copied while the store was open, or put
/// together from files of different times, where there is no backup. The whole log is verified first;
/// what does not show in it, such as keys that were made after meta.redb was copied, nobody can check.
/// Views are built anew. No server may be running.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar log accept-copy --data /var/lib/misar")]
pub(in super::super) struct AcceptCopy {}

pub(super) fn run(data: &std::path::Path, output: &mut Output) -> Result<(), Failure> {
    let folder = open_at_rest(data)?;
    let data = folder.path();
    let meta = Meta::open(data, Arc::new(SystemClock)).map_err(|error| error.to_string())?;
    let mut shown = Shown::new("verifying", Elsewhere::Lines);
    let report = verify(data, reached(data, &meta), &mut |done| {
        shown.tell(Progress { done, total: 0 });
    })
    .map_err(|error| error.to_string())?;
    drop(shown);
    for problem in &report.problems {
        tell(problem);
    }
    if !report.ok {
        return Err(Failure::Failed(format!(
            "{} is not accepted: the log does not pass its verification. Restore from a backup, or go on without what \
             is damaged as said above, then call this again",
            data.display()
        )));
    }
    accept_copy(data, &meta)?;
    output.line(&format!(
        "accepted: {} events and {} orders, up to seq {}",
        report.events, report.orders, report.last_public_seq
    ))?;
    Ok(())
}
