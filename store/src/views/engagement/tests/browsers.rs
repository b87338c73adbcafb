//! Whose browsers are whose: random histories in any order of arrival come to what the rule itself says.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use shared::ids::{AnonymousId, EventId, OrderId};
use shared::money::{Currency, Money};
use shared::time::Timestamp;

use super::{Folded, contact_of, email, live, rebuilt, told_by};
use crate::ledger::Log;
use crate::ledger::memory::MemoryLedger;
use crate::query::list_events;
use crate::record::Scoring;
use crate::record::{
    Class, Entry, Fact, MessageType, Record, SendRef, Source, ToldBy, WorkspaceId,
};
use crate::views::engagement::score::{Kind, Score};
use crate::views::filter::EventFilter;
use crate::views::history::{NOW, address, all, entry, log_of, message_id};

const OURS: WorkspaceId = WorkspaceId(1);
const PEOPLE: [&str; 3] = ["ada", "ben", "cy"];
const DAY: i64 = 86_400_000;
const WINDOW: i64 = 5 * DAY;

#[derive(Debug, Clone, Copy)]
enum What {
    Identify {
        browser: u8,
        who: usize,
    },
    /// A page's or a server's event.
    Track {
        browser: Option<u8>,
        who: Option<usize>,
        /// A message to ada, to ben, or one that nobody knows.
        message: Option<u8>,
        is_view: bool,
        is_page: bool,
        is_bot: bool,
    },
    /// Of the message to ada or to ben.
    Send(u8),
    Open(u8),
    Order(usize),
}

/// What was done, and at a time that nothing else has.
type Act = (i64, What);

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let who = 0..PEOPLE.len();
    let what = prop_oneof![
        4 => (0..3_u8, who.clone()).prop_map(|(browser, who)| What::Identify { browser, who }),
        8 => (
            prop::option::weighted(0.9, 0..3_u8),
            prop::option::weighted(0.3, who.clone()),
            prop::option::weighted(0.6, 0..3_u8),
            any::<bool>(),
            prop::bool::weighted(0.8),
            prop::bool::weighted(0.1),
        )
            .prop_map(|(browser, who, message, is_view, is_page, is_bot)| What::Track {
                browser: if who.is_none() { Some(browser.unwrap_or(0)) } else { browser },
                who,
                message,
                is_view,
                is_page,
                is_bot,
            }),
        2 => (0..2_u8).prop_map(What::Send),
        1 => (0..2_u8).prop_map(What::Open),
        3 => who.prop_map(What::Order),
    ];
    prop::collection::vec((-12..12_i64, what), 1..40).prop_map(|acts| {
        let numbered = (0..).zip(acts);
        let spread = |(number, (half_day, what))| (NOW + half_day * DAY / 2 + number, what);
        numbered.map(spread).collect()
    })
}

fn message_of(number: u8) -> String {
    format!("m{number}")
}

