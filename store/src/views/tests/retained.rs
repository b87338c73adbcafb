//! Views over a log whose beginning is dropped: they come to what they would come to with all of it, live, built anew,
//! after damage, and wherever a pass was killed.

mod purged;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use shared::time::Timestamp;
use tempfile::{TempDir, tempdir};

use super::{all, differing, folded, history, make_up, open};
use crate::clock::FixedClock;
use crate::ledger::decide::{WorkspaceKey, WorkspaceKeys};
use crate::ledger::local::{LocalLedger, Options};
use crate::ledger::verify::verify;
use crate::ledger::{Log as _, Submission};
use crate::record::{Record, SegmentBooks, Seq, WorkspaceId};
use crate::retention::{LEAST_MS, Retention, RetentionError};
use crate::views::engagement::tests::random;
use crate::views::history::{NOW, append, at_once, keys};
use crate::views::runs::DUMPED;
use crate::views::segments::Segments;
use crate::views::view::View;
use crate::views::{Dump, Views, retained};

/// Records of a segment.
const SEGMENT: u64 = 25;
/// What a child is told: its folder.
const FOLDER: &str = "MISAR_RETAINED_FOLDER";
/// A child says so once it is at work.
const AT_WORK: &str = "at work";
/// How many are killed.
const KILLS: u64 = 60;

fn log_in(folder: &Path) -> LocalLedger {
    LocalLedger::open(Options {
        rotate_records: SEGMENT,
        run_ids: 1 << 10,
        clock: Arc::new(FixedClock::new(Timestamp::from_millis(NOW))),
        ..Options::new(folder, keys())
    })
    .unwrap()
}

/// A log of many segments, with what pages, servers and mails say.
fn filled(folder: &Path, seed: u64) -> LocalLedger {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let log = log_in(folder);
    append(&log, history().new_tree(&mut runner).unwrap().current());
    let submissions = random::submissions().new_tree(&mut runner).unwrap();
    for submission in submissions.current() {
        at_once(log.append(vec![submission])).unwrap();
    }
    let entries = history().new_tree(&mut runner).unwrap().current();
    for mut entry in entries {
        // Other ids than those before.
        let mut id = [0x42; 16];
        id[..8].copy_from_slice(&entry.id.as_bytes()[..8]);
        entry.id = shared::ids::EventId::from_bytes(id);
        at_once(log.append(vec![Submission::from(entry)])).unwrap();
    }
    log
}

/// The instant at which the log's first `part` of all segments has aged.
fn aged(log: &LocalLedger, part: f64) -> Timestamp {
    let segments = log.segments();
    let at = (segments.len() as f64 * part) as usize;
    let latest = segments[..at.max(1)].iter().map(|one| one.last_received());
    Timestamp::from_millis(latest.max().unwrap() + LEAST_MS + 1)
}

fn pass(
    folder: &Path,
    log: &LocalLedger,
    views: &Views,
    now: Timestamp,
    stop: &dyn Fn() -> bool,
) -> Option<Seq> {
    let retention = Retention {
        data: folder,
        keys: keys(),
        log,
        views,
        cache: 1 << 20,
        erased: Vec::new(),
    };
    let passed = retention.pass(now, 0, stop, &mut |_, _| {});
    passed.unwrap()
}

/// The tables that are not the same, but for what finds dropped events.
fn wrong(one: &Dump, other: &Dump) -> Vec<&'static str> {
    let mut wrong = differing(one, other);
    wrong.retain(|name| *name != DUMPED);
    wrong
}

/// What views come to that are built anew beside these.
fn rebuilt(views: &Views, log: &LocalLedger) -> Dump {
    let draft = views.draft().unwrap();
    let end = *log.committed().borrow();
    draft.catch_up(log, end, &|| false, &mut |_, _| {}).unwrap();
    let dump = draft.dump().unwrap();
    draft.discard();
    dump
}

