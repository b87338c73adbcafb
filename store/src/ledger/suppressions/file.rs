//! The file of suppressions: its tables, how it is opened, copied and carries its lineage.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use redb::backends::InMemoryBackend;
use redb::{Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Suppressions, Whom, storage};
use crate::files;
use crate::ledger::LogError;
use crate::ledger::book_file::{ABOUT, BookFile, CACHE, cursor_at};
use crate::ledger::local::SUPPRESSIONS_FILE;
use crate::ledger::suppression::{Lifted, Suppression};
use crate::lineage::Lineage;
use crate::locks::lock;
use crate::record::{ContactId, Seq, WorkspaceId};
use crate::snapshot::{self, Snapshot};

/// Key: workspace (u32, big-endian), contact (16 bytes). Value: postcard of [`Suppression`].
const SUPPRESSIONS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("suppressions_v1");
/// The same key. Value: postcard of [`Lifted`], also where nothing holds the contact back any more. Files
/// of older versions have none until they are opened: what was lifted before is not known then.
const LIFTED: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("lifted_v1");
pub(super) const FILE: BookFile = BookFile {
    name: "the suppressions",
    file: SUPPRESSIONS_FILE,
    make: make_tables,
    complete: add_table,
};

pub(super) fn in_memory(after: Seq) -> Result<Database, redb::Error> {
    let database = Database::builder().create_with_backend(InMemoryBackend::new())?;
    make_tables(&database, after)?;
    Ok(database)
}

fn make_tables(database: &Database, after: Seq) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(SUPPRESSIONS)?;
    transaction.open_table(LIFTED)?;
    transaction.open_table(ABOUT)?.insert("cursor", after.0)?;
    Ok(transaction.commit()?)
}

/// Adds the table that files of older versions lack.
fn add_table(database: &Database) -> Result<(), redb::Error> {
    if files::database::table(&database.begin_read()?, LIFTED)?.is_none() {
        let transaction = database.begin_write()?;
        transaction.open_table(LIFTED)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The cursor of a file that nobody has open, without writing to it.
pub(crate) fn cursor_at_rest(path: &Path) -> Result<Seq, LogError> {
    FILE.cursor_at_rest(path)
}

pub(super) fn get(database: &Database, whom: Whom) -> Result<Option<Suppression>, redb::Error> {
    let transaction = database.begin_read()?;
    let held = transaction.open_table(SUPPRESSIONS)?;
    let held = held.get(key(whom).as_slice())?;
    let held: Option<Suppression> = held.map(|row| decode(row.value())).transpose()?;
    let lifted = transaction.open_table(LIFTED)?;
    let Some(lifted) = lifted.get(key(whom).as_slice())? else {
        return Ok(held);
    };
    let mut state = held.unwrap_or_default();
    state.lifted = decode(lifted.value())?;
    Ok(Some(state))
}

pub(super) fn list(
    database: &Database,
    workspace: WorkspaceId,
    after: Option<ContactId>,
    limit: usize,
) -> Result<Vec<(ContactId, Suppression)>, redb::Error> {
    let table = database.begin_read()?.open_table(SUPPRESSIONS)?;
    let first = key((workspace, after.unwrap_or(ContactId([0; 16]))));
    let last = key((workspace, ContactId([0xff; 16])));
    let mut found = Vec::new();
    for row in table.range(first.as_slice()..=last.as_slice())? {
        let (place, row) = row?;
        let mut contact = [0; 16];
        contact.copy_from_slice(&place.value()[4..]);
        if after == Some(ContactId(contact)) {
            continue;
        }
        found.push((ContactId(contact), decode(row.value())?));
        if found.len() == limit {
            break;
        }
    }
    Ok(found)
}

pub(super) fn write(
    database: &Database,
    changed: &HashMap<Whom, (Option<Suppression>, Seq)>,
    upto: Seq,
    forgets: bool,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        let mut held = transaction.open_table(SUPPRESSIONS)?;
        let mut lifted = transaction.open_table(LIFTED)?;
        for (whom, (state, _)) in changed {
            let key = key(*whom);
            match state {
                Some(state) if state.holds() => {
                    held.insert(key.as_slice(), encode(state)?.as_slice())?;
                }
                _ => drop(held.remove(key.as_slice())?),
            }
            if let Some(state) = state.as_ref().filter(|state| !state.lifted.is_empty()) {
                lifted.insert(key.as_slice(), encode(&state.lifted)?.as_slice())?;
            }
        }
        transaction.open_table(ABOUT)?.insert("cursor", upto.0)?;
    }
    if forgets {
        snapshot::set_stale(&transaction, ABOUT)?;
    }
    Ok(transaction.commit()?)
}

pub(super) fn renew(
    database: &Database,
    today: impl Fn(WorkspaceId, ContactId) -> ContactId,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        let mut table = transaction.open_table(SUPPRESSIONS)?;
        let mut moved = Vec::new();
        for row in table.iter()? {
            let (place, row) = row?;
            let whom = whom_of(place.value());
            let renewed = today(whom.0, whom.1);
            if renewed != whom.1 {
                moved.push((whom, (whom.0, renewed), decode::<Suppression>(row.value())?));
            }
        }
        for (old, new, state) in moved {
            table.remove(key(old).as_slice())?;
            let known = table.get(key(new).as_slice())?;
            let known = known
                .map(|row| decode::<Suppression>(row.value()))
                .transpose()?;
            let state = match known {
                Some(known) => known.with(state),
                None => state,
            };
            table.insert(key(new).as_slice(), encode(&state)?.as_slice())?;
        }
        let mut table = transaction.open_table(LIFTED)?;
        let mut moved = Vec::new();
        for row in table.iter()? {
            let (place, row) = row?;
            let whom = whom_of(place.value());
            let renewed = today(whom.0, whom.1);
            if renewed != whom.1 {
                moved.push((whom, (whom.0, renewed), decode::<Lifted>(row.value())?));
            }
        }
        for (old, new, lifted) in moved {
            table.remove(key(old).as_slice())?;
            let known = table.get(key(new).as_slice())?;
            let known = known.map(|row| decode::<Lifted>(row.value())).transpose()?;
            let lifted = known.unwrap_or_default().with(lifted);
            table.insert(key(new).as_slice(), encode(&lifted)?.as_slice())?;
        }
    }
    Ok(transaction.commit()?)
}

