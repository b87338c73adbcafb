//! A contact's row as bytes. It is written with every event, so that its times stand as distances from each other,
//! and nothing stands there twice.
//!
//! ```text
//! flags         u8: which of the following there are
//! spelling      4 bytes
//! seen          the first time, how much later the last is
//! elsewhere     how much later than the first, how much earlier than the last; only where either is
//! unsubscribed  a time
//! sums          the score's blocks, then its pages: how many, where that is not one block alone; then each:
//!               its key less the one before (of the first block: less the least of the last time's, were the
//!               half-life the usual one), its sum
//! own rules     the workspace, and by what contacts are sorted, as a float in 8 bytes; only where scores go by
//!               other rules than the usual ones
//! ```
//!
//! Numbers are those of `runs::bytes`.

use smallvec::SmallVec;

use super::contact::{Contact, Spelling};
use super::score::{KINDS, Score, Sums, block_of};
use crate::record::{Scoring, WorkspaceId};
use crate::views::runs::bytes::{Bad, Bytes, put, put_signed};

const SPELLED: u8 = 1;
const SEEN: u8 = 1 << 1;
const ELSEWHERE: u8 = 1 << 2;
/// The span elsewhere is not that of all.
const APART: u8 = 1 << 3;
const UNSUBSCRIBED: u8 = 1 << 4;
const ONE_BLOCK: u8 = 1 << 5;
const SUMS: u8 = 1 << 6;
const OWN_RULES: u8 = 1 << 7;

impl Contact {
    /// Writes the row behind what has been written.
    pub(super) fn pack(&self, into: &mut Vec<u8>) {
        let seen = self.seen();
        let elsewhere = self.seen_elsewhere;
        let Score { blocks, pages } = &self.score;
        let is_one_block = blocks.len() == 1 && pages.is_empty();
        let has_sums = !(is_one_block || blocks.is_empty() && pages.is_empty());
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        into.push(
            flag(self.spelling.is_some(), SPELLED)
                | flag(seen.is_some(), SEEN)
                | flag(elsewhere.is_some(), ELSEWHERE)
                | flag(elsewhere.is_some() && elsewhere != seen, APART)
                | flag(self.unsubscribed_at.is_some(), UNSUBSCRIBED)
                | flag(is_one_block, ONE_BLOCK)
                | flag(has_sums, SUMS)
                | flag(self.own_rules.is_some(), OWN_RULES),
        );
        if let Some(Spelling(digest)) = self.spelling {
            into.extend_from_slice(&digest);
        }
        let (first, last) = seen.unwrap_or_default();
        if seen.is_some() {
            put_signed(into, first);
            put(into, distance(first, last));
        }
        if let Some((from, to)) = elsewhere.filter(|_| elsewhere != seen) {
            put(into, distance(first, from));
            put(into, distance(to, last));
        }
        if let Some(at) = self.unsubscribed_at {
            put_signed(into, at);
        }
        if has_sums {
            put(into, blocks.len() as u64);
            put(into, pages.len() as u64);
        }
        let mut before = near(last);
        for (key, sum) in blocks {
            put_signed(into, *key - before);
            put_sum(into, *sum);
            before = *key;
        }
        let mut before = 0;
        for (key, sum) in pages {
            put_signed(into, *key - before);
            put(into, *sum);
            before = *key;
        }
        if let Some((workspace, _)) = self.own_rules {
            put(into, workspace.0.into());
            into.extend_from_slice(&self.height().to_le_bytes());
        }
    }

    /// Reads what [`Self::pack`] wrote.
    pub(super) fn unpack(bytes: &[u8]) -> Result<Self, Bad> {
        let mut read = Bytes(bytes);
        let [flags] = read.array()?;
        let has = |flag: u8| flags & flag != 0;
        let mut row = Self::default();
        if has(SPELLED) {
            row.spelling = Some(Spelling(read.array()?));
        }
        let (mut first, mut last) = (0, 0);
        if has(SEEN) {
            first = read.signed()?;
            last = first.wrapping_add_unsigned(read.number()?);
            (row.first_seen, row.last_seen) = (Some(first), Some(last));
        }
        if has(ELSEWHERE) {
            let mut elsewhere = (first, last);
            if has(APART) {
                elsewhere.0 = first.wrapping_add_unsigned(read.number()?);
                elsewhere.1 = last.wrapping_sub_unsigned(read.number()?);
            }
            row.seen_elsewhere = Some(elsewhere);
        }
        if has(UNSUBSCRIBED) {
            row.unsubscribed_at = Some(read.signed()?);
        }
        let (blocks, pages) = match (has(ONE_BLOCK), has(SUMS)) {
            (true, _) => (1, 0),
            (false, true) => (read.number()?, read.number()?),
            (false, false) => (0, 0),
        };
        row.score = Score {
            blocks: sums(&mut read, blocks, near(last), sum)?,
            pages: sums(&mut read, pages, 0, |read| read.number())?,
        };
        if has(OWN_RULES) {
            let workspace = u32::try_from(read.number()?).map_err(|_| Bad)?;
            let height = f64::from_le_bytes(read.array()?);
            row.own_rules = Some((WorkspaceId(workspace), height));
        }
        if read.is_empty() { Ok(row) } else { Err(Bad) }
    }
}

