//! What is done behind the answers: rejections that wait are written together, and those that are too old or too
//! many go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use redb::{Database, ReadableDatabase as _, ReadableTable as _};

use super::tables::{BY_ID, COUNTS, Holder, REJECTED, place, spelling};
use super::waiting::Waiting;
use super::{KEPT_MS, Rejected};
use crate::clock::Clock;
use crate::locks::lock;

/// Rejections kept of one kind of sender in one workspace; the oldest go first.
pub(super) const MAX_KEPT: u64 = 20_000;
/// How long they wait for company.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) struct SharedRejected {
    /// Another one takes its place after an erasure.
    pub(super) database: Mutex<Arc<Database>>,
    pub(super) path: PathBuf,
    pub(super) state: Mutex<State>,
    pub(super) wake: Condvar,
    /// One flush at a time.
    pub(super) flushing: Mutex<()>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) dropped: Box<dyn Fn(u64) + Send + Sync>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) waiting: Waiting,
    /// Tells rejections of one instant apart.
    count: u64,
    pub(super) closing: bool,
    /// The file is to be written anew.
    wants_renewal: bool,
}

impl SharedRejected {
    pub(super) fn run(&self) {
        loop {
            let idle = |state: &mut State| {
                state.waiting.is_empty() && !state.closing && !state.wants_renewal
            };
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
            if std::mem::take(&mut lock(&self.state).wants_renewal)
                && let Err(error) = self.renew()
            {
                tracing::error!(%error, "the file of rejected events holds what was erased in pages that are free; the next erasure writes it anew again");
            }
            if closing {
                return;
            }
        }
    }

    pub(super) fn database(&self) -> Arc<Database> {
        Arc::clone(&lock(&self.database))
    }

    /// Has the file written anew behind the answers.
    pub(super) fn ask_for_renewal(&self) {
        lock(&self.state).wants_renewal = true;
        self.wake.notify_one();
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
