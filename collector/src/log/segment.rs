//! One segment of the log: a redb file with the blocks of a run of seqs. Knows how to create,
//! recover, read, seal and rewrite the file; not which segments there are (`redb`) or what may be
//! appended (`decide`).
//!
//! A segment is *active* while the writer appends to it; its ids are in memory then. *Sealed*, it
//! also holds its sorted ids and a filter over them, is opened for reading alone, and never
//! changes again, save that redaction and retention replace or delete the whole file.

use std::collections::HashMap;
use std::fs::File;
use std::ops::{Bound, ControlFlow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fastbloom::BloomFilter;
use redb::backends::FileBackend;
use redb::{
    BackendError, Builder, Database, DatabaseError, ReadOnlyDatabase, ReadTransaction,
    ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageBackend, TableDefinition,
};
use shared::ids::EventId;

use super::block::{BadBlock, Block, IdKey};
use super::record::{Record, Seq, WorkspaceId};
use super::{Damage, LogError};

/// Key: the block's first seq. Value: the block, see `block`.
const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks_v1");
/// Key: a property's name. Value: its number. `first_seq` from the start; `last_seq`, `records`,
/// `last_received` (milliseconds) and `filter_hashes` once sealed.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about_v1");
/// Key: the first id of a chunk. Value: its ids, sorted, each 24 bytes: the id key (see
/// [`id_bytes`]), then how far its seq lies behind the segment's first (u32, big-endian).
const IDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("ids_v1");
/// Key: 0. Value: the filter over the ids, its words little-endian.
const FILTER: TableDefinition<'_, u8, &[u8]> = TableDefinition::new("filter_v1");

/// Ids in one row of [`IDS`]: 6 KB, two pages.
const CHUNK_IDS: usize = 256;
/// One id in a hundred costs a needless look-up; 9.6 bits an id.
const FILTER_FALSE_POSITIVES: f64 = 0.01;
const FILTER_SEED: u128 = 0x6d69_7361_722d_6c6f_672d_6669_6c74_6572;

/// The page cache of the segment that is written.
const ACTIVE_CACHE: usize = 32 * 1024 * 1024;
/// The page cache of each sealed one: reads are rare and the kernel caches too.
const SEALED_CACHE: usize = 1024 * 1024;

/// How segment files reach the disk. Production has one way; tests put faults in between.
pub trait Disk: Send + Sync + 'static {
    fn backend(&self, file: File) -> std::io::Result<Box<dyn StorageBackend>>;
}

/// The file itself.
pub struct RealDisk;

impl Disk for RealDisk {
    fn backend(&self, file: File) -> std::io::Result<Box<dyn StorageBackend>> {
        FileBackend::new(file)
            .map(|backend| Box::new(backend) as _)
            .map_err(std::io::Error::other)
    }
}

/// redb wants a sized backend; this is one for any.
#[derive(Debug)]
struct AnyBackend(Box<dyn StorageBackend>);

impl StorageBackend for AnyBackend {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
    fn close(&self) -> std::io::Result<()> {
        self.0.close()
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }
    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }
    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }
    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

/// The open file.
enum Handle {
    Active(Database),
    Sealed(ReadOnlyDatabase),
    /// Closed for a moment while the file is replaced, or for good after a failure.
    Closed,
}

/// Where the segment's ids are.
enum Ids {
    /// Id to seq, of everything that is committed here.
    Memory(HashMap<IdKey, Seq>),
    /// On disk; the filter says which ids are certainly not there. `None` where the segment is too
    /// old for dedupe to ask it: then only receipts look, and the memory is better used.
    Disk(Option<BloomFilter>),
}

/// A segment of the log. Shared between the writer, the sealer and readers.
pub(crate) struct Segment {
    path: PathBuf,
    first: Seq,
    /// The last committed seq; `first - 1` while there is none.
    last: AtomicU64,
    last_received: AtomicU64,
    handle: RwLock<Handle>,
    ids: RwLock<Ids>,
}

