//! What every journal keeps that outlives whoever has it open.

use std::collections::BTreeSet;

use super::blocks::{append, as_read, block, end_of, read};
use super::{JournalCheck, JournalHome};
use crate::record::Seq;

pub(super) const ALL: [(&str, JournalCheck); 3] = [
    ("what_was_acknowledged_is_there_after_a_death", acknowledged),
    ("what_was_rewritten_stays_so_after_a_death", rewritten),
    ("the_floor_is_known_after_a_death", floor),
];

fn acknowledged(place: &dyn JournalHome) {
    let mut expected = Vec::new();
    let mut first = None;
    for round in 0..6 {
        let journal = place.open();
        let first = *first.get_or_insert(end_of(&*journal).next());
        assert_eq!(read(&*journal, first), as_read(&expected), "round {round}");
        for size in 1..=round + 1 {
            expected.extend(append(&*journal, &[size, 1], "viewed"));
        }
    }
}

fn rewritten(place: &dyn JournalHome) {
    let journal = place.open();
    let mut blocks = Vec::new();
    for _ in 0..6 {
        blocks.extend(append(&*journal, &[2], "viewed"));
    }
    let places: BTreeSet<Seq> = [&blocks[1], &blocks[5]].map(|block| block.first).into();
    for at in [1, 5] {
        blocks[at] = block(blocks[at].first, 2, "erased");
    }
    let replaced = blocks.clone();
    journal
        .rewrite(&places, &mut |found| {
            let block = replaced.iter().find(|block| block.first == found.first());
            Ok(block.map(|block| block.bytes.clone()))
        })
        .expect("a journal can be written anew");
    drop(journal);
    let journal = place.open();
    assert_eq!(read(&*journal, blocks[0].first), as_read(&blocks));
    append(&*journal, &[1], "next");
}

fn floor(place: &dyn JournalHome) {
    let journal = place.open();
    let mut blocks = Vec::new();
    for _ in 0..20 {
        blocks.extend(append(&*journal, &[2], "viewed"));
    }
    let floor = journal
        .drop_before(blocks[12].first)
        .expect("a prefix can be dropped");
    let end = end_of(&*journal);
    drop(journal);
    let journal = place.open();
    assert_eq!((journal.floor(), end_of(&*journal)), (floor, end));
    blocks.retain(|block| block.first >= floor);
    assert_eq!(read(&*journal, floor), as_read(&blocks));
    append(&*journal, &[1], "next");
}
