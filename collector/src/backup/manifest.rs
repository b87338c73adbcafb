//! `manifest.json`: what a backup holds. It is written last and under another name first: what it
//! names is whole.

use std::io::{ErrorKind, Write as _};
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use store::files::{self, create_anew, draft_of, rename_synced};
use store::journal::local::FLOOR_FILE;
use store::journal::local::segment::first_of;
use store::journal::local::{LOG_FOLDER, QUARANTINE_FOLDER};
use store::record::Seq;

/// The list within a backup.
pub(super) const MANIFEST_FILE: &str = "manifest.json";
/// Says whose folder it is, from before the first file lies in it.
pub(super) const MARK_FILE: &str = "BACKUP";
/// Locked by whoever writes the backup.
pub(super) const LOCK_FILE: &str = "LOCK";
/// The layout that this version writes and reads.
const VERSION: u32 = 1;
/// A manifest that is longer is none of ours: some 250 bytes a file, and a store of 100 TB has a
/// million.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) version: u32,
    /// The misar that wrote it.
    pub(super) misar: String,
    /// Which store it is of, 16 hexadecimal digits; absent where it was never opened.
    pub(super) store: Option<String>,
    /// RFC 3339.
    pub(super) created_at: String,
    pub(super) generation: u8,
    /// The last place in the log, and its seq as `misar log verify` says it.
    pub(super) last_place: u64,
    pub(super) last_seq: String,
    /// The last place that was acknowledged when the backup began: the log reaches at least that.
    pub(super) acknowledged_place: u64,
    pub(super) events: u64,
    /// The keys of tokens that the store had.
    pub(super) token_keys: Vec<u32>,
    /// In order of their paths.
    pub(super) files: Vec<Stored>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored {
    /// Within the data folder.
    pub(super) path: String,
    /// Within the backup.
    pub(super) stored: String,
    pub(super) bytes: u64,
    /// In hexadecimal.
    pub(super) sha256: String,
    /// It is a hard link to the store's own file.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) linked: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Manifest {
    pub(super) const fn version() -> u32 {
        VERSION
    }

    /// Reads the manifest of a backup; `None` where there is none.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, String> {
        let path = dir.join(MANIFEST_FILE);
        let unreadable =
            |what: &dyn std::fmt::Display| format!("{} cannot be read: {what}", path.display());
        match std::fs::symlink_metadata(&path) {
            Ok(about) if about.len() > MAX_BYTES => return Err(unreadable(&"it is too long")),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Ok(_) | Err(_) => {}
        }
        let text = files::read(&path).map_err(|error| unreadable(&error))?;
        /// Enough to tell a newer layout.
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let version: Version = serde_json::from_slice(&text).map_err(|error| unreadable(&error))?;
        if version.version > VERSION {
            return Err(format!(
                "{} was written by a newer misar (version {} of backups): use that one",
                path.display(),
                version.version
            ));
        }
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| unreadable(&error))?;
        for file in &manifest.files {
            if !is_plain(&file.path) || !is_plain(&file.stored) {
                return Err(unreadable(&format!(
                    "it names {}, which lies elsewhere",
                    file.path
                )));
            }
        }
        Ok(Some(manifest))
    }

    /// Puts the manifest into its place, durably.
    pub(super) fn write(&self, dir: &Path) -> std::io::Result<()> {
        let path = dir.join(MANIFEST_FILE);
        let draft = draft_of(&path);
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        create_anew(&draft)?.write_all(&text)?;
        rename_synced(&draft, &path)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub(super) fn log_bytes(&self) -> u64 {
        self.segments().iter().map(|(_, file)| file.bytes).sum()
    }

    /// The segments of the log, in order, with where they lie in the backup.
    pub(super) fn segments(&self) -> Vec<(Seq, &Stored)> {
        let mut segments: Vec<_> = self.in_folder(LOG_FOLDER).collect();
        segments.sort_by_key(|(first, _)| *first);
        segments
    }

    /// The first seqs of those that were set aside, and of accepted gaps.
    pub(super) fn quarantined(&self) -> Vec<Seq> {
        let quarantined = format!("{LOG_FOLDER}/{QUARANTINE_FOLDER}");
        self.in_folder(&quarantined)
            .map(|(first, _)| first)
            .collect()
    }

    /// The file that says where the log begins, where a part of it was dropped.
    pub(super) fn floor(&self) -> Option<&Stored> {
        let path = format!("{LOG_FOLDER}/{FLOOR_FILE}");
        self.files.iter().find(|file| file.path == path)
    }

    fn in_folder(&self, folder: &str) -> impl Iterator<Item = (Seq, &Stored)> {
        self.files.iter().filter_map(move |file| {
            let path = Path::new(&file.path);
            let is_there = path.parent() == Some(Path::new(folder));
            Some((first_of(path)?, file)).filter(|_| is_there)
        })
    }
}

/// Whether a path stays within its folder.
fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_of_its_folder_is_none() {
        for path in ["meta.redb", "log/00000000000000000001.redb"] {
            assert!(is_plain(path), "{path}");
        }
        for path in ["", "/etc/passwd", "../x", "log/../../x", "./x"] {
            assert!(!is_plain(path), "{path}");
        }
    }
}
