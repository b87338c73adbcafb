//! Rejected but parseable events: kept for 30 days with their reason, so that each has a receipt.
//!
//! Own file and own writer behind the answer: the verdict in the answer is the promise, and a crash
//! may lose the receipts of its last half second. Bounded: per workspace by `MAX_KEPT`, in memory
//! by `MAX_WAITING`; past either, receipts are dropped and counted.
//!
//! The newest are in memory as well, for the live stream: see `recent`.

mod recent;
mod snapshot;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use recent::Recent;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use shared::ids::EventId;

use crate::clock::Clock;
use crate::files;
use crate::locks::lock;
use crate::log::record::{Personal, WorkspaceId};
use crate::metrics::Metrics;

/// The file within the data folder.
pub const FILE: &str = "rejected.redb";

/// Key: [`place`]. Value: JSON of [`Rejected`].
const REJECTED: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rejected_v1");
/// Key: workspace. Value: how many of its rejections are in [`REJECTED`].
const COUNTS: TableDefinition<'_, u32, u64> = TableDefinition::new("rejected_counts_v1");
/// Key: [`id_key`]. Value: the place of its newest rejection.
const BY_ID: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rejected_by_id_v1");

const KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Rejections kept in one workspace; the oldest go first.
const MAX_KEPT: u64 = 20_000;
/// Rejections that wait for the disk, in all workspaces.
const MAX_WAITING: usize = 10_000;
/// And the bytes of their bodies.
const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;
/// How long they wait for company.
const PAUSE: Duration = Duration::from_millis(500);
const CACHE: usize = 8 * 1024 * 1024;

/// A rejected event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    pub workspace: WorkspaceId,
    /// As sent, or as given.
    pub id: String,
    /// Milliseconds since 1970.
    pub received_at: i64,
    pub key_id: String,
    pub name: Option<String>,
    pub code: String,
    pub message: String,
    pub field: Option<String>,
    pub ignored_fields: Vec<String>,
    /// The event as sent, so that it can be mended and sent again.
    pub body: Option<Personal>,
}

impl Rejected {
    /// About how many bytes it takes.
    fn size(&self) -> usize {
        512 + self.body.as_ref().map_or(0, |body| body.0.len())
    }
}

