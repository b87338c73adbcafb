//! What must outlive every rebuild: workspaces with their secrets, API keys, and how far the log
//! had got. Not events, and nothing that is derived from them.
//!
//! Everything is in memory as well, so that telling who calls never touches the disk; the file is
//! read once, at start. What is written there is durable before it counts.
//!
//! - `origin`: origins and the patterns of allow-lists
//! - `erasures`: contacts that were erased
//! - `former`: contacts that an older rule of addresses knew by another id
//! - `key`: an API key, `key_change` what may change about one
//! - `lineage`: which store it is, how it was last opened and closed, and its last backup
//! - `session`: sessions of our own pages
//! - `snapshot`: a copy of it, for a backup
//! - `token_key`: the keys of the tokens in mails
//! - `generation`: how often the store was restored

mod erasures;
mod former;
mod generation;
mod key;
mod key_change;
mod lineage;
mod origin;
mod session;
mod snapshot;
mod token_key;

use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use shared::api_key::ApiKey;
use shared::time::Timestamp;
use twox_hash::XxHash3_64;

use crate::clock::Clock;
use crate::files;
use crate::journal::local::LOG_FOLDER;
use crate::journal::local::segment::{draft_of, rename_synced};
use crate::ledger::decide::{Attribution, WorkspaceKey, WorkspaceKeys};
use crate::lineage::Standing;
use crate::locks::{lock, read, write};
use crate::record::{ContactId, Seq, WorkspaceId};
use crate::token::TokenKeys;

pub use crate::record::public_seq::MAX_GENERATION;
pub use erasures::Erasure;
pub use former::FormerContact;
pub use key::{Key, KeyDigest, NewKey};
pub use key_change::KeyChange;
pub use lineage::LastBackup;
pub use origin::{Origin, OriginError, OriginPattern};
pub use session::{NewSession, Session, TokenDigest};
pub use token_key::NO_TOKEN_KEY;

use erasures::Erasures;
use former::FormerContacts;
use key::StoredKey;

/// The file within the data folder.
pub const META_FILE: &str = "meta.redb";
/// The workspace that exists from the start.
pub const DEFAULT_WORKSPACE: &str = "default";

/// Key: a workspace's number. Value: JSON of [`StoredWorkspace`].
const WORKSPACES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("workspaces_v1");
/// Key: a key's id. Value: JSON of [`StoredKey`].
const KEYS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("keys_v1");
/// Key: a key's id. Value: when it was last used, milliseconds since 1970. Apart from the keys,
/// because it is written each minute.
const LAST_USED: TableDefinition<'_, &str, i64> = TableDefinition::new("last_used_v1");
/// Key: [`LOG_END`], [`LAST_WORKSPACE`] or `generation`. Value: the number.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers_v1");
/// The last seq of the log at its last clean stop.
const LOG_END: &str = "log_end";
/// The last number that was given to a workspace.
const LAST_WORKSPACE: &str = "last_workspace";

/// The file is small; this is plenty.
const CACHE: usize = 4 * 1024 * 1024;
/// Random bytes for one key or id. Each is thrown away with a probability of 1/32, and the longest
/// of them wants 24: that 256 do not suffice has a probability below 2^-900.
const RANDOM_BYTES: usize = 256;

