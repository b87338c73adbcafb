//! What a definition looks at of a contact. A record that concerns none of it changes nothing, now or later.

use std::collections::BTreeSet;

use shared::event_name::EventName;
use shared::ids::SegmentId;
use shared::segment::Definition;
use shared::segment::tree::{Edge, Leaf, MessageFact, NamePattern, Scalar, SeenTest, Test};

/// What a definition looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Events of these names; where a text is named, only those that have it at this path.
    pub events: Vec<(EventName, Option<(String, String)>)>,
    /// Events whose names begin so.
    pub prefixes: Vec<String>,
    /// Events of all names.
    pub every_event: bool,
    pub traits: bool,
    pub purchases: bool,
    pub messages: bool,
    /// Messages that were sent, and not only what came of them.
    pub sends: bool,
    /// When the contact was first seen.
    pub first_seen: bool,
    pub last_seen: bool,
    pub score: bool,
    /// Other segments.
    pub segments: BTreeSet<SegmentId>,
}

/// What a record may concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Concern {
    pub traits: bool,
    pub purchases: bool,
    pub messages: bool,
    /// A message is sent of which nothing else is known; where more than that is, [`Self::messages`].
    pub sends: bool,
    pub first_seen: bool,
    pub last_seen: bool,
    pub score: bool,
}

impl Reads {
    /// Those of a definition, without those of the segments inside it.
    #[must_use]
    pub fn of(definition: &Definition) -> Self {
        let mut reads = Self::default();
        for leaf in definition.root().leaves() {
            reads.add(leaf);
        }
        reads
    }

    fn add(&mut self, leaf: &Leaf) {
        // Who is younger than a window is told by when they were first seen.
        self.first_seen |= leaf.include_new() == Some(false);
        match leaf {
            Leaf::Event(leaf) => match &leaf.of.name {
                NamePattern::Exact(name) => {
                    let text = leaf.of.conditions.iter().find_map(|test| match &test.test {
                        Test::Eq(Scalar::Text(text)) => {
                            Some((test.path.as_str().to_owned(), text.clone()))
                        }
                        _ => None,
                    });
                    self.events.push((name.clone(), text));
                }
                NamePattern::Prefix(prefix) => self.prefixes.push(prefix.clone()),
                NamePattern::Every => self.every_event = true,
            },
            Leaf::Trait(_) => self.traits = true,
            Leaf::Score(_) => self.score = true,
            Leaf::Purchase(_) => self.purchases = true,
            Leaf::Message(leaf) => {
                self.messages = true;
                let asks = [Some(leaf.what), leaf.without];
                self.sends |= asks.contains(&Some(MessageFact::Sent));
            }
            Leaf::Seen(leaf) => match (leaf.which, &leaf.test) {
                (Edge::First, _) | (Edge::Last, SeenTest::Exists(_)) => self.first_seen = true,
                (Edge::Last, _) => self.last_seen = true,
            },
            Leaf::Segment(id) => drop(self.segments.insert(id.clone())),
            Leaf::Sequence(leaf) => leaf.steps.iter().for_each(|step| self.add(step)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(json: &str) -> Reads {
        Reads::of(&Definition::parse(json).unwrap())
    }

    #[test]
    fn what_a_definition_looks_at_is_told_wherever_it_stands() {
        let all = reads(
            r#"{"all":[{"event":"a","where":[{"property":"x.y","eq":"z"}]},{"event":"p_*"},
                {"not":{"any":[{"purchase":{}},{"trait":"plan","eq":"pro"}]}},
                {"sequence":[{"event":"s"},{"message":"opened"}]},{"score":{"gte":1}},
                {"lastSeen":{"within":"7d"}},{"segment":"one"},
                {"not":{"event":"b","within":"7d","includeNew":false}}]}"#,
        );
        let names: Vec<_> = all.events.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "s", "b"]);
        assert_eq!(all.events[0].1, Some(("x.y".into(), "z".into())));
        assert!(all.purchases && all.traits && all.messages && all.score);
        assert!(all.first_seen && all.last_seen && !all.every_event);
        assert_eq!((all.prefixes.len(), all.segments.len()), (1, 1));
        let plain = reads(r#"{"not":{"event":"b","within":"7d","includeNew":true}}"#);
        assert!(!plain.first_seen && !plain.last_seen);
        assert!(all.messages && !all.sends);
        let unread = reads(r#"{"message":"sent","without":"opened"}"#);
        assert!(unread.messages && unread.sends);
    }
}
