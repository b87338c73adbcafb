//! What lies in a data folder before it is opened: links in the place of our own files are refused,
//! and files that are open to other users (of an older misar, of a careless copy) are closed to them.
//! What is not ours is left as it is.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use super::{
    FILE_MODE, FOLDER_MODE, Misplaced, misplaced, open_folder, open_to_others, owner_to_be,
};

/// Our files by name, and by the ending behind the last dot.
const NAMES: [&str; 8] = [
    "ERASED",
    "FLOOR",
    "FORMAT",
    "LOCK",
    "RESTORING",
    "RUNNING",
    "SINCE",
    "control.sock",
];
const ENDINGS: [&str; 8] = [
    "redb",
    "draft",
    "ids",
    "unreadable",
    "bin",
    "js",
    "run",
    "tail",
];
/// Our folders; within each other these alone are looked into, and whatever lies in [`RETAINED`].
const FOLDERS: [&str; 7] = [
    "log",
    "aside",
    "ids",
    RETAINED,
    "snippets",
    "views-runs",
    "views-runs.draft",
];

/// Holds folders alone, one for each retention checkpoint, whose names tell how far it reaches.
const RETAINED: &str = "retained";

/// What [`check`] does about files that are open to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    Close,
    Leave,
}

/// Looks at everything of ours in a data folder, which may itself be reached through links.
///
/// # Errors
/// With [`Misplaced::Link`] where one of ours is a link, and when a folder cannot be listed. That a
/// file cannot be closed to others is none: this user may not be the one who may.
pub(crate) fn check(data: &Path, open: Open) -> io::Result<()> {
    if open == Open::Close {
        // Whose it is was decided by whoever made it.
        close_to_others(&File::open(data)?, FOLDER_MODE)?;
    }
    check_within(data, open, false)
}

/// `is_all_ours` tells that whatever lies in this folder is.
fn check_within(folder: &Path, open: Open, is_all_ours: bool) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if !is_all_ours && !is_ours(&path) {
            continue;
        }
        let about = match std::fs::symlink_metadata(&path) {
            Ok(about) => about,
            // It went meanwhile: a server that holds the folder removes its drafts.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if about.is_symlink() {
            return Err(misplaced(Misplaced::Link(path)));
        }
        if about.is_dir() {
            if !is_all_ours && !is_our_folder(&path) {
                continue;
            }
            if open == Open::Close && wants_mending(&about, &path)? {
                mend(&open_folder(&path)?, &path, FOLDER_MODE)?;
            }
            check_within(&path, open, path.file_name() == Some(RETAINED.as_ref()))?;
        } else if about.is_file() && open == Open::Close && wants_mending(&about, &path)? {
            match super::open_to_read(&path) {
                Ok(file) => mend(&file, &path, FILE_MODE)?,
                // Whoever needs it will say so.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Takes away what other users may do with a file or folder that is open, and gives it to the owner of
/// its folder where root runs this and the file is root's. Adds no rights: a copy that was made
/// unwritable stays so.
pub(super) fn mend(file: &File, path: &Path, mode: u32) -> io::Result<()> {
    close_to_others(file, mode)?;
    if let Some((user, group)) = mended_owner(&file.metadata()?, path)? {
        tolerate(fchown(file, Some(user), Some(group)))?;
    }
    Ok(())
}

fn close_to_others(file: &File, mode: u32) -> io::Result<()> {
    let about = file.metadata()?;
    if open_to_others(&about) == 0 {
        return Ok(());
    }
    // Keeps the bits above: a set-group-id folder stays one.
    let closed = about.mode() & 0o7777 & !(0o777 & !mode);
    tolerate(file.set_permissions(Permissions::from_mode(closed)))
}

fn wants_mending(about: &Metadata, path: &Path) -> io::Result<bool> {
    Ok(open_to_others(about) != 0 || mended_owner(about, path)?.is_some())
}

/// Only what is root's changes hands, and no file with a second name elsewhere: whoever owns the folder
/// could have put it here to be given it.
fn mended_owner(about: &Metadata, path: &Path) -> io::Result<Option<(u32, u32)>> {
    if about.uid() != 0 || (about.is_file() && about.nlink() != 1) {
        return Ok(None);
    }
    owner_to_be(path)
}

/// Another user's file, or a file system that is read-only or knows no modes.
fn tolerate(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::PermissionDenied
                    | ErrorKind::ReadOnlyFilesystem
                    | ErrorKind::Unsupported
                    | ErrorKind::InvalidInput
            ) =>
        {
            Err(error)
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn is_ours(path: &Path) -> bool {
    let is = |known: &[&str], part: Option<&std::ffi::OsStr>| {
        part.is_some_and(|part| known.iter().any(|known| part == *known))
    };
    is(&NAMES, path.file_name()) || is(&ENDINGS, path.extension()) || is_our_folder(path)
}

fn is_our_folder(path: &Path) -> bool {
    FOLDERS
        .iter()
        .any(|known| path.file_name() == Some(known.as_ref()))
}
