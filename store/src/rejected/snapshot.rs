//! The store of rejected events and backups: a consistent copy of it, and the lineage that it carries.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use redb::ReadableDatabase as _;

use super::behind::SharedRejected;
use super::tables::{ABOUT, BY_ID, CACHE, COUNTS, REJECTED};
use super::{FILE, RejectedStore};
use crate::files::database::table;
use crate::lineage::{self, Lineage, Part, Standing, Strange};
use crate::locks::lock;
use crate::snapshot::{self, Snapshot};

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
            let database = self.shared.database();
            let about = table(&database.begin_read()?, ABOUT)?;
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
        let mut writes = lock(&self.shared.flushing);
        *writes += 1;
        let database = self.shared.database();
        let transaction = database.begin_write()?;
        lineage::write(&mut transaction.open_table(ABOUT)?, lineage)?;
        Ok(transaction.commit()?)
    }

    /// Writes what is on disk into a new file. What waits in memory is not in it: a crash would lose
    /// that too.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn snapshot(&self, to: &Path) -> Result<(), redb::Error> {
        snapshot::take(&self.shared.database(), to, copy_all)
    }
}

impl SharedRejected {
    /// Puts another file in the place of this one that holds the same and nothing else.
    pub(super) fn renew(&self) -> Result<(), redb::Error> {
        {
            // Before, so that whoever asks meanwhile is not forgotten.
            let mut state = lock(&self.state);
            state.wants_renewal = false;
            state.renewed_at = Some(Instant::now());
        }
        let database = || Ok(self.database());
        let mut put = |new| *lock(&self.database) = Arc::new(new);
        let renewed = snapshot::renewed(
            &self.path,
            CACHE,
            &self.flushing,
            &database,
            &copy_all,
            &mut put,
        );
        renewed.inspect_err(|_| lock(&self.state).wants_renewal = true)
    }
}

fn copy_all(copy: &mut Snapshot<'_>) -> Result<(), redb::Error> {
    copy.table(REJECTED)?;
    copy.table(COUNTS)?;
    copy.table(BY_ID)?;
    copy.about(ABOUT)
}
