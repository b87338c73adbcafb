//! What every journal keeps.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use super::blocks::{append, as_read, block, end_of, group, read, try_append};
use super::{JournalCheck, JournalHome};
use crate::journal::block::{Block, Packed};
use crate::journal::{AppendError, Journal, wait};
use crate::record::Seq;
use crate::record::identity::{FactKind, IdKey};

pub(super) const ALL: [(&str, JournalCheck); 13] = [
    (
        "blocks_are_read_in_order_and_as_they_were_appended",
        in_order,
    ),
    ("the_end_is_told_and_wakes_who_follows", told),
    (
        "an_append_that_expects_another_end_leaves_nothing",
        expected,
    ),
    ("of_racing_writers_one_wins_each_position", racing),
    ("blocks_of_one_append_are_all_there_or_none_is", atomic),
    (
        "reading_begins_with_the_block_that_holds_the_place",
        from_within,
    ),
    ("the_id_at_a_place_is_told_as_its_block_has_it", ids),
    (
        "a_reader_sees_what_was_acknowledged_before_it_began",
        acknowledged,
    ),
    (
        "what_is_rewritten_is_gone_and_the_rest_as_it_was",
        rewritten,
    ),
    ("what_is_dropped_is_not_read_and_the_end_stays", dropped),
    ("settling_leaves_what_was_acknowledged", settled),
    (
        "what_was_in_doubt_is_all_there_or_nowhere_once_settled",
        in_doubt,
    ),
    ("a_closed_journal_takes_nothing", closed),
];

fn in_order(place: &dyn JournalHome) {
    let journal = place.open();
    let before = read(&*journal, journal.floor());
    let mut expected = before;
    for round in 0..20 {
        let blocks = append(&*journal, &[1 + round % 3, 2], "viewed");
        expected.extend(as_read(&blocks));
    }
    assert_eq!(read(&*journal, journal.floor()), expected);
}

fn told(place: &dyn JournalHome) {
    let journal = place.open();
    let mut follower = journal.committed();
    let before = *follower.borrow_and_update();
    let blocks = append(&*journal, &[3], "viewed");
    assert!(follower.has_changed().expect("the journal is open"));
    let end = *follower.borrow_and_update();
    assert_eq!(Some(end), blocks.last().map(|block| block.last));
    assert!(end > before);
    assert!(read(&*journal, end.next()).is_empty());
}

fn expected(place: &dyn JournalHome) {
    let journal = place.open();
    append(&*journal, &[4, 2], "first");
    let (end, before) = (end_of(&*journal), read(&*journal, journal.floor()));
    let elsewhere = [
        end.next(),
        Seq(end.0 - 1),
        Seq(end.0 - 2),
        Seq(end.0 + 1_000),
    ];
    for wrong in elsewhere {
        match try_append(&*journal, wrong, &group(wrong, &[1], "lost")) {
            Err(AppendError::Lost { end: told }) => assert_eq!(told, end),
            other => panic!("behind {wrong}, where the journal ends at {end}: {other:?}"),
        }
    }
    assert_eq!(end_of(&*journal), end);
    assert_eq!(read(&*journal, journal.floor()), before);
    append(&*journal, &[1], "next");
}

