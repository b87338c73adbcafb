//! The lineage of the log's files, and what a backup takes of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{LOG_FOLDER, ORDERS_FILE, RedbLog, SUPPRESSIONS_FILE, list_segments, sorted};
use crate::journal::local::segment::{Disk, RealDisk, Segment};
use crate::ledger::LogError;
use crate::ledger::orders::OrderBook;
use crate::ledger::suppressions::Suppressions;
use crate::lineage::{Lineage, Part};
use crate::locks::lock;
use crate::record::Seq;

impl RedbLog {
    /// Writes the lineage into the newest segment, the order book and the suppressions, durably, and into every
    /// segment that is made from now on. For a start: nothing may be appended meanwhile.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_lineage(&self, lineage: Lineage) -> Result<(), LogError> {
        *lock(&self.inner.lineage) = Some(lineage);
        self.inner.active().set_lineage(lineage)?;
        self.inner.orders.set_lineage(lineage)?;
        self.inner.suppressions.set_lineage(lineage)
    }

    /// The segments, in order; the last one is active.
    pub fn segments(&self) -> Vec<Arc<Segment>> {
        self.inner.segments_from(Seq::START)
    }

    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.inner.disk
    }

    /// Writes a consistent copy of the order book into a new file. Returns the last record that it
    /// reflects.
    pub fn snapshot_orders(&self, to: &Path) -> Result<Seq, LogError> {
        self.inner.orders.snapshot(to)
    }

    /// The same of who is to get no more mail.
    pub fn snapshot_suppressions(&self, to: &Path) -> Result<Seq, LogError> {
        self.inner.suppressions.snapshot(to)
    }

    /// Who is to get no more mail.
    pub fn suppressions(&self) -> &Suppressions {
        &self.inner.suppressions
    }
}

/// The lineages of the log's files in a folder that nobody has open.
pub(crate) fn lineages_of(data: &Path) -> Result<Vec<(PathBuf, Part, Option<Lineage>)>, LogError> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut found = Vec::new();
    for (_, path) in sorted(list_segments(&data.join(LOG_FOLDER))?) {
        let lineage = Segment::open(path.clone(), i64::MAX, &disk)?.lineage()?;
        found.push((path, Part::OldSegment, lineage));
    }
    let orders = data.join(ORDERS_FILE);
    if orders.is_file() {
        let lineage = OrderBook::open(&orders)?.lineage()?;
        found.push((orders, Part::Orders, lineage));
    }
    let suppressions = data.join(SUPPRESSIONS_FILE);
    if suppressions.is_file() {
        let lineage = Suppressions::open(&suppressions)?.lineage()?;
        found.push((suppressions, Part::Suppressions, lineage));
    }
    Ok(found)
}
