//! Tests of the event indexes: that they answer as a list of all events would, whatever was sealed, kept or
//! lost, and that what is damaged is told.

mod damage;
mod random;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use shared::time::Timestamp;
use tempfile::tempdir;

use super::block::{BLOCK, PART};
use super::*;
use crate::locks::read;
use crate::views::Dump;
use crate::views::filter::{EventFilter, Order};

const ORIGIN: u64 = 7;

fn options(size: u32) -> Options {
    Options {
        origin: ORIGIN,
        size,
    }
}

fn open(folder: &Path, size: u32, cursor: Seq) -> Result<Runs, RunsError> {
    Runs::open(folder, options(size), cursor, Seq::START)
}

/// What a checkpoint does with the runs.
fn checkpoint(runs: &Runs, cursor: Seq) {
    let capture = runs.capture(cursor).unwrap();
    runs.keep(capture).unwrap();
    runs.settle();
}

fn dump(runs: &Runs, cursor: Seq) -> Dump {
    let mut dump = Dump::new();
    runs.read(cursor).dump(&mut dump).unwrap();
    dump
}

fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read(path).unwrap())
    };
    entries.map(read).collect()
}

/// Contacts, messages and names in turns, in one workspace.
fn in_turns(count: u64) -> Vec<Event> {
    let link = |every: u64, seq: u64| {
        Some(Link {
            // Small.
            number: (seq % every) as u32,
            before: Seq(seq.saturating_sub(every)),
        })
    };
    let event = |seq| Event {
        seq: Seq(seq),
        workspace: WorkspaceId(1),
        time: i64::try_from(seq).unwrap() * 10,
        name: (seq % 3) as u32,
        contact: link(97, seq),
        message: (seq % 2 == 0).then(|| link(30, seq)).flatten(),
    };
    (1..=count).map(event).collect()
}

fn everything() -> (Wanted, EventFilter) {
    let filter = EventFilter {
        limit: usize::MAX,
        ..EventFilter::default()
    };
    (Wanted::default(), filter)
}

#[test]
fn a_chain_ends_where_the_log_has_let_its_beginning_go() {
    let folder = tempdir().unwrap();
    let runs = open(folder.path(), 100, Seq::START).unwrap();
    runs.push(in_turns(1_050)).unwrap();
    checkpoint(&runs, Seq(1_050));
    runs.drop_before(Seq(450)).unwrap();
    let of_one = |runs: &Runs| {
        let wanted = Wanted {
            contact: Some(Newest {
                number: 5,
                newest: Seq(1_050),
            }),
            ..Wanted::default()
        };
        let page = runs
            .read(Seq(1_050))
            .events(WorkspaceId(1), &wanted, &everything().1)
            .unwrap();
        assert!(page.complete);
        page.seqs
    };
    let expected: Vec<Seq> = (400..=1_050)
        .rev()
        .filter(|seq| seq % 97 == 5)
        .map(Seq)
        .collect();
    assert_eq!(of_one(&runs), expected);
    drop(runs);
    let opened = Runs::open(folder.path(), options(100), Seq(1_050), Seq(450)).unwrap();
    assert_eq!(of_one(&opened), expected);
    drop(opened);
    // Without a floor, what is missing has been lost.
    assert!(matches!(
        open(folder.path(), 100, Seq(1_050)),
        Err(RunsError::Damaged(_))
    ));
}

#[test]
fn more_names_than_a_narrow_column_holds_are_told_apart() {
    let folder = tempdir().unwrap();
    let runs = open(folder.path(), 1_000, Seq::START).unwrap();
    let named = |seq: u64| Event {
        name: (seq % 400) as u32,
        contact: None,
        message: None,
        ..in_turns(seq).pop().unwrap()
    };
    runs.push((1..=1_500).map(named)).unwrap();
    for kept in [false, true] {
        if kept {
            checkpoint(&runs, Seq(1_500));
        }
        let wanted = Wanted {
            name: Some(399),
            ..Wanted::default()
        };
        let page = runs
            .read(Seq(1_500))
            .events(WorkspaceId(1), &wanted, &everything().1)
            .unwrap();
        assert_eq!(page.seqs, [Seq(1_199), Seq(799), Seq(399)]);
    }
}

#[test]
fn stretches_of_other_times_are_passed_over() {
    let folder = tempdir().unwrap();
    let runs = open(folder.path(), 10_000, Seq::START).unwrap();
    runs.push(in_turns(25_000)).unwrap();
    for kept in [false, true] {
        if kept {
            checkpoint(&runs, Seq(25_000));
        }
        let mut filter = everything().1;
        filter.from = Some(Timestamp::from_millis(123_000));
        filter.to = Some(Timestamp::from_millis(123_050));
        for order in [Order::NewestFirst, Order::OldestFirst] {
            filter.order = order;
            let page = runs
                .read(Seq(25_000))
                .events(WorkspaceId(1), &Wanted::default(), &filter);
            let seqs = page.unwrap().seqs;
            assert!(
                (12_300..12_305).all(|seq| seqs.contains(&Seq(seq))),
                "{seqs:?}"
            );
            assert!(seqs.len() <= 2 * PART, "{}", seqs.len());
        }
    }
}

#[test]
fn full_runs_are_sealed_by_the_fold_where_no_checkpoint_does() {
    let folder = tempdir().unwrap();
    let runs = open(folder.path(), 100, Seq::START).unwrap();
    runs.push(in_turns(1_000)).unwrap();
    assert_eq!(read(&runs.shown).columns.len(), MAX_WAITING + 1);
    // A crash now: the checkpoint knows of none of them.
    drop(runs);
    let runs = open(folder.path(), 100, Seq::START).unwrap();
    assert_eq!(files_in(folder.path()).len(), 0);
    runs.push(in_turns(1_000)).unwrap();
    checkpoint(&runs, Seq(1_000));
    assert_eq!(read(&runs.shown).columns.len(), 1);
    let (wanted, filter) = everything();
    let page = runs
        .read(Seq(1_000))
        .events(WorkspaceId(1), &wanted, &filter)
        .unwrap();
    assert_eq!(page.seqs.len(), 1_000);
}
