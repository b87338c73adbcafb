//! What every log keeps.

use std::sync::Arc;

use super::subject::*;
use crate::ids::OlderId;
use crate::ledger::{Appended, LogHealth, Submission};
use crate::record::identity::Sender;
use crate::record::{Record, Source, ToldBy, Visitor, WorkspaceId};

pub(super) async fn seqs_grow_by_one_in_the_order_of_submission(subject: Subject) {
    let log = &*subject.log;
    for round in 0..10 {
        let batch = (0..3).map(|i| track(round * 3 + i)).collect();
        let outcomes = places(log.append(batch).await.unwrap());
        let expected: Vec<_> = (0..3)
            .map(|i| subject.tracked(u64::from(round * 3 + i) + 1))
            .collect();
        assert_eq!(outcomes, expected);
    }
    let ids: Vec<_> = subject
        .all()
        .iter()
        .map(|record| (record.seq, record.entry.id))
        .collect();
    assert_eq!(
        ids,
        (0..30)
            .map(|i| (subject.seq(i + 1), id(i)))
            .collect::<Vec<_>>()
    );
    assert_eq!(*log.committed().borrow(), subject.seq(30_u32));
}

pub(super) async fn reading_takes_up_where_it_is_told_and_stops_at_the_limit(subject: Subject) {
    let log = &*subject.log;
    for number in 0..30 {
        append(log, track(number)).await;
    }
    for after in 0..32_u32 {
        for limit in [0, 1, 5, 100] {
            let seqs: Vec<_> = log
                .read_from(subject.seq(after), limit)
                .unwrap()
                .iter()
                .map(|r| r.seq)
                .collect();
            let numbers = (after + 1..=30).take(limit);
            let expected: Vec<_> = numbers.map(|number| subject.seq(number)).collect();
            assert_eq!(seqs, expected, "after {after}, limit {limit}");
        }
    }
}

pub(super) async fn reading_many_leaves_none_out_and_none_at_the_end_alone(subject: Subject) {
    let log = &*subject.log;
    for round in 0..6 {
        let batch = (0..5).map(|i| track(round * 5 + i)).collect();
        log.append(batch).await.unwrap();
    }
    log.redact(vec![subject.seq(8_u32)]).await.unwrap();
    let all = subject.all();
    for first in 0..=30 {
        for (limit, bytes) in [(1, usize::MAX), (7, usize::MAX), (100, 1), (100, 2_000)] {
            let after = subject.seq(u32::try_from(first).unwrap());
            let read = log.read_many(after, limit, bytes).unwrap();
            assert_eq!(read, all[first..first + read.len()]);
            assert_eq!(read.is_empty(), first == 30);
        }
    }
    let read = log.read_many(subject.seq(0_u32), 100, usize::MAX).unwrap();
    assert_eq!(read, all);
}

pub(super) async fn an_id_is_tracked_once_and_the_duplicate_names_the_first(subject: Subject) {
    let log = &*subject.log;
    let batch = log.append(vec![track(1), track(1), track(2)]).await;
    let batch = places(batch.unwrap());
    let first = Appended::Duplicate {
        id: id(1),
        seq: subject.seq(1_u32),
    };
    assert_eq!(
        batch,
        [
            subject.tracked(1_u32),
            first.clone(),
            subject.tracked(2_u32)
        ]
    );
    for number in 3..40 {
        append(log, track(number)).await;
    }
    assert_eq!(append(log, track(1)).await, first);
    assert_eq!(subject.all().len(), 39);
}

pub(super) async fn the_same_id_in_another_workspace_is_another_event(subject: Subject) {
    let log = &*subject.log;
    let mut other = track(1);
    other.entry.workspace = WorkspaceId(2);
    append(log, track(1)).await;
    assert_eq!(append(log, other).await, subject.tracked(2_u32));
    assert_eq!(
        log.find(WorkspaceId(2), Sender::Server, id(1))
            .unwrap()
            .unwrap()
            .seq,
        subject.seq(2_u32)
    );
    assert_eq!(
        log.find(WorkspaceId(3), Sender::Server, id(1)).unwrap(),
        None
    );
}

