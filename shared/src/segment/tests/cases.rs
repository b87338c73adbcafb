//! The labelled scenarios, through the reference: what each preview, each live question and each list of
//! moves in them says.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString as _};
use std::vec::Vec;

use serde_json::Value as Json;

use super::read;
use crate::event_name::EventName;
use crate::ids::{CampaignId, EventId, MessageId, OrderId, SegmentId};
use crate::money::{Currency, Money};
use crate::segment::Definition;
use crate::segment::calendar::Calendar;
use crate::segment::evaluate::World;
use crate::segment::facts::{Fact, FactKind, History, Identified, owner};
use crate::segment::score::ScoreRules;
use crate::segment::tree::{MessageFact, Source};
use crate::segment::value::Value;
use crate::time::Timestamp;

pub(super) fn file() -> Json {
    serde_json::from_str(include_str!("../../../tests/data/cases/segments.json")).unwrap()
}

/// Questions that are about what a store has thrown away: no list of all facts can answer them.
const RETENTION: &str = "design.md section 3 (retention) and PostHog#70574 (T4)";
/// Its moves are said to the millisecond before scores were rounded to nine decimals: a score of 1 is
/// less after two milliseconds, not after one.
const ROUNDED: &str = "mautic/mautic#6387";

/// A scenario's steps: facts, whose they are, and the segments that were defined.
struct Story {
    /// With the address, or the browser's id after an `@`.
    facts: Vec<(String, Fact)>,
    identifies: BTreeMap<String, Vec<Identified<String>>>,
    segments: BTreeMap<SegmentId, Definition>,
    calendar: Calendar,
    orders: BTreeMap<String, (String, Currency)>,
    messages: BTreeMap<String, (String, Option<CampaignId>)>,
}

