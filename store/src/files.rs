//! Files and folders that hold a store or its backup: for their owner alone whatever the umask is,
//! never reached through a symbolic link, and of the owner of the folder that they lie in where root
//! makes them. Not what is in them.
//!
//! The folder that a user names may be reached through links; what lies in it may not be one.
//!
//! - `database`: the same for redb files
//! - `checked`: redb files whose blocks carry checksums of their own
//! - `entries`: what lies in a data folder already

mod checked;
pub(crate) mod database;
pub(crate) mod entries;
#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown, lchown,
};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::process::{geteuid, umask};

/// Of every file: read and written by its owner, by nobody else.
pub const FILE_MODE: u32 = 0o600;
/// Of every folder.
pub(crate) const FOLDER_MODE: u32 = 0o700;

/// Why what lies under a name is not opened. Comes within an [`io::Error`] of the kind
/// `InvalidInput`: it is no damage, and must not be taken for any.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misplaced {
    #[error(
        "{} is a symbolic link, and misar follows none inside its folder: put what it leads to in its place",
        .0.display()
    )]
    Link(PathBuf),
    #[error("{} is no file: move it away", .0.display())]
    NoFile(PathBuf),
    #[error("{} is no folder: move it away", .0.display())]
    NoFolder(PathBuf),
}

/// Whether an error says [`Misplaced`], or that this user may not open the file: both are for the
/// operator to mend, and no reason to start a file anew.
pub(crate) fn is_operators(error: &io::Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied
        || error.get_ref().is_some_and(|inner| inner.is::<Misplaced>())
}

/// Keeps other users out of whatever this process makes, also where a library makes it. Belongs at
/// the start of a process, before there are threads.
pub fn close_umask() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Makes a file; there must be nothing under its name.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let file = options(
        path,
        OpenOptions::new().read(true).write(true).create_new(true),
    )?;
    // Not whatever the umask has left of it.
    let ours = set_mode(&file, FILE_MODE).and_then(|()| give_away(&file, path));
    if let Err(error) = ours {
        std::fs::remove_file(path).ok();
        return Err(error);
    }
    Ok(file)
}

/// Makes a file in the place of one that is not wanted any more: a draft of before, say.
pub fn create_anew(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    create(path)
}

/// Opens a file for reading and writing.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    options(path, OpenOptions::new().read(true).write(true))
}

/// Opens a file for reading and writing, and makes it where there is none.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    loop {
        match open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        match create(path) {
            // Somebody was faster: theirs is opened.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            created => return created,
        }
    }
}

/// Opens a file for reading alone.
pub fn open_to_read(path: &Path) -> io::Result<File> {
    options(path, OpenOptions::new().read(true))
}

/// All of a file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_to_read(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Copies a file to a name under which nothing of value lies; not synced.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<File> {
    let mut source = open_to_read(from)?;
    let mut target = create_anew(to)?;
    io::copy(&mut source, &mut target)?;
    Ok(target)
}

/// Whether anything lies under this name, also a link that leads nowhere.
pub fn is_taken(path: &Path) -> bool {
    // A name that cannot be looked at is left to whoever opens it, who can say why.
    !matches!(std::fs::symlink_metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
}

/// Makes a folder, not those above it, so that it survives power loss. One that is there is closed to
/// other users as far as this user may.
pub fn create_folder(path: &Path) -> io::Result<()> {
    let made = match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error),
    };
    let folder = open_folder(path)?;
    if made {
        set_mode(&folder, FOLDER_MODE)?;
        give_away(&folder, path)?;
        sync_folder_of(path)
    } else {
        entries::mend(&folder, path, FOLDER_MODE)
    }
}

/// Opens a folder, not through a link.
pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::DIRECTORY).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    opened.map_err(|error| match std::fs::symlink_metadata(path) {
        Ok(about) if about.is_symlink() => misplaced(Misplaced::Link(path.to_owned())),
        Ok(about) if !about.is_dir() => misplaced(Misplaced::NoFolder(path.to_owned())),
        Ok(_) | Err(_) => error,
    })
}

/// The name under which a file is written before it takes its place.
pub fn draft_of(path: &Path) -> PathBuf {
    path.with_extension("draft")
}

/// Renames a file so that content and new name survive power loss.
pub fn rename_synced(from: &Path, to: &Path) -> io::Result<()> {
    open_to_read(from)?.sync_all()?;
    std::fs::rename(from, to)?;
    sync_folder_of(to)
}

/// Makes the names in the folder of a file survive power loss.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Gives a socket to the owner of its folder, where root has made it.
pub fn give_socket_away(path: &Path) -> io::Result<()> {
    match owner_to_be(path)? {
        Some((user, group)) => lchown(path, Some(user), Some(group)),
        None => Ok(()),
    }
}

/// The folder that a path lies in; a bare name lies in the working folder.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Opens what must be a file under its own name.
fn options(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Without waiting, or a pipe under the name of a file would stop a start for ever.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened = options.custom_flags(flags).open(path);
    let file = opened.map_err(|error| match std::fs::symlink_metadata(path) {
        // That the name is taken is said as it is, by whatever.
        _ if error.kind() == ErrorKind::AlreadyExists => error,
        Ok(about) if about.is_symlink() => misplaced(Misplaced::Link(path.to_owned())),
        Ok(about) if !about.is_file() => misplaced(Misplaced::NoFile(path.to_owned())),
        Ok(_) | Err(_) => error,
    })?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(misplaced(Misplaced::NoFile(path.to_owned())))
    }
}

fn misplaced(what: Misplaced) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, what)
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    if file.metadata()?.mode() & 0o777 == mode {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(mode))
}

/// Gives a file to the owner of its folder, where root has made it in the folder of somebody else:
/// a command that root runs must leave nothing that the service cannot open.
fn give_away(file: &File, path: &Path) -> io::Result<()> {
    let Some((user, group)) = owner_to_be(path)? else {
        return Ok(());
    };
    fchown(file, Some(user), Some(group)).map_err(|error| {
        let what = format!(
            "{} cannot be given to the owner of its folder, user {user}: run misar as that user ({error})",
            path.display()
        );
        io::Error::new(error.kind(), what)
    })
}

/// User and group that what lies under this path is to have; `None` where they come by themselves.
fn owner_to_be(path: &Path) -> io::Result<Option<(u32, u32)>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let folder = std::fs::metadata(folder_of(path))?;
    Ok((folder.uid() != 0).then(|| (folder.uid(), folder.gid())))
}

/// Bits of a mode that other users have.
fn open_to_others(about: &Metadata) -> u32 {
    about.mode() & 0o077
}
