//! The file of a book that is filled behind the acknowledgement: how it is made and opened, how far it
//! reaches, and its lineage. Not what lies in it.

use std::panic::catch_unwind;
use std::path::Path;
use std::sync::{Arc, Mutex};

use redb::{Database, ReadableDatabase, TableDefinition};

use super::LogError;
use crate::files;
use crate::journal::local::segment::{draft_of, rename_synced, settle};
use crate::lineage::{self, Lineage};
use crate::locks::lock;
use crate::record::Seq;

/// Key: `cursor`. Value: the last seq that the file reflects. Beside it `store` and `opening`, the lineage,
/// and what the book keeps there for itself.
pub(super) const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about_v1");

pub(super) const CACHE: usize = 16 * 1024 * 1024;

/// A kind of book.
pub(super) struct BookFile {
    /// As sentences call it.
    pub(super) name: &'static str,
    /// Within the data folder.
    pub(super) file: &'static str,
    /// Makes the tables in a file that is empty, with the cursor at this place.
    pub(super) make: fn(&Database, Seq) -> Result<(), redb::Error>,
    /// Adds what files of older versions lack.
    pub(super) complete: fn(&Database) -> Result<(), redb::Error>,
}

impl BookFile {
    /// Opens the file, or makes it; returns how far it reaches.
    pub(super) fn open(&self, path: &Path) -> Result<(Database, Seq), LogError> {
        let Self {
            name,
            file,
            make,
            complete,
        } = *self;
        let open = || -> Result<(Database, Seq), redb::Error> {
            if !files::is_taken(path) {
                // Under another name first: a crash leaves the whole file or none.
                let draft = draft_of(path);
                let database = files::database::create_anew(&draft, CACHE)?;
                make(&database, Seq::START)?;
                database.close()?;
                rename_synced(&draft, path)?;
            }
            settle(&files::open_to_read(path)?)?;
            let database = files::database::open(path, CACHE)?;
            complete(&database)?;
            let cursor = cursor_in(&database)?;
            Ok((database, cursor))
        };
        let opened = catch_unwind(open).unwrap_or_else(|_| Err(no_sense()));
        opened.map_err(|error| {
            let doing = format!(
                "opening {name} ({file}; restore it from a backup, or move it away: it is then made anew from the log)"
            );
            LogError::storage(&doing, &error)
        })
    }

    /// Opens it again after an I/O error, as redb wants it.
    pub(super) fn reopen(&self, path: &Path, database: &Mutex<Option<Arc<Database>>>) {
        // Held throughout, so that no reader sees the moment in between.
        let mut database = lock(database);
        // A reader that still holds the old handle keeps the file locked; the next turn tries again.
        if let Some(old) = database.take()
            && let Err(held) = Arc::try_unwrap(old)
        {
            *database = Some(held);
            return;
        }
        match self.open(path) {
            Ok((opened, _)) => *database = Some(Arc::new(opened)),
            Err(error) => tracing::error!(%error, "{} could not be opened again", self.name),
        }
    }

    /// How far a file reaches that nobody has open, without writing to it.
    pub(super) fn cursor_at_rest(&self, path: &Path) -> Result<Seq, LogError> {
        let read = catch_unwind(|| cursor_at(path)).unwrap_or_else(|_| Err(no_sense()));
        read.map_err(|error| match error {
            redb::Error::RepairAborted => {
                self.storage("reading", &files::database::Unclean(path.to_owned()))
            }
            error => self.storage("reading", &error),
        })
    }

    pub(super) fn lineage(&self, database: &Database) -> Result<Option<Lineage>, LogError> {
        let read = || -> Result<_, redb::Error> {
            lineage::read(&database.begin_read()?.open_table(ABOUT)?)
        };
        read().map_err(|error| self.storage("reading", &error))
    }

    pub(super) fn set_lineage(
        &self,
        database: &Database,
        lineage: Lineage,
    ) -> Result<(), LogError> {
        let write = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            lineage::write(&mut transaction.open_table(ABOUT)?, lineage)?;
            Ok(transaction.commit()?)
        };
        write().map_err(|error| self.storage("noting the lineage of", &error))
    }

    pub(super) fn storage(&self, doing: &str, error: &dyn std::fmt::Display) -> LogError {
        LogError::storage(&format!("{doing} {}", self.name), error)
    }
}

/// How far a file reaches that nobody writes to.
pub(super) fn cursor_at(path: &Path) -> Result<Seq, redb::Error> {
    cursor_in(&files::database::open_to_read(path, CACHE)?)
}

fn cursor_in(database: &impl ReadableDatabase) -> Result<Seq, redb::Error> {
    let about = database.begin_read()?.open_table(ABOUT)?;
    Ok(Seq(about.get("cursor")?.map_or(0, |row| row.value())))
}

fn no_sense() -> redb::Error {
    redb::Error::Corrupted("redb could not make sense of it".into())
}
