//! The moves of one contact into and out of a segment, as facts arrive and time passes: what a live
//! engine tells, said in the plainest way.

use std::vec::Vec;

use crate::segment::Definition;
use crate::segment::evaluate::World;
use crate::segment::facts::{Fact, History};
use crate::time::Timestamp;

/// A move into a segment or out of it.
#[derive(Debug)]
pub(super) struct Move {
    /// In, or out.
    pub(super) entered: bool,
    /// When it was due: the arrival of the fact that caused it, or the instant at which time alone did.
    pub(super) at: Timestamp,
}

impl Definition {
    /// The moves until an instant, as if the segment had been there from the start. Before a fact is
    /// looked at, what time alone has brought about until its arrival, that instant included, has
    /// happened. Facts that become the contact's by a later identify must carry its arrival as theirs.
    pub(super) fn moves(&self, facts: &[Fact], until: Timestamp, world: World<'_>) -> Vec<Move> {
        let mut arrivals: Vec<&Fact> = facts
            .iter()
            .filter(|fact| fact.received_at <= until)
            .collect();
        arrivals.sort_by_key(|fact| (fact.received_at, fact.seq));
        let mut replay = Replay {
            definition: self,
            world,
            known: Vec::new(),
            is_member: false,
            moves: Vec::new(),
        };
        let mut clock = Timestamp::from_millis(i64::MIN);
        for fact in arrivals {
            replay.pass(clock, fact.received_at);
            clock = fact.received_at;
            replay.known.push(fact.clone());
            replay.look(clock);
        }
        replay.pass(clock, until);
        replay.moves
    }
}

struct Replay<'a, 'w> {
    definition: &'a Definition,
    world: World<'w>,
    known: Vec<Fact>,
    is_member: bool,
    moves: Vec<Move>,
}

impl Replay<'_, '_> {
    /// What time alone brings about after one instant, up to another.
    fn pass(&mut self, from: Timestamp, until: Timestamp) {
        let history = History::of(self.known.iter().cloned());
        let mut clock = from;
        while let Some(next) = self.definition.next_change(&history, clock, self.world) {
            if next > until {
                break;
            }
            clock = next;
            self.note(!self.is_member, next);
        }
    }

    /// Whether the contact is a member now.
    fn look(&mut self, now: Timestamp) {
        let history = History::of(self.known.iter().cloned());
        let holds = self.definition.holds(&history, now, self.world);
        if holds != self.is_member {
            self.note(holds, now);
        }
    }

    fn note(&mut self, entered: bool, at: Timestamp) {
        self.is_member = entered;
        self.moves.push(Move { entered, at });
    }
}
