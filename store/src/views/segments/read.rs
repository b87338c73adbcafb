//! What is asked of segments that are kept: who is a member, who moved, and why. It stands in rows.

use std::collections::{BTreeMap, BTreeSet};

use shared::ids::{EventId, SegmentId};
use shared::segment::Definition;
pub use shared::segment::Explained;
use shared::segment::facts::History;
use shared::time::Timestamp;

use super::catalogue::Catalogues;
use super::holding::Changing;
use super::kept;
use super::moves::{self, Move, MoveKey};
use super::people::kept_of;
use super::standing::Totals;
use super::stands::standings_of;
use super::{DAYS, MOVES, SEGMENTS, WHOLE, filled, held, next_due};
use crate::record::{ContactId, SegmentBooks, Since, WorkspaceId};
use crate::views::engagement::rows::{decode, from_sortable, key, read, sortable};
use crate::views::filter::Order;
use crate::views::ordered::{Way, successor};
use crate::views::rows::Rows;
use crate::views::shelf::Shelf;
use crate::views::{Building, Shelves, ViewError, Views, terms};

/// How far facts reach that are read out of the log once, where a workspace has come to use segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filling {
    /// Places of the log that were read, of so many.
    pub done: u64,
    pub total: u64,
}

/// How a segment stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    pub members: u64,
    /// Moves in and out, ever.
    pub entered: u64,
    pub left: u64,
}

/// A member.
#[derive(Clone, PartialEq, Eq)]
pub struct Member {
    /// By the number within the store: the cursor of lists.
    pub contact: u32,
    /// To be shown; `None` where nobody has told the address.
    pub email: Option<String>,
    pub entered_at: Timestamp,
}

/// A move, with what is shown of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Moved {
    pub of: Move,
    pub segment: SegmentId,
    pub name: String,
    pub email: Option<String>,
}

pub(super) fn of_segments(shelves: &Shelves) -> &Shelf {
    &shelves.segments
}

impl Views {
    /// When something is to be looked at next by time alone, before which nothing happens, in milliseconds since 1970;
    /// `None` where nothing is waited for.
    pub fn next_due(&self) -> Option<i64> {
        if self.keys().segments().of_workspace.is_empty() {
            return None;
        }
        let next = self.look(of_segments, |shelves| {
            next_due(&shelves.segments.rows, &shelves.catalogues)
        });
        next.ok().flatten()
    }

