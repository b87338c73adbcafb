//! A view's file. A checkpoint is one durable transaction: what has changed as a delta, part of the rows by
//! number in full (so that older deltas can go), now and then the rows by key into their tables, and the
//! cursor. It writes about one and a half times what has changed, however many rows there are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _,
    TableDefinition, WriteTransaction,
};

use super::delta::{self, Bad, Reader, put_number};
use super::{Captured, Written};
use crate::files;
use crate::record::{Seq, WorkspaceId};
use crate::views::error::ViewError;
use crate::views::layer::Layer;
use crate::views::numbers::Numbers;
use crate::views::ordered::{Base, Ordered};
use crate::views::pages::Pages;
use crate::views::rows::Rows;
use crate::views::view::Plan;

/// Key: `format`, `version`, `settings`, `edition`, see [`Identity`]; `cursor`, the last seq that the file
/// reflects; `now`, the fold's clock there; `delta`, the number of the last checkpoint; `settled`, the
/// last whose rows by key are in their tables.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about_v2");
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
const OF_PAGES: u8 = 0;
const OF_TABLES: u8 = 1;

/// How the above is laid out; a file of another number is built anew.
const FORMAT: u64 = 1;

/// So that they fill a page of redb's, 4 KB, with their key.
pub(super) const NUMBERS_IN_PAGE: u32 = 202;
const NUMBER_BYTES: usize = 4 + 16;
/// Rows in a chunk.
const CHUNK: usize = 2_048;
/// Bytes in a piece of a chunk and of a delta: with their keys they fill 16 and 64 KB of redb's pages.
const CHUNK_PIECE: usize = 16 * 1_024 - 80;
const DELTA_PIECE: usize = 64 * 1_024 - 80;
/// The rows by key go into their tables once so many have changed,
const SETTLE_ROWS: usize = 150_000;
/// or so many bytes of them,
const SETTLE_BYTES: usize = 32 * 1_024 * 1_024;
/// or after so many checkpoints, so that a start reads few deltas.
const SETTLE_DELTAS: u64 = 64;

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
    path: PathBuf,
    plan: &'static Plan,
    database: Database,
    pub(super) identity: Identity,
    /// What the file reflects.
    pub(super) cursor: Seq,
    /// The number of the last checkpoint.
    delta: u64,
    /// The last whose rows by key are in their tables.
    settled: u64,
    /// Of each book, the checkpoint that wrote each chunk; of one that none has, the last before its first row.
    chunks: Vec<Vec<u64>>,
    /// The book and chunk that are to be written next.
    next: (usize, usize),
}

pub(super) struct Opened {
    pub(super) file: File,
    pub(super) numbers: Vec<Numbers>,
    pub(super) rows: Rows,
    pub(super) cursor: Seq,
    pub(super) now: i64,
}

impl From<Bad> for redb::Error {
    fn from(_: Bad) -> Self {
        Self::Corrupted("what was read is not what was written".into())
    }
}

