//! Tests of the files of views: that live folding, crashes and rebuilds come to the same rows.

mod damage;
mod due;
mod kills;
mod power;
mod retained;

use std::fs;

use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use super::filter::{EventFilter, Order};
use super::history::{all, append, entry, history, keys, log_of};
use super::*;
use crate::record::{Entry, WorkspaceId};

fn open(folder: &TempDir) -> Views {
    Views::open(folder.path(), keys()).unwrap()
}

/// With so much memory for rows.
fn open_with(folder: &TempDir, cache: usize) -> Views {
    Views::open_with(folder.path(), keys(), cache).unwrap()
}

/// Nothing, less than the rows take, and more.
fn caches() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), 0..80_000_usize, Just(DEFAULT_CACHE)]
}

/// What the views are once these records are folded at one go.
fn folded(records: &[Record]) -> Dump {
    let folder = tempdir().unwrap();
    let views = open(&folder);
    views.fold(records).unwrap();
    views.dump().unwrap()
}

/// The tables that are not the same: all rows would be too much to read.
fn differing(one: &Dump, other: &Dump) -> Vec<&'static str> {
    let names = one.keys().chain(other.keys()).copied();
    let mut differing: Vec<_> = names
        .filter(|name| one.get(name) != other.get(name))
        .collect();
    differing.dedup();
    differing
}

fn rebuilt(folder: &TempDir, log: &dyn Log) -> u64 {
    rebuild(folder.path(), keys(), log, &mut |_, _| {}).unwrap()
}

/// The files of views in a folder.
fn files(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The folder as a crash at this moment would leave it. What redb has not written yet is lost; what
/// it has written and not synced is kept, in the file of the copy as on many a disk.
fn crash(folder: &TempDir) -> TempDir {
    let after = tempdir().unwrap();
    copy(folder.path(), after.path());
    after
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        if path.is_dir() {
            copy(&path, &to);
        } else {
            match fs::copy(path, to) {
                // A draft that has got its name meanwhile: no checkpoint counts on it yet.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                copied => drop(copied.unwrap()),
            }
        }
    }
}

#[test]
fn views_that_are_opened_again_with_less_are_not_read_until_they_hold_what_was_seen() {
    let folder = tempdir().unwrap();
    let views = open(&folder);
    let records = all(&log_of((1..=5).map(entry).collect()));
    views.fold(&records).unwrap();
    assert_eq!(views.received(WorkspaceId(1), "key").ok(), Some(false));
    views.reopen(true, Seq(5)).unwrap();
    let building = |done| Building { done, total: 5 };
    for done in [0, 4] {
        views.fold(&records[..done]).unwrap();
        let done = done as u64;
        assert_eq!(views.building(), Some(building(done)));
        let read = views.received(WorkspaceId(1), "key");
        assert!(matches!(read, Err(ViewError::Building(told)) if told == building(done)));
    }
    views.fold(&records).unwrap();
    assert_eq!(views.received(WorkspaceId(1), "key").ok(), Some(false));
}

/// Changes a byte in each of the blocks of the runs in a folder, and nothing else of them.
fn spoil_runs(folder: &Path) {
    const BLOCK: usize = 4_096;
    let runs = fs::read_dir(folder.join("views-runs")).unwrap();
    let runs = runs.map(|entry| entry.unwrap().path());
    let mut spoilt = 0;
    for path in runs.filter(|path| path.extension().is_some_and(|ending| ending == "run")) {
        let mut bytes = fs::read(&path).unwrap();
        let blocks = u32::from_le_bytes(bytes[52..56].try_into().unwrap()) as usize;
        for block in 1..=blocks {
            bytes[block * BLOCK + 100] ^= 1;
            spoilt += 1;
        }
        fs::write(path, bytes).unwrap();
    }
    assert!(spoilt > 0);
}

