//! Retention: what of the log is older than the operator wants goes, by whole segments, once the views have kept what is
//! to stay of it. In this order: the checkpoint is durable (`views::retain`), the log's new beginning is noted, the
//! segments go. A crash in between leaves more than is needed, and the next pass goes on.

use std::path::Path;
use std::sync::Arc;

use shared::time::Timestamp;

use crate::ledger::decide::WorkspaceKeys;
use crate::ledger::local::LocalLedger;
use crate::ledger::{DEDUPE_WINDOW_MS, LogError};
use crate::record::Seq;
use crate::views::{self, ErasedContact, Retaining, ViewError, Views};

/// Nothing younger may go: within this time ids tell what came twice. Milliseconds, a week.
pub const LEAST_MS: i64 = DEDUPE_WINDOW_MS;
/// So many segments make up the time for which records are kept, at the least: a log that grows slowly would else
/// have one for ever.
const SEGMENTS: i64 = 10;

/// Why a pass came to nothing; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Views(#[from] ViewError),
    /// The views have not read yet what would go.
    #[error("the views are being built: nothing is dropped before they are")]
    Building,
}

/// What is looked at and changed by a pass.
pub struct Retention<'a> {
    pub data: &'a Path,
    pub keys: Arc<dyn WorkspaceKeys>,
    pub log: &'a LocalLedger,
    /// Those in use.
    pub views: &'a Views,
    /// What the rows of the checkpoint may take in memory while it is made, in bytes.
    pub cache: usize,
    /// Everybody who was erased.
    pub erased: Vec<ErasedContact>,
}

impl Retention<'_> {
    /// Drops what arrived `keep_ms` before `now` or earlier, as far as whole segments do. Returns the first seq that is
    /// left where anything went. Blocks, as long as folding it takes; `stop` ends it early.
    ///
    /// # Errors
    /// [`RetentionError`]; nothing is lost.
    pub fn pass(
        &self,
        now: Timestamp,
        keep_ms: i64,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Option<Seq>, RetentionError> {
        let keep_ms = keep_ms.max(LEAST_MS);
        self.log
            .rotate_older(now.plus_millis(-keep_ms / SEGMENTS))?;
        let before = self.log.floor();
        let aged = self.last_before(now.plus_millis(-keep_ms).as_millis());
        // Where a pass was cut short the log may reach further back than the checkpoint.
        let upto = aged.max(views::retained(self.data)?);
        let Some(upto) = upto.filter(|upto| *upto >= before) else {
            return Ok(None);
        };
        self.must_be_past(upto)?;
        self.retaining().up_to(self.log, upto, stop, progress)?;
        // Whoever has begun to read meanwhile may have begun before what goes. Who begins from now on is told by the
        // checkpoint what is missing.
        self.must_be_past(upto)?;
        let floor = self.log.drop_before(upto.next())?;
        self.views.drop_before(floor)?;
        Ok((floor > before).then_some(floor))
    }

    /// Whatever reads the log from before on must have come past what goes.
    fn must_be_past(&self, upto: Seq) -> Result<(), RetentionError> {
        let is_behind = self.views.building().is_some()
            || self.views.cursor_beside().is_some()
            || self.views.cursor() < upto
            || self.views.fill_from()?.is_some();
        if is_behind {
            return Err(RetentionError::Building);
        }
        Ok(())
    }

    /// Takes those out of the checkpoint who were erased since it was made; see [`Retaining::purge`]. Blocks, for as
    /// long as the checkpoint is large; `stop` ends it early.
    ///
    /// # Errors
    /// [`RetentionError`]; the checkpoint is as it was.
    pub fn purge(&self, stop: &dyn Fn() -> bool) -> Result<bool, RetentionError> {
        Ok(self.retaining().purge(stop)?)
    }

    fn retaining(&self) -> Retaining<'_> {
        Retaining {
            data: self.data,
            keys: Arc::clone(&self.keys),
            cache: self.cache,
            erased: &self.erased,
        }
    }

    /// The last record of the segments at the log's beginning all of whose records arrived before this time
    /// (milliseconds since 1970).
    fn last_before(&self, time: i64) -> Option<Seq> {
        let segments = self.log.segments();
        let closed = segments.len().saturating_sub(1);
        let aged = segments.iter().take(closed);
        let aged = aged.take_while(|segment| segment.last_received() < time);
        aged.last().map(|segment| segment.last())
    }
}
