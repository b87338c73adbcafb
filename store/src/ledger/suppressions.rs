//! The book of suppressions: everybody who is to get no more mail, in its own redb file, filled behind
//! the acknowledgement. What the file has not reached yet is in memory, so that a fact counts as soon
//! as it is on disk. Not a view: rebuild never touches it and backup includes it.

mod file;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use redb::Database;

use super::LogError;
use super::behind::{self, Waits};
use super::suppression::{Change, Suppression, change_of};
use crate::locks::lock;
use crate::record::{ContactId, Entry, Seq, WorkspaceId};

use file::FILE;
pub(crate) use file::cursor_at_rest;

/// Contacts waiting for the file; with more, appending is refused until it has caught up.
const MAX_WAITING: usize = 100_000;

/// A contact of a workspace.
pub(crate) type Whom = (WorkspaceId, ContactId);

/// The book; the file is written by a thread of its own.
pub struct Suppressions {
    shared: Arc<SharedSuppressions>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct SharedSuppressions {
    /// `None` in memory.
    path: Option<PathBuf>,
    /// `None` after a failure, until it opens again.
    database: Mutex<Option<Arc<Database>>>,
    waiting: Mutex<Waiting>,
    wake: Condvar,
    /// Held from the look at what waits to its commit, or an older look could overwrite a newer one. It counts the
    /// commits.
    flushing: Mutex<u64>,
    /// The cursor in the file.
    cursor: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    /// `None` where nothing is left of it, with the record that said so. What holds nobody back any more
    /// still tells when it was lifted.
    changed: HashMap<Whom, (Option<Suppression>, Seq)>,
    /// Somebody was erased among them.
    forgets: bool,
    /// The last record that has been handed over.
    upto: Seq,
    /// Something could not be taken in: what follows is to be read from the log, from the cursor on.
    is_broken: bool,
    closing: bool,
}

fn storage(doing: &str, error: &dyn std::fmt::Display) -> LogError {
    FILE.storage(doing, error)
}

impl Suppressions {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        let (database, cursor) = FILE.open(path)?;
        Ok(Self::over(database, cursor, Some(path.to_owned())))
    }

    /// One that lives as long as it is held, and begins behind this record.
    pub(crate) fn in_memory(after: Seq) -> Result<Self, LogError> {
        let database = file::in_memory(after).map_err(|error| storage("making", &error))?;
        Ok(Self::over(database, after, None))
    }

    fn over(database: Database, cursor: Seq, path: Option<PathBuf>) -> Self {
        let waiting = Waiting {
            upto: cursor,
            ..Waiting::default()
        };
        Self {
            shared: Arc::new(SharedSuppressions {
                path,
                database: Mutex::new(Some(Arc::new(database))),
                waiting: Mutex::new(waiting),
                wake: Condvar::new(),
                flushing: Mutex::default(),
                cursor: AtomicU64::new(cursor.0),
            }),
            thread: Mutex::new(None),
        }
    }

    /// Starts writing behind; before, [`Self::learn`] only collects.
    pub(crate) fn start(&self) -> Result<(), LogError> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name("suppressions".into())
            .spawn(move || shared.run())
            .map_err(|error| storage("writing", &error))?;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    /// The last record that the file reflects.
    pub(crate) fn cursor(&self) -> Seq {
        Seq(self.shared.cursor.load(Ordering::Acquire))
    }

    /// The last record that has been taken in; those behind it may be in the log already.
    pub fn reached(&self) -> Seq {
        lock(&self.shared.waiting).upto
    }

    /// What holds a contact back, as of the last commit; `None` where nothing does. Blocks on disk.
    pub fn get(&self, whom: Whom) -> Result<Option<Suppression>, LogError> {
        let state = self.state(whom)?;
        Ok(state.filter(Suppression::holds))
    }

    /// The same, with what was lifted.
    fn state(&self, whom: Whom) -> Result<Option<Suppression>, LogError> {
        if let Some((state, _)) = lock(&self.shared.waiting).changed.get(&whom) {
            return Ok(state.clone());
        }
        let database = self.database()?;
        file::get(&database, whom).map_err(|error| storage("reading", &error))
    }

    /// Takes in what a commit holds, in order; `contact` tells whom an entry is about, by the id of
    /// today, and `upto` is its last record.
    ///
    /// # Errors
    /// Where something could not be looked up. The file then stays behind these records, and
    /// [`Self::is_broken`] until they have been read again.
    pub(crate) fn learn<'e>(
        &self,
        entries: impl Iterator<Item = (Seq, &'e Entry)>,
        contact: impl Fn(&Entry) -> Option<ContactId>,
        upto: Seq,
    ) -> Result<(), LogError> {
        for (seq, entry) in entries.filter(|(_, entry)| change_of(&entry.fact).is_some()) {
            let Some(contact) = contact(entry) else {
                continue;
            };
            let whom = (entry.workspace, contact);
            let before = self.state(whom).inspect_err(|_| {
                lock(&self.shared.waiting).is_broken = true;
            })?;
            let state = Suppression::after(before, seq, entry);
            let mut waiting = lock(&self.shared.waiting);
            waiting.forgets |= change_of(&entry.fact) == Some(Change::Forget);
            waiting.changed.insert(whom, (state, seq));
            self.shared.wake.notify_one();
        }
        let mut waiting = lock(&self.shared.waiting);
        if !waiting.is_broken {
            waiting.upto = upto;
        }
        Ok(())
    }

