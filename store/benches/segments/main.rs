//! `just bench-segments`: what segments cost, each figure beside its bar. The load is the same every time
//! (`store::seed`), each leg runs in a process of its own, and folding on one core where `taskset` is there. A busy
//! machine makes every figure worse: look at those of one run together.
//!
//! - `plan`: how much, and which legs
//! - `load`: the log, and the definitions that hold
//! - `legs`: what is measured
//! - `questions`: previews, and the same events as a file for other engines
//! - `table`: the figures beside their bars

mod plan;

mod load;
#[expect(dead_code, reason = "the other bench needs more of it")]
#[path = "../views/store_in.rs"]
mod store_in;

mod legs;
mod questions;

mod table;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use plan::Plan;
use table::Figures;

/// The one that the server has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
            eprintln!("bench-segments: {error}");
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
        call(&program("write", arguments, &data)?, &mut figures)?;
    }
    for leg in legs::LEGS.into_iter().filter(|leg| plan.runs(leg)) {
        call(&program(leg, arguments, &data)?, &mut figures)?;
    }
    if plan.runs("others") {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/bench-segments.py");
        let python = vec!["python3".into(), script, data.join(questions::FILE)];
        if let Err(error) = call(&python, &mut figures) {
            eprintln!("bench-segments: other engines are not here: {error}");
        }
    }
    table::derive(&mut figures, &plan);
    table::print(&figures, &plan);
    Ok(())
}

/// How this program is called for a leg.
fn program(leg: &str, arguments: &[String], data: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut words: Vec<PathBuf> = Vec::new();
    if legs::is_on_one_core(leg) && has_taskset() {
        words.extend(["taskset", "-c", "0"].map(PathBuf::from));
    }
    words.push(std::env::current_exe()?);
    words.extend(arguments.iter().map(PathBuf::from));
    words.extend([legs::COMMAND, leg].map(PathBuf::from));
    words.push(data.to_owned());
    Ok(words)
}

/// Calls a program, and takes its figures.
fn call(words: &[PathBuf], figures: &mut Figures) -> Result<(), Failure> {
    let (program, arguments) = words.split_first().ok_or("nothing to call")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no pipe")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        let mut words = line.split(' ');
        if let (Some("FIGURE"), Some(name), Some(value)) =
            (words.next(), words.next(), words.next())
        {
            eprintln!("bench-segments:   {name} {value}");
            figures.insert(name.to_owned(), value.parse()?);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("{} failed: {status}", arguments.len()).into());
    }
    Ok(())
}

fn has_taskset() -> bool {
    let found = Command::new("taskset")
        .arg("-V")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}