/// The store of rejected events.
pub struct RejectedStore {
    shared: Arc<Shared>,
    /// The newest, for the live stream.
    pub recent: Recent,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    database: Database,
    waiting: Mutex<Waiting>,
    wake: Condvar,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

#[derive(Default)]
struct Waiting {
    /// By [`id_key`].
    rejected: HashMap<Vec<u8>, Arc<Rejected>>,
    /// The sum of their sizes.
    bytes: usize,
    /// Tells rejections of one instant apart.
    count: u64,
    closing: bool,
}

impl RejectedStore {
    /// Opens the store; a file that cannot be read is put aside, since receipts of rejected events
    /// are no reason not to start.
    pub fn open(data: &Path, clock: Arc<dyn Clock>, metrics: Metrics) -> Result<Self, redb::Error> {
        let path = data.join(FILE);
        let database = match open_file(&path) {
            Ok(database) => database,
            Err(redb::Error::DatabaseAlreadyOpen) => return Err(redb::Error::DatabaseAlreadyOpen),
            // There is a file, and it is not for us to move.
            Err(redb::Error::Io(error)) if files::is_operators(&error) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "{FILE} cannot be read: starting a new one beside it");
                std::fs::rename(&path, path.with_extension("unreadable"))?;
                open_file(&path)?
            }
        };
        let waiting = Mutex::new(Waiting::default());
        let shared = Arc::new(Shared {
            database,
            waiting,
            wake: Condvar::new(),
            clock,
            metrics,
        });
        let writer = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("rejected".into())
            .spawn(move || writer.run())?;
        Ok(Self {
            shared,
            recent: Recent::default(),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Keeps a rejection; it can be found at once and is on disk soon.
    pub fn keep(&self, rejected: Rejected) {
        let rejected = Arc::new(rejected);
        self.recent.push(Arc::clone(&rejected));
        let mut waiting = lock(&self.shared.waiting);
        let size = rejected.size();
        if waiting.rejected.len() >= MAX_WAITING || waiting.bytes + size > MAX_WAITING_BYTES {
            self.shared.metrics.dropped_receipts.inc();
            return;
        }
        waiting.bytes += size;
        let key = id_key(rejected.workspace, &rejected.id);
        if let Some(before) = waiting.rejected.insert(key, rejected) {
            waiting.bytes -= before.size();
        }
        self.shared.wake.notify_one();
    }

    /// The newest rejection of an id. Blocks on disk.
    pub fn find(&self, workspace: WorkspaceId, id: &str) -> Result<Option<Rejected>, redb::Error> {
        let key = id_key(workspace, id);
        let waiting = lock(&self.shared.waiting).rejected.get(&key).cloned();
        let rejected = match waiting {
            Some(rejected) => Some(Rejected::clone(&rejected)),
            None => self.shared.read(&key)?,
        };
        let since = self.shared.clock.now().as_millis() - KEPT_MS;
        Ok(rejected.filter(|rejected| rejected.received_at >= since))
    }

    /// Writes what waits and stops the thread.
    pub fn close(&self) {
        lock(&self.shared.waiting).closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            // A panic in it has been reported by the panic itself, and nothing more can be done.
            thread.join().ok();
        }
    }
}

impl Drop for RejectedStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let idle = |waiting: &mut Waiting| waiting.rejected.is_empty() && !waiting.closing;
            drop(
                self.wake
                    .wait_while(lock(&self.waiting), idle)
                    .unwrap_or_else(PoisonError::into_inner),
            );
            // Let them gather: each commit syncs, and the disk is the log's too.
            let open = |waiting: &mut Waiting| !waiting.closing;
            let gathered = self
                .wake
                .wait_timeout_while(lock(&self.waiting), PAUSE, open);
            let closing = gathered.unwrap_or_else(PoisonError::into_inner).0.closing;
            if let Err(error) = self.flush() {
                tracing::error!(%error, "receipts of rejected events could not be written");
            }
            if closing {
                return;
            }
        }
    }

    fn read(&self, key: &[u8]) -> Result<Option<Rejected>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let places = transaction.open_table(BY_ID)?;
        let Some(place) = places.get(key)? else {
            return Ok(None);
        };
        let Some(row) = transaction.open_table(REJECTED)?.get(place.value())? else {
            return Ok(None);
        };
        serde_json::from_slice(row.value())
            .map(Some)
            .map_err(|error| redb::Error::Corrupted(error.to_string()))
    }

    fn flush(&self) -> Result<(), redb::Error> {
        let batch: Vec<Arc<Rejected>> = lock(&self.waiting).rejected.values().cloned().collect();
        if batch.is_empty() {
            return Ok(());
        }
        let written = self.write(&batch);
        let mut waiting = lock(&self.waiting);
        // Also after a failure: they must not fill the memory while the disk is full.
        for rejected in &batch {
            let key = id_key(rejected.workspace, &rejected.id);
            if waiting
                .rejected
                .get(&key)
                .is_some_and(|now| Arc::ptr_eq(now, rejected))
            {
                waiting.rejected.remove(&key);
                waiting.bytes -= rejected.size();
            }
        }
        if written.is_err() {
            self.metrics.dropped_receipts.inc_by(batch.len() as u64);
        }
        written
    }

    fn write(&self, batch: &[Arc<Rejected>]) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(REJECTED)?;
            let mut places = transaction.open_table(BY_ID)?;
            let mut counts = transaction.open_table(COUNTS)?;
            let mut added: BTreeMap<WorkspaceId, u64> = BTreeMap::new();
            for rejected in batch {
                let count = {
                    let mut waiting = lock(&self.waiting);
                    waiting.count += 1;
                    waiting.count
                };
                let place = place(rejected.workspace, rejected.received_at, count);
                let value = serde_json::to_vec(&**rejected)
                    .map_err(|error| redb::Error::Corrupted(error.to_string()))?;
                table.insert(place.as_slice(), value.as_slice())?;
                places.insert(
                    id_key(rejected.workspace, &rejected.id).as_slice(),
                    place.as_slice(),
                )?;
                *added.entry(rejected.workspace).or_default() += 1;
            }
            for (workspace, added) in added {
                let before = counts.get(workspace.0)?.map_or(0, |count| count.value());
                let kept = self.prune(workspace, before + added, &mut table, &mut places)?;
                counts.insert(workspace.0, kept)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Drops what is too old or too much of the `kept` rows of a workspace; returns how many remain.
    fn prune(
        &self,
        workspace: WorkspaceId,
        mut kept: u64,
        table: &mut redb::Table<'_, &[u8], &[u8]>,
        places: &mut redb::Table<'_, &[u8], &[u8]>,
    ) -> Result<u64, redb::Error> {
        let first = place(workspace, 0, 0);
        let old = place(workspace, self.clock.now().as_millis() - KEPT_MS, 0);
        let end = place(WorkspaceId(workspace.0 + 1), 0, 0);
        let mut doomed = Vec::new();
        for row in table.range(first.as_slice()..end.as_slice())? {
            let (place, value) = row?;
            if place.value() >= old.as_slice() && kept <= MAX_KEPT {
                break;
            }
            kept = kept.saturating_sub(1);
            doomed.push((place.value().to_vec(), value.value().to_vec()));
        }
        for (place, value) in doomed {
            table.remove(place.as_slice())?;
            let Ok(rejected) = serde_json::from_slice::<Rejected>(&value) else {
                continue;
            };
            let id = id_key(workspace, &rejected.id);
            let is_newest = places
                .get(id.as_slice())?
                .is_some_and(|newest| newest.value() == place);
            if is_newest {
                places.remove(id.as_slice())?;
            }
        }
        Ok(kept)
    }
}

