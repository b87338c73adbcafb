//! Which keys have sent an event that is on record, for `GET /v1/embeds`. A rejected event does not
//! count, unlike in the time of a key's last use.

use std::collections::BTreeMap;

use super::events::RECEIVED;
use super::rows::Rows;
use super::view::Happening;
use crate::record::WorkspaceId;

// Key in `RECEIVED`: workspace (u32, big-endian), id of the key. Value: the seq of the first event that came with
// it (u64, big-endian).

/// Writes the keys that these records, which follow on those folded before, are the first of.
pub(super) fn fold(rows: &mut Rows, happenings: &[Happening<'_>]) -> Result<(), redb::Error> {
    let mut first = BTreeMap::new();
    for happening in happenings {
        let entry = happening.entry;
        if let Some(key_id) = entry.told_by.key_id() {
            let key = (entry.workspace, key_id.as_str());
            first.entry(key).or_insert(happening.seq.0);
        }
    }
    let received = &mut rows.tables[RECEIVED];
    for ((workspace, key_id), seq) in first {
        let key = key(workspace, key_id);
        if received.get(&key)?.is_none() {
            received.insert(&key, &seq.to_be_bytes());
        }
    }
    Ok(())
}

/// See [`super::Views::received`].
pub(super) fn is_received(
    rows: &Rows,
    workspace: WorkspaceId,
    key_id: &str,
) -> Result<bool, redb::Error> {
    Ok(rows.tables[RECEIVED]
        .get(&key(workspace, key_id))?
        .is_some())
}

fn key(workspace: WorkspaceId, key_id: &str) -> Vec<u8> {
    [&workspace.0.to_be_bytes(), key_id.as_bytes()].concat()
}
