//! Records whose personal part is taken away: hidden from every answer at once, and on disk, until the
//! journal has been written anew without it. One redaction would make it rewrite a whole stretch, so
//! those that come within some minutes wait for each other. Erasures whose records have not been found
//! yet wait here too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use redb::{
    Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition,
    WriteTransaction,
};

use super::LogError;
use super::erasures::{PendingErasure, PendingErasures};
use crate::files;
use crate::files::database::table;
use crate::locks::{lock, read, write};
use crate::part::part;
use crate::record::{ContactId, Record, Seq, WorkspaceId, WorkspaceKeys};

/// The file within the data folder. It is made with the first redaction.
pub(super) const REDACTIONS_FILE: &str = "redactions.redb";
/// How long a redaction waits for others before the journal is written anew.
pub(super) const GATHERING: Duration = Duration::from_secs(10 * 60);
/// With so many, it is done at once.
const MANY: usize = 10_000;

/// Key: a seq. Value: nothing.
const PENDING: TableDefinition<'_, u64, ()> = TableDefinition::new("pending_v1");
/// Key: a seq. Value: whom its record is about from then on.
const PENDING_FOR: TableDefinition<'_, u64, [u8; 16]> = TableDefinition::new("pending_for_v1");
/// Key: the seq of the fact. Value: workspace (u32, big-endian), contact and person (16 bytes each).
const ERASURES: TableDefinition<'_, u64, [u8; 36]> = TableDefinition::new("erasures_v1");
const CACHE: usize = 1024 * 1024;

/// What the journal does not show yet: places, and who the record at each is to be about.
pub(super) type Places = BTreeMap<Seq, Option<ContactId>>;

/// The redactions that the journal does not show yet.
pub(super) struct Redactions {
    /// `None` where the journal is in memory.
    path: Option<PathBuf>,
    database: Mutex<Option<Database>>,
    pending: RwLock<Places>,
    waiting: RwLock<Arc<PendingErasures>>,
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
            waiting: RwLock::default(),
            since: Mutex::default(),
        }
    }

    /// Reads what waits, where there is a file.
    pub(super) fn open(path: &Path) -> Result<Self, LogError> {
        let mut this = Self::in_memory();
        this.path = Some(path.to_owned());
        if files::is_taken(path) {
            let database = files::database::open(path, CACHE).map_err(|error| storage(&error))?;
            let (pending, erasures) = load(&database).map_err(|error| storage(&error))?;
            let is_idle = pending.is_empty() && erasures.is_empty();
            *lock(&this.since) = (!is_idle).then(Instant::now);
            this.pending = RwLock::new(pending);
            this.waiting = RwLock::new(Arc::new(PendingErasures::of(erasures)));
            this.database = Mutex::new(Some(database));
        }
        Ok(this)
    }

    /// Hides these records; they stay hidden when this returns, whatever comes.
    pub(super) fn add(&self, seqs: &[Seq]) -> Result<(), LogError> {
        let places: Vec<_> = seqs.iter().map(|seq| (*seq, None)).collect();
        self.add_for(&places)
    }

    /// Likewise, and each is about this person from then on; what is hidden already stays about whom it is,
    /// since the journal still shows it as it was to who looks for a later erasure's records.
    pub(super) fn add_for(&self, places: &[(Seq, Option<ContactId>)]) -> Result<(), LogError> {
        let places: Vec<_> = {
            let pending = read(&self.pending);
            let new = places.iter().filter(|(seq, _)| !pending.contains_key(seq));
            new.copied().collect()
        };
        if places.is_empty() {
            return Ok(());
        }
        self.change(|transaction| {
            let mut pending = transaction.open_table(PENDING)?;
            let mut pending_for = transaction.open_table(PENDING_FOR)?;
            for (seq, person) in &places {
                match person {
                    Some(person) => drop(pending_for.insert(seq.0, person.0)?),
                    None => drop(pending.insert(seq.0, ())?),
                }
            }
            Ok(())
        })?;
        write(&self.pending).extend(places);
        lock(&self.since).get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Hides everything of a contact that lies before its erasure, from now on and whatever comes.
    pub(super) fn erase(&self, erasure: PendingErasure) -> Result<(), LogError> {
        self.change(|transaction| {
            let mut row = [0; 36];
            row[..4].copy_from_slice(&erasure.workspace.0.to_be_bytes());
            row[4..20].copy_from_slice(&erasure.contact.0);
            row[20..].copy_from_slice(&erasure.person.0);
            transaction
                .open_table(ERASURES)?
                .insert(erasure.seq.0, row)?;
            Ok(())
        })?;
        let mut waiting = write(&self.waiting);
        let others = waiting.all().filter(|other| other.seq != erasure.seq);
        *waiting = Arc::new(PendingErasures::of(others.copied().chain([erasure])));
        drop(waiting);
        lock(&self.since).get_or_insert_with(Instant::now);
        Ok(())
    }

    /// The erasures whose records have not been found yet.
    pub(super) fn waiting(&self) -> Arc<PendingErasures> {
        Arc::clone(&read(&self.waiting))
    }

    /// The records of these erasures are among those that are hidden by their places.
    pub(super) fn found(&self, erasures: &PendingErasures) -> Result<(), LogError> {
        let seqs: Vec<Seq> = erasures.all().map(|erasure| erasure.seq).collect();
        self.change(|transaction| {
            let mut table = transaction.open_table(ERASURES)?;
            for seq in &seqs {
                table.remove(seq.0)?;
            }
            Ok(())
        })?;
        let mut waiting = write(&self.waiting);
        let left = waiting.all().filter(|erasure| !seqs.contains(&erasure.seq));
        *waiting = Arc::new(PendingErasures::of(left.copied()));
        Ok(())
    }

    /// Takes the personal part from those of the records that are to have none.
    pub(super) fn hide_in(&self, records: &mut [Record], keys: &dyn WorkspaceKeys) {
        // In this order: what has been found is in the one before it leaves the other.
        let waiting = self.waiting();
        let pending = read(&self.pending);
        if pending.is_empty() && waiting.is_empty() {
            return;
        }
        for record in records {
            match pending.get(&record.seq) {
                Some(person) => record.entry.redact_for(*person),
                None => {
                    if let Some(left) = waiting.left_in(record.seq, &record.entry, keys) {
                        record.entry.redact_for(Some(left));
                    }
                }
            }
        }
    }

    /// What the journal does not show yet.
    pub(super) fn pending(&self) -> Places {
        read(&self.pending).clone()
    }

    /// Whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        read(&self.pending).is_empty() && read(&self.waiting).is_empty()
    }

    /// Whether they have waited long enough, or are many.
    pub(super) fn are_due(&self, gathering: Duration) -> bool {
        let waited = lock(&self.since).is_some_and(|since| since.elapsed() >= gathering);
        waited || read(&self.pending).len() >= MANY
    }

    /// Something besides records is to go, as a redaction does.
    pub(super) fn remind(&self) {
        lock(&self.since).get_or_insert_with(Instant::now);
    }

    /// The journal shows these now.
    pub(super) fn done(&self, places: &Places) -> Result<(), LogError> {
        if !places.is_empty() {
            self.forget(places)?;
        }
        // In this order: who comes meanwhile waits here, and is seen by the next.
        let mut since = lock(&self.since);
        let is_idle = read(&self.pending).is_empty() && read(&self.waiting).is_empty();
        *since = (!is_idle).then(Instant::now);
        Ok(())
    }

    fn forget(&self, places: &Places) -> Result<(), LogError> {
        self.change(|transaction| {
            let mut pending = transaction.open_table(PENDING)?;
            let mut pending_for = transaction.open_table(PENDING_FOR)?;
            for seq in places.keys() {
                pending.remove(seq.0)?;
                pending_for.remove(seq.0)?;
            }
            Ok(())
        })?;
        write(&self.pending).retain(|seq, _| !places.contains_key(seq));
        Ok(())
    }

    /// Closes the file.
    pub(super) fn close(&self) {
        drop(lock(&self.database).take());
    }

    /// Changes the file, durably, and makes it where there is none; nothing is done in memory.
    fn change(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), LogError> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let mut database = lock(&self.database);
        if database.is_none() {
            let opened = files::database::open_or_create(path, CACHE);
            *database = Some(opened.map_err(|error| storage(&error))?);
            files::sync_folder_of(path).map_err(|error| storage(&error))?;
        }
        let Some(database) = &*database else {
            return Err(LogError::Unavailable);
        };
        let changed = || -> Result<(), redb::Error> {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            change(&transaction)?;
            Ok(transaction.commit()?)
        };
        changed().map_err(|error| storage(&error))
    }
}

