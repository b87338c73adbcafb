//! The journal: blocks of records in the order of their commits, and nothing else. What an id, an
//! order or a refund is, the ledger above knows; where the blocks lie, the journals below know.
//!
//! In reading order:
//!
//! - `block`: the records of one commit, packed
//! - [`Journal`]: what every journal promises; `error`: how it says that it could not
//! - `memory`: one that is small enough to be read in one go
//! - `local`: the one on this machine's disk
//! - `conformance`: the promises as checks, for journals of any make

pub mod block;
pub mod conformance;
mod error;
pub mod local;
pub mod memory;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};

use tokio::sync::watch;

use crate::record::Seq;
use crate::record::identity::{FactKind, IdKey};
use block::{BadBlock, Block, Packed};
pub use error::{AppendError, Damage, JournalError};

/// A future that a trait object can return.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is done with each block that is read; breaks where no more are wanted. A block that turns out
/// to be no good is reported by the journal, which knows where it lies.
pub type Visit<'a> = dyn FnMut(&Block<'_>) -> Result<ControlFlow<()>, BadBlock> + 'a;

/// What a block is to be replaced by, under the same seqs; `None` leaves it as it is.
pub type BlockChange<'a> = dyn FnMut(&Block<'_>) -> Result<Option<Vec<u8>>, BadBlock> + Send + 'a;

/// Blocks in the order of their commits.
///
/// A position is the seq of a record. A journal need not begin at seq 1, and there may be gaps in it:
/// nothing above may count on either. Any number of writers may hold one journal: of two that append
/// behind the same end, one loses. No clock is asked, so that a writer that stood still for an hour
/// loses like any other.
///
/// Promises, each of which [`conformance`] checks:
/// 1. **Durable**: when `append` returns `Ok`, the blocks are on storage that survives the process and
///    the machine's power (journals in memory excepted).
/// 2. **Atomic**: the blocks of one `append` are all there or none is.
/// 3. **Expected**: an `append` succeeds only where the journal ends at the position that it names.
///    [`AppendError::Lost`] and [`AppendError::NotWritten`] say that nothing of it is there, or ever
///    will be. After [`AppendError::Unknown`] it may be; [`Journal::settle`] decides.
/// 4. **Ordered**: `read` visits blocks in the order of their seqs, each once, whole and as they were
///    appended, and never one that was not committed. What `append` has acknowledged is visited by
///    every `read` that begins afterwards.
/// 5. **Told**: `committed` is the last position that `read` reaches, and wakes whoever follows it.
/// 6. **Rewritten**: after `rewrite`, what was replaced is nowhere in the journal any more; positions
///    stay as they were, other blocks to the byte. A crash leaves each block as it was or as it is to
///    be. Repeating it is harmless.
/// 7. **Dropped**: after `drop_before`, nothing below the floor is read, the floor is recorded, and the
///    end stays where it was. It never goes above the position that was named, and never down.
/// 8. **Closed**: after `close`, every append is [`AppendError::NotWritten`].
pub trait Journal: Send + Sync + 'static {
    /// Appends blocks behind `end`, which must be where the journal ends. The first of them starts at
    /// the next seq, each other one behind the one before; together they hold at most 16 MB of entries
    /// and one append more. Returns the new end.
    fn append(&self, end: Seq, blocks: Vec<Packed>) -> Later<'_, Result<Seq, AppendError>>;

    /// Visits the committed blocks from the one that holds `from`, or else from the first behind it.
    /// Blocks on disk or network: not for an async worker.
    fn read(&self, from: Seq, visit: &mut Visit<'_>) -> Result<(), JournalError>;

    /// The id of the record at a place, with its type; `None` where there is none. A journal may tell it
    /// without looking at the rest of its block, and so without knowing that the block is undamaged:
    /// whoever asks has an id to compare it with, and where they differ the block is read (`read`).
    fn id_at(&self, place: Seq) -> Result<Option<(IdKey, FactKind)>, JournalError> {
        let mut found = None;
        self.read(place, &mut |block| {
            found = block.id_at(place)?;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// The last committed position, and a wake-up for whoever follows. Before the first record it is
    /// the position in front of that.
    fn committed(&self) -> watch::Receiver<Seq>;

    /// The first position that may be there; nothing below it is read any more.
    fn floor(&self) -> Seq;

    /// After [`AppendError::Unknown`]: makes sure what is there and returns the end. What was not
    /// acknowledged may be there from then on or not; nothing appears later.
    fn settle(&self) -> Later<'_, Result<Seq, JournalError>>;

    /// Replaces blocks that hold any of these places. Whole stretches of the journal may be written
    /// anew for it, so places that wait are better done together. Blocks on disk.
    fn rewrite(
        &self,
        places: &BTreeSet<Seq>,
        change: &mut BlockChange<'_>,
    ) -> Result<(), JournalError>;

    /// How many stretches would be written anew for these places; 0 where a journal has none.
    fn touched(&self, places: &BTreeSet<Seq>) -> usize {
        let _ = places;
        0
    }

    /// Lets go of what lies before `seq`, as far as whole stretches do. Returns the floor from then on.
    /// Blocks on disk.
    fn drop_before(&self, seq: Seq) -> Result<Seq, JournalError>;

    /// Whether appends are taken: false after one that failed, until it is settled, and once closed.
    fn is_sound(&self) -> bool;

    /// What is better done between appends, once their callers have their answers. Blocks on disk.
    fn tidy(&self) {}

    /// Closes in order.
    fn close(&self) -> Later<'_, Result<(), JournalError>>;
}

/// Waits for a future on a thread of its own, which the ledger's writer is: what a journal does on a
/// network runs on the threads of a runtime meanwhile.
pub fn wait<T>(mut later: Later<'_, T>) -> T {
    struct Parked(Thread);
    impl Wake for Parked {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Parked(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    loop {
        match later.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
