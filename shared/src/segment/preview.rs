//! What a preview tells of a definition besides its members: what each condition leaves, what it names,
//! and what would be otherwise with newer contacts.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Definition;
use super::refusal::element;
use super::tree::{Condition, EventMeasure, Leaf, NamePattern, Path, PropertyTest, Test};
use super::value::Value;
use crate::event_name::EventName;
use crate::ids::{CampaignId, MessageId};
use crate::time::Timestamp;

/// What a definition names, each once: what was never seen of it is worth a warning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Names of events.
    pub events: BTreeSet<EventName>,
    /// Beginnings of such names.
    pub prefixes: BTreeSet<String>,
    /// Traits.
    pub traits: BTreeSet<Path>,
    /// Those of them that are read as times.
    pub dates: BTreeSet<Path>,
    /// Campaigns.
    pub campaigns: BTreeSet<CampaignId>,
    /// Messages.
    pub messages: BTreeSet<MessageId>,
}

impl Definition {
    /// What is left after each condition: for an `all` its first, its first two and so on, with the path
    /// of the last; for everything else the definition itself.
    #[must_use]
    pub fn steps(&self) -> Vec<(String, Definition)> {
        match &self.root {
            Condition::All(conditions) if !conditions.is_empty() => (0..conditions.len())
                .map(|last| {
                    let root = Condition::All(conditions[..=last].to_vec());
                    (element("all", last), Definition { root })
                })
                .collect(),
            _ => Vec::from([(String::new(), self.clone())]),
        }
    }

    /// The definition in which every `includeNew` says this; `None` where it has none.
    #[must_use]
    pub fn with_include_new(&self, said: bool) -> Option<Definition> {
        let mut turned = false;
        let root = turn(&self.root, said, &mut turned);
        turned.then_some(Definition { root })
    }

    /// What it names, in segments inside it not.
    #[must_use]
    pub fn mentions(&self) -> Mentions {
        let mut mentions = Mentions::default();
        for leaf in self.root.leaves() {
            mentions.of_leaf(leaf);
        }
        mentions
    }
}

impl Condition {
    /// The leaves, in their order.
    #[must_use]
    pub fn leaves(&self) -> Vec<&Leaf> {
        match self {
            Condition::All(conditions) | Condition::Any(conditions) => {
                conditions.iter().flat_map(Condition::leaves).collect()
            }
            Condition::Not(inner) => inner.leaves(),
            Condition::Leaf(leaf) => Vec::from([leaf]),
        }
    }
}

impl Mentions {
    fn of_leaf(&mut self, leaf: &Leaf) {
        match leaf {
            Leaf::Event(leaf) => match &leaf.of.name {
                NamePattern::Exact(name) => drop(self.events.insert(name.clone())),
                NamePattern::Prefix(prefix) => drop(self.prefixes.insert(prefix.clone())),
                NamePattern::Every => {}
            },
            Leaf::Trait(test) => {
                self.traits.insert(test.path.clone());
                if matches!(test.test, Test::Before(_) | Test::After(_) | Test::On(_)) {
                    self.dates.insert(test.path.clone());
                }
            }
            Leaf::Message(leaf) => {
                self.campaigns.extend(leaf.campaign.clone());
                self.messages.extend(leaf.message.clone());
            }
            Leaf::Sequence(leaf) => leaf.steps.iter().for_each(|step| self.of_leaf(step)),
            Leaf::Purchase(_) | Leaf::Score(_) | Leaf::Seen(_) | Leaf::Segment(_) => {}
        }
    }
}

impl Leaf {
    /// The conditions on properties of events, or on a trait, that the leaf has.
    #[must_use]
    pub fn property_tests(&self) -> Vec<&PropertyTest> {
        match self {
            Leaf::Trait(test) => Vec::from([test]),
            Leaf::Event(leaf) => {
                let end = match &leaf.measure {
                    EventMeasure::Edge(_, test) => Some(test),
                    EventMeasure::Count(_) | EventMeasure::Number { .. } => None,
                };
                leaf.of.conditions.iter().chain(end).collect()
            }
            Leaf::Sequence(leaf) => leaf.steps.iter().flat_map(Leaf::property_tests).collect(),
            Leaf::Purchase(_)
            | Leaf::Message(_)
            | Leaf::Score(_)
            | Leaf::Seen(_)
            | Leaf::Segment(_) => Vec::new(),
        }
    }
}

