//! The timers of contacts, of each the first: those that are due next are read ahead, since one fold meets many.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::TIMERS;
use crate::record::WorkspaceId;
use crate::views::engagement::rows::{from_sortable, sortable};
use crate::views::ordered::Way;
use crate::views::rows::Rows;

/// So many are read at once, and those besides that are due with the last of them.
const MOST: usize = 2_048;
/// Of those that are not due yet.
const AHEAD: usize = 32;

/// When, and whose.
pub(super) type Timer = (i64, WorkspaceId, u32);

/// Those that are due next. One that has been taken away since may be among them.
#[derive(Debug, Default)]
pub(super) struct Upcoming {
    first: BinaryHeap<Reverse<Timer>>,
    /// All that are due until then are among them; `None` where nothing has been read yet.
    reach: Option<i64>,
}

impl Upcoming {
    /// The first that is due until then. None is due before `least`, which is moved on.
    pub(super) fn first(
        &mut self,
        until: i64,
        rows: &Rows,
        least: &mut i64,
    ) -> Result<Option<Timer>, redb::Error> {
        loop {
            if let Some(Reverse(first)) = self.first.peek()
                && first.0 <= until
            {
                return Ok(Some(*first));
            }
            if self.reach.is_some_and(|reach| reach >= until) {
                return Ok(None);
            }
            self.read(until, rows, least)?;
        }
    }

    pub(super) fn pop(
        &mut self,
        until: i64,
        rows: &Rows,
        least: &mut i64,
    ) -> Result<Option<Timer>, redb::Error> {
        let first = self.first(until, rows, least)?;
        if first.is_some() {
            self.first.pop();
        }
        Ok(first)
    }

    /// There is one more.
    pub(super) fn note(&mut self, due: i64, workspace: WorkspaceId, contact: u32) {
        if self.reach.is_some_and(|reach| due <= reach) {
            self.first.push(Reverse((due, workspace, contact)));
        }
    }

    fn read(&mut self, until: i64, rows: &Rows, least: &mut i64) -> Result<(), redb::Error> {
        self.first.clear();
        let mut last = i64::MIN;
        // What is gone still lies in the layers over the file, and has to be passed over.
        let from = sortable(*least);
        let mut found = i64::MAX;
        for row in rows.tables[TIMERS].range(&from, None, Way::Up)? {
            let timer = read_timer(&row?.0);
            found = timer.0.min(found);
            let enough = if timer.0 > until { AHEAD } else { MOST };
            if self.first.len() >= enough && timer.0 > last {
                self.reach = Some(last);
                *least = found;
                return Ok(());
            }
            last = timer.0;
            self.first.push(Reverse(timer));
        }
        self.reach = Some(i64::MAX);
        *least = found;
        Ok(())
    }
}

/// The key of a timer.
pub(super) fn timer(due: i64, workspace: WorkspaceId, contact: u32) -> Vec<u8> {
    let mut place = sortable(due).to_vec();
    place.extend(workspace.0.to_be_bytes());
    place.extend(contact.to_be_bytes());
    place
}

fn read_timer(key: &[u8]) -> Timer {
    let part = |from: usize| key.get(from..from + 4).and_then(|part| part.first_chunk());
    let number = |from| u32::from_be_bytes(part(from).copied().unwrap_or_default());
    let due = key.first_chunk().copied().unwrap_or_default();
    (from_sortable(due), WorkspaceId(number(8)), number(12))
}

/// The timer that is due first.
pub(super) fn next_timer(rows: &Rows) -> Result<Option<Timer>, redb::Error> {
    let mut timers = rows.tables[TIMERS].range(&[], None, Way::Up)?;
    let first = timers.next().transpose()?;
    Ok(first.map(|row| read_timer(&row.0)))
}
