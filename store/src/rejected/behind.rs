//! What is done behind the answers: rejections that wait are written together, and those that are too old or too
//! many go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase as _, ReadableTable as _};

use super::tables::{ABOUT, BY_ID, COUNTS, Holder, REJECTED, place, spelling};
use super::waiting::Waiting;
use super::{KEPT_MS, Rejected};
use crate::clock::Clock;
use crate::locks::lock;
use crate::snapshot;

/// Rejections kept of one kind of sender in one workspace; the oldest go first.
pub(super) const MAX_KEPT: u64 = 20_000;
/// How long they wait for company.
const PAUSE: Duration = Duration::from_millis(500);
/// From one time that the file is written anew to the next: those who are erased meanwhile wait for each other.
const RENEWAL_PAUSE: Duration = Duration::from_secs(60);

pub(super) struct SharedRejected {
    /// Another one takes its place after an erasure.
    pub(super) database: Mutex<Arc<Database>>,
    pub(super) path: PathBuf,
    pub(super) state: Mutex<State>,
    pub(super) wake: Condvar,
    /// One write at a time. It counts them.
    pub(super) flushing: Mutex<u64>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) dropped: Box<dyn Fn(u64) + Send + Sync>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) waiting: Waiting,
    /// Tells rejections of one instant apart.
    count: u64,
    pub(super) closing: bool,
    /// The file is to be written anew; it says so itself.
    pub(super) wants_renewal: bool,
    /// When that was last tried.
    pub(super) renewed_at: Option<Instant>,
}

impl State {
    pub(super) fn new(wants_renewal: bool) -> Self {
        Self {
            wants_renewal,
            ..Self::default()
        }
    }

    /// How long until the file is to be written anew; `None` where it is not.
    fn renewal_in(&self) -> Option<Duration> {
        let waited = self.renewed_at.map(|at| at.elapsed());
        let left = waited.map_or(Duration::ZERO, |waited| {
            RENEWAL_PAUSE.saturating_sub(waited)
        });
        self.wants_renewal.then_some(left)
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.closing
    }
}

impl SharedRejected {
    pub(super) fn run(&self) {
        loop {
            self.wait_for_work();
            // Let them gather: each commit syncs, and the disk is the log's too.
            let open = |state: &mut State| !state.closing;
            let gathered = self.wake.wait_timeout_while(lock(&self.state), PAUSE, open);
            let closing = gathered.unwrap_or_else(PoisonError::into_inner).0.closing;
            if let Err(error) = self.flush() {
                tracing::error!(%error, "receipts of rejected events could not be written");
            }
            let renewal_in = lock(&self.state).renewal_in();
            if renewal_in.is_some_and(|left| left.is_zero() || closing)
                && let Err(error) = self.renew()
            {
                tracing::error!(%error, "the file of rejected events holds what was erased in pages that are free; it is tried again");
            }
            if closing {
                return;
            }
        }
    }

    fn wait_for_work(&self) {
        let mut state = lock(&self.state);
        while state.is_idle() {
            state = match state.renewal_in() {
                Some(left) if left.is_zero() => return,
                Some(left) => {
                    let waited = self.wake.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    pub(super) fn database(&self) -> Arc<Database> {
        Arc::clone(&lock(&self.database))
    }

    /// Has the file written anew behind the answers, also where a crash comes before that.
    pub(super) fn ask_for_renewal(&self) -> Result<(), redb::Error> {
        {
            let mut writes = lock(&self.flushing);
            let database = self.database();
            if !snapshot::is_stale(&database, ABOUT)? {
                *writes += 1;
                let transaction = database.begin_write()?;
                snapshot::set_stale(&transaction, ABOUT)?;
                transaction.commit()?;
            }
        }
        lock(&self.state).wants_renewal = true;
        self.wake.notify_one();
        Ok(())
    }

    pub(super) fn read(&self, key: &[u8]) -> Result<Option<Rejected>, redb::Error> {
        let database = self.database();
        let transaction = database.begin_read()?;
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

    pub(super) fn flush(&self) -> Result<(), redb::Error> {
        let mut writes = lock(&self.flushing);
        let batch = lock(&self.state).waiting.all();
        if batch.is_empty() {
            return Ok(());
        }
        *writes += 1;
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
        let database = self.database();
        let transaction = database.begin_write()?;
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
