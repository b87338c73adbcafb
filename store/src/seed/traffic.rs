//! What the event with a number is.

use shared::ids::{AnonymousId, CampaignId, MessageId, OrderId};
use shared::money::{Currency, Money};
use shared::time::Timestamp;

use super::definitions::{NAMES, PATHS, name};
use super::{Seed, address_of, id_of, spread};
use crate::record::workspace::DAY_MS;
use crate::record::{
    Address, Class, ClickMarks, Entry, Fact, MessageType, Personal, SendRef, ToldBy, Visitor,
};

/// Of so many events these are of one kind each; the others are the callers' own.
const ROUND: u64 = 100;
/// Of a round: who tells traits, who orders, which messages are sent, opened and clicked.
const TRAITS: [u64; 3] = [11, 44, 77];
const ORDER: u64 = 5;
const SENDS: [u64; 5] = [0, 20, 40, 60, 80];
const OPENS: [u64; 4] = [9, 29, 49, 69];
const CLICK: u64 = 89;
/// Messages are opened so many rounds after they were sent at the most.
const ROUNDS_TO_OPEN: u64 = 300;
const CAMPAIGNS: u64 = 12;
const PLANS: [&str; 3] = ["free", "pro", "team"];
const COUNTRIES: [&str; 4] = ["de", "fr", "gb", "us"];

/// Who does what comes with this number.
fn contact_of(seed: &Seed, number: u64) -> u64 {
    let luck = spread(number);
    let even = luck % seed.contacts;
    if luck >> 32 & 0xffff < 0xcccc {
        return even;
    }
    // A square leaves more to those at the front.
    let share = u128::from(spread(luck) >> 32);
    let place = (share * share * u128::from(seed.contacts)) >> 64;
    u64::try_from(place).unwrap_or(even)
}

pub(super) fn whose(seed: &Seed, number: u64) -> u64 {
    let place = number % ROUND;
    let is_hit = OPENS.contains(&place) || place == CLICK;
    contact_of(
        seed,
        if is_hit {
            sent_before(number, luck_of(number))
        } else {
            number
        },
    )
}

/// What decides what an event with this number is.
fn luck_of(number: u64) -> u64 {
    spread(number ^ 0x5eed_5eed)
}

/// The message of an earlier round that is opened or clicked.
fn sent_before(number: u64, luck: u64) -> u64 {
    let round = number / ROUND;
    let before = luck % ROUNDS_TO_OPEN.min(round + 1);
    (round - before) * ROUND + SENDS[0]
}

pub(super) fn entry(seed: &Seed, number: u64) -> Entry {
    let (place, luck) = (number % ROUND, luck_of(number));
    let now = seed.arrives(number);
    if SENDS.contains(&place) {
        return send(seed, number, now);
    }
    if OPENS.contains(&place) || place == CLICK {
        return hit(seed, number, luck, now);
    }
    let contact = contact_of(seed, number);
    let server = || ToldBy::server_with("seed");
    let (told_by, fact) = if TRAITS.contains(&place) {
        (server(), traits(luck))
    } else if place == ORDER {
        (server(), order(number, luck))
    } else {
        let visitor = || Visitor {
            client: None,
            class: Some((Class::Human, String::new())),
        };
        let name = name_of(luck);
        let from_page = name == 0;
        let told_by = if from_page {
            ToldBy::browser(visitor())
        } else {
            server()
        };
        (told_by, track(name, luck))
    };
    let is_anonymous =
        matches!(&fact, Fact::Track { name, .. } if name == NAMES[0]) && luck.is_multiple_of(6);
    let names_browser = is_anonymous || matches!(fact, Fact::Identify { .. });
    let mut entry = Entry::new(seed.workspace, id_of(number), told_by, now, fact);
    if spread(luck).is_multiple_of(50) {
        let late = i64::try_from(spread(luck ^ 1) % (5 * DAY_MS.cast_unsigned())).unwrap_or(0);
        entry.time = now.plus_millis(-late);
        entry.time_sent = true;
    }
    if names_browser {
        // As long as an id may be, and of no signs that are refused.
        entry.anonymous_id = AnonymousId::parse(&format!("browser-of-{contact}")).ok();
    }
    if !is_anonymous || entry.anonymous_id.is_none() {
        entry.address = Some(Address {
            normalised: Personal(address_of(contact)),
            original: None,
            older: None,
        });
    }
    entry
}

