//! Definitions as they are asked of a [`Digest`]: the same leaves and streams once, whoever asks them. Which is right
//! is said by `shared::segment::evaluate` alone; this is held against it.

use std::cell::OnceCell;
use std::collections::HashMap;

use shared::segment::Definition;
use shared::segment::billionths::Billionths;
use shared::segment::calendar::Calendar;
use shared::segment::evaluate::World;
use shared::segment::facts::{Fact, FactKind, History};
use shared::segment::score::ScoreRules;
use shared::segment::span::Span;
use shared::segment::tree::{
    Aggregate, ClassFilter, Condition, CountRange, Edge, EventLeaf, EventMeasure, Leaf,
    NamePattern, NumberRange, PropertyTest, Scalar, SeenTest, Source, Test,
};
use shared::segment::value::Value;
use smallvec::SmallVec;

use super::digest::Digest;
use super::windows::When;

/// Instants at which something may change that are tried to find when a leaf does.
const STEPS: usize = 64;

/// The streams and leaves of all definitions.
#[derive(Default)]
pub(super) struct Compiled {
    pub(super) streams: Vec<Stream>,
    pub(super) leaves: Vec<Asked>,
    known_streams: HashMap<String, u32>,
    known_leaves: HashMap<String, u32>,
}

/// Which events are looked at, and what is kept of each beside its time.
pub(super) struct Stream {
    /// The events, as a definition.
    pub(super) events: Definition,
    class: ClassFilter,
    source: Option<Source>,
    /// There is more to ask than name, class and source. Where it is one text, whoever has found the stream by it has
    /// asked that.
    has_conditions: bool,
    is_one_text: bool,
    carries: Carries,
}

/// What a stream carries of an event in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    Nothing,
    Answer(bool),
    /// In billionths.
    Number(i128),
}

enum Carries {
    Nothing,
    /// The number at a path; events without one are not in the stream.
    Number(String),
    /// Whether a test holds.
    Answer(Definition),
}

/// A leaf, as it stands beneath an odd number of `not`s or none.
pub(super) struct Asked {
    /// Alone, beneath `not` where it is negated.
    pub(super) alone: Definition,
    pub(super) negated: bool,
    how: How,
}

enum How {
    /// Of the instants of a stream in a window.
    Stream {
        stream: u32,
        measure: Measure,
        when: When,
        old_only: bool,
    },
    Seen {
        which: Edge,
        when: When,
        old_only: bool,
    },
    WasSeen(bool),
    /// Of instants of one stream behind those of the one before.
    Sequence {
        steps: Vec<u32>,
        /// Milliseconds between one and the next at the most.
        within: Option<i64>,
    },
    /// By going through all facts; what came of it is remembered until something concerns it.
    Facts,
}

enum Measure {
    Count(CountRange),
    Number(Aggregate, NumberRange),
    Edge(Edge),
}

/// What a definition asks of its leaves.
#[derive(Default)]
pub(super) struct Plan {
    root: Node,
    /// Places in [`Compiled::leaves`].
    pub(super) leaves: Vec<u32>,
}

impl Default for Node {
    fn default() -> Self {
        Self::Any(Vec::new())
    }
}

enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    /// Place in [`Plan::leaves`].
    Leaf(usize),
}

/// Whether something holds, and from when on it may be otherwise, unless it never is.
pub(super) type Look = (bool, Option<i64>);

impl Compiled {
    pub(super) fn add(&mut self, definition: &Definition, calendar: &Calendar) -> Plan {
        let mut leaves = Vec::new();
        let root = self.node(definition.root(), false, calendar, &mut leaves);
        Plan { root, leaves }
    }

