//! How the changes between two checkpoints are written: pure bytes, cut into pieces that fill pages of the
//! file.
//!
//! ```text
//! rows by number: for each book its place u8, count varint; then each: gap varint, length varint, bytes
//! rows by key:    for each table its place u8, count varint; then each: length of the key varint, key,
//!                 0 where it was removed, else length + 1 varint and the bytes
//! ```

use crate::views::DumpedRows;
use crate::views::layer::Layer;
use crate::views::ordered::Ordered;
use crate::views::pages::Pages;

/// What is in the file is not what was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad;

pub(super) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Bytes that are read from the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> Result<u8, Bad> {
        let (first, rest) = self.0.split_first().ok_or(Bad)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64, Bad> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            if shift > 63 {
                return Err(Bad);
            }
            number |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return Ok(number);
            }
        }
    }

    pub(super) fn bytes(&mut self, length: u64) -> Result<&'a [u8], Bad> {
        let length = usize::try_from(length).map_err(|_| Bad)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Bad)?;
        self.0 = rest;
        Ok(bytes)
    }
}

/// The rows by number that have changed; empty where none has.
///
/// # Errors
/// Where rows were put aside and cannot be read.
pub(super) fn of_pages(books: &[Pages]) -> Result<Vec<u8>, redb::Error> {
    let mut bytes = Vec::new();
    for (at, pages) in books.iter().enumerate() {
        if pages.changed() == 0 {
            continue;
        }
        bytes.push(at as u8);
        put_number(&mut bytes, pages.changed() as u64);
        let mut last = 0;
        pages.each_changed(|number, row| {
            put_number(&mut bytes, u64::from(number - last));
            put_number(&mut bytes, row.len() as u64);
            bytes.extend_from_slice(row);
            last = number;
        })?;
    }
    Ok(bytes)
}

/// One piece after the other of what a delta holds.
pub(super) type Pieces = dyn FnMut(u32) -> Result<Option<Vec<u8>>, redb::Error>;

/// Reads what [`of_pages`] wrote, a piece at a time: each row, in the order of the books and numbers.
pub(super) struct Changes {
    /// The checkpoint that wrote it.
    pub(super) delta: u64,
    pieces: Box<Pieces>,
    /// The next piece to read.
    piece: u32,
    bytes: Vec<u8>,
    at: usize,
    book: usize,
    /// Rows of the book behind this one.
    left: u64,
    /// The row that is next and its length; its bytes begin at `at`. `None` at the end.
    next: Option<(u32, usize)>,
}

impl Changes {
    pub(super) fn new(delta: u64, pieces: Box<Pieces>) -> Result<Self, redb::Error> {
        let mut changes = Self {
            delta,
            pieces,
            piece: 0,
            bytes: Vec::new(),
            at: 0,
            book: 0,
            left: 0,
            next: None,
        };
        changes.begin()?;
        Ok(changes)
    }

    /// The book of the next row, and its place among chunks of so many rows.
    pub(super) fn chunk(&self, rows: usize) -> Option<(usize, usize)> {
        let (number, _) = self.next?;
        Some((self.book, number as usize / rows))
    }

    /// The next row, where there is one.
    pub(super) fn row(&self) -> Result<(u32, &[u8]), Bad> {
        let (number, length) = self.next.ok_or(Bad)?;
        let row = self.bytes.get(self.at..self.at + length).ok_or(Bad)?;
        Ok((number, row))
    }

    /// Goes on to the one behind it.
    pub(super) fn step(&mut self) -> Result<(), redb::Error> {
        let (number, length) = self.next.take().ok_or(Bad)?;
        self.at += length;
        if self.left == 0 {
            return self.begin();
        }
        self.head(u64::from(number))
    }

    /// Turns to the next book.
    fn begin(&mut self) -> Result<(), redb::Error> {
        if !self.has(1)? {
            return Ok(());
        }
        self.book = usize::from(self.bytes[self.at]);
        self.at += 1;
        self.left = self.number()?;
        self.head(0)
    }

    /// Reads what stands before a row, which is so many behind the number.
    fn head(&mut self, before: u64) -> Result<(), redb::Error> {
        self.left = self.left.checked_sub(1).ok_or(Bad)?;
        let number = before.checked_add(self.number()?).ok_or(Bad)?;
        let length = usize::try_from(self.number()?).map_err(|_| Bad)?;
        if !self.has(length)? {
            return Err(Bad.into());
        }
        self.next = Some((u32::try_from(number).map_err(|_| Bad)?, length));
        Ok(())
    }

