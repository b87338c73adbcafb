//! `misar privacy`: what is kept of who stood behind requests, in what was recorded before too.

use clap::{Args, Subcommand};

use super::output::Output;
use super::progress::{Elsewhere, Shown};
use super::{Failure, Folder};
use crate::control::calls;
use crate::privacy::Privacy;

#[derive(Debug, Subcommand)]
pub(super) enum PrivacyCommand {
    Apply(Apply),
}

/// Takes out of all that was recorded what the present mode would not keep
///
/// Of the requests of browsers and mail programs: their addresses, agents and headers, as `misar serve --privacy` says.
/// Events, contacts and reports stay as they are. What is gone is gone for good; backups that were made before keep it.
/// May be broken off and begun again, and runs beside a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar privacy apply                              in the mode of the server that is running
  misar privacy apply --privacy verdict-only       where none is")]
pub(super) struct Apply {
    /// The mode, where no server runs: a server has its own
    #[arg(long, value_name = "MODE", env = "MISAR_PRIVACY")]
    privacy: Option<Privacy>,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(
    command: PrivacyCommand,
    folder: &Folder,
    output: &mut Output,
) -> Result<(), Failure> {
    let PrivacyCommand::Apply(apply) = command;
    let mut shown = Shown::new("applying", Elsewhere::Lines);
    let call = calls::apply_privacy(apply.privacy);
    let report = folder.ask_long(&call, &mut |progress| shown.tell(progress))?;
    drop(shown);
    if apply.json {
        return Ok(output.json(&report)?);
    }
    Ok(output.line(&format!(
        "{} events hold less now, in {:.1} s: {} is kept",
        report.events,
        report.seconds,
        report.privacy.as_str(),
    ))?)
}
