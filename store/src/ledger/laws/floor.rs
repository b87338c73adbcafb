//! A log whose beginning was dropped.

use super::*;
use crate::ledger::verify::verify;
use crate::ledger::{Located, LogError};

/// Twelve events and an order before them, four to a segment; the first two segments are dropped.
async fn dropped(folder: &Path) -> LocalLedger {
    let log = LocalLedger::open(options(folder, 4)).unwrap();
    append(&log, purchase(0, "o", 1_000)).await;
    for number in 1..13 {
        append(&log, track(number)).await;
    }
    // Whole segments alone go.
    assert_eq!(log.drop_before(Seq(4)).unwrap(), Seq(1));
    assert_eq!(log.drop_before(Seq(10)).unwrap(), Seq(9));
    log
}

/// What holds of it, also after a start; `next` is the place of the next event.
async fn check(log: &LocalLedger, first_seq: PublicSeq, next: u64) {
    assert_eq!(log.floor(), Seq(9));
    for after in [0, 5, 8] {
        let records = log.read_from(Seq(after), 2).unwrap();
        let places: Vec<u64> = records.iter().map(|record| record.seq.0).collect();
        assert_eq!(places, [9, 10]);
    }
    assert!(
        log.find(WORKSPACE, Sender::Server, id(3))
            .unwrap()
            .is_none()
    );
    let kept = log.find(WORKSPACE, Sender::Server, id(9)).unwrap();
    assert_eq!(kept.unwrap().seq, Seq(10));
    // It was given, and whoever waits for it waits for nothing.
    assert_eq!(
        log.locate(WORKSPACE, first_seq).unwrap(),
        Located::At(Seq(8))
    );
    assert_eq!(log.public_seqs(&[Seq(3)]).unwrap(), [None]);
    // An order is known for ever, an event as long as it is there.
    let again = append(log, purchase(50, "o", 1_000)).await;
    let first = Appended::Duplicate {
        id: id(0),
        seq: Seq(1),
    };
    assert_eq!(again, first);
    let kept = Appended::Duplicate {
        id: id(9),
        seq: Seq(10),
    };
    assert_eq!(append(log, track(9)).await, kept);
    let amount = format!("{next}");
    let refunded = refund(
        100 + u32::try_from(next).unwrap(),
        "o",
        &amount,
        Some("0.5"),
    );
    assert_eq!(append(log, refunded).await, tracked(next));
    let report = log.verify(&mut |_| {}).unwrap();
    assert!(report.ok, "{report:?}");
}

#[tokio::test]
async fn a_log_without_its_beginning_goes_on_and_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let before = LocalLedger::open(options(folder.path(), 4)).unwrap();
    drop(before);
    let log = dropped(folder.path()).await;
    let first_seq = {
        // Of a record that is gone by now: one in front of the oldest.
        let (stamp, _) = all(&log)[0].public_seq.stamped().unwrap();
        let micros = stamp.micros - 1;
        PublicSeq::of(Stamp { micros, ..stamp }, 0, Seq::START)
    };
    check(&log, first_seq, 14).await;
    let image = crash_image(folder.path());
    log.close().await.unwrap();
    for data in [folder.path(), image.path()] {
        let report = verify(data, Seq(14), &mut |_| {}).unwrap();
        assert!(report.ok, "{report:?}");
        let log = LocalLedger::open(options(data, 4)).unwrap();
        check(&log, first_seq, 15).await;
        // All that is closed.
        let floor = log.drop_before(Seq(1_000)).unwrap();
        assert!(floor > Seq(12) && floor <= Seq(16), "{floor}");
        assert!(matches!(
            append(&log, track(70)).await,
            Appended::Tracked { .. }
        ));
    }
}

#[tokio::test]
async fn a_crash_between_the_note_and_the_deletion_leaves_nothing_that_looks_lost() {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLedger::open(options(folder.path(), 4)).unwrap();
    for number in 0..13 {
        append(&log, track(number)).await;
    }
    log.close().await.unwrap();
    drop(log);
    let name = |first: u64| format!("log/{first:020}.redb");
    let old = std::fs::read(folder.path().join(name(1))).unwrap();
    let log = LocalLedger::open(options(folder.path(), 4)).unwrap();
    assert_eq!(log.drop_before(Seq(9)).unwrap(), Seq(9));
    log.close().await.unwrap();
    drop(log);
    let path = folder.path().join(name(1));
    assert!(!path.exists());
    std::fs::write(&path, old).unwrap();
    assert!(verify(folder.path(), Seq(13), &mut |_| {}).unwrap().ok);
    let log = LocalLedger::open(options(folder.path(), 4)).unwrap();
    assert!(!path.exists());
    assert_eq!(all(&log)[0].seq, Seq(9));
    drop(log);
    // Without the note, records are missing.
    std::fs::remove_file(folder.path().join("log/FLOOR")).unwrap();
    let refused = LocalLedger::open(options(folder.path(), 4)).err().unwrap();
    assert!(matches!(refused, LogError::Damaged(_)), "{refused}");
    std::fs::write(folder.path().join("log/FLOOR"), "9x\n").unwrap();
    let refused = LocalLedger::open(options(folder.path(), 4)).err().unwrap();
    assert!(refused.to_string().contains("FLOOR"), "{refused}");
}
