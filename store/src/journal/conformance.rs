//! The promises of [`Journal`] as checks, for journals of any make: whoever writes one runs these
//! against it, from another crate if need be. They count on no position, so that a journal may begin
//! and end anywhere.
//!
//! ```
//! use std::sync::Arc;
//! use store::journal::conformance::{JournalHome, failures};
//! use store::journal::{Journal, memory::MemoryJournal};
//!
//! struct Memory(Arc<MemoryJournal>);
//!
//! impl JournalHome for Memory {
//!     fn open(&self) -> Arc<dyn Journal> {
//!         Arc::clone(&self.0) as _
//!     }
//!     fn is_durable(&self) -> bool {
//!         false
//!     }
//! }
//!
//! let make = || Box::new(Memory(Arc::default())) as Box<dyn JournalHome>;
//! assert_eq!(failures(&make), [""; 0]);
//! ```

mod blocks;
mod checks;
mod durable;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Journal;
pub use blocks::{NOW, entry};

/// Where a journal lives.
pub trait JournalHome: Send + Sync {
    /// Opens the journal that lies here, or makes an empty one. Whoever had it open has died: what is
    /// there is what their death has left.
    fn open(&self) -> Arc<dyn Journal>;

    /// Whether what was acknowledged outlives whoever had it open.
    fn is_durable(&self) -> bool;

    /// Makes the next append to the journal that was opened last end as
    /// [`AppendError::Unknown`](super::AppendError::Unknown), whether its blocks get there or not. False where
    /// that cannot be brought about: the check of such appends then passes without having looked.
    fn lose_the_next_answer(&self) -> bool {
        false
    }
}

/// Makes a new place with nothing in it.
pub type Make<'a> = dyn Fn() -> Box<dyn JournalHome> + 'a;

/// A check: it panics where the promise is not kept.
pub type JournalCheck = fn(&dyn JournalHome);

/// Every check by its name; those of the second list are for places that are durable.
pub const CHECKS: [(&str, JournalCheck); 13] = checks::ALL;
/// See [`CHECKS`].
pub const DURABLE_CHECKS: [(&str, JournalCheck); 3] = durable::ALL;

/// Runs every check and panics at the first that fails.
///
/// # Panics
/// Where a promise is not kept.
pub fn run(make: &Make<'_>) {
    for (_, check) in CHECKS {
        check(&*make());
    }
    for (_, check) in DURABLE_CHECKS {
        let place = make();
        if place.is_durable() {
            check(&*place);
        }
    }
}

/// Runs every check, each in a new place, and names those that fail.
pub fn failures(make: &Make<'_>) -> Vec<&'static str> {
    let durable = DURABLE_CHECKS.into_iter().filter(|_| make().is_durable());
    CHECKS
        .into_iter()
        .chain(durable)
        .filter(|(_, check)| catch_unwind(AssertUnwindSafe(|| check(&*make()))).is_err())
        .map(|(name, _)| name)
        .collect()
}
