//! Where the log begins: a file beside the segments, once a prefix has been dropped. It is written
//! before the segments go, so that a crash in between leaves nothing that looks lost.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use crate::files::{self, draft_of, rename_synced};
use crate::journal::JournalError;
use crate::record::Seq;

/// The file within the folder of the segments. It holds the first seq, in digits.
pub const FLOOR_FILE: &str = "FLOOR";

/// The first seq that may be in the log; 1 where nothing was ever dropped.
///
/// # Errors
/// Where the file cannot be read, or holds no seq.
pub(crate) fn floor_of(folder: &Path) -> Result<Seq, JournalError> {
    read_floor(&folder.join(FLOOR_FILE))
}

/// The same of a file that may lie elsewhere: in a backup.
pub fn read_floor(path: &Path) -> Result<Seq, JournalError> {
    let text = match files::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Seq::START.next()),
        Err(error) => {
            return Err(JournalError::storage(
                "reading where the log begins",
                &error,
            ));
        }
    };
    let floor = std::str::from_utf8(&text).ok();
    let floor = floor.and_then(|text| text.trim_end().parse::<Seq>().ok());
    floor.filter(|floor| floor.0 > 0).ok_or_else(|| {
        let what = format!("{} holds no seq: restore it from a backup", path.display());
        JournalError::storage("reading where the log begins", &what)
    })
}

/// Notes where the log begins, durably.
pub(super) fn set_floor(folder: &Path, floor: Seq) -> Result<(), JournalError> {
    let path = folder.join(FLOOR_FILE);
    let draft = draft_of(&path);
    let write = || -> std::io::Result<()> {
        let mut file = files::create_anew(&draft)?;
        writeln!(file, "{floor}")?;
        rename_synced(&draft, &path)
    };
    write().map_err(|error| JournalError::storage("noting where the log begins", &error))
}
