//! What definitions mean, one rule at a time: a diary of facts, asked at instants.

mod people;
mod times;
mod values;

use super::{read, with_world};
use crate::event_name::EventName;
use crate::ids::{CampaignId, EventId, MessageId, OrderId};
use crate::money::{Currency, Money};
use crate::segment::facts::{Fact, FactKind, History};
use crate::segment::tree::{MessageFact, Source};
use crate::segment::value::Value;
use crate::time::Timestamp;
use std::format;
use std::vec::Vec;

/// Facts at times of March 2026, written as `01T10:00:00`.
#[derive(Default)]
struct Diary(Vec<Fact>);

fn at(text: &str) -> Timestamp {
    let text = match text.len() {
        2 => format!("2026-03-{text}T00:00:00Z"),
        _ => format!("2026-03-{text}Z"),
    };
    Timestamp::parse_rfc3339(&text).unwrap()
}

fn money(minor: i64) -> Money {
    Money {
        minor,
        currency: Currency::parse("EUR").unwrap(),
    }
}

impl Diary {
    fn add(mut self, time: &str, kind: FactKind) -> Diary {
        let seq = self.0.len() as u64;
        self.0.push(Fact {
            id: EventId::from_bytes([u8::try_from(seq).unwrap(); 16]),
            seq,
            time: at(time),
            received_at: at(time),
            source: Source::Server,
            genuine: true,
            kind,
        });
        self
    }

    fn event(self, time: &str, name: &str) -> Diary {
        self.with(time, name, "null")
    }

    fn with(self, time: &str, name: &str, properties: &str) -> Diary {
        let name = EventName::parse(name).unwrap();
        let properties = Value::read(properties).unwrap();
        self.add(time, FactKind::Event { name, properties })
    }

    fn traits(self, time: &str, traits: &str) -> Diary {
        let traits = Value::read(traits).unwrap();
        self.add(time, FactKind::Identify { traits })
    }

    fn paid(self, time: &str, order: &str, minor: i64) -> Diary {
        let order = OrderId::parse(order).unwrap();
        self.add(
            time,
            FactKind::Purchase {
                order,
                revenue: money(minor),
                verified: true,
            },
        )
    }

    fn refunded(self, time: &str, order: &str, minor: i64) -> Diary {
        let order = OrderId::parse(order).unwrap();
        self.add(
            time,
            FactKind::Refund {
                order,
                amount: money(minor),
            },
        )
    }

    fn message(self, time: &str, what: MessageFact, message: &str) -> Diary {
        let kind = FactKind::Message {
            what,
            message: MessageId::parse(message).unwrap(),
            campaign: CampaignId::parse("launch").ok(),
            link: (what == MessageFact::Clicked).then(|| "https://shop.example/1".into()),
        };
        self.add(time, kind)
    }

    /// Changes the fact that was added last.
    fn but(mut self, change: impl FnOnce(&mut Fact)) -> Diary {
        change(self.0.last_mut().unwrap());
        self
    }

    fn history(&self) -> History {
        History::of(self.0.iter().cloned())
    }

    fn holds(&self, json: &str, time: &str) -> bool {
        with_world(|world| read(json).holds(&self.history(), at(time), world))
    }

    /// That a definition holds at these instants and at none of those.
    #[track_caller]
    fn check(&self, json: &str, holds: &[&str], not: &[&str]) {
        for time in holds {
            assert!(self.holds(json, time), "{json} at {time}");
        }
        for time in not {
            assert!(!self.holds(json, time), "{json} at {time}");
        }
    }
}