    /// Something could not be taken in: what lies behind the cursor is to be read again.
    pub(crate) fn doubt(&self) {
        lock(&self.shared.waiting).is_broken = true;
    }

    /// Whether something is missing that is in the log.
    pub(crate) fn is_broken(&self) -> bool {
        lock(&self.shared.waiting).is_broken
    }

    /// Forgets that something is missing: for who reads all behind the cursor again.
    pub(crate) fn start_again(&self) {
        lock(&self.shared.waiting).is_broken = false;
    }

    /// True while the file is too far behind to take more.
    pub(crate) fn is_behind(&self) -> bool {
        lock(&self.shared.waiting).changed.len() >= MAX_WAITING
    }

    /// Writes everything that waits, now.
    pub(crate) fn flush(&self) -> Result<(), LogError> {
        let flushed = self.shared.flush();
        flushed.map_err(|error| storage("writing", &error))
    }

    /// Those of a workspace behind this contact in the order of their ids, at most `limit`, with every
    /// fact that is committed. Blocks on disk.
    pub(crate) fn list(
        &self,
        workspace: WorkspaceId,
        after: Option<ContactId>,
        limit: usize,
    ) -> Result<Vec<(ContactId, Suppression)>, LogError> {
        self.flush()?;
        let database = self.database()?;
        file::list(&database, workspace, after, limit).map_err(|error| storage("reading", &error))
    }

    /// Gives rows the id that their contact has today. For a start, before anything is answered, and
    /// only where the rule of addresses has changed.
    pub fn renew(
        &self,
        today: impl Fn(WorkspaceId, ContactId) -> ContactId,
    ) -> Result<(), LogError> {
        self.flush()?;
        let mut writes = lock(&self.shared.flushing);
        *writes += 1;
        let database = self.database()?;
        file::renew(&database, today).map_err(|error| storage("renewing", &error))
    }

    /// Writes what waits, stops the thread and closes the file.
    pub(crate) fn close(&self) -> Result<(), LogError> {
        if lock(&self.shared.database).is_none() {
            return Ok(());
        }
        lock(&self.shared.waiting).closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            let joined = thread.join();
            joined.map_err(|_| storage("writing", &"its thread panicked"))?;
        }
        let flushed = self.flush();
        *lock(&self.shared.database) = None;
        flushed
    }

    fn database(&self) -> Result<Arc<Database>, LogError> {
        let database = lock(&self.shared.database).clone();
        database.ok_or(LogError::Unavailable)
    }
}

impl Waits for Waiting {
    fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    fn is_closing(&self) -> bool {
        self.closing
    }

    fn upto(&self) -> Seq {
        self.upto
    }
}

impl SharedSuppressions {
    fn run(&self) {
        behind::run(&self.waiting, &self.wake, &self.cursor, || {
            if let Err(error) = self.flush() {
                tracing::error!(%error, "the suppressions could not be written; trying again");
                self.reopen();
            }
        });
    }

    fn flush(&self) -> Result<(), redb::Error> {
        let mut writes = lock(&self.flushing);
        let database = lock(&self.database).clone();
        let Some(database) = database else {
            return Err(redb::Error::DatabaseClosed);
        };
        let (changed, upto, forgets) = {
            let mut waiting = lock(&self.waiting);
            let forgets = std::mem::take(&mut waiting.forgets);
            (waiting.changed.clone(), waiting.upto, forgets)
        };
        if changed.is_empty() && upto.0 <= self.cursor.load(Ordering::Acquire) {
            return Ok(());
        }
        // Of a commit that is being taken in some changes may be here and `upto` not: what they say is
        // said again when the log is read from there.
        *writes += 1;
        let written = file::write(&database, &changed, upto, forgets);
        written.inspect_err(|_| lock(&self.waiting).forgets |= forgets)?;
        self.cursor.store(upto.0, Ordering::Release);
        let mut waiting = lock(&self.waiting);
        for (whom, (_, seq)) in changed {
            if waiting
                .changed
                .get(&whom)
                .is_some_and(|(_, now)| *now == seq)
            {
                waiting.changed.remove(&whom);
            }
        }
        Ok(())
    }

    fn reopen(&self) {
        if let Some(path) = &self.path {
            FILE.reopen(path, &self.database);
        }
    }
}

#[cfg(test)]
mod tests;