impl File {
    pub(super) fn open(
        path: &Path,
        plan: &'static Plan,
        identity: Identity,
    ) -> Result<Opened, ViewError> {
        let doing = ViewError::while_doing("opening");
        let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
        let database = files::database::open_or_create_checked(path, plan.cache).map_err(&doing)?;
        if is_new {
            let edition = match identity.edition {
                Some(edition) => edition,
                None => drawn()?,
            };
            found(&database, plan, identity.settings, edition).map_err(&doing)?;
        }
        let mut file = Self {
            path: path.to_owned(),
            plan,
            database,
            identity,
            cursor: Seq::START,
            delta: 0,
            settled: 0,
            chunks: vec![Vec::new(); plan.pages.len()],
            next: (0, 0),
        };
        if !file.is_of_this_kind().map_err(&doing)? {
            let path = file.path.display();
            return Err(ViewError::Damaged(format!(
                "{path} is of another version, or of other settings"
            )));
        }
        let (numbers, rows, now) = file.load().map_err(&doing)?;
        Ok(Opened {
            cursor: file.cursor,
            now,
            numbers,
            rows,
            file,
        })
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

    /// Reads everything that is kept in memory.
    fn load(&mut self) -> Result<(Vec<Numbers>, Rows, i64), redb::Error> {
        let snapshot = self.database.begin_read()?;
        let about = snapshot.open_table(ABOUT)?;
        let known = |key| -> Result<u64, redb::Error> {
            let value = about.get(key)?.map(|row| row.value());
            value.ok_or_else(|| Bad.into())
        };
        self.cursor = Seq(known("cursor")?);
        self.delta = known("delta")?;
        self.settled = known("settled")?;
        let now = known("now")?.cast_signed();
        let mut numbers: Vec<Numbers> = self
            .plan
            .numbers
            .iter()
            .map(|_| Numbers::default())
            .collect();
        for row in snapshot.open_table(NUMBERS)?.iter()? {
            let (key, page) = row?;
            let (book, page_number) = key.value();
            let numbers = numbers.get_mut(usize::from(book)).ok_or(Bad)?;
            let (each, rest) = page.value().as_chunks::<NUMBER_BYTES>();
            if numbers.count() != page_number * NUMBERS_IN_PAGE || !rest.is_empty() {
                return Err(Bad.into());
            }
            for number in each {
                let (workspace, digest) = number.split_at(4);
                let workspace = u32::from_le_bytes(workspace.try_into().map_err(|_| Bad)?);
                let digest = digest.try_into().map_err(|_| Bad)?;
                numbers.load(WorkspaceId(workspace), digest).ok_or(Bad)?;
            }
        }
        let mut rows = Rows::new(self.plan);
        self.load_pages(&snapshot, &mut rows.pages)?;
        let mut layers = vec![Layer::default(); self.plan.tables.len()];
        for_each_delta(&snapshot, OF_TABLES, |_, bytes| {
            delta::into_layers(bytes, &mut layers)
        })?;
        rows.tables = self
            .bases()?
            .into_iter()
            .zip(layers)
            .map(|(base, layer)| Ordered::opened(base, layer))
            .collect();
        Ok((numbers, rows, now))
    }

    fn load_pages(
        &mut self,
        snapshot: &redb::ReadTransaction,
        pages: &mut [Pages],
    ) -> Result<(), redb::Error> {
        let mut chunk: Option<((u8, u32), Vec<u8>)> = None;
        let mut take = |chunk: Option<((u8, u32), Vec<u8>)>| -> Result<(), Bad> {
            let Some(((book, chunk), bytes)) = chunk else {
                return Ok(());
            };
            let (book, chunk) = (usize::from(book), chunk as usize);
            let (written, bytes) = bytes.split_first_chunk().ok_or(Bad)?;
            let chunks = self.chunks.get_mut(book).ok_or(Bad)?;
            if chunks.len() <= chunk {
                chunks.resize(chunk + 1, 0);
            }
            chunks[chunk] = u64::from_le_bytes(*written);
            let mut reader = Reader(bytes);
            for row in 0..CHUNK {
                if reader.is_done() {
                    break;
                }
                let length = reader.number()?;
                let bytes = reader.bytes(length)?;
                let number = u32::try_from(chunk * CHUNK + row).map_err(|_| Bad)?;
                pages[book].put(number, bytes);
            }
            if reader.is_done() { Ok(()) } else { Err(Bad) }
        };
        for row in snapshot.open_table(CHUNKS)?.iter()? {
            let (key, piece) = row?;
            let (book, number, _) = key.value();
            match &mut chunk {
                Some((of, bytes)) if *of == (book, number) => {
                    bytes.extend_from_slice(piece.value())
                }
                other => take(other.replace(((book, number), piece.value().to_vec())))?,
            }
        }
        take(chunk)?;
        let chunks = &mut self.chunks;
        let mut oldest = None;
        for_each_delta(snapshot, OF_PAGES, |delta, bytes| {
            let before = *oldest.get_or_insert(delta) - 1;
            delta::each_row(bytes, |book, number, row| {
                let (chunks, pages) = (chunks.get_mut(book).ok_or(Bad)?, &mut pages[book]);
                let chunk = number as usize / CHUNK;
                if chunks.len() <= chunk {
                    chunks.resize(chunk + 1, before);
                }
                if chunks[chunk] < delta {
                    pages.put(number, row);
                }
                Ok(())
            })
        })?;
        // Those that were written longest ago are the next.
        let all = self.chunks.iter().enumerate().flat_map(|(book, chunks)| {
            let each = chunks.iter().enumerate();
            each.map(move |(chunk, written)| (*written, book, chunk))
        });
        self.next = all.min().map_or((0, 0), |(_, book, chunk)| (book, chunk));
        // What was read has not changed since.
        for pages in pages {
            drop(pages.capture());
        }
        Ok(())
    }

    /// Every table by key as it lies in the file now.
    fn bases(&self) -> Result<Vec<Arc<Base>>, redb::Error> {
        let snapshot = self.database.begin_read()?;
        let open = |name: &&'static str| -> Result<Arc<Base>, redb::Error> {
            let table: ReadOnlyTable<_, _> = snapshot.open_table(by_key(name))?;
            Ok(Arc::new(table))
        };
        self.plan.tables.iter().map(open).collect()
    }

