//! The seqs that callers see, across restarts of a log on disk.

use super::*;
use crate::ledger::Located;
use crate::ledger::conformance::shown::{check, mixed, public_seq};

/// Restarts in which the clock has been set back, and in another generation, as after a restore.
#[tokio::test]
async fn seqs_rise_over_restarts_whatever_the_clock_says() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::new(Timestamp::from_millis(NOW)));
    let mut number = 0;
    let mut last = None;
    for (step, generation) in [
        (0, 1),
        (-7_200_000, 1),
        (0, 1),
        (-1, 2),
        (3_600_000, 2),
        (0, 1),
    ] {
        clock.advance_millis(step);
        let log = LocalLedger::open(Options {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            generation,
            ..options(folder.path(), 4)
        })
        .unwrap();
        check(&log);
        for _ in 0..5 {
            number += 1;
            let seq = public_seq(&log.append(vec![track(number)]).await.unwrap()[0]);
            assert!(last < Some(seq), "{last:?} {seq}");
            last = Some(seq);
        }
        check(&log);
        let report = log.verify(&mut |_| {}).unwrap();
        assert!(report.ok);
        assert_eq!(
            Some(report.last_public_seq),
            last.map(|last| last.to_string())
        );
        log.close().await.unwrap();
    }
    // The generation of what is there is kept, even by a store that does not know it any more.
    assert_eq!(last.unwrap().stamped().unwrap().0.generation, 2);
}

/// A segment's start is remembered, but not before it is sure.
#[tokio::test]
async fn an_empty_segment_starts_nowhere_until_there_is_something_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLedger::open(options(folder.path(), 1)).unwrap();
    for number in 0..5 {
        let seq = public_seq(&log.append(vec![track(number)]).await.unwrap()[0]);
        // The segment rotates behind the answer: what is active then may be empty.
        let place = Seq(u64::from(number) + 1);
        assert_eq!(log.locate(WORKSPACE, seq).unwrap(), Located::At(place));
        let future = PublicSeq::of(
            Stamp {
                generation: 99,
                micros: 0,
            },
            0,
            Seq::START,
        );
        assert_eq!(
            log.locate(WORKSPACE, future).unwrap(),
            Located::Behind(place)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the appends, rotations, redactions and restarts.
    #[test]
    fn seqs_lead_back_in_any_history(
        history in proptest::collection::vec(
            (proptest::collection::vec(any::<bool>(), 1..40), any::<bool>(), any::<bool>()),
            1..10,
        ),
        rotate in 1u64..60,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let mut log = LocalLedger::open(options(folder.path(), rotate)).unwrap();
            for (round, (whose, restart, redact)) in (0..).zip(history) {
                log.append(mixed(round * 100, &whose)).await.unwrap();
                if redact {
                    log.redact(vec![Seq(1), log.committed().borrow().to_owned()]).await.unwrap();
                }
                if restart {
                    log.close().await.unwrap();
                    drop(log);
                    log = LocalLedger::open(options(folder.path(), rotate)).unwrap();
                }
            }
            check(&log);
        });
    }
}