pub(super) async fn the_same_id_of_another_sender_is_another_event(subject: Subject) {
    let log = &*subject.log;
    let sources = [Source::Browser, Source::Server, Source::Mail];
    let of = |number, source| {
        let visitor = Visitor {
            client: None,
            class: None,
        };
        let mut submission = track(number);
        submission.entry.told_by = match source {
            Source::Browser => ToldBy::browser(visitor),
            Source::Server => ToldBy::server(),
            Source::Mail => ToldBy::mail(visitor),
        };
        submission
    };
    for number in 0..20 {
        for (source, seq) in sources.into_iter().zip(number * 3 + 1..) {
            let first = append(log, of(number, source)).await;
            assert_eq!(first, subject.tracked(seq));
            let seq = subject.seq(seq);
            let sender = of(number, source).entry.sender();
            let found = log.find(WORKSPACE, sender, id(number)).unwrap().unwrap();
            assert_eq!(found.seq, seq);
        }
    }
    for number in 0..20 {
        for (source, seq) in sources.into_iter().zip(number * 3 + 1..) {
            let again = append(log, of(number, source)).await;
            let seq = subject.seq(u64::from(seq));
            assert_eq!(
                again,
                Appended::Duplicate {
                    id: id(number),
                    seq
                }
            );
        }
        assert_eq!(
            log.find(WORKSPACE, Sender::System, id(number)).unwrap(),
            None
        );
    }
}

pub(super) async fn the_same_id_of_another_type_is_a_conflict(subject: Subject) {
    let log = &*subject.log;
    append(log, purchase(100, "o", 1_000)).await;
    for number in 0..20 {
        append(log, track(number)).await;
    }
    for number in 0..20 {
        for other in [
            identify(number),
            purchase(number, "other", 1),
            refund(number, "o", "r", None),
        ] {
            assert_eq!(append(log, other).await, Appended::IdConflict);
        }
        let page = unverified(purchase(number, "o", 1));
        assert!(matches!(append(log, page).await, Appended::Tracked { .. }));
    }
    // Also of what one append holds.
    let batch = vec![track(200), identify(200), track(200)];
    let outcomes = log.append(batch).await.unwrap();
    assert_eq!(outcomes[1], Appended::IdConflict);
    assert!(matches!(outcomes[2], Appended::Duplicate { .. }));
    assert_eq!(subject.all().len(), 42);
}

pub(super) async fn an_older_id_counts_for_nothing_that_was_recorded_since(subject: Subject) {
    let log = &*subject.log;
    let older = |submission, number| Submission {
        older: vec![OlderId::unkeyed(id(number))],
        ..submission
    };
    append(log, track(1)).await;
    append(log, purchase(2, "o", 1)).await;
    for number in 10..30 {
        append(log, track(number)).await;
    }
    let duplicate = |number, seq: u32| Appended::Duplicate {
        id: id(number),
        seq: subject.seq(seq),
    };
    // Anybody can make such ids: what an older version recorded under them is tested on a store of one.
    for submission in [older(track(101), 1), older(identify(102), 1)] {
        assert!(matches!(
            append(log, submission).await,
            Appended::Tracked { .. }
        ));
    }
    // An order is known as what it is, under whatever id.
    let order = older(purchase(104, "o", 2), 2);
    assert_eq!(append(log, order).await, duplicate(2, 2));
    // Its own id goes first.
    assert_eq!(append(log, older(track(10), 1)).await, duplicate(10, 3));
}

pub(super) async fn of_racing_copies_exactly_one_is_tracked(subject: Subject) {
    let log = &subject.log;
    let racers: Vec<_> = (0..100)
        .map(|_| {
            let log = Arc::clone(log);
            tokio::spawn(async move { append(&*log, track(9)).await })
        })
        .collect();
    let mut tracked = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Appended::Tracked { .. } => tracked += 1,
            outcome => assert_eq!(
                outcome,
                Appended::Duplicate {
                    id: id(9),
                    seq: subject.seq(1_u32)
                }
            ),
        }
    }
    assert_eq!((tracked, subject.all().len()), (1, 1));
}

pub(super) async fn find_sees_an_event_as_soon_as_it_is_acknowledged(subject: Subject) {
    let log = &*subject.log;
    for number in 0..40 {
        assert_eq!(
            log.find(WORKSPACE, Sender::Server, id(number)).unwrap(),
            None
        );
        append(log, track(number)).await;
        let found = log
            .find(WORKSPACE, Sender::Server, id(number))
            .unwrap()
            .unwrap();
        assert_eq!(found.seq, subject.seq(u64::from(number) + 1));
        assert_eq!(found.entry, viewed(number));
    }
    assert_eq!(
        log.find(WORKSPACE, Sender::Server, id(0))
            .unwrap()
            .unwrap()
            .seq,
        subject.seq(1_u32)
    );
}

