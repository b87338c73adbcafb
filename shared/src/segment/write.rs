//! Writing definitions: the JSON text of a tree, in one spelling. Reading it gives the tree again.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::Definition;
use super::spelling::Spelled as _;
use super::tree::{
    ClassFilter, Condition, CountRange, DayWord, Edge, EventLeaf, EventMeasure, EventStream, Leaf,
    MessageLeaf, Moment, NamePattern, NumberRange, PropertyTest, PurchaseLeaf, PurchaseMeasure,
    Scalar, SeenLeaf, SeenTest, SequenceLeaf, Test, Window,
};
use super::value::written as text;

impl Definition {
    /// The definition as JSON, without blanks; defaults are left out.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.root.to_json()
    }
}

impl Condition {
    /// The condition as JSON, without blanks; defaults are left out.
    pub(super) fn to_json(&self) -> String {
        match self {
            Condition::All(conditions) => object(&[("all", list(conditions, Condition::to_json))]),
            Condition::Any(conditions) => object(&[("any", list(conditions, Condition::to_json))]),
            Condition::Not(inner) => object(&[("not", inner.to_json())]),
            Condition::Leaf(leaf) => leaf.to_json(),
        }
    }
}

impl Leaf {
    /// The leaf as JSON, without blanks; defaults are left out.
    pub(super) fn to_json(&self) -> String {
        match self {
            Leaf::Event(leaf) => event(leaf),
            Leaf::Trait(test) => property("trait", test),
            Leaf::Score(range) => object(&[("score", object(&numbers(*range)))]),
            Leaf::Purchase(leaf) => purchase(leaf),
            Leaf::Message(leaf) => message(leaf),
            Leaf::Seen(leaf) => seen(leaf),
            Leaf::Segment(id) => object(&[("segment", text(id.as_str()))]),
            Leaf::Sequence(leaf) => sequence(leaf),
        }
    }
}