impl Story {
    fn of<'a>(steps: impl IntoIterator<Item = &'a Json>) -> Story {
        let mut story = Story {
            facts: Vec::new(),
            identifies: BTreeMap::new(),
            segments: BTreeMap::new(),
            calendar: Calendar::UTC,
            orders: BTreeMap::new(),
            messages: BTreeMap::new(),
        };
        for step in steps {
            story.step(step);
        }
        story
    }

    fn step(&mut self, step: &Json) {
        let text = |name: &str| step[name].as_str().unwrap_or_default().to_string();
        let received_at = time(&step["at"]);
        let said = |name: &str| match step[name].as_str() {
            Some(text) => Timestamp::parse_rfc3339(text).unwrap(),
            None => received_at,
        };
        let money = |value: &Json, currency: Currency| {
            Money::from_json_number(&value.to_string(), currency)
                .unwrap()
                .0
        };
        let message = |story: &Story, what| {
            let (who, campaign) = story.messages[&text("messageId")].clone();
            let message = MessageId::parse(&text("messageId")).unwrap();
            let link = step["link"].as_str().map(String::from);
            (
                who,
                FactKind::Message {
                    what,
                    message,
                    campaign,
                    link,
                },
            )
        };
        let mut at = said("timestamp");
        let mut source = match step["key"].as_str() {
            Some("public") => Source::Browser,
            _ => Source::Server,
        };
        let (who, kind) = match text("call").as_str() {
            "track" => {
                let who = step["email"]
                    .as_str()
                    .map_or_else(|| format!("@{}", text("anonymousId")), String::from);
                let name = EventName::parse(&text("event")).unwrap();
                (
                    who,
                    FactKind::Event {
                        name,
                        properties: value(&step["properties"]),
                    },
                )
            }
            "identify" => {
                if let Some(browser) = step["anonymousId"].as_str() {
                    let seq = self.facts.len() as u64;
                    let identify = (at, seq, text("email"));
                    self.identifies
                        .entry(format!("@{browser}"))
                        .or_default()
                        .push(identify);
                }
                (
                    text("email"),
                    FactKind::Identify {
                        traits: value(&step["traits"]),
                    },
                )
            }
            "purchase" => {
                let currency = Currency::parse(&text("currency")).unwrap();
                self.orders
                    .insert(text("orderId"), (text("email"), currency));
                let kind = FactKind::Purchase {
                    order: OrderId::parse(&text("orderId")).unwrap(),
                    revenue: money(&step["revenue"], currency),
                    verified: source == Source::Server,
                };
                (text("email"), kind)
            }
            "refund" => {
                let (who, currency) = self.orders[&text("orderId")].clone();
                let amount = money(&step["amount"], currency);
                (
                    who,
                    FactKind::Refund {
                        order: OrderId::parse(&text("orderId")).unwrap(),
                        amount,
                    },
                )
            }
            "message" => {
                let campaign = step["campaignId"]
                    .as_str()
                    .map(|id| CampaignId::parse(id).unwrap());
                self.messages
                    .insert(text("messageId"), (text("email"), campaign));
                at = said("sentAt");
                message(self, MessageFact::Sent)
            }
            "open" => {
                source = Source::Mail;
                message(self, MessageFact::Opened)
            }
            "define" | "edit" => {
                let name = step["as"].as_str().or(step["segment"].as_str()).unwrap();
                let definition = step
                    .get("definition")
                    .unwrap_or(&step["body"]["definition"]);
                let id = SegmentId::parse(&format!("${}", name.trim_start_matches('$'))).unwrap();
                self.segments.insert(id, read(&definition.to_string()));
                return;
            }
            "settings" => {
                let zone = match step["what"].as_str().unwrap() {
                    "the workspace's time zone is America/New_York" => "EST5EDT,M3.2.0,M11.1.0",
                    "the workspace's time zone is Europe/Berlin" => "CET-1CEST,M3.5.0,M10.5.0/3",
                    other => panic!("{other}"),
                };
                self.calendar = Calendar::of(jiff::tz::TimeZone::posix(zone).unwrap());
                return;
            }
            // What is done to the server changes nothing of what happened.
            "holdBackfill" | "backfillComplete" | "stop" | "start" | "retention" => return,
            other => panic!("{other}"),
        };
        let seq = self.facts.len() as u64;
        let genuine = matches!(
            step["expectClass"].as_str(),
            None | Some("human" | "proxy_human")
        );
        let fact = Fact {
            id: EventId::from_bytes([u8::try_from(seq).unwrap(); 16]),
            seq,
            time: at,
            received_at,
            source,
            genuine,
            kind,
        };
        self.facts.push((who, fact));
    }

    /// Whose facts are whose, by what was known at an instant.
    fn contacts(&self, known_by: Timestamp) -> BTreeMap<String, Vec<Fact>> {
        let arrived = |seq: u64| self.facts[usize::try_from(seq).unwrap()].1.received_at;
        let mut contacts: BTreeMap<String, Vec<Fact>> = BTreeMap::new();
        for (who, fact) in &self.facts {
            if fact.received_at > known_by {
                continue;
            }
            let mut known = self.identifies.get(who).cloned().unwrap_or_default();
            known.retain(|(_, seq, _)| arrived(*seq) <= known_by);
            let who = match who.starts_with('@') {
                true => owner(&known, fact.counts_from()).cloned(),
                false => Some(who.clone()),
            };
            if let Some(who) = who {
                contacts.entry(who).or_default().push(fact.clone());
            }
        }
        contacts
    }

    fn with_world<T>(&self, then: impl FnOnce(World<'_>) -> T) -> T {
        then(World {
            calendar: &self.calendar,
            score: &ScoreRules::default(),
            segments: &|id| self.segments.get(id),
        })
    }

    #[track_caller]
    fn check(
        &self,
        title: &str,
        definition: &Definition,
        ask: &Json,
        now: Timestamp,
        known_by: Timestamp,
    ) {
        let members: BTreeSet<String> = self.with_world(|world| {
            let is_member = |(_, facts): &(String, Vec<Fact>)| {
                definition.holds(&History::of(facts.iter().cloned()), now, world)
            };
            let contacts = self.contacts(known_by).into_iter();
            contacts.filter(is_member).map(|(who, _)| who).collect()
        });
        let named = |name: &str| -> BTreeSet<String> {
            let named = ask[name].as_array().into_iter().flatten();
            named.map(|who| who.as_str().unwrap().into()).collect()
        };
        let place = format!("{title}: {} at {now}", definition.to_json());
        assert_eq!(members, named("members"), "{place}");
        assert!(members.is_disjoint(&named("notMembers")), "{place}");
        if let Some(count) = ask["count"].as_u64() {
            assert_eq!(members.len() as u64, count, "{place}");
        }
    }

    #[track_caller]
    fn check_moves(&self, title: &str, check: &Json) {
        let (Some(segment), Some(who), Some(moves)) = (
            check["segment"].as_str(),
            check["email"].as_str(),
            check["equals"].as_array(),
        ) else {
            return;
        };
        let until = time(&check["askedAt"]);
        let definition = &self.segments[&SegmentId::parse(segment).unwrap()];
        let facts = &self.contacts(until)[who];
        let replayed = self.with_world(|world| definition.moves(facts, until, world));
        let told = |entered| {
            if entered {
                "segment_entered"
            } else {
                "segment_left"
            }
        };
        assert_eq!(replayed.len(), moves.len(), "{title}: {replayed:?}");
        for (one, wanted) in replayed.iter().zip(moves) {
            assert_eq!(told(one.entered), wanted["type"], "{title}: {replayed:?}");
            if let Some(at) = wanted["time"].as_str() {
                let at = Timestamp::parse_rfc3339(at).unwrap();
                let slack = i64::from(title == ROUNDED);
                assert!(
                    (0..=slack).contains(&one.at.millis_since(at)),
                    "{title}: {replayed:?}"
                );
            }
        }
    }
}