fn entry_of((time, what): Act) -> Entry {
    let mut id = [0x44; 16];
    id[..8].copy_from_slice(&time.to_be_bytes());
    let browser = |number: u8| AnonymousId::parse(&format!("browser-{number}")).unwrap();
    let whom = |who: usize| address(&email(PEOPLE[who]));
    let base = Entry {
        id: EventId::from_bytes(id),
        time: Timestamp::from_millis(time),
        received_at: Timestamp::from_millis(NOW + 30 * DAY),
        ..entry(0)
    };
    match what {
        What::Identify {
            browser: number,
            who,
        } => Entry {
            address: whom(who),
            anonymous_id: Some(browser(number)),
            told_by: told_by(Source::Browser, Class::Human, None, None),
            fact: Fact::Identify { traits: None },
            ..base
        },
        What::Track {
            browser: number,
            who,
            message,
            is_view,
            is_page,
            is_bot,
        } => Entry {
            address: who.and_then(whom),
            anonymous_id: number.map(browser),
            told_by: match is_page {
                true => told_by(Source::Browser, class(is_bot), None, None),
                false => ToldBy::server(),
            },
            fact: Fact::Track {
                name: if is_view { "page_viewed" } else { "joined" }.into(),
                properties: None,
                message_id: message.map(|message| message_id(&message_of(message))),
            },
            ..base
        },
        What::Send(message) => Entry {
            address: whom(usize::from(message)),
            fact: Fact::Send {
                message_id: message_id(&message_of(message)),
                campaign_id: None,
                message_type: MessageType::Campaign,
                subject: None,
                content: [0; 32],
                token_key: 1,
                targets: None,
            },
            ..base
        },
        What::Open(message) => Entry {
            told_by: told_by(Source::Mail, Class::Human, Some("192.0.2.1"), None),
            fact: Fact::Open {
                send: SendRef {
                    message_id: message_id(&message_of(message)),
                    contact: Some(contact_of(OURS, PEOPLE[usize::from(message)])),
                    campaign_id: None,
                    message_type: MessageType::Campaign,
                    sent_at: Timestamp::from_millis(NOW - 20 * DAY),
                },
            },
            ..base
        },
        What::Order(who) => Entry {
            address: whom(who),
            fact: Fact::Purchase {
                order_id: OrderId::parse(&format!("o{time}")).unwrap(),
                revenue: Money {
                    minor: 100,
                    currency: Currency::parse("EUR").unwrap(),
                },
                rounded: false,
                items: None,
                message_id: None,
            },
            ..base
        },
    }
}

fn class(is_bot: bool) -> Class {
    if is_bot { Class::Bot } else { Class::Human }
}

/// Score as bits, first and last seen, the times of all that is listed.
type Person = (u64, Option<i64>, Option<i64>, BTreeSet<i64>);

/// What must come out.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    people: BTreeMap<usize, Person>,
    /// The message that an order is credited to, and whether for a click.
    orders: BTreeMap<i64, Option<(String, bool)>>,
}

/// By the rule itself.
fn by_rule(acts: &[Act]) -> Expected {
    let owner = |browser: u8, time: i64| {
        let said = acts.iter().filter_map(|(at, what)| match what {
            What::Identify {
                browser: other,
                who,
            } if *other == browser => Some((*at, *who)),
            _ => None,
        });
        let said: BTreeMap<i64, usize> = said.collect();
        let latest = said.range(..=time).next_back();
        latest
            .or_else(|| said.first_key_value())
            .map(|(_, who)| *who)
    };
    let is_sent = |message: u8| {
        let is_known =
            |what: &What| matches!(what, What::Send(one) | What::Open(one) if *one == message);
        acts.iter().any(|(_, what)| is_known(what))
    };
    let mut expected = Expected::default();
    for who in 0..PEOPLE.len() {
        let mut score = Score::default();
        let (mut seen, mut listed) = (Vec::new(), BTreeSet::new());
        // Time, whether a click, the message.
        let mut touches: Vec<(i64, bool, String)> = Vec::new();
        for (time, what) in acts {
            match *what {
                What::Identify { who: named, .. } if named == who => {
                    listed.insert(*time);
                    seen.push(*time);
                }
                What::Track {
                    browser,
                    who: named,
                    message,
                    is_view,
                    is_page,
                    is_bot,
                } => {
                    let owned = browser.and_then(|browser| owner(browser, *time));
                    if named.or(owned) != Some(who) {
                        continue;
                    }
                    listed.insert(*time);
                    if is_page && is_bot {
                        continue;
                    }
                    seen.push(*time);
                    let kind = if is_view {
                        Kind::PageView
                    } else {
                        Kind::Custom
                    };
                    if is_page {
                        score.add_page(kind, *time);
                    } else {
                        score.add(kind, *time, &Scoring::USUAL);
                    }
                    if let Some(message) = message
                        && is_page
                        && owned == Some(who)
                        && usize::from(message) == who
                        && is_sent(message)
                    {
                        touches.push((*time, true, message_of(message)));
                    }
                }
                What::Send(message) if usize::from(message) == who => {
                    listed.insert(*time);
                }
                What::Open(message) if usize::from(message) == who => {
                    listed.insert(*time);
                    seen.push(*time);
                    score.add(Kind::Open, *time, &Scoring::USUAL);
                    touches.push((*time, false, message_of(message)));
                }
                What::Order(named) if named == who => {
                    listed.insert(*time);
                    seen.push(*time);
                    score.add(Kind::Purchase, *time, &Scoring::USUAL);
                }
                _ => {}
            }
        }
        for (time, what) in acts {
            if !matches!(what, What::Order(named) if *named == who) {
                continue;
            }
            let last = |is_click: bool| {
                let within = touches.iter().filter(|touch| {
                    touch.1 == is_click && touch.0 <= *time && touch.0 > *time - WINDOW
                });
                within.max_by_key(|touch| touch.0)
            };
            let credited = last(true).or_else(|| last(false));
            let credited = credited.map(|(_, is_click, message)| (message.clone(), *is_click));
            expected.orders.insert(*time, credited);
        }
        if !listed.is_empty() {
            let bits = score.value_at(NOW + 31 * DAY, &Scoring::USUAL).to_bits();
            let (first, last) = (seen.iter().min().copied(), seen.iter().max().copied());
            expected.people.insert(who, (bits, first, last, listed));
        }
    }
    expected
}

