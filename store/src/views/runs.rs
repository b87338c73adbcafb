//! Event indexes: which events a workspace has, by contact, message and name, as immutable runs. Holds no
//! event and no address; what an event says is read from the log.
//!
//! The log is cut into stretches of a fixed number of seqs. That of the newest events is held in columns in
//! memory; when it is full, the columns are sealed into a file of blocks that never changes. Each entry of a
//! contact or message names the run before that holds it, so that no directory says where they are. A run
//! depends on the log's records alone, not on when anything was folded or written: what is written again
//! after a crash has the same bytes.
//!
//! - `place`: the folder and the names of the files
//! - `bytes`: numbers as they stand in files
//! - `block`: entries, packed and read
//! - `columns`: the run that is being filled
//! - `run`: a sealed one
//! - `tail`: what is on disk of the one that is being filled
//! - `list`: the events of one term within a run
//! - `reader`: all runs as they are for one reader
//! - `walk`: the events in which several terms meet
//!
//! A fold pushes. A checkpoint [captures](Runs::capture) under the lock of the fold, [keeps](Runs::keep)
//! that in the background, commits its own file, and says so ([`Runs::settle`]): then every run below its
//! cursor is sealed, and the tail ends with it. Readers see what is pushed, up to the cursor that they name.

mod block;
pub(super) mod bytes;
mod columns;
mod error;
mod list;
mod place;
mod reader;
mod run;
mod tail;
#[cfg(test)]
mod tests;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use crate::files;
use crate::locks::{lock, read, write};
use crate::record::{Seq, WorkspaceId};

use columns::{Columns, Tag};
pub use error::RunsError;
use place::{
    RUN, TAIL, missing, name_of, remove_others, run_of, run_of_floor, run_path, tail_path,
};
pub(crate) use reader::{DUMPED, contact_of};
pub use reader::{Newest, Reader, Wanted};
use run::{Run, Writer};
use tail::{Tail, Waiting};

/// Full runs that wait to be sealed. Where there are so many, the fold seals one itself.
const MAX_WAITING: usize = 2;

/// How runs are made; they are of no use under other options.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whose they are: changes with the store, and with what the numbers mean.
    pub origin: u64,
    /// Seqs of a run, at most 2^30.
    pub size: u32,
}

impl Options {
    pub fn new(origin: u64) -> Self {
        // Small where the crate tests itself, so that histories of a few thousand events fill some.
        let size = if cfg!(test) { 1 << 9 } else { 1 << 20 };
        Self { origin, size }
    }
}

/// An event, as far as it is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    pub seq: Seq,
    pub workspace: WorkspaceId,
    /// Its own time, milliseconds since 1970.
    pub time: i64,
    /// Stands for its name within the workspace; names that share a number are told apart by who reads
    /// the records.
    pub name: u32,
    pub contact: Option<Link>,
    pub message: Option<Link>,
}

/// A contact or message of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its own within the workspace, below `u32::MAX`.
    pub number: u32,
    /// The last event of this number before; [`Seq::START`] where there is none. May be later than that,
    /// though before the event itself: then readers look at runs in vain.
    pub before: Seq,
}

/// The runs of a store, open. Methods block on disk where they say so.
#[derive(Debug)]
pub struct Runs {
    folder: RwLock<PathBuf>,
    options: Options,
    /// Locks are taken in this order.
    filling: Mutex<Filling>,
    keeping: Mutex<Keeping>,
    shown: RwLock<Shown>,
}

/// What whoever folds holds.
#[derive(Debug)]
struct Filling {
    columns: Arc<RwLock<Columns>>,
    waiting: Waiting,
    last: Seq,
}

/// What whoever writes holds.
#[derive(Debug, Default)]
struct Keeping {
    tail: Option<Tail>,
    /// Tails of runs that are sealed; a start from the checkpoint before the next needs the last of them.
    done: Vec<u32>,
    cursor: Seq,
}

/// What readers see.
#[derive(Debug, Clone)]
struct Shown {
    /// Ascending.
    sealed: Arc<Vec<Arc<Run>>>,
    /// Ascending; the last one is being filled, those before wait to be sealed.
    columns: Vec<Arc<RwLock<Columns>>>,
}

/// What a checkpoint writes.
#[derive(Debug)]
pub struct Capture {
    cursor: Seq,
    full: Vec<Arc<RwLock<Columns>>>,
    filling: Arc<RwLock<Columns>>,
    events: Vec<u8>,
}

