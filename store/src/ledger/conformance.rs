//! The promises of [`Log`](super::Log) as checks of a ledger over any journal: whoever writes a journal
//! runs these beside [`crate::journal::conformance`], from another crate if need be.
#![expect(
    clippy::unwrap_used,
    reason = "a check fails by panicking, and says so where it does"
)]

pub(crate) mod amended;
mod deciders;
mod law;
mod orders;
pub(crate) mod shown;
pub mod subject;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use shared::time::Timestamp;

use super::memory::MemoryLedger;
use crate::clock::FixedClock;
use crate::journal::conformance::Make;
use crate::journal::{Journal, Later};
pub use subject::Subject;
use subject::{NOW, OneKey};

/// A check of a ledger: it panics where the promise is not kept. It wants a runtime.
pub type LedgerCheck = fn(Subject) -> Later<'static, ()>;

macro_rules! checks {
    ($($module:ident::$law:ident)*) => {
        /// Every check by its name.
        pub const CHECKS: &[(&str, LedgerCheck)] = &[
            $((stringify!($law), |subject| Box::pin($module::$law(subject))),)*
        ];
    };
}

checks! {
    law::seqs_grow_by_one_in_the_order_of_submission
    law::reading_takes_up_where_it_is_told_and_stops_at_the_limit
    law::reading_many_leaves_none_out_and_none_at_the_end_alone
    law::an_id_is_tracked_once_and_the_duplicate_names_the_first
    law::the_same_id_in_another_workspace_is_another_event
    law::the_same_id_of_another_sender_is_another_event
    law::the_same_id_of_another_type_is_a_conflict
    law::an_older_id_counts_for_nothing_that_was_recorded_since
    law::of_racing_copies_exactly_one_is_tracked
    law::find_sees_an_event_as_soon_as_it_is_acknowledged
    law::readers_never_see_a_gap_while_writers_run
    orders::an_order_is_tracked_once_and_a_different_one_conflicts
    orders::the_order_is_looked_at_before_the_id
    orders::what_browsers_say_of_an_order_is_tracked_whatever_is_known_of_it
    orders::refunds_take_what_is_left_and_no_more
    orders::a_refund_id_is_one_refund_of_its_workspace
    law::redaction_takes_the_personal_part_and_nothing_else
    law::what_is_handed_over_is_what_is_read
    law::nothing_arrives_before_an_instant_that_was_promised
    law::a_closed_log_takes_nothing
    law::an_empty_append_is_fine
    shown::callers_see_indexes_of_their_own_records_alone
    shown::what_an_answer_says_is_what_is_shown_and_each_commit_is_later
    shown::an_append_of_many_blocks_is_counted_through
    shown::what_was_never_given_is_nowhere
    shown::redaction_changes_no_seq
    amended::amendments_keep_their_rules
    amended::an_order_is_amended_after_refunds_in_one_append_and_across_commits
}

/// A check of ledgers over one journal, which they share. It wants a runtime.
pub type DeciderCheck = fn(Arc<dyn Journal>) -> Later<'static, ()>;

/// What two ledgers over one journal keep.
pub const DECIDER_CHECKS: &[(&str, DeciderCheck)] = &[
    (
        "of_two_deciders_at_once_each_event_is_tracked_by_one",
        |journal| Box::pin(deciders::each_event_once(journal)),
    ),
    (
        "a_stale_decider_tells_nobody_that_an_event_is_tracked",
        |journal| Box::pin(deciders::stale_one_is_silent(journal)),
    ),
    (
        "a_decider_that_stood_still_learns_before_it_decides",
        |journal| Box::pin(deciders::learns_first(journal)),
    ),
];

/// A ledger with books in memory over this journal.
///
/// # Panics
/// When the journal cannot be read.
pub(crate) fn ledger_over(journal: Arc<dyn Journal>) -> MemoryLedger {
    // The system's clock would find these events too old to remember.
    let clock = FixedClock::new(Timestamp::from_millis(NOW));
    MemoryLedger::over(journal, Arc::new(OneKey), Arc::new(clock)).unwrap()
}

/// Runs every check with a ledger over a new journal, and names those that fail.
///
/// # Panics
/// Where no runtime can be made.
pub fn failures(make: &Make<'_>) -> Vec<&'static str> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let holds = |check: &dyn Fn(Arc<dyn Journal>) -> Later<'static, ()>| {
        let place = make();
        let run = || runtime.block_on(check(place.open()));
        catch_unwind(AssertUnwindSafe(run)).is_ok()
    };
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        if !holds(&|journal| check(Subject::new(Arc::new(ledger_over(journal))))) {
            failed.push(*name);
        }
    }
    for (name, check) in DECIDER_CHECKS {
        if !holds(&|journal| check(journal)) {
            failed.push(*name);
        }
    }
    failed
}