/// Which name a caller's own event has: the first the most often, the last the least.
fn name_of(luck: u64) -> usize {
    let share = luck >> 40 & 0xff;
    match share {
        0..=95 => 0,
        96..=171 => 1 + usize::try_from(luck >> 20 & 0x3).unwrap_or(0),
        _ => 5 + usize::try_from((luck >> 20 & 0xffff) % 29).unwrap_or(0),
    }
}

fn track(number: usize, luck: u64) -> Fact {
    let name = name(number);
    let plan = PLANS[usize::try_from(luck >> 8 & 0xff).unwrap_or(0) % PLANS.len()];
    let properties = if number == 0 {
        format!(
            r#"{{"path":"/articles/{}","plan":"{plan}","value":{}}}"#,
            (luck >> 16) % PATHS,
            luck % 60
        )
    } else {
        format!(
            r#"{{"plan":"{plan}","value":{},"feature":"f{}"}}"#,
            luck % 500,
            luck >> 16 & 0xf
        )
    };
    Fact::Track {
        name,
        properties: Some(Personal(properties)),
        message_id: None,
    }
}

fn traits(luck: u64) -> Fact {
    let plan = PLANS[usize::try_from(luck & 0xff).unwrap_or(0) % PLANS.len()];
    let country = COUNTRIES[usize::try_from(luck >> 8 & 0x3).unwrap_or(0)];
    let traits = format!(
        r#"{{"plan":"{plan}","seats":{},"country":"{country}"}}"#,
        luck >> 16 & 0x3f
    );
    Fact::Identify {
        traits: Some(Personal(traits)),
    }
}

fn order(number: u64, luck: u64) -> Fact {
    Fact::Purchase {
        order_id: OrderId::from_kept(format!("seed-{number}")),
        revenue: Money {
            minor: i64::try_from(luck % 30_000).unwrap_or(0) + 100,
            currency: Currency::parse("EUR").expect("it is a currency"),
        },
        rounded: false,
        items: None,
        message_id: None,
    }
}

fn campaign_of(number: u64) -> CampaignId {
    CampaignId::from_kept(format!("campaign-{}", spread(number) % CAMPAIGNS))
}

fn message_of(number: u64, contact: u64) -> MessageId {
    MessageId::from_kept(format!("m{number}-{contact}"))
}

/// A message that is sent.
fn send(seed: &Seed, number: u64, now: Timestamp) -> Entry {
    let contact = contact_of(seed, number);
    let fact = Fact::Send {
        message_id: message_of(number, contact),
        campaign_id: Some(campaign_of(number)),
        message_type: MessageType::Campaign,
        subject: None,
        content: [0; 32],
        token_key: 0,
        targets: Some(4),
    };
    let told_by = ToldBy::server_with("seed");
    let mut entry = Entry::new(seed.workspace, id_of(number), told_by, now, fact);
    entry.address = Some(Address {
        normalised: Personal(address_of(contact)),
        original: None,
        older: None,
    });
    entry
}

/// One that was sent before is opened, or a link in it followed.
fn hit(seed: &Seed, number: u64, luck: u64, now: Timestamp) -> Entry {
    let sent = sent_before(number, luck);
    let contact = contact_of(seed, sent);
    let send = SendRef {
        message_id: message_of(sent, contact),
        contact: Some(seed.key.contact(&address_of(contact))),
        campaign_id: Some(campaign_of(sent)),
        message_type: MessageType::Campaign,
        sent_at: seed.arrives(sent),
    };
    let fact = if number % ROUND == CLICK {
        let target = luck >> 32 & 3;
        Fact::Click {
            send,
            link: 0,
            target: Some(Personal(format!("https://shop.example/{target}"))),
            target_number: u32::try_from(target).ok(),
            marks: Some(ClickMarks {
                target,
                network: luck >> 40,
            }),
        }
    } else {
        Fact::Open { send }
    };
    let visitor = Visitor {
        client: None,
        class: Some((Class::Human, String::new())),
    };
    let told_by = ToldBy::mail(visitor);
    Entry::new(seed.workspace, id_of(number), told_by, now, fact)
}
