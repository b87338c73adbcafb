//! Which ids are in the log, and where. The newest are in memory; a thread behind the writer puts them
//! into runs on disk (`ids/`), which it merges so that they stay few. Nothing of it is on the
//! acknowledging path, and all of it can be made anew from the journal: it holds hashes and places, and
//! whatever it finds is compared with the record's own id.

mod run;
mod runs;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use twox_hash::XxHash3_64;

use super::{DEDUPE_WINDOW_MS, LogError};
use crate::clock::Clock;
use crate::locks::{lock, read, write};
use crate::record::Seq;
use crate::record::identity::{FactKind, IdKey, Seen};
use runs::Runs;

/// The folder of the index within the data folder.
pub(crate) const IDS_FOLDER: &str = "ids";
/// Ids in memory before they become a run, some 70 bytes each; a restart reads as many again. A run
/// costs two syncs on the disk that commits go to.
pub(crate) const RUN_IDS: usize = 262_144;
/// A start makes larger runs, since it may read the whole log.
const START_RUNS: usize = 4;
/// With more in memory, the disk is too slow or full: appending is refused until they are written.
const MAX_RECENT: usize = 2_000_000;
/// What could not be written is tried again after this time; filters go when their window is over.
const PAUSE: Duration = Duration::from_secs(5);

/// Tells the type of the record at a place where that has the id that is looked for; `None` where it is another
/// one, or gone.
pub(crate) type Look<'a> = dyn Fn(Seq, &IdKey) -> Result<Option<FactKind>, LogError> + 'a;

/// The ids of the log.
pub(crate) struct Ids {
    shared: Arc<SharedIds>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct SharedIds {
    recent: RwLock<Recent>,
    /// `None` where all are in memory for good.
    runs: Option<Runs>,
    run_ids: usize,
    clock: Arc<dyn Clock>,
    /// Below it, records have been dropped.
    floor: Mutex<Seq>,
    /// Held by whoever writes runs.
    writing: Mutex<()>,
    closing: Mutex<bool>,
    wake: Condvar,
}

/// What is in no run yet.
#[derive(Default)]
struct Recent {
    /// Behind the last run, and behind those that are being written.
    ids: HashMap<IdKey, Seen>,
    last_received: i64,
    /// What is being written, and is in its run before it leaves here.
    leaving: Arc<HashMap<IdKey, Seen>>,
    /// The last record that was taken in.
    upto: Seq,
}

fn storage(error: &io::Error) -> LogError {
    LogError::storage("using the index of ids", error)
}

impl Ids {
    /// All in memory, from this place on.
    pub(crate) fn in_memory(after: Seq, clock: Arc<dyn Clock>) -> Self {
        Self::new(None, after, RUN_IDS, clock)
    }

