//! The promises of [`Log`] as tests, in two parts: laws, which every log passes, and durability,
//! which every log that outlives its process passes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use shared::decimal::Decimal;
use shared::ids::EventId;
use shared::money::{Currency, Money};
use shared::time::Timestamp;
use tempfile::TempDir;

use super::decide::{RefundAsk, WorkspaceKey, WorkspaceKeys};
use super::memory::MemoryLog;
use super::record::{Address, Entry, Fact, Personal, Record, Seq, Source, WorkspaceId};
use super::redb::{Options, RedbLog};
use super::{Appended, DEDUPE_WINDOW_MS, Health, Log, Refusal, Submission};
use crate::clock::{Clock, FixedClock};

pub(super) const WORKSPACE: WorkspaceId = WorkspaceId(1);
const NOW: i64 = 1_790_000_000_000;

/// Every workspace has the same key here.
pub(super) struct OneKey;

impl WorkspaceKeys for OneKey {
    fn key_of(&self, _: WorkspaceId) -> Option<WorkspaceKey> {
        Some(WorkspaceKey([7; 32]))
    }
}

pub(super) fn id(number: u32) -> EventId {
    let mut bytes = [0x40; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    EventId::from_bytes(bytes)
}

pub(super) fn entry(number: u32, fact: Fact) -> Entry {
    Entry {
        workspace: WORKSPACE,
        id: id(number),
        time: Timestamp::from_millis(NOW + i64::from(number)),
        time_sent: false,
        received_at: Timestamp::from_millis(NOW),
        source: Source::Server,
        key_id: Some("key_test".into()),
        verified: true,
        address: Some(Address {
            normalised: Personal("ada@example.com".into()),
            original: None,
        }),
        anonymous_id: None,
        message_id: None,
        fact,
        money: None,
        rounded: false,
        context: None,
        client: None,
        class: None,
        ignored_fields: Vec::new(),
        redacted: false,
    }
}

pub(super) fn track(number: u32) -> Submission {
    let properties = Some(Personal(format!("{{\"number\":{number}}}")));
    entry(
        number,
        Fact::Track {
            name: "viewed".into(),
            properties,
        },
    )
    .into()
}

fn purchase(number: u32, order: &str, cents: i64) -> Submission {
    let mut entry = entry(
        number,
        Fact::Purchase {
            order_id: order.into(),
            items: None,
        },
    );
    entry.money = Some(Money {
        minor: cents,
        currency: Currency::parse("USD").unwrap(),
    });
    entry.into()
}

fn unverified(mut purchase: Submission) -> Submission {
    purchase.entry.verified = false;
    purchase.entry.source = Source::Browser;
    purchase
}

fn refund(number: u32, order: &str, refund: &str, amount: Option<&str>) -> Submission {
    let fact = Fact::Refund {
        order_id: order.into(),
        refund_id: refund.into(),
    };
    let amount = amount.map(|amount| Decimal::parse(amount).unwrap());
    Submission {
        entry: entry(number, fact),
        asked: Some(RefundAsk {
            amount,
            currency: None,
        }),
    }
}

async fn append(log: &dyn Log, submission: Submission) -> Appended {
    log.append(vec![submission]).await.unwrap().remove(0)
}

fn all(log: &dyn Log) -> Vec<Record> {
    log.read_from(Seq::START, usize::MAX).unwrap()
}

/// A log and the folder that it lives in.
struct Subject {
    log: Arc<dyn Log>,
    _folder: TempDir,
}

fn options(folder: &Path, rotate_records: u64) -> Options {
    // The system's clock would find these events too old to remember.
    let clock = Arc::new(FixedClock::new(Timestamp::from_millis(NOW)));
    Options {
        rotate_records,
        clock,
        ..Options::new(folder, Arc::new(OneKey))
    }
}

fn redb_log() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let log = RedbLog::open(options(folder.path(), 7)).unwrap();
    Subject {
        log: Arc::new(log),
        _folder: folder,
    }
}

fn memory_log() -> Subject {
    Subject {
        log: Arc::new(MemoryLog::new(Arc::new(OneKey))),
        _folder: tempfile::tempdir().unwrap(),
    }
}

