//! The files of a backup, written: each copied, linked, or kept from the backup before where it is the same.

use std::io;
use std::path::{Path, PathBuf};

use super::copy::{Meter, Sum, copy, sum};
use super::manifest::{Manifest, Stored};
use super::take::{BackupSources, failed, sentence};
use crate::assets::versions::{self, Version};
use store::classify::relay;
use store::files::{self, create_folder};
use store::folder::FORMAT_FILE;
use store::journal::local::segment::{LogSegment, file_name, first_of};
use store::journal::local::{FLOOR_FILE, LOG_FOLDER, QUARANTINE_FOLDER};
use store::ledger::local::{LocalLedger, ORDERS_FILE, SUPPRESSIONS_FILE};
use store::meta::META_FILE;
use store::record::Seq;
use store::rejected;
use store::views::retained_files;

/// Digits of a file's hash in its name.
const HASH_DIGITS: usize = 16;

/// How far the copies reach.
pub(super) struct Ends {
    pub(super) orders: Seq,
    pub(super) log: Seq,
}

/// A backup that is being written.
pub(super) struct BackupWriter<'a> {
    pub(super) dir: &'a Path,
    pub(super) link: bool,
    pub(super) before: Option<&'a Manifest>,
    pub(super) files: Vec<Stored>,
    pub(super) copied_bytes: u64,
    pub(super) reused: u64,
    pub(super) meter: Meter<'a>,
}

impl BackupWriter<'_> {
    /// Copies everything, in the order that the module's documentation gives.
    pub(super) fn fill(&mut self, sources: &BackupSources<'_>) -> Result<Ends, String> {
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
        self.take_quarantined(data)?;
        self.take_retained(data)?;
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
    fn take_quarantined(&mut self, data: &Path) -> Result<(), String> {
        let folder = data.join(LOG_FOLDER).join(QUARANTINE_FOLDER);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(&folder, &error)),
        };
        for entry in entries {
            let source = entry.map_err(|error| failed(&folder, &error))?.path();
            if let Some(first) = first_of(&source) {
                let path = format!("{LOG_FOLDER}/{QUARANTINE_FOLDER}/{}", file_name(first));
                self.take_file(&path, &source)?;
            }
        }
        Ok(())
    }

    /// The retention checkpoint: all that is left of what the log has dropped. Its files never change.
    fn take_retained(&mut self, data: &Path) -> Result<(), String> {
        let files = retained_files(data).map_err(|error| sentence(&error))?;
        for source in files {
            let path = source.strip_prefix(data).ok().and_then(Path::to_str);
            let path = path.ok_or_else(|| failed(&source, &"its name is no text"))?;
            self.take_file(path, &source)?;
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
