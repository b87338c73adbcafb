//! What is done to a store beside its events, by those who keep it: commands, and admins of a workspace.
//! Not how it is asked for (`routes`), nor how it reaches a server (`control`).
//!
//! - `served`: of a store that this process serves

mod served;

use std::time::Instant;

use serde::{Deserialize, Serialize};
use shared::email::Email;

use crate::app::App;
use crate::backup::{BackupAsk, BackupReport};
use crate::doctor;
use crate::ingest::erasures::ErasedCounts;
use crate::ingest::register::{OperatorsMessage, RegisterOutcome};
use crate::privacy::Privacy;
use crate::public_url::PublicUrl;
use store::classify::relay::RelayList;
use store::ledger::LogError;
use store::ledger::local::LocalLedger;
use store::ledger::verify::LogReport;
use store::meta::Meta;
use store::record::{Client, WorkspaceId};

/// What a rebuild did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RebuildReport {
    /// Events folded.
    pub events: u64,
    pub seconds: f64,
}

/// What came of applying a mode of privacy to what was recorded before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PrivacyReport {
    pub privacy: Privacy,
    /// Those that hold less than before.
    pub events: u64,
    pub seconds: f64,
}

impl PrivacyReport {
    /// Keeps no more of clients in this log than the mode does.
    pub(crate) fn of(
        log: &LocalLedger,
        privacy: Privacy,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, String> {
        let started = Instant::now();
        let keep = |client: &Client| privacy.kept(client.clone(), false);
        let kept = log.keep_of_clients(&keep, stop, progress);
        Ok(Self {
            privacy,
            events: kept.map_err(|error| error.to_string())?,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}

/// How far long work has got, in events; a backup in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub done: u64,
    /// 0 where nobody knows.
    pub total: u64,
}

/// A store that a running server has open, or a folder that nobody has. All but the first four block,
/// perhaps for long, and want to be called within a runtime, on a thread that is none of its own.
pub(crate) trait Upkeep: Send + Sync {
    fn meta(&self) -> &Meta;

    fn relay(&self) -> &RelayList;

    /// Where pages reach the server; `None` where none is running.
    fn public_url(&self) -> Option<&PublicUrl> {
        None
    }

    /// The server that serves it; `None` where none is running.
    fn served(&self) -> Option<&App> {
        None
    }

    /// Reads all of the log; `progress` is told the events read.
    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<LogReport, LogError>;

    /// Makes a one-time link to the live page; the error is a sentence.
    fn link(&self) -> Result<String, String>;

    /// Registers a message; the error is a sentence.
    fn register(&self, message: OperatorsMessage) -> Result<RegisterOutcome, String>;

    /// Erases a contact; the error is a sentence.
    fn erase(&self, workspace: WorkspaceId, email: Email) -> Result<ErasedCounts, String>;

    /// Builds the views anew; `progress` is told the events done and in all. The error is a
    /// sentence for whoever asked.
    fn rebuild(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<RebuildReport, String>;

    /// Takes out of all that is recorded what the server's mode would not keep; this one where none is running, and
    /// `None` refuses there. `progress` is told the places read and in all. The error is a sentence.
    fn apply_privacy(
        &self,
        asked: Option<Privacy>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<PrivacyReport, String>;

    /// Credits the orders anew, and weighs what contacts did, of workspaces whose settings have changed. The error
    /// is a sentence for whoever asked.
    fn apply_settings(&self) -> Result<(), String>;

    /// Makes a backup; `progress` is told the bytes done and in all. The error is a sentence.
    fn backup(
        &self,
        ask: &BackupAsk,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<BackupReport, String>;

    /// Looks at everything.
    fn doctor(&self) -> doctor::Diagnosis;
}