fn found(folded: &Folded, log: &dyn Log, acts: &[Act]) -> Expected {
    let views = &folded.views;
    let mut found = Expected::default();
    for (number, who) in PEOPLE.iter().enumerate() {
        let Some(contact) = views.contact(contact_of(OURS, who)).unwrap() else {
            continue;
        };
        let mut filter = EventFilter {
            email: Some(email(who)),
            limit: 3,
            ..EventFilter::default()
        };
        let mut listed = BTreeSet::new();
        loop {
            let page = list_events(views, log, OURS, &filter).unwrap();
            for event in &page.events {
                assert!(
                    event
                        .email
                        .as_ref()
                        .is_none_or(|shown| *shown == email(who))
                );
                let time = Timestamp::parse_rfc3339(&event.timestamp)
                    .unwrap()
                    .as_millis();
                assert!(listed.insert(time), "listed twice");
            }
            let Some(next) = page.next else {
                break;
            };
            let crate::ledger::Located::At(place) = log.locate(OURS, next).unwrap() else {
                panic!("a page ends at a record");
            };
            filter.cursor = Some(place);
        }
        let bits = contact.score_at(NOW + 31 * DAY).to_bits();
        let seen = (contact.first_seen, contact.last_seen);
        found.people.insert(number, (bits, seen.0, seen.1, listed));
    }
    for (time, what) in acts {
        if let What::Order(_) = what {
            let (_, order) = views
                .order(OURS, true, &format!("o{time}"))
                .unwrap()
                .unwrap();
            let credit = order.credits.last_touch.map(|credit| {
                use super::super::order::{CreditCause, TouchKind};
                let is_click = credit.cause == CreditCause::Touch(TouchKind::Click);
                (credit.message_id, is_click)
            });
            found.orders.insert(*time, credit);
        }
    }
    found
}

fn logged(acts: &[Act]) -> (MemoryLedger, Vec<Record>) {
    let log = log_of(acts.iter().copied().map(entry_of).collect());
    let records = all(&log);
    (log, records)
}

fn check(acts: &[Act]) {
    let (log, records) = logged(acts);
    let folded = live(records.chunks(5));
    assert_eq!(found(&folded, &log, acts), by_rule(acts));
}

fn at(half_day: i64) -> i64 {
    NOW + half_day * DAY / 2
}

fn view(browser: u8) -> What {
    What::Track {
        browser: Some(browser),
        who: None,
        message: None,
        is_view: true,
        is_page: true,
        is_bot: false,
    }
}

fn names(browser: u8, message: u8) -> What {
    What::Track {
        browser: Some(browser),
        who: None,
        message: Some(message),
        is_view: false,
        is_page: true,
        is_bot: false,
    }
}

