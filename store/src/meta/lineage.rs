//! What the meta store says of the store as a whole: which one it is, how it was last opened and
//! closed, and when it was last backed up. How files are compared by it is `crate::lineage`'s.

use redb::{ReadableDatabase, TableDefinition};
use serde::{Deserialize, Serialize};

use super::{Meta, MetaError, NUMBERS, guarded, json, random, storage};
use crate::files::database::table;
use crate::lineage::{self, Lineage, Opening, Standing, StoreState};
use crate::locks::lock;

/// The name of the [`StoreState`] in [`NUMBERS`]. Absent until the first opening.
pub(super) const STATE: &str = "state";
/// Key: [`LAST_BACKUP`]. Value: JSON of [`LastBackup`].
pub(super) const NOTES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("notes_v1");
const LAST_BACKUP: &str = "last_backup";

/// The last backup that was completed and found to be in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastBackup {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Its folder.
    pub dir: String,
    /// As `misar log verify` says it.
    pub last_seq: String,
}

impl Meta {
    /// What the other files of the folder are compared with. Never touches the disk.
    pub fn standing(&self) -> Standing {
        *lock(&self.standing)
    }

    /// Begins an opening, durably: to be written into every other file before
    /// [`Self::set_state`] says that they have it.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn begin_opening(&self) -> Result<Lineage, MetaError> {
        let before = self.standing().lineage;
        let store = match before {
            Some(before) => before.store,
            None => u64::from_le_bytes(random()?),
        };
        let random = u32::from_le_bytes(random()?);
        let opening = Opening::next(before.map(|before| before.opening), random);
        let lineage = Lineage { store, opening };
        self.put_standing(Standing {
            lineage: Some(lineage),
            state: StoreState::Opening,
        })?;
        Ok(lineage)
    }

    /// Says how the store stands now, durably.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_state(&self, state: StoreState) -> Result<(), MetaError> {
        let lineage = self.standing().lineage;
        self.put_standing(Standing { lineage, state })
    }

    /// Takes files as they are from now on, of whichever opening up to this one they are.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn accept(&self, lineage: Option<Lineage>) -> Result<(), MetaError> {
        self.put_standing(Standing {
            lineage,
            state: StoreState::Accepted,
        })
    }

    fn put_standing(&self, standing: Standing) -> Result<(), MetaError> {
        let mut database = self.lock_database();
        self.write(&mut database, "noting how it stands", |transaction| {
            let mut numbers = transaction.open_table(NUMBERS)?;
            numbers.insert(STATE, standing.state as u64)?;
            if let Some(lineage) = standing.lineage {
                lineage::write(&mut numbers, lineage)?;
            }
            Ok(())
        })?;
        *lock(&self.standing) = standing;
        Ok(())
    }

    /// The last backup, if there was one. Blocks on disk.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last_backup(&self) -> Result<Option<LastBackup>, MetaError> {
        let database = self.lock_database();
        let Some(open) = &*database else {
            return Err(storage(&self.path, "reading it", &"it is not open"));
        };
        guarded(&self.path, || {
            let Some(notes) = table(&open.begin_read()?, NOTES)? else {
                return Ok(None);
            };
            let row = notes.get(LAST_BACKUP)?;
            Ok(row.and_then(|row| serde_json::from_slice(row.value()).ok()))
        })
    }

    /// Notes a backup that is complete.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_last_backup(&self, last: &LastBackup) -> Result<(), MetaError> {
        let mut database = self.lock_database();
        self.write(&mut database, "noting a backup", |transaction| {
            let mut notes = transaction.open_table(NOTES)?;
            notes.insert(LAST_BACKUP, json(last).as_slice())?;
            Ok(())
        })
    }
}

/// Reads how the store stands from the file.
pub(super) fn load(
    path: &std::path::Path,
    database: &impl ReadableDatabase,
) -> Result<Standing, MetaError> {
    let (lineage, state) = guarded(path, || {
        let numbers = database.begin_read()?.open_table(NUMBERS)?;
        let state = numbers.get(STATE)?.map_or(0, |row| row.value());
        Ok((lineage::read(&numbers)?, state))
    })?;
    let state = StoreState::from_number(state).ok_or_else(|| MetaError::Damaged {
        path: path.to_owned(),
        what: format!("its state is {state}, which this misar does not know"),
    })?;
    Ok(Standing { lineage, state })
}
