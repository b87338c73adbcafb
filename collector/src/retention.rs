//! What of the log is older than the operator wants goes, beside the traffic: now and then a pass.

use std::sync::Arc;
use std::time::Duration;

use shared::time::Timestamp;

use crate::app::App;
use store::ledger::local::LocalLedger;
use store::locks::lock;
use store::record::Seq;
use store::retention::{Retention, RetentionError};
use store::views::{ErasedContact, ViewError, retained_since};

/// The first pass comes so long after a start, which has enough to do.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// From one pass to the next: a segment goes within the hour in which it has aged.
const PAUSE: Duration = Duration::from_secs(60 * 60);
/// The same where other long work went on, or the views were being built.
const SHORT_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Drops what arrived `keep_ms` ago or earlier, if that is said, and keeps nothing of who was erased, until `stop`.
pub(crate) async fn follow(app: Arc<App>, keep_ms: Option<i64>, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(pause) => {}
        }
        let Ok(permit) = app.long_work.begin() else {
            pause = SHORT_PAUSE;
            continue;
        };
        let passing = Arc::clone(&app);
        let passed = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            // What is made anew by the first is without them already.
            let dropped = keep_ms.map_or(Ok(None), |keep_ms| passing.retain(keep_ms));
            passing.purge_retained()?;
            dropped
        });
        pause = match passed.await {
            Ok(Ok(dropped)) => {
                if let Some((floor, since)) = dropped {
                    let since = since.map(|since| since.to_string());
                    tracing::info!(%floor, since, "events of before were dropped, by --retention");
                }
                PAUSE
            }
            Ok(Err(RetentionError::Building | RetentionError::Views(ViewError::Stopped))) => {
                SHORT_PAUSE
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "old events could not be dropped; they are tried again");
                SHORT_PAUSE
            }
            Err(error) => {
                tracing::error!(%error, "old events could not be dropped; they are tried again");
                SHORT_PAUSE
            }
        };
    }
}

impl App {
    /// One pass; see [`Retention::pass`]. Returns where the log begins from then on and when what is there arrived,
    /// where anything went. Blocks, for as long as there is much to drop.
    ///
    /// # Errors
    /// [`RetentionError`]; nothing is lost.
    pub fn retain(&self, keep_ms: i64) -> Result<Option<(Seq, Option<Timestamp>)>, RetentionError> {
        let log = self.durable();
        let retention = self.retention(&log);
        let draining = self.draining();
        let stop = || *draining.borrow();
        let dropped = retention.pass(self.clock.now(), keep_ms, &stop, &mut |_, _| {})?;
        let Some(floor) = dropped else {
            return Ok(None);
        };
        Ok(Some((floor, self.log_begins()?)))
    }

    /// Takes those out of the retention checkpoint who were erased since. Whether it held any. Blocks.
    ///
    /// # Errors
    /// [`RetentionError`]; the checkpoint is as it was.
    pub fn purge_retained(&self) -> Result<bool, RetentionError> {
        let draining = self.draining();
        self.retention(&self.durable())
            .purge(&|| *draining.borrow())
    }

    fn retention<'a>(&'a self, log: &'a LocalLedger) -> Retention<'a> {
        let erased = self.meta.erasures().into_iter();
        let erased = erased.map(|one| ErasedContact {
            workspace: one.workspace,
            contact: one.contact,
            person: one.person(),
            time: one.time,
        });
        Retention {
            data: self.data(),
            keys: Arc::clone(&self.meta) as _,
            log,
            views: &self.views,
            cache: self.views.cache(),
            erased: erased.collect(),
        }
    }

    /// From when on the log is whole, by arrival; `None` where nothing was ever dropped. Blocks on disk once after
    /// something was.
    ///
    /// # Errors
    /// When the checkpoint cannot be read.
    pub(crate) fn log_begins(&self) -> Result<Option<Timestamp>, ViewError> {
        let floor = self.durable().floor();
        if floor.is_first() {
            return Ok(None);
        }
        let known = *lock(&self.begins);
        if let Some((_, at)) = known.filter(|(known, _)| *known == floor) {
            return Ok(Some(at));
        }
        let at = retained_since(self.data())?;
        *lock(&self.begins) = at.map(|at| (floor, at));
        Ok(at)
    }
}