fn score_of(folded: &Folded, who: &str) -> f64 {
    let contact = folded.views.contact(contact_of(OURS, who)).unwrap();
    contact.map_or(0.0, |contact| contact.score_at(NOW))
}

#[test]
fn what_a_browser_did_before_somebody_was_known_is_theirs() {
    let acts = [
        (at(-2), view(0)),
        (at(-1), view(1)),
        (at(0), What::Identify { browser: 0, who: 0 }),
        (at(1), view(0)),
        (at(2), What::Identify { browser: 1, who: 0 }),
    ];
    check(&acts);
    let (_, records) = logged(&acts);
    let folded = live(std::iter::once(&records[..]));
    assert!(score_of(&folded, "ada") > 1.4);
    let ada = folded
        .views
        .contact(contact_of(OURS, "ada"))
        .unwrap()
        .unwrap();
    assert_eq!((ada.first_seen, ada.last_seen), (Some(at(-2)), Some(at(2))));
}

#[test]
fn two_contacts_one_after_the_other_on_one_browser_have_each_their_own() {
    let acts = [
        (at(-4), view(0)),
        (at(-3), What::Identify { browser: 0, who: 0 }),
        (at(-2), view(0)),
        (at(-1), What::Identify { browser: 0, who: 1 }),
        (at(1), view(0)),
    ];
    check(&acts);
    // The second is told late, and takes what lies behind it with it.
    let mut late = acts;
    late.swap(3, 4);
    check(&late);
    let (_, records) = logged(&late);
    let before = live(std::iter::once(&records[..4]));
    let after = live(std::iter::once(&records[..]));
    assert!(score_of(&before, "ada") > score_of(&after, "ada") + 0.4);
    assert!(score_of(&after, "ben") > 0.4);
}

#[test]
fn a_page_that_names_a_message_to_its_visitor_is_a_touch_whenever_any_of_it_is_told() {
    let acts = [
        (at(0), What::Send(0)),
        (at(1), What::Identify { browser: 0, who: 0 }),
        (at(2), names(0, 0)),
        (at(3), What::Order(0)),
        // A message to somebody else, and one that nobody knows.
        (at(4), names(0, 1)),
        (at(4) + 1, names(0, 2)),
        (at(5), What::Order(0)),
    ];
    let touched = Some(("m0".to_owned(), true));
    let expected = by_rule(&acts).orders;
    assert_eq!(expected[&at(3)], touched);
    assert_eq!(expected[&at(5)], touched);
    for turn in 0..acts.len() {
        let mut turned = acts;
        turned.rotate_left(turn);
        check(&turned);
        turned.reverse();
        check(&turned);
    }
}

#[test]
fn a_rebuild_comes_to_the_same_rows() {
    let acts: Vec<Act> = (0..40)
        .map(|number| {
            let what = match number % 5 {
                0 => What::Identify {
                    browser: 0,
                    who: usize::from(number % 2 == 0),
                },
                1 => names(0, 0),
                2 => What::Send(0),
                _ => view(0),
            };
            (at(i64::from(number * 7 % 12)) + i64::from(number), what)
        })
        .collect();
    let (log, records) = logged(&acts);
    let folded = live(records.chunks(3));
    assert_eq!(super::dump_of(&folded), super::dump_of(&rebuilt(&log)));
    assert_eq!(found(&rebuilt(&log), &log, &acts), by_rule(&acts));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn any_order_of_arrival_comes_to_what_the_rule_says(
        (acts, shuffled) in acts().prop_flat_map(|acts| (Just(acts.clone()), Just(acts).prop_shuffle())),
        batch in 1..9_usize,
    ) {
        let expected = by_rule(&acts);
        for acts in [&acts, &shuffled] {
            let (log, records) = logged(acts);
            let folded = live(records.chunks(batch));
            prop_assert_eq!(&found(&folded, &log, acts), &expected);
        }
    }
}
