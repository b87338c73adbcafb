//! `just bench-views`: what the views cost, each figure beside its bar. The load is the same every time,
//! each leg runs in a process of its own, and the building of views on one core where `taskset` is there.
//! A busy machine makes every figure worse: look at those of one run together.
//!
//! - `plan`: how much, and which legs
//! - `apart`: legs in processes of their own
//! - `load`: the events
//! - `store_in`: the store, and what it costs its machine
//! - `legs`, `segments`: what is measured
//! - `table`: the figures beside their bars

mod apart;
mod plan;

mod load;
mod store_in;

mod legs;
mod segments;

mod table;

use std::path::Path;
use std::process::ExitCode;

use plan::Plan;
use table::Figures;

/// The one that the server has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const NAME: &str = "bench-views";

const HELP: &str = "\
just bench-views [OPTIONS]: what views cost, beside the bars of docs/performance.md

  --contacts N   contacts, each as likely as the others [100000]
  --events N     events in the log [1000000]
  --only LEG     one leg, may be given several times: write rebuild follow fold read memory crash start erase segments
  --cache MB     memory for rows, as `misar serve --cache`; a rebuild has the default [512]
  --data FOLDER  where the store is made, and used again where there is a log
";

/// Options of the bench that follows this one.
const PASSED_ON: &[&str] = &["--seconds", "--turn", "--rounds"];

/// Those that count one core.
const ON_ONE_CORE: [&str; 3] = ["rebuild", "follow", "fold"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments
        .iter()
        .position(|argument| argument == legs::COMMAND)
    {
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
        return Err("unoptimised figures mean nothing: call it with `just bench-views`".into());
    }
    // Not in /tmp: that can be memory, where a sync costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let data = plan
        .data
        .clone()
        .unwrap_or_else(|| folder.path().join("data"));
    std::fs::create_dir_all(&data)?;
    let mut figures = Figures::new();
    let has_log = data.join("log").exists();
    for name in [
        "write", "follow", "fold", "read", "rebuild", "memory", "crash", "start", "erase",
        "segments",
    ] {
        // Without a log there is nothing to measure.
        let needed = name == "write" && !has_log;
        if needed || plan.runs(name) && !(name == "write" && has_log) {
            call(name, arguments, &data, &mut figures)?;
        }
        if name == "memory" && plan.runs(name) {
            let empty = tempfile::tempdir_in(folder.path())?;
            let mut of_empty = Figures::new();
            call(name, arguments, empty.path(), &mut of_empty)?;
            if let Some(memory) = of_empty.get("memory") {
                figures.insert("memory-empty".into(), *memory);
            }
        }
    }
    table::derive(&mut figures, &plan);
    table::print(&figures, &plan);
    Ok(())
}

/// Calls this program for a leg, and takes its figures.
fn call(
    name: &str,
    arguments: &[String],
    data: &Path,
    figures: &mut Figures,
) -> Result<(), Failure> {
    eprintln!("{NAME}: {name}");
    let words = apart::program(name, ON_ONE_CORE.contains(&name), arguments, data)?;
    let status = apart::call(&words, figures)?;
    // That leg is to fall.
    if !status.success() && name != "crash" {
        return Err(format!("{name} failed: {status}").into());
    }
    Ok(())
}
