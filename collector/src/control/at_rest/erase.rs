//! Erasing in a folder that no server has open.

use std::sync::Arc;

use shared::email::Email;

use super::AtRest;
use crate::erasing::{Eraser, ErasuresFile, clear_rejected_at_rest};
use crate::ingest::erasures::ErasedCounts;
use store::ledger::Log as _;
use store::record::WorkspaceId;
use store::views;

impl AtRest {
    /// In every file before this returns. How many events there were nobody counts.
    pub(super) fn erase_contact(
        &self,
        workspace: WorkspaceId,
        email: &Email,
    ) -> Result<ErasedCounts, String> {
        let data = self.folder.path();
        let file = match std::env::var_os("MISAR_ERASURES") {
            Some(path) => ErasuresFile::at(path.into()),
            None => ErasuresFile::beside(data),
        };
        let log = Arc::new(self.open_log()?);
        let eraser = Eraser {
            log: Arc::clone(&log) as _,
            meta: Arc::clone(&self.meta),
            file: Some(Arc::new(file)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| error.to_string())?;
        let now = self.meta.now();
        let erased = runtime.block_on(async {
            let erased = eraser.erase(workspace, email, None, now).await;
            let purged = match &erased {
                Ok(_) => log.purge(),
                Err(_) => Ok(()),
            };
            let keys = Arc::clone(&self.meta) as _;
            let followed = views::follow(data, keys, &*log).map_err(|error| error.to_string());
            // In order, so that the next start need not check what is there.
            let closed = log.close().await;
            let erased = erased.map_err(|error| error.to_string())?;
            purged.and(closed).map_err(|error| error.to_string())?;
            followed?;
            let end = *log.committed().borrow();
            let kept = self.meta.set_log_end(end);
            kept.map_err(|error| error.to_string())?;
            Ok::<_, String>(erased)
        })?;
        let rejected = clear_rejected_at_rest(data, &self.meta, &[erased.erasure], Some(email))?;
        Ok(ErasedCounts {
            events: None,
            rejected,
        })
    }
}
