//! The tables of a segment file, and each transaction on them.

use redb::{Database, ReadTransaction, TableDefinition};

use super::pieces::{self, Blocks};
use crate::journal::block::Packed;
use crate::record::Seq;

/// Key: the block's first seq. Value: the block, see `block`. Read, and written no more: what comes behind such
/// blocks lies in the next table.
pub(super) const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks_v1");
/// Key: the block's first seq, and a piece's place in it. Value: the piece, see `pieces`.
pub(super) const PIECES: TableDefinition<'_, (u64, u16), &[u8]> = TableDefinition::new("pieces_v1");
/// Key: a property's name. Value: its number. `first_seq` from the start; `closed_last_seq` and
/// `last_received` (milliseconds) once sealed; `store` and `opening` of its lineage, where it has one.
///
/// Earlier versions wrote `last_seq`, later `sealed_last_seq`, each with lists of the segment's ids in
/// tables of their own (`ids_v1`, `ids_v2`, filters beside them), which nobody reads any more. A misar
/// of such a time takes a newer sealed segment for one that was never sealed, and reads its blocks.
pub(super) const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about_v1");
const LAST_SEQ: &str = "closed_last_seq";
/// The newest first.
const OLD_LAST_SEQS: [&str; 2] = ["sealed_last_seq", "last_seq"];

pub(super) fn insert_blocks(database: &Database, blocks: &[Packed]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(PIECES)?;
        for block in blocks {
            pieces::insert(&mut table, block.first, &block.bytes)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Adds one block to a file that is not in use yet: it is synced when it is sealed.
pub(super) fn insert_block(
    database: &Database,
    first: Seq,
    bytes: &[u8],
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(redb::Durability::None)?;
    pieces::insert(&mut transaction.open_table(PIECES)?, first, bytes)?;
    transaction.commit()?;
    Ok(())
}

pub(super) fn drop_blocks_after(database: &Database, last: Seq) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction
        .open_table(BLOCKS)?
        .retain(|first, _| first <= last.0)?;
    transaction
        .open_table(PIECES)?
        .retain(|(first, _), _| first <= last.0)?;
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
        transaction.open_table(PIECES)?;
    }
    transaction.commit()?;
    Ok(())
}

pub(super) fn write_seal(
    database: &Database,
    last: Seq,
    last_received: i64,
) -> Result<(), redb::Error> {
    set_about(
        database,
        &[
            ("last_received", last_received.cast_unsigned()),
            (LAST_SEQ, last.0),
        ],
    )
}

/// What the seal of a segment says.
pub(super) struct Seal {
    pub(super) last: u64,
    /// Milliseconds since 1970.
    pub(super) last_received: u64,
}

/// Reads the seal; `None` where the segment is not sealed.
pub(super) fn read_seal(transaction: &ReadTransaction) -> Result<Option<Seal>, redb::Error> {
    let about = transaction.open_table(ABOUT)?;
    let number = |name: &str| -> Result<Option<u64>, redb::Error> {
        Ok(about.get(name)?.map(|value| value.value()))
    };
    let mut last = number(LAST_SEQ)?;
    for name in OLD_LAST_SEQS {
        if last.is_none() {
            last = number(name)?;
        }
    }
    let Some(last) = last else {
        return Ok(None);
    };
    if Blocks::of(transaction)?.is_empty()? {
        return Err(redb::Error::Corrupted("the blocks are missing".into()));
    }
    let last_received = number("last_received")?.unwrap_or(0);
    Ok(Some(Seal {
        last,
        last_received,
    }))
}

/// Writes a segment as versions did from before ids had senders.
#[cfg(test)]
pub(crate) mod old {
    use super::*;

    /// Makes the file; sealed, where `sealed` is true.
    pub(crate) fn write_segment(
        path: &std::path::Path,
        first: Seq,
        blocks: &[Packed],
        last_received: i64,
        sealed: bool,
    ) {
        let database = Database::create(path).unwrap();
        set_about(&database, &[("first_seq", first.0)]).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.delete_table(PIECES).unwrap();
        for block in blocks {
            let mut table = transaction.open_table(BLOCKS).unwrap();
            table.insert(block.first.0, block.bytes.as_slice()).unwrap();
        }
        transaction.commit().unwrap();
        if sealed {
            let numbers = [
                ("last_received", last_received.cast_unsigned()),
                ("last_seq", blocks.last().unwrap().last.0),
            ];
            set_about(&database, &numbers).unwrap();
        }
        database.close().unwrap();
    }
}
