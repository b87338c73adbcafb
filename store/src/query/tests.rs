//! Tests of listing and showing events: against a plain walk over the log, and case by case.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use shared::event_name::names;
use shared::ids::{AnonymousId, MessageId, OrderId, RefundId};
use shared::money::Currency;
use shared::time::Timestamp;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::ledger::{Located, Log};
use crate::record::identity::FactKind;
use crate::record::public_seq::Stamp;
use crate::record::{Address, Seq, ToldBy, Visitor, WorkspaceId};
use crate::views::Views;
use crate::views::history::{
    CONTACTS, MESSAGES, NAMES, NOW, Trial, address, all, append, at_once, entry, history, keys,
    log_of, message_id,
};

const WORKSPACE: WorkspaceId = WorkspaceId(1);

/// Views that reflect the whole log.
fn views_of(log: &dyn Log) -> (Views, TempDir) {
    let folder = tempdir().unwrap();
    let views = Views::open(folder.path(), keys()).unwrap();
    for records in all(log).chunks(777) {
        views.fold(records).unwrap();
    }
    (views, folder)
}

/// Where in the log the events lie that are shown under an id and a seq.
struct Places(HashMap<(String, String), u64>);

impl Places {
    fn of(log: &dyn Log) -> Self {
        let shown = |record: &Record| {
            let (id, seq) = (record.entry.id, record.public_seq);
            (id.to_string(), seq.to_string())
        };
        let records = all(log);
        Self(records.iter().map(|one| (shown(one), one.seq.0)).collect())
    }

    fn of_list(&self, list: &EventList) -> Vec<u64> {
        let shown = |event: &EventView| (event.id.clone(), event.seq.clone());
        let events = list.events.iter();
        events.map(|event| self.0[&shown(event)]).collect()
    }
}

fn seqs(log: &dyn Log, list: &EventList) -> Vec<u64> {
    Places::of(log).of_list(list)
}

/// The place of the page's last event, where there is a next page.
fn next_of(list: &EventList, seqs: &[u64]) -> Option<u64> {
    let next = list.next?.to_string();
    assert_eq!(Some(&next), list.events.last().map(|last| &last.seq));
    seqs.last().copied()
}

/// Every page of the list, joined, and the size of each.
fn paged(
    views: &Views,
    log: &dyn Log,
    workspace: WorkspaceId,
    filter: &EventFilter,
) -> (Vec<u64>, Vec<usize>) {
    let mut filter = filter.clone();
    let places = Places::of(log);
    let (mut found, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let list = list_events(views, log, workspace, &filter).unwrap();
        found.extend(places.of_list(&list));
        sizes.push(list.events.len());
        let Some(next) = next_of(&list, &found) else {
            return (found, sizes);
        };
        filter.cursor = Some(Seq(next));
    }
}

/// What the filter means, said in the plainest way.
fn brute_force(log: &dyn Log, workspace: WorkspaceId, filter: &EventFilter) -> Vec<u64> {
    let mut found = Vec::new();
    let is_behind = |seq: Seq, cursor: Seq| match filter.order {
        Order::NewestFirst => seq < cursor,
        Order::OldestFirst => seq > cursor,
    };
    for Record { seq, entry, .. } in all(log).into_iter().rev() {
        let email = entry.address.map(|address| address.normalised.0);
        let wanted = [
            entry.workspace == workspace,
            filter.name.is_none() || filter.name.as_deref() == Some(entry.fact.name()),
            filter.email.is_none() || filter.email == email,
            filter.message_id.is_none()
                || filter.message_id.as_deref() == entry.fact.message_id().map(MessageId::as_str),
            filter.from.is_none() || filter.from <= Some(entry.time),
            filter.to.is_none() || Some(entry.time) < filter.to,
            filter.kind.is_none() || filter.kind == Some(entry.fact.kind()),
            filter.received_from.is_none() || filter.received_from <= Some(entry.received_at),
            filter.received_to.is_none() || Some(entry.received_at) < filter.received_to,
            filter.cursor.is_none_or(|cursor| is_behind(seq, cursor)),
        ];
        if wanted == [true; 10] {
            found.push(seq.0);
        }
    }
    if filter.order == Order::OldestFirst {
        found.reverse();
    }
    found
}

