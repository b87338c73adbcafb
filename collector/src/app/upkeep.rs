//! What a running collector does for `misar backup`.

use super::App;
use crate::backup::{self, BackupAsk, BackupReport, Sources};

impl App {
    /// Makes a backup beside the traffic. Blocks on disk.
    ///
    /// # Errors
    /// A sentence for whoever runs the command.
    pub(crate) fn backup(
        &self,
        ask: &BackupAsk,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<BackupReport, String> {
        let sources = Sources {
            data: &self.data,
            meta: &self.meta,
            log: &self.durable,
            rejected: Some(&self.rejected),
        };
        backup::take(&sources, ask, progress)
    }
}
