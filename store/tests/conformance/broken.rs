//! Journals with one fault each: the suite fails where that fault is, and nowhere else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use store::journal::block::Packed;
use store::journal::conformance::{JournalHome, failures};
use store::journal::memory::MemoryJournal;
use store::journal::{AppendError, BlockChange, Journal, JournalError, Later, Visit};
use store::ledger;
use store::record::Seq;
use store::record::identity::{FactKind, IdKey};
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
    /// Who follows its end is not woken.
    TellsNobody,
    /// Now and then, whoever reads right behind an append does not see it yet.
    Lags,
    /// The id that it tells of a place is the next one's.
    NamesTheNext,
    /// Settling tells another end than the journal has.
    MisjudgesItsEnd,
    /// What was in doubt is said to be lost, and is there.
    BelievesThatDoubtIsLoss,
}

struct Broken {
    inner: MemoryJournal,
    fault: Fault,
    floor: std::sync::Mutex<Option<Seq>>,
    closed: AtomicBool,
    /// Ends that were told once and for all.
    told: std::sync::Mutex<Vec<watch::Sender<Seq>>>,
    /// Where it ended before the last append, until somebody has read; and how many have read so.
    unread: std::sync::Mutex<(Option<Seq>, u32)>,
    /// Where it ended when an answer was lost.
    before_doubt: std::sync::Mutex<Option<Seq>>,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        Self {
            inner: MemoryJournal::default(),
            fault,
            floor: std::sync::Mutex::default(),
            closed: AtomicBool::new(false),
            told: std::sync::Mutex::default(),
            unread: std::sync::Mutex::default(),
            before_doubt: std::sync::Mutex::default(),
        }
    }

    /// How far a reader sees.
    fn horizon(&self) -> Seq {
        let (unread, readers) = &mut *self.unread.lock().unwrap();
        let before = unread.take();
        *readers += u32::from(before.is_some());
        match before {
            Some(before) if readers.is_multiple_of(10) => before,
            _ => Seq(u64::MAX),
        }
    }
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
            let appended = self.inner.append(end, blocks).await;
            match &appended {
                Ok(_) => self.unread.lock().unwrap().0 = Some(end),
                Err(AppendError::Unknown(_)) => {
                    *self.before_doubt.lock().unwrap() = Some(end);
                }
                Err(_) => {}
            }
            match appended {
                Err(AppendError::Lost { .. }) if self.fault == Fault::BelievesItself => Ok(last),
                appended => appended,
            }
        })
    }

    fn read(&self, from: Seq, visit: &mut Visit<'_>) -> Result<(), JournalError> {
        match self.fault {
            Fault::TalksOn => self.inner.read(from, &mut |block| {
                let _ = visit(block)?;
                Ok(std::ops::ControlFlow::Continue(()))
            }),
            Fault::Lags => {
                let horizon = self.horizon();
                self.inner.read(from, &mut |block| {
                    if block.first() > horizon {
                        return Ok(std::ops::ControlFlow::Break(()));
                    }
                    visit(block)
                })
            }
            _ => self.inner.read(from, visit),
        }
    }

    fn id_at(&self, place: Seq) -> Result<Option<(IdKey, FactKind)>, JournalError> {
        match self.fault {
            Fault::NamesTheNext => self.inner.id_at(place.next()),
            _ => self.inner.id_at(place),
        }
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        if self.fault != Fault::TellsNobody {
            return self.inner.committed();
        }
        let told = watch::Sender::new(*self.inner.committed().borrow());
        let follower = told.subscribe();
        self.told.lock().unwrap().push(told);
        follower
    }

    fn floor(&self) -> Seq {
        let floor = *self.floor.lock().unwrap();
        floor.unwrap_or_else(|| self.inner.floor())
    }

    fn settle(&self) -> Later<'_, Result<Seq, JournalError>> {
        Box::pin(async {
            let end = self.inner.settle().await?;
            let before = self.before_doubt.lock().unwrap().take();
            match (self.fault, before) {
                (Fault::MisjudgesItsEnd, None) => Ok(Seq(end.0 - 1)),
                (Fault::BelievesThatDoubtIsLoss, Some(before)) => Ok(before),
                _ => Ok(end),
            }
        })
    }

    fn rewrite(
        &self,
        places: &BTreeSet<Seq>,
        change: &mut BlockChange<'_>,
    ) -> Result<(), JournalError> {
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

impl JournalHome for At {
    fn open(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.0) as _
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn lose_the_next_answer(&self) -> bool {
        self.0.inner.lose_the_next_answer(true);
        true
    }
}

fn made(fault: Fault) -> Box<dyn JournalHome> {
    Box::new(At(Arc::new(Broken::new(fault))))
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
            &[
                "blocks_of_one_append_are_all_there_or_none_is",
                "what_was_in_doubt_is_all_there_or_nowhere_once_settled",
            ],
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
        (
            Fault::NamesTheNext,
            &["the_id_at_a_place_is_told_as_its_block_has_it"],
        ),
        (Fault::StaysOpen, &["a_closed_journal_takes_nothing"]),
        (
            Fault::TellsNobody,
            &["the_end_is_told_and_wakes_who_follows"],
        ),
        (
            Fault::Lags,
            &["a_reader_sees_what_was_acknowledged_before_it_began"],
        ),
        (
            Fault::MisjudgesItsEnd,
            &["settling_leaves_what_was_acknowledged"],
        ),
        (
            Fault::BelievesThatDoubtIsLoss,
            &["what_was_in_doubt_is_all_there_or_nowhere_once_settled"],
        ),
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

impl JournalHome for Fresh {
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
