//! A folder that no server has open, for commands: each opens what it needs of it.

mod erase;
mod upkeep;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use shared::email::Email;

use crate::backup::{BackupAsk, BackupReport};
use crate::doctor;
use crate::ingest::erasures::ErasedCounts;
use crate::ingest::register::{OperatorsMessage, RegisterOutcome, register_one};
use crate::log_at_rest::{self, reached, with_log};
use crate::privacy::Privacy;
use crate::upkeep::{PrivacyReport, RebuildReport, Upkeep};
use store::classify::relay::RelayList;
use store::clock::Clock;
use store::folder::DataFolder;
use store::ledger::LogError;
use store::ledger::local::LocalLedger;
use store::ledger::verify::{self, LogReport};
use store::lineage::Running;
use store::meta::Meta;
use store::record::WorkspaceId;
use store::views;

/// What is said where only a running server could answer.
pub(super) const NO_SERVER: &str =
    "no server runs on this data folder: start `misar serve` first, or name its folder with --data";

/// A folder that this process has to itself.
pub(super) struct AtRest {
    meta: Arc<Meta>,
    relay: RelayList,
    /// Where it is noted who was erased; beside the folder without it.
    erasures: Option<PathBuf>,
    // Last, so that the lock goes after what it guards.
    folder: DataFolder,
}

impl AtRest {
    /// Opens the meta store of the folder. `erasures` is where it is noted who was erased, if that is not
    /// beside the folder.
    ///
    /// # Errors
    /// A sentence for whoever runs the command.
    pub(super) fn open(
        folder: DataFolder,
        erasures: Option<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let open = if folder.is_read_only() {
            Meta::open_to_read
        } else {
            Meta::open
        };
        // Looking at a copy does no harm, and may be what it was made for.
        let found = if folder.is_read_only() {
            None
        } else {
            Some(Running::look(folder.path()).map_err(|strange| strange.to_string())?)
        };
        let meta = open(folder.path(), clock).map_err(|error| error.to_string())?;
        if let Some(found) = found {
            meta.standing()
                .check(folder.path(), found)
                .map_err(|strange| strange.to_string())?;
        }
        Ok(Self {
            meta: Arc::new(meta),
            relay: RelayList::open(folder.path()),
            erasures,
            folder,
        })
    }
}

impl AtRest {
    fn open_log(&self) -> Result<LocalLedger, String> {
        let data = self.folder.path();
        log_at_rest::open(data, &self.meta, reached(data, &self.meta))
    }

    fn with_log<T>(
        &self,
        work: impl AsyncFnOnce(&Arc<LocalLedger>) -> Result<T, String>,
    ) -> Result<T, String> {
        let data = self.folder.path();
        with_log(data, &self.meta, reached(data, &self.meta), work)
    }
}

impl Upkeep for AtRest {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn relay(&self) -> &RelayList {
        &self.relay
    }

    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<LogReport, LogError> {
        let data = self.folder.path();
        let verify = if self.folder.is_read_only() {
            verify::verify_read_only
        } else {
            verify::verify
        };
        verify(data, reached(data, &self.meta), progress)
    }

    fn link(&self) -> Result<String, String> {
        Err(NO_SERVER.to_owned())
    }

    fn register(&self, message: OperatorsMessage) -> Result<RegisterOutcome, String> {
        self.with_log(async |log| {
            register_one(Arc::clone(log), Arc::clone(&self.meta), message).await
        })
    }

    fn erase(&self, workspace: WorkspaceId, email: Email) -> Result<ErasedCounts, String> {
        self.erase_contact(workspace, &email)
    }

    fn backup(
        &self,
        ask: &BackupAsk,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<BackupReport, String> {
        self.take_backup(ask, progress)
    }

    fn doctor(&self) -> doctor::Diagnosis {
        self.look_over()
    }

    fn apply_privacy(
        &self,
        asked: Option<Privacy>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<PrivacyReport, String> {
        let privacy = asked.ok_or(
            "no server runs on this data folder: say with --privacy what is to be kept, as `misar serve` is told",
        )?;
        self.with_log(async |log| PrivacyReport::of(log, privacy, &|| false, progress))
    }

    fn apply_settings(&self) -> Result<(), String> {
        // Opening them does it.
        let opened = views::Views::open(self.folder.path(), Arc::clone(&self.meta) as _);
        let closed = opened.and_then(|views| {
            let outlived = views.is_half_life_outlived();
            views.close().and(outlived)
        });
        if closed.map_err(|error| error.to_string())? {
            self.rebuild(&mut |_, _| {})?;
        }
        Ok(())
    }

    fn rebuild(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<RebuildReport, String> {
        let started = Instant::now();
        let data = self.folder.path();
        let log = self.open_log()?;
        let events = views::rebuild(data, Arc::clone(&self.meta) as _, &log, progress)
            .map_err(|error| error.to_string())?;
        Ok(RebuildReport {
            events,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}
