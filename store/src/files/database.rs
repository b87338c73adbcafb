//! redb files, opened as every file of a store is: redb would follow links, and leave their mode to
//! the umask.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, Key, ReadOnlyDatabase, ReadOnlyTable, ReadTransaction,
    TableDefinition, TableError, Value,
};

use super::checked::Checked;

/// A file that takes a repair, in a place that is not to be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} was not closed in order, as in a copy of a running store, and opening it must write: copy the folder to a \
     place where it can be written, and look at that",
    .0.display()
)]
pub(crate) struct Unclean(pub(crate) PathBuf);

/// Makes a database in a file of its own; what lay there is gone.
pub(crate) fn create_anew(path: &Path, cache: usize) -> Result<Database, redb::Error> {
    let file = super::create_anew(path)?;
    Ok(builder(cache).create_with_backend(FileBackend::new(file)?)?)
}

/// Opens a database for writing; one that was not closed in order is repaired.
pub(crate) fn open(path: &Path, cache: usize) -> Result<Database, redb::Error> {
    let file = super::open(path)?;
    // redb would make one of it.
    if file.metadata()?.len() == 0 {
        return Err(io::Error::new(ErrorKind::InvalidData, "the file is empty").into());
    }
    Ok(builder(cache).create_with_backend(FileBackend::new(file)?)?)
}

/// Opens a database for writing, and makes one where there is none, or an empty file.
pub(crate) fn open_or_create(path: &Path, cache: usize) -> Result<Database, redb::Error> {
    let file = super::open_or_create(path)?;
    Ok(builder(cache).create_with_backend(FileBackend::new(file)?)?)
}

/// The same as a file whose blocks are known again, see [`super::checked`]: what is not as it was written is an error
/// when it is read, of the kind `InvalidData`.
pub(crate) fn open_or_create_checked(path: &Path, cache: usize) -> Result<Database, redb::Error> {
    let file = Checked::new(FileBackend::new(super::open_or_create(path)?)?);
    Ok(builder(cache).create_with_backend(file)?)
}

/// Makes one of these in a file of its own; what lay there is gone.
pub(crate) fn create_anew_checked(path: &Path, cache: usize) -> Result<Database, redb::Error> {
    let file = Checked::new(FileBackend::new(super::create_anew(path)?)?);
    Ok(builder(cache).create_with_backend(file)?)
}

/// Opens one of these that is there; one that was not closed in order is repaired.
pub(crate) fn open_checked(path: &Path, cache: usize) -> Result<Database, redb::Error> {
    let file = super::open(path)?;
    // redb would make one of it.
    if file.metadata()?.len() == 0 {
        return Err(io::Error::new(ErrorKind::InvalidData, "the file is empty").into());
    }
    Ok(builder(cache).create_with_backend(Checked::new(FileBackend::new(file)?))?)
}

/// Opens one of these as it is, see [`open_to_read`].
pub(crate) fn open_checked_to_read(
    path: &Path,
    cache: usize,
) -> Result<ReadOnlyDatabase, DatabaseError> {
    let file = super::open_to_read(path).map_err(redb::StorageError::Io)?;
    builder(cache).open_read_only_with_backend(Checked::new(FileBackend::new(file)?))
}

/// Opens a database that stays as it is. [`DatabaseError::RepairAborted`] says that it was not closed
/// in order: reading it takes a repair, which writes.
pub(crate) fn open_to_read(path: &Path, cache: usize) -> Result<ReadOnlyDatabase, DatabaseError> {
    let file = super::open_to_read(path).map_err(redb::StorageError::Io)?;
    builder(cache).open_read_only_with_backend(FileBackend::new(file)?)
}

/// A table that a file has once something was in it; `None` before.
pub(crate) fn table<K: Key + 'static, V: Value + 'static>(
    transaction: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>, redb::Error> {
    match transaction.open_table(table) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn builder(cache: usize) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(cache);
    builder
}