/// Why the meta store refused or failed. The text is for whoever runs the command.
#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    // The caller's fault.
    #[error("the name of a workspace has 1 to 63 characters of a-z, 0-9 and -")]
    WorkspaceName,
    #[error("there is a workspace {0} already")]
    WorkspaceExists(String),
    #[error(
        "a public key stands in every page and holds the scope `send` alone: leave other scopes out, or make a secret key"
    )]
    PublicKeyScope,
    #[error(
        "origins are for public keys: a secret key is refused from every page. Add --public, or leave --origin out"
    )]
    SecretKeyOrigins,
    #[error("a secret key may always send purchases: add --public, or leave --allow-purchases out")]
    SecretKeyPurchases,
    #[error(
        "a key of the operator tells about the whole process, and a public key stands in every page: leave --public or --operator out"
    )]
    PublicKeyOperator,
    #[error("a key takes at most {0} origins: use a pattern such as *.example.com")]
    TooManyOrigins(usize),
    #[error("a label has 1 to {0} characters, none of them a control character")]
    Label(usize),
    #[error("a label must not hold a secret key: it is shown to whoever lists the keys")]
    SecretLabel,
    // Does not repeat what was asked for: it may be a key, pasted by mistake.
    #[error("there is no such key: `misar keys list` shows them")]
    UnknownKey,
    #[error("the key is revoked, which is for good: make a new one with `misar keys create`")]
    RevokedKey,
    #[error("the key would have expired already: it is {0} now")]
    ExpiryPast(Timestamp),
    #[error("{origin} is none of the key's origins: they are {known}")]
    UnknownOrigin {
        origin: OriginPattern,
        known: String,
    },
    #[error(
        "without its last origin the key would be good on every site: add another one, revoke the key, or say \
         --any-origin where that is wanted"
    )]
    LastOrigin,

    // Ours.
    #[error("{} is missing, although the folder holds a log: restore it from a backup", .0.display())]
    Missing(PathBuf),
    #[error("{} is damaged: {what}. Restore it from a backup", .path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{} failed while {doing}: {what}", .path.display())]
    Storage {
        path: PathBuf,
        doing: &'static str,
        what: String,
    },
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
    #[error("the workspace {DEFAULT_WORKSPACE} is missing")]
    NoDefaultWorkspace,
    #[error("there have been as many workspaces as there can be")]
    WorkspacesUsedUp,
    #[error("there have been as many token keys as there can be")]
    TokenKeysUsedUp,
    #[error(
        "this store has been restored as often as its seqs have room for ({} times): start an empty store and send it what matters",
        crate::record::public_seq::MAX_GENERATION - 1
    )]
    GenerationsUsedUp,
}

/// A tenant.
#[derive(Debug)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: String,
    pub created_at: Timestamp,
    pub attribution: Attribution,
    key: WorkspaceKey,
}

/// The meta store of one data folder.
pub struct Meta {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    /// Read by every request, written by commands: never held while the disk is waited for.
    known: RwLock<Known>,
    /// Replaced as a whole by a rotation.
    token_keys: RwLock<Arc<TokenKeys>>,
    /// Complete once the log has been looked through, before anything is answered.
    former: RwLock<FormerContacts>,
    erasures: RwLock<Erasures>,
    log_end: AtomicU64,
    generation: AtomicU8,
    standing: Mutex<Standing>,
    /// One change at a time, from reading what is known to making the outcome known. `None` after
    /// a failure, until it opens again.
    database: Mutex<Option<Database>>,
}

