//! What each outcome in the ledger is answered with.

use shared::ids::MessageId;

use super::*;
use store::ids::OlderId;
use store::ledger::conformance::subject::{
    from_page, paid, purchase, refund, refunded, track, viewed,
};
use store::record::{Fact, MessageType};

const TRACKED: Appended = Appended::Tracked {
    seq: Seq(1),
    public_seq: PublicSeq::START,
};

fn again(of: &Submission) -> Appended {
    let (id, seq) = (of.entry.id, Seq(7));
    Appended::Duplicate { id, seq }
}

fn conflict(settled: Settled) -> Option<(&'static str, Option<String>, Vec<&'static str>)> {
    let Settled::Refused(Objection::Conflict { rejection, fields }) = settled else {
        return None;
    };
    Some((rejection.code, rejection.field, fields))
}

#[test]
fn what_is_new_is_tracked_and_what_the_log_refuses_is_said_by_its_kind() {
    let claim = Claim::of(&refund(1, "a", "r", None));
    assert!(claim.settle(TRACKED, None).seq().is_some());
    let unknown = claim.settle(Appended::Refused(OrderRefusal::UnknownOrder), None);
    assert!(matches!(unknown, Settled::Refused(Objection::Unknown(_))));
    let rejection = Rejection::of("refund_too_large", "amount", "less");
    let refused = Appended::Refused(OrderRefusal::Invalid(rejection.clone()));
    let refused = claim.settle(refused, None);
    assert_eq!(refused, Settled::Refused(Objection::Invalid(rejection)));
}

#[test]
fn a_conflict_is_worded_by_what_is_on_record() {
    let found = |submission: &Submission| {
        let outcome = Appended::Conflict {
            fields: vec!["revenue", "email"],
        };
        conflict(Claim::of(submission).settle(outcome, None)).unwrap()
    };
    let (order, refund) = (purchase(1, "a", 100), refund(1, "a", "r", None));
    let field = Some("revenue".to_owned());
    let fields = vec!["revenue", "email"];
    assert_eq!(
        found(&order),
        ("order_conflict", field.clone(), fields.clone())
    );
    assert_eq!(found(&refund), ("refund_conflict", field, fields));
    let other_type = Claim::of(&order).settle(Appended::IdConflict, None);
    assert_eq!(
        conflict(other_type).unwrap(),
        ("id_conflict", Some("id".to_owned()), Vec::new())
    );
}

#[test]
fn a_page_is_told_nothing_of_what_is_on_record() {
    let order = from_page(paid(1, "a", 100)).into();
    let fields = vec!["revenue"];
    let settled = Claim::of(&order).settle(Appended::Conflict { fields }, None);
    let Settled::Refused(objection) = settled else {
        panic!("{settled:?}");
    };
    assert!(
        objection
            .rejection()
            .message
            .contains("a different content")
    );
    assert_eq!(
        conflict(Settled::Refused(objection)).unwrap(),
        ("order_conflict", None, Vec::new())
    );
}

#[test]
fn what_comes_again_is_compared_under_an_id_that_was_made_of_a_text_and_as_a_refund() {
    let first = viewed(1);
    let mut other = track(2);
    let is_repeat = |submission: &Submission, first: &Entry| {
        let settled = Claim::of(submission).settle(again(submission), Some(first));
        match settled {
            Settled::Duplicate { .. } => true,
            other => {
                assert!(conflict(other).is_some());
                false
            }
        }
    };
    assert!(is_repeat(&other, &first), "the caller's own id says it all");
    other.older = vec![OlderId::unkeyed(first.id)];
    assert!(!is_repeat(&other, &first));
    let mut same = track(1);
    same.older.clone_from(&other.older);
    assert!(is_repeat(&same, &first));
    let first = refunded(1, "a", "r", 400);
    assert!(!is_repeat(&refund(2, "b", "r", Some("4")), &first));
    assert!(is_repeat(&refund(2, "a", "r", None), &first));
    // A send has an id that was made of its messageId: who registers it looks at the first.
    let mut send = track(1);
    send.entry.fact = Proposed::Fact(Fact::Send {
        message_id: MessageId::parse("m").unwrap(),
        campaign_id: None,
        message_type: MessageType::Campaign,
        subject: None,
        content: [0; 32],
        token_key: 1,
        targets: None,
    });
    send.older = vec![OlderId::unkeyed(first.id)];
    assert!(is_repeat(&send, &viewed(2)));
}
