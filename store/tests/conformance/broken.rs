//! Journals with one fault each: the suite fails where that fault is, and nowhere else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use store::journal::block::Packed;
use store::journal::conformance::{Place, failures};
use store::journal::memory::MemoryJournal;
use store::journal::{AppendError, Change, Journal, JournalError, Later, Visit};
use store::ledger;
use store::record::Seq;
use tokio::sync::watch;

use crate::NONE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Who expects another end is told that all is well.
    BelievesItself,
    /// The blocks of one append are written one by one.
    Tears,
    /// What was replaced is still there.
    KeepsWhatWasErased,
    /// A reader that has enough is told more.
    TalksOn,
    /// The floor rises, and what lies below is read all the same.
    ReadsBelowItsFloor,
    /// It is closed in name alone.
    StaysOpen,
}

struct Broken {
    inner: MemoryJournal,
    fault: Fault,
    floor: std::sync::Mutex<Option<Seq>>,
    closed: AtomicBool,
}

impl Journal for Broken {
    fn append(&self, end: Seq, blocks: Vec<Packed>) -> Later<'_, Result<Seq, AppendError>> {
        Box::pin(async move {
            if self.fault == Fault::Tears {
                let mut last = end;
                for block in blocks {
                    last = self.inner.append(last, vec![block]).await?;
                }
                return Ok(last);
            }
            let last = blocks.last().map_or(end, |block| block.last);
            match self.inner.append(end, blocks).await {
                Err(AppendError::Lost { .. }) if self.fault == Fault::BelievesItself => Ok(last),
                appended => appended,
            }
        })
    }

    fn read(&self, from: Seq, visit: &mut Visit<'_>) -> Result<(), JournalError> {
        if self.fault != Fault::TalksOn {
            return self.inner.read(from, visit);
        }
        self.inner.read(from, &mut |block| {
            let _ = visit(block)?;
            Ok(std::ops::ControlFlow::Continue(()))
        })
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        self.inner.committed()
    }

    fn floor(&self) -> Seq {
        let floor = *self.floor.lock().unwrap();
        floor.unwrap_or_else(|| self.inner.floor())
    }

    fn settle(&self) -> Later<'_, Result<Seq, JournalError>> {
        self.inner.settle()
    }

    fn rewrite(&self, places: &BTreeSet<Seq>, change: &mut Change<'_>) -> Result<(), JournalError> {
        match self.fault {
            Fault::KeepsWhatWasErased => Ok(()),
            _ => self.inner.rewrite(places, change),
        }
    }

    fn drop_before(&self, seq: Seq) -> Result<Seq, JournalError> {
        if self.fault != Fault::ReadsBelowItsFloor {
            return self.inner.drop_before(seq);
        }
        let end = *self.committed().borrow();
        let floor = self.floor().max(seq.min(end.next()));
        *self.floor.lock().unwrap() = Some(floor);
        Ok(floor)
    }

    fn is_sound(&self) -> bool {
        !self.closed.load(Ordering::Acquire) && self.inner.is_sound()
    }

    fn close(&self) -> Later<'_, Result<(), JournalError>> {
        if self.fault != Fault::StaysOpen {
            return self.inner.close();
        }
        self.closed.store(true, Ordering::Release);
        Box::pin(async { Ok(()) })
    }
}

struct At(Arc<Broken>);

impl Place for At {
    fn open(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.0) as _
    }

    fn is_durable(&self) -> bool {
        false
    }
}

fn made(fault: Fault) -> Box<dyn Place> {
    Box::new(At(Arc::new(Broken {
        inner: MemoryJournal::default(),
        fault,
        floor: std::sync::Mutex::default(),
        closed: AtomicBool::new(false),
    })))
}

#[test]
fn each_fault_is_found_where_it_is_and_nowhere_else() {
    for (fault, expected) in [
        (
            Fault::BelievesItself,
            &[
                "an_append_that_expects_another_end_leaves_nothing",
                "of_racing_writers_one_wins_each_position",
            ][..],
        ),
        (
            Fault::Tears,
            &["blocks_of_one_append_are_all_there_or_none_is"],
        ),
        (
            Fault::KeepsWhatWasErased,
            &["what_is_rewritten_is_gone_and_the_rest_as_it_was"],
        ),
        (
            Fault::TalksOn,
            &["reading_begins_with_the_block_that_holds_the_place"],
        ),
        (
            Fault::ReadsBelowItsFloor,
            &["what_is_dropped_is_not_read_and_the_end_stays"],
        ),
        (Fault::StaysOpen, &["a_closed_journal_takes_nothing"]),
    ] {
        assert_eq!(failures(&|| made(fault)), expected, "{fault:?}");
    }
}

/// A journal that lets a stale decider believe itself makes both tell what is not so.
#[test]
fn a_decider_that_is_not_fenced_is_found() {
    let failed = ledger::conformance::failures(&|| made(Fault::BelievesItself));
    assert!(
        failed.contains(&"a_stale_decider_tells_nobody_that_an_event_is_tracked"),
        "{failed:?}"
    );
    let sound = ledger::conformance::failures(&|| made(Fault::KeepsWhatWasErased));
    assert_eq!(
        sound, NONE,
        "what is erased is hidden, whatever the journal does"
    );
}

/// It says that it is durable, and begins anew each time.
struct Fresh;

impl Place for Fresh {
    fn open(&self) -> Arc<dyn Journal> {
        Arc::new(MemoryJournal::default())
    }

    fn is_durable(&self) -> bool {
        true
    }
}

#[test]
fn a_journal_that_forgets_is_found_by_the_checks_of_durability_alone() {
    let failed = failures(&|| Box::new(Fresh));
    assert_eq!(
        failed,
        [
            "what_was_acknowledged_is_there_after_a_death",
            "what_was_rewritten_stays_so_after_a_death",
            "the_floor_is_known_after_a_death",
        ]
    );
}
