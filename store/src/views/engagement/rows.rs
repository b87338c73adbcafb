//! Rows that a fold reads once, changes in memory and writes once, and the keys of rows.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::WorkspaceId;
use crate::views::ordered::Ordered;

/// The rows of a table that one fold has asked for.
pub(super) struct Held<'a, V> {
    table: &'a mut Ordered,
    known: BTreeMap<Vec<u8>, V>,
}

impl<'a, V: Serialize + DeserializeOwned + Default> Held<'a, V> {
    pub(super) fn of(table: &'a mut Ordered) -> Self {
        Self {
            table,
            known: BTreeMap::new(),
        }
    }

    /// The row of this key, a new one where there is none.
    pub(super) fn get(&mut self, key: Vec<u8>) -> Result<&mut V, redb::Error> {
        use std::collections::btree_map::Entry;
        Ok(match self.known.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let row = read(self.table, new.key())?.unwrap_or_default();
                new.insert(row)
            }
        })
    }

    /// What the row of this key holds now, for a look that changes nothing.
    pub(super) fn peek(&self, key: &[u8]) -> Result<Option<V>, redb::Error>
    where
        V: Clone,
    {
        match self.known.get(key) {
            Some(row) => Ok(Some(row.clone())),
            None => read(self.table, key),
        }
    }

    /// The keys that begin with this of rows that have been asked for.
    pub(super) fn known(&self, beginning: &[u8]) -> impl Iterator<Item = &Vec<u8>> {
        let known = self.known.range(beginning.to_vec()..);
        let known = known.map(|(key, _)| key);
        known.take_while(move |key| key.starts_with(beginning))
    }

    /// Writes what has been asked for.
    pub(super) fn write(self) -> Result<(), redb::Error> {
        for (key, row) in &self.known {
            self.table.insert(key, &encode(row)?);
        }
        Ok(())
    }
}

/// Reads one row.
pub(in crate::views) fn read<V: DeserializeOwned>(
    table: &Ordered,
    key: &[u8],
) -> Result<Option<V>, redb::Error> {
    let row = table.get(key)?;
    row.map(|row| decode(&row)).transpose()
}

pub(in crate::views) fn encode<V: Serialize>(row: &V) -> Result<Vec<u8>, redb::Error> {
    postcard::to_allocvec(row).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

pub(in crate::views) fn decode<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, redb::Error> {
    // A row that does not decode means the file: it is built anew then.
    postcard::from_bytes(bytes).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

/// A key: the workspace, then the parts as they are.
pub(in crate::views) fn key(workspace: WorkspaceId, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = workspace.0.to_be_bytes().to_vec();
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// A time or another signed number as bytes that sort as it does.
pub(in crate::views) fn sortable(number: i64) -> [u8; 8] {
    (number.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// The number that [`sortable`] made these bytes of.
pub(in crate::views) fn from_sortable(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed()
}
