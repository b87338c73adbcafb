//! One segment of the log: a redb file with the blocks of a run of seqs. Knows how to create,
//! recover, read, seal and rewrite the file; not which segments there are (`local`).
//!
//! A segment is *active* while the journal appends to it. *Sealed*, it says where it ends, is opened
//! for reading alone, and never changes again, save that redaction and retention replace or delete the
//! whole file.

mod disk;
mod pieces;
mod read;
mod snapshot;
mod tables;
#[cfg(test)]
pub(crate) use tables::old;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use redb::{Database, DatabaseError, ReadOnlyDatabase};

use crate::files;
pub use crate::files::{draft_of, rename_synced, sync_folder_of};
use crate::journal::block::Packed;
use crate::journal::{BlockChange, Damage, JournalError};
use crate::locks::{read, write};
use crate::record::Seq;
pub use disk::{Disk, RealDisk};
use disk::{SEALED_CACHE, open_active};
pub use disk::{file_name, first_of, settle};
pub use read::SegmentSummary;
use tables::{
    Seal, drop_blocks_after, insert_block, insert_blocks, read_seal, set_about, write_seal,
};

/// The open file.
enum Handle {
    Active(Database),
    Sealed(ReadOnlyDatabase),
    /// Closed for a moment while the file is replaced, or for good after a failure.
    Closed,
}

/// A segment of the log. Shared between the writer, the sealer and readers. (Customers have segments
/// too: those are of people.)
pub struct LogSegment {
    path: PathBuf,
    first: Seq,
    /// The last committed seq; `first - 1` while there is none.
    last: AtomicU64,
    last_received: AtomicU64,
    sealed: AtomicBool,
    handle: RwLock<Handle>,
}

impl LogSegment {
    /// Creates an empty segment whose first record will have the seq `first`. It is on disk, name
    /// and all, when this returns.
    pub fn create(folder: &Path, first: Seq, disk: &Arc<dyn Disk>) -> Result<Self, JournalError> {
        let path = folder.join(file_name(first));
        let draft = draft_of(&path);
        let build = || -> Result<Database, redb::Error> {
            let database = open_active(files::create_anew(&draft)?, disk)?;
            set_about(&database, &[("first_seq", first.0)])?;
            rename_synced(&draft, &path)?;
            Ok(database)
        };
        let database = build().map_err(|error| {
            // Or the next start would find a segment that nothing led to.
            drop((std::fs::remove_file(&draft), std::fs::remove_file(&path)));
            JournalError::storage("creating a segment", &error)
        })?;
        Ok(Self::new(path, first, Handle::Active(database)))
    }

    fn new(path: PathBuf, first: Seq, handle: Handle) -> Self {
        Self {
            path,
            first,
            last: AtomicU64::new(first.0 - 1),
            last_received: AtomicU64::new(0),
            sealed: AtomicBool::new(false),
            handle: RwLock::new(handle),
        }
    }

    /// Opens a segment that was left behind: sealed as it is, anything else with a full check of
    /// every page and block. Whatever was written but perhaps not synced when the process died is
    /// synced first, because a retry may be told that it is there.
    pub fn open(path: PathBuf, disk: &Arc<dyn Disk>) -> Result<Self, JournalError> {
        let first =
            first_of(&path).ok_or_else(|| JournalError::Foreign(path.display().to_string()))?;
        if let Some(segment) = Self::open_sealed(&path, first)? {
            return Ok(segment);
        }
        let file = files::open(&path)
            .map_err(|error| JournalError::storage("opening a segment", &error))?;
        settle(&file).map_err(|error| JournalError::storage("syncing a segment", &error))?;
        let database = guarded(&path, "its pages", || {
            open_active(file, disk).map_err(|error| damaged(&path, "its pages", &error))
        })?;
        let segment = Self::new(path, first, Handle::Active(database));
        segment.reload()?;
        Ok(segment)
    }

    /// Opens a segment in a folder that is not to be written. One that was not closed in order takes a
    /// repair, which writes: that is said.
    pub fn open_to_read(path: PathBuf) -> Result<Self, JournalError> {
        let first =
            first_of(&path).ok_or_else(|| JournalError::Foreign(path.display().to_string()))?;
        let bad = |error: &dyn std::fmt::Display| damaged(&path, "its header", error);
        let handle = match guarded(&path, "its header", || Ok(open_for_reading(&path)))? {
            Ok(handle) => handle,
            Err(DatabaseError::RepairAborted) => {
                return Err(JournalError::storage(
                    "reading a segment",
                    &files::database::Unclean(path),
                ));
            }
            Err(error) => return Err(bad(&error)),
        };
        let segment = Self::new(path, first, handle);
        let seal = segment.read("its seal", read_seal)?;
        match seal {
            Some(seal) => segment.adopt(seal),
            None => segment.reload()?,
        }
        Ok(segment)
    }

