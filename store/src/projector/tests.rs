//! Tests of the projector: that it keeps up, survives failures, rebuilds while it runs, and closes.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc;

use shared::time::Timestamp;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::clock::FixedClock;
use crate::ledger::{Located, Log, Submission};
use crate::query::{EventFilter, list_events};
use crate::record::{WorkspaceId, WorkspaceKeys};
use crate::views::history::{NOW, Trial, all, entry, keys, log_of};
use crate::views::{durable_cursor, rebuild};

mod time;

/// Longer than anything here takes: it ends a test that would hang.
const LONG: Duration = Duration::from_secs(60);

struct Subject {
    log: Arc<Trial>,
    views: Arc<Views>,
    clock: Arc<FixedClock>,
    projector: Arc<Projector>,
    folder: TempDir,
}

impl Subject {
    /// A running projector; the log holds `records` records already.
    fn start(records: u32) -> Self {
        let log = log_of((1..=records).map(entry).collect());
        Self::start_on(Trial::new(log, 0..0))
    }

    fn start_on(log: Trial) -> Self {
        Self::start_with(keys(), log)
    }

    fn start_with(keys: Arc<dyn WorkspaceKeys>, log: Trial) -> Self {
        let folder = tempdir().unwrap();
        let log = Arc::new(log);
        let views = Arc::new(Views::open(folder.path(), keys).unwrap());
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(NOW)));
        let (followed, time): (Arc<dyn Log>, Arc<dyn Clock>) = (log.clone(), clock.clone());
        let projector = Arc::new(Projector::start(followed, Arc::clone(&views), time));
        Self {
            log,
            views,
            clock,
            projector,
            folder,
        }
    }

    async fn append(&self, numbers: impl Iterator<Item = u32>) -> Seq {
        let batch = numbers.map(|n| Submission::from(entry(n))).collect();
        self.log.append(batch).await.unwrap();
        *self.log.committed().borrow()
    }

    async fn reach(&self, seq: Seq) {
        self.projector.wait_for(seq, LONG).await.unwrap();
    }

    /// The place in the log of the newest event that is listed.
    fn newest(&self) -> Option<Seq> {
        let filter = EventFilter {
            limit: 1,
            ..EventFilter::default()
        };
        let list = list_events(&self.views, &*self.log, WorkspaceId(1), &filter).unwrap();
        let newest = list.events.first()?.seq.parse().unwrap();
        match self.log.locate(WorkspaceId(1), newest).unwrap() {
            Located::At(seq) => Some(seq),
            Located::Behind(_) => None,
        }
    }
}

#[tokio::test]
async fn an_event_is_listed_once_it_has_been_waited_for() {
    let subject = Subject::start(0);
    for number in 1..=20 {
        let seq = subject.append(number..=number).await;
        subject.reach(seq).await;
        assert_eq!(subject.newest(), Some(seq));
        assert_eq!(subject.projector.lag_ms(), 0);
    }
}

#[tokio::test]
async fn what_was_committed_before_the_start_is_folded() {
    let subject = Subject::start(20_000);
    subject.reach(Seq(20_000)).await;
    assert_eq!(subject.newest(), Some(Seq(20000)));
}

#[tokio::test]
async fn views_are_not_read_until_they_hold_what_was_there_at_the_start() {
    let log = Trial::new(log_of((1..=3).map(entry).collect()), 0..0);
    log.fail(true);
    let subject = Subject::start_on(log);
    let building = Building { done: 0, total: 3 };
    let waited = subject.projector.wait_until_built(Duration::from_millis(1));
    assert_eq!(waited.await, Err(building));
    let read = subject
        .views
        .events(WorkspaceId(1), &EventFilter::default());
    assert!(matches!(read, Err(ViewError::Building(told)) if told == building));
    subject.log.fail(false);
    assert_eq!(subject.projector.wait_until_built(LONG).await, Ok(()));
    assert_eq!(subject.newest(), Some(Seq(3)));
}

#[tokio::test]
async fn views_whose_opening_was_put_off_are_opened_and_followed_and_closed() {
    let mut subject = Subject::start(2_000);
    subject.reach(Seq(2_000)).await;
    subject.projector.close().await.unwrap();
    subject.append(2_001..=2_010).await;
    let put_off = Views::put_off(subject.folder.path(), keys(), 1_000).unwrap();
    subject.views = Arc::new(put_off);
    let building = Building { done: 0, total: 1 };
    assert_eq!(subject.views.building_abreast(), Some(building));
    let (log, time): (Arc<dyn Log>, Arc<dyn Clock>) = (subject.log.clone(), subject.clock.clone());
    let projector = Projector::start(log, Arc::clone(&subject.views), time);
    subject.projector = Arc::new(projector);
    assert_eq!(subject.projector.wait_until_built(LONG).await, Ok(()));
    assert_eq!(subject.newest(), Some(Seq(2_010)));
    subject.projector.close().await.unwrap();
    assert_eq!(durable_cursor(subject.folder.path()), Seq(2_010));
}

#[tokio::test]
async fn what_a_reader_finds_damaged_is_built_anew_by_itself() {
    let subject = Subject::start(500);
    subject.reach(Seq(500)).await;
    subject.views.spoil_engagement();
    let mut built = subject.projector.cursor();
    let is_built = |_: &Seq| subject.views.building().is_none();
    tokio::time::timeout(LONG, built.wait_for(is_built))
        .await
        .unwrap()
        .unwrap();
    assert!(subject.views.workspace(WorkspaceId(1), 0).is_ok());
}

#[tokio::test]
async fn who_waits_for_what_is_not_there_is_told_how_far_the_views_are() {
    let subject = Subject::start(3);
    subject.reach(Seq(3)).await;
    let waited = subject
        .projector
        .wait_for(Seq(4), Duration::from_millis(1))
        .await;
    assert_eq!(waited, Err(Behind { cursor: Seq(3) }));
}

