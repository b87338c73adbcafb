//! The data folder: whose it is, in which format, and that one process alone has it open.
//! Not what lies in it.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::log::segment::{draft_of, rename_synced, sync_folder_of};

/// Says whose folder it is and in which format.
const FORMAT_FILE: &str = "FORMAT";
/// Locked by the process that has the folder open; the system unlocks it when that process dies.
const LOCK_FILE: &str = "LOCK";
/// What stands in [`FORMAT_FILE`] before the number.
const FORMAT_NAME: &str = "misar-store";
/// The format that this version reads and writes.
const FORMAT: u32 = 1;
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
    #[error(
        "{} was written by a newer misar (format {format}); this one reads format {FORMAT}: use a newer misar",
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
    /// Unlocks when it is closed.
    _lock: File,
}

impl DataFolder {
    /// Opens a data folder; makes one where there is nothing, or an empty folder.
    ///
    /// # Errors
    /// See [`FolderError`]. A folder that is not ours is left as it is.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        create_folder(path).map_err(|error| failed(path, "making the folder", error))?;
        match read_format(path)? {
            Format::Ours | Format::Empty => {}
            Format::Other => return Err(FolderError::Foreign(path.to_owned())),
        }
        let folder = Self::lock(path)?;
        // Asked again, since whoever held the lock may just have written it.
        if let Format::Empty = read_format(path)? {
            write_format(path).map_err(|error| failed(path, "writing FORMAT", error))?;
        }
        Ok(folder)
    }

    /// Opens a data folder that has been one before: what only reads must not make a store of a
    /// mistyped name and find it in order.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn open_existing(path: &Path) -> Result<Self, FolderError> {
        let absent = || FolderError::Absent(path.to_owned());
        if !path.exists() {
            return Err(absent());
        }
        match read_format(path)? {
            Format::Ours => Self::lock(path),
            Format::Empty => Err(absent()),
            Format::Other => Err(FolderError::Foreign(path.to_owned())),
        }
    }

    /// As it was given, so that it can stand in messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn lock(path: &Path) -> Result<Self, FolderError> {
        let lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK_FILE))
            .map_err(|error| failed(path, "opening LOCK", error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Held(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed(path, "locking it", error)),
        }
    }
}

/// What a folder says about itself.
enum Format {
    Ours,
    /// Nothing lies in it yet.
    Empty,
    Other,
}

fn read_format(path: &Path) -> Result<Format, FolderError> {
    let text = match std::fs::read(path.join(FORMAT_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return is_empty(path)
                .map(|empty| if empty { Format::Empty } else { Format::Other })
                .map_err(|error| failed(path, "listing it", error));
        }
        // `FORMAT` is a folder, say.
        Err(error) if error.kind() == ErrorKind::IsADirectory => return Ok(Format::Other),
        Err(error) => return Err(failed(path, "reading FORMAT", error)),
    };
    let number = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.trim_end().strip_prefix(FORMAT_NAME)?.strip_prefix(' '))
        .and_then(|number| number.parse::<u32>().ok());
    match number {
        Some(FORMAT) => Ok(Format::Ours),
        Some(format) if format > FORMAT => Err(FolderError::Newer {
            path: path.to_owned(),
            format,
        }),
        Some(_) | None => Ok(Format::Other),
    }
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
    let mut file = File::create(&draft)?;
    writeln!(file, "{FORMAT_NAME} {FORMAT}")?;
    rename_synced(&draft, &target)
}

/// Makes the folder, and those above it that are missing, for this user alone; each survives power
/// loss.
fn create_folder(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent()
        && !parent.as_os_str().is_empty()
    {
        create_folder(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        // Another process was faster; a file of that name is an error all the same.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        // A relative name has no folder before it; the one that it lies in is synced through `.`.
        Ok(()) => sync_folder_of(&Path::new(".").join(path)),
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
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    /// Its names, sorted.
    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_that_is_not_there_is_made_for_this_user_alone() {
        let parent = TempDir::new().unwrap();
        let path = parent.path().join("a/b");
        let folder = DataFolder::open(&path).unwrap();
        assert_eq!(folder.path(), path);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        let format = std::fs::read_to_string(path.join("FORMAT")).unwrap();
        assert_eq!(format, "misar-store 1\n");
        assert_eq!(names(&path), ["FORMAT", "LOCK"]);
    }

    #[test]
    fn an_empty_folder_becomes_one_also_after_a_start_that_was_cut_short() {
        let parent = TempDir::new().unwrap();
        std::fs::write(parent.path().join("LOCK"), "").unwrap();
        std::fs::write(parent.path().join("FORMAT.draft"), "mis").unwrap();
        std::fs::create_dir(parent.path().join("lost+found")).unwrap();
        drop(DataFolder::open(parent.path()).unwrap());
        drop(DataFolder::open(parent.path()).unwrap());
        DataFolder::open_existing(parent.path()).unwrap();
    }

    #[test]
    fn a_folder_is_open_once_and_free_again_when_it_is_dropped() {
        let parent = TempDir::new().unwrap();
        let folder = DataFolder::open(parent.path()).unwrap();
        for second in [DataFolder::open, DataFolder::open_existing] {
            let error = second(parent.path()).unwrap_err();
            assert!(matches!(error, FolderError::Held(_)), "{error}");
        }
        drop(folder);
        DataFolder::open(parent.path()).unwrap();
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_left_as_it_is() {
        let parent = TempDir::new().unwrap();
        std::fs::write(parent.path().join("holiday.jpg"), "").unwrap();
        for open in [DataFolder::open, DataFolder::open_existing] {
            let error = open(parent.path()).unwrap_err();
            assert!(matches!(error, FolderError::Foreign(_)), "{error}");
        }
        assert_eq!(names(parent.path()), ["holiday.jpg"]);
    }

    #[test]
    fn another_format_is_refused() {
        let parent = TempDir::new().unwrap();
        let format = parent.path().join("FORMAT");
        std::fs::write(&format, "misar-store 2\n").unwrap();
        let error = DataFolder::open(parent.path()).unwrap_err();
        let sentence = error.to_string();
        assert!(
            sentence.ends_with(
                "was written by a newer misar (format 2); this one reads format 1: use a newer misar"
            ),
            "{sentence}"
        );
        for text in [
            "",
            "misar-store",
            "misar-store 0\n",
            "misar-store1\n",
            "other 1\n",
            "\u{0}",
        ] {
            std::fs::write(&format, text).unwrap();
            let error = DataFolder::open(parent.path()).unwrap_err();
            assert!(matches!(error, FolderError::Foreign(_)), "{text:?} {error}");
        }
        assert_eq!(names(parent.path()), ["FORMAT"]);
    }

    #[test]
    fn what_only_reads_makes_no_folder() {
        let parent = TempDir::new().unwrap();
        let path = parent.path().join("typo");
        let error = DataFolder::open_existing(&path).unwrap_err();
        assert!(matches!(error, FolderError::Absent(_)), "{error}");
        assert!(!path.exists());
        let error = DataFolder::open_existing(parent.path()).unwrap_err();
        assert!(matches!(error, FolderError::Absent(_)), "{error}");
        assert!(names(parent.path()).is_empty());
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_refused() {
        let parent = TempDir::new().unwrap();
        let path = parent.path().join("file");
        std::fs::write(&path, "").unwrap();
        let error = DataFolder::open(&path).unwrap_err();
        assert!(matches!(error, FolderError::Storage { .. }), "{error}");
    }
}
