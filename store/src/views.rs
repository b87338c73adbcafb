//! The views: everything that is derived from the log by folding it in order. What each view holds stands in
//! a module of its own; who folds, and when, in `projector`.
//!
//! - `terms`: the numbers of contacts, names, messages and browsers
//! - `events`: which events there are by name, contact and message (`runs`), and which keys have sent one
//!   (`received`)
//! - `engagement`: what people did with messages, and which message earned the revenue
//! - `segments`: who is in which segment, and when that changes by time alone (`time`)
//!
//! Rows are held in memory in the order of the fold (`numbers`, `pages`, `ordered`) and written behind:
//! a checkpoint writes what has changed together with the cursor, into one file a view (`shelf`). So readers see
//! what is folded, not what is written, and a crash costs what was folded since, which is folded again
//! from the log. Every file lies in the data folder under a name that begins with `views`.

mod aside;
mod columns;
mod costly;
pub mod engagement;
mod erased;
mod error;
mod events;
pub mod filter;
#[cfg(test)]
pub(crate) mod history;
mod identity;
mod layer;
mod members;
mod memory;
mod numbers;
mod open;
mod ordered;
mod owed;
mod pages;
mod portion;
mod read;
mod received;
mod renew;
mod retained;
mod rows;
pub mod runs;
pub mod segments;
mod shelf;
mod terms;
#[cfg(test)]
mod tests;
mod time;
mod traits;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use shared::time::Timestamp;
use tokio::sync::Notify;

use crate::ledger::decide::WorkspaceKeys;
use crate::ledger::{Log, LogError};
use crate::locks::{lock, read, write};
use crate::record::{ContactId, Record, SegmentBook, Seq, WorkspaceId};

use costly::Costly;
use engagement::{Engagement, Sought, weighing, windows};
use events::Events;
use open::Place;
use portion::{Looking, Portion};
use runs::Runs;
use segments::{Catalogues, Segments};
use shelf::Shelf;
use view::{Around, Happening, View};

pub use engagement::contact::Contact;
pub use engagement::score::MOST_OF_A_DAY;
pub use error::ViewError;
pub use memory::DEFAULT_CACHE;
pub(crate) use open::delete;
pub use open::durable_cursor;
pub use owed::Building;
pub use read::{Beside, EventPage, RowKey, RowOrder, RowPlace, ScorePlace};
pub use retained::{
    ErasedContact, RETAINED_FOLDER, Retaining, retained, retained_files, retained_since,
};
pub use traits::Trait;

/// The most records that are read and looked at in one go.
pub const FOLD_RECORDS: usize = 8_192;
/// A batch ends early at this many bytes, so that large events do not fill the memory.
const FOLD_BYTES: usize = 16 * 1024 * 1024;
/// The most records that are folded while readers wait.
const PORTION: usize = 1_024;
/// So many rows may have changed before a checkpoint is due, or so many records been folded: what a crash costs is
/// folded again in about half a second. Few where the crate tests itself.
const DUE: u64 = if cfg!(test) { 2_000 } else { 80_000 };
/// And with so many the fold waits for it: a second.
const MOST: u64 = 2 * DUE;

/// Files of so many bytes, which are read in a fraction of a second, are opened before a server answers anybody.
const OPENED_AT_ONCE: u64 = 32 * 1024 * 1024;

/// Every row of every table, in order of their keys: equal for equal folds, whatever was written when.
pub type Dump = BTreeMap<&'static str, DumpedRows>;

/// Those of one table: keys and values.
pub type DumpedRows = Vec<(Vec<u8>, Vec<u8>)>;

