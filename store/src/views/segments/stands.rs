//! How a contact stands to segments, as a row: it is written with nearly every event.
//!
//! ```text
//! each, in the order of the numbers:
//! segment   four times how much more its number is than the one before; 2 more of a member; 1 more where there is a due
//! due       how much later than the due before, or than 1970; only where there is one
//! ```
//!
//! Numbers are those of `runs::bytes`.

use crate::views::runs::bytes::{Bad, Bytes, put, put_signed};

/// How a contact stands to one segment; of those that it is not in and will not be in by time alone there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stands {
    pub(super) segment: u32,
    pub(super) is_member: bool,
    /// When that is to be looked at again, since it may change, provided that nothing new comes; milliseconds since 1970.
    pub(super) due: Option<i64>,
}

const IS_MEMBER: u64 = 2;
const HAS_DUE: u64 = 1;

pub(super) fn pack(standings: &[Stands]) -> Vec<u8> {
    let mut row = Vec::with_capacity(standings.len() * 6);
    let (mut segment, mut due) = (0, 0);
    for stands in standings {
        let more = u64::from(stands.segment - segment) << 2;
        let member = if stands.is_member { IS_MEMBER } else { 0 };
        let has_due = if stands.due.is_some() { HAS_DUE } else { 0 };
        put(&mut row, more | member | has_due);
        segment = stands.segment;
        if let Some(at) = stands.due {
            put_signed(&mut row, at.wrapping_sub(due));
            due = at;
        }
    }
    row
}

pub(super) fn unpack(row: &[u8]) -> Result<Vec<Stands>, redb::Error> {
    // A row that does not decode means the file: it is built anew then.
    read(row).map_err(|Bad| redb::Error::Corrupted("standings cannot be read".into()))
}

fn read(row: &[u8]) -> Result<Vec<Stands>, Bad> {
    let mut standings = Vec::with_capacity(row.len() / 4);
    let mut bytes = Bytes(row);
    let (mut segment, mut due) = (0_u32, 0_i64);
    while !bytes.0.is_empty() {
        let first = bytes.number()?;
        let more = u32::try_from(first >> 2).map_err(|_| Bad)?;
        segment = segment.checked_add(more).ok_or(Bad)?;
        let at = match first & HAS_DUE {
            0 => None,
            _ => {
                due = due.wrapping_add(bytes.signed()?);
                Some(due)
            }
        };
        standings.push(Stands {
            segment,
            is_member: first & IS_MEMBER != 0,
            due: at,
        });
    }
    Ok(standings)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(
            stands in proptest::collection::btree_map(any::<u32>(), (any::<bool>(), any::<Option<i64>>()), 0..20)
        ) {
            let stands: Vec<Stands> = stands
                .into_iter()
                .map(|(segment, (is_member, due))| Stands { segment, is_member, due })
                .collect();
            let row = pack(&stands);
            prop_assert_eq!(unpack(&row).unwrap(), stands);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(unpack(&[0xff]).is_err());
        assert!(unpack(&[0x01]).is_err());
    }
}
