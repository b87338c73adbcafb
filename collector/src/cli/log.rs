//! `misar log`: checks the log, takes a damaged segment out of it, and accepts that events are lost or that a
//! copy is the store.

mod accept_copy;

use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::output::{Output, tell};
use super::progress::{Elsewhere, Shown};
use super::{Failure, Folder};
use crate::control::calls;
use crate::log_at_rest::reached;
use store::clock::SystemClock;
use store::folder::{DataFolder, FolderError};
use store::ledger::local::accept_loss;
use store::ledger::verify::{LogReport, quarantine};
use store::meta::Meta;

#[derive(Debug, Subcommand)]
pub(super) enum Log {
    Verify(Verify),
    SetAside(SetAside),
    AcceptLoss(AcceptLoss),
    AcceptCopy(accept_copy::AcceptCopy),
}

/// Reads every event and checks every checksum and invariant
///
/// Exits with 1 when something is wrong; each problem is a line on standard error that names the
/// segment and the position.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar log verify --data /var/lib/misar")]
pub(super) struct Verify {
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Moves a damaged segment out of the log, when there is no backup of it
///
/// The events in it are gone from every answer; the file is kept. No server may be running.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar log set-aside 00000000000000000001.redb")]
pub(super) struct SetAside {
    /// The segment's file name, as `misar log verify` shows it
    #[arg(value_name = "SEGMENT")]
    segment: String,
}

/// Writes down that acknowledged events are missing, when there is no backup of them
///
/// For a log that ends before what was acknowledged, or has a hole. Takes nothing away: what is there
/// stays, and the server starts again. No server may be running.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar log accept-loss --data /var/lib/misar")]
pub(super) struct AcceptLoss {}

pub(super) fn run(command: Log, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    match command {
        Log::Verify(verify) => verify_log(&verify, folder, output),
        Log::SetAside(asked) => quarantine_segment(&asked, &folder.0, output),
        Log::AcceptCopy(accept_copy::AcceptCopy {}) => accept_copy::run(&folder.0, output),
        Log::AcceptLoss(AcceptLoss {}) => accept_what_is_lost(&folder.0, output),
    }
}

fn verify_log(verify: &Verify, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let mut shown = Shown::new("verifying", Elsewhere::Nothing);
    let report = folder.ask_long(&calls::verify(), &mut |progress| shown.tell(progress))?;
    drop(shown);
    if verify.json {
        output.json(&report)?;
    } else {
        print(&report, output)?;
    }
    for problem in &report.problems {
        tell(problem);
    }
    if report.ok {
        Ok(())
    } else {
        Err(Failure::Told)
    }
}

fn print(report: &LogReport, output: &mut Output) -> Result<(), Failure> {
    if !report.segments.is_empty() {
        let rows: Vec<_> = report
            .segments
            .iter()
            .map(|segment| {
                [
                    segment.segment.clone(),
                    segment.first_seq.clone(),
                    segment.last_seq.clone(),
                    segment.events.to_string(),
                    segment.blocks.to_string(),
                    segment.bytes.to_string(),
                    if segment.sealed { "sealed" } else { "open" }.to_owned(),
                ]
            })
            .collect();
        let names = [
            "SEGMENT",
            "FIRST SEQ",
            "LAST SEQ",
            "EVENTS",
            "BLOCKS",
            "BYTES",
            "STATE",
        ];
        output.table(names, &rows)?;
        output.line("")?;
    }
    let verdict = match report.problems.len() {
        0 => "all is well".to_owned(),
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    output.line(&format!(
        "{verdict}: {} events and {} orders in {} blocks, up to seq {}",
        report.events, report.orders, report.blocks, report.last_seq
    ))?;
    if let Some(floor) = &report.floor {
        output.line(&format!(
            "the log begins at seq {floor}: what came before was dropped, by --retention"
        ))?;
    }
    Ok(())
}

fn quarantine_segment(asked: &SetAside, data: &Path, output: &mut Output) -> Result<(), Failure> {
    let name = asked.segment.as_str();
    if Path::new(name).file_name() != Some(name.as_ref()) {
        return Err(Failure::Usage(
            "name the segment without the folder that it lies in".to_owned(),
        ));
    }
    let folder = open_at_rest(data)?;
    let moved = quarantine(folder.path(), name).map_err(|error| error.to_string())?;
    output.line(&format!("moved {name} to {}", moved.display()))?;
    output.line(&format!(
        "Its events still stand in the views. To take them out there too: misar rebuild --data {}",
        data.display()
    ))?;
    Ok(())
}

fn accept_what_is_lost(data: &Path, output: &mut Output) -> Result<(), Failure> {
    let folder = open_at_rest(data)?;
    let meta =
        Meta::open(folder.path(), Arc::new(SystemClock)).map_err(|error| error.to_string())?;
    let gaps = accept_loss(folder.path(), reached(folder.path(), &meta))
        .map_err(|error| error.to_string())?;
    if gaps.is_empty() {
        output.line("nothing is missing")?;
    }
    for gap in gaps {
        output.line(&format!(
            "events from seq {gap} on are missing; this is noted now"
        ))?;
    }
    Ok(())
}

/// The data folder, which no server may hold.
fn open_at_rest(data: &Path) -> Result<DataFolder, Failure> {
    DataFolder::open_existing(data).map_err(|error| {
        Failure::Failed(match error {
            FolderError::Held(_) => format!("{error}: stop it first"),
            other => other.to_string(),
        })
    })
}
