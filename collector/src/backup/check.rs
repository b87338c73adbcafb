//! Whether a backup is what its manifest says, and its log sound.

use std::path::Path;

use super::copy::{Meter, sum};
use super::manifest::{Manifest, Stored};
use super::take::{failed, sentence};
use store::journal::local::read_floor;
use store::ledger::verify::{LogReport, verify_copies};
use store::record::Seq;

/// Reads everything again: each file's hash, then the log as `misar log verify` does.
pub(super) fn check(
    dir: &Path,
    manifest: &Manifest,
    reached: Seq,
    meter: &mut Meter<'_>,
) -> Result<LogReport, String> {
    for file in &manifest.files {
        check_file(dir, file, meter)?;
    }
    let log_bytes = manifest.log_bytes();
    let segments = manifest
        .segments()
        .into_iter()
        .map(|(first, file)| (first, dir.join(&file.stored)))
        .collect();
    let mut passed = 0;
    let floor = match manifest.floor() {
        Some(file) => read_floor(&dir.join(&file.stored)).map_err(|error| error.to_string())?,
        None => Seq(1),
    };
    let report = verify_copies(
        floor,
        &manifest.quarantined(),
        segments,
        reached,
        &mut |events| {
            let part =
                u128::from(log_bytes) * u128::from(events) / u128::from(manifest.last_place.max(1));
            let now = u64::try_from(part).unwrap_or(log_bytes).min(log_bytes);
            meter.pass(now.saturating_sub(passed));
            passed = passed.max(now);
        },
    )
    .map_err(|error| sentence(&error))?;
    match report.problems.first() {
        None => Ok(report),
        Some(first) => Err(format!(
            "the log in {} does not pass its verification: {first}",
            dir.display()
        )),
    }
}

/// Whether a file of a backup is what the manifest says.
pub(super) fn check_file(dir: &Path, file: &Stored, meter: &mut Meter<'_>) -> Result<(), String> {
    let path = dir.join(&file.stored);
    let found = sum(&path, meter).map_err(|error| failed(&path, &error))?;
    if found.is_of(file) {
        return Ok(());
    }
    Err(format!(
        "{} is damaged: it is not what manifest.json says of {} ({} bytes with SHA-256 {}; here are {} bytes with {}). \
         Use another backup",
        path.display(),
        file.path,
        file.bytes,
        file.sha256,
        found.bytes,
        found.sha256
    ))
}
