//! Whom a restored store is to be without: those who were erased after its backup was made.

use std::path::Path;
use std::sync::Arc;

use crate::erasing::{Eraser, clear_rejected_at_rest};
use crate::log_at_rest::with_log;
use store::ledger::decide::WorkspaceKeys as _;
use store::meta::{Erasure, Meta};
use store::record::Seq;

/// Erases those of these contacts that the store has not erased yet; returns how many. Their personal parts
/// are in no file any more then.
///
/// # Errors
/// A sentence for whoever runs the command.
pub(super) fn apply(
    data: &Path,
    meta: &Arc<Meta>,
    reached: Seq,
    erasures: &[Erasure],
) -> Result<u64, String> {
    let is_new = |erasure: &&Erasure| {
        let known = meta.erasure(erasure.workspace, erasure.contact);
        meta.key_of(erasure.workspace).is_some()
            && known.is_none_or(|known| known.time < erasure.time)
    };
    let new: Vec<Erasure> = erasures.iter().filter(is_new).copied().collect();
    if new.is_empty() {
        return Ok(0);
    }
    with_log(data, meta, reached, async |log| {
        for erasure in &new {
            let eraser = Eraser {
                log: Arc::clone(log) as _,
                meta: Arc::clone(meta),
                file: None,
            };
            let put = eraser.put(*erasure, None).await;
            put.map_err(|error| error.to_string())?;
        }
        log.purge().map_err(|error| error.to_string())
    })?;
    clear_rejected_at_rest(data, meta, &new, None)?;
    Ok(new.len() as u64)
}