    /// How far the facts of a workspace reach; `None` where they are all there.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn segments_filling(&self, workspace: WorkspaceId) -> Result<Option<Filling>, ViewError> {
        let (known, cursor) = self.look(of_segments, |shelves| {
            let known = filled(&shelves.segments.rows, workspace)?;
            Ok((known, shelves.segments.cursor()))
        })?;
        Ok(match known {
            Some(known) if known == WHOLE => None,
            Some(known) => Some(Filling {
                done: known.reached.0,
                total: known.upto.0.max(1),
            }),
            None => Some(Filling {
                done: 0,
                total: cursor.0.max(1),
            }),
        })
    }

    /// From how far on definitions hold for everybody.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn segments_held(&self) -> Result<Since, ViewError> {
        self.look(
            of_segments,
            |shelves| Ok(held(&shelves.segments.rows)?.done),
        )
    }

    /// How a segment stands, by its number.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn segment_standing(
        &self,
        workspace: WorkspaceId,
        number: u32,
    ) -> Result<Standing, ViewError> {
        self.settled_for(workspace, number, |rows, _| {
            let row = key(workspace, &[&number.to_be_bytes()]);
            let totals: Totals = read(&rows.tables[SEGMENTS], &row)?.unwrap_or_default();
            Ok(Standing {
                members: totals.members,
                entered: totals.entered,
                left: totals.left,
            })
        })
    }

    /// How many entered and left on each day since then (UTC days since 1970), days without either left out.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn segment_days(
        &self,
        workspace: WorkspaceId,
        number: u32,
        since: i64,
    ) -> Result<Vec<(i64, u64, u64)>, ViewError> {
        self.settled_for(workspace, number, |rows, _| {
            let segment = number.to_be_bytes();
            let first = key(workspace, &[&segment, &sortable(since)]);
            let end = successor(&key(workspace, &[&segment]));
            let mut days = Vec::new();
            for row in rows.tables[DAYS].range(&first, end.as_deref(), Way::Up)? {
                let (place, row) = row?;
                let day = from_sortable(place.last_chunk().copied().unwrap_or_default());
                let (entered, left) = decode(&row)?;
                days.push((day, entered, left));
            }
            Ok(days)
        })
    }

    /// At most `limit` members behind this contact, in the order of their numbers.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn segment_members(
        &self,
        workspace: WorkspaceId,
        number: u32,
        behind: Option<u32>,
        limit: usize,
    ) -> Result<Vec<Member>, ViewError> {
        let found = self.settled_for(workspace, number, |rows, catalogues| {
            let numbers = catalogues
                .remembered(rows)?
                .members(workspace, number, behind, limit);
            let mut found = Vec::with_capacity(numbers.len());
            for contact in numbers {
                let standings = standings_of(rows, workspace, contact)?;
                let at = standings.and_then(|standings| standings.entered_at(number));
                found.push((contact, Timestamp::from_millis(at.unwrap_or_default())));
            }
            Ok(found)
        })?;
        let numbers: Vec<u32> = found.iter().map(|(contact, _)| *contact).collect();
        let emails = self.emails(&numbers)?;
        let members = found.into_iter().zip(emails);
        Ok(members
            .map(|((contact, entered_at), (_, email))| Member {
                contact,
                email,
                entered_at,
            })
            .collect())
    }

    /// In which of these segments (by their numbers) a contact is, in their order.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn segments_of(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
    ) -> Result<BTreeSet<u32>, ViewError> {
        let number = self.number_of(contact)?;
        self.settled(workspace, |rows| {
            let Some(number) = number else {
                return Ok(BTreeSet::new());
            };
            let standings = standings_of(rows, workspace, number)?;
            let standings = standings.iter();
            Ok(standings.flat_map(|one| one.memberships()).collect())
        })
    }

    /// At most `limit` moves of a workspace behind this one, in the order in which they were due.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn segment_moves(
        &self,
        workspace: WorkspaceId,
        behind: MoveKey,
        limit: usize,
    ) -> Result<Vec<Moved>, ViewError> {
        let books = self.keys().segments();
        let found = self.look(of_segments, |shelves| {
            let rows = &shelves.segments.rows;
            // That of this one is told as far as it lies behind.
            let first = behind.row(workspace);
            let end = end_of_moves(rows, &books, workspace)?;
            let mut found = Vec::new();
            for row in rows.tables[MOVES].range(&first, end.as_deref(), Way::Up)? {
                let (place, row) = row?;
                let moves = moves::moves_in(&place, &row)?;
                found.extend(moves.filter(|(key, _)| *key > behind));
                if found.len() >= limit {
                    break;
                }
            }
            found.truncate(limit);
            Ok(found)
        })?;
        self.shown(workspace, found)
    }

    /// Those moves of a contact that are wanted, at most `limit`, in this order. They are gone through from the newest on.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn segment_moves_of(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
        order: Order,
        wanted: impl Fn(MoveKey) -> bool,
        limit: usize,
    ) -> Result<Vec<Moved>, ViewError> {
        let number = self.number_of(contact)?;
        let found = self.settled(workspace, |rows| {
            let mut found = Vec::new();
            let Some(number) = number else {
                return Ok(found);
            };
            let Some(standings) = standings_of(rows, workspace, number)? else {
                return Ok(found);
            };
            moves::each_of(rows, workspace, &standings, |moves| {
                found.extend(moves.rev().filter(|(key, _)| wanted(*key)));
                order == Order::OldestFirst || found.len() < limit
            })?;
            if order == Order::OldestFirst {
                found.reverse();
            }
            found.truncate(limit);
            Ok(found)
        })?;
        self.shown(workspace, found)
    }

    /// The last move of a workspace; the first key where there is none.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn last_move(&self, workspace: WorkspaceId) -> Result<MoveKey, ViewError> {
        let books = self.keys().segments();
        self.look(of_segments, |shelves| {
            let rows = &shelves.segments.rows;
            let (first, end) = (key(workspace, &[]), end_of_moves(rows, &books, workspace)?);
            let mut moves = rows.tables[MOVES].range(&first, end.as_deref(), Way::Down)?;
            let last = moves.next().transpose()?;
            let Some((place, row)) = last else {
                return Ok(MoveKey::default());
            };
            let last = moves::moves_in(&place, &row)?.next_back();
            Ok(last.map(|(key, _)| key).unwrap_or_default())
        })
    }

    /// Each condition of a definition for one contact at an instant, true or false, with what decides it; `None` where
    /// there is no such contact. Segments inside it are those that hold.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn explain_segment(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
        definition: &Definition,
        now: Timestamp,
    ) -> Result<Option<(bool, Vec<Explained>)>, ViewError> {
        let Some(number) = self.number_of(contact)? else {
            return Ok(None);
        };
        let kept = self.settled(workspace, |rows| kept_of(rows, workspace, number))?;
        // What is gone may have been of them.
        if kept.is_empty() && self.segments_since(workspace)?.is_none() {
            return Ok(None);
        }
        let history = History::of(kept::facts(&kept));
        let books = self.keys().segments();
        let reached = self.segments_held()?;
        let book = books.of_workspace.get(&workspace);
        let catalogue = self.look(of_segments, |shelves| {
            Ok(book.map(|book| shelves.catalogues.get(workspace, book, reached)))
        })?;
        let catalogue = catalogue.unwrap_or_default();
        Ok(Some(catalogue.with_world(|world| {
            let explained = definition.explain(&history, now, world);
            (definition.holds(&history, now, world), explained)
        })))
    }

    /// Asks something of the rows of a segment, unless it is half way to another definition, or of another segment inside.
    pub(super) fn settled_for<T>(
        &self,
        workspace: WorkspaceId,
        number: u32,
        work: impl FnOnce(&Rows, &Catalogues) -> Result<T, redb::Error>,
    ) -> Result<T, ViewError> {
        let books = self.keys().segments();
        let book = books.of_workspace.get(&workspace);
        let found = self.look(of_segments, |shelves| {
            let rows = &shelves.segments.rows;
            if let (Some((since, ..)), Some(book)) = (held(rows)?.current, book) {
                let catalogue = shelves.catalogues.get(workspace, book, since);
                let changing = Changing::at(&catalogue, book, since);
                if changing.is_some_and(|changing| changing.is_of(&catalogue, number)) {
                    return Ok(Err(since));
                }
            }
            Ok(Ok(work(rows, &shelves.catalogues)?))
        })?;
        found.map_err(|since| ViewError::Building(Building::of_nothing(since.seq)))
    }

    /// Asks something of the rows of a workspace while no definition of it is half way to holding.
    pub(super) fn settled<T>(
        &self,
        workspace: WorkspaceId,
        work: impl FnOnce(&Rows) -> Result<T, redb::Error>,
    ) -> Result<T, ViewError> {
        let books = self.keys().segments();
        let found = self.look(of_segments, |shelves| {
            while_settled(&shelves.segments.rows, &books, workspace, work)
        })?;
        found.map_err(|since| ViewError::Building(Building::of_nothing(since.seq)))
    }

    /// The same of what may take long: see [`Self::ask`].
    pub(super) fn settled_at_length<T>(
        &self,
        workspace: WorkspaceId,
        work: impl FnOnce(&Rows) -> Result<T, redb::Error>,
    ) -> Result<T, ViewError> {
        let books = self.keys().segments();
        let found = self.ask(of_segments, |rows| {
            while_settled(rows, &books, workspace, work)
        })?;
        found.map_err(|since| ViewError::Building(Building::of_nothing(since.seq)))
    }

    /// The number of a contact within the store.
    fn number_of(&self, contact: ContactId) -> Result<Option<u32>, ViewError> {
        // Nothing is told of who is being erased.
        if self.contacts(&[contact])?.iter().flatten().next().is_none() {
            return Ok(None);
        }
        self.look(of_segments, |shelves| {
            Ok(shelves.terms.numbers[terms::CONTACTS].find(&contact.0))
        })
    }

    /// The addresses of contacts, as they are shown, with their ids.
    pub(super) fn emails(
        &self,
        numbers: &[u32],
    ) -> Result<Vec<(ContactId, Option<String>)>, ViewError> {
        let ids: Vec<ContactId> = self.look(of_segments, |shelves| {
            let book = &shelves.terms.numbers[terms::CONTACTS];
            let ids = numbers.iter().map(|number| book.digest(*number));
            Ok(ids
                .map(|id| ContactId(id.copied().unwrap_or_default()))
                .collect())
        })?;
        let known = self.contacts(&ids)?;
        let emails = known
            .into_iter()
            .map(|known| known.and_then(|known| known.address));
        Ok(ids.into_iter().zip(emails).collect())
    }

    fn shown(
        &self,
        workspace: WorkspaceId,
        found: Vec<(MoveKey, moves::Kept)>,
    ) -> Result<Vec<Moved>, ViewError> {
        let numbers: Vec<u32> = found.iter().map(|(place, _)| place.contact()).collect();
        let emails = self.emails(&numbers)?;
        let Some(secret) = self.keys().key_of(workspace) else {
            return Ok(Vec::new());
        };
        let books = self.keys().segments();
        let book = books.of_workspace.get(&workspace);
        let all = book.into_iter().flat_map(|book| book.segments.values());
        let names: BTreeMap<u32, (&SegmentId, &str)> = all
            .map(|segment| (segment.number, (&segment.id, segment.name.as_str())))
            .collect();
        let moved = found.into_iter().zip(emails);
        Ok(moved
            .filter_map(|((place, kept), (contact, email))| {
                let (segment, name) = names.get(&place.segment())?;
                let id: EventId = moves::id_of(&secret, segment, place, &kept, &contact.0);
                Some(Moved {
                    of: Move {
                        key: place,
                        id,
                        segment: place.segment(),
                        version: kept.version,
                        contact: place.contact(),
                        entered: kept.entered,
                        at: Timestamp::from_millis(place.at()),
                        cause: place.cause(),
                    },
                    segment: (*segment).clone(),
                    name: (*name).to_owned(),
                    email,
                })
            })
            .collect())
    }
}