#[test]
fn runs_that_are_found_damaged_while_they_are_read_are_begun_anew_beside_the_others() {
    // Arrange
    let folder = tempdir().unwrap();
    let views = open(&folder);
    let log = log_of((1..=2_000).map(entry).collect());
    let records = all(&log);
    views.fold(&records).unwrap();
    let right = views.dump().unwrap();
    views.close().unwrap();
    drop(views);
    spoil_runs(folder.path());
    // Act
    let views = open(&folder);
    assert_eq!(views.building(), None);
    let wanted = EventFilter {
        order: Order::OldestFirst,
        ..EventFilter::default()
    };
    let read = || views.events(WorkspaceId(1), &wanted);
    let is_building = |done| {
        let building = Building { done, total: 2_000 };
        matches!(read(), Err(ViewError::Building(told)) if told == building)
    };
    let of_contacts = || views.contact_ids_behind(WorkspaceId(1), None, 9);
    let before = of_contacts().unwrap();
    // Assert
    assert!(is_building(0));
    assert!(is_building(0));
    views.renew().unwrap();
    assert_eq!(views.cursor(), Seq(2_000));
    assert_eq!(of_contacts().unwrap(), before);
    views.fold_beside(&records[..1_500]).unwrap();
    assert!(is_building(1_500));
    views.fold_beside(&records[1_500..]).unwrap();
    assert!(!read().unwrap().seqs.is_empty());
    assert_eq!(differing(&views.dump().unwrap(), &right), [""; 0]);
    // What is damaged again at once is an error: building it again would not help either.
    views.checkpoint().unwrap();
    spoil_runs(folder.path());
    for _ in 0..2 {
        assert!(matches!(read(), Err(ViewError::Damaged(_))));
        views.renew().unwrap();
    }
    assert_eq!(views.building(), None);
}

#[test]
fn runs_of_before_the_logs_beginning_are_not_missed() {
    // Arrange: a log that has let go of everything before seq 1,200, and views of all of it.
    let folder = tempdir().unwrap();
    let views = open(&folder);
    let log = log_of((1..=2_000).map(entry).collect());
    views.fold(&all(&log)).unwrap();
    views.close().unwrap();
    drop(views);
    let run = |number| folder.path().join(format!("views-runs/{number:010}.run"));
    for number in [0, 1] {
        fs::remove_file(run(number)).unwrap();
    }
    let newest = |views: &Views| {
        let filter = EventFilter::default();
        views.events(WorkspaceId(1), &filter).unwrap().seqs
    };
    fs::create_dir(folder.path().join("log")).unwrap();
    fs::write(folder.path().join("log/FLOOR"), "1200\n").unwrap();
    // Act, assert
    let views = open(&folder);
    assert_eq!((views.cursor(), views.building()), (Seq(2_000), None));
    assert_eq!(newest(&views)[0], Seq(2_000));
    drop(views);
    assert!(run(2).exists());
    // What the log still holds is missed.
    fs::write(folder.path().join("log/FLOOR"), "1023\n").unwrap();
    assert!(open(&folder).building().is_some());
}

