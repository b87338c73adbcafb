//! A contact that was erased: its row goes, and what it did is from then on that of the person who is left,
//! whom no address leads to. So views that have seen it under its name, and those that are built anew from
//! a log without it, come to the same.

use super::Fold;
use super::hits::What;
use super::order::TouchKind;
use super::rows::key;
use crate::record::{ContactId, WorkspaceId};

impl Fold<'_> {
    /// Reads every message of the workspace: which are a contact's stands in no index.
    pub(super) fn erase(
        &mut self,
        workspace: WorkspaceId,
        contact: ContactId,
        person: ContactId,
    ) -> Result<(), redb::Error> {
        self.contacts.remove(&key(workspace, &[&contact.0]))?;
        let windows = (self.attribution)(workspace);
        let moves = self.orders.rename(workspace, contact, person, &windows)?;
        self.credit(workspace, &moves)?;
        for row in self.messages.keys(&key(workspace, &[]))? {
            let message = self.messages.peek(&row)?;
            // A message has one contact: nobody else's holds a hit of theirs.
            if !message.is_some_and(|message| message.is_of(contact)) {
                continue;
            }
            self.messages.get(row.clone())?.rename(contact, person);
            let message_id = String::from_utf8_lossy(&row[4..]).into_owned();
            for (seq, mut hit) in self.hits.of(workspace, &message_id)? {
                // Who wants no more mail goes on being known by the contact.
                let is_touch = matches!(hit.kind(), Some(TouchKind::Open | TouchKind::Click));
                if hit.contact != Some(contact) || !is_touch {
                    continue;
                }
                hit.contact = Some(person);
                if let What::Click { target, .. } = &mut hit.what {
                    *target = None;
                }
                self.hits.put(workspace, &message_id, seq, &hit)?;
            }
        }
        Ok(())
    }
}
