//! Moves into segments and out of them, in the order in which they were due: what streams and consumers are told.
//! The key of a move is made of what caused it, so that it is the same after every rebuild, whoever was erased since.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use shared::ids::{EventId, SegmentId};
use shared::time::Timestamp;

use super::catalogue::Active;
use super::standing::Totals;
use super::{DAYS, Engine, MOVES, MOVES_OF, SEGMENTS};
use crate::record::{Seq, Since, WorkspaceId, WorkspaceKey};
use crate::views::engagement::rows::{decode, encode, from_sortable, key, read, sortable};
use crate::views::rows::Rows;

pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Why somebody moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cause {
    /// Time passed.
    Time,
    /// The definition is new, or another one, or that of a segment which it asks for.
    Definition,
    /// The record at this place.
    Record(Seq),
}

impl Cause {
    /// Of what is due at one instant: first what time brings, then definitions, then records.
    fn rank(self) -> u8 {
        match self {
            Self::Time => 0,
            Self::Definition => 1,
            Self::Record(_) => 2,
        }
    }

    /// The spelling in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Definition => "definition",
            Self::Record(_) => "event",
        }
    }
}

/// Where a move stands among those of its workspace: when it was due, the last record before it, and what caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct MoveKey([u8; MoveKey::LENGTH]);

impl MoveKey {
    const LENGTH: usize = 8 + 8 + 1 + 4 + 4 + 4;

    fn new(due: Due, contact: u32, segment: u32) -> Self {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&sortable(due.at));
        bytes[8..16].copy_from_slice(&due.seq.0.to_be_bytes());
        bytes[16] = due.cause.rank();
        bytes[17..21].copy_from_slice(&due.turn.to_be_bytes());
        bytes[21..25].copy_from_slice(&contact.to_be_bytes());
        bytes[25..].copy_from_slice(&segment.to_be_bytes());
        Self(bytes)
    }

    /// Before all moves that a definition brings about which holds from here on.
    pub(super) fn of_definition(since: Since) -> Self {
        let due = Due {
            at: since.at,
            seq: since.seq,
            cause: Cause::Definition,
            turn: since.turn,
        };
        Self::new(due, 0, 0)
    }

    /// Behind all moves that were due until then.
    #[must_use]
    pub fn behind(at: Timestamp) -> Self {
        let mut bytes = [u8::MAX; Self::LENGTH];
        bytes[..8].copy_from_slice(&sortable(at.as_millis()));
        Self(bytes)
    }

    /// That of the group at the end of a row's key, and of no segment.
    fn of_group(place: &[u8]) -> Option<Self> {
        let group: &[u8; Self::LENGTH - 4] = place.last_chunk()?;
        let mut bytes = [0; Self::LENGTH];
        bytes[..group.len()].copy_from_slice(group);
        Some(Self(bytes))
    }

    fn with_segment(mut self, segment: u32) -> Self {
        self.0[Self::LENGTH - 4..].copy_from_slice(&segment.to_be_bytes());
        self
    }

    /// The last record before it, or the one that caused it.
    #[must_use]
    pub fn seq(self) -> Seq {
        Seq(u64::from_be_bytes(part(&self.0[8..])))
    }

    pub(super) fn cause(self) -> Cause {
        match self.0[16] {
            0 => Cause::Time,
            1 => Cause::Definition,
            _ => Cause::Record(self.seq()),
        }
    }

    pub(super) fn at(self) -> i64 {
        from_sortable(part(&self.0))
    }

    /// What all moves of one contact have in common that one cause brought about.
    fn group(&self) -> &[u8] {
        &self.0[..Self::LENGTH - 4]
    }

    pub(super) fn contact(self) -> u32 {
        u32::from_be_bytes(part(&self.0[21..]))
    }

    pub(super) fn segment(self) -> u32 {
        u32::from_be_bytes(part(&self.0[25..]))
    }

    /// Where the row of its group lies.
    pub(super) fn row(&self, workspace: WorkspaceId) -> Vec<u8> {
        key(workspace, &[self.group()])
    }

    fn row_of_contact(&self, workspace: WorkspaceId) -> Vec<u8> {
        key(workspace, &[&self.contact().to_be_bytes(), self.group()])
    }
}