#[test]
fn views_of_a_log_without_its_beginning_are_what_they_were_with_it() {
    for seed in 0..6 {
        let folder = tempdir().unwrap();
        let log = filled(folder.path(), seed);
        let records = all(&log);
        let expected = folded(&records);
        let views = open(&folder);
        views.fold(&records).unwrap();
        let mut floors = Vec::new();
        for part in [0.3, 0.4, 0.8] {
            let now = aged(&log, part);
            floors.extend(pass(folder.path(), &log, &views, now, &|| false));
            // Nothing more has aged.
            assert_eq!(pass(folder.path(), &log, &views, now, &|| false), None);
            assert_eq!(wrong(&views.dump().unwrap(), &expected), [""; 0], "{seed}");
            assert_eq!(wrong(&rebuilt(&views, &log), &expected), [""; 0], "{seed}");
        }
        let floor = log.floor();
        // Times of arrival go back and forth here, so that one pass may take nearly all.
        assert_eq!(floors.last(), Some(&floor));
        assert!(floor > Seq(SEGMENT), "{floor}");
        assert_eq!(retained(folder.path()).unwrap().map(Seq::next), Some(floor));
        let left = all(&log);
        assert!(
            left.first().is_none_or(|first| first.seq == floor),
            "{floor}"
        );

        // What is damaged, or lost, is built from the checkpoint.
        views.close().unwrap();
        for lost in ["engagement", "events", "terms", "segments"] {
            let path = folder.path().join(format!("views-{lost}.redb"));
            if lost == "events" {
                std::fs::write(&path, b"nothing of redb's").unwrap();
            } else {
                std::fs::remove_file(&path).unwrap();
            }
            let views = open(&folder);
            assert!(views.cursor() >= Seq(floor.0 - 1), "{lost}");
            make_up(&views, &all(&log));
            assert_eq!(wrong(&views.dump().unwrap(), &expected), [""; 0], "{lost}");
            views.close().unwrap();
        }
        at_once(log.close()).unwrap();
        let end = records[records.len() - 1].seq;
        let report = verify(folder.path(), end, &mut |_| {}).unwrap();
        assert!(report.ok, "{:?}", report.problems);
        assert_eq!(report.floor, Some(floor.to_string()));
    }
}

#[test]
fn a_checkpoint_that_is_gone_is_said_and_not_done_without() {
    let folder = tempdir().unwrap();
    let log = filled(folder.path(), 1);
    let views = open(&folder);
    views.fold(&all(&log)).unwrap();
    pass(folder.path(), &log, &views, aged(&log, 0.5), &|| false);
    views.close().unwrap();
    let kept = folder.path().join("retained");
    let kept = std::fs::read_dir(kept).unwrap().next().unwrap().unwrap();
    std::fs::remove_file(kept.path().join("views-engagement.redb")).unwrap();
    // Views that are there need none.
    open(&folder).close().unwrap();
    std::fs::remove_file(folder.path().join("views-engagement.redb")).unwrap();
    let refused = Views::open(folder.path(), keys()).err().unwrap();
    assert!(
        refused.to_string().contains("retention checkpoint"),
        "{refused}"
    );
}

/// Those of another version were refused, and kept the server from starting.
#[test]
fn segments_of_a_checkpoint_that_cannot_be_used_begin_behind_it() {
    let folder = tempdir().unwrap();
    let log = filled(folder.path(), 1);
    let views = open(&folder);
    views.fold(&all(&log)).unwrap();
    let before = views.dump().unwrap();
    pass(folder.path(), &log, &views, aged(&log, 0.5), &|| false);
    views.close().unwrap();
    let kept = folder.path().join("retained");
    let kept = std::fs::read_dir(kept).unwrap().next().unwrap().unwrap();
    std::fs::write(kept.path().join("views-segments.redb"), "of another time").unwrap();
    std::fs::remove_file(folder.path().join("views-segments.redb")).unwrap();
    let views = open(&folder);
    make_up(&views, &all(&log));
    let plan = <Segments as View>::PLAN;
    let mut others = wrong(&views.dump().unwrap(), &before);
    others.retain(|name| !plan.tables.contains(name) && !plan.pages.contains(name));
    assert_eq!(others, [""; 0]);
    views.close().unwrap();
}

#[test]
fn a_pass_that_is_stopped_loses_nothing_and_the_next_goes_on() {
    let folder = tempdir().unwrap();
    let log = filled(folder.path(), 3);
    let records = all(&log);
    let views = open(&folder);
    views.fold(&records).unwrap();
    let retention = Retention {
        data: folder.path(),
        keys: keys(),
        log: &log,
        views: &views,
        cache: 1 << 20,
        erased: Vec::new(),
    };
    let now = aged(&log, 0.6);
    let stopped = retention.pass(now, 0, &|| true, &mut |_, _| {});
    assert!(stopped.is_err());
    assert_eq!((log.floor(), all(&log)), (Seq(1), records.clone()));
    assert!(pass(folder.path(), &log, &views, now, &|| false).is_some());
    assert_eq!(wrong(&rebuilt(&views, &log), &folded(&records)), [""; 0]);
}

#[test]
fn nothing_is_dropped_that_the_views_have_not_read() {
    let folder = tempdir().unwrap();
    let log = filled(folder.path(), 2);
    let records = all(&log);
    let views = open(&folder);
    views.fold(&records[..3]).unwrap();
    let retention = Retention {
        data: folder.path(),
        keys: keys(),
        log: &log,
        views: &views,
        cache: 1 << 20,
        erased: Vec::new(),
    };
    let refused = retention.pass(aged(&log, 0.5), 0, &|| false, &mut |_, _| {});
    assert!(refused.unwrap_err().to_string().contains("being built"));
    assert_eq!(log.floor(), Seq(1));
}

/// Those of [`keys`]; a workspace comes to use segments once it is said.
#[derive(Default)]
struct OfSegments(OnceLock<Arc<SegmentBooks>>);

impl WorkspaceKeys for OfSegments {
    fn key_of(&self, workspace: WorkspaceId) -> Option<WorkspaceKey> {
        keys().key_of(workspace)
    }

