//! How a contact stands to segments, as a row by the contact's number: it is read and written with nearly every event.
//!
//! ```text
//! workspace
//! seen      0 of who was never seen, else 1 and when first
//! moves     0 of who never moved, else 1 and the place of the last group of moves
//! each, in the order of the numbers:
//! segment   four times how much more its number is than the one before; 2 more of a member; 1 more where there is a due
//! entered   how much later than the member before, or than 1970; only of a member
//! due       how much later than the due before, or than 1970; only where there is one
//! ```
//!
//! Numbers are those of `runs::bytes`; instants are milliseconds since 1970. A row is empty where nobody was ever asked about the
//! contact.

use super::CONTACTS;
use super::moves::MoveKey;
use crate::record::WorkspaceId;
use crate::views::rows::Rows;
use crate::views::runs::bytes::{Bad, Bytes, put, put_signed};

/// A contact of whom something is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standings {
    pub(super) workspace: WorkspaceId,
    pub(super) first_seen: Option<i64>,
    /// Where the last group of its moves lies, which leads to those before.
    pub(super) last_moves: Option<MoveKey>,
    /// In the order of the segments.
    pub(super) each: Vec<Stands>,
}

/// How a contact stands to one segment; of those that it is not in and will not be in by time alone there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stands {
    pub(super) segment: u32,
    /// Since when it is a member.
    pub(super) entered_at: Option<i64>,
    /// When that is to be looked at again, since it may change, provided that nothing new comes.
    pub(super) due: Option<i64>,
}

const IS_MEMBER: u64 = 2;
const HAS_DUE: u64 = 1;

impl Standings {
    /// Of who is new.
    pub(super) fn new(workspace: WorkspaceId) -> Self {
        Self {
            workspace,
            first_seen: None,
            last_moves: None,
            each: Vec::new(),
        }
    }

    pub(super) fn first_due(&self) -> Option<i64> {
        self.each.iter().filter_map(|stands| stands.due).min()
    }

    /// The segments that it is a member of.
    pub(super) fn memberships(&self) -> impl Iterator<Item = u32> + '_ {
        let inside = self.each.iter().filter(|one| one.entered_at.is_some());
        inside.map(|stands| stands.segment)
    }

    /// Since when it is a member of a segment.
    pub(super) fn entered_at(&self, segment: u32) -> Option<i64> {
        let at = self.each.binary_search_by_key(&segment, |one| one.segment);
        self.each[at.ok()?].entered_at
    }

    /// Puts how it stands to a segment at `now`; returns whether it was a member. That it is in none and will be in none
    /// is not put.
    pub(super) fn put(
        &mut self,
        segment: u32,
        is_member: bool,
        due: Option<i64>,
        now: i64,
    ) -> bool {
        let place = self.each.binary_search_by_key(&segment, |one| one.segment);
        let before = place.ok().and_then(|at| self.each[at].entered_at);
        let stands = Stands {
            segment,
            entered_at: is_member.then(|| before.unwrap_or(now)),
            due,
        };
        match (place, is_member || due.is_some()) {
            (Ok(at), true) => self.each[at] = stands,
            (Ok(at), false) => drop(self.each.remove(at)),
            (Err(at), true) => self.each.insert(at, stands),
            (Err(_), false) => {}
        }
        before.is_some()
    }

    pub(super) fn pack(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(10 + self.each.len() * 6);
        put(&mut row, u64::from(self.workspace.0));
        put(&mut row, u64::from(self.first_seen.is_some()));
        if let Some(first) = self.first_seen {
            put_signed(&mut row, first);
        }
        put(&mut row, u64::from(self.last_moves.is_some()));
        if let Some(last) = self.last_moves {
            last.put(&mut row);
        }
        let (mut segment, mut entered, mut due) = (0, 0, 0);
        let put_since = |row: &mut Vec<u8>, before: &mut i64, at: Option<i64>| {
            if let Some(at) = at {
                put_signed(row, at.wrapping_sub(*before));
                *before = at;
            }
        };
        for stands in &self.each {
            let more = u64::from(stands.segment - segment) << 2;
            let member = stands.entered_at.map_or(0, |_| IS_MEMBER);
            let has_due = stands.due.map_or(0, |_| HAS_DUE);
            put(&mut row, more | member | has_due);
            segment = stands.segment;
            put_since(&mut row, &mut entered, stands.entered_at);
            put_since(&mut row, &mut due, stands.due);
        }
        row
    }

    /// Of a contact, by its number; `None` of an empty row.
    pub(super) fn unpack(contact: u32, row: &[u8]) -> Result<Option<Self>, redb::Error> {
        if row.is_empty() {
            return Ok(None);
        }
        // A row that does not decode means the file: it is built anew then.
        let read = Self::read(contact, row);
        read.map(Some)
            .map_err(|Bad| redb::Error::Corrupted("standings cannot be read".into()))
    }

    fn read(contact: u32, row: &[u8]) -> Result<Self, Bad> {
        let mut bytes = Bytes(row);
        let workspace = WorkspaceId(u32::try_from(bytes.number()?).map_err(|_| Bad)?);
        let first_seen = match bytes.number()? {
            0 => None,
            _ => Some(bytes.signed()?),
        };
        let last_moves = match bytes.number()? {
            0 => None,
            _ => Some(MoveKey::read(&mut bytes, contact)?),
        };
        let mut each = Vec::with_capacity(bytes.0.len() / 4);
        let (mut segment, mut entered, mut due) = (0_u32, 0_i64, 0_i64);
        let since = |bytes: &mut Bytes<'_>, before: &mut i64, is_there: bool| {
            if !is_there {
                return Ok(None);
            }
            *before = before.wrapping_add(bytes.signed()?);
            Ok(Some(*before))
        };
        while !bytes.0.is_empty() {
            let first = bytes.number()?;
            let more = u32::try_from(first >> 2).map_err(|_| Bad)?;
            segment = segment.checked_add(more).ok_or(Bad)?;
            each.push(Stands {
                segment,
                entered_at: since(&mut bytes, &mut entered, first & IS_MEMBER != 0)?,
                due: since(&mut bytes, &mut due, first & HAS_DUE != 0)?,
            });
        }
        Ok(Self {
            workspace,
            first_seen,
            last_moves,
            each,
        })
    }
}

/// How a contact of a workspace stands, by its number; `None` where nothing is kept of it there.
pub(super) fn standings_of(
    rows: &Rows,
    workspace: WorkspaceId,
    contact: u32,
) -> Result<Option<Standings>, redb::Error> {
    let standings = Standings::unpack(contact, &rows.pages[CONTACTS].get(contact)?)?;
    Ok(standings.filter(|standings| standings.workspace == workspace))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(
            (workspace, first_seen) in any::<(u32, Option<i64>)>(),
            each in proptest::collection::btree_map(any::<u32>(), any::<(Option<i64>, Option<i64>)>(), 0..20)
        ) {
            let each = each.into_iter();
            let standings = Standings {
                workspace: WorkspaceId(workspace),
                first_seen,
                last_moves: None,
                each: each
                    .map(|(segment, (entered_at, due))| Stands { segment, entered_at, due })
                    .collect(),
            };
            prop_assert_eq!(Standings::unpack(7, &standings.pack()).unwrap(), Some(standings));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(Standings::unpack(7, &[]).unwrap(), None);
        assert!(Standings::unpack(7, &[0xff]).is_err());
        assert!(Standings::unpack(7, &[1, 0, 0, 0x01]).is_err());
    }
}