fn racing(place: &dyn JournalHome) {
    const RACERS: usize = 4;
    const ROUNDS: usize = 10;
    let journal = place.open();
    let before = end_of(&*journal);
    let start = Barrier::new(RACERS);
    // All of them know the same end before any of them appends.
    let race = |racer: usize| -> Vec<(Vec<Packed>, Result<Seq, AppendError>)> {
        (0..ROUNDS)
            .map(|round| {
                start.wait();
                let end = end_of(&*journal);
                let blocks = group(end, &[1, 1], &format!("racer {racer}, round {round}"));
                start.wait();
                let appended = try_append(&*journal, end, &blocks);
                (blocks, appended)
            })
            .collect()
    };
    let rounds: Vec<_> = std::thread::scope(|scope| {
        let race = &race;
        let racers: Vec<_> = (0..RACERS)
            .map(|racer| scope.spawn(move || race(racer)))
            .collect();
        let joined = racers.into_iter().map(|racer| racer.join());
        joined
            .map(|rounds| rounds.expect("a racer panicked"))
            .collect()
    });
    let mut won = Vec::new();
    for round in 0..ROUNDS {
        let mut winners = 0;
        for racer in &rounds {
            let (blocks, appended) = &racer[round];
            match appended {
                Ok(_) => {
                    winners += 1;
                    won.extend(as_read(blocks));
                }
                Err(AppendError::Lost { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(winners, 1, "round {round}");
    }
    assert_eq!(
        read(&*journal, before.next()),
        won,
        "those that won are there, and no other"
    );
}

fn atomic(place: &dyn JournalHome) {
    let journal = place.open();
    append(&*journal, &[1], "before");
    let end = end_of(&*journal);
    // The second does not follow the first.
    let torn = [
        block(end.next(), 2, "torn"),
        block(Seq(end.0 + 9), 1, "torn"),
    ];
    assert!(matches!(
        try_append(&*journal, end, &torn),
        Err(AppendError::NotWritten(_))
    ));
    assert!(read(&*journal, end.next()).is_empty());
    // Whoever reads meanwhile sees whole groups.
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let seen = read(&*journal, end.next()).len();
                assert_eq!(seen % 3, 0, "a part of an append was seen");
            }
        });
        let appended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..30 {
                append(&*journal, &[1, 2, 1], "whole");
            }
        }));
        done.store(true, Ordering::Release);
        appended.expect("appending goes on beside a reader");
    });
}

fn from_within(place: &dyn JournalHome) {
    let journal = place.open();
    let mut blocks = Vec::new();
    for _ in 0..6 {
        blocks.extend(append(&*journal, &[3, 5], "viewed"));
    }
    for (at, block) in blocks.iter().enumerate() {
        for from in block.first.0..=block.last.0 {
            let found = read(&*journal, Seq(from));
            assert_eq!(found, as_read(&blocks[at..]), "from {from}");
        }
    }
    let mut visits = 0;
    journal
        .read(journal.floor(), &mut |_| {
            visits += 1;
            Ok(ControlFlow::Break(()))
        })
        .expect("what was appended can be read");
    assert_eq!(visits, 1, "a reader that has enough is not told more");
}

fn ids(place: &dyn JournalHome) {
    let journal = place.open();
    let empty = journal.committed().borrow().next();
    assert_eq!(id_at(&*journal, empty), None);
    let blocks: Vec<_> = (0..3)
        .flat_map(|_| append(&*journal, &[3, 1], "viewed"))
        .collect();
    for packed in &blocks {
        let block = Block::parse(packed.first, &packed.bytes).expect("it was packed here");
        let ids = block.ids().expect("it was packed here");
        for (at, id) in (packed.first.0..).zip(ids) {
            assert_eq!(id_at(&*journal, Seq(at)), Some(id), "at {at}");
        }
    }
    assert_eq!(id_at(&*journal, end_of(&*journal).next()), None);
}

fn id_at(journal: &dyn Journal, place: Seq) -> Option<(IdKey, FactKind)> {
    journal.id_at(place).expect("what was appended can be read")
}

fn acknowledged(place: &dyn JournalHome) {
    let journal = place.open();
    for _ in 0..25 {
        let blocks = append(&*journal, &[2], "viewed");
        let first = blocks.first().map_or(Seq::START, |block| block.first);
        assert_eq!(read(&*journal, first), as_read(&blocks));
    }
}

fn rewritten(place: &dyn JournalHome) {
    let journal = place.open();
    let mut blocks = Vec::new();
    for _ in 0..8 {
        blocks.extend(append(&*journal, &[2, 3], "viewed"));
    }
    // In the oldest, in the middle and in the newest.
    for at in [0, 1, 7, blocks.len() - 1] {
        let replaced = block(blocks[at].first, count_of(&blocks[at]), "erased");
        for _ in 0..2 {
            let places = BTreeSet::from([blocks[at].last]);
            let bytes = replaced.bytes.clone();
            journal
                .rewrite(&places, &mut |found| {
                    assert_eq!(
                        found.first(),
                        replaced.first,
                        "another block was asked about"
                    );
                    Ok(Some(bytes.clone()))
                })
                .expect("a journal can be written anew");
            let first = blocks[0].first;
            blocks[at] = replaced.clone();
            assert_eq!(read(&*journal, first), as_read(&blocks));
        }
    }
    blocks.extend(append(&*journal, &[1], "viewed"));
    let untouched = BTreeSet::from([blocks[0].first]);
    journal
        .rewrite(&untouched, &mut |_| Ok(None))
        .expect("a journal can be written anew");
    assert_eq!(read(&*journal, blocks[0].first), as_read(&blocks));
}