    fn segments(&self) -> Arc<SegmentBooks> {
        self.0.get().cloned().unwrap_or_default()
    }
}

/// Between the look at who reads the log and the dropping lie minutes. Facts of before, which a workspace that came to
/// use segments meanwhile was reading, went under it, though it had noted that all of them were there.
#[test]
fn nothing_is_dropped_under_a_workspace_that_has_come_to_use_segments() {
    let folder = tempdir().unwrap();
    let log = filled(folder.path(), 4);
    let keys = Arc::new(OfSegments::default());
    let views = Views::open(folder.path(), Arc::clone(&keys) as _).unwrap();
    let records = all(&log);
    views.fold(&records).unwrap();
    let retention = Retention {
        data: folder.path(),
        keys: Arc::clone(&keys) as _,
        log: &log,
        views: &views,
        cache: 1 << 20,
        erased: Vec::new(),
    };
    let now = aged(&log, 0.6);
    let own = WorkspaceId(1);
    let began = retention.pass(now, 0, &|| false, &mut |_, _| {
        let books = BTreeMap::from([(own, Arc::default())]);
        keys.0.get_or_init(|| Arc::new(SegmentBooks::of(books)));
        if views.fill_from().unwrap() == Some(Seq::START) {
            views.fill(&records[..100], Seq::START).unwrap();
        }
    });
    assert!(matches!(began, Err(RetentionError::Building)), "{began:?}");
    assert_eq!(log.floor(), Seq(1));
    let mut read = &records[100..];
    while let Some(from) = views.fill_from().unwrap() {
        let (next, rest) = read.split_at(read.len().min(100));
        views.fill(next, from).unwrap();
        read = rest;
    }
    assert!(
        retention
            .pass(now, 0, &|| false, &mut |_, _| {})
            .unwrap()
            .is_some()
    );
    assert_eq!(
        views.segments_since(own).unwrap(),
        None,
        "all facts are there"
    );
}

/// No test: what the killed processes do. Does nothing where nobody says.
#[test]
fn the_process_that_is_killed_while_it_drops() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let log = log_in(folder);
    let views = Views::open(folder, keys()).unwrap();
    let end = *log.committed().borrow();
    views
        .catch_up(&log, end, &|| false, &mut |_, _| {})
        .unwrap();
    eprintln!("{AT_WORK}");
    for _ in 0..8 {
        let now = aged(&log, 0.25);
        pass(folder, &log, &views, now, &|| false);
    }
    views.close().unwrap();
    at_once(log.close()).unwrap();
}

fn start(folder: &TempDir) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("views::tests::retained::the_process_that_is_killed_while_it_drops")
        .env(FOLDER, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    let mut said = said.lines();
    let at_work = said.any(|line| line.unwrap() == AT_WORK);
    assert!(at_work, "a child ended at once: {:?}", child.wait());
    // Read on, so that it never waits for us.
    std::thread::spawn(move || said.for_each(drop));
    child
}

/// Of what a kill has left nothing is missing: the log from its floor on, and before that the views.
fn check(folder: &TempDir, records: &[Record], expected: &Dump, turn: u64) {
    let log = log_in(folder.path());
    let floor = log.floor();
    let left = all(&log);
    let from = records.partition_point(|record| record.seq < floor);
    assert_eq!(left, records[from..], "turn {turn}");
    let reached = retained(folder.path()).unwrap();
    assert!(
        floor == Seq(1) || reached >= Some(Seq(floor.0 - 1)),
        "turn {turn}"
    );
    let views = open(folder);
    make_up(&views, &left);
    let differing = wrong(&views.dump().unwrap(), expected);
    assert!(differing.is_empty(), "turn {turn}: {differing:?}");
    let differing = wrong(&rebuilt(&views, &log), expected);
    assert!(
        differing.is_empty(),
        "turn {turn}, built anew: {differing:?}"
    );
    // Dropped as it is: the next process finds what the one before has left.
}

#[test]
fn a_pass_that_is_killed_at_any_moment_loses_nothing() {
    let (mut interrupted, mut turn, mut seed) = (0, 0, 10);
    while turn < KILLS {
        let folder = tempdir().unwrap();
        let log = filled(folder.path(), seed);
        seed += 1;
        let records = all(&log);
        let expected = folded(&records);
        at_once(log.close()).unwrap();
        drop(log);
        loop {
            turn += 1;
            let mut child = start(&folder);
            let pause = (turn * 7_919 + seed * 104_729) % 30_000;
            std::thread::sleep(Duration::from_micros(pause));
            child.kill().unwrap();
            let status = child.wait().unwrap();
            assert!(status.code().is_none_or(|code| code == 0), "{status}");
            check(&folder, &records, &expected, turn);
            if status.success() || turn.is_multiple_of(12) {
                break;
            }
            interrupted += 1;
        }
    }
    assert!(interrupted > KILLS / 10, "{interrupted}");
}
