//! A view's file. A checkpoint is one durable transaction: what has changed as a delta, part of the rows by
//! number in full (so that older deltas can go), now and then the rows by key into their tables, and the
//! cursor. It writes about one and a half times what has changed, however many rows there are. Every block of the file
//! is looked at when it is read and not before (`files::checked`), so that opening a file takes as long as its rows by
//! number are many, and no longer.
//!
//! - `load`: reading it
//! - `checkpoint`: writing it

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase as _, TableDefinition};

use super::delta::Bad;
use super::load::Loaded;
use crate::files;
use crate::record::Seq;
use crate::snapshot::{self, Snapshot};
use crate::views::error::ViewError;
use crate::views::memory::Room;
use crate::views::numbers::Digest;
use crate::views::ordered::Base;
use crate::views::view::Plan;

/// Key: `format`, `version`, `settings`, `edition`, see [`Identity`]; `cursor`, the last seq that the file
/// reflects; `now`, the fold's clock there; `delta`, the number of the last checkpoint; `settled`, the
/// last whose rows by key are in their tables.
pub(super) const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about_v2");
/// Key: place of the book in the plan, number of the page. Value: [`NUMBERS_IN_PAGE`] times workspace (u32,
/// little-endian) and digest; the last page may have less.
pub(super) const NUMBERS: TableDefinition<'_, (u8, u32), &[u8]> =
    TableDefinition::new("numbers_v1");
/// Key: place of the book in the plan, number of the chunk, piece. Value: the pieces together are the number of
/// the checkpoint that wrote them (u64, little-endian), then for each row its length (varint) and
/// bytes; rows behind the end are empty.
pub(super) const CHUNKS: TableDefinition<'_, (u8, u32, u32), &[u8]> =
    TableDefinition::new("chunks_v1");
/// Key: [`OF_PAGES`] or [`OF_TABLES`], number of the checkpoint, piece. Value: see `delta`.
pub(super) const DELTAS: TableDefinition<'_, (u8, u64, u32), &[u8]> =
    TableDefinition::new("deltas_v1");
pub(super) const OF_PAGES: u8 = 0;
pub(super) const OF_TABLES: u8 = 1;

/// How the above is laid out; a file of another number is built anew.
const FORMAT: u64 = 1;

/// So that they fill a page of redb's, 4 KB, with their key.
pub(super) const NUMBERS_IN_PAGE: u32 = 202;
pub(super) const NUMBER_BYTES: usize = 4 + 16;
/// Rows in a chunk.
pub(super) const CHUNK: usize = 2_048;

/// Under what rows were folded. Of another one they mean something else, and are built anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Digest of the settings that they depend on.
    pub(crate) settings: u64,
    /// Drawn when the numbers were begun: rows by number are of these numbers alone. `None` is that of the
    /// file, and a new one of a new file.
    pub(crate) edition: Option<u64>,
}

pub(super) struct File {
    pub(super) plan: &'static Plan,
    pub(super) database: Arc<Database>,
    /// Where it lies, also once it was renamed.
    pub(super) path: PathBuf,
    /// Of its pages, in bytes.
    cache: usize,
    pub(super) identity: Identity,
    /// What the file reflects.
    pub(super) cursor: Seq,
    /// The number of the last checkpoint.
    pub(super) delta: u64,
    /// The last whose rows by key are in their tables.
    pub(super) settled: u64,
    /// Of each book, the checkpoint that wrote each chunk; of one that none has, the last before its first row.
    pub(super) chunks: Vec<Vec<u64>>,
    /// The book and chunk that are to be written next.
    pub(super) next: (usize, usize),
}

impl From<Bad> for redb::Error {
    fn from(_: Bad) -> Self {
        Self::Corrupted("what was read is not what was written".into())
    }
}