    fn number(&mut self) -> Result<u64, redb::Error> {
        self.has(10)?;
        let mut reader = Reader(&self.bytes[self.at..]);
        let number = reader.number()?;
        self.at = self.bytes.len() - reader.0.len();
        Ok(number)
    }

    /// Whether so many bytes follow; they are in memory then.
    fn has(&mut self, count: usize) -> Result<bool, redb::Error> {
        while self.bytes.len() - self.at < count {
            let Some(piece) = (self.pieces)(self.piece)? else {
                return Ok(false);
            };
            self.bytes.drain(..self.at);
            self.at = 0;
            self.bytes.extend_from_slice(&piece);
            self.piece += 1;
        }
        Ok(true)
    }
}

/// The rows by key that have changed; empty where none has.
pub(super) fn of_tables<'a>(tables: impl Iterator<Item = &'a Layer>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, layer) in tables.enumerate() {
        if layer.rows() == 0 {
            continue;
        }
        bytes.push(at as u8);
        put_number(&mut bytes, layer.rows() as u64);
        for (key, change) in layer.iter() {
            put_number(&mut bytes, key.len() as u64);
            bytes.extend_from_slice(key);
            match change {
                None => bytes.push(0),
                Some(row) => {
                    put_number(&mut bytes, row.len() as u64 + 1);
                    bytes.extend_from_slice(row);
                }
            }
        }
    }
    bytes
}

/// Reads what [`of_tables`] wrote into layers, the last of a key counting.
pub(super) fn into_layers(bytes: &[u8], layers: &mut [Layer]) -> Result<(), Bad> {
    let mut reader = Reader(bytes);
    while !reader.is_done() {
        let layer = layers.get_mut(usize::from(reader.byte()?)).ok_or(Bad)?;
        for _ in 0..reader.number()? {
            let length = reader.number()?;
            let key = reader.bytes(length)?;
            let change = match reader.number()? {
                0 => None,
                more => Some(reader.bytes(more - 1)?.into()),
            };
            layer.insert(key, change);
        }
    }
    Ok(())
}

/// All rows of a table as they are read.
pub(super) fn dump_table(table: &Ordered) -> Result<DumpedRows, redb::Error> {
    let rows = table.beginning_with(&[])?;
    rows.map(|row| row.map(|(key, row)| (key.into_owned(), row.into_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All rows of a delta in pieces of this size: book, number, row.
    fn changes(bytes: &[u8], piece: usize) -> Result<Vec<(usize, u32, Vec<u8>)>, redb::Error> {
        let pieces: Vec<_> = bytes.chunks(piece).map(<[u8]>::to_vec).collect();
        let pieces = move |at| Ok(pieces.get(at as usize).cloned());
        let mut changes = Changes::new(7, Box::new(pieces))?;
        let mut found = Vec::new();
        while let Some((book, chunk)) = changes.chunk(100) {
            let (number, row) = changes.row()?;
            assert_eq!(number as usize / 100, chunk);
            found.push((book, number, row.to_vec()));
            changes.step()?;
        }
        Ok(found)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_what_is_cut_is_bad(
            rows in prop::collection::btree_map(0..50_000_u32, prop::collection::vec(any::<u8>(), 1..200), 1..40),
            keys in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 0..200), prop::option::of(prop::collection::vec(any::<u8>(), 0..200)), 1..40),
            cut in any::<prop::sample::Index>(),
            piece in 1..300_usize,
        ) {
            let mut books = vec![Pages::default(), Pages::default()];
            for (number, row) in &rows {
                books[1].put(*number, row).unwrap();
            }
            let bytes = of_pages(&books).unwrap();
            let expected: Vec<_> = rows.into_iter().map(|(number, row)| (1, number, row)).collect();
            prop_assert_eq!(changes(&bytes, piece).unwrap(), expected);
            let cut_at = 1 + cut.index(bytes.len() - 1);
            prop_assert_eq!(changes(&bytes[..cut_at], piece).is_err(), cut_at < bytes.len());
            let mut layers = [Layer::default(), Layer::default()];
            for (key, change) in &keys {
                layers[1].insert(key, change.as_deref().map(Into::into));
            }
            let bytes = of_tables(layers.iter());
            let mut read = [Layer::default(), Layer::default()];
            into_layers(&bytes, &mut read).unwrap();
            let all = |layer: &Layer| layer.iter().map(|(key, change)| (key.clone(), change.clone())).collect::<Vec<_>>();
            prop_assert_eq!(all(&read[1]), all(&layers[1]));
            prop_assert_eq!(read[0].rows(), 0);
        }
    }
}
