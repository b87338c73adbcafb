//! Making a backup beside a store that is in use. Whoever calls has the store open; nothing in it is
//! changed but the note of the last backup.
//!
//! Files are copied in this order: orders and suppressions, then the log, then everything else, `meta.redb` last. So
//! the log reaches at least as far as they do, and no record is of a workspace or a key that the
//! copy of `meta.redb` does not know.

use std::collections::BTreeSet;
use std::fs::TryLockError;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::check::check;
use super::copy::Meter;
use super::manifest::{LOCK_FILE, MANIFEST_FILE, MARK_FILE, Manifest, Stored};
use super::writer::BackupWriter;
use super::{BackupAsk, BackupReport};
use store::classify::relay;
use store::files::{self, create_anew, create_folder, sync_folder_of};
use store::journal::local::{LOG_FOLDER, QUARANTINE_FOLDER};
use store::ledger::Log as _;
use store::ledger::local::{LocalLedger, ORDERS_FILE, SUPPRESSIONS_FILE};
use store::meta::{LastBackup, META_FILE, Meta};
use store::record::Seq;
use store::rejected::{self, RejectedStore};
use store::views::RETAINED_FOLDER;

/// What a backup is made of: a store that this process has open.
pub(crate) struct BackupSources<'a> {
    pub data: &'a Path,
    pub meta: &'a Meta,
    pub log: &'a LocalLedger,
    /// `None` where the folder has none yet.
    pub rejected: Option<&'a RejectedStore>,
}

