//! The rows of one view, as folds change and readers see them. A copy is a snapshot that costs next to
//! nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
    /// Worked out of the rows, and in no file: see [`super::view::Derive`].
    pub(crate) columns: Vec<Column>,
    /// Something must be in no row any more, however old, once the next checkpoint is written.
    pub(crate) purges: bool,
    /// Of the file behind them, for all copies.
    pub(crate) state: Arc<State>,
}

/// A file that was begun anew because the one before could not be read, and is found damaged itself so soon, is not
/// given up again by whoever reads it: either the disk takes no more, or what is written can never be read, and
/// readers would make the server build for ever.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// What is known of the file behind rows.
#[derive(Debug, Default)]
pub(crate) struct State {
    spoilt: AtomicBool,
    /// The file was begun then because the one before could not be read.
    anew: Option<Instant>,
}

impl State {
    /// Of a file that takes the place of one that could not be read.
    pub(crate) fn anew() -> Self {
        Self {
            anew: Some(Instant::now()),
            ..Self::default()
        }
    }

    /// Something was read of it that is not what was written.
    pub(crate) fn spoil(&self) {
        self.spoilt.store(true, Ordering::Release);
    }

    pub(crate) fn is_spoilt(&self) -> bool {
        self.spoilt.load(Ordering::Acquire)
    }

    /// Whether a reader that meets damage gives the file up.
    pub(crate) fn may_be_given_up(&self) -> bool {
        self.anew.is_none_or(|then| then.elapsed() >= AGAIN)
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
