//! One segment of the log: a redb file with the blocks of a run of seqs. Knows how to create,
//! recover, read, seal and rewrite the file; not which segments there are (`redb`) or what may be
//! appended (`decide`).
//!
//! A segment is *active* while the writer appends to it; its ids are in memory then. *Sealed*, it
//! also holds its sorted ids and a filter over them, is opened for reading alone, and never
//! changes again, save that redaction and retention replace or delete the whole file.

mod disk;
mod read;
mod seqs;
mod snapshot;
mod tables;
#[cfg(test)]
pub(crate) use tables::old;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use fastbloom::BloomFilter;
use redb::{Database, DatabaseError, ReadOnlyDatabase};

use crate::journal::block::Packer;
use crate::journal::{Damage, LogError};
use crate::record::identity::{IdKey, Seen, Sender};
use crate::record::public_seq::PublicSeq;
use crate::record::{Record, Seq};

use crate::files;
pub(crate) use crate::files::{draft_of, rename_synced, sync_folder_of};
use crate::locks::{read, write};
pub use disk::{Disk, RealDisk};
use disk::{SEALED_CACHE, open_active};
pub(crate) use disk::{file_name, first_of, settle};
pub use read::SegmentSummary;
use tables::{
    Listing, Seal, drop_blocks_after, filter_over, insert_blocks, read_seal, set_about, sort_ids,
    write_seal,
};

/// The open file.
enum Handle {
    Active(Database),
    Sealed(ReadOnlyDatabase),
    /// Closed for a moment while the file is replaced, or for good after a failure.
    Closed,
}

/// Where the segment's ids are.
enum Ids {
    /// Of everything that is committed here.
    Memory(HashMap<IdKey, Seen>),
    /// On disk; the filter says which ids are certainly not there. `None` where the segment is too
    /// old for dedupe to ask it: then only receipts look, and the memory is better used.
    Disk(Option<BloomFilter>, Listing),
}

/// A segment of the log. Shared between the writer, the sealer and readers.
pub(crate) struct Segment {
    path: PathBuf,
    first: Seq,
    /// The last committed seq; `first - 1` while there is none.
    last: AtomicU64,
    last_received: AtomicU64,
    /// The lowest seq that a record of it can have, once somebody has asked for one.
    start: OnceLock<PublicSeq>,
    handle: RwLock<Handle>,
    ids: RwLock<Ids>,
    /// What the records of ids said that were asked for, where the list does not: by workspace and id.
    old_found: Mutex<HashMap<[u8; 20], (Sender, Seen)>>,
}