/// Makes a backup, checks it, and only then puts it in the place of the one before. `progress` is told
/// bytes done and in all.
///
/// # Errors
/// A sentence for whoever runs the command. The backup before, if there was one, is whole then.
pub(crate) fn take(
    sources: &BackupSources<'_>,
    ask: &BackupAsk,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<BackupReport, String> {
    let started = Instant::now();
    // Before anything else: all that has been acknowledged so far is to be in it.
    let acknowledged = *sources.log.committed().borrow();
    let before = prepare(sources, ask)?;
    let lock = lock(&ask.dir)?;
    let mut writer = BackupWriter {
        dir: &ask.dir,
        link: ask.link,
        before: before.as_ref(),
        files: Vec::new(),
        copied_bytes: 0,
        reused: 0,
        meter: Meter {
            done: 0,
            // Read or written once, then read again, the log twice: about three times all of it.
            total: 3 * bytes_of(sources),
            tell: progress,
        },
    };
    let ends = writer.fill(sources)?;
    let BackupWriter {
        files,
        copied_bytes,
        reused,
        mut meter,
        ..
    } = writer;
    let mut manifest = manifest_of(sources, acknowledged, ends.log, files);
    meter.total = meter.done + manifest.bytes() + manifest.log_bytes();
    let reached = acknowledged.max(ends.orders);
    let report = check(&ask.dir, &manifest, reached, &mut meter)?;
    manifest.last_seq.clone_from(&report.last_public_seq);
    manifest.events = report.events;
    let linked = manifest.files.iter().filter(|file| file.linked).count();
    manifest
        .write(&ask.dir)
        .map_err(|error| failed(&ask.dir.join(MANIFEST_FILE), &error))?;
    remove_what_nothing_names(&ask.dir, &manifest);
    drop(lock);
    let noted = sources.meta.set_last_backup(&LastBackup {
        at: sources.meta.now().as_millis(),
        dir: ask.dir.display().to_string(),
        last_seq: report.last_public_seq.clone(),
    });
    if let Err(error) = noted {
        tracing::warn!(%error, "the backup is complete, but `misar doctor` will not know of it");
    }
    Ok(BackupReport {
        dir: ask.dir.display().to_string(),
        files: manifest.files.len() as u64,
        bytes: manifest.bytes(),
        copied_bytes,
        linked: linked as u64,
        reused,
        events: report.events,
        orders: report.orders,
        last_seq: report.last_public_seq,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Makes the folder ready, and reads what is there of a backup before.
fn prepare(sources: &BackupSources<'_>, ask: &BackupAsk) -> Result<Option<Manifest>, String> {
    let data = sources.data;
    let dir = &ask.dir;
    let shown = dir.display();
    if !dir.is_absolute() {
        return Err(format!("{shown} is no absolute path"));
    }
    let parent = files::folder_of(dir);
    let parent = parent.canonicalize().map_err(|error| {
        format!(
            "{} is not there, or not for this user ({error}): make that folder first, then call misar backup again",
            parent.display()
        )
    })?;
    let real = match dir.file_name() {
        Some(name) => parent.join(name),
        None => parent,
    };
    let real = real.canonicalize().unwrap_or(real);
    let data = data.canonicalize().map_err(|error| failed(data, &error))?;
    if real.starts_with(&data) {
        return Err(format!(
            "{shown} lies inside the data folder: a backup belongs elsewhere, best on another disk"
        ));
    }
    let mut entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_folder(dir).map_err(|error| not_ours(dir, &error))?;
            mark(dir)?;
            return Ok(None);
        }
        Err(error) => return Err(not_ours(dir, &error)),
    };
    if files::is_taken(&dir.join(MARK_FILE)) {
        let before = Manifest::read(dir)?;
        return match before {
            Some(_) if !ask.incremental => Err(format!(
                "{shown} holds a backup already: --incremental brings it up to date, or name another folder"
            )),
            Some(before) if is_of_another(&before, sources.meta) => Err(format!(
                "{shown} is a backup of another store: name another folder"
            )),
            Some(before) => Ok(Some(before)),
            // One that was cut short; nothing in it was ever whole.
            None => Ok(None),
        };
    }
    // A disk that was just formatted has a folder of its own.
    if entries.any(|entry| !entry.is_ok_and(|entry| entry.file_name() == "lost+found")) {
        return Err(format!(
            "{shown} is neither empty nor a backup of misar: name another folder"
        ));
    }
    mark(dir)?;
    Ok(None)
}

fn mark(dir: &Path) -> Result<(), String> {
    let path = dir.join(MARK_FILE);
    let write = || -> io::Result<()> {
        let mut file = create_anew(&path)?;
        writeln!(file, "misar-backup {}", Manifest::version())?;
        file.sync_all()?;
        sync_folder_of(&path)
    };
    write().map_err(|error| not_ours(dir, &error))
}

/// One backup at a time into one folder.
fn lock(dir: &Path) -> Result<std::fs::File, String> {
    let path = dir.join(LOCK_FILE);
    let file = files::open_or_create(&path).map_err(|error| not_ours(dir, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(format!(
            "another misar is writing a backup into {}: wait for its end",
            dir.display()
        )),
        Err(TryLockError::Error(error)) => Err(failed(&path, &error)),
    }
}

fn is_of_another(before: &Manifest, meta: &Meta) -> bool {
    let ours = store_of(meta);
    before.store.is_some() && ours.is_some() && before.store != ours
}

fn store_of(meta: &Meta) -> Option<String> {
    let lineage = meta.standing().lineage?;
    Some(format!("{:016x}", lineage.store))
}

fn manifest_of(
    sources: &BackupSources<'_>,
    acknowledged: Seq,
    last: Seq,
    files: Vec<Stored>,
) -> Manifest {
    Manifest {
        version: Manifest::version(),
        misar: env!("CARGO_PKG_VERSION").to_owned(),
        store: store_of(sources.meta),
        created_at: sources.meta.now().to_string(),
        generation: sources.meta.generation(),
        last_place: last.0,
        last_seq: String::new(),
        acknowledged_place: acknowledged.0,
        events: 0,
        token_keys: sources.meta.token_keys().all().map(|key| key.id).collect(),
        files,
    }
}

/// Removes files of backups before and of those that were cut short. Nothing depends on it.
fn remove_what_nothing_names(dir: &Path, manifest: &Manifest) {
    let named: BTreeSet<PathBuf> = manifest
        .files
        .iter()
        .map(|file| dir.join(&file.stored))
        .chain([MANIFEST_FILE, MARK_FILE, LOCK_FILE].map(|name| dir.join(name)))
        .collect();
    let log = dir.join(LOG_FOLDER);
    let mut folders = vec![dir.to_owned(), log.clone(), log.join(QUARANTINE_FOLDER)];
    // Each checkpoint has a folder of its own, with one for its runs.
    let retained = dir.join(RETAINED_FOLDER);
    let checkpoints = std::fs::read_dir(&retained);
    for within in checkpoints.into_iter().flatten().flatten() {
        folders.extend(
            std::fs::read_dir(within.path())
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.is_dir()),
        );
        folders.push(within.path());
    }
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_file = std::fs::symlink_metadata(&path).is_ok_and(|about| about.is_file());
            if is_file
                && !named.contains(&path)
                && let Err(error) = std::fs::remove_file(&path)
            {
                tracing::warn!(%error, "a file of an older backup stays in {}", folder.display());
            }
        }
        // One that still holds something stays.
        if folder.starts_with(&retained) {
            std::fs::remove_dir(&folder).ok();
        }
    }
}

/// Bytes of everything that a backup reads.
fn bytes_of(sources: &BackupSources<'_>) -> u64 {
    let segments = sources.log.segments();
    let segments: u64 = segments.iter().map(|segment| segment.file_size()).sum();
    let others = [
        ORDERS_FILE,
        SUPPRESSIONS_FILE,
        META_FILE,
        rejected::FILE,
        relay::FILE,
    ];
    let others = others
        .iter()
        .filter_map(|name| std::fs::metadata(sources.data.join(name)).ok());
    segments + others.map(|about| about.len()).sum::<u64>()
}

/// The folder cannot be written to; a server is another user than who asks it.
fn not_ours(dir: &Path, error: &io::Error) -> String {
    format!(
        "{} cannot be written to by user {} ({error}): with a running server it is the server that writes the backup",
        dir.display(),
        rustix::process::geteuid().as_raw()
    )
}

pub(super) fn failed(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{} failed: {error}", path.display())
}

pub(super) fn sentence(error: &dyn std::fmt::Display) -> String {
    error.to_string()
}
