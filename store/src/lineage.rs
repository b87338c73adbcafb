//! Whether the files of a data folder belong together: which store each is of, and when it was last
//! opened with the others. Tells copies that were made of a running store, and folders that were
//! put together from several. Not whether a file is sound in itself.
//!
//! - `running`: the file `RUNNING`, which tells a store that is open, or was when its process died,
//!   from a copy of its files
//!
//! Each start draws an [`Opening`] and writes it into every file that is the truth, into `meta.redb`
//! first: no file can be of a later opening than that one. A stop in good order says in `meta.redb`
//! that the store is closed, and all files are of the same opening then.

mod running;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub(crate) use running::check_restored;
pub use running::{FoundRunning, Running};
pub use running::{begin_restore, end_restore};

/// Which store a file is of, and its last opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lineage {
    /// Random, drawn when the store is first opened by a version that knows lineages.
    pub store: u64,
    pub opening: Opening,
}

/// One opening of a store: how many there were, and a random number, because two copies of a store
/// go on counting from the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening(u64);

impl Opening {
    /// The opening behind this one.
    #[must_use]
    pub fn next(before: Option<Self>, random: u32) -> Self {
        let count = before.map_or(0, Self::count);
        Self(u64::from(count.saturating_add(1)) << 32 | u64::from(random))
    }

    /// As it stands in a file.
    pub fn number(self) -> u64 {
        self.0
    }

    pub(crate) fn count(self) -> u32 {
        u32::try_from(self.0 >> 32).unwrap_or(u32::MAX)
    }
}

/// What `meta.redb` says of the store. The numbers stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum StoreState {
    /// Stopped in good order, or never opened by a version that knows lineages.
    Closed = 0,
    /// A start is writing its opening into the files.
    Opening = 1,
    /// Every file has the opening.
    Open = 2,
    /// Restored from a backup, or accepted by an operator: files may be of earlier openings.
    Accepted = 3,
    /// It lies in a backup.
    Backup = 4,
}

impl StoreState {
    /// `None` of a number that this version does not write.
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        [
            Self::Closed,
            Self::Opening,
            Self::Open,
            Self::Accepted,
            Self::Backup,
        ]
        .into_iter()
        .find(|state| *state as u64 == number)
    }
}

/// What `meta.redb` says, with which the other files are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// `None` in a store that no version with lineages has opened.
    pub lineage: Option<Lineage>,
    pub state: StoreState,
}

/// The part of a store that a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A segment that is not the newest: it keeps the opening that it was filled in.
    OldSegment,
    NewestSegment,
    Orders,
    /// An older copy of it is brought up to date from the log.
    Suppressions,
    Rejected,
}

/// Why a folder is not taken for one store. The text is for whoever starts it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Strange {
    #[error(
        "{data} is a copy of a store that was open when it was copied: its file RUNNING was made elsewhere. What \
         changed while it was copied does not fit together, and acknowledged events may be missing. Restore from a \
         backup that `misar backup` has made (misar restore BACKUP --to FOLDER), or stop the server in good order and \
         copy again. Where it is known that no server was running at the time (it had been killed, or the machine had \
         lost power), or the folder was only moved to another disk after that: {}",
        how_to_accept(data),
        data = data.display()
    )]
    Copy { data: PathBuf },
    #[error(
        "{data} comes from a store that was open when meta.redb was copied, and has no file RUNNING: its files were \
         copied one by one, or RUNNING was removed. Restore from a backup that `misar backup` has made (misar restore \
         BACKUP --to FOLDER). Where it is known that no server was running at the time: {}",
        how_to_accept(data),
        data = data.display()
    )]
    NotRunning { data: PathBuf },
    #[error(
        "meta.redb in {data} lies in a backup, or was taken out of one by hand: the other files do not fit to it. Use \
         misar restore BACKUP --to FOLDER, which puts all of them into a folder of their own",
        data = data.display()
    )]
    OutOfBackup { data: PathBuf },
    #[error(
        "{file} in {data} is of another store than meta.redb: files of two stores are mixed. Put back the files that \
         belong together, or restore from a backup (misar restore BACKUP --to FOLDER)",
        data = data.display()
    )]
    OtherStore { data: PathBuf, file: String },
    #[error(
        "meta.redb in {data} is older than {file}: files of different times are mixed, and keys, workspaces or the \
         keys of tokens may be missing. Put back the meta.redb that belongs to it, or restore all of it from a backup \
         (misar restore BACKUP --to FOLDER). To go on with what is there: {}",
        how_to_accept(data),
        data = data.display()
    )]
    MetaOlder { data: PathBuf, file: String },
    #[error(
        "{file} in {data} is older than meta.redb: files of different times are mixed, and acknowledged events or \
         orders may be missing. Put back the file that belongs to it, or restore all of it from a backup (misar restore \
         BACKUP --to FOLDER). To go on with what is there: {}",
        how_to_accept(data),
        data = data.display()
    )]
    Older { data: PathBuf, file: String },
    #[error(
        "a restore into {data} has not come to its end: remove that folder and call misar restore again",
        data = data.display()
    )]
    HalfRestored { data: PathBuf },
    #[error("{} failed while {doing}: {what}", path.display())]
    Storage {
        path: PathBuf,
        doing: &'static str,
        what: String,
    },
}

