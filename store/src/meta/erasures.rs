//! Contacts that were erased: of each the pseudonym that its address gives, never the address, with the
//! time and the person that is left of it. What comes later and is of before then is redacted as it is
//! recorded, so these rows stay for ever; about 100 bytes each in memory.

use std::collections::HashMap;
use std::path::Path;

use redb::{ReadableDatabase, ReadableTable as _, TableDefinition};
use shared::ids::EventId;
use shared::time::Timestamp;

use super::{Meta, MetaError, guarded};
use crate::files::database::table;
use crate::locks::{read, write};
use crate::part::part;
use crate::record::{ContactId, WorkspaceId};

/// Key: workspace (u32, big-endian), contact (16 bytes). Value: the time of the last erasure (i64
/// milliseconds since 1970, little-endian) and its id (16 bytes).
pub(super) const ERASURES: TableDefinition<'_, &[u8; 20], &[u8; 24]> =
    TableDefinition::new("erasures_v1");

/// A contact was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    pub workspace: WorkspaceId,
    /// By the id of today.
    pub contact: ContactId,
    pub time: Timestamp,
    /// Of its fact in the log, and of the person that is left.
    pub id: EventId,
}

impl Erasure {
    /// Whom the redacted records of the contact are about.
    #[must_use]
    pub fn person(&self) -> ContactId {
        ContactId(*self.id.as_bytes())
    }
}

/// All of them, the last of each contact.
#[derive(Default)]
pub(super) struct Erasures {
    contacts: HashMap<(WorkspaceId, ContactId), Erasure>,
    /// The time of the last one of each workspace.
    last: HashMap<WorkspaceId, Timestamp>,
}

impl Erasures {
    fn add(&mut self, erasure: Erasure) {
        let whose = (erasure.workspace, erasure.contact);
        self.contacts.insert(whose, erasure);
        let last = self.last.entry(erasure.workspace).or_insert(erasure.time);
        *last = (*last).max(erasure.time);
    }
}

impl Meta {
    /// Remembers an erasure, durably; of one contact the last counts.
    ///
    /// # Errors
    /// When the disk fails; then nothing has changed.
    pub fn keep_erasure(&self, erasure: Erasure) -> Result<(), MetaError> {
        let mut database = self.lock_database();
        let known = self.erasure(erasure.workspace, erasure.contact);
        if known.is_some_and(|known| known.time > erasure.time) {
            return Ok(());
        }
        self.write(&mut database, "keeping an erasure", |transaction| {
            let (key, value) = row(&erasure);
            transaction.open_table(ERASURES)?.insert(&key, &value)?;
            Ok(())
        })?;
        write(&self.erasures).add(erasure);
        Ok(())
    }

    /// The last erasure of a contact, by its id of today.
    pub fn erasure(&self, workspace: WorkspaceId, contact: ContactId) -> Option<Erasure> {
        read(&self.erasures)
            .contacts
            .get(&(workspace, contact))
            .copied()
    }

    /// The last erasure of each contact that was erased, in no order.
    pub fn erasures(&self) -> Vec<Erasure> {
        read(&self.erasures).contacts.values().copied().collect()
    }

    pub(super) fn last_erasure_of(&self, workspace: WorkspaceId) -> Option<Timestamp> {
        read(&self.erasures).last.get(&workspace).copied()
    }
}

fn row(erasure: &Erasure) -> ([u8; 20], [u8; 24]) {
    let (mut key, mut value) = ([0; 20], [0; 24]);
    key[..4].copy_from_slice(&erasure.workspace.0.to_be_bytes());
    key[4..].copy_from_slice(&erasure.contact.0);
    value[..8].copy_from_slice(&erasure.time.as_millis().to_le_bytes());
    value[8..].copy_from_slice(erasure.id.as_bytes());
    (key, value)
}

fn erasure_of(key: &[u8; 20], value: &[u8; 24]) -> Erasure {
    Erasure {
        workspace: WorkspaceId(u32::from_be_bytes(part(key, 0))),
        contact: ContactId(part(key, 4)),
        time: Timestamp::from_millis(i64::from_le_bytes(part(value, 0))),
        id: EventId::from_bytes(part(value, 8)),
    }
}

/// What the file says; nothing where it is from before there were any.
pub(super) fn load(path: &Path, database: &impl ReadableDatabase) -> Result<Erasures, MetaError> {
    guarded(path, || {
        let transaction = database.begin_read()?;
        let mut known = Erasures::default();
        let Some(table) = table(&transaction, ERASURES)? else {
            return Ok(known);
        };
        for entry in table.iter()? {
            let (key, value) = entry?;
            known.add(erasure_of(key.value(), value.value()));
        }
        Ok(known)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;

    fn erasure(contact: u8, time: i64, id: u8) -> Erasure {
        Erasure {
            workspace: WorkspaceId(1),
            contact: ContactId([contact; 16]),
            time: Timestamp::from_millis(time),
            id: EventId::from_bytes([id; 16]),
        }
    }

    #[test]
    fn of_a_contact_the_last_erasure_is_kept_and_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Meta::open(folder.path(), Arc::new(SystemClock)).unwrap();
        let meta = open();
        assert_eq!(meta.last_erasure_of(WorkspaceId(1)), None);
        for kept in [erasure(1, 10, 1), erasure(2, 30, 2), erasure(1, 20, 3)] {
            meta.keep_erasure(kept).unwrap();
        }
        // One that is applied late, as after a restore.
        meta.keep_erasure(erasure(2, 15, 4)).unwrap();
        drop(meta);
        let meta = open();
        let last = |contact| meta.erasure(WorkspaceId(1), ContactId([contact; 16]));
        assert_eq!(last(1), Some(erasure(1, 20, 3)));
        assert_eq!(last(2), Some(erasure(2, 30, 2)));
        assert_eq!(meta.erasure(WorkspaceId(2), ContactId([1; 16])), None);
        let latest = meta.last_erasure_of(WorkspaceId(1));
        assert_eq!(latest, Some(Timestamp::from_millis(30)));
        assert_eq!(meta.erasures().len(), 2);
    }
}