    /// Writes what was captured; the file is as before where that fails.
    pub(super) fn write(&mut self, captured: &Captured) -> Result<Written, ViewError> {
        let doing = ViewError::while_doing("writing");
        let number = self.delta + 1;
        let mut settled = self.settled;
        let mut changed: Vec<Layer> = Vec::new();
        let mut write = || -> Result<(), redb::Error> {
            let mut transaction = self.database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            // So that a start after a crash need not walk the whole file.
            transaction.set_quick_repair(true);
            write_numbers(&transaction, captured)?;
            let pages = delta::of_pages(&captured.pages);
            let budget = match (captured.purges, pages.len() / 2) {
                (true, _) => usize::MAX,
                (false, half) => {
                    write_delta(&transaction, OF_PAGES, number, &pages)?;
                    half
                }
            };
            // What has changed, over what is in deltas already.
            for table in &captured.tables {
                let mut layer = table.changed.clone();
                layer.cover(&table.pending);
                changed.push(layer);
            }
            let rows: usize = changed.iter().map(Layer::rows).sum();
            let bytes: usize = changed.iter().map(Layer::bytes).sum();
            let is_due = rows > 0 && number - settled >= SETTLE_DELTAS;
            // With it every delta goes, in which rows stand as they were.
            let is_due = is_due || captured.purges;
            if rows >= SETTLE_ROWS || bytes >= SETTLE_BYTES || is_due {
                settle(&transaction, self.plan, &changed)?;
                changed = vec![Layer::default(); self.plan.tables.len()];
                settled = number;
                let mut deltas = transaction.open_table(DELTAS)?;
                deltas.retain_in((OF_TABLES, 0, 0)..=(OF_TABLES, number, u32::MAX), |_, _| {
                    false
                })?;
            } else {
                let pending = captured.tables.iter().map(|table| &table.pending);
                write_delta(&transaction, OF_TABLES, number, &delta::of_tables(pending))?;
            }
            if budget > 0 {
                write_chunks(
                    &transaction,
                    captured,
                    number,
                    budget,
                    &mut self.chunks,
                    &mut self.next,
                )?;
            }
            let oldest = self
                .chunks
                .iter()
                .flatten()
                .min()
                .copied()
                .unwrap_or(number);
            let mut deltas = transaction.open_table(DELTAS)?;
            deltas.retain_in((OF_PAGES, 0, 0)..=(OF_PAGES, oldest, u32::MAX), |_, _| {
                false
            })?;
            drop(deltas);
            let mut about = transaction.open_table(ABOUT)?;
            about.insert("cursor", captured.cursor.0)?;
            about.insert("now", captured.now.cast_unsigned())?;
            about.insert("delta", number)?;
            about.insert("settled", settled)?;
            drop(about);
            transaction.commit()?;
            Ok(())
        };
        write().map_err(&doing)?;
        self.delta = number;
        self.settled = settled;
        self.cursor = captured.cursor;
        let bases = self.bases().map_err(&doing)?;
        Ok(Written {
            tables: changed.into_iter().zip(bases).collect(),
        })
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
    let transaction = database.begin_write()?;
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

fn for_each_delta(
    snapshot: &redb::ReadTransaction,
    kind: u8,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), Bad>,
) -> Result<(), redb::Error> {
    let deltas = snapshot.open_table(DELTAS)?;
    let mut whole: Option<(u64, Vec<u8>)> = None;
    for row in deltas.range((kind, 0, 0)..=(kind, u64::MAX, u32::MAX))? {
        let (key, piece) = row?;
        let (_, delta, _) = key.value();
        match &mut whole {
            Some((of, bytes)) if *of == delta => bytes.extend_from_slice(piece.value()),
            other => {
                if let Some((of, bytes)) = other.replace((delta, piece.value().to_vec())) {
                    each(of, &bytes)?;
                }
            }
        }
    }
    if let Some((of, bytes)) = whole {
        each(of, &bytes)?;
    }
    Ok(())
}

fn write_numbers(transaction: &WriteTransaction, captured: &Captured) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(NUMBERS)?;
    let books = (0..).zip(&captured.numbers);
    let stretches = books.flat_map(|(book, stretches)| stretches.iter().map(move |s| (book, s)));
    for (book, (first, numbers)) in stretches {
        let pages = numbers.chunks(NUMBERS_IN_PAGE as usize);
        for (page, numbers) in (first / NUMBERS_IN_PAGE..).zip(pages) {
            let mut bytes = Vec::with_capacity(numbers.len() * NUMBER_BYTES);
            for (workspace, digest) in numbers {
                bytes.extend_from_slice(&workspace.0.to_le_bytes());
                bytes.extend_from_slice(digest);
            }
            table.insert((book, page), bytes.as_slice())?;
        }
    }
    Ok(())
}

