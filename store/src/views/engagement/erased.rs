//! A contact that was erased: its row goes, and what it did is from then on that of the person who is left,
//! whom no address leads to. So views that have seen it under its name, and those that are built anew from
//! a log without it, come to the same.

use super::Fold;
use super::hits::What;
use super::rows::key;
use crate::record::{ContactId, WorkspaceId};
use crate::views::view::Numbered;

impl Fold<'_> {
    /// Reads every message of the workspace: which are a contact's stands in no index.
    pub(super) fn erase(
        &mut self,
        workspace: WorkspaceId,
        contact: Numbered<ContactId>,
        person: ContactId,
    ) -> Result<(), redb::Error> {
        let Numbered { number, id } = contact;
        self.forget(number)?;
        let windows = self.windows(workspace)?;
        let moves = self.orders.rename(workspace, id, person, &windows)?;
        self.credit(workspace, &moves)?;
        for row in self.messages.keys(&key(workspace, &[]))? {
            let message = self.messages.peek(&row)?;
            // A message has one contact: nobody else's holds a hit of theirs.
            if !message.is_some_and(|message| message.is_of(id)) {
                continue;
            }
            self.messages.get(row.clone())?.rename(id, person);
            let message_id = String::from_utf8_lossy(&row[4..]).into_owned();
            for (seq, mut hit) in self.hits.of(workspace, &message_id)? {
                if hit.contact != Some(id) {
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

    /// Takes out what is known of the contact with this number, also of older rows in the file.
    fn forget(&mut self, number: u32) -> Result<(), redb::Error> {
        *self.purges = true;
        if !self.contacts.fetch(number)?.is_empty() {
            self.contacts.put(number, &[])?;
        }
        self.scores.set(number, f64::NEG_INFINITY);
        self.addresses.remove(&number.to_be_bytes())?;
        Ok(())
    }
}
