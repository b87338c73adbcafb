//! Redaction on disk: hidden at once, written behind, whatever happens in between.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::*;
use crate::journal::Journal as _;
use crate::journal::local::{JournalOptions, RedbJournal};

/// The files of the log, with what is in them.
fn files(data: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    std::fs::read_dir(data.join("log"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

/// The places whose personal part is gone from the files of a folder that nobody has open.
fn gone_from(data: &Path) -> Vec<u64> {
    let image = crash_image(data);
    let journal = RedbJournal::open(JournalOptions::new(image.path())).unwrap();
    let mut gone = Vec::new();
    journal
        .read(journal.floor(), &mut |block| {
            let mut records = Vec::new();
            block.records(Seq::START, usize::MAX, &mut records)?;
            let redacted = records.iter().filter(|record| record.entry.redacted);
            gone.extend(redacted.map(|record| record.seq.0));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    gone
}

fn hidden_in(log: &dyn Log) -> Vec<u64> {
    let records = all(log);
    let redacted = records.iter().filter(|record| record.entry.redacted);
    for record in redacted.clone() {
        assert_eq!(record.entry.address, None);
    }
    redacted.map(|record| record.seq.0).collect()
}

fn wait_for_seals(log: &LocalLedger) {
    let all_but_the_last = |log: &LocalLedger| {
        let mut segments = log.segments();
        segments.pop();
        segments.iter().all(|segment| segment.is_sealed())
    };
    while !all_but_the_last(log) {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_redaction_is_hidden_at_once_and_rewrites_nothing_until_others_have_come() {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLedger::open(options(folder.path(), 4)).unwrap();
    for number in 0..14 {
        append(&log, track(number)).await;
    }
    append(&log, purchase(14, "o", 100)).await;
    wait_for_seals(&log);
    let before = files(folder.path());
    for seqs in [vec![Seq(2)], vec![Seq(7), Seq(15)]] {
        log.redact(seqs).await.unwrap();
    }
    assert_eq!(hidden_in(&log), [2, 7, 15]);
    let found = log.find(WORKSPACE, Sender::Server, id(1)).unwrap().unwrap();
    assert!(found.entry.redacted);
    assert_eq!(files(folder.path()), before);
    // Hidden for whoever comes after a crash too, and the order is known without its address.
    let image = crash_image(folder.path());
    let survivor = LocalLedger::open(options(image.path(), 4)).unwrap();
    assert_eq!(hidden_in(&survivor), [2, 7, 15]);
    let again = append(&survivor, purchase(15, "o", 100)).await;
    assert!(matches!(again, Appended::Duplicate { .. }), "{again:?}");
    assert_eq!(gone_from(image.path()), [0; 0]);

    log.purge().unwrap();
    assert_eq!(hidden_in(&log), [2, 7, 15]);
    assert_eq!(gone_from(folder.path()), [2, 7, 15]);
    // Only what holds one of them was written anew.
    let after = files(folder.path());
    let untouched = folder.path().join("log").join(format!("{:020}.redb", 9));
    assert_eq!(after[&untouched], before[&untouched]);
    assert!(log.verify(&mut |_| {}).unwrap().ok);
    // Again, of what is gone already.
    log.redact(vec![Seq(2)]).await.unwrap();
    log.purge().unwrap();
    assert_eq!(gone_from(folder.path()), [2, 7, 15]);
    assert_eq!(append(&log, track(90)).await, tracked(16));
}

#[tokio::test]
async fn redactions_that_have_waited_are_written_without_anybody_asking() {
    let folder = tempfile::tempdir().unwrap();
    let gathering = Duration::from_millis(20);
    let opened = || {
        LocalLedger::open(Options {
            gathering,
            ..options(folder.path(), 4)
        })
        .unwrap()
    };
    let log = opened();
    for number in 0..9 {
        append(&log, track(number)).await;
    }
    log.redact(vec![Seq(3), Seq(9)]).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while gone_from(folder.path()) != [3, 9] {
        assert!(Instant::now() < deadline, "nothing was written");
        std::thread::yield_now();
    }
    assert_eq!(hidden_in(&log), [3, 9]);
}
