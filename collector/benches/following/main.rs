//! The second half of `just bench-views`: our server under batches of events at full rate, by contacts drawn
//! evenly. How far its views lag behind, and what following costs: what it takes with views that follow, as a
//! ratio to the same with views that do not. The two take turns, since a machine changes within minutes.
//!
//! - `server`: our server in a process of its own, which looks at its own lag
//! - `load`: wrk, which makes the batches as it goes
//! - `child`, `served` (of the bench `ingest`): programs that end when this one does, and what one that serves does
#![forbid(unsafe_code)]

#[path = "../ingest/child.rs"]
mod child;
#[path = "../ingest/served.rs"]
mod served;

mod load;
mod server;

use std::path::Path;
use std::process::ExitCode;

use server::{Figures, Server};

type Failure = Box<dyn std::error::Error>;

const HELP: &str = "\
just bench-views [OPTIONS], what is measured of a server:

  --contacts N   contacts, each as likely as the others [100000]
  --seconds N    how long the sustained load lasts [120]
  --turn N       how long one turn of the comparison lasts [10]
  --rounds N     how many turns each has [3]
  --only LEG     nothing of this, unless it is `following`
";

/// How much.
struct Plan {
    contacts: u64,
    seconds: u64,
    turn: u64,
    rounds: u64,
    only: Vec<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [server::COMMAND, data, leg] => server::run(Path::new(data), leg),
        _ => plan_of(&arguments).and_then(|plan| bench(&plan)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-views: {error}");
            ExitCode::FAILURE
        }
    }
}

fn plan_of(arguments: &[String]) -> Result<Plan, Failure> {
    let mut plan = Plan {
        contacts: 100_000,
        seconds: 120,
        turn: 10,
        rounds: 3,
        only: Vec::new(),
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        // cargo's own.
        if argument == "--bench" {
            continue;
        }
        let value = arguments.next().ok_or("a value is missing")?;
        let into = match argument.as_str() {
            "--only" => {
                plan.only.push(value.clone());
                continue;
            }
            // Of the bench before this one.
            "--events" | "--data" | "--cache" => continue,
            "--contacts" => &mut plan.contacts,
            "--seconds" => &mut plan.seconds,
            "--turn" => &mut plan.turn,
            "--rounds" => &mut plan.rounds,
            other => return Err(format!("{other} is no option\n{HELP}").into()),
        };
        *into = value.parse()?;
    }
    Ok(plan)
}

#[expect(clippy::print_stdout, reason = "printing is what it is for")]
fn bench(plan: &Plan) -> Result<(), Failure> {
    if cfg!(debug_assertions) {
        return Err("unoptimised figures mean nothing: call it with `just bench-views`".into());
    }
    if !plan.only.is_empty() && !plan.only.iter().any(|only| only == "following") {
        return Ok(());
    }
    // Not in /tmp: that can be memory, where a sync costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut ratios = Vec::new();
    for round in 1..=plan.rounds {
        let following = turn(plan, plan.turn, server::FOLLOWING, folder.path())?;
        let paused = turn(plan, plan.turn, server::PAUSED, folder.path())?;
        eprintln!(
            "bench-views: round {round}: {:.0} events/s with views that follow, {:.0} without",
            following.rate, paused.rate
        );
        if following.rate * paused.rate == 0.0 {
            return Err(
                "a turn was too short for two batches to be seen: try a longer --turn".into(),
            );
        }
        ratios.push(following.rate / paused.rate);
    }
    ratios.sort_by(f64::total_cmp);
    eprintln!("bench-views: sustained, {} s", plan.seconds);
    let long = turn(plan, plan.seconds, server::FOLLOWING, folder.path())?;
    println!(
        "\n{} contacts, batches of {} at full rate",
        plan.contacts,
        load::BATCH
    );
    let row = |what: &str, bar: &str, value: f64| println!("{what:42} {bar:>22} {value:>12.3}");
    if let Some(ratio) = ratios.get(ratios.len() / 2) {
        row("ingest, views following / paused", ">= 0.6", *ratio);
    }
    row("events/s", "", long.rate);
    row("lag p99, s", "<= 0.5", long.lag_p99);
    row("lag at its worst, s", "<= 2", long.lag_worst);
    row("caught up after the load, s", "", long.caught_up);
    Ok(())
}

fn turn(plan: &Plan, seconds: u64, leg: &str, folder: &Path) -> Result<Figures, Failure> {
    let fresh = tempfile::tempdir_in(folder)?;
    let server = Server::start(fresh.path(), leg)?;
    load::run(
        plan.contacts,
        seconds,
        &server.url("/v1/track/batch"),
        &server.key,
        folder,
    )?;
    server.figures()
}
