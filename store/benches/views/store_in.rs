//! The store that is measured: how it is opened, and what it costs its machine.

use std::path::Path;

use store::ledger::local::{LocalLedger, Options};
use store::views::Views;

use crate::Failure;
use crate::load::keys;
use crate::plan::Plan;

/// A second of computing has so many ticks, on every Linux.
const TICKS: f64 = 100.0;

pub(crate) fn open_log(data: &Path) -> Result<LocalLedger, Failure> {
    Ok(LocalLedger::open(Options::new(data, keys()))?)
}

pub(crate) fn open_views(data: &Path, plan: &Plan) -> Result<Views, Failure> {
    Ok(Views::open_with(data, keys(), plan.cache)?)
}

/// Bytes that this process has handed to the disk so far; only Linux tells.
pub(crate) fn written() -> Result<u64, Failure> {
    field("/proc/self/io", "wchar:")
}

/// Bytes that this process has asked the disk for so far, those among them that the kernel had in memory.
pub(crate) fn bytes_read() -> Result<u64, Failure> {
    field("/proc/self/io", "rchar:")
}

/// What this process has computed so far, in seconds of one core: on a busy machine the better measure.
pub(crate) fn computed() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let mut ticks = fields.split_whitespace().skip(11);
    let mut next =
        || -> Result<f64, Failure> { Ok(ticks.next().ok_or("the kernel does not tell")?.parse()?) };
    Ok((next()? + next()?) / TICKS)
}

/// Memory of this process that is not the files', bytes.
pub(crate) fn memory() -> Result<u64, Failure> {
    Ok(field("/proc/self/status", "VmRSS:")? * 1_024)
}

fn field(path: &str, name: &str) -> Result<u64, Failure> {
    let text = std::fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("the kernel does not tell")?.parse()?)
}

/// Bytes of the files in a data folder whose names, or whose folder's, begin so.
pub(crate) fn size_of(data: &Path, begins: &str) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(begins) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            bytes += size_of(&entry.path(), "")?;
        } else {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

pub(crate) fn remove_views(data: &Path) -> Result<(), Failure> {
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("views") {
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}
