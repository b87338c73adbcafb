//! The views: everything that is derived from the log by folding it in order, in `views.redb` of the
//! data folder. What each view holds stands in a module of its own; who folds, and when, in
//! `projector`.
//!
//! - `index`: which events there are by name, contact and message
//! - `received`: which keys have sent an event
//! - `engagement`: what people did with messages, and which message earned the revenue
//!
//! The cursor lies in the same transaction as the rows that it stands for, so that a crash can never
//! leave one without the other. Commits do not wait for the disk: the file can be deleted and rebuilt
//! at will, and a sync for each fold would slow the acknowledgement path on the same disk.
//! [`Views::make_durable`] syncs them now and then.

pub mod engagement;
pub mod filter;
#[cfg(test)]
pub(crate) mod history;
mod index;
mod owed;
mod received;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use redb::{
    Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase, ReadableTable,
    TableDefinition,
};

use crate::files;
use crate::journal::local::segment::sync_folder_of;
use crate::ledger::decide::{WorkspaceKey, WorkspaceKeys};
use crate::ledger::{Log, LogError};
use crate::locks::{lock, read, write};
use crate::record::{Class, ContactId, Fact, Personal, Record, Seq, WorkspaceId};

use engagement::contact::Contact;
use engagement::message::Message;
use engagement::order::{self, Order};
use engagement::spans::{self, Happened, Whose};
use engagement::tally::Totals;
use filter::EventFilter;
use owed::Owed;

pub use owed::Building;

/// Key: `cursor`, the last seq that the rows reflect; `schema`, see [`SCHEMA`]; `settings`, the digest
/// of those that the rows were folded under.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about_v1");
/// What the rows mean. Raised with every change of what a fold writes: a file of another number is
/// built anew.
const SCHEMA: u64 = 6;

const FILE: &str = "views.redb";
/// A rebuild's file until it takes the place of the other.
const DRAFT: &str = "views.redb.draft";
const CACHE: usize = 64 * 1024 * 1024;

/// The most records in one fold: enough for rows to be written seldom, few enough for a reader who
/// waits for the last of them.
pub const FOLD_RECORDS: usize = 8_192;
/// A batch ends early at this many bytes, so that large events do not fill the memory.
const FOLD_BYTES: usize = 16 * 1024 * 1024;
/// How many records are asked of the log at once.
const READ_RECORDS: usize = 1_024;
/// A rebuild syncs after this many folds: pages freed since the last sync cannot be used again.
const FOLDS_PER_SYNC: usize = 64;

/// Why a view could not be written or read. All of them are ours.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ViewError {
    /// The disk failed; trying again later is right.
    #[error("the views are failing while {0}")]
    Storage(String),
    /// What is in the file is not what was written; it must be built anew.
    #[error("the views are damaged: {0}")]
    Damaged(String),
    /// The log could not be read.
    #[error("reading the log for the views: {0}")]
    Log(#[from] LogError),
    /// A record belongs to a workspace without a key: meta is older than the log.
    #[error("workspace {} has no key", .0.0)]
    NoKey(WorkspaceId),
    /// The views are closed, or wait to be opened again after a failure.
    #[error("the views are not open")]
    Closed,
    /// They hold less than is known, and are not read until they have made up for it.
    #[error("the views are being built: {} % is done", .0.percent())]
    Building(Building),
    /// Another rebuild is under way.
    #[error("the views are being rebuilt already")]
    Busy,
    /// The server stops; what was under way has been given up.
    #[error("the views are closing")]
    Stopped,
}

impl ViewError {
    fn while_doing(doing: &'static str) -> impl Fn(redb::Error) -> Self {
        move |error| {
            if is_damage(&error) {
                Self::Damaged(format!("{doing}: {error}"))
            } else {
                Self::Storage(format!("{doing}: {error}"))
            }
        }
    }
}

/// Seqs of events that may match a filter, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    pub seqs: Vec<Seq>,
    /// Nothing behind them is left to look at.
    pub complete: bool,
}

/// What the views know of a record that the log does not say.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// Of the contact that a token names.
    pub address: Option<Personal>,
    /// A click that was taken for a person's and has shown itself to be a machine's.
    pub is_relabelled: bool,
    /// Its class and the reason, where the time that was told of its message gives others than those on
    /// record.
    pub rejudged: Option<(Class, String)>,
}

