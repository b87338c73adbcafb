//! What the views tell of contacts that were erased: nothing from the moment on in which that is known, before the
//! fact is folded; and how many events there are to erase.

use super::engagement::Sought;
use super::filter::EventFilter;
use super::portion::Portion;
use super::read::Runs;
use super::runs::Wanted;
use super::{Shelves, ViewError, Views, Which, events};
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

    /// What erasures in a portion that is to be folded take out of rows of before. Holds no lock while it looks; no
    /// other fold may come between.
    pub(super) fn sought(&self, which: Which, portion: &Portion<'_>) -> Result<Sought, ViewError> {
        let erased = portion.erased();
        if erased.is_empty() {
            return Ok(Sought::default());
        }
        let rows = {
            let open = read(&self.shelves);
            let shelf = &open.as_ref().ok_or(ViewError::Closed)?.engagement;
            let takes_part = shelf.is_beside() == (which == Which::Beside);
            takes_part.then(|| shelf.rows.clone())
        };
        let sought = rows.map(|rows| Sought::in_rows(&rows, &erased)).transpose();
        let sought = sought.map_err(ViewError::while_doing("folding"))?;
        Ok(sought.unwrap_or_default())
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
        let (reader, newest) = self.look(super::read::of_events, |shelves| {
            let rows = &shelves.events.rows;
            let newest = events::of_contact(&shelves.terms.numbers, rows, &contact.0)?;
            Ok((Runs::of(shelves), newest))
        })?;
        let in_browsers = self.count_in_browsers(contact)?;
        if newest.is_none() {
            return Ok(in_browsers);
        }
        let wanted = Wanted {
            contact: newest,
            ..Wanted::default()
        };
        let mut filter = EventFilter {
            limit: COUNTED,
            ..EventFilter::default()
        };
        let mut count = in_browsers;
        loop {
            let page = reader.ask(self, |runs| runs.events(workspace, &wanted, &filter))?;
            count += page.seqs.len() as u64;
            match page.seqs.last() {
                Some(last) if !page.complete => filter.cursor = Some(*last),
                _ => return Ok(count),
            }
        }
    }
}
