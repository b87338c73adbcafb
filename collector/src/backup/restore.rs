//! Making a data folder of a backup. The folder is marked from the beginning to the end: what a crash
//! leaves is not taken for a store.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::check::check_file;
use super::copy::{Meter, copy, sum};
use super::manifest::Manifest;
use super::take::failed;
use crate::erasing::file;
use store::clock::Clock;
use store::files::{self, create_folder, draft_of, rename_synced};
use store::folder::{self, DataFolder, FORMAT_FILE};
use store::ledger::verify::verify;
use store::lineage;
use store::meta::{Erasure, Meta};
use store::record::Seq;

/// What a restore came to; printed with `--json` as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Restored {
    pub data: String,
    pub files: u64,
    pub bytes: u64,
    /// RFC 3339: what came later is not in it.
    pub backup_of: String,
    pub events: u64,
    pub orders: u64,
    /// As `misar log verify` says it.
    pub last_seq: String,
    /// Every seq that is given from now on is of this one.
    pub generation: u8,
    /// Contacts that were erased after the backup was made, and are here too.
    pub erased: u64,
    /// Keys of tokens that the backup's manifest names and its `meta.redb` has not: mails with tokens
    /// of these cannot be read any more.
    pub missing_token_keys: Vec<u32>,
    pub seconds: f64,
}

/// Makes a data folder at `data` of the backup in `dir`, without whom the file `erasures` names. `progress` is
/// told bytes done and in all.
///
/// # Errors
/// A sentence for whoever runs the command. A backup that is not in order is refused before anything
/// is made.
pub(crate) fn restore(
    dir: &Path,
    data: &Path,
    erasures: Option<&Path>,
    clock: Arc<dyn Clock>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Restored, String> {
    let started = Instant::now();
    let erasures = match erasures {
        Some(path) => file::read(path)?,
        None => Vec::new(),
    };
    if !dir.is_dir() {
        return Err(format!("there is no folder {}", dir.display()));
    }
    let manifest = Manifest::read(dir)?.ok_or_else(|| {
        format!(
            "{} holds no complete backup: there is no manifest.json in it",
            dir.display()
        )
    })?;
    check_target(dir, data)?;
    let mut meter = Meter {
        done: 0,
        // Checked, copied, read again, the log verified.
        total: 3 * manifest.bytes() + manifest.log_bytes(),
        tell: progress,
    };
    for file in &manifest.files {
        check_file(dir, file, &mut meter)?;
    }
    let format = manifest.files.iter().find(|file| file.path == FORMAT_FILE);
    if let Some(format) = format {
        folder::check_format(&dir.join(&format.stored), dir).map_err(|error| error.to_string())?;
    }
    create_folder(data).map_err(|error| failed(data, &error))?;
    lineage::begin_restore(data).map_err(|strange| strange.to_string())?;
    let folder = DataFolder::open_to_restore(data).map_err(|error| error.to_string())?;
    copy_files(dir, data, &manifest, &mut meter)?;
    let restored = finish(folder.path(), &manifest, &erasures, clock, &mut meter)?;
    lineage::end_restore(data).map_err(|strange| strange.to_string())?;
    Ok(Restored {
        seconds: started.elapsed().as_secs_f64(),
        ..restored
    })
}

/// The folder is to be new or empty, and not within the backup.
fn check_target(dir: &Path, data: &Path) -> Result<(), String> {
    let shown = data.display();
    let parent = files::folder_of(data);
    let parent = parent.canonicalize().map_err(|error| {
        format!(
            "{} is not there, or not for this user ({error}): make that folder first, then call misar restore again",
            parent.display()
        )
    })?;
    let dir = dir.canonicalize().map_err(|error| failed(dir, &error))?;
    if parent.starts_with(&dir) {
        return Err(format!(
            "{shown} lies inside the backup: name another folder"
        ));
    }
    let entries = match std::fs::read_dir(data) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(data, &error)),
    };
    let names: BTreeSet<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    if names.contains("RESTORING".as_ref() as &std::ffi::OsStr) {
        return Err(format!(
            "a restore into {shown} has not come to its end: remove that folder and call misar restore again"
        ));
    }
    if names.contains("meta.redb".as_ref() as &std::ffi::OsStr)
        || names.contains("log".as_ref() as &std::ffi::OsStr)
    {
        return Err(format!(
            "{shown} holds a store already, and a restore overwrites none: name a folder that is not there yet"
        ));
    }
    if names.iter().any(|name| name != "lost+found") {
        return Err(format!(
            "{shown} is not empty: name a folder that is not there yet"
        ));
    }
    Ok(())
}

fn copy_files(
    dir: &Path,
    data: &Path,
    manifest: &Manifest,
    meter: &mut Meter<'_>,
) -> Result<(), String> {
    for file in &manifest.files {
        let target = data.join(&file.path);
        let mut missing: Vec<&Path> = target
            .ancestors()
            .skip(1)
            .take_while(|folder| *folder != data)
            .collect();
        while let Some(folder) = missing.pop() {
            create_folder(folder).map_err(|error| failed(folder, &error))?;
        }
        let draft = draft_of(&target);
        let copied =
            copy(&dir.join(&file.stored), &draft, meter).map_err(|error| failed(&draft, &error))?;
        rename_synced(&draft, &target).map_err(|error| failed(&target, &error))?;
        let found = sum(&target, meter).map_err(|error| failed(&target, &error))?;
        if !copied.is_of(file) || found != copied {
            return Err(format!(
                "{} is not what manifest.json says of it, although the backup was in order a moment ago: look at the \
                 disks, remove {} and call misar restore again",
                target.display(),
                data.display()
            ));
        }
    }
    Ok(())
}

/// Verifies the log and makes the store one that goes on from here.
fn finish(
    data: &Path,
    manifest: &Manifest,
    erasures: &[Erasure],
    clock: Arc<dyn Clock>,
    meter: &mut Meter<'_>,
) -> Result<Restored, String> {
    let log_bytes = manifest.log_bytes();
    let mut passed = 0;
    let reached = Seq(manifest.last_place);
    let report = verify(data, reached, &mut |events| {
        let part =
            u128::from(log_bytes) * u128::from(events) / u128::from(manifest.last_place.max(1));
        let now = u64::try_from(part).unwrap_or(log_bytes).min(log_bytes);
        meter.pass(now.saturating_sub(passed));
        passed = passed.max(now);
    })
    .map_err(|error| error.to_string())?;
    if let Some(first) = report.problems.first() {
        return Err(format!(
            "the restored log does not pass its verification: {first}"
        ));
    }
    let meta = Arc::new(Meta::open(data, clock).map_err(|error| error.to_string())?);
    let generation = meta.raise_generation().map_err(|error| error.to_string())?;
    meta.accept(meta.standing().lineage)
        .map_err(|error| error.to_string())?;
    let erased = super::erase_again::apply(data, &meta, reached, erasures)?;
    let known: BTreeSet<u32> = meta.token_keys().all().map(|key| key.id).collect();
    Ok(Restored {
        data: data.display().to_string(),
        files: manifest.files.len() as u64,
        bytes: manifest.bytes(),
        backup_of: manifest.created_at.clone(),
        events: report.events,
        orders: report.orders,
        last_seq: report.last_public_seq,
        generation,
        erased,
        missing_token_keys: manifest
            .token_keys
            .iter()
            .copied()
            .filter(|key| !known.contains(key))
            .collect(),
        seconds: 0.0,
    })
}
