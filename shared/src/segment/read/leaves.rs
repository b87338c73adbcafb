//! Reading leaves: each kind, its words, and what may stand beside what.

use alloc::format;
use alloc::vec::Vec;

use super::{Fields, Read, count_leaf, elements, properties, ranges, text, times};
use crate::event_name::{EventName, NameError, names};
use crate::ids::{CampaignId, IdError, MessageId, SegmentId};
use crate::limits::MAX_SEGMENT_STEPS;
use crate::money::Currency;
use crate::segment::refusal::{DefinitionError, child, element};
use crate::segment::spelling::Spelled;
use crate::segment::tree::{
    Aggregate, ClassFilter, CountRange, Edge, EventLeaf, EventMeasure, EventStream, Leaf,
    MessageFact, MessageLeaf, NamePattern, PurchaseLeaf, PurchaseMeasure, SeenLeaf, SeenTest,
    SequenceLeaf,
};
use crate::segment::value::Value;

/// Reads a leaf of the kind that `head` names.
pub(super) fn leaf(fields: &Fields<'_>, head: &str, leaves: &mut usize) -> Read<Leaf> {
    if head != "sequence" {
        count_leaf(&fields.path, leaves)?;
    }
    Ok(match head {
        "event" => Leaf::Event(event(fields)?),
        "trait" => Leaf::Trait(properties::test(fields, "trait")?),
        "score" => Leaf::Score(score(fields)?),
        "purchase" => Leaf::Purchase(purchase(fields)?),
        "message" => Leaf::Message(message(fields)?),
        "firstSeen" => Leaf::Seen(seen(fields, head, Edge::First)?),
        "lastSeen" => Leaf::Seen(seen(fields, head, Edge::Last)?),
        "segment" => Leaf::Segment(segment(fields)?),
        _ => Leaf::Sequence(sequence(fields, leaves)?),
    })
}

fn event(fields: &Fields<'_>) -> Read<EventLeaf> {
    fields.only(&[
        "event",
        "count",
        "within",
        "between",
        "ago",
        "where",
        "source",
        "class",
        "sum",
        "min",
        "max",
        "avg",
        "first",
        "last",
        "gt",
        "gte",
        "lt",
        "lte",
        "eq",
        "includeNew",
    ])?;
    let (path, value) = fields.required("event")?;
    let name = name(&path, text(&path, value)?)?;
    let conditions = match fields.get("where") {
        Some((path, value)) => properties::list_of(&path, value)?,
        None => Vec::new(),
    };
    let source = fields
        .text("source")?
        .map(|(path, word)| spelled(path, word))
        .transpose()?;
    let class = class(fields)?.unwrap_or(ClassFilter::Genuine);
    Ok(EventLeaf {
        of: EventStream {
            name,
            conditions,
            source,
            class,
        },
        measure: measure(fields)?,
        window: times::window(fields)?,
        include_new: fields.truth("includeNew")?,
    })
}

/// `count`, an aggregate with its comparison, `first` or `last`: one of them.
fn measure(fields: &Fields<'_>) -> Read<EventMeasure> {
    fields.refuse_second(&["count", "sum", "min", "max", "avg", "first", "last"])?;
    if let Some((word, of)) = fields.first_of::<Aggregate>() {
        let (path, value) = fields.required(word)?;
        return Ok(EventMeasure::Number {
            of,
            property: properties::path(&path, value)?,
            range: ranges::numbers(fields)?,
        });
    }
    if let [word, ..] = fields.which(&ranges::COMPARISONS).as_slice() {
        let message = format!(
            "`{word}` stands beside `sum`, `min`, `max` or `avg`: write how often as \"count\":{{\"gte\":3}}"
        );
        return Err(DefinitionError::at(child(&fields.path, word), message));
    }
    if let Some((word, edge)) = fields.first_of::<Edge>() {
        let (path, value) = fields.required(word)?;
        return Ok(EventMeasure::Edge(
            edge,
            properties::property(&path, value)?,
        ));
    }
    count(fields).map(EventMeasure::Count)
}

fn count(fields: &Fields<'_>) -> Read<CountRange> {
    match fields.get("count") {
        Some((path, value)) => ranges::count(&path, value),
        None => Ok(CountRange::SOME),
    }
}