    /// `None` where the file is not a cleanly closed, sealed segment.
    fn open_sealed(path: &Path, first: Seq) -> Result<Option<Self>, JournalError> {
        let bad = |error: &dyn std::fmt::Display| damaged(path, "its header", error);
        if std::fs::metadata(path).map_err(|error| bad(&error))?.len() == 0 {
            return Err(damaged(path, "its header", &"the file is empty"));
        }
        let opened = guarded(path, "its header", || Ok(open_for_reading(path)))?;
        let handle = match opened {
            Ok(handle) => handle,
            Err(DatabaseError::RepairAborted) => return Ok(None),
            Err(error) => return Err(bad(&error)),
        };
        let segment = Self::new(path.to_owned(), first, handle);
        let Some(seal) = segment.read("its seal", read_seal)? else {
            // Closed in order and never sealed: the segment that was active. It will be opened for
            // writing, which checks all of it too, but cannot say where it is damaged, and writes.
            segment.scan(&mut |_| Ok(()))?;
            return Ok(None);
        };
        segment.adopt(seal);
        Ok(Some(segment))
    }

    /// Takes over what a seal says of the segment.
    fn adopt(&self, seal: Seal) {
        self.last.store(seal.last, Ordering::Release);
        self.last_received
            .store(seal.last_received, Ordering::Release);
        self.sealed.store(true, Ordering::Release);
    }

    /// Reads every block again, and finds the end.
    fn reload(&self) -> Result<(), JournalError> {
        let summary = self.scan(&mut |block| {
            self.last_received
                .fetch_max(block.last_received().cast_unsigned(), Ordering::AcqRel);
            Ok(())
        })?;
        self.last.store(summary.last.0, Ordering::Release);
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn first(&self) -> Seq {
        self.first
    }

    /// The last committed seq; the one before the first where there is none.
    pub fn last(&self) -> Seq {
        Seq(self.last.load(Ordering::Acquire))
    }

    /// The latest arrival, milliseconds since 1970.
    pub fn last_received(&self) -> i64 {
        self.last_received.load(Ordering::Acquire).cast_signed()
    }

    pub fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    /// Bytes on disk.
    pub fn file_size(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |about| about.len())
    }

    /// Commits blocks; they are on disk when this returns.
    pub fn append(&self, blocks: &[Packed]) -> Result<(), JournalError> {
        let handle = read(&self.handle);
        let Handle::Active(database) = &*handle else {
            return Err(JournalError::Unavailable);
        };
        // redb may panic on a file that changed under it; that is a failed commit like any other.
        catch_unwind(AssertUnwindSafe(|| insert_blocks(database, blocks)))
            .unwrap_or_else(|_| Err(redb::Error::Corrupted("redb panicked".into())))
            .map_err(|error| JournalError::storage("committing events", &error))?;
        drop(handle);
        for block in blocks {
            let received = block.last_received.cast_unsigned();
            self.last_received.fetch_max(received, Ordering::AcqRel);
            self.last.store(block.last.0, Ordering::Release);
        }
        Ok(())
    }

    /// Notes in the file where it ends, and closes it for writing. Reads wait for the moment between
    /// closing and opening again.
    pub fn seal(&self) -> Result<(), JournalError> {
        if self.is_sealed() {
            return Ok(());
        }
        let storage =
            |error: &dyn std::fmt::Display| JournalError::storage("sealing a segment", error);
        {
            let handle = read(&self.handle);
            let Handle::Active(database) = &*handle else {
                return Err(JournalError::Unavailable);
            };
            if let Err(error) = write_seal(database, self.last(), self.last_received()) {
                drop(handle);
                // redb does nothing more with a file on which an operation failed.
                *write(&self.handle) = Handle::Closed;
                return Err(storage(&error));
            }
        }
        let mut handle = write(&self.handle);
        if let Handle::Active(database) = std::mem::replace(&mut *handle, Handle::Closed) {
            database.close().map_err(|error| storage(&error))?;
        }
        *handle = open_for_reading(&self.path).map_err(|error| storage(&error))?;
        self.sealed.store(true, Ordering::Release);
        Ok(())
    }

    /// Opens a segment again that a failure has closed.
    pub(crate) fn reopen(&self, disk: &Arc<dyn Disk>) -> Result<(), JournalError> {
        if !matches!(*read(&self.handle), Handle::Closed) {
            return Ok(());
        }
        if self.is_sealed() {
            let opened = open_for_reading(&self.path);
            *write(&self.handle) =
                opened.map_err(|error| JournalError::storage("opening a segment again", &error))?;
            Ok(())
        } else {
            self.recover(disk)
        }
    }