fn load(database: &Database) -> Result<(Places, Vec<PendingErasure>), redb::Error> {
    let transaction = database.begin_read()?;
    let mut places = Places::new();
    if let Some(table) = table(&transaction, PENDING)? {
        for row in table.iter()? {
            places.insert(Seq(row?.0.value()), None);
        }
    }
    if let Some(table) = table(&transaction, PENDING_FOR)? {
        for row in table.iter()? {
            let (seq, person) = row?;
            places.insert(Seq(seq.value()), Some(ContactId(person.value())));
        }
    }
    let mut erasures = Vec::new();
    if let Some(table) = table(&transaction, ERASURES)? {
        for row in table.iter()? {
            let (seq, row) = row?;
            erasures.push(erasure(Seq(seq.value()), &row.value()));
        }
    }
    Ok((places, erasures))
}

fn erasure(seq: Seq, row: &[u8; 36]) -> PendingErasure {
    PendingErasure {
        seq,
        workspace: WorkspaceId(u32::from_be_bytes(part(row, 0))),
        contact: ContactId(part(row, 4)),
        person: ContactId(part(row, 20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_erased_twice_stays_the_first_person_in_what_the_first_time_hid() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(REDACTIONS_FILE);
        let person = |byte| Some(ContactId([byte; 16]));
        let redactions = Redactions::open(&path).unwrap();
        redactions
            .add_for(&[(Seq(1), person(1)), (Seq(2), person(1))])
            .unwrap();
        // Nothing has been written anew yet, so that the second time finds all of it again.
        redactions
            .add_for(&[
                (Seq(1), person(2)),
                (Seq(2), person(2)),
                (Seq(3), person(2)),
            ])
            .unwrap();
        let expected = Places::from([
            (Seq(1), person(1)),
            (Seq(2), person(1)),
            (Seq(3), person(2)),
        ]);
        assert_eq!(redactions.pending(), expected);
        redactions.close();
        assert_eq!(Redactions::open(&path).unwrap().pending(), expected);
    }
}
