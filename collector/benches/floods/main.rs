//! `just bench-floods`: what floods do to honest callers. A server, honest load at half of its peak
//! (half servers with single events and batches, half pages with public keys, each page from another
//! address behind a trusted proxy), and beside it one flood after the other, each from 16 connections.
//! Legs without and with the flood take turns; of both the median leg counts, so that a burst of
//! something else on the machine spoils one leg and not the figure.
//!
//! The bars: with each flood, the honest p99 is at most twice what it is without, or 50 ms, whichever is
//! more; none of the honest events is refused; and a metric of its own shows the flood.
//!
//! - `server`: our server, in a process of its own
//! - `honest`: the load, one thread, at a fixed rate; a time counts from when a request was due
//! - `flooder`: the floods, in a process of low priority: whoever floods brings a machine of their own
//! - `http`: as much of a client as both need
//! - `machine`: what else goes on meanwhile
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

#[path = "../ingest/child.rs"]
mod child;
#[path = "../ingest/served.rs"]
mod served;

mod flooder;
mod honest;
mod http;
mod machine;
mod server;

use std::process::ExitCode;
use std::time::Duration;

use flooder::Flood;
use honest::{Honest, Leg};
use machine::{Machine, median};
use server::Server;

type Failure = Box<dyn std::error::Error>;

/// `FLOOD_SECONDS`: how long one leg takes.
const SECONDS: usize = 3;
/// `FLOOD_ROUNDS`: legs without and with each flood.
const ROUNDS: usize = 5;
/// `FLOOD_RATE`: honest requests a second; 0 is half of what the server takes at most.
const RATE: usize = 0;
/// `FLOOD_ONLY`: the letters of the floods that are wanted, such as `bc`; all without it.
const ONLY: &str = "FLOOD_ONLY";
/// The bar of the p99 beside a flood: so many times the one without, or so long.
const RATIO: f64 = 2.0;
const ALWAYS_FINE: Duration = Duration::from_millis(50);
/// Where others take more of the machine, the figures say little.
const QUIET: f64 = 0.1;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [server::COMMAND, data] => server::run(data.as_ref()).map(|()| true),
        [flooder::COMMAND, flood, address, seconds] => {
            flooder::run(flood, address, seconds).map(|()| true)
        }
        _ => bench(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-floods: {error}");
            ExitCode::FAILURE
        }
    }
}

/// True where the bars are kept.
fn bench() -> Result<bool, Failure> {
    if cfg!(debug_assertions) {
        return Err("unoptimised figures mean nothing: call it with `just bench-floods`".into());
    }
    let seconds = Duration::from_secs(setting("FLOOD_SECONDS", SECONDS)? as u64);
    let rounds = setting("FLOOD_ROUNDS", ROUNDS)?.max(1);
    // Not in /tmp: that can be memory, where a sync costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let server = Server::start(folder.path())?;
    let honest = Honest::new(&server)?;
    let rate = match setting("FLOOD_RATE", RATE)? {
        0 => {
            let peak = honest.peak(seconds)?;
            println!(
                "the server takes {peak:.0} honest requests a second at most; half of it from here on"
            );
            peak / 2.0
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody asks for 2^52 a second")]
        rate => rate as f64,
    };
    println!(
        "{rate:.0} honest requests a second, {} s a leg, {rounds} legs of each kind",
        seconds.as_secs()
    );
    // What is allocated and written once is, from here on.
    honest.run(rate, seconds, None)?;

    println!(
        "\n| {:<44} | {:>9} | {:>9} | {:>5} | {:>7} | {:>8} | {:>7} | the metric that shows it |",
        "the flood", "p99", "beside it", "ratio", "refused", "its req.", "RSS"
    );
    println!("|{}|", ["-"; 8].map(|dash| dash.repeat(3)).join("|"));
    let mut kept = true;
    let only = std::env::var(ONLY).ok();
    let is_wanted = |flood: &Flood| {
        let letter = flood.name().chars().nth(1).filter(|_| flood.is_one());
        let is_named = |only: &String| letter.is_some_and(|letter| only.contains(letter));
        only.as_ref().is_none_or(is_named)
    };
    for flood in Flood::ALL.into_iter().filter(is_wanted) {
        let (mut without, mut with) = (Leg::default(), Leg::default());
        let (mut plain, mut beside) = (Vec::new(), Vec::new());
        let machine = Machine::now(&server);
        let (mut shown, mut asked) = (0.0, 0);
        for round in 0..rounds {
            for with_flood in [round % 2 == 1, round % 2 == 0] {
                if with_flood {
                    let before = server.series(flood.metric())?;
                    let flooding = flooder::Flooding::start(flood, &server, seconds)?;
                    let leg = honest.run(rate, seconds, Some(flooding.settling()))?;
                    beside.push(leg.p99());
                    with.add(leg);
                    asked += flooding.end()?;
                    shown += server.series(flood.metric())? - before;
                } else {
                    let leg = honest.run(rate, seconds, None)?;
                    plain.push(leg.p99());
                    without.add(leg);
                }
                // What the flood leaves behind is not the next leg's.
                server.settle()?;
            }
        }
        let (plain, beside) = (median(&mut plain), median(&mut beside));
        let ratio = beside.as_secs_f64() / plain.as_secs_f64();
        let is_quick = ratio <= RATIO || beside <= ALWAYS_FINE;
        // The first one is there to show what any load costs on this machine.
        let is_kept = !flood.is_one() || (is_quick && with.refused == 0 && shown > 0.0);
        kept &= is_kept;
        println!(
            "| {:<44} | {:>9} | {:>9} | {ratio:>5.2} | {:>7} | {asked:>8} | {:>4} MB | {} +{shown:.0}{} |",
            flood.name(),
            millis(plain),
            millis(beside),
            with.refused,
            server.memory().unwrap_or(0) >> 20,
            flood.metric(),
            if is_kept { "" } else { " **A BAR IS MISSED**" },
        );
        let now = Machine::now(&server);
        if let (Some(then), Some(now)) = (machine, now)
            && then.taken_by_others(&now) > QUIET
        {
            let part = then.taken_by_others(&now) * 100.0;
            println!(
                "  others took {part:.0} % of the machine meanwhile: these figures say little"
            );
        }
        if without.refused > 0 || with.failed > 0 {
            println!(
                "  without it {} honest events were refused; beside it {} honest requests failed: {}",
                without.refused, with.failed, with.complaint
            );
        }
    }
    println!(
        "\n{}",
        if kept {
            "the bars are kept"
        } else {
            "A BAR IS MISSED"
        }
    );
    Ok(kept)
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

fn setting(name: &str, default: usize) -> Result<usize, Failure> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .map_err(|_| format!("{name}={text} is not a whole number").into()),
        Err(_) => Ok(default),
    }
}
