//! Random lives of a few contacts, folded record by record and held against brute force over everything that
//! happened: at instants of all kinds, over late events, re-labels, edits, erasures, and by rebuild.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use shared::event_name::EventName;
use shared::ids::{AnonymousId, CampaignId, EventId, MessageId, OrderId, RefundId, SegmentId};
use shared::money::{Currency, Money};
use shared::segment::Definition;
use shared::segment::calendar::Calendar;
use shared::segment::evaluate::World;
use shared::segment::facts::{Fact as Known, FactKind, History, Identified, owner};
use shared::segment::score::ScoreRules;
use shared::segment::tree::{MessageFact, Source};
use shared::segment::value::Value;
use shared::time::Timestamp;

use crate::ledger::decide::{WorkspaceKey, WorkspaceKeys};
use crate::record::public_seq::PublicSeq;
use crate::record::segments::{Reads, Segment, SegmentVersion};
use crate::record::{
    Address, Class, ClickMarks, Entry, Fact, MessageType, Personal, Record, SegmentBook,
    SegmentBooks, SendRef, Seq, ToldBy, Visitor, WorkspaceId,
};
use crate::views::{Dump, Views};

mod damage;
mod holding;

const OWN: WorkspaceId = WorkspaceId(1);
const START: i64 = 1_772_323_200_000; // 2026-03-01T00:00:00Z
const MINUTE: i64 = 60_000;
const PEOPLE: [&str; 4] = [
    "ada@x.example",
    "bob@x.example",
    "cat@x.example",
    "dan@x.example",
];
const BROWSERS: [&str; 2] = ["browser-1", "browser-2"];
/// Triples of a history, a definition and an instant that are compared at the least.
const LEAST: usize = 10_000;

/// Definitions of every kind of leaf; `{S}` is another segment.
const DEFINITIONS: [&str; 36] = [
    r#"{"event":"a"}"#,
    r#"{"event":"a","within":"30m"}"#,
    r#"{"event":"a","count":{"gte":3},"within":"2h"}"#,
    r#"{"event":"a","count":{"eq":1},"within":"1h"}"#,
    r#"{"event":"a","count":{"lte":1},"within":"1h","includeNew":true}"#,
    r#"{"event":"a","count":{"lte":1},"within":"1h","includeNew":false}"#,
    r#"{"not":{"event":"b","within":"1h","includeNew":true}}"#,
    r#"{"not":{"event":"b","within":"1h","includeNew":false}}"#,
    r#"{"not":{"event":"b"}}"#,
    r#"{"event":"page_*","within":"45m"}"#,
    r#"{"event":"*","count":{"gte":4},"within":"3h"}"#,
    r#"{"event":"a","where":[{"property":"plan","eq":"pro"}],"within":"2h"}"#,
    r#"{"event":"a","where":[{"property":"n","gt":5}],"count":{"gte":2}}"#,
    r#"{"event":"a","where":[{"property":"plan","ne":"pro"}],"ago":{"from":"3h","to":"1h"}}"#,
    r#"{"event":"b","between":{"from":"2026-03-01T01:00:00Z","to":"2026-03-01T04:00:00Z"}}"#,
    r#"{"event":"a","sum":"n","gte":20,"within":"2h"}"#,
    r#"{"event":"a","avg":"n","lt":4}"#,
    r#"{"event":"a","last":{"property":"plan","eq":"free"}}"#,
    r#"{"event":"a","first":{"property":"n","gte":3},"within":"3h"}"#,
    r#"{"event":"a","class":"any","source":"browser"}"#,
    r#"{"trait":"plan","eq":"pro"}"#,
    r#"{"not":{"trait":"plan","exists":true}}"#,
    r#"{"trait":"ends","before":"now"}"#,
    r#"{"trait":"ends","after":{"ago":"1h"}}"#,
    r#"{"score":{"gte":12}}"#,
    r#"{"score":{"lt":4}}"#,
    r#"{"purchase":{}}"#,
    r#"{"not":{"purchase":{},"within":"2h","includeNew":false}}"#,
    r#"{"purchase":{"sum":{"gte":60},"currency":"EUR"},"within":"4h"}"#,
    r#"{"message":"opened","within":"1h"}"#,
    r#"{"message":"sent","without":"opened"}"#,
    r#"{"message":"clicked","count":{"gte":2},"campaignId":"spring"}"#,
    r#"{"firstSeen":{"within":"2h"}}"#,
    r#"{"not":{"lastSeen":{"within":"1h"}}}"#,
    r#"{"sequence":[{"event":"a"},{"event":"b"}],"within":"1h"}"#,
    r#"{"all":[{"segment":"seg_1"},{"not":{"segment":"seg_8"}}]}"#,
];

