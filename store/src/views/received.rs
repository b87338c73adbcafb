//! Which keys have sent an event that is on record, for `GET /v1/embeds`. A rejected event does not
//! count, unlike in the time of a key's last use.

use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::Dump;
use crate::record::{Record, WorkspaceId};

/// Key: workspace, id of the key. Value: the seq of the first event that came with it.
const RECEIVED: TableDefinition<'_, (u32, &str), u64> = TableDefinition::new("received_v1");

/// Writes the keys that these records, which follow on those folded before, are the first of.
pub(super) fn fold(transaction: &WriteTransaction, records: &[Record]) -> Result<(), redb::Error> {
    let mut first = BTreeMap::new();
    for Record { seq, entry, .. } in records {
        if let Some(key_id) = entry.told_by.key_id() {
            let key = (entry.workspace.0, key_id.as_str());
            first.entry(key).or_insert(seq.0);
        }
    }
    let mut received = transaction.open_table(RECEIVED)?;
    for (key, seq) in first {
        if received.get(key)?.is_none() {
            received.insert(key, seq)?;
        }
    }
    Ok(())
}

/// See [`super::Views::received`].
pub(super) fn is_received(
    snapshot: &ReadTransaction,
    workspace: WorkspaceId,
    key_id: &str,
) -> Result<bool, redb::Error> {
    let received = snapshot.open_table(RECEIVED)?;
    Ok(received.get((workspace.0, key_id))?.is_some())
}

/// Makes the table, so that readers find it from the start.
pub(super) fn create(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(RECEIVED)?;
    Ok(())
}

/// Fails where the table is not the one that is read here.
pub(super) fn check(snapshot: &ReadTransaction) -> Result<(), redb::Error> {
    snapshot.open_table(RECEIVED)?;
    Ok(())
}

pub(super) fn dump(snapshot: &ReadTransaction, dump: &mut Dump) -> Result<(), redb::Error> {
    let mut rows = Vec::new();
    for row in snapshot.open_table(RECEIVED)?.iter()? {
        let (key, value) = row?;
        let (workspace, key_id) = key.value();
        let key = [&workspace.to_be_bytes(), key_id.as_bytes()].concat();
        rows.push((key, value.value().to_be_bytes().to_vec()));
    }
    dump.insert("received_v1", rows);
    Ok(())
}