    /// Opens the index of a log that begins at `floor` and ends at `end`. What it does not cover is to
    /// be learnt from the log, behind [`Self::reached`].
    pub(crate) fn open(
        folder: &Path,
        floor: Seq,
        end: Seq,
        run_ids: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LogError> {
        let runs =
            Runs::open(folder, floor, end, run_ids as u64).map_err(|error| storage(&error))?;
        let after = runs.last().unwrap_or(Seq(floor.0.saturating_sub(1)));
        let ids = Self::new(Some(runs), after, run_ids, clock);
        *lock(&ids.shared.floor) = floor;
        ids.shared.keep_filters().map_err(|error| storage(&error))?;
        Ok(ids)
    }

    fn new(runs: Option<Runs>, after: Seq, run_ids: usize, clock: Arc<dyn Clock>) -> Self {
        let recent = Recent {
            upto: after,
            ..Recent::default()
        };
        Self {
            shared: Arc::new(SharedIds {
                recent: RwLock::new(recent),
                runs,
                run_ids: run_ids.max(1),
                clock,
                floor: Mutex::new(Seq::START.next()),
                writing: Mutex::new(()),
                closing: Mutex::new(false),
                wake: Condvar::new(),
            }),
            thread: Mutex::new(None),
        }
    }

    /// Starts writing behind; before, [`Self::learn`] only collects.
    pub(crate) fn start(&self) -> Result<(), LogError> {
        if self.shared.runs.is_none() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name("ids".into())
            .spawn(move || shared.run())
            .map_err(|error| storage(&error))?;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    /// The last record whose id is known.
    pub(crate) fn reached(&self) -> Seq {
        read(&self.shared.recent).upto
    }

    /// Takes in what was committed up to `upto`; received is the latest arrival, in milliseconds.
    pub(crate) fn learn(
        &self,
        ids: impl IntoIterator<Item = (IdKey, Seen)>,
        upto: Seq,
        last_received: i64,
    ) {
        let mut recent = write(&self.shared.recent);
        recent.ids.extend(ids);
        recent.upto = upto;
        recent.last_received = recent.last_received.max(last_received);
        if recent.ids.len() >= self.shared.run_ids {
            self.shared.wake.notify_one();
        }
    }

    /// While the log is read at start: writes what has been collected once it is much.
    pub(crate) fn relieve(&self) -> Result<(), LogError> {
        if read(&self.shared.recent).ids.len() >= self.shared.run_ids * START_RUNS {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what is in memory into a run, now, and merges what is due.
    pub(crate) fn flush(&self) -> Result<(), LogError> {
        self.shared.flush().map_err(|error| storage(&error))
    }

    /// True while too much is in memory to take more.
    pub(crate) fn is_behind(&self) -> bool {
        self.shared.runs.is_some() && read(&self.shared.recent).ids.len() >= MAX_RECENT
    }

    /// What is known of an id that arrived within the window for duplicates. One that arrived before
    /// may be found too.
    pub(crate) fn within_window(
        &self,
        key: &IdKey,
        look: &Look<'_>,
    ) -> Result<Option<Seen>, LogError> {
        self.seen(key, self.shared.since(), look)
    }

    /// What is known of an id, at any age; the newest where it came back.
    pub(crate) fn find(&self, key: &IdKey, look: &Look<'_>) -> Result<Option<Seen>, LogError> {
        self.seen(key, i64::MIN, look)
    }

    fn seen(&self, key: &IdKey, since: i64, look: &Look<'_>) -> Result<Option<Seen>, LogError> {
        {
            let recent = read(&self.shared.recent);
            let seen = recent.ids.get(key).or_else(|| recent.leaving.get(key));
            if let Some(seen) = seen {
                return Ok(Some(*seen));
            }
        }
        // What has left memory is in a run by now.
        let Some(runs) = &self.shared.runs else {
            return Ok(None);
        };
        let hash = hash_of(key, runs.seed());
        let mut places = Vec::new();
        for run in runs.newest_first() {
            if run.head.last_received < since || !run.may_hold(hash) {
                continue;
            }
            places.clear();
            run.find(hash, &mut places)
                .map_err(|error| storage(&error))?;
            for seq in places.iter().rev() {
                if let Some(kind) = look(*seq, key)? {
                    return Ok(Some(Seen { seq: *seq, kind }));
                }
            }
        }
        Ok(None)
    }

    /// Forgets what lies below this place, where records have been dropped.
    pub(crate) fn drop_below(&self, floor: Seq) {
        *lock(&self.shared.floor) = floor;
        let mut recent = write(&self.shared.recent);
        recent.ids.retain(|_, seen| seen.seq >= floor);
        self.shared.wake.notify_one();
    }

    /// Ids in runs, and the bytes that those take on disk.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        self.shared.runs.as_ref().map_or((0, 0), Runs::sizes)
    }

    /// Stops the thread. What is in memory is read from the journal at the next start.
    pub(crate) fn close(&self) {
        *lock(&self.shared.closing) = true;
        self.shared.wake.notify_one();
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!(
                "the thread of the index of ids has died; the index is completed at the next start"
            );
        }
    }
}

impl SharedIds {
    fn run(&self) {
        loop {
            {
                let closing = lock(&self.closing);
                let idle =
                    |closing: &mut bool| !*closing && read(&self.recent).ids.len() < self.run_ids;
                let (closing, _) = self
                    .wake
                    .wait_timeout_while(closing, PAUSE, idle)
                    .unwrap_or_else(PoisonError::into_inner);
                if *closing {
                    return;
                }
            }
            let due = read(&self.recent).ids.len() >= self.run_ids;
            let done = if due { self.flush() } else { self.tidy() };
            if let Err(error) = done {
                tracing::error!(%error, "the index of ids could not be written; it is tried again");
                let closing = |closing: &mut bool| !*closing;
                let waited = self
                    .wake
                    .wait_timeout_while(lock(&self.closing), PAUSE, closing);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    fn flush(&self) -> io::Result<()> {
        let Some(runs) = &self.runs else {
            return Ok(());
        };
        let _writing = lock(&self.writing);
        let (leaving, upto, last_received) = {
            let mut recent = write(&self.recent);
            // What could not be written the last time goes with it.
            let mut leaving = std::mem::take(&mut recent.leaving);
            let ids = std::mem::take(&mut recent.ids);
            if leaving.is_empty() {
                leaving = Arc::new(ids);
            } else {
                Arc::make_mut(&mut leaving).extend(ids);
            }
            recent.leaving = Arc::clone(&leaving);
            (leaving, recent.upto, recent.last_received)
        };
        let first = match runs.last() {
            Some(last) => last.next(),
            None => *lock(&self.floor),
        };
        if !leaving.is_empty() && upto >= first {
            let places = leaving
                .iter()
                .map(|(key, seen)| (hash_of(key, runs.seed()), seen.seq))
                .collect();
            runs.add(places, first, upto, last_received)?;
        }
        write(&self.recent).leaving = Arc::default();
        self.merge()
    }

    fn tidy(&self) -> io::Result<()> {
        let _writing = lock(&self.writing);
        self.merge()
    }

    fn merge(&self) -> io::Result<()> {
        if let Some(runs) = &self.runs {
            runs.merge(self.since(), *lock(&self.floor))?;
        }
        self.keep_filters()
    }

    fn keep_filters(&self) -> io::Result<()> {
        match &self.runs {
            Some(runs) => runs.keep_filters(self.since()),
            None => Ok(()),
        }
    }

    /// Ids that arrived before this (milliseconds) may be tracked again.
    fn since(&self) -> i64 {
        self.clock.now().as_millis() - DEDUPE_WINDOW_MS
    }
}

/// 48 bits of a keyed hash.
fn hash_of(key: &IdKey, seed: u64) -> u64 {
    let mut bytes = [0; 21];
    bytes[..4].copy_from_slice(&key.workspace.0.to_be_bytes());
    bytes[4] = key.sender.code();
    bytes[5..].copy_from_slice(key.id.as_bytes());
    XxHash3_64::oneshot_with_seed(seed, &bytes) >> 16
}

#[cfg(test)]
mod tests;
