//! That runs answer as a list of all events would, over random histories, and that blocks are read as they
//! were packed.

use std::collections::BTreeMap;
use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::views::EventPage;
use crate::views::runs::block::{BLOCK, Entries, Frame, Kind, PART, Packer, Part, Span, Term};

/// Of a history: places to the next event, workspace, name, contact, message, time, and how far a link
/// may overshoot.
type Draw = (u64, u32, u32, Option<u32>, Option<u32>, i64, u64);

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    // Mostly one behind the other; now and then whole runs are empty.
    let gap = prop_oneof![30 => Just(1_u64), 2 => 2..5_u64, 1 => 5..90_u64];
    let draw = (
        gap,
        1..=3_u32,
        0..5_u32,
        prop::option::of(0..6_u32),
        prop::option::of(0..9_u32),
        prop_oneof![8 => 0..1_000_i64, 1 => any::<i64>().prop_map(|time| time / 4)],
        prop_oneof![6 => Just(0_u64), 1 => 0..200_u64],
    );
    let repeated = (draw, prop_oneof![6 => Just(1_usize), 1 => 2..400_usize]);
    prop::collection::vec(repeated, 1..150).prop_map(|draws| {
        let copies = draws.into_iter().flat_map(|(draw, count)| {
            (0..count).map(move |turn| match turn {
                0 => draw,
                _ => (1, draw.1, draw.2, draw.3, draw.4, draw.5, 0),
            })
        });
        copies.collect()
    })
}

fn events(draws: &[Draw]) -> Vec<Event> {
    let mut last: BTreeMap<(Kind, u32, u32), u64> = BTreeMap::new();
    let mut seq = 0;
    let mut link = |kind, workspace, number: Option<u32>, seq: u64, over: u64| {
        let number = number?;
        let before = last.insert((kind, workspace, number), seq).unwrap_or(0);
        // Later than the last event, and yet before this one.
        let before = (before + over).min(seq - 1);
        Some(Link {
            number,
            before: Seq(before),
        })
    };
    let draws = draws.iter();
    draws
        .map(|(gap, workspace, name, contact, message, time, over)| {
            seq += gap;
            Event {
                seq: Seq(seq),
                workspace: WorkspaceId(*workspace),
                time: *time,
                name: *name,
                contact: link(Kind::Contact, *workspace, *contact, seq, *over),
                message: link(Kind::Message, *workspace, *message, seq, *over),
            }
        })
        .collect()
}

#[derive(Debug, Clone)]
struct Question {
    workspace: u32,
    name: Option<u32>,
    contact: Option<u32>,
    message: Option<u32>,
    times: Option<Range<i64>>,
    up: bool,
    cursor: Option<Index>,
    until: Option<Index>,
    limit: usize,
}

fn questions() -> impl Strategy<Value = Vec<Question>> {
    let times = prop::option::weighted(0.3, (0..1_000_i64, 0..300_i64));
    let question = (
        1..=4_u32,
        prop::option::of(0..6_u32),
        prop::option::of(0..7_u32),
        prop::option::weighted(0.3, 0..10_u32),
        times,
        any::<bool>(),
        prop::option::of(any::<Index>()),
        prop::option::weighted(0.2, any::<Index>()),
        prop_oneof![1..5_usize, 1..400_usize],
    );
    let question = question.prop_map(
        |(workspace, name, contact, message, times, up, cursor, until, limit)| Question {
            workspace,
            name,
            contact,
            message,
            times: times.map(|(from, length)| from..from + length),
            up,
            cursor,
            until,
            limit,
        },
    );
    prop::collection::vec(question, 1..6)
}

