//! The rows that are kept: the newest, without repetitions, filtered, and held back while paused.

use std::collections::{BTreeSet, VecDeque};

use crate::row::{Row, Verdict};

/// How many rows the list keeps, and how many wait while it is paused.
pub(crate) const KEPT: usize = 500;

/// How many messages are remembered, to tell repeated ones: more than a reconnection repeats.
const REMEMBERED: usize = 2_000;

/// What the reader wants to see.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    text: String,
    verdict: Option<Verdict>,
}

impl Filter {
    /// From what stands in the field and in the choice of verdicts.
    pub(crate) fn new(text: &str, verdict: &str) -> Self {
        let verdict = match verdict {
            "tracked" => Some(Verdict::Tracked),
            "rejected" => Some(Verdict::Rejected),
            "moved" => Some(Verdict::Moved),
            _ => None,
        };
        Self {
            text: text.trim().to_lowercase(),
            verdict,
        }
    }

    fn matches(&self, row: &Row) -> bool {
        self.verdict.is_none_or(|verdict| verdict == row.verdict)
            && (self.text.is_empty() || row.contains(&self.text))
    }
}

/// A row in its place.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Grows with each row; names it while it is kept.
    pub(crate) serial: u64,
    pub(crate) row: Row,
    /// Whether it passes the filter.
    pub(crate) shown: bool,
}

/// How many events came: those that the stream began with, and since.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) tracked: u64,
    pub(crate) rejected: u64,
    pub(crate) moved: u64,
    pub(crate) skipped: u64,
}

/// The rows, oldest first.
#[derive(Debug, Default)]
pub(crate) struct List {
    kept: VecDeque<Kept>,
    waiting: VecDeque<Row>,
    /// Waiting rows that had to give way to newer ones.
    given_way: u64,
    paused: bool,
    filter: Filter,
    counts: Counts,
    last_serial: u64,
    seen: BTreeSet<String>,
    seen_order: VecDeque<String>,
}

impl List {
    /// Takes a row; false where it was here before.
    pub(crate) fn receive(&mut self, row: Row) -> bool {
        let identity = row.identity();
        if !self.seen.insert(identity.clone()) {
            return false;
        }
        self.seen_order.push_back(identity);
        if self.seen_order.len() > REMEMBERED
            && let Some(oldest) = self.seen_order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        match row.verdict {
            Verdict::Tracked => self.counts.tracked += 1,
            Verdict::Rejected => self.counts.rejected += 1,
            Verdict::Moved => self.counts.moved += 1,
        }
        if self.paused {
            self.waiting.push_back(row);
            if self.waiting.len() > KEPT {
                self.waiting.pop_front();
                self.given_way += 1;
            }
        } else {
            self.keep(row);
        }
        true
    }

    pub(crate) fn skip(&mut self, count: u64) {
        self.counts.skipped += count;
    }

    fn keep(&mut self, row: Row) {
        self.last_serial += 1;
        let shown = self.filter.matches(&row);
        self.kept.push_back(Kept {
            serial: self.last_serial,
            row,
            shown,
        });
        if self.kept.len() > KEPT {
            // What the reader does not look for goes first: a rare event stays in sight in a busy stream.
            let oldest_hidden = self.kept.iter().position(|kept| !kept.shown);
            self.kept.remove(oldest_hidden.unwrap_or(0));
        }
    }

