//! The tables of a segment file, and each transaction on them.

use std::collections::HashMap;

use fastbloom::BloomFilter;
use redb::{
    Database, ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition, TableError,
};

use crate::record::Seq;
use crate::record::identity::{FactKind, IdKey, Seen};

/// Key: the block's first seq. Value: the block, see `block`.
pub(super) const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks_v1");
/// Key: a property's name. Value: its number. `first_seq` from the start; `sealed_last_seq`,
/// `records`, `last_received` (milliseconds) and `filter_hashes` once sealed; `store` and `opening` of
/// its lineage, where it has one. Segments from before ids had senders have `last_seq` instead of
/// `sealed_last_seq`: a misar of that time takes a newer sealed segment for one that was never sealed,
/// reads its blocks, and says that they are newer.
pub(super) const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about_v1");
const SEALED_LAST_SEQ: &str = "sealed_last_seq";
const OLD_LAST_SEQ: &str = "last_seq";
/// Key: the first id of a chunk (see [`id_bytes`]). Value: its ids, sorted, each [`LISTED`] bytes:
/// the id key, the type ([`FactKind::code`]), then how far its seq lies behind the segment's first
/// (u32, big-endian).
const IDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("ids_v2");
/// Key: 0. Value: the filter over the ids, its words little-endian.
const FILTER: TableDefinition<'_, u8, &[u8]> = TableDefinition::new("filter_v2");
/// As [`IDS`], without senders and types: each id [`OLD_LISTED`] bytes, the workspace (big-endian),
/// the id, how far its seq lies behind.
const OLD_IDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("ids_v1");
/// As [`FILTER`], over workspace and id.
const OLD_FILTER: TableDefinition<'_, u8, &[u8]> = TableDefinition::new("filter_v1");

/// Bytes of an id in [`IDS`] and of the part that sorts, and of both in [`OLD_IDS`].
const LISTED: usize = KEY + 5;
const KEY: usize = 21;
const OLD_LISTED: usize = OLD_KEY + 4;
const OLD_KEY: usize = 20;

/// How the ids of a sealed segment are listed, and what its filter is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    /// Workspace and id: sender and type stand in the record alone. Read and never written.
    Old,
    /// With sender and type.
    Current,
}

/// Ids in one row of [`IDS`]: 6.5 KB, two pages.
const CHUNK_IDS: usize = 256;
/// One id in ten thousand costs a needless look-up; 19 bits an id. The writer asks each segment of the
/// window for each event, so these add up.
const FILTER_FALSE_POSITIVES: f64 = 0.0001;
const FILTER_SEED: u128 = 0x6d69_7361_722d_6c6f_672d_6669_6c74_6572;

pub(super) fn insert_blocks(
    database: &Database,
    blocks: &[(Seq, Vec<u8>)],
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(BLOCKS)?;
        for (first, block) in blocks {
            table.insert(first.0, block.as_slice())?;
        }
    }
    transaction.commit()?;
    Ok(())
}

pub(super) fn drop_blocks_after(database: &Database, last: Seq) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction
        .open_table(BLOCKS)?
        .retain(|first, _| first <= last.0)?;
    transaction.commit()?;
    Ok(())
}

pub(super) fn set_about(database: &Database, values: &[(&str, u64)]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut about = transaction.open_table(ABOUT)?;
        for (name, value) in values {
            about.insert(name, value)?;
        }
        transaction.open_table(BLOCKS)?;
    }
    transaction.commit()?;
    Ok(())
}

pub(super) fn write_seal(
    database: &Database,
    sorted: &[[u8; LISTED]],
    filter: &BloomFilter,
    last: Seq,
    last_received: i64,
) -> Result<(), redb::Error> {
    let words: Vec<u8> = filter
        .as_slice()
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let transaction = database.begin_write()?;
    {
        let mut ids = transaction.open_table(IDS)?;
        for chunk in sorted.chunks(CHUNK_IDS) {
            ids.insert(&chunk[0][..KEY], chunk.as_flattened())?;
        }
        transaction
            .open_table(FILTER)?
            .insert(0, words.as_slice())?;
        let mut about = transaction.open_table(ABOUT)?;
        about.insert("filter_hashes", u64::from(filter.num_hashes()))?;
        about.insert("last_received", last_received.cast_unsigned())?;
        about.insert("records", sorted.len() as u64)?;
        about.insert(SEALED_LAST_SEQ, last.0)?;
    }
    transaction.commit()?;
    Ok(())
}

/// What the seal of a segment says.
pub(super) struct Seal {
    pub(super) last: u64,
    /// Milliseconds since 1970.
    pub(super) last_received: u64,
    pub(super) listing: Listing,
    /// Where events arrived recently enough for it to be wanted.
    pub(super) filter: Option<BloomFilter>,
}

