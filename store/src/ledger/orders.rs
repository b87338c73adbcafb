//! The order book: every order for ever, in its own redb file, filled behind the acknowledgement.
//! The writer asks it; orders that the file has not reached yet are in memory. Not a view: rebuild
//! never touches it and backup includes it.

mod snapshot;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use redb::backends::InMemoryBackend;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use shared::ids::OrderId;

use super::LogError;
use super::amend;
use super::decide::{OrderKey, OrderState, RefundKey};
use crate::files;
use crate::journal::local::segment::{draft_of, rename_synced, settle};
use crate::locks::lock;
use crate::record::{Seq, WorkspaceId};

/// Key: see [`key_bytes`]. Value: postcard of [`OrderState`].
const ORDERS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("orders_v1");
/// Key: workspace (u32, big-endian), then the refundId. Value: the orderId.
const REFUNDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("refunds_v1");
/// Key: `cursor`. Value: the last seq that the orders reflect. Key: `refunds_cursor`. Value: the last
/// seq that [`REFUNDS`] reflects; versions that do not know that table leave it behind. Beside them
/// `store` and `opening`, the lineage.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about_v1");

/// Orders waiting for the file; with more, appending is refused until it has caught up.
const MAX_WAITING: usize = 100_000;
/// How long orders wait for company before they are written.
const PAUSE: Duration = Duration::from_millis(250);
/// Without orders the cursor still moves, once this many records lie behind it, so that a restart
/// has little to read again.
const IDLE_RECORDS: u64 = 50_000;
const CACHE: usize = 16 * 1024 * 1024;

/// The order book; the file is written by a thread of its own.
pub(crate) struct OrderBook {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    /// `None` in memory.
    path: Option<PathBuf>,
    /// `None` after a failure, until it opens again.
    database: Mutex<Option<Arc<Database>>>,
    waiting: Mutex<Waiting>,
    wake: Condvar,
    /// Held from the look at what waits to its commit, or an older look could overwrite a newer one.
    flushing: Mutex<()>,
    /// The cursor in the file.
    cursor: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    orders: HashMap<OrderKey, OrderState>,
    /// The orderId of each refund, and the record that told of it or a later one.
    refunds: HashMap<RefundKey, (OrderId, Seq)>,
    /// The last record whose orders have been handed over.
    upto: Seq,
    closing: bool,
}

/// The cursor of an order book that nobody has open, without writing to it.
pub(crate) fn cursor_at_rest(path: &Path) -> Result<Seq, LogError> {
    let read = || -> Result<Seq, redb::Error> {
        let about = files::database::open_to_read(path, CACHE)?
            .begin_read()?
            .open_table(ABOUT)?;
        Ok(Seq(about.get("cursor")?.map_or(0, |value| value.value())))
    };
    let doing = "reading the order book";
    match std::panic::catch_unwind(read) {
        Ok(Err(redb::Error::RepairAborted)) => Err(LogError::storage(
            doing,
            &files::database::Unclean(path.to_owned()),
        )),
        Ok(read) => read.map_err(|error| LogError::storage(doing, &error)),
        Err(_) => Err(LogError::storage(doing, &"redb could not make sense of it")),
    }
}

