//! How blocks lie in the tables of a segment: in pieces that fill the file's pages. redb gives a value a power of
//! two of pages, so that a block as one value takes half as much again as it is long.

use std::ops::ControlFlow;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTableMetadata as _, Table};

use super::tables::{BLOCKS, PIECES};
use crate::files;
use crate::record::Seq;

/// redb's page, bytes.
const PAGE: usize = 4_096;
/// What redb keeps beside a value that is alone on its page: its own header, the value's end, the key.
const BESIDE: usize = 4 + 4 + (8 + 2);
/// Pages of the largest piece, a power of two: the file need not have more than that in a row.
const MOST_PAGES: usize = 16;

/// The first piece of some bytes, and what is left: as many pages as it fills, or all where one page is enough.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut pages = MOST_PAGES;
    while pages > 1 && pages * PAGE - BESIDE > bytes.len() {
        pages /= 2;
    }
    bytes.split_at(bytes.len().min(pages * PAGE - BESIDE))
}

/// Adds a block behind all others.
pub(super) fn insert(
    table: &mut Table<'_, (u64, u16), &'static [u8]>,
    first: Seq,
    block: &[u8],
) -> Result<(), redb::Error> {
    let mut rest = block;
    for place in 0..=u16::MAX {
        let (piece, behind) = split(rest);
        table.insert((first.0, place), piece)?;
        rest = behind;
        if rest.is_empty() {
            return Ok(());
        }
    }
    // 4 GB, where no block is larger than 256 MB.
    Err(redb::Error::ValueTooLarge(block.len()))
}

/// The blocks of a segment as one transaction sees them, those of before there were pieces first.
pub(super) struct Blocks {
    whole: Option<ReadOnlyTable<u64, &'static [u8]>>,
    pieces: Option<ReadOnlyTable<(u64, u16), &'static [u8]>>,
}

