//! The order book: every order for ever, in its own redb file, filled behind the acknowledgement.
//! The writer asks it; orders that the file has not reached yet are in memory. Not a view: rebuild
//! never touches it and backup includes it.

mod file;
mod snapshot;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use redb::Database;
use redb::backends::InMemoryBackend;
use shared::ids::OrderId;

use super::LogError;
use super::behind::{self, Waits};
use super::decide::{OrderKey, OrderState, RefundKey};
use crate::locks::lock;
use crate::record::Seq;
use file::FILE;
pub(crate) use file::cursor_at_rest;

/// Orders waiting for the file; with more, appending is refused until it has caught up.
const MAX_WAITING: usize = 100_000;

/// The order book; the file is written by a thread of its own.
pub(crate) struct OrderBook {
    shared: Arc<SharedOrders>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct SharedOrders {
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

impl OrderBook {
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        let (database, cursor) = FILE.open(path)?;
        Ok(Self::over(database, cursor, Some(path.to_owned())))
    }

    /// One that lives as long as it is held, and begins behind this record.
    pub(crate) fn in_memory(after: Seq) -> Result<Self, LogError> {
        let open = || -> Result<Database, redb::Error> {
            let database = Database::builder().create_with_backend(InMemoryBackend::new())?;
            file::make_tables(&database, after)?;
            Ok(database)
        };
        let database = open().map_err(|error| LogError::storage("making an order book", &error))?;
        Ok(Self::over(database, after, None))
    }

    fn over(database: Database, cursor: Seq, path: Option<PathBuf>) -> Self {
        let shared = Arc::new(SharedOrders {
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
        let storage = |error: &dyn std::fmt::Display| FILE.storage("starting", error);
        if let Some(database) = lock(&self.shared.database).clone() {
            file::fill_refunds(&database).map_err(|error| storage(&error))?;
        }
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name("orders".into())
            .spawn(move || shared.run())
            .map_err(|error| storage(&error))?;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    fn database(&self) -> Result<Arc<Database>, LogError> {
        let database = lock(&self.shared.database).clone();
        database.ok_or(LogError::Unavailable)
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
        let database = self.database()?;
        file::order(&database, key).map_err(|error| FILE.storage("reading", &error))
    }

    /// The orderId of a refund's order.
    pub(crate) fn refund(&self, key: &RefundKey) -> Result<Option<OrderId>, LogError> {
        if let Some((order_id, _)) = lock(&self.shared.waiting).refunds.get(key) {
            return Ok(Some(order_id.clone()));
        }
        let database = self.database()?;
        file::refund(&database, key).map_err(|error| FILE.storage("reading", &error))
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

impl Waits for Waiting {
    fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    fn is_closing(&self) -> bool {
        self.closing
    }

    fn upto(&self) -> Seq {
        self.upto
    }
}

impl SharedOrders {
    fn run(&self) {
        behind::run(&self.waiting, &self.wake, &self.cursor, || {
            if let Err(error) = self.flush() {
                tracing::error!(%error, "the order book could not be written; trying again");
                self.reopen();
            }
        });
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
        file::write(&database, &orders, &refunds, upto)?;
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

    fn reopen(&self) {
        if let Some(path) = &self.path {
            FILE.reopen(path, &self.database);
        }
    }
}

#[cfg(test)]
mod tests;
