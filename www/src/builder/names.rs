//! Names and values that the page has seen, to complete what is typed: of the newest events, of campaigns and of
//! segments, with how often each stood there and of which type it is.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;
use shared::segment::value::Value;

use crate::text::count;

/// Events whose names and properties are looked at: one page.
pub(crate) const LOOKED_AT: u32 = 1_000;
/// Suggestions of one field.
const MAX_SUGGESTED: usize = 50;
/// Names, and values of a name, that are kept apart.
const MAX_KEPT: usize = 500;
/// Longer values are nobody's to choose from a list.
const MAX_VALUE: usize = 100;
/// How deep objects are looked into: `cart.total.net`.
const MAX_LEVELS: usize = 3;

/// What may be completed in a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Event,
    /// Of the events of this name.
    Property(String),
    /// Of the property of this name, of the events of that.
    PropertyValue(String, String),
    Trait,
    TraitValue(String),
    Campaign,
    Message,
    Link,
    Currency,
    /// A segment, by its id.
    Segment,
    /// Nothing: a time is typed.
    Instant,
}

/// A page of events, as far as names go.
#[derive(Debug, Deserialize)]
pub(crate) struct SeenEvents {
    events: Vec<SeenEvent>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenEvent {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    message_id: Option<String>,
    properties: Box<RawValue>,
}

/// How often something was seen, and what.
#[derive(Debug, Default)]
struct Seen {
    times: u64,
    kind: Option<&'static str>,
    values: HashMap<String, u64>,
}

/// Paths of properties with what was seen there.
type Paths = BTreeMap<String, Seen>;

/// All that is known. A field may name what is not: this is only what the page has seen.
#[derive(Debug, Default)]
pub(crate) struct Names {
    looked_at: u64,
    events: BTreeMap<String, (u64, Paths)>,
    traits: Paths,
    campaigns: HashMap<String, u64>,
    messages: HashMap<String, u64>,
    links: HashMap<String, u64>,
    currencies: HashMap<String, u64>,
    /// Ids and names.
    segments: Vec<(String, String)>,
}

impl Names {
    /// Learns from a page of events.
    pub(crate) fn learn(&mut self, page: &SeenEvents) {
        for event in &page.events {
            self.looked_at += 1;
            let Ok(properties) = Value::read(event.properties.get()) else {
                continue;
            };
            let text = |name: &str| match properties.get(name) {
                Some(Value::Text(text)) => Some(text.as_str()),
                _ => None,
            };
            match event.kind.as_str() {
                "track"
                    if self.events.len() < MAX_KEPT || self.events.contains_key(&event.name) =>
                {
                    let (times, paths) = self.events.entry(event.name.clone()).or_default();
                    *times += 1;
                    note(paths, &properties, "", 0);
                }
                "identify" => note(&mut self.traits, &properties, "", 0),
                "purchase" => tally(&mut self.currencies, text("currency")),
                _ => {
                    tally(&mut self.campaigns, text("campaignId"));
                    tally(&mut self.links, text("url"));
                    tally(&mut self.messages, event.message_id.as_deref());
                }
            }
        }
    }

    /// Learns which segments there are.
    pub(crate) fn learn_segments(&mut self, segments: impl IntoIterator<Item = (String, String)>) {
        self.segments = segments.into_iter().collect();
    }

    /// Segments by id and name, save for one.
    pub(crate) fn segments(&self, without: Option<&str>) -> Vec<(String, String)> {
        let others = self.segments.iter();
        let others = others.filter(|(id, _)| Some(id.as_str()) != without);
        others.cloned().collect()
    }

    /// What a segment is called.
    pub(crate) fn segment(&self, id: &str) -> Option<&str> {
        let mut segments = self.segments.iter();
        segments
            .find(|(known, _)| known == id)
            .map(|(_, name)| name.as_str())
    }

    /// Values that fit a field, those that were seen most first, and what is said beside each.
    pub(crate) fn suggestions(&self, kind: &Kind) -> Vec<(String, String)> {
        let mut found: Vec<(&str, u64, &str)> = match kind {
            Kind::Event => {
                let events = self.events.iter();
                events
                    .map(|(name, (times, _))| (name.as_str(), *times, ""))
                    .collect()
            }
            Kind::Property(event) => paths(self.of_event(event)),
            Kind::PropertyValue(event, path) => values(self.of_event(event), path),
            Kind::Trait => paths(vec![&self.traits]),
            Kind::TraitValue(path) => values(vec![&self.traits], path),
            Kind::Campaign => tallied(&self.campaigns),
            Kind::Message => tallied(&self.messages),
            Kind::Link => tallied(&self.links),
            Kind::Currency => tallied(&self.currencies),
            Kind::Segment | Kind::Instant => Vec::new(),
        };
        found.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        found.dedup_by(|a, b| a.0 == b.0);
        found.truncate(MAX_SUGGESTED);
        let beside = |(name, times, kind): (&str, u64, &str)| {
            let kind = if kind.is_empty() {
                String::new()
            } else {
                format!(" · {kind}")
            };
            let beside = format!(
                "{} of the newest {}{kind}",
                count(times),
                count(self.looked_at)
            );
            (name.to_owned(), beside)
        };
        found.into_iter().map(beside).collect()
    }

