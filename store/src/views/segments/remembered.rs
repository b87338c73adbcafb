//! What is worked out of rows and held beside them while they are folded: who is in which segment, whose turn comes
//! when, and the digests of contacts that were looked at last. Rows are the truth; a fold changes both.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use roaring::RoaringBitmap;

use super::CONTACTS;
use super::digests::Digests;
use super::stands::Standings;
use super::timers::Timers;
use crate::record::WorkspaceId;
use crate::views::rows::{Rows, State};

/// A map by numbers that we have given: nobody else chooses them, so that the quickest hash will do.
pub(super) type Map<K, V> = HashMap<K, V, FixedState>;

/// See above.
#[derive(Default)]
pub(super) struct Remembered {
    /// Of which rows they are.
    of: Option<Arc<State>>,
    pub(super) timers: Timers,
    /// By segment, the numbers of contacts.
    members: Map<(WorkspaceId, u32), RoaringBitmap>,
    /// How many in all.
    memberships: u64,
    pub(super) digests: Digests,
}

impl Remembered {
    /// Works out what is of other rows than these.
    ///
    /// # Errors
    /// Where rows cannot be read: nothing is remembered then.
    pub(super) fn keep_to(&mut self, rows: &Rows) -> Result<(), redb::Error> {
        if let Some(of) = &self.of
            && Arc::ptr_eq(of, &rows.state)
        {
            return Ok(());
        }
        *self = Self::default();
        let mut timers = Timers::default();
        let mut members: Map<_, RoaringBitmap> = Map::default();
        let mut found = Ok(());
        let contacts = &rows.pages[CONTACTS];
        contacts.each(0..contacts.rows(), |contact, row| {
            match Standings::unpack(contact, row) {
                Ok(None) => {}
                Ok(Some(standings)) => {
                    if let Some(due) = standings.first_due() {
                        timers.plan(due, standings.workspace, contact);
                    }
                    for segment in standings.memberships() {
                        let of_segment = members.entry((standings.workspace, segment));
                        of_segment.or_default().insert(contact);
                    }
                }
                Err(error) => found = Err(error),
            }
        })?;
        found?;
        self.memberships = members.values().map(RoaringBitmap::len).sum();
        (self.timers, self.members) = (timers, members);
        self.of = Some(Arc::clone(&rows.state));
        Ok(())
    }

    /// Puts somebody among the members of a segment, or takes them out.
    pub(super) fn put_member(
        &mut self,
        workspace: WorkspaceId,
        segment: u32,
        contact: u32,
        is_member: bool,
    ) {
        let of_segment = self.members.entry((workspace, segment)).or_default();
        if is_member {
            self.memberships += u64::from(of_segment.insert(contact));
        } else {
            self.memberships -= u64::from(of_segment.remove(contact));
        }
    }

    /// About how many bytes of memory all this takes.
    pub(super) fn memory(&self) -> usize {
        // A bitmap takes two bytes a member at the most.
        let members = usize::try_from(2 * self.memberships).unwrap_or(usize::MAX);
        members + self.timers.memory() + self.digests.memory()
    }

    /// At most `limit` members of a segment behind this one, ascending.
    pub(super) fn members(
        &self,
        workspace: WorkspaceId,
        segment: u32,
        behind: Option<u32>,
        limit: usize,
    ) -> Vec<u32> {
        let from = behind.map_or(Some(0), |behind| behind.checked_add(1));
        let of_segment = self.members.get(&(workspace, segment));
        let (Some(from), Some(all)) = (from, of_segment) else {
            return Vec::new();
        };
        all.range(from..).take(limit).collect()
    }
}