/// Reads the seal, the filter only where events arrived at or after `since`; `None` where the segment
/// is not sealed.
pub(super) fn read_seal(
    transaction: &ReadTransaction,
    since: i64,
) -> Result<Option<Seal>, redb::Error> {
    let about = transaction.open_table(ABOUT)?;
    let number = |name: &str| -> Result<Option<u64>, redb::Error> {
        Ok(about.get(name)?.map(|value| value.value()))
    };
    let (last, listing, table) = match (number(SEALED_LAST_SEQ)?, number(OLD_LAST_SEQ)?) {
        (Some(last), _) => (last, Listing::Current, FILTER),
        (None, Some(last)) => (last, Listing::Old, OLD_FILTER),
        (None, None) => return Ok(None),
    };
    if transaction.open_table(BLOCKS)?.is_empty()? {
        return Err(redb::Error::Corrupted("the blocks are missing".into()));
    }
    let last_received = number("last_received")?.unwrap_or(0);
    let mut seal = Seal {
        last,
        last_received,
        listing,
        filter: None,
    };
    if last_received.cast_signed() < since {
        return Ok(Some(seal));
    }
    let filter = transaction.open_table(table)?;
    let Some(words) = filter.get(0)? else {
        return Err(redb::Error::Corrupted("the filter is missing".into()));
    };
    let (words, _) = words.value().as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let hashes = number("filter_hashes")?.and_then(|hashes| u32::try_from(hashes).ok());
    let filter = BloomFilter::from_vec(words)
        .seed(&FILTER_SEED)
        .hashes(hashes.unwrap_or(1).max(1));
    seal.filter = Some(filter);
    Ok(Some(seal))
}

pub(super) fn filter_over<'a>(ids: impl ExactSizeIterator<Item = &'a IdKey>) -> BloomFilter {
    let mut filter = BloomFilter::with_false_pos(FILTER_FALSE_POSITIVES)
        .seed(&FILTER_SEED)
        .expected_items(ids.len().max(1));
    for id in ids {
        filter.insert(&id_bytes(id));
    }
    filter
}

/// Whether a filter of this listing says that the id may be there.
pub(super) fn may_hold(filter: &BloomFilter, listing: Listing, key: &IdKey) -> bool {
    match listing {
        Listing::Current => filter.contains(&id_bytes(key)),
        Listing::Old => filter.contains(&old_id_bytes(key)),
    }
}

/// What a list of ids says of one.
pub(super) enum Listed {
    Seen(Seen),
    /// The list does not say who sent it: that stands in the record alone.
    At(Seq),
}

/// Looks an id up in the list of a sealed segment; `first` is the segment's first seq. Which list
/// there is, the file says: it may have been replaced a moment ago.
pub(super) fn find_listed(
    transaction: &ReadTransaction,
    key: &IdKey,
    first: Seq,
) -> Result<Option<Listed>, redb::Error> {
    match transaction.open_table(IDS) {
        Ok(table) => {
            let Some(id) = find_row::<LISTED>(&table, &id_bytes(key))? else {
                return Ok(None);
            };
            let kind = FactKind::of_code(id[KEY]).ok_or_else(|| {
                redb::Error::Corrupted("an id has a type that only a newer misar knows".into())
            })?;
            let seq = behind(first, [id[KEY + 1], id[KEY + 2], id[KEY + 3], id[KEY + 4]]);
            Ok(Some(Listed::Seen(Seen { seq, kind })))
        }
        Err(TableError::TableDoesNotExist(_)) => {
            let table = transaction.open_table(OLD_IDS)?;
            let id = find_row::<OLD_LISTED>(&table, &old_id_bytes(key))?;
            Ok(id.map(|id| Listed::At(behind(first, [id[20], id[21], id[22], id[23]]))))
        }
        Err(error) => Err(error.into()),
    }
}

/// The row of `WIDTH` bytes that begins with `wanted`.
fn find_row<const WIDTH: usize>(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    wanted: &[u8],
) -> Result<Option<[u8; WIDTH]>, redb::Error> {
    let Some(row) = table.range::<&[u8]>(..=wanted)?.next_back() else {
        return Ok(None);
    };
    let (_, chunk) = row?;
    let (ids, _) = chunk.value().as_chunks::<WIDTH>();
    let found = ids.binary_search_by(|id| id[..wanted.len()].cmp(wanted));
    Ok(found.ok().map(|at| ids[at]))
}

/// Whether the list on disk is one of exactly these ids.
pub(super) fn lists_exactly(
    transaction: &ReadTransaction,
    ids: &HashMap<IdKey, Seen>,
    first: Seq,
) -> Result<bool, redb::Error> {
    match transaction.open_table(IDS) {
        Ok(table) => is_list(&table, &sort_ids(ids, first)),
        Err(TableError::TableDoesNotExist(_)) => {
            let table = transaction.open_table(OLD_IDS)?;
            is_list(&table, &sort_old_ids(ids, first))
        }
        Err(error) => Err(error.into()),
    }
}