type Field = (&'static str, String);

fn event(leaf: &EventLeaf) -> String {
    let mut fields = stream(&leaf.of);
    match &leaf.measure {
        EventMeasure::Count(range) => fields.extend(count(*range)),
        EventMeasure::Number {
            of,
            property,
            range,
        } => {
            fields.push((of.word(), text(property.as_str())));
            fields.extend(numbers(*range));
        }
        EventMeasure::Edge(edge, test) => fields.push((edge.word(), property("property", test))),
    }
    fields.extend(leaf.window.map(window));
    fields.extend(include_new(leaf.include_new));
    object(&fields)
}

fn stream(stream: &EventStream) -> Vec<Field> {
    let name = match &stream.name {
        NamePattern::Exact(name) => text(name.as_str()),
        NamePattern::Prefix(prefix) => text(&format!("{prefix}*")),
        NamePattern::Every => text("*"),
    };
    let mut fields = Vec::from([("event", name)]);
    if !stream.conditions.is_empty() {
        let tests = list(&stream.conditions, |test| property("property", test));
        fields.push(("where", tests));
    }
    fields.extend(stream.source.map(|source| ("source", text(source.word()))));
    if stream.class != ClassFilter::Genuine {
        fields.push(("class", text(stream.class.word())));
    }
    fields
}

fn purchase(leaf: &PurchaseLeaf) -> String {
    let mut inner = Vec::new();
    match leaf.measure {
        PurchaseMeasure::Count { range, currency } => {
            inner.extend(count(range));
            inner.extend(currency.map(|currency| ("currency", text(currency.code()))));
        }
        PurchaseMeasure::Sum { range, currency } => {
            inner.push(("sum", object(&numbers(range))));
            inner.push(("currency", text(currency.code())));
        }
    }
    let mut fields = Vec::from([("purchase", object(&inner))]);
    fields.extend(leaf.window.map(window));
    fields.extend(include_new(leaf.include_new));
    object(&fields)
}

fn message(leaf: &MessageLeaf) -> String {
    let mut fields = Vec::from([("message", text(leaf.what.word()))]);
    fields.extend(leaf.without.map(|other| ("without", text(other.word()))));
    fields.extend(
        leaf.campaign
            .as_ref()
            .map(|id| ("campaignId", text(id.as_str()))),
    );
    fields.extend(
        leaf.message
            .as_ref()
            .map(|id| ("messageId", text(id.as_str()))),
    );
    fields.extend(leaf.link.as_ref().map(|link| ("link", text(link))));
    fields.extend(leaf.class.map(|class| ("class", text(class.word()))));
    fields.extend(count(leaf.count));
    fields.extend(leaf.window.map(window));
    fields.extend(include_new(leaf.include_new));
    object(&fields)
}

fn seen(leaf: &SeenLeaf) -> String {
    let head = match leaf.which {
        Edge::First => "firstSeen",
        Edge::Last => "lastSeen",
    };
    let test = match leaf.test {
        SeenTest::In(in_window) => window(in_window),
        SeenTest::Before(at) => ("before", moment(at)),
        SeenTest::After(at) => ("after", moment(at)),
        SeenTest::On(on) => ("on", day(on)),
        SeenTest::Exists(exists) => ("exists", exists.to_string()),
    };
    let mut fields = Vec::from([(head, object(&[test]))]);
    fields.extend(include_new(leaf.include_new));
    object(&fields)
}

fn sequence(leaf: &SequenceLeaf) -> String {
    let mut fields = Vec::from([("sequence", list(&leaf.steps, Leaf::to_json))]);
    fields.extend(leaf.within.map(|span| ("within", text(&span.to_string()))));
    object(&fields)
}

fn property(head: &'static str, test: &PropertyTest) -> String {
    let field: Field = match &test.test {
        Test::Eq(value) => ("eq", scalar(value)),
        Test::Ne(value) => ("ne", scalar(value)),
        Test::Compare(comparison, number) => (comparison.word(), number.to_string()),
        Test::In(values) => ("in", list(values, scalar)),
        Test::NotIn(values) => ("notIn", list(values, scalar)),
        Test::Contains(value) => ("contains", scalar(value)),
        Test::StartsWith(part) => ("startsWith", text(part)),
        Test::EndsWith(part) => ("endsWith", text(part)),
        Test::Exists(exists) => ("exists", exists.to_string()),
        Test::Empty(empty) => ("empty", empty.to_string()),
        Test::Before(at) => ("before", moment(*at)),
        Test::After(at) => ("after", moment(*at)),
        Test::On(on) => ("on", day(*on)),
    };
    object(&[(head, text(test.path.as_str())), field])
}

/// `count`, where it is not the default.
fn count(range: CountRange) -> Option<Field> {
    let bounds = match (range.least, range.most) {
        (1, None) => return None,
        (least, Some(most)) if least == most => Vec::from([("eq", least.to_string())]),
        (0, Some(most)) => Vec::from([("lte", most.to_string())]),
        (least, Some(most)) => Vec::from([("gte", least.to_string()), ("lte", most.to_string())]),
        (least, None) => Vec::from([("gte", least.to_string())]),
    };
    Some(("count", object(&bounds)))
}

fn numbers(range: NumberRange) -> Vec<Field> {
    if let Some(only) = range.only() {
        return Vec::from([("eq", only.to_string())]);
    }
    let word = |inclusive, with, without| if inclusive { with } else { without };
    let lower = range
        .lower
        .map(|bound| (word(bound.inclusive, "gte", "gt"), bound.at.to_string()));
    let upper = range
        .upper
        .map(|bound| (word(bound.inclusive, "lte", "lt"), bound.at.to_string()));
    lower.into_iter().chain(upper).collect()
}

fn window(window: Window) -> Field {
    match window {
        Window::Within(span) => ("within", text(&span.to_string())),
        Window::Today => ("within", text("today")),
        Window::Between(from, to) => (
            "between",
            object(&[("from", moment(from)), ("to", moment(to))]),
        ),
        Window::Ago { from, to } => {
            let ends = [
                ("from", text(&from.to_string())),
                ("to", text(&to.to_string())),
            ];
            ("ago", object(&ends))
        }
    }
}

fn include_new(said: Option<bool>) -> Option<Field> {
    said.map(|said| ("includeNew", said.to_string()))
}

fn moment(moment: Moment) -> String {
    match moment {
        Moment::At(time) => text(&time.to_string()),
        Moment::StartOf(day) => text(&day.to_string()),
        Moment::Now => text("now"),
        Moment::Ago(span) => object(&[("ago", text(&span.to_string()))]),
        Moment::Ahead(span) => object(&[("ahead", text(&span.to_string()))]),
    }
}

fn day(day: DayWord) -> String {
    match day {
        DayWord::Today => text("today"),
        DayWord::Yesterday => text("yesterday"),
        DayWord::Date(day) => text(&day.to_string()),
    }
}

pub(super) fn scalar(value: &Scalar) -> String {
    match value {
        Scalar::Text(value) => text(value),
        Scalar::Number(number) => number.to_string(),
        Scalar::Bool(value) => value.to_string(),
    }
}

fn list<T>(values: &[T], write: impl Fn(&T) -> String) -> String {
    let values: Vec<String> = values.iter().map(write).collect();
    format!("[{}]", values.join(","))
}

fn object(fields: &[Field]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}