impl Runs {
    /// Opens the runs in a folder of their own, as the checkpoint with this cursor has them; whatever
    /// lies behind it is removed. Below `floor` the log holds nothing, and runs may be missing. Blocks on
    /// disk.
    ///
    /// # Errors
    /// [`RunsError::Damaged`] where anything up to the cursor is missing, damaged, or of other options.
    pub fn open(
        folder: &Path,
        options: Options,
        cursor: Seq,
        floor: Seq,
    ) -> Result<Self, RunsError> {
        files::create_folder(folder)?;
        let Options { origin, size } = options;
        let index = run_of(cursor, size)?;
        let (tail, columns, waiting) = if cursor == Seq::START {
            (
                None,
                Columns::new(origin, size, 0, None),
                Waiting::default(),
            )
        } else {
            let (tail, columns, waiting) = Tail::open(&tail_path(folder, index), origin, cursor)
                .map_err(missing(&tail_path(folder, index)))?;
            if (columns.head.size, columns.head.index) != (size, index) {
                return Err(run::damaged(&tail_path(folder, index), "its place"));
            }
            (Some(tail), columns, waiting)
        };
        let mut sealed = Vec::new();
        let mut previous = columns.head.previous;
        while let Some(index) = previous.filter(|index| *index >= run_of_floor(floor, size)) {
            let path = run_path(folder, index);
            let run = Run::open(&path).map_err(missing(&path))?;
            let place = (run.head.origin, run.head.size, run.head.index);
            let next = run.head.previous;
            if place != (origin, size, index) || next.is_some_and(|next| next >= index) {
                return Err(run::damaged(&path, "its place"));
            }
            previous = next;
            sealed.push(Arc::new(run));
        }
        sealed.reverse();
        let kept = |name: &str| {
            tail.is_some() && name == name_of(index, TAIL)
                || sealed
                    .iter()
                    .any(|run| name == name_of(run.head.index, RUN))
        };
        remove_others(folder, &kept)?;
        let columns = Arc::new(RwLock::new(columns));
        Ok(Self {
            folder: RwLock::new(folder.to_owned()),
            options,
            filling: Mutex::new(Filling {
                columns: Arc::clone(&columns),
                waiting,
                last: cursor,
            }),
            keeping: Mutex::new(Keeping {
                tail,
                done: Vec::new(),
                cursor,
            }),
            shown: RwLock::new(Shown {
                sealed: Arc::new(sealed),
                columns: vec![columns],
            }),
        })
    }

    /// Adds events in the order of their seqs; those at or before the last one are skipped. Blocks on disk
    /// where full runs wait because no checkpoint has sealed them.
    ///
    /// # Errors
    /// [`RunsError`] of sealing.
    pub fn push(&self, events: impl IntoIterator<Item = Event>) -> Result<(), RunsError> {
        let mut filling = lock(&self.filling);
        let size = u64::from(self.options.size);
        let mut events = events.into_iter().peekable();
        while let Some(event) = events.peek() {
            if event.seq <= filling.last {
                events.next();
                continue;
            }
            let run = run_of(event.seq, self.options.size)?;
            if run > read(&filling.columns).head.index {
                self.turn_to(&mut filling, run)?;
            }
            let Filling {
                columns,
                waiting,
                last,
            } = &mut *filling;
            let columns = Arc::clone(columns);
            let mut columns = write(&columns);
            let base = u64::from(run) * size;
            while let Some(event) = events.next_if(|event| event.seq.0 < base + size) {
                if event.seq <= *last {
                    continue;
                }
                *last = event.seq;
                // Within the run.
                let offset = (event.seq.0 - base) as u32;
                let (tag, is_new) = columns.tag(Tag {
                    workspace: event.workspace.0,
                    name: event.name,
                });
                waiting.push(offset, (!is_new).then_some(tag), &event);
                columns.push(offset, tag, &event);
            }
        }
        Ok(())
    }

    /// What a checkpoint with this cursor writes; everything up to it must be pushed, and nothing behind.
    pub fn capture(&self, cursor: Seq) -> Result<Capture, RunsError> {
        let mut filling = lock(&self.filling);
        let run = run_of(cursor, self.options.size)?;
        if run > read(&filling.columns).head.index {
            self.turn_to(&mut filling, run)?;
        }
        let shown = read(&self.shown);
        let full = shown.columns.len().saturating_sub(1);
        Ok(Capture {
            cursor,
            full: shown.columns[..full].to_vec(),
            filling: Arc::clone(&filling.columns),
            events: filling.waiting.take(),
        })
    }

