//! Processes that fold, write checkpoints and swap files, and are killed at any moment: whatever they leave,
//! what is there is right up to its cursor, and the rest comes to what a rebuild comes to. `just torture`
//! kills more of them.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tempfile::{TempDir, tempdir};

use super::{all, differing, folded, history, log_of, make_up, open, open_with, rebuilt};
use crate::ledger::Log as _;
use crate::ledger::memory::MemoryLedger;
use crate::record::Record;
use crate::views::engagement::tests::random;
use crate::views::history::{at_once, keys};
use crate::views::{DEFAULT_CACHE, Dump, Views, durable_cursor};

/// What a child is told: its folder, and the seeds of its history and of what it does.
const FOLDER: &str = "MISAR_KILLED_FOLDER";
const HISTORY: &str = "MISAR_KILLED_HISTORY";
const DOINGS: &str = "MISAR_KILLED_DOINGS";
/// How many are killed where nobody says.
const KILLS: u64 = 300;
/// Kills after which another history begins, finished or not.
const KILLS_OF_ONE: u64 = 12;
/// A child says so once it is at work.
const AT_WORK: &str = "at work";

/// Small, fast random numbers that a seed repeats (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27) % end.max(1)
    }
}

/// Events of pages and servers, and among them mails, clicks and orders; of several workspaces.
fn log_of_seed(seed: u64) -> MemoryLedger {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let entries = history().new_tree(&mut runner).unwrap().current();
    let submissions = random::submissions()
        .new_tree(&mut runner)
        .unwrap()
        .current();
    let log = log_of(entries);
    for submission in submissions {
        at_once(log.append(vec![submission])).unwrap();
    }
    let entries = history().new_tree(&mut runner).unwrap().current();
    let more = entries.into_iter().map(|mut entry| {
        // Other ids than those before.
        let mut id = [0x42; 16];
        id[..8].copy_from_slice(&entry.id.as_bytes()[..8]);
        entry.id = shared::ids::EventId::from_bytes(id);
        crate::ledger::Submission::from(entry)
    });
    at_once(log.append(more.collect())).unwrap();
    log
}

/// No test: what the killed processes do. Does nothing where nobody says.
#[test]
fn the_process_that_is_killed() {
    let said = |name: &str| std::env::var(name).ok();
    let (Some(folder), Some(history), Some(doings)) = (said(FOLDER), said(HISTORY), said(DOINGS))
    else {
        return;
    };
    let log = log_of_seed(history.parse().unwrap());
    let records = all(&log);
    let mut random = Random(doings.parse().unwrap());
    let cache = cache(random.below(3));
    let views = Views::open_with(folder.as_ref(), keys(), cache).unwrap();
    eprintln!("{AT_WORK}");
    let busy = random.below(4);
    let mut pauses = Random(random.below(u64::MAX));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        // As the projector does: checkpoints beside folds.
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                std::thread::sleep(Duration::from_micros(pauses.below(3_000)));
                views.checkpoint().unwrap();
            }
        });
        while views.cursor() < records[records.len() - 1].seq || views.cursor_beside().is_some() {
            if let Some(cursor) = views.cursor_beside() {
                let behind = records.partition_point(|record| record.seq <= cursor);
                let upto = records.len().min(behind + 200);
                views.fold_beside(&records[behind..upto]).unwrap();
            }
            let done = records.partition_point(|record| record.seq <= views.cursor());
            let upto = records
                .len()
                .min(done + 1 + usize::try_from(random.below(150)).unwrap());
            views.fold(&records[done..upto]).unwrap();
            if busy == 0 && random.below(6) == 0 && views.cursor_beside().is_none() {
                let draft = views.draft().unwrap();
                draft
                    .catch_up(&log, views.cursor(), &|| false, &mut |_, _| {})
                    .unwrap();
                draft
                    .fold(
                        &records[..records.partition_point(|record| record.seq <= views.cursor())],
                    )
                    .unwrap();
                views.adopt(draft).unwrap();
            }
        }
        done.store(true, std::sync::atomic::Ordering::Release);
    });
    views.close().unwrap();
}

/// Memory for rows: none, too little, and enough.
fn cache(which: u64) -> usize {
    match which {
        0 => 0,
        1 => 40_000,
        _ => DEFAULT_CACHE,
    }
}

fn start(folder: &TempDir, history: u64, doings: u64) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("views::tests::kills::the_process_that_is_killed")
        .env(FOLDER, folder.path())
        .env(HISTORY, history.to_string())
        .env(DOINGS, doings.to_string())
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

/// What is there is right up to its cursor; nothing that is built anew is read before it is built.
fn check(folder: &TempDir, records: &[Record], expected: &Dump, what: &str) {
    // One file may be ahead of another: nobody reads before all are as far.
    let reached = durable_cursor(folder.path());
    let views = open_with(folder, cache(reached.0 % 3));
    let known = records.partition_point(|record| record.seq <= reached);
    make_up(&views, &records[..known]);
    let wrong = differing(&views.dump().unwrap(), &folded(&records[..known]));
    assert!(wrong.is_empty(), "{what}: up to {known}: {wrong:?}");
    make_up(&views, records);
    let wrong = differing(&views.dump().unwrap(), expected);
    assert!(wrong.is_empty(), "{what}: made up for: {wrong:?}");
    // Dropped as it is: the next process finds what the one before has left.
}

/// Kills so many; returns how many had not finished by then.
fn kill(kills: u64, seed: u64) -> u64 {
    let mut random = Random(seed);
    let (mut interrupted, mut done) = (0, 0);
    while done < kills {
        let history = random.below(u64::MAX);
        let log = log_of_seed(history);
        let records = all(&log);
        let expected = folded(&records);
        let folder = tempdir().unwrap();
        for turn in 0..KILLS_OF_ONE.min(kills - done) {
            let doings = random.below(u64::MAX);
            let mut child = start(&folder, history, doings);
            std::thread::sleep(Duration::from_micros(random.below(60_000)));
            child.kill().unwrap();
            let status = child.wait().unwrap();
            done += 1;
            let what = format!("history {history}, turn {turn}, doings {doings}");
            assert!(
                status.code().is_none_or(|code| code == 0),
                "{what}: {status}"
            );
            check(&folder, &records, &expected, &what);
            if status.success() {
                break;
            }
            interrupted += 1;
        }
        let other = tempdir().unwrap();
        rebuilt(&other, &log);
        let differing = differing(&open(&other).dump().unwrap(), &expected);
        assert!(differing.is_empty(), "history {history}: {differing:?}");
    }
    interrupted
}

fn kills() -> u64 {
    let told = std::env::var("VIEWS_KILLS").ok();
    told.map_or(KILLS, |text| text.parse().unwrap())
}

// In two, for two cores.
#[test]
fn views_that_are_killed_at_any_moment_come_to_what_a_rebuild_comes_to() {
    let interrupted = kill(kills().div_ceil(2), 1);
    assert!(interrupted > kills() / 10, "{interrupted}");
}

#[test]
fn views_that_are_killed_at_any_other_moment_do_as_well() {
    let interrupted = kill(kills().div_ceil(2), 2);
    assert!(interrupted > kills() / 10, "{interrupted}");
}
