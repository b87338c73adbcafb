//! `misar relay-list`: the addresses of Apple's relays, read from the file that Apple publishes.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::Output;
use super::{Failure, Folder};
use crate::control::calls;
use store::classify::relay::{RelayRanges, Summary};

#[derive(Debug, Subcommand)]
pub(super) enum RelayList {
    Update(Update),
    Show(Show),
}

/// Takes a new list from Apple's file; a running server uses it at once
///
/// Apple publishes the file at mask-api.icloud.com/egress-ip-ranges.csv and changes it often; misar
/// fetches nothing itself. The list only makes the reason of an Apple prefetch more certain.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  curl -sSo egress.csv https://mask-api.icloud.com/egress-ip-ranges.csv
  misar relay-list update --file egress.csv")]
pub(super) struct Update {
    /// Apple's file: rows that begin with a network
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Shows how large the list is; of a running server, the one that it uses
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar relay-list show --json")]
pub(super) struct Show {
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: RelayList, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let (summary, json): (Summary, bool) = match command {
        RelayList::Update(Update { file, json }) => {
            let list = read(&file)?;
            // Makes the folder where there is none, and refuses one that is not misar's.
            folder.ask(&calls::hello())?;
            list.write(&folder.0).map_err(|error| error.to_string())?;
            (folder.ask(&calls::reload_relay_list())?, json)
        }
        RelayList::Show(Show { json }) => (folder.ask(&calls::show_relay_list())?, json),
    };
    if json {
        return Ok(output.json(&summary)?);
    }
    if summary.rows == 0 {
        return Ok(output.line("no relay list: misar relay-list update takes one")?);
    }
    Ok(output.line(&format!(
        "{}: {} and {}, {} KiB of memory",
        counted(summary.rows, "network"),
        counted(summary.ipv4_ranges, "IPv4 range"),
        counted(summary.ipv6_ranges, "IPv6 range"),
        summary.memory.div_ceil(1_024)
    ))?)
}

fn counted(count: u64, name: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {name}{end}")
}

fn read(file: &PathBuf) -> Result<RelayRanges, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let opened = File::open(file).map_err(|error| named(&error))?;
    RelayRanges::parse(BufReader::new(opened)).map_err(|error| named(&error))
}