/// A name, the beginning of names, or `*`.
fn name(path: &str, sent: &str) -> Read<NamePattern> {
    let refused = |message: &str| Err(DefinitionError::at(path, message));
    if sent == "*" {
        return Ok(NamePattern::Every);
    }
    const FORMS: &str =
        "Send a name, the beginning of names with `*` behind it (\"page_*\"), or \"*\" alone";
    if sent.starts_with('*') {
        return refused(FORMS);
    }
    let (text, is_prefix) = match sent.strip_suffix('*') {
        Some(prefix) => (prefix, true),
        None => (sent, false),
    };
    match EventName::parse(text) {
        // What surrounds a beginning belongs to it.
        Ok(_) if is_prefix => Ok(NamePattern::Prefix(text.into())),
        // Written without the blanks around it, it would be read as something else.
        Ok(name) if name.as_str().starts_with('*') || name.as_str().ends_with('*') => {
            refused(FORMS)
        }
        Ok(name) => Ok(NamePattern::Exact(name)),
        // Longer names of the caller's may begin so.
        Err(NameError::Reserved { .. })
            if is_prefix && [names::PURCHASE, names::REFUND, names::IDENTIFIED].contains(&text) =>
        {
            Ok(NamePattern::Prefix(text.into()))
        }
        Err(NameError::Reserved { .. }) => refused(match text.trim() {
            names::PURCHASE => "Orders have a condition of their own: send {\"purchase\":{}}",
            names::REFUND => {
                "Refunds are taken off orders: send {\"purchase\":{\"sum\":{…},\"currency\":…}}"
            }
            names::IDENTIFIED => {
                "Who was identified is asked by {\"trait\":…} or {\"firstSeen\":{…}}"
            }
            name if name.starts_with("segment_") => {
                "Members of a segment are asked by {\"segment\":ID}"
            }
            _ => {
                "Messages have a condition of their own: send {\"message\":\"opened\"}, or sent, delivered, clicked, unsubscribed, bounced, complained"
            }
        }),
        Err(error) => refused(&error.message()),
    }
}

fn score(fields: &Fields<'_>) -> Read<crate::segment::tree::NumberRange> {
    const EQUAL: &str = "Send `gte` or `lte` here: a score falls all the time, so that it is equal to nothing for long";
    fields.only(&["score"])?;
    let (path, value) = fields.required("score")?;
    let inner = Fields::of(&path, value)?;
    if inner.has("eq") {
        return Err(DefinitionError::at(child(&path, "eq"), EQUAL));
    }
    inner.only(&["gt", "gte", "lt", "lte"])?;
    let range = ranges::numbers(&inner)?;
    if range.only().is_some() {
        return Err(DefinitionError::at(path, EQUAL));
    }
    Ok(range)
}

fn purchase(fields: &Fields<'_>) -> Read<PurchaseLeaf> {
    fields.only(&["purchase", "within", "between", "ago", "includeNew"])?;
    let (path, value) = fields.required("purchase")?;
    let inner = Fields::of(&path, value)?;
    if let [word, ..] = inner
        .which(&["within", "between", "ago", "includeNew"])
        .as_slice()
    {
        let message = format!(
            "Send `{word}` beside `purchase`, not in it: {{\"purchase\":{{…}},\"{word}\":…}}"
        );
        return Err(DefinitionError::at(child(&path, word), message));
    }
    inner.only(&["count", "sum", "currency"])?;
    inner.refuse_second(&["count", "sum"])?;
    let currency = inner.text("currency")?;
    let currency = currency
        .map(|(path, code)| {
            Currency::parse(code).map_err(|error| DefinitionError::at(path, format!("{error}")))
        })
        .transpose()?;
    let measure = match (inner.get("sum"), currency) {
        (None, currency) => PurchaseMeasure::Count {
            range: count(&inner)?,
            currency,
        },
        (Some(_), None) => {
            let message = "Send `currency` too, such as \"EUR\": currencies are never added up";
            return Err(DefinitionError::at(child(&path, "currency"), message));
        }
        (Some((path, value)), Some(currency)) => {
            let sum = Fields::of(&path, value)?;
            sum.only(&ranges::COMPARISONS)?;
            PurchaseMeasure::Sum {
                range: ranges::numbers(&sum)?,
                currency,
            }
        }
    };
    Ok(PurchaseLeaf {
        measure,
        window: times::window(fields)?,
        include_new: fields.truth("includeNew")?,
    })
}

fn message(fields: &Fields<'_>) -> Read<MessageLeaf> {
    fields.only(&[
        "message",
        "without",
        "campaignId",
        "messageId",
        "link",
        "class",
        "count",
        "within",
        "between",
        "ago",
        "includeNew",
    ])?;
    let (path, value) = fields.required("message")?;
    let what: MessageFact = spelled(path.clone(), text(&path, value)?)?;
    let without = fields.text("without")?;
    let without = match without {
        Some((path, word)) => match spelled::<MessageFact>(path.clone(), word)? {
            other if other == what => {
                return Err(DefinitionError::at(
                    path,
                    "Send another word than under `message`",
                ));
            }
            other => Some(other),
        },
        None => None,
    };
    let link = match fields.text("link")? {
        Some((path, _)) if what != MessageFact::Clicked => {
            return Err(DefinitionError::at(
                path,
                "Send `link` beside \"message\":\"clicked\" alone",
            ));
        }
        Some((path, "")) => return Err(DefinitionError::at(path, "Send the link's target")),
        Some((path, link)) => Some(properties::bounded(&path, link)?),
        None => None,
    };
    let id = |name: &str| fields.text(name);
    let refused =
        |path: &str, error: IdError| DefinitionError::at(path, format!("Send {}", error.message()));
    Ok(MessageLeaf {
        what,
        without,
        campaign: match id("campaignId")? {
            Some((path, id)) => Some(CampaignId::parse(id).map_err(|error| refused(&path, error))?),
            None => None,
        },
        message: match id("messageId")? {
            Some((path, id)) => Some(MessageId::parse(id).map_err(|error| refused(&path, error))?),
            None => None,
        },
        link,
        class: class(fields)?,
        count: count(fields)?,
        window: times::window(fields)?,
        include_new: fields.truth("includeNew")?,
    })
}