/// Makes each law a test of every log.
macro_rules! laws {
    ($($law:ident)*) => {
        mod redb_keeps {
            $(#[tokio::test] async fn $law() { super::law::$law(super::redb_log()).await; })*
        }
        mod memory_keeps {
            $(#[tokio::test] async fn $law() { super::law::$law(super::memory_log()).await; })*
        }
    };
}

laws! {
    seqs_grow_by_one_in_the_order_of_submission
    reading_takes_up_where_it_is_told_and_stops_at_the_limit
    an_id_is_tracked_once_and_the_duplicate_names_the_first
    the_same_id_in_another_workspace_is_another_event
    of_racing_copies_exactly_one_is_tracked
    find_sees_an_event_as_soon_as_it_is_acknowledged
    readers_never_see_a_gap_while_writers_run
    an_order_is_tracked_once_and_a_different_one_conflicts
    the_order_is_looked_at_before_the_id
    a_browsers_purchase_stands_apart_from_a_servers
    refunds_take_what_is_left_and_no_more
    redaction_takes_the_personal_part_and_nothing_else
    a_closed_log_takes_nothing
    an_empty_append_is_fine
}

mod law {
    use super::*;

    pub(super) async fn seqs_grow_by_one_in_the_order_of_submission(subject: Subject) {
        let log = &*subject.log;
        for round in 0..10 {
            let batch = (0..3).map(|i| track(round * 3 + i)).collect();
            let outcomes = log.append(batch).await.unwrap();
            let expected: Vec<_> = (0..3)
                .map(|i| Appended::Tracked {
                    seq: Seq(u64::from(round * 3 + i) + 1),
                })
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
        let batch = log
            .append(vec![track(1), track(1), track(2)])
            .await
            .unwrap();
        let first = Appended::Duplicate {
            id: id(1),
            seq: Seq(1),
        };
        assert_eq!(
            batch,
            [
                Appended::Tracked { seq: Seq(1) },
                first.clone(),
                Appended::Tracked { seq: Seq(2) }
            ]
        );
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
        assert_eq!(append(log, other).await, Appended::Tracked { seq: Seq(2) });
        assert_eq!(
            log.find(WorkspaceId(2), id(1)).unwrap().unwrap().seq,
            Seq(2)
        );
        assert_eq!(log.find(WorkspaceId(3), id(1)).unwrap(), None);
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
            assert_eq!(log.find(WORKSPACE, id(number)).unwrap(), None);
            append(log, track(number)).await;
            let found = log.find(WORKSPACE, id(number)).unwrap().unwrap();
            assert_eq!(
                found,
                Record {
                    seq: Seq(u64::from(number) + 1),
                    entry: track(number).entry
                }
            );
        }
        assert_eq!(log.find(WORKSPACE, id(0)).unwrap().unwrap().seq, Seq(1));
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
        assert_eq!(
            append(log, purchase(1, "o", 4999)).await,
            Appended::Tracked { seq: Seq(1) }
        );
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
            Appended::Tracked { seq: Seq(1) }
        );
        assert_eq!(
            append(log, purchase(2, "o", 2)).await,
            Appended::Tracked { seq: Seq(2) }
        );
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
            Appended::Tracked { seq: Seq(2) }
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
        assert_eq!(
            append(log, refund(6, "o", "r4", None)).await,
            Appended::Tracked { seq: Seq(3) }
        );
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
        assert!(log.find(WORKSPACE, id(1)).unwrap().unwrap().entry.redacted);
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
        assert_eq!(
            append(log, track(99)).await,
            Appended::Tracked { seq: Seq(22) }
        );
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
}

/// Copies a data folder as it is, which is what the death of the process leaves.
pub(super) fn crash_image(folder: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for file in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let target = to.join(file.file_name());
            // A draft may be renamed between the listing and the copy.
            match file.path() {
                path if path.is_dir() => copy(&path, &target),
                path => match std::fs::copy(&path, &target) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    copied => drop(copied.unwrap()),
                },
            }
        }
    }
    let image = tempfile::tempdir().unwrap();
    copy(folder, image.path());
    image
}

/// How a durable log is opened, with a given number of records to a segment.
type Open = fn(&Path, u64) -> Arc<dyn Log>;

fn open_redb(folder: &Path, rotate_records: u64) -> Arc<dyn Log> {
    Arc::new(RedbLog::open(options(folder, rotate_records)).unwrap())
}