    fn node(
        &mut self,
        condition: &Condition,
        negated: bool,
        calendar: &Calendar,
        leaves: &mut Vec<u32>,
    ) -> Node {
        let mut each = |conditions: &[Condition]| {
            let nodes = conditions.iter();
            nodes
                .map(|one| self.node(one, negated, calendar, leaves))
                .collect()
        };
        match condition {
            Condition::All(conditions) => Node::All(each(conditions)),
            Condition::Any(conditions) => Node::Any(each(conditions)),
            Condition::Not(inner) => {
                Node::Not(Box::new(self.node(inner, !negated, calendar, leaves)))
            }
            Condition::Leaf(leaf) => {
                let leaf = self.leaf(leaf, negated, calendar);
                let known = leaves.iter().position(|known| *known == leaf);
                Node::Leaf(known.unwrap_or_else(|| {
                    leaves.push(leaf);
                    leaves.len() - 1
                }))
            }
        }
    }

    fn leaf(&mut self, leaf: &Leaf, negated: bool, calendar: &Calendar) -> u32 {
        let alone = Definition::of_leaf(leaf.clone(), negated);
        let key = alone.to_json();
        if let Some(known) = self.known_leaves.get(&key) {
            return *known;
        }
        let how = self.how(leaf, calendar).unwrap_or(How::Facts);
        self.leaves.push(Asked {
            alone,
            negated,
            how,
        });
        let place = place_of(self.leaves.len());
        self.known_leaves.insert(key, place);
        place
    }

    fn how(&mut self, leaf: &Leaf, calendar: &Calendar) -> Option<How> {
        let when = When::of(leaf.window(), calendar)?;
        let old_only = leaf.include_new() == Some(false) && leaf.window().is_some();
        match leaf {
            Leaf::Event(leaf) => {
                let stream = self.stream(leaf)?;
                let measure = match &leaf.measure {
                    EventMeasure::Count(range) => Measure::Count(*range),
                    EventMeasure::Number { of, range, .. } => Measure::Number(*of, *range),
                    EventMeasure::Edge(edge, _) => Measure::Edge(*edge),
                };
                Some(How::Stream {
                    stream,
                    measure,
                    when,
                    old_only,
                })
            }
            Leaf::Seen(leaf) => match leaf.test {
                SeenTest::In(_) => Some(How::Seen {
                    which: leaf.which,
                    when,
                    old_only,
                }),
                SeenTest::Exists(exists) if !old_only => Some(How::WasSeen(exists)),
                _ => None,
            },
            Leaf::Sequence(leaf) => {
                let steps = leaf.steps.iter().map(|step| match step {
                    Leaf::Event(step) if step.window.is_none() => self.stream(step),
                    _ => None,
                });
                Some(How::Sequence {
                    steps: steps.collect::<Option<_>>()?,
                    within: leaf.within.map(Span::as_millis),
                })
            }
            _ => None,
        }
    }

    /// `None` where an event may be in the stream at one time and not at another.
    fn stream(&mut self, leaf: &EventLeaf) -> Option<u32> {
        if !leaf.of.conditions.iter().all(is_steady) {
            return None;
        }
        let alone = |measure: EventMeasure| {
            let leaf = EventLeaf {
                of: leaf.of.clone(),
                measure,
                window: None,
                include_new: None,
            };
            Definition::of_leaf(Leaf::Event(leaf), false)
        };
        let carries = match &leaf.measure {
            EventMeasure::Count(_) => Carries::Nothing,
            EventMeasure::Number { property, .. } => Carries::Number(property.as_str().to_owned()),
            EventMeasure::Edge(_, test) if is_steady(test) => {
                Carries::Answer(alone(leaf.measure.clone()))
            }
            EventMeasure::Edge(..) => return None,
        };
        let events = alone(EventMeasure::Count(CountRange::SOME));
        let key = match &carries {
            Carries::Nothing => events.to_json(),
            Carries::Number(path) => format!("{} {path}", events.to_json()),
            Carries::Answer(answer) => format!("{} {}", events.to_json(), answer.to_json()),
        };
        if let Some(known) = self.known_streams.get(&key) {
            return Some(*known);
        }
        self.streams.push(Stream {
            events,
            class: leaf.of.class,
            source: leaf.of.source,
            has_conditions: !leaf.of.conditions.is_empty(),
            is_one_text: matches!(
                leaf.of.conditions.as_slice(),
                [PropertyTest {
                    test: Test::Eq(Scalar::Text(_)),
                    ..
                }]
            ) && matches!(leaf.of.name, NamePattern::Exact(_)),
            carries,
        });
        let place = place_of(self.streams.len());
        self.known_streams.insert(key, place);
        Some(place)
    }

