//! Files from before rejections belonged to who sent them: their rows take the places that they would
//! have now, a part at a time, so that a crash in between loses nothing.

use std::collections::HashSet;

use redb::{Database, ReadableTable, TableDefinition};
use serde_json::Value;
use shared::api_key::KeyKind;

use super::Rejected;
use super::tables::{BY_ID, COUNTS, REJECTED, place, spelling};
use crate::meta::Meta;
use crate::record::identity::Sender;

/// Key: workspace, arrival, count. Value: JSON of [`Rejected`] without its sender.
const OLD_REJECTED: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rejected_v1");
const OLD_COUNTS: TableDefinition<'_, u32, u64> = TableDefinition::new("rejected_counts_v1");
const OLD_BY_ID: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rejected_by_id_v1");

/// Rows of one transaction; each may hold an event of 32 KB.
const ROWS: usize = 500;

/// Who sends with which key, by the key's id.
pub fn senders(meta: &Meta) -> impl Fn(&str) -> Sender + use<> {
    let keys = meta
        .workspaces()
        .into_iter()
        .flat_map(|workspace| meta.keys(workspace.id));
    let public: HashSet<String> = keys
        .filter(|key| key.kind == KeyKind::Public)
        .map(|key| key.id.clone())
        .collect();
    move |key_id| {
        if public.contains(key_id) {
            Sender::Page
        } else {
            Sender::Server
        }
    }
}

/// Moves what an older version left; `sender_of` tells by the id of a key who used it.
pub(super) fn take_over(
    database: &Database,
    sender_of: &dyn Fn(&str) -> Sender,
) -> Result<(), redb::Error> {
    while move_some(database, sender_of)? {}
    let transaction = database.begin_write()?;
    transaction.delete_table(OLD_REJECTED)?;
    transaction.delete_table(OLD_COUNTS)?;
    transaction.delete_table(OLD_BY_ID)?;
    transaction.commit()?;
    Ok(())
}

/// False where nothing was left to move.
fn move_some(database: &Database, sender_of: &dyn Fn(&str) -> Sender) -> Result<bool, redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut old = transaction.open_table(OLD_REJECTED)?;
        let mut rows = Vec::new();
        for row in old.iter()?.take(ROWS) {
            let (key, value) = row?;
            rows.push((key.value().to_vec(), value.value().to_vec()));
        }
        if rows.is_empty() {
            return Ok(false);
        }
        let mut table = transaction.open_table(REJECTED)?;
        let mut places = transaction.open_table(BY_ID)?;
        let mut counts = transaction.open_table(COUNTS)?;
        for (key, value) in rows {
            old.remove(key.as_slice())?;
            // What cannot be read was a receipt, and is one no more.
            let Some((rejected, count)) = read(&key, &value, sender_of) else {
                continue;
            };
            let holder = rejected.holder();
            let place = place(holder, rejected.received_at, count);
            let value = serde_json::to_vec(&rejected)
                .map_err(|error| redb::Error::Corrupted(error.to_string()))?;
            table.insert(place.as_slice(), value.as_slice())?;
            let id = holder.key(&spelling(&rejected.id));
            places.insert(id.as_slice(), place.as_slice())?;
            let kept = counts.get(holder.prefix().as_slice())?;
            let kept = kept.map_or(0, |kept| kept.value());
            counts.insert(holder.prefix().as_slice(), kept + 1)?;
        }
    }
    transaction.commit()?;
    Ok(true)
}

/// A row with its sender, and the count in its place.
fn read(key: &[u8], value: &[u8], sender_of: &dyn Fn(&str) -> Sender) -> Option<(Rejected, u64)> {
    let mut row: Value = serde_json::from_slice(value).ok()?;
    let sender = sender_of(row.get("key_id")?.as_str()?);
    let fields = row.as_object_mut()?;
    fields.insert("sender".into(), serde_json::to_value(sender).ok()?);
    let count = u64::from_be_bytes(*key.last_chunk::<8>()?);
    Some((serde_json::from_value(row).ok()?, count))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::time::Timestamp;

    use super::super::tests::{open, rejected};
    use super::super::{FILE, KEPT_MS};
    use super::*;
    use crate::clock::FixedClock;
    use crate::record::WorkspaceId;

    #[test]
    fn the_rows_of_an_old_file_are_found_under_who_sent_them() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(KEPT_MS * 2)));
        let database = Database::create(folder.path().join(FILE)).unwrap();
        let transaction = database.begin_write().unwrap();
        let rows = ROWS as i64 * 2 + 10;
        {
            let mut old = transaction.open_table(OLD_REJECTED).unwrap();
            let mut counts = transaction.open_table(OLD_COUNTS).unwrap();
            counts.insert(1, rows.cast_unsigned()).unwrap();
            for number in 0..rows {
                let row = Rejected {
                    key_id: if number % 2 == 0 { "page" } else { "server" }.into(),
                    ..rejected(&number.to_string(), KEPT_MS * 2 + number)
                };
                let mut value = serde_json::to_value(&row).unwrap();
                value.as_object_mut().unwrap().remove("sender");
                let mut key = 1_u32.to_be_bytes().to_vec();
                key.extend_from_slice(&row.received_at.cast_unsigned().to_be_bytes());
                key.extend_from_slice(&number.cast_unsigned().to_be_bytes());
                let value = serde_json::to_vec(&value).unwrap();
                old.insert(key.as_slice(), value.as_slice()).unwrap();
            }
        }
        transaction.commit().unwrap();
        drop(database);
        // Twice: what was moved is not moved again.
        for _ in 0..2 {
            let store = open(folder.path(), &clock);
            for number in 0..rows {
                let found = |sender| {
                    let id = number.to_string();
                    store.find(WorkspaceId(1), sender, &id).unwrap()
                };
                assert_eq!(found(Sender::Page).is_some(), number % 2 == 0, "{number}");
                assert_eq!(found(Sender::Server).is_some(), number % 2 == 1, "{number}");
            }
        }
    }
}
