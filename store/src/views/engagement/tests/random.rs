//! Random histories: folded live in any batches, across restarts and by a rebuild they come to the
//! same rows, and to what the oracle says.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use shared::decimal::Decimal;
use shared::ids::{CampaignId, EventId, OrderId, RefundId};
use shared::money::{Currency, Money};
use shared::time::Timestamp;
use tempfile::tempdir;

use super::{contact_of, dump_of, email, live, oracle, rebuilt, told_by};
use crate::ledger::decide::{Attribution, RefundAsk, Scoring, WorkspaceKey, WorkspaceKeys};
use crate::ledger::memory::MemoryLedger;
use crate::ledger::suppression::Cause;
use crate::ledger::{Log, Proposed, Submission};
use crate::record::extra::Timing;
use crate::record::{
    Class, DeliveryStatus, Entry, Fact, MessageType, Personal, SendRef, Source, WorkspaceId,
};
use crate::targets::marks;
use crate::views::Views;
use crate::views::history::{Keys, NOW, address, all, at_once, entry, keys, message_id};

const PEOPLE: [&str; 3] = ["ada", "ben", "cy"];
const CLASSES: [Class; 4] = [Class::Human, Class::ProxyHuman, Class::Machine, Class::Bot];
const STATUSES: [DeliveryStatus; 4] = [
    DeliveryStatus::Delivered,
    DeliveryStatus::Bounced,
    DeliveryStatus::Deferred,
    DeliveryStatus::Complained,
];
/// Around the bounds of bursts.
const STEPS: [i64; 10] = [
    0, 1, 333, 500, 1_000, 1_250, 14_999, 15_000, 20_000, -45_000,
];

#[derive(Debug, Clone, Copy)]
enum What {
    Send,
    Open,
    /// So many in a row, each of the next link.
    Clicks(u32),
    Unsubscribe,
    Told,
    Delivery(u8),
    Suppress(usize),
    Lift(Option<usize>),
    Track(bool),
    Order,
    Refund(Option<u8>),
    Amend(u8),
}

/// What happened, with more choices than any one kind needs.
#[derive(Debug, Clone)]
struct Act {
    what: What,
    workspace: u32,
    message: usize,
    /// In half days, so that windows are met to the millisecond.
    at: i64,
    step: usize,
    /// When it was known here, after it happened.
    late: i64,
    class: usize,
    from: u8,
    link: u32,
    order: u8,
    euros: bool,
    verified: bool,
    explicit: bool,
    /// Another campaign, or an erased contact.
    odd: u8,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let what = prop_oneof![
        1 => Just(What::Send),
        3 => Just(What::Open),
        6 => (1..8_u32).prop_map(What::Clicks),
        1 => Just(What::Unsubscribe),
        2 => Just(What::Told),
        1 => (0..4_u8).prop_map(What::Delivery),
        1 => (0..4_usize).prop_map(What::Suppress),
        1 => prop::option::of(0..4_usize).prop_map(What::Lift),
        1 => any::<bool>().prop_map(What::Track),
        4 => Just(What::Order),
        2 => prop::option::of(1..200_u8).prop_map(What::Refund),
        2 => any::<u8>().prop_map(What::Amend),
    ];
    let place = (
        prop_oneof![4 => Just(1_u32), 1 => Just(2)],
        0..4_usize,
        -14..14_i64,
        0..STEPS.len(),
        prop_oneof![5 => Just(0_i64), 1 => Just(-3_600_000), 1 => Just(86_400_000)],
    );
    let who = (
        prop_oneof![6 => Just(0_usize), 1 => Just(1), 1 => Just(2), 1 => Just(3)],
        0..2_u8,
        0..4_u32,
    );
    let sale = (
        0..6_u8,
        any::<bool>(),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.2),
    );
    let act = (what, place, who, sale, 0..12_u8).prop_map(
        |(what, place, who, (order, euros, verified, explicit), odd)| {
            let (workspace, message, at, step, late) = place;
            let (class, from, link) = who;
            Act {
                what,
                workspace,
                message,
                at,
                step,
                late,
                class,
                from,
                link,
                order,
                euros,
                verified,
                explicit,
                odd,
            }
        },
    );
    prop::collection::vec(act, 1..70)
}

impl Act {
    /// Windows about as long as what lies between two acts.
    fn timing(&self) -> Option<Timing> {
        let class = |by: usize| CLASSES[(self.class + by) % CLASSES.len()];
        let windows = vec![
            (60_000, class(1), "soon".to_owned()),
            (4 * 43_200_000, class(2), "later".to_owned()),
        ];
        let otherwise = (class(0), "random".to_owned());
        let timing = Timing { windows, otherwise };
        (!self.odd.is_multiple_of(3)).then_some(timing)
    }

    fn submissions(&self, number: usize) -> Vec<Submission> {
        match self.what {
            What::Clicks(count) => (0..count)
                .map(|turn| self.submission(number * 8 + turn as usize, turn))
                .collect(),
            _ => vec![self.submission(number * 8, 0)],
        }
    }

