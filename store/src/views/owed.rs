//! What readers must be shown at the least. Views that are built anew, or that a crash has thrown back,
//! hold less than is known; until they have made up for it nobody reads them, so that an answer that
//! lacks something never looks like one that lacks nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::record::Seq;

/// How far views are that are being built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Building {
    /// Places of the log that they reflect.
    pub done: u64,
    /// Places that they must reflect before they are read; more than `done`.
    pub total: u64,
}

impl Building {
    /// Nothing is there of what reached so far, once.
    pub(super) fn of_nothing(reached: Seq) -> Self {
        Self {
            done: 0,
            total: reached.0.max(1),
        }
    }

    /// Full percents, 0 to 99. A share tells nobody how much others have on record.
    #[must_use]
    pub fn percent(self) -> u8 {
        let percent = u128::from(self.done) * 100 / u128::from(self.total.max(1));
        u8::try_from(percent.min(99)).unwrap_or(99)
    }
}

/// The record that the rows must reflect before they are read.
#[derive(Debug, Default)]
pub(super) struct Owed(AtomicU64);

impl Owed {
    /// Asks for this record, beside what is asked for already.
    pub(super) fn raise(&self, seq: Seq) {
        self.0.fetch_max(seq.0, Ordering::AcqRel);
    }

    /// The rows reflect all there is, which may be less than was asked for: some of it is gone.
    pub(super) fn settle(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// `None` where rows up to `cursor` may be read.
    pub(super) fn from(&self, cursor: Seq) -> Option<Building> {
        let total = self.0.load(Ordering::Acquire);
        (cursor.0 < total).then_some(Building {
            done: cursor.0,
            total,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_once_they_reflect_what_is_owed() {
        let owed = Owed::default();
        assert_eq!(owed.from(Seq::START), None);
        owed.raise(Seq(8));
        owed.raise(Seq(3));
        assert_eq!(owed.from(Seq(6)), Some(Building { done: 6, total: 8 }));
        assert_eq!(owed.from(Seq(8)), None);
        owed.settle();
        assert_eq!(owed.from(Seq(6)), None);
    }

    #[test]
    fn what_is_not_done_is_never_a_hundred_percent() {
        for (done, total, percent) in [
            (0, 0, 0),
            (0, 9, 0),
            (1, 3, 33),
            (999, 1_000, 99),
            (u64::MAX - 1, u64::MAX, 99),
            (u64::MAX / 2, u64::MAX, 49),
        ] {
            assert_eq!(Building { done, total }.percent(), percent);
        }
    }
}
