//! A definition, a time zone or weights of scores that hold from now on: everybody is asked once, a portion at a time,
//! and who enters and who leaves is the difference.

use std::collections::BTreeSet;
use std::sync::Arc;

use shared::time::Timestamp;

use super::catalogue::{Catalogue, Touched};
use super::moves::{Cause, Due};
use super::people::contact_from;
use super::{ABOUT, BROUGHT, Engine, Filled, HELD, Held, SEGMENTS, SINCE, WHOLE, filled};
use crate::record::segments::Concern;
use crate::record::{SegmentBook, Seq, Since, WorkspaceId};
use crate::views::engagement::rows::{encode, key};
use crate::views::view::Happening;

impl Engine<'_> {
    /// From where on the next thing holds that does not yet, or not for everybody.
    pub(super) fn next_to_hold(&self) -> Option<Since> {
        match self.held.current {
            Some((since, ..)) => Some(since),
            None => self.books.next_behind(self.held.done),
        }
    }

    /// Makes everything hold that does from this place on, for `most` contacts at the most. Returns whether it does
    /// for all. Between two calls records may come, and time may pass: see [`Self::bring`].
    pub(super) fn hold(&mut self, since: Since, most: usize) -> Result<bool, redb::Error> {
        if self.held.current.is_none() {
            self.put_held(Held {
                current: Some((since, 0, 0)),
                ..self.held
            })?;
        }
        let Some((since, from_workspace, from_contact)) = self.held.current else {
            return Ok(true);
        };
        let mut left = most;
        let books = Arc::clone(&self.books);
        for workspace in books.of_workspace.range(WorkspaceId(from_workspace)..) {
            let workspace = *workspace.0;
            let Some(changing) = self.changing(since, workspace) else {
                continue;
            };
            let mut next = if workspace.0 == from_workspace {
                from_contact
            } else {
                0
            };
            while let Some(contact) = contact_from(self.rows, workspace, next)? {
                if left == 0 {
                    self.put_held(Held {
                        current: Some((since, workspace.0, contact)),
                        ..self.held
                    })?;
                    return Ok(false);
                }
                left -= 1;
                if self.rows.tables[ABOUT]
                    .remove(&brought(workspace, contact))?
                    .is_none()
                {
                    self.hold_for(since, workspace, contact, &changing)?;
                }
                match contact.checked_add(1) {
                    Some(contact) => next = contact,
                    None => break,
                }
            }
            // Of whom nothing is kept any more.
            self.forget_brought(workspace)?;
            self.add_counts()?;
            for number in &changing.gone {
                let row = key(workspace, &[&number.to_be_bytes()]);
                self.rows.tables[SEGMENTS].remove(&row)?;
            }
        }
        self.put_held(Held {
            done: since,
            current: None,
        })?;
        self.changing = None;
        Ok(true)
    }

    /// The same for one contact.
    fn hold_for(
        &mut self,
        since: Since,
        workspace: WorkspaceId,
        contact: u32,
        changing: &Changing,
    ) -> Result<(), redb::Error> {
        if !changing.gone.is_empty() {
            self.leave_silently(workspace, contact, &changing.gone)?;
        }
        if changing.places.is_empty() {
            return Ok(());
        }
        let catalogue = self.catalogue(workspace);
        let standings = self.standings(contact)?;
        let mut asking = self.ask(workspace, contact, standings, &catalogue)?;
        if !asking.digest.exists {
            return Ok(());
        }
        let due = Due {
            at: since.at,
            seq: since.seq,
            cause: Cause::Definition,
            turn: since.turn,
        };
        self.settle(&mut asking, &catalogue, &changing.places, due)?;
        self.answered(asking)
    }

    /// Makes what is being made to hold do so for these contacts, whose turn may not have come: before anything else
    /// happens with them.
    pub(super) fn bring(
        &mut self,
        workspace: WorkspaceId,
        contacts: impl IntoIterator<Item = u32>,
    ) -> Result<(), redb::Error> {
        let Some((since, from_workspace, from_contact)) = self.held.current else {
            return Ok(());
        };
        let Some(changing) = self.changing(since, workspace) else {
            return Ok(());
        };
        for contact in contacts {
            let is_past = (workspace.0, contact) < (from_workspace, from_contact);
            let row = brought(workspace, contact);
            if !is_past && self.rows.tables[ABOUT].get(&row)?.is_none() {
                self.hold_for(since, workspace, contact, &changing)?;
                self.rows.tables[ABOUT].insert(&row, &[]);
            }
        }
        Ok(())
    }

    fn forget_brought(&mut self, workspace: WorkspaceId) -> Result<(), redb::Error> {
        let all = [BROUGHT, &workspace.0.to_be_bytes()].concat();
        let rows = self.rows.tables[ABOUT].beginning_with(&all)?;
        let rows: Vec<Vec<u8>> = rows
            .map(|row| Ok(row?.0.into_owned()))
            .collect::<Result<_, redb::Error>>()?;
        for row in rows {
            self.rows.tables[ABOUT].remove(&row)?;
        }
        Ok(())
    }

    /// What is another thing in a workspace from this place on; `None` where nothing is.
    fn changing(&mut self, since: Since, workspace: WorkspaceId) -> Option<Arc<Changing>> {
        let of = (since, workspace);
        if let Some((known, changing)) = &self.changing
            && *known == of
        {
            return changing.clone();
        }
        let catalogue = self.catalogue(workspace);
        let book = self.books.of_workspace.get(&workspace)?;
        let changing = Changing::at(&catalogue, book, since).map(Arc::new);
        self.changing = Some((of, changing.clone()));
        changing
    }

    fn put_held(&mut self, held: Held) -> Result<(), redb::Error> {
        self.held = held;
        self.rows.tables[ABOUT].insert(HELD, &encode(&held)?);
        Ok(())
    }

    /// Takes in facts of before for workspaces that have come to use segments since; `reached` is how far the log has
    /// been read, `since` the arrival from which on it is whole.
    pub(super) fn fill(
        &mut self,
        happenings: &[Happening<'_>],
        from: Seq,
        reached: Option<Seq>,
        since: Option<Timestamp>,
    ) -> Result<(), redb::Error> {
        let books = Arc::clone(&self.books);
        for workspace in books.of_workspace.keys() {
            let Some(known) = filled(self.rows, *workspace)? else {
                continue;
            };
            if known == WHOLE || known.reached > from {
                continue;
            }
            if known.reached == Seq::START {
                self.note_since(*workspace, since)?;
            }
            for happening in happenings {
                let lies_before = happening.seq <= known.upto && happening.seq > known.reached;
                if happening.entry.workspace == *workspace && lies_before {
                    let concerned = self.keep(happening)?;
                    for contact in concerned.moved.into_iter().chain(concerned.owner) {
                        drop(self.remembered.digests.take(*workspace, contact));
                    }
                }
            }
            let filled = match reached {
                Some(reached) if reached < known.upto => Filled { reached, ..known },
                _ => WHOLE,
            };
            self.rows.tables[ABOUT].insert(&key(*workspace, &[]), &encode(&filled)?);
        }
        Ok(())
    }
}

