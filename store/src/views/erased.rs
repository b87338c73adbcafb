//! What the views tell of contacts that were erased: nothing from the moment on in which that is known, before the
//! fact is folded; and how many events there are to erase.

use std::sync::Arc;

use super::filter::EventFilter;
use super::runs::Wanted;
use super::{Shelves, ViewError, Views, events};
use crate::locks::{read, write};
use crate::record::{ContactId, Seq, WorkspaceId};

/// Events of a contact that are looked at in one go: a bound of the memory.
const COUNTED: usize = 100_000;

impl Views {
    /// A contact, by its id of today, was erased by the fact at this place: from now on nothing is told of it that
    /// is of before.
    pub fn hide(&self, contact: ContactId, seq: Seq) {
        let reflected = match &*read(&self.shelves) {
            Some(shelves) => shelves.engagement.cursor(),
            None => Seq::START,
        };
        let mut erased = write(&self.erased);
        erased.retain(|_, seq| *seq > reflected);
        let last = erased.entry(contact).or_insert(seq);
        *last = seq.max(*last);
    }

    /// Whether what the rows say of a contact is of before its erasure.
    pub(super) fn is_hidden(&self, shelves: &Shelves, contact: ContactId) -> bool {
        let erased = read(&self.erased);
        let seq = erased.get(&contact);
        seq.is_some_and(|seq| *seq > shelves.engagement.cursor())
    }

    /// How many events there are that a contact leads to.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`], [`ViewError::Building`].
    pub fn count_of_contact(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
    ) -> Result<u64, ViewError> {
        let (reader, standing, newest) = self.look(super::read::of_events, |shelves| {
            let rows = &shelves.events.rows;
            let newest = events::of_contact(&shelves.terms.numbers, rows, &contact.0)?;
            let cursor = shelves.events.cursor();
            let standing = (Arc::clone(&rows.state), cursor);
            Ok((shelves.runs.read(cursor), standing, newest))
        })?;
        if newest.is_none() {
            return Ok(0);
        }
        let wanted = Wanted {
            contact: newest,
            ..Wanted::default()
        };
        let mut filter = EventFilter {
            limit: COUNTED,
            ..EventFilter::default()
        };
        let mut count = 0;
        loop {
            let page = reader.events(workspace, &wanted, &filter);
            let page = self.of_runs(&standing, page)?;
            count += page.seqs.len() as u64;
            match page.seqs.last() {
                Some(last) if !page.complete => filter.cursor = Some(*last),
                _ => return Ok(count),
            }
        }
    }
}
