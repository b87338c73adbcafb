//! The file beside the data folder that says who was erased, so that a restore of an older backup brings
//! nobody back. A line of JSON for each erasure: the workspace's number, the pseudonym that the address
//! gives under its key, the time, and the erasure's id. Never an address.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use shared::ids::EventId;
use shared::time::Timestamp;

use crate::hex::hex;
use store::files;
use store::locks::lock;
use store::meta::Erasure;
use store::record::{ContactId, WorkspaceId};

/// One erasure, as it stands there.
#[derive(Serialize, Deserialize)]
struct Line {
    workspace: u32,
    /// 32 hexadecimal digits.
    contact: String,
    /// RFC 3339.
    time: String,
    id: String,
}

impl Line {
    fn of(erasure: &Erasure) -> Self {
        Self {
            workspace: erasure.workspace.0,
            contact: hex(&erasure.contact.0),
            time: erasure.time.to_string(),
            id: erasure.id.to_string(),
        }
    }

    fn erasure(&self) -> Option<Erasure> {
        let is_hex =
            self.contact.len() == 32 && self.contact.bytes().all(|byte| byte.is_ascii_hexdigit());
        let contact = u128::from_str_radix(&self.contact, 16)
            .ok()
            .filter(|_| is_hex)?;
        Some(Erasure {
            workspace: WorkspaceId(self.workspace),
            contact: ContactId(contact.to_be_bytes()),
            time: Timestamp::parse_rfc3339(&self.time).ok()?,
            id: EventId::parse(&self.id).ok()?,
        })
    }
}

/// The file, which is made with the first erasure.
#[derive(Debug)]
pub struct ErasuresFile {
    path: PathBuf,
    /// One line at a time.
    writing: Mutex<()>,
}

impl ErasuresFile {
    pub fn at(path: PathBuf) -> Self {
        Self {
            path,
            writing: Mutex::default(),
        }
    }

    /// Beside the data folder, under its name with `.erasures`.
    pub fn beside(data: &Path) -> Self {
        let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        let mut name = data.file_name().unwrap_or_default().to_owned();
        name.push(".erasures");
        Self::at(data.with_file_name(name))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds an erasure; it is on disk when this returns. Blocks on disk.
    ///
    /// # Errors
    /// A sentence for whoever runs the server.
    pub fn add(&self, erasure: &Erasure) -> Result<(), String> {
        let failed = |error: std::io::Error| {
            format!(
                "the erasure could not be written to {}: {error}. Name a file that can be written with --erasures",
                self.path.display()
            )
        };
        let _one = lock(&self.writing);
        let is_new = !files::is_taken(&self.path);
        let mut file = files::open_or_create(&self.path).map_err(failed)?;
        let end = file.seek(SeekFrom::End(0)).map_err(failed)?;
        // Texts and numbers alone: nothing of this can fail to serialise.
        let mut line = serde_json::to_vec(&Line::of(erasure)).unwrap_or_default();
        line.push(b'\n');
        let written = file.write_all(&line).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // Half a line would spoil the next one.
            file.set_len(end).ok();
            return Err(failed(error));
        }
        if is_new {
            files::sync_folder_of(&self.path).map_err(failed)?;
        }
        Ok(())
    }
}

/// Reads such a file; a last line that a crash has cut off is of no erasure that was answered.
///
/// # Errors
/// A sentence for whoever runs the command, where it cannot be read or a line is none.
pub(crate) fn read(path: &Path) -> Result<Vec<Erasure>, String> {
    let shown = path.display();
    let bytes = files::read(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is no file of erasures"))?;
    let mut erasures = Vec::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let erasure = serde_json::from_str::<Line>(line).ok();
        match erasure.and_then(|line| line.erasure()) {
            Some(erasure) => erasures.push(erasure),
            None if line.trim().is_empty() || !line.ends_with('\n') => {}
            None => return Err(format!("{shown}: line {number} is no erasure")),
        }
    }
    Ok(erasures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erasures_are_read_as_they_were_added_and_half_a_line_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = ErasuresFile::beside(&folder.path().join("data"));
        assert_eq!(file.path(), folder.path().join("data.erasures"));
        assert!(read(file.path()).is_err());
        let erasure = |number: u8| Erasure {
            workspace: WorkspaceId(number.into()),
            contact: ContactId([number; 16]),
            time: Timestamp::from_millis(1_700_000_000_000 + i64::from(number)),
            id: EventId::from_bytes([number; 16]),
        };
        let all = [erasure(1), erasure(2)];
        for one in &all {
            file.add(one).unwrap();
        }
        assert_eq!(read(file.path()).unwrap(), all);
        let mut text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text.lines().count(), 2);
        text.push_str("{\"workspace\":1,");
        std::fs::write(file.path(), &text).unwrap();
        assert_eq!(read(file.path()).unwrap(), all);
        std::fs::write(file.path(), "{}\n").unwrap();
        assert!(read(file.path()).unwrap_err().contains("line 1"));
    }
}
