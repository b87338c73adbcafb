//! `misar link`: a link to the live page of a running server.

use clap::Args;

use super::output::Output;
use super::{Failure, Folder};
use crate::control::calls;

/// Prints a link to the page that shows events as they arrive
///
/// It lets one browser in, once, within a day and until the server is started again: as admin of the
/// workspace `default`, for 7 days.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar link --data /var/lib/misar")]
pub(super) struct Link {
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(link: &Link, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let made = folder.ask(&calls::link())?;
    if link.json {
        return Ok(output.json(&made)?);
    }
    Ok(output.line(&made.url)?)
}
