//! Every version of the snippet that this store has ever served, in its data folder under its digest:
//! pages that pin one with `integrity` must find it after an update, and with the address in it that it
//! was served for.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use axum::body::Bytes;

use store::files::{create_anew, create_folder, draft_of, is_taken, read, rename_synced};

/// The folder in the data folder.
pub(crate) const FOLDER: &str = "snippets";
/// Hexadecimal digits of SHA-256 that name a version.
const DIGITS: usize = 16;

/// The name of a version: the beginning of its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version(String);

impl Version {
    /// `digest` is SHA-256 in hexadecimal.
    pub(super) fn of(digest: &str) -> Self {
        Self(digest[..DIGITS].to_owned())
    }

    /// The version in `track.0123456789abcdef.js`; `None` of any other name, so that none leads elsewhere.
    pub(crate) fn in_name(file: &str) -> Option<Self> {
        let digits = file.strip_prefix("track.")?.strip_suffix(".js")?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (digits.len() == DIGITS && digits.bytes().all(is_digit)).then(|| Self(digits.to_owned()))
    }

    /// Under which it is served and kept.
    pub(crate) fn file_name(&self) -> String {
        format!("track.{}.js", self.0)
    }
}

/// The versions in a data folder.
pub(super) struct Versions {
    folder: PathBuf,
}

impl Versions {
    pub(super) fn of(data: &Path) -> Self {
        Self {
            folder: data.join(FOLDER),
        }
    }

    /// Keeps a version, unless it is there. Blocks on the disk.
    pub(super) fn keep(&self, version: &Version, bytes: &[u8]) -> io::Result<()> {
        create_folder(&self.folder)?;
        let path = self.folder.join(version.file_name());
        if is_taken(&path) {
            return Ok(());
        }
        let draft = draft_of(&path);
        let mut file = create_anew(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        rename_synced(&draft, &path)
    }

    /// A version that is kept. What cannot be read is not there, and the log says why.
    pub(super) async fn read(&self, version: Version) -> Option<Bytes> {
        let path = self.folder.join(version.file_name());
        let read = tokio::task::spawn_blocking(move || (read(&path), path)).await;
        match read.ok()? {
            (Ok(bytes), _) => Some(bytes.into()),
            (Err(error), path) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::error!(%error, path = %path.display(), "a kept snippet cannot be read");
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_has_a_file_name() {
        let name = "track.0123456789abcdef.js";
        assert_eq!(Version::in_name(name).unwrap().file_name(), name);
        for other in [
            "track.js",
            "track.0123456789abcde.js",
            "track.0123456789abcdefa.js",
            "track.0123456789ABCDEF.js",
            "track.../../../../etc.js",
            "stub.0123456789abcdef.js",
            "track.0123456789abcdef.js.draft",
        ] {
            assert_eq!(Version::in_name(other), None, "{other}");
        }
    }
}