fn is_list<const WIDTH: usize>(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    sorted: &[[u8; WIDTH]],
) -> Result<bool, redb::Error> {
    let mut rows = table.iter()?;
    for chunk in sorted.chunks(CHUNK_IDS) {
        let Some(row) = rows.next() else {
            return Ok(false);
        };
        if row?.1.value() != chunk.as_flattened() {
            return Ok(false);
        }
    }
    Ok(rows.next().is_none())
}

pub(super) fn sort_ids(ids: &HashMap<IdKey, Seen>, first: Seq) -> Vec<[u8; LISTED]> {
    let mut sorted: Vec<[u8; LISTED]> = ids
        .iter()
        .map(|(key, seen)| {
            let mut id = [0; LISTED];
            id[..KEY].copy_from_slice(&id_bytes(key));
            id[KEY] = seen.kind.code();
            id[KEY + 1..].copy_from_slice(&distance(first, seen.seq));
            id
        })
        .collect();
    sorted.sort_unstable();
    sorted
}

fn sort_old_ids(ids: &HashMap<IdKey, Seen>, first: Seq) -> Vec<[u8; OLD_LISTED]> {
    let mut sorted: Vec<[u8; OLD_LISTED]> = ids
        .iter()
        .map(|(key, seen)| {
            let mut id = [0; OLD_LISTED];
            id[..OLD_KEY].copy_from_slice(&old_id_bytes(key));
            id[OLD_KEY..].copy_from_slice(&distance(first, seen.seq));
            id
        })
        .collect();
    sorted.sort_unstable();
    sorted
}

fn distance(first: Seq, seq: Seq) -> [u8; 4] {
    // A segment rotates long before it holds 2^32 records.
    u32::try_from(seq.0 - first.0)
        .unwrap_or(u32::MAX)
        .to_be_bytes()
}

fn behind(first: Seq, distance: [u8; 4]) -> Seq {
    Seq(first.0 + u64::from(u32::from_be_bytes(distance)))
}

/// Workspace (big-endian), sender, then the id: so that byte order is key order.
fn id_bytes(key: &IdKey) -> [u8; KEY] {
    let mut bytes = [0; KEY];
    bytes[..4].copy_from_slice(&key.workspace.0.to_be_bytes());
    bytes[4] = key.sender.code();
    bytes[5..].copy_from_slice(key.id.as_bytes());
    bytes
}

/// Workspace (big-endian), then the id.
pub(super) fn old_id_bytes(key: &IdKey) -> [u8; OLD_KEY] {
    let mut bytes = [0; OLD_KEY];
    bytes[..4].copy_from_slice(&key.workspace.0.to_be_bytes());
    bytes[4..].copy_from_slice(key.id.as_bytes());
    bytes
}

/// Writes a segment as it was before ids had senders.
#[cfg(test)]
pub(crate) mod old {
    use super::*;

    /// Makes the file; sealed, where `sealed` is true. `ids` are those of the blocks.
    pub(crate) fn write_segment(
        path: &std::path::Path,
        first: Seq,
        blocks: &[(Seq, Vec<u8>)],
        ids: &HashMap<IdKey, Seen>,
        last_received: i64,
        sealed: bool,
    ) {
        let database = Database::create(path).unwrap();
        set_about(&database, &[("first_seq", first.0)]).unwrap();
        insert_blocks(&database, blocks).unwrap();
        if sealed {
            let sorted = sort_old_ids(ids, first);
            let mut filter = BloomFilter::with_false_pos(FILTER_FALSE_POSITIVES)
                .seed(&FILTER_SEED)
                .expected_items(ids.len());
            ids.keys().for_each(|key| {
                filter.insert(&old_id_bytes(key));
            });
            let words: Vec<u8> = filter
                .as_slice()
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .collect();
            let transaction = database.begin_write().unwrap();
            {
                let mut table = transaction.open_table(OLD_IDS).unwrap();
                for chunk in sorted.chunks(CHUNK_IDS) {
                    let key = &chunk[0][..OLD_KEY];
                    table.insert(key, chunk.as_flattened()).unwrap();
                }
                let mut table = transaction.open_table(OLD_FILTER).unwrap();
                table.insert(0, words.as_slice()).unwrap();
                let mut about = transaction.open_table(ABOUT).unwrap();
                for (name, value) in [
                    ("filter_hashes", u64::from(filter.num_hashes())),
                    ("last_received", last_received.cast_unsigned()),
                    ("records", sorted.len() as u64),
                    (OLD_LAST_SEQ, first.0 + sorted.len() as u64 - 1),
                ] {
                    about.insert(name, value).unwrap();
                }
            }
            transaction.commit().unwrap();
        }
        database.close().unwrap();
    }
}
