//! Rejected but parseable events: kept for 30 days with their reason, so that each has a receipt.
//!
//! Own file and own writer behind the answer: the verdict in the answer is the promise, and a crash
//! may lose the receipts of its last half second. Bounded: per workspace and kind of sender by
//! `MAX_KEPT`, in memory by `MAX_WAITING`; past either, receipts are dropped and counted, first those
//! of whoever has most, so that neither a page's flood nor another workspace's displaces any.
//!
//! - `erased`: without those about somebody
//! - `list`: the newest of a workspace, page by page
//! - `waiting`: what is not on disk yet
//! - `old`: files of older versions
//! - `recent`: the newest in memory, for the live stream

mod erased;
mod list;
mod old;
mod recent;
mod snapshot;
mod waiting;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use list::{Listed, Place};
pub use old::senders;
pub use recent::Recent;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use shared::ids::EventId;

use crate::clock::Clock;
use crate::files;
use crate::locks::lock;
use crate::record::identity::Sender;
use crate::record::{Personal, WorkspaceId};
use waiting::Waiting;

/// The file within the data folder.
pub const FILE: &str = "rejected.redb";

/// Key: [`place`]. Value: JSON of [`Rejected`].
const REJECTED: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rejected_v2");
/// Key: [`Holder::prefix`]. Value: how many of its rejections are in [`REJECTED`].
const COUNTS: TableDefinition<'_, &[u8], u64> = TableDefinition::new("rejected_counts_v2");
/// Key: the holder, then [`spelling`]. Value: the place of its newest rejection.
const BY_ID: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rejected_by_id_v2");

const KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Rejections kept of one kind of sender in one workspace; the oldest go first.
const MAX_KEPT: u64 = 20_000;
/// How long they wait for company.
const PAUSE: Duration = Duration::from_millis(500);
const CACHE: usize = 8 * 1024 * 1024;

/// A rejected event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    pub workspace: WorkspaceId,
    pub sender: Sender,
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

    fn holder(&self) -> Holder {
        Holder {
            workspace: self.workspace,
            sender: self.sender,
        }
    }
}

/// Whose rejections are counted, bounded and found together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Holder {
    workspace: WorkspaceId,
    sender: Sender,
}

impl Holder {
    /// Workspace (u32, big-endian), sender ([`Sender::code`]): what the keys of its rows begin with.
    fn prefix(self) -> [u8; 5] {
        let [a, b, c, d] = self.workspace.0.to_be_bytes();
        [a, b, c, d, self.sender.code()]
    }

