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
pub(super) fn of_pages(books: &[Pages]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, pages) in books.iter().enumerate() {
        if pages.changed() == 0 {
            continue;
        }
        bytes.push(at as u8);
        put_number(&mut bytes, pages.changed() as u64);
        let mut last = 0;
        for (number, row) in pages.each_changed() {
            put_number(&mut bytes, u64::from(number - last));
            put_number(&mut bytes, row.len() as u64);
            bytes.extend_from_slice(row);
            last = number;
        }
    }
    bytes
}

/// Reads what [`of_pages`] wrote: place of the book, number, row.
pub(super) fn each_row(
    bytes: &[u8],
    mut each: impl FnMut(usize, u32, &[u8]) -> Result<(), Bad>,
) -> Result<(), Bad> {
    let mut reader = Reader(bytes);
    while !reader.is_done() {
        let book = usize::from(reader.byte()?);
        let mut number = 0;
        for _ in 0..reader.number()? {
            number += reader.number()?;
            let length = reader.number()?;
            let row = reader.bytes(length)?;
            each(book, u32::try_from(number).map_err(|_| Bad)?, row)?;
        }
    }
    Ok(())
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

    proptest! {
        #[test]
        fn what_is_written_is_read_and_what_is_cut_is_bad(
            rows in prop::collection::btree_map(0..50_000_u32, prop::collection::vec(any::<u8>(), 1..200), 1..40),
            keys in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 0..200), prop::option::of(prop::collection::vec(any::<u8>(), 0..200)), 1..40),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut books = vec![Pages::default(), Pages::default()];
            for (number, row) in &rows {
                books[1].put(*number, row);
            }
            let bytes = of_pages(&books);
            let mut found = Vec::new();
            each_row(&bytes, |book, number, row| {
                found.push((book, number, row.to_vec()));
                Ok(())
            }).unwrap();
            let expected: Vec<_> = rows.into_iter().map(|(number, row)| (1, number, row)).collect();
            prop_assert_eq!(found, expected);
            let cut_at = 1 + cut.index(bytes.len() - 1);
            prop_assert_eq!(each_row(&bytes[..cut_at], |_, _, _| Ok(())).is_err(), cut_at < bytes.len());
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
