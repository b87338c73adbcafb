//! Blocks of all layouts: what is read back, and what is damage.

use super::*;
use crate::ledger::laws::{from_page, paid, viewed};
use crate::record::Entry;
use crate::record::identity::tag;

/// Packs as versions did from before entries lay in columns.
fn pack_rows(codec: u8, first: Seq, part: &CommitPart, entries: &[Entry]) -> Vec<u8> {
    let mut block = vec![codec];
    block.extend_from_slice(&u32::try_from(entries.len()).unwrap().to_le_bytes());
    let received = entries.iter().map(|entry| entry.received_at.as_millis());
    block.extend_from_slice(&received.max().unwrap().to_le_bytes());
    block.extend_from_slice(&[0; 8]);
    if codec == ROWS_CODEC {
        block.push(part.stamp.generation);
        block.extend_from_slice(&part.stamp.micros.to_le_bytes());
        block.extend_from_slice(&u16::try_from(part.earlier.len()).unwrap().to_le_bytes());
        for (workspace, records) in &part.earlier {
            block.extend_from_slice(&workspace.0.to_le_bytes());
            block.extend_from_slice(&records.to_le_bytes());
        }
    }
    let mut records = Vec::new();
    for entry in entries {
        block.extend_from_slice(&entry.workspace.0.to_le_bytes());
        if codec == ROWS_CODEC {
            block.push(tag(entry.sender(), entry.fact.kind()));
        }
        block.extend_from_slice(entry.id.as_bytes());
        let record = stored::write(entry, Vec::new()).unwrap();
        records.extend_from_slice(&u32::try_from(record.len()).unwrap().to_le_bytes());
        records.extend_from_slice(&record);
    }
    block.extend_from_slice(&zstd::bulk::compress(&records, 1).unwrap());
    let checksum = checksum(first, &block);
    block[13..21].copy_from_slice(&checksum.to_le_bytes());
    block
}

/// Packs as a version from before codec 2 did.
pub(crate) fn pack_old(first: Seq, entries: &[Entry]) -> Vec<u8> {
    pack_rows(OLD_CODEC, first, &CommitPart::default(), entries)
}

/// Packs as this version does.
fn pack(first: Seq, part: &CommitPart, entries: &[Entry]) -> Vec<u8> {
    let mut packer = Packer::new().unwrap();
    packer.pack(first, part, entries.iter()).unwrap()
}

fn entries() -> Vec<Entry> {
    vec![viewed(1), paid(2, "o", 1), from_page(paid(2, "o", 1))]
}

#[test]
fn all_layouts_give_the_same_ids_and_records_and_only_the_oldest_has_no_stamp() {
    let entries = entries();
    let stamp = Stamp {
        generation: 7,
        micros: 1 << 50,
    };
    let part = CommitPart {
        stamp,
        earlier: Vec::new(),
    };
    for (bytes, stamp) in [
        (pack(Seq(5), &part, &entries), stamp),
        (pack_rows(ROWS_CODEC, Seq(5), &part, &entries), stamp),
        (pack_old(Seq(5), &entries), Stamp::NONE),
    ] {
        let block = Block::parse(Seq(5), &bytes).unwrap();
        assert_eq!(block.stamp(), stamp);
        assert_eq!(block.last(), Seq(7));
        let mut records = Vec::new();
        block.records(Seq::START, 10, &mut records).unwrap();
        let ids = block.ids().unwrap();
        for ((record, entry), (key, kind)) in records.iter().zip(&entries).zip(ids) {
            assert_eq!(record.entry, *entry);
            assert_eq!((key, kind), (entry.id_key(), entry.fact.kind()));
        }
        assert_eq!(records.len(), 3);
        for (after, limit, places) in [(5, 1, 1..2), (6, 9, 2..3), (7, 9, 3..3), (0, 2, 0..2)] {
            let mut some = Vec::new();
            block.records(Seq(after), limit, &mut some).unwrap();
            assert_eq!(some, records[places], "{after} {limit}");
        }
    }
}

