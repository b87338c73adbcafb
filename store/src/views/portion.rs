//! What is worked out of records before any rows are locked: whom each is about, and the digests of what it
//! names. This and `view` are all that knows how a record is looked at by folds.

use std::collections::HashMap;

use crate::ledger::decide::{WorkspaceKey, WorkspaceKeys};
use crate::record::{ContactId, Entry, Fact, Record, Seq, WorkspaceId};

use super::error::ViewError;
use super::numbers::{Digest, Numbers};
use super::terms;
use super::view::{Happening, Numbered};

/// Records with what was worked out of them.
pub(super) struct Portion<'a> {
    pub(super) records: &'a [Record],
    pub(super) looked: &'a [Looked],
}

/// What was worked out of one record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looked {
    contact: Option<ContactId>,
    /// Of an erasure: who is left of the contact.
    person: Option<ContactId>,
    /// In the order of [`terms::BOOKS`]: whom it is about, what its name and its message are.
    digests: [Option<Digest>; terms::BOOKS],
    numbers: [Option<u32>; terms::BOOKS],
}

/// Works out what each record is about. Addresses, names and messages repeat, and HMACs are what costs here.
pub(super) fn look(keys: &dyn WorkspaceKeys, records: &[Record]) -> Result<Vec<Looked>, ViewError> {
    let mut looking = Looking {
        keys,
        of_workspace: HashMap::new(),
        contacts: HashMap::new(),
        digests: HashMap::new(),
    };
    records.iter().map(|record| looking.at(record)).collect()
}

/// Finds the numbers that are known already.
pub(super) fn find(looked: &mut [Looked], books: &[Numbers]) {
    for one in looked {
        for ((number, digest), numbers) in one.numbers.iter_mut().zip(&one.digests).zip(books) {
            *number = digest.as_ref().and_then(|digest| numbers.find(digest));
        }
    }
}

impl<'a> Portion<'a> {
    /// What views are told of the records, in their order; those without a number get one, and that of a
    /// contact becomes the person's at its erasure, unless the numbers reflect that already.
    ///
    /// # Errors
    /// [`ViewError::Storage`] where all numbers are given.
    pub(super) fn happenings(
        &self,
        books: &mut [Numbers],
        reflected: Seq,
    ) -> Result<Vec<Happening<'a>>, ViewError> {
        let mut is_renamed = false;
        let full = || ViewError::Storage("giving numbers: there are none left".into());
        let mut happenings = Vec::with_capacity(self.records.len());
        for (Record { seq, entry, .. }, looked) in self.records.iter().zip(self.looked) {
            let mut numbers = looked.numbers;
            if is_renamed {
                // It may be somebody else's by now.
                numbers[terms::CONTACTS] = None;
            }
            if let (Some(contact), Some(person)) = (looked.contact, looked.person) {
                let book = &mut books[terms::CONTACTS];
                if *seq > reflected {
                    book.rename(&contact.0, &person.0);
                    is_renamed = true;
                }
                // Of whom there is nothing, nothing is left.
                numbers[terms::CONTACTS] = book.find(&person.0);
            }
            for ((number, digest), book) in numbers.iter_mut().zip(&looked.digests).zip(&mut *books)
            {
                if let (None, Some(digest)) = (&number, digest) {
                    *number = Some(book.assign(entry.workspace, digest).ok_or_else(full)?);
                }
            }
            let [contact, name, message] = numbers;
            happenings.push(Happening {
                seq: *seq,
                entry,
                now: i64::MIN,
                contact: looked
                    .contact
                    .zip(contact)
                    .map(|(id, number)| Numbered { number, id }),
                name: name.unwrap_or_default(),
                message,
            });
        }
        Ok(happenings)
    }
}

struct Looking<'a, 'k> {
    keys: &'k dyn WorkspaceKeys,
    of_workspace: HashMap<WorkspaceId, WorkspaceKey>,
    contacts: HashMap<(WorkspaceId, &'a str), ContactId>,
    digests: HashMap<(WorkspaceId, u8, &'a str), Digest>,
}

impl<'a> Looking<'a, '_> {
    fn at(&mut self, Record { entry, .. }: &'a Record) -> Result<Looked, ViewError> {
        let workspace = entry.workspace;
        let contact = match &entry.address {
            Some(address) => Some(self.contact(workspace, &address.normalised.0)?),
            None => {
                let named = match &entry.fact {
                    Fact::Erase { contact } => Some(*contact),
                    fact => fact.send().map_or(entry.person, |send| send.contact),
                };
                named.map(|named| self.keys.contact_today(workspace, named))
            }
        };
        let person = match entry.fact {
            Fact::Erase { .. } => Some(ContactId(*entry.id.as_bytes())),
            _ => None,
        };
        let numbered = contact.filter(|_| person.is_none());
        let numbered = numbered.map(|contact| self.numbered_as(entry, contact).0);
        let name = self.digest(workspace, terms::NAME, entry.fact.name())?;
        let message = match entry.fact.message_id() {
            Some(message) => Some(self.digest(workspace, terms::MESSAGE, message.as_str())?),
            None => None,
        };
        Ok(Looked {
            contact,
            person,
            digests: [numbered, Some(name), message],
            numbers: [None; terms::BOOKS],
        })
    }

    /// Whose number the contact of a record has. What says whether somebody gets mail goes on naming the contact
    /// once that is erased, and counts under the number that it has been given before.
    fn numbered_as(&self, entry: &Entry, contact: ContactId) -> ContactId {
        if !entry.redacted {
            return contact;
        }
        match self.keys.erased(entry.workspace, contact) {
            Some((at, person)) if entry.received_at <= at => person,
            _ => contact,
        }
    }

    fn contact(
        &mut self,
        workspace: WorkspaceId,
        address: &'a str,
    ) -> Result<ContactId, ViewError> {
        if let Some(known) = self.contacts.get(&(workspace, address)) {
            return Ok(*known);
        }
        let contact = self.key(workspace)?.contact(address);
        self.contacts.insert((workspace, address), contact);
        Ok(contact)
    }

    fn digest(
        &mut self,
        workspace: WorkspaceId,
        kind: u8,
        text: &'a str,
    ) -> Result<Digest, ViewError> {
        if let Some(known) = self.digests.get(&(workspace, kind, text)) {
            return Ok(*known);
        }
        let digest = terms::digest(&self.key(workspace)?, kind, text);
        self.digests.insert((workspace, kind, text), digest);
        Ok(digest)
    }

    fn key(&mut self, workspace: WorkspaceId) -> Result<WorkspaceKey, ViewError> {
        if let Some(known) = self.of_workspace.get(&workspace) {
            return Ok(*known);
        }
        let key = self
            .keys
            .key_of(workspace)
            .ok_or(ViewError::NoKey(workspace))?;
        self.of_workspace.insert(workspace, key);
        Ok(key)
    }
}
