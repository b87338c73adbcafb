//! What must outlive every rebuild: workspaces with their secrets, API keys, and how far the log
//! had got. Not events, and nothing that is derived from them.
//!
//! Everything is in memory as well, so that telling who calls never touches the disk; the file is
//! read once, at start. What is written there is durable before it counts.
//!
//! - `file`: its tables, and what is read of them
//! - `workspace`: tenants
//! - `keys`: API keys; `key`: one of them, `key_change` what may change about it
//! - `origin`: origins and the patterns of allow-lists
//! - `erasures`: contacts that were erased; `stretches`: what browsers did for them
//! - `former`: contacts that an older rule of addresses knew by another id
//! - `lineage`: which store it is, how it was last opened and closed, and its last backup
//! - `segments`: definitions of groups of contacts, version by version
//! - `session`: sessions of our own pages
//! - `snapshot`: a copy of it, for a backup
//! - `token_key`: the keys of the tokens in mails
//! - `generation`: how often the store was restored

mod erasures;
mod error;
mod file;
mod former;
mod generation;
mod key;
mod key_change;
mod keys;
mod lineage;
mod origin;
mod segments;
mod session;
mod snapshot;
mod stretches;
mod token_key;
mod workspace;

use std::hash::Hasher as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::{Database, ReadableDatabase, WriteTransaction};
use shared::time::Timestamp;
use twox_hash::XxHash3_64;

use crate::clock::Clock;
use crate::files;
use crate::journal::local::LOG_FOLDER;
use crate::ledger::decide::{Attribution, Scoring, WorkspaceKey, WorkspaceKeys};
use crate::lineage::Standing;
use crate::locks::{lock, read, write};
use crate::record::{ContactId, ErasedStretch, SegmentBooks, Seq, Since, WorkspaceId};
use crate::token::TokenKeys;

pub use erasures::Erasure;
pub use error::MetaError;
pub(crate) use former::FormerContact;
pub use key::{Key, KeyDigest, NewKey};
pub use key_change::KeyChange;
pub use lineage::LastBackup;
pub use origin::{Origin, OriginError, OriginPattern};
pub use segments::{MAX_SEGMENTS, MAX_VERSIONS, SegmentRefusal};
pub use session::{NewSession, Session, TokenDigest};
pub use token_key::NO_TOKEN_KEY;
pub use workspace::Workspace;

use erasures::Erasures;
use error::storage;
use file::{CACHE, Contents, LOG_END, NUMBERS, create, guarded, json, load, open_file};
use former::FormerContacts;
use stretches::Stretches;

/// The file within the data folder.
pub const META_FILE: &str = "meta.redb";
/// The workspace that exists from the start.
pub const DEFAULT_WORKSPACE: &str = "default";

/// Random bytes for one key or id. Each is thrown away with a probability of 1/32, and the longest
/// of them wants 24: that 256 do not suffice has a probability below 2^-900.
const RANDOM_BYTES: usize = 256;

/// The meta store of one data folder.
pub struct Meta {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    /// Read by every request, written by commands: never held while the disk is waited for.
    known: RwLock<Contents>,
    /// Replaced as a whole by a rotation.
    token_keys: RwLock<Arc<TokenKeys>>,
    /// Complete once the log has been looked through, before anything is answered.
    former: RwLock<FormerContacts>,
    erasures: RwLock<Erasures>,
    stretches: RwLock<Stretches>,
    /// Replaced as a whole by each change.
    segments: RwLock<Arc<SegmentBooks>>,
    log_end: AtomicU64,
    generation: AtomicU8,
    standing: Mutex<Standing>,
    /// One change at a time, from reading what is known to making the outcome known. `None` after
    /// a failure, until it opens again.
    database: Mutex<Option<Database>>,
}

impl Meta {
    /// Opens the meta store of a data folder; makes one with the workspace `default` where the
    /// folder is new. Blocks on disk, as everything here does that writes.
    ///
    /// # Errors
    /// When the file is damaged, or is missing beside a log.
    pub fn open(data: &Path, clock: Arc<dyn Clock>) -> Result<Self, MetaError> {
        let path = data.join(META_FILE);
        if !files::is_taken(&path) {
            let mut log = std::fs::read_dir(data.join(LOG_FOLDER));
            // A new store would have other secrets: orders would differ from themselves.
            if log.as_mut().is_ok_and(|files| files.next().is_some()) {
                return Err(MetaError::Missing(path));
            }
            create(&path, clock.now())?;
        }
        let database = open_file(&path)?;
        let meta = Self::of(path, clock, &database, token_key::load_or_make)?;
        *meta.lock_database() = Some(database);
        Ok(meta)
    }

    /// Opens the meta store of a folder that is not to be written: every change fails.
    ///
    /// # Errors
    /// As [`Self::open`], and where the file was not closed in order.
    pub fn open_to_read(data: &Path, clock: Arc<dyn Clock>) -> Result<Self, MetaError> {
        let path = data.join(META_FILE);
        if !files::is_taken(&path) {
            return Err(MetaError::Missing(path));
        }
        let database = guarded(&path, || Ok(files::database::open_to_read(&path, CACHE)?))?;
        Self::of(path, clock, &database, token_key::load_or_pretend)
    }

