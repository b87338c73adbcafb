//! The file of the meta store: its tables, how it is made and opened, and what is read of it at a start.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable as _, TableDefinition};
use serde::Serialize;
use shared::time::Timestamp;

use super::error::storage;
use super::key::StoredKey;
use super::keys::KeyRing;
use super::session::{self, Session, TokenDigest};
use super::workspace::StoredWorkspace;
use super::{DEFAULT_WORKSPACE, Key, MetaError, Workspace};
use crate::files;
use crate::journal::local::segment::{draft_of, rename_synced};
use crate::record::WorkspaceId;

/// Key: a workspace's number. Value: JSON of [`StoredWorkspace`].
pub(super) const WORKSPACES: TableDefinition<'_, u32, &[u8]> =
    TableDefinition::new("workspaces_v1");
/// Key: a key's id. Value: JSON of [`StoredKey`].
pub(super) const KEYS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("keys_v1");
/// Key: a key's id. Value: when it was last used, milliseconds since 1970. Apart from the keys,
/// because it is written each minute.
pub(super) const LAST_USED: TableDefinition<'_, &str, i64> = TableDefinition::new("last_used_v1");
/// Key: [`LOG_END`], [`LAST_WORKSPACE`] or `generation`. Value: the number.
pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers_v1");
/// The last seq of the log at its last clean stop.
pub(super) const LOG_END: &str = "log_end";
/// The last number that was given to a workspace.
pub(super) const LAST_WORKSPACE: &str = "last_workspace";

/// The file is small; this is plenty.
pub(super) const CACHE: usize = 4 * 1024 * 1024;
/// Everything that the file holds.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) workspaces: BTreeMap<WorkspaceId, Arc<Workspace>>,
    pub(super) last_workspace: u32,
    pub(super) keys: KeyRing,
    pub(super) sessions: HashMap<TokenDigest, Arc<Session>>,
}

/// Makes the file under another name first: a crash leaves either a whole one or none.
pub(super) fn create(path: &Path, now: Timestamp) -> Result<(), MetaError> {
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

pub(super) fn open_file(path: &Path) -> Result<Database, MetaError> {
    guarded(path, || files::database::open(path, CACHE))
}

pub(super) fn load(
    path: &Path,
    database: &impl ReadableDatabase,
) -> Result<(Contents, u64), MetaError> {
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
    let mut known = Contents::default();
    let mut made = Vec::new();
    for (id, row) in workspaces {
        let stored: StoredWorkspace = serde_json::from_slice(&row)
            .map_err(|error| damaged(format!("its workspace {id} cannot be read: {error}")))?;
        let workspace = Workspace::from_stored(id, stored);
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
        made.push(Arc::new(key.map_err(bad)?));
    }
    made.sort_by_key(|key| key.created_at);
    made.into_iter().for_each(|key| known.keys.put(key));
    known.sessions = session::known(sessions, &known);
    known.last_workspace = numbers
        .get(LAST_WORKSPACE)
        .and_then(|last| u32::try_from(*last).ok())
        .ok_or_else(|| damaged("it does not say which numbers are given".to_owned()))?;
    let log_end = numbers.get(LOG_END).copied().unwrap_or(0);
    Ok((known, log_end))
}

pub(super) fn json(row: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(row).expect("rows are structs of texts and numbers, which JSON can hold")
}

/// Runs what reads the file. A panic in redb means that the file is not what redb wrote.
pub(super) fn guarded<T>(
    path: &Path,
    read: impl FnOnce() -> Result<T, redb::Error>,
) -> Result<T, MetaError> {
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
