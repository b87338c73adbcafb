//! The retention checkpoint: the views as they were at a place in the log up to which it may be dropped. It is all that
//! is left of what is dropped, so that views which are built anew begin with it and fold what comes behind; nothing
//! that builds views ever changes or deletes it. It lies in a folder of its own, one for each place, of which the last
//! counts; the one before goes once the next is durable under its name.
//!
//! What is left out is what only the log had: the events themselves. Runs of what is dropped go too.

use std::collections::HashSet;
use std::hash::Hasher as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use shared::time::Timestamp;
use twox_hash::XxHash3_64;

use super::engagement::{self, Sought};
use super::error::ViewError;
use super::open::{Place, remove_folder, storage};
use super::shelf::numbers_any;
use super::view::Numbered;
use super::{FOLD_RECORDS, Views, events, next_batch, segments, terms};
use crate::files;
use crate::journal::local::segment::sync_folder_of;
use crate::ledger::Log;
use crate::ledger::decide::WorkspaceKeys;
use crate::locks::{lock, write};
use crate::record::{ContactId, Seq, WorkspaceId};

/// The folder within a data folder. It holds one folder for each checkpoint, named by its place in 20 digits and how
/// often it was made anew in 6.
pub const RETAINED_FOLDER: &str = "retained";
/// Where the next one is made.
const DRAFT: &str = "draft";
/// Digits of a place in a name.
const DIGITS: usize = 20;
const TURN_DIGITS: usize = 6;
/// The file within a checkpoint that tells of whom it holds nothing: a digest of all who were erased by then.
const ERASED: &str = "ERASED";
/// And the file that tells behind which arrival the log is whole: milliseconds since 1970, in digits.
const SINCE: &str = "SINCE";

/// A retention checkpoint on disk. Its files never change, but for [`ERASED`] where it held none of them.
#[derive(Debug, Clone)]
pub(super) struct Retained {
    folder: PathBuf,
    /// The last record that it reflects.
    pub(super) upto: Seq,
    /// How often it was made anew since, without who was erased.
    turn: u32,
}

impl Retained {
    /// The one that counts in a data folder; `None` where nothing was ever dropped.
    pub(super) fn of(data: &Path) -> Result<Option<Self>, ViewError> {
        let all = all_in(data)?;
        Ok(all.into_iter().max_by_key(|one| (one.upto, one.turn)))
    }

    /// From when on the log is whole: everything is there that arrived then or later.
    fn since(&self) -> Result<Timestamp, ViewError> {
        let said =
            files::read(&self.folder.join(SINCE)).map_err(storage("reading from when on"))?;
        let millis = std::str::from_utf8(&said).ok();
        let millis = millis.and_then(|text| text.trim_end().parse().ok());
        let no_time =
            || ViewError::Storage("the retention checkpoint does not say from when on".into());
        millis.map(Timestamp::from_millis).ok_or_else(no_time)
    }

    /// Whether it holds any of those who were erased behind it.
    fn holds_any(&self, data: &Path, erased: &[ErasedContact]) -> Result<bool, ViewError> {
        let since = self.since()?;
        let behind = erased.iter().filter(|one| one.is_behind(since));
        let whom: HashSet<_> = behind.map(|one| one.contact.0).collect();
        let [terms, ..] = Place::retained(data, &self.folder, 0).paths();
        Ok(!whom.is_empty() && numbers_any(&terms, terms::CONTACTS, &whom)?)
    }

    /// Copies it to where views lie, of which there must be none. A crash in between leaves views that are behind it.
    pub(super) fn copy_to(&self, place: &Place) -> Result<(), ViewError> {
        let from = Place::retained(&place.root, &self.folder, 0);
        let copy = |from: &Path, to: &Path| -> Result<(), ViewError> {
            let copied = files::copy(from, to).and_then(|file| file.sync_all());
            copied.map_err(storage("copying the retention checkpoint"))
        };
        let runs = place.runs();
        files::create_folder(&runs).map_err(storage("copying the retention checkpoint"))?;
        for path in files_in(&from.runs())? {
            if let Some(name) = path.file_name() {
                copy(&path, &runs.join(name))?;
            }
        }
        // The numbers last: without them nothing of the others is used.
        for (from, to) in from.paths().into_iter().zip(place.paths()).rev() {
            copy(&from, &to)?;
        }
        Ok(())
    }
}

