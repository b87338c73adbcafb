//! Reading a view's file into memory: numbers, the rows by number with their deltas over them, what of the rows by key
//! is not in its table yet. One pass in the order of the numbers, so that each row is put where it lies once, however
//! often it has changed, and no more is held than the rows and a piece of each delta.

use std::sync::Arc;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable as _, ReadableTableMetadata as _};

use super::delta::{self, Bad, Changes, Reader};
use super::file::{
    ABOUT, CHUNK, CHUNKS, DELTAS, File, NUMBER_BYTES, NUMBERS, NUMBERS_IN_PAGE, OF_PAGES, OF_TABLES,
};
use crate::record::{Seq, WorkspaceId};
use crate::views::layer::Layer;
use crate::views::memory::{self, Room};
use crate::views::numbers::Numbers;
use crate::views::ordered::Ordered;
use crate::views::rows::Rows;

/// What a file holds.
pub(super) struct Loaded {
    pub(super) numbers: Vec<Numbers>,
    pub(super) rows: Rows,
    pub(super) now: i64,
}

impl File {
    /// Reads everything that is kept in memory.
    pub(super) fn load(&mut self, room: &Room) -> Result<Loaded, redb::Error> {
        let snapshot = self.snapshot()?;
        let about = snapshot.open_table(ABOUT)?;
        let known = |key| -> Result<u64, redb::Error> {
            let value = about.get(key)?.map(|row| row.value());
            value.ok_or_else(|| Bad.into())
        };
        self.cursor = Seq(known("cursor")?);
        self.delta = known("delta")?;
        self.settled = known("settled")?;
        let now = known("now")?.cast_signed();
        let numbers = self.load_numbers(&snapshot)?;
        let mut rows = Rows::new(self.plan, room);
        self.load_pages(&snapshot, &mut rows, room)?;
        let mut layers = vec![Layer::default(); self.plan.tables.len()];
        each_delta_of_tables(&snapshot, |bytes| delta::into_layers(bytes, &mut layers))?;
        rows.tables = self
            .bases()?
            .into_iter()
            .zip(layers)
            .map(|(base, layer)| Ordered::opened(base, layer))
            .collect();
        Ok(Loaded { numbers, rows, now })
    }

    fn load_numbers(&self, snapshot: &ReadTransaction) -> Result<Vec<Numbers>, redb::Error> {
        let books = self.plan.numbers.iter();
        let mut numbers: Vec<Numbers> = books.map(|_| Numbers::default()).collect();
        let table = snapshot.open_table(NUMBERS)?;
        for (book, numbers) in (0..).zip(&mut numbers) {
            // Its pages are full but for the last.
            let mut pages = table.range((book, 0)..=(book, u32::MAX))?;
            if let Some(last) = pages.next_back() {
                let (_, page) = last?.0.value();
                let pages = (u64::from(page) + 1).min(table.len()?);
                let count = usize::try_from(pages * u64::from(NUMBERS_IN_PAGE));
                numbers.make_room(count.map_err(|_| Bad)?);
            }
        }
        for row in table.iter()? {
            let (key, page) = row?;
            let (book, page_number) = key.value();
            let numbers = numbers.get_mut(usize::from(book)).ok_or(Bad)?;
            let (each, rest) = page.value().as_chunks::<NUMBER_BYTES>();
            if numbers.count() != page_number * NUMBERS_IN_PAGE || !rest.is_empty() {
                return Err(Bad.into());
            }
            for number in each {
                let (workspace, digest) = number.split_at(4);
                let workspace = u32::from_le_bytes(workspace.try_into().map_err(|_| Bad)?);
                let digest = digest.try_into().map_err(|_| Bad)?;
                numbers.load(WorkspaceId(workspace), digest).ok_or(Bad)?;
            }
        }
        Ok(numbers)
    }