#[derive(Debug, Clone)]
enum Act {
    Fold(usize),
    /// Hands over records that are folded already, before new ones.
    FoldAgain(usize),
    Sync,
    Restart,
    Crash,
    Rebuild,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        8 => (1..700_usize).prop_map(Act::Fold),
        2 => (1..50_usize).prop_map(Act::FoldAgain),
        2 => Just(Act::Sync),
        1 => Just(Act::Restart),
        1 => Just(Act::Crash),
        1 => Just(Act::Rebuild),
    ];
    prop::collection::vec(act, 0..16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn live_views_equal_rebuilt_ones_whatever_the_batches_and_restarts(
        entries in history(),
        acts in acts(),
        cache in caches(),
    ) {
        let log = log_of(entries);
        let records = all(&log);
        let mut folder = tempdir().unwrap();
        let mut views = open_with(&folder, cache);
        for act in acts {
            let done = usize::try_from(views.cursor().0).unwrap();
            let upto = |count| records.len().min(done + count);
            match act {
                Act::Fold(count) => views.fold(&records[done..upto(count)]).unwrap(),
                Act::FoldAgain(count) => {
                    views.fold(&records[done.saturating_sub(count)..upto(count)]).unwrap();
                }
                Act::Sync => views.checkpoint().unwrap(),
                Act::Restart => {
                    let before = views.cursor();
                    views.close().unwrap();
                    prop_assert_eq!(durable_cursor(folder.path()), before);
                    views = open_with(&folder, cache);
                    prop_assert_eq!(views.cursor(), before);
                }
                Act::Crash => {
                    let after = crash(&folder);
                    drop(views);
                    folder = after;
                    let cursor = durable_cursor(folder.path());
                    views = open_with(&folder, cache);
                    prop_assert_eq!(views.cursor(), cursor);
                    let kept = usize::try_from(cursor.0).unwrap();
                    prop_assert!(kept <= done);
                    prop_assert_eq!(views.dump().unwrap(), folded(&records[..kept]));
                }
                Act::Rebuild => {
                    views.close().unwrap();
                    rebuilt(&folder, &log);
                    views = open_with(&folder, cache);
                }
            }
        }
        let done = usize::try_from(views.cursor().0).unwrap();
        views.fold(&records[done..]).unwrap();
        let live = views.dump().unwrap();
        prop_assert_eq!(views.cursor().0, records.len() as u64);
        let other = tempdir().unwrap();
        prop_assert_eq!(rebuilt(&other, &log), records.len() as u64);
        prop_assert_eq!(&live, &open(&other).dump().unwrap());
        prop_assert_eq!(live, folded(&records));
    }
}

#[test]
fn a_snapshot_stays_as_it_was_while_rows_are_put_aside_and_changed() {
    let entries = (1..=30_000).map(|number| Entry {
        address: super::history::address(&format!("user{}@d.example", number % 9_000)),
        ..entry(number)
    });
    let records = all(&log_of(entries.collect()));
    let folder = tempdir().unwrap();
    let views = open_with(&folder, 400_000);
    views.fold(&records[..15_000]).unwrap();
    let rows = |rows: &super::rows::Rows| {
        let mut all = DumpedRows::new();
        let pages = &rows.pages[0];
        let row = |number: u32, row: &[u8]| all.push((number.to_be_bytes().to_vec(), row.to_vec()));
        pages.each(0..pages.rows(), row).unwrap();
        all
    };
    let snapshot = views.engagement_rows();
    let (before, held) = (rows(&snapshot), snapshot.pages[0].held());
    assert!(held < 100_000, "{held}");
    for records in records[15_000..].chunks(2_000) {
        views.fold(records).unwrap();
        views.checkpoint().unwrap();
    }
    let after = views.engagement_rows();
    assert!(after.pages[0].held() < 100_000);
    assert_ne!(rows(&after), before);
    assert_eq!(rows(&snapshot), before);
    assert_eq!(views.dump().unwrap(), folded(&records));
}

#[test]
fn what_was_synced_survives_a_crash_and_rows_never_come_without_their_cursor() {
    // Arrange: three folds, a sync after the second.
    let log = log_of((1..=3_000).map(entry).collect());
    let records = all(&log);
    let folder = tempdir().unwrap();
    let views = open(&folder);
    views.fold(&records[..1_000]).unwrap();
    views.fold(&records[1_000..2_000]).unwrap();
    views.checkpoint().unwrap();
    views.fold(&records[2_000..]).unwrap();
    assert_eq!(views.cursor(), Seq(3_000));
    // Act
    let after = crash(&folder);
    // Assert
    assert_eq!(durable_cursor(after.path()), Seq(2_000));
    let reopened = open(&after);
    assert_eq!(reopened.cursor(), Seq(2_000));
    assert_eq!(reopened.dump().unwrap(), folded(&records[..2_000]));
}

