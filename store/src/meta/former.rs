//! Contacts that an older rule of addresses knew by another id: which id they have today, and the
//! same of the digests by which orders are compared. Who finds them is `crate::renewal`.
//!
//! Tokens in mails, and what is remembered of orders, hold ids of their time for ever; so these rows
//! stay for ever too. There are as many as a store from before the rule had contacts whose form has
//! changed, about 200 bytes each in memory, and no new ones come.

use std::collections::HashMap;
use std::path::Path;

use redb::{ReadableDatabase, ReadableTable as _, TableDefinition};

use super::{Meta, MetaError, NUMBERS, guarded};
use crate::files::database::table;
use crate::locks::{read, write};
use crate::part::part;
use crate::record::{ContactId, Seq, WorkspaceId};

/// Key: workspace (u32, big-endian), the former contact id (16 bytes). Value: today's (16 bytes), the
/// former digest of the address and today's (u64 each, little-endian).
pub(super) const FORMER: TableDefinition<'_, &[u8; 20], &[u8; 32]> =
    TableDefinition::new("former_contacts_v1");
/// In [`NUMBERS`]: the seq up to which the log has been looked through; [`DONE`] once it all was.
const LOOKED_THROUGH: &str = "former_contacts_looked_through";
const DONE: u64 = u64::MAX;

/// A contact whose id has changed with the rule of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FormerContact {
    pub workspace: WorkspaceId,
    pub former: ContactId,
    pub today: ContactId,
    /// Of the address, see [`crate::ledger::decide::WorkspaceKey::email_digest`].
    pub former_digest: u64,
    pub today_digest: u64,
}

/// All that is known of former ids.
#[derive(Default)]
pub(super) struct FormerContacts {
    contacts: HashMap<(WorkspaceId, ContactId), ContactId>,
    digests: HashMap<(WorkspaceId, u64), u64>,
    looked_through: u64,
}

impl FormerContacts {
    fn add(&mut self, contact: &FormerContact) {
        let FormerContact {
            workspace,
            former,
            today,
            former_digest,
            today_digest,
        } = *contact;
        self.contacts.insert((workspace, former), today);
        self.digests
            .insert((workspace, former_digest), today_digest);
    }
}

impl Meta {
    /// How far the log has been looked through for former ids; `None` once that is done.
    pub fn former_looked_through(&self) -> Option<Seq> {
        let looked_through = read(&self.former).looked_through;
        (looked_through != DONE).then_some(Seq(looked_through))
    }

    /// Keeps former ids that the log held up to `through`, or to its end where that is `None`.
    ///
    /// # Errors
    /// When the disk fails; then nothing has changed.
    pub(crate) fn keep_former(
        &self,
        found: &[FormerContact],
        through: Option<Seq>,
    ) -> Result<(), MetaError> {
        let looked_through = through.map_or(DONE, |seq| seq.0);
        let mut database = self.lock_database();
        self.write(&mut database, "keeping former contacts", |transaction| {
            let mut table = transaction.open_table(FORMER)?;
            for contact in found {
                let (key, value) = row(contact);
                table.insert(&key, &value)?;
            }
            let mut numbers = transaction.open_table(NUMBERS)?;
            numbers.insert(LOOKED_THROUGH, looked_through)?;
            Ok(())
        })?;
        let mut known = write(&self.former);
        for contact in found {
            known.add(contact);
        }
        known.looked_through = looked_through;
        Ok(())
    }

    pub(super) fn former_contact(&self, workspace: WorkspaceId, contact: ContactId) -> ContactId {
        let former = read(&self.former);
        let today = former.contacts.get(&(workspace, contact));
        today.copied().unwrap_or(contact)
    }

    pub(super) fn former_digest(&self, workspace: WorkspaceId, digest: u64) -> u64 {
        let former = read(&self.former);
        let today = former.digests.get(&(workspace, digest));
        today.copied().unwrap_or(digest)
    }
}

fn row(contact: &FormerContact) -> ([u8; 20], [u8; 32]) {
    let (mut key, mut value) = ([0; 20], [0; 32]);
    key[..4].copy_from_slice(&contact.workspace.0.to_be_bytes());
    key[4..].copy_from_slice(&contact.former.0);
    value[..16].copy_from_slice(&contact.today.0);
    value[16..24].copy_from_slice(&contact.former_digest.to_le_bytes());
    value[24..].copy_from_slice(&contact.today_digest.to_le_bytes());
    (key, value)
}

fn contact_of(key: &[u8; 20], value: &[u8; 32]) -> FormerContact {
    FormerContact {
        workspace: WorkspaceId(u32::from_be_bytes(part(key, 0))),
        former: ContactId(part(key, 4)),
        today: ContactId(part(value, 0)),
        former_digest: u64::from_le_bytes(part(value, 16)),
        today_digest: u64::from_le_bytes(part(value, 24)),
    }
}

/// What the file says; nothing where it is from before there were any.
pub(super) fn load(
    path: &Path,
    database: &impl ReadableDatabase,
) -> Result<FormerContacts, MetaError> {
    guarded(path, || {
        let transaction = database.begin_read()?;
        let mut known = FormerContacts::default();
        let numbers = transaction.open_table(NUMBERS)?;
        if let Some(looked_through) = numbers.get(LOOKED_THROUGH)? {
            known.looked_through = looked_through.value();
        }
        let Some(table) = table(&transaction, FORMER)? else {
            return Ok(known);
        };
        for entry in table.iter()? {
            let (key, value) = entry?;
            known.add(&contact_of(key.value(), value.value()));
        }
        Ok(known)
    })
}