/// xorshift: the same histories every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

struct Keys(Mutex<Arc<SegmentBooks>>);

impl WorkspaceKeys for Keys {
    fn key_of(&self, _: WorkspaceId) -> Option<WorkspaceKey> {
        Some(WorkspaceKey([7; 32]))
    }

    fn segments(&self) -> Arc<SegmentBooks> {
        Arc::clone(&self.0.lock().unwrap())
    }
}

impl Keys {
    fn change(&self, change: impl FnOnce(&mut SegmentBook)) {
        let mut known = self.0.lock().unwrap();
        let mut books = known.of_workspace.clone();
        let mut book = SegmentBook::clone(books.entry(OWN).or_default());
        change(&mut book);
        books.insert(OWN, Arc::new(book));
        *known = Arc::new(SegmentBooks::of(books));
    }
}

/// What brute force looks at.
#[derive(Default)]
struct Raw {
    /// Of a person, or of a browser.
    facts: Vec<(String, Known)>,
    identifies: BTreeMap<String, Vec<Identified<String>>>,
    /// When somebody was erased last.
    erased: BTreeMap<String, u64>,
    /// Clicks: message, time, target, seq.
    clicks: Vec<(String, i64, u64, u64)>,
}

impl Raw {
    fn history(&self, person: &str) -> History {
        let mut facts = Vec::new();
        for (who, fact) in &self.facts {
            let owner = match self.identifies.get(who) {
                Some(known) => owner(known, fact.counts_from()).cloned(),
                None => Some(who.clone()),
            };
            // What they did in browsers was taken out as they were erased.
            let erased = self.erased.get(person).filter(|_| who == person);
            let is_gone = erased.is_some_and(|erased| fact.seq < *erased);
            if owner.as_deref() == Some(person) && !is_gone {
                let mut fact = fact.clone();
                fact.genuine &= !self.is_in_burst(&fact);
                facts.push(fact);
            }
        }
        History::of(facts)
    }

    /// Three targets within a second, or five within five.
    fn is_in_burst(&self, fact: &Known) -> bool {
        let Some((message, time, ..)) = self.clicks.iter().find(|(.., seq)| *seq == fact.seq)
        else {
            return false;
        };
        let of_message: Vec<_> = self
            .clicks
            .iter()
            .filter(|click| click.0 == *message)
            .collect();
        of_message.iter().any(|end| {
            [(3, 1_000), (5, 5_000)].into_iter().any(|(least, span)| {
                let within = |at: i64| at <= end.1 && at > end.1 - span;
                let targets: std::collections::BTreeSet<u64> = of_message
                    .iter()
                    .filter(|click| within(click.1))
                    .map(|click| click.2)
                    .collect();
                targets.len() >= least && within(*time)
            })
        })
    }
}

