//! The ledger over a journal in memory, with books in memory: for tests, and for those who want to look
//! at a log without a folder.

use std::ops::Deref;
use std::sync::Arc;

use shared::ids::EventId;
use shared::time::Timestamp;
use tokio::sync::watch;

use super::ids::Ids;
use super::inner::Books;
use super::local::log_of_the_ledger_in;
use super::orders::OrderBook;
use super::redactions::{GATHERING, Redactions};
use super::suppressions::Suppressions;
use super::{Appended, Later, Ledger, Located, Log, LogError, LogHealth, Setup, Submission};
use crate::clock::{Clock, SystemClock};
use crate::journal::Journal;
use crate::journal::memory::MemoryJournal;
use crate::record::identity::Sender;
use crate::record::public_seq::{FIRST_GENERATION, PublicSeq};
use crate::record::{Record, Seq, WorkspaceId, WorkspaceKeys};

/// A ledger that leaves nothing on disk. It remembers ids for as long as it lives.
pub struct MemoryLedger {
    ledger: Ledger,
}

impl MemoryLedger {
    /// An empty one.
    ///
    /// # Panics
    /// Where no thread can be started.
    pub fn new(keys: Arc<dyn WorkspaceKeys>) -> Self {
        Self::with_clock(keys, Arc::new(SystemClock))
    }

    /// One whose commits are made when this clock says.
    ///
    /// # Panics
    /// Where no thread can be started.
    pub fn with_clock(keys: Arc<dyn WorkspaceKeys>, clock: Arc<dyn Clock>) -> Self {
        let journal = Arc::new(MemoryJournal::default());
        Self::over(journal, keys, clock).expect("an empty journal in memory is read without errors")
    }

    /// One over any journal, with books that are learnt from it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn over(
        journal: Arc<dyn Journal>,
        keys: Arc<dyn WorkspaceKeys>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LogError> {
        let before = Seq(journal.floor().0.saturating_sub(1));
        let setup = Setup {
            books: Books {
                ids: Ids::in_memory(before, Arc::clone(&clock)),
                orders: OrderBook::in_memory(before)?,
                suppressions: Suppressions::in_memory(before)?,
                redactions: Redactions::in_memory(),
            },
            keys,
            generation: FIRST_GENERATION,
            clock,
            on_commit: Box::new(|_, _| {}),
            gathering: GATHERING,
        };
        let ledger = Ledger::open(journal, setup)?;
        Ok(Self { ledger })
    }
}

impl Deref for MemoryLedger {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.ledger
    }
}

log_of_the_ledger_in!(MemoryLedger);
