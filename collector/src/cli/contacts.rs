//! `misar contacts`: lists, shows, changes, imports and erases them.
//!
//! - `file`: files in parts that a server takes
//! - `list`: many of them, and the segments of one

mod file;
mod list;

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::output::{Output, plain, tell};
use super::{Failure, Folder};
use crate::control::calls;
use crate::routes::control::contacts::{ContactAsk, EraseBody};
use store::meta::DEFAULT_WORKSPACE;

#[derive(Debug, Subcommand)]
pub(super) enum Contacts {
    List(list::List),
    Show(Show),
    Set(Set),
    Timeline(Timeline),
    Segments(list::InSegments),
    Export(Export),
    Import(Import),
    Erase(Erase),
}

/// Which contact of which workspace.
#[derive(Args)]
pub(super) struct Which {
    /// The contact's address
    #[arg(value_name = "EMAIL")]
    email: String,
    /// The workspace whose contact it is
    #[arg(long, value_name = "NAME", default_value = DEFAULT_WORKSPACE)]
    workspace: String,
}

/// Hides whom it names.
impl std::fmt::Debug for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Which").finish_non_exhaustive()
    }
}

impl Which {
    fn ask(&self) -> ContactAsk {
        ContactAsk {
            email: self.email.clone(),
            traits: None,
            cursor: None,
        }
    }
}

/// Shows a contact: when seen, how engaged, traits, and whether they get mail
///
/// Asks the running server.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar contacts show user@example.com")]
pub(super) struct Show {
    #[command(flatten)]
    which: Which,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Changes traits of a contact; one that is not known is made
///
/// What is not named stays. Values are JSON (12, true, null, which unsets, ["a"]); what is none is a text.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar contacts set user@example.com plan=pro seats=12
  misar contacts set user@example.com trialEndsAt=null     unsets it")]
pub(super) struct Set {
    #[command(flatten)]
    which: Which,
    /// A trait and its value
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = parse_trait)]
    traits: Vec<Trait>,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Lists what happened with a contact, the last that arrived first
///
/// Events under their address and in browsers that are theirs, what became of messages to them, and the segments that
/// they entered or left, each with its cause.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar contacts timeline user@example.com
  misar contacts timeline user@example.com --limit 1000 --json     one JSON object a line")]
pub(super) struct Timeline {
    #[command(flatten)]
    which: Which,
    /// How many entries
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Prints one JSON object a line and nothing else
    #[arg(long)]
    json: bool,
}

/// Prints everything that is held of a person, one JSON object a line
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar contacts export user@example.com > held.ndjson")]
pub(super) struct Export {
    #[command(flatten)]
    which: Which,
}

/// Imports contacts from a file: CSV with a header line, or one JSON object a line
///
/// CSV has the column email, if wanted timestamp, and one for each trait; a line of JSON is
/// {"email":…,"traits":{…},"timestamp":…}. The file is sent in parts. What is known already is not recorded again, so
/// that the same file can be imported twice, and one that broke off goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar contacts import contacts.csv
  misar contacts import contacts.ndjson --workspace shop")]
pub(super) struct Import {
    /// The file; it is CSV where its name ends in .csv
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The workspace whose contacts they are
    #[arg(long, value_name = "NAME", default_value = DEFAULT_WORKSPACE)]
    workspace: String,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// A trait as it is given.
#[derive(Clone)]
struct Trait(String, Value);

/// Hides what is known of a person.
impl std::fmt::Debug for Trait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trait(…)")
    }
}

fn parse_trait(text: &str) -> Result<Trait, String> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| "it is a trait and its value, such as plan=pro".to_owned())?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok(Trait(key.to_owned(), value))
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
    match command {
        Contacts::List(list) => list::list(&list, folder, output),
        Contacts::Segments(segments) => list::segments(&segments, folder, output),
        Contacts::Show(show) => {
            let call = calls::show_contact(&show.which.workspace, &show.which.ask());
            tell_contact(&folder.ask(&call)?, show.json, output)
        }
        Contacts::Set(set) => {
            let traits = set.traits.into_iter().map(|Trait(key, value)| (key, value));
            let ask = ContactAsk {
                traits: Some(Value::Object(traits.collect())),
                ..set.which.ask()
            };
            let call = calls::show_contact(&set.which.workspace, &ask);
            tell_contact(&folder.ask(&call)?, set.json, output)
        }
        Contacts::Timeline(timeline) => tell_timeline(&timeline, folder, output),
        Contacts::Export(export) => tell_all(&export, folder, output),
        Contacts::Import(import) => file::import(&import, folder, output),
        Contacts::Erase(erase) => run_erase(&erase, folder, output),
    }
}

fn tell_contact(contact: &Value, json: bool, output: &mut Output) -> Result<(), Failure> {
    if json {
        return Ok(output.json(contact)?);
    }
    let mut rows = Vec::new();
    for name in ["email", "score", "firstSeen", "lastSeen", "unsubscribedAt"] {
        if let Some(value) = contact.get(name) {
            rows.push([name.to_owned(), plain(value)]);
        }
    }
    let held = contact["suppressions"].as_array();
    let held = held.into_iter().flatten();
    rows.extend(held.map(|one| ["suppressed".to_owned(), plain(&one["reason"])]));
    let traits = contact["traits"].as_object();
    let traits = traits.into_iter().flatten();
    rows.extend(traits.map(|(key, value)| [format!("traits.{key}"), value.to_string()]));
    Ok(output.table(["WHAT", "VALUE"], &rows)?)
}

fn tell_timeline(timeline: &Timeline, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let mut ask = timeline.which.ask();
    let (mut left, mut rows) = (timeline.limit, Vec::new());
    while left > 0 {
        let page = folder.ask(&calls::contact_timeline(&timeline.which.workspace, &ask))?;
        let entries = page["entries"].as_array();
        for entry in entries.into_iter().flatten().take(left) {
            left -= 1;
            if timeline.json {
                output.json(entry)?;
                continue;
            }
            let cell = |name: &str| plain(&entry[name]);
            rows.push([
                cell("timestamp"),
                cell("kind"),
                cell("name"),
                cell("points"),
                match entry["kind"].as_str() {
                    Some("segment") => format!("{} (by {})", cell("segmentName"), cell("cause")),
                    _ => cell("properties"),
                },
            ]);
        }
        match page["next"].as_str() {
            Some(next) => ask.cursor = Some(next.to_owned()),
            None => break,
        }
    }
    if timeline.json {
        return Ok(());
    }
    Ok(output.table(["TIME", "KIND", "NAME", "POINTS", "PROPERTIES"], &rows)?)
}

fn tell_all(export: &Export, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let mut ask = export.which.ask();
    loop {
        let held = folder.ask(&calls::export_contact(&export.which.workspace, &ask))?;
        output.text(&held.lines)?;
        match held.next {
            Some(next) => ask.cursor = Some(next),
            None => return Ok(()),
        }
    }
}

fn run_erase(erase: &Erase, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    if !erase.yes {
        ask_twice(erase)?;
    }
    let contact = EraseBody {
        email: erase.email.clone(),
    };
    let call = calls::erase_contact(&erase.workspace, &contact, erase.erasures.clone());
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
