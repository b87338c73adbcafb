//! When contacts are to be looked at again, in memory alone: of each one instant, at which or before which something
//! is due. It is only ever moved forward; that nothing is due yet shows when its turn comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::record::WorkspaceId;

/// When, and whose.
pub(super) type Timer = (i64, WorkspaceId, u32);

/// Of who is not waited for.
const NEVER: i64 = i64::MAX;

/// See above. Instants in milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// Those that count, and those that do not any more: see [`Self::sweep`].
    first: BinaryHeap<Reverse<Timer>>,
    /// When each contact's turn comes, by its number.
    planned: Vec<i64>,
    /// How many are waited for.
    waiting: usize,
}

impl Timers {
    /// A contact is to be looked at then at the latest.
    pub(super) fn plan(&mut self, due: i64, workspace: WorkspaceId, contact: u32) {
        let place = contact as usize;
        if self.planned.len() <= place {
            self.planned.resize(place + 1, NEVER);
        }
        let planned = &mut self.planned[place];
        if due < *planned {
            self.waiting += usize::from(*planned == NEVER);
            *planned = due;
            self.first.push(Reverse((due, workspace, contact)));
            self.sweep();
        }
    }

    /// Lets go of those that do not count any more, since a contact's turn came earlier, where they are more than those
    /// that do.
    fn sweep(&mut self) {
        const FEW: usize = 1_024;
        if self.first.len() < 2 * self.waiting + FEW {
            return;
        }
        let mut all = std::mem::take(&mut self.first).into_vec();
        all.retain(|Reverse((due, _, contact))| self.planned[*contact as usize] == *due);
        all.sort_unstable();
        all.dedup();
        self.first = all.into();
    }

    /// Nothing is due before.
    pub(super) fn first(&self) -> Option<i64> {
        self.first.peek().map(|Reverse((due, ..))| *due)
    }

    /// About how many bytes of memory they take.
    pub(super) fn memory(&self) -> usize {
        self.first.len() * size_of::<Timer>() + self.planned.len() * size_of::<i64>()
    }

    /// Whose turn comes first until then; from now on nobody waits for it.
    pub(super) fn pop(&mut self, until: i64) -> Option<Timer> {
        while self.first().is_some_and(|due| due <= until) {
            let Reverse(timer) = self.first.pop()?;
            let planned = &mut self.planned[timer.2 as usize];
            if *planned == timer.0 {
                *planned = NEVER;
                self.waiting -= 1;
                return Some(timer);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_in_order_and_each_once_however_often_they_were_moved() {
        let own = WorkspaceId(1);
        let mut timers = Timers::default();
        for (due, contact) in [(50, 1), (30, 2), (40, 1), (60, 1), (30, 0), (20, 1)] {
            timers.plan(due, own, contact);
        }
        assert_eq!(timers.first(), Some(20));
        let mut turns = Vec::new();
        while let Some((due, _, contact)) = timers.pop(100) {
            turns.push((due, contact));
            if turns.len() == 1 {
                timers.plan(25, own, contact);
            }
        }
        assert_eq!(turns, [(20, 1), (25, 1), (30, 0), (30, 2)]);
        timers.plan(NEVER, own, 1);
        assert_eq!(timers.pop(NEVER - 1), None);
    }

    /// Who did something every few minutes, with a window of a year beside that of minutes, left one behind each time.
    #[test]
    fn what_counts_no_more_does_not_pile_up() {
        let own = WorkspaceId(1);
        let mut timers = Timers::default();
        for turn in 0..100_000 {
            timers.plan(turn, own, 0);
            assert_eq!(timers.pop(turn), Some((turn, own, 0)));
            timers.plan(1_000_000 + turn, own, 0);
        }
        assert!(timers.first.len() < 2_000, "{}", timers.first.len());
        assert_eq!(timers.pop(NEVER - 1), Some((1_099_999, own, 0)));
        assert_eq!(timers.pop(NEVER - 1), None);
    }
}
