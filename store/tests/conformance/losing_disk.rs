//! A disk that fails when it is told to: before anything of a commit is written, or when all of it is.

use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use redb::StorageBackend;
use store::journal::local::segment::Disk;

/// Nothing is to fail.
const SOUND: u32 = 0;
/// The next write is to fail.
const WRITE: u32 = 1;
/// The next sync is to say that it failed, though it did not.
const SYNC: u32 = 2;

#[derive(Debug, Default)]
pub(crate) struct LosingDisk {
    next: Arc<AtomicU32>,
    lost: AtomicU32,
}

impl LosingDisk {
    /// By turns those that fail before and after.
    pub(crate) fn lose_the_next_answer(&self) {
        let lost = self.lost.fetch_add(1, Ordering::SeqCst);
        let next = if lost.is_multiple_of(2) { SYNC } else { WRITE };
        self.next.store(next, Ordering::SeqCst);
    }
}

impl Disk for LosingDisk {
    fn backend(&self, file: File) -> Result<Box<dyn StorageBackend>> {
        let next = Arc::clone(&self.next);
        Ok(Box::new(LosingFile { file, next }))
    }
}

#[derive(Debug)]
struct LosingFile {
    file: File,
    next: Arc<AtomicU32>,
}

impl LosingFile {
    fn fails(&self, step: u32) -> Result<()> {
        let due = self
            .next
            .compare_exchange(step, SOUND, Ordering::SeqCst, Ordering::SeqCst);
        match due {
            Ok(_) => Err(Error::other("told to fail")),
            Err(_) => Ok(()),
        }
    }
}

impl StorageBackend for LosingFile {
    fn len(&self) -> Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<()> {
        self.file.sync_data()?;
        self.fails(SYNC)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.fails(WRITE)?;
        self.file.write_all_at(data, offset)
    }
}
