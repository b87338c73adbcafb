//! What is worked out of records before any rows are locked: whom each is about, and the digests of what it
//! names. This and `view` are all that knows how a record is looked at by folds.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use crate::ledger::decide::WorkspaceKeys;
use crate::record::workspace::PreparedKey;
use crate::record::{ContactId, Entry, Fact, Record, Seq, WorkspaceId};

use super::error::ViewError;
use super::numbers::{Digest, Numbers};
use super::terms;
use super::view::{Happening, NEAR, Numbered};

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
    /// In the order of [`terms::BOOKS`]: whom it is about, what its name and its message are, which browser it names.
    digests: [Option<Digest>; terms::BOOKS],
    numbers: [Option<u32>; terms::BOOKS],
}

/// Finds the numbers that are known already.
pub(super) fn find(looked: &mut [Looked], books: &[Numbers]) {
    for looked in looked.chunks_mut(NEAR) {
        for one in &*looked {
            for (digest, numbers) in one.digests.iter().zip(books) {
                if let Some(digest) = digest {
                    numbers.touch(digest);
                }
            }
        }
        for one in looked {
            let numbers = one.numbers.iter_mut().zip(&one.digests);
            for ((number, digest), numbers) in numbers.zip(books) {
                *number = digest.as_ref().and_then(|digest| numbers.find(digest));
            }
        }
    }
}

impl<'a> Portion<'a> {
    /// Whom these records erase.
    pub(super) fn erased(&self) -> Vec<(WorkspaceId, ContactId)> {
        let records = self.records.iter().zip(self.looked);
        let erased = records.filter(|(_, looked)| looked.person.is_some());
        let erased =
            erased.map(|(Record { entry, .. }, looked)| Some((entry.workspace, looked.contact?)));
        erased.flatten().collect()
    }

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
            let messages = books[terms::MESSAGES].count();
            for ((number, digest), book) in numbers.iter_mut().zip(&looked.digests).zip(&mut *books)
            {
                if let (None, Some(digest)) = (&number, digest) {
                    *number = Some(book.assign(entry.workspace, digest).ok_or_else(full)?);
                }
            }
            let [contact, name, message, browser] = numbers;
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
                is_first_of_message: message == Some(messages),
                browser,
            });
        }
        Ok(happenings)
    }
}

/// Works out what records are about. Names and messages repeat, and HMACs are what costs here; of addresses it costs
/// no less to find out that they do.
pub(super) struct Looking<'a> {
    keys: &'a dyn WorkspaceKeys,
    of_workspace: HashMap<WorkspaceId, PreparedKey>,
    /// Each where [`place_of`] puts it, the last that came there.
    recent: Vec<Option<(Text<'a>, Digest)>>,
}

/// What a digest stands for: the workspace, the kind, the text.
type Text<'a> = (WorkspaceId, u8, &'a str);

/// Digests that are remembered; a name's is worked out again where another text has taken its place.
const RECENT: usize = 256;

impl<'a> Looking<'a> {
    pub(super) fn with(keys: &'a dyn WorkspaceKeys) -> Self {
        Self {
            keys,
            of_workspace: HashMap::new(),
            recent: vec![None; RECENT],
        }
    }

    /// What the next records are about.
    ///
    /// # Errors
    /// [`ViewError::NoKey`].
    pub(super) fn look(&mut self, records: &'a [Record]) -> Result<Vec<Looked>, ViewError> {
        let mut looked = Vec::with_capacity(records.len());
        for record in records {
            looked.push(self.at(record)?);
        }
        Ok(looked)
    }

    fn at(&mut self, Record { entry, .. }: &'a Record) -> Result<Looked, ViewError> {
        let workspace = entry.workspace;
        let contact = match &entry.address {
            Some(address) => Some(self.key(workspace)?.contact(&address.normalised.0)),
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
        let is_needed = matches!(entry.fact, Fact::Identify { .. })
            || entry.address.is_none()
            || entry.fact.message_id().is_some();
        let browser = match entry.anonymous_id.as_ref().filter(|_| is_needed) {
            // Nearly every one is another.
            Some(id) => Some(terms::digest(
                self.key(workspace)?,
                terms::BROWSER,
                id.as_str(),
            )),
            None => None,
        };
        Ok(Looked {
            contact,
            person,
            digests: [numbered, Some(name), message, browser],
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

    fn digest(
        &mut self,
        workspace: WorkspaceId,
        kind: u8,
        text: &'a str,
    ) -> Result<Digest, ViewError> {
        let (text, place) = ((workspace, kind, text), place_of(workspace, kind, text));
        match self.recent[place] {
            Some((known, digest)) if known == text => Ok(digest),
            _ => {
                let digest = terms::digest(self.key(workspace)?, kind, text.2);
                self.recent[place] = Some((text, digest));
                Ok(digest)
            }
        }
    }

    fn key(&mut self, workspace: WorkspaceId) -> Result<&PreparedKey, ViewError> {
        Ok(match self.of_workspace.entry(workspace) {
            Occupied(known) => known.into_mut(),
            Vacant(new) => {
                let key = self.keys.key_of(workspace);
                new.insert(key.ok_or(ViewError::NoKey(workspace))?.prepared())
            }
        })
    }
}

/// Where in [`Looking::recent`] a text is looked for: by its length and its end, where names and ids differ.
/// Whoever sends texts that share a place makes them cost what they would without it.
fn place_of(workspace: WorkspaceId, kind: u8, text: &str) -> usize {
    let mut end = [0; 8];
    let last = text
        .as_bytes()
        .rchunks(end.len())
        .next()
        .unwrap_or_default();
    end[..last.len()].copy_from_slice(last);
    let length = text.len() as u64;
    let all = u64::from_le_bytes(end) ^ length << 40 ^ u64::from(kind) << 32;
    let all = all ^ u64::from(workspace.0);
    // The upper bits are mixed best.
    (all.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % RECENT
}
