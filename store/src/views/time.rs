//! Time in the fold, where no record drives it: what is due happens, definitions come to hold, and facts of before are
//! taken in for who has come to use segments. A portion at a time, so that readers wait for no more than one.
//!
//! In a replay the arrival of records drives the clock. Live it also moves by itself, as far as the log has promised
//! that nothing arrives any more before then ([`Log::promise`](crate::ledger::Log::promise)): so both see the same.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::portion::{self, Looking, Portion};
use super::retained::retained_since;
use super::rows::Rows;
use super::segments::{self, Catalogues, Step};
use super::{Shelves, ViewError, Views};
use crate::ledger::decide::WorkspaceKeys;
use crate::locks::{lock, read, write};
use crate::record::{Record, SegmentBooks, Seq, WorkspaceId};

/// Contacts that are looked at while readers wait; one where the crate tests itself.
const PORTION: usize = if cfg!(test) { 1 } else { 256 };

impl Views {
    /// Who hands out keys and definitions.
    pub(super) fn keys(&self) -> &dyn WorkspaceKeys {
        &*self.keys
    }

    /// Whether a definition was asked for that does not hold yet.
    pub(crate) fn is_segment_pending(&self) -> bool {
        self.keys.segments().is_pending()
    }

    /// The same, or one that holds for some already and not yet for all.
    pub(crate) fn is_segment_unsettled(&self) -> bool {
        let is_holding = || self.is_so(|shelves, _| segments::is_holding(&shelves.segments.rows));
        self.is_segment_pending() || is_holding().unwrap_or(false)
    }

    /// How far the fold's clock has been moved, in milliseconds since 1970.
    pub(crate) fn clock(&self) -> i64 {
        let shelves = read(&self.shelves);
        let clock = shelves.as_ref().map(|shelves| shelves.segments.now());
        clock.unwrap_or(i64::MIN)
    }

    /// Whatever is due until `now` happens, in its order. Nothing that is folded later may have arrived before then.
    ///
    /// # Errors
    /// As [`Self::fold`].
    pub(crate) fn advance(&self, now: i64) -> Result<(), ViewError> {
        let _folding = lock(&self.folding);
        let is_due = self.is_so(|shelves, _| {
            let next = segments::next_due(&shelves.segments.rows, &shelves.catalogues)?;
            Ok(next.is_some_and(|due| due <= now))
        })?;
        let pass = |rows: &mut Rows, keys: &dyn WorkspaceKeys, made: &Catalogues, cursor| {
            segments::pass(rows, keys, made, now, cursor, PORTION)
        };
        while is_due && !self.change_segments(pass)?.unwrap_or(true) {}
        if let Some(shelves) = &mut *write(&self.shelves)
            && !shelves.segments.is_beside()
        {
            let cursor = shelves.segments.cursor();
            shelves.segments.advance(cursor, now);
        }
        Ok(())
    }

    /// What was asked for of segments holds from here on, where all facts are there that it needs.
    ///
    /// # Errors
    /// As [`Self::fold`].
    pub(crate) fn begin_to_hold(&self, now: i64) -> Result<(), ViewError> {
        let books = self.keys.segments();
        let mut ready: Vec<WorkspaceId> = Vec::new();
        for (workspace, book) in &books.of_workspace {
            // While the view itself is being built nothing is ready.
            let is_whole = matches!(self.segments_filling(*workspace), Ok(None));
            if book.is_pending() && is_whole {
                ready.push(*workspace);
            }
        }
        if ready.is_empty() {
            return Ok(());
        }
        let last = books.last();
        let at = now.max(self.clock()).max(last.at);
        let since = last.behind(self.cursor(), at);
        let held = self.keys.hold_segments(&ready, since);
        held.map_err(ViewError::Storage)?;
        Ok(())
    }

    /// Makes everything hold that does from where the rows are, for everybody.
    ///
    /// # Errors
    /// As [`Self::fold`].
    pub(crate) fn hold(&self) -> Result<(), ViewError> {
        self.hold_some(usize::MAX).map(drop)
    }

    /// The same for so many portions of contacts, once records and time need not wait for it any more. Returns whether
    /// there is more to do; `None` where there was nothing.
    ///
    /// # Errors
    /// As [`Self::fold`].
    pub(crate) fn hold_some(&self, portions: usize) -> Result<Option<bool>, ViewError> {
        let lags = |shelves: &Shelves, books: &SegmentBooks| {
            let shelf = &shelves.segments;
            segments::lags(&shelf.rows, books, shelf.cursor())
        };
        if !self.is_so(lags)? {
            return Ok(None);
        }
        let _folding = lock(&self.folding);
        let hold = |rows: &mut Rows, keys: &dyn WorkspaceKeys, made: &Catalogues, cursor| {
            segments::hold(rows, keys, made, cursor, PORTION)
        };
        let mut left = portions;
        loop {
            let (at, step) = match self.change_segments(hold)? {
                None | Some((_, Step::Done)) => return Ok(Some(false)),
                Some(done) => done,
            };
            if let Some(shelves) = &mut *write(&self.shelves) {
                let cursor = shelves.segments.cursor();
                shelves.segments.advance(cursor, at);
            }
            if step == Step::Beside {
                left -= 1;
                if left == 0 {
                    return Ok(Some(true));
                }
            }
        }
    }