#[test]
fn a_rebuild_that_fails_leaves_the_views_as_they_were() {
    let mut entries: Vec<_> = (1..=3).map(entry).collect();
    let folder = tempdir().unwrap();
    rebuilt(&folder, &log_of(entries.clone()));
    // This workspace has no key.
    entries.push(Entry {
        workspace: WorkspaceId(9),
        ..entry(4)
    });
    let failing = log_of(entries);
    let error = rebuild(folder.path(), keys(), &failing, &mut |_, _| {}).unwrap_err();
    assert!(
        matches!(error, ViewError::NoKey(WorkspaceId(9))),
        "{error:?}"
    );
    assert_eq!(open(&folder).cursor(), Seq(3));
    assert!(files(&folder).iter().all(|name| !name.ends_with(".draft")));
}

#[test]
fn a_rebuild_tells_how_far_it_is() {
    let log = log_of((1..=20_000).map(entry).collect());
    let folder = tempdir().unwrap();
    let mut told = Vec::new();
    rebuild(folder.path(), keys(), &log, &mut |done, total| {
        told.push((done, total));
    })
    .unwrap();
    assert!(told.is_sorted() && told.len() == 3, "{told:?}");
    assert!(told.iter().all(|(_, total)| *total == 20_000));
    assert_eq!(told[2].0, 20_000);
}

/// Folds what views that are built beside the others lack.
fn make_up(views: &Views, records: &[Record]) {
    views.fold(records).unwrap();
    while let Some(cursor) = views.cursor_beside() {
        let behind = records.partition_point(|record| record.seq <= cursor);
        let upto = records.len().min(behind + 1_000);
        views.fold_beside(&records[behind..upto]).unwrap();
    }
}

#[test]
fn a_file_that_cannot_be_used_is_built_anew() {
    let records = all(&log_of((1..=5_000).map(entry).collect()));
    let folder = tempdir().unwrap();
    let views = open(&folder);
    views.fold(&records).unwrap();
    let expected = folded(&records);
    views.close().unwrap();
    for name in files(&folder) {
        let path = folder.path().join(&name);
        let good = fs::read(&path).unwrap();
        let mut no_header = good.clone();
        no_header[..200].fill(0xAA);
        let mut no_pages = good.clone();
        no_pages[4_096..].fill(0);
        let foreign = {
            let path = tempdir().unwrap().path().join("other.redb");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            drop(redb::Database::create(&path).unwrap());
            fs::read(path).unwrap()
        };
        for (what, bytes) in [
            ("empty", Vec::new()),
            ("text", b"these are no views".to_vec()),
            ("without a header", no_header),
            ("half", good[..good.len() / 2].to_vec()),
            ("without pages", no_pages),
            ("foreign", foreign),
        ] {
            fs::write(&path, bytes).unwrap();
            let _ = durable_cursor(folder.path());
            let views = open(&folder);
            // What nobody uses need not be built.
            let is_unused = name.contains("segments");
            let is_begun =
                views.cursor() == Seq::START || views.cursor_beside() == Some(Seq::START);
            assert!(is_begun || is_unused, "{name} {what}");
            make_up(&views, &records);
            assert_eq!(views.dump().unwrap(), expected, "{name} {what}");
            views.close().unwrap();
            assert_eq!(durable_cursor(folder.path()), Seq(5_000), "{name} {what}");
        }
    }
}

#[test]
fn a_view_that_is_lost_is_built_beside_the_others_which_go_on() {
    let records = all(&log_of((1..=5_000).map(entry).collect()));
    let folder = tempdir().unwrap();
    let views = open(&folder);
    views.fold(&records[..4_000]).unwrap();
    views.close().unwrap();
    fs::remove_file(folder.path().join("views-engagement.redb")).unwrap();
    // Act
    let views = open(&folder);
    views.fold(&records).unwrap();
    // Assert
    assert_eq!(views.cursor(), Seq(5_000));
    let newest = |views: &Views| {
        let page = views
            .events(WorkspaceId(1), &EventFilter::default())
            .unwrap();
        page.seqs.first().copied()
    };
    assert_eq!(newest(&views), Some(Seq(5_000)));
    let building = |done| Building { done, total: 4_000 };
    for done in [1_000, 2_000] {
        views.fold_beside(&records[..done]).unwrap();
        let read = views.workspace(WorkspaceId(1), 0);
        let told = matches!(read, Err(ViewError::Building(told)) if told == building(done as u64));
        assert!(told, "{done}");
    }
    make_up(&views, &records);
    assert!(views.workspace(WorkspaceId(1), 0).is_ok());
    assert_eq!(views.building(), None);
    assert_eq!(views.dump().unwrap(), folded(&records));
}

