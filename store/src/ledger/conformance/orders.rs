//! What every log keeps of orders and refunds.

use shared::ids::MessageId;
use shared::time::Timestamp;

use super::subject::*;
use crate::ledger::{Appended, OrderRefusal};
use crate::record::identity::Sender;
use crate::record::{Fact, WorkspaceId};

pub(super) async fn an_order_is_tracked_once_and_a_different_one_conflicts(subject: Subject) {
    let log = &*subject.log;
    assert_eq!(
        append(log, purchase(1, "o", 4999)).await,
        subject.tracked(1_u32)
    );
    assert_eq!(
        append(log, purchase(2, "o", 4999)).await,
        Appended::Duplicate {
            id: id(1),
            seq: subject.seq(1_u32)
        }
    );
    assert_eq!(
        append(log, purchase(3, "o", 5000)).await,
        Appended::Conflict {
            fields: vec!["revenue"]
        }
    );
    let mut other = paid(4, "o", 4999);
    if let Fact::Purchase { message_id, .. } = &mut other.fact {
        *message_id = MessageId::parse("m").ok();
    }
    other.address = None;
    assert_eq!(
        append(log, other.into()).await,
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
            seq: subject.seq(2_u32)
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
            seq: subject.seq(1_u32)
        }
    );
    assert_eq!(append(log, purchase(2, "b", 1)).await, Appended::IdConflict);
    // The order's own id is the order again, whatever else is said.
    assert_eq!(
        append(log, purchase(1, "a", 2)).await,
        Appended::Duplicate {
            id: id(1),
            seq: subject.seq(1_u32)
        }
    );
}

pub(super) async fn what_browsers_say_of_an_order_is_tracked_whatever_is_known_of_it(
    subject: Subject,
) {
    let log = &*subject.log;
    let from_page = |number, cents| unverified(purchase(number, "o", cents));
    assert_eq!(append(log, from_page(1, 1)).await, subject.tracked(1_u32));
    assert_eq!(append(log, from_page(2, 2)).await, subject.tracked(2_u32));
    assert_eq!(
        append(log, purchase(1, "o", 2)).await,
        subject.tracked(3_u32)
    );
    assert_eq!(append(log, from_page(3, 3)).await, subject.tracked(4_u32));
    // Its id is its own, and once.
    let again = Appended::Duplicate {
        id: id(1),
        seq: subject.seq(1_u32),
    };
    assert_eq!(append(log, from_page(1, 9)).await, again);
    let found = |sender| log.find(WORKSPACE, sender, id(1)).unwrap().unwrap().seq;
    assert_eq!(
        (found(Sender::Page), found(Sender::Server)),
        (subject.seq(1_u32), subject.seq(3_u32))
    );
    assert_eq!(
        append(log, refund(4, "unknown", "r", None)).await,
        Appended::Refused(OrderRefusal::UnknownOrder)
    );
}

pub(super) async fn refunds_take_what_is_left_and_no_more(subject: Subject) {
    let log = &*subject.log;
    append(log, purchase(1, "o", 1000)).await;
    assert_eq!(
        append(log, refund(2, "o", "r1", Some("4"))).await,
        subject.tracked(2_u32)
    );
    assert_eq!(
        append(log, refund(3, "o", "r1", Some("9"))).await,
        Appended::Duplicate {
            id: id(2),
            seq: subject.seq(2_u32)
        }
    );
    let too_much = append(log, refund(4, "o", "r2", Some("6.01"))).await;
    let Appended::Refused(OrderRefusal::Invalid(rejection)) = too_much else {
        panic!("{too_much:?}")
    };
    assert_eq!(rejection.code, "exceeds_order");
    let odd = append(log, refund(5, "o", "r3", Some("1.001"))).await;
    let Appended::Refused(OrderRefusal::Invalid(rejection)) = odd else {
        panic!("{odd:?}")
    };
    assert_eq!(rejection.code, "invalid_amount");
    assert_eq!(
        append(log, refund(6, "o", "r4", None)).await,
        subject.tracked(3_u32)
    );
    let rest = subject.all()[2].entry.fact.money().unwrap();
    assert_eq!((rest.minor, rest.currency.code()), (600, "USD"));
    let nothing = append(log, refund(7, "o", "r5", None)).await;
    assert!(matches!(
        nothing,
        Appended::Refused(OrderRefusal::Invalid(_))
    ));
}

pub(super) async fn a_refund_id_is_one_refund_of_its_workspace(subject: Subject) {
    let log = &*subject.log;
    for (number, order) in ["a", "b"].into_iter().enumerate() {
        let number = u32::try_from(number).unwrap();
        append(log, purchase(number, order, 1_000)).await;
    }
    append(log, refund(2, "a", "part", Some("4"))).await;
    append(log, refund(3, "a", "rest", None)).await;
    let first = |number, seq: u32| Appended::Duplicate {
        id: id(number),
        seq: subject.seq(seq),
    };
    let amount = Appended::Conflict {
        fields: vec!["amount"],
    };
    for (again, outcome) in [
        (refund(10, "a", "part", Some("4")), first(2, 3)),
        // All that is left is another refund than a part of it.
        (refund(11, "a", "part", None), amount),
        (refund(12, "a", "rest", None), first(3, 4)),
        (refund(13, "a", "rest", Some("6")), first(3, 4)),
        // Of another order, and of one that nobody knows.
        (refund(14, "b", "part", Some("4")), first(2, 3)),
        (refund(15, "c", "rest", None), first(3, 4)),
    ] {
        assert_eq!(append(log, again).await, outcome);
    }
    let mut elsewhere = purchase(20, "a", 1_000);
    elsewhere.entry.workspace = WorkspaceId(2);
    append(log, elsewhere).await;
    let mut elsewhere = refund(21, "a", "part", Some("1"));
    elsewhere.entry.workspace = WorkspaceId(2);
    assert_eq!(append(log, elsewhere).await, subject.tracked(6_u32));
    // Within one append.
    let batch = vec![
        refund(30, "b", "new", Some("1")),
        refund(31, "a", "new", Some("1")),
    ];
    let outcomes = places(log.append(batch).await.unwrap());
    assert_eq!(outcomes, [subject.tracked(7_u32), first(30, 7)]);
}
