//! Blocks to check journals with.

use std::ops::ControlFlow;

use shared::ids::EventId;
use shared::time::Timestamp;

use crate::journal::block::{CommitPart, Packed, Packer};
use crate::journal::{AppendError, Journal, wait};
use crate::record::public_seq::Stamp;
use crate::record::{Address, Entry, Fact, Personal, Seq, ToldBy, WorkspaceId};

/// When everything here arrives, milliseconds since 1970.
pub const NOW: i64 = 1_790_000_000_000;

/// An event of a server's with the id and a time of this number.
pub fn entry(number: u32, fact: Fact) -> Entry {
    let mut id = [0x40; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let (id, now) = (EventId::from_bytes(id), Timestamp::from_millis(NOW));
    let told_by = ToldBy::server_with("key_test");
    Entry {
        time: Timestamp::from_millis(NOW + i64::from(number)),
        address: Some(Address {
            normalised: Personal("ada@example.com".into()),
            original: None,
            older: None,
        }),
        ..Entry::new(WorkspaceId(1), id, told_by, now, fact)
    }
}

/// A block with so many records, whose events are named `name`.
pub(super) fn block(first: Seq, count: u32, name: &str) -> Packed {
    let entries: Vec<Entry> = (0..count)
        .map(|number| entry(number, Fact::track(name)))
        .collect();
    let part = CommitPart {
        stamp: Stamp {
            generation: 1,
            micros: NOW.cast_unsigned() * 1_000 + first.0,
        },
        earlier: Vec::new(),
    };
    let packed = Packer::new().and_then(|mut packer| packer.pack(first, &part, entries.iter()));
    Packed {
        first,
        last: Seq(first.0 + u64::from(count) - 1),
        last_received: NOW,
        bytes: packed.expect("a small block is packed"),
    }
}

/// Blocks of these sizes behind `end`.
pub(super) fn group(end: Seq, sizes: &[u32], name: &str) -> Vec<Packed> {
    let mut next = end.next();
    sizes
        .iter()
        .map(|size| {
            let block = block(next, *size, name);
            next = block.last.next();
            block
        })
        .collect()
}

pub(super) fn end_of(journal: &dyn Journal) -> Seq {
    *journal.committed().borrow()
}

/// Appends behind the end, as a ledger does: what is better done in between is done.
pub(super) fn append(journal: &dyn Journal, sizes: &[u32], name: &str) -> Vec<Packed> {
    let end = end_of(journal);
    let blocks = group(end, sizes, name);
    let last = try_append(journal, end, &blocks).expect("nobody else appends");
    assert_eq!(Some(last), blocks.last().map(|block| block.last));
    journal.tidy();
    blocks
}

pub(super) fn try_append(
    journal: &dyn Journal,
    end: Seq,
    blocks: &[Packed],
) -> Result<Seq, AppendError> {
    wait(journal.append(end, blocks.to_vec()))
}

/// First seq and bytes of each block from this place on.
pub(super) fn read(journal: &dyn Journal, from: Seq) -> Vec<(Seq, Vec<u8>)> {
    let mut found = Vec::new();
    journal
        .read(from, &mut |block| {
            found.push((block.first(), block.bytes().to_vec()));
            Ok(ControlFlow::Continue(()))
        })
        .expect("what was appended can be read");
    found
}

/// What [`read`] finds of these.
pub(super) fn as_read(blocks: &[Packed]) -> Vec<(Seq, Vec<u8>)> {
    let as_read = |block: &Packed| (block.first, block.bytes.clone());
    blocks.iter().map(as_read).collect()
}
