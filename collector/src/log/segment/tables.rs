//! The tables of a segment file, and each transaction on them.

use std::collections::HashMap;

use fastbloom::BloomFilter;
use redb::{Database, ReadTransaction, ReadableTableMetadata, TableDefinition};
use shared::ids::EventId;

use crate::log::block::IdKey;
use crate::log::record::{Seq, WorkspaceId};

/// Key: the block's first seq. Value: the block, see `block`.
pub(super) const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks_v1");
/// Key: a property's name. Value: its number. `first_seq` from the start; `last_seq`, `records`,
/// `last_received` (milliseconds) and `filter_hashes` once sealed; `store` and `opening` of its
/// lineage, where it has one.
pub(super) const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about_v1");
/// Key: the first id of a chunk. Value: its ids, sorted, each 24 bytes: the id key (see
/// [`id_bytes`]), then how far its seq lies behind the segment's first (u32, big-endian).
pub(super) const IDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("ids_v1");
/// Key: 0. Value: the filter over the ids, its words little-endian.
const FILTER: TableDefinition<'_, u8, &[u8]> = TableDefinition::new("filter_v1");

/// Ids in one row of [`IDS`]: 6 KB, two pages.
pub(super) const CHUNK_IDS: usize = 256;
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
    sorted: &[[u8; 24]],
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
            ids.insert(&chunk[0][..20], chunk.as_flattened())?;
        }
        transaction
            .open_table(FILTER)?
            .insert(0, words.as_slice())?;
        let mut about = transaction.open_table(ABOUT)?;
        about.insert("filter_hashes", u64::from(filter.num_hashes()))?;
        about.insert("last_received", last_received.cast_unsigned())?;
        about.insert("records", sorted.len() as u64)?;
        about.insert("last_seq", last.0)?;
    }
    transaction.commit()?;
    Ok(())
}

/// The last seq, the latest arrival and the filter, where that is recent enough to be wanted; `None`
/// where the segment is not sealed.
pub(super) fn read_seal(
    transaction: &ReadTransaction,
    since: i64,
) -> Result<Option<(u64, u64, Option<BloomFilter>)>, redb::Error> {
    let about = transaction.open_table(ABOUT)?;
    let number = |name: &str| -> Result<u64, redb::Error> {
        Ok(about.get(name)?.map_or(0, |value| value.value()))
    };
    let Some(last) = about.get("last_seq")? else {
        return Ok(None);
    };
    if transaction.open_table(BLOCKS)?.is_empty()? {
        return Err(redb::Error::Corrupted("the blocks are missing".into()));
    }
    let last_received = number("last_received")?;
    if last_received.cast_signed() < since {
        return Ok(Some((last.value(), last_received, None)));
    }
    let filter = transaction.open_table(FILTER)?;
    let Some(words) = filter.get(0)? else {
        return Err(redb::Error::Corrupted("the filter is missing".into()));
    };
    let (words, _) = words.value().as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let hashes = u32::try_from(number("filter_hashes")?).unwrap_or(1).max(1);
    let filter = BloomFilter::from_vec(words)
        .seed(&FILTER_SEED)
        .hashes(hashes);
    Ok(Some((last.value(), last_received, Some(filter))))
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

pub(super) fn sort_ids(ids: &HashMap<IdKey, Seq>, first: Seq) -> Vec<[u8; 24]> {
    let mut sorted: Vec<[u8; 24]> = ids
        .iter()
        .map(|(key, seq)| {
            let mut id = [0; 24];
            id[..20].copy_from_slice(&id_bytes(key));
            // A segment rotates long before it holds 2^32 records.
            id[20..].copy_from_slice(
                &u32::try_from(seq.0 - first.0)
                    .unwrap_or(u32::MAX)
                    .to_be_bytes(),
            );
            id
        })
        .collect();
    sorted.sort_unstable();
    sorted
}

/// Workspace (big-endian), then the id: so that byte order is key order.
pub(super) fn id_bytes((WorkspaceId(workspace), id): &IdKey) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&workspace.to_be_bytes());
    bytes[4..].copy_from_slice(EventId::as_bytes(id));
    bytes
}
