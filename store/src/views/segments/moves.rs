//! Moves into segments and out of them, in the order in which they were due: what streams and consumers are told.
//! The key of a move is made of what caused it, so that it is the same after every rebuild, whoever was erased since.

use serde::{Deserialize, Serialize};
use shared::ids::{EventId, SegmentId};
use shared::time::Timestamp;
use smallvec::SmallVec;

use super::asking::Asking;
use super::catalogue::Active;
use super::remembered::Map;
use super::standing::Totals;
use super::stands::Standings;
use super::{DAYS, Engine, MOVES, SEGMENTS};
use crate::record::{Seq, Since, WorkspaceId, WorkspaceKey};
use crate::views::engagement::rows::{encode, from_sortable, key, read, sortable};
use crate::views::rows::Rows;
use crate::views::runs::bytes::{Bad, Bytes, put, put_signed};

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

    /// Adds the place of its group among those of its contact.
    pub(super) fn put(self, into: &mut Vec<u8>) {
        put_signed(into, self.at());
        put(into, self.seq().0);
        put(into, u64::from(self.0[16]));
        put(into, u64::from(u32::from_be_bytes(part(&self.0[17..]))));
    }

    /// What [`Self::put`] has added, of this contact and no segment.
    pub(super) fn read(bytes: &mut Bytes<'_>, contact: u32) -> Result<Self, Bad> {
        let mut key = [0; Self::LENGTH];
        key[..8].copy_from_slice(&sortable(bytes.signed()?));
        key[8..16].copy_from_slice(&bytes.number()?.to_be_bytes());
        key[16] = u8::try_from(bytes.number()?).map_err(|_| Bad)?;
        key[17..21].copy_from_slice(&bytes.small()?.to_be_bytes());
        key[21..25].copy_from_slice(&contact.to_be_bytes());
        Ok(Self(key))
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// What one cause has brought about for one contact, as a row.
///
/// ```text
/// before    0 where it is the contact's first, else 1 and the place of the group before it
/// each, in the order of the segments:
/// segment   twice how much more its number is than the one before; 1 more where it was entered
/// version
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Group {
    before: Option<MoveKey>,
    moves: Vec<Kept>,
}

impl Group {
    fn pack(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(16 + self.moves.len() * 3);
        put(&mut row, u64::from(self.before.is_some()));
        if let Some(before) = self.before {
            before.put(&mut row);
        }
        let mut segment = 0;
        for one in &self.moves {
            let more = u64::from(one.segment - segment);
            put(&mut row, more << 1 | u64::from(one.entered));
            put(&mut row, u64::from(one.version));
            segment = one.segment;
        }
        row
    }

    fn unpack(contact: u32, row: &[u8]) -> Result<Self, redb::Error> {
        // A row that does not decode means the file: it is built anew then.
        Self::read(contact, Bytes(row))
            .map_err(|Bad| redb::Error::Corrupted("moves cannot be read".into()))
    }

    fn read(contact: u32, mut bytes: Bytes<'_>) -> Result<Self, Bad> {
        let before = match bytes.number()? {
            0 => None,
            _ => Some(MoveKey::read(&mut bytes, contact)?),
        };
        let (mut moves, mut segment) = (Vec::new(), 0_u32);
        while !bytes.is_empty() {
            let first = bytes.number()?;
            let more = u32::try_from(first >> 1).map_err(|_| Bad)?;
            segment = segment.checked_add(more).ok_or(Bad)?;
            moves.push(Kept {
                segment,
                entered: first & 1 == 1,
                version: bytes.small()?,
            });
        }
        Ok(Self { before, moves })
    }
}

/// The moves of a row.
pub(super) fn moves_in(
    place: &[u8],
    row: &[u8],
) -> Result<impl DoubleEndedIterator<Item = (MoveKey, Kept)>, redb::Error> {
    let place = MoveKey::of_group(place).unwrap_or_default();
    let group = Group::unpack(place.contact(), row)?;
    Ok(of_group(place, group))
}

fn of_group(place: MoveKey, group: Group) -> impl DoubleEndedIterator<Item = (MoveKey, Kept)> {
    let moves = group.moves.into_iter();
    moves.map(move |kept| (place.with_segment(kept.segment), kept))
}

/// The group at a place, of a contact's that are chained.
fn group_at(rows: &Rows, workspace: WorkspaceId, place: MoveKey) -> Result<Group, redb::Error> {
    let row = rows.tables[MOVES].get(&place.row(workspace))?;
    let row = row.ok_or_else(|| redb::Error::Corrupted("moves are missing".into()))?;
    let group = Group::unpack(place.contact(), &row)?;
    if group.before.is_some_and(|before| before >= place) {
        return Err(redb::Error::Corrupted("moves are out of order".into()));
    }
    Ok(group)
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

/// What was counted and stands in no row yet, by segment.
#[derive(Default)]
pub(super) struct Counts(Map<(WorkspaceId, u32), Counted>);

#[derive(Default)]
struct Counted {
    members: i64,
    /// By UTC day since 1970: into, and out.
    days: SmallVec<[(i64, (i64, i64)); 2]>,
}

impl Counted {
    fn of_day(&mut self, day: i64) -> &mut (i64, i64) {
        let known = self.days.iter().rposition(|(known, _)| *known == day);
        let at = known.unwrap_or_else(|| {
            self.days.push((day, (0, 0)));
            self.days.len() - 1
        });
        &mut self.days[at].1
    }
}

impl Engine<'_> {
    /// Notes the moves of a contact that one cause has brought about.
    pub(super) fn note_moves(
        &mut self,
        asking: &mut Asking,
        moves: Vec<Kept>,
        due: Due,
    ) -> Result<(), redb::Error> {
        if moves.is_empty() {
            return Ok(());
        }
        let workspace = asking.workspace;
        let place = MoveKey::new(due, asking.contact, 0);
        for one in &moves {
            self.count_move(workspace, place.with_segment(one.segment), one.entered, 1);
        }
        // Nearly always it is the last; the groups behind it are those of what was due later.
        let (mut behind, mut before) = (None, asking.standings.last_moves);
        while let Some(later) = before.filter(|before| *before > place) {
            let group = group_at(self.rows, workspace, later)?;
            before = group.before;
            behind = Some((later, group));
        }
        let mut group = match before {
            Some(known) if known == place => group_at(self.rows, workspace, place)?,
            before => Group {
                before,
                moves: Vec::new(),
            },
        };
        group.moves.extend(moves);
        group.moves.sort_by_key(|one| one.segment);
        self.put_group(workspace, place, &group);
        match behind {
            None => asking.standings.last_moves = Some(place),
            Some((later, group)) => {
                let before = Some(place);
                self.put_group(workspace, later, &Group { before, ..group });
            }
        }
        Ok(())
    }

    fn put_group(&mut self, workspace: WorkspaceId, place: MoveKey, group: &Group) {
        self.rows.tables[MOVES].insert(&place.row(workspace), &group.pack());
    }

    /// Counts a move, or takes it back.
    fn count_move(&mut self, workspace: WorkspaceId, place: MoveKey, entered: bool, sign: i64) {
        let counted = self.counts.0.entry((workspace, place.segment()));
        let day = place.at().div_euclid(DAY_MS);
        let (into, out) = counted.or_default().of_day(day);
        *if entered { into } else { out } += sign;
    }

    /// Counts a member more, or one less.
    pub(super) fn count_member(&mut self, workspace: WorkspaceId, segment: u32, sign: i64) {
        let counted = self.counts.0.entry((workspace, segment));
        counted.or_default().members += sign;
    }

    /// Adds what was counted to its rows.
    pub(super) fn add_counts(&mut self) -> Result<(), redb::Error> {
        for ((workspace, segment), more) in std::mem::take(&mut self.counts).0 {
            let row = key(workspace, &[&segment.to_be_bytes()]);
            let mut totals: Totals = read(&self.rows.tables[SEGMENTS], &row)?.unwrap_or_default();
            totals.members = totals.members.saturating_add_signed(more.members);
            for (day, (into, out)) in more.days {
                totals.entered = totals.entered.saturating_add_signed(into);
                totals.left = totals.left.saturating_add_signed(out);
                let row = key(workspace, &[&segment.to_be_bytes(), &sortable(day)]);
                let known: Option<(u64, u64)> = read(&self.rows.tables[DAYS], &row)?;
                let known = known.unwrap_or_default();
                let counts = (
                    known.0.saturating_add_signed(into),
                    known.1.saturating_add_signed(out),
                );
                self.rows.tables[DAYS].insert(&row, &encode(&counts)?);
            }
            self.rows.tables[SEGMENTS].insert(&row, &encode(&totals)?);
        }
        Ok(())
    }

    /// Takes out the moves of a contact that is erased.
    pub(super) fn forget_moves(
        &mut self,
        workspace: WorkspaceId,
        standings: &Standings,
    ) -> Result<(), redb::Error> {
        let mut next = standings.last_moves;
        while let Some(place) = next {
            let group = group_at(self.rows, workspace, place)?;
            next = group.before;
            for (place, kept) in of_group(place, group) {
                self.count_move(workspace, place, kept.entered, -1);
            }
            self.rows.tables[MOVES].remove(&place.row(workspace))?;
        }
        Ok(())
    }
}

/// A contact's moves, group by group, the newest first, until `each` wants no more.
pub(super) fn each_of(
    rows: &Rows,
    workspace: WorkspaceId,
    standings: &Standings,
    mut each: impl FnMut(&mut dyn DoubleEndedIterator<Item = (MoveKey, Kept)>) -> bool,
) -> Result<(), redb::Error> {
    let mut next = standings.last_moves;
    while let Some(place) = next {
        let group = group_at(rows, workspace, place)?;
        next = group.before;
        if !each(&mut of_group(place, group)) {
            break;
        }
    }
    Ok(())
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_group_is_read_as_it_was_written(
            before in any::<Option<(i64, u64, u32)>>(),
            moves in prop::collection::btree_map(any::<u32>(), any::<(bool, u32)>(), 0..9),
        ) {
            let key_of = |(at, seq, turn)| {
                let (seq, cause) = (Seq(seq), Cause::Definition);
                MoveKey::new(Due { at, seq, cause, turn }, 7, 0)
            };
            let moves = moves.into_iter();
            let group = Group {
                before: before.map(key_of),
                moves: moves
                    .map(|(segment, (entered, version))| Kept { segment, entered, version })
                    .collect(),
            };
            prop_assert_eq!(Group::unpack(7, &group.pack()).unwrap(), group);
        }
    }

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
