//! Whether an event that comes again says what the first one said, times apart. Not which is the first:
//! the log tells that, and leaves the comparing to who asks, because its writer reads no records.

use serde_json::Value;

use shared::ids::MessageId;
use shared::money::Money;
use store::ledger::Proposed;
use store::ledger::decide::RefundAsk;
use store::record::{Content as _, Entry, Fact, Personal};

/// The names of the fields in which `again` differs from the event on record. Times, the batch's
/// context and fields that are not known count for nothing. Of an erased event nobody knows any more
/// what it said: then only what erasing leaves is compared.
pub(super) fn differing_fields(recorded: &Entry, again: &Entry<Proposed>) -> Vec<&'static str> {
    if recorded.fact.kind() != again.fact.kind() {
        return vec!["type"];
    }
    let known = !recorded.redacted;
    let mut fields = vec![
        ("email", known && email(recorded) != email(again)),
        (
            "anonymousId",
            known && recorded.anonymous_id != again.anonymous_id,
        ),
        (
            "messageId",
            recorded.fact.message_id() != message_id(&again.fact),
        ),
    ];
    fields.extend(match (&recorded.fact, &again.fact) {
        (
            Fact::Track {
                name: recorded,
                properties: before,
                ..
            },
            Proposed::Fact(Fact::Track {
                name, properties, ..
            }),
        ) => vec![
            ("event", recorded != name),
            ("properties", known && !is_same_json(before, properties)),
        ],
        (Fact::Identify { traits: before }, Proposed::Fact(Fact::Identify { traits })) => {
            vec![("traits", known && !is_same_json(before, traits))]
        }
        (
            Fact::Purchase {
                order_id: recorded_order,
                revenue: recorded,
                items: before,
                ..
            },
            Proposed::Fact(Fact::Purchase {
                order_id,
                revenue,
                items,
                ..
            }),
        ) => vec![
            ("orderId", recorded_order != order_id),
            ("revenue", recorded.minor != revenue.minor),
            ("currency", recorded.currency != revenue.currency),
            ("items", known && before != items),
        ],
        (
            Fact::Amend {
                order_id: recorded_order,
                revenue: recorded,
                items: before,
                ..
            },
            Proposed::Amend {
                order_id,
                revenue,
                items,
                ..
            },
        ) => {
            let differs = |revenue: Money| {
                (revenue.minor, revenue.currency) != (recorded.minor, recorded.currency)
            };
            vec![
                ("orderId", recorded_order != order_id),
                ("revenue", revenue.is_some_and(differs)),
                ("items", known && before != items),
            ]
        }
        (
            Fact::Refund {
                order_id: recorded_order,
                refund_id: recorded_refund,
                amount,
                ..
            },
            Proposed::Refund {
                order_id,
                refund_id,
                asked,
            },
        ) => vec![
            ("orderId", recorded_order != order_id),
            ("refundId", recorded_refund != refund_id),
            ("amount", !is_same_amount(*amount, asked)),
        ],
        (
            Fact::Delivery {
                status: recorded_status,
                code: recorded_code,
                reason: before,
                ..
            },
            Proposed::Fact(Fact::Delivery {
                status,
                code,
                reason,
                ..
            }),
        ) => vec![
            ("status", recorded_status != status),
            ("code", recorded_code != code),
            ("reason", known && before != reason),
        ],
        _ => vec![("type", true)],
    });
    let differs = |(field, differs)| if differs { Some(field) } else { None };
    fields.into_iter().filter_map(differs).collect()
}

/// The fields in which a refund differs from the one on record under its refundId: it is the same
/// refund however the rest is said.
pub(super) fn differing_refund(recorded: &Entry, again: &Entry<Proposed>) -> Vec<&'static str> {
    let mut fields = differing_fields(recorded, again);
    fields.retain(|field| ["orderId", "amount"].contains(field));
    fields
}

fn email<F>(entry: &Entry<F>) -> Option<&str> {
    let address = entry.address.as_ref()?;
    Some(&address.normalised.0)
}

fn message_id(proposed: &Proposed) -> Option<&MessageId> {
    match proposed {
        Proposed::Fact(fact) => fact.message_id(),
        Proposed::Amend { message_id, .. } => message_id.as_ref(),
        Proposed::Refund { .. } => None,
    }
}

/// Whether what is asked for is what was refunded. Without an amount, the log has judged already
/// whether the first took all that was left.
fn is_same_amount(refunded: Money, asked: &RefundAsk) -> bool {
    let Some(amount) = &asked.amount else {
        return true;
    };
    Money::from_decimal(amount, refunded.currency)
        .is_ok_and(|(asked, _)| asked.minor == refunded.minor)
}

/// Whether two JSON objects say the same: neither the order of names nor blanks count.
fn is_same_json(before: &Option<Personal>, again: &Option<Personal>) -> bool {
    let (Some(Personal(before)), Some(Personal(again))) = (before, again) else {
        return before.is_none() && again.is_none();
    };
    let value = |text| serde_json::from_str::<Value>(text).ok();
    before == again || value(before).is_some_and(|before| Some(before) == value(again))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use store::ledger::conformance::subject::{paid, purchase, refund, refunded, track, viewed};
    use store::record::ToldBy;

    #[test]
    fn times_and_context_are_no_content_and_an_erased_event_is_compared_as_far_as_it_is_known() {
        let recorded = viewed(1);
        let mut again = track(1).entry;
        again.time = again.received_at;
        again.time_sent = true;
        again.told_by = ToldBy::Server {
            key_id: None,
            context: Some(Arc::new(Personal("{}".into()))),
        };
        assert_eq!(differing_fields(&recorded, &again), [""; 0]);

        let other = track(2).entry;
        assert_eq!(differing_fields(&recorded, &other), ["properties"]);
        let mut erased = recorded.clone();
        erased.redact();
        assert_eq!(differing_fields(&erased, &other), [""; 0]);
        let mut erased = paid(1, "a", 100);
        erased.redact();
        let other = purchase(1, "b", 200).entry;
        let fields = differing_fields(&erased, &other);
        assert_eq!(fields, ["orderId", "revenue"]);
    }

    #[test]
    fn a_refund_differs_by_its_order_and_by_what_is_asked_for() {
        let recorded = refunded(1, "a", "r", 400);
        for (order, amount, fields) in [
            ("a", Some("4"), &[][..]),
            ("a", Some("4.00"), &[]),
            ("a", None, &[]),
            ("a", Some("4.01"), &["amount"]),
            ("a", Some("4.001"), &["amount"]),
            ("b", Some("4"), &["orderId"]),
            ("b", None, &["orderId"]),
            ("b", Some("5"), &["orderId", "amount"]),
        ] {
            let again = refund(2, order, "r", amount).entry;
            assert_eq!(differing_refund(&recorded, &again), fields);
        }
    }

    #[test]
    fn objects_are_compared_by_what_they_say() {
        let same = |before: Option<&str>, again: Option<&str>| {
            let personal = |text: Option<&str>| text.map(|text| Personal(text.to_owned()));
            is_same_json(&personal(before), &personal(again))
        };
        assert!(same(
            Some(r#"{"a":1,"b":[2]}"#),
            Some(r#"{ "b": [2], "a": 1 }"#)
        ));
        assert!(same(None, None));
        assert!(!same(Some("{}"), None));
        assert!(!same(Some(r#"{"a":1}"#), Some(r#"{"a":"1"}"#)));
        assert!(!same(Some(r#"{"a":[1,2]}"#), Some(r#"{"a":[2,1]}"#)));
    }
}
