//! Who is in, who is not, and when that changes by time alone: per contact one row with the definitions of which
//! it is a member or will be, and one timer, which is the first of theirs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use shared::segment::facts::History;
use shared::time::Timestamp;

use super::catalogue::{Active, Catalogue};
use super::concern::concerned_by;
use super::kept;
use super::moves::{Cause, Due};
use super::people::{Concerned, kept_of};
use super::{Engine, MEMBERS, SEGMENTS, STANDINGS, TIMERS};
use crate::record::{Seq, WorkspaceId};
use crate::views::engagement::rows::{encode, from_sortable, key, read, sortable};
use crate::views::ordered::Way;
use crate::views::rows::Rows;
use crate::views::view::Happening;

/// Instants that are tried to find when a membership changes; with more it is looked at again at the last of them. So a
/// contact with a long history costs no more at once than others.
const LOOKS: usize = 16;

/// How a contact stands to one segment; of those that it is not in and will not be in by time alone there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stands {
    pub(super) segment: u32,
    pub(super) is_member: bool,
    /// When that is to be looked at again, since it may change, provided that nothing new comes; milliseconds since 1970.
    due: Option<i64>,
}

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
            if self.first_timer.is_some_and(|first| first > until) {
                return Ok(true);
            }
            let next = next_timer(self.rows)?;
            self.first_timer = Some(next.map_or(i64::MAX, |(due, ..)| due));
            match next {
                Some((due, workspace, contact)) if due <= until => {
                    self.fire(due, workspace, contact, seq)?;
                }
                _ => return Ok(true),
            }
        }
        Ok(next_timer(self.rows)?.is_none_or(|(due, ..)| due > until))
    }

    fn fire(
        &mut self,
        at: i64,
        workspace: WorkspaceId,
        contact: u32,
        seq: Seq,
    ) -> Result<(), redb::Error> {
        let catalogue = self.catalogue(workspace);
        let standings = standings_of(self.rows, workspace, contact)?;
        let is_due = |stands: &&Stands| stands.due.is_some_and(|due| due <= at);
        let due = standings.iter().filter(is_due);
        let due: Vec<usize> = due
            .filter_map(|stands| catalogue.place_of(stands.segment))
            .collect();
        if due.is_empty() {
            // Of segments that are gone, or a timer that none of them has asked for.
            return self.forget_timer(workspace, contact, at);
        }
        let facts = kept::facts(&kept_of(self.rows, workspace, contact)?);
        let due_at = Due {
            at,
            seq,
            cause: Cause::Time,
            turn: 0,
        };
        self.settle(
            workspace,
            contact,
            &History::of(facts),
            &catalogue,
            &due,
            due_at,
        )
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
        concerned: &Concerned,
        happening: &Happening<'_>,
    ) -> Result<(), redb::Error> {
        let catalogue = self.catalogue(workspace);
        let due = Due {
            at: happening.now,
            seq: happening.seq,
            cause: Cause::Record(happening.seq),
            turn: 0,
        };
        if concerned.moved.is_empty() {
            let Some(contact) = concerned.owner else {
                return Ok(());
            };
            let seen = self.seen(workspace, contact)?;
            let places = concerned_by(&catalogue, seen, happening);
            if places.is_empty() {
                return self.see(workspace, contact, seen, happening);
            }
            let facts = kept::facts(&kept_of(self.rows, workspace, contact)?);
            self.note_seen(workspace, contact, &facts)?;
            let history = History::of(facts);
            return self.settle(workspace, contact, &history, &catalogue, &places, due);
        }
        // Facts have another owner: whatever looks at any may say something else.
        let all: Vec<usize> = (0..catalogue.all.len()).collect();
        let mut contacts = concerned.moved.clone();
        contacts.extend(concerned.owner);
        for contact in contacts {
            let facts = kept::facts(&kept_of(self.rows, workspace, contact)?);
            self.note_seen(workspace, contact, &facts)?;
            self.settle(
                workspace,
                contact,
                &History::of(facts),
                &catalogue,
                &all,
                due,
            )?;
        }
        Ok(())
    }

    /// Asks these definitions about a contact as of `due`, and notes what is otherwise than before.
    pub(super) fn settle(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        history: &History,
        catalogue: &Catalogue,
        places: &[usize],
        due: Due,
    ) -> Result<(), redb::Error> {
        let now = Timestamp::from_millis(due.at);
        let mut standings = standings_of(self.rows, workspace, contact)?;
        let before = first_due(&standings);
        for place in places {
            let active = &catalogue.all[*place];
            let (is_member, changes) = catalogue.with_world(|world| {
                let definition = &active.definition;
                let is_member = definition.holds(history, now, world);
                (is_member, definition.next_look(history, now, world, LOOKS))
            });
            let stands = Stands {
                segment: active.number,
                is_member,
                due: changes.map(Timestamp::as_millis),
            };
            let was_member = replace(&mut standings, stands);
            if is_member != was_member {
                self.turn(workspace, contact, active, is_member, due)?;
            }
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
        let segment = segment.to_be_bytes();
        let row = key(workspace, &[&segment]);
        let mut totals: Totals = read(&self.rows.tables[SEGMENTS], &row)?.unwrap_or_default();
        let member = key(workspace, &[&segment, &contact.to_be_bytes()]);
        match entered_at {
            Some(at) => {
                totals.members += 1;
                self.rows.tables[MEMBERS].insert(&member, &at.to_le_bytes());
            }
            None => {
                totals.members = totals.members.saturating_sub(1);
                self.rows.tables[MEMBERS].remove(&member)?;
            }
        }
        self.rows.tables[SEGMENTS].insert(&row, &encode(&totals)?);
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
            self.rows.tables[STANDINGS].insert(&row, &encode(&standings)?);
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
            self.first_timer = self.first_timer.map(|first| first.min(after));
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

/// Puts how a contact stands to a segment; returns whether it was a member.
fn replace(standings: &mut Vec<Stands>, stands: Stands) -> bool {
    match standings.binary_search_by_key(&stands.segment, |known| known.segment) {
        Ok(at) => std::mem::replace(&mut standings[at], stands).is_member,
        Err(at) => {
            standings.insert(at, stands);
            false
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
    Ok(read(&rows.tables[STANDINGS], &row)?.unwrap_or_default())
}

fn timer(due: i64, workspace: WorkspaceId, contact: u32) -> Vec<u8> {
    let mut place = sortable(due).to_vec();
    place.extend(workspace.0.to_be_bytes());
    place.extend(contact.to_be_bytes());
    place
}

/// The timer that is due first: when, and whose.
pub(super) fn next_timer(rows: &Rows) -> Result<Option<(i64, WorkspaceId, u32)>, redb::Error> {
    let mut timers = rows.tables[TIMERS].range(&[], None, Way::Up)?;
    let Some(row) = timers.next().transpose()? else {
        return Ok(None);
    };
    let part = |from: usize| {
        row.0
            .get(from..from + 4)
            .and_then(|part| part.first_chunk())
    };
    let number = |from| u32::from_be_bytes(part(from).copied().unwrap_or_default());
    let due = row.0.first_chunk().copied().unwrap_or_default();
    Ok(Some((
        from_sortable(due),
        WorkspaceId(number(8)),
        number(12),
    )))
}
