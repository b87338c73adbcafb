//! The index of ids through its files: what is found after flushes, merges and starts, and what is not
//! believed.

use proptest::prelude::*;
use shared::ids::EventId;
use shared::time::Timestamp;
use tempfile::tempdir;

use super::*;
use crate::clock::FixedClock;
use crate::record::WorkspaceId;
use crate::record::identity::Sender;

const NOW: i64 = 1_790_000_000_000;

fn key(number: u64) -> IdKey {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    IdKey {
        workspace: WorkspaceId(1),
        sender: Sender::Server,
        id: EventId::from_bytes(id),
    }
}

/// The record at a place has the id of that number.
fn look(seq: Seq, wanted: &IdKey) -> Result<Option<FactKind>, LogError> {
    Ok((*wanted == key(seq.0)).then_some(FactKind::Track))
}

fn seen(number: u64) -> (IdKey, Seen) {
    let kind = FactKind::Track;
    (
        key(number),
        Seen {
            seq: Seq(number),
            kind,
        },
    )
}

fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::new(Timestamp::from_millis(NOW)))
}

fn open(folder: &Path, end: u64, clock: &Arc<FixedClock>) -> Ids {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Ids::open(folder, Seq(1), Seq(end), 4, clock).unwrap()
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the sizes of the commits, the flushes and the starts.
    #[test]
    fn every_id_is_found_and_no_other(
        commits in proptest::collection::vec((1u64..900, any::<bool>(), any::<bool>()), 1..24),
    ) {
        let folder = tempdir().unwrap();
        let clock = clock();
        let mut ids = open(folder.path(), 0, &clock);
        let mut end = 0;
        for (count, flush, restart) in commits {
            ids.learn((end + 1..=end + count).map(seen), Seq(end + count), NOW);
            end += count;
            if flush {
                ids.flush().unwrap();
            }
            if restart {
                ids = open(folder.path(), end, &clock);
                // What was in memory is read from the log.
                let from = ids.reached().0 + 1;
                ids.learn((from..=end).map(seen), Seq(end), NOW);
            }
        }
        for number in 1..=end {
            let found = ids.find(&key(number), &look).unwrap();
            prop_assert_eq!(found.map(|seen| seen.seq), Some(Seq(number)));
            prop_assert!(ids.within_window(&key(number), &look).unwrap().is_some());
        }
        for number in [0, end + 1, end + 1_000] {
            prop_assert_eq!(ids.find(&key(number), &look).unwrap(), None);
        }
        // Few, however many were written.
        prop_assert!(files(folder.path()) <= 16, "{}", files(folder.path()));
    }
}

#[test]
fn a_run_takes_little_more_than_eleven_bytes_an_id() {
    let folder = tempdir().unwrap();
    let ids = open(folder.path(), 0, &clock());
    ids.learn((1..=1_000_000).map(seen), Seq(1_000_000), NOW);
    ids.flush().unwrap();
    let (entries, bytes) = ids.sizes();
    assert_eq!(entries, 1_000_000);
    assert!(bytes < 12 * entries, "{bytes}");
}

#[test]
fn an_id_is_forgotten_by_the_writer_after_the_window_and_found_for_ever() {
    let folder = tempdir().unwrap();
    let clock = clock();
    let ids = open(folder.path(), 0, &clock);
    ids.learn([seen(1)], Seq(1), NOW);
    ids.flush().unwrap();
    clock.advance_millis(DEDUPE_WINDOW_MS);
    assert!(ids.within_window(&key(1), &look).unwrap().is_some());
    clock.advance_millis(1);
    assert!(ids.within_window(&key(1), &look).unwrap().is_none());
    assert!(ids.find(&key(1), &look).unwrap().is_some());
}

#[test]
fn a_place_whose_record_has_another_id_or_is_gone_is_not_believed() {
    let folder = tempdir().unwrap();
    let ids = open(folder.path(), 0, &clock());
    ids.learn([seen(1), seen(2)], Seq(2), NOW);
    ids.flush().unwrap();
    assert_eq!(ids.find(&key(1), &|_, _| Ok(None)).unwrap(), None);
}

#[test]
fn what_reaches_behind_the_log_or_is_damaged_is_made_anew() {
    let folder = tempdir().unwrap();
    let clock = clock();
    let ids = open(folder.path(), 0, &clock);
    for number in 1..=3 {
        ids.learn([seen(number)], Seq(number), NOW);
        ids.flush().unwrap();
    }
    assert_eq!(files(folder.path()), 3);
    // The log has lost its end.
    let ids = open(folder.path(), 2, &clock);
    assert_eq!((ids.reached(), files(folder.path())), (Seq(2), 2));
    // A head that is not what was written.
    let mut paths: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    paths.sort();
    let mut bytes = std::fs::read(&paths[0]).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&paths[0], bytes).unwrap();
    let ids = open(folder.path(), 2, &clock);
    assert_eq!((ids.reached(), files(folder.path())), (Seq(0), 0));
}

#[test]
fn a_damaged_page_is_an_error_and_no_missing_id() {
    let folder = tempdir().unwrap();
    let clock = clock();
    let ids = open(folder.path(), 0, &clock);
    ids.learn((1..=1_000).map(seen), Seq(1_000), NOW);
    ids.flush().unwrap();
    let path = std::fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5_000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    clock.advance_millis(DEDUPE_WINDOW_MS + 1);
    let ids = open(folder.path(), 1_000, &clock);
    let results: Vec<_> = (1..=1_000)
        .map(|number| ids.find(&key(number), &look))
        .collect();
    assert!(results.iter().any(Result::is_err));
    assert!(results.iter().flatten().all(Option::is_some));
}

#[test]
fn what_lies_below_the_floor_leaves_the_index() {
    let folder = tempdir().unwrap();
    let clock = clock();
    let ids = open(folder.path(), 0, &clock);
    for number in 1..=3 {
        let numbers = number * 10 - 9..=number * 10;
        ids.learn(numbers.map(seen), Seq(number * 10), NOW);
        ids.flush().unwrap();
    }
    ids.drop_below(Seq(15));
    ids.shared.tidy().unwrap();
    assert_eq!(ids.sizes().0, 20);
    let clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let ids = Ids::open(folder.path(), Seq(15), Seq(30), 4, clock).unwrap();
    assert_eq!(ids.reached(), Seq(30));
    assert!(ids.find(&key(20), &look).unwrap().is_some());
}
