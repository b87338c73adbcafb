//! At which pace a book is written behind the acknowledgement, by a thread of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::locks::lock;
use crate::record::Seq;

/// How long changes wait for company before they are written.
const PAUSE: Duration = Duration::from_millis(250);
/// Without changes a book's cursor still moves, once this many records lie behind it, so that a restart has
/// little to read again.
const IDLE_RECORDS: u64 = 50_000;

/// What waits for a book's file.
pub(super) trait Waits {
    fn is_empty(&self) -> bool;
    fn is_closing(&self) -> bool;
    /// The last record that has been handed over.
    fn upto(&self) -> Seq;
}

/// Writes whenever that is due, until the book closes; `cursor` is how far its file has got. Whoever closes it
/// writes what still waits.
pub(super) fn run<W: Waits>(
    waiting: &Mutex<W>,
    wake: &Condvar,
    cursor: &AtomicU64,
    mut write: impl FnMut(),
) {
    loop {
        let idle = |waiting: &mut W| waiting.is_empty() && !waiting.is_closing();
        let (found, _) = wake
            .wait_timeout_while(lock(waiting), PAUSE, idle)
            .unwrap_or_else(PoisonError::into_inner);
        let is_closing = found.is_closing();
        let is_due =
            !found.is_empty() || found.upto().0 >= cursor.load(Ordering::Acquire) + IDLE_RECORDS;
        drop(found);
        if is_closing {
            return;
        }
        if is_due {
            write();
            // Changes come in company: let them gather rather than sync for each.
            let open = |waiting: &mut W| !waiting.is_closing();
            let gathered = wake.wait_timeout_while(lock(waiting), PAUSE, open);
            drop(gathered.unwrap_or_else(PoisonError::into_inner));
        }
    }
}
