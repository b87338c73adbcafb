//! A definition as a sentence in plain English, from the same tree that is evaluated.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::Definition;
use super::canonical::{other_count, other_numbers};
use super::tree::{
    Aggregate, ClassFilter, Comparison, Condition, CountRange, DayWord, Edge, EventLeaf,
    EventMeasure, EventStream, Leaf, MessageFact, MessageLeaf, Moment, NamePattern, NumberRange,
    PropertyTest, PurchaseLeaf, PurchaseMeasure, Scalar, SeenLeaf, SeenTest, SequenceLeaf, Source,
    Test, Window,
};
use crate::ids::SegmentId;

/// Values of a list that are named; the rest is counted.
const MAX_NAMED: usize = 5;

/// The name of a segment, for those who know only its id.
type Names<'a> = &'a dyn Fn(&SegmentId) -> Option<String>;

impl Definition {
    /// The sentence. `names` tells what other segments are called; their ids stand where it does not.
    #[must_use]
    pub fn sentence(&self, names: Names<'_>) -> String {
        match &self.root {
            Condition::All(conditions) if conditions.is_empty() => "All contacts.".into(),
            Condition::Any(conditions) if conditions.is_empty() => "No contact.".into(),
            root => format!("Contacts {}.", clause(root, false, names)),
        }
    }
}

/// What is said of the contacts: a clause that begins with who or whose, or several in brackets where
/// they stand in others.
fn clause(condition: &Condition, negated: bool, names: Names<'_>) -> String {
    match condition {
        Condition::Not(inner) => clause(inner, !negated, names),
        Condition::All(conditions) => several(conditions, negated, !negated, names),
        Condition::Any(conditions) => several(conditions, negated, negated, names),
        Condition::Leaf(leaf) => leaf_clause(leaf, negated, names),
    }
}

fn several(conditions: &[Condition], negated: bool, are_all: bool, names: Names<'_>) -> String {
    let clauses: Vec<String> = conditions
        .iter()
        .map(|inner| {
            let text = clause(inner, negated, names);
            let is_group = match inner {
                Condition::All(inner) | Condition::Any(inner) => inner.len() > 1,
                Condition::Not(inner) => !matches!(**inner, Condition::Leaf(_)),
                Condition::Leaf(_) => false,
            };
            if is_group { format!("({text})") } else { text }
        })
        .collect();
    match (clauses.as_slice(), are_all) {
        ([], true) => "whoever they are".into(),
        ([], false) => "of whom there are none".into(),
        (_, true) => clauses.join(", and "),
        (_, false) => clauses.join(", or "),
    }
}

fn leaf_clause(leaf: &Leaf, negated: bool, names: Names<'_>) -> String {
    let mut text = match leaf {
        Leaf::Event(leaf) => event(leaf, negated),
        Leaf::Trait(test) => format!("whose {}", property(test, negated)),
        Leaf::Score(range) => {
            // A range of two ends has no complement that is one.
            match (negated, other_numbers(*range)) {
                (false, _) => format!("whose score is {}", numbers(*range)),
                (true, Some(other)) => format!("whose score is {}", numbers(other)),
                (true, None) => format!("whose score is not {}", numbers(*range)),
            }
        }
        Leaf::Purchase(leaf) => purchase(leaf, negated),
        Leaf::Message(leaf) => message(leaf, negated),
        Leaf::Seen(leaf) => seen(leaf, negated),
        Leaf::Segment(id) => {
            let name = names(id).unwrap_or_else(|| id.as_str().into());
            let are = if negated { "are not" } else { "are" };
            format!("who {are} in the segment {}", quoted(&name))
        }
        Leaf::Sequence(leaf) => sequence(leaf, negated),
    };
    if let Some(said) = leaf.include_new() {
        text.push_str(if said {
            " (newer contacts included)"
        } else {
            " (newer contacts left out)"
        });
    }
    text
}

fn event(leaf: &EventLeaf, negated: bool) -> String {
    let of = stream(&leaf.of);
    let time = window(leaf.window);
    match &leaf.measure {
        EventMeasure::Count(range) => {
            let (have, times) = how_often(*range, negated);
            format!("who {have} done {of}{times}{time}")
        }
        EventMeasure::Number {
            of: aggregate,
            property,
            range,
        } => {
            let what = match aggregate {
                Aggregate::Sum => "sum",
                Aggregate::Min => "least",
                Aggregate::Max => "greatest",
                Aggregate::Avg => "average",
            };
            let is = if negated { "is not" } else { "is" };
            format!(
                "whose {what} of {property} over {of}{time} {is} {}",
                numbers(*range),
                property = property.as_str()
            )
        }
        EventMeasure::Edge(edge, test) => {
            let which = match edge {
                Edge::First => "first",
                Edge::Last => "last",
            };
            let test = property(test, false);
            if negated {
                format!("who have no {which} {of}{time} of which {test}")
            } else {
                format!("who have done {of}{time}, the {which} time with {test}")
            }
        }
    }
}

