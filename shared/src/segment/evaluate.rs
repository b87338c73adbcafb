//! What definitions mean: whether a condition holds for a contact at an instant, said in the plainest
//! way, by looking at all facts each time. Exact at every instant; keeps nothing, and is slow.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::OnceCell;

use super::Definition;
use super::billionths::Billionths;
use super::calendar::{Calendar, Day};
use super::facts::{Fact, FactKind, History};
use super::score::{ScoreRules, ScoreSums, Scored};
use super::tree::{
    Condition, DayWord, Edge, Leaf, Moment, PropertyTest, SeenLeaf, SeenTest, Source, Window,
};
use super::value::Value;
use crate::ids::{OrderId, SegmentId};
use crate::time::Timestamp;

pub(super) mod properties;
pub(super) mod streams;

/// Segments inside segments that are followed; cycles are refused where definitions are taken.
pub(super) const MAX_REFERENCES: usize = 32;

/// What definitions are read by, besides a contact's facts.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The workspace's days.
    pub calendar: &'a Calendar,
    /// The workspace's rules of scoring.
    pub score: &'a ScoreRules,
    /// The present version of a segment. Of one that is not there nobody is a member.
    pub segments: &'a dyn Fn(&SegmentId) -> Option<&'a Definition>,
}

impl Definition {
    /// Whether a contact is a member at an instant. Who does not exist then is in no segment.
    #[must_use]
    pub fn holds(&self, history: &History, now: Timestamp, world: World<'_>) -> bool {
        history.exists(now) && self.root.holds(&Scene::of(history, now, world), false)
    }
}

/// Each trait, and the fact that set it.
type Traits<'a> = BTreeMap<&'a str, (&'a Value, &'a Fact)>;

/// A contact at an instant: all that conditions ask, worked out from the facts until then.
pub(super) struct Scene<'a, 'w> {
    pub(super) world: World<'w>,
    pub(super) now: Timestamp,
    /// Those that count, in their order.
    pub(super) facts: &'a [Fact],
    pub(super) first_seen: Option<Timestamp>,
    pub(super) last_seen: Option<Timestamp>,
    /// Worked out for the first that asks, segments inside this one too: most conditions ask for none.
    traits: Rc<OnceCell<Traits<'a>>>,
    /// Segments inside segments, down to here.
    depth: usize,
}

impl<'a, 'w> Scene<'a, 'w> {
    pub(super) fn of(history: &'a History, now: Timestamp, world: World<'w>) -> Scene<'a, 'w> {
        let facts = history.until(now);
        let seen = || {
            let sightings = facts.iter().filter(|fact| fact.is_sighting());
            sightings.map(Fact::counts_from)
        };
        Scene {
            world,
            now,
            facts,
            first_seen: seen().min(),
            last_seen: seen().max(),
            traits: Rc::default(),
            depth: 0,
        }
    }

    /// The score, rounded to nine decimals.
    pub(super) fn score(&self) -> Billionths {
        self.score_sums().at(self.world.score, self.now)
    }

    pub(super) fn score_sums(&self) -> ScoreSums {
        let mut sums = ScoreSums::default();
        for (fact, kind) in scored(self.facts) {
            let from_page = fact.source == Source::Browser;
            sums.add(self.world.score, kind, fact.counts_from(), from_page);
        }
        sums
    }

    /// Whether an instant lies in a window.
    pub(super) fn is_in(&self, window: Option<Window>, instant: Timestamp) -> bool {
        let ago = |span: super::span::Span| self.now.plus_millis(-span.as_millis());
        instant <= self.now
            && match window {
                None => true,
                Some(Window::Within(span)) => instant > ago(span),
                Some(Window::Today) => instant >= self.start_of_today(),
                Some(Window::Between(from, to)) => {
                    instant >= self.instant(from) && instant < self.instant(to)
                }
                Some(Window::Ago { from, to }) => instant > ago(from) && instant <= ago(to),
            }
    }