pub(super) async fn readers_never_see_a_gap_while_writers_run(subject: Subject) {
    let log = &subject.log;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let log = Arc::clone(log);
            tokio::spawn(async move {
                for number in 0..50 {
                    append(&*log, track(writer * 1000 + number)).await;
                }
            })
        })
        .collect();
    let reader = {
        let log = Arc::clone(log);
        let (mut after, end) = (subject.seq(0_u32), subject.seq(200_u32));
        tokio::task::spawn_blocking(move || {
            while after < end {
                for record in log.read_from(after, 64).unwrap() {
                    assert_eq!(record.seq, after.next());
                    after = record.seq;
                }
            }
        })
    };
    for writer in writers {
        writer.await.unwrap();
    }
    reader.await.unwrap();
}

pub(super) async fn redaction_takes_the_personal_part_and_nothing_else(subject: Subject) {
    let log = &*subject.log;
    for number in 0..20 {
        append(log, track(number)).await;
    }
    append(log, purchase(20, "o", 100)).await;
    let before = subject.all();
    let redacted = [2_u32, 9, 21].map(|number| subject.seq(number));
    for _ in 0..2 {
        log.redact(redacted.to_vec()).await.unwrap();
        for (old, new) in before.iter().zip(subject.all()) {
            let mut expected = old.clone();
            if redacted.contains(&old.seq) {
                expected.entry.redact();
                assert_eq!(new.entry.address, None);
            }
            assert_eq!(new, expected);
        }
    }
    assert!(
        log.find(WORKSPACE, Sender::Server, id(1))
            .unwrap()
            .unwrap()
            .entry
            .redacted
    );
    assert_eq!(
        append(log, track(1)).await,
        Appended::Duplicate {
            id: id(1),
            seq: subject.seq(2_u32)
        }
    );
    assert_eq!(
        append(log, purchase(21, "o", 100)).await,
        Appended::Duplicate {
            id: id(20),
            seq: subject.seq(21_u32)
        }
    );
    assert_eq!(append(log, track(99)).await, subject.tracked(22_u32));
}

/// Of many kinds, in commits of one and of many, by a follower that looks now and then, and what has been
/// redacted between.
pub(super) async fn what_is_handed_over_is_what_is_read(subject: Subject) {
    let log = &*subject.log;
    let mut after = subject.seq(0_u32);
    assert_eq!(log.hand_over(after, 10), []);
    for round in 0..12_u32 {
        let number = round * 10;
        let mut elsewhere = track(number);
        elsewhere.entry.workspace = WorkspaceId(2);
        let order = format!("order {round}");
        let batch = vec![
            track(number + 1),
            elsewhere,
            unverified(identify(number + 2)),
            purchase(number + 3, &order, 500),
            track(number + 1),
            refund(number + 4, &order, &order, Some("1.00")),
            unverified(purchase(number + 5, &order, 500)),
        ];
        log.append(batch).await.unwrap();
        append(log, track(number + 6)).await;
        if round % 3 == 1 {
            log.redact(vec![subject.seq(round * 7 + 1)]).await.unwrap();
        }
        if round % 2 == 1 {
            let expected = log.read_from(after, 9).unwrap();
            let handed = log.hand_over(after, 9);
            // None is right too, of a ledger that keeps none.
            if let Some(last) = handed.last() {
                assert_eq!(handed, expected);
                after = last.seq;
            }
        }
    }
    assert_ne!(after, subject.seq(0_u32));
}

pub(super) async fn a_closed_log_takes_nothing(subject: Subject) {
    let log = &*subject.log;
    append(log, track(1)).await;
    assert_eq!(log.health(), LogHealth::Ready);
    log.close().await.unwrap();
    assert!(log.append(vec![track(2)]).await.is_err());
    assert_eq!(log.health(), LogHealth::Failing);
}

pub(super) async fn an_empty_append_is_fine(subject: Subject) {
    assert_eq!(subject.log.append(Vec::new()).await.unwrap(), []);
}

pub(super) async fn nothing_arrives_before_an_instant_that_was_promised(subject: Subject) {
    let log = &*subject.log;
    append(log, track(1)).await;
    let arrived = |record: &Record| record.entry.received_at;
    let first = log.read_from(subject.seq(0_u32), 9).unwrap();
    let before = arrived(&first[0]);
    let promised = before.plus_millis(5_000);
    let last = log.promise(promised);
    assert_eq!(last, first[0].seq);
    append(log, track(2)).await;
    // One that lies before it takes nothing back.
    log.promise(before);
    append(log, track(3)).await;
    let records = log.read_from(last, 9).unwrap();
    assert_eq!(records.len(), 2);
    for record in records {
        assert_eq!(arrived(&record), promised);
        // When it happened is the sender's to say.
        assert!(record.entry.time < promised);
    }
}