    /// What the file holds. Nothing can be changed until it is told the file.
    fn of<D: ReadableDatabase>(
        path: PathBuf,
        clock: Arc<dyn Clock>,
        database: &D,
        token_keys: impl FnOnce(&Path, &D, Timestamp) -> Result<TokenKeys, MetaError>,
    ) -> Result<Self, MetaError> {
        let (known, log_end) = load(&path, database)?;
        let standing = lineage::load(&path, database)?;
        let token_keys = token_keys(&path, database, clock.now())?;
        let former = former::load(&path, database)?;
        let erasures = erasures::load(&path, database)?;
        let stretches = stretches::load(&path, database)?;
        let generation = generation::load(&path, database)?;
        let segments = segments::load(&path, database)?;
        Ok(Self {
            path,
            clock,
            known: RwLock::new(known),
            token_keys: RwLock::new(Arc::new(token_keys)),
            log_end: AtomicU64::new(log_end),
            former: RwLock::new(former),
            erasures: RwLock::new(erasures),
            stretches: RwLock::new(stretches),
            segments: RwLock::new(Arc::new(segments)),
            generation: AtomicU8::new(generation),
            standing: Mutex::new(standing),
            database: Mutex::new(None),
        })
    }

    /// Now, by the clock that everything here goes by.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The workspace of this name.
    pub fn workspace(&self, name: &str) -> Option<Arc<Workspace>> {
        self.known()
            .workspaces
            .values()
            .find(|workspace| workspace.name == name)
            .cloned()
    }

    /// The workspace with this number.
    pub fn workspace_of(&self, id: WorkspaceId) -> Option<Arc<Workspace>> {
        self.known().workspaces.get(&id).cloned()
    }

    /// All of them, the oldest first.
    pub fn workspaces(&self) -> Vec<Arc<Workspace>> {
        self.known().workspaces.values().cloned().collect()
    }

    /// How far the log had got at its last clean stop: it must reach at least that at a start.
    pub fn log_end(&self) -> Seq {
        Seq(self.log_end.load(Ordering::Acquire))
    }

    /// Notes how far the log has got, at a clean stop.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_log_end(&self, end: Seq) -> Result<(), MetaError> {
        let mut database = self.lock_database();
        self.write(&mut database, "noting the end of the log", |transaction| {
            transaction.open_table(NUMBERS)?.insert(LOG_END, end.0)?;
            Ok(())
        })?;
        self.log_end.store(end.0, Ordering::Release);
        Ok(())
    }

    /// Writes in one durable transaction. After a failure redb wants the file closed and opened
    /// again, which the next write does; what a failed write has left in the file is the very row
    /// that its repetition writes, or a key that nobody knows.
    fn write(
        &self,
        database: &mut Option<Database>,
        doing: &'static str,
        change: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), MetaError> {
        let open = match database.take() {
            Some(open) => open,
            None => open_file(&self.path)?,
        };
        let written: Result<(), redb::Error> = (|| {
            let transaction = open.begin_write()?;
            change(&transaction)?;
            Ok(transaction.commit()?)
        })();
        match written {
            Ok(()) => {
                *database = Some(open);
                Ok(())
            }
            Err(error) => Err(storage(&self.path, doing, &error)),
        }
    }

    fn known(&self) -> RwLockReadGuard<'_, Contents> {
        read(&self.known)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Contents> {
        write(&self.known)
    }

    fn lock_database(&self) -> MutexGuard<'_, Option<Database>> {
        lock(&self.database)
    }
}

impl WorkspaceKeys for Meta {
    fn key_of(&self, workspace: WorkspaceId) -> Option<WorkspaceKey> {
        self.known()
            .workspaces
            .get(&workspace)
            .map(|workspace| workspace.key)
    }

    fn contact_today(&self, workspace: WorkspaceId, contact: ContactId) -> ContactId {
        self.former_contact(workspace, contact)
    }

    fn email_digest_today(&self, workspace: WorkspaceId, digest: u64) -> u64 {
        self.former_digest(workspace, digest)
    }

    fn erased(&self, workspace: WorkspaceId, contact: ContactId) -> Option<(Timestamp, ContactId)> {
        let erasure = self.erasure(workspace, contact)?;
        Some((erasure.time, erasure.person()))
    }

    fn last_erasure(&self, workspace: WorkspaceId) -> Option<Timestamp> {
        self.last_erasure_of(workspace)
    }

    fn keep_erased_stretches(&self, stretches: &[ErasedStretch]) -> Result<(), String> {
        self.keep_stretches(stretches)
            .map_err(|error| error.to_string())
    }

    fn is_erased_browser(&self, workspace: WorkspaceId, browser: &str, time: Timestamp) -> bool {
        let key = self.key_of(workspace);
        key.is_some_and(|key| self.is_in_stretch(workspace, key.browser(browser), time))
    }

    fn attribution(&self, workspace: WorkspaceId) -> Attribution {
        self.known()
            .workspaces
            .get(&workspace)
            .map(|workspace| workspace.attribution)
            .unwrap_or_default()
    }

    fn scoring(&self, workspace: WorkspaceId) -> Scoring {
        self.known()
            .workspaces
            .get(&workspace)
            .map(|workspace| workspace.scoring)
            .unwrap_or_default()
    }

    fn segments(&self) -> Arc<SegmentBooks> {
        self.segment_books()
    }

    fn hold_segments(&self, workspaces: &[WorkspaceId], since: Since) -> Result<bool, String> {
        self.hold_pending(workspaces, since)
            .map_err(|error| error.to_string())
    }

    fn store_digest(&self) -> u64 {
        let mut digest = XxHash3_64::with_seed(0);
        digest.write_u64(self.standing().lineage.map_or(0, |lineage| lineage.store));
        digest.finish()
    }
}

impl std::fmt::Debug for Meta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meta")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

pub fn random<const N: usize>() -> Result<[u8; N], MetaError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(MetaError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
