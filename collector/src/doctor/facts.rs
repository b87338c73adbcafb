//! What there is to know of a store and its server. Nothing is judged here.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use shared::api_key::KeyKind;
use shared::time::Timestamp;

use super::Server;
use store::ledger::Log as _;
use store::ledger::local::LocalLedger;
use store::meta::{LastBackup, Meta};
use store::record::Seq;

/// Files of a data folder that are looked at; a store has some thousand segments at the most.
const MAX_FILES: usize = 100_000;

pub(super) struct Facts {
    pub(super) now: Timestamp,
    pub(super) server: Option<Server>,
    pub(super) disk: Result<DiskFacts, String>,
    pub(super) log: Result<LogFacts, String>,
    pub(super) files: Vec<File>,
    /// Who owns the data folder.
    pub(super) owner: u32,
    pub(super) keys: Vec<KeyFacts>,
    pub(super) backup: Option<LastBackup>,
    /// Whether what it made is still there; `None` where this user may not look.
    pub(super) backup_is_there: Option<bool>,
}

/// Bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct DiskFacts {
    pub(super) free: u64,
    pub(super) total: u64,
}

pub(super) struct LogFacts {
    pub(super) segments: Vec<Segment>,
    /// When the oldest event arrived.
    pub(super) oldest: Option<Timestamp>,
    /// What lay before was dropped.
    pub(super) is_cut: bool,
}

pub(super) struct Segment {
    pub(super) bytes: u64,
    pub(super) sealed: bool,
    /// The latest arrival; `None` while it is empty.
    pub(super) newest: Option<Timestamp>,
}

/// A file or folder of the store, by its path in the data folder.
pub(super) struct File {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) mode: u32,
    pub(super) owner: u32,
    pub(super) is_link: bool,
}

pub(super) struct KeyFacts {
    pub(super) id: String,
    pub(super) workspace: String,
    pub(super) is_public: bool,
    pub(super) has_origins: bool,
    pub(super) is_exposed: bool,
    pub(super) is_revoked: bool,
    pub(super) expires: Option<Timestamp>,
    pub(super) created: Timestamp,
    pub(super) used: Option<Timestamp>,
}

pub(super) fn gather(
    data: &Path,
    meta: &Meta,
    log: Result<&LocalLedger, &String>,
    server: Option<Server>,
) -> Facts {
    let mut files = Vec::new();
    list(data, "", &mut files);
    let backup = meta.last_backup().ok().flatten();
    let backup_is_there = backup.as_ref().and_then(|last| {
        match std::fs::symlink_metadata(Path::new(&last.dir).join("manifest.json")) {
            Ok(_) => Some(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(false),
            Err(_) => None,
        }
    });
    Facts {
        now: meta.now(),
        server,
        disk: disk(data),
        log: log.map_err(Clone::clone).and_then(log_facts),
        files,
        owner: std::fs::metadata(data).map_or(0, |about| about.uid()),
        keys: keys(meta),
        backup,
        backup_is_there,
    }
}

fn disk(data: &Path) -> Result<DiskFacts, String> {
    let stat = rustix::fs::statvfs(data).map_err(|error| error.to_string())?;
    Ok(DiskFacts {
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
        total: stat.f_blocks.saturating_mul(stat.f_frsize),
    })
}

fn log_facts(log: &LocalLedger) -> Result<LogFacts, String> {
    let first = log
        .read_from(Seq::START, 1)
        .map_err(|error| error.to_string())?;
    let segments = log.segments();
    let segments = segments.iter().map(|segment| Segment {
        bytes: segment.file_size(),
        sealed: segment.is_sealed(),
        newest: (segment.last() >= segment.first())
            .then(|| Timestamp::from_millis(segment.last_received())),
    });
    Ok(LogFacts {
        segments: segments.collect(),
        oldest: first.first().map(|record| record.entry.received_at),
        is_cut: !log.floor().is_first(),
    })
}

fn list(folder: &Path, within: &str, into: &mut Vec<File>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if into.len() >= MAX_FILES {
            return;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if within.is_empty() && name == "lost+found" {
            continue;
        }
        let Ok(about) = std::fs::symlink_metadata(entry.path()) else {
            continue;
        };
        let path = if within.is_empty() {
            name
        } else {
            format!("{within}/{name}")
        };
        if about.is_dir() {
            list(&entry.path(), &path, into);
        }
        into.push(File {
            path,
            bytes: if about.is_file() { about.len() } else { 0 },
            mode: about.mode() & 0o777,
            owner: about.uid(),
            is_link: about.is_symlink(),
        });
    }
}

fn keys(meta: &Meta) -> Vec<KeyFacts> {
    let workspaces = meta.workspaces();
    let keys = workspaces.iter().flat_map(|one| meta.keys(one.id));
    keys.map(|key| KeyFacts {
        id: key.id.clone(),
        workspace: key.workspace_name.clone(),
        is_public: key.kind == KeyKind::Public,
        has_origins: !key.origins.is_empty(),
        is_exposed: key.exposed_at().is_some(),
        is_revoked: key.revoked_at().is_some(),
        expires: key.expires_at(),
        created: key.created_at,
        used: key.last_used_at(),
    })
    .collect()
}
