//! Where `includeNew` must be said, where it may be, and where it has no meaning.
//!
//! A contact of yesterday has done nothing in the last 30 days, like one who fell asleep a year ago.
//! Whether the first is meant is said on each leaf that takes in who has no such events.

use alloc::string::String;

use super::billionths::Billionths;
use super::refusal::{DefinitionError, child, element};
use super::tree::{Aggregate, Condition, EventMeasure, Leaf, PurchaseMeasure, SeenTest, Window};

/// Whether `includeNew` belongs on a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It must be said.
    Required,
    /// It may be said; where it is not, `true` is meant.
    Allowed,
    /// It would say nothing.
    Misplaced,
}

impl Leaf {
    /// The window in which the leaf looks for events.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        match self {
            Leaf::Event(leaf) => leaf.window,
            Leaf::Purchase(leaf) => leaf.window,
            Leaf::Message(leaf) => leaf.window,
            Leaf::Seen(leaf) => match leaf.test {
                SeenTest::In(window) => Some(window),
                _ => None,
            },
            Leaf::Trait(_) | Leaf::Score(_) | Leaf::Segment(_) | Leaf::Sequence(_) => None,
        }
    }

    /// What the leaf says of contacts who are younger than its window.
    #[must_use]
    pub fn include_new(&self) -> Option<bool> {
        match self {
            Leaf::Event(leaf) => leaf.include_new,
            Leaf::Purchase(leaf) => leaf.include_new,
            Leaf::Message(leaf) => leaf.include_new,
            Leaf::Seen(leaf) => leaf.include_new,
            Leaf::Trait(_) | Leaf::Score(_) | Leaf::Segment(_) | Leaf::Sequence(_) => None,
        }
    }

    /// The same leaf that says something else of them.
    pub(super) fn with_include_new(mut self, said: Option<bool>) -> Leaf {
        match &mut self {
            Leaf::Event(leaf) => leaf.include_new = said,
            Leaf::Purchase(leaf) => leaf.include_new = said,
            Leaf::Message(leaf) => leaf.include_new = said,
            Leaf::Seen(leaf) => leaf.include_new = said,
            Leaf::Trait(_) | Leaf::Score(_) | Leaf::Segment(_) | Leaf::Sequence(_) => {}
        }
        self
    }

    /// Whether the leaf itself holds for who has no such events.
    fn takes_in_none(&self) -> bool {
        let zero = Billionths::default();
        match self {
            Leaf::Event(leaf) => match &leaf.measure {
                EventMeasure::Count(range) => range.holds(0),
                EventMeasure::Number { of, range, .. } => {
                    *of == Aggregate::Sum && range.holds(zero)
                }
                EventMeasure::Edge(..) => false,
            },
            Leaf::Purchase(leaf) => match leaf.measure {
                PurchaseMeasure::Count { range, .. } => range.holds(0),
                PurchaseMeasure::Sum { range, .. } => range.holds(zero),
            },
            Leaf::Message(leaf) => leaf.count.holds(0),
            Leaf::Seen(_)
            | Leaf::Trait(_)
            | Leaf::Score(_)
            | Leaf::Segment(_)
            | Leaf::Sequence(_) => false,
        }
    }

    /// Whether the leaf asks for few: `count` with `eq` 0 or `lte`.
    fn asks_for_few(&self) -> bool {
        match self {
            Leaf::Event(leaf) => {
                matches!(&leaf.measure, EventMeasure::Count(range) if range.most.is_some())
            }
            Leaf::Purchase(leaf) => {
                matches!(leaf.measure, PurchaseMeasure::Count { range, .. } if range.most.is_some())
            }
            Leaf::Message(leaf) => leaf.count.most.is_some(),
            _ => false,
        }
    }

    /// Whether `includeNew` belongs here, under so many `not`.
    pub(super) fn place_of_include_new(&self, nots: usize) -> Place {
        if self.window().is_none() {
            return Place::Misplaced;
        }
        let takes_in_none = self.takes_in_none() != (nots % 2 == 1);
        let is_of_events = !matches!(self, Leaf::Seen(_));
        if is_of_events && takes_in_none && (nots > 0 || self.asks_for_few()) {
            Place::Required
        } else if nots > 0 || self.takes_in_none() {
            Place::Allowed
        } else {
            Place::Misplaced
        }
    }
}

/// Holds every leaf against its place.
pub(super) fn check(root: &Condition) -> Result<(), DefinitionError> {
    walk(root, String::new(), 0)
}

fn walk(condition: &Condition, path: String, nots: usize) -> Result<(), DefinitionError> {
    let branches = |name: &str, branches: &[Condition]| {
        let place = child(&path, name);
        branches
            .iter()
            .enumerate()
            .try_for_each(|(at, branch)| walk(branch, element(&place, at), nots))
    };
    match condition {
        Condition::All(conditions) => branches("all", conditions),
        Condition::Any(conditions) => branches("any", conditions),
        Condition::Not(inner) => walk(inner, child(&path, "not"), nots + 1),
        Condition::Leaf(leaf) => check_leaf(leaf, &path, nots),
    }
}

fn check_leaf(leaf: &Leaf, path: &str, nots: usize) -> Result<(), DefinitionError> {
    let place = || child(path, "includeNew");
    match (leaf.place_of_include_new(nots), leaf.include_new()) {
        (Place::Required, None) => Err(DefinitionError::at(
            place(),
            "Send `includeNew` too: true if contacts who are younger than the window are meant, false if not",
        )),
        (Place::Misplaced, Some(_)) => Err(DefinitionError::at(
            place(),
            if leaf.window().is_none() {
                "Leave `includeNew` out: without `within`, `between` or `ago` nobody is younger than the window"
            } else {
                "Leave `includeNew` out: this holds only for who has such events, so that it says nothing"
            },
        )),
        _ => Ok(()),
    }
}