/// Whether a value is a time that matches nothing because it has no zone: `2026-03-01T10:00:00`.
#[must_use]
pub fn lacks_zone(value: &Value) -> bool {
    let Value::Text(text) = value else {
        return false;
    };
    let text = text.replacen(' ', "T", 1);
    Timestamp::parse_rfc3339(&text).is_err()
        && Timestamp::parse_rfc3339(&format!("{text}Z")).is_ok()
}

fn turn(condition: &Condition, said: bool, turned: &mut bool) -> Condition {
    let mut several = |conditions: &[Condition]| {
        conditions
            .iter()
            .map(|inner| turn(inner, said, turned))
            .collect()
    };
    match condition {
        Condition::All(conditions) => Condition::All(several(conditions)),
        Condition::Any(conditions) => Condition::Any(several(conditions)),
        Condition::Not(inner) => Condition::Not(alloc::boxed::Box::new(turn(inner, said, turned))),
        Condition::Leaf(leaf) => Condition::Leaf(match leaf.include_new() {
            None => leaf.clone(),
            Some(_) => {
                *turned = true;
                leaf.clone().with_include_new(Some(said))
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn read(json: &str) -> Definition {
        Definition::parse(json).unwrap()
    }

    #[test]
    fn the_conditions_of_an_all_are_taken_one_after_the_other() {
        let steps = read(r#"{"all":[{"event":"a"},{"event":"b"}]}"#).steps();
        let steps: Vec<_> = steps
            .iter()
            .map(|(path, step)| (path.as_str(), step.to_json()))
            .collect();
        assert_eq!(
            steps,
            vec![
                ("all[0]", r#"{"all":[{"event":"a"}]}"#.into()),
                ("all[1]", r#"{"all":[{"event":"a"},{"event":"b"}]}"#.into()),
            ]
        );
        assert_eq!(read(r#"{"event":"a"}"#).steps().len(), 1);
        assert_eq!(read(r#"{"all":[]}"#).steps().len(), 1);
    }

    #[test]
    fn include_new_is_turned_wherever_it_is_said() {
        let both = read(
            r#"{"all":[{"not":{"event":"a","within":"7d","includeNew":true}},{"event":"b"}]}"#,
        );
        let without = both.with_include_new(false).unwrap();
        assert_eq!(without.to_json(), both.to_json().replace("true", "false"));
        assert_eq!(read(r#"{"event":"a"}"#).with_include_new(true), None);
    }

    #[test]
    fn what_is_named_is_listed_once() {
        let named = read(
            r#"{"any":[{"event":"a"},{"event":"a","count":{"gte":2}},{"event":"p*"},{"trait":"x.y","on":"today"},
                {"message":"sent","campaignId":"c"},{"sequence":[{"event":"s"},{"message":"opened","messageId":"m"}]}]}"#,
        )
        .mentions();
        assert_eq!(named.events.len(), 2);
        assert_eq!(named.prefixes.len(), 1);
        assert_eq!((named.traits.len(), named.dates.len()), (1, 1));
        assert_eq!((named.campaigns.len(), named.messages.len()), (1, 1));
    }

    #[test]
    fn times_without_a_zone_are_told() {
        for (text, lacks) in [
            ("2026-03-01T10:00:00", true),
            ("2026-03-01 10:00:00", true),
            ("2026-03-01T10:00:00Z", false),
            ("2026-03-01", false),
            ("soon", false),
        ] {
            assert_eq!(lacks_zone(&Value::Text(text.into())), lacks, "{text}");
        }
        assert!(!lacks_zone(&Value::Null));
    }
}
