//! Amendments of orders, on every log, across a crash and from the log alone.

use super::*;

/// An amendment of an order to so many cents, `at` milliseconds after [`NOW`].
fn amend(number: u32, order: &str, cents: i64, at: i64) -> Submission {
    let mut submission = purchase(number, order, cents);
    let entry = &mut submission.entry;
    entry.fact = Fact::Amend {
        order_id: order.into(),
        items: None,
    };
    entry.address = None;
    entry.time = Timestamp::from_millis(NOW + at);
    entry.time_sent = true;
    submission
}

fn duplicate(number: u32, place: u64) -> Appended {
    Appended::Duplicate {
        id: id(number),
        seq: Seq(place),
    }
}

fn conflict(field: &'static str) -> Appended {
    Appended::Conflict {
        fields: vec![field],
    }
}

fn code(outcome: Appended) -> &'static str {
    match outcome {
        Appended::Refused(Refusal::Invalid(rejection)) => rejection.code,
        other => panic!("{other:?}"),
    }
}

async fn amendments_keep_their_rules(log: &dyn Log) {
    let unknown = append(log, amend(1, "o", 100, 0)).await;
    assert_eq!(unknown, Appended::Refused(Refusal::UnknownOrder));
    assert_eq!(append(log, purchase(2, "o", 1_000)).await, tracked(1));
    assert_eq!(append(log, amend(3, "o", 1_200, 10)).await, tracked(2));
    // Known by its id whatever is said, also as a plain purchase; and by its content.
    assert_eq!(append(log, amend(3, "o", 5, 0)).await, duplicate(3, 2));
    assert_eq!(append(log, purchase(3, "o", 7)).await, duplicate(3, 2));
    assert_eq!(append(log, amend(2, "o", 7, 0)).await, duplicate(2, 1));
    assert_eq!(append(log, amend(4, "o", 1_200, 0)).await, duplicate(3, 2));
    // A late retry of the first is the first; so is what holds now.
    assert_eq!(append(log, purchase(5, "o", 1_000)).await, duplicate(2, 1));
    assert_eq!(append(log, purchase(6, "o", 1_200)).await, duplicate(2, 1));
    assert_eq!(
        append(log, purchase(7, "o", 900)).await,
        conflict("revenue")
    );
    assert_eq!(
        append(log, amend(8, "o", 900, 9)).await,
        conflict("timestamp")
    );
    let mut other = amend(9, "o", 900, 20);
    other.entry.money = Some(Money {
        minor: 900,
        currency: Currency::parse("EUR").unwrap(),
    });
    assert_eq!(append(log, other).await, conflict("currency"));
    assert_eq!(
        append(log, refund(10, "o", "r", Some("9.5"))).await,
        tracked(3)
    );
    let below = append(log, amend(11, "o", 949, 20)).await;
    assert_eq!(code(below), "below_refunded");
    assert_eq!(append(log, amend(12, "o", 950, 20)).await, tracked(4));
    let more = append(log, refund(13, "o", "s", Some("0.01"))).await;
    assert_eq!(code(more), "exceeds_order");
    assert_eq!(append(log, amend(14, "o", 951, 20)).await, tracked(5));
    assert_eq!(append(log, refund(15, "o", "t", None)).await, tracked(6));
    let last = all(log).pop().unwrap();
    assert_eq!(last.entry.money.unwrap().minor, 1);
    // Another event's id is a conflict.
    assert_eq!(append(log, track(16)).await, tracked(7));
    assert_eq!(
        append(log, amend(16, "o", 2_000, 30)).await,
        Appended::IdConflict
    );
    // Without a time of its own one is never before the last.
    let mut early = amend(17, "o", 2_000, 0);
    early.entry.time_sent = false;
    assert_eq!(append(log, early).await, tracked(8));
    let recorded = all(log).pop().unwrap().entry;
    assert_eq!(recorded.time.as_millis(), NOW + 20);
}

#[tokio::test]
async fn amendments_keep_their_rules_on_every_log() {
    amendments_keep_their_rules(&*redb_log().log).await;
    amendments_keep_their_rules(&*memory_log().log).await;
}

#[tokio::test]
async fn an_order_of_before_amendments_is_amended_after_refunds_in_one_append_and_across_commits() {
    for subject in [redb_log(), memory_log()] {
        let log = &*subject.log;
        let batch = vec![
            purchase(1, "a", 1_000),
            refund(2, "a", "r", Some("4")),
            amend(3, "a", 400, 1),
            amend(4, "a", 399, 2),
        ];
        let outcomes = places(log.append(batch).await.unwrap());
        assert_eq!(outcomes[..3], [tracked(1), tracked(2), tracked(3)]);
        assert_eq!(code(outcomes[3].clone()), "below_refunded");
        append(log, purchase(5, "b", 1_000)).await;
        append(log, refund(6, "b", "s", Some("4"))).await;
        assert_eq!(append(log, amend(7, "b", 500, 1)).await, tracked(6));
        let left = append(log, refund(8, "b", "t", None)).await;
        assert_eq!(left, tracked(7));
        assert_eq!(all(log).pop().unwrap().entry.money.unwrap().minor, 100);
    }
}

#[tokio::test]
async fn amendments_are_remembered_across_a_crash_and_without_the_order_book() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_redb(folder.path(), 2);
    append(&*log, purchase(1, "o", 1_000)).await;
    append(&*log, refund(2, "o", "r", Some("4"))).await;
    append(&*log, amend(3, "o", 1_500, 5)).await;
    let image = crash_image(folder.path());
    let bare = crash_image(folder.path());
    std::fs::remove_file(bare.path().join("orders.redb")).unwrap();
    for image in [image, bare] {
        let log = open_redb(image.path(), 2);
        assert_eq!(
            append(&*log, amend(4, "o", 1_500, 6)).await,
            duplicate(3, 3)
        );
        assert_eq!(
            append(&*log, amend(5, "o", 400, 4)).await,
            conflict("timestamp")
        );
        let below = append(&*log, amend(6, "o", 399, 6)).await;
        assert_eq!(code(below), "below_refunded");
        assert_eq!(append(&*log, refund(7, "o", "s", None)).await, tracked(4));
        assert_eq!(all(&*log).pop().unwrap().entry.money.unwrap().minor, 1_100);
    }
}
