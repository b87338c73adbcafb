//! Why a contact is a member, or is not: each condition, true or false, with the facts that decide it.

use alloc::string::String;
use alloc::vec::Vec;

use super::Definition;
use super::changes;
use super::evaluate::streams::{self, Hit};
use super::evaluate::{Scene, World, scored};
use super::facts::{Fact, History};
use super::refusal::{child, element};
use super::tree::{Condition, Edge, EventMeasure, Leaf};
use super::value::Value;
use crate::ids::EventId;
use crate::time::Timestamp;

/// Facts that are shown of one condition: the latest.
const MAX_EVIDENCE: usize = 10;

/// One condition of a definition, for one contact at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// Where it stands: `all[1].not`; empty for the definition itself.
    pub path: String,
    /// Whether it holds.
    pub holds: bool,
    /// The facts that decide it, the latest first; at most ten. Of a connective none: its parts have them.
    pub evidence: Vec<Evidence>,
    /// The next instant at which it is otherwise, provided that nothing new is learned.
    pub changes_at: Option<Timestamp>,
}

/// A fact that decides a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The event.
    pub id: EventId,
    /// When it counts from.
    pub time: Timestamp,
    /// What it is called.
    pub name: String,
    /// The value that was looked at: JSON, or an amount in major units with its currency.
    pub value: Option<String>,
}

impl Definition {
    /// Each condition, from the outermost in.
    #[must_use]
    pub fn explain(&self, history: &History, now: Timestamp, world: World<'_>) -> Vec<Explained> {
        let scene = Scene::of(history, now, world);
        let mut explained = Vec::new();
        let mut walk = Walk {
            scene: &scene,
            history,
            world,
            explained: &mut explained,
        };
        walk.condition(&self.root, String::new(), false);
        explained
    }
}

struct Walk<'a, 'h, 'w> {
    scene: &'a Scene<'h, 'w>,
    history: &'h History,
    world: World<'w>,
    explained: &'a mut Vec<Explained>,
}

impl Walk<'_, '_, '_> {
    fn condition(&mut self, condition: &Condition, path: String, negated: bool) {
        let now = self.scene.now;
        self.explained.push(Explained {
            path: path.clone(),
            holds: self.history.exists(now) && condition.holds(self.scene, negated),
            evidence: match condition {
                Condition::Leaf(leaf) => evidence(self.scene, leaf),
                Condition::All(_) | Condition::Any(_) | Condition::Not(_) => Vec::new(),
            },
            changes_at: changes::next_change(condition, negated, self.history, now, self.world),
        });
        match condition {
            Condition::All(conditions) => self.branches(conditions, &child(&path, "all"), negated),
            Condition::Any(conditions) => self.branches(conditions, &child(&path, "any"), negated),
            Condition::Not(inner) => self.condition(inner, child(&path, "not"), !negated),
            Condition::Leaf(_) => {}
        }
    }

    fn branches(&mut self, conditions: &[Condition], path: &str, negated: bool) {
        for (at, inner) in conditions.iter().enumerate() {
            self.condition(inner, element(path, at), negated);
        }
    }
}

/// The facts that decide a leaf.
fn evidence(scene: &Scene<'_, '_>, leaf: &Leaf) -> Vec<Evidence> {
    let shown = |hits: Vec<Hit<'_>>, value: &dyn Fn(&Fact) -> Option<String>| {
        let latest = hits.iter().rev().take(MAX_EVIDENCE);
        latest
            .map(|(time, fact)| of(fact, *time, value(fact)))
            .collect()
    };
    let plain = |hits| shown(hits, &|_| None);
    match leaf {
        Leaf::Event(leaf) => {
            let hits = streams::events(scene, &leaf.of, leaf.window);
            match &leaf.measure {
                EventMeasure::Count(_) => plain(hits),
                EventMeasure::Number { property, .. } => shown(hits, &|fact| {
                    streams::property(fact, property.as_str()).map(Value::to_json)
                }),
                EventMeasure::Edge(edge, test) => {
                    let hit = match edge {
                        Edge::First => hits.first(),
                        Edge::Last => hits.last(),
                    };
                    shown(hit.copied().into_iter().collect(), &|fact| {
                        streams::property(fact, test.path.as_str()).map(Value::to_json)
                    })
                }
            }
        }
        Leaf::Trait(test) => {
            let set = scene.trait_at(test.path.as_str()).into_iter();
            set.map(|(value, fact)| of(fact, fact.counts_from(), Some(value.to_json())))
                .collect()
        }
        Leaf::Score(_) => {
            let hits = scored(scene.facts).map(|(fact, _)| (fact.counts_from(), fact));
            plain(hits.collect())
        }
        Leaf::Purchase(leaf) => {
            let orders = streams::orders(scene, leaf);
            let latest = orders.iter().rev().take(MAX_EVIDENCE);
            latest
                .map(|order| {
                    let worth = alloc::format!(
                        "{} {}",
                        order.worth.to_decimal_string(),
                        order.worth.currency
                    );
                    of(order.paid, order.paid.counts_from(), Some(worth))
                })
                .collect()
        }
        Leaf::Message(leaf) => shown(streams::messages(scene, leaf), &|fact| {
            streams::message_of(fact).map(|message| message.as_str().into())
        }),
        Leaf::Seen(leaf) => {
            let seen = match leaf.which {
                Edge::First => scene.first_seen,
                Edge::Last => scene.last_seen,
            };
            let sightings = scene.facts.iter().filter(|fact| fact.is_sighting());
            let at = |fact: &&Fact| Some(fact.counts_from()) == seen;
            let one = sightings.filter(at).take(1);
            plain(one.map(|fact| (fact.counts_from(), fact)).collect())
        }
        Leaf::Sequence(leaf) => plain(streams::sequence(scene, leaf)),
        Leaf::Segment(_) => Vec::new(),
    }
}

fn of(fact: &Fact, time: Timestamp, value: Option<String>) -> Evidence {
    Evidence {
        id: fact.id,
        time,
        name: fact.name().into(),
        value,
    }
}
