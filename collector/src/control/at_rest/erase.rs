//! Erasing in a folder that no server has open.

use std::sync::Arc;

use shared::email::Email;

use super::AtRest;
use crate::erasing::{Eraser, ErasuresFile, clear_rejected_at_rest};
use crate::ingest::erasures::ErasedCounts;
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
        let file = match &self.erasures {
            Some(path) => ErasuresFile::at(path.clone()),
            None => ErasuresFile::beside(data),
        };
        let now = self.meta.now();
        let erased = self.with_log(async |log| {
            let eraser = Eraser {
                log: Arc::clone(log) as _,
                meta: Arc::clone(&self.meta),
                file: Some(Arc::new(file)),
            };
            let erased = eraser.erase(workspace, email, None, now).await;
            let erased = erased.map_err(|error| error.to_string())?;
            log.purge().map_err(|error| error.to_string())?;
            let keys = Arc::clone(&self.meta) as _;
            views::follow(data, keys, &**log).map_err(|error| error.to_string())?;
            Ok(erased)
        })?;
        let rejected = clear_rejected_at_rest(data, &self.meta, &[erased.erasure], Some(email))?;
        Ok(ErasedCounts {
            events: None,
            rejected,
        })
    }
}