impl File {
    /// Opens a view's file, or makes one where there is none; with what it holds.
    pub(super) fn open(
        path: &Path,
        plan: &'static Plan,
        identity: Identity,
        room: &Room,
    ) -> Result<(Self, Loaded), ViewError> {
        let doing = ViewError::while_doing("opening");
        let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
        let cache = room.of_file(plan);
        let database = files::database::open_or_create_checked(path, cache).map_err(&doing)?;
        if is_new {
            let edition = match identity.edition {
                Some(edition) => edition,
                None => drawn()?,
            };
            found(&database, plan, identity.settings, edition).map_err(&doing)?;
        }
        let mut file = Self {
            plan,
            database: Arc::new(database),
            path: path.to_owned(),
            cache,
            identity,
            cursor: Seq::START,
            delta: 0,
            settled: 0,
            chunks: vec![Vec::new(); plan.pages.len()],
            next: (0, 0),
        };
        if !file.is_of_this_kind().map_err(&doing)? {
            let path = path.display();
            return Err(ViewError::Damaged(format!(
                "{path} is of another version, or of other settings"
            )));
        }
        let loaded = file.load(room).map_err(&doing)?;
        Ok((file, loaded))
    }

    /// Learns its edition where any is right.
    fn is_of_this_kind(&mut self) -> Result<bool, redb::Error> {
        let about = self.database.begin_read()?.open_table(ABOUT)?;
        let found = about.get("edition")?.map(|row| row.value());
        let Identity { settings, edition } = self.identity;
        self.identity.edition = found;
        for (key, value) in [
            ("format", Some(FORMAT)),
            ("version", Some(self.plan.version)),
            ("settings", Some(settings)),
            ("edition", edition.or(found)),
        ] {
            if value.is_none() || about.get(key)?.map(|row| row.value()) != value {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts another file in its place that holds the same and nothing else: pages that this one has freed, and what is
    /// free in others, hold what rows were before. Whoever reads this one goes on with it.
    pub(super) fn renew(&mut self) -> Result<(), redb::Error> {
        let draft = files::draft_of(&self.path);
        let new = files::database::create_anew_checked(&draft, self.cache)?;
        snapshot::take_into(&self.database, &new, |copy| copy_all(copy, self.plan))?;
        files::rename_synced(&draft, &self.path)?;
        self.database = Arc::new(new);
        Ok(())
    }

    pub(super) fn snapshot(&self) -> Result<ReadTransaction, redb::Error> {
        Ok(self.database.begin_read()?)
    }

    /// Every table by key as it lies in the file now.
    pub(super) fn bases(&self) -> Result<Vec<Arc<Base>>, redb::Error> {
        let snapshot = self.snapshot()?;
        let open = |name: &&'static str| -> Result<Arc<Base>, redb::Error> {
            let table: ReadOnlyTable<_, _> = snapshot.open_table(by_key(name))?;
            Ok(Arc::new(Base::new(table, Arc::clone(&self.database))))
        };
        self.plan.tables.iter().map(open).collect()
    }
}

pub(super) fn by_key(name: &'static str) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

fn drawn() -> Result<u64, ViewError> {
    let drawn = getrandom::u64();
    drawn.map_err(|error| ViewError::Storage(format!("drawing a number: {error}")))
}

/// Writes what every file holds from the start.
fn found(database: &Database, plan: &Plan, settings: u64, edition: u64) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    {
        let mut about = transaction.open_table(ABOUT)?;
        for (key, value) in [
            ("format", FORMAT),
            ("version", plan.version),
            ("settings", settings),
            ("edition", edition),
            ("cursor", Seq::START.0),
            ("now", i64::MIN.cast_unsigned()),
            ("delta", 0),
            ("settled", 0),
        ] {
            about.insert(key, value)?;
        }
        transaction.open_table(NUMBERS)?;
        transaction.open_table(CHUNKS)?;
        transaction.open_table(DELTAS)?;
        for name in plan.tables {
            transaction.open_table(by_key(name))?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// The cursor of a view at rest; at the start where it cannot be read, also because it is open. Repairs the file
/// after a crash, as opening it would; changes nothing else.
pub(crate) fn cursor_of(path: &Path) -> Seq {
    told_of(path, "cursor").map_or(Seq::START, Seq)
}

/// The edition of the numbers that a view at rest is of; `None` where it cannot be read. Repairs the file likewise.
pub(crate) fn edition_of(path: &Path) -> Option<u64> {
    told_of(path, "edition")
}

/// What a file at rest says of itself.
fn told_of(path: &Path, key: &str) -> Option<u64> {
    if !files::is_taken(path) {
        return None;
    }
    let told = at_rest(path, |snapshot| {
        let value = snapshot.open_table(ABOUT)?.get(key)?;
        Ok(value.map(|row| row.value()))
    });
    told.ok()?
}

/// Whether any of these digests has a number in this book of a view at rest. Repairs the file likewise.
///
/// # Errors
/// [`ViewError::Storage`], [`ViewError::Damaged`].
pub(crate) fn numbers_any(
    path: &Path,
    book: usize,
    digests: &HashSet<Digest>,
) -> Result<bool, ViewError> {
    let numbered = at_rest(path, |snapshot| {
        let book = u8::try_from(book).map_err(|_| Bad)?;
        for row in snapshot
            .open_table(NUMBERS)?
            .range((book, 0)..=(book, u32::MAX))?
        {
            let (_, page) = row?;
            let (each, _) = page.value().as_chunks::<NUMBER_BYTES>();
            if each.iter().any(|number| digests.contains(&number[4..])) {
                return Ok(true);
            }
        }
        Ok(false)
    });
    numbered.map_err(ViewError::while_doing("looking for numbers"))
}

/// Reads a file at rest.
fn at_rest<T>(
    path: &Path,
    read: impl Fn(ReadTransaction) -> Result<T, redb::Error>,
) -> Result<T, redb::Error> {
    use redb::DatabaseError;
    const CACHE: usize = 1024 * 1024;
    let opened = || match files::database::open_checked_to_read(path, CACHE) {
        Ok(database) => read(database.begin_read()?),
        Err(DatabaseError::RepairAborted) => {
            read(files::database::open_checked(path, CACHE)?.begin_read()?)
        }
        Err(error) => Err(error.into()),
    };
    // A damaged file can make redb panic rather than fail.
    std::panic::catch_unwind(AssertUnwindSafe(opened)).unwrap_or_else(|_| Err(Bad.into()))
}

/// Writes all tables of a view's file at rest into a new one: pages that the file has freed are not in that.
///
/// # Errors
/// [`ViewError::Storage`], [`ViewError::Damaged`].
pub(crate) fn copy_fresh(from: &Path, to: &Path, plan: &Plan) -> Result<(), ViewError> {
    const CACHE: usize = 16 * 1024 * 1024;
    let copy = || -> Result<(), redb::Error> {
        let old = files::database::open_checked(from, CACHE)?;
        let new = files::database::create_anew_checked(to, CACHE)?;
        snapshot::take_into(&old, &new, |copy| copy_all(copy, plan))?;
        Ok(new.close()?)
    };
    copy().map_err(ViewError::while_doing("copying a view"))
}

fn copy_all(copy: &mut Snapshot<'_>, plan: &Plan) -> Result<(), redb::Error> {
    copy.table(ABOUT)?;
    copy.table(NUMBERS)?;
    copy.table(CHUNKS)?;
    copy.table(DELTAS)?;
    let mut tables = plan.tables.iter();
    tables.try_for_each(|name| copy.table(by_key(name)))
}

/// Deletes a file where there is one.
pub(crate) fn remove(path: &Path) -> Result<(), ViewError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ViewError::Storage(format!("deleting an old file: {error}")))
        }
        _ => Ok(()),
    }
}
