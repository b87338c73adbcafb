//! Rows looked up one by one, for exports.

use super::order::{Order, place_key, when};
use super::rows::read;
use super::{ORDERS, PLACES};
use crate::record::{Seq, WorkspaceId};
use crate::views::rows::Rows;

/// An order as it stands, and the record that counts for it; verified ones and those that pages told
/// stand apart.
pub(crate) fn order(
    rows: &Rows,
    workspace: WorkspaceId,
    verified: bool,
    order_id: &str,
) -> Result<Option<(Seq, Order)>, redb::Error> {
    let place = place_key(workspace, verified, order_id);
    let Some(order_key) = rows.tables[PLACES].get(&place)? else {
        return Ok(None);
    };
    let (_, seq) = when(&order_key);
    let order = read::<Order>(&rows.tables[ORDERS], &order_key)?;
    Ok(order.map(|order| (Seq(seq), order)))
}