/// From when on the log of a data folder is whole: everything is there that arrived then or later. `None` where nothing
/// was ever dropped.
///
/// # Errors
/// [`ViewError::Storage`].
pub fn retained_since(data: &Path) -> Result<Option<Timestamp>, ViewError> {
    Retained::of(data)?.map(|one| one.since()).transpose()
}

/// How far the views reach that the retention checkpoint of a data folder holds; `None` where there is none.
///
/// # Errors
/// [`ViewError::Storage`].
pub fn retained(data: &Path) -> Result<Option<Seq>, ViewError> {
    Ok(Retained::of(data)?.map(|one| one.upto))
}

/// The files of the retention checkpoint that counts, within the data folder.
///
/// # Errors
/// [`ViewError::Storage`].
pub fn retained_files(data: &Path) -> Result<Vec<PathBuf>, ViewError> {
    let Some(one) = Retained::of(data)? else {
        return Ok(Vec::new());
    };
    let place = Place::retained(data, &one.folder, 0);
    let mut all = place.paths().to_vec();
    all.extend([ERASED, SINCE].map(|name| one.folder.join(name)));
    all.extend(files_in(&place.runs())?);
    Ok(all)
}

/// A contact that was erased, as a store remembers it: of which a checkpoint is to hold nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErasedContact {
    pub workspace: WorkspaceId,
    pub contact: ContactId,
    /// Who is left of it.
    pub person: ContactId,
    /// When: whoever has the address later is somebody new.
    pub time: Timestamp,
}

impl ErasedContact {
    /// Whether the fact lies behind all that a checkpoint reflects, of which the log is whole from `since` on: one
    /// before that has been folded, and who has come back since stays.
    fn is_behind(&self, since: Timestamp) -> bool {
        self.time.as_millis() >= since.as_millis().saturating_sub(1)
    }
}

/// What checkpoints are made of, beside the log.
pub struct Retaining<'a> {
    pub data: &'a Path,
    pub keys: Arc<dyn WorkspaceKeys>,
    /// What the rows may take in memory meanwhile, in bytes.
    pub cache: usize,
    /// Everybody who was erased.
    pub erased: &'a [ErasedContact],
}

