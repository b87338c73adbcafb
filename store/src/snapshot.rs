//! Consistent copies of redb files that are in use: what one read transaction sees, in a new file.
//! Not which files a backup holds.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::path::Path;

use redb::{
    Database, Durability, Key, ReadTransaction, ReadableDatabase as _, ReadableTable as _,
    TableDefinition, TableHandle, Value, WriteTransaction,
};

use crate::files::database;

/// The page cache of the file that is written.
const CACHE: usize = 16 * 1024 * 1024;

/// A copy that is being made.
pub(crate) struct Snapshot<'a> {
    from: &'a ReadTransaction,
    to: WriteTransaction,
    /// The tables that were named.
    named: BTreeSet<String>,
}

/// Writes a new file at `to` with what `copy` takes over, and syncs it; its name is not synced.
///
/// # Errors
/// When the disk fails, and when the file has a table that `copy` does not name: it would be missing
/// after a restore.
pub(crate) fn take(
    from: &Database,
    to: &Path,
    copy: impl FnOnce(&mut Snapshot<'_>) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let new = database::create_anew(to, CACHE)?;
    take_into(from, &new, copy)?;
    new.close()?;
    Ok(())
}

/// Takes over into an empty file what `copy` says, durably.
///
/// # Errors
/// As of [`take`].
pub(crate) fn take_into(
    from: &Database,
    new: &Database,
    copy: impl FnOnce(&mut Snapshot<'_>) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let from = from.begin_read()?;
    let mut transaction = new.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    // So that a start after a crash need not walk the whole file.
    transaction.set_quick_repair(true);
    let mut snapshot = Snapshot {
        from: &from,
        to: transaction,
        named: BTreeSet::new(),
    };
    copy(&mut snapshot)?;
    snapshot.finish()
}

impl Snapshot<'_> {
    /// Takes over all rows of a table; one that is not there yet is none.
    pub(crate) fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<(), redb::Error> {
        self.named.insert(table.name().to_owned());
        let Some(rows) = database::table(self.from, table)? else {
            return Ok(());
        };
        let mut copy = self.to.open_table(table)?;
        for row in rows.iter()? {
            let (key, value) = row?;
            copy.insert(key.value(), value.value())?;
        }
        Ok(())
    }

    /// A table that is not to be copied.
    pub(crate) fn leave_out(&mut self, table: impl TableHandle) {
        self.named.insert(table.name().to_owned());
    }

    /// Puts a row into the copy alone.
    pub(crate) fn insert<'k, 'v, K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: TableDefinition<'static, K, V>,
        key: impl Borrow<K::SelfType<'k>>,
        value: impl Borrow<V::SelfType<'v>>,
    ) -> Result<(), redb::Error> {
        self.to.open_table(table)?.insert(key, value)?;
        Ok(())
    }

    fn finish(self) -> Result<(), redb::Error> {
        for table in self.from.list_tables()? {
            if !self.named.contains(table.name()) {
                return Err(redb::Error::Corrupted(format!(
                    "the table {} is not known to backups: this is a mistake in misar",
                    table.name()
                )));
            }
        }
        Ok(self.to.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
    const TEXTS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("texts");

    fn with_rows(path: &Path) -> Database {
        let database = Database::create(path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut numbers = transaction.open_table(NUMBERS).unwrap();
            numbers.insert("one", 1).unwrap();
            let mut texts = transaction.open_table(TEXTS).unwrap();
            texts.insert(7, b"seven".as_slice()).unwrap();
        }
        transaction.commit().unwrap();
        database
    }

    #[test]
    fn a_copy_holds_what_was_there_and_what_is_put_into_it() {
        let folder = TempDir::new().unwrap();
        let database = with_rows(&folder.path().join("a"));
        let to = folder.path().join("b");
        take(&database, &to, |copy| {
            copy.table(NUMBERS)?;
            copy.leave_out(TEXTS);
            copy.insert(NUMBERS, "two", 2)
        })
        .unwrap();
        let copy = Database::open(&to).unwrap();
        let copy = copy.begin_read().unwrap();
        let numbers = copy.open_table(NUMBERS).unwrap();
        assert_eq!(numbers.get("one").unwrap().unwrap().value(), 1);
        assert_eq!(numbers.get("two").unwrap().unwrap().value(), 2);
        assert_eq!(copy.list_tables().unwrap().count(), 1);
    }

    #[test]
    fn a_table_that_nobody_thought_of_is_an_error_and_no_silent_loss() {
        let folder = TempDir::new().unwrap();
        let database = with_rows(&folder.path().join("a"));
        let taken = take(&database, &folder.path().join("b"), |copy| {
            copy.table(NUMBERS)
        });
        let error = taken.unwrap_err().to_string();
        assert!(error.contains("texts"), "{error}");
    }
}