    fn key(self, rest: &[u8]) -> Vec<u8> {
        [&self.prefix(), rest].concat()
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
    state: Mutex<State>,
    wake: Condvar,
    /// One flush at a time.
    flushing: Mutex<()>,
    clock: Arc<dyn Clock>,
    dropped: Box<dyn Fn(u64) + Send + Sync>,
}

#[derive(Default)]
struct State {
    waiting: Waiting,
    /// Tells rejections of one instant apart.
    count: u64,
    closing: bool,
}

impl RejectedStore {
    /// Opens the store; a file that cannot be read is put aside, since receipts of rejected events
    /// are no reason not to start. `sender_of` tells by the id of a key who used it, for the rows of
    /// older versions. `dropped` is told how many were lost before they were on disk.
    pub fn open(
        data: &Path,
        sender_of: &dyn Fn(&str) -> Sender,
        clock: Arc<dyn Clock>,
        dropped: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<Self, redb::Error> {
        let path = data.join(FILE);
        let database = match open_file(&path, sender_of) {
            Ok(database) => database,
            Err(redb::Error::DatabaseAlreadyOpen) => return Err(redb::Error::DatabaseAlreadyOpen),
            // There is a file, and it is not for us to move.
            Err(redb::Error::Io(error)) if files::is_operators(&error) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "{FILE} cannot be read: starting a new one beside it");
                std::fs::rename(&path, path.with_extension("unreadable"))?;
                open_file(&path, sender_of)?
            }
        };
        let shared = Arc::new(Shared {
            database,
            state: Mutex::default(),
            wake: Condvar::new(),
            flushing: Mutex::default(),
            clock,
            dropped: Box::new(dropped),
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
        let spelling = spelling(&rejected.id);
        let dropped = lock(&self.shared.state).waiting.put(spelling, rejected);
        if dropped > 0 {
            (self.shared.dropped)(dropped);
        }
        self.shared.wake.notify_one();
    }

    /// The newest rejection of an id that this kind of sender chose. Blocks on disk.
    pub fn find(
        &self,
        workspace: WorkspaceId,
        sender: Sender,
        id: &str,
    ) -> Result<Option<Rejected>, redb::Error> {
        let holder = Holder { workspace, sender };
        let spelling = spelling(id);
        let waiting = lock(&self.shared.state)
            .waiting
            .get(holder, &spelling)
            .cloned();
        let rejected = match waiting {
            Some(rejected) => Some(Rejected::clone(&rejected)),
            None => self.shared.read(&holder.key(&spelling))?,
        };
        let since = self.shared.clock.now().as_millis() - KEPT_MS;
        Ok(rejected.filter(|rejected| rejected.received_at >= since))
    }

    /// Writes what waits and stops the thread.
    pub fn close(&self) {
        lock(&self.shared.state).closing = true;
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
            let idle = |state: &mut State| state.waiting.is_empty() && !state.closing;
            drop(
                self.wake
                    .wait_while(lock(&self.state), idle)
                    .unwrap_or_else(PoisonError::into_inner),
            );
            // Let them gather: each commit syncs, and the disk is the log's too.
            let open = |state: &mut State| !state.closing;
            let gathered = self.wake.wait_timeout_while(lock(&self.state), PAUSE, open);
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
        let _one = lock(&self.flushing);
        let batch = lock(&self.state).waiting.all();
        if batch.is_empty() {
            return Ok(());
        }
        let written = self.write(&batch);
        let mut state = lock(&self.state);
        // Also after a failure: they must not fill the memory while the disk is full.
        for rejected in &batch {
            state.waiting.remove(&spelling(&rejected.id), rejected);
        }
        if written.is_err() {
            (self.dropped)(batch.len() as u64);
        }
        written
    }

    fn write(&self, batch: &[Arc<Rejected>]) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(REJECTED)?;
            let mut places = transaction.open_table(BY_ID)?;
            let mut counts = transaction.open_table(COUNTS)?;
            let mut added: BTreeMap<Holder, u64> = BTreeMap::new();
            for rejected in batch {
                let count = {
                    let mut state = lock(&self.state);
                    state.count += 1;
                    state.count
                };
                let holder = rejected.holder();
                let place = place(holder, rejected.received_at, count);
                let value = serde_json::to_vec(&**rejected)
                    .map_err(|error| redb::Error::Corrupted(error.to_string()))?;
                table.insert(place.as_slice(), value.as_slice())?;
                let id = holder.key(&spelling(&rejected.id));
                places.insert(id.as_slice(), place.as_slice())?;
                *added.entry(holder).or_default() += 1;
            }
            for (holder, added) in added {
                let before = counts.get(holder.prefix().as_slice())?;
                let before = before.map_or(0, |count| count.value());
                let kept = self.prune(holder, before + added, &mut table, &mut places)?;
                counts.insert(holder.prefix().as_slice(), kept)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Drops what is too old or too much of the `kept` rows of a holder; returns how many remain.
    fn prune(
        &self,
        holder: Holder,
        mut kept: u64,
        table: &mut redb::Table<'_, &[u8], &[u8]>,
        places: &mut redb::Table<'_, &[u8], &[u8]>,
    ) -> Result<u64, redb::Error> {
        let first = place(holder, 0, 0);
        let old = place(holder, self.clock.now().as_millis() - KEPT_MS, 0);
        let last = place(holder, i64::MAX, u64::MAX);
        let mut doomed = Vec::new();
        for row in table.range(first.as_slice()..=last.as_slice())? {
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
            let id = holder.key(&spelling(&rejected.id));
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

fn open_file(path: &Path, sender_of: &dyn Fn(&str) -> Sender) -> Result<Database, redb::Error> {
    let open = || -> Result<Database, redb::Error> {
        let database = files::database::open_or_create(path, CACHE)?;
        let transaction = database.begin_write()?;
        transaction.open_table(REJECTED)?;
        transaction.open_table(BY_ID)?;
        transaction.open_table(COUNTS)?;
        transaction.commit()?;
        old::take_over(&database, sender_of)?;
        Ok(database)
    };
    std::panic::catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| {
        Err(redb::Error::Corrupted(
            "redb could not make sense of it".into(),
        ))
    })
}

/// The holder, then arrival and count (each big-endian): so that byte order is the order of arrival.
fn place(holder: Holder, received_at: i64, count: u64) -> Vec<u8> {
    let mut place = holder.prefix().to_vec();
    place.extend_from_slice(&received_at.max(0).cast_unsigned().to_be_bytes());
    place.extend_from_slice(&count.to_be_bytes());
    place
}

/// How an id is looked up: a UUID in its one canonical spelling, so that it is found in every other
/// one, as in the log; anything else as sent.
fn spelling(id: &str) -> Vec<u8> {
    match EventId::parse(id) {
        Ok(id) => id.to_ascii().to_vec(),
        Err(_) => id.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::clock::FixedClock;
    use shared::time::Timestamp;
    use waiting::MAX_WAITING;

    /// Opens a store whose older rows were sent by keys named `page` and others.
    pub(super) fn open(data: &Path, clock: &Arc<FixedClock>) -> RejectedStore {
        open_counting(data, clock, &Arc::default())
    }

    fn open_counting(
        data: &Path,
        clock: &Arc<FixedClock>,
        dropped: &Arc<AtomicU64>,
    ) -> RejectedStore {
        let dropped = Arc::clone(dropped);
        let count = move |more| {
            dropped.fetch_add(more, Ordering::Relaxed);
        };
        let sender_of = |key_id: &str| match key_id {
            "page" => Sender::Page,
            _ => Sender::Server,
        };
        RejectedStore::open(data, &sender_of, Arc::clone(clock) as _, count).unwrap()
    }

    pub(super) fn rejected(id: &str, received_at: i64) -> Rejected {
        Rejected {
            workspace: WorkspaceId(1),
            sender: Sender::Server,
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
        let open = || open(folder.path(), &clock);
        let store = open();
        store.keep(rejected("a", now));
        assert_eq!(
            store.find(WorkspaceId(1), Sender::Server, "a").unwrap(),
            Some(rejected("a", now))
        );
        assert_eq!(
            store.find(WorkspaceId(2), Sender::Server, "a").unwrap(),
            None
        );
        drop(store);
        let store = open();
        assert_eq!(
            store.find(WorkspaceId(1), Sender::Server, "a").unwrap(),
            Some(rejected("a", now))
        );
        clock.advance_millis(KEPT_MS);
        assert_eq!(
            store.find(WorkspaceId(1), Sender::Server, "a").unwrap(),
            Some(rejected("a", now))
        );
        clock.advance_millis(1);
        assert_eq!(
            store.find(WorkspaceId(1), Sender::Server, "a").unwrap(),
            None
        );
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
        let open = || open(folder.path(), &clock);
        for at in [1, 2, 3] {
            let store = open();
            store.keep(rejected("a", clock.now().as_millis() + at));
        }
        let found = open()
            .find(WorkspaceId(1), Sender::Server, "a")
            .unwrap()
            .unwrap();
        assert_eq!(found.received_at, clock.now().as_millis() + 3);
    }

    #[test]
    fn a_workspace_keeps_its_newest_rejections_and_memory_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(KEPT_MS * 2)));
        let now = clock.now().as_millis();
        let dropped = Arc::new(AtomicU64::new(0));
        let open = || open_counting(folder.path(), &clock, &dropped);
        let kept = i64::try_from(MAX_KEPT).unwrap();
        let waiting = i64::try_from(MAX_WAITING).unwrap();
        // Closing writes what waits, so that none is dropped here.
        for start in (0..kept + waiting).step_by(MAX_WAITING) {
            let store = open();
            for number in start..start + waiting {
                store.keep(rejected(&number.to_string(), now + number));
            }
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 0);
        let store = open();
        assert_eq!(
            store.find(WorkspaceId(1), Sender::Server, "9999").unwrap(),
            None
        );
        assert!(
            store
                .find(WorkspaceId(1), Sender::Server, "10000")
                .unwrap()
                .is_some()
        );
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
        assert!(dropped.load(Ordering::Relaxed) > 0);
    }

    /// Of two workspaces, one's pages flood; its own server and the other workspace keep every
    /// receipt, in memory and on disk.
    #[test]
    fn nobody_displaces_the_rejections_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(KEPT_MS * 2)));
        let now = clock.now().as_millis();
        let of = |workspace, sender, id: &str| Rejected {
            workspace: WorkspaceId(workspace),
            sender,
            ..rejected(id, now)
        };
        let store = open(folder.path(), &clock);
        store.keep(of(1, Sender::Server, "a"));
        store.keep(of(2, Sender::Page, "a"));
        drop(store);
        let rounds = usize::try_from(MAX_KEPT).unwrap() / MAX_WAITING + 1;
        for round in 0..rounds {
            let store = open(folder.path(), &clock);
            for number in 0..MAX_WAITING {
                store.keep(of(1, Sender::Page, &format!("{round}-{number}")));
            }
            store.keep(of(1, Sender::Server, &format!("b{round}")));
        }
        let store = open(folder.path(), &clock);
        let found = |workspace, sender, id: &str| {
            let found = store.find(WorkspaceId(workspace), sender, id).unwrap();
            found.is_some()
        };
        assert!(!found(1, Sender::Page, "0-0"));
        assert!(found(1, Sender::Server, "a") && found(2, Sender::Page, "a"));
        for round in 0..rounds {
            assert!(found(1, Sender::Server, &format!("b{round}")));
        }
        // Nor does anybody's take over the receipt of another's id.
        assert!(!found(1, Sender::Page, "a") && !found(2, Sender::Server, "a"));
    }
}
