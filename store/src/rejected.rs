//! Rejected but parseable events: kept for 30 days with their reason, so that each has a receipt.
//!
//! Own file and own writer behind the answer: the verdict in the answer is the promise, and a crash
//! may lose the receipts of its last half second. Bounded: per workspace and kind of sender by
//! `behind::MAX_KEPT`, in memory by `waiting::MAX_WAITING`; past either, receipts are dropped and counted, first those
//! of whoever has most, so that neither a page's flood nor another workspace's displaces any.
//!
//! - `tables`: the file; `behind`: what is written into it, and what goes
//! - `erased`: without those about somebody
//! - `list`: the newest of a workspace, page by page
//! - `waiting`: what is not on disk yet
//! - `old`: files of older versions
//! - `recent`: the newest in memory, for the live stream

mod behind;
mod erased;
mod list;
mod old;
mod recent;
mod snapshot;
mod tables;
mod waiting;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

pub use list::{Listed, RejectedCursor};
pub use old::senders;
pub use recent::Recent;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::files;
use crate::locks::lock;
use crate::record::identity::Sender;
use crate::record::{Personal, WorkspaceId};
use behind::{SharedRejected, State};
use tables::{ABOUT, Holder, open_file, spelling};

/// The file within the data folder.
pub const FILE: &str = "rejected.redb";

/// How long a rejection is kept.
const KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;

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

/// The store of rejected events.
pub struct RejectedStore {
    shared: Arc<SharedRejected>,
    /// The newest, for the live stream.
    pub recent: Recent,
    thread: Mutex<Option<JoinHandle<()>>>,
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
        let state = State::new(crate::snapshot::is_stale(&database, ABOUT)?);
        let shared = Arc::new(SharedRejected {
            database: Mutex::new(Arc::new(database)),
            path,
            state: Mutex::new(state),
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

#[cfg(test)]
mod tests;
