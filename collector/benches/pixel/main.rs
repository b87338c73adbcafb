//! `just bench-pixel`: what a flood of pixel hits with tokens that nobody made does to a server:
//! memory stays flat, nothing is stored, and the time of an answer does not say which tokens are
//! good. First a million bad ones alone; then legs of good and bad ones take turns.
//!
//! - `server`: our server, in a process of its own
//! - `load`: who asks, one thread, a request at a time on each of its connections
//! - `tokens`: good ones, and bad ones of two sorts
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

#[path = "../ingest/child.rs"]
mod child;
#[path = "../ingest/served.rs"]
mod served;

mod load;
mod server;
mod tokens;

use std::process::ExitCode;
use std::time::Duration;

use load::Load;
use server::Server;
use tokens::Tokens;

type Failure = Box<dyn std::error::Error>;

/// `PIXEL_HITS`: bad hits of the flood.
const HITS: usize = 1_000_000;
/// `PIXEL_ROUNDS`: turns of good and bad legs.
const ROUNDS: usize = 20;
/// Hits of one leg.
const LEG: usize = 20_000;
/// The bar: the p99 of bad tokens is at most so many times that of good ones. Not the other way round:
/// this load fills the machine, and only good ones leave work behind their answers, which slows what
/// comes next; the ratio is printed so that it can be seen.
const RATIO: f64 = 2.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [server::COMMAND, data] => server::run(data.as_ref()).map(|()| true),
        _ => bench(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-pixel: {error}");
            ExitCode::FAILURE
        }
    }
}

/// True where the bars are kept.
fn bench() -> Result<bool, Failure> {
    if cfg!(debug_assertions) {
        return Err("unoptimised figures mean nothing: call it with `just bench-pixel`".into());
    }
    let (hits, rounds) = (
        setting("PIXEL_HITS", HITS)?,
        setting("PIXEL_ROUNDS", ROUNDS)?,
    );
    // Not in /tmp: that can be memory, where a sync costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut tokens = Tokens::new(folder.path())?;
    let server = Server::start(folder.path())?;
    let load = Load::new(server.address)?;

    // What is allocated once, at first need, is there from here on.
    load.run(&tokens.bad(LEG))?;
    let before = server.now(folder.path(), &load)?;
    println!("before the flood        {before}");
    let mut left = hits;
    while left > 0 {
        let leg = left.min(100_000);
        let times = load.run(&tokens.bad(leg))?;
        left -= leg;
        let now = server.now(folder.path(), &load)?;
        println!("{:>9} bad hits      {now}, {times}", hits - left);
    }
    let after = server.now(folder.path(), &load)?;
    let grown = after.memory.saturating_sub(before.memory);
    let stored = (
        after.tracked - before.tracked,
        after.log.abs_diff(before.log),
    );
    println!(
        "the flood: memory grew by {} KB; {} events and {} bytes of log are new",
        grown / 1024,
        stored.0,
        stored.1
    );

    let (mut good, mut bad) = (load::Times::default(), load::Times::default());
    let mut ratios = Vec::new();
    for round in 0..rounds {
        // Who is first takes turns, too.
        let mut leg = |is_good: bool| -> Result<load::Times, Failure> {
            let paths = if is_good {
                tokens.good(LEG)
            } else {
                tokens.bad(LEG)
            };
            let times = load.run(&paths)?;
            // What is written behind the answers of one leg is not to slow the next one.
            std::thread::sleep(Duration::from_millis(300));
            Ok(times)
        };
        let first_is_good = round % 2 == 0;
        let (first, second) = (leg(first_is_good)?, leg(!first_is_good)?);
        let (of_good, of_bad) = if first_is_good {
            (first, second)
        } else {
            (second, first)
        };
        println!("round {round:>2}: good {of_good}; bad {of_bad}");
        ratios.push(of_bad.p99().as_secs_f64() / of_good.p99().as_secs_f64());
        good.add(of_good);
        bad.add(of_bad);
    }
    let last = server.now(folder.path(), &load)?;
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).copied().unwrap_or(1.0);
    let all = bad.p99().as_secs_f64() / good.p99().as_secs_f64();
    println!("after the rounds        {last}");
    println!("all good: {good}\nall bad:  {bad}");
    println!("p99 of bad to good: {all:.2} over all, {median:.2} in the median of the rounds");
    let kept = stored == (0, 0) && grown <= 8 * 1024 * 1024 && median <= RATIO;
    println!(
        "{}",
        if kept {
            "the bars are kept"
        } else {
            "A BAR IS MISSED"
        }
    );
    Ok(kept)
}

fn setting(name: &str, default: usize) -> Result<usize, Failure> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .map_err(|_| format!("{name}={text} is not a whole number").into()),
        Err(_) => Ok(default),
    }
}
