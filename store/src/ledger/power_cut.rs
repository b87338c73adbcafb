//! Power cuts and failing disks, simulated under redb: whatever unsynced writes a crash drops,
//! tears or reorders, every acknowledged event is there afterwards.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Error, Result as IoResult};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use redb::StorageBackend;

use super::laws::{OneKey, WORKSPACE, crash_image, id, track};
use super::local::{LocalLedger, Options};
use super::{Appended, Log, LogError, LogHealth};
use crate::journal::local::LOG_FOLDER;
use crate::journal::local::segment::{Disk, file_name};
use crate::record::Seq;
use crate::record::identity::Sender;

/// What was done to a file since it was opened.
#[derive(Debug, Clone)]
enum Op {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

/// A disk that remembers everything, for one file at a time.
#[derive(Default)]
struct Recorder {
    base: Mutex<Vec<u8>>,
    ops: Arc<Mutex<Vec<Op>>>,
}

#[derive(Debug)]
struct Recorded {
    file: File,
    ops: Arc<Mutex<Vec<Op>>>,
}

impl Disk for Recorder {
    fn backend(&self, file: File) -> IoResult<Box<dyn StorageBackend>> {
        let mut base = vec![0; usize::try_from(file.metadata()?.len()).unwrap()];
        file.read_exact_at(&mut base, 0)?;
        *self.base.lock().unwrap() = base;
        self.ops.lock().unwrap().clear();
        Ok(Box::new(Recorded {
            file,
            ops: Arc::clone(&self.ops),
        }))
    }
}

impl StorageBackend for Recorded {
    fn len(&self) -> IoResult<u64> {
        Ok(self.file.metadata()?.len())
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> IoResult<()> {
        self.file.read_exact_at(out, offset)
    }
    fn set_len(&self, len: u64) -> IoResult<()> {
        self.ops.lock().unwrap().push(Op::SetLen(len));
        self.file.set_len(len)
    }
    fn sync_data(&self) -> IoResult<()> {
        self.ops.lock().unwrap().push(Op::Sync);
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> IoResult<()> {
        self.ops
            .lock()
            .unwrap()
            .push(Op::Write(offset, data.to_vec()));
        self.file.write_all_at(data, offset)
    }
}

/// What a power cut leaves: all that was synced, and of the rest a part, torn and out of order.
fn image(base: &[u8], ops: &[Op], luck: &mut impl FnMut() -> u64) -> Vec<u8> {
    let synced = ops
        .iter()
        .rposition(|op| matches!(op, Op::Sync))
        .map_or(0, |at| at + 1);
    let mut content = base.to_vec();
    ops[..synced]
        .iter()
        .for_each(|op| apply(&mut content, op, usize::MAX));
    let mut loose: Vec<&Op> = ops[synced..]
        .iter()
        .filter(|_| luck().is_multiple_of(2))
        .collect();
    for at in (1..loose.len()).rev() {
        loose.swap(at, usize::try_from(luck() % (at as u64 + 1)).unwrap());
    }
    for op in loose {
        // Disks write whole sectors of 512 bytes; a write may stop behind any of them.
        let sectors = if luck().is_multiple_of(3) {
            usize::try_from(luck() % 8).unwrap()
        } else {
            usize::MAX / 512
        };
        apply(&mut content, op, sectors * 512);
    }
    content
}

fn apply(content: &mut Vec<u8>, op: &Op, keep: usize) {
    match op {
        Op::Sync => {}
        Op::SetLen(len) => content.resize(usize::try_from(*len).unwrap(), 0),
        Op::Write(offset, data) => {
            let data = &data[..data.len().min(keep)];
            let start = usize::try_from(*offset).unwrap();
            if content.len() < start + data.len() {
                content.resize(start + data.len(), 0);
            }
            content[start..start + data.len()].copy_from_slice(data);
        }
    }
}

fn options(folder: &Path, disk: Arc<dyn Disk>) -> Options {
    Options {
        disk,
        ..Options::new(folder, Arc::new(OneKey))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_power_cut_loses_an_acknowledged_event(
        batches in proptest::collection::vec(1u32..30, 1..12),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Recorder::default());
        let log = LocalLedger::open(options(folder.path(), Arc::clone(&disk) as Arc<dyn Disk>)).unwrap();
        // How many events were acknowledged once so many operations had been done. Before it is
        // created whole, the file does not have the name under which a start would find it.
        let created = disk.ops.lock().unwrap().len();
        let mut acknowledged = vec![(created, 0)];
        let mut sent = 0;
        for batch in batches {
            let submissions = (sent..sent + batch).map(track).collect();
            runtime.block_on(log.append(submissions)).unwrap();
            sent += batch;
            acknowledged.push((disk.ops.lock().unwrap().len(), sent));
        }
        let ops = disk.ops.lock().unwrap().clone();
        let base = disk.base.lock().unwrap().clone();
        for (cut, seed) in cuts {
            let cut = created + cut.index(ops.len() + 1 - created);
            let mut state = seed | 1;
            // xorshift: any stream of numbers will do, as long as a failure can be repeated.
            let mut luck = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state >> 11
            };
            let after = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(after.path().join(LOG_FOLDER)).unwrap();
            let segment = after.path().join(LOG_FOLDER).join(file_name(Seq(1)));
            std::fs::write(segment, image(&base, &ops[..cut], &mut luck)).unwrap();
            let survivor = LocalLedger::open(Options::new(after.path(), Arc::new(OneKey))).unwrap();
            let promised = acknowledged.iter().filter(|(done, _)| *done <= cut).map(|(_, events)| *events).max().unwrap();
            let records = survivor.read_from(Seq::START, usize::MAX).unwrap();
            prop_assert!(records.len() >= promised as usize, "{} of {promised}", records.len());
            for (number, record) in (0..).zip(&records) {
                prop_assert_eq!(record.entry.id, id(number));
            }
        }
    }
}

/// A disk on which the operations from some moment on fail, until it is mended.
#[derive(Default)]
struct Failing {
    /// Syncs or growths that still succeed; below zero, they fail.
    budget: Arc<AtomicI64>,
}

#[derive(Debug)]
struct FailingFile {
    file: File,
    budget: Arc<AtomicI64>,
}

impl FailingFile {
    fn spend(&self) -> IoResult<()> {
        if self.budget.fetch_sub(1, Ordering::SeqCst) > 0 {
            Ok(())
        } else {
            Err(Error::from_raw_os_error(28))
        }
    }
}

impl Disk for Failing {
    fn backend(&self, file: File) -> IoResult<Box<dyn StorageBackend>> {
        Ok(Box::new(FailingFile {
            file,
            budget: Arc::clone(&self.budget),
        }))
    }
}

impl StorageBackend for FailingFile {
    fn len(&self) -> IoResult<u64> {
        Ok(self.file.metadata()?.len())
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> IoResult<()> {
        self.file.read_exact_at(out, offset)
    }
    fn set_len(&self, len: u64) -> IoResult<()> {
        self.spend()?;
        self.file.set_len(len)
    }
    fn sync_data(&self) -> IoResult<()> {
        self.spend()?;
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> IoResult<()> {
        self.file.write_all_at(data, offset)
    }
}

/// "No space left on device": the log says so for as long as it lasts, takes events again
/// afterwards, and neither loses an acknowledged one nor believes one that it refused.
#[tokio::test]
async fn a_full_disk_is_said_and_overcome() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(Failing::default());
    disk.budget.store(i64::MAX, Ordering::SeqCst);
    let log =
        LocalLedger::open(options(folder.path(), Arc::clone(&disk) as Arc<dyn Disk>)).unwrap();
    let mut outcomes: HashMap<u32, bool> = HashMap::new();
    for budget in [0, 1, 2, 3, 7] {
        let base = budget * 100;
        for number in base..base + 5 {
            log.append(vec![track(number)]).await.unwrap();
            outcomes.insert(number, true);
        }
        disk.budget.store(i64::from(budget), Ordering::SeqCst);
        let mut failed = None;
        for number in base + 5..base + 90 {
            match log.append(vec![track(number)]).await {
                Ok(_) => drop(outcomes.insert(number, true)),
                Err(LogError::Storage(_)) => {
                    outcomes.insert(number, false);
                    failed = Some(number);
                    break;
                }
                Err(other) => panic!("{other}"),
            }
        }
        let failed = failed.expect("the disk was full");
        assert_eq!(log.health(), LogHealth::Failing);
        disk.budget.store(i64::MAX, Ordering::SeqCst);
        // Until the next second's attempt it goes on refusing; then the same event is new.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let outcome = loop {
            match log.append(vec![track(failed)]).await {
                Ok(outcomes) => break outcomes,
                Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        assert!(
            matches!(outcome[..], [Appended::Tracked { .. }]),
            "{outcome:?}"
        );
        assert_eq!(log.health(), LogHealth::Ready);
        outcomes.insert(failed, true);
    }
    let image = crash_image(folder.path());
    let survivor = LocalLedger::open(Options::new(image.path(), Arc::new(OneKey))).unwrap();
    for (number, tracked) in outcomes {
        assert_eq!(
            survivor
                .find(WORKSPACE, Sender::Server, id(number))
                .unwrap()
                .is_some(),
            tracked,
            "{number}"
        );
    }
}

/// The story: the disk was full when a full segment rotated. Each later group failed and rotated
/// all the same, so that recovery found an empty segment, and the one with the acknowledged events
/// stayed closed and kept a tail that overlapped the next.
#[tokio::test]
async fn a_rotation_that_meets_a_full_disk_loses_nothing() {
    for budget in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Failing::default());
        disk.budget.store(i64::MAX, Ordering::SeqCst);
        let log = LocalLedger::open(Options {
            rotate_records: 8,
            ..options(folder.path(), Arc::clone(&disk) as Arc<dyn Disk>)
        })
        .unwrap();
        let mut acknowledged: Vec<u32> = (0..7).collect();
        for number in 0..7 {
            log.append(vec![track(number)]).await.unwrap();
        }
        disk.budget.store(budget, Ordering::SeqCst);
        for number in 7..14 {
            if log.append(vec![track(number)]).await.is_ok() {
                acknowledged.push(number);
            }
        }
        disk.budget.store(i64::MAX, Ordering::SeqCst);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        for number in 14..40 {
            while log.append(vec![track(number)]).await.is_err() {
                assert!(std::time::Instant::now() < deadline, "budget {budget}");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            acknowledged.push(number);
        }
        let image = crash_image(folder.path());
        let survivor = LocalLedger::open(Options::new(image.path(), Arc::new(OneKey))).unwrap();
        for log in [&log, &survivor] {
            let records = log.read_from(Seq::START, usize::MAX).unwrap();
            let ids: Vec<_> = records.iter().map(|record| record.entry.id).collect();
            let expected: Vec<_> = acknowledged.iter().copied().map(id).collect();
            assert_eq!(ids, expected, "budget {budget}");
        }
    }
}

fn damaged(error: LogError) -> String {
    let LogError::Damaged(damage) = error else {
        panic!("{error}")
    };
    damage.to_string()
}

/// A log of a few hundred events in one segment, closed in order.
async fn closed_log() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLedger::open(Options::new(folder.path(), Arc::new(OneKey))).unwrap();
    for number in 0..300 {
        log.append(vec![track(number)]).await.unwrap();
    }
    log.close().await.unwrap();
    folder
}

/// Every byte of the file that matters is believed only after a check: whichever is changed, the
/// log either refuses or still has every event.
#[tokio::test]
async fn a_changed_byte_is_refused_or_harmless() {
    let folder = closed_log().await;
    let path = folder.path().join(LOG_FOLDER).join(file_name(Seq(1)));
    let good = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for at in (0..good.len()).step_by(1_009) {
        let image = crash_image(folder.path());
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        std::fs::write(image.path().join(LOG_FOLDER).join(file_name(Seq(1))), bad).unwrap();
        let reached = Options {
            reached: Seq(300),
            ..Options::new(image.path(), Arc::new(OneKey))
        };
        match LocalLedger::open(reached) {
            Ok(log) => assert_eq!(
                log.read_from(Seq::START, usize::MAX).unwrap().len(),
                300,
                "byte {at}"
            ),
            Err(error) => {
                refused += 1;
                let sentence = damaged(error);
                assert!(
                    sentence.contains("00000000000000000001.redb of the log is damaged at"),
                    "{sentence}"
                );
                assert!(
                    sentence.contains("misar log set-aside 00000000000000000001.redb"),
                    "{sentence}"
                );
            }
        }
    }
    assert!(refused > 10, "only {refused} changes were noticed");
}

#[tokio::test]
async fn a_missing_or_emptied_segment_is_refused_and_can_be_set_aside() {
    let folder = closed_log().await;
    let path = folder.path().join(LOG_FOLDER).join(file_name(Seq(1)));
    std::fs::write(&path, b"").unwrap();
    let reached = || Options {
        reached: Seq(300),
        ..Options::new(folder.path(), Arc::new(OneKey))
    };
    assert!(damaged(LocalLedger::open(reached()).err().unwrap()).contains("the file is empty"));
    std::fs::write(&path, b"this is no redb file").unwrap();
    assert!(damaged(LocalLedger::open(reached()).err().unwrap()).contains("is damaged at"));
    super::verify::quarantine(folder.path(), &file_name(Seq(1))).unwrap();
    let log = LocalLedger::open(reached()).unwrap();
    let outcome = log.append(vec![track(1)]).await.unwrap();
    let [Appended::Tracked { seq, .. }] = outcome[..] else {
        panic!("{outcome:?}")
    };
    assert!(seq > Seq(300), "seqs are never used twice");
    drop(log);
    std::fs::remove_file(
        folder
            .path()
            .join(LOG_FOLDER)
            .join("aside")
            .join(file_name(Seq(1))),
    )
    .unwrap();
    assert!(damaged(LocalLedger::open(reached()).err().unwrap()).contains("are missing"));
}

/// Setting the last segment aside to get past a missing tail would throw away what is sound.
#[tokio::test]
async fn a_lost_tail_is_refused_and_can_be_accepted_without_losing_the_rest() {
    let folder = closed_log().await;
    let reached = || Options {
        reached: Seq(400),
        ..Options::new(folder.path(), Arc::new(OneKey))
    };
    let sentence = damaged(LocalLedger::open(reached()).err().unwrap());
    assert!(sentence.contains("seq 400 was acknowledged"), "{sentence}");
    assert!(sentence.contains("misar log accept-loss"), "{sentence}");
    let gaps = super::local::accept_loss(folder.path(), Seq(400)).unwrap();
    assert_eq!(gaps, [Seq(301)]);
    let log = LocalLedger::open(reached()).unwrap();
    assert_eq!(log.read_from(Seq::START, usize::MAX).unwrap().len(), 300);
    let outcome = log.append(vec![track(1_000)]).await.unwrap();
    let [Appended::Tracked { seq, .. }] = outcome[..] else {
        panic!("{outcome:?}")
    };
    assert!(seq > Seq(400), "seqs are never used twice");
}