/// The verb and the adverb of so many.
fn how_often(range: CountRange, negated: bool) -> (&'static str, String) {
    let (range, negated) = match (negated, other_count(range)) {
        (true, Some(other)) => (other, false),
        _ => (range, negated),
    };
    let have = if negated { "have not" } else { "have" };
    match (range.least, range.most) {
        (0, Some(0)) if !negated => ("have not", String::new()),
        (1, None) => (have, String::new()),
        (0, None) => (have, " any number of times".into()),
        (least, None) => (have, format!(" at least {}", times(least))),
        (0, Some(most)) => (have, format!(" at most {}", times(most))),
        (least, Some(most)) if least == most => (have, format!(" exactly {}", times(most))),
        (least, Some(most)) => (have, format!(" {least} to {}", times(most))),
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".into(),
        2 => "twice".into(),
        count => format!("{count} times"),
    }
}

fn stream(stream: &EventStream) -> String {
    let mut text = match &stream.name {
        NamePattern::Exact(name) => quoted(name.as_str()),
        NamePattern::Prefix(prefix) => format!("anything that begins with {}", quoted(prefix)),
        NamePattern::Every => "anything".into(),
    };
    let tests: Vec<String> = stream
        .conditions
        .iter()
        .map(|test| property(test, false))
        .collect();
    if !tests.is_empty() {
        text.push_str(&format!(" where {}", tests.join(" and ")));
    }
    text.push_str(match stream.source {
        None => "",
        Some(Source::Browser) => " as told by a browser",
        Some(Source::Server) => " as told by a server",
        Some(Source::Mail) => " as told by a mail client",
    });
    text.push_str(by(stream.class, ClassFilter::Genuine));
    text
}

fn by(class: ClassFilter, understood: ClassFilter) -> &'static str {
    match class {
        class if class == understood => "",
        ClassFilter::Genuine => " in person",
        ClassFilter::Machine => " through a machine",
        ClassFilter::Any => " in person or through a machine",
    }
}

fn purchase(leaf: &PurchaseLeaf, negated: bool) -> String {
    let time = window(leaf.window);
    match leaf.measure {
        PurchaseMeasure::Count { range, currency } => {
            let (have, times) = how_often(range, negated);
            let money = currency
                .map(|currency| format!(" in {currency}"))
                .unwrap_or_default();
            format!("who {have} ordered{times}{money}{time}")
        }
        PurchaseMeasure::Sum { range, currency } => {
            let (range, not) = match (negated, other_numbers(range)) {
                (true, Some(other)) => (other, ""),
                (true, None) => (range, "not "),
                (false, _) => (range, ""),
            };
            format!(
                "whose orders{time} come {not}to {} {currency}, refunds taken off",
                numbers(range)
            )
        }
    }
}

fn message(leaf: &MessageLeaf, negated: bool) -> String {
    let (have, times) = how_often(leaf.count, negated);
    let what = what_message(leaf);
    let class = by(
        leaf.class.unwrap_or(leaf.what.default_class()),
        leaf.what.default_class(),
    );
    let without = match leaf.without {
        None => String::new(),
        Some(MessageFact::Sent) => " that is not on record as sent".into(),
        Some(MessageFact::Delivered) => " that was not delivered".into(),
        Some(MessageFact::Opened) => " that they did not open".into(),
        Some(MessageFact::Clicked) => " in which they clicked nothing".into(),
        Some(MessageFact::Unsubscribed) => " from which they did not unsubscribe".into(),
        Some(MessageFact::Bounced) => " that did not bounce".into(),
        Some(MessageFact::Complained) => " that they did not call spam".into(),
    };
    let done = match leaf.what {
        MessageFact::Sent => format!("been sent {what}"),
        MessageFact::Delivered => format!("been delivered {what}"),
        MessageFact::Opened => format!("opened {what}"),
        MessageFact::Clicked => match &leaf.link {
            Some(link) => format!("clicked {} in {what}", quoted(link)),
            None => format!("clicked in {what}"),
        },
        MessageFact::Unsubscribed => format!("unsubscribed from {what}"),
        MessageFact::Bounced => format!("had {what} bounce"),
        MessageFact::Complained => format!("called {what} spam"),
    };
    format!(
        "who {have} {done}{without}{times}{class}{}",
        window(leaf.window)
    )
}

fn what_message(leaf: &MessageLeaf) -> String {
    let message = match &leaf.message {
        Some(id) => format!("the message {}", quoted(id.as_str())),
        None => "a message".into(),
    };
    match &leaf.campaign {
        Some(id) => format!("{message} of the campaign {}", quoted(id.as_str())),
        None => message,
    }
}

fn seen(leaf: &SeenLeaf, negated: bool) -> String {
    let which = match leaf.which {
        Edge::First => "first",
        Edge::Last => "last",
    };
    let were = if negated { "were not" } else { "were" };
    match leaf.test {
        SeenTest::In(time) => format!("who {were} {which} seen{}", window(Some(time))),
        SeenTest::Before(at) => format!("who {were} {which} seen before {}", moment(at)),
        SeenTest::After(at) => format!("who {were} {which} seen after {}", moment(at)),
        SeenTest::On(on) => format!("who {were} {which} seen {}", day(on)),
        SeenTest::Exists(exists) if exists != negated => "who were seen at some time".into(),
        SeenTest::Exists(_) => "who were never seen".into(),
    }
}

