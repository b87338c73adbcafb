//! The rows of one view, as folds change and readers see them. A copy is a snapshot that costs next to
//! nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::columns::Column;
use super::memory::Room;
use super::ordered::Ordered;
use super::pages::Pages;
use super::view::Plan;

/// See above; both in the order of the view's [`Plan`].
#[derive(Clone)]
pub(crate) struct Rows {
    pub(crate) tables: Vec<Ordered>,
    pub(crate) pages: Vec<Pages>,
    /// Worked out of the rows, and in no file: see [`super::view::View::derive`].
    pub(crate) columns: Vec<Column>,
    /// Something must be in no row any more, however old, once the next checkpoint is written.
    pub(crate) purges: bool,
    /// Of the file behind them, for all copies.
    pub(crate) state: Arc<State>,
}

/// What is known of the file behind rows.
#[derive(Debug, Default)]
pub(crate) struct State(AtomicBool);

impl State {
    /// Something was read of it that is not what was written.
    pub(crate) fn spoil(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_spoilt(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Rows {
    pub(crate) fn new(plan: &Plan, room: &Room) -> Self {
        Self {
            tables: vec![Ordered::default(); plan.tables.len()],
            pages: vec![Pages::new(Arc::clone(&room.aside)); plan.pages.len()],
            columns: vec![Column::default(); plan.columns],
            purges: false,
            state: Arc::default(),
        }
    }

    /// How many rows have changed since the last checkpoint.
    pub(crate) fn changed(&self) -> usize {
        let tables = self.tables.iter().map(Ordered::fresh);
        tables.chain(self.pages.iter().map(Pages::changed)).sum()
    }
}