macro_rules! durability {
    ($($promise:ident)*) => {
        mod redb_is_durable {
            $(#[tokio::test] async fn $promise() { super::durable::$promise(super::open_redb).await; })*
        }
    };
}

durability! {
    what_was_acknowledged_is_there_after_reopening
    what_was_acknowledged_is_there_after_a_crash_at_any_rotation
    ids_are_remembered_across_segments_and_restarts
    orders_are_remembered_across_crashes
    redaction_survives_a_crash
}

mod durable {
    use super::*;

    pub(super) async fn what_was_acknowledged_is_there_after_reopening(open: Open) {
        let folder = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for round in 0..5 {
            let log = open(folder.path(), 4);
            assert_eq!(all(&*log), expected);
            for number in 0..6 {
                append(&*log, track(round * 10 + number)).await;
            }
            expected = all(&*log);
            assert_eq!(expected.len(), (round as usize + 1) * 6);
            log.close().await.unwrap();
        }
    }

    pub(super) async fn what_was_acknowledged_is_there_after_a_crash_at_any_rotation(open: Open) {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path(), 3);
        for number in 0..20 {
            append(&*log, track(number)).await;
            let image = crash_image(folder.path());
            let survivor = open(image.path(), 3);
            assert_eq!(all(&*survivor), all(&*log));
            assert_eq!(
                append(&*survivor, track(100)).await,
                Appended::Tracked {
                    seq: Seq(u64::from(number) + 2)
                }
            );
        }
    }

    pub(super) async fn ids_are_remembered_across_segments_and_restarts(open: Open) {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path(), 3);
        for number in 0..20 {
            append(&*log, track(number)).await;
        }
        let image = crash_image(folder.path());
        log.close().await.unwrap();
        for folder in [folder.path(), image.path()] {
            let log = open(folder, 3);
            for number in 0..20 {
                let duplicate = Appended::Duplicate {
                    id: id(number),
                    seq: Seq(u64::from(number) + 1),
                };
                assert_eq!(append(&*log, track(number)).await, duplicate);
            }
            log.close().await.unwrap();
        }
    }

    pub(super) async fn orders_are_remembered_across_crashes(open: Open) {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path(), 3);
        for number in 0..10 {
            append(&*log, purchase(number, &format!("o{number}"), 100)).await;
            append(
                &*log,
                refund(100 + number, &format!("o{number}"), "r", Some("0.40")),
            )
            .await;
            let image = crash_image(folder.path());
            let survivor = open(image.path(), 3);
            for known in 0..=number {
                let order = format!("o{known}");
                let first = Appended::Duplicate {
                    id: id(known),
                    seq: Seq(u64::from(known) * 2 + 1),
                };
                assert_eq!(
                    append(&*survivor, purchase(500 + known, &order, 100)).await,
                    first
                );
                let refunded = Appended::Duplicate {
                    id: id(100 + known),
                    seq: Seq(u64::from(known) * 2 + 2),
                };
                assert_eq!(
                    append(&*survivor, refund(600 + known, &order, "r", None)).await,
                    refunded
                );
                let over = append(&*survivor, refund(700 + known, &order, "s", Some("0.61"))).await;
                assert!(
                    matches!(over, Appended::Refused(Refusal::Invalid(_))),
                    "{over:?}"
                );
            }
        }
    }

    pub(super) async fn redaction_survives_a_crash(open: Open) {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path(), 4);
        for number in 0..10 {
            append(&*log, track(number)).await;
        }
        log.redact((1..=10).map(Seq).collect()).await.unwrap();
        let image = crash_image(folder.path());
        let files: Vec<PathBuf> = std::fs::read_dir(image.path().join("log"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        assert!(files.len() > 2);
        let survivor = open(image.path(), 4);
        assert_eq!(
            all(&*survivor)
                .iter()
                .filter(|record| record.entry.redacted)
                .count(),
            10
        );
    }
}

#[tokio::test]
async fn an_id_may_come_back_after_the_window_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::new(Timestamp::from_millis(NOW)));
    let log = RedbLog::open(Options {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..options(folder.path(), 1)
    })
    .unwrap();
    append(&log, track(1)).await;
    append(&log, track(2)).await;
    // Sealing happens behind; closing waits for it.
    log.close().await.unwrap();
    let log = RedbLog::open(Options {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..options(folder.path(), 1)
    })
    .unwrap();
    clock.advance_millis(DEDUPE_WINDOW_MS);
    assert_eq!(
        append(&log, track(1)).await,
        Appended::Duplicate {
            id: id(1),
            seq: Seq(1)
        }
    );
    clock.advance_millis(1);
    assert_eq!(
        append(&log, track(1)).await,
        Appended::Tracked { seq: Seq(3) }
    );
}

/// One step of a random history over a few ids, orders and refunds, so that they collide.
fn any_submission() -> impl Strategy<Value = Submission> {
    let small = || 0u32..12;
    let order = || (0u8..3).prop_map(|order| format!("o{order}"));
    prop_oneof![
        small().prop_map(track),
        (small(), order(), 1i64..3).prop_map(|(number, order, cents)| purchase(
            number,
            &order,
            cents * 100
        )),
        (small(), order(), 1i64..3).prop_map(|(number, order, cents)| unverified(purchase(
            number,
            &order,
            cents * 100
        ))),
        (small(), order(), 0u8..3, proptest::option::of(0u8..3)).prop_map(
            |(number, order, name, amount)| {
                let amount = amount.map(|amount| format!("{amount}.5"));
                refund(number, &order, &format!("r{name}"), amount.as_deref())
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The small log is the oracle of the large one: same histories, same outcomes, same records,
    /// restarts or not.
    #[test]
    fn redb_decides_and_keeps_what_memory_does(
        history in proptest::collection::vec(proptest::collection::vec(any_submission(), 1..6), 1..12),
        rotate in 1u64..6,
        restarts in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let oracle = MemoryLog::new(Arc::new(OneKey));
            let mut log = RedbLog::open(options(folder.path(), rotate)).unwrap();
            for (batch, restart) in history.into_iter().zip(restarts) {
                let expected = oracle.append(batch.clone()).await.unwrap();
                assert_eq!(log.append(batch).await.unwrap(), expected);
                if restart {
                    log.close().await.unwrap();
                    drop(log);
                    log = RedbLog::open(options(folder.path(), rotate)).unwrap();
                }
            }
            assert_eq!(all(&log), all(&oracle));
        });
    }
}