fn time(value: &Json) -> Timestamp {
    Timestamp::parse_rfc3339(value.as_str().unwrap()).unwrap()
}

fn value(json: &Json) -> Value {
    Value::read(&json.to_string()).unwrap()
}

fn list<'a>(of: &'a Json, name: &str) -> impl Iterator<Item = &'a Json> + use<'a> {
    of[name].as_array().into_iter().flatten()
}

/// All that is known today.
fn end() -> Timestamp {
    Timestamp::from_millis(i64::MAX)
}

#[test]
fn the_labelled_scenarios_come_out_right() {
    let file = file();
    let scenarios = file.as_array().unwrap();
    assert_eq!(scenarios.len(), 45);
    let (mut asked, mut skipped) = (0, Vec::new());
    for scenario in scenarios {
        let title = scenario["source"].as_str().unwrap();
        let story = Story::of(list(scenario, "steps"));
        let mut questions: Vec<(&Json, &Json)> = list(scenario, "asks")
            .map(|ask| (&scenario["definition"], ask))
            .collect();
        for more in list(scenario, "more") {
            questions.extend(list(more, "asks").map(|ask| (&more["definition"], ask)));
        }
        let mended = &scenario["mended"];
        questions.extend(list(mended, "asks").map(|ask| (&mended["definition"], ask)));
        for (definition, ask) in questions {
            if ask["evaluate"] == false {
                skipped.push(title);
                continue;
            }
            let definition = read(&definition.to_string());
            let now = match ask["at"].as_str() {
                Some("now") => time(&scenario["nowIs"]),
                _ => time(&ask["at"]),
            };
            story.check(title, &definition, ask, now, end());
            asked += 1;
        }
    }
    assert_eq!(skipped, [RETENTION]);
    assert!(asked >= 80, "{asked}");
}

#[test]
fn what_goes_beyond_previews_comes_out_right_where_facts_can_say_it() {
    let file = file();
    let mut asked = 0;
    for scenario in file.as_array().unwrap() {
        let title = scenario["source"].as_str().unwrap();
        for beyond in list(scenario, "beyond") {
            let story = Story::of(list(scenario, "steps").chain(list(beyond, "steps")));
            if beyond["members"].is_array() {
                let definition = beyond.get("definition").unwrap_or(&scenario["definition"]);
                let now = time(&beyond["at"]);
                // Asked live, what has not come yet is not known.
                let is_live = list(beyond, "needs").any(|need| need == "clock");
                let known_by = if is_live { now } else { end() };
                story.check(title, &read(&definition.to_string()), beyond, now, known_by);
                asked += 1;
            }
            let named = |segment: &Json| segment.as_str().is_some_and(|id| id == "$S");
            for moves in list(beyond, "transitions") {
                let mut story = Story::of(list(scenario, "steps").chain(list(beyond, "steps")));
                if named(&moves["segment"]) {
                    let own = read(&scenario["definition"].to_string());
                    story
                        .segments
                        .entry(SegmentId::parse("$S").unwrap())
                        .or_insert(own);
                }
                story.check_moves(title, moves);
                asked += 1;
            }
        }
        // An edit ends one definition's moves and begins another's, which is the engine's.
        if !list(scenario, "needs").any(|need| need == "edit" || need == "retention") {
            let story = Story::of(list(scenario, "steps"));
            for check in list(scenario, "checks") {
                story.check_moves(title, check);
                asked += 1;
            }
        }
    }
    assert!(asked >= 15, "{asked}");
}