fn count_of(block: &Packed) -> u32 {
    u32::try_from(block.last.0 - block.first.0 + 1).unwrap_or(u32::MAX)
}

fn dropped(place: &dyn JournalHome) {
    let journal = place.open();
    let mut blocks = Vec::new();
    for _ in 0..20 {
        blocks.extend(append(&*journal, &[2, 3], "viewed"));
    }
    let end = end_of(&*journal);
    let mut floor = journal.floor();
    for seq in [
        blocks[0].first,
        blocks[9].last,
        blocks[9].first,
        blocks[30].first,
    ] {
        let now = journal.drop_before(seq).expect("a prefix can be dropped");
        assert_eq!(now, journal.floor());
        assert!(now >= floor, "the floor fell from {floor} to {now}");
        assert!(now <= seq.max(floor), "more was dropped than was named");
        floor = now;
        check_from(&*journal, floor, &blocks);
        assert_eq!(end_of(&*journal), end);
    }
    journal
        .drop_before(Seq(end.0 + 1_000))
        .expect("all that is closed can be dropped");
    assert!(journal.floor() <= end.next());
    assert_eq!(end_of(&*journal), end);
    check_from(&*journal, journal.floor(), &blocks);
    blocks.extend(append(&*journal, &[2], "next"));
    check_from(&*journal, journal.floor(), &blocks);
}

/// What is read is what was appended from the floor on, also where somebody asks for less.
fn check_from(journal: &dyn Journal, floor: Seq, blocks: &[Packed]) {
    let kept: Vec<Packed> = blocks
        .iter()
        .filter(|block| block.first >= floor)
        .cloned()
        .collect();
    let whole = blocks
        .iter()
        .all(|block| block.first >= floor || block.last < floor);
    assert!(whole, "the floor {floor} lies within a block");
    for from in [floor, blocks[0].first] {
        assert_eq!(read(journal, from), as_read(&kept), "from {from}");
    }
}

fn settled(place: &dyn JournalHome) {
    let journal = place.open();
    let blocks = append(&*journal, &[2, 3], "viewed");
    let end = end_of(&*journal);
    assert_eq!(wait(journal.settle()).expect("nothing is in doubt"), end);
    assert_eq!(read(&*journal, blocks[0].first), as_read(&blocks));
    append(&*journal, &[1], "next");
}

fn in_doubt(place: &dyn JournalHome) {
    let journal = place.open();
    // Some get there and some do not.
    for _ in 0..4 {
        append(&*journal, &[2, 1], "before");
        let (end, mut expected) = (end_of(&*journal), read(&*journal, journal.floor()));
        if !place.lose_the_next_answer() {
            return;
        }
        let blocks = group(end, &[2, 3], "in doubt");
        match try_append(&*journal, end, &blocks) {
            Err(AppendError::Unknown(_)) => {}
            other => panic!("an append whose answer was lost ended with {other:?}"),
        }
        assert!(!journal.is_sound(), "nobody knows yet where it ends");
        assert!(matches!(
            try_append(&*journal, end, &group(end, &[1], "too early")),
            Err(AppendError::NotWritten(_))
        ));
        let settled = wait(journal.settle()).expect("the journal can be made sure of");
        assert!(journal.is_sound());
        if settled != end {
            assert_eq!(Some(settled), blocks.last().map(|block| block.last));
            expected.extend(as_read(&blocks));
        }
        assert_eq!(end_of(&*journal), settled, "whoever follows is told");
        assert_eq!(read(&*journal, journal.floor()), expected);
        // Nothing appears later.
        expected.extend(as_read(&append(&*journal, &[1], "next")));
        assert_eq!(read(&*journal, journal.floor()), expected);
    }
}

fn closed(place: &dyn JournalHome) {
    let journal: Arc<dyn Journal> = place.open();
    append(&*journal, &[2], "viewed");
    assert!(journal.is_sound());
    wait(journal.close()).expect("a journal can be closed");
    let end = end_of(&*journal);
    assert!(matches!(
        try_append(&*journal, end, &group(end, &[1], "late")),
        Err(AppendError::NotWritten(_))
    ));
    assert!(!journal.is_sound());
}
