//! The order book and backups: a consistent copy of it, and the lineage that it carries.

use std::path::Path;

use super::OrderBook;
use super::file::{FILE, ORDERS, REFUNDS};
use crate::ledger::LogError;
use crate::ledger::book_file::{ABOUT, cursor_at};
use crate::lineage::Lineage;
use crate::locks::lock;
use crate::record::Seq;
use crate::snapshot;

impl OrderBook {
    /// Which store it is of, and when it was last opened with it; `None` where it was made anew, or is
    /// from before there were lineages.
    pub(crate) fn lineage(&self) -> Result<Option<Lineage>, LogError> {
        FILE.lineage(&*self.database()?)
    }

    pub(crate) fn set_lineage(&self, lineage: Lineage) -> Result<(), LogError> {
        let _flushing = lock(&self.shared.flushing);
        FILE.set_lineage(&*self.database()?, lineage)
    }

    /// Writes what the file holds into a new one; what waits in memory is folded from the log when
    /// that is opened. Returns the last record that it reflects.
    pub(crate) fn snapshot(&self, to: &Path) -> Result<Seq, LogError> {
        let database = self.database()?;
        let copy = || -> Result<Seq, redb::Error> {
            snapshot::take(&database, to, |copy| {
                copy.table(ORDERS)?;
                copy.table(REFUNDS)?;
                copy.table(ABOUT)
            })?;
            // Not ours, which may have moved on meanwhile.
            cursor_at(to)
        };
        copy().map_err(|error| FILE.storage("copying", &error))
    }
}