impl Segment {
    /// Creates an empty segment whose first record will have the seq `first`. It is on disk, name
    /// and all, when this returns.
    pub(crate) fn create(
        folder: &Path,
        first: Seq,
        disk: &Arc<dyn Disk>,
    ) -> Result<Self, LogError> {
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
            LogError::storage("creating a segment", &error)
        })?;
        Ok(Self::new(
            path,
            first,
            Handle::Active(database),
            Ids::Memory(HashMap::new()),
        ))
    }

    fn new(path: PathBuf, first: Seq, handle: Handle, ids: Ids) -> Self {
        Self {
            path,
            first,
            last: AtomicU64::new(first.0 - 1),
            last_received: AtomicU64::new(0),
            start: OnceLock::new(),
            handle: RwLock::new(handle),
            ids: RwLock::new(ids),
            old_found: Mutex::default(),
        }
    }

    /// Opens a segment that was left behind: sealed as it is, anything else with a full check of
    /// every page and block. Whatever was written but perhaps not synced when the process died is
    /// synced first, because a retry may be told that it is there.
    /// Of a sealed one, the filter is read only where events arrived at or after `since`.
    pub(crate) fn open(path: PathBuf, since: i64, disk: &Arc<dyn Disk>) -> Result<Self, LogError> {
        let first = first_of(&path).ok_or_else(|| LogError::Foreign(path.display().to_string()))?;
        if let Some(segment) = Self::open_sealed(&path, first, since)? {
            return Ok(segment);
        }
        let file =
            files::open(&path).map_err(|error| LogError::storage("opening a segment", &error))?;
        settle(&file).map_err(|error| LogError::storage("syncing a segment", &error))?;
        let database = guarded(&path, "its pages", || {
            open_active(file, disk).map_err(|error| damaged(&path, "its pages", &error))
        })?;
        let segment = Self::new(
            path,
            first,
            Handle::Active(database),
            Ids::Memory(HashMap::new()),
        );
        segment.reload()?;
        Ok(segment)
    }

    /// Opens a segment in a folder that is not to be written. One that was not closed in order takes a
    /// repair, which writes: that is said.
    pub(crate) fn open_to_read(path: PathBuf) -> Result<Self, LogError> {
        let first = first_of(&path).ok_or_else(|| LogError::Foreign(path.display().to_string()))?;
        let bad = |error: &dyn std::fmt::Display| damaged(&path, "its header", error);
        let handle = match guarded(&path, "its header", || Ok(open_for_reading(&path)))? {
            Ok(handle) => handle,
            Err(DatabaseError::RepairAborted) => {
                return Err(LogError::storage(
                    "reading a segment",
                    &files::database::Unclean(path),
                ));
            }
            Err(error) => return Err(bad(&error)),
        };
        let segment = Self::new(path, first, handle, Ids::Memory(HashMap::new()));
        let seal = segment.read("its seal", |transaction| read_seal(transaction, i64::MAX))?;
        match seal {
            Some(seal) => segment.adopt(seal),
            None => segment.reload()?,
        }
        Ok(segment)
    }

    /// `None` where the file is not a cleanly closed, sealed segment.
    fn open_sealed(path: &Path, first: Seq, since: i64) -> Result<Option<Self>, LogError> {
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
        let segment = Self::new(path.to_owned(), first, handle, Ids::Memory(HashMap::new()));
        let Some(seal) = segment.read("its seal", |transaction| read_seal(transaction, since))?
        else {
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
        *write(&self.ids) = Ids::Disk(seal.filter, seal.listing);
    }

    /// Reads every block again: rebuilds the ids and the end.
    fn reload(&self) -> Result<(), LogError> {
        let mut ids = HashMap::new();
        let summary = self.scan(&mut |block| {
            self.last_received
                .fetch_max(block.last_received().cast_unsigned(), Ordering::AcqRel);
            let found = block
                .ids()
                .map_err(|bad| self.bad_block(block.first(), &bad))?;
            let seqs = (block.first().0..).map(Seq);
            ids.extend(
                found
                    .into_iter()
                    .zip(seqs)
                    .map(|((id, kind), seq)| (id, Seen { seq, kind })),
            );
            Ok(())
        })?;
        self.last.store(summary.last.0, Ordering::Release);
        *write(&self.ids) = Ids::Memory(ids);
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
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
        matches!(*read(&self.ids), Ids::Disk(..))
    }

    /// Bytes on disk.
    pub fn file_size(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |about| about.len())
    }

    /// Commits blocks; they are on disk when this returns. The ids count as seen from then on.
    pub(crate) fn append(
        &self,
        blocks: &[(Seq, Vec<u8>)],
        ids: &[(IdKey, Seen)],
        last_received: i64,
    ) -> Result<(), LogError> {
        let handle = read(&self.handle);
        let Handle::Active(database) = &*handle else {
            return Err(LogError::Unavailable);
        };
        // redb may panic on a file that changed under it; that is a failed commit like any other.
        catch_unwind(AssertUnwindSafe(|| insert_blocks(database, blocks)))
            .unwrap_or_else(|_| Err(redb::Error::Corrupted("redb panicked".into())))
            .map_err(|error| LogError::storage("committing events", &error))?;
        drop(handle);
        if let Ids::Memory(known) = &mut *write(&self.ids) {
            known.extend(ids.iter().copied());
        }
        self.last_received
            .fetch_max(last_received.cast_unsigned(), Ordering::AcqRel);
        if let Some((_, last)) = ids.last() {
            self.last.store(last.seq.0, Ordering::Release);
        }
        Ok(())
    }

    /// Writes the sorted ids and the filter into the file, closes it for writing and lets the ids
    /// in memory go. Reads wait for the moment between closing and opening again.
    pub(crate) fn seal(&self) -> Result<(), LogError> {
        let storage = |error: &dyn std::fmt::Display| LogError::storage("sealing a segment", error);
        let (sorted, filter) = match &*read(&self.ids) {
            Ids::Memory(ids) => (sort_ids(ids, self.first), filter_over(ids.keys())),
            Ids::Disk(..) => return Ok(()),
        };
        {
            let handle = read(&self.handle);
            let Handle::Active(database) = &*handle else {
                return Err(LogError::Unavailable);
            };
            let written = write_seal(
                database,
                &sorted,
                &filter,
                self.last(),
                self.last_received(),
            );
            if let Err(error) = written {
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
        *write(&self.ids) = Ids::Disk(Some(filter), Listing::Current);
        Ok(())
    }

    /// Opens a segment again that a failure has closed.
    pub(crate) fn reopen(&self, disk: &Arc<dyn Disk>) -> Result<(), LogError> {
        if !matches!(*read(&self.handle), Handle::Closed) {
            return Ok(());
        }
        if self.is_sealed() {
            let opened = open_for_reading(&self.path);
            *write(&self.handle) =
                opened.map_err(|error| LogError::storage("opening a segment again", &error))?;
            Ok(())
        } else {
            self.recover(disk)
        }
    }

    /// Lets the filter of a segment go whose latest arrival lies before `since` (milliseconds).
    pub(crate) fn drop_filter_before(&self, since: i64) {
        if self.last_received() < since
            && let Ids::Disk(filter, _) = &mut *write(&self.ids)
        {
            *filter = None;
        }
    }

    /// After a failed commit: makes the file anew from what was acknowledged. The old file is not
    /// written again, because after a failed sync the page cache no longer tells what is on disk.
    pub(crate) fn recover(&self, disk: &Arc<dyn Disk>) -> Result<(), LogError> {
        let storage =
            |error: &dyn std::fmt::Display| LogError::storage("recovering a segment", error);
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

    /// Replaces the file of a sealed segment with one in which `change` has been applied to every
    /// record. Crash-safe: either the old file or the whole new one is there.
    pub(crate) fn rewrite(
        &self,
        change: &mut dyn FnMut(&mut Record),
        packer: &mut Packer,
        disk: &Arc<dyn Disk>,
    ) -> Result<(), LogError> {
        let storage =
            |error: &dyn std::fmt::Display| LogError::storage("rewriting a segment", error);
        let draft = draft_of(&self.path);
        let file = files::create_anew(&draft).map_err(|error| storage(&error))?;
        let database = open_active(file, disk).map_err(|error| storage(&error))?;
        set_about(&database, &[("first_seq", self.first.0)]).map_err(|error| storage(&error))?;
        if let Some(lineage) = self.lineage()? {
            set_about(&database, &snapshot::numbers_of(lineage))
                .map_err(|error| storage(&error))?;
        }
        let mut ids = HashMap::new();
        self.visit_blocks(self.first, &mut |block| {
            let mut records = Vec::with_capacity(block.count());
            block
                .records(Seq::START, usize::MAX, &mut records)
                .map_err(|bad| self.bad_block(block.first(), &bad))?;
            records.iter_mut().for_each(&mut *change);
            ids.extend(records.iter().map(Record::seen));
            let entries = records.iter().map(|record| &record.entry);
            let packed = packer
                .pack(block.first(), &block.part(), entries)
                .map_err(|error| storage(&error))?;
            insert_blocks(&database, &[(block.first(), packed)])
                .map_err(|error| storage(&error))?;
            Ok(ControlFlow::Continue(()))
        })?;
        let filter = filter_over(ids.keys());
        write_seal(
            &database,
            &sort_ids(&ids, self.first),
            &filter,
            self.last(),
            self.last_received(),
        )
        .map_err(|error| storage(&error))?;
        database.close().map_err(|error| storage(&error))?;
        let mut handle = write(&self.handle);
        *handle = Handle::Closed;
        rename_synced(&draft, &self.path).map_err(|error| storage(&error))?;
        *handle = open_for_reading(&self.path).map_err(|error| storage(&error))?;
        drop(handle);
        let mut known = write(&self.ids);
        if let Ids::Disk(old, _) = &*known {
            let kept = old.as_ref().map(|_| filter);
            *known = Ids::Disk(kept, Listing::Current);
        }
        Ok(())
    }

    /// Closes the file in order, so that the next start needs no repair.
    pub(crate) fn close(&self) -> Result<(), LogError> {
        match std::mem::replace(&mut *write(&self.handle), Handle::Closed) {
            Handle::Active(database) => database
                .close()
                .map_err(|error| LogError::storage("closing a segment", &error)),
            Handle::Sealed(_) | Handle::Closed => Ok(()),
        }
    }
}

/// The error of a damaged file, with what to do about it.
pub(crate) fn damaged(path: &Path, position: &str, what: &dyn std::fmt::Display) -> LogError {
    LogError::Damaged(Box::new(damage(path, position, what)))
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
    look: impl FnOnce() -> Result<T, LogError>,
) -> Result<T, LogError> {
    catch_unwind(AssertUnwindSafe(look))
        .unwrap_or_else(|_| Err(damaged(path, part, &"redb could not make sense of it")))
}