impl Blocks {
    pub(super) fn of(transaction: &ReadTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            whole: files::database::table(transaction, BLOCKS)?,
            pieces: files::database::table(transaction, PIECES)?,
        })
    }

    pub(super) fn is_empty(&self) -> Result<bool, redb::Error> {
        let whole = self.whole.as_ref().map_or(Ok(true), |it| it.is_empty())?;
        Ok(whole && self.pieces.as_ref().map_or(Ok(true), |it| it.is_empty())?)
    }

    /// The bytes of the block that holds this place, as far as its first piece has them; `None` where all blocks
    /// lie behind it.
    pub(super) fn head(&self, place: Seq) -> Result<Option<(Seq, Vec<u8>)>, redb::Error> {
        let Some((first, is_whole)) = self.first_of(place)? else {
            return Ok(None);
        };
        let bytes = if is_whole {
            let table = self.whole.as_ref();
            let block = table.map(|table| table.get(first.0)).transpose()?.flatten();
            block.map(|block| block.value().to_vec())
        } else {
            let table = self.pieces.as_ref();
            let piece = table.map(|table| table.get((first.0, 0))).transpose()?;
            piece.flatten().map(|piece| piece.value().to_vec())
        };
        Ok(Some((first, bytes.unwrap_or_default())))
    }

    /// Where the block begins that holds this place, and whether it lies there as a whole.
    fn first_of(&self, place: Seq) -> Result<Option<(Seq, bool)>, redb::Error> {
        if let Some(table) = &self.pieces
            && let Some(row) = table.range(..=(place.0, u16::MAX))?.next_back()
        {
            let (first, _) = row?.0.value();
            return Ok(Some((Seq(first), false)));
        }
        if let Some(table) = &self.whole
            && let Some(row) = table.range(..=place.0)?.next_back()
        {
            return Ok(Some((Seq(row?.0.value()), true)));
        }
        Ok(None)
    }

    /// Visits the blocks in order, from the one that holds `from`. What lacks a piece is handed over without it:
    /// its checksum tells.
    pub(super) fn each(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(Seq, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), redb::Error> {
        let (start, in_whole) = self.first_of(from)?.unwrap_or((Seq::START, true));
        if let (true, Some(table)) = (in_whole, &self.whole) {
            for row in table.range(start.0..)? {
                let (first, block) = row?;
                if visit(Seq(first.value()), block.value()).is_break() {
                    return Ok(());
                }
            }
        }
        let Some(table) = &self.pieces else {
            return Ok(());
        };
        let mut block: Option<(u64, Vec<u8>)> = None;
        for row in table.range((start.0, 0)..)? {
            let (key, piece) = row?;
            let (first, _) = key.value();
            match &mut block {
                Some((of, bytes)) if *of == first => bytes.extend_from_slice(piece.value()),
                Some((of, bytes)) => {
                    if visit(Seq(*of), bytes).is_break() {
                        return Ok(());
                    }
                    *of = first;
                    bytes.clear();
                    bytes.extend_from_slice(piece.value());
                }
                None => block = Some((first, piece.value().to_vec())),
            }
        }
        if let Some((first, bytes)) = block {
            // It is the last.
            let _: ControlFlow<()> = visit(Seq(first), &bytes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redb::{Database, ReadableDatabase as _};

    use super::*;

    /// Pieces of a block with so many bytes.
    fn pieces_of(length: usize) -> Vec<usize> {
        let block = vec![7; length];
        let (mut pieces, mut rest) = (Vec::new(), &block[..]);
        while !rest.is_empty() {
            let (piece, behind) = split(rest);
            pieces.push(piece.len());
            rest = behind;
        }
        pieces
    }

    #[test]
    fn pieces_fill_their_pages_and_only_the_last_leaves_room() {
        let room = |pages: usize| pages * PAGE - BESIDE;
        for (length, pieces) in [
            (1, vec![1]),
            (room(1), vec![room(1)]),
            (room(1) + 1, vec![room(1), 1]),
            (42_500, vec![room(8), room(2), 42_500 - room(8) - room(2)]),
            (room(16) * 2 + 5, vec![room(16), room(16), 5]),
        ] {
            assert_eq!(pieces_of(length), pieces, "{length}");
        }
    }

    fn database(folder: &tempfile::TempDir, blocks: &[(u64, Vec<u8>)], whole: usize) -> Database {
        let database = Database::create(folder.path().join("segment")).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(BLOCKS).unwrap();
            for (first, block) in &blocks[..whole] {
                table.insert(first, block.as_slice()).unwrap();
            }
            let mut table = transaction.open_table(PIECES).unwrap();
            for (first, block) in &blocks[whole..] {
                insert(&mut table, Seq(*first), block).unwrap();
            }
        }
        transaction.commit().unwrap();
        database
    }

    #[test]
    fn a_segment_of_blocks_takes_hardly_more_than_they_have_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let blocks: Vec<_> = (0..200).map(|at| (at * 1_000, vec![7; 42_500])).collect();
        database(&folder, &blocks, 0).close().unwrap();
        let size = std::fs::metadata(folder.path().join("segment")).unwrap();
        let bytes = 200 * 42_500;
        assert!(size.len() < bytes + bytes / 8, "{} of {bytes}", size.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn blocks_are_read_as_they_were_written_from_any_place(
            lengths in prop::collection::vec(prop_oneof![1..9_000_usize, 60_000..140_000_usize], 1..12),
            whole in 0..12_usize,
            from in 0..140_u64,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let blocks: Vec<(u64, Vec<u8>)> = (1..).zip(&lengths).map(|(at, length)| {
                (at * 10, (0..*length).map(|byte| (byte as u64 * at % 251) as u8).collect())
            }).collect();
            let database = database(&folder, &blocks, whole.min(blocks.len()));
            let of = Blocks::of(&database.begin_read().unwrap()).unwrap();
            prop_assert!(!of.is_empty().unwrap());
            let holds = blocks.partition_point(|(first, _)| *first <= from).checked_sub(1);
            let mut found = Vec::new();
            of.each(Seq(from), &mut |first, bytes| {
                found.push((first.0, bytes.to_vec()));
                ControlFlow::Continue(())
            }).unwrap();
            prop_assert_eq!(&found[..], &blocks[holds.unwrap_or(0)..]);
            let head = of.head(Seq(from)).unwrap();
            let wanted = holds.map(|at| &blocks[at]);
            prop_assert_eq!(head.as_ref().map(|(first, _)| first.0), wanted.map(|(first, _)| *first));
            if let (Some((_, head)), Some((_, bytes))) = (head, wanted) {
                prop_assert!(bytes.starts_with(&head) && head.len() >= bytes.len().min(4_000));
            }
        }
    }
}