/// Every row of every table, in order of their keys: equal for equal folds.
pub type Dump = BTreeMap<&'static str, Vec<(Vec<u8>, Vec<u8>)>>;

/// The views, open. Readers never wait for a fold. Every method blocks on disk, save
/// [`Self::cursor`] and those about what is owed.
pub struct Views {
    path: PathBuf,
    keys: Arc<dyn WorkspaceKeys>,
    /// `None` once closed and after a failure. Whoever uses the file holds this for reading; for
    /// writing it is held only to put another file in its place.
    file: RwLock<Option<Database>>,
    /// One fold at a time; true while something is committed that is not synced.
    unsynced: Mutex<bool>,
    cursor: AtomicU64,
    owed: Owed,
    /// Contacts that were erased, with the place of the fact, while the rows do not reflect that yet.
    erased: RwLock<HashMap<(WorkspaceId, ContactId), Seq>>,
}

impl Views {
    /// Opens the views in a data folder, or starts new ones. A file that cannot be used (damaged,
    /// of another version) is deleted, with a warning: then the cursor is at the start.
    ///
    /// # Errors
    /// [`ViewError::Storage`] where the file cannot be read or written at all, or is open elsewhere.
    pub fn open(data: &Path, keys: Arc<dyn WorkspaceKeys>) -> Result<Self, ViewError> {
        // What a crash during a rebuild left behind.
        remove(&data.join(DRAFT))?;
        Self::open_at(data.join(FILE), keys)
    }

    fn open_at(path: PathBuf, keys: Arc<dyn WorkspaceKeys>) -> Result<Self, ViewError> {
        let (database, cursor) = open_or_start_over(&path, &*keys)?;
        Ok(Self {
            path,
            keys,
            file: RwLock::new(Some(database)),
            unsynced: Mutex::new(false),
            cursor: AtomicU64::new(cursor.0),
            owed: Owed::default(),
            erased: RwLock::default(),
        })
    }

    /// A contact was erased by the fact at this place: from now on nothing is told of it that is of
    /// before.
    pub fn hide(&self, workspace: WorkspaceId, contact: ContactId, seq: Seq) {
        let cursor = self.cursor();
        let mut erased = write(&self.erased);
        erased.retain(|_, seq| *seq > cursor);
        let last = erased.entry((workspace, contact)).or_insert(seq);
        *last = seq.max(*last);
    }

    /// Whether what the rows say of a contact is of before its erasure, in a snapshot that was taken
    /// before this was called.
    fn is_hidden(&self, workspace: WorkspaceId, contact: ContactId, reflected: Seq) -> bool {
        let erased = read(&self.erased);
        let seq = erased.get(&(workspace, contact));
        seq.is_some_and(|seq| *seq > reflected)
    }

