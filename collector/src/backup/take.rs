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

use super::copy::{Meter, Sum, copy, sum};
use super::manifest::{LOCK_FILE, MANIFEST_FILE, MARK_FILE, Manifest, Stored};
use super::{BackupAsk, BackupReport};
use crate::assets::versions::{self, Version};
use store::classify::relay;
use store::files::{self, create_anew, create_folder, sync_folder_of};
use store::folder::FORMAT_FILE;
use store::journal::local::segment::{LogSegment, file_name, first_of};
use store::journal::local::{ASIDE_FOLDER, LOG_FOLDER};
use store::journal::local::{FLOOR_FILE, read_floor};
use store::ledger::Log as _;
use store::ledger::local::{LocalLedger, ORDERS_FILE, SUPPRESSIONS_FILE};
use store::ledger::verify::verify_copies;
use store::meta::{LastBackup, META_FILE, Meta};
use store::record::Seq;
use store::rejected::{self, RejectedStore};

/// Digits of a file's hash in its name.
const HASH_DIGITS: usize = 16;

/// What a backup is made of: a store that this process has open.
pub struct Sources<'a> {
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
pub fn take(
    sources: &Sources<'_>,
    ask: &BackupAsk,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<BackupReport, String> {
    let started = Instant::now();
    // Before anything else: all that has been acknowledged so far is to be in it.
    let acknowledged = *sources.log.committed().borrow();
    let before = prepare(sources, ask)?;
    let lock = lock(&ask.dir)?;
    let mut writer = Writer {
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
    let Writer {
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
fn prepare(sources: &Sources<'_>, ask: &BackupAsk) -> Result<Option<Manifest>, String> {
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

/// How far the copies reach.
struct Ends {
    orders: Seq,
    log: Seq,
}

/// A backup that is being written.
struct Writer<'a> {
    dir: &'a Path,
    link: bool,
    before: Option<&'a Manifest>,
    files: Vec<Stored>,
    copied_bytes: u64,
    reused: u64,
    meter: Meter<'a>,
}

impl Writer<'_> {
    /// Copies everything, in the order that the module's documentation gives.
    fn fill(&mut self, sources: &Sources<'_>) -> Result<Ends, String> {
        let data = sources.data;
        let draft = self.draft(ORDERS_FILE)?;
        let orders = sources
            .log
            .snapshot_orders(&draft)
            .map_err(|error| sentence(&error))?;
        self.take_draft(ORDERS_FILE, &draft)?;
        let draft = self.draft(SUPPRESSIONS_FILE)?;
        let suppressions = sources
            .log
            .snapshot_suppressions(&draft)
            .map_err(|error| sentence(&error))?;
        self.take_draft(SUPPRESSIONS_FILE, &draft)?;
        // The log must reach what either of them reflects.
        let orders = orders.max(suppressions);
        // What is hidden in answers is not to lie in a backup.
        sources.log.purge().map_err(|error| sentence(&error))?;
        let mut log = Seq::START;
        for segment in sources.log.segments() {
            log = self.take_segment(&segment, sources.log)?.max(log);
        }
        let floor = data.join(LOG_FOLDER).join(FLOOR_FILE);
        if files::is_taken(&floor) {
            self.take_file(&format!("{LOG_FOLDER}/{FLOOR_FILE}"), &floor)?;
        }
        self.take_aside(data)?;
        if let Some(rejected) = sources.rejected {
            let draft = self.draft(rejected::FILE)?;
            rejected
                .snapshot(&draft)
                .map_err(|error| failed(&draft, &error))?;
            self.take_draft(rejected::FILE, &draft)?;
        }
        for name in [FORMAT_FILE, relay::FILE] {
            if files::is_taken(&data.join(name)) {
                self.take_file(name, &data.join(name))?;
            }
        }
        self.take_snippets(data)?;
        let draft = self.draft(META_FILE)?;
        sources
            .meta
            .snapshot(&draft)
            .map_err(|error| sentence(&error))?;
        self.take_draft(META_FILE, &draft)?;
        self.files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Ends { orders, log })
    }

    /// Copies a segment: the file, or of one that is not sealed what is committed in it. Returns its
    /// last record.
    fn take_segment(&mut self, segment: &LogSegment, log: &LocalLedger) -> Result<Seq, String> {
        let path = format!("{LOG_FOLDER}/{}", file_name(segment.first()));
        if segment.is_sealed() {
            if self.link {
                self.link_file(&path, segment.path())?;
            } else {
                self.take_file(&path, segment.path())?;
            }
            return Ok(segment.last());
        }
        let draft = self.draft(&path)?;
        let last = segment
            .snapshot(&draft, log.disk())
            .map_err(|error| sentence(&error))?;
        if let Some(last) = last {
            self.take_draft(&path, &draft)?;
            return Ok(last);
        }
        Ok(Seq::START)
    }

    /// What was set aside, and the marks of accepted gaps, without which the log would have a hole.
    fn take_aside(&mut self, data: &Path) -> Result<(), String> {
        let folder = data.join(LOG_FOLDER).join(ASIDE_FOLDER);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(&folder, &error)),
        };
        for entry in entries {
            let source = entry.map_err(|error| failed(&folder, &error))?.path();
            if let Some(first) = first_of(&source) {
                let path = format!("{LOG_FOLDER}/{ASIDE_FOLDER}/{}", file_name(first));
                self.take_file(&path, &source)?;
            }
        }
        Ok(())
    }

    /// The snippets that pages may have pinned.
    fn take_snippets(&mut self, data: &Path) -> Result<(), String> {
        let folder = data.join(versions::FOLDER);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(&folder, &error)),
        };
        for entry in entries {
            let source = entry.map_err(|error| failed(&folder, &error))?.path();
            let name = source.file_name().and_then(|name| name.to_str());
            if let Some(version) = name.and_then(Version::in_name) {
                let path = format!("{}/{}", versions::FOLDER, version.file_name());
                self.take_file(&path, &source)?;
            }
        }
        Ok(())
    }

    /// Copies a file that does not change, unless the backup before has it.
    fn take_file(&mut self, path: &str, source: &Path) -> Result<(), String> {
        let length = std::fs::symlink_metadata(source).map_or(0, |about| about.len());
        if self
            .before(path)
            .is_some_and(|before| before.bytes == length)
        {
            let sum = sum(source, &mut self.meter).map_err(|error| failed(source, &error))?;
            if self.reuse(path, &sum) {
                return Ok(());
            }
        }
        let draft = self.draft(path)?;
        let sum = copy(source, &draft, &mut self.meter).map_err(|error| failed(&draft, &error))?;
        self.put(path, &draft, sum, false)
    }

    /// Links a file that does not change; copies it where the file system cannot.
    fn link_file(&mut self, path: &str, source: &Path) -> Result<(), String> {
        let draft = self.draft(path)?;
        if std::fs::hard_link(source, &draft).is_err() {
            return self.take_file(path, source);
        }
        let sum = sum(&draft, &mut self.meter).map_err(|error| failed(&draft, &error))?;
        if self.before(path).is_some_and(|before| before.linked) && self.reuse(path, &sum) {
            return std::fs::remove_file(&draft).map_err(|error| failed(&draft, &error));
        }
        self.put(path, &draft, sum, true)
    }

    /// Takes a file that was written for this backup.
    fn take_draft(&mut self, path: &str, draft: &Path) -> Result<(), String> {
        let sum = sum(draft, &mut self.meter).map_err(|error| failed(draft, &error))?;
        self.put(path, draft, sum, false)
    }

    /// Gives a file its name, which holds a part of its hash.
    fn put(&mut self, path: &str, draft: &Path, sum: Sum, linked: bool) -> Result<(), String> {
        let stored = stored_name(path, &sum);
        let target = self.dir.join(&stored);
        files::rename_synced(draft, &target).map_err(|error| failed(&target, &error))?;
        if !linked {
            self.copied_bytes += sum.bytes;
        }
        self.files.push(Stored {
            path: path.to_owned(),
            stored,
            bytes: sum.bytes,
            sha256: sum.sha256,
            linked,
        });
        Ok(())
    }

    /// Takes a file over from the backup before, where it is the same.
    fn reuse(&mut self, path: &str, sum: &Sum) -> bool {
        let same = self.before(path).filter(|before| sum.is_of(before));
        // With --link off, a link of before is to become a copy.
        let Some(same) = same.filter(|before| self.link || !before.linked) else {
            return false;
        };
        let is_there = std::fs::symlink_metadata(self.dir.join(&same.stored))
            .is_ok_and(|about| about.is_file() && about.len() == same.bytes);
        if is_there {
            self.files.push(same.clone());
            self.reused += 1;
        }
        is_there
    }

    fn before(&self, path: &str) -> Option<&Stored> {
        let files = &self.before?.files;
        let at = files.binary_search_by(|file| file.path.as_str().cmp(path));
        at.ok().map(|at| &files[at])
    }

    /// Where a file is written before it has its name; makes its folder.
    fn draft(&self, path: &str) -> Result<PathBuf, String> {
        let target = self.dir.join(path);
        let mut missing: Vec<&Path> = target
            .ancestors()
            .skip(1)
            .take_while(|folder| *folder != self.dir)
            .collect();
        while let Some(folder) = missing.pop() {
            create_folder(folder).map_err(|error| failed(folder, &error))?;
        }
        let draft = files::draft_of(&target);
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&draft, &error)),
            Ok(()) | Err(_) => Ok(draft),
        }
    }
}