    fn load_pages(
        &mut self,
        snapshot: &ReadTransaction,
        rows: &mut Rows,
        room: &Room,
    ) -> Result<(), redb::Error> {
        let deltas = Arc::new(snapshot.open_table(DELTAS)?);
        let mut changes = changes_of(&deltas)?;
        // A chunk that none has written yet is not older than that.
        let before = changes.first().map_or(0, |oldest| oldest.delta - 1);
        let table = snapshot.open_table(CHUNKS)?;
        let mut pieces = table.iter()?;
        let mut next_piece = pieces.next().transpose()?;
        let mut found = Chunk::default();
        loop {
            let of_piece = next_piece.as_ref().map(|(key, _)| {
                let (book, chunk, _) = key.value();
                (usize::from(book), chunk as usize)
            });
            let of_changes = changes
                .iter()
                .filter_map(|changes| changes.chunk(CHUNK))
                .min();
            let Some(at @ (book, chunk)) = of_piece.into_iter().chain(of_changes).min() else {
                break;
            };
            found.clear();
            while let Some((key, piece)) = next_piece.as_ref() {
                let (of_book, of_chunk, _) = key.value();
                if (usize::from(of_book), of_chunk as usize) != at {
                    break;
                }
                found.bytes.extend_from_slice(piece.value());
                next_piece = pieces.next().transpose()?;
            }
            let written = found.parse(before)?;
            for changes in &mut changes {
                while changes.chunk(CHUNK) == Some(at) {
                    let (number, row) = changes.row()?;
                    if written < changes.delta {
                        found.put(number as usize % CHUNK, row);
                    }
                    changes.step()?;
                }
            }
            let chunks = self.chunks.get_mut(book).ok_or(Bad)?;
            if chunks.len() <= chunk {
                chunks.resize(chunk + 1, before);
            }
            chunks[chunk] = written;
            let first = u32::try_from(chunk * CHUNK).map_err(|_| Bad)?;
            for (number, row) in (first..).zip(found.rows()) {
                if !row.is_empty() {
                    (self.plan.derive)(&mut rows.columns, book, number, row)?;
                }
            }
            rows.pages[book].load(first, found.rows());
            memory::shrink(&mut rows.pages[book], room.cache / self.plan.share, room);
        }
        // Those that were written longest ago are the next.
        let all = self.chunks.iter().enumerate().flat_map(|(book, chunks)| {
            let each = chunks.iter().enumerate();
            each.map(move |(chunk, written)| (*written, book, chunk))
        });
        self.next = all.min().map_or((0, 0), |(_, book, chunk)| (book, chunk));
        Ok(())
    }
}

/// The rows of a chunk, from wherever they come.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// Where each row lies in them; none behind the last that is not empty.
    rows: Vec<(usize, usize)>,
}

impl Chunk {
    fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
    }

    /// Finds the rows of a chunk as it was written in full; returns by which checkpoint, `unwritten` where by none.
    fn parse(&mut self, unwritten: u64) -> Result<u64, Bad> {
        if self.bytes.is_empty() {
            return Ok(unwritten);
        }
        let (written, rows) = self.bytes.split_first_chunk().ok_or(Bad)?;
        let mut reader = Reader(rows);
        while !reader.is_done() {
            let length = reader.number()?;
            let row = reader.bytes(length)?;
            let end = self.bytes.len() - reader.0.len();
            self.rows.push((end - row.len(), end));
        }
        if self.rows.len() > CHUNK {
            return Err(Bad);
        }
        Ok(u64::from_le_bytes(*written))
    }

    fn put(&mut self, row: usize, bytes: &[u8]) {
        if self.rows.len() <= row {
            self.rows.resize(row + 1, (0, 0));
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.rows[row] = (start, self.bytes.len());
    }

    fn rows(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.rows
            .iter()
            .map(|(start, end)| &self.bytes[*start..*end])
    }
}

type Deltas = ReadOnlyTable<(u8, u64, u32), &'static [u8]>;

/// The rows by number of every delta, the oldest first.
fn changes_of(table: &Arc<Deltas>) -> Result<Vec<Changes>, redb::Error> {
    let mut all = Vec::new();
    let mut from = 0;
    loop {
        let mut behind = table.range((OF_PAGES, from, 0)..=(OF_PAGES, u64::MAX, u32::MAX))?;
        let Some(first) = behind.next() else {
            return Ok(all);
        };
        let (_, delta, _) = first?.0.value();
        let table = Arc::clone(table);
        let piece = move |piece: u32| {
            let piece = table.get((OF_PAGES, delta, piece))?;
            Ok(piece.map(|piece| piece.value().to_vec()))
        };
        all.push(Changes::new(delta, Box::new(piece))?);
        from = delta + 1;
    }
}

fn each_delta_of_tables(
    snapshot: &ReadTransaction,
    mut each: impl FnMut(&[u8]) -> Result<(), Bad>,
) -> Result<(), redb::Error> {
    let deltas = snapshot.open_table(DELTAS)?;
    let mut whole: Option<(u64, Vec<u8>)> = None;
    for row in deltas.range((OF_TABLES, 0, 0)..=(OF_TABLES, u64::MAX, u32::MAX))? {
        let (key, piece) = row?;
        let (_, delta, _) = key.value();
        match &mut whole {
            Some((of, bytes)) if *of == delta => bytes.extend_from_slice(piece.value()),
            other => {
                if let Some((_, bytes)) = other.replace((delta, piece.value().to_vec())) {
                    each(&bytes)?;
                }
            }
        }
    }
    if let Some((_, bytes)) = whole {
        each(&bytes)?;
    }
    Ok(())
}
