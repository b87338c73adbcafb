//! The file `RUNNING` of a data folder: there as long as a server has the store open, and when it
//! died. It names its own inode and the time at which that was made, which a copy of it does not
//! share: a store that crashed is told from a copy of a running one. Both are on the disk, so that a
//! reboot, another device name and a snapshot of the whole disk change neither.

use std::fs::Metadata;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::Strange;
use crate::files::{self, create_anew, draft_of, rename_synced, sync_folder_of};

/// The file within the data folder.
const RUNNING_FILE: &str = "RUNNING";
/// There from the beginning of a restore to its end.
const RESTORING_FILE: &str = "RESTORING";
/// What stands in `RUNNING` before its two numbers.
const NAME: &str = "misar-running";

/// What a look at `RUNNING` has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundRunning {
    /// There is none: the store was stopped in good order, or is new.
    Nothing,
    /// It is where it was made: the process that had the store open has died.
    Ours,
}

/// The file of a store that this process has open. Dropped before [`Self::keep`], it takes the file
/// back: the store was refused and is as before. After that only [`Self::end`] removes it.
#[derive(Debug)]
pub struct Running {
    path: PathBuf,
    /// What lay there before.
    found: FoundRunning,
    kept: bool,
}

impl Running {
    /// What `RUNNING` says of a folder that nobody has open.
    ///
    /// # Errors
    /// [`Strange::Copy`] where the file was made elsewhere, [`Strange::HalfRestored`].
    pub fn look(data: &Path) -> Result<FoundRunning, Strange> {
        check_restored(data)?;
        let path = data.join(RUNNING_FILE);
        let failed = |error: std::io::Error| failed(&path, "reading it", &error);
        let text = match files::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(FoundRunning::Nothing),
            Err(error) => return Err(failed(error)),
        };
        let about = std::fs::symlink_metadata(&path).map_err(failed)?;
        if Identity::parse(&text).is_some_and(|noted| noted.is(Identity::of(&about))) {
            Ok(FoundRunning::Ours)
        } else {
            Err(Strange::Copy {
                data: data.to_owned(),
            })
        }
    }

    /// Writes the file, durably, before anything else in the folder is opened.
    ///
    /// # Errors
    /// Those of [`Self::look`]; [`Strange::Storage`].
    pub fn begin(data: &Path) -> Result<Self, Strange> {
        let found = Self::look(data)?;
        let path = data.join(RUNNING_FILE);
        let write = || -> std::io::Result<()> {
            let draft = draft_of(&path);
            let mut file = create_anew(&draft)?;
            let identity = Identity::of(&file.metadata()?);
            file.write_all(identity.to_text().as_bytes())?;
            rename_synced(&draft, &path)
        };
        write().map_err(|error| failed(&path, "writing it", &error))?;
        Ok(Self {
            path,
            found,
            kept: false,
        })
    }

    pub fn found(&self) -> FoundRunning {
        self.found
    }

    /// From now on the store changes.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// The store is closed in good order.
    ///
    /// # Errors
    /// [`Strange::Storage`].
    pub fn end(&self) -> Result<(), Strange> {
        remove(&self.path)
    }

    /// Removes the file of a copy that was accepted.
    ///
    /// # Errors
    /// [`Strange::Storage`].
    pub(crate) fn forget(data: &Path) -> Result<(), Strange> {
        remove(&data.join(RUNNING_FILE))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.kept
            && self.found == FoundRunning::Nothing
            && let Err(error) = self.end()
        {
            tracing::warn!(%error, "the folder now looks like one that was not stopped in good order");
        }
    }
}

/// Marks a folder as one that is being restored into; durable.
///
/// # Errors
/// [`Strange::Storage`].
pub fn begin_restore(data: &Path) -> Result<(), Strange> {
    let path = data.join(RESTORING_FILE);
    create_anew(&path)
        .and_then(|file| file.sync_all())
        .and_then(|()| sync_folder_of(&path))
        .map_err(|error| failed(&path, "writing it", &error))
}

/// Whether no restore into the folder was cut short.
///
/// # Errors
/// [`Strange::HalfRestored`].
pub(crate) fn check_restored(data: &Path) -> Result<(), Strange> {
    // A folder that cannot be looked into is left to whoever opens it, who can say why.
    if std::fs::symlink_metadata(data.join(RESTORING_FILE)).is_ok() {
        let data = data.to_owned();
        return Err(Strange::HalfRestored { data });
    }
    Ok(())
}

/// The restore has come to its end.
///
/// # Errors
/// [`Strange::Storage`].
pub fn end_restore(data: &Path) -> Result<(), Strange> {
    remove(&data.join(RESTORING_FILE))
}

/// What tells a file from a copy of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: u64,
    /// When the inode was made, nanoseconds since 1970; `None` where the file system does not say.
    born: Option<u128>,
}

impl Identity {
    fn of(about: &Metadata) -> Self {
        let born = about.created().ok();
        let since = born.and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        Self {
            inode: about.ino(),
            born: since.map(|since| since.as_nanos()),
        }
    }

    /// Whether two are of one file. Times count where both are known: another kernel, or another way
    /// to the same disk, may not tell them.
    fn is(self, other: Self) -> bool {
        let same_birth = match (self.born, other.born) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        self.inode == other.inode && same_birth
    }

    fn to_text(self) -> String {
        let born = self.born.unwrap_or(0);
        format!("{NAME} {} {born}\n", self.inode)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim_end();
        let (inode, born) = text
            .strip_prefix(NAME)?
            .strip_prefix(' ')?
            .split_once(' ')?;
        let born: u128 = born.parse().ok()?;
        Some(Self {
            inode: inode.parse().ok()?,
            born: (born > 0).then_some(born),
        })
    }
}

fn remove(path: &Path) -> Result<(), Strange> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_folder_of(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|error| failed(path, "removing it", &error))
}

fn failed(path: &Path, doing: &'static str, error: &std::io::Error) -> Strange {
    Strange::Storage {
        path: path.to_owned(),
        doing,
        what: error.to_string(),
    }
}
