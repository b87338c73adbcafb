//! What every log keeps.

pub(super) use super::shown::{
    an_append_of_many_blocks_is_counted_through, callers_see_indexes_of_their_own_records_alone,
    redaction_changes_no_seq, what_an_answer_says_is_what_is_shown_and_each_commit_is_later,
    what_was_never_given_is_nowhere,
};
use super::subject::*;
use super::*;

pub(super) async fn seqs_grow_by_one_in_the_order_of_submission(subject: Subject) {
    let log = &*subject.log;
    for round in 0..10 {
        let batch = (0..3).map(|i| track(round * 3 + i)).collect();
        let outcomes = places(log.append(batch).await.unwrap());
        let expected: Vec<_> = (0..3)
            .map(|i| tracked(u64::from(round * 3 + i) + 1))
            .collect();
        assert_eq!(outcomes, expected);
    }
    let ids: Vec<_> = all(log)
        .iter()
        .map(|record| (record.seq.0, record.entry.id))
        .collect();
    assert_eq!(
        ids,
        (0..30)
            .map(|i| (u64::from(i) + 1, id(i)))
            .collect::<Vec<_>>()
    );
    assert_eq!(*log.committed().borrow(), Seq(30));
}

pub(super) async fn reading_takes_up_where_it_is_told_and_stops_at_the_limit(subject: Subject) {
    let log = &*subject.log;
    for number in 0..30 {
        append(log, track(number)).await;
    }
    for after in 0..32 {
        for limit in [0, 1, 5, 100] {
            let seqs: Vec<_> = log
                .read_from(Seq(after), limit)
                .unwrap()
                .iter()
                .map(|r| r.seq.0)
                .collect();
            let expected: Vec<_> = (after + 1..=30).take(limit).collect();
            assert_eq!(seqs, expected, "after {after}, limit {limit}");
        }
    }
}

pub(super) async fn an_id_is_tracked_once_and_the_duplicate_names_the_first(subject: Subject) {
    let log = &*subject.log;
    let batch = log.append(vec![track(1), track(1), track(2)]).await;
    let batch = places(batch.unwrap());
    let first = Appended::Duplicate {
        id: id(1),
        seq: Seq(1),
    };
    assert_eq!(batch, [tracked(1), first.clone(), tracked(2)]);
    for number in 3..40 {
        append(log, track(number)).await;
    }
    assert_eq!(append(log, track(1)).await, first);
    assert_eq!(all(log).len(), 39);
}