#[test]
fn every_byte_is_covered_and_what_a_later_version_wrote_is_called_newer() {
    let part = CommitPart::default();
    let good = pack(Seq(5), &part, &entries());
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(Block::parse(Seq(5), &bad).is_err(), "byte {at}");
    }
    // A later codec, an unknown shape of this one, and a type of fact that is not known here.
    for (at, value) in [(0, CODEC + 1), (STAMPED, 2), (HEADER + 4, 0xff)] {
        let mut newer = good.clone();
        newer[at] = value;
        let checksum = checksum(Seq(5), &newer);
        newer[13..21].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Block::parse(Seq(5), &newer).err(), Some(BadBlock(NEWER)));
    }
}

#[test]
fn a_part_of_a_commit_counts_on_from_the_parts_before() {
    let mut other = viewed(4);
    other.workspace = WorkspaceId(9);
    let part = CommitPart {
        stamp: Stamp {
            generation: 99,
            micros: 1_764_201_600_123_456,
        },
        earlier: vec![(WorkspaceId(1), 41)],
    };
    let mut entries = entries();
    entries.insert(1, other);
    let bytes = pack(Seq(5), &part, &entries);
    let block = Block::parse(Seq(5), &bytes).unwrap();
    assert_eq!(block.part(), part);
    let ids = block.ids().unwrap();
    let keys = ids.iter().map(|(key, _)| *key);
    assert!(keys.eq(entries.iter().map(Entry::id_key)));
    let shown = |seq: PublicSeq| seq.to_string().split_off(18);
    let seqs: Vec<_> = block
        .public_seqs()
        .map(|(workspace, seq)| (workspace.0, shown(seq)))
        .collect();
    let wanted = [(1, "000041"), (9, "000000"), (1, "000042"), (1, "000043")];
    assert_eq!(
        seqs,
        wanted.map(|(workspace, index)| (workspace, index.to_owned()))
    );
    let mut records = Vec::new();
    block.records(Seq(5), 2, &mut records).unwrap();
    let of_records: Vec<_> = records.iter().map(|one| shown(one.public_seq)).collect();
    assert_eq!(of_records, ["000000", "000042"]);
}

#[test]
fn what_a_block_claims_of_an_id_is_what_it_holds_and_nothing_where_it_is_cut_short() {
    let entries = entries();
    let part = CommitPart {
        earlier: vec![(WorkspaceId(1), 41), (WorkspaceId(2), 1)],
        ..CommitPart::default()
    };
    let bytes = pack(Seq(5), &part, &entries);
    let ids = Block::parse(Seq(5), &bytes).unwrap().ids().unwrap();
    let claimed = |place| Block::claimed_id(Seq(5), &bytes, Seq(place));
    let all: Vec<_> = (5..8).map_while(claimed).collect();
    assert_eq!(all, ids);
    assert_eq!((claimed(4), claimed(8)), (None, None));
    for length in 0..bytes.len() {
        let id = Block::claimed_id(Seq(5), &bytes[..length], Seq(7));
        assert!(id.is_none() || id == ids.last().copied(), "{length}");
    }
    let rows = pack_rows(ROWS_CODEC, Seq(5), &part, &entries);
    assert_eq!(Block::claimed_id(Seq(5), &rows, Seq(6)), Some(ids[1]));
    let old = pack_old(Seq(5), &entries);
    assert_eq!(Block::claimed_id(Seq(5), &old, Seq(5)), None);
}

#[test]
fn a_stamp_that_no_seq_can_show_is_damage() {
    for stamp in [(100, 0), (1, u64::MAX)] {
        let (generation, micros) = stamp;
        let part = CommitPart {
            stamp: Stamp { generation, micros },
            earlier: Vec::new(),
        };
        let bytes = pack(Seq(5), &part, &entries());
        assert!(Block::parse(Seq(5), &bytes).is_err(), "{stamp:?}");
    }
}
