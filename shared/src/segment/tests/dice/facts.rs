//! Random facts of one contact.

use std::vec::Vec;

use super::Dice;
use crate::event_name::EventName;
use crate::ids::{CampaignId, EventId, MessageId, OrderId};
use crate::money::{Currency, Money};
use crate::segment::facts::{Fact, FactKind};
use crate::segment::tree::{MessageFact, Source};
use crate::segment::value::Value;

impl Dice<'_> {
    pub(in crate::segment::tests) fn facts(&mut self) -> Vec<Fact> {
        let count = self.roll(12);
        (0..count).map(|seq| self.fact(seq)).collect()
    }

    fn fact(&mut self, seq: usize) -> Fact {
        let seq = u64::try_from(seq).unwrap();
        let time = self.time();
        let received_at = if self.roll(3) == 1 { self.time() } else { time };
        let message = |dice: &mut Self, what| FactKind::Message {
            what,
            message: MessageId::parse(dice.pick(&["m1", "m2"])).unwrap(),
            campaign: dice.some(|dice| CampaignId::parse(dice.pick(&["launch", "news"])).unwrap()),
            link: (what == MessageFact::Clicked).then(|| "https://a.example/".into()),
        };
        let order = OrderId::parse(self.pick(&["o1", "o2"])).unwrap();
        let eur = Currency::parse("EUR").unwrap();
        let minor = self.pick(&[100, 250, 2000, 0]);
        let kind = match self.roll(16) {
            0..=5 => FactKind::Event {
                name: EventName::parse(self.pick(&["a", "page_viewed", "b", "an"])).unwrap(),
                properties: self.object(),
            },
            6 | 7 => FactKind::Identify {
                traits: self.object(),
            },
            8 | 9 => FactKind::Purchase {
                order,
                revenue: Money {
                    minor,
                    currency: eur,
                },
                verified: self.roll(4) != 1,
            },
            10 => FactKind::Amend {
                order,
                revenue: Some(Money {
                    minor,
                    currency: eur,
                }),
            },
            11 => FactKind::Refund {
                order,
                amount: Money {
                    minor: 100,
                    currency: eur,
                },
            },
            12 => message(self, MessageFact::Sent),
            13 => message(self, MessageFact::Opened),
            14 => message(self, MessageFact::Clicked),
            _ => match self.roll(4) {
                0 => message(self, MessageFact::Unsubscribed),
                1 => message(self, MessageFact::Bounced),
                2 => FactKind::Erased,
                _ => FactKind::Other,
            },
        };
        Fact {
            id: EventId::from_bytes([u8::try_from(seq).unwrap(); 16]),
            seq,
            time,
            received_at,
            source: self.pick(&[Source::Server, Source::Browser, Source::Mail]),
            genuine: self.roll(4) != 1,
            kind,
        }
    }

    fn object(&mut self) -> Value {
        let value = self.pick(&[
            r#"{"plan":"pro","n":1}"#,
            r#"{"plan":"free","n":2.5,"list":["pro",1]}"#,
            r#"{"plan":null,"n":"1","when":"2026-03-02"}"#,
            r#"{"when":"2026-03-03T00:00:00Z","in":{"side":"pro"}}"#,
            r#"{"when":"2026-03-03T00:00:00","in.side":1,"n":-1,"list":[]}"#,
            r#"{"in":{"side":"x"},"in.side":"2026-03-03T00:00:00Z"}"#,
            r#"{"in":null}"#,
            r#"{}"#,
        ]);
        Value::read(value).unwrap()
    }
}
