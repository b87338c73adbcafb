//! The store's generation: 1 at first, and one more with each restore from a backup. It stands in
//! front of every `seq` that is given from then on, so that none is given twice: what the lost store
//! gave behind the backup's end lies in an earlier generation. Not the seqs themselves.

use std::path::Path;
use std::sync::atomic::Ordering;

use redb::ReadableDatabase;

use super::{Meta, MetaError, NUMBERS, guarded};
use crate::record::public_seq::{FIRST_GENERATION, MAX_GENERATION};

/// The number's name. Absent until the first restore.
const GENERATION: &str = "generation";

impl Meta {
    /// The generation of the store, 1 to 99.
    pub fn generation(&self) -> u8 {
        self.generation.load(Ordering::Acquire)
    }

    /// Begins the next generation, durably, and returns it: to be called by a restore, before the
    /// restored store takes its first event. Blocks on disk.
    ///
    /// # Errors
    /// [`MetaError::GenerationsUsedUp`] behind the last one; when the disk fails.
    pub fn raise_generation(&self) -> Result<u8, MetaError> {
        let mut database = self.lock_database();
        let next = self.generation() + 1;
        if next > MAX_GENERATION {
            return Err(MetaError::GenerationsUsedUp);
        }
        self.write(&mut database, "beginning a generation", |transaction| {
            let mut numbers = transaction.open_table(NUMBERS)?;
            numbers.insert(GENERATION, u64::from(next))?;
            Ok(())
        })?;
        self.generation.store(next, Ordering::Release);
        Ok(next)
    }
}

/// Reads the generation from the file.
pub(super) fn load(path: &Path, database: &impl ReadableDatabase) -> Result<u8, MetaError> {
    let stored = guarded(path, || {
        let numbers = database.begin_read()?.open_table(NUMBERS)?;
        Ok(numbers.get(GENERATION)?.map(|row| row.value()))
    })?;
    let Some(stored) = stored else {
        return Ok(FIRST_GENERATION);
    };
    u8::try_from(stored)
        .ok()
        .filter(|generation| (FIRST_GENERATION..=MAX_GENERATION).contains(generation))
        .ok_or_else(|| MetaError::Damaged {
            path: path.to_owned(),
            what: format!("its generation is {stored}"),
        })
}