fn how_to_accept(data: &Path) -> String {
    format!(
        "misar log accept-copy --data {} checks everything, and takes it for the store from then on",
        data.display()
    )
}

impl Standing {
    /// Whether `meta.redb` itself may be opened, with what `RUNNING` says.
    ///
    /// # Errors
    /// See [`Strange`].
    pub fn check(&self, data: &Path, found: FoundRunning) -> Result<(), Strange> {
        let data = data.to_owned();
        match self.state {
            StoreState::Backup => Err(Strange::OutOfBackup { data }),
            StoreState::Opening | StoreState::Open if found == FoundRunning::Nothing => {
                Err(Strange::NotRunning { data })
            }
            StoreState::Closed | StoreState::Opening | StoreState::Open | StoreState::Accepted => {
                Ok(())
            }
        }
    }

    /// Whether a file belongs to this `meta.redb`. A file without a lineage was made anew, or by a
    /// version that knows none: nothing speaks against it.
    ///
    /// # Errors
    /// See [`Strange`].
    pub fn check_file(
        &self,
        path: &Path,
        part: Part,
        found: Option<Lineage>,
    ) -> Result<(), Strange> {
        let Some(found) = found else {
            return Ok(());
        };
        let (data, file) = name_of(path, part);
        let Some(ours) = self.lineage else {
            return Err(Strange::MetaOlder { data, file });
        };
        if found.store != ours.store {
            return Err(Strange::OtherStore { data, file });
        }
        let counts = (found.opening.count(), ours.opening.count());
        if counts.0 > counts.1 {
            return Err(Strange::MetaOlder { data, file });
        }
        let same = match self.state {
            StoreState::Closed | StoreState::Open => {
                !matches!(part, Part::OldSegment | Part::Suppressions)
            }
            // Files may be of any earlier opening; of two copies' openings, only one can be ours.
            StoreState::Opening | StoreState::Accepted | StoreState::Backup => false,
        };
        if same && found.opening != ours.opening {
            return Err(Strange::Older { data, file });
        }
        Ok(())
    }
}

/// The data folder of a file, and how the file is called in it.
fn name_of(path: &Path, part: Part) -> (PathBuf, String) {
    let name = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let folder = path.parent().unwrap_or(Path::new("."));
    match part {
        Part::OldSegment | Part::NewestSegment => (
            folder.parent().unwrap_or(Path::new(".")).to_owned(),
            format!("log/{name}"),
        ),
        Part::Orders | Part::Suppressions | Part::Rejected => (folder.to_owned(), name),
    }
}

/// The names under which a lineage stands in the tables that hold numbers by name.
pub(crate) const STORE: &str = "store";
pub(crate) const OPENING: &str = "opening";

/// Reads a lineage from a table that holds numbers by name.
pub(crate) fn read(
    table: &impl redb::ReadableTable<&'static str, u64>,
) -> Result<Option<Lineage>, redb::Error> {
    let number = |name: &str| -> Result<Option<u64>, redb::Error> {
        Ok(table.get(name)?.map(|row| row.value()))
    };
    Ok(match (number(STORE)?, number(OPENING)?) {
        (Some(store), Some(opening)) => Some(Lineage {
            store,
            opening: Opening(opening),
        }),
        _ => None,
    })
}

/// Writes a lineage into such a table.
pub(crate) fn write(
    table: &mut redb::Table<'_, &'static str, u64>,
    lineage: Lineage,
) -> Result<(), redb::Error> {
    table.insert(STORE, lineage.store)?;
    table.insert(OPENING, lineage.opening.number())?;
    Ok(())
}
