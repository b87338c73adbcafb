//! Who is in, who is not, and when that changes by time alone: per contact one row with the segments of which it is a
//! member or will be, and a timer that comes no later than the first of theirs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::asking::Asking;
use super::catalogue::Catalogue;
use super::concern::{concerned_by, judges_anew};
use super::kept::Kept;
use super::moves::{self, Cause, Due};
use super::people::Concerned;
use super::{CONTACTS, Engine};
use crate::record::{Seq, WorkspaceId};
use crate::views::view::Happening;

/// Instants that are tried to find when a membership changes; with more it is looked at again at the last of them. So a
/// contact with a long history costs no more at once than others.
const LOOKS: usize = 16;

/// What a segment's members and moves come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) members: u64,
    pub(super) entered: u64,
    pub(super) left: u64,
}

impl Engine<'_> {
    /// Whatever time alone brings about until then happens, in the order in which it is due, of `most` contacts
    /// at the most. Returns whether it was all of it.
    pub(super) fn pass(&mut self, until: i64, seq: Seq, most: usize) -> Result<bool, redb::Error> {
        for _ in 0..most {
            match self.remembered.timers.pop(until) {
                Some((at, workspace, contact)) => self.fire(at, workspace, contact, seq)?,
                None => return Ok(true),
            }
        }
        let next = self.remembered.timers.first();
        Ok(next.is_none_or(|due| due > until))
    }

    fn fire(
        &mut self,
        at: i64,
        workspace: WorkspaceId,
        contact: u32,
        seq: Seq,
    ) -> Result<(), redb::Error> {
        self.bring(workspace, [contact])?;
        let Some(mut standings) = self.standings(contact)? else {
            return Ok(());
        };
        match standings.first_due() {
            Some(due) if due == at => {}
            // Nothing is due yet; or what has come to hold just now has something that was due before.
            Some(due) => {
                self.remembered.timers.plan(due, workspace, contact);
                return Ok(());
            }
            None => return Ok(()),
        }
        let catalogue = self.catalogue(workspace);
        let mut due: Vec<usize> = Vec::new();
        standings.each.retain(|stands| {
            if stands.due != Some(at) {
                return true;
            }
            // Of a segment that is gone nothing is asked.
            let place = catalogue.place_of(stands.segment);
            due.extend(place);
            place.is_some()
        });
        let due_at = Due {
            at,
            seq,
            cause: Cause::Time,
            turn: 0,
        };
        if due.is_empty() {
            return self.put_standings(contact, &standings);
        }
        let mut asking = self.ask(workspace, contact, Some(standings), &catalogue)?;
        self.settle(&mut asking, &catalogue, &due, due_at)?;
        self.answered(asking)
    }

    /// Looks at those whom a record concerns.
    pub(super) fn look_at(
        &mut self,
        workspace: WorkspaceId,
        concerned: Concerned,
        happening: &Happening<'_>,
    ) -> Result<(), redb::Error> {
        let Concerned {
            owner,
            mut moved,
            kept: Some(kept),
        } = concerned
        else {
            return Ok(());
        };
        let catalogue = self.catalogue(workspace);
        let due = Due {
            at: happening.now,
            seq: happening.seq,
            cause: Cause::Record(happening.seq),
            turn: 0,
        };
        if moved.is_empty() {
            return match owner {
                Some(owner) => {
                    self.look_at_one(workspace, owner, &kept, &catalogue, happening, due)
                }
                None => Ok(()),
            };
        }
        // Facts have another owner: whatever looks at any may say something else.
        let all: Vec<usize> = (0..catalogue.all.len()).collect();
        moved.extend(owner);
        for contact in moved {
            drop(self.remembered.digests.take(workspace, contact));
            let standings = self.standings(contact)?;
            let mut asking = self.ask_anew(workspace, contact, standings, &catalogue)?;
            self.settle(&mut asking, &catalogue, &all, due)?;
            self.answered(asking)?;
        }
        Ok(())
    }

    /// The same of the contact whose fact it is.
    fn look_at_one(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        kept: &Kept,
        catalogue: &Catalogue,
        happening: &Happening<'_>,
        due: Due,
    ) -> Result<(), redb::Error> {
        let standings = self.standings(contact)?;
        let seen = standings.as_ref().map(|standings| standings.first_seen);
        let fact = kept.fact(happening.seq.0);
        let mut touched = concerned_by(catalogue, seen, happening, &fact);
        let mut asking = match (self.remembered.digests.take(workspace, contact), standings) {
            (Some(mut digest), standings) => {
                digest.add(&fact, catalogue);
                digest.forget(&touched.leaves);
                let mut asking = Asking::of(workspace, contact, standings, digest);
                if judges_anew(happening) {
                    // What was a person's doing may have shown itself to be none.
                    asking.see(self.rows)?;
                }
                asking
            }
            (None, Some(standings)) if touched.definitions.is_empty() => {
                return self.see(contact, standings, happening, &fact);
            }
            (None, standings) => self.ask_anew(workspace, contact, standings, catalogue)?,
        };
        if seen.is_none() {
            // Whoever is new stands otherwise than who has done nothing in what the record concerns alone.
            let is_new = asking.history(self.rows)?.facts().len() < 2;
            touched.definitions = match is_new {
                true => {
                    let of_nothing = catalogue.of_nothing.iter().copied();
                    let all = touched.definitions.into_iter().chain(of_nothing);
                    all.collect::<BTreeSet<usize>>().into_iter().collect()
                }
                false => (0..catalogue.all.len()).collect(),
            };
        }
        if !touched.definitions.is_empty() {
            self.settle(&mut asking, catalogue, &touched.definitions, due)?;
        }
        self.answered(asking)
    }

    /// Asks these definitions about a contact as of `due`, and notes what is otherwise than before.
    pub(super) fn settle(
        &mut self,
        asking: &mut Asking,
        catalogue: &Catalogue,
        places: &[usize],
        due: Due,
    ) -> Result<(), redb::Error> {
        let mut moves = Vec::new();
        for place in places {
            let active = &catalogue.all[*place];
            let compiled = &catalogue.compiled;
            for leaf in &active.plan.leaves {
                if compiled.needs_facts(*leaf as usize) {
                    asking.find(self.rows, catalogue, *leaf, due.at)?;
                }
            }
            let digest = &asking.digest;
            let (holds, changes) =
                active
                    .plan
                    .look(compiled, digest, due.at, &catalogue.calendar, LOOKS);
            let exists = digest.exists;
            let (is_member, changes) = (holds && exists, changes.filter(|_| exists));
            let standings = &mut asking.standings;
            let was_member = standings.put(active.number, is_member, changes, due.at);
            if is_member != was_member {
                let (workspace, contact) = (asking.workspace, asking.contact);
                self.put_member(workspace, active.number, contact, is_member);
                moves.push(moves::Kept::of(active, is_member));
            }
        }
        self.note_moves(asking, moves, due)
    }

    /// Puts somebody among the members, or takes them out.
    fn put_member(&mut self, workspace: WorkspaceId, segment: u32, contact: u32, is_member: bool) {
        self.remembered
            .put_member(workspace, segment, contact, is_member);
        let sign = if is_member { 1 } else { -1 };
        self.count_member(workspace, segment, sign);
    }

    /// Nobody is told that the contact, who is erased, was ever a member of anything.
    pub(super) fn forget_standing(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
    ) -> Result<(), redb::Error> {
        if let Some(standings) = self.standings(contact)? {
            for segment in standings.memberships() {
                self.put_member(workspace, segment, contact, false);
            }
            self.forget_moves(workspace, &standings)?;
        }
        self.rows.pages[CONTACTS].put(contact, &[])
    }

    /// Takes a contact out of segments that are gone, without a word.
    pub(super) fn leave_silently(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        gone: &BTreeSet<u32>,
    ) -> Result<(), redb::Error> {
        let Some(mut standings) = self.standings(contact)? else {
            return Ok(());
        };
        let left = standings.memberships().filter(|one| gone.contains(one));
        for segment in left.collect::<Vec<u32>>() {
            self.put_member(workspace, segment, contact, false);
        }
        standings.each.retain(|one| !gone.contains(&one.segment));
        self.put_standings(contact, &standings)
    }
}