fn open_file(path: &Path) -> Result<Database, redb::Error> {
    let open = || -> Result<Database, redb::Error> {
        let database = files::database::open_or_create(path, CACHE)?;
        let transaction = database.begin_write()?;
        transaction.open_table(REJECTED)?;
        transaction.open_table(BY_ID)?;
        transaction.open_table(COUNTS)?;
        transaction.commit()?;
        Ok(database)
    };
    std::panic::catch_unwind(open).unwrap_or_else(|_| {
        Err(redb::Error::Corrupted(
            "redb could not make sense of it".into(),
        ))
    })
}

/// Workspace, arrival, count (each big-endian): so that byte order is the order of arrival.
fn place(workspace: WorkspaceId, received_at: i64, count: u64) -> Vec<u8> {
    let mut place = workspace.0.to_be_bytes().to_vec();
    place.extend_from_slice(&received_at.max(0).cast_unsigned().to_be_bytes());
    place.extend_from_slice(&count.to_be_bytes());
    place
}

/// Workspace (u32, big-endian), then the id: a UUID in its one canonical spelling, so that it is
/// found in every other one, as in the log; anything else as sent.
fn id_key(workspace: WorkspaceId, id: &str) -> Vec<u8> {
    let mut key = workspace.0.to_be_bytes().to_vec();
    match EventId::parse(id) {
        Ok(id) => key.extend_from_slice(&id.to_ascii()),
        Err(_) => key.extend_from_slice(id.as_bytes()),
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;
    use shared::time::Timestamp;

    fn rejected(id: &str, received_at: i64) -> Rejected {
        Rejected {
            workspace: WorkspaceId(1),
            id: id.into(),
            received_at,
            key_id: "key_1".into(),
            name: Some("viewed".into()),
            code: "invalid_email".into(),
            message: "send an address".into(),
            field: Some("email".into()),
            ignored_fields: Vec::new(),
            body: Some(Personal("{}".into())),
        }
    }

    #[test]
    fn a_rejection_is_found_at_once_and_after_a_restart_and_not_after_30_days() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(KEPT_MS * 2)));
        let now = clock.now().as_millis();
        let open = || {
            RejectedStore::open(folder.path(), Arc::clone(&clock) as _, Metrics::default()).unwrap()
        };
        let store = open();
        store.keep(rejected("a", now));
        assert_eq!(
            store.find(WorkspaceId(1), "a").unwrap(),
            Some(rejected("a", now))
        );
        assert_eq!(store.find(WorkspaceId(2), "a").unwrap(), None);
        drop(store);
        let store = open();
        assert_eq!(
            store.find(WorkspaceId(1), "a").unwrap(),
            Some(rejected("a", now))
        );
        clock.advance_millis(KEPT_MS);
        assert_eq!(
            store.find(WorkspaceId(1), "a").unwrap(),
            Some(rejected("a", now))
        );
        clock.advance_millis(1);
        assert_eq!(store.find(WorkspaceId(1), "a").unwrap(), None);
        store.keep(rejected("b", clock.now().as_millis()));
        drop(store);
        let store = open();
        let transaction = store.shared.database.begin_read().unwrap();
        assert_eq!(
            transaction
                .open_table(REJECTED)
                .unwrap()
                .iter()
                .unwrap()
                .count(),
            1
        );
    }

    #[test]
    fn the_newest_rejection_of_an_id_is_told_and_an_unreadable_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join(FILE),
            b"no redb file, but longer than nothing",
        )
        .unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(KEPT_MS * 2)));
        let open = || {
            RejectedStore::open(folder.path(), Arc::clone(&clock) as _, Metrics::default()).unwrap()
        };
        for at in [1, 2, 3] {
            let store = open();
            store.keep(rejected("a", clock.now().as_millis() + at));
        }
        let found = open().find(WorkspaceId(1), "a").unwrap().unwrap();
        assert_eq!(found.received_at, clock.now().as_millis() + 3);
    }

    #[test]
    fn a_workspace_keeps_its_newest_rejections_and_memory_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(KEPT_MS * 2)));
        let now = clock.now().as_millis();
        let metrics = Metrics::default();
        let open = || {
            RejectedStore::open(folder.path(), Arc::clone(&clock) as _, metrics.clone()).unwrap()
        };
        let kept = i64::try_from(MAX_KEPT).unwrap();
        let waiting = i64::try_from(MAX_WAITING).unwrap();
        // Closing writes what waits, so that none is dropped here.
        for start in (0..kept + waiting).step_by(MAX_WAITING) {
            let store = open();
            for number in start..start + waiting {
                store.keep(rejected(&number.to_string(), now + number));
            }
        }
        assert_eq!(metrics.dropped_receipts.get(), 0);
        let store = open();
        assert_eq!(store.find(WorkspaceId(1), "9999").unwrap(), None);
        assert!(store.find(WorkspaceId(1), "10000").unwrap().is_some());
        let large = Rejected {
            body: Some(Personal("x".repeat(32 * 1024))),
            ..rejected("large", now)
        };
        for number in 0..MAX_WAITING {
            store.keep(Rejected {
                id: format!("large{number}"),
                ..large.clone()
            });
        }
        assert!(metrics.dropped_receipts.get() > 0);
    }
}
