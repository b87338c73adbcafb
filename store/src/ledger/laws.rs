//! The promises of [`Log`] as tests of the ledgers that there are, and what only a log on disk keeps.

mod amended;
mod damaged;
mod durable;
mod erased;
mod floor;
mod redacted;
mod shown;
mod visitors;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use shared::time::Timestamp;
use tempfile::TempDir;

use super::conformance::CHECKS;
pub(crate) use super::conformance::subject::*;
use super::local::{LocalLedger, Options};
use super::memory::MemoryLedger;
use super::{Appended, DEDUPE_WINDOW_MS, Log, OrderRefusal, Submission};
use crate::clock::{Clock, FixedClock};
use crate::ids::OlderId;
use crate::journal::memory::MemoryJournal;
use crate::record::Seq;
use crate::record::identity::Sender;
use crate::record::public_seq::{PublicSeq, Stamp};

pub(crate) fn options(folder: &Path, rotate_records: u64) -> Options {
    // The system's clock would find these events too old to remember.
    let clock = Arc::new(FixedClock::new(Timestamp::from_millis(NOW)));
    Options {
        rotate_records,
        run_ids: usize::try_from(rotate_records).unwrap(),
        clock,
        ..Options::new(folder, Arc::new(OneKey))
    }
}

/// A log in memory, with a clock like that of [`options`], whose first record has this seq.
fn memory_from(first: u64) -> MemoryLedger {
    let clock = FixedClock::new(Timestamp::from_millis(NOW));
    let journal = Arc::new(MemoryJournal::starting_at(Seq(first)));
    MemoryLedger::over(journal, Arc::new(OneKey), Arc::new(clock)).unwrap()
}

/// What [`places`] leaves of a new record at this place.
pub(crate) fn tracked(place: u64) -> Appended {
    Appended::Tracked {
        seq: Seq(place),
        public_seq: PublicSeq::START,
    }
}

/// Copies a data folder as it is, which is what the death of the process leaves.
pub(crate) fn crash_image(folder: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for file in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let target = to.join(file.file_name());
            // A draft may be renamed between the listing and the copy.
            match file.path() {
                path if path.is_dir() => copy(&path, &target),
                path => match std::fs::copy(&path, &target) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    copied => drop(copied.unwrap()),
                },
            }
        }
    }
    let image = tempfile::tempdir().unwrap();
    copy(folder, image.path());
    image
}

/// Runs every law on ledgers that this makes.
fn keeps_the_laws(make: impl Fn() -> Arc<dyn Log>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    for (_, law) in CHECKS {
        runtime.block_on(law(Subject::new(make())));
    }
}

#[test]
fn the_ledger_on_disk_keeps_every_law() {
    let folders = std::sync::Mutex::new(Vec::new());
    keeps_the_laws(|| {
        let folder = tempfile::tempdir().unwrap();
        let log = LocalLedger::open(options(folder.path(), 7)).unwrap();
        folders.lock().unwrap().push(folder);
        Arc::new(log)
    });
}

#[test]
fn the_ledger_in_memory_keeps_every_law_wherever_its_journal_begins() {
    for first in [1, 5_000_000_000] {
        keeps_the_laws(|| Arc::new(memory_from(first)));
    }
}

/// How a durable log is opened, with a given number of records to a segment.
type Open = fn(&Path, u64) -> Arc<dyn Log>;

fn open_redb(folder: &Path, rotate_records: u64) -> Arc<dyn Log> {
    Arc::new(LocalLedger::open(options(folder, rotate_records)).unwrap())
}

macro_rules! durability {
    ($($promise:ident)*) => {
        mod redb_is_durable {
            $(#[tokio::test] async fn $promise() { super::durable::$promise(super::open_redb).await; })*
        }
    };
}

durability! {
    what_was_acknowledged_is_there_after_reopening
    what_was_acknowledged_is_there_after_a_crash_at_any_rotation
    ids_are_remembered_across_segments_and_restarts
    orders_are_remembered_across_crashes
    redaction_survives_a_crash
}

#[tokio::test]
async fn an_id_may_come_back_after_the_window_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::new(Timestamp::from_millis(NOW)));
    let log = LocalLedger::open(Options {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..options(folder.path(), 1)
    })
    .unwrap();
    append(&log, track(1)).await;
    append(&log, track(2)).await;
    // What is in memory is remembered for longer.
    log.flush_ids().unwrap();
    log.close().await.unwrap();
    let log = LocalLedger::open(Options {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..options(folder.path(), 1)
    })
    .unwrap();
    clock.advance_millis(DEDUPE_WINDOW_MS);
    assert_eq!(
        append(&log, track(1)).await,
        Appended::Duplicate {
            id: id(1),
            seq: Seq(1)
        }
    );
    clock.advance_millis(1);
    assert_eq!(append(&log, track(1)).await, tracked(3));
}

/// One step of a random history over a few ids, orders and refunds, so that they collide.
fn any_submission() -> impl Strategy<Value = Submission> {
    let small = || 0u32..12;
    let order = || (0u8..3).prop_map(|order| format!("o{order}"));
    prop_oneof![
        small().prop_map(track),
        small().prop_map(identify),
        (small(), small()).prop_map(|(number, older)| Submission {
            older: vec![OlderId::unkeyed(id(older))],
            ..unverified(track(number))
        }),
        (small(), small(), order()).prop_map(|(number, older, order)| Submission {
            older: vec![OlderId::unkeyed(id(older))],
            ..purchase(number, &order, 100)
        }),
        (small(), order(), 1i64..3).prop_map(|(number, order, cents)| purchase(
            number,
            &order,
            cents * 100
        )),
        (small(), order(), 1i64..3).prop_map(|(number, order, cents)| unverified(purchase(
            number,
            &order,
            cents * 100
        ))),
        (small(), order(), 0u8..3, proptest::option::of(0u8..3)).prop_map(
            |(number, order, name, amount)| {
                let amount = amount.map(|amount| format!("{amount}.5"));
                refund(number, &order, &format!("r{name}"), amount.as_deref())
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// One code decides over both journals: same histories, same outcomes, same records, restarts or
    /// not.
    #[test]
    fn redb_decides_and_keeps_what_memory_does(
        history in proptest::collection::vec(proptest::collection::vec(any_submission(), 1..6), 1..12),
        rotate in 1u64..6,
        restarts in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let oracle = memory_from(1);
            let mut log = LocalLedger::open(options(folder.path(), rotate)).unwrap();
            for (batch, restart) in history.into_iter().zip(restarts) {
                let expected = oracle.append(batch.clone()).await.unwrap();
                assert_eq!(log.append(batch).await.unwrap(), expected);
                if restart {
                    log.close().await.unwrap();
                    drop(log);
                    log = LocalLedger::open(options(folder.path(), rotate)).unwrap();
                }
            }
            assert_eq!(all(&log), all(&oracle));
        });
    }
}