impl std::fmt::Display for MoveKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for MoveKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_hex = text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 2 * Self::LENGTH || !is_hex {
            return Err(());
        }
        let mut bytes = [0; Self::LENGTH];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| ())?;
        }
        Ok(Self(bytes))
    }
}

fn part<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

/// What is kept of a move.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Kept {
    segment: u32,
    pub(super) entered: bool,
    pub(super) version: u32,
}

impl Kept {
    pub(super) fn of(active: &Active, entered: bool) -> Self {
        Self {
            segment: active.number,
            entered,
            version: active.version,
        }
    }
}

/// The row of a group: its moves in the order of the segments.
pub(super) type Group = Vec<Kept>;

/// The moves of a row.
pub(super) fn moves_in(
    place: &[u8],
    row: &[u8],
) -> Result<impl DoubleEndedIterator<Item = (MoveKey, Kept)>, redb::Error> {
    let group: Group = decode(row)?;
    let key = MoveKey::of_group(place).unwrap_or_default();
    Ok(group
        .into_iter()
        .map(move |kept| (key.with_segment(kept.segment), kept)))
}

/// Somebody moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    pub key: MoveKey,
    /// The same after every rebuild.
    pub id: EventId,
    pub segment: u32,
    pub version: u32,
    /// By the number within the store.
    pub contact: u32,
    pub entered: bool,
    /// When it was due.
    pub at: Timestamp,
    pub cause: Cause,
}

/// When something was due, and behind which record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) at: i64,
    pub(super) seq: Seq,
    pub(super) cause: Cause,
    /// Of a definition: [`Since::turn`](crate::record::Since).
    pub(super) turn: u32,
}

/// What was counted and stands in no row yet.
#[derive(Default)]
pub(super) struct Counts {
    of_segments: HashMap<(WorkspaceId, u32), Counted>,
    /// By segment and UTC day since 1970: into, and out.
    of_days: HashMap<((WorkspaceId, u32), i64), (i64, i64)>,
}

#[derive(Default)]
struct Counted {
    members: i64,
    /// Into, and out.
    moves: (i64, i64),
}

impl Engine<'_> {
    /// Notes the moves of a contact that one cause has brought about.
    pub(super) fn note_moves(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        mut moves: Group,
        due: Due,
    ) -> Result<(), redb::Error> {
        if moves.is_empty() {
            return Ok(());
        }
        let place = MoveKey::new(due, contact, 0);
        for one in &moves {
            self.count_move(workspace, place.with_segment(one.segment), one.entered, 1);
        }
        let row = place.row(workspace);
        let known: Option<Group> = read(&self.rows.tables[MOVES], &row)?;
        moves.extend(known.unwrap_or_default());
        moves.sort_by_key(|one| one.segment);
        self.rows.tables[MOVES].insert(&row, &encode(&moves)?);
        self.rows.tables[MOVES_OF].insert(&place.row_of_contact(workspace), &[]);
        Ok(())
    }

    /// Counts a move, or takes it back.
    fn count_move(&mut self, workspace: WorkspaceId, place: MoveKey, entered: bool, sign: i64) {
        let add = |counts: &mut (i64, i64)| {
            let (into, out) = counts;
            *if entered { into } else { out } += sign;
        };
        let segment = (workspace, place.segment());
        add(&mut self.counts.of_segments.entry(segment).or_default().moves);
        let day = place.at().div_euclid(DAY_MS);
        add(self.counts.of_days.entry((segment, day)).or_default());
    }

    /// Counts a member more, or one less.
    pub(super) fn count_member(&mut self, workspace: WorkspaceId, segment: u32, sign: i64) {
        let counts = self.counts.of_segments.entry((workspace, segment));
        counts.or_default().members += sign;
    }

    /// Adds what was counted to its rows.
    pub(super) fn add_counts(&mut self) -> Result<(), redb::Error> {
        let Counts {
            of_segments,
            of_days,
        } = std::mem::take(&mut self.counts);
        for ((workspace, segment), more) in of_segments {
            let row = key(workspace, &[&segment.to_be_bytes()]);
            let known: Totals = read(&self.rows.tables[SEGMENTS], &row)?.unwrap_or_default();
            let totals = Totals {
                members: known.members.saturating_add_signed(more.members),
                entered: known.entered.saturating_add_signed(more.moves.0),
                left: known.left.saturating_add_signed(more.moves.1),
            };
            self.rows.tables[SEGMENTS].insert(&row, &encode(&totals)?);
        }
        for (((workspace, segment), day), (into, out)) in of_days {
            let row = key(workspace, &[&segment.to_be_bytes(), &sortable(day)]);
            let known: Option<(u64, u64)> = read(&self.rows.tables[DAYS], &row)?;
            let known = known.unwrap_or_default();
            let counts = (
                known.0.saturating_add_signed(into),
                known.1.saturating_add_signed(out),
            );
            self.rows.tables[DAYS].insert(&row, &encode(&counts)?);
        }
        Ok(())
    }

    /// Takes out the moves of a contact that is erased.
    pub(super) fn forget_moves(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
    ) -> Result<(), redb::Error> {
        for place in moves_of(self.rows, workspace, contact)? {
            let row = place.row(workspace);
            if let Some(group) = self.rows.tables[MOVES].remove(&row)? {
                for (place, kept) in moves_in(&row, &group)? {
                    self.count_move(workspace, place, kept.entered, -1);
                }
            }
            let row = place.row_of_contact(workspace);
            self.rows.tables[MOVES_OF].remove(&row)?;
        }
        Ok(())
    }
}