    /// Holds new rows back, or shows those that were held back.
    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
        if !paused {
            self.given_way = 0;
            for row in std::mem::take(&mut self.waiting) {
                self.keep(row);
            }
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// How many came since the pause began, and how many of these can no longer be shown.
    pub(crate) fn held_back(&self) -> (u64, u64) {
        (self.waiting.len() as u64 + self.given_way, self.given_way)
    }

    pub(crate) fn set_filter(&mut self, filter: Filter) {
        for kept in &mut self.kept {
            kept.shown = filter.matches(&kept.row);
        }
        self.filter = filter;
    }

    /// Whether the reader looks for some of the events alone.
    pub(crate) fn is_filtered(&self) -> bool {
        self.filter != Filter::default()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn get(&self, serial: u64) -> Option<&Kept> {
        let at = self
            .kept
            .binary_search_by_key(&serial, |kept| kept.serial)
            .ok()?;
        self.kept.get(at)
    }

    /// The rows after this one, oldest first.
    pub(crate) fn after(&self, serial: u64) -> impl DoubleEndedIterator<Item = &Kept> {
        let from = self.kept.partition_point(|kept| kept.serial <= serial);
        self.kept.range(from..)
    }

    pub(crate) fn shown(&self) -> usize {
        self.kept.iter().filter(|kept| kept.shown).count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::{row, tracked};

    fn names(list: &List) -> Vec<&str> {
        list.after(0)
            .filter(|kept| kept.shown)
            .map(|kept| kept.row.name())
            .collect()
    }

    #[test]
    fn an_event_that_comes_twice_is_kept_once() {
        let mut list = List::default();
        assert!(list.receive(tracked("1", "a", "x@y.example")));
        assert!(!list.receive(tracked("1", "a", "x@y.example")));
        assert_eq!((names(&list), list.counts().tracked), (vec!["a"], 1));
    }

    #[test]
    fn an_event_that_was_rejected_and_then_tracked_is_kept_twice() {
        let mut list = List::default();
        assert!(list.receive(row(
            r#"{"status":"rejected","id":"1","receivedAt":"2026-11-24T10:00:00Z","code":"c"}"#
        )));
        assert!(list.receive(tracked("1", "a", "x@y.example")));
        assert_eq!(
            list.counts(),
            Counts {
                tracked: 1,
                rejected: 1,
                ..Counts::default()
            }
        );
    }

    #[test]
    fn only_the_newest_rows_are_kept() {
        let mut list = List::default();
        for number in 0..KEPT + 20 {
            list.receive(tracked(
                &number.to_string(),
                &format!("n{number}"),
                "x@y.example",
            ));
        }
        assert_eq!(list.shown(), KEPT);
        assert_eq!(names(&list)[0], "n20");
        assert!(list.get(20).is_none() && list.get(21).is_some());
    }

    #[test]
    fn a_row_that_is_looked_for_stays_when_others_pour_in() {
        let mut list = List::default();
        list.set_filter(Filter::new(" RARE ", "all"));
        list.receive(tracked("rare", "rare", "x@y.example"));
        for number in 0..2 * KEPT {
            list.receive(tracked(&number.to_string(), "common", "x@y.example"));
        }
        assert_eq!(names(&list), ["rare"]);
    }

    #[test]
    fn a_pause_holds_rows_back_and_says_how_many() {
        let mut list = List::default();
        list.receive(tracked("first", "first", "x@y.example"));
        list.set_paused(true);
        for number in 0..KEPT + 3 {
            list.receive(tracked(&number.to_string(), "later", "x@y.example"));
        }
        assert_eq!(
            (names(&list), list.held_back()),
            (vec!["first"], (KEPT as u64 + 3, 3))
        );
        list.set_paused(false);
        assert_eq!((list.shown(), list.held_back()), (KEPT, (0, 0)));
    }

    #[test]
    fn the_filter_takes_verdict_and_text_together() {
        let mut list = List::default();
        list.receive(tracked("1", "signed_up", "a@b.example"));
        list.receive(row(
            r#"{"status":"rejected","id":"2","receivedAt":"t","name":"signed_up","code":"c"}"#,
        ));
        list.set_filter(Filter::new("signed", "rejected"));
        assert_eq!(
            list.after(0)
                .filter(|kept| kept.shown)
                .map(|kept| kept.serial)
                .collect::<Vec<_>>(),
            [2]
        );
        assert!(list.is_filtered());
        list.set_filter(Filter::new(" ", "all"));
        assert_eq!((list.shown(), list.is_filtered()), (2, false));
    }
}