impl Retaining<'_> {
    /// Makes a checkpoint of what the log holds up to `upto`, from the one before on, and lets go of that. Beside views
    /// that are in use; takes their memory once more. `progress` is told the seqs done and in all. Where there is one
    /// that reaches as far nothing happens.
    ///
    /// # Errors
    /// [`ViewError`]; the checkpoint before is as it was.
    pub fn up_to(
        &self,
        log: &dyn Log,
        upto: Seq,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), ViewError> {
        if retained(self.data)?.is_some_and(|reached| reached >= upto) {
            return self.remove_others();
        }
        self.make(upto, 0, stop, |views| {
            views.fold_up_to(log, upto, stop, progress)
        })
    }

    /// Makes the checkpoint anew where it holds any of those who were erased since it was made, without them. Whether
    /// it did. What a pass has left that was cut short goes too, since that may hold them.
    ///
    /// # Errors
    /// [`ViewError`]; the checkpoint is as it was.
    pub fn purge(&self, stop: &dyn Fn() -> bool) -> Result<bool, ViewError> {
        self.remove_others()?;
        let Some(known) = Retained::of(self.data)? else {
            return Ok(false);
        };
        let said = files::read(&known.folder.join(ERASED)).unwrap_or_default();
        if said == self.erased_digest().as_bytes() {
            return Ok(false);
        }
        if known.holds_any(self.data, self.erased)? {
            self.make(known.upto, known.turn + 1, stop, |_| Ok(()))?;
            return Ok(true);
        }
        // So that the next time asks of those alone who come after.
        let path = known.folder.join(ERASED);
        let draft = files::draft_of(&path);
        write_text(&draft, &self.erased_digest())
            .and_then(|()| files::rename_synced(&draft, &path))
            .map_err(storage("noting who was erased"))?;
        Ok(false)
    }

    /// Makes one, from the one before on.
    fn make(
        &self,
        upto: Seq,
        turn: u32,
        stop: &dyn Fn() -> bool,
        work: impl FnOnce(&Views) -> Result<(), ViewError>,
    ) -> Result<(), ViewError> {
        let doing = storage("making the retention checkpoint");
        let folder = self.data.join(RETAINED_FOLDER);
        files::create_folder(&folder).map_err(&doing)?;
        let draft = folder.join(DRAFT);
        remove_folder(&draft)?;
        files::create_folder(&draft).map_err(&doing)?;
        let place = Place::retained(self.data, &draft, self.cache);
        let views = Views::open_at(place.clone(), Arc::clone(&self.keys))?;
        let worked = work(&views).and_then(|()| views.erase_ahead(self.erased, stop));
        let since = views.latest_arrival().saturating_add(1);
        let closed = views.close();
        worked.and(closed)?;
        drop(views);
        if stop() {
            return Err(ViewError::Stopped);
        }
        place.write_anew()?;
        for (name, text) in [(ERASED, self.erased_digest()), (SINCE, since.to_string())] {
            write_text(&draft.join(name), &text).map_err(&doing)?;
        }
        sync_all(self.data, &draft)?;
        let name = format!("{:0DIGITS$}-{turn:0TURN_DIGITS$}", upto.0);
        std::fs::rename(&draft, folder.join(name))
            .and_then(|()| sync_folder_of(&draft))
            .map_err(&doing)?;
        self.remove_others()
    }

    /// Lets go of all but the one that counts, and of what was never finished.
    fn remove_others(&self) -> Result<(), ViewError> {
        remove_folder(&self.data.join(RETAINED_FOLDER).join(DRAFT))?;
        let mut all = all_in(self.data)?;
        all.sort_by_key(|one| (one.upto, one.turn));
        all.pop();
        for one in all {
            remove_folder(&one.folder)?;
        }
        Ok(())
    }

    /// Tells whether others were erased.
    fn erased_digest(&self) -> String {
        let mut erased = self.erased.to_vec();
        erased.sort_unstable();
        let mut digest = XxHash3_64::with_seed(0);
        for one in erased {
            digest.write_u32(one.workspace.0);
            digest.write(&one.contact.0);
            digest.write(&one.person.0);
            digest.write_i64(one.time.as_millis());
        }
        format!("{:016x}", digest.finish())
    }
}

impl Views {
    /// Folds the log up to this record and no further.
    fn fold_up_to(
        &self,
        log: &dyn Log,
        upto: Seq,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), ViewError> {
        while self.cursor() < upto {
            let mut records = next_batch(log, self.cursor())?;
            records.truncate(records.partition_point(|record| record.seq <= upto));
            if records.is_empty() {
                break;
            }
            if stop() {
                return Err(ViewError::Stopped);
            }
            self.fold(&records)?;
            debug_assert!(records.len() <= FOLD_RECORDS, "a batch is bounded");
            if self.is_checkpoint_due() {
                self.checkpoint()?;
            }
            progress(self.cursor().0, upto.0);
        }
        // What was set aside is missing up to there.
        if let Some(shelves) = &mut *write(&self.shelves) {
            for shelf in shelves.all_mut() {
                let now = shelf.now();
                shelf.advance(upto, now);
            }
            self.cursor.store(upto.0, Ordering::Release);
        }
        Ok(())
    }

    /// Takes out what the rows hold of contacts that are erased by facts which come later: folded then, they find
    /// nothing.
    fn erase_ahead(
        &self,
        erased: &[ErasedContact],
        stop: &dyn Fn() -> bool,
    ) -> Result<(), ViewError> {
        let _folding = lock(&self.folding);
        let mut open = write(&self.shelves);
        let shelves = open.as_mut().ok_or(ViewError::Closed)?;
        let since = Timestamp::from_millis(shelves.engagement.now().saturating_add(1));
        let numbers = &shelves.terms.numbers[terms::CONTACTS];
        let behind = erased.iter().filter(|one| one.is_behind(since));
        let whom: Vec<_> = behind
            .filter(|one| numbers.find(&one.contact.0).is_some())
            .copied()
            .collect();
        if whom.is_empty() {
            return Ok(());
        }
        let of: Vec<_> = whom
            .iter()
            .map(|one| (one.workspace, one.contact))
            .collect();
        let doing = ViewError::while_doing("erasing");
        let sought = Sought::in_rows(&shelves.engagement.rows, &of).map_err(&doing)?;
        let mut forget = |one: ErasedContact| -> Result<(), redb::Error> {
            let ErasedContact {
                workspace,
                contact,
                person,
                time: _,
            } = one;
            let numbers = &mut shelves.terms.numbers[terms::CONTACTS];
            numbers.rename(&contact.0, &person.0);
            let Some(number) = numbers.find(&person.0) else {
                return Ok(());
            };
            let numbers = &shelves.terms.numbers[terms::CONTACTS];
            events::forget(&mut shelves.events.rows, number)?;
            let numbered = Numbered {
                number,
                id: contact,
            };
            engagement::forget(
                &mut shelves.engagement.rows,
                &*self.keys,
                numbers,
                &sought,
                (workspace, numbered, person),
            )?;
            segments::forget(
                &mut shelves.segments.rows,
                &*self.keys,
                &shelves.catalogues,
                workspace,
                number,
            )
        };
        for one in whom {
            if stop() {
                return Err(ViewError::Stopped);
            }
            forget(one).map_err(&doing)?;
        }
        Ok(())
    }

