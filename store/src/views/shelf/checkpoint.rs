//! Writing a checkpoint: one durable transaction, see `file`.

use redb::{Durability, WriteTransaction};

use super::delta::{self, put_number};
use super::file::{
    ABOUT, CHUNK, CHUNKS, DELTAS, File, NUMBER_BYTES, NUMBERS, NUMBERS_IN_PAGE, OF_PAGES,
    OF_TABLES, by_key,
};
use super::{Captured, Written};
use crate::views::error::ViewError;
use crate::views::layer::Layer;
use crate::views::pages::Pages;
use crate::views::view::Plan;

/// Bytes in a piece of a chunk and of a delta: with their keys they fill 16 and 64 KB of redb's pages.
const CHUNK_PIECE: usize = 16 * 1_024 - 80;
const DELTA_PIECE: usize = 64 * 1_024 - 80;
/// The rows by key go into their tables once so many have changed,
const SETTLE_ROWS: usize = 150_000;
/// or so many bytes of them,
const SETTLE_BYTES: usize = 32 * 1_024 * 1_024;
/// or after so many checkpoints, so that a start reads few deltas.
const SETTLE_DELTAS: u64 = 64;

impl File {
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
            let budget = if captured.purges {
                usize::MAX
            } else {
                let pages = delta::of_pages(&captured.pages)?;
                write_delta(&transaction, OF_PAGES, number, &pages)?;
                pages.len() / 2
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
        if captured.purges
            && let Err(error) = self.renew()
        {
            tracing::error!(%error, "the file of a view holds what was erased in pages that are free; the next erasure writes it anew again");
        }
        let bases = self.bases().map_err(&doing)?;
        Ok(Written {
            tables: changed.into_iter().zip(bases).collect(),
        })
    }
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
        let bytes = whole_chunk(&captured.pages[*book], *chunk, number)?;
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

fn whole_chunk(pages: &Pages, chunk: usize, number: u64) -> Result<Vec<u8>, redb::Error> {
    let mut bytes = number.to_le_bytes().to_vec();
    let mut end = bytes.len();
    pages.each(chunk * CHUNK..(chunk + 1) * CHUNK, |_, row| {
        put_number(&mut bytes, row.len() as u64);
        bytes.extend_from_slice(row);
        if !row.is_empty() {
            end = bytes.len();
        }
    })?;
    bytes.truncate(end);
    Ok(bytes)
}