/// The row of a contact for whom something holds before its turn has come.
fn brought(workspace: WorkspaceId, contact: u32) -> Vec<u8> {
    [BROUGHT, &workspace.0.to_be_bytes(), &contact.to_be_bytes()].concat()
}

/// What is another thing from some place on.
pub(super) struct Changing {
    /// Places of the definitions that say something else.
    pub(super) places: Vec<usize>,
    /// The segments that are gone.
    pub(super) gone: BTreeSet<u32>,
}

impl Changing {
    /// Whether that is so of the segment with this number.
    pub(super) fn is_of(&self, catalogue: &Catalogue, number: u32) -> bool {
        let mut places = self.places.iter();
        places.any(|place| catalogue.all[*place].number == number) || self.gone.contains(&number)
    }

    /// `None` where nothing changes there. The catalogue is that of what holds from there on.
    pub(super) fn at(catalogue: &Catalogue, book: &SegmentBook, since: Since) -> Option<Self> {
        if !book.places().any(|place| place == since) {
            return None;
        }
        let gone = book.segments.values().filter(|segment| {
            let from = segment.deleted.and_then(|(_, from)| from);
            from == Some(since)
        });
        Some(Self {
            places: places_at(catalogue, book, since),
            gone: gone.map(|segment| segment.number).collect(),
        })
    }
}

/// The definitions that say something else from here on.
fn places_at(catalogue: &Catalogue, book: &SegmentBook, since: Since) -> Vec<usize> {
    if book.zones.iter().any(|zone| zone.since == Some(since)) {
        return (0..catalogue.all.len()).collect();
    }
    let changed = book.segments.values().filter(|segment| {
        let mut versions = segment.versions.iter();
        versions.any(|version| version.since == Some(since))
    });
    let changed = changed.map(|segment| segment.number).collect();
    let mut places: BTreeSet<usize> = catalogue.with_dependents(&changed).into_iter().collect();
    if book.scorings.iter().any(|one| one.since == Some(since)) {
        let score = Concern {
            score: true,
            ..Concern::default()
        };
        let mut touched = Touched::default();
        catalogue.of_concern(score, &mut touched);
        places.extend(touched.definitions);
    }
    places.into_iter().collect()
}

impl Engine<'_> {
    /// Notes from when on the facts of a workspace are whole.
    fn note_since(
        &mut self,
        workspace: WorkspaceId,
        since: Option<Timestamp>,
    ) -> Result<(), redb::Error> {
        if let Some(since) = since {
            let row = key(workspace, &[SINCE]);
            self.rows.tables[ABOUT].insert(&row, &encode(&since.as_millis())?);
        }
        Ok(())
    }
}