/// Where the groups of a contact's moves lie, the oldest first.
pub(super) fn moves_of(
    rows: &Rows,
    workspace: WorkspaceId,
    contact: u32,
) -> Result<Vec<MoveKey>, redb::Error> {
    let mut found = Vec::new();
    let of_contact = key(workspace, &[&contact.to_be_bytes()]);
    for row in rows.tables[MOVES_OF].beginning_with(&of_contact)? {
        found.extend(MoveKey::of_group(&row?.0));
    }
    Ok(found)
}

/// The id of a move: of segment, version, contact, direction and cause, under the workspace's secret.
pub(super) fn id_of(
    secret: &WorkspaceKey,
    segment: &SegmentId,
    place: MoveKey,
    kept: &Kept,
    contact: &[u8; 16],
) -> EventId {
    // What happens at one instant by time, or from one place on by a definition, happens once.
    let cause: &[u8] = match place.cause() {
        Cause::Time => &place.0[..8],
        Cause::Definition => &place.0[..21],
        Cause::Record(_) => &place.0[8..16],
    };
    let mac = secret.mac(&[
        b"move",
        segment.as_str().as_bytes(),
        &kept.version.to_be_bytes(),
        contact,
        &[u8::from(kept.entered), place.cause().rank()],
        cause,
    ]);
    let mut bytes: [u8; 16] = part(&mac);
    // A UUID of the version for what somebody made of something (RFC 9562, section 5.8).
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    EventId::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_stand_in_the_order_in_which_they_were_due() {
        let place = |at, seq, cause, turn, contact, segment| {
            let due = Due {
                at,
                seq: Seq(seq),
                cause,
                turn,
            };
            MoveKey::new(due, contact, segment)
        };
        let places = [
            place(-5, 9, Cause::Time, 0, 1, 1),
            place(7, 1, Cause::Time, 0, 9, 9),
            place(7, 1, Cause::Definition, 0, 1, 2),
            place(7, 1, Cause::Definition, 0, 2, 1),
            place(7, 1, Cause::Definition, 1, 1, 1),
            place(7, 2, Cause::Record(Seq(2)), 0, 1, 1),
            place(8, 2, Cause::Time, 0, 3, 4),
        ];
        assert!(places.is_sorted());
        for place in places {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        let last = places[6];
        assert_eq!((last.at(), last.contact(), last.segment()), (8, 3, 4));
        assert!(MoveKey::behind(Timestamp::from_millis(7)) < last);
        assert!(MoveKey::behind(Timestamp::from_millis(8)) > last);
        assert!("0".parse::<MoveKey>().is_err());
    }
}