/// Asks something of rows; from where on a definition of the workspace holds that is half way to holding, where there is
/// one.
fn while_settled<T>(
    rows: &Rows,
    books: &SegmentBooks,
    workspace: WorkspaceId,
    work: impl FnOnce(&Rows) -> Result<T, redb::Error>,
) -> Result<Result<T, Since>, redb::Error> {
    match unsettled(rows, books, workspace)? {
        Some(since) => Ok(Err(since)),
        None => Ok(Ok(work(rows)?)),
    }
}

/// From where on something of a workspace holds that does so for some already and not yet for all.
fn unsettled(
    rows: &Rows,
    books: &SegmentBooks,
    workspace: WorkspaceId,
) -> Result<Option<Since>, redb::Error> {
    let current = held(rows)?.current.map(|(since, ..)| since);
    let book = books.of_workspace.get(&workspace);
    Ok(current.filter(|since| book.is_some_and(|book| book.places().any(|place| place == *since))))
}

/// Before which key moves are told: those that a definition brings about which is half way to holding come first, and
/// are not all there.
fn end_of_moves(
    rows: &Rows,
    books: &SegmentBooks,
    workspace: WorkspaceId,
) -> Result<Option<Vec<u8>>, redb::Error> {
    Ok(match unsettled(rows, books, workspace)? {
        Some(since) => Some(MoveKey::of_definition(since).row(workspace)),
        None => successor(&key(workspace, &[])),
    })
}
