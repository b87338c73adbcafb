//! `misar contacts`: erases one.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::{Output, tell};
use super::{Failure, Folder};
use crate::control::calls;
use crate::routes::control::contacts::EraseBody;
use store::meta::DEFAULT_WORKSPACE;

#[derive(Debug, Subcommand)]
pub(super) enum Contacts {
    Erase(Erase),
}

/// Erases a contact: every answer at once, every file some minutes later
///
/// Events keep id, time, name, class and money, so that reports keep their totals; address, properties, traits, agent
/// and network go, from the past too. Whether they get mail stays known, by a keyed hash of the address. Backups that
/// were made before keep them: restore those with --erasures and the file that the server keeps beside its data
/// folder.
#[derive(Args)]
#[command(after_help = "\
Examples:
  misar contacts erase user@example.com
  misar contacts erase user@example.com --workspace shop --yes     in a script: asks nothing")]
pub(super) struct Erase {
    /// The contact's address
    #[arg(value_name = "EMAIL")]
    email: String,
    /// The workspace whose contact it is
    #[arg(long, value_name = "NAME", default_value = DEFAULT_WORKSPACE)]
    workspace: String,
    /// The file that notes who was erased, where no server runs: a server has its own. Beside the data folder under
    /// its name with .erasures without it
    #[arg(long, value_name = "FILE", env = "MISAR_ERASURES")]
    erasures: Option<PathBuf>,
    /// Asks nothing. Without it you are asked twice, and where nobody can answer nothing is erased
    #[arg(long)]
    yes: bool,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Hides whom it names.
impl std::fmt::Debug for Erase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Erase").finish_non_exhaustive()
    }
}

pub(super) fn run(command: Contacts, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let Contacts::Erase(erase) = command;
    if !erase.yes {
        ask_twice(&erase)?;
    }
    let contact = EraseBody {
        email: erase.email.clone(),
    };
    let call = calls::erase_contact(&erase.workspace, &contact, erase.erasures);
    let done = folder.ask(&call)?;
    if erase.json {
        return Ok(output.json(&done)?);
    }
    let events = match done.erased.events {
        Some(1) => "1 event has lost its personal part".to_owned(),
        Some(events) => format!("{events} events have lost their personal part"),
        None => "their events have lost their personal part".to_owned(),
    };
    output.line(&format!(
        "erased: {events}, {} rejected ones are gone",
        done.erased.rejected
    ))?;
    Ok(())
}

/// Asks whether that is meant, and for the address once more.
fn ask_twice(erase: &Erase) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        let sentence = "nobody is there to be asked: add --yes to erase without a question";
        return Err(Failure::Usage(sentence.to_owned()));
    }
    let given_up = || Failure::Failed("nothing was erased".to_owned());
    let answer = || {
        let mut line = String::new();
        match io::stdin().lock().read_line(&mut line) {
            Ok(_) => Ok(line.trim().to_owned()),
            Err(_) => Err(given_up()),
        }
    };
    tell(&format!(
        "This erases what the workspace {} knows of {}, for good. Go on? (yes/no)",
        erase.workspace, erase.email
    ));
    if answer()? != "yes" {
        return Err(given_up());
    }
    tell("Type the address again:");
    if answer()? != erase.email.trim() {
        return Err(given_up());
    }
    Ok(())
}