fn seen(fields: &Fields<'_>, head: &str, which: Edge) -> Read<SeenLeaf> {
    const WORDS: [&str; 7] = [
        "within", "between", "ago", "before", "after", "on", "exists",
    ];
    fields.only(&[head, "includeNew"])?;
    let (path, value) = fields.required(head)?;
    let inner = Fields::of(&path, value)?;
    inner.only(&WORDS)?;
    inner.refuse_second(&WORDS)?;
    let test = if let Some(window) = times::window(&inner)? {
        SeenTest::In(window)
    } else if let Some((path, value)) = inner.get("before") {
        SeenTest::Before(times::moment(&path, value)?)
    } else if let Some((path, value)) = inner.get("after") {
        SeenTest::After(times::moment(&path, value)?)
    } else if let Some((path, value)) = inner.get("on") {
        SeenTest::On(times::day(&path, value)?)
    } else if let Some(exists) = inner.truth("exists")? {
        SeenTest::Exists(exists)
    } else {
        return Err(DefinitionError::at(
            path,
            "Send when: such as {\"within\":\"7d\"} or {\"before\":{\"ago\":\"30d\"}}",
        ));
    };
    Ok(SeenLeaf {
        which,
        test,
        include_new: fields.truth("includeNew")?,
    })
}

fn segment(fields: &Fields<'_>) -> Read<SegmentId> {
    fields.only(&["segment"])?;
    let (path, value) = fields.required("segment")?;
    let id = text(&path, value)?;
    SegmentId::parse(id).map_err(|error| {
        DefinitionError::at(path, format!("Send a segment's id, {}", error.message()))
    })
}

fn sequence(fields: &Fields<'_>, leaves: &mut usize) -> Read<SequenceLeaf> {
    fields.only(&["sequence", "within"])?;
    let (path, value) = fields.required("sequence")?;
    let sent = elements(&path, value, MAX_SEGMENT_STEPS, "steps")?;
    if sent.len() < 2 {
        return Err(DefinitionError::at(
            path,
            "Send two steps or more, in the order in which they happen",
        ));
    }
    let mut steps = Vec::with_capacity(sent.len());
    for (at, value) in sent.iter().enumerate() {
        steps.push(step(&element(&path, at), value, leaves)?);
    }
    let within = match fields.get("within") {
        Some((path, value)) => Some(times::span(&path, value)?),
        None => None,
    };
    Ok(SequenceLeaf { steps, within })
}

/// A step is one fact: nothing is counted, and nothing is asked of those who have none.
fn step(path: &str, value: &Value, leaves: &mut usize) -> Read<Leaf> {
    const STEPS: [&str; 3] = ["event", "purchase", "message"];
    let fields = Fields::of(path, value)?;
    let head = match fields.which(&STEPS).as_slice() {
        [head] => *head,
        _ => {
            let message = "Send one of `event`, `purchase` and `message` as a step";
            return Err(DefinitionError::at(path, message));
        }
    };
    const REFUSED: [&str; 9] = [
        "count",
        "sum",
        "min",
        "max",
        "avg",
        "first",
        "last",
        "without",
        "includeNew",
    ];
    let inner = match fields.get("purchase") {
        Some((path, value)) => Some(Fields::of(&path, value)?),
        None => None,
    };
    let refused = inner.iter().chain([&fields]).find_map(|fields| {
        let word = *fields.which(&REFUSED).first()?;
        Some((child(&fields.path, word), word))
    });
    if let Some((place, word)) = refused {
        let message = format!("Leave `{word}` out: a step of a sequence is one event");
        return Err(DefinitionError::at(place, message));
    }
    leaf(&fields, head, leaves)
}

fn class(fields: &Fields<'_>) -> Read<Option<ClassFilter>> {
    fields
        .text("class")?
        .map(|(path, word)| spelled(path, word))
        .transpose()
}

fn spelled<T: Spelled>(path: alloc::string::String, word: &str) -> Read<T> {
    T::of(word).ok_or_else(|| {
        let known: Vec<&str> = T::WORDS.iter().map(|(known, _)| *known).collect();
        DefinitionError::unknown(path, word, &known)
    })
}