pub(super) async fn the_same_id_in_another_workspace_is_another_event(subject: Subject) {
    let log = &*subject.log;
    let mut other = track(1);
    other.entry.workspace = WorkspaceId(2);
    append(log, track(1)).await;
    assert_eq!(append(log, other).await, tracked(2));
    assert_eq!(
        log.find(WorkspaceId(2), Sender::Server, id(1))
            .unwrap()
            .unwrap()
            .seq,
        Seq(2)
    );
    assert_eq!(
        log.find(WorkspaceId(3), Sender::Server, id(1)).unwrap(),
        None
    );
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
                    seq: Seq(1)
                }
            ),
        }
    }
    assert_eq!((tracked, all(&**log).len()), (1, 1));
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
        assert_eq!(found.seq, Seq(u64::from(number) + 1));
        assert_eq!(found.entry, track(number).entry);
    }
    assert_eq!(
        log.find(WORKSPACE, Sender::Server, id(0))
            .unwrap()
            .unwrap()
            .seq,
        Seq(1)
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
        tokio::task::spawn_blocking(move || {
            let mut after = Seq::START;
            while after < Seq(200) {
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

pub(super) async fn an_order_is_tracked_once_and_a_different_one_conflicts(subject: Subject) {
    let log = &*subject.log;
    assert_eq!(append(log, purchase(1, "o", 4999)).await, tracked(1));
    assert_eq!(
        append(log, purchase(2, "o", 4999)).await,
        Appended::Duplicate {
            id: id(1),
            seq: Seq(1)
        }
    );
    assert_eq!(
        append(log, purchase(3, "o", 5000)).await,
        Appended::Conflict {
            fields: vec!["revenue"]
        }
    );
    let mut other = purchase(4, "o", 4999);
    other.entry.message_id = Some("m".into());
    other.entry.address = None;
    assert_eq!(
        append(log, other).await,
        Appended::Conflict {
            fields: vec!["email", "messageId"]
        }
    );
    let with_time = |number, time| {
        let mut purchase = purchase(number, "timed", 1);
        purchase.entry.time_sent = true;
        purchase.entry.time = Timestamp::from_millis(time);
        purchase
    };
    append(log, with_time(5, 1)).await;
    assert_eq!(
        append(log, with_time(6, 2)).await,
        Appended::Conflict {
            fields: vec!["timestamp"]
        }
    );
    assert_eq!(
        append(log, purchase(7, "timed", 1)).await,
        Appended::Duplicate {
            id: id(5),
            seq: Seq(2)
        }
    );
}

pub(super) async fn the_order_is_looked_at_before_the_id(subject: Subject) {
    let log = &*subject.log;
    append(log, purchase(1, "a", 1)).await;
    append(log, track(2)).await;
    assert_eq!(
        append(log, purchase(2, "a", 1)).await,
        Appended::Duplicate {
            id: id(1),
            seq: Seq(1)
        }
    );
    assert_eq!(
        append(log, purchase(2, "b", 1)).await,
        Appended::Duplicate {
            id: id(2),
            seq: Seq(2)
        }
    );
}

pub(super) async fn a_browsers_purchase_stands_apart_from_a_servers(subject: Subject) {
    let log = &*subject.log;
    assert_eq!(
        append(log, unverified(purchase(1, "o", 1))).await,
        tracked(1)
    );
    assert_eq!(append(log, purchase(2, "o", 2)).await, tracked(2));
    let of_servers = Appended::Duplicate {
        id: id(2),
        seq: Seq(2),
    };
    assert_eq!(
        append(log, unverified(purchase(3, "o", 3))).await,
        of_servers
    );
    assert_eq!(
        append(log, refund(4, "unknown", "r", None)).await,
        Appended::Refused(Refusal::UnknownOrder)
    );
}

pub(super) async fn refunds_take_what_is_left_and_no_more(subject: Subject) {
    let log = &*subject.log;
    append(log, purchase(1, "o", 1000)).await;
    assert_eq!(
        append(log, refund(2, "o", "r1", Some("4"))).await,
        tracked(2)
    );
    assert_eq!(
        append(log, refund(3, "o", "r1", Some("9"))).await,
        Appended::Duplicate {
            id: id(2),
            seq: Seq(2)
        }
    );
    let too_much = append(log, refund(4, "o", "r2", Some("6.01"))).await;
    let Appended::Refused(Refusal::Invalid(rejection)) = too_much else {
        panic!("{too_much:?}")
    };
    assert_eq!(rejection.code, "exceeds_order");
    let odd = append(log, refund(5, "o", "r3", Some("1.001"))).await;
    let Appended::Refused(Refusal::Invalid(rejection)) = odd else {
        panic!("{odd:?}")
    };
    assert_eq!(rejection.code, "invalid_amount");
    assert_eq!(append(log, refund(6, "o", "r4", None)).await, tracked(3));
    let rest = all(log)[2].entry.money.unwrap();
    assert_eq!((rest.minor, rest.currency.code()), (600, "USD"));
    let nothing = append(log, refund(7, "o", "r5", None)).await;
    assert!(matches!(nothing, Appended::Refused(Refusal::Invalid(_))));
}

pub(super) async fn redaction_takes_the_personal_part_and_nothing_else(subject: Subject) {
    let log = &*subject.log;
    for number in 0..20 {
        append(log, track(number)).await;
    }
    append(log, purchase(20, "o", 100)).await;
    let before = all(log);
    for _ in 0..2 {
        log.redact(vec![Seq(2), Seq(9), Seq(21)]).await.unwrap();
        for (old, new) in before.iter().zip(all(log)) {
            let mut expected = old.clone();
            if [2, 9, 21].contains(&old.seq.0) {
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
            seq: Seq(2)
        }
    );
    assert_eq!(
        append(log, purchase(21, "o", 100)).await,
        Appended::Duplicate {
            id: id(20),
            seq: Seq(21)
        }
    );
    assert_eq!(append(log, track(99)).await, tracked(22));
}

pub(super) async fn a_closed_log_takes_nothing(subject: Subject) {
    let log = &*subject.log;
    append(log, track(1)).await;
    assert_eq!(log.health(), Health::Ready);
    log.close().await.unwrap();
    assert!(log.append(vec![track(2)]).await.is_err());
    assert_eq!(log.health(), Health::Failing);
}

pub(super) async fn an_empty_append_is_fine(subject: Subject) {
    assert_eq!(subject.log.append(Vec::new()).await.unwrap(), []);
}
