//! The rows of one view, as folds change and readers see them. A copy is a snapshot that costs next to
//! nothing.

use super::columns::Column;
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
}

impl Rows {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            tables: vec![Ordered::default(); plan.tables.len()],
            pages: vec![Pages::default(); plan.pages.len()],
            columns: vec![Column::default(); plan.columns],
            purges: false,
        }
    }

    /// How many rows have changed since the last checkpoint.
    pub(crate) fn changed(&self) -> usize {
        let tables = self.tables.iter().map(Ordered::fresh);
        tables.chain(self.pages.iter().map(Pages::changed)).sum()
    }
}