    /// Behind which record the facts are to be read that are missing of workspaces which have come to use segments;
    /// `None` where none are missing.
    ///
    /// # Errors
    /// As [`Self::fold`].
    pub(crate) fn fill_from(&self) -> Result<Option<Seq>, ViewError> {
        let lacks = |shelves: &Shelves, books: &SegmentBooks| {
            segments::lacks_facts(&shelves.segments.rows, books)
        };
        if !self.is_so(lacks)? {
            return Ok(None);
        }
        let fill_from = |rows: &mut Rows, keys: &dyn WorkspaceKeys, made: &Catalogues, cursor| {
            segments::fill_from(rows, keys, made, cursor)
        };
        Ok(self.change_segments(fill_from)?.flatten())
    }

    /// Takes in records that follow on [`Self::fill_from`]; none where there are no more.
    ///
    /// # Errors
    /// As [`Self::fold`].
    pub(crate) fn fill(&self, records: &[Record], from: Seq) -> Result<(), ViewError> {
        // What was dropped before the first is missing; while facts are, nothing more is (`retention`).
        let since = match from {
            Seq::START => retained_since(&self.place.root)?,
            _ => None,
        };
        let _folding = lock(&self.folding);
        let mut looking = Looking::with(&*self.keys);
        let portions = records.chunks(super::PORTION).map(Some);
        let portions = portions.chain(records.is_empty().then_some(None));
        let mut from = from;
        for records in portions {
            let records = records.unwrap_or_default();
            let mut looked = looking.look(records)?;
            let mut open = write(&self.shelves);
            let shelves = open.as_mut().ok_or(ViewError::Closed)?;
            portion::find(&mut looked, &shelves.terms.numbers);
            let portion = Portion {
                records,
                looked: &looked,
            };
            let reflected = shelves.terms.cursor();
            let happenings = portion.happenings(&mut shelves.terms.numbers, reflected)?;
            let last = happenings.last().map(|last| last.seq);
            let rows = &mut shelves.segments.rows;
            let filled = segments::fill(
                rows,
                &*self.keys,
                &shelves.catalogues,
                &happenings,
                from,
                (last, since),
            );
            let filled = filled.map_err(ViewError::while_doing("folding"));
            if let Err(error) = shelves.segments.heed(filled) {
                self.give_up(&mut open);
                return Err(error);
            }
            from = last.unwrap_or(from);
        }
        Ok(())
    }

    /// Whether something is so of the rows of segments: where it is not, nobody who reads them need wait.
    fn is_so(
        &self,
        ask: impl FnOnce(&Shelves, &SegmentBooks) -> Result<bool, redb::Error>,
    ) -> Result<bool, ViewError> {
        let books = self.keys.segments();
        if books.of_workspace.is_empty() {
            return Ok(false);
        }
        let open = read(&self.shelves);
        let shelves = open.as_ref().ok_or(ViewError::Closed)?;
        if shelves.segments.is_beside() {
            return Ok(false);
        }
        // What cannot be read is met again by whoever changes rows, and heeded there.
        let ask = AssertUnwindSafe(|| ask(shelves, &books));
        Ok(!matches!(catch_unwind(ask), Ok(Ok(false))))
    }

    /// Changes the rows of segments; `None` where they are built beside the others.
    fn change_segments<T>(
        &self,
        work: impl FnOnce(&mut Rows, &dyn WorkspaceKeys, &Catalogues, Seq) -> Result<T, redb::Error>,
    ) -> Result<Option<T>, ViewError> {
        let mut open = write(&self.shelves);
        let shelves = open.as_mut().ok_or(ViewError::Closed)?;
        let shelf = &mut shelves.segments;
        if shelf.is_beside() {
            return Ok(None);
        }
        let cursor = shelf.cursor();
        // A damaged file can make redb panic rather than fail.
        let work =
            AssertUnwindSafe(|| work(&mut shelf.rows, &*self.keys, &shelves.catalogues, cursor));
        let worked = catch_unwind(work)
            .unwrap_or_else(|_| Err(redb::Error::Corrupted("folding panicked".into())));
        let worked = shelf.heed(worked.map_err(ViewError::while_doing("folding")));
        if worked.is_err() {
            // Half of it may be done: nobody may see that.
            self.give_up(&mut open);
        } else {
            shelves.shrink(self.place.room());
        }
        worked.map(Some)
    }
}
