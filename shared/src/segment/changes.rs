//! When a contact's membership changes next without a new event. Between the instants that are tried
//! here nothing can change, so that the first that differs is the answer, to the millisecond.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::Definition;
use super::evaluate::properties::{Dated, dated};
use super::evaluate::{MAX_REFERENCES, Scene, World};
use super::facts::{FactKind, History};
use super::tree::{
    Condition, DayWord, EventMeasure, Leaf, Moment, NumberRange, PropertyTest, SeenTest, Test,
    Window,
};
use super::value::Value;
use crate::time::Timestamp;

impl Definition {
    /// The next instant after `now` at which the membership is another than now, if there is one,
    /// provided that nothing new is learned. Facts of the history that lie ahead count from their time.
    #[must_use]
    pub fn next_change(
        &self,
        history: &History,
        now: Timestamp,
        world: World<'_>,
    ) -> Option<Timestamp> {
        next_change(&self.root, false, history, now, world)
    }

    /// The next instant after `now` at which the membership has to be looked at again, if there is one, provided that
    /// nothing new is learned: [`Self::next_change`], or before it where that lies behind more than `most` instants at
    /// which something may change. So the work is bounded for whoever keeps timers, and nothing is missed.
    #[must_use]
    pub fn next_look(
        &self,
        history: &History,
        now: Timestamp,
        world: World<'_>,
        most: usize,
    ) -> Option<Timestamp> {
        look(&self.root, false, history, now, world, most)
    }
}

/// The same of one condition; `negated` where an odd number of `not` stands above it.
pub(super) fn next_change(
    condition: &Condition,
    negated: bool,
    history: &History,
    now: Timestamp,
    world: World<'_>,
) -> Option<Timestamp> {
    look(condition, negated, history, now, world, usize::MAX)
}

fn look(
    condition: &Condition,
    negated: bool,
    history: &History,
    now: Timestamp,
    world: World<'_>,
    most: usize,
) -> Option<Timestamp> {
    let mut looked = 0;
    let holds = |at: Timestamp| {
        history.exists(at) && condition.holds(&Scene::of(history, at, world), negated)
    };
    let present = holds(now);
    let mut edges = Edges::default();
    edges.of_condition(condition, world, 0);
    let mut tried = edges.instants(history, now, world).into_iter().peekable();
    let mut from = now;
    loop {
        // The score falls from one of these instants to the next, so that it passes a threshold once.
        let until = tried.peek().copied();
        let mut passes: BTreeSet<Timestamp> = BTreeSet::new();
        for range in &edges.scores {
            passes.extend(thresholds(*range, history, from, until, world));
        }
        if let Some(at) = passes.into_iter().find(|at| holds(*at) != present) {
            return Some(at);
        }
        from = tried.next()?;
        looked += 1;
        if holds(from) != present || looked > most {
            return Some(from);
        }
    }
}

/// The first instants after `from`, and before `until`, at which the score stands otherwise to the ends
/// of a range.
fn thresholds(
    range: NumberRange,
    history: &History,
    from: Timestamp,
    until: Option<Timestamp>,
    world: World<'_>,
) -> Vec<Timestamp> {
    let sums = Scene::of(history, from, world).score_sums();
    let end = until.map_or_else(
        // By then everything has gone: a day of pages begins up to a day earlier.
        || {
            from.plus_millis(world.score.half_life_ms.saturating_mul(62))
                .plus_millis(1)
        },
        |until| until.plus_millis(-1),
    );
    // On the lower end a score still stands above it where the end is meant, on the upper one where not.
    let lower = range.lower.map(|bound| (bound.at, bound.inclusive));
    let upper = range.upper.map(|bound| (bound.at, !bound.inclusive));
    let ends = lower.into_iter().chain(upper);
    let passed = ends.filter_map(|(threshold, is_above)| {
        let above = |at: Timestamp| {
            let score = sums.at(world.score, at);
            score > threshold || is_above && score == threshold
        };
        if end <= from || above(from) == above(end) {
            return None;
        }
        let (mut above_at, mut below_at) = (from, end);
        while below_at.millis_since(above_at) > 1 {
            let middle = above_at.plus_millis(below_at.millis_since(above_at) / 2);
            if above(middle) {
                above_at = middle;
            } else {
                below_at = middle;
            }
        }
        Some(below_at)
    });
    passed.collect()
}

/// What moves a condition with time.
#[derive(Default)]
struct Edges {
    /// So many milliseconds after a fact, or a date in one, something changes.
    offsets: BTreeSet<i64>,
    /// At these instants something changes.
    fixed: BTreeSet<Timestamp>,
    /// Days count.
    by_day: bool,
    /// Paths at which dates stand that are compared with the present.
    dates: BTreeSet<String>,
    /// What scores are compared with.
    scores: Vec<NumberRange>,
}