    /// The properties of the events of a name, or of those whose names begin so.
    fn of_event(&self, name: &str) -> Vec<&Paths> {
        let events = self.events.iter();
        let fits = |known: &str| match name.strip_suffix('*') {
            Some(beginning) => known.starts_with(beginning),
            None => known == name,
        };
        events
            .filter(|(known, _)| fits(known))
            .map(|(_, (_, paths))| paths)
            .collect()
    }
}

fn note(paths: &mut Paths, value: &Value, path: &str, level: usize) {
    let Value::Object(fields) = value else {
        return;
    };
    for (name, value) in fields {
        let path = super::place::child(path, name);
        if !paths.contains_key(&path) && paths.len() >= MAX_KEPT {
            continue;
        }
        if matches!(value, Value::Object(_)) && level + 1 < MAX_LEVELS {
            note(paths, value, &path, level + 1);
            continue;
        }
        let seen = paths.entry(path).or_default();
        seen.times += 1;
        let elements = match value {
            Value::List(elements) => elements.as_slice(),
            other => std::slice::from_ref(other),
        };
        for element in elements {
            let (kind, text) = match element {
                Value::Text(text) => ("text", text.clone()),
                Value::Number(number) => ("number", number.to_string()),
                Value::Bool(value) => ("true or false", value.to_string()),
                _ => continue,
            };
            seen.kind = Some(kind);
            if text.chars().count() <= MAX_VALUE {
                tally(&mut seen.values, Some(&text));
            }
        }
    }
}

fn tally(counts: &mut HashMap<String, u64>, text: Option<&str>) {
    if let Some(text) = text
        && (counts.len() < MAX_KEPT || counts.contains_key(text))
    {
        *counts.entry(text.to_owned()).or_default() += 1;
    }
}

fn tallied(counts: &HashMap<String, u64>) -> Vec<(&str, u64, &'static str)> {
    counts
        .iter()
        .map(|(name, times)| (name.as_str(), *times, ""))
        .collect()
}

fn paths(of: Vec<&Paths>) -> Vec<(&str, u64, &str)> {
    let all = of.into_iter().flatten();
    all.map(|(path, seen)| (path.as_str(), seen.times, seen.kind.unwrap_or_default()))
        .collect()
}

fn values<'n>(of: Vec<&'n Paths>, path: &str) -> Vec<(&'n str, u64, &'n str)> {
    let seen = of.into_iter().filter_map(|paths| paths.get(path));
    seen.flat_map(|seen| {
        let kind = seen.kind.unwrap_or_default();
        seen.values
            .iter()
            .map(move |(value, times)| (value.as_str(), *times, kind))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_suggested_by_how_often_they_were_seen() {
        let mut names = Names::default();
        let page = r#"{"events":[
            {"type":"track","name":"joined","properties":{"plan":"pro","cart":{"total":12.50},"tags":["a","b"]}},
            {"type":"track","name":"joined","properties":{"plan":"pro"}},
            {"type":"track","name":"joined","properties":{"plan":"<b>"}},
            {"type":"track","name":"left","properties":{"why":"price"}},
            {"type":"identify","name":"identified","properties":{"seats":3}},
            {"type":"purchase","name":"purchase","properties":{"currency":"EUR","revenue":3}},
            {"type":"send","name":"email_sent","messageId":"m1","properties":{"campaignId":"autumn"}}]}"#;
        names.learn(&serde_json::from_str(page).unwrap());
        let of = |kind: Kind| names.suggestions(&kind);
        let only = |kind: Kind| {
            of(kind)
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of(Kind::Event),
            [
                ("joined".to_owned(), "3 of the newest 7".to_owned()),
                ("left".to_owned(), "1 of the newest 7".to_owned())
            ]
        );
        let property = |event: &str| only(Kind::Property(event.to_owned()));
        assert_eq!(property("joined"), ["plan", "cart.total", "tags"]);
        assert_eq!(property("*"), ["plan", "cart.total", "tags", "why"]);
        assert_eq!(property("other"), [""; 0]);
        let value = |path: &str| of(Kind::PropertyValue("joined".to_owned(), path.to_owned()));
        assert_eq!(
            value("plan")[0],
            ("pro".to_owned(), "2 of the newest 7 · text".to_owned())
        );
        assert_eq!(value("cart.total")[0].0, "12.5");
        assert_eq!(only(Kind::Trait), ["seats"]);
        assert_eq!(
            of(Kind::TraitValue("seats".to_owned()))[0].1,
            "1 of the newest 7 · number"
        );
        assert_eq!(
            (only(Kind::Currency), only(Kind::Campaign)),
            (vec!["EUR".to_owned()], vec!["autumn".to_owned()])
        );
    }
}
