//! `misar backup` and `misar restore`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::HumanBytes;

use super::output::{Output, tell};
use super::progress::{Elsewhere, Shown};
use super::{Failure, Folder};
use crate::backup::{BackupAsk, restore};
use crate::control::calls;
use crate::upkeep::Progress;
use store::clock::SystemClock;

/// Copies everything that is the truth into a folder, beside a running server or without one
///
/// What was acknowledged before the command began is in the backup. Each file is checked by its hash
/// and the log as `misar log verify` does, before the backup counts; one that was there before stays
/// whole until then. Views are not in it: they are derived, and built anew after a restore. With a
/// running server, it is the server that writes: DIR must be open to its user.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar backup /backups/misar --data /var/lib/misar
  misar backup /backups/misar --incremental --data /var/lib/misar     each night, from cron or a timer
Afterwards: misar restore /backups/misar --to /var/lib/misar-restored")]
pub(super) struct Backup {
    /// Where to: a folder that is new, empty, or with --incremental a backup of this store
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Brings the backup in DIR up to date: what is the same stays, what was redacted is replaced,
    /// what is gone leaves it
    #[arg(long)]
    incremental: bool,
    /// Makes hard links of sealed segments where the file system can: quick and small, but no copy.
    /// What damages the one damages the other
    #[arg(long)]
    link: bool,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Makes a data folder of a backup
///
/// Every hash is checked before anything is written, and the log is verified afterwards. Sessions are
/// not in a backup, and every seq that is given from then on is of a new generation. --data is not
/// read.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  misar restore /backups/misar --to /var/lib/misar-restored --erasures /var/lib/misar.erasures
  misar serve --data /var/lib/misar-restored")]
pub(super) struct Restore {
    /// The backup
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The data folder to be made; new or empty
    #[arg(long, value_name = "DATA")]
    to: PathBuf,
    /// The file that the server keeps beside its data folder: whom it erased after the backup was made is
    /// erased here too, in every file
    #[arg(long, value_name = "FILE", env = "MISAR_ERASURES")]
    erasures: Option<PathBuf>,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(backup: &Backup, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let dir = std::path::absolute(&backup.dir)
        .map_err(|error| format!("{} is no path: {error}", backup.dir.display()))?;
    let ask = BackupAsk {
        dir,
        incremental: backup.incremental,
        link: backup.link,
    };
    let mut shown = Shown::of_bytes("backing up", Elsewhere::Lines);
    let report = folder.ask_long(&calls::backup(&ask), &mut |progress| shown.tell(progress))?;
    drop(shown);
    if report.linked > 0 {
        tell(&format!(
            "warning: {} files are hard links to the store's own, and no copies: a disk that fails takes both",
            report.linked
        ));
    }
    if backup.json {
        return Ok(output.json(&report)?);
    }
    output.line(&format!(
        "{}: {} files, {}; {} of it new, {} files as before; {:.1} s",
        report.dir,
        report.files,
        HumanBytes(report.bytes),
        HumanBytes(report.copied_bytes),
        report.reused,
        report.seconds
    ))?;
    Ok(output.line(&format!(
        "{} events and {} orders, up to seq {}; all hashes and the log are verified",
        report.events, report.orders, report.last_seq
    ))?)
}

pub(super) fn run_restore(asked: &Restore, output: &mut Output) -> Result<(), Failure> {
    super::output::log_warnings();
    let mut shown = Shown::of_bytes("restoring", Elsewhere::Lines);
    let restored = restore(
        &asked.dir,
        &asked.to,
        asked.erasures.as_deref(),
        Arc::new(SystemClock),
        &mut |done, total| shown.tell(Progress { done, total }),
    )?;
    drop(shown);
    if !restored.missing_token_keys.is_empty() {
        let missing: Vec<_> = restored
            .missing_token_keys
            .iter()
            .map(ToString::to_string)
            .collect();
        tell(&format!(
            "warning: the keys of tokens {} are missing: what was sealed with them in mails that are out cannot be read",
            missing.join(", ")
        ));
    }
    if asked.json {
        return Ok(output.json(&restored)?);
    }
    let data = &restored.data;
    for line in [
        format!(
            "{data}: {} files, {}, as they were at {}; {:.1} s",
            restored.files,
            HumanBytes(restored.bytes),
            restored.backup_of,
            restored.seconds
        ),
        format!(
            "{} events and {} orders, up to seq {}; all hashes and the log are verified",
            restored.events, restored.orders, restored.last_seq
        ),
        format!(
            "seqs are of generation {} from now on; all keys of tokens are there; there is no outbox yet",
            restored.generation
        ),
        match (&asked.erasures, restored.erased) {
            (None, _) => "nobody was erased again: name the file of erasures with --erasures for that".to_owned(),
            (Some(_), 1) => "1 contact was erased again".to_owned(),
            (Some(_), erased) => format!("{erased} contacts were erased again"),
        },
        String::new(),
        "What came after the backup is not in it: keys that were made since are unknown, keys that were revoked since"
            .to_owned(),
        "are good again. Next:".to_owned(),
        format!("  misar keys list --data {data}"),
        format!("  misar serve --data {data}       builds the views first"),
    ] {
        output.line(&line)?;
    }
    Ok(())
}
