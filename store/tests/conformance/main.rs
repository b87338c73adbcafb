//! The suites that `collector` exports for journals, run from outside as somebody would who has written
//! one: on both that there are, and on some that are broken on purpose.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says so where it does"
)]

mod broken;
mod losing_disk;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use store::journal::conformance::{JournalHome, Make};
use store::journal::local::{JournalOptions, RedbJournal};
use store::journal::memory::MemoryJournal;
use store::journal::{Journal, conformance};
use store::ledger;
use store::record::Seq;
use tempfile::TempDir;

use losing_disk::LosingDisk;

const NONE: [&str; 0] = [];

struct Memory {
    journal: Arc<MemoryJournal>,
    arrives: AtomicBool,
}

impl Memory {
    fn new(journal: MemoryJournal) -> Self {
        Self {
            journal: Arc::new(journal),
            arrives: AtomicBool::new(false),
        }
    }
}

impl JournalHome for Memory {
    fn open(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.journal) as _
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn lose_the_next_answer(&self) -> bool {
        let arrives = !self.arrives.fetch_xor(true, Ordering::SeqCst);
        self.journal.lose_the_next_answer(arrives);
        true
    }
}

/// A data folder. Who opens it gets a copy as it is, which is what the death of whoever has it open
/// leaves.
struct Folder {
    images: Mutex<Vec<TempDir>>,
    disk: Arc<LosingDisk>,
}

impl Folder {
    fn new() -> Self {
        Self {
            images: Mutex::new(vec![tempfile::tempdir().unwrap()]),
            disk: Arc::default(),
        }
    }
}

impl JournalHome for Folder {
    fn open(&self) -> Arc<dyn Journal> {
        let mut folders = self.images.lock().unwrap();
        let image = tempfile::tempdir().unwrap();
        copy(folders.last().unwrap().path(), image.path());
        let options = JournalOptions {
            rotate_records: 7,
            disk: Arc::clone(&self.disk) as _,
            ..JournalOptions::new(image.path())
        };
        folders.push(image);
        Arc::new(RedbJournal::open(options).unwrap())
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn lose_the_next_answer(&self) -> bool {
        self.disk.lose_the_next_answer();
        true
    }
}

fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file: PathBuf = file.unwrap().path();
        let target = to.join(file.file_name().unwrap());
        if file.is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&file, &target);
        } else {
            std::fs::copy(&file, &target).unwrap();
        }
    }
}

fn memory() -> Box<dyn JournalHome> {
    Box::new(Memory::new(MemoryJournal::default()))
}

fn far_on() -> Box<dyn JournalHome> {
    let first = Seq(7_000_000_000);
    Box::new(Memory::new(MemoryJournal::starting_at(first)))
}

fn folder() -> Box<dyn JournalHome> {
    Box::new(Folder::new())
}

#[test]
fn the_journal_in_memory_keeps_its_promises_wherever_it_begins() {
    for make in [&memory as &Make<'_>, &far_on] {
        conformance::run(make);
        assert_eq!(ledger::conformance::failures(make), NONE);
    }
}

#[test]
fn the_journal_on_disk_keeps_its_promises() {
    conformance::run(&folder);
    assert_eq!(ledger::conformance::failures(&folder), NONE);
}
