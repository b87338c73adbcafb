//! The socket in the data folder: where it is, and that it is for the folder's user alone.
//! Not what is said on it.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use store::files;
use store::folder::DataFolder;

/// One connection.
pub(super) type Stream = tokio::net::UnixStream;

/// The socket within the data folder.
const SOCKET_FILE: &str = "control.sock";
/// The system takes 107 bytes on Linux, 103 on macOS.
const MAX_PATH_BYTES: usize = 100;

/// The listening end. The file is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: tokio::net::UnixListener,
    path: PathBuf,
    /// Who runs this process, as the system wrote it on the socket; or, where root does, whose folder
    /// it is.
    user: u32,
}

impl ControlSocket {
    /// Listens in a folder that this process has open; wants to be called on a runtime. A socket
    /// that a crash left behind makes way: whoever holds the folder's lock is the only one alive.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn bind(folder: &DataFolder) -> io::Result<Self> {
        let path = folder.path().join(SOCKET_FILE);
        match std::fs::symlink_metadata(&path) {
            Ok(old) if old.file_type().is_socket() => std::fs::remove_file(&path)?,
            // What else lies there is not ours; binding says that the name is taken.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let short = ShortPath::of(folder.path())?;
        let listener = UnixListener::bind(&short.path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(files::FILE_MODE))?;
        files::give_socket_away(&path)?;
        let user = std::fs::symlink_metadata(&path)?.uid();
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener)?;
        Ok(Self {
            listener,
            path,
            user,
        })
    }

    /// The next connection; `None` where another user made it, which the moment between making the
    /// socket and closing it to others allows.
    pub(crate) async fn accept(&self) -> io::Result<Option<Stream>> {
        let (stream, _) = self.listener.accept().await?;
        let peer = stream.peer_cred()?.uid();
        if peer != self.user && peer != 0 {
            return Ok(None);
        }
        Ok(Some(stream))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // The next start would remove it too.
        std::fs::remove_file(&self.path).ok();
    }
}

/// Connects to the server of a folder, if one listens. Wants to be called on a runtime.
pub(super) fn connect(data: &Path) -> Option<Stream> {
    let about = std::fs::symlink_metadata(data.join(SOCKET_FILE)).ok()?;
    if !about.file_type().is_socket() {
        // A link could lead to another folder's server.
        return None;
    }
    let short = ShortPath::of(data).ok()?;
    // Does not wait, or only for a server that is slow to accept.
    let stream = UnixStream::connect(&short.path).ok()?;
    stream.set_nonblocking(true).ok()?;
    Stream::from_std(stream).ok()
}

/// A name of the socket that fits into a socket address.
struct ShortPath {
    path: PathBuf,
    /// Keeps the number in the path good.
    _folder: Option<File>,
}

impl ShortPath {
    fn of(data: &Path) -> io::Result<Self> {
        let path = data.join(SOCKET_FILE);
        if !cfg!(target_os = "linux") || path.as_os_str().len() <= MAX_PATH_BYTES {
            return Ok(Self {
                path,
                _folder: None,
            });
        }
        let folder = File::open(data)?;
        Ok(Self {
            path: format!("/proc/self/fd/{}/{SOCKET_FILE}", folder.as_raw_fd()).into(),
            _folder: Some(folder),
        })
    }
}
