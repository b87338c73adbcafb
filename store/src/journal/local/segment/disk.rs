//! How segment files are named and reach the disk. Not what is in them.

use std::fs::File;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{BackendError, Builder, Database, StorageBackend};

use crate::record::Seq;

/// The page cache of the segment that is written.
const ACTIVE_CACHE: usize = 32 * 1024 * 1024;
/// The page cache of each sealed one: reads are rare and the kernel caches too.
pub(super) const SEALED_CACHE: usize = 1024 * 1024;

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

/// Brings a file to the state in which the disk has it: what a process that died left in the page
/// cache is written, and what is clean there is forgotten. The cache may hold pages whose writing
/// failed once, as clean; what is read next must be what power loss would leave.
pub fn settle(file: &File) -> std::io::Result<()> {
    file.sync_all()?;
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}

/// Opens a file for writing, checking every page of it first.
pub(super) fn open_active(file: File, disk: &Arc<dyn Disk>) -> Result<Database, redb::Error> {
    let backend = AnyBackend(disk.backend(file)?);
    let database = Builder::new()
        .set_cache_size(ACTIVE_CACHE)
        .set_check_integrity_on_open(true)
        .create_with_backend(backend)?;
    Ok(database)
}

/// `00000000000000000001.redb`: twenty digits, so that names sort as seqs do.
pub fn file_name(first: Seq) -> String {
    format!("{:020}.redb", first.0)
}

/// The seq in a segment's name; `None` where the name is not a segment's.
pub fn first_of(path: &Path) -> Option<Seq> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".redb")?;
    let seq: Seq = digits.parse().ok()?;
    (digits.len() == 20 && seq.0 > 0).then_some(seq)
}
