//! The log of a data folder that no server has open: opened, worked on, closed in order. Not what is done
//! with it, nor the folder's lock.

use std::path::Path;
use std::sync::Arc;

use store::ledger::local::{LocalLedger, Options};
use store::ledger::{Log as _, LogError};
use store::meta::Meta;
use store::record::Seq;
use store::renewal::renew;
use store::views;

/// How far the log must reach, because something durable reflects it already.
pub(crate) fn reached(data: &Path, meta: &Meta) -> Seq {
    meta.log_end().max(views::durable_cursor(data))
}

/// Opens the log; one that ends before `reached` is refused.
///
/// # Errors
/// A sentence for whoever runs the command.
pub(crate) fn open(data: &Path, meta: &Arc<Meta>, reached: Seq) -> Result<LocalLedger, String> {
    let log = LocalLedger::open(Options {
        reached,
        generation: meta.generation(),
        standing: Some(meta.standing()),
        ..Options::new(data, Arc::clone(meta) as _)
    })
    .map_err(|error| error.to_string())?;
    renew(meta, &log).map_err(|error| error.to_string())?;
    Ok(log)
}

/// Opens the log for `work` and closes it in order afterwards, so that the next start need not check what
/// is there. Blocks, on a runtime of its own.
///
/// # Errors
/// A sentence for whoever runs the command; the first of those of opening, working and closing.
pub(crate) fn with_log<T>(
    data: &Path,
    meta: &Arc<Meta>,
    reached: Seq,
    work: impl AsyncFnOnce(&Arc<LocalLedger>) -> Result<T, String>,
) -> Result<T, String> {
    let log = Arc::new(open(data, meta, reached)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let done = work(&log).await;
        let closed = log
            .close()
            .await
            .map_err(|error: LogError| error.to_string());
        let noted = closed.and_then(|()| {
            let end = *log.committed().borrow();
            meta.set_log_end(end).map_err(|error| error.to_string())
        });
        let done = done?;
        noted?;
        Ok(done)
    })
}
