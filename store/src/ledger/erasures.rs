//! Contacts that are erased: hidden from every read as soon as the fact is on record, found in the log
//! behind that, and written out of it as redactions are.
//!
//! A record of before the fact is theirs where it names them, by address or by the contact that a token
//! names; and what a browser did under its anonymousId, where that belongs to them: to whom the latest
//! `identify` at or before it names, else the earliest (design, section 7, Identity).
//!
//! What comes later and is of a time before the erasure, or of a mail that was sent before it, is redacted
//! as it is appended; so is what a browser did without an address at a time at which it was theirs.
//!
//! - `browsers`: whose is what browsers did without an address
//! - `stretches`: when browsers were of whoever is erased

mod browsers;
mod stretches;

use std::collections::HashMap;

use super::LogError;
use super::inner::Inner;
use super::suppression::change_of;
use crate::locks::lock;
use crate::record::{ContactId, Entry, Fact, Seq, WorkspaceId, WorkspaceKeys};
use shared::time::Timestamp;

use browsers::{Browsers, Look, Told, each_deed};
use stretches::Stretches;

/// Records of the log that are read at once.
const READ_RECORDS: usize = 4_096;
/// Records and stretches that are found before they are noted: a bound of the memory.
const PORTION: usize = 100_000;

/// An erasure whose records have not been found yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PendingErasure {
    /// The place of its fact: what lies before it is erased.
    pub(super) seq: Seq,
    pub(super) workspace: WorkspaceId,
    /// By the id of today.
    pub(super) contact: ContactId,
    /// What is left of them.
    pub(super) person: ContactId,
}

impl PendingErasure {
    /// What a record says; `None` where it is of no erasure.
    pub(super) fn of(seq: Seq, entry: &Entry, keys: &dyn WorkspaceKeys) -> Option<Self> {
        let Fact::Erase { contact } = entry.fact else {
            return None;
        };
        Some(Self {
            seq,
            workspace: entry.workspace,
            contact: keys.contact_today(entry.workspace, contact),
            person: ContactId(*entry.id.as_bytes()),
        })
    }
}

/// Whom an entry names, by the id of today.
pub(super) fn named_in(entry: &Entry, keys: &dyn WorkspaceKeys) -> Option<ContactId> {
    if entry.redacted || matches!(entry.fact, Fact::Erase { .. }) {
        return None;
    }
    let contact = match (entry.fact.send(), &entry.address) {
        (None, None) => return None,
        (Some(send), _) => send.contact?,
        (None, Some(_)) => entry.contact(&keys.key_of(entry.workspace)?)?,
    };
    Some(keys.contact_today(entry.workspace, contact))
}

/// Who a record of an erased contact is about from then on. What says whether they get mail goes on
/// naming the contact, which alone tells that of an address that comes back.
pub(super) fn left_of(entry: &Entry, contact: ContactId, person: ContactId) -> ContactId {
    match change_of(&entry.fact) {
        Some(_) => contact,
        None => person,
    }
}

/// The erasures whose records have not been found yet.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingErasures {
    erasures: HashMap<(WorkspaceId, ContactId), Vec<PendingErasure>>,
}

