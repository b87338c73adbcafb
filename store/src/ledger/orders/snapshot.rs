//! The order book and backups: a consistent copy of it, and the lineage that it carries.

use std::path::Path;

use redb::ReadableDatabase as _;

use super::{ABOUT, ORDERS, OrderBook, REFUNDS};
use crate::files;
use crate::ledger::LogError;
use crate::lineage::{self, Lineage};
use crate::locks::lock;
use crate::record::Seq;
use crate::snapshot;

impl OrderBook {
    /// Which store it is of, and when it was last opened with it; `None` where it was made anew, or is
    /// from before there were lineages.
    pub(crate) fn lineage(&self) -> Result<Option<Lineage>, LogError> {
        let database = lock(&self.shared.database)
            .clone()
            .ok_or(LogError::Unavailable)?;
        let read = || -> Result<_, redb::Error> {
            lineage::read(&database.begin_read()?.open_table(ABOUT)?)
        };
        read().map_err(|error| LogError::storage("reading the order book", &error))
    }

    pub(crate) fn set_lineage(&self, lineage: Lineage) -> Result<(), LogError> {
        let _flushing = lock(&self.shared.flushing);
        let database = lock(&self.shared.database)
            .clone()
            .ok_or(LogError::Unavailable)?;
        let write = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            lineage::write(&mut transaction.open_table(ABOUT)?, lineage)?;
            Ok(transaction.commit()?)
        };
        write().map_err(|error| LogError::storage("noting the lineage of the order book", &error))
    }

    /// Writes what the file holds into a new one; what waits in memory is folded from the log when
    /// that is opened. Returns the last record that it reflects.
    pub(crate) fn snapshot(&self, to: &Path) -> Result<Seq, LogError> {
        let database = lock(&self.shared.database)
            .clone()
            .ok_or(LogError::Unavailable)?;
        let copy = || -> Result<Seq, redb::Error> {
            snapshot::take(&database, to, |copy| {
                copy.table(ORDERS)?;
                copy.table(REFUNDS)?;
                copy.table(ABOUT)
            })?;
            // Not ours, which may have moved on meanwhile.
            let copy = files::database::open_to_read(to, super::CACHE)?;
            let about = copy.begin_read()?.open_table(ABOUT)?;
            Ok(Seq(about.get("cursor")?.map_or(0, |row| row.value())))
        };
        copy().map_err(|error| LogError::storage("copying the order book", &error))
    }
}