    /// What a leaf comes to at `now`. Of one that goes through facts what is remembered of it; `None` where that is
    /// nothing, or no longer so.
    pub(super) fn look(
        &self,
        leaf: u32,
        digest: &Digest,
        now: i64,
        calendar: &Calendar,
    ) -> Option<Look> {
        let asked = &self.leaves[leaf as usize];
        let ((holds, next), when, old_only) = match &asked.how {
            How::Facts => return digest.remembered(leaf, now),
            How::WasSeen(exists) => return Some((digest.first_seen.is_some() == *exists, None)),
            How::Sequence { steps, within } => {
                let hits = steps.iter().map(|stream| digest.of_stream(*stream).0);
                return Some(match end_of_sequence(hits, *within) {
                    Some(end) if end <= now => (true, None),
                    end => (false, end),
                });
            }
            How::Seen {
                which,
                when,
                old_only,
            } => {
                let seen = match which {
                    Edge::First => digest.first_seen,
                    Edge::Last => digest.last_seen,
                };
                let (inside, next) = when.at(seen.as_slice(), now, calendar);
                ((!inside.is_empty(), next), when, *old_only)
            }
            How::Stream {
                stream,
                measure,
                when,
                old_only,
            } => {
                let (times, values) = digest.of_stream(*stream);
                let look = measure.look(times, values, *when, now, calendar);
                (look, when, *old_only)
            }
        };
        if !old_only {
            return Some((holds, next));
        }
        let (young, turns) = when.is_younger(digest.first_seen, now, calendar);
        let holds = if asked.negated {
            holds || young
        } else {
            holds && !young
        };
        Some((holds, next.into_iter().chain(turns).min()))
    }

    /// Whether a leaf is answered by going through facts.
    pub(super) fn needs_facts(&self, leaf: usize) -> bool {
        matches!(self.leaves[leaf].how, How::Facts)
    }
}

/// When a sequence is first complete that goes through these instants, step by step, each of which ascend; `None` where
/// it never is. What has been complete stays so.
fn end_of_sequence<'a>(steps: impl Iterator<Item = &'a [i64]>, within: Option<i64>) -> Option<i64> {
    let mut reached: Option<SmallVec<[i64; 8]>> = None;
    for instants in steps {
        reached = Some(match reached {
            None => instants.into(),
            Some(before) => {
                // The last one before leaves the shortest gap.
                let mut passed = 0;
                let follows = |at: &&i64| {
                    passed += before[passed..].partition_point(|earlier| earlier < *at);
                    let last = passed.checked_sub(1).map(|last| before[last]);
                    last.is_some_and(|last| within.is_none_or(|most| **at - last <= most))
                };
                instants.iter().filter(follows).copied().collect()
            }
        });
    }
    reached?.first().copied()
}

fn place_of(count: usize) -> u32 {
    // At most 10,000 definitions of 100 leaves each.
    u32::try_from(count - 1).unwrap_or(u32::MAX)
}

impl Measure {
    fn look(
        &self,
        times: &[i64],
        values: &[i128],
        when: When,
        now: i64,
        calendar: &Calendar,
    ) -> Look {
        let (inside, mut next) = when.at(times, now, calendar);
        let holds = self.holds(values, inside);
        for _ in 0..STEPS {
            let Some(at) = next else {
                return (holds, None);
            };
            let (inside, later) = when.at(times, at, calendar);
            if self.holds(values, inside) != holds {
                return (holds, Some(at));
            }
            next = later;
        }
        (holds, next)
    }