/// What a look at every block of a segment found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSummary {
    pub first: Seq,
    pub last: Seq,
    pub blocks: u64,
    pub records: u64,
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
        let storage =
            |error: &dyn std::fmt::Display| LogError::storage("creating a segment", error);
        drop(std::fs::remove_file(&draft));
        let file = File::create_new(&draft).map_err(|error| storage(&error))?;
        let database = open_active(file, disk).map_err(|error| storage(&error))?;
        set_about(&database, &[("first_seq", first.0)]).map_err(|error| storage(&error))?;
        database.close().map_err(|error| storage(&error))?;
        rename_synced(&draft, &path).map_err(|error| storage(&error))?;
        let file = open_file(&path).map_err(|error| storage(&error))?;
        let database = open_active(file, disk).map_err(|error| storage(&error))?;
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
            handle: RwLock::new(handle),
            ids: RwLock::new(ids),
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
            open_file(&path).map_err(|error| LogError::storage("opening a segment", &error))?;
        file.sync_all()
            .map_err(|error| LogError::storage("syncing a segment", &error))?;
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

    /// `None` where the file is not a cleanly closed, sealed segment.
    fn open_sealed(path: &Path, first: Seq, since: i64) -> Result<Option<Self>, LogError> {
        let bad = |error: &dyn std::fmt::Display| damaged(path, "its header", error);
        if std::fs::metadata(path).map_err(|error| bad(&error))?.len() == 0 {
            return Err(damaged(path, "its header", &"the file is empty"));
        }
        let opened = guarded(path, "its header", || {
            Ok(Builder::new()
                .set_cache_size(SEALED_CACHE)
                .open_read_only(path))
        })?;
        let database = match opened {
            Ok(database) => database,
            Err(DatabaseError::RepairAborted) => return Ok(None),
            Err(error) => return Err(bad(&error)),
        };
        let segment = Self::new(
            path.to_owned(),
            first,
            Handle::Sealed(database),
            Ids::Memory(HashMap::new()),
        );
        let Some((last, last_received, filter)) =
            segment.read("its seal", |transaction| read_seal(transaction, since))?
        else {
            return Ok(None);
        };
        segment.last.store(last, Ordering::Release);
        segment
            .last_received
            .store(last_received, Ordering::Release);
        *write(&segment.ids) = Ids::Disk(filter);
        Ok(Some(segment))
    }

    /// Reads every block again: rebuilds the ids and the end.
    fn reload(&self) -> Result<(), LogError> {
        let mut ids = HashMap::new();
        let summary = self.scan(&mut |block| {
            self.last_received
                .fetch_max(block.last_received().cast_unsigned(), Ordering::AcqRel);
            ids.extend(
                block
                    .ids()
                    .zip(block.first().0..)
                    .map(|(id, seq)| (id, Seq(seq))),
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

    pub(crate) fn first(&self) -> Seq {
        self.first
    }

    /// The last committed seq; the one before the first where there is none.
    pub(crate) fn last(&self) -> Seq {
        Seq(self.last.load(Ordering::Acquire))
    }

    /// The latest arrival, milliseconds since 1970.
    pub(crate) fn last_received(&self) -> i64 {
        self.last_received.load(Ordering::Acquire).cast_signed()
    }

    pub(crate) fn is_sealed(&self) -> bool {
        matches!(*read(&self.ids), Ids::Disk(_))
    }

    /// Bytes on disk.
    pub(crate) fn file_size(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |about| about.len())
    }

    /// Commits blocks; they are on disk when this returns. The ids count as seen from then on.
    pub(crate) fn append(
        &self,
        blocks: &[(Seq, Vec<u8>)],
        ids: &[(IdKey, Seq)],
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
            self.last.store(last.0, Ordering::Release);
        }
        Ok(())
    }

    /// The seq of a committed id.
    pub(crate) fn find(&self, key: &IdKey) -> Result<Option<Seq>, LogError> {
        match &*read(&self.ids) {
            Ids::Memory(ids) => return Ok(ids.get(key).copied()),
            Ids::Disk(Some(filter)) if !filter.contains(&id_bytes(key)) => return Ok(None),
            Ids::Disk(_) => {}
        }
        let wanted = id_bytes(key);
        self.read("its ids", |transaction| {
            let table = transaction.open_table(IDS)?;
            let Some(row) = table.range::<&[u8]>(..=wanted.as_slice())?.next_back() else {
                return Ok(None);
            };
            let (_, chunk) = row?;
            let (ids, _) = chunk.value().as_chunks::<24>();
            Ok(ids
                .binary_search_by(|id| id[..20].cmp(&wanted))
                .ok()
                .map(|at| {
                    let id = ids[at];
                    Seq(self.first.0
                        + u64::from(u32::from_be_bytes([id[20], id[21], id[22], id[23]])))
                }))
        })
    }

    /// Reads up to `limit` records behind `after`, in order.
    pub(crate) fn read_from(
        &self,
        after: Seq,
        limit: usize,
        into: &mut Vec<Record>,
    ) -> Result<(), LogError> {
        let wanted = into.len() + limit;
        let from = after.next().max(self.first);
        self.visit_blocks(from, &mut |block| {
            block
                .records(after, wanted - into.len(), into)
                .map_err(|bad| self.bad_block(block.first(), &bad))?;
            Ok(if into.len() < wanted {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })
    }

    /// Visits every block in order, checking that none is missing.
    pub(crate) fn scan(
        &self,
        visit: &mut dyn FnMut(&Block<'_>) -> Result<(), LogError>,
    ) -> Result<SegmentSummary, LogError> {
        let mut summary = SegmentSummary {
            first: self.first,
            last: Seq(self.first.0 - 1),
            blocks: 0,
            records: 0,
        };
        self.visit_blocks(self.first, &mut |block| {
            if block.first() != summary.last.next() {
                let position = format!("seq {}", summary.last.next());
                return Err(damaged(
                    &self.path,
                    &position,
                    &format!("the next block starts at seq {}", block.first()),
                ));
            }
            summary.last = block.last();
            summary.blocks += 1;
            summary.records += block.count() as u64;
            visit(block)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(summary)
    }

    /// Visits the blocks from the one that holds `from`.
    fn visit_blocks(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(&Block<'_>) -> Result<ControlFlow<()>, LogError>,
    ) -> Result<(), LogError> {
        self.read_with("its blocks", |transaction| {
            let in_tree = |error: redb::Error| damaged(&self.path, "its blocks", &error);
            let table = transaction
                .open_table(BLOCKS)
                .map_err(|error| in_tree(error.into()))?;
            let start = table
                .range(..=from.0)
                .map_err(|error| in_tree(error.into()))?
                .next_back()
                .transpose()
                .map_err(|error| in_tree(error.into()))?
                .map_or(0, |(first, _)| first.value());
            for row in table
                .range(start..)
                .map_err(|error| in_tree(error.into()))?
            {
                let (first, bytes) = row.map_err(|error| in_tree(error.into()))?;
                let first = Seq(first.value());
                let block = Block::parse(first, bytes.value())
                    .map_err(|bad| self.bad_block(first, &bad))?;
                if visit(&block)?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    fn bad_block(&self, first: Seq, bad: &BadBlock) -> LogError {
        damaged(&self.path, &format!("the block of seq {first}"), bad)
    }

    fn read<T>(
        &self,
        part: &str,
        look: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, LogError> {
        self.read_with(part, |transaction| {
            look(transaction).map_err(|error| damaged(&self.path, part, &error))
        })
    }

    fn read_with<T>(
        &self,
        part: &str,
        look: impl FnOnce(&ReadTransaction) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let handle = read(&self.handle);
        guarded(&self.path, part, || {
            let transaction = match &*handle {
                Handle::Active(database) => database.begin_read(),
                Handle::Sealed(database) => database.begin_read(),
                Handle::Closed => return Err(LogError::Unavailable),
            };
            look(&transaction.map_err(|error| LogError::storage("reading a segment", &error))?)
        })
    }

    /// Writes the sorted ids and the filter into the file, closes it for writing and lets the ids
    /// in memory go. Reads wait for the moment between closing and opening again.
    pub(crate) fn seal(&self) -> Result<(), LogError> {
        let storage = |error: &dyn std::fmt::Display| LogError::storage("sealing a segment", error);
        let (sorted, filter) = match &*read(&self.ids) {
            Ids::Memory(ids) => (sort_ids(ids, self.first), filter_over(ids.keys())),
            Ids::Disk(_) => return Ok(()),
        };
        {
            let handle = read(&self.handle);
            let Handle::Active(database) = &*handle else {
                return Err(LogError::Unavailable);
            };
            write_seal(
                database,
                &sorted,
                &filter,
                self.last(),
                self.last_received(),
            )
            .map_err(|error| storage(&error))?;
        }
        let mut handle = write(&self.handle);
        if let Handle::Active(database) = std::mem::replace(&mut *handle, Handle::Closed) {
            database.close().map_err(|error| storage(&error))?;
        }
        let database = Builder::new()
            .set_cache_size(SEALED_CACHE)
            .open_read_only(&self.path)
            .map_err(|error| storage(&error))?;
        *handle = Handle::Sealed(database);
        *write(&self.ids) = Ids::Disk(Some(filter));
        Ok(())
    }

    /// Lets the filter of a segment go whose latest arrival lies before `since` (milliseconds).
    pub(crate) fn drop_filter_before(&self, since: i64) {
        if self.last_received() < since
            && let Ids::Disk(filter) = &mut *write(&self.ids)
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
        std::fs::copy(&self.path, &draft).map_err(|error| storage(&error))?;
        let file = open_file(&draft).map_err(|error| storage(&error))?;
        file.sync_all().map_err(|error| storage(&error))?;
        let database = guarded(&draft, "its pages", || {
            open_active(file, disk).map_err(|error| storage(&error))
        })?;
        drop_blocks_after(&database, self.last()).map_err(|error| storage(&error))?;
        database.close().map_err(|error| storage(&error))?;
        rename_synced(&draft, &self.path).map_err(|error| storage(&error))?;
        let file = open_file(&self.path).map_err(|error| storage(&error))?;
        *handle = Handle::Active(open_active(file, disk).map_err(|error| storage(&error))?);
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
        packer: &mut super::block::Packer,
        disk: &Arc<dyn Disk>,
    ) -> Result<(), LogError> {
        let storage =
            |error: &dyn std::fmt::Display| LogError::storage("rewriting a segment", error);
        let draft = draft_of(&self.path);
        drop(std::fs::remove_file(&draft));
        let file = File::create_new(&draft).map_err(|error| storage(&error))?;
        let database = open_active(file, disk).map_err(|error| storage(&error))?;
        set_about(&database, &[("first_seq", self.first.0)]).map_err(|error| storage(&error))?;
        let mut ids = HashMap::new();
        self.visit_blocks(self.first, &mut |block| {
            let mut records = Vec::with_capacity(block.count());
            block
                .records(Seq::START, usize::MAX, &mut records)
                .map_err(|bad| self.bad_block(block.first(), &bad))?;
            records.iter_mut().for_each(&mut *change);
            ids.extend(
                records
                    .iter()
                    .map(|record| ((record.entry.workspace, record.entry.id), record.seq)),
            );
            let packed = packer
                .pack(block.first(), records.iter().map(|record| &record.entry))
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
        let database = Builder::new()
            .set_cache_size(SEALED_CACHE)
            .open_read_only(&self.path)
            .map_err(|error| storage(&error))?;
        *handle = Handle::Sealed(database);
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

    /// Checks what `scan` does not: that the ids on disk are those of the blocks.
    pub(crate) fn check_ids(&self, ids: &HashMap<IdKey, Seq>) -> Result<(), LogError> {
        if !self.is_sealed() {
            return Ok(());
        }
        let sorted = sort_ids(ids, self.first);
        let equal = self.read("its ids", |transaction| {
            let table = transaction.open_table(IDS)?;
            let mut rows = table.iter()?;
            for chunk in sorted.chunks(CHUNK_IDS) {
                let Some(row) = rows.next() else {
                    return Ok(false);
                };
                if row?.1.value() != chunk.as_flattened() {
                    return Ok(false);
                }
            }
            Ok(rows.next().is_none())
        })?;
        if equal {
            Ok(())
        } else {
            Err(damaged(
                &self.path,
                "its ids",
                &"they are not those of its blocks",
            ))
        }
    }
}

/// `00000000000000000001.redb`: twenty digits, so that names sort as seqs do.
pub(crate) fn file_name(first: Seq) -> String {
    format!("{:020}.redb", first.0)
}

/// The seq in a segment's name; `None` where the name is not a segment's.
pub(crate) fn first_of(path: &Path) -> Option<Seq> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".redb")?;
    let seq: Seq = digits.parse().ok()?;
    (digits.len() == 20 && seq.0 > 0).then_some(seq)
}

/// The name under which a file is written before it takes its place.
pub(crate) fn draft_of(path: &Path) -> PathBuf {
    path.with_extension("draft")
}

/// Renames a file so that content and new name survive power loss.
pub(crate) fn rename_synced(from: &Path, to: &Path) -> std::io::Result<()> {
    File::open(from)?.sync_all()?;
    std::fs::rename(from, to)?;
    sync_folder_of(to)
}

pub(crate) fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The error of a damaged file, with what to do about it.
pub(crate) fn damaged(path: &Path, position: &str, what: &dyn std::fmt::Display) -> LogError {
    let name = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let data = path
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("."));
    LogError::Damaged(Box::new(Damage {
        segment: name,
        position: position.to_owned(),
        what: what.to_string(),
        data: data.display().to_string(),
    }))
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

fn open_file(path: &Path) -> std::io::Result<File> {
    File::options().read(true).write(true).open(path)
}

fn open_active(file: File, disk: &Arc<dyn Disk>) -> Result<Database, redb::Error> {
    let backend = AnyBackend(disk.backend(file)?);
    let database = Builder::new()
        .set_cache_size(ACTIVE_CACHE)
        .set_check_integrity_on_open(true)
        .create_with_backend(backend)?;
    Ok(database)
}

fn insert_blocks(database: &Database, blocks: &[(Seq, Vec<u8>)]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(BLOCKS)?;
        for (first, block) in blocks {
            table.insert(first.0, block.as_slice())?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn drop_blocks_after(database: &Database, last: Seq) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction
        .open_table(BLOCKS)?
        .retain(|first, _| first <= last.0)?;
    transaction.commit()?;
    Ok(())
}

fn set_about(database: &Database, values: &[(&str, u64)]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut about = transaction.open_table(ABOUT)?;
        for (name, value) in values {
            about.insert(name, value)?;
        }
        transaction.open_table(BLOCKS)?;
    }
    transaction.commit()?;
    Ok(())
}

fn write_seal(
    database: &Database,
    sorted: &[[u8; 24]],
    filter: &BloomFilter,
    last: Seq,
    last_received: i64,
) -> Result<(), redb::Error> {
    let words: Vec<u8> = filter
        .as_slice()
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let transaction = database.begin_write()?;
    {
        let mut ids = transaction.open_table(IDS)?;
        for chunk in sorted.chunks(CHUNK_IDS) {
            ids.insert(&chunk[0][..20], chunk.as_flattened())?;
        }
        transaction
            .open_table(FILTER)?
            .insert(0, words.as_slice())?;
        let mut about = transaction.open_table(ABOUT)?;
        about.insert("filter_hashes", u64::from(filter.num_hashes()))?;
        about.insert("last_received", last_received.cast_unsigned())?;
        about.insert("records", sorted.len() as u64)?;
        about.insert("last_seq", last.0)?;
    }
    transaction.commit()?;
    Ok(())
}

/// The last seq, the latest arrival and the filter, where that is recent enough to be wanted; `None`
/// where the segment is not sealed.
fn read_seal(
    transaction: &ReadTransaction,
    since: i64,
) -> Result<Option<(u64, u64, Option<BloomFilter>)>, redb::Error> {
    let about = transaction.open_table(ABOUT)?;
    let number = |name: &str| -> Result<u64, redb::Error> {
        Ok(about.get(name)?.map_or(0, |value| value.value()))
    };
    let Some(last) = about.get("last_seq")? else {
        return Ok(None);
    };
    if transaction.open_table(BLOCKS)?.is_empty()? {
        return Err(redb::Error::Corrupted("the blocks are missing".into()));
    }
    let last_received = number("last_received")?;
    if last_received.cast_signed() < since {
        return Ok(Some((last.value(), last_received, None)));
    }
    let filter = transaction.open_table(FILTER)?;
    let Some(words) = filter.get(0)? else {
        return Err(redb::Error::Corrupted("the filter is missing".into()));
    };
    let (words, _) = words.value().as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let hashes = u32::try_from(number("filter_hashes")?).unwrap_or(1).max(1);
    let filter = BloomFilter::from_vec(words)
        .seed(&FILTER_SEED)
        .hashes(hashes);
    Ok(Some((last.value(), last_received, Some(filter))))
}

fn filter_over<'a>(ids: impl ExactSizeIterator<Item = &'a IdKey>) -> BloomFilter {
    let mut filter = BloomFilter::with_false_pos(FILTER_FALSE_POSITIVES)
        .seed(&FILTER_SEED)
        .expected_items(ids.len().max(1));
    for id in ids {
        filter.insert(&id_bytes(id));
    }
    filter
}

fn sort_ids(ids: &HashMap<IdKey, Seq>, first: Seq) -> Vec<[u8; 24]> {
    let mut sorted: Vec<[u8; 24]> = ids
        .iter()
        .map(|(key, seq)| {
            let mut id = [0; 24];
            id[..20].copy_from_slice(&id_bytes(key));
            // A segment rotates long before it holds 2^32 records.
            id[20..].copy_from_slice(
                &u32::try_from(seq.0 - first.0)
                    .unwrap_or(u32::MAX)
                    .to_be_bytes(),
            );
            id
        })
        .collect();
    sorted.sort_unstable();
    sorted
}

/// Workspace (big-endian), then the id: so that byte order is key order.
fn id_bytes((WorkspaceId(workspace), id): &IdKey) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&workspace.to_be_bytes());
    bytes[4..].copy_from_slice(EventId::as_bytes(id));
    bytes
}

// A poisoned lock is taken over: the data behind it is replaced whole, never half changed.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
