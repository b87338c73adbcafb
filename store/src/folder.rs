//! The data folder: whose it is, in which format, and that one process alone has it open.
//! Not what lies in it.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::files::entries::{self, Open};
use crate::files::{self, draft_of, rename_synced};
use crate::journal::local::LOG_FOLDER;
use crate::journal::local::segment::first_of;
use crate::lineage::{self, Strange};
use crate::meta::META_FILE;

/// Says whose folder it is and in which format.
pub const FORMAT_FILE: &str = "FORMAT";
/// Locked by the process that has the folder open; the system unlocks it when that process dies.
const LOCK_FILE: &str = "LOCK";
/// What stands in [`FORMAT_FILE`] before the number.
const FORMAT_NAME: &str = "misar-store";
/// The format that this version writes. Raised where an older misar could not read, or would spoil, what
/// this one writes: since 2 records of clicks keep the number of their page, behind what they kept before
/// (`record::extra`); since 3 blocks lie in pieces (`journal::local::segment::pieces`).
const FORMAT: u32 = 3;
/// The oldest format that it reads: a folder of it becomes one of [`FORMAT`] when it is opened to be
/// written, before anything in it is.
const OLDEST_FORMAT: u32 = 1;
/// What may lie in a folder that is new: our own files of a start that was cut short, and what a
/// freshly made file system has.
const NOT_COUNTED: [&str; 3] = [LOCK_FILE, "FORMAT.draft", "lost+found"];

/// Why a folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it open.
    #[error("{} is in use by another misar process", .0.display())]
    Held(PathBuf),
    #[error("{} is not a misar data folder: name another one, or an empty one", .0.display())]
    Foreign(PathBuf),
    #[error("there is no misar store in {}", .0.display())]
    Absent(PathBuf),
    /// What a restore has left there is no store.
    #[error(transparent)]
    HalfRestored(Strange),
    #[error(
        "{} cannot be made, because there is no folder {}: make that first, or name another place with --data",
        .path.display(), .parent.display()
    )]
    NoParent { path: PathBuf, parent: PathBuf },
    #[error("{} is a file, not a folder: name another place with --data", .0.display())]
    NotAFolder(PathBuf),
    #[error("{} is a link that leads nowhere: mend it, or name another place with --data", .0.display())]
    DeadLink(PathBuf),
    /// A store, as its other files show; which version it is of, nobody knows.
    #[error(
        "{} holds a misar store, but its file FORMAT {what}, so nobody knows which version wrote it. Put the file \
         back from where the rest came from. Where you know that this misar or an older one wrote it: \
         echo '{FORMAT_NAME} {FORMAT}' > {}",
        .path.display(), .path.join(FORMAT_FILE).display()
    )]
    FormatLost { path: PathBuf, what: &'static str },
    #[error(
        "{} belongs to user {owner} and is closed to others: run misar as that user, or as root",
        .path.display()
    )]
    Closed { path: PathBuf, owner: u32 },
    /// It may be a read-only copy.
    #[error(
        "{} cannot be written ({error}): run misar as the user that it belongs to; what only reads, such as \
         `misar log verify`, works all the same",
        .path.display()
    )]
    Unwritable {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error(
        "{} was written by a newer misar (format {format}); this one reads formats up to {FORMAT}: use a newer misar",
        .path.display()
    )]
    Newer { path: PathBuf, format: u32 },
    #[error("{} failed while {doing}: {error}", .path.display())]
    Storage {
        path: PathBuf,
        doing: &'static str,
        error: std::io::Error,
    },
}

/// A data folder that no other process opens as long as this value lives.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Unlocks when it is closed. None in a folder that cannot be written and has none.
    _lock: Option<File>,
    is_read_only: bool,
}

