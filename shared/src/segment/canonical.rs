//! One form, and so one key, for definitions that are known to mean the same. It says that they do, and
//! no more: what is kept for definitions is kept for each.
//!
//! `not` is carried down to the leaves, and into them where their complement is a leaf; lists are
//! flattened, sorted and freed of doubles; what always or never holds is taken out. The form has the
//! meaning of what it was made of at every instant, and is its own form. It may nest and count
//! otherwise than a definition may, but never more.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::include_new::Place;
use super::span::Span;
use super::tree::{
    Aggregate, Bound, Condition, CountRange, EventMeasure, Leaf, Moment, NumberRange, PropertyTest,
    PurchaseMeasure, Scalar, SeenTest, Test,
};
use super::write;
use crate::limits::MAX_SEGMENT_COUNT;

impl Condition {
    /// The form in which conditions that mean the same are equal, as far as is known without facts.
    pub(super) fn canonical(&self) -> Condition {
        form(self, false)
    }

    /// The key of what the condition means: the JSON of its canonical form.
    pub(super) fn key(&self) -> String {
        self.canonical().to_json()
    }
}

fn everybody() -> Condition {
    Condition::All(Vec::new())
}

fn nobody() -> Condition {
    Condition::Any(Vec::new())
}

/// The form of a condition, or of its complement.
fn form(condition: &Condition, negated: bool) -> Condition {
    match condition {
        Condition::Not(inner) => form(inner, !negated),
        Condition::All(conditions) => joined(conditions, negated, !negated),
        Condition::Any(conditions) => joined(conditions, negated, negated),
        Condition::Leaf(leaf) => literal(leaf.clone(), negated),
    }
}

/// The form of a list: of which all, or any, are to hold once each is taken as it is or complemented.
fn joined(conditions: &[Condition], negated: bool, are_all: bool) -> Condition {
    let (neutral, absorbing) = if are_all {
        (everybody(), nobody())
    } else {
        (nobody(), everybody())
    };
    let mut branches = Vec::new();
    for branch in conditions {
        match (form(branch, negated), are_all) {
            (branch, _) if branch == absorbing => return absorbing,
            (branch, _) if branch == neutral => {}
            (Condition::All(inner), true) | (Condition::Any(inner), false) => {
                branches.extend(inner)
            }
            (branch, _) => branches.push(branch),
        }
    }
    branches.sort_by_cached_key(Condition::to_json);
    branches.dedup();
    match (branches.len(), are_all) {
        (1, _) => branches.swap_remove(0),
        (_, true) => Condition::All(branches),
        (_, false) => Condition::Any(branches),
    }
}

/// The form of a leaf or of its complement.
fn literal(leaf: Leaf, negated: bool) -> Condition {
    let said = leaf.include_new();
    let leaf = normal(leaf);
    let (leaf, negated) = if negated {
        match complement(&leaf) {
            Some(leaf) => (leaf, false),
            None => (leaf, true),
        }
    } else {
        (leaf, false)
    };
    // What leaves nobody out need not be said where that is understood.
    let leaf = match said {
        Some(false) => {
            // A place must be found where it may stand: under `not` it always may.
            let stands = leaf.place_of_include_new(usize::from(negated)) != Place::Misplaced;
            if !stands && let Some(other) = complement(&leaf) {
                return not(other.with_include_new(said));
            }
            leaf.with_include_new(said)
        }
        _ => {
            let leaf = leaf.with_include_new(None);
            match constant(&leaf) {
                Some(holds) if holds != negated => return everybody(),
                Some(_) => return nobody(),
                None => {}
            }
            let must = leaf.place_of_include_new(usize::from(negated)) == Place::Required;
            leaf.with_include_new(must.then_some(true))
        }
    };
    if negated {
        not(leaf)
    } else {
        Condition::Leaf(leaf)
    }
}

fn not(leaf: Leaf) -> Condition {
    Condition::Not(Box::new(Condition::Leaf(leaf)))
}

/// Whether a leaf holds whatever the facts.
fn constant(leaf: &Leaf) -> Option<bool> {
    let is_any = |range: &CountRange| {
        *range
            == CountRange {
                least: 0,
                most: None,
            }
    };
    let always = match leaf {
        Leaf::Event(leaf) => matches!(&leaf.measure, EventMeasure::Count(range) if is_any(range)),
        Leaf::Purchase(leaf) => {
            matches!(&leaf.measure, PurchaseMeasure::Count { range, .. } if is_any(range))
        }
        Leaf::Message(leaf) => is_any(&leaf.count),
        _ => false,
    };
    always.then_some(true)
}