#[test]
fn what_an_older_version_left_goes_once_the_views_are_built() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("views.redb"), "old").unwrap();
    let records = all(&log_of((1..=7).map(entry).collect()));
    let views = open(&folder);
    views.owe(Seq(7));
    views.fold(&records[..3]).unwrap();
    views.checkpoint().unwrap();
    assert!(folder.path().join("views.redb").exists());
    views.fold(&records).unwrap();
    views.checkpoint().unwrap();
    assert!(!folder.path().join("views.redb").exists());
}

#[test]
fn the_cursor_at_rest_is_read_without_touching_the_files() {
    let folder = tempdir().unwrap();
    assert_eq!(durable_cursor(folder.path()), Seq::START);
    assert!(files(&folder).is_empty());
    let views = open(&folder);
    views
        .fold(&all(&log_of((1..=7).map(entry).collect())))
        .unwrap();
    views.close().unwrap();
    let paths: Vec<_> = files(&folder)
        .iter()
        .map(|name| folder.path().join(name))
        .collect();
    let bytes = || {
        paths
            .iter()
            .map(|path| fs::read(path).unwrap())
            .collect::<Vec<_>>()
    };
    let before = bytes();
    assert_eq!(durable_cursor(folder.path()), Seq(7));
    assert_eq!(bytes(), before);
    for path in &paths {
        fs::write(path, "no views").unwrap();
    }
    assert_eq!(durable_cursor(folder.path()), Seq::START);
    assert!(bytes().iter().all(|bytes| bytes == b"no views"));
}

#[test]
fn views_that_are_open_elsewhere_are_left_alone() {
    let folder = tempdir().unwrap();
    let views = open(&folder);
    views
        .fold(&all(&log_of((1..=7).map(entry).collect())))
        .unwrap();
    let second = Views::open(folder.path(), keys()).map(drop);
    assert!(matches!(second, Err(ViewError::Storage(_))), "{second:?}");
    views.close().unwrap();
    assert_eq!(open(&folder).cursor(), Seq(7));
}

#[test]
fn closed_views_answer_that_they_are_closed() {
    let folder = tempdir().unwrap();
    let views = open(&folder);
    views.close().unwrap();
    views.close().unwrap();
    let events = views.events(WorkspaceId(1), &EventFilter::default());
    assert!(matches!(events, Err(ViewError::Closed)));
    let records = all(&log_of(vec![entry(1)]));
    assert!(matches!(views.fold(&records), Err(ViewError::Closed)));
    assert_eq!(views.cursor(), Seq::START);
}

#[test]
fn a_batch_is_bounded_in_bytes_too() {
    let large = |number| {
        let properties = format!("{{\"a\":\"{}\"}}", "x".repeat(30_000));
        Entry {
            fact: crate::record::Fact::Track {
                name: "large".into(),
                properties: Some(crate::record::Personal(properties)),
                message_id: None,
            },
            ..entry(number)
        }
    };
    let log = log_of((1..=3_000).map(large).collect());
    let batch = next_batch(&log, Seq::START).unwrap();
    let bytes: usize = batch.iter().map(|record| record.entry.weight()).sum();
    // Whole blocks, each of half a megabyte and one record at the most.
    let most = FOLD_BYTES + 600_000;
    assert!((FOLD_BYTES..most).contains(&bytes), "{bytes} bytes");
    append(&log, (3_001..=13_000).map(entry).collect());
    let batch = next_batch(&log, Seq(3_000)).unwrap().len();
    assert!(
        (FOLD_RECORDS..FOLD_RECORDS + 1_000).contains(&batch),
        "{batch} records"
    );
    assert_eq!(next_batch(&log, Seq(12_500)).unwrap().len(), 500);
    assert!(next_batch(&log, Seq(13_000)).unwrap().is_empty());
}