    /// Where the views begin with a retention checkpoint: the log has nothing more to say of what lies before. Facts
    /// that segments would have read there are gone, and scores of before go by another half-life as well as they can.
    pub(super) fn begin_behind_retained(&self) -> Result<(), ViewError> {
        let retained = Retained::of(&self.place.root)?;
        if retained.is_none_or(|one| one.upto != self.cursor()) {
            return Ok(());
        }
        while let Some(from) = self.fill_from()? {
            self.fill(&[], from)?;
        }
        self.halve_anew()
    }

    /// The latest arrival that the rows reflect, in milliseconds since 1970.
    fn latest_arrival(&self) -> i64 {
        let shelves = crate::locks::read(&self.shelves);
        shelves
            .as_ref()
            .map_or(0, |shelves| shelves.engagement.now())
    }

    /// Lets go of what finds events that the log has dropped.
    ///
    /// # Errors
    /// [`ViewError::Storage`].
    pub fn drop_before(&self, floor: Seq) -> Result<(), ViewError> {
        let runs = crate::locks::read(&self.shelves)
            .as_ref()
            .map(|shelves| Arc::clone(&shelves.runs));
        match runs {
            Some(runs) => Ok(runs.drop_before(floor)?),
            None => Ok(()),
        }
    }
}

/// Every checkpoint that was finished.
fn all_in(data: &Path) -> Result<Vec<Retained>, ViewError> {
    let folder = data.join(RETAINED_FOLDER);
    let mut all = Vec::new();
    for path in files_in(&folder)? {
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some((upto, turn)) = name.and_then(place_in) {
            all.push(Retained {
                folder: path,
                upto,
                turn,
            });
        }
    }
    Ok(all)
}

fn write_text(path: &Path, text: &str) -> std::io::Result<()> {
    files::create_anew(path)?.write_all(text.as_bytes())
}

/// What the name of a checkpoint says; `None` of any other.
fn place_in(name: &str) -> Option<(Seq, u32)> {
    let (upto, turn) = name.split_once('-')?;
    let are_digits = [upto, turn]
        .iter()
        .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if !are_digits || upto.len() != DIGITS || turn.len() != TURN_DIGITS {
        return None;
    }
    Some((Seq(upto.parse().ok()?), turn.parse().ok()?))
}

/// What lies in a folder; nothing where there is none.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, ViewError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(storage("listing a folder")(error)),
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(storage("listing a folder"))?;
    paths.sort();
    Ok(paths)
}

/// Everything of a checkpoint is on disk before it has its name.
fn sync_all(data: &Path, draft: &Path) -> Result<(), ViewError> {
    let place = Place::retained(data, draft, 0);
    let sync = |path: &Path| files::open_to_read(path).and_then(|file| file.sync_all());
    let runs = files_in(&place.runs())?;
    let said = [ERASED, SINCE].map(|name| draft.join(name));
    for path in place.paths().iter().chain(&runs).chain(&said) {
        sync(path).map_err(storage("syncing the retention checkpoint"))?;
    }
    let within = [place.runs().join("x"), draft.join("x")];
    for path in within {
        sync_folder_of(&path).map_err(storage("syncing the retention checkpoint"))?;
    }
    Ok(())
}
