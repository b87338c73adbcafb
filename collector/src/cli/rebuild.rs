//! `misar rebuild`: builds the views anew from the log.

use clap::Args;

use super::output::Output;
use super::progress::{Elsewhere, Shown};
use super::{Failure, Folder};
use crate::control::calls;

/// Deletes everything that is derived from the events and builds it again
///
/// A running server answers from the old views until the new ones are ready.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar rebuild --data /var/lib/misar")]
pub(super) struct Rebuild {
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(rebuild: &Rebuild, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let mut shown = Shown::new("rebuilding", Elsewhere::Lines);
    let report = folder.ask_long(&calls::rebuild(), &mut |progress| shown.tell(progress))?;
    drop(shown);
    if rebuild.json {
        return Ok(output.json(&report)?);
    }
    Ok(output.line(&format!(
        "{} events in {:.1} s",
        report.events, report.seconds
    ))?)
}
