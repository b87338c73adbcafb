//! Records whose personal part is taken away: hidden from every answer at once, and on disk, until the
//! journal has been written anew without it. One redaction would make it rewrite a whole stretch, so
//! those that come within some minutes wait for each other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use redb::{Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::LogError;
use crate::files;
use crate::locks::{lock, read, write};
use crate::record::{Record, Seq};

/// The file within the data folder. It is made with the first redaction.
pub(super) const REDACTIONS_FILE: &str = "redactions.redb";
/// How long a redaction waits for others before the journal is written anew.
pub(super) const GATHERING: Duration = Duration::from_secs(10 * 60);
/// With so many, it is done at once.
const MANY: usize = 10_000;

/// Key: a seq. Value: nothing.
const PENDING: TableDefinition<'_, u64, ()> = TableDefinition::new("pending_v1");
const CACHE: usize = 1024 * 1024;

/// The redactions that the journal does not show yet.
pub(super) struct Redactions {
    /// `None` where the journal is in memory.
    path: Option<PathBuf>,
    database: Mutex<Option<Database>>,
    pending: RwLock<BTreeSet<Seq>>,
    /// Since when the oldest waits.
    since: Mutex<Option<Instant>>,
}

fn storage(error: &dyn std::fmt::Display) -> LogError {
    LogError::storage("noting redactions", error)
}

impl Redactions {
    pub(super) fn in_memory() -> Self {
        Self {
            path: None,
            database: Mutex::new(None),
            pending: RwLock::default(),
            since: Mutex::default(),
        }
    }

    /// Reads what waits, where there is a file.
    pub(super) fn open(path: &Path) -> Result<Self, LogError> {
        let mut this = Self::in_memory();
        this.path = Some(path.to_owned());
        if files::is_taken(path) {
            let database = files::database::open(path, CACHE).map_err(|error| storage(&error))?;
            let pending = pending_in(&database).map_err(|error| storage(&error))?;
            *lock(&this.since) = (!pending.is_empty()).then(Instant::now);
            this.pending = RwLock::new(pending);
            this.database = Mutex::new(Some(database));
        }
        Ok(this)
    }

    /// Hides these records; they stay hidden when this returns, whatever comes.
    pub(super) fn add(&self, seqs: &[Seq]) -> Result<(), LogError> {
        if let Some(path) = &self.path {
            let mut database = lock(&self.database);
            if database.is_none() {
                let opened = files::database::open_or_create(path, CACHE);
                *database = Some(opened.map_err(|error| storage(&error))?);
                files::sync_folder_of(path).map_err(|error| storage(&error))?;
            }
            if let Some(database) = &*database {
                change(database, |pending| {
                    seqs.iter()
                        .try_for_each(|seq| pending.insert(seq.0, ()).map(drop))
                })
                .map_err(|error| storage(&error))?;
            }
        }
        write(&self.pending).extend(seqs);
        lock(&self.since).get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Takes the personal part from those of the records that are to have none.
    pub(super) fn hide_in(&self, records: &mut [Record]) {
        let pending = read(&self.pending);
        if pending.is_empty() {
            return;
        }
        for record in records {
            if pending.contains(&record.seq) {
                record.entry.redact();
            }
        }
    }

    /// What the journal does not show yet.
    pub(super) fn pending(&self) -> BTreeSet<Seq> {
        read(&self.pending).clone()
    }

    /// Whether they have waited long enough, or are many.
    pub(super) fn are_due(&self, gathering: Duration) -> bool {
        let waited = lock(&self.since).is_some_and(|since| since.elapsed() >= gathering);
        waited || read(&self.pending).len() >= MANY
    }

    /// The journal shows these now.
    pub(super) fn done(&self, seqs: &BTreeSet<Seq>) -> Result<(), LogError> {
        if let Some(database) = &*lock(&self.database) {
            change(database, |pending| {
                seqs.iter()
                    .try_for_each(|seq| pending.remove(seq.0).map(drop))
            })
            .map_err(|error| storage(&error))?;
        }
        let mut pending = write(&self.pending);
        pending.retain(|seq| !seqs.contains(seq));
        *lock(&self.since) = (!pending.is_empty()).then(Instant::now);
        Ok(())
    }

    /// Closes the file.
    pub(super) fn close(&self) {
        drop(lock(&self.database).take());
    }
}

fn pending_in(database: &Database) -> Result<BTreeSet<Seq>, redb::Error> {
    let table = match database.begin_read()?.open_table(PENDING) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(BTreeSet::new()),
        Err(error) => return Err(error.into()),
    };
    let mut pending = BTreeSet::new();
    for row in table.iter()? {
        pending.insert(Seq(row?.0.value()));
    }
    Ok(pending)
}

fn change(
    database: &Database,
    change: impl FnOnce(&mut redb::Table<'_, u64, ()>) -> Result<(), redb::StorageError>,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    change(&mut transaction.open_table(PENDING)?)?;
    Ok(transaction.commit()?)
}
