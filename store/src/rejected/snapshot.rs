//! The store of rejected events and backups: a consistent copy of it, and the lineage that it carries.

use std::path::Path;

use redb::{ReadableDatabase as _, TableDefinition};

use super::tables::{BY_ID, COUNTS, REJECTED};
use super::{FILE, RejectedStore};
use crate::files::database::table;
use crate::lineage::{self, Lineage, Part, Standing, Strange};
use crate::snapshot;

/// Key: `store` or `opening`. Value: the number, see [`lineage`].
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about_v1");

impl RejectedStore {
    /// Whether the file belongs to `meta.redb`.
    ///
    /// # Errors
    /// See [`Strange`].
    pub fn check_lineage(&self, data: &Path, standing: &Standing) -> Result<(), Strange> {
        standing.check_file(&data.join(FILE), Part::Rejected, self.lineage(data)?)
    }

    /// Which store it is of, and when it was last opened with it; `None` where it was made anew, or
    /// is from before there were lineages.
    ///
    /// # Errors
    /// [`Strange::Storage`].
    pub(crate) fn lineage(&self, data: &Path) -> Result<Option<Lineage>, Strange> {
        let read = || -> Result<Option<Lineage>, redb::Error> {
            let about = table(&self.shared.database.begin_read()?, ABOUT)?;
            about.map_or(Ok(None), |about| lineage::read(&about))
        };
        read().map_err(|error| Strange::Storage {
            path: data.join(FILE),
            doing: "reading its lineage",
            what: error.to_string(),
        })
    }

    /// Notes the lineage, durably.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_lineage(&self, lineage: Lineage) -> Result<(), redb::Error> {
        let transaction = self.shared.database.begin_write()?;
        lineage::write(&mut transaction.open_table(ABOUT)?, lineage)?;
        Ok(transaction.commit()?)
    }

    /// Writes what is on disk into a new file. What waits in memory is not in it: a crash would lose
    /// that too.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn snapshot(&self, to: &Path) -> Result<(), redb::Error> {
        snapshot::take(&self.shared.database, to, |copy| {
            copy.table(REJECTED)?;
            copy.table(COUNTS)?;
            copy.table(BY_ID)?;
            copy.table(ABOUT)
        })
    }
}