#[tokio::test]
async fn a_failing_log_makes_the_lag_grow_until_it_reads_again() {
    let subject = Subject::start(0);
    subject.log.fail(true);
    let before = *subject.log.reads.borrow();
    let seq = subject.append(1..=1).await;
    let mut reads = subject.log.reads.subscribe();
    reads.wait_for(|reads| *reads > before + 1).await.unwrap();
    subject.clock.advance_millis(700);
    assert_eq!(subject.projector.lag_ms(), 700);
    subject.clock.advance_millis(700);
    assert_eq!(subject.projector.lag_ms(), 1_400);
    subject.log.fail(false);
    subject.reach(seq).await;
    assert_eq!(subject.projector.lag_ms(), 0);
}

#[tokio::test]
async fn views_that_fail_are_opened_again() {
    let subject = Subject::start(5);
    subject.reach(Seq(5)).await;
    // As after an I/O error: nothing more can be written.
    subject.views.close().unwrap();
    let seq = subject.append(6..=6).await;
    subject.reach(seq).await;
    assert_eq!(subject.newest(), Some(Seq(6)));
}

#[tokio::test]
async fn nobody_waits_for_the_end_of_a_log_that_was_set_aside() {
    let log = log_of((1..=10).map(entry).collect());
    let subject = Subject::start_on(Trial::new(log, 8..11));
    subject.reach(Seq(10)).await;
    assert_eq!(subject.views.cursor(), Seq(7));
    assert_eq!(subject.views.building(), None);
    assert_eq!(subject.projector.lag_ms(), 0);
    let seq = subject.append(11..=11).await;
    subject.reach(seq).await;
    assert_eq!(subject.newest(), Some(Seq(11)));
}

#[tokio::test]
async fn closing_folds_what_is_committed_and_syncs_it() {
    let subject = Subject::start(9_000);
    let seq = subject.append(9_001..=9_010).await;
    subject.projector.close().await.unwrap();
    assert_eq!(durable_cursor(subject.folder.path()), seq);
    subject.projector.close().await.unwrap();
}

#[tokio::test]
async fn a_projector_that_is_dropped_lets_go_of_the_log() {
    let subject = Subject::start(1);
    subject.reach(Seq(1)).await;
    let follower = subject.projector.follower.lock().unwrap().take().unwrap();
    let Subject { projector, .. } = subject;
    drop(projector);
    follower.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_rebuild_under_load_gives_no_wrong_answer_and_the_same_views() {
    // Arrange: one task appends, one reads its own writes.

    let subject = Arc::new(Subject::start(30_000));
    subject.reach(Seq(30_000)).await;
    let done = Arc::new(AtomicBool::new(false));
    let appending = tokio::spawn({
        let (subject, done) = (Arc::clone(&subject), Arc::clone(&done));
        async move {
            let mut number = 30_000;
            while !done.load(Ordering::SeqCst) {
                let seq = subject.append(number + 1..=number + 10).await;
                number += 10;
                subject.reach(seq).await;
                let subject = Arc::clone(&subject);
                let newest = tokio::task::spawn_blocking(move || subject.newest());
                assert_eq!(newest.await.unwrap(), Some(seq));
            }
        }
    });
    // Act
    for _ in 0..3 {
        let folded = subject.projector.rebuild(|done, total| {
            assert!(done <= total);
        });
        assert!(folded.await.unwrap() >= 30_000);
    }
    done.store(true, Ordering::SeqCst);
    appending.await.unwrap();
    // Assert
    let live = subject.views.dump().unwrap();
    let other = tempdir().unwrap();
    rebuild(other.path(), keys(), &*subject.log, &mut |_, _| {}).unwrap();
    let rebuilt = Views::open(other.path(), keys()).unwrap();
    assert_eq!(live, rebuilt.dump().unwrap());
    subject.projector.close().await.unwrap();
    let records = all(&*subject.log).len() as u64;
    assert_eq!(durable_cursor(subject.folder.path()), Seq(records));
}

#[tokio::test]
async fn one_rebuild_at_a_time_and_closing_ends_it() {
    // Arrange: a rebuild that stands still after its first fold.
    let subject = Subject::start(20_000);
    subject.reach(Seq(20_000)).await;
    let (started, mut has_started) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let rebuilding = tokio::spawn({
        let projector = Arc::clone(&subject.projector);
        async move {
            let progress = move |_, _| {
                started.send(()).unwrap();
                // Fails once the other end is gone, and then lets everything pass.
                may_go_on.recv().unwrap_or_default();
            };
            projector.rebuild(progress).await
        }
    });
    has_started.recv().await.unwrap();
    // Act
    let second = subject.projector.rebuild(|_, _| {}).await;
    let mut closing = std::pin::pin!(subject.projector.close());
    tokio::select! {
        biased;
        _ = &mut closing => panic!("closing waits for the rebuild"),
        () = std::future::ready(()) => drop(go_on),
    }
    // Assert
    assert!(matches!(second, Err(ViewError::Busy)), "{second:?}");
    closing.await.unwrap();
    let first = rebuilding.await.unwrap();
    assert!(matches!(first, Err(ViewError::Stopped)), "{first:?}");
    assert_eq!(durable_cursor(subject.folder.path()), Seq(20_000));
    let mut files = std::fs::read_dir(subject.folder.path()).unwrap();
    let is_draft = |path: std::path::PathBuf| path.extension().is_some_and(|end| end == "draft");
    assert!(
        files.all(|file| !is_draft(file.unwrap().path())),
        "the draft is gone"
    );
}