    /// How many events there are of a contact.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn count_of_contact(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
    ) -> Result<u64, ViewError> {
        self.with_snapshot(|snapshot| index::count_of_contact(snapshot, workspace, contact))
    }

    /// From now on every read is refused with [`ViewError::Building`] until the rows reflect this record, or
    /// the projector finds that the log holds no more.
    pub fn owe(&self, seq: Seq) {
        self.owed.raise(seq);
    }

    /// The rows reflect all that the log holds.
    pub(crate) fn owe_nothing(&self) {
        self.owed.settle();
    }

    /// How far they are where they are not to be read yet. Every read asks this by itself.
    pub fn building(&self) -> Option<Building> {
        self.owed.from(self.cursor())
    }

    /// The last seq that the rows reflect.
    pub fn cursor(&self) -> Seq {
        Seq(self.cursor.load(Ordering::Acquire))
    }

    /// Folds records that follow on the cursor, in order; those at or before it are skipped. All of
    /// them become visible at once, or none; synced they are with [`Self::make_durable`].
    ///
    /// # Errors
    /// [`ViewError`]; the views are as before then, and after [`ViewError::Storage`] may have to be
    /// opened again.
    pub fn fold(&self, records: &[Record]) -> Result<(), ViewError> {
        let mut unsynced = lock(&self.unsynced);
        let cursor = self.cursor();
        let new = &records[records.partition_point(|record| record.seq <= cursor)..];
        let Some(last) = new.last() else {
            return Ok(());
        };
        let contacts = contacts_of(&*self.keys, new)?;
        let rows = index::rows(&*self.keys, new, &contacts)?;
        self.with_database(|database| {
            let mut transaction = database.begin_write().map_err(redb::Error::from)?;
            transaction.set_durability(Durability::None)?;
            index::fold(&transaction, &rows)?;
            received::fold(&transaction, new)?;
            engagement::fold(
                &transaction,
                &|workspace| self.keys.attribution(workspace),
                new,
                &contacts,
            )?;
            transaction
                .open_table(ABOUT)?
                .insert("cursor", last.seq.0)?;
            transaction.commit()?;
            self.cursor.store(last.seq.0, Ordering::Release);
            Ok(())
        })?
        .map_err(ViewError::while_doing("folding"))?;
        *unsynced = true;
        Ok(())
    }

    /// Syncs what has been folded so far.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn make_durable(&self) -> Result<(), ViewError> {
        let mut unsynced = lock(&self.unsynced);
        if !*unsynced {
            return Ok(());
        }
        self.with_database(sync)?
            .map_err(ViewError::while_doing("syncing"))?;
        *unsynced = false;
        Ok(())
    }

    /// The events of a workspace that may match the filter, in its order, at most `filter.limit`.
    /// Name, contact and message are matched but for what has since been erased; of the times,
    /// stretches of the log that lie wholly outside are skipped.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn events(
        &self,
        workspace: WorkspaceId,
        filter: &EventFilter,
    ) -> Result<EventPage, ViewError> {
        // Without a key the workspace has no events.
        let Some(key) = self.keys.key_of(workspace) else {
            return Ok(EventPage {
                seqs: Vec::new(),
                complete: true,
            });
        };
        self.with_snapshot(|snapshot| index::candidates(snapshot, workspace, &key, filter))
    }

    /// Whether an event that came with this key is on record.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn received(&self, workspace: WorkspaceId, key_id: &str) -> Result<bool, ViewError> {
        self.with_snapshot(|snapshot| received::is_received(snapshot, workspace, key_id))
    }

    /// The contact with this normalised address; `None` where the workspace does not exist.
    pub fn contact_id(&self, workspace: WorkspaceId, normalised: &str) -> Option<ContactId> {
        let key = self.keys.key_of(workspace)?;
        Some(key.contact(normalised))
    }

    /// The id that a contact has today which a token names.
    pub fn contact_today(&self, workspace: WorkspaceId, named: ContactId) -> ContactId {
        self.keys.contact_today(workspace, named)
    }

    /// What is known of a contact.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn contact(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
    ) -> Result<Option<Contact>, ViewError> {
        let reflected = self.cursor();
        let found =
            self.with_snapshot(|snapshot| engagement::contact(snapshot, workspace, contact))?;
        Ok(found.filter(|_| !self.is_hidden(workspace, contact, reflected)))
    }

    /// What is known of a send.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn message(
        &self,
        workspace: WorkspaceId,
        message_id: &str,
    ) -> Result<Option<Message>, ViewError> {
        self.with_snapshot(|snapshot| engagement::message(snapshot, workspace, message_id))
    }

    /// The messages of a campaign behind the id `after` (empty: from the first), in the order of their
    /// ids, at most `limit`.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn messages_of_campaign(
        &self,
        workspace: WorkspaceId,
        campaign_id: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Message)>, ViewError> {
        self.with_snapshot(|snapshot| {
            engagement::messages_of_campaign(snapshot, workspace, campaign_id, after, limit)
        })
    }

    /// The messages behind the id `after` (empty: from the first), in the order of their ids, at most
    /// `limit`.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn messages(
        &self,
        workspace: WorkspaceId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Message)>, ViewError> {
        self.with_snapshot(|snapshot| spans::messages(snapshot, workspace, after, limit))
    }

    /// The campaigns likewise, as of `now` in milliseconds since 1970.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn campaigns(
        &self,
        workspace: WorkspaceId,
        after: &str,
        limit: usize,
        now: i64,
    ) -> Result<Vec<(String, Totals)>, ViewError> {
        self.with_snapshot(|snapshot| spans::campaigns(snapshot, workspace, after, limit, now))
    }

    /// What all messages of a workspace come to, as of `now` in milliseconds since 1970.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn workspace(&self, workspace: WorkspaceId, now: i64) -> Result<Totals, ViewError> {
        self.with_snapshot(|snapshot| engagement::workspace(snapshot, workspace, now))
    }

    /// Hands over messages with everything that happened to them, in the order of their ids.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn each_message(
        &self,
        workspace: WorkspaceId,
        whose: &Whose,
        each: impl FnMut(&str, &Message, &[Happened]),
    ) -> Result<(), ViewError> {
        self.with_snapshot(|snapshot| spans::for_each(snapshot, workspace, whose, each))
    }

    /// What is known of a campaign, as of `now` in milliseconds since 1970.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn campaign(
        &self,
        workspace: WorkspaceId,
        campaign_id: &str,
        now: i64,
    ) -> Result<Option<Totals>, ViewError> {
        self.with_snapshot(|snapshot| engagement::campaign(snapshot, workspace, campaign_id, now))
    }

    /// An order as it stands, and the record that counts for it; verified ones and those that pages told
    /// stand apart.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn order(
        &self,
        workspace: WorkspaceId,
        verified: bool,
        order_id: &str,
    ) -> Result<Option<(Seq, Order)>, ViewError> {
        self.with_snapshot(|snapshot| {
            engagement::single::order(snapshot, workspace, verified, order_id)
        })
    }

    /// At most `limit` contacts behind this one, in order of their ids.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn contacts_behind(
        &self,
        workspace: WorkspaceId,
        after: Option<ContactId>,
        limit: usize,
    ) -> Result<Vec<(ContactId, Contact)>, ViewError> {
        let reflected = self.cursor();
        let mut found = self.with_snapshot(|snapshot| {
            engagement::single::contacts(snapshot, workspace, after, limit)
        })?;
        for (id, contact) in &mut found {
            if self.is_hidden(workspace, *id, reflected) {
                // Its place stays, so that whoever reads on knows where.
                *contact = Contact::default();
            }
        }
        Ok(found)
    }

    /// What is known beside these records, in their order: for showing them.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn beside(&self, records: &[Record]) -> Result<Vec<Beside>, ViewError> {
        let reflected = self.cursor();
        self.with_snapshot(|snapshot| {
            let of = |Record { seq, entry, .. }: &Record| {
                let Some(send) = entry.fact.send() else {
                    return Ok(Beside::default());
                };
                let contact = match send.contact {
                    Some(named) => {
                        let contact = self.keys.contact_today(entry.workspace, named);
                        let found = engagement::contact(snapshot, entry.workspace, contact)?;
                        found.filter(|_| !self.is_hidden(entry.workspace, contact, reflected))
                    }
                    None => None,
                };
                Ok(Beside {
                    address: contact.and_then(|contact| contact.address).map(Personal),
                    is_relabelled: engagement::is_relabelled(snapshot, seq.0)?,
                    rejudged: engagement::rejudged(snapshot, seq.0)?,
                })
            };
            records.iter().map(of).collect()
        })
    }

    /// A workspace's orders with a time from `from` and before `to`, in milliseconds since 1970, the
    /// oldest first, each with its time and a way to look messages up in the same snapshot.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn orders(
        &self,
        workspace: WorkspaceId,
        span: std::ops::Range<i64>,
        mut each: impl FnMut(
            i64,
            Order,
            &dyn Fn(&str) -> Result<Option<Message>, redb::Error>,
        ) -> Result<(), redb::Error>,
    ) -> Result<(), ViewError> {
        self.with_snapshot(|snapshot| {
            let message = |id: &str| engagement::message(snapshot, workspace, id);
            order::for_each(snapshot, workspace, span.start, span.end, |time, order| {
                each(time, order, &message)
            })
        })
    }

    /// Every table as it is visible now.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn dump(&self) -> Result<Dump, ViewError> {
        self.with_snapshot(|snapshot| {
            let about = snapshot.open_table(ABOUT)?;
            let mut rows = Vec::new();
            for row in about.iter()? {
                let (key, value) = row?;
                let value = value.value().to_be_bytes().to_vec();
                rows.push((key.value().as_bytes().to_vec(), value));
            }
            let mut dump = Dump::from([("about_v1", rows)]);
            index::dump(snapshot, &mut dump)?;
            received::dump(snapshot, &mut dump)?;
            engagement::dump(snapshot, &mut dump)?;
            Ok(dump)
        })
    }

    /// Syncs and closes the file. Everything else answers [`ViewError::Closed`] from then on.
    ///
    /// # Errors
    /// That of [`Self::make_durable`]; the file is closed all the same.
    pub fn close(&self) -> Result<(), ViewError> {
        let synced = match self.make_durable() {
            Err(ViewError::Closed) => Ok(()),
            synced => synced,
        };
        let closed = write(&self.file).take();
        drop(closed);
        synced
    }

    /// Opens the file again, as it was last synced; `start_over` deletes it first. Readers have seen more
    /// then: they are refused until the rows reflect `seen` again.
    pub(crate) fn reopen(&self, start_over: bool, seen: Seq) -> Result<(), ViewError> {
        let mut unsynced = lock(&self.unsynced);
        let mut file = write(&self.file);
        self.owed.raise(seen);
        // The lock on the file must be free before it can be opened again.
        drop(file.take());
        if start_over {
            remove(&self.path)?;
        }
        let (database, cursor) = open_or_start_over(&self.path, &*self.keys)?;
        *file = Some(database);
        self.cursor.store(cursor.0, Ordering::Release);
        *unsynced = false;
        Ok(())
    }

    /// Empty views beside these, to be built and then [adopted](Self::adopt).
    pub(crate) fn draft(&self) -> Result<Self, ViewError> {
        start_draft(&self.path.with_file_name(DRAFT), Arc::clone(&self.keys))
    }

    /// Folds the log behind the cursor as far as `upto` at least (a log that grows meanwhile has no
    /// end to reach), unless `stop`. `progress` is told the seqs done and in all. Returns how many
    /// records were folded.
    pub(crate) fn catch_up(
        &self,
        log: &dyn Log,
        upto: Seq,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64, ViewError> {
        let mut folded = 0;
        for turn in 1.. {
            if self.cursor() >= upto {
                break;
            }
            let records = next_batch(log, self.cursor())?;
            if records.is_empty() {
                break;
            }
            if stop() {
                return Err(ViewError::Stopped);
            }
            self.fold(&records)?;
            folded += records.len() as u64;
            if turn % FOLDS_PER_SYNC == 0 {
                self.make_durable()?;
            }
            let done = self.cursor().0;
            progress(done, upto.0.max(done));
        }
        Ok(folded)
    }

    /// Puts a draft in the place of these views: queries see the one or the other. The caller sees
    /// to it that nobody folds meanwhile, and that the draft is no less far.
    pub(crate) fn adopt(&self, draft: Self) -> Result<(), ViewError> {
        let mut unsynced = lock(&self.unsynced);
        debug_assert!(draft.cursor() >= self.cursor(), "the cursor goes backwards");
        let mut file = write(&self.file);
        let ready = draft.make_durable();
        let renamed = ready.and_then(|()| {
            std::fs::rename(&draft.path, &self.path).map_err(storage("renaming the draft"))
        });
        if let Err(error) = renamed {
            draft.discard();
            return Err(error);
        }
        let old = std::mem::replace(&mut *file, write(&draft.file).take());
        self.cursor.store(draft.cursor().0, Ordering::Release);
        *unsynced = false;
        drop(file);
        // Closing the old file writes to it; no reader need wait for that.
        drop(old);
        sync_folder_of(&self.path).map_err(storage("syncing the data folder"))
    }

    /// Closes a draft that is not wanted and deletes its file.
    pub(crate) fn discard(self) {
        drop(write(&self.file).take());
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, "the draft of the views could not be deleted");
        }
    }

    fn with_database<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<Result<T, redb::Error>, ViewError> {
        let file = read(&self.file);
        file.as_ref().map(work).ok_or(ViewError::Closed)
    }

    fn with_snapshot<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, ViewError> {
        let look = |database: &Database| match self.building() {
            Some(building) => Err(ViewError::Building(building)),
            None => {
                let snapshot = database.begin_read().map_err(redb::Error::from);
                let worked = snapshot.and_then(|snapshot| work(&snapshot));
                worked.map_err(ViewError::while_doing("reading"))
            }
        };
        // While the file is held no other with fewer rows takes its place.
        let file = read(&self.file);
        file.as_ref().map_or(Err(ViewError::Closed), look)
    }
}

