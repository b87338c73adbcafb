//! The file of the order book: its tables, and each transaction on them.

use std::collections::HashMap;
use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use shared::ids::OrderId;

use crate::ledger::LogError;
use crate::ledger::amend;
use crate::ledger::book_file::{ABOUT, BookFile};
use crate::ledger::decide::{OrderKey, OrderState, RefundKey};
use crate::ledger::local::ORDERS_FILE;
use crate::record::{Seq, WorkspaceId};

/// Key: see [`key_bytes`]. Value: postcard of [`OrderState`].
pub(super) const ORDERS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("orders_v1");
/// Key: workspace (u32, big-endian), then the refundId. Value: the orderId.
pub(super) const REFUNDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("refunds_v1");

pub(super) const FILE: BookFile = BookFile {
    name: "the order book",
    file: ORDERS_FILE,
    make: make_tables,
    complete: |_| Ok(()),
};

/// The cursor of an order book that nobody has open, without writing to it.
pub(crate) fn cursor_at_rest(path: &Path) -> Result<Seq, LogError> {
    FILE.cursor_at_rest(path)
}

/// What is on file of an order.
pub(super) fn order(
    database: &Database,
    key: &OrderKey,
) -> Result<Option<OrderState>, redb::Error> {
    let table = database.begin_read()?.open_table(ORDERS)?;
    let row = table.get(key_bytes(key).as_slice())?;
    row.map(|row| {
        amend::from_bytes(row.value()).map_err(|error| redb::Error::Corrupted(error.to_string()))
    })
    .transpose()
}

/// The orderId of a refund's order.
pub(super) fn refund(database: &Database, key: &RefundKey) -> Result<Option<OrderId>, redb::Error> {
    let table = database.begin_read()?.open_table(REFUNDS)?;
    let row = table.get(refund_key_bytes(key).as_slice())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(row.map(|row| OrderId::from_kept(text(row.value()))))
}

/// Writes what has changed up to this record, durably.
pub(super) fn write(
    database: &Database,
    orders: &HashMap<OrderKey, OrderState>,
    refunds: &HashMap<RefundKey, (OrderId, Seq)>,
    upto: Seq,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        let mut table = transaction.open_table(ORDERS)?;
        for (key, state) in orders {
            let value = amend::to_bytes(state)
                .map_err(|error| redb::Error::Corrupted(error.to_string()))?;
            table.insert(key_bytes(key).as_slice(), value.as_slice())?;
        }
        let mut table = transaction.open_table(REFUNDS)?;
        for (key, (order_id, _)) in refunds {
            table.insert(
                refund_key_bytes(key).as_slice(),
                order_id.as_str().as_bytes(),
            )?;
        }
        let mut about = transaction.open_table(ABOUT)?;
        about.insert("cursor", upto.0)?;
        about.insert("refunds_cursor", upto.0)?;
    }
    Ok(transaction.commit()?)
}

pub(super) fn make_tables(database: &Database, after: Seq) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(ORDERS)?;
    transaction.open_table(ABOUT)?.insert("cursor", after.0)?;
    Ok(transaction.commit()?)
}

/// Lists the refunds of all orders where `refunds_cursor` in [`ABOUT`], the last seq that [`REFUNDS`] reflects,
/// says that this is not so yet: older versions know them by their orders
/// alone. There, two orders may have a refund of one id; it is found by its order all the same.
pub(super) fn fill_refunds(database: &Database) -> Result<(), redb::Error> {
    let cursor = {
        let about = database.begin_read()?.open_table(ABOUT)?;
        let number = |name| -> Result<Option<u64>, redb::Error> {
            Ok(about.get(name)?.map(|value| value.value()))
        };
        let cursor = number("cursor")?.unwrap_or(0);
        if number("refunds_cursor")? == Some(cursor) {
            return Ok(());
        }
        cursor
    };
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        let orders = transaction.open_table(ORDERS)?;
        let mut refunds = transaction.open_table(REFUNDS)?;
        for row in orders.iter()? {
            let (key, state) = row?;
            let state: OrderState = postcard::from_bytes(state.value())
                .map_err(|error| redb::Error::Corrupted(error.to_string()))?;
            let Some(([workspace @ .., _], order_id)) = key.value().split_first_chunk::<5>() else {
                continue;
            };
            for refund_id in state.refunds_after(Seq::START) {
                let key = RefundKey {
                    workspace: WorkspaceId(u32::from_be_bytes(*workspace)),
                    refund_id,
                };
                refunds.insert(refund_key_bytes(&key).as_slice(), order_id)?;
            }
        }
        let mut about = transaction.open_table(ABOUT)?;
        about.insert("refunds_cursor", cursor)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Workspace (big-endian), then the refund's id.
fn refund_key_bytes(key: &RefundKey) -> Vec<u8> {
    let refund_id = key.refund_id.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(4 + refund_id.len());
    bytes.extend_from_slice(&key.workspace.0.to_be_bytes());
    bytes.extend_from_slice(refund_id);
    bytes
}

/// Workspace (big-endian), verified (1 or 0), then the order's id.
fn key_bytes(key: &OrderKey) -> Vec<u8> {
    let order_id = key.order_id.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(5 + order_id.len());
    bytes.extend_from_slice(&key.workspace.0.to_be_bytes());
    bytes.push(u8::from(key.verified));
    bytes.extend_from_slice(order_id);
    bytes
}