impl OrderBook {
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        let (database, cursor) = open_file(path)?;
        Ok(Self::over(database, cursor, Some(path.to_owned())))
    }

    /// One that lives as long as it is held, and begins behind this record.
    pub(crate) fn in_memory(after: Seq) -> Result<Self, LogError> {
        let open = || -> Result<Database, redb::Error> {
            let database = Database::builder().create_with_backend(InMemoryBackend::new())?;
            make_tables(&database, after)?;
            Ok(database)
        };
        let database = open().map_err(|error| LogError::storage("making an order book", &error))?;
        Ok(Self::over(database, after, None))
    }

    fn over(database: Database, cursor: Seq, path: Option<PathBuf>) -> Self {
        let shared = Arc::new(Shared {
            path,
            database: Mutex::new(Some(Arc::new(database))),
            waiting: Mutex::new(Waiting {
                upto: cursor,
                ..Waiting::default()
            }),
            wake: Condvar::new(),
            flushing: Mutex::new(()),
            cursor: AtomicU64::new(cursor.0),
        });
        Self {
            shared,
            thread: Mutex::new(None),
        }
    }

    /// Starts writing behind; before, [`Self::learn`] only collects, and [`Self::refund`] may not know
    /// what a file of an older version holds.
    pub(crate) fn start(&self) -> Result<(), LogError> {
        let storage =
            |error: &dyn std::fmt::Display| LogError::storage("starting the order book", error);
        if let Some(database) = lock(&self.shared.database).clone() {
            fill_refunds(&database).map_err(|error| storage(&error))?;
        }
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name("orders".into())
            .spawn(move || shared.run())
            .map_err(|error| storage(&error))?;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    /// The last record that the file reflects.
    pub(crate) fn cursor(&self) -> Seq {
        Seq(self.shared.cursor.load(Ordering::Acquire))
    }

    /// The last record whose orders have been handed over.
    pub(crate) fn reached(&self) -> Seq {
        lock(&self.shared.waiting).upto
    }

    pub(crate) fn get(&self, key: &OrderKey) -> Result<Option<OrderState>, LogError> {
        if let Some(state) = lock(&self.shared.waiting).orders.get(key) {
            return Ok(Some(state.clone()));
        }
        let database = lock(&self.shared.database)
            .clone()
            .ok_or(LogError::Unavailable)?;
        let bytes = || -> Result<Option<Vec<u8>>, redb::Error> {
            let table = database.begin_read()?.open_table(ORDERS)?;
            Ok(table
                .get(key_bytes(key).as_slice())?
                .map(|row| row.value().to_vec()))
        };
        let storage =
            |error: &dyn std::fmt::Display| LogError::storage("reading the order book", error);
        bytes()
            .map_err(|error| storage(&error))?
            .map(|bytes| amend::from_bytes(&bytes).map_err(|error| storage(&error)))
            .transpose()
    }

    /// The orderId of a refund's order.
    pub(crate) fn refund(&self, key: &RefundKey) -> Result<Option<OrderId>, LogError> {
        if let Some((order_id, _)) = lock(&self.shared.waiting).refunds.get(key) {
            return Ok(Some(order_id.clone()));
        }
        let database = lock(&self.shared.database)
            .clone()
            .ok_or(LogError::Unavailable)?;
        let order_id = || -> Result<Option<OrderId>, redb::Error> {
            let table = database.begin_read()?.open_table(REFUNDS)?;
            let row = table.get(refund_key_bytes(key).as_slice())?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Ok(row.map(|row| OrderId::from_kept(text(row.value()))))
        };
        order_id().map_err(|error| LogError::storage("reading the order book", &error))
    }

    /// Takes what a commit has changed; `upto` is its last record.
    pub(crate) fn learn(
        &self,
        orders: impl IntoIterator<Item = (OrderKey, OrderState)>,
        upto: Seq,
    ) {
        let mut waiting = lock(&self.shared.waiting);
        let was_empty = waiting.orders.is_empty();
        let before = waiting.upto;
        for (key, state) in orders {
            for refund_id in state.refunds_after(before) {
                let refund_key = RefundKey {
                    workspace: key.workspace,
                    refund_id,
                };
                let refunded = (key.order_id.clone(), upto);
                waiting.refunds.insert(refund_key, refunded);
            }
            waiting.orders.insert(key, state);
        }
        waiting.upto = upto;
        if was_empty && !waiting.orders.is_empty() {
            self.shared.wake.notify_one();
        }
    }

    /// True while the file is too far behind to take more.
    pub(crate) fn is_behind(&self) -> bool {
        lock(&self.shared.waiting).orders.len() >= MAX_WAITING
    }

    /// Writes everything that waits, now.
    pub(crate) fn flush(&self) -> Result<(), LogError> {
        self.shared
            .flush()
            .map_err(|error| LogError::storage("writing the order book", &error))
    }

    /// Writes what waits, stops the thread and closes the file.
    pub(crate) fn close(&self) -> Result<(), LogError> {
        if lock(&self.shared.database).is_none() {
            return Ok(());
        }
        lock(&self.shared.waiting).closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            thread
                .join()
                .map_err(|_| LogError::storage("writing the order book", &"its thread panicked"))?;
        }
        let flushed = self.flush();
        *lock(&self.shared.database) = None;
        flushed
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let waiting = lock(&self.waiting);
            let idle = |waiting: &mut Waiting| waiting.orders.is_empty() && !waiting.closing;
            let (waiting, _) = self
                .wake
                .wait_timeout_while(waiting, PAUSE, idle)
                .unwrap_or_else(PoisonError::into_inner);
            let closing = waiting.closing;
            let due = !waiting.orders.is_empty()
                || waiting.upto.0 >= self.cursor.load(Ordering::Acquire) + IDLE_RECORDS;
            drop(waiting);
            if closing {
                return;
            }
            if due && let Err(error) = self.flush() {
                tracing::error!(%error, "the order book could not be written; trying again");
                self.reopen();
            }
            if due {
                // Orders come in company: let them gather rather than sync for each.
                let closing = |waiting: &mut Waiting| !waiting.closing;
                let gathering = self
                    .wake
                    .wait_timeout_while(lock(&self.waiting), PAUSE, closing);
                drop(gathering.unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    fn flush(&self) -> Result<(), redb::Error> {
        let _flushing = lock(&self.flushing);
        let database = lock(&self.database).clone();
        let Some(database) = database else {
            return Err(redb::Error::DatabaseClosed);
        };
        let (orders, refunds, upto) = {
            let waiting = lock(&self.waiting);
            (
                waiting.orders.clone(),
                waiting.refunds.clone(),
                waiting.upto,
            )
        };
        if orders.is_empty() && upto.0 <= self.cursor.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut table = transaction.open_table(ORDERS)?;
            for (key, state) in &orders {
                let value = amend::to_bytes(state)
                    .map_err(|error| redb::Error::Corrupted(error.to_string()))?;
                table.insert(key_bytes(key).as_slice(), value.as_slice())?;
            }
            let mut table = transaction.open_table(REFUNDS)?;
            for (key, (order_id, _)) in &refunds {
                table.insert(
                    refund_key_bytes(key).as_slice(),
                    order_id.as_str().as_bytes(),
                )?;
            }
            let mut about = transaction.open_table(ABOUT)?;
            about.insert("cursor", upto.0)?;
            about.insert("refunds_cursor", upto.0)?;
        }
        transaction.commit()?;
        self.cursor.store(upto.0, Ordering::Release);
        let mut waiting = lock(&self.waiting);
        waiting.refunds.retain(|_, (_, told)| *told > upto);
        for (key, state) in orders {
            if waiting
                .orders
                .get(&key)
                .is_some_and(|now| now.changed == state.changed)
            {
                waiting.orders.remove(&key);
            }
        }
        Ok(())
    }

    /// After an I/O error redb wants the file closed and opened again.
    fn reopen(&self) {
        let Some(path) = &self.path else {
            return;
        };
        // Held throughout, so that no reader sees the moment in between.
        let mut database = lock(&self.database);
        // A reader that still holds the old handle keeps the file locked; the next turn tries again.
        if let Some(old) = database.take()
            && let Err(held) = Arc::try_unwrap(old)
        {
            *database = Some(held);
            return;
        }
        match open_file(path) {
            Ok((opened, _)) => *database = Some(Arc::new(opened)),
            Err(error) => tracing::error!(%error, "the order book could not be opened again"),
        }
    }
}

fn open_file(path: &Path) -> Result<(Database, Seq), LogError> {
    let open = || -> Result<(Database, Seq), redb::Error> {
        if !files::is_taken(path) {
            // Under another name first: a crash leaves the whole file or none.
            let draft = draft_of(path);
            let database = files::database::create_anew(&draft, CACHE)?;
            make_tables(&database, Seq::START)?;
            database.close()?;
            rename_synced(&draft, path)?;
        }
        settle(&files::open_to_read(path)?)?;
        let database = files::database::open(path, CACHE)?;
        let cursor = {
            let about = database.begin_read()?.open_table(ABOUT)?;
            about.get("cursor")?.map_or(0, |value| value.value())
        };
        Ok((database, Seq(cursor)))
    };
    let doing = "opening the order book (orders.redb; restore it from a backup, or move it away: \
                 it is then made anew from the log)";
    std::panic::catch_unwind(open)
        .unwrap_or_else(|_| {
            Err(redb::Error::Corrupted(
                "redb could not make sense of it".into(),
            ))
        })
        .map_err(|error| LogError::storage(doing, &error))
}

fn make_tables(database: &Database, after: Seq) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(ORDERS)?;
    transaction.open_table(ABOUT)?.insert("cursor", after.0)?;
    Ok(transaction.commit()?)
}