struct Life {
    dice: Dice,
    keys: Arc<Keys>,
    views: Views,
    folder: tempfile::TempDir,
    records: Vec<Record>,
    raw: Raw,
    now: i64,
    orders: u64,
    definitions: BTreeMap<SegmentId, Definition>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let keys = Arc::new(Keys(Mutex::default()));
        let folder = tempfile::tempdir().unwrap();
        let views = Views::open(folder.path(), Arc::clone(&keys) as _).unwrap();
        Self {
            dice: Dice(seed * 2_654_435_761 + 88_172_645_463_325_252),
            keys,
            views,
            folder,
            records: Vec::new(),
            raw: Raw::default(),
            now: START,
            orders: 0,
            definitions: BTreeMap::new(),
        }
    }

    /// Another definition for a segment, from now on.
    fn define(&mut self, number: u32, json: &str) {
        self.place(number, json);
        if self.dice.below(3) > 0 {
            // For some it holds only while records come.
            let some = usize::try_from(self.dice.below(3)).unwrap() + 1;
            self.views.hold_some(some).unwrap();
        } else {
            self.views.hold().unwrap();
        }
    }

    /// The same, which holds for nobody yet.
    fn place(&mut self, number: u32, json: &str) {
        let definition = Definition::parse(json).unwrap();
        let id = SegmentId::parse(&format!("seg_{number}")).unwrap();
        let last = self.keys.segments().last();
        let at = last.at.max(self.now);
        let since = last.behind(self.views.cursor(), at);
        self.now = at;
        self.definitions.insert(id.clone(), definition.clone());
        self.keys.change(|book| {
            let known = book.segments.get(&id).map(|known| Segment::clone(known));
            let mut segment = known.unwrap_or_else(|| Segment {
                number,
                id: id.clone(),
                name: String::new(),
                created_at: Timestamp::from_millis(at),
                changed_at: Timestamp::from_millis(at),
                versions: Vec::new(),
                deleted: None,
            });
            segment.versions.push(SegmentVersion {
                version: u32::try_from(segment.versions.len()).unwrap() + 1,
                reads: Arc::new(Reads::of(&definition)),
                definition: Arc::new(definition),
                made_at: Timestamp::from_millis(at),
                since: Some(since),
            });
            book.segments.insert(id, Arc::new(segment));
        });
        self.views.fill_from().unwrap();
    }

    fn fold(&mut self, entry: Entry) {
        let seq = Seq(self.records.len() as u64 + 1);
        let record = Record {
            seq,
            public_seq: PublicSeq::default(),
            entry,
        };
        self.views.fold(std::slice::from_ref(&record)).unwrap();
        self.records.push(record);
    }

    fn entry(&mut self, source: Source, genuine: bool, time: i64, fact: Fact) -> Entry {
        let seq = self.records.len() as u64 + 1;
        let class = if genuine { Class::Human } else { Class::Bot };
        let visitor = Visitor {
            client: None,
            class: Some((class, String::new())),
        };
        let told_by = match source {
            Source::Server => ToldBy::server(),
            Source::Browser => ToldBy::browser(visitor),
            Source::Mail => ToldBy::mail(visitor),
        };
        let id = EventId::from_bytes((u128::from(seq) << 64 | 7).to_be_bytes());
        let now = Timestamp::from_millis(self.now);
        let mut entry = Entry::new(OWN, id, told_by, now, fact);
        entry.time = Timestamp::from_millis(time);
        entry
    }

    fn note(&mut self, who: &str, entry: &Entry, source: Source, genuine: bool, kind: FactKind) {
        let fact = Known {
            id: entry.id,
            seq: self.records.len() as u64 + 1,
            time: entry.time,
            received_at: entry.received_at,
            source,
            genuine,
            kind,
        };
        self.raw.facts.push((who.to_owned(), fact));
    }

    /// When something happened that is told now: mostly now, sometimes before.
    fn told_time(&mut self) -> i64 {
        match self.dice.below(4) {
            0 => self.now - i64::try_from(self.dice.below(180)).unwrap() * MINUTE,
            _ => self.now,
        }
    }

    fn step(&mut self) {
        let person = self.dice.pick(&PEOPLE);
        match self.dice.below(20) {
            0..=8 => self.event(person),
            9 | 10 => self.identify(person),
            11 | 12 => self.purchase(person),
            13 => self.change_order(),
            14 => self.send(person),
            15..=17 => self.hit(person),
            18 if self.dice.below(6) == 0 => self.erase(person),
            _ => {}
        }
    }

    fn event(&mut self, person: &str) {
        let name = self
            .dice
            .pick(&["a", "a", "a", "b", "page_viewed", "page_left"]);
        let plan = self.dice.pick(&["pro", "free"]);
        let json = format!(r#"{{"plan":"{plan}","n":{}}}"#, self.dice.below(10));
        let source = self.dice.pick(&[Source::Server, Source::Browser]);
        let genuine = source == Source::Server || self.dice.below(5) > 0;
        let time = self.told_time();
        let fact = Fact::Track {
            name: name.to_owned(),
            properties: Some(Personal(json.clone())),
            message_id: None,
        };
        let mut entry = self.entry(source, genuine, time, fact);
        let who = if source == Source::Browser && self.dice.below(2) == 0 {
            let browser = self.dice.pick(&BROWSERS);
            entry.anonymous_id = Some(AnonymousId::parse(browser).unwrap());
            self.raw.identifies.entry(browser.to_owned()).or_default();
            browser
        } else {
            entry.address = address(person);
            person
        };
        let kind = FactKind::Event {
            name: EventName::parse(name).unwrap(),
            properties: Value::read(&json).unwrap(),
        };
        self.note(who, &entry, source, genuine, kind);
        self.fold(entry);
    }

    fn identify(&mut self, person: &str) {
        let ends = Timestamp::from_millis(
            self.now + i64::try_from(self.dice.below(240)).unwrap() * MINUTE,
        );
        let json = match self.dice.below(4) {
            0 => r#"{"plan":"pro"}"#.to_owned(),
            1 => r#"{"plan":null}"#.to_owned(),
            _ => format!(r#"{{"plan":"free","ends":"{ends}"}}"#),
        };
        let time = self.told_time();
        let fact = Fact::Identify {
            traits: Some(Personal(json.clone())),
        };
        let mut entry = self.entry(Source::Server, true, time, fact);
        entry.address = address(person);
        if self.dice.below(2) == 0 {
            let browser = self.dice.pick(&BROWSERS);
            entry.anonymous_id = Some(AnonymousId::parse(browser).unwrap());
            let seq = self.records.len() as u64 + 1;
            let at = entry.time.min(entry.received_at);
            let known = self.raw.identifies.entry(browser.to_owned()).or_default();
            known.push((at, seq, person.to_owned()));
        }
        let traits = Value::read(&json).unwrap();
        self.note(
            person,
            &entry,
            Source::Server,
            true,
            FactKind::Identify { traits },
        );
        self.fold(entry);
    }

    fn purchase(&mut self, person: &str) {
        self.orders += 1;
        let order = OrderId::parse(&format!("o{}", self.orders)).unwrap();
        let revenue = euros(i64::try_from(self.dice.below(80)).unwrap() * 100);
        let source = self
            .dice
            .pick(&[Source::Server, Source::Server, Source::Browser]);
        let fact = Fact::Purchase {
            order_id: order.clone(),
            revenue,
            rounded: false,
            items: None,
            message_id: None,
        };
        let time = self.told_time();
        let mut entry = self.entry(source, true, time, fact);
        entry.address = address(person);
        let verified = source == Source::Server;
        let kind = FactKind::Purchase {
            order,
            revenue,
            verified,
        };
        self.note(person, &entry, source, true, kind);
        self.fold(entry);
    }

    /// Money of an order is given back, or it is worth something else.
    fn change_order(&mut self) {
        let orders: Vec<(String, OrderId)> = self
            .raw
            .facts
            .iter()
            .filter_map(|(who, fact)| match &fact.kind {
                FactKind::Purchase {
                    order,
                    verified: true,
                    ..
                } if self
                    .raw
                    .erased
                    .get(who)
                    .is_none_or(|erased| fact.seq > *erased) =>
                {
                    Some((who.clone(), order.clone()))
                }
                _ => None,
            })
            .collect();
        if orders.is_empty() {
            return;
        }
        let at = usize::try_from(self.dice.below(orders.len() as u64)).unwrap();
        let (person, order) = orders[at].clone();
        let money = euros(500);
        let (fact, kind) = if self.dice.below(2) == 0 {
            let refund_id = RefundId::parse(&format!("r{}", self.records.len())).unwrap();
            let fact = Fact::Refund {
                order_id: order.clone(),
                refund_id,
                amount: money,
                rounded: false,
            };
            (
                fact,
                FactKind::Refund {
                    order,
                    amount: money,
                },
            )
        } else {
            let fact = Fact::Amend {
                order_id: order.clone(),
                revenue: money,
                rounded: false,
                items: None,
                message_id: None,
            };
            (
                fact,
                FactKind::Amend {
                    order,
                    revenue: Some(money),
                },
            )
        };
        // It names the order and nobody.
        let entry = self.entry(Source::Server, true, self.now, fact);
        self.note(&person, &entry, Source::Server, true, kind);
        self.fold(entry);
    }

    fn send(&mut self, person: &str) {
        let message = MessageId::parse(&message_of(person)).unwrap();
        let campaign = CampaignId::parse("spring").unwrap();
        let fact = Fact::Send {
            message_id: message.clone(),
            campaign_id: Some(campaign.clone()),
            message_type: MessageType::Campaign,
            subject: None,
            content: [0; 32],
            token_key: 0,
            targets: None,
        };
        // It may be sent later.
        let time = self.now + i64::try_from(self.dice.below(3)).unwrap() * 30 * MINUTE;
        let mut entry = self.entry(Source::Server, true, time, fact);
        entry.address = address(person);
        let kind = FactKind::Message {
            what: MessageFact::Sent,
            message,
            campaign: Some(campaign),
            link: None,
        };
        self.note(person, &entry, Source::Server, true, kind);
        self.fold(entry);
    }

    fn hit(&mut self, person: &str) {
        let id = message_of(person);
        let message = MessageId::parse(&id).unwrap();
        let campaign = CampaignId::parse("spring").unwrap();
        let contact = self.keys.key_of(OWN).unwrap().contact(person);
        let send = SendRef {
            message_id: message.clone(),
            contact: Some(contact),
            campaign_id: Some(campaign.clone()),
            message_type: MessageType::Campaign,
            sent_at: Timestamp::from_millis(self.now),
        };
        let clicks = self.dice.pick(&[0, 1, 1, 3]);
        let genuine = self.dice.below(5) > 0;
        if clicks == 0 {
            let entry = self.entry(
                Source::Mail,
                genuine,
                self.now,
                Fact::Open { send: send.clone() },
            );
            let kind = FactKind::Message {
                what: MessageFact::Opened,
                message: message.clone(),
                campaign: Some(campaign.clone()),
                link: None,
            };
            self.note(person, &entry, Source::Mail, genuine, kind);
            self.fold(entry);
        }
        for turn in 0..clicks {
            let target = self.dice.below(4);
            let link = format!("https://shop.example/{target}");
            let fact = Fact::Click {
                send: send.clone(),
                link: 0,
                target: Some(Personal(link.clone())),
                target_number: None,
                marks: Some(ClickMarks {
                    target,
                    network: turn,
                }),
            };
            let entry = self.entry(Source::Mail, genuine, self.now, fact);
            let seq = self.records.len() as u64 + 1;
            self.raw.clicks.push((id.clone(), self.now, target, seq));
            let kind = FactKind::Message {
                what: MessageFact::Clicked,
                message: message.clone(),
                campaign: Some(campaign.clone()),
                link: Some(link),
            };
            self.note(person, &entry, Source::Mail, genuine, kind);
            self.fold(entry);
            self.now += 200;
        }
    }

    fn erase(&mut self, person: &str) {
        let contact = self.keys.key_of(OWN).unwrap().contact(person);
        let entry = self.entry(Source::Server, true, self.now, Fact::Erase { contact });
        let seq = self.records.len() as u64 + 1;
        let raw = &mut self.raw;
        raw.erased.insert(person.to_owned(), seq);
        // Their browsers were theirs: what they did there goes too.
        let mut gone = Vec::new();
        for (at, (who, fact)) in raw.facts.iter().enumerate() {
            if let Some(known) = raw.identifies.get(who)
                && owner(known, fact.counts_from()).is_some_and(|owner| owner == person)
            {
                gone.push(at);
            }
        }
        for at in gone.into_iter().rev() {
            raw.facts.remove(at);
        }
        for known in raw.identifies.values_mut() {
            known.retain(|(.., of)| of != person);
        }
        // Messages begin anew with who comes again.
        raw.clicks
            .retain(|(message, ..)| *message != message_of(person));
        self.fold(entry);
        // The next event of theirs is later than the erasure.
        self.now += 1;
    }

    /// Holds who is a member against brute force; how many triples that were.
    fn check(&mut self) -> usize {
        if self.dice.below(2) == 0 {
            self.views.advance(self.now).unwrap();
            self.views.hold().unwrap();
        } else {
            self.views.hold().unwrap();
            self.views.advance(self.now).unwrap();
        }
        let now = Timestamp::from_millis(self.now);
        let segments = |id: &SegmentId| self.definitions.get(id);
        let world = World {
            calendar: &Calendar::UTC,
            score: &ScoreRules::default(),
            segments: &segments,
        };
        let books = self.keys.segments();
        let book = &books.of_workspace[&OWN];
        let mut members: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        let mut triples = 0;
        for person in PEOPLE {
            let history = self.raw.history(person);
            let contact = self.views.contact_id(OWN, person).unwrap();
            let inside = self.views.segments_of(OWN, contact).unwrap();
            for segment in book.segments.values() {
                let definition = &self.definitions[&segment.id];
                let wanted = definition.holds(&history, now, world);
                assert_eq!(
                    inside.contains(&segment.number),
                    wanted,
                    "{person} at {now} after {} records: {}",
                    self.records.len(),
                    definition.to_json()
                );
                if wanted {
                    members
                        .entry(segment.number)
                        .or_default()
                        .push(person.to_owned());
                }
                triples += 1;
            }
        }
        for segment in book.segments.values() {
            let standing = self.views.segment_standing(OWN, segment.number).unwrap();
            let wanted = members.get(&segment.number).map_or(0, Vec::len);
            assert_eq!(standing.members, wanted as u64);
            let listed = self
                .views
                .segment_members(OWN, segment.number, None, 100)
                .unwrap();
            assert_eq!(listed.len(), wanted);
        }
        triples
    }

    /// The same views, folded anew in one go.
    fn check_rebuilt(&self) {
        let folder = tempfile::tempdir().unwrap();
        let rebuilt = Views::open(folder.path(), Arc::clone(&self.keys) as _).unwrap();
        rebuilt.fold(&self.records).unwrap();
        rebuilt.hold().unwrap();
        rebuilt.advance(self.now).unwrap();
        assert!(of_segments(rebuilt.dump().unwrap()) == of_segments(self.views.dump().unwrap()));
    }

    /// The same views, read from the disk again.
    fn check_reopened(self) {
        let before = of_segments(self.views.dump().unwrap());
        self.views.close().unwrap();
        let opened = Views::open(self.folder.path(), Arc::clone(&self.keys) as _).unwrap();
        assert!(of_segments(opened.dump().unwrap()) == before);
    }
}

fn of_segments(mut dump: Dump) -> Dump {
    let plan = <super::Segments as crate::views::view::View>::PLAN;
    dump.retain(|name, _| plan.tables.contains(name) || plan.pages.contains(name));
    dump
}

fn message_of(person: &str) -> String {
    format!("m-{person}")
}

fn euros(minor: i64) -> Money {
    Money {
        minor,
        currency: Currency::parse("EUR").unwrap(),
    }
}

fn address(normalised: &str) -> Option<Address> {
    Some(Address {
        normalised: Personal(normalised.to_owned()),
        original: None,
        older: None,
    })
}

#[test]
#[expect(clippy::print_stdout, reason = "how much was compared is to be told")]
fn who_is_a_member_is_what_brute_force_says_and_a_rebuild_gives_the_same() {
    let (mut triples, mut lives) = (0, 0);
    while triples < LEAST || lives < 12 {
        lives += 1;
        let mut life = Life::new(lives);
        for (number, json) in (1..).zip(DEFINITIONS) {
            // Some are there from the beginning, others come later.
            if number % 3 != 0 {
                life.define(number, json);
            }
        }
        for turn in 0..90 {
            life.step();
            // Windows are whole minutes: their ends are met, and missed by a millisecond.
            let minutes = i64::try_from(life.dice.below(20)).unwrap();
            life.now += minutes * MINUTE + life.dice.pick(&[0, 0, 1, 59_999]);
            if turn == 40 {
                for (number, json) in (1..).zip(DEFINITIONS) {
                    if number % 3 == 0 {
                        life.define(number, json);
                    }
                }
            }
            if turn == 60 {
                life.define(2, DEFINITIONS[4]);
                life.define(8, DEFINITIONS[1]);
            }
            if turn % 6 == 5 {
                triples += life.check();
            }
        }
        life.check_rebuilt();
        life.check_reopened();
    }
    println!("{triples} triples of {lives} histories, 0 differences");
}
