//! One view: its rows in memory, and the file behind them, to which checkpoints write what has changed together
//! with the cursor. What is lost with the memory is folded again from the last checkpoint.
//!
//! - `delta`: how changes are written
//! - `file`: the file and what lies in it
//! - `load`: reading all of it
//! - `checkpoint`: writing what has changed

mod checkpoint;
mod delta;
mod file;
#[cfg(test)]
pub(super) mod held;
mod load;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::columns::Column;
use super::error::ViewError;
use super::memory::Room;
use super::numbers::{Numbers, Stretch};
use super::owed::{Building, Owed};
use super::pages::Pages;
use super::rows::{Rows, State};
use super::view::Plan;
use super::{Dump, DumpedRows, layer::Layer, ordered};
use crate::locks::lock;
use crate::record::Seq;

use file::File;
pub(crate) use file::{Identity, copy_fresh, cursor_of, edition_of, numbers_any, remove};

/// See above.
pub(crate) struct Shelf {
    plan: &'static Plan,
    pub(crate) numbers: Vec<Numbers>,
    pub(crate) rows: Rows,
    /// The last seq that the rows reflect.
    cursor: Seq,
    /// The fold's clock there, in milliseconds since 1970; the start of time before any record.
    now: i64,
    /// It is built anew, behind the others, until it has caught up with them.
    beside: bool,
    owed: Owed,
    file: Arc<Mutex<File>>,
}

/// What a checkpoint writes: the rows as they were at one cursor.
pub(crate) struct Captured {
    cursor: Seq,
    now: i64,
    /// Of each book of numbers what is new, in whole pages.
    numbers: Vec<Vec<Stretch>>,
    /// Nothing of what rows were before may be left in a table of the file.
    purges: bool,
    pages: Vec<Pages>,
    tables: Vec<ordered::CapturedTable>,
    file: Arc<Mutex<File>>,
}

/// What a checkpoint has written.
pub(crate) struct Written {
    tables: Vec<(Layer, Arc<ordered::Base>)>,
}