    fn submission(&self, number: usize, turn: u32) -> Submission {
        let workspace = WorkspaceId(self.workspace);
        let who = PEOPLE[self.message % PEOPLE.len()];
        let mut id = [0x41; 16];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let time = NOW + self.at * 43_200_000 + i64::from(turn + 1) * STEPS[self.step];
        let message_id = message_id(&format!("m{}", self.message));
        let is_erased = self.odd == 0;
        let campaign_id = match self.odd {
            1 => None,
            2 => Some("c9".to_owned()),
            _ => Some(format!("c{}", self.message % 2)),
        };
        let campaign_id = campaign_id.map(|id| CampaignId::parse(&id).unwrap());
        let send = SendRef {
            message_id: message_id.clone(),
            contact: (!is_erased).then(|| contact_of(workspace, who)),
            campaign_id: campaign_id.clone(),
            message_type: MessageType::Campaign,
            sent_at: Timestamp::from_millis(NOW),
        };
        let order_id = OrderId::parse(&format!("o{}", self.order)).unwrap();
        let led_by = self.explicit.then(|| message_id.clone());
        let currency = Currency::parse(if self.euros { "EUR" } else { "JPY" }).unwrap();
        let revenue = |minor| Money { minor, currency };
        let fact = match self.what {
            What::Send => Fact::Send {
                message_id: message_id.clone(),
                campaign_id,
                message_type: MessageType::Transactional,
                subject: None,
                content: [0; 32],
                token_key: 1,
                targets: (self.order > 0).then_some(u32::from(self.order) + 2),
            },
            What::Open => Fact::Open { send },
            What::Clicks(_) => {
                let link = (self.link + turn) % 8;
                // Two links lead to one page.
                let page = format!("https://shop.example/{}", link.min(6));
                let from = format!("192.0.{}.{}", self.from, self.order)
                    .parse()
                    .unwrap();
                let key = Keys.key_of(workspace).unwrap();
                Fact::Click {
                    send,
                    link,
                    target: (!is_erased).then(|| Personal(page.clone())),
                    target_number: None,
                    // Old records have none.
                    marks: (self.odd != 3).then(|| marks(&key, message_id.as_str(), &page, from)),
                }
            }
            What::Unsubscribe => Fact::Unsubscribe { send },
            What::Told => Fact::Told { send },
            What::Delivery(status) => Fact::Delivery {
                send,
                status: STATUSES[usize::from(status)],
                code: None,
                reason: None,
            },
            What::Suppress(cause) => Fact::Suppress {
                cause: Cause::ALL[cause],
            },
            What::Lift(cause) => Fact::Lift {
                send: None,
                cause: cause.map(|cause| Cause::ALL[cause]),
            },
            What::Track(is_view) => Fact::track(if is_view { "page_viewed" } else { "joined" }),
            What::Order => Fact::Purchase {
                order_id: order_id.clone(),
                revenue: revenue(100 * i64::from(self.order + 1)),
                rounded: false,
                items: None,
                message_id: led_by,
            },
            What::Amend(worth) => Fact::Amend {
                order_id: order_id.clone(),
                revenue: revenue(4 * i64::from(worth)),
                rounded: false,
                items: None,
                message_id: led_by,
            },
            // What it asks for is put in its place below.
            What::Refund(_) => Fact::Identify { traits: None },
        };
        let is_told = matches!(self.what, What::Told | What::Delivery(_));
        let is_mail = fact.send().is_some() && !is_told;
        let is_hit = is_mail && !matches!(self.what, What::Unsubscribe);
        let is_order = matches!(self.what, What::Order);
        let is_browser = matches!(self.what, What::Track(_)) || is_order && !self.verified;
        let source = match (is_mail, is_browser) {
            (true, _) => Source::Mail,
            (_, true) => Source::Browser,
            _ => Source::Server,
        };
        let from = format!("192.0.{}.{}", self.from, self.order);
        let from = (is_mail && !is_erased).then_some(from.as_str());
        let timing = self.timing().filter(|_| is_hit);
        let mut entry = Entry {
            workspace,
            id: EventId::from_bytes(id),
            time: Timestamp::from_millis(time),
            received_at: Timestamp::from_millis(time + self.late),
            told_by: told_by(source, CLASSES[self.class], from, timing),
            address: (!is_mail && !is_told)
                .then(|| address(&email(who)))
                .flatten(),
            fact,
            ..entry(0)
        };
        if let What::Refund(amount) = self.what {
            let refund = Proposed::Refund {
                order_id,
                refund_id: RefundId::parse(&format!("r{number}")).unwrap(),
                asked: RefundAsk {
                    amount: amount.map(|amount| Decimal::parse(&amount.to_string()).unwrap()),
                    currency: None,
                },
            };
            return entry.saying(refund).into();
        }
        if is_erased {
            entry.redact();
        }
        entry.into()
    }
}

/// What is submitted in a history of mails, clicks and orders.
pub(in crate::views) fn submissions() -> impl Strategy<Value = Vec<Submission>> {
    acts().prop_map(|acts| {
        let numbered = acts.iter().enumerate();
        numbered
            .flat_map(|(number, act)| act.submissions(number))
            .collect()
    })
}

