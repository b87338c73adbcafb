//! A disk that fails when it is told to: before anything of a commit is written, or when all of it is.

use std::fs::File;
use std::io::{Error, Result};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use redb::StorageBackend;
use store::journal::local::segment::Disk;

/// What is to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The next write.
    Write,
    /// The next sync is to say that it failed, though it did not.
    Sync,
}

/// What is to fail next, and on whose thread: segments that are full are sealed on another one meanwhile.
type Next = Arc<Mutex<Option<(ThreadId, Step)>>>;

#[derive(Debug, Default)]
pub(crate) struct LosingDisk {
    next: Next,
    lost: AtomicU32,
}

impl LosingDisk {
    /// Of the next append on this thread; by turns one that fails before and one that fails after it was written.
    pub(crate) fn lose_the_next_answer(&self) {
        let lost = self.lost.fetch_add(1, Ordering::SeqCst);
        let step = if lost.is_multiple_of(2) {
            Step::Sync
        } else {
            Step::Write
        };
        *self.next.lock().unwrap() = Some((thread::current().id(), step));
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
    next: Next,
}

impl LosingFile {
    fn fails(&self, step: Step) -> Result<()> {
        let due = Some((thread::current().id(), step));
        match self.next.lock().unwrap().take_if(|next| Some(*next) == due) {
            Some(_) => Err(Error::other("told to fail")),
            None => Ok(()),
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
        self.fails(Step::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.fails(Step::Write)?;
        self.file.write_all_at(data, offset)
    }
}
