//! A contact that was erased: its row goes, and what it did is from then on that of the person who is left,
//! whom no address leads to. So views that have seen it under its name, and those that are built anew from
//! a log without it, come to the same.

use std::collections::{BTreeSet, HashMap};

use super::hits::What;
use super::message::Message;
use super::rows::{decode, key};
use super::{Fold, MESSAGES, Numbers, order};
use crate::ledger::decide::WorkspaceKeys;
use crate::record::{ContactId, WorkspaceId};
use crate::views::rows::Rows;
use crate::views::view::Numbered;

/// What is sought of somebody: keys in [`MESSAGES`], and in [`ORDERS`] those that pages told.
#[derive(Default)]
pub(super) struct Theirs {
    messages: Vec<Vec<u8>>,
    pub(super) orders: Vec<Vec<u8>>,
}

/// What rows of before say of contacts that are to be erased.
#[derive(Default)]
pub(crate) struct Sought(HashMap<(WorkspaceId, ContactId), Theirs>);

impl Sought {
    /// Finds what the rows say of contacts that are erased by records which are not folded yet. Reads every message of
    /// their workspaces and every order that pages told, once for all of them: which are a contact's stands in no
    /// index. So it is done beside the readers, on a snapshot, before the fold has the rows.
    ///
    /// # Errors
    /// Where rows cannot be read.
    pub(crate) fn in_rows(
        rows: &Rows,
        erased: &[(WorkspaceId, ContactId)],
    ) -> Result<Self, redb::Error> {
        let none = |one: &(WorkspaceId, ContactId)| (*one, Theirs::default());
        let mut sought = Self(erased.iter().map(none).collect());
        let workspaces: BTreeSet<_> = erased.iter().map(|(workspace, _)| *workspace).collect();
        for workspace in workspaces {
            for row in rows.tables[MESSAGES].beginning_with(&key(workspace, &[]))? {
                let (place, row) = row?;
                let message: Message = decode(&row)?;
                for contact in message.contacts() {
                    if let Some(theirs) = sought.0.get_mut(&(workspace, contact)) {
                        theirs.messages.push(place.to_vec());
                    }
                }
            }
            order::each_of_pages(rows, workspace, |order_key, order| {
                let contact = order.contact.map(|contact| (workspace, contact));
                if let Some(theirs) = contact.and_then(|contact| sought.0.get_mut(&contact)) {
                    theirs.orders.push(order_key.to_vec());
                }
            })?;
        }
        Ok(sought)
    }

    fn of(&self, workspace: WorkspaceId, contact: ContactId) -> Option<&Theirs> {
        self.0.get(&(workspace, contact))
    }
}

/// Takes a contact out of rows, with what was sought of it.
pub(crate) fn forget(
    rows: &mut Rows,
    keys: &dyn WorkspaceKeys,
    contacts: &Numbers,
    sought: &Sought,
    (workspace, contact, person): (WorkspaceId, Numbered<ContactId>, ContactId),
) -> Result<(), redb::Error> {
    let mut fold = Fold::of(rows, keys, contacts)?;
    fold.sought = Some(sought);
    fold.erase(workspace, contact, person)?;
    fold.write()
}

impl Fold<'_> {
    /// What is left of a contact's messages is the person's.
    pub(super) fn erase(
        &mut self,
        workspace: WorkspaceId,
        contact: Numbered<ContactId>,
        person: ContactId,
    ) -> Result<(), redb::Error> {
        let Numbered { number, id } = contact;
        self.forget(number)?;
        self.forget_browsers(workspace, id)?;
        let windows = self.windows(workspace)?;
        let sought = self.sought.and_then(|sought| sought.of(workspace, id));
        let of_pages = sought.map_or(&[][..], |theirs| &theirs.orders);
        let moves = self
            .orders
            .rename(workspace, id, person, of_pages, &windows)?;
        self.credit(workspace, &moves)?;
        let messages = sought.map_or(&[][..], |theirs| &theirs.messages);
        let mut theirs: BTreeSet<Vec<u8>> = messages.iter().cloned().collect();
        // Some may have become theirs since the others were found.
        theirs.extend(self.messages.known(&key(workspace, &[])).cloned());
        for row in theirs {
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
        self.traits.forget(number)?;
        Ok(())
    }
}