fn log_of(acts: &[Act]) -> MemoryLedger {
    let log = MemoryLedger::new(keys());
    for (number, act) in acts.iter().enumerate() {
        at_once(log.append(act.submissions(number))).unwrap();
    }
    log
}

/// What is done to views between two batches.
#[derive(Debug, Clone, Copy)]
enum Between {
    Nothing,
    Checkpoint,
    Restart,
    /// Without a checkpoint, as a kill leaves it.
    Kill,
}

fn between() -> impl Strategy<Value = Between> {
    prop_oneof![
        3 => Just(Between::Nothing),
        2 => Just(Between::Checkpoint),
        1 => Just(Between::Restart),
        2 => Just(Between::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_histories_come_to_what_the_rules_say_whatever_the_batches_checkpoints_and_kills(
        acts in acts(),
        batches in prop::collection::vec((1..40_usize, between()), 1..8),
    ) {
        let log = log_of(&acts);
        let records = all(&log);
        let one_by_one = live(records.chunks(1));
        let expected = dump_of(&one_by_one);
        prop_assert_eq!(dump_of(&rebuilt(&log)), expected.clone());

        let folder = tempdir().unwrap();
        let mut views = Views::open(folder.path(), keys()).unwrap();
        // However often it is killed, it comes to an end: only so many times.
        let turns = batches.iter().cycle().take(12).chain(&[(usize::MAX, Between::Nothing)]);
        for (count, between) in turns {
            let rest = &records[usize::try_from(views.cursor().0).unwrap()..];
            views.fold(&rest[..rest.len().min(*count)]).unwrap();
            match between {
                Between::Nothing => {}
                Between::Checkpoint => views.checkpoint().unwrap(),
                Between::Restart | Between::Kill => {
                    if matches!(between, Between::Restart) {
                        views.close().unwrap();
                    }
                    drop(views);
                    views = Views::open(folder.path(), keys()).unwrap();
                }
            }
        }
        prop_assert_eq!(views.dump().unwrap(), expected);
        oracle::Report::of(&records).check(&one_by_one.views);
    }

    #[test]
    fn other_settings_come_to_what_a_rebuild_under_them_does(
        acts in acts(),
        changed_at in any::<prop::sample::Index>(),
        windows in prop::collection::vec((0..9_i64, 0..9_i64), 2),
        weights in prop::collection::vec(prop::array::uniform5(0..20_000_u32), 2),
        half_life_days in 1..60_u32,
        restarts in any::<bool>(),
    ) {
        let records = all(&log_of(&acts));
        let half_days = |(click, open): (i64, i64)| Attribution {
            click_window_ms: click * 43_200_000,
            open_window_ms: open * 43_200_000,
        };
        let of = |place: usize| {
            let scoring = Scoring { half_life_days, weights: weights[place] };
            (half_days(windows[place]), scoring)
        };
        let [before, after] = [of(0), of(1)];
        let settings = Arc::new(Settings(Mutex::new(before)));
        let folder = tempdir().unwrap();
        let mut views = Views::open(folder.path(), Arc::clone(&settings) as _).unwrap();
        let (first, rest) = records.split_at(changed_at.index(records.len() + 1));
        views.fold(first).unwrap();
        *settings.0.lock().unwrap() = after;
        if restarts {
            views.close().unwrap();
            views = Views::open(folder.path(), Arc::clone(&settings) as _).unwrap();
        } else {
            views.apply_settings().unwrap();
        }
        views.fold(rest).unwrap();
        let other = tempdir().unwrap();
        let under_them = Views::open(other.path(), settings).unwrap();
        under_them.fold(&records).unwrap();
        prop_assert_eq!(views.dump().unwrap(), under_them.dump().unwrap());
        for workspace in [WorkspaceId(1), WorkspaceId(2)] {
            let sorted = |views: &Views| {
                let all = views.contacts_by_score(workspace, None, true, None, 1_000).unwrap();
                let each = all.into_iter();
                each.map(|(place, contact)| (place.height, place.ordinal, contact.score_at(1 << 41))).collect::<Vec<_>>()
            };
            prop_assert_eq!(sorted(&views), sorted(&under_them));
        }
    }
}

/// The windows and weights of workspace 1; others have the usual ones.
struct Settings(Mutex<(Attribution, Scoring)>);

impl WorkspaceKeys for Settings {
    fn key_of(&self, workspace: WorkspaceId) -> Option<WorkspaceKey> {
        Keys.key_of(workspace)
    }

    fn attribution(&self, workspace: WorkspaceId) -> Attribution {
        match workspace {
            WorkspaceId(1) => self.0.lock().unwrap().0,
            _ => Attribution::default(),
        }
    }

    fn scoring(&self, workspace: WorkspaceId) -> Scoring {
        match workspace {
            WorkspaceId(1) => self.0.lock().unwrap().1,
            _ => Scoring::default(),
        }
    }
}