    /// Whether the contact is younger than a window: first seen after its start, or never.
    pub(super) fn is_younger_than(&self, window: Window) -> bool {
        let start = match window {
            Window::Within(span) => self.now.plus_millis(-span.as_millis()),
            Window::Today => self.start_of_today(),
            Window::Between(from, _) => self.instant(from),
            Window::Ago { from, .. } => self.now.plus_millis(-from.as_millis()),
        };
        self.first_seen.is_none_or(|first| first > start)
    }

    pub(super) fn instant(&self, moment: Moment) -> Timestamp {
        match moment {
            Moment::At(instant) => instant,
            Moment::StartOf(day) => self.world.calendar.start_of(day),
            Moment::Now => self.now,
            Moment::Ago(span) => self.now.plus_millis(-span.as_millis()),
            Moment::Ahead(span) => self.now.plus_millis(span.as_millis()),
        }
    }

    pub(super) fn day(&self, word: DayWord) -> Day {
        let today = || self.world.calendar.day_of(self.now);
        match word {
            DayWord::Today => today(),
            DayWord::Yesterday => today().before(),
            DayWord::Date(day) => day,
        }
    }

    fn start_of_today(&self) -> Timestamp {
        self.world
            .calendar
            .start_of(self.world.calendar.day_of(self.now))
    }

    /// The value of a trait at a dotted path, and the fact that set it.
    pub(super) fn trait_at(&self, path: &str) -> Option<(&'a Value, &'a Fact)> {
        let (first, rest) = match path.split_once('.') {
            Some((first, rest)) => (first, Some(rest)),
            None => (path, None),
        };
        let traits = self.traits.get_or_init(|| traits(self.facts));
        let nested = traits.get(first).and_then(|(value, fact)| {
            let found = match rest {
                None => Some(*value),
                Some(rest) => value.nested(rest),
            };
            found.map(|value| (value, *fact))
        });
        nested
            .or_else(|| traits.get(path).copied())
            .filter(|(value, _)| **value != Value::Null)
    }

    fn trait_holds(&self, test: &PropertyTest) -> bool {
        let value = self.trait_at(test.path.as_str()).map(|(value, _)| value);
        properties::holds(self, &test.test, value)
    }

    fn seen_holds(&self, leaf: &SeenLeaf) -> bool {
        let seen = match leaf.which {
            Edge::First => self.first_seen,
            Edge::Last => self.last_seen,
        };
        match leaf.test {
            SeenTest::In(window) => seen.is_some_and(|seen| self.is_in(Some(window), seen)),
            SeenTest::Before(moment) => seen.is_some_and(|seen| seen < self.instant(moment)),
            SeenTest::After(moment) => seen.is_some_and(|seen| seen > self.instant(moment)),
            SeenTest::On(word) => {
                seen.is_some_and(|seen| self.world.calendar.day_of(seen) == self.day(word))
            }
            SeenTest::Exists(exists) => seen.is_some() == exists,
        }
    }

    /// The same contact, asked inside one more segment; `None` where that goes too deep.
    pub(super) fn inside(&self) -> Option<Scene<'a, 'w>> {
        (self.depth < MAX_REFERENCES).then(|| Scene {
            traits: Rc::clone(&self.traits),
            depth: self.depth + 1,
            ..*self
        })
    }
}

impl Condition {
    /// Whether it holds; `negated` where an odd number of `not` stands above it.
    pub(super) fn holds(&self, scene: &Scene<'_, '_>, negated: bool) -> bool {
        match self {
            Condition::All(conditions) => conditions.iter().all(|one| one.holds(scene, negated)),
            Condition::Any(conditions) => conditions.iter().any(|one| one.holds(scene, negated)),
            Condition::Not(inner) => !inner.holds(scene, !negated),
            Condition::Leaf(leaf) => leaf.holds(scene, negated),
        }
    }
}

