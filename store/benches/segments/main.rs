//! `just bench-segments`: what segments cost, each figure beside its bar. The load is the same every time
//! (`store::seed`), each leg runs in a process of its own, and folding on one core where `taskset` is there. A busy
//! machine makes every figure worse: look at those of one run together.
//!
//! - `plan`: how much, and which legs
//! - `apart`: legs in processes of their own
//! - `load`: the log, and the definitions that hold
//! - `legs`: what is measured
//! - `questions`: previews, and the same events as a file for other engines
//! - `table`: the figures beside their bars

#[path = "../views/apart.rs"]
mod apart;
#[path = "../views/plan.rs"]
mod plan;

mod load;
#[expect(dead_code, reason = "the other bench needs more of it")]
#[path = "../views/store_in.rs"]
mod store_in;

mod legs;
mod questions;

mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use plan::Plan;
use table::Figures;

/// The one that the server has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NAME: &str = "bench-segments";

const HELP: &str = "\
just bench-segments [OPTIONS]: what segments cost, beside the bars of docs/segments.md

  --contacts N   contacts [100000]
  --events N     events in the log, over 120 days [1000000]
  --only LEG     one leg, may be given several times: none kept names paths many-paths backfill fill restart preview
                 others
  --cache MB     memory for rows, as `misar serve --cache` [512]
  --data FOLDER  where the store is made, and used again where there is a log
";

/// No other bench follows this one.
const PASSED_ON: &[&str] = &[];

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let leg_at = arguments.iter().position(|one| one == legs::COMMAND);
    let done = match leg_at {
        Some(at) => leg(&arguments[..at], &arguments[at + 1..]),
        None => bench(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn leg(plan: &[String], leg: &[String]) -> Result<(), Failure> {
    let plan = Plan::of(plan)?;
    let [name, data] = leg else {
        return Err("a leg and its folder".into());
    };
    legs::run(name, &plan, Path::new(data))
}

fn bench(arguments: &[String]) -> Result<(), Failure> {
    let plan = Plan::of(arguments)?;
    if cfg!(debug_assertions) {
        return Err("unoptimised figures mean nothing: call it with `just bench-segments`".into());
    }
    // Not in /tmp: that can be memory, where a sync costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let data = plan
        .data
        .clone()
        .unwrap_or_else(|| folder.path().join("data"));
    std::fs::create_dir_all(&data)?;
    let mut figures = Figures::new();
    if !data.join("log").exists() {
        run("write", arguments, &data, &mut figures)?;
    }
    for leg in legs::LEGS.into_iter().filter(|leg| plan.runs(leg)) {
        run(leg, arguments, &data, &mut figures)?;
    }
    if plan.runs("others") {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/bench-segments.py");
        let python = vec!["python3".into(), script, data.join(questions::FILE)];
        if let Err(error) = call("python3", &python, &mut figures) {
            eprintln!("bench-segments: other engines are not here: {error}");
        }
    }
    table::derive(&mut figures, &plan);
    table::print(&figures, &plan);
    Ok(())
}

/// Runs a leg, and takes its figures.
fn run(leg: &str, arguments: &[String], data: &Path, figures: &mut Figures) -> Result<(), Failure> {
    let words = apart::program(leg, legs::is_on_one_core(leg), arguments, data)?;
    call(leg, &words, figures)
}

/// Calls a program, and takes its figures.
fn call(name: &str, words: &[PathBuf], figures: &mut Figures) -> Result<(), Failure> {
    let status = apart::call(words, figures)?;
    if !status.success() {
        return Err(format!("{name} failed: {status}").into());
    }
    Ok(())
}