/// Asks, and compares with a look at each event.
fn ask(runs: &Runs, events: &[Event], question: &Question) -> Result<(), TestCaseError> {
    let Some(last) = events.last() else {
        return Ok(());
    };
    let cursor = last.seq;
    let place = |index: &Index| Seq(index.index(usize::try_from(cursor.0).unwrap() + 9) as u64);
    let filter = EventFilter {
        from: question
            .times
            .as_ref()
            .map(|times| Timestamp::from_millis(times.start)),
        to: question
            .times
            .as_ref()
            .map(|times| Timestamp::from_millis(times.end)),
        order: if question.up {
            Order::OldestFirst
        } else {
            Order::NewestFirst
        },
        cursor: question.cursor.as_ref().map(place),
        until: question.until.as_ref().map(place),
        limit: question.limit,
        ..EventFilter::default()
    };
    let newest = |number: Option<u32>, of: fn(&Event) -> Option<Link>| {
        let number = number?;
        let theirs = |event: &&Event| {
            event.workspace.0 == question.workspace
                && of(event).is_some_and(|link| link.number == number)
        };
        // Whom nobody knows is looked for from anywhere.
        let newest = events
            .iter()
            .rev()
            .find(theirs)
            .map_or(cursor, |event| event.seq);
        Some(Newest { number, newest })
    };
    let wanted = Wanted {
        name: question.name,
        contact: newest(question.contact, |event| event.contact),
        message: newest(question.message, |event| event.message),
    };
    let is_wanted = |event: &&Event| {
        let is = |asked: Option<u32>, link: Option<Link>| {
            asked.is_none_or(|number| link.is_some_and(|link| link.number == number))
        };
        let behind = filter.cursor.is_none_or(|cursor| {
            if question.up {
                event.seq > cursor
            } else {
                event.seq < cursor
            }
        });
        event.workspace.0 == question.workspace
            && question.name.is_none_or(|name| event.name == name)
            && is(question.contact, event.contact)
            && is(question.message, event.message)
            && filter.until.is_none_or(|until| event.seq <= until)
            && behind
    };
    let mut expected: Vec<&Event> = events.iter().filter(is_wanted).collect();
    if !question.up {
        expected.reverse();
    }
    let workspace = WorkspaceId(question.workspace);
    let found = runs
        .read(cursor)
        .events(workspace, &wanted, &filter)
        .unwrap();
    let seqs = |events: &[&Event]| -> Vec<Seq> { events.iter().map(|event| event.seq).collect() };
    let Some(times) = &question.times else {
        let page = EventPage {
            complete: expected.len() <= question.limit,
            seqs: seqs(&expected[..expected.len().min(question.limit)]),
        };
        prop_assert_eq!(found, page);
        return Ok(());
    };
    // Of the times only stretches are passed over: what is found are some of the others, in order, with
    // all that lie within.
    let upto = if found.complete {
        expected.len()
    } else {
        prop_assert_eq!(found.seqs.len(), question.limit);
        let last = found.seqs.last().copied();
        expected
            .iter()
            .position(|event| Some(event.seq) == last)
            .unwrap()
            + 1
    };
    let all = seqs(&expected[..upto]);
    let mut left = all.iter();
    prop_assert!(found.seqs.iter().all(|seq| left.any(|other| other == seq)));
    for event in &expected[..upto] {
        prop_assert!(!times.contains(&event.time) || found.seqs.contains(&event.seq));
    }
    Ok(())
}