    fn holds(&self, values: &[i128], inside: std::ops::Range<usize>) -> bool {
        match self {
            Self::Count(range) => range.holds(inside.len()),
            Self::Number(of, range) => {
                let numbers = &values[inside];
                match of {
                    Aggregate::Sum => range.holds(Billionths(numbers.iter().sum())),
                    Aggregate::Min => numbers
                        .iter()
                        .min()
                        .is_some_and(|least| range.holds(Billionths(*least))),
                    Aggregate::Max => numbers
                        .iter()
                        .max()
                        .is_some_and(|most| range.holds(Billionths(*most))),
                    Aggregate::Avg => {
                        let count = i128::try_from(numbers.len()).unwrap_or(i128::MAX);
                        count > 0 && range.holds_for_mean(numbers.iter().sum(), count)
                    }
                }
            }
            Self::Edge(edge) => {
                let answers = &values[inside];
                let hit = match edge {
                    Edge::First => answers.first(),
                    Edge::Last => answers.last(),
                };
                hit == Some(&1)
            }
        }
    }
}

impl Stream {
    /// What the stream carries of an event that may be in it by its name, and by its one text where it asks for one;
    /// `None` where it is not in it. `alone` is for a history of that event alone.
    pub(super) fn takes(&self, fact: &Fact, alone: &OnceCell<History>) -> Option<Carried> {
        let is_of_class = match self.class {
            ClassFilter::Genuine => fact.genuine,
            ClassFilter::Machine => !fact.genuine,
            ClassFilter::Any => true,
        };
        let is_meant = is_of_class
            && self.source.is_none_or(|source| source == fact.source)
            && (!self.has_conditions || self.is_one_text || holds(&self.events, fact, alone));
        if !is_meant {
            return None;
        }
        match &self.carries {
            Carries::Nothing => Some(Carried::Nothing),
            Carries::Number(path) => match &fact.kind {
                FactKind::Event { properties, .. } => match properties.at(path) {
                    Some(Value::Number(number)) => {
                        Billionths::rounded(number).map(|number| Carried::Number(number.0))
                    }
                    _ => None,
                },
                _ => None,
            },
            Carries::Answer(answer) => Some(Carried::Answer(holds(answer, fact, alone))),
        }
    }
}

/// Asks what is so of an event at any time.
fn holds(definition: &Definition, fact: &Fact, alone: &OnceCell<History>) -> bool {
    let world = World {
        calendar: &Calendar::UTC,
        score: &ScoreRules::default(),
        segments: &|_| None,
    };
    let alone = alone.get_or_init(|| History::of([fact.clone()]));
    definition.holds(alone, fact.counts_from(), world)
}

/// Whether a test says the same at any time.
fn is_steady(test: &PropertyTest) -> bool {
    match &test.test {
        // Dates are instants by the workspace's days, and those change.
        Test::Before(_) | Test::After(_) | Test::On(_) => false,
        _ => true,
    }
}

impl Plan {
    /// Whether the definition holds for a contact that exists, and from when on it may be otherwise; looks at no more
    /// than `most` instants for that.
    pub(super) fn look(
        &self,
        compiled: &Compiled,
        digest: &Digest,
        now: i64,
        calendar: &Calendar,
        most: usize,
    ) -> Look {
        // What is not remembered is to be looked at again at once; whoever asks has seen to it that there is nothing.
        let look = |leaf: &u32, at: i64| compiled.look(*leaf, digest, at, calendar);
        let mut looks: SmallVec<[Look; 4]> = self
            .leaves
            .iter()
            .map(|leaf| look(leaf, now).unwrap_or((false, Some(now))))
            .collect();
        let holds = self.root.holds(&looks);
        for _ in 0..most {
            let Some(at) = looks.iter().filter_map(|(_, next)| *next).min() else {
                return (holds, None);
            };
            for (known, leaf) in looks.iter_mut().zip(&self.leaves) {
                if known.1 == Some(at) {
                    match look(leaf, at) {
                        Some(later) => *known = later,
                        None => return (holds, Some(at)),
                    }
                }
            }
            if self.root.holds(&looks) != holds {
                return (holds, Some(at));
            }
        }
        (holds, looks.iter().filter_map(|(_, next)| *next).min())
    }
}

impl Node {
    fn holds(&self, looks: &[Look]) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.holds(looks)),
            Self::Any(nodes) => nodes.iter().any(|node| node.holds(looks)),
            Self::Not(node) => !node.holds(looks),
            Self::Leaf(at) => looks[*at].0,
        }
    }
}
