//! Rows looked up or walked one by one, for exports.

use redb::ReadTransaction;

use super::CONTACTS;
use super::contact::Contact;
use super::order::{ORDERS, Order, PLACES, when};
use super::rows::{decode, key, read};
use crate::record::{ContactId, Seq, WorkspaceId};

/// An order as it stands, and the record that counts for it; verified ones and those that pages told
/// stand apart.
pub(crate) fn order(
    snapshot: &ReadTransaction,
    workspace: WorkspaceId,
    verified: bool,
    order_id: &str,
) -> Result<Option<(Seq, Order)>, redb::Error> {
    let place = key(workspace, &[&[u8::from(verified)], order_id.as_bytes()]);
    let places = snapshot.open_table(PLACES)?;
    let Some(order_key) = places.get(place.as_slice())? else {
        return Ok(None);
    };
    let (_, seq) = when(order_key.value());
    let orders = snapshot.open_table(ORDERS)?;
    let order = read::<Order>(&orders, order_key.value())?;
    Ok(order.map(|order| (Seq(seq), order)))
}

/// At most `limit` contacts behind this one, in order of their ids.
pub(crate) fn contacts(
    snapshot: &ReadTransaction,
    workspace: WorkspaceId,
    after: Option<ContactId>,
    limit: usize,
) -> Result<Vec<(ContactId, Contact)>, redb::Error> {
    let table = snapshot.open_table(CONTACTS)?;
    let first = key(workspace, &[&after.map_or([0; 16], |after| after.0)]);
    let last = key(workspace, &[&[u8::MAX; 16]]);
    let mut found = Vec::new();
    for row in table.range(first.as_slice()..=last.as_slice())? {
        let (at, row) = row?;
        let Some(id) = at.value().last_chunk::<16>() else {
            continue;
        };
        let id = ContactId(*id);
        if Some(id) == after {
            continue;
        }
        found.push((id, decode(row.value())?));
        if found.len() == limit {
            break;
        }
    }
    Ok(found)
}