fn sequence(leaf: &SequenceLeaf, negated: bool) -> String {
    let steps: Vec<String> = leaf
        .steps
        .iter()
        .map(|step| {
            let text = match step {
                Leaf::Event(leaf) => event(leaf, false),
                Leaf::Purchase(leaf) => purchase(leaf, false),
                Leaf::Message(leaf) => message(leaf, false),
                // Nothing else is read as a step.
                _ => String::new(),
            };
            text.strip_prefix("who have ").unwrap_or(&text).to_string()
        })
        .collect();
    let then = match leaf.within {
        None => ", then ".to_string(),
        Some(span) => format!(", then within {} ", span.in_words()),
    };
    let have = if negated { "have not" } else { "have" };
    format!("who {have} {}", steps.join(&then))
}

fn property(test: &PropertyTest, negated: bool) -> String {
    let (is, does) = if negated {
        ("is not", "does not")
    } else {
        ("is", "")
    };
    let verb = |plain: &str, third: &str| {
        if negated {
            format!("{does} {plain}")
        } else {
            third.to_string()
        }
    };
    let said = match &test.test {
        Test::Eq(value) => format!("{is} {}", scalar(value)),
        Test::Ne(value) if negated => format!("is {}", scalar(value)),
        Test::Ne(value) => format!("is not {}", scalar(value)),
        Test::Compare(comparison, number) => {
            let than = match comparison {
                Comparison::Greater => "more than",
                Comparison::GreaterOrEqual => "at least",
                Comparison::Less => "less than",
                Comparison::LessOrEqual => "at most",
            };
            format!("{is} {than} {number}")
        }
        Test::In(values) => format!("{is} one of {}", scalars(values)),
        Test::NotIn(values) if negated => format!("is one of {}", scalars(values)),
        Test::NotIn(values) => format!("is none of {}", scalars(values)),
        Test::Contains(value) => format!("{} {}", verb("contain", "contains"), scalar(value)),
        Test::StartsWith(part) => format!("{} with {}", verb("begin", "begins"), quoted(part)),
        Test::EndsWith(part) => format!("{} with {}", verb("end", "ends"), quoted(part)),
        Test::Exists(exists) if *exists != negated => "is known".into(),
        Test::Exists(_) => "is not known".into(),
        Test::Empty(empty) if *empty != negated => "is empty or missing".into(),
        Test::Empty(_) => "is not empty".into(),
        Test::Before(at) => format!("{is} before {}", moment(*at)),
        Test::After(at) => format!("{is} after {}", moment(*at)),
        Test::On(on) => format!("{is} {}", day(*on)),
    };
    format!("{} {said}", test.path.as_str())
}

fn scalars(values: &[Scalar]) -> String {
    let named: Vec<String> = values.iter().take(MAX_NAMED).map(scalar).collect();
    match values.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn scalar(value: &Scalar) -> String {
    match value {
        Scalar::Text(text) => quoted(text),
        Scalar::Number(number) => number.to_string(),
        Scalar::Bool(value) => value.to_string(),
    }
}

fn numbers(range: NumberRange) -> String {
    if let Some(only) = range.only() {
        return format!("exactly {only}");
    }
    let lower = range.lower.map(|bound| {
        let words = if bound.inclusive {
            "at least"
        } else {
            "more than"
        };
        format!("{words} {}", bound.at)
    });
    let upper = range.upper.map(|bound| {
        let words = if bound.inclusive {
            "at most"
        } else {
            "less than"
        };
        format!("{words} {}", bound.at)
    });
    let ends: Vec<String> = lower.into_iter().chain(upper).collect();
    ends.join(" and ")
}

/// The stretch of time, with a blank before it; nothing for all time.
fn window(window: Option<Window>) -> String {
    match window {
        None => String::new(),
        Some(Window::Within(span)) => format!(" in the last {}", span.in_words_of_the_last()),
        Some(Window::Today) => " today".into(),
        Some(Window::Between(from, to)) => format!(" from {} until {}", moment(from), moment(to)),
        Some(Window::Ago { from, to }) => {
            format!(" between {} and {} ago", from.in_words(), to.in_words())
        }
    }
}

fn moment(moment: Moment) -> String {
    match moment {
        Moment::At(time) => time.to_string(),
        Moment::StartOf(day) => day.to_string(),
        Moment::Now => "now".into(),
        Moment::Ago(span) => format!("{} ago", span.in_words()),
        Moment::Ahead(span) => format!("{} from now", span.in_words()),
    }
}

fn day(day: DayWord) -> String {
    match day {
        DayWord::Today => "today".into(),
        DayWord::Yesterday => "yesterday".into(),
        DayWord::Date(day) => format!("on {day}"),
    }
}

fn quoted(text: &str) -> String {
    format!("“{text}”")
}
