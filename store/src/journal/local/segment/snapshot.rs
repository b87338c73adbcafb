//! Segments and backups: a consistent, sealed copy of a segment that is still written to, copies under
//! other names, and the lineage that each segment carries.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tables::{ABOUT, insert_blocks, set_about, write_seal};
use super::{Disk, Handle, LogSegment, damaged, open_active, read};
use crate::files;
use crate::journal::JournalError;
use crate::journal::block::Packed;
use crate::lineage::{self, Lineage};
use crate::record::Seq;

/// Blocks are copied in transactions of about so many bytes.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

impl LogSegment {
    /// Which store it is of, and in which opening it was last the newest; `None` where it is from
    /// before there were lineages.
    pub fn lineage(&self) -> Result<Option<Lineage>, JournalError> {
        self.read("its header", |transaction| {
            lineage::read(&transaction.open_table(ABOUT)?)
        })
    }

    /// Notes the lineage, durably. Only of a segment that is active.
    pub fn set_lineage(&self, lineage: Lineage) -> Result<(), JournalError> {
        let handle = read(&self.handle);
        let Handle::Active(database) = &*handle else {
            return Err(JournalError::Unavailable);
        };
        set_about(database, &numbers_of(lineage))
            .map_err(|error| JournalError::storage("noting the lineage of a segment", &error))
    }

    /// Opens a sealed segment that lies under another name: a backup's.
    ///
    /// # Errors
    /// [`JournalError::Damaged`], also where it is not sealed: the segments of a backup are.
    pub(crate) fn open_copy(path: PathBuf, first: Seq) -> Result<Self, JournalError> {
        Self::open_sealed(&path, first)?
            .ok_or_else(|| damaged(&path, "its seal", &"it is not sealed"))
    }

    /// Writes all that is committed here into a new file, which is sealed and synced; its name is
    /// not synced. Returns the last seq in it; `None`, and no file, where nothing is committed yet.
    pub fn snapshot(&self, to: &Path, disk: &Arc<dyn Disk>) -> Result<Option<Seq>, JournalError> {
        if self.last() < self.first() {
            return Ok(None);
        }
        let storage =
            |error: &dyn std::fmt::Display| JournalError::storage("copying a segment", error);
        let file = files::create_anew(to).map_err(|error| storage(&error))?;
        let copy = open_active(file, disk).map_err(|error| storage(&error))?;
        set_about(&copy, &[("first_seq", self.first().0)]).map_err(|error| storage(&error))?;
        let mut last = Seq(self.first().0 - 1);
        let mut last_received = 0;
        let mut batch = Vec::new();
        // Kept apart from what reading meets: a disk that is full is no damage of this segment.
        let mut written = Ok(());
        if let Some(lineage) = self.lineage()? {
            set_about(&copy, &numbers_of(lineage)).map_err(|error| storage(&error))?;
        }
        let mut bytes = 0;
        self.visit_blocks(self.first(), &mut |block| {
            last = block.last();
            last_received = block.last_received().max(last_received);
            bytes += block.bytes().len();
            batch.push(Packed {
                first: block.first(),
                last,
                last_received,
                bytes: block.bytes().to_vec(),
            });
            if bytes >= BATCH_BYTES {
                written = insert_blocks(&copy, &batch);
                if written.is_err() {
                    return Ok(ControlFlow::Break(()));
                }
                batch.clear();
                bytes = 0;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        written
            .and_then(|()| insert_blocks(&copy, &batch))
            .map_err(|error| storage(&error))?;
        write_seal(&copy, last, last_received).map_err(|error| storage(&error))?;
        copy.close().map_err(|error| storage(&error))?;
        Ok(Some(last))
    }
}

/// A lineage as it stands in the table of numbers.
pub(super) fn numbers_of(lineage: Lineage) -> [(&'static str, u64); 2] {
    [
        (lineage::STORE, lineage.store),
        (lineage::OPENING, lineage.opening.number()),
    ]
}