impl PendingErasures {
    pub(super) fn of(erasures: impl IntoIterator<Item = PendingErasure>) -> Self {
        let mut waiting = Self::default();
        for erasure in erasures {
            let whose = waiting.erasures.entry((erasure.workspace, erasure.contact));
            whose.or_default().push(erasure);
        }
        waiting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.erasures.is_empty()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &PendingErasure> {
        self.erasures.values().flatten()
    }

    /// Who is left of the contact of this workspace in what lies at this place: the first erasure behind
    /// it says that.
    fn person(&self, workspace: WorkspaceId, contact: ContactId, seq: Seq) -> Option<ContactId> {
        let erasures = self.erasures.get(&(workspace, contact))?;
        let behind = erasures.iter().filter(|erasure| seq < erasure.seq);
        let first = behind.min_by_key(|erasure| erasure.seq)?;
        Some(first.person)
    }

    /// Who a record is to be about, where it is of one of them.
    pub(super) fn left_in(
        &self,
        seq: Seq,
        entry: &Entry,
        keys: &dyn WorkspaceKeys,
    ) -> Option<ContactId> {
        let contact = named_in(entry, keys)?;
        let person = self.person(entry.workspace, contact, seq)?;
        Some(left_of(entry, contact, person))
    }
}

/// Takes the personal part from what comes late; whether it was.
pub(super) fn erase_late(entry: &mut Entry, keys: &dyn WorkspaceKeys) -> bool {
    let sent = entry.fact.send().map(|send| send.sent_at);
    let time = sent.map_or(entry.time, |sent| sent.min(entry.time));
    let time = time.min(entry.received_at);
    if keys
        .last_erasure(entry.workspace)
        .is_none_or(|last| time > last)
    {
        return false;
    }
    let Some(contact) = named_in(entry, keys) else {
        let is_theirs = is_of_erased_browser(entry, time, keys);
        if is_theirs {
            entry.redact_for(None);
        }
        return is_theirs;
    };
    match keys.erased(entry.workspace, contact) {
        Some((at, person)) if time <= at => {
            let left = left_of(entry, contact, person);
            entry.redact_for(Some(left));
            true
        }
        _ => false,
    }
}

/// Whether a browser did this without an address, at a time at which it was of somebody who was erased since.
fn is_of_erased_browser(entry: &Entry, time: Timestamp, keys: &dyn WorkspaceKeys) -> bool {
    let is_deed = !entry.redacted && entry.address.is_none() && entry.fact.send().is_none();
    let browser = entry.anonymous_id.as_ref().filter(|_| is_deed);
    browser.is_some_and(|browser| keys.is_erased_browser(entry.workspace, browser.as_str(), time))
}

/// A browser of a workspace, by its anonymousId.
type Browser = (WorkspaceId, String);

impl Inner {
    /// Finds the records of the erasures that wait, and hides each of them by its place. Reads the log
    /// once, and once more where browsers are among them; several times more where these did so much that it is
    /// not to be in memory.
    ///
    /// # Errors
    /// When it cannot be read or noted; what is erased stays hidden.
    pub(super) fn find_erased(&self) -> Result<(), LogError> {
        let waiting = self.books.redactions.waiting();
        if waiting.is_empty() {
            return Ok(());
        }
        // What books know of an address they must have on disk before it goes.
        self.books.orders.flush()?;
        self.books.suppressions.flush()?;
        let keys = &*self.keys;
        let mut found = Vec::new();
        let mut note = |seq: Seq, left: ContactId| {
            found.push((seq, Some(left)));
            if found.len() >= PORTION {
                self.books.redactions.add_for(&std::mem::take(&mut found))?;
            }
            Ok(())
        };
        let theirs = |browsers: &mut Browsers, entry: &Entry| {
            if let Some(browser) = &entry.anonymous_id {
                browsers.offer((entry.workspace, browser.as_str().to_owned()), ());
            }
        };
        let mut browsers = Browsers::new(browsers::MOST);
        self.each_before(&waiting, |seq, entry| {
            if let Some(left) = waiting.left_in(seq, entry, keys) {
                theirs(&mut browsers, entry);
                note(seq, left)?;
            }
            Ok(())
        })?;
        let mut gather = |browsers: &mut Browsers| {
            self.each_before(&waiting, |seq, entry| {
                if waiting.left_in(seq, entry, keys).is_some() {
                    theirs(browsers, entry);
                }
                Ok(())
            })
        };
        let mut pass = |look: &mut Look<'_>| {
            self.each_before(&waiting, |seq, entry| {
                let Some(browser) = &entry.anonymous_id else {
                    return Ok(());
                };
                let told = match (&entry.fact, named_in(entry, keys)) {
                    (Fact::Identify { .. }, Some(contact)) => Told::Whose(contact),
                    (_, None) => Told::Nothing,
                    (_, Some(_)) => return Ok(()),
                };
                let at = (entry.time.min(entry.received_at), seq);
                look(entry.workspace, browser.as_str(), at, told)
            })
        };
        let mut stretches = Stretches::of(&waiting, keys);
        each_deed(
            browsers,
            &mut gather,
            &mut pass,
            &mut |browser, at, contact| stretches.told(browser, at, contact),
            &mut |workspace, owner, seq| match waiting.person(workspace, owner, seq) {
                Some(person) => note(seq, person),
                None => Ok(()),
            },
        )?;
        self.books.redactions.add_for(&found)?;
        stretches.finish()?;
        if stretches.are_kept {
            // What is being committed was decided without them: it lies in the log once this is to be had.
            drop(lock(&self.floor));
            self.redact_late(&waiting)?;
        }
        self.books.redactions.found(&waiting)?;
        let places = self.books.redactions.pending();
        let records = places.len();
        let segments = self.journal.touched(&places.into_keys().collect());
        tracing::info!(
            records,
            segments,
            "what was erased has been found in the log: segments wait to be written anew"
        );
        Ok(())
    }

    /// What came late while it was not known yet whose it was: hides it too.
    fn redact_late(&self, waiting: &PendingErasures) -> Result<(), LogError> {
        let first = waiting.all().map(|erasure| erasure.seq).min();
        let mut after = first.unwrap_or(Seq::START);
        loop {
            let records = self.read_raw(after, READ_RECORDS)?;
            let Some(end) = records.last().map(|record| record.seq) else {
                return Ok(());
            };
            let late = records.iter().filter(|record| {
                let entry = &record.entry;
                is_of_erased_browser(entry, entry.time.min(entry.received_at), &*self.keys)
            });
            let late: Vec<_> = late.map(|record| (record.seq, None)).collect();
            self.books.redactions.add_for(&late)?;
            after = end;
        }
    }

    /// Hands over every record before the last of these erasures, as the log has it, that is not
    /// redacted.
    fn each_before(
        &self,
        waiting: &PendingErasures,
        mut each: impl FnMut(Seq, &Entry) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let last = waiting.all().map(|erasure| erasure.seq).max();
        let last = last.unwrap_or(Seq::START);
        let mut after = Seq(self.journal.floor().0.saturating_sub(1));
        while after < last {
            let records = self.read_raw(after, READ_RECORDS)?;
            let Some(end) = records.last().map(|record| record.seq) else {
                break;
            };
            for record in records.iter().filter(|record| record.seq < last) {
                if !record.entry.redacted {
                    each(record.seq, &record.entry)?;
                }
            }
            after = end;
        }
        Ok(())
    }
}
