//! For tests: everything that lies in the tables of a view's file.

use std::path::Path;

use redb::{Key, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableHandle as _};

use crate::files;

use super::file::{CHUNKS, DELTAS, NUMBERS, by_key};

/// Keys and values of all tables; where each row is one value, pieces of it side by side.
pub(in crate::views) fn everything(path: &Path) -> Vec<Vec<u8>> {
    let database = files::database::open_checked(path, 1024 * 1024).unwrap();
    let snapshot = database.begin_read().unwrap();
    let mut rows = Vec::new();
    fn add<K: Key + 'static>(
        rows: &mut Vec<Vec<u8>>,
        snapshot: &redb::ReadTransaction,
        table: TableDefinition<'_, K, &'static [u8]>,
    ) {
        for row in snapshot.open_table(table).unwrap().iter().unwrap() {
            rows.push(row.unwrap().1.value().to_vec());
        }
    }
    add(&mut rows, &snapshot, CHUNKS);
    add(&mut rows, &snapshot, DELTAS);
    add(&mut rows, &snapshot, NUMBERS);
    let names: Vec<_> = snapshot.list_tables().unwrap().collect();
    for table in names {
        let fixed = ["about_v2", CHUNKS.name(), DELTAS.name(), NUMBERS.name()];
        if fixed.contains(&table.name()) {
            continue;
        }
        // The names of tables come from plans.
        let name = Box::leak(table.name().to_owned().into_boxed_str());
        let table = snapshot.open_table(by_key(name)).unwrap();
        for row in table.iter().unwrap() {
            let (key, value) = row.unwrap();
            rows.push([key.value(), value.value()].concat());
        }
    }
    rows
}