fn filters() -> impl Strategy<Value = (WorkspaceId, EventFilter)> {
    let minute = || prop::option::of(-1..106_i64);
    (
        1..=4_u32,
        prop::option::of(prop::sample::select(&NAMES)),
        prop::option::of(prop::sample::select(&CONTACTS)),
        prop::option::weighted(0.3, prop::sample::select(&MESSAGES)),
        (minute(), minute()),
        (
            minute(),
            any::<bool>(),
            prop::option::weighted(
                0.2,
                prop::sample::select(vec![
                    FactKind::Track,
                    FactKind::Identify,
                    FactKind::Purchase,
                ]),
            ),
        ),
        prop::option::weighted(0.3, 0..5_000_u64),
        prop_oneof![1..8_usize, 1..=1_000_usize],
    )
        .prop_map(
            |(
                workspace,
                name,
                email,
                message,
                (from, to),
                (arrived, is_upwards, kind),
                cursor,
                limit,
            )| {
                let time = |minute| Timestamp::from_millis(NOW + minute * 60_000);
                let filter = EventFilter {
                    name: name.map(str::to_owned),
                    email: email.map(str::to_owned),
                    message_id: message.map(str::to_owned),
                    from: from.map(time),
                    to: to.map(time),
                    received_from: arrived.map(time).filter(|_| is_upwards),
                    received_to: arrived.map(time).filter(|_| !is_upwards),
                    kind,
                    order: if is_upwards {
                        Order::OldestFirst
                    } else {
                        Order::NewestFirst
                    },
                    cursor: cursor.map(Seq),
                    limit,
                    ..EventFilter::default()
                };
                (WorkspaceId(workspace), filter)
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn paging_through_a_list_is_a_plain_walk_over_the_log(
        entries in history(),
        filters in prop::collection::vec(filters(), 1..12),
        erased in prop::collection::vec(1..3_000_u64, 0..20),
    ) {
        let log = log_of(entries);
        let (views, _folder) = views_of(&log);
        for (workspace, filter) in &filters {
            // Without times the views alone are exact, so that nothing is read from the log in vain.
            let filter = EventFilter {
                from: None, to: None, received_from: None, received_to: None, kind: None, ..filter.clone()
            };
            let wanted = brute_force(&log, *workspace, &filter);
            let page = views.events(*workspace, &filter).unwrap();
            let first = wanted.iter().copied().take(filter.limit).map(Seq);
            prop_assert_eq!(page.seqs, first.collect::<Vec<_>>(), "{:?}", filter);
            prop_assert_eq!(page.complete, wanted.len() <= filter.limit);
        }
        // The views know nothing of this.
        at_once(log.redact(erased.into_iter().map(Seq).collect())).unwrap();
        for (workspace, filter) in filters {
            let wanted = brute_force(&log, workspace, &filter);
            let (found, sizes) = paged(&views, &log, workspace, &filter);
            prop_assert_eq!(&found, &wanted, "{:?}", filter);
            // Full pages, save the last; no empty one behind a full one.
            let pages = wanted.len().div_ceil(filter.limit).max(1);
            prop_assert_eq!(sizes.len(), pages);
            prop_assert!(sizes[..pages - 1].iter().all(|size| *size == filter.limit));
        }
    }
}

#[test]
fn a_page_says_whether_there_is_another() {
    let log = log_of((1..=5).map(entry).collect());
    let (views, _folder) = views_of(&log);
    let page = |limit, cursor: Option<u64>| {
        let filter = EventFilter {
            limit,
            cursor: cursor.map(Seq),
            ..EventFilter::default()
        };
        let list = list_events(&views, &log, WORKSPACE, &filter).unwrap();
        let seqs = seqs(&log, &list);
        let next = next_of(&list, &seqs);
        (seqs, next)
    };
    assert_eq!(page(2, None), (vec![5, 4], Some(4)));
    assert_eq!(page(2, Some(4)), (vec![3, 2], Some(2)));
    assert_eq!(page(2, Some(2)), (vec![1], None));
    assert_eq!(page(5, None), (vec![5, 4, 3, 2, 1], None));
    assert_eq!(page(5, Some(1)), (vec![], None));
    assert_eq!(page(5, Some(0)), (vec![], None));
    // What is beyond the limits is drawn in.
    assert_eq!(page(0, None), (vec![5], Some(5)));
    assert_eq!(page(usize::MAX, Some(3)), (vec![2, 1], None));
    assert_eq!(page(1, Some(u64::MAX)), (vec![5], Some(5)));
}

#[test]
fn a_workspace_sees_nothing_of_another() {
    let of = |number, workspace| Entry {
        workspace: WorkspaceId(workspace),
        address: address("ada@example.com"),
        ..entry(number)
    };
    let log = log_of(vec![of(1, 1), of(2, 2), of(3, 1)]);
    let (views, _folder) = views_of(&log);
    let filter = EventFilter {
        email: Some("ada@example.com".into()),
        ..EventFilter::default()
    };
    for (workspace, wanted) in [(1, vec![3, 1]), (2, vec![2]), (3, vec![]), (9, vec![])] {
        for filter in [&filter, &EventFilter::default()] {
            let list = list_events(&views, &log, WorkspaceId(workspace), filter).unwrap();
            assert_eq!(seqs(&log, &list), wanted, "workspace {workspace}");
        }
    }
}

#[test]
fn a_page_is_full_although_part_of_the_log_was_set_aside() {
    let log = log_of((1..=3_000).map(entry).collect());
    let (views, _folder) = views_of(&log);
    let log = Trial::new(log, 1_000..2_990);
    let filter = EventFilter {
        limit: 12,
        ..EventFilter::default()
    };
    let list = list_events(&views, &log, WORKSPACE, &filter).unwrap();
    assert_eq!(
        seqs(&log, &list),
        [
            3000, 2999, 2998, 2997, 2996, 2995, 2994, 2993, 2992, 2991, 2990, 999
        ]
    );
    assert!(list.next.is_some());
}

#[test]
fn neighbours_are_read_together_and_never_too_many() {
    let log = log_of((1..=3_000).map(entry).collect());
    let (views, _folder) = views_of(&log);
    let log = Trial::new(log, 0..0);
    let filter = EventFilter {
        limit: 1_000,
        ..EventFilter::default()
    };
    list_events(&views, &log, WORKSPACE, &filter).unwrap();
    assert_eq!(*log.asked.lock().unwrap(), [256, 256, 256, 233]);
}

#[test]
fn an_error_of_the_log_is_told() {
    let log = log_of(vec![entry(1)]);
    let (views, _folder) = views_of(&log);
    let log = Trial::new(log, 0..0);
    log.fail(true);
    let list = list_events(&views, &log, WORKSPACE, &EventFilter::default());
    assert!(matches!(list, Err(QueryError::Log(_))), "{list:?}");
}

fn record(entry: Entry) -> Record {
    Record {
        seq: Seq(7),
        public_seq: PublicSeq::of(Stamp::NONE, 0, Seq(7)),
        entry,
    }
}

fn shown(entry: Entry) -> Value {
    let record = record(entry);
    serde_json::to_value(EventView::of(&record, Beside::default())).unwrap()
}

fn personal(text: &str) -> Option<Personal> {
    Some(Personal(text.into()))
}

#[track_caller]
fn check_properties(fact: Fact, told_by: ToldBy, wanted: &str) {
    let record = record(Entry {
        fact,
        told_by,
        ..entry(1)
    });
    assert_eq!(
        EventView::of(&record, Beside::default()).properties.get(),
        wanted
    );
}

#[test]
fn an_event_is_shown_in_full() {
    let full = Entry {
        address: Some(Address {
            normalised: Personal("ada@example.com".into()),
            original: personal("Ada@Example.com"),
            older: None,
        }),
        anonymous_id: AnonymousId::parse("visitor-7").ok(),
        received_at: Timestamp::from_millis(NOW + 2_500),
        told_by: ToldBy::browser(Visitor {
            client: None,
            class: Some((Class::ProxyHuman, "Gmail's image proxy".into())),
        }),
        fact: Fact::Track {
            name: "trial_started".into(),
            properties: personal(r#"{"plan":"pro","price":1.10}"#),
            message_id: Some(message_id("message-1")),
        },
        ..entry(0)
    };
    assert_eq!(
        shown(full),
        json!({
            "id": "00000000-4040-4040-4040-404040404040",
            "seq": "000000000000000000000007",
            "type": "track",
            "name": "trial_started",
            "timestamp": "2026-09-21T14:13:20Z",
            "receivedAt": "2026-09-21T14:13:22.500Z",
            "email": "Ada@Example.com",
            "anonymousId": "visitor-7",
            "messageId": "message-1",
            "properties": {"plan": "pro", "price": 1.10},
            "source": "browser",
            "class": "proxy_human",
            "reason": "Gmail's image proxy",
        })
    );
}

#[test]
fn what_an_event_does_not_have_is_left_out() {
    assert_eq!(
        shown(entry(0)),
        json!({
            "id": "00000000-4040-4040-4040-404040404040",
            "seq": "000000000000000000000007",
            "type": "track",
            "name": "viewed",
            "timestamp": "2026-09-21T14:13:20Z",
            "receivedAt": "2026-09-21T14:13:20Z",
            "properties": {},
            "source": "server",
        })
    );
    let known = Entry {
        address: address("ada@example.com"),
        ..entry(0)
    };
    assert_eq!(shown(known)["email"], "ada@example.com");
}

#[test]
fn properties_keep_the_callers_own_numbers() {
    let properties = r#"{"n":12345678901234567890.10,"a":[1e2],"b":{}}"#;
    let track = Fact::Track {
        name: "viewed".into(),
        properties: personal(properties),
        message_id: None,
    };
    check_properties(track, ToldBy::server(), properties);
    let identify = Fact::Identify {
        traits: personal(r#"{"plan":"pro"}"#),
    };
    check_properties(identify, ToldBy::server(), r#"{"plan":"pro"}"#);
    check_properties(Fact::Identify { traits: None }, ToldBy::server(), "{}");
}

#[test]
fn money_is_shown_with_its_exact_decimals() {
    let money = |amount, currency| {
        let currency = Currency::parse(currency).unwrap();
        Money::from_json_number(amount, currency).unwrap().0
    };
    let purchase = |items: Option<&str>, amount, currency| Fact::Purchase {
        order_id: OrderId::parse("order \"1234\"").unwrap(),
        revenue: money(amount, currency),
        rounded: false,
        items: items.and_then(personal),
        message_id: None,
    };
    let page = ToldBy::browser(Visitor {
        client: None,
        class: None,
    });
    check_properties(
        purchase(
            Some(r#"[{"id":"sku-1","price":49.90,"quantity":1}]"#),
            "49.9",
            "USD",
        ),
        ToldBy::server(),
        r#"{"orderId":"order \"1234\"","revenue":49.90,"currency":"USD","items":[{"id":"sku-1","price":49.90,"quantity":1}],"verified":true}"#,
    );
    check_properties(
        purchase(None, "90071992547409.93", "EUR"),
        page,
        r#"{"orderId":"order \"1234\"","revenue":90071992547409.93,"currency":"EUR","items":[],"verified":false}"#,
    );
    let refund = |amount, currency| Fact::Refund {
        order_id: OrderId::parse("order_1").unwrap(),
        refund_id: RefundId::parse("refund_1").unwrap(),
        amount: money(amount, currency),
        rounded: false,
    };
    check_properties(
        refund("500", "JPY"),
        ToldBy::server(),
        r#"{"orderId":"order_1","refundId":"refund_1","amount":500,"currency":"JPY"}"#,
    );
    check_properties(
        refund("0.001", "KWD"),
        ToldBy::server(),
        r#"{"orderId":"order_1","refundId":"refund_1","amount":0.001,"currency":"KWD"}"#,
    );
}

#[test]
fn the_systems_own_names_and_every_class_have_their_spellings() {
    let named = |fact| shown(Entry { fact, ..entry(0) })["name"].clone();
    assert_eq!(named(Fact::Identify { traits: None }), names::IDENTIFIED);
    for (class, spelling) in [
        (Class::Human, "human"),
        (Class::ProxyHuman, "proxy_human"),
        (Class::Machine, "machine"),
        (Class::Bot, "bot"),
    ] {
        assert_eq!(class.as_str(), spelling);
        assert_eq!(Class::parse(spelling), Some(class));
    }
}

#[test]
fn a_redacted_event_shows_nothing_personal_and_is_found_by_nothing_personal() {
    let ada = |number| Entry {
        address: address("ada@example.com"),
        anonymous_id: AnonymousId::parse("visitor-ada").ok(),
        fact: Fact::Track {
            name: "viewed".into(),
            properties: personal(r#"{"who":"ada"}"#),
            message_id: None,
        },
        ..entry(number)
    };
    let log = log_of(vec![ada(1), ada(2)]);
    let (views, _folder) = views_of(&log);
    at_once(log.redact(vec![Seq(1)])).unwrap();
    let list = list_events(&views, &log, WORKSPACE, &EventFilter::default()).unwrap();
    assert_eq!(seqs(&log, &list), [2, 1]);
    let text = serde_json::to_string(&list.events[1]).unwrap();
    assert!(!text.contains("ada"), "{text}");
    let by_address = EventFilter {
        email: Some("ada@example.com".into()),
        ..EventFilter::default()
    };
    let list = list_events(&views, &log, WORKSPACE, &by_address).unwrap();
    assert_eq!(seqs(&log, &list), [2]);
}

#[test]
fn what_is_appended_later_is_listed_once_it_is_folded() {
    let log = log_of(vec![entry(1)]);
    let (views, _folder) = views_of(&log);
    append(&log, vec![entry(2)]);
    let list = || list_events(&views, &log, WORKSPACE, &EventFilter::default()).unwrap();
    assert_eq!(seqs(&log, &list()), [1]);
    views.fold(&all(&log)).unwrap();
    assert_eq!(seqs(&log, &list()), [2, 1]);
}

#[test]
fn debug_output_holds_nothing_personal() {
    let record = record(Entry {
        address: address("ada@example.com"),
        ..entry(1)
    });
    let view = EventView::of(&record, Beside::default());
    let filter = EventFilter {
        email: Some("ada@example.com".into()),
        ..EventFilter::default()
    };
    let shown = format!("{view:?} {filter:?}");
    assert!(!shown.contains("ada"), "{shown}");
}

#[test]
fn only_stretches_of_the_log_that_lie_wholly_outside_the_times_are_skipped() {
    // Arrange: a minute for each 1,024 seqs (the first has 1,023), so that none begins within a stretch.
    let minute_of = |number: u32| i64::from(number / 1_024);
    let time = |minute: i64| Timestamp::from_millis(NOW + minute * 60_000);
    let of = |number| Entry {
        time: time(minute_of(number)),
        ..entry(number)
    };
    let log = log_of((1..=4_000).map(of).collect());
    let (views, _folder) = views_of(&log);
    for (from, to, newest, oldest) in [
        (Some(1), Some(2), 2_047, 1_024),
        (Some(1), Some(3), 3_071, 1_024),
        (Some(3), None, 4_000, 3_072),
        (None, Some(1), 1_023, 1),
        (None, None, 4_000, 1),
    ] {
        let filter = EventFilter {
            from: from.map(time),
            to: to.map(time),
            limit: 4_000,
            ..EventFilter::default()
        };
        // Act
        let page = views.events(WORKSPACE, &filter).unwrap();
        // Assert
        let wanted: Vec<Seq> = (oldest..=newest).rev().map(Seq).collect();
        assert_eq!(page.seqs, wanted, "{from:?} {to:?}");
        let (found, _) = paged(
            &views,
            &log,
            WORKSPACE,
            &EventFilter {
                limit: 1_000,
                ..filter
            },
        );
        assert_eq!(found.len(), wanted.len());
    }
}

#[test]
fn a_page_ends_early_where_too_many_had_to_be_passed_over() {
    let log = log_of((1..=2_000).map(entry).collect());
    let (views, _folder) = views_of(&log);
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let mut filter = EventFilter {
            class: ClassFilter::parse("bot"),
            order,
            ..EventFilter::default()
        };
        let mut pages = 0;
        loop {
            let list = list::list_within(&views, &log, WORKSPACE, &filter, 500).unwrap();
            assert!(list.events.is_empty());
            pages += 1;
            let Some(next) = list.next else { break };
            let Located::At(at) = log.locate(WORKSPACE, next).unwrap() else {
                panic!("{next} is there");
            };
            filter.cursor = Some(at);
        }
        assert_eq!(pages, 4, "{order:?}");
    }
}
