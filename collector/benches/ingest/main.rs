//! `just bench`: what an answer that waits for the disk costs, as ratios to nginx, which writes no more
//! than a line of its log, and to our own server made to answer early. No absolute figure here says
//! anything: the same disk differs thirtyfold within minutes. So the legs take turns, a probe of the
//! disk stands before and after each, and a round through which the disk changed is thrown away.
//!
//! - `plan`: which legs, for how long, how often
//! - `probe`: how long one sync takes
//! - `child`: programs that end when this one does
//! - `nginx`, `server` (with `early`, and `served` for its process): who is asked
//! - `wrk`, `events`: who asks, and what is sent
//! - `report`: the table
#![forbid(unsafe_code)]

mod plan;

mod probe;

mod child;
mod early;
mod nginx;
mod served;
mod server;

mod events;
mod wrk;

mod report;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use plan::{Group, Leg, Plan};
use report::{Attempt, Measured, Report};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [server::COMMAND, data, leg] => server::run(Path::new(data), leg),
        _ => bench(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<(), Failure> {
    if cfg!(debug_assertions) {
        return Err("unoptimised figures mean nothing: call it with `just bench`".into());
    }
    let plan = Plan::from_environment()?;
    // Not in /tmp: that can be memory, where a sync costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    events::write(folder.path())?;
    eprintln!("bench: {plan}");
    let began = Instant::now();
    let mut report = Report::default();
    let run = |what: &str, group: &'static Group| {
        let attempt = attempt(&plan, group, folder.path())?;
        let seconds = began.elapsed().as_secs();
        eprintln!("bench: {seconds} s: {what}, {group}: {attempt}");
        Ok::<_, Failure>(attempt)
    };
    for round in 1..=plan.rounds {
        for group in plan.groups() {
            report.add(group, run(&format!("round {round}"), group)?);
        }
    }
    // Afterwards rather than at once: a disk that is unsteady now still is a moment later.
    for _ in 0..plan.repeats {
        let Some(group) = report.unsteadiest() else {
            break;
        };
        report.replace_unsteadiest(run("repeated", group)?);
    }
    report.print(&mut std::io::stdout().lock())?;
    Ok(())
}

/// One run through the legs of a group, with a probe before and after each.
fn attempt(plan: &Plan, group: &Group, folder: &Path) -> Result<Attempt, Failure> {
    let mut attempt = Attempt::default();
    attempt.probes.push(probe::sync_time(folder)?);
    for leg in group.legs {
        let fresh = tempfile::tempdir_in(folder)?;
        let measured = match leg {
            Leg::Nginx => {
                let nginx = nginx::Nginx::start(fresh.path())?;
                let result = wrk::run(plan, group, &nginx.url(), None, folder)?;
                Measured::new(result, None)
            }
            Leg::Durable | Leg::Early => {
                let server = server::Server::start(fresh.path(), *leg)?;
                let url = server.url(group.path);
                let result = wrk::run(plan, group, &url, Some(&server.key), folder)?;
                Measured::new(result, server.peak_memory())
            }
        };
        attempt.legs.push(measured);
        // The leg's files go before the probe: removing them is work for the disk, too.
        fresh.close()?;
        attempt.probes.push(probe::sync_time(folder)?);
    }
    Ok(attempt)
}