fn write_delta(
    transaction: &WriteTransaction,
    kind: u8,
    number: u64,
    bytes: &[u8],
) -> Result<(), redb::Error> {
    let mut deltas = transaction.open_table(DELTAS)?;
    for (piece, bytes) in (0..).zip(bytes.chunks(DELTA_PIECE)) {
        deltas.insert((kind, number, piece), bytes)?;
    }
    Ok(())
}

/// Writes what is in deltas into the tables.
fn settle(
    transaction: &WriteTransaction,
    plan: &Plan,
    changed: &[Layer],
) -> Result<(), redb::Error> {
    for (name, layer) in plan.tables.iter().zip(changed) {
        let mut table = transaction.open_table(by_key(name))?;
        for (key, change) in layer.iter() {
            match change {
                Some(row) => drop(table.insert(&**key, &**row)?),
                None => drop(table.remove(&**key)?),
            }
        }
    }
    Ok(())
}

/// Writes chunks in full, one behind the other and then from the first again, until `budget` bytes are
/// written or all have been.
fn write_chunks(
    transaction: &WriteTransaction,
    captured: &Captured,
    number: u64,
    budget: usize,
    chunks: &mut [Vec<u64>],
    (book, chunk): &mut (usize, usize),
) -> Result<(), redb::Error> {
    for (chunks, pages) in chunks.iter_mut().zip(&captured.pages) {
        let count = pages.rows().div_ceil(CHUNK);
        if chunks.len() < count {
            chunks.resize(count, number - 1);
        }
    }
    let mut table = transaction.open_table(CHUNKS)?;
    let mut written = 0;
    let all: usize = chunks.iter().map(Vec::len).sum();
    for _ in 0..all {
        while *chunk >= chunks[*book].len() {
            (*book, *chunk) = ((*book + 1) % chunks.len(), 0);
        }
        let bytes = whole_chunk(&captured.pages[*book], *chunk, number);
        let at = (*book as u8, *chunk as u32);
        let mut pieces = 0;
        for piece in bytes.chunks(CHUNK_PIECE) {
            table.insert((at.0, at.1, pieces), piece)?;
            pieces += 1;
        }
        table.retain_in((at.0, at.1, pieces)..=(at.0, at.1, u32::MAX), |_, _| false)?;
        chunks[*book][*chunk] = number;
        *chunk += 1;
        written += bytes.len();
        if written >= budget {
            break;
        }
    }
    Ok(())
}

fn whole_chunk(pages: &Pages, chunk: usize, number: u64) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    let mut end = bytes.len();
    for row in chunk * CHUNK..(chunk + 1) * CHUNK {
        let Ok(row) = u32::try_from(row) else {
            break;
        };
        let row = pages.get(row);
        put_number(&mut bytes, row.len() as u64);
        bytes.extend_from_slice(row);
        if !row.is_empty() {
            end = bytes.len();
        }
    }
    bytes.truncate(end);
    bytes
}

/// The cursor of a view at rest; at the start where it cannot be read, also because it is open. Repairs the file
/// after a crash, as opening it would; changes nothing else.
pub(crate) fn cursor_of(path: &Path) -> Seq {
    use redb::DatabaseError;
    const CACHE: usize = 1024 * 1024;
    if !files::is_taken(path) {
        return Seq::START;
    }
    let read = |snapshot: redb::ReadTransaction| -> Result<Seq, redb::Error> {
        let cursor = snapshot.open_table(ABOUT)?.get("cursor")?;
        Ok(cursor.map_or(Seq::START, |row| Seq(row.value())))
    };
    let cursor = || -> Result<Seq, redb::Error> {
        match files::database::open_to_read(path, CACHE) {
            Ok(database) => read(database.begin_read()?),
            Err(DatabaseError::RepairAborted) => {
                read(files::database::open(path, CACHE)?.begin_read()?)
            }
            Err(error) => Err(error.into()),
        }
    };
    // A damaged file can make redb panic rather than fail.
    std::panic::catch_unwind(cursor).map_or(Seq::START, |cursor| cursor.unwrap_or(Seq::START))
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
