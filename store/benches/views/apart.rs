//! Legs in processes of their own, which print their figures as `FIGURE name value`, a line each.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::table::Figures;
use crate::{Failure, NAME, legs};

/// How this program is called for a leg, on one core where that is wanted and `taskset` is there.
pub(crate) fn program(
    leg: &str,
    is_on_one_core: bool,
    arguments: &[String],
    data: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    let mut words: Vec<PathBuf> = Vec::new();
    if is_on_one_core && has_taskset() {
        words.extend(["taskset", "-c", "0"].map(PathBuf::from));
    }
    words.push(std::env::current_exe()?);
    words.extend(arguments.iter().map(PathBuf::from));
    words.extend([legs::COMMAND, leg].map(PathBuf::from));
    words.push(data.to_owned());
    Ok(words)
}

/// Calls a program, and takes its figures.
pub(crate) fn call(words: &[PathBuf], figures: &mut Figures) -> Result<ExitStatus, Failure> {
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
            eprintln!("{NAME}:   {name} {value}");
            figures.insert(name.to_owned(), value.parse()?);
        }
    }
    Ok(child.wait()?)
}

fn has_taskset() -> bool {
    let found = Command::new("taskset")
        .arg("-V")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}