/// The leaf that holds exactly where this one does not, where there is one.
fn complement(leaf: &Leaf) -> Option<Leaf> {
    let mut leaf = leaf.clone();
    match &mut leaf {
        Leaf::Event(inner) => match &mut inner.measure {
            EventMeasure::Count(range) => *range = other_count(*range)?,
            EventMeasure::Number {
                of: Aggregate::Sum,
                range,
                ..
            } => *range = other_numbers(*range)?,
            EventMeasure::Number { .. } | EventMeasure::Edge(..) => return None,
        },
        Leaf::Purchase(inner) => match &mut inner.measure {
            PurchaseMeasure::Count { range, .. } => *range = other_count(*range)?,
            PurchaseMeasure::Sum { range, .. } => *range = other_numbers(*range)?,
        },
        Leaf::Message(inner) => inner.count = other_count(inner.count)?,
        Leaf::Score(range) => *range = other_numbers(*range)?,
        Leaf::Trait(test) => test.test = other_test(&test.test)?,
        Leaf::Seen(inner) => match inner.test {
            SeenTest::Exists(exists) => inner.test = SeenTest::Exists(!exists),
            _ => return None,
        },
        Leaf::Segment(_) | Leaf::Sequence(_) => return None,
    }
    Some(leaf)
}

pub(super) fn other_count(range: CountRange) -> Option<CountRange> {
    match (range.least, range.most) {
        (0, Some(most)) if most < MAX_SEGMENT_COUNT => Some(CountRange {
            least: most + 1,
            most: None,
        }),
        (least, None) if least > 0 => Some(CountRange {
            least: 0,
            most: Some(least - 1),
        }),
        _ => None,
    }
}

pub(super) fn other_numbers(range: NumberRange) -> Option<NumberRange> {
    let turned = |bound: Bound| Bound {
        inclusive: !bound.inclusive,
        ..bound
    };
    match (range.lower, range.upper) {
        (Some(lower), None) => Some(NumberRange {
            lower: None,
            upper: Some(turned(lower)),
        }),
        (None, Some(upper)) => Some(NumberRange {
            lower: Some(turned(upper)),
            upper: None,
        }),
        _ => None,
    }
}

fn other_test(test: &Test) -> Option<Test> {
    Some(match test {
        Test::Eq(value) => Test::Ne(value.clone()),
        Test::Ne(value) => Test::Eq(value.clone()),
        Test::In(values) => Test::NotIn(values.clone()),
        Test::NotIn(values) => Test::In(values.clone()),
        Test::Exists(exists) => Test::Exists(!exists),
        Test::Empty(empty) => Test::Empty(!empty),
        _ => return None,
    })
}

/// The leaf with each of its parts in one form.
fn normal(mut leaf: Leaf) -> Leaf {
    match &mut leaf {
        Leaf::Event(inner) => {
            let tests = inner.of.conditions.iter().map(normal_test);
            let mut tests: Vec<PropertyTest> = tests.collect();
            tests.sort_by_cached_key(|test| Leaf::Trait(test.clone()).to_json());
            tests.dedup();
            inner.of.conditions = tests;
            if let EventMeasure::Edge(_, test) = &mut inner.measure {
                *test = normal_test(test);
            }
        }
        Leaf::Trait(test) => *test = normal_test(test),
        Leaf::Message(inner) => {
            let defaults = [Some(inner.what), inner.without];
            let mut defaults = defaults
                .into_iter()
                .flatten()
                .map(|fact| fact.default_class());
            if inner
                .class
                .is_some_and(|class| defaults.all(|default| default == class))
            {
                inner.class = None;
            }
        }
        Leaf::Seen(inner) => match &mut inner.test {
            SeenTest::Before(at) | SeenTest::After(at) => *at = normal_moment(*at),
            SeenTest::In(_) | SeenTest::On(_) | SeenTest::Exists(_) => {}
        },
        Leaf::Sequence(inner) => {
            inner.steps = inner.steps.iter().cloned().map(normal).collect();
        }
        Leaf::Score(_) | Leaf::Purchase(_) | Leaf::Segment(_) => {}
    }
    leaf
}

fn normal_test(test: &PropertyTest) -> PropertyTest {
    let values = |values: &[Scalar]| {
        let mut values = values.to_vec();
        values.sort_by_cached_key(write::scalar);
        values.dedup();
        values
    };
    let normal = match &test.test {
        Test::In(sent) => match values(sent).as_slice() {
            [only] => Test::Eq(only.clone()),
            values => Test::In(values.to_vec()),
        },
        Test::NotIn(sent) => match values(sent).as_slice() {
            [only] => Test::Ne(only.clone()),
            values => Test::NotIn(values.to_vec()),
        },
        Test::Before(at) => Test::Before(normal_moment(*at)),
        Test::After(at) => Test::After(normal_moment(*at)),
        Test::Compare(..)
        | Test::Eq(_)
        | Test::Ne(_)
        | Test::Contains(_)
        | Test::StartsWith(_)
        | Test::EndsWith(_)
        | Test::Exists(_)
        | Test::Empty(_)
        | Test::On(_) => test.test.clone(),
    };
    PropertyTest {
        path: test.path.clone(),
        test: normal,
    }
}

fn normal_moment(moment: Moment) -> Moment {
    match moment {
        Moment::Ago(Span::NONE) | Moment::Ahead(Span::NONE) => Moment::Now,
        moment => moment,
    }
}