impl DataFolder {
    /// Opens a data folder; makes one where there is nothing, or an empty folder. What lies above it
    /// must be there: a mistyped name must not become an empty store.
    ///
    /// # Errors
    /// See [`FolderError`]. A folder that is not ours is left as it is.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        ensure(path)?;
        match read_format(path)? {
            FolderFormat::Ours | FolderFormat::Older | FolderFormat::Empty => {}
            FolderFormat::Other => return Err(FolderError::Foreign(path.to_owned())),
        }
        Self::lock_to_write(path)
    }

    /// Opens a data folder that has been one before: what only reads must not make a store of a
    /// mistyped name and find it in order.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn open_existing(path: &Path) -> Result<Self, FolderError> {
        expect_store(path)?;
        Self::lock_to_write(path)
    }

    /// Opens a store that is not to be written, such as a copy on a read-only file system: nothing in
    /// it is made or changed. That no server writes it meanwhile is seen where it lies on this
    /// machine and has its file LOCK.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn open_to_read(path: &Path) -> Result<Self, FolderError> {
        expect_store(path)?;
        let lock = files::open_to_read(&path.join(LOCK_FILE)).ok();
        if let Some(Err(TryLockError::WouldBlock)) = lock.as_ref().map(File::try_lock_shared) {
            return Err(FolderError::Held(path.to_owned()));
        }
        entries::check(path, Open::Leave).map_err(|error| failed(path, "looking at it", error))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
            is_read_only: true,
        })
    }

    /// Locks a folder into which a backup is being restored.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn open_to_restore(path: &Path) -> Result<Self, FolderError> {
        Self::lock(path)
    }

    /// As it was given, so that it can stand in messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was opened with [`Self::open_to_read`].
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// What is written from now on is of our format, and the folder says so before.
    fn lock_to_write(path: &Path) -> Result<Self, FolderError> {
        let folder = Self::lock(path)?;
        // Asked again, since whoever held the lock may just have written it.
        match read_format(path)? {
            FolderFormat::Empty | FolderFormat::Older => {
                write_format(path).map_err(|error| failed(path, "writing FORMAT", error))?;
            }
            FolderFormat::Ours | FolderFormat::Other => {}
        }
        Ok(folder)
    }

    fn lock(path: &Path) -> Result<Self, FolderError> {
        let lock = files::open_or_create(&path.join(LOCK_FILE)).map_err(|error| {
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
            ) {
                FolderError::Unwritable {
                    path: path.to_owned(),
                    error,
                }
            } else {
                failed(path, "opening LOCK", error)
            }
        })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::Held(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(path, "locking it", error)),
        }
        entries::check(path, Open::Close).map_err(|error| failed(path, "looking at it", error))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: Some(lock),
            is_read_only: false,
        })
    }
}

/// What a folder says about itself.
enum FolderFormat {
    Ours,
    /// One that is read here and becomes ours.
    Older,
    /// Nothing lies in it yet.
    Empty,
    Other,
}

fn read_format(path: &Path) -> Result<FolderFormat, FolderError> {
    lineage::check_restored(path).map_err(FolderError::HalfRestored)?;
    let format = path.join(FORMAT_FILE);
    // Not of its own name alone: a folder of that name is somebody else's.
    if format.is_dir() && !format.is_symlink() {
        return other(path, "is a folder");
    }
    let text = match files::read(&format) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let empty = is_empty(path).map_err(|error| failed(path, "listing it", error))?;
            return if empty {
                Ok(FolderFormat::Empty)
            } else {
                other(path, "is missing")
            };
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let owner = std::fs::metadata(path).map(|about| about.uid());
            return Err(match owner {
                Ok(owner) => FolderError::Closed {
                    path: path.to_owned(),
                    owner,
                },
                Err(error) => failed(path, "looking at it", error),
            });
        }
        Err(error) => return Err(failed(path, "reading FORMAT", error)),
    };
    match number_in(&text) {
        Some(FORMAT) => Ok(FolderFormat::Ours),
        Some(OLDEST_FORMAT..FORMAT) => Ok(FolderFormat::Older),
        Some(format) if format > FORMAT => Err(FolderError::Newer {
            path: path.to_owned(),
            format,
        }),
        Some(_) | None => other(path, "holds something else"),
    }
}