/// Lists the refunds of all orders where that is not so yet: older versions know them by their orders
/// alone. There, two orders may have a refund of one id; it is found by its order all the same.
fn fill_refunds(database: &Database) -> Result<(), redb::Error> {
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

#[cfg(test)]
mod tests {
    use shared::ids::RefundId;

    use super::*;
    use crate::ledger::laws::{WORKSPACE, append, options, purchase, refund};
    use crate::ledger::local::{LocalLedger, ORDERS_FILE};
    use crate::ledger::{Appended, Log as _};

    /// Versions from before refunds were listed leave the file so.
    fn forget_refunds(path: &Path, is_from_before: bool) {
        let database = Database::open(path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.delete_table(REFUNDS).unwrap();
        let mut about = transaction.open_table(ABOUT).unwrap();
        if is_from_before {
            about.remove("refunds_cursor").unwrap();
        } else {
            // One of them wrote after a newer one.
            about.insert("refunds_cursor", 1).unwrap();
        }
        drop(about);
        transaction.commit().unwrap();
    }

    #[tokio::test]
    async fn the_refunds_of_an_old_order_book_are_listed_when_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let log = LocalLedger::open(options(folder.path(), 100)).unwrap();
        for (number, order) in (0..).zip(["a", "b", "c"]) {
            append(&log, purchase(number, order, 1_000)).await;
        }
        append(&log, refund(10, "a", "r1", Some("1"))).await;
        append(&log, refund(11, "a", "r2", Some("2"))).await;
        append(&log, refund(12, "b", "r3", Some("3"))).await;
        log.close().await.unwrap();
        drop(log);
        for is_from_before in [true, false] {
            forget_refunds(&folder.path().join(ORDERS_FILE), is_from_before);
            let log = LocalLedger::open(options(folder.path(), 100)).unwrap();
            for (refund_id, seq) in [("r1", 4), ("r2", 5), ("r3", 6)] {
                let again = append(&log, refund(20, "c", refund_id, Some("1"))).await;
                let Appended::Duplicate { seq: first, .. } = again else {
                    panic!("{again:?}")
                };
                assert_eq!(first, Seq(seq));
            }
            let unknown = RefundKey {
                workspace: WorkspaceId(WORKSPACE.0 + 1),
                refund_id: RefundId::parse("r1").unwrap(),
            };
            let book = OrderBook::open(&folder.path().join("other.redb")).unwrap();
            book.start().unwrap();
            assert_eq!(book.refund(&unknown).unwrap(), None);
            book.close().unwrap();
            log.close().await.unwrap();
        }
    }
}