    /// After a failed commit: makes the file anew from what was acknowledged. The old file is not
    /// written again, because after a failed sync the page cache no longer tells what is on disk.
    pub(crate) fn recover(&self, disk: &Arc<dyn Disk>) -> Result<(), JournalError> {
        let storage =
            |error: &dyn std::fmt::Display| JournalError::storage("recovering a segment", error);
        let mut handle = write(&self.handle);
        *handle = Handle::Closed;
        let draft = draft_of(&self.path);
        let copy = || -> Result<Database, redb::Error> {
            let file = files::copy(&self.path, &draft)?;
            file.sync_all()?;
            let database = open_active(file, disk)?;
            drop_blocks_after(&database, self.last())?;
            rename_synced(&draft, &self.path)?;
            Ok(database)
        };
        let copied = catch_unwind(AssertUnwindSafe(copy))
            .unwrap_or_else(|_| Err(redb::Error::Corrupted("redb panicked".into())));
        *handle = Handle::Active(copied.map_err(|error| {
            // Half a copy would only make a full disk fuller.
            drop(std::fs::remove_file(&draft));
            storage(&error)
        })?);
        drop(handle);
        let acknowledged = self.last();
        self.reload()?;
        if self.last() == acknowledged {
            return Ok(());
        }
        let what = format!(
            "it ends at seq {} though seq {acknowledged} was acknowledged",
            self.last()
        );
        Err(damaged(&self.path, "its end", &what))
    }

    /// Replaces the file of a sealed segment with one in which the blocks that hold one of `places` are
    /// what `change` makes of them, and all others the same to the byte. Crash-safe: either the old
    /// file or the whole new one is there.
    pub fn rewrite(
        &self,
        places: &BTreeSet<Seq>,
        change: &mut BlockChange<'_>,
        disk: &Arc<dyn Disk>,
    ) -> Result<(), JournalError> {
        let storage =
            |error: &dyn std::fmt::Display| JournalError::storage("rewriting a segment", error);
        let draft = draft_of(&self.path);
        let file = files::create_anew(&draft).map_err(|error| storage(&error))?;
        let database = open_active(file, disk).map_err(|error| storage(&error))?;
        set_about(&database, &[("first_seq", self.first.0)]).map_err(|error| storage(&error))?;
        if let Some(lineage) = self.lineage()? {
            set_about(&database, &snapshot::numbers_of(lineage))
                .map_err(|error| storage(&error))?;
        }
        self.visit_blocks(self.first, &mut |block| {
            let is_touched = places.range(block.first()..=block.last()).next().is_some();
            let changed = if is_touched {
                change(block).map_err(|bad| self.bad_block(block.first(), &bad))?
            } else {
                None
            };
            let bytes = changed.as_deref().unwrap_or(block.bytes());
            insert_block(&database, block.first(), bytes).map_err(|error| storage(&error))?;
            Ok(ControlFlow::Continue(()))
        })?;
        write_seal(&database, self.last(), self.last_received())
            .map_err(|error| storage(&error))?;
        database.close().map_err(|error| storage(&error))?;
        let mut handle = write(&self.handle);
        *handle = Handle::Closed;
        rename_synced(&draft, &self.path).map_err(|error| storage(&error))?;
        *handle = open_for_reading(&self.path).map_err(|error| storage(&error))?;
        Ok(())
    }

    /// Takes the file away. Who reads it at the moment reads on.
    pub fn remove(&self) -> Result<(), JournalError> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(JournalError::storage("removing a segment", &error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Closes the file in order, so that the next start needs no repair.
    pub fn close(&self) -> Result<(), JournalError> {
        match std::mem::replace(&mut *write(&self.handle), Handle::Closed) {
            Handle::Active(database) => database
                .close()
                .map_err(|error| JournalError::storage("closing a segment", &error)),
            Handle::Sealed(_) | Handle::Closed => Ok(()),
        }
    }
}

/// The error of a damaged file, with what to do about it.
pub fn damaged(path: &Path, position: &str, what: &dyn std::fmt::Display) -> JournalError {
    JournalError::Damaged(Box::new(damage(path, position, what)))
}

/// What is wrong with a file, and where.
pub(crate) fn damage(path: &Path, position: &str, what: &dyn std::fmt::Display) -> Damage {
    let name = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let data = path
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("."));
    Damage {
        segment: name,
        position: position.to_owned(),
        what: what.to_string(),
        data: data.display().to_string(),
        lost_from: None,
    }
}

fn open_for_reading(path: &Path) -> Result<Handle, DatabaseError> {
    files::database::open_to_read(path, SEALED_CACHE).map(Handle::Sealed)
}

/// Runs what reads a file; a panic in it means that the file is not what redb wrote.
fn guarded<T>(
    path: &Path,
    part: &str,
    look: impl FnOnce() -> Result<T, JournalError>,
) -> Result<T, JournalError> {
    catch_unwind(AssertUnwindSafe(look))
        .unwrap_or_else(|_| Err(damaged(path, part, &"redb could not make sense of it")))
}