/// The format that a file FORMAT tells.
fn number_in(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    let number = text.trim_end().strip_prefix(FORMAT_NAME)?;
    number.strip_prefix(' ')?.parse().ok()
}

/// Whether what is to become a store can be read here, by its file FORMAT at `file`; `path` is named where
/// it cannot.
///
/// # Errors
/// [`FolderError::Newer`]. A file that tells nothing is for the opening of the store to refuse.
pub fn check_format(file: &Path, path: &Path) -> Result<(), FolderError> {
    let text = files::read(file).map_err(|error| failed(path, "reading FORMAT", error))?;
    match number_in(&text) {
        Some(format) if format > FORMAT => Err(FolderError::Newer {
            path: path.to_owned(),
            format,
        }),
        Some(_) | None => Ok(()),
    }
}

/// What a folder is that does not say so itself: a store by its other files, or not ours.
fn other(path: &Path, what: &'static str) -> Result<FolderFormat, FolderError> {
    let holds_segments = || {
        let names = std::fs::read_dir(path.join(LOG_FOLDER)).ok();
        let mut names = names.into_iter().flatten().flatten();
        names.any(|entry| first_of(&entry.path()).is_some())
    };
    if path.join(META_FILE).is_file() || holds_segments() {
        return Err(FolderError::FormatLost {
            path: path.to_owned(),
            what,
        });
    }
    Ok(FolderFormat::Other)
}

fn is_empty(path: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name();
        if !NOT_COUNTED.iter().any(|known| name == *known) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Under another name first: a crash leaves a whole one or none.
fn write_format(path: &Path) -> std::io::Result<()> {
    let target = path.join(FORMAT_FILE);
    let draft = draft_of(&target);
    let mut file = files::create_anew(&draft)?;
    writeln!(file, "{FORMAT_NAME} {FORMAT}")?;
    rename_synced(&draft, &target)
}

/// Sees to it that there is a folder, for this user alone where it is made.
fn ensure(path: &Path) -> Result<(), FolderError> {
    match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => return Ok(()),
        Ok(_) => return Err(FolderError::NotAFolder(path.to_owned())),
        Err(_) if path.is_symlink() => return Err(FolderError::DeadLink(path.to_owned())),
        // Or a part above it is a file, which is said below.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
        Err(error) => return Err(failed(path, "looking at it", error)),
    }
    let parent = files::folder_of(path);
    match std::fs::metadata(parent) {
        Ok(about) if about.is_dir() => {
            files::create_folder(path).map_err(|error| failed(path, "making the folder", error))
        }
        Ok(_) => Err(FolderError::NotAFolder(parent.to_owned())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(FolderError::NoParent {
                path: path.to_owned(),
                parent: parent.to_owned(),
            })
        }
        Err(error) => Err(failed(parent, "looking at it", error)),
    }
}

/// Refuses what is no store.
fn expect_store(path: &Path) -> Result<(), FolderError> {
    match std::fs::metadata(path) {
        Ok(about) if !about.is_dir() => return Err(FolderError::NotAFolder(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(FolderError::Absent(path.to_owned()));
        }
        Ok(_) | Err(_) => {}
    }
    match read_format(path)? {
        FolderFormat::Ours | FolderFormat::Older => Ok(()),
        FolderFormat::Empty => Err(FolderError::Absent(path.to_owned())),
        FolderFormat::Other => Err(FolderError::Foreign(path.to_owned())),
    }
}

fn failed(path: &Path, doing: &'static str, error: std::io::Error) -> FolderError {
    FolderError::Storage {
        path: path.to_owned(),
        doing,
        error,
    }
}

#[cfg(test)]
mod tests;