impl Leaf {
    pub(super) fn holds(&self, scene: &Scene<'_, '_>, negated: bool) -> bool {
        let holds = match self {
            Leaf::Event(leaf) => streams::event_holds(scene, leaf),
            Leaf::Trait(test) => scene.trait_holds(test),
            Leaf::Score(range) => range.holds(scene.score()),
            Leaf::Purchase(leaf) => streams::purchase_holds(scene, leaf),
            Leaf::Message(leaf) => leaf.count.holds(streams::messages(scene, leaf).len()),
            Leaf::Seen(leaf) => scene.seen_holds(leaf),
            Leaf::Segment(id) => {
                let definition = (scene.world.segments)(id);
                let inside = definition.zip(scene.inside());
                // A segment keeps its own reading, whatever stands above it here.
                inside.is_some_and(|(definition, scene)| definition.root().holds(&scene, false))
            }
            Leaf::Sequence(leaf) => !streams::sequence(scene, leaf).is_empty(),
        };
        match (self.include_new(), self.window()) {
            // What is left out is left out by the whole: above, `not` turns what is said here.
            (Some(false), Some(window)) if negated => holds || scene.is_younger_than(window),
            (Some(false), Some(window)) => holds && !scene.is_younger_than(window),
            _ => holds,
        }
    }
}

/// The facts that weigh something in the score, and as what.
pub(super) fn scored(facts: &[Fact]) -> impl Iterator<Item = (&Fact, Scored)> {
    use super::tree::MessageFact::{Clicked, Opened};
    let orders = scored_orders(facts);
    facts
        .iter()
        .filter(|fact| fact.genuine)
        .filter_map(move |fact| {
            let kind = match &fact.kind {
                FactKind::Event { name, .. } if name.as_str() == "page_viewed" => Scored::PageView,
                FactKind::Event { .. } => Scored::Custom,
                FactKind::Purchase { order, .. } => {
                    let counts = orders.get(order)?;
                    (counts.seq == fact.seq).then_some(Scored::Purchase)?
                }
                FactKind::Message { what: Opened, .. } => Scored::Open,
                FactKind::Message { what: Clicked, .. } => Scored::Click,
                FactKind::Message { .. }
                | FactKind::Identify { .. }
                | FactKind::Amend { .. }
                | FactKind::Refund { .. }
                | FactKind::Other
                | FactKind::Erased => return None,
            };
            Some((fact, kind))
        })
}

/// Of each order what counts of it. What pages said of it counts while no server has, and of them the first.
fn scored_orders(facts: &[Fact]) -> BTreeMap<&OrderId, &Fact> {
    let is_told = |fact: &Fact| matches!(fact.kind, FactKind::Purchase { verified: true, .. });
    let mut orders: BTreeMap<&OrderId, &Fact> = BTreeMap::new();
    for fact in facts {
        if let FactKind::Purchase { order, .. } = &fact.kind {
            let counts = orders.entry(order).or_insert(fact);
            if is_told(fact) && !is_told(counts) {
                *counts = fact;
            }
        }
    }
    orders
}

/// The traits: of each name what was said last, `null` being nothing. Where a server has said something,
/// pages count only after it took it back.
fn traits(facts: &[Fact]) -> Traits<'_> {
    let mut said: BTreeMap<&str, Vec<(&Value, &Fact)>> = BTreeMap::new();
    for fact in facts {
        if let FactKind::Identify {
            traits: Value::Object(fields),
        } = &fact.kind
        {
            for (name, value) in fields {
                said.entry(name).or_default().push((value, fact));
            }
        }
    }
    said.into_iter()
        .filter_map(|(name, said)| {
            let of_server = said
                .iter()
                .rposition(|(_, fact)| fact.source != Source::Browser);
            let place = match of_server {
                Some(at) if *said[at].0 != Value::Null => at,
                _ => said.len() - 1,
            };
            let (value, fact) = said[place];
            (*value != Value::Null).then_some((name, (value, fact)))
        })
        .collect()
}
