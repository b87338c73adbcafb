//! Consistent copies of redb files that are in use: what one read transaction sees, in a new file. And such copies in
//! the place of a file whose free pages hold what is to be gone. Not which files a backup holds.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use redb::{
    Database, Durability, Key, ReadTransaction, ReadableDatabase as _, ReadableTable as _,
    TableDefinition, TableHandle, Value, WriteTransaction,
};

use crate::files::{self, database};
use crate::locks::lock;

/// The page cache of the file that is written.
const CACHE: usize = 16 * 1024 * 1024;
/// So often a file is copied beside those who write to it. After that they wait for it.
const TRIES_BESIDE: usize = 2;

/// The table in which a file tells of itself.
pub(crate) type About = TableDefinition<'static, &'static str, u64>;
/// Its key, while pages that the file has freed hold what is to be gone.
const STALE: &str = "stale";

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

/// Notes that a file is to be [renewed], with what makes it so.
pub(crate) fn set_stale(transaction: &WriteTransaction, about: About) -> Result<(), redb::Error> {
    transaction.open_table(about)?.insert(STALE, 1)?;
    Ok(())
}

/// Whether a file is to be [renewed]: also where a crash came between.
pub(crate) fn is_stale(database: &Database, about: About) -> Result<bool, redb::Error> {
    let about = database::table(&database.begin_read()?, about)?;
    about.map_or(Ok(false), |about| Ok(about.get(STALE)?.is_some()))
}

/// Puts another file in the place of the one at `path`, which holds what `copy` takes over of it and nothing else, and
/// hands it to `put`; whoever reads the old one goes on with it. Whoever writes holds `writes`, and counts there: the
/// copy is made beside them, and once more where they have written meanwhile.
///
/// # Errors
/// As of [`take`]; the file is as before then.
pub(crate) fn renewed(
    path: &Path,
    cache: usize,
    writes: &Mutex<u64>,
    database: &dyn Fn() -> Result<Arc<Database>, redb::Error>,
    copy: &dyn Fn(&mut Snapshot<'_>) -> Result<(), redb::Error>,
    put: &mut dyn FnMut(Database),
) -> Result<(), redb::Error> {
    let draft = files::draft_of(path);
    let made = || -> Result<Database, redb::Error> {
        let old = database()?;
        let new = database::create_anew(&draft, cache)?;
        take_into(&old, &new, copy)?;
        Ok(new)
    };
    let mut replace = |new: Database| -> Result<(), redb::Error> {
        files::rename_synced(&draft, path)?;
        put(new);
        Ok(())
    };
    let mut renew = || -> Result<(), redb::Error> {
        for _ in 0..TRIES_BESIDE {
            let before = *lock(writes);
            let new = made()?;
            let now = lock(writes);
            if *now == before {
                return replace(new);
            }
        }
        let _held = lock(writes);
        replace(made()?)
    };
    renew().inspect_err(|_| {
        // It holds all that is to be gone later.
        std::fs::remove_file(&draft).ok();
    })
}

impl Snapshot<'_> {
    /// Takes over what a file tells of itself, but for what a copy is not: to be [renewed].
    pub(crate) fn about(&mut self, about: About) -> Result<(), redb::Error> {
        self.table(about)?;
        self.to.open_table(about)?.remove(STALE)?;
        Ok(())
    }

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
    fn a_file_that_is_written_while_it_is_renewed_loses_nothing_and_is_stale_no_more() {
        const ABOUT: About = TableDefinition::new("about");
        let put_number = |database: &Database, number: usize| {
            let transaction = database.begin_write().unwrap();
            let name = number.to_string();
            let mut numbers = transaction.open_table(NUMBERS).unwrap();
            numbers.insert(name.as_str(), number as u64).unwrap();
            drop(numbers);
            set_stale(&transaction, ABOUT).unwrap();
            transaction.commit().unwrap();
        };
        for writers in 0..=TRIES_BESIDE {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("a.redb");
            let known = Mutex::new(Arc::new(with_rows(&path)));
            let writes = Mutex::new(0);
            put_number(&lock(&known), 100);
            let copies = std::cell::Cell::new(0);
            let copy = |copy: &mut Snapshot<'_>| {
                // Somebody comes in between, as often as is to be.
                let turn = copies.replace(copies.get() + 1);
                if turn < writers {
                    *lock(&writes) += 1;
                    put_number(&lock(&known), turn);
                }
                copy.table(NUMBERS)?;
                copy.table(TEXTS)?;
                copy.about(ABOUT)
            };
            let current = || Ok(Arc::clone(&lock(&known)));
            let mut put = |new| *lock(&known) = Arc::new(new);
            renewed(&path, 1 << 20, &writes, &current, &copy, &mut put).unwrap();
            assert_eq!(copies.get(), writers + 1);
            drop(known);
            let renewed = Database::open(&path).unwrap();
            assert!(!is_stale(&renewed, ABOUT).unwrap());
            let numbers = renewed.begin_read().unwrap().open_table(NUMBERS).unwrap();
            assert_eq!(numbers.iter().unwrap().count(), 2 + writers);
        }
    }

    #[test]
    fn what_cannot_be_renewed_is_as_it_was_and_leaves_no_copy() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.redb");
        let known = Arc::new(with_rows(&path));
        let current = || Ok(Arc::clone(&known));
        let copy = |copy: &mut Snapshot<'_>| copy.table(NUMBERS);
        let mut put = |_: Database| unreachable!("a table is missing");
        let writes = Mutex::new(0);
        let renewed = renewed(&path, 1 << 20, &writes, &current, &copy, &mut put);
        assert!(renewed.is_err());
        let left = std::fs::read_dir(folder.path()).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["a.redb"]);
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