impl Shelf {
    /// Opens a view's file, or starts a new one where there is none.
    ///
    /// # Errors
    /// [`ViewError::Damaged`] where it cannot be used, or is of another version or identity;
    /// [`ViewError::Storage`] where it cannot be read or written at all, or is open elsewhere.
    pub(crate) fn open(
        path: &Path,
        plan: &'static Plan,
        identity: Identity,
        room: &Room,
    ) -> Result<Self, ViewError> {
        let (file, loaded) = File::open(path, plan, identity, room)?;
        Ok(Self {
            plan,
            numbers: loaded.numbers,
            rows: loaded.rows,
            cursor: file.cursor,
            now: loaded.now,
            beside: false,
            owed: Owed::default(),
            file: Arc::new(Mutex::new(file)),
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.plan.name
    }

    pub(crate) fn cursor(&self) -> Seq {
        self.cursor
    }

    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    /// Its file has been renamed.
    pub(crate) fn is_at(&self, path: PathBuf) {
        lock(&self.file).path = path;
    }

    /// What the file says of itself.
    pub(crate) fn identity(&self) -> Identity {
        lock(&self.file).identity
    }

    /// The rows reflect what is up to here.
    pub(crate) fn advance(&mut self, cursor: Seq, now: i64) {
        self.cursor = self.cursor.max(cursor);
        self.now = self.now.max(now);
    }

    pub(crate) fn is_beside(&self) -> bool {
        self.beside
    }

    /// It is behind the others, which are read up to `reached`.
    pub(crate) fn set_beside(&mut self, reached: Seq) {
        self.beside = true;
        self.owed.raise(reached);
    }

    /// It is one of the others where it has come as far as they.
    pub(crate) fn join(&mut self, reached: Seq) {
        self.beside &= self.cursor < reached;
    }

    /// It is one of the others: there is nothing between it and them.
    pub(crate) fn join_at(&mut self, reached: Seq) {
        if self.beside {
            self.advance(reached, self.now);
            self.beside = false;
        }
    }

    /// How many rows have changed since the last checkpoint.
    pub(crate) fn changed(&self) -> usize {
        self.rows.changed() + self.numbers.iter().map(Numbers::fresh).sum::<usize>()
    }

    /// Whether the file reflects all that the rows do.
    pub(crate) fn is_written(&self) -> bool {
        self.changed() == 0 && lock(&self.file).cursor == self.cursor
    }

    /// From now on nobody reads them before they reflect this record.
    pub(crate) fn owe(&self, seq: Seq) {
        self.owed.raise(seq);
    }

    pub(crate) fn owe_nothing(&self) {
        self.owed.settle();
    }

    /// How far they are where they are not to be read yet.
    pub(crate) fn building(&self) -> Option<Building> {
        if self.rows.state.is_spoilt() {
            // It is begun anew at once.
            return Some(Building::of_nothing(self.cursor));
        }
        self.owed.from(self.cursor)
    }

    /// Whether reading has shown that the file holds something else than was written.
    pub(crate) fn is_spoilt(&self) -> bool {
        self.rows.state.is_spoilt()
    }

    /// Notes what a piece of work on it came to: damage is the file's.
    pub(crate) fn heed<T>(&self, worked: Result<T, ViewError>) -> Result<T, ViewError> {
        if let Err(ViewError::Damaged(_)) = &worked {
            self.rows.state.spoil();
        }
        worked
    }

    /// Begins it anew with an empty file at `path`, where its own lies, beside the others, which are read up to
    /// `reached`. Returns what it was: letting go of its memory takes time.
    ///
    /// # Errors
    /// [`ViewError::Storage`].
    pub(crate) fn begin_anew(
        &mut self,
        path: &Path,
        reached: Seq,
        room: &Room,
    ) -> Result<Self, ViewError> {
        remove(path)?;
        let mut new = Self::open(path, self.plan, self.identity(), room)?;
        new.rows.state = Arc::new(State::anew());
        new.owed = std::mem::take(&mut self.owed);
        new.set_beside(reached);
        Ok(std::mem::replace(self, new))
    }

    /// About how many bytes of memory it takes beside its rows by number, in full: its file's cache counts as full.
    pub(crate) fn fixed_memory(&self, room: &Room) -> usize {
        let numbers = self.numbers.iter().map(Numbers::memory);
        let columns = self.rows.columns.iter().map(Column::memory);
        let tables = self.rows.tables.iter().map(ordered::Ordered::memory);
        numbers.chain(columns).chain(tables).sum::<usize>() + room.of_file(self.plan)
    }

    /// Takes what a checkpoint is to write. Must be followed by [`Self::written`] before the next; where the
    /// writing fails, the shelf must be opened again.
    pub(crate) fn capture(&mut self) -> Captured {
        let numbers = self.numbers.iter_mut();
        Captured {
            cursor: self.cursor,
            now: self.now,
            numbers: numbers
                .map(|numbers| numbers.take_fresh(file::NUMBERS_IN_PAGE))
                .collect(),
            purges: std::mem::take(&mut self.rows.purges),
            pages: self.rows.pages.iter_mut().map(Pages::capture).collect(),
            tables: self
                .rows
                .tables
                .iter_mut()
                .map(ordered::Ordered::capture)
                .collect(),
            file: Arc::clone(&self.file),
        }
    }

    pub(crate) fn written(&mut self, written: Written) {
        for (table, (changed, base)) in self.rows.tables.iter_mut().zip(written.tables) {
            table.written(changed, base);
        }
    }

    /// Every row, under the names of the plan; equal for equal folds, however often and when they were
    /// written.
    pub(crate) fn dump(&self, dump: &mut Dump) -> Result<(), redb::Error> {
        for (numbers, name) in self.numbers.iter().zip(self.plan.numbers) {
            let each = (0_u32..)
                .zip(numbers.each())
                .map(|(number, (workspace, digest))| {
                    let row = [&workspace.0.to_be_bytes()[..], &digest].concat();
                    (number.to_be_bytes().to_vec(), row)
                });
            dump.insert(name, each.collect());
        }
        for (pages, name) in self.rows.pages.iter().zip(self.plan.pages) {
            let mut rows = DumpedRows::new();
            pages.each(0..pages.rows(), |number, row| {
                if !row.is_empty() {
                    rows.push((number.to_be_bytes().to_vec(), row.to_vec()));
                }
            })?;
            dump.insert(name, rows);
        }
        for (table, name) in self.rows.tables.iter().zip(self.plan.tables) {
            dump.insert(name, delta::dump_table(table)?);
        }
        let about = [("cursor", self.cursor.0), ("now", self.now.cast_unsigned())];
        let about =
            about.map(|(key, value)| (key.as_bytes().to_vec(), value.to_be_bytes().to_vec()));
        dump.insert(self.name(), about.to_vec());
        Ok(())
    }
}

impl Captured {
    /// Writes it, durably. Needs no lock on the rows.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`]: the file is as before.
    pub(crate) fn write(&self) -> Result<Written, ViewError> {
        lock(&self.file).write(self)
    }
}
