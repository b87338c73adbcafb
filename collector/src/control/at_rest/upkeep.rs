//! `misar backup` and `misar doctor` on a folder that no server has open.

use std::sync::Arc;

use super::AtRest;
use crate::backup::{self, BackupAsk, BackupReport, BackupSources};
use crate::doctor;
use store::clock::SystemClock;
use store::files;
use store::rejected::{self, RejectedStore};

impl AtRest {
    pub(super) fn take_backup(
        &self,
        ask: &BackupAsk,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<BackupReport, String> {
        let data = self.folder.path();
        let log = self.open_log()?;
        let rejected = if files::is_taken(&data.join(rejected::FILE)) {
            let opened = RejectedStore::open(
                data,
                &rejected::senders(&self.meta),
                Arc::new(SystemClock),
                |_| {},
            )
            .map_err(|error| format!("rejected events cannot be read: {error}"))?;
            opened
                .check_lineage(data, &self.meta.standing())
                .map_err(|strange| strange.to_string())?;
            Some(opened)
        } else {
            None
        };
        let sources = BackupSources {
            data,
            meta: &self.meta,
            log: &log,
            rejected: rejected.as_ref(),
        };
        backup::take(&sources, ask, progress)
    }

    pub(super) fn look_over(&self) -> doctor::Diagnosis {
        let log = self.open_log();
        doctor::diagnose(self.folder.path(), &self.meta, log.as_ref(), None)
    }
}