impl Suppressions {
    /// Which store it is of, and when it was last opened with it; `None` where it was made anew.
    pub(crate) fn lineage(&self) -> Result<Option<Lineage>, LogError> {
        FILE.lineage(&*self.database()?)
    }

    pub(crate) fn set_lineage(&self, lineage: Lineage) -> Result<(), LogError> {
        let mut writes = lock(&self.shared.flushing);
        *writes += 1;
        FILE.set_lineage(&*self.database()?, lineage)
    }

    /// Whether somebody was erased since the file was made: pages that it has freed hold what rows were before. Also
    /// where a crash came between.
    pub(crate) fn is_stale(&self) -> Result<bool, LogError> {
        let stale = snapshot::is_stale(&*self.database()?, ABOUT);
        stale.map_err(|error| storage("reading", &error))
    }

    /// Puts another file in the place of this one that holds the same and nothing else, where it [is
    /// stale](Self::is_stale).
    ///
    /// # Errors
    /// When the disk fails; the file is as before then.
    pub(crate) fn renew_file(&self) -> Result<(), LogError> {
        let Some(path) = &self.shared.path else {
            return Ok(());
        };
        self.flush()?;
        if !self.is_stale()? {
            return Ok(());
        }
        let shared = &self.shared;
        let database = || {
            lock(&shared.database)
                .clone()
                .ok_or(redb::Error::DatabaseClosed)
        };
        let mut put = |new| *lock(&shared.database) = Some(Arc::new(new));
        let renewed = snapshot::renewed(
            path,
            CACHE,
            &shared.flushing,
            &database,
            &copy_all,
            &mut put,
        );
        renewed.map_err(|error| storage("writing anew", &error))
    }

    /// Writes what the file holds into a new one; what waits in memory is folded from the log when
    /// that is opened. Returns the last record that it reflects.
    pub(crate) fn snapshot(&self, to: &Path) -> Result<Seq, LogError> {
        let database = self.database()?;
        let copy = || -> Result<Seq, redb::Error> {
            snapshot::take(&database, to, copy_all)?;
            // Not ours, which may have moved on meanwhile.
            cursor_at(to)
        };
        copy().map_err(|error| storage("copying", &error))
    }
}

fn copy_all(copy: &mut Snapshot<'_>) -> Result<(), redb::Error> {
    copy.table(SUPPRESSIONS)?;
    copy.table(LIFTED)?;
    copy.about(ABOUT)
}

fn key((workspace, contact): Whom) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&workspace.0.to_be_bytes());
    key[4..].copy_from_slice(&contact.0);
    key
}

fn whom_of(key: &[u8]) -> Whom {
    let (mut workspace, mut contact) = ([0; 4], [0; 16]);
    workspace.copy_from_slice(&key[..4]);
    contact.copy_from_slice(&key[4..20]);
    (
        WorkspaceId(u32::from_be_bytes(workspace)),
        ContactId(contact),
    )
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, redb::Error> {
    postcard::to_stdvec(value).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, redb::Error> {
    postcard::from_bytes(bytes).map_err(|error| redb::Error::Corrupted(error.to_string()))
}