/// Everything that the file holds.
#[derive(Default)]
struct Known {
    workspaces: BTreeMap<WorkspaceId, Arc<Workspace>>,
    last_workspace: u32,
    by_digest: HashMap<KeyDigest, Arc<Key>>,
    /// In the order of their making.
    keys: Vec<Arc<Key>>,
    sessions: HashMap<TokenDigest, Arc<Session>>,
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
        let generation = generation::load(&path, database)?;
        Ok(Self {
            path,
            clock,
            known: RwLock::new(known),
            token_keys: RwLock::new(Arc::new(token_keys)),
            log_end: AtomicU64::new(log_end),
            former: RwLock::new(former),
            erasures: RwLock::new(erasures),
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

    /// All of them, the oldest first.
    pub fn workspaces(&self) -> Vec<Arc<Workspace>> {
        self.known().workspaces.values().cloned().collect()
    }

    /// Makes a workspace, with a number that no other ever had.
    ///
    /// # Errors
    /// When the name is taken or is none.
    pub fn create_workspace(&self, name: &str) -> Result<Arc<Workspace>, MetaError> {
        let is_name = (1..=63).contains(&name.len())
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !is_name {
            return Err(MetaError::WorkspaceName);
        }
        let mut database = self.lock_database();
        if self.workspace(name).is_some() {
            return Err(MetaError::WorkspaceExists(name.to_owned()));
        }
        let id = self.known().last_workspace;
        let id = id.checked_add(1).ok_or(MetaError::WorkspacesUsedUp)?;
        let workspace = Workspace::new(WorkspaceId(id), name, self.clock.now())?;
        self.write(&mut database, "making a workspace", |transaction| {
            workspace.put(transaction)
        })?;
        let workspace = Arc::new(workspace);
        let mut known = self.known_mut();
        known.last_workspace = id;
        known
            .workspaces
            .insert(workspace.id, Arc::clone(&workspace));
        Ok(workspace)
    }

    /// Changes how long a workspace credits opens and clicks with orders. Views that were folded
    /// before do not know: they must be rebuilt, which the next start does by itself.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_attribution(
        &self,
        workspace: &Workspace,
        attribution: Attribution,
    ) -> Result<Arc<Workspace>, MetaError> {
        let changed = Arc::new(Workspace {
            id: workspace.id,
            name: workspace.name.clone(),
            created_at: workspace.created_at,
            attribution,
            key: workspace.key,
        });
        let mut database = self.lock_database();
        self.write(&mut database, "changing a setting", |transaction| {
            changed.put(transaction)
        })?;
        let mut known = self.known_mut();
        known.workspaces.insert(changed.id, Arc::clone(&changed));
        Ok(changed)
    }

    /// Makes a key. The plain one is handed out here and, of a secret key, never again.
    ///
    /// # Errors
    /// When no such key can be.
    pub fn create_key(&self, new: NewKey) -> Result<(Arc<Key>, ApiKey), MetaError> {
        let new = new.checked()?;
        self.check_expiry(new.expires_at)?;
        let mut bytes = random::<RANDOM_BYTES>()?.into_iter();
        // See RANDOM_BYTES: they do not run out.
        let plain = ApiKey::generate(new.kind, &mut || bytes.next().unwrap_or(0));
        let key = Key::new(new_key_id()?, &plain, new, self.clock.now());
        let mut database = self.lock_database();
        self.write(&mut database, "making a key", |transaction| {
            put_key(transaction, &key.id, &key.to_stored())
        })?;
        let key = Arc::new(key);
        let mut known = self.known_mut();
        known.by_digest.insert(key.digest, Arc::clone(&key));
        known.keys.push(Arc::clone(&key));
        Ok((key, plain))
    }

    /// The keys of a workspace, revoked ones too, the oldest first.
    pub fn keys(&self, workspace: WorkspaceId) -> Vec<Arc<Key>> {
        let known = self.known();
        let of_workspace = known.keys.iter().filter(|key| key.workspace == workspace);
        of_workspace.cloned().collect()
    }

    /// The key of this id, as it is now.
    pub fn key(&self, id: &str) -> Option<Arc<Key>> {
        let known = self.known();
        known.keys.iter().find(|key| key.id == id).cloned()
    }

    /// Makes a key useless from now on; of a key that is revoked already the first time stands.
    ///
    /// # Errors
    /// When the workspace has no key of this id.
    pub fn revoke_key(&self, workspace: WorkspaceId, id: &str) -> Result<Arc<Key>, MetaError> {
        let mut database = self.lock_database();
        let key = self
            .key(id)
            .filter(|key| key.workspace == workspace)
            .ok_or(MetaError::UnknownKey)?;
        if key.revoked_at().is_none() {
            let now = self.clock.now();
            let mut stored = key.to_stored();
            stored.revoked_at = Some(now.as_millis());
            self.write(&mut database, "revoking a key", |transaction| {
                put_key(transaction, &key.id, &stored)
            })?;
            key.course.revoked_at.advance(now);
        }
        Ok(key)
    }

    /// The key with this text, also a revoked one. Never touches the disk.
    pub fn authenticate(&self, key: &ApiKey) -> Option<Arc<Key>> {
        self.key_of_digest(&KeyDigest::of(key))
    }

    /// The key whose text has this digest, also a revoked one. Never touches the disk.
    pub fn key_of_digest(&self, digest: &KeyDigest) -> Option<Arc<Key>> {
        // Looking the digest up takes a time that tells nothing about the key.
        self.known().by_digest.get(digest).cloned()
    }

    /// Flags a key as seen where it must not be; true for the caller who is first to. Only then
    /// does it block on disk.
    ///
    /// # Errors
    /// When that could not be made durable; the next call tries again.
    pub fn mark_exposed(&self, key: &Key) -> Result<bool, MetaError> {
        if key.exposed_at().is_some() {
            return Ok(false);
        }
        let mut database = self.lock_database();
        if key.exposed_at().is_some() {
            return Ok(false);
        }
        let now = self.clock.now();
        // As it is now: the caller's may be from before a change.
        let key = self.key(&key.id).ok_or(MetaError::UnknownKey)?;
        let mut stored = key.to_stored();
        stored.exposed_at = Some(now.as_millis());
        self.write(&mut database, "flagging a key", |transaction| {
            put_key(transaction, &key.id, &stored)
        })?;
        key.course.exposed_at.advance(now);
        Ok(true)
    }

    /// Notes that a key was used: in memory, see [`Self::flush_last_used`].
    pub fn touch(&self, key: &Key, now: Timestamp) {
        key.course.last_used_at.advance(now);
    }

    /// Writes the last uses that the file does not know yet: about each minute, and at the end.
    ///
    /// # Errors
    /// When the disk fails; the next call writes them.
    pub fn flush_last_used(&self) -> Result<(), MetaError> {
        let mut database = self.lock_database();
        let used: Vec<(Arc<Key>, Timestamp)> = self
            .known()
            .keys
            .iter()
            .filter_map(|key| Some((Arc::clone(key), key.last_used_at()?)))
            .filter(|(key, used)| key.course.last_used_kept.get() != Some(*used))
            .collect();
        if used.is_empty() {
            return Ok(());
        }
        self.write(&mut database, "noting the use of keys", |transaction| {
            let mut table = transaction.open_table(LAST_USED)?;
            for (key, used) in &used {
                table.insert(key.id.as_str(), used.as_millis())?;
            }
            Ok(())
        })?;
        for (key, used) in used {
            key.course.last_used_kept.advance(used);
        }
        Ok(())
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

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        read(&self.known)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Known> {
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

    fn attribution(&self, workspace: WorkspaceId) -> Attribution {
        self.known()
            .workspaces
            .get(&workspace)
            .map(|workspace| workspace.attribution)
            .unwrap_or_default()
    }

    fn settings_digest(&self) -> u64 {
        let mut digest = XxHash3_64::with_seed(0);
        // Views of another store are not these.
        digest.write_u64(self.standing().lineage.map_or(0, |lineage| lineage.store));
        for workspace in self.known().workspaces.values() {
            // A new workspace must not cost the others a rebuild.
            if workspace.attribution != Attribution::default() {
                digest.write_u32(workspace.id.0);
                digest.write_i64(workspace.attribution.click_window_ms);
                digest.write_i64(workspace.attribution.open_window_ms);
            }
        }
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

/// A workspace's row in the file, as JSON, so that later fields can be added with a default.
#[derive(Serialize, Deserialize)]
struct StoredWorkspace {
    name: String,
    /// Milliseconds since 1970.
    created_at: i64,
    key: [u8; 32],
    #[serde(default)]
    attribution: Attribution,
}

impl Workspace {
    fn new(id: WorkspaceId, name: &str, created_at: Timestamp) -> Result<Self, MetaError> {
        Ok(Self {
            id,
            name: name.to_owned(),
            created_at,
            attribution: Attribution::default(),
            key: WorkspaceKey(random()?),
        })
    }

    /// Writes the row, and that the number is taken.
    fn put(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        let stored = StoredWorkspace {
            name: self.name.clone(),
            created_at: self.created_at.as_millis(),
            key: self.key.0,
            attribution: self.attribution,
        };
        let mut workspaces = transaction.open_table(WORKSPACES)?;
        workspaces.insert(self.id.0, json(&stored).as_slice())?;
        let mut numbers = transaction.open_table(NUMBERS)?;
        let id = u64::from(self.id.0);
        let last = numbers.get(LAST_WORKSPACE)?.map_or(0, |row| row.value());
        numbers.insert(LAST_WORKSPACE, id.max(last))?;
        Ok(())
    }
}

/// Makes the file under another name first: a crash leaves either a whole one or none.
fn create(path: &Path, now: Timestamp) -> Result<(), MetaError> {
    let doing = "making it";
    let failed = |error: &dyn std::fmt::Display| storage(path, doing, error);
    let draft = draft_of(path);
    let workspace = Workspace::new(WorkspaceId(1), DEFAULT_WORKSPACE, now)?;
    let written = || -> Result<(), redb::Error> {
        let database = files::database::create_anew(&draft, CACHE)?;
        let transaction = database.begin_write()?;
        workspace.put(&transaction)?;
        transaction.open_table(KEYS)?;
        transaction.open_table(LAST_USED)?;
        transaction.open_table(NUMBERS)?.insert(LOG_END, 0)?;
        Ok(transaction.commit()?)
    };
    written().map_err(|error| failed(&error))?;
    rename_synced(&draft, path).map_err(|error| failed(&error))
}

fn open_file(path: &Path) -> Result<Database, MetaError> {
    guarded(path, || files::database::open(path, CACHE))
}

fn load(path: &Path, database: &impl ReadableDatabase) -> Result<(Known, u64), MetaError> {
    let (workspaces, keys, last_used, numbers, sessions) = guarded(path, || {
        let read = database.begin_read()?;
        let mut workspaces = Vec::new();
        for row in read.open_table(WORKSPACES)?.iter()? {
            let (id, value) = row?;
            workspaces.push((id.value(), value.value().to_vec()));
        }
        let mut keys = Vec::new();
        for row in read.open_table(KEYS)?.iter()? {
            let (id, value) = row?;
            keys.push((id.value().to_owned(), value.value().to_vec()));
        }
        let mut last_used = HashMap::new();
        for row in read.open_table(LAST_USED)?.iter()? {
            let (id, value) = row?;
            last_used.insert(id.value().to_owned(), value.value());
        }
        let mut numbers = HashMap::new();
        for row in read.open_table(NUMBERS)?.iter()? {
            let (name, value) = row?;
            numbers.insert(name.value().to_owned(), value.value());
        }
        Ok((workspaces, keys, last_used, numbers, session::rows(&read)?))
    })?;

    let damaged = |what: String| MetaError::Damaged {
        path: path.to_owned(),
        what,
    };
    let mut known = Known::default();
    for (id, row) in workspaces {
        let stored: StoredWorkspace = serde_json::from_slice(&row)
            .map_err(|error| damaged(format!("its workspace {id} cannot be read: {error}")))?;
        let workspace = Workspace {
            id: WorkspaceId(id),
            name: stored.name,
            created_at: Timestamp::from_millis(stored.created_at),
            key: WorkspaceKey(stored.key),
            attribution: stored.attribution,
        };
        known.workspaces.insert(workspace.id, Arc::new(workspace));
    }
    for (id, row) in keys {
        let bad = |what: String| damaged(format!("its key {id} cannot be read: {what}"));
        let stored: StoredKey =
            serde_json::from_slice(&row).map_err(|error| bad(error.to_string()))?;
        let workspace = known
            .workspaces
            .get(&WorkspaceId(stored.workspace))
            .ok_or_else(|| bad("its workspace is missing".to_owned()))?;
        let key = Key::from_stored(&id, stored, workspace, last_used.get(&id).copied());
        let key = Arc::new(key.map_err(bad)?);
        known.by_digest.insert(key.digest, Arc::clone(&key));
        known.keys.push(key);
    }
    known.keys.sort_by_key(|key| key.created_at);
    known.sessions = session::known(sessions, &known);
    known.last_workspace = numbers
        .get(LAST_WORKSPACE)
        .and_then(|last| u32::try_from(*last).ok())
        .ok_or_else(|| damaged("it does not say which numbers are given".to_owned()))?;
    let log_end = numbers.get(LOG_END).copied().unwrap_or(0);
    Ok((known, log_end))
}

fn put_key(
    transaction: &WriteTransaction,
    id: &str,
    stored: &StoredKey,
) -> Result<(), redb::Error> {
    let mut keys = transaction.open_table(KEYS)?;
    keys.insert(id, json(stored).as_slice())?;
    Ok(())
}

fn json(row: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(row).expect("rows are structs of texts and numbers, which JSON can hold")
}

/// Runs what reads the file. A panic in redb means that the file is not what redb wrote.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, MetaError> {
    let damaged = |what: String| MetaError::Damaged {
        path: path.to_owned(),
        what,
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .map_err(|_| damaged("redb could not make sense of it".to_owned()))?
        .map_err(|error| {
            use std::io::ErrorKind;
            match &error {
                redb::Error::Io(io)
                    if !matches!(io.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
                {
                    storage(path, "opening it", &error)
                }
                redb::Error::DatabaseAlreadyOpen => storage(path, "opening it", &error),
                redb::Error::RepairAborted => {
                    let what = files::database::Unclean(path.to_owned());
                    storage(path, "opening it", &what)
                }
                _ => damaged(error.to_string()),
            }
        })
}

fn storage(path: &Path, doing: &'static str, error: &dyn std::fmt::Display) -> MetaError {
    MetaError::Storage {
        path: path.to_owned(),
        doing,
        what: error.to_string(),
    }
}

pub fn random<const N: usize>() -> Result<[u8; N], MetaError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(MetaError::Random)?;
    Ok(bytes)
}

/// `key_` and 16 base62 characters, every one equally likely: bytes from 248 = 4 × 62 up are thrown
/// away.
fn new_key_id() -> Result<String, MetaError> {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let characters = random::<RANDOM_BYTES>()?
        .into_iter()
        .filter(|byte| *byte < 248)
        .map(|byte| char::from(ALPHABET[usize::from(byte % 62)]))
        .take(16);
    Ok("key_".chars().chain(characters).collect())
}

#[cfg(test)]
mod tests;
