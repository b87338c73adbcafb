//! `misar doctor`: how a store and its server are, and what to do about what is not well.
//!
//! - `facts`: looks, and judges nothing
//! - `checks`: judges, and looks at nothing

mod checks;
mod facts;

use std::path::Path;

use serde::{Deserialize, Serialize};

use store::ledger::local::LocalLedger;
use store::meta::{LastBackup, Meta};

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Ok,
    /// It will become a failure, or hides one.
    Warn,
    /// Something is lost, or stands still, or is about to.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Check {
    /// `server`, `disk`, `log`, `views`, `publicUrl`, `proxies`, `files`, `keys`, `backup`, `clock`.
    pub check: String,
    pub status: Status,
    pub finding: String,
    /// What to do; absent where all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// What `misar doctor` found; printed with `--json` as it stands. Names and meanings of fields stay;
/// checks and fields may be added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Diagnosis {
    /// The worst of all checks.
    pub status: Status,
    pub checks: Vec<Check>,
    pub figures: StoreFigures,
}

/// The numbers behind the sentences.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoreFigures {
    /// Whether a server has the folder open.
    pub server: bool,
    /// Of all files in the data folder, bytes.
    pub disk_used: u64,
    /// Of the file system, for this user, bytes.
    pub disk_free: u64,
    pub disk_total: u64,
    /// Bytes; absent where the log is younger than a day.
    pub growth_per_day: Option<f64>,
    pub days_until_full: Option<f64>,
    pub segments: u64,
    pub sealed_segments: u64,
    pub log_bytes: u64,
    /// RFC 3339, by arrival.
    pub oldest_event: Option<String>,
    pub newest_event: Option<String>,
    /// From when on the log is whole, where what came before was dropped; RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_before: Option<String>,
    /// Milliseconds; absent without a server.
    pub view_lag_ms: Option<u64>,
    pub public_url: Option<String>,
    /// Of a running server; those that most requests came through first.
    pub untrusted_proxies: Vec<UntrustedProxy>,
    pub last_backup: Option<Backup>,
}

/// The last backup, as figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Backup {
    /// RFC 3339.
    pub at: String,
    pub dir: String,
    pub last_seq: String,
}

impl Backup {
    fn of(last: &LastBackup) -> Self {
        Self {
            at: shared::time::Timestamp::from_millis(last.at).to_string(),
            dir: last.dir.clone(),
            last_seq: last.last_seq.clone(),
        }
    }
}

/// What only a running server knows.
pub(crate) struct Server {
    /// Why it takes no events now.
    pub not_ready: Option<String>,
    /// Milliseconds.
    pub view_lag_ms: u64,
    /// How far the views are, in percent, where they are being built.
    pub views_building: Option<u8>,
    pub public_url: String,
    /// What is wrong with it for mails.
    pub public_url_warning: Option<String>,
    /// Peers that forward requests and are not trusted.
    pub untrusted_proxies: Vec<UntrustedProxy>,
}

/// A peer that forwards requests for others without being trusted to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UntrustedProxy {
    /// An address or a network, as `--trusted-proxy` takes it.
    pub network: String,
    /// About how many it has forwarded since the server started.
    pub requests: u64,
}

/// Looks at everything. `log` is the error of whoever could not open it. Blocks on disk.
pub(crate) fn diagnose(
    data: &Path,
    meta: &Meta,
    log: Result<&LocalLedger, &String>,
    server: Option<Server>,
) -> Diagnosis {
    checks::judge(&facts::gather(data, meta, log, server))
}

impl Diagnosis {
    /// A report of one thing, which keeps everything else from being looked at.
    pub(crate) fn of_failure(check: &str, finding: String, advice: &str) -> Self {
        Self {
            status: Status::Fail,
            checks: vec![Check {
                check: check.to_owned(),
                status: Status::Fail,
                finding,
                advice: Some(advice.to_owned()),
            }],
            figures: StoreFigures::default(),
        }
    }
}