/// The cursor of the views at rest: what was folded and synced before the server stopped or fell.
/// At the start where there are none or they cannot be read, also because they are open. Repairs the
/// file after a crash, as opening it would; changes nothing else.
pub fn durable_cursor(data: &Path) -> Seq {
    let path = data.join(FILE);
    if !files::is_taken(&path) {
        return Seq::START;
    }
    let cursor = || -> Result<Seq, redb::Error> {
        match files::database::open_to_read(&path, CACHE) {
            Ok(database) => cursor_in(&database.begin_read()?),
            Err(DatabaseError::RepairAborted) => {
                cursor_in(&files::database::open(&path, CACHE)?.begin_read()?)
            }
            Err(error) => Err(error.into()),
        }
    };
    // A damaged file can make redb panic rather than fail.
    catch_unwind(cursor).map_or(Seq::START, |cursor| cursor.unwrap_or(Seq::START))
}

/// Deletes the views of a data folder, which must not be open: the next start builds them.
///
/// # Errors
/// [`ViewError::Storage`].
pub(crate) fn delete(data: &Path) -> Result<(), ViewError> {
    remove(&data.join(FILE))
}

/// Builds the views anew from the log's start to its end and puts them in the place of those in the
/// data folder, which must not be open. `progress` is told the seqs done and in all. Returns how many
/// records were folded. Where it fails, the views are as before.
///
/// # Errors
/// [`ViewError`].
pub fn rebuild(
    data: &Path,
    keys: Arc<dyn WorkspaceKeys>,
    log: &dyn Log,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64, ViewError> {
    let draft = start_draft(&data.join(DRAFT), keys)?;
    let end = *log.committed().borrow();
    let built = draft
        .catch_up(log, end, &|| false, progress)
        .and_then(|folded| draft.close().map(|()| folded));
    let folded = match built {
        Ok(folded) => folded,
        Err(error) => {
            draft.discard();
            return Err(error);
        }
    };
    let path = data.join(FILE);
    std::fs::rename(&draft.path, &path).map_err(storage("renaming the draft"))?;
    sync_folder_of(&path).map_err(storage("syncing the data folder"))?;
    Ok(folded)
}

/// Brings the views of a data folder, which must not be open, up to the log's end, where there are any.
///
/// # Errors
/// [`ViewError`].
pub fn follow(data: &Path, keys: Arc<dyn WorkspaceKeys>, log: &dyn Log) -> Result<(), ViewError> {
    if !files::is_taken(&data.join(FILE)) {
        return Ok(());
    }
    let views = Views::open(data, keys)?;
    let end = *log.committed().borrow();
    let caught_up = views.catch_up(log, end, &|| false, &mut |_, _| {});
    caught_up.and(views.close())
}

/// The next records to fold: many, but bounded in bytes too. None at the log's end.
pub(crate) fn next_batch(log: &dyn Log, after: Seq) -> Result<Vec<Record>, LogError> {
    let mut batch: Vec<Record> = Vec::new();
    let mut bytes = 0;
    let mut after = after;
    while batch.len() < FOLD_RECORDS && bytes < FOLD_BYTES {
        let records = log.read_from(after, READ_RECORDS)?;
        let count = records.len();
        bytes += records.iter().map(|r| r.entry.weight()).sum::<usize>();
        batch.extend(records);
        after = batch.last().map_or(after, |last| last.seq);
        if count < READ_RECORDS {
            break;
        }
    }
    Ok(batch)
}

/// Whom each record is about. Addresses repeat, and an HMAC for each is what costs here.
fn contacts_of(
    keys: &dyn WorkspaceKeys,
    records: &[Record],
) -> Result<Vec<Option<ContactId>>, ViewError> {
    let mut of_workspace: HashMap<WorkspaceId, WorkspaceKey> = HashMap::new();
    let mut of_address: HashMap<(WorkspaceId, &str), ContactId> = HashMap::new();
    records
        .iter()
        .map(|Record { entry, .. }| {
            let Some(address) = &entry.address else {
                let named = match &entry.fact {
                    Fact::Erase { contact } => Some(*contact),
                    fact => fact.send().map_or(entry.person, |send| send.contact),
                };
                return Ok(named.map(|named| keys.contact_today(entry.workspace, named)));
            };
            let address = address.normalised.0.as_str();
            if let Some(known) = of_address.get(&(entry.workspace, address)) {
                return Ok(Some(*known));
            }
            let key = match of_workspace.get(&entry.workspace) {
                Some(key) => *key,
                None => {
                    let key = keys
                        .key_of(entry.workspace)
                        .ok_or(ViewError::NoKey(entry.workspace))?;
                    of_workspace.insert(entry.workspace, key);
                    key
                }
            };
            let contact = key.contact(address);
            of_address.insert((entry.workspace, address), contact);
            Ok(Some(contact))
        })
        .collect()
}

fn start_draft(path: &Path, keys: Arc<dyn WorkspaceKeys>) -> Result<Views, ViewError> {
    remove(path)?;
    Views::open_at(path.to_owned(), keys)
}

fn open_or_start_over(path: &Path, keys: &dyn WorkspaceKeys) -> Result<(Database, Seq), ViewError> {
    let settings = keys.settings_digest();
    // A damaged file can make redb panic rather than fail.
    let opened = catch_unwind(AssertUnwindSafe(|| open_file(path, settings)))
        .unwrap_or_else(|_| Err(ViewError::Damaged("opening: redb panicked".into())));
    match opened {
        Err(ViewError::Damaged(reason)) => {
            tracing::warn!(reason, "the views cannot be used: building them anew");
            remove(path)?;
            open_file(path, settings)
        }
        opened => opened,
    }
}

fn open_file(path: &Path, settings: u64) -> Result<(Database, Seq), ViewError> {
    let doing = ViewError::while_doing("opening");
    let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
    let database = files::database::open_or_create(path, CACHE).map_err(&doing)?;
    if is_new {
        found(&database, settings).map_err(&doing)?;
    }
    let state = || -> Result<_, redb::Error> {
        let snapshot = database.begin_read()?;
        let about = snapshot.open_table(ABOUT)?;
        let schema = about.get("schema")?.map(|row| row.value());
        let under = about.get("settings")?.map(|row| row.value());
        drop(about);
        index::check(&snapshot)?;
        received::check(&snapshot)?;
        engagement::check(&snapshot)?;
        Ok((schema, under, cursor_in(&snapshot)?))
    };
    let (schema, under, cursor) = state().map_err(&doing)?;
    if schema != Some(SCHEMA) {
        return Err(ViewError::Damaged("they are of another version".into()));
    }
    if under != Some(settings) {
        return Err(ViewError::Damaged("the settings have changed".into()));
    }
    Ok((database, cursor))
}

/// Writes what every file of views holds from the start.
fn found(database: &Database, settings: u64) -> Result<(), redb::Error> {
    let transaction = database.begin_write().map_err(redb::Error::from)?;
    {
        let mut about = transaction.open_table(ABOUT)?;
        about.insert("schema", SCHEMA)?;
        about.insert("settings", settings)?;
        about.insert("cursor", Seq::START.0)?;
    }
    index::create(&transaction)?;
    received::create(&transaction)?;
    engagement::create(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// Commits nothing, durably: with it everything before is on disk.
fn sync(database: &Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write().map_err(redb::Error::from)?;
    transaction.set_durability(Durability::Immediate)?;
    // A second sync, so that a start after a crash need not walk the whole file. It is paid once a
    // second, not for every fold.
    transaction.set_quick_repair(true);
    transaction.commit()?;
    Ok(())
}

fn cursor_in(snapshot: &ReadTransaction) -> Result<Seq, redb::Error> {
    let cursor = snapshot.open_table(ABOUT)?.get("cursor")?;
    Ok(cursor.map_or(Seq::START, |row| Seq(row.value())))
}

/// True where the file itself is at fault, so that deleting it helps; false where the disk, the
/// folder or another process is.
fn is_damage(error: &redb::Error) -> bool {
    use std::io::ErrorKind;
    match error {
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TableIsNotMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableDoesNotExist(_) => true,
        redb::Error::Io(error) => {
            matches!(
                error.kind(),
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof
            )
        }
        _ => false,
    }
}

fn remove(path: &Path) -> Result<(), ViewError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(storage("deleting the old file")(error))
        }
        _ => Ok(()),
    }
}

fn storage(doing: &'static str) -> impl Fn(std::io::Error) -> ViewError {
    move |error| ViewError::Storage(format!("{doing}: {error}"))
}
