//! Who is in, who is not, and when that changes by time alone: per contact one row with the definitions of which
//! it is a member or will be, and one timer, which is the first of theirs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::asking::Asking;
use super::catalogue::{Active, Catalogue};
use super::concern::{concerned_by, is_of_message};
use super::kept::Kept;
use super::moves::{Cause, Due};
use super::people::Concerned;
use super::stands::{Stands, pack, unpack};
use super::timers::timer;
use super::{Engine, MEMBERS, STANDINGS, TIMERS};
use crate::record::{Seq, WorkspaceId};
use crate::views::engagement::rows::key;
use crate::views::rows::Rows;
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
            let Some((due, workspace, contact)) =
                self.upcoming
                    .pop(until, self.rows, &mut self.remembered.least_due)?
            else {
                return Ok(true);
            };
            self.fire(due, workspace, contact, seq)?;
        }
        Ok(self
            .upcoming
            .first(until, self.rows, &mut self.remembered.least_due)?
            .is_none())
    }

    fn fire(
        &mut self,
        at: i64,
        workspace: WorkspaceId,
        contact: u32,
        seq: Seq,
    ) -> Result<(), redb::Error> {
        self.bring(workspace, [contact])?;
        let catalogue = self.catalogue(workspace);
        let standings = standings_of(self.rows, workspace, contact)?;
        if first_due(&standings) != Some(at) {
            // It was another one's turn since.
            drop(self.rows.tables[TIMERS].remove(&timer(at, workspace, contact))?);
            return Ok(());
        }
        let is_due = |stands: &&Stands| stands.due.is_some_and(|due| due <= at);
        let due = standings.iter().filter(is_due);
        let due: Vec<usize> = due
            .filter_map(|stands| catalogue.place_of(stands.segment))
            .collect();
        if due.is_empty() {
            // Of segments that are gone, or a timer that none of them has asked for.
            return self.forget_timer(workspace, contact, at);
        }
        let due_at = Due {
            at,
            seq,
            cause: Cause::Time,
            turn: 0,
        };
        let mut asking = self.ask(workspace, contact, &catalogue)?;
        self.settle(&mut asking, &catalogue, &due, due_at)?;
        self.remember(asking);
        Ok(())
    }

    /// Lets go of what no definition that holds has asked for.
    fn forget_timer(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        at: i64,
    ) -> Result<(), redb::Error> {
        let mut standings = standings_of(self.rows, workspace, contact)?;
        for stands in &mut standings {
            stands.due = stands.due.filter(|due| *due > at);
        }
        self.rows.tables[TIMERS].remove(&timer(at, workspace, contact))?;
        let before = None;
        self.write_standings(workspace, contact, standings, before)
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
            drop(self.remembered.take(workspace, contact));
            let mut asking = self.ask_anew(workspace, contact, &catalogue)?;
            self.put_seen(workspace, contact, asking.digest.first_seen)?;
            self.settle(&mut asking, &catalogue, &all, due)?;
            self.remember(asking);
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
        let remembered = self.remembered.take(workspace, contact);
        let seen = match &remembered {
            Some(digest) if digest.exists => Some(digest.first_seen),
            _ => self.seen(workspace, contact)?,
        };
        let fact = kept.fact(happening.seq.0);
        let mut touched = concerned_by(catalogue, seen, happening, &fact);
        let mut asking = match remembered {
            Some(mut digest) => {
                digest.add(&fact, catalogue);
                digest.forget(&touched.leaves);
                let mut asking = Asking::of(workspace, contact, digest);
                if is_of_message(happening.entry) {
                    // What was a person's doing may have shown itself to be none.
                    asking.see(self.rows)?;
                }
                asking
            }
            None if seen.is_some() && touched.definitions.is_empty() => {
                return self.see(workspace, contact, seen, happening);
            }
            None => self.ask_anew(workspace, contact, catalogue)?,
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
        if seen != Some(asking.digest.first_seen) {
            self.put_seen(workspace, contact, asking.digest.first_seen)?;
        }
        if !touched.definitions.is_empty() {
            self.settle(&mut asking, catalogue, &touched.definitions, due)?;
        }
        self.remember(asking);
        Ok(())
    }

    /// Asks these definitions about a contact as of `due`, and notes what is otherwise than before.
    pub(super) fn settle(
        &mut self,
        asking: &mut Asking,
        catalogue: &Catalogue,
        places: &[usize],
        due: Due,
    ) -> Result<(), redb::Error> {
        let (workspace, contact) = (asking.workspace, asking.contact);
        let mut standings = standings_of(self.rows, workspace, contact)?;
        let before = first_due(&standings);
        let mut is_changed = false;
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
            let stands = Stands {
                segment: active.number,
                is_member: holds && digest.exists,
                due: changes.filter(|_| digest.exists),
            };
            let was = replace(&mut standings, stands);
            is_changed |= was != Some(stands);
            if stands.is_member != was.is_some_and(|was| was.is_member) {
                self.turn(workspace, contact, active, stands.is_member, due)?;
            }
        }
        if !is_changed {
            return Ok(());
        }
        self.write_standings(workspace, contact, standings, before)
    }

    /// Somebody enters or leaves.
    fn turn(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        active: &Active,
        enters: bool,
        due: Due,
    ) -> Result<(), redb::Error> {
        self.note_move(workspace, contact, active, enters, due)?;
        self.put_member(workspace, active.number, contact, enters.then_some(due.at))
    }

    /// Puts somebody among the members, or takes them out.
    fn put_member(
        &mut self,
        workspace: WorkspaceId,
        segment: u32,
        contact: u32,
        entered_at: Option<i64>,
    ) -> Result<(), redb::Error> {
        let member = key(workspace, &[&segment.to_be_bytes(), &contact.to_be_bytes()]);
        match entered_at {
            Some(at) => self.rows.tables[MEMBERS].insert(&member, &at.to_le_bytes()),
            None => drop(self.rows.tables[MEMBERS].remove(&member)?),
        }
        let sign = if entered_at.is_some() { 1 } else { -1 };
        self.count_member(workspace, segment, sign);
        Ok(())
    }

    /// Writes how a contact stands, and its timer.
    fn write_standings(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        mut standings: Vec<Stands>,
        before: Option<i64>,
    ) -> Result<(), redb::Error> {
        standings.retain(|stands| stands.is_member || stands.due.is_some());
        let row = key(workspace, &[&contact.to_be_bytes()]);
        if standings.is_empty() {
            self.rows.tables[STANDINGS].remove(&row)?;
        } else {
            self.rows.tables[STANDINGS].insert(&row, &pack(&standings));
        }
        let after = first_due(&standings);
        if before != after
            && let Some(before) = before
        {
            self.rows.tables[TIMERS].remove(&timer(before, workspace, contact))?;
        }
        if let Some(after) = after
            && before != Some(after)
        {
            self.upcoming.note(after, workspace, contact);
            self.remembered.least_due = self.remembered.least_due.min(after);
            self.rows.tables[TIMERS].insert(&timer(after, workspace, contact), &[]);
        }
        Ok(())
    }

    /// Nobody is told that the contact, who is erased, was a member of anything.
    pub(super) fn forget_standing(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
    ) -> Result<(), redb::Error> {
        let standings = standings_of(self.rows, workspace, contact)?;
        let gone: BTreeSet<u32> = standings.iter().map(|stands| stands.segment).collect();
        self.leave_silently(workspace, contact, &gone)
    }

    /// Takes a contact out of segments without a word: they are gone, or the contact is.
    pub(super) fn leave_silently(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        gone: &BTreeSet<u32>,
    ) -> Result<(), redb::Error> {
        let mut standings = standings_of(self.rows, workspace, contact)?;
        let before = first_due(&standings);
        for stands in &standings {
            if stands.is_member && gone.contains(&stands.segment) {
                self.put_member(workspace, stands.segment, contact, None)?;
            }
        }
        let count = standings.len();
        standings.retain(|stands| !gone.contains(&stands.segment));
        if standings.len() == count {
            return Ok(());
        }
        self.write_standings(workspace, contact, standings, before)
    }
}

/// Puts how a contact stands to a segment; returns how it stood. That it will never be in is not put where nothing was.
fn replace(standings: &mut Vec<Stands>, stands: Stands) -> Option<Stands> {
    match standings.binary_search_by_key(&stands.segment, |known| known.segment) {
        Ok(at) => Some(std::mem::replace(&mut standings[at], stands)),
        Err(_) if !stands.is_member && stands.due.is_none() => Some(stands),
        Err(at) => {
            standings.insert(at, stands);
            None
        }
    }
}

fn first_due(standings: &[Stands]) -> Option<i64> {
    standings.iter().filter_map(|stands| stands.due).min()
}

/// How a contact stands to segments, in the order of their numbers.
pub(super) fn standings_of(
    rows: &Rows,
    workspace: WorkspaceId,
    contact: u32,
) -> Result<Vec<Stands>, redb::Error> {
    let row = key(workspace, &[&contact.to_be_bytes()]);
    let row = rows.tables[STANDINGS].get(&row)?;
    row.map_or(Ok(Vec::new()), |row| unpack(&row))
}