#[derive(Debug, Clone)]
enum Act {
    Push(usize),
    Checkpoint,
    /// What was captured or kept is lost before it is committed.
    Crash {
        captured: bool,
        kept: bool,
    },
    Restart,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => prop_oneof![1..20_usize, 1..900_usize].prop_map(Act::Push),
        3 => Just(Act::Checkpoint),
        2 => (any::<bool>(), any::<bool>())
            .prop_map(|(captured, kept)| Act::Crash { captured, kept }),
        1 => Just(Act::Restart),
    ];
    prop::collection::vec(act, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn runs_answer_as_a_list_does_and_are_the_same_bytes_whatever_was_lost(
        draws in draws(),
        acts in acts(),
        questions in questions(),
        size in prop_oneof![Just(8_u32), Just(50), Just(600), Just(4_000)],
    ) {
        let mut events = events(&draws);
        // Each run is a file that is synced.
        events.retain(|event| event.seq.0 < u64::from(size) * 12);
        let folder = tempdir().unwrap();
        let mut runs = open(folder.path(), size, Seq::START).unwrap();
        let (mut done, mut kept) = (0, 0);
        let at = |count: usize| count.checked_sub(1).map_or(Seq::START, |last| events[last].seq);
        for act in acts {
            match act {
                Act::Push(count) => {
                    let upto = events.len().min(done + count);
                    // Some of them again.
                    runs.push(events[done.saturating_sub(3)..upto].iter().copied()).unwrap();
                    done = upto;
                }
                Act::Checkpoint => {
                    checkpoint(&runs, at(done));
                    kept = done;
                }
                Act::Crash { captured, kept: written } => {
                    if captured {
                        let capture = runs.capture(at(done)).unwrap();
                        if written {
                            runs.keep(capture).unwrap();
                        }
                    }
                    runs = open(folder.path(), size, at(kept)).unwrap();
                    done = kept;
                }
                Act::Restart => {
                    checkpoint(&runs, at(done));
                    kept = done;
                    runs = open(folder.path(), size, at(kept)).unwrap();
                }
            }
            for question in &questions {
                ask(&runs, &events[..done], question)?;
            }
        }
        runs.push(events.iter().copied()).unwrap();
        checkpoint(&runs, at(events.len()));
        for question in &questions {
            ask(&runs, &events, question)?;
        }
        let other = tempdir().unwrap();
        let rebuilt = open(other.path(), size, Seq::START).unwrap();
        rebuilt.push(events.iter().copied()).unwrap();
        prop_assert_eq!(dump(&runs, at(events.len())), dump(&rebuilt, at(events.len())));
        checkpoint(&rebuilt, at(events.len()));
        prop_assert_eq!(dump(&runs, at(events.len())), dump(&rebuilt, at(events.len())));
        let sealed = |folder: &Path| {
            let mut files = files_in(folder);
            files.retain(|name, _| name.ends_with(RUN));
            files
        };
        prop_assert_eq!(sealed(folder.path()), sealed(other.path()));
        // What is in place of the tail's frames does not matter; that there is one does.
        prop_assert_eq!(files_in(folder.path()).len(), files_in(other.path()).len());
    }

    #[test]
    fn blocks_are_read_as_they_are_packed(
        parts in prop::collection::vec(
            (0..4_u8, 1..3_u32, prop_oneof![0..40_u32, any::<u32>()], 1..=PART, any::<u64>(), any::<bool>()),
            1..200,
        ),
    ) {
        let frame = Frame { index: 900, size: 1 << 20, earliest: -5 };
        let mut all: BTreeMap<Term, Part> = BTreeMap::new();
        for (kind, workspace, number, events, seed, dense) in parts {
            let kind = Kind::of(kind).unwrap();
            let term = Term { kind, workspace, number };
            let mut state = seed | 1;
            let mut offset = (1 << 20) - 1 - u32::try_from(seed % 1_000).unwrap();
            let offsets = (0..events).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let here = offset;
                offset -= if dense && !state.is_multiple_of(9) { 1 } else { 1 + (state >> 52) as u32 % 4_000 };
                here
            });
            all.insert(term, Part {
                term,
                before: (kind.is_chained() && seed % 3 > 0).then(|| u32::try_from(seed % 900).unwrap()),
                span: (kind == Kind::All).then(|| {
                    let earliest = frame.earliest + i64::try_from(seed >> 20).unwrap();
                    Span(earliest, earliest + i64::try_from(seed % 77).unwrap())
                }),
                offsets: offsets.collect(),
            });
        }
        let mut packer = Packer::new(frame);
        let mut blocks: Vec<Vec<u8>> = all.values().filter_map(|part| packer.push(part)).collect();
        blocks.extend(packer.take());
        prop_assert_eq!(packer.take(), None);
        let mut read = Vec::new();
        for block in &blocks {
            let block: &[u8; BLOCK] = block.as_slice().try_into().unwrap();
            let mut entries = Entries::of(block, frame).unwrap();
            while let Some(entry) = entries.next().unwrap() {
                read.push(entry.part().unwrap());
            }
        }
        prop_assert_eq!(read, all.into_values().collect::<Vec<_>>());
    }

    /// Also where a stranger has given the damage the right checksum.
    #[test]
    fn a_block_of_anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), size in 1..5_000_u32) {
        let mut block = bytes;
        block.resize(BLOCK - 4, 0);
        let sum = super::block::checksum(&block);
        block.extend_from_slice(&sum);
        let block: &[u8; BLOCK] = block.as_slice().try_into().unwrap();
        let frame = Frame { index: 3, size, earliest: i64::MAX - 9 };
        if let Ok(mut entries) = Entries::of(block, frame) {
            while let Ok(Some(entry)) = entries.next() {
                if let Ok(part) = entry.part() {
                    prop_assert!(part.offsets.is_sorted_by(|a, b| a > b));
                    prop_assert!(part.newest() < size && part.offsets.len() <= PART);
                }
            }
        }
    }
}