/// The views, open. Readers wait for the fold of 1,024 records at the most. Every method blocks on disk, save
/// [`Self::cursor`] and those about what is owed.
pub struct Views {
    place: Place,
    keys: Arc<dyn WorkspaceKeys>,
    /// `None` once closed and after a failure, when half of a portion may have been folded: what is written is
    /// read again then.
    shelves: RwLock<Option<Shelves>>,
    /// One fold at a time.
    folding: Mutex<()>,
    /// One checkpoint at a time.
    writing: Mutex<()>,
    cursor: AtomicU64,
    /// Where the cursor was when a checkpoint last took what it writes.
    captured: AtomicU64,
    /// Contacts that were erased, with the place of the fact, while the rows do not reflect that yet.
    erased: RwLock<HashMap<ContactId, Seq>>,
    /// Opening them has been put off.
    unopened: AtomicBool,
    /// What they must reflect before they are read, where that is asked for while they are not open.
    owed: AtomicU64,
    /// Told when a reader has met damage.
    damage: Notify,
    /// The views whose files were at fault when they were closed.
    spoilt: Mutex<Vec<&'static str>>,
    /// Of how many contacts it cannot be said whether they are in, see [`Self::segment_uncertain`].
    uncertain: Costly<UncertainOf, Uncertain>,
}

/// Of which workspace, from when on facts are whole, and the definition.
type UncertainOf = (WorkspaceId, Timestamp, String);
/// How many, at which instant, and by which definitions.
type Uncertain = (u64, Timestamp, Arc<SegmentBook>);

/// The views' rows. All but those that are being built beside the others are at one cursor.
struct Shelves {
    terms: Shelf,
    events: Shelf,
    engagement: Shelf,
    segments: Shelf,
    catalogues: Catalogues,
    /// A part of `events`, at its cursor.
    runs: Arc<Runs>,
}

/// Which views take part in a fold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those that are read.
    Abreast,
    /// Those that are built anew beside the others.
    Beside,
}

impl Shelves {
    fn all(&self) -> [&Shelf; 4] {
        [&self.terms, &self.events, &self.engagement, &self.segments]
    }

    fn all_mut(&mut self) -> [&mut Shelf; 4] {
        [
            &mut self.terms,
            &mut self.events,
            &mut self.engagement,
            &mut self.segments,
        ]
    }

    /// The last seq that those reflect which are not built beside the others.
    fn cursor(&self) -> Seq {
        let abreast = self.all().into_iter().filter(|shelf| !shelf.is_beside());
        abreast.map(Shelf::cursor).min().unwrap_or(Seq::START)
    }

    /// The same of those that are.
    fn cursor_beside(&self) -> Option<Seq> {
        let beside = self.all().into_iter().filter(|shelf| shelf.is_beside());
        beside.map(Shelf::cursor).min()
    }

    fn fold(
        &mut self,
        which: Which,
        keys: &dyn WorkspaceKeys,
        portion: &Portion<'_>,
        sought: &Sought,
    ) -> Result<(), ViewError> {
        let reflected = self.terms.cursor();
        let happenings = portion.happenings(&mut self.terms.numbers, reflected)?;
        let head = self.cursor();
        let around = Around {
            keys,
            contacts: &self.terms.numbers[terms::CONTACTS],
            runs: &self.runs,
            catalogues: &self.catalogues,
            sought,
        };
        fold_into::<Events>(&mut self.events, which, &around, &happenings)?;
        fold_into::<Engagement>(&mut self.engagement, which, &around, &happenings)?;
        fold_into::<Segments>(&mut self.segments, which, &around, &happenings)?;
        if let (Which::Abreast, Some(last)) = (which, happenings.last()) {
            self.terms.advance(last.seq, last.now);
        }
        for shelf in self.all_mut() {
            shelf.join(head);
        }
        Ok(())
    }
}

