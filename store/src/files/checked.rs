//! A redb file that knows its own blocks again: behind each lies its checksum, which is looked at whenever the block is
//! read. redb itself looks at checksums only where it checks a whole file, which takes as long as the file is large;
//! here what is damaged is found when it is read, and is an error of that read.
//!
//! ```text
//! block 0:        redb's header, 504 B at the most | its checksum u64 | zeros
//! other blocks:   4,096 B of redb's file | their checksum u64
//! ```
//! Checksums are XXH3-64 under the block's number, little-endian. The header lies with its checksum in one sector,
//! since redb writes it in place. A block that a write of the past never reached is not told from a good one: what
//! redb counts on is synced before its header names it.

use std::io::{self, ErrorKind};
use std::ops::Bound;

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use twox_hash::XxHash3_64;

/// redb's pages are as large as this, or a power of two times it.
const BLOCK: usize = 4_096;
const SUM: usize = 8;
/// A block in the file.
const STORED: usize = BLOCK + SUM;
/// What of the header may be used.
const HEADER: usize = 512 - SUM;

/// See above.
#[derive(Debug)]
pub(super) struct Checked(FileBackend);

impl Checked {
    pub(super) fn new(file: FileBackend) -> Self {
        Self(file)
    }

    fn read_header(&self, out: &mut [u8]) -> io::Result<()> {
        let mut header = [0; HEADER + SUM];
        self.0.read(0, &mut header)?;
        let (bytes, sum) = header.split_at(HEADER);
        if sum != sum_of(0, bytes) {
            return Err(damaged(0));
        }
        let bytes = bytes.get(..out.len()).ok_or_else(|| misaligned(0))?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn write_header(&self, bytes: &[u8]) -> io::Result<()> {
        let mut header = [0; HEADER + SUM];
        let place = header.get_mut(..bytes.len().min(HEADER));
        let place = place.filter(|place| place.len() == bytes.len());
        place.ok_or_else(|| misaligned(0))?.copy_from_slice(bytes);
        let sum = sum_of(0, &header[..HEADER]);
        header[HEADER..].copy_from_slice(&sum);
        self.0.write(0, &header)
    }
}

impl StorageBackend for Checked {
    fn len(&self) -> io::Result<u64> {
        let stored = self.0.len()?;
        if !stored.is_multiple_of(STORED as u64) {
            return Err(damaged(stored / STORED as u64));
        }
        Ok(stored / STORED as u64 * BLOCK as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset == 0 {
            return self.read_header(out);
        }
        let first = first_of(offset, out.len())?;
        let mut one = [0; STORED];
        let mut many = Vec::new();
        let stored = if out.len() == BLOCK {
            &mut one[..]
        } else {
            many.resize(out.len() / BLOCK * STORED, 0);
            &mut many
        };
        self.0.read(first * STORED as u64, stored)?;
        let blocks = out.chunks_exact_mut(BLOCK).zip(stored.chunks_exact(STORED));
        for (number, (out, stored)) in (first..).zip(blocks) {
            let (bytes, sum) = stored.split_at(BLOCK);
            if sum != sum_of(number, bytes) {
                return Err(damaged(number));
            }
            out.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if !length.is_multiple_of(BLOCK as u64) {
            return Err(misaligned(length));
        }
        self.0.set_len(length / BLOCK as u64 * STORED as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset == 0 {
            return self.write_header(bytes);
        }
        let first = first_of(offset, bytes.len())?;
        let mut stored = Vec::with_capacity(bytes.len() / BLOCK * STORED);
        for (number, block) in (first..).zip(bytes.chunks_exact(BLOCK)) {
            stored.extend_from_slice(block);
            stored.extend_from_slice(&sum_of(number, block));
        }
        self.0.write(first * STORED as u64, &stored)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

/// The number of the first of these blocks.
fn first_of(offset: u64, length: usize) -> io::Result<u64> {
    let block = BLOCK as u64;
    if offset.is_multiple_of(block) && length.is_multiple_of(BLOCK) {
        Ok(offset / block)
    } else {
        Err(misaligned(offset))
    }
}

fn sum_of(number: u64, bytes: &[u8]) -> [u8; SUM] {
    XxHash3_64::oneshot_with_seed(number, bytes).to_le_bytes()
}

fn damaged(block: u64) -> io::Error {
    let what = format!("block {block} of the file is not what was written");
    io::Error::new(ErrorKind::InvalidData, what)
}

/// redb reads and writes whole pages, and at the beginning its header alone: another version of it may not.
fn misaligned(offset: u64) -> io::Error {
    let what = format!("the database asked for parts of blocks at {offset}");
    io::Error::new(ErrorKind::Unsupported, what)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

    use super::super::database;
    use super::*;

    const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("table");
    const CACHE: usize = 64 * 1_024;

    fn row(number: u64) -> Vec<u8> {
        vec![number as u8; 300 + number as usize % 9_000]
    }

    fn write(database: &Database, numbers: std::ops::Range<u64>) {
        let transaction = database.begin_write().unwrap();
        let mut table = transaction.open_table(TABLE).unwrap();
        for number in numbers {
            table.insert(number, row(number).as_slice()).unwrap();
        }
        drop(table);
        transaction.commit().unwrap();
    }

    fn all(path: &Path) -> Result<Vec<(u64, Vec<u8>)>, redb::Error> {
        let database = database::open_or_create_checked(path, CACHE)?;
        let table = database.begin_read()?.open_table(TABLE)?;
        let row = |row: Result<(redb::AccessGuard<'_, u64>, redb::AccessGuard<'_, &[u8]>), _>| {
            let (key, row) = row?;
            Ok((key.value(), row.value().to_vec()))
        };
        table.iter()?.map(row).collect()
    }

    #[test]
    fn whatever_byte_is_damaged_what_is_read_is_right_or_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let database = database::open_or_create_checked(&path, CACHE).unwrap();
        write(&database, 0..400);
        write(&database, 300..700);
        drop(database);
        let expected: Vec<_> = (0..700).map(|number| (number, row(number))).collect();
        assert_eq!(all(&path).unwrap(), expected);
        let good = std::fs::read(&path).unwrap();
        let mut found = 0;
        for at in (0..good.len()).step_by(good.len() / 97) {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&path, &bytes).unwrap();
            match all(&path) {
                Ok(rows) => assert_eq!(rows, expected, "{at}"),
                Err(redb::Error::Io(error)) if error.kind() == ErrorKind::InvalidData => found += 1,
                Err(error) => panic!("{at}: {error}"),
            }
        }
        assert!(found > 20, "{found}");
        std::fs::write(&path, &good[..good.len() - 100]).unwrap();
        assert!(all(&path).is_err());
        std::fs::write(&path, &good).unwrap();
        assert_eq!(all(&path).unwrap(), expected);
    }

    #[test]
    fn a_block_in_the_place_of_another_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = super::super::create(&path).unwrap();
        let checked = Checked::new(FileBackend::new(file).unwrap());
        checked.set_len(4 * BLOCK as u64).unwrap();
        checked.write(BLOCK as u64, &[7; 2 * BLOCK]).unwrap();
        let mut out = [0; BLOCK];
        checked.read(BLOCK as u64, &mut out).unwrap();
        assert_eq!(out, [7; BLOCK]);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.copy_within(STORED..2 * STORED, 2 * STORED);
        std::fs::write(&path, bytes).unwrap();
        checked.read(BLOCK as u64, &mut out).unwrap();
        for damaged in [2, 3] {
            let read = checked.read(damaged * BLOCK as u64, &mut out);
            assert_eq!(read.unwrap_err().kind(), ErrorKind::InvalidData);
        }
    }
}