/// The least key of the half-life that a time lies in, under the usual rules.
fn near(time: i64) -> i64 {
    block_of(time, &Scoring::USUAL) * KINDS
}

/// How much later one time is than another, which is never the later one.
fn distance(from: i64, to: i64) -> u64 {
    to.wrapping_sub(from).cast_unsigned()
}

/// Hardly any sum has more than 63 bits; the lowest bit says whether the upper ones follow.
fn put_sum(into: &mut Vec<u8>, sum: i128) {
    let folded = (sum << 1 ^ sum >> 127).cast_unsigned();
    // The lower bits are meant.
    let low = folded as u64 & LOW;
    let high = folded >> 63;
    put(into, low << 1 | u64::from(high > 0));
    if high > 0 {
        put(into, high as u64);
        put(into, (high >> 64) as u64);
    }
}

fn sum(read: &mut Bytes<'_>) -> Result<i128, Bad> {
    let low = read.number()?;
    let mut folded = u128::from(low >> 1);
    if low & 1 == 1 {
        folded |= u128::from(read.number()?) << 63;
        // Only one bit is left for it.
        folded |= u128::from(read.number()?) << 127;
    }
    Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
}

const LOW: u64 = u64::MAX >> 1;

fn sums<T>(
    read: &mut Bytes<'_>,
    count: u64,
    mut before: i64,
    each: impl Fn(&mut Bytes<'_>) -> Result<T, Bad>,
) -> Result<Sums<T>, Bad> {
    let mut sums = SmallVec::new();
    for _ in 0..count {
        before = before.checked_add(read.signed()?).ok_or(Bad)?;
        sums.push((before, each(read)?));
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: i64 = 1_790_000_000_000;

    fn times() -> impl Strategy<Value = i64> {
        // Years 0 to 9999, and what is near each other.
        prop_oneof![
            3 => (0..90_000_000_i64).prop_map(|ms| NOON + ms),
            1 => -62_167_219_200_000..253_402_300_800_000_i64,
        ]
    }

    fn contacts() -> impl Strategy<Value = Contact> {
        let sums = |keys| {
            let sum = prop_oneof![4 => 1..1_i128 << 50, 1 => any::<i128>()];
            prop::collection::btree_map(keys, sum, 0..4)
        };
        let seen = prop::option::of((times(), 0..1_u64 << 40));
        let elsewhere = prop_oneof![
            Just(None),
            Just(Some((0, 0))),
            (0..100_u64, 0..100_u64).prop_map(Some),
        ];
        (
            any::<Option<[u8; 4]>>(),
            seen,
            elsewhere,
            prop::option::of(times()),
            sums(-900 * KINDS..4_000 * KINDS),
            sums(-700_000 * KINDS..3_000_000 * KINDS),
        )
            .prop_map(
                |(spelling, seen, elsewhere, unsubscribed_at, blocks, pages)| {
                    let seen =
                        seen.map(|(first, more)| (first, first.saturating_add_unsigned(more)));
                    let elsewhere = seen
                        .zip(elsewhere)
                        .map(|((first, last), (later, earlier))| {
                            (
                                first.saturating_add_unsigned(later),
                                last.saturating_sub_unsigned(earlier),
                            )
                        });
                    Contact {
                        address: None,
                        spelling: spelling.map(Spelling),
                        first_seen: seen.map(|(first, _)| first),
                        last_seen: seen.map(|(_, last)| last),
                        unsubscribed_at,
                        score: Score {
                            blocks: blocks.into_iter().collect(),
                            pages: pages
                                .into_iter()
                                .map(|(day, sum)| (day, sum as u64))
                                .collect(),
                        },
                        seen_elsewhere: elsewhere,
                        ..Contact::default()
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn a_row_is_read_as_it_is_written_and_what_is_cut_is_bad(
            contact in contacts(), cut in any::<prop::sample::Index>(), own_rules: bool,
        ) {
            let mut contact = contact;
            if own_rules {
                contact.own_rules = Some((WorkspaceId(7), contact.height()));
            }
            let mut bytes = Vec::new();
            contact.pack(&mut bytes);
            let read = Contact::unpack(&bytes);
            prop_assert_eq!(read, Ok(contact));
            let cut = cut.index(bytes.len());
            prop_assert!(Contact::unpack(&bytes[..cut]).is_err());
            bytes.push(0);
            prop_assert!(Contact::unpack(&bytes).is_err());
        }

        #[test]
        fn whatever_is_read_as_a_row_is_read_or_refused(bytes: Vec<u8>) {
            drop(Contact::unpack(&bytes));
        }
    }

    #[test]
    fn a_contact_with_some_events_takes_two_dozen_bytes() {
        let mut score = Score::default();
        score.add(super::super::score::Kind::Custom, NOON, &Scoring::USUAL);
        let last = NOON + 7 * 24 * 60 * 60 * 1000;
        let contact = Contact {
            spelling: Some(Spelling([1, 2, 3, 4])),
            first_seen: Some(NOON),
            last_seen: Some(last),
            seen_elsewhere: Some((NOON, last)),
            score,
            ..Contact::default()
        };
        let mut bytes = Vec::new();
        contact.pack(&mut bytes);
        assert_eq!(bytes.len(), 24);
    }
}