    /// Writes a capture, durably, before the checkpoint is committed: runs that are full are sealed, what
    /// is new in the one that is being filled is added to its tail. Captures are kept in the order in which
    /// they were taken. Blocks on disk.
    ///
    /// # Errors
    /// [`RunsError::Storage`]: the runs must be opened again.
    pub fn keep(&self, capture: Capture) -> Result<(), RunsError> {
        let mut keeping = lock(&self.keeping);
        for columns in &capture.full {
            self.seal(columns)?;
        }
        if capture.cursor == keeping.cursor {
            return Ok(());
        }
        let head = read(&capture.filling).head;
        let mut tail = match keeping.tail.take() {
            Some(tail) if tail.index == head.index => tail,
            other => {
                keeping.done.extend(other.map(|tail| tail.index));
                Tail::create(&tail_path(&read(&self.folder), head.index), &head)?
            }
        };
        tail.append(capture.cursor, &capture.events)?;
        keeping.tail = Some(tail);
        keeping.cursor = capture.cursor;
        Ok(())
    }

    /// The checkpoint of what was kept last is durable: what only an earlier one needs is removed.
    pub fn settle(&self) {
        let done = std::mem::take(&mut lock(&self.keeping).done);
        for index in done {
            // A start removes what is left.
            std::fs::remove_file(tail_path(&read(&self.folder), index)).ok();
        }
    }

    /// Lets go of runs that lie wholly before this seq, which the log does not hold any more.
    ///
    /// # Errors
    /// [`RunsError::Storage`].
    pub fn drop_before(&self, floor: Seq) -> Result<(), RunsError> {
        let _keeping = lock(&self.keeping);
        let first = run_of_floor(floor, self.options.size);
        let dropped: Vec<_> = {
            let mut shown = write(&self.shown);
            let kept = shown.sealed.partition_point(|run| run.head.index < first);
            Arc::make_mut(&mut shown.sealed).drain(..kept).collect()
        };
        for run in dropped {
            std::fs::remove_file(run_path(&read(&self.folder), run.head.index))?;
        }
        Ok(())
    }

    /// The folder has been renamed, and is now this one.
    pub(crate) fn move_to(&self, folder: &Path) {
        *write(&self.folder) = folder.to_owned();
    }

    /// For readers, who see events up to this seq. Never waits for the disk.
    pub fn read(&self, cursor: Seq) -> Reader {
        Reader {
            shown: read(&self.shown).clone(),
            size: self.options.size,
            cursor,
        }
    }

    /// Starts the columns of another run; those that were being filled wait to be sealed.
    fn turn_to(&self, filling: &mut Filling, run: u32) -> Result<(), RunsError> {
        let before = read(&filling.columns).head;
        let is_empty = before.events == 0;
        let previous = if is_empty {
            before.previous
        } else {
            Some(before.index)
        };
        let Options { origin, size } = self.options;
        let next = Arc::new(RwLock::new(Columns::new(origin, size, run, previous)));
        let waiting = {
            let mut shown = write(&self.shown);
            if is_empty {
                shown.columns.pop();
            }
            shown.columns.push(Arc::clone(&next));
            shown.columns.clone()
        };
        filling.columns = next;
        filling.waiting = Waiting::default();
        if waiting.len() > MAX_WAITING + 1 {
            let _keeping = lock(&self.keeping);
            self.seal(&waiting[0])?;
        }
        Ok(())
    }

    /// Seals a run that is full, unless that is done already. With `keeping` held.
    fn seal(&self, columns: &Arc<RwLock<Columns>>) -> Result<(), RunsError> {
        let waits = |shown: &Shown| {
            let mut waiting = shown.columns.iter();
            waiting.position(|waiting| Arc::ptr_eq(waiting, columns))
        };
        if waits(&read(&self.shown)).is_none() {
            return Ok(());
        }
        let sealed = {
            let columns = read(columns);
            let path = run_path(&read(&self.folder), columns.head.index);
            let mut writer = Writer::create(&path, columns.head)?;
            columns.each_part(&mut |part| writer.push(part))?;
            writer.finish()?
        };
        let mut shown = write(&self.shown);
        if let Some(at) = waits(&shown) {
            shown.columns.remove(at);
            Arc::make_mut(&mut shown.sealed).push(Arc::new(sealed));
        }
        Ok(())
    }
}
