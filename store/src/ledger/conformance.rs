//! The promises of [`Log`] as tests, in two parts: laws, which every log passes, and durability,
//! which every log that outlives its process passes.

mod amended;
mod durable;
mod law;
mod shown;
pub(crate) mod subject;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use subject::*;

use proptest::prelude::*;
use shared::decimal::Decimal;
use shared::ids::EventId;
use shared::money::{Currency, Money};
use shared::time::Timestamp;
use tempfile::TempDir;

use super::decide::{RefundAsk, WorkspaceKey, WorkspaceKeys};
use super::memory::MemoryLog;
use super::redb::{Options, RedbLog};
use super::{Appended, DEDUPE_WINDOW_MS, Health, Log, Refusal, Submission};
use crate::clock::{Clock, FixedClock};
use crate::record::identity::Sender;
use crate::record::public_seq::{PublicSeq, Stamp};
use crate::record::{Address, Entry, Fact, Personal, Record, Seq, Source, WorkspaceId};

/// Makes each law a test of every log.
macro_rules! laws {
    ($($law:ident)*) => {
        mod redb_keeps {
            $(#[tokio::test] async fn $law() { super::law::$law(super::subject::redb_log()).await; })*
        }
        mod memory_keeps {
            $(#[tokio::test] async fn $law() { super::law::$law(super::subject::memory_log()).await; })*
        }
    };
}

laws! {
    seqs_grow_by_one_in_the_order_of_submission
    reading_takes_up_where_it_is_told_and_stops_at_the_limit
    an_id_is_tracked_once_and_the_duplicate_names_the_first
    the_same_id_in_another_workspace_is_another_event
    the_same_id_of_another_sender_is_another_event
    the_same_id_of_another_type_is_a_conflict
    an_older_id_counts_for_nothing_that_was_recorded_since
    of_racing_copies_exactly_one_is_tracked
    find_sees_an_event_as_soon_as_it_is_acknowledged
    readers_never_see_a_gap_while_writers_run
    an_order_is_tracked_once_and_a_different_one_conflicts
    the_order_is_looked_at_before_the_id
    what_browsers_say_of_an_order_is_tracked_whatever_is_known_of_it
    refunds_take_what_is_left_and_no_more
    a_refund_id_is_one_refund_of_its_workspace
    redaction_takes_the_personal_part_and_nothing_else
    a_closed_log_takes_nothing
    an_empty_append_is_fine
    callers_see_indexes_of_their_own_records_alone
    what_an_answer_says_is_what_is_shown_and_each_commit_is_later
    an_append_of_many_blocks_is_counted_through
    what_was_never_given_is_nowhere
    redaction_changes_no_seq
}

/// How a durable log is opened, with a given number of records to a segment.
type Open = fn(&Path, u64) -> Arc<dyn Log>;

fn open_redb(folder: &Path, rotate_records: u64) -> Arc<dyn Log> {
    Arc::new(RedbLog::open(options(folder, rotate_records)).unwrap())
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
    let log = RedbLog::open(Options {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..options(folder.path(), 1)
    })
    .unwrap();
    append(&log, track(1)).await;
    append(&log, track(2)).await;
    // Sealing happens behind; closing waits for it.
    log.close().await.unwrap();
    let log = RedbLog::open(Options {
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
            older: Some(id(older)),
            ..unverified(track(number))
        }),
        (small(), small(), order()).prop_map(|(number, older, order)| Submission {
            older: Some(id(older)),
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

    /// The small log is the oracle of the large one: same histories, same outcomes, same records,
    /// restarts or not.
    #[test]
    fn redb_decides_and_keeps_what_memory_does(
        history in proptest::collection::vec(proptest::collection::vec(any_submission(), 1..6), 1..12),
        rotate in 1u64..6,
        restarts in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let oracle = memory();
            let mut log = RedbLog::open(options(folder.path(), rotate)).unwrap();
            for (batch, restart) in history.into_iter().zip(restarts) {
                let expected = oracle.append(batch.clone()).await.unwrap();
                assert_eq!(log.append(batch).await.unwrap(), expected);
                if restart {
                    log.close().await.unwrap();
                    drop(log);
                    log = RedbLog::open(options(folder.path(), rotate)).unwrap();
                }
            }
            assert_eq!(all(&log), all(&oracle));
        });
    }
}