/// Folds what a view has not folded yet.
fn fold_into<V: View>(
    shelf: &mut Shelf,
    which: Which,
    around: &Around<'_>,
    happenings: &[Happening<'_>],
) -> Result<(), ViewError> {
    if shelf.is_beside() != (which == Which::Beside) {
        return Ok(());
    }
    let known = happenings.partition_point(|happening| happening.seq <= shelf.cursor());
    let mut new = happenings[known..].to_vec();
    let mut now = shelf.now();
    for happening in &mut new {
        now = now.max(happening.entry.received_at.as_millis());
        happening.now = now;
    }
    let Some(last) = new.last() else {
        return Ok(());
    };
    // A damaged file can make redb panic rather than fail.
    let folded = catch_unwind(AssertUnwindSafe(|| V::fold(&mut shelf.rows, around, &new)));
    let folded = folded.unwrap_or_else(|_| Err(redb::Error::Corrupted("folding panicked".into())));
    shelf.heed(folded.map_err(ViewError::while_doing("folding")))?;
    shelf.advance(last.seq, now);
    Ok(())
}

impl Views {
    /// Opens the views in a data folder, or starts new ones. A view whose file cannot be used (damaged, of another
    /// version, under other settings) is begun anew, with a warning, beside the others.
    ///
    /// # Errors
    /// [`ViewError::Storage`] where a file cannot be read or written at all, or is open elsewhere.
    pub fn open(data: &Path, keys: Arc<dyn WorkspaceKeys>) -> Result<Self, ViewError> {
        Self::open_with(data, keys, DEFAULT_CACHE)
    }

    /// The same with so many bytes of memory for rows, and some for each contact beside: see `misar serve --cache`.
    ///
    /// # Errors
    /// That of [`Self::open`].
    pub fn open_with(
        data: &Path,
        keys: Arc<dyn WorkspaceKeys>,
        cache: usize,
    ) -> Result<Self, ViewError> {
        // What a crash during a rebuild left behind.
        Place::draft(data, cache).remove()?;
        Self::open_at(Place::of(data, cache), keys)
    }

    /// The same for a server, which opens large ones behind its start: it takes as long as there are rows. Until the
    /// projector has done so they are being built, as far as readers can tell.
    ///
    /// # Errors
    /// [`ViewError::Storage`] as above, also where what lies under a file's name is none, or may not be opened.
    pub fn open_or_put_off(
        data: &Path,
        keys: Arc<dyn WorkspaceKeys>,
        cache: usize,
    ) -> Result<Self, ViewError> {
        if Place::of(data, cache).size() <= OPENED_AT_ONCE {
            Self::open_with(data, keys, cache)
        } else {
            Self::put_off(data, keys, cache)
        }
    }

    /// Leaves the opening to the projector.
    pub(crate) fn put_off(
        data: &Path,
        keys: Arc<dyn WorkspaceKeys>,
        cache: usize,
    ) -> Result<Self, ViewError> {
        Place::draft(data, cache).remove()?;
        let place = Place::of(data, cache);
        place.check()?;
        let views = Self::at(place, keys, None);
        views.unopened.store(true, Ordering::Release);
        Ok(views)
    }

    fn open_at(place: Place, keys: Arc<dyn WorkspaceKeys>) -> Result<Self, ViewError> {
        let shelves = place.open(&*keys)?;
        let views = Self::at(place, keys, Some(shelves));
        views.begin_behind_retained()?;
        // They may have changed while nobody was here.
        views.apply_settings()?;
        Ok(views)
    }

    fn at(place: Place, keys: Arc<dyn WorkspaceKeys>, shelves: Option<Shelves>) -> Self {
        let cursor = shelves.as_ref().map_or(Seq::START, Shelves::cursor);
        Self {
            place,
            keys,
            shelves: RwLock::new(shelves),
            folding: Mutex::new(()),
            writing: Mutex::new(()),
            cursor: AtomicU64::new(cursor.0),
            captured: AtomicU64::new(cursor.0),
            erased: RwLock::default(),
            unopened: AtomicBool::new(false),
            owed: AtomicU64::new(0),
            damage: Notify::new(),
            spoilt: Mutex::default(),
            uncertain: Costly::default(),
        }
    }

    /// From now on every read is refused with [`ViewError::Building`] until the rows that it needs reflect this
    /// record, or the projector finds that the log holds no more.
    pub fn owe(&self, seq: Seq) {
        self.owed.fetch_max(seq.0, Ordering::AcqRel);
        if let Some(shelves) = &*read(&self.shelves) {
            shelves.all().into_iter().for_each(|shelf| shelf.owe(seq));
        }
    }

    /// The rows reflect all that the log holds.
    pub(crate) fn owe_nothing(&self) {
        if let Some(shelves) = &*read(&self.shelves) {
            let abreast = shelves.all().into_iter().filter(|shelf| !shelf.is_beside());
            abreast.for_each(Shelf::owe_nothing);
        }
    }

    /// How far the one that is furthest behind is, where any view is not to be read yet. Every read asks
    /// this by itself of the view that it needs.
    pub fn building(&self) -> Option<Building> {
        if let opening @ Some(_) = self.opening() {
            // Where nothing is owed nothing is missing either.
            return opening.filter(|_| self.owed.load(Ordering::Acquire) > 0);
        }
        let shelves = read(&self.shelves);
        let building = shelves
            .iter()
            .flat_map(Shelves::all)
            .filter_map(Shelf::building);
        building.min_by_key(|building| building.percent())
    }

    /// The same of the views that are not built beside the others.
    pub(crate) fn building_abreast(&self) -> Option<Building> {
        if let opening @ Some(_) = self.opening() {
            return opening;
        }
        let shelves = read(&self.shelves);
        let all = shelves.iter().flat_map(Shelves::all);
        let abreast = all.filter(|shelf| !shelf.is_beside());
        let building = abreast.filter_map(Shelf::building);
        building.min_by_key(|building| building.percent())
    }

    /// The last seq that the rows reflect: of the views that are not built beside the others.
    pub fn cursor(&self) -> Seq {
        Seq(self.cursor.load(Ordering::Acquire))
    }

    /// What the rows may take in memory, in bytes; see `misar serve --cache`.
    pub fn cache(&self) -> usize {
        self.place.room().cache
    }

    /// Folds records that follow on the cursor, in order; those at or before it are skipped. They become visible
    /// in portions, in order. On disk they are with the next [`Self::checkpoint`].
    ///
    /// # Errors
    /// [`ViewError`]. After [`ViewError::Storage`] and [`ViewError::Damaged`] the views are closed, and have to be
    /// opened again; after others they reflect some of the records, up to the cursor.
    pub fn fold(&self, records: &[Record]) -> Result<(), ViewError> {
        let cursor = self.cursor();
        let new = &records[records.partition_point(|record| record.seq <= cursor)..];
        self.fold_which(Which::Abreast, new)
    }

    /// The last seq that views reflect which are built beside the others, of the one that is furthest behind;
    /// `None` where there is none.
    pub(crate) fn cursor_beside(&self) -> Option<Seq> {
        read(&self.shelves)
            .as_ref()
            .and_then(Shelves::cursor_beside)
    }

    /// Folds records that follow on [`Self::cursor_beside`] into the views that are built beside the others,
    /// and no further than those are; one that has caught up is one of them from then on. Without records there
    /// is nothing left up to there.
    pub(crate) fn fold_beside(&self, records: &[Record]) -> Result<(), ViewError> {
        let cursor = self.cursor();
        let old = &records[..records.partition_point(|record| record.seq <= cursor)];
        if old.is_empty() {
            // Whoever waits for the rows keeps readers waiting too: not for as long as settings are applied.
            let _folding = lock(&self.folding);
            if let Some(shelves) = &mut *write(&self.shelves) {
                for shelf in shelves.all_mut() {
                    shelf.join_at(cursor);
                }
            }
            return Ok(());
        }
        self.fold_which(Which::Beside, old)
    }

    fn fold_which(&self, which: Which, records: &[Record]) -> Result<(), ViewError> {
        if records.is_empty() {
            return Ok(());
        }
        let _folding = lock(&self.folding);
        let mut looking = Looking::with(&*self.keys);
        for records in records.chunks(PORTION) {
            let mut looked = looking.look(records)?;
            {
                let shelves = read(&self.shelves);
                let shelves = shelves.as_ref().ok_or(ViewError::Closed)?;
                portion::find(&mut looked, &shelves.terms.numbers);
            }
            let looked = &looked;
            let portion = Portion { records, looked };
            let sought = self.sought(which, &portion);
            let mut open = write(&self.shelves);
            let shelves = open.as_mut().ok_or(ViewError::Closed)?;
            let sought = shelves.engagement.heed(sought);
            let folded =
                sought.and_then(|sought| shelves.fold(which, &*self.keys, &portion, &sought));
            if let Err(error) = folded {
                // Half of it may be folded: nobody may see that.
                self.give_up(&mut open);
                return Err(error);
            }
            shelves.shrink(self.place.room());
            self.cursor.store(shelves.cursor().0, Ordering::Release);
        }
        Ok(())
    }

    /// Whether so much has changed that a checkpoint should be written now.
    pub(crate) fn is_checkpoint_due(&self) -> bool {
        self.unwritten() >= DUE
    }

    /// Whether folding should wait for a checkpoint, so that what a crash costs stays bounded.
    pub(crate) fn is_checkpoint_overdue(&self) -> bool {
        self.unwritten() >= MOST
    }

    /// Rows that have changed since the last checkpoint, or records that were folded, whichever are more.
    fn unwritten(&self) -> u64 {
        let shelves = read(&self.shelves);
        let all = shelves.iter().flat_map(Shelves::all);
        let rows = all.map(Shelf::changed).max().unwrap_or(0) as u64;
        let captured = self.captured.load(Ordering::Acquire);
        rows.max(self.cursor().0.saturating_sub(captured))
    }

    /// Writes what has been folded so far, durably. Folding and reading go on meanwhile.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`]: the views are closed then, and have to be opened again.
    /// [`ViewError::Closed`].
    pub fn checkpoint(&self) -> Result<(), ViewError> {
        self.checkpoint_in_steps(&mut || {})
    }

    /// The same, and calls between the steps that the disk takes one after the other.
    fn checkpoint_in_steps(&self, between: &mut dyn FnMut()) -> Result<(), ViewError> {
        let _writing = lock(&self.writing);
        let (captured, runs) = {
            let mut open = write(&self.shelves);
            let shelves = open.as_mut().ok_or(ViewError::Closed)?;
            self.captured.store(shelves.cursor().0, Ordering::Release);
            let runs = Arc::clone(&shelves.runs);
            let of_runs = runs.capture(shelves.events.cursor());
            // The numbers first: the rows of others are of no use without them.
            let captured = shelves.all_mut().map(|shelf| {
                let is_new = !shelf.is_written();
                is_new.then(|| shelf.capture())
            });
            (captured, of_runs.map(|captured| (runs, captured)))
        };
        let kept = runs.and_then(|(runs, captured)| runs.keep(captured).map(|()| runs));
        let written = captured.map(|captured| {
            between();
            match (&kept, captured) {
                (Ok(_), Some(captured)) => captured.write().map(Some),
                _ => Ok(None),
            }
        });
        between();
        let mut open = write(&self.shelves);
        let shelves = open.as_mut().ok_or(ViewError::Closed)?;
        let mut failed = None;
        if let Err(error) = &kept {
            failed = shelves.events.heed::<()>(Err(error.to_view_error())).err();
        }
        for (shelf, written) in shelves.all_mut().into_iter().zip(written) {
            match shelf.heed(written) {
                Ok(Some(written)) => shelf.written(written),
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            self.give_up(&mut open);
            return Err(error);
        }
        if let Ok(runs) = &kept {
            runs.settle();
        }
        let is_built = shelves
            .all()
            .into_iter()
            .all(|shelf| shelf.building().is_none());
        drop(open);
        if is_built {
            self.place.remove_former()?;
        }
        Ok(())
    }

    /// Brings the rows to the settings of today, where those of any workspace have changed: then rows of that
    /// workspace alone. Readers see the old rows until all is done, and no fold comes between. Blocks for
    /// as long as there are orders.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`]; the rows are as before.
    pub fn apply_settings(&self) -> Result<(), ViewError> {
        let (_folding, _writing) = (lock(&self.folding), lock(&self.writing));
        let rows = {
            let open = read(&self.shelves);
            let Some(shelves) = open.as_ref() else {
                // Opening them does that.
                return if self.is_unopened() {
                    Ok(())
                } else {
                    Err(ViewError::Closed)
                };
            };
            let mut rows = shelves.engagement.rows.clone();
            let contacts = &shelves.terms.numbers[terms::CONTACTS];
            let applied = windows::apply(&mut rows, &*self.keys, contacts).and_then(|credited| {
                let weighed = weighing::apply(&mut rows, &*self.keys, contacts)?;
                Ok(credited || weighed)
            });
            let applied = applied.map_err(ViewError::while_doing("applying settings"));
            let (state, cursor) = (&shelves.engagement.rows.state, shelves.engagement.cursor());
            let applied = applied.map_err(|error| self.met(error, state, cursor));
            applied.map(|changed| changed.then_some(rows))
        };
        let rows = match rows {
            // What is begun anew is folded under the settings of today.
            Err(ViewError::Building(_)) => return Ok(()),
            rows => rows?,
        };
        if let (Some(rows), Some(shelves)) = (rows, &mut *write(&self.shelves)) {
            shelves.engagement.rows = rows;
        }
        Ok(())
    }

    /// Has scores go by the half-lives of today whose events are known as sums alone.
    fn halve_anew(&self) -> Result<(), ViewError> {
        let _folding = lock(&self.folding);
        let mut open = write(&self.shelves);
        let shelves = open.as_mut().ok_or(ViewError::Closed)?;
        let contacts = &shelves.terms.numbers[terms::CONTACTS];
        let halved = weighing::halve_anew(&mut shelves.engagement.rows, &*self.keys, contacts);
        halved.map_err(ViewError::while_doing("applying settings"))
    }

    /// Whether scores of any workspace go by another half-life than is set by now: they do so until the views have
    /// been built anew.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn is_half_life_outlived(&self) -> Result<bool, ViewError> {
        if self.is_unopened() {
            return Ok(false);
        }
        let open = read(&self.shelves);
        let shelves = open.as_ref().ok_or(ViewError::Closed)?;
        let outlived = weighing::is_outlived(&shelves.engagement.rows, &*self.keys);
        outlived.map_err(ViewError::while_doing("reading"))
    }

    /// Every table as it is visible now.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn dump(&self) -> Result<Dump, ViewError> {
        let open = read(&self.shelves);
        let shelves = open.as_ref().ok_or(ViewError::Closed)?;
        let mut dump = Dump::new();
        for shelf in shelves.all() {
            shelf
                .dump(&mut dump)
                .map_err(ViewError::while_doing("reading"))?;
        }
        shelves.runs.read(shelves.events.cursor()).dump(&mut dump)?;
        let of_runs = dump.entry(runs::DUMPED).or_default();
        let reachable = events::reachable(&shelves.events.rows, of_runs);
        reachable.map_err(ViewError::while_doing("reading"))?;
        Ok(dump)
    }

    /// Writes what has been folded, and closes the files. Everything else answers [`ViewError::Closed`] from then on.
    ///
    /// # Errors
    /// That of [`Self::checkpoint`]; the files are closed all the same.
    pub fn close(&self) -> Result<(), ViewError> {
        let written = match self.checkpoint() {
            Err(ViewError::Closed) => Ok(()),
            written => written,
        };
        let closed = write(&self.shelves).take();
        drop(closed);
        written
    }

    /// Opens the files again, as the last checkpoint left them; `start_over` deletes them first. Readers have
    /// seen more then: they are refused until the rows reflect `seen` again.
    pub(crate) fn reopen(&self, start_over: bool, seen: Seq) -> Result<(), ViewError> {
        let turn = (lock(&self.folding), lock(&self.writing));
        let mut open = write(&self.shelves);
        // The locks on the files must be free before they can be opened again.
        drop(open.take());
        if start_over {
            self.place.remove()?;
        }
        self.remove_spoilt(&self.place)?;
        let shelves = self.place.open(&*self.keys)?;
        shelves.all().into_iter().for_each(|shelf| shelf.owe(seen));
        self.cursor.store(shelves.cursor().0, Ordering::Release);
        *open = Some(shelves);
        drop((open, turn));
        self.begin_behind_retained()?;
        self.apply_settings()
    }

    /// Empty views beside these, to be built and then [adopted](Self::adopt).
    pub(crate) fn draft(&self) -> Result<Self, ViewError> {
        let cache = self.place.room().cache;
        start_draft(&self.place.data, Arc::clone(&self.keys), cache)
    }

    /// Folds the log behind the cursor as far as `upto` at least (a log that grows meanwhile has no
    /// end to reach), unless `stop`. `progress` is told the seqs done and in all. Returns how many
    /// records were folded.
    pub(crate) fn catch_up(
        &self,
        log: &dyn Log,
        upto: Seq,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64, ViewError> {
        let mut folded = 0;
        while self.cursor() < upto {
            let records = next_batch(log, self.cursor())?;
            if records.is_empty() {
                break;
            }
            if stop() {
                return Err(ViewError::Stopped);
            }
            self.fold(&records)?;
            folded += records.len() as u64;
            if self.is_checkpoint_due() {
                self.checkpoint()?;
            }
            let done = self.cursor().0;
            progress(done, upto.0.max(done));
        }
        Ok(folded)
    }

    /// Puts a draft in the place of these views: queries see the one or the other. The caller sees
    /// to it that nobody folds meanwhile, and that the draft is no less far.
    pub(crate) fn adopt(&self, draft: Self) -> Result<(), ViewError> {
        let (_folding, _writing) = (lock(&self.folding), lock(&self.writing));
        debug_assert!(draft.cursor() >= self.cursor(), "the cursor goes backwards");
        if let Err(error) = draft.checkpoint() {
            draft.discard();
            return Err(error);
        }
        let mut open = write(&self.shelves);
        self.place.replace(&draft.place)?;
        if let Some(shelves) = &*read(&draft.shelves) {
            shelves.runs.move_to(&self.place.runs());
        }
        let new = write(&draft.shelves).take();
        if let Some(shelves) = &new {
            for (shelf, path) in shelves.all().into_iter().zip(self.place.paths()) {
                shelf.is_at(path);
            }
        }
        let old = std::mem::replace(&mut *open, new);
        self.cursor.store(draft.cursor().0, Ordering::Release);
        drop(open);
        // Closing the old files writes to them; no reader need wait for that.
        drop(old);
        Ok(())
    }

    /// Closes a draft that is not wanted and deletes its files.
    pub(crate) fn discard(self) {
        drop(write(&self.shelves).take());
        if let Err(error) = self.place.remove() {
            tracing::warn!(%error, "the draft of the views could not be deleted");
        }
    }
}

/// Builds the views anew from the log's start to its end and puts them in the place of those in the
/// data folder, which must not be open. `progress` is told the seqs done and in all. Returns how many
/// records were folded. Where it fails, the views are as before.
///
/// # Errors
/// [`ViewError`].
pub fn rebuild(
    data: &Path,
    keys: Arc<dyn WorkspaceKeys>,
    log: &dyn Log,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64, ViewError> {
    let draft = start_draft(data, keys, DEFAULT_CACHE)?;
    let end = *log.committed().borrow();
    let built = draft
        .catch_up(log, end, &|| false, progress)
        .and_then(|folded| draft.close().map(|()| folded));
    let folded = match built {
        Ok(folded) => folded,
        Err(error) => {
            draft.discard();
            return Err(error);
        }
    };
    let place = Place::of(data, DEFAULT_CACHE);
    place.replace(&draft.place)?;
    place.remove_former()?;
    Ok(folded)
}

/// Brings the views of a data folder, which must not be open, up to the log's end, where there are any; what an older
/// version left of them goes.
///
/// # Errors
/// [`ViewError`].
pub fn follow(data: &Path, keys: Arc<dyn WorkspaceKeys>, log: &dyn Log) -> Result<(), ViewError> {
    let place = Place::of(data, DEFAULT_CACHE);
    place.remove_former()?;
    if !place.is_taken() {
        return Ok(());
    }
    let views = Views::open(data, keys)?;
    let end = *log.committed().borrow();
    let caught_up = views.catch_up(log, end, &|| false, &mut |_, _| {});
    caught_up.and(views.close())
}

/// The next records to fold: many, but bounded in bytes too. None at the log's end.
pub(crate) fn next_batch(log: &dyn Log, after: Seq) -> Result<Vec<Record>, LogError> {
    log.read_many(after, FOLD_RECORDS, FOLD_BYTES)
}

fn start_draft(
    data: &Path,
    keys: Arc<dyn WorkspaceKeys>,
    cache: usize,
) -> Result<Views, ViewError> {
    let place = Place::draft(data, cache);
    place.remove()?;
    Views::open_at(place, keys)
}