#[test]
fn pages_by_score_and_by_id_hold_everybody_once_and_are_sorted_as_they_show_them_while_more_is_folded()
 {
    const CONTACTS: u32 = 700;
    // Arrange: everybody is known, in many slices, and then somebody gains with every event.
    let of = |number: u32, contact: u32| Entry {
        address: super::history::address(&format!("user{contact}@d.example")),
        ..entry(number)
    };
    let first = (0..CONTACTS).map(|number| of(number, number));
    let more = (CONTACTS..9_000).map(|number| of(number, number * number % CONTACTS));
    let records = all(&log_of(first.chain(more).collect()));
    let folder = tempdir().unwrap();
    let views = open(&folder);
    views.fold(&records[..CONTACTS as usize]).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    // Act, assert
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let workspace = WorkspaceId(1);
            while !done.load(Ordering::SeqCst) {
                for descending in [true, false] {
                    let page = views.contacts_by_score(workspace, None, descending, None, 300);
                    let scores = page.unwrap().into_iter().map(|(place, contact)| {
                        assert!(contact.address.is_some());
                        (place.height, contact.score_at(1 << 41))
                    });
                    let scores: Vec<_> = scores.collect();
                    let is_sorted = |one: (f64, f64), next: (f64, f64)| {
                        let (one, next) = if descending { (one, next) } else { (next, one) };
                        one.0 >= next.0 && one.1 >= next.1 * (1.0 - 1e-9)
                    };
                    assert_eq!(scores.len(), 300);
                    assert!(scores.is_sorted_by(|one, next| is_sorted(*one, *next)));
                }
                let mut ids = Vec::new();
                loop {
                    let behind = ids.last().copied();
                    let page = views.contact_ids_behind(workspace, behind, 100).unwrap();
                    if page.is_empty() {
                        break;
                    }
                    ids.extend(page);
                }
                assert_eq!(ids.len(), CONTACTS as usize);
                assert!(ids.is_sorted_by(|one, next| one.0 < next.0));
            }
        });
        for batch in records.chunks(100) {
            views.fold(batch).unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn folds_checkpoints_and_reads_go_on_at_once_and_a_kill_loses_nothing() {
    // Arrange: many contacts, so that pages change while they are written.
    let entries = (1..=30_000).map(|number| Entry {
        address: super::history::address(&format!("user{}@d.example", number % 7_000)),
        ..entry(number)
    });
    let records = all(&log_of(entries.collect()));
    let folder = tempdir().unwrap();
    let views = open(&folder);
    let done = std::sync::atomic::AtomicBool::new(false);
    // Act
    let killed = std::thread::scope(|threads| {
        let checkpoints = threads.spawn(|| {
            let mut killed = None;
            while !done.load(Ordering::SeqCst) {
                views.checkpoint().unwrap();
                killed = Some(crash(&folder));
            }
            killed.unwrap()
        });
        threads.spawn(|| {
            let mut newest = Seq::START;
            while !done.load(Ordering::SeqCst) {
                let filter = EventFilter::default();
                let page = views.events(WorkspaceId(1), &filter).unwrap();
                let seq = page.seqs.first().copied().unwrap_or(Seq::START);
                assert!(seq >= newest, "what was seen is seen again");
                newest = seq;
            }
        });
        for batch in records.chunks(500) {
            views.fold(batch).unwrap();
        }
        done.store(true, Ordering::SeqCst);
        checkpoints.join().unwrap()
    });
    // Assert
    let expected = folded(&records);
    assert_eq!(views.dump().unwrap(), expected);
    let again = open(&killed);
    assert!(again.cursor() > Seq::START);
    let kept = usize::try_from(again.cursor().0).unwrap();
    assert_eq!(again.dump().unwrap(), folded(&records[..kept]));
    again.fold(&records).unwrap();
    assert_eq!(again.dump().unwrap(), expected);
}
