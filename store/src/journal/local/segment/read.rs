//! Reading a segment: by id, by seq, and all of it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use redb::{ReadTransaction, ReadableDatabase};

use super::tables::{BLOCKS, Listed, find_listed, lists_exactly, may_hold, old_id_bytes};
use super::{Handle, Ids, Segment, damaged, guarded, read};
use crate::journal::LogError;
use crate::journal::block::{BadBlock, Block};
use crate::locks::lock;
use crate::record::identity::{IdKey, Seen};
use crate::record::{Record, Seq};

/// Ids of an old list whose senders are remembered; with more, all are forgotten.
const MAX_OLD_FOUND: usize = 16_384;

/// What a look at every block of a segment found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSummary {
    pub first: Seq,
    pub last: Seq,
    pub blocks: u64,
    pub records: u64,
}

impl Segment {
    /// What is known of a committed id.
    pub(crate) fn find(&self, key: &IdKey) -> Result<Option<Seen>, LogError> {
        match &*read(&self.ids) {
            Ids::Memory(ids) => return Ok(ids.get(key).copied()),
            Ids::Disk(Some(filter), listing) if !may_hold(filter, *listing, key) => {
                return Ok(None);
            }
            Ids::Disk(..) => {}
        }
        if let Some((sender, seen)) = lock(&self.old_found).get(&old_id_bytes(key)) {
            return Ok((*sender == key.sender).then_some(*seen));
        }
        let listed = self.read("its ids", |transaction| {
            find_listed(transaction, key, self.first)
        })?;
        match listed {
            Some(Listed::Seen(seen)) => Ok(Some(seen)),
            Some(Listed::At(seq)) => self.find_old(key, seq),
            None => Ok(None),
        }
    }

    /// An id in a list that does not say who sent it counts only where the record was sent by this
    /// kind of sender. What the record said is remembered, so that the same id again and again does
    /// not unpack its block each time.
    fn find_old(&self, key: &IdKey, seq: Seq) -> Result<Option<Seen>, LogError> {
        let mut records = Vec::with_capacity(1);
        self.read_from(Seq(seq.0 - 1), 1, &mut records)?;
        let Some((found, seen)) = records.first().map(Record::seen) else {
            return Err(damaged(&self.path, "its ids", &"one leads to no record"));
        };
        let mut old_found = lock(&self.old_found);
        if old_found.len() >= MAX_OLD_FOUND {
            old_found.clear();
        }
        old_found.insert(old_id_bytes(key), (found.sender, seen));
        Ok((found.sender == key.sender).then_some(seen))
    }

    /// Reads up to `limit` records behind `after`, in order.
    pub(crate) fn read_from(
        &self,
        after: Seq,
        limit: usize,
        into: &mut Vec<Record>,
    ) -> Result<(), LogError> {
        let wanted = into.len() + limit;
        let from = after.next().max(self.first);
        self.visit_blocks(from, &mut |block| {
            block
                .records(after, wanted - into.len(), into)
                .map_err(|bad| self.bad_block(block.first(), &bad))?;
            Ok(if into.len() < wanted {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })
    }

    /// Visits every block in order, checking that none is missing.
    pub(crate) fn scan(
        &self,
        visit: &mut dyn FnMut(&Block<'_>) -> Result<(), LogError>,
    ) -> Result<SegmentSummary, LogError> {
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
    pub(super) fn visit_blocks(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(&Block<'_>) -> Result<ControlFlow<()>, LogError>,
    ) -> Result<(), LogError> {
        self.read_with("its blocks", |transaction| {
            let in_tree = |error: redb::Error| damaged(&self.path, "its blocks", &error);
            let table = transaction
                .open_table(BLOCKS)
                .map_err(|error| in_tree(error.into()))?;
            let start = table
                .range(..=from.0)
                .map_err(|error| in_tree(error.into()))?
                .next_back()
                .transpose()
                .map_err(|error| in_tree(error.into()))?
                .map_or(0, |(first, _)| first.value());
            for row in table
                .range(start..)
                .map_err(|error| in_tree(error.into()))?
            {
                let (first, bytes) = row.map_err(|error| in_tree(error.into()))?;
                let first = Seq(first.value());
                let block = Block::parse(first, bytes.value())
                    .map_err(|bad| self.bad_block(first, &bad))?;
                if visit(&block)?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    pub(crate) fn bad_block(&self, first: Seq, bad: &BadBlock) -> LogError {
        damaged(&self.path, &format!("the block of seq {first}"), bad)
    }

    pub(super) fn read<T>(
        &self,
        part: &str,
        look: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, LogError> {
        self.read_with(part, |transaction| {
            look(transaction).map_err(|error| damaged(&self.path, part, &error))
        })
    }

    fn read_with<T>(
        &self,
        part: &str,
        look: impl FnOnce(&ReadTransaction) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let handle = read(&self.handle);
        guarded(&self.path, part, || {
            let transaction = match &*handle {
                Handle::Active(database) => database.begin_read(),
                Handle::Sealed(database) => database.begin_read(),
                Handle::Closed => return Err(LogError::Unavailable),
            };
            look(&transaction.map_err(|error| LogError::storage("reading a segment", &error))?)
        })
    }

    /// Checks what `scan` does not: that the ids on disk of a sealed segment are those of
    /// its blocks.
    pub(crate) fn check_ids(&self, ids: &HashMap<IdKey, Seen>) -> Result<(), LogError> {
        let equal = self.read("its ids", |transaction| {
            lists_exactly(transaction, ids, self.first)
        })?;
        if equal {
            Ok(())
        } else {
            Err(damaged(
                &self.path,
                "its ids",
                &"they are not those of its blocks",
            ))
        }
    }
}
