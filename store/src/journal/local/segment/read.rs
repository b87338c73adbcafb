//! Reading a segment: by seq, and all of it.

use std::ops::ControlFlow;

use redb::{ReadTransaction, ReadableDatabase};

use super::pieces::Blocks;
use super::{Handle, LogSegment, damaged, guarded, read};
use crate::journal::JournalError;
use crate::journal::block::{BadBlock, Block};
use crate::record::Seq;
use crate::record::identity::{FactKind, IdKey};

/// What a look at every block of a segment found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSummary {
    pub first: Seq,
    pub last: Seq,
    pub blocks: u64,
    pub records: u64,
}

impl LogSegment {
    /// Visits every block in order, checking that none is missing.
    pub(crate) fn scan(
        &self,
        visit: &mut dyn FnMut(&Block<'_>) -> Result<(), JournalError>,
    ) -> Result<SegmentSummary, JournalError> {
        let mut summary = SegmentSummary {
            first: self.first,
            last: Seq(self.first.0 - 1),
            blocks: 0,
            records: 0,
        };
        self.visit_blocks(self.first, &mut |block| {
            if block.first() != summary.last.next() {
                let position = format!("seq {}", summary.last.next());
                return Err(damaged(
                    &self.path,
                    &position,
                    &format!("the next block starts at seq {}", block.first()),
                ));
            }
            summary.last = block.last();
            summary.blocks += 1;
            summary.records += block.count() as u64;
            visit(block)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(summary)
    }

    /// Visits the blocks from the one that holds `from`.
    pub(crate) fn visit_blocks(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(&Block<'_>) -> Result<ControlFlow<()>, JournalError>,
    ) -> Result<(), JournalError> {
        self.read_with("its blocks", |transaction| {
            let in_tree = |error: redb::Error| damaged(&self.path, "its blocks", &error);
            let mut outcome = Ok(());
            let read = Blocks::of(transaction).and_then(|blocks| {
                blocks.each(from, &mut |first, bytes| {
                    let block =
                        Block::parse(first, bytes).map_err(|bad| self.bad_block(first, &bad));
                    match block.and_then(|block| visit(&block)) {
                        Ok(next) => next,
                        Err(error) => {
                            outcome = Err(error);
                            ControlFlow::Break(())
                        }
                    }
                })
            });
            outcome.and(read.map_err(in_tree))
        })
    }

    /// The id of the record at this place, with its type; its block is checked only where it is of the old
    /// layout.
    pub(crate) fn id_at(&self, place: Seq) -> Result<Option<(IdKey, FactKind)>, JournalError> {
        self.read_with("its blocks", |transaction| {
            let in_tree = |error: redb::Error| damaged(&self.path, "its blocks", &error);
            let blocks = Blocks::of(transaction).map_err(in_tree)?;
            let Some((first, head)) = blocks.head(place).map_err(in_tree)? else {
                return Ok(None);
            };
            if let Some(claimed) = Block::claimed_id(first, &head, place) {
                return Ok(Some(claimed));
            }
            let mut whole = Vec::new();
            let read = blocks.each(first, &mut |_, bytes| {
                whole.extend_from_slice(bytes);
                ControlFlow::Break(())
            });
            read.map_err(in_tree)?;
            let block = Block::parse(first, &whole).map_err(|bad| self.bad_block(first, &bad))?;
            block
                .id_at(place)
                .map_err(|bad| self.bad_block(first, &bad))
        })
    }

    pub(crate) fn bad_block(&self, first: Seq, bad: &BadBlock) -> JournalError {
        damaged(&self.path, &format!("the block of seq {first}"), bad)
    }

    pub(super) fn read<T>(
        &self,
        part: &str,
        look: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, JournalError> {
        self.read_with(part, |transaction| {
            look(transaction).map_err(|error| damaged(&self.path, part, &error))
        })
    }

    fn read_with<T>(
        &self,
        part: &str,
        look: impl FnOnce(&ReadTransaction) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let handle = read(&self.handle);
        guarded(&self.path, part, || {
            let transaction = match &*handle {
                Handle::Active(database) => database.begin_read(),
                Handle::Sealed(database) => database.begin_read(),
                Handle::Closed => return Err(JournalError::Unavailable),
            };
            look(&transaction.map_err(|error| JournalError::storage("reading a segment", &error))?)
        })
    }
}