/// `log/00000000000000000001.redb` is stored as `log/00000000000000000001.0123456789abcdef.redb`.
fn stored_name(path: &str, sum: &Sum) -> String {
    let hash = &sum.sha256[..HASH_DIGITS];
    match path.rsplit_once('.') {
        Some((stem, ending)) => format!("{stem}.{hash}.{ending}"),
        None => format!("{path}.{hash}"),
    }
}

fn manifest_of(
    sources: &Sources<'_>,
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

/// Reads everything again: each file's hash, then the log as `misar log verify` does.
pub(super) fn check(
    dir: &Path,
    manifest: &Manifest,
    reached: Seq,
    meter: &mut Meter<'_>,
) -> Result<store::ledger::verify::Report, String> {
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
    let report = verify_copies(floor, &manifest.aside(), segments, reached, &mut |events| {
        let part =
            u128::from(log_bytes) * u128::from(events) / u128::from(manifest.last_place.max(1));
        let now = u64::try_from(part).unwrap_or(log_bytes).min(log_bytes);
        meter.pass(now.saturating_sub(passed));
        passed = passed.max(now);
    })
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

/// Removes files of backups before and of those that were cut short. Nothing depends on it.
fn remove_what_nothing_names(dir: &Path, manifest: &Manifest) {
    let named: BTreeSet<PathBuf> = manifest
        .files
        .iter()
        .map(|file| dir.join(&file.stored))
        .chain([MANIFEST_FILE, MARK_FILE, LOCK_FILE].map(|name| dir.join(name)))
        .collect();
    let log = dir.join(LOG_FOLDER);
    for folder in [dir.to_owned(), log.clone(), log.join(ASIDE_FOLDER)] {
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
    }
}

/// Bytes of everything that a backup reads.
fn bytes_of(sources: &Sources<'_>) -> u64 {
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

fn sentence(error: &dyn std::fmt::Display) -> String {
    error.to_string()
}
