//! `misar doctor`: shows how the store and its server are.

use clap::Args;

use super::output::{Output, tell};
use super::{Failure, Folder};
use crate::control::calls;
use crate::doctor::{Check, Diagnosis, Status};

/// Looks at disk, log, views, addresses, files, keys, backup and clock, and says what to do
///
/// Exits with 0 when all is well, with 1 when there are warnings, with 2 when something has failed or
/// cannot be asked: for monitoring.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar doctor --data /var/lib/misar
  misar doctor --json --data /var/lib/misar | jq '.checks[] | select(.status != \"ok\")'")]
pub(super) struct Doctor {
    /// Prints one JSON object and nothing else: status, checks, figures
    #[arg(long)]
    json: bool,
    /// For containers: prints what has failed and nothing else, and exits with 0 as long as nothing
    /// has, else with 1
    #[arg(long, conflicts_with = "json")]
    health: bool,
}

pub(super) fn run(doctor: &Doctor, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let report: Diagnosis = match folder.ask(&calls::doctor()) {
        Ok(report) => report,
        Err(Failure::Failed(sentence)) => Diagnosis::of_failure(
            "server",
            sentence,
            "nothing else can be looked at before that is well",
        ),
        Err(other) => return Err(other),
    };
    if doctor.health {
        return health(&report);
    }
    if doctor.json {
        output.json(&report)?;
    } else {
        print(&report, output)?;
    }
    match report.status {
        Status::Ok => Ok(()),
        Status::Warn => Err(Failure::Told),
        Status::Fail => Err(Failure::ToldBadly),
    }
}

fn health(report: &Diagnosis) -> Result<(), Failure> {
    let failed = |check: &&Check| check.status == Status::Fail;
    for check in report.checks.iter().filter(failed) {
        tell(&format!("{}: {}", check.check, check.finding));
    }
    if report.status == Status::Fail {
        return Err(Failure::Told);
    }
    Ok(())
}

fn print(report: &Diagnosis, output: &mut Output) -> Result<(), Failure> {
    let rows: Vec<_> = report
        .checks
        .iter()
        .map(|check| {
            let status = match check.status {
                Status::Ok => "ok",
                Status::Warn => "warn",
                Status::Fail => "FAIL",
            };
            [
                check.check.clone(),
                status.to_owned(),
                check.finding.clone(),
            ]
        })
        .collect();
    output.table(["CHECK", "STATUS", "FINDING"], &rows)?;
    for check in &report.checks {
        if let Some(advice) = &check.advice {
            tell(&format!("{}: {advice}", check.check));
        }
    }
    Ok(())
}
