//! A definition, a time zone or weights of scores that hold from now on: everybody is asked once, a portion at a time, and who
//! enters and who leaves is the difference.

use std::collections::BTreeSet;
use std::sync::Arc;

use shared::segment::facts::History;
use shared::time::Timestamp;

use super::moves::{Cause, Due};
use super::people::{contact_from, kept_of};
use super::{ABOUT, Engine, Filled, HELD, Held, SEGMENTS, SINCE, WHOLE, filled, kept};
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
    /// for all.
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
        for (workspace, book) in books.of_workspace.range(WorkspaceId(from_workspace)..) {
            if !book.places().any(|place| place == since) {
                continue;
            }
            let first = if workspace.0 == from_workspace {
                from_contact
            } else {
                0
            };
            let gone = gone_at(book, since);
            let places = self.places_at(*workspace, book, since);
            let mut next = first;
            while let Some(contact) = contact_from(self.rows, *workspace, next)? {
                if left == 0 {
                    self.put_held(Held {
                        current: Some((since, workspace.0, contact)),
                        ..self.held
                    })?;
                    return Ok(false);
                }
                left -= 1;
                self.leave_silently(*workspace, contact, &gone)?;
                if !places.is_empty() {
                    let facts = kept::facts(&kept_of(self.rows, *workspace, contact)?);
                    // Of facts that were read out of the log nobody has noted it.
                    self.note_seen(*workspace, contact, &facts)?;
                    let due = Due {
                        at: since.at,
                        seq: since.seq,
                        cause: Cause::Definition,
                        turn: since.turn,
                    };
                    let catalogue = self.catalogue(*workspace);
                    self.settle(
                        *workspace,
                        contact,
                        &History::of(facts),
                        &catalogue,
                        &places,
                        due,
                    )?;
                }
                match contact.checked_add(1) {
                    Some(contact) => next = contact,
                    None => break,
                }
            }
            for number in gone {
                let row = key(*workspace, &[&number.to_be_bytes()]);
                self.rows.tables[SEGMENTS].remove(&row)?;
            }
        }
        self.put_held(Held {
            done: since,
            current: None,
        })?;
        Ok(true)
    }

    /// The definitions that say something else from here on.
    fn places_at(
        &mut self,
        workspace: WorkspaceId,
        book: &SegmentBook,
        since: Since,
    ) -> Vec<usize> {
        let catalogue = self.catalogue(workspace);
        if book.zones.iter().any(|zone| zone.since == Some(since)) {
            return (0..catalogue.all.len()).collect();
        }
        let mut by_score = BTreeSet::new();
        if book.scorings.iter().any(|one| one.since == Some(since)) {
            let score = Concern {
                score: true,
                ..Concern::default()
            };
            catalogue.concerned(score, &mut by_score);
        }
        let changed = book.segments.values().filter(|segment| {
            let mut versions = segment.versions.iter();
            versions.any(|version| version.since == Some(since))
        });
        by_score.extend(catalogue.with_dependents(&changed.map(|one| one.number).collect()));
        by_score.into_iter().collect()
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
                    self.keep(happening)?;
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

/// The segments that are gone from here on.
fn gone_at(book: &SegmentBook, since: Since) -> BTreeSet<u32> {
    let gone = book.segments.values().filter(|segment| {
        let from = segment.deleted.and_then(|(_, from)| from);
        from == Some(since)
    });
    gone.map(|segment| segment.number).collect()
}