impl Edges {
    fn of_condition(&mut self, condition: &Condition, world: World<'_>, depth: usize) {
        match condition {
            Condition::All(conditions) | Condition::Any(conditions) => {
                for inner in conditions {
                    self.of_condition(inner, world, depth);
                }
            }
            Condition::Not(inner) => self.of_condition(inner, world, depth),
            Condition::Leaf(leaf) => self.of_leaf(leaf, world, depth),
        }
    }

    fn of_leaf(&mut self, leaf: &Leaf, world: World<'_>, depth: usize) {
        if let Some(window) = leaf.window() {
            self.of_window(window, world);
        }
        match leaf {
            Leaf::Event(leaf) => {
                for test in &leaf.of.conditions {
                    self.of_test(test, world);
                }
                if let EventMeasure::Edge(_, test) = &leaf.measure {
                    self.of_test(test, world);
                }
            }
            Leaf::Trait(test) => self.of_test(test, world),
            Leaf::Score(range) => self.scores.push(*range),
            Leaf::Seen(leaf) => match leaf.test {
                SeenTest::Before(moment) | SeenTest::After(moment) => self.of_moment(moment, world),
                SeenTest::On(word) => self.of_day(word),
                SeenTest::In(_) | SeenTest::Exists(_) => {}
            },
            Leaf::Segment(id) => {
                if depth < MAX_REFERENCES
                    && let Some(definition) = (world.segments)(id)
                {
                    self.of_condition(definition.root(), world, depth + 1);
                }
            }
            Leaf::Sequence(leaf) => {
                for step in &leaf.steps {
                    self.of_leaf(step, world, depth);
                }
            }
            Leaf::Purchase(_) | Leaf::Message(_) => {}
        }
    }

    fn of_window(&mut self, window: Window, world: World<'_>) {
        match window {
            Window::Within(span) => drop(self.offsets.insert(span.as_millis())),
            Window::Today => self.by_day = true,
            Window::Between(from, to) => {
                self.of_moment(from, world);
                self.of_moment(to, world);
            }
            Window::Ago { from, to } => self.offsets.extend([from.as_millis(), to.as_millis()]),
        }
    }

    fn of_test(&mut self, test: &PropertyTest, world: World<'_>) {
        match &test.test {
            Test::Before(moment) | Test::After(moment) => self.of_moment(*moment, world),
            Test::On(word) => self.of_day(*word),
            _ => return,
        }
        self.dates.insert(test.path.as_str().into());
    }

    fn of_moment(&mut self, moment: Moment, world: World<'_>) {
        match moment {
            Moment::At(at) => drop(self.fixed.insert(at)),
            Moment::StartOf(day) => drop(self.fixed.insert(world.calendar.start_of(day))),
            Moment::Now => {}
            Moment::Ago(span) => drop(self.offsets.insert(span.as_millis())),
            Moment::Ahead(span) => drop(self.offsets.insert(-span.as_millis())),
        }
    }

    fn of_day(&mut self, word: DayWord) {
        self.by_day |= matches!(word, DayWord::Today | DayWord::Yesterday);
    }

    /// Every instant after `now` at which something may change, and the one after each.
    fn instants(&self, history: &History, now: Timestamp, world: World<'_>) -> BTreeSet<Timestamp> {
        let mut times: BTreeSet<Timestamp> = BTreeSet::new();
        for fact in history.facts() {
            times.extend([fact.counts_from(), fact.exists_from()]);
            let object = match &fact.kind {
                FactKind::Event { properties, .. } => properties,
                FactKind::Identify { traits } => traits,
                _ => continue,
            };
            for path in &self.dates {
                // What is nested hides a name that is the whole path until another fact takes it away.
                let found = [object.nested(path), object.get(path)];
                times.extend(found.into_iter().filter_map(|value| date(value, world)));
            }
        }
        let mut instants = self.fixed.clone();
        for time in times {
            instants.insert(time);
            instants.extend(self.offsets.iter().map(|offset| time.plus_millis(*offset)));
            if self.by_day {
                let day = world.calendar.day_of(time);
                let days = [day, day.after(), day.after().after()];
                instants.extend(days.map(|day| world.calendar.start_of(day)));
            }
        }
        let next: BTreeSet<Timestamp> = instants.iter().map(|at| at.plus_millis(1)).collect();
        instants.extend(next);
        instants.into_iter().filter(|at| *at > now).collect()
    }
}

fn date(value: Option<&Value>, world: World<'_>) -> Option<Timestamp> {
    Some(match dated(value)? {
        Dated::Instant(time) => time,
        Dated::Day(day) => world.calendar.start_of(day),
    })
}
