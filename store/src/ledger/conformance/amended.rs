//! Amendments of orders.

use shared::money::{Currency, Money};
use shared::time::Timestamp;

use super::subject::*;
use crate::ledger::{Appended, OrderRefusal, Proposed, Submission};

/// An amendment of an order to so many cents, `at` milliseconds after [`NOW`].
pub(crate) fn amend(number: u32, order: &str, cents: i64, at: i64) -> Submission {
    let mut submission = purchase(number, order, cents);
    let entry = &mut submission.entry;
    entry.fact = to_worth(order, cents, "USD");
    entry.address = None;
    entry.time = Timestamp::from_millis(NOW + at);
    entry.time_sent = true;
    submission
}

fn to_worth(order: &str, cents: i64, currency: &str) -> Proposed {
    Proposed::Amend {
        order_id: order_id(order),
        revenue: Some(Money {
            minor: cents,
            currency: Currency::parse(currency).unwrap(),
        }),
        rounded: false,
        items: None,
        message_id: None,
    }
}

pub(crate) fn conflict(field: &'static str) -> Appended {
    Appended::Conflict {
        fields: vec![field],
    }
}

pub(crate) fn code(outcome: Appended) -> &'static str {
    match outcome {
        Appended::Refused(OrderRefusal::Invalid(rejection)) => rejection.code,
        other => panic!("{other:?}"),
    }
}

fn money_of_last(subject: &Subject) -> Money {
    let last = subject.all().pop().unwrap();
    last.entry.fact.money().unwrap()
}

pub(super) async fn amendments_keep_their_rules(subject: Subject) {
    let log = &*subject.log;
    let duplicate = |number, place: u32| Appended::Duplicate {
        id: id(number),
        seq: subject.seq(place),
    };
    let unknown = append(log, amend(1, "o", 100, 0)).await;
    assert_eq!(unknown, Appended::Refused(OrderRefusal::UnknownOrder));
    assert_eq!(
        append(log, purchase(2, "o", 1_000)).await,
        subject.tracked(1_u32)
    );
    assert_eq!(
        append(log, amend(3, "o", 1_200, 10)).await,
        subject.tracked(2_u32)
    );
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
    other.entry.fact = to_worth("o", 900, "EUR");
    assert_eq!(append(log, other).await, conflict("currency"));
    assert_eq!(
        append(log, refund(10, "o", "r", Some("9.5"))).await,
        subject.tracked(3_u32)
    );
    let below = append(log, amend(11, "o", 949, 20)).await;
    assert_eq!(code(below), "below_refunded");
    assert_eq!(
        append(log, amend(12, "o", 950, 20)).await,
        subject.tracked(4_u32)
    );
    let more = append(log, refund(13, "o", "s", Some("0.01"))).await;
    assert_eq!(code(more), "exceeds_order");
    assert_eq!(
        append(log, amend(14, "o", 951, 20)).await,
        subject.tracked(5_u32)
    );
    assert_eq!(
        append(log, refund(15, "o", "t", None)).await,
        subject.tracked(6_u32)
    );
    assert_eq!(money_of_last(&subject).minor, 1);
    // Another event's id is a conflict.
    assert_eq!(append(log, track(16)).await, subject.tracked(7_u32));
    assert_eq!(
        append(log, amend(16, "o", 2_000, 30)).await,
        Appended::IdConflict
    );
    // Without a time of its own one is never before the last.
    let mut early = amend(17, "o", 2_000, 0);
    early.entry.time_sent = false;
    assert_eq!(append(log, early).await, subject.tracked(8_u32));
    let recorded = subject.all().pop().unwrap().entry;
    assert_eq!(recorded.time.as_millis(), NOW + 20);
}

pub(super) async fn an_order_is_amended_after_refunds_in_one_append_and_across_commits(
    subject: Subject,
) {
    let log = &*subject.log;
    let batch = vec![
        purchase(1, "a", 1_000),
        refund(2, "a", "r", Some("4")),
        amend(3, "a", 400, 1),
        amend(4, "a", 399, 2),
    ];
    let outcomes = places(log.append(batch).await.unwrap());
    assert_eq!(
        outcomes[..3],
        [
            subject.tracked(1_u32),
            subject.tracked(2_u32),
            subject.tracked(3_u32)
        ]
    );
    assert_eq!(code(outcomes[3].clone()), "below_refunded");
    append(log, purchase(5, "b", 1_000)).await;
    append(log, refund(6, "b", "s", Some("4"))).await;
    assert_eq!(
        append(log, amend(7, "b", 500, 1)).await,
        subject.tracked(6_u32)
    );
    let left = append(log, refund(8, "b", "t", None)).await;
    assert_eq!(left, subject.tracked(7_u32));
    assert_eq!(money_of_last(&subject).minor, 100);
}
