//! The seq as callers see it: 24 digits that order a workspace's events and tell nothing of the other
//! workspaces. Not the place in the log that it stands for ([`Seq`]), nor when a commit gets its
//! stamp (`stamps`).
//!
//! ```text
//! 01 1764201600123456 000007
//! │  │                └ index among the workspace's records of that commit, from 0
//! │  └ the commit's time, microseconds since 1970; each commit's is later than the last one's
//! └ generation of the store, raised by each restore
//! ```
//! Stores from before these stamps gave out the place in the log itself. Those numbers stay valid:
//! filled up with zeros to 24 digits they are of generation 00, below all others.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use super::{Entry, Seq, WorkspaceId};

/// Digits of a seq.
const DIGITS: usize = 24;
/// An index has six digits.
const INDEXES: u128 = 1_000_000;
/// A time has sixteen.
const TIMES: u128 = 10_000_000_000_000_000;

/// The most records of one workspace in a commit. A commit takes some 16 MB of entries and one
/// append more, which is far less.
pub(crate) const MAX_INDEX: u32 = 999_999;
/// The generation of a store that was never restored.
pub(crate) const FIRST_GENERATION: u8 = 1;
/// A generation has two digits.
pub(crate) const MAX_GENERATION: u8 = 99;
/// The latest time of a commit, microseconds since 1970: in the year 2286.
pub(crate) const MAX_MICROS: u64 = 9_999_999_999_999_999;

/// What a commit gives its records: in which generation of the store it was made, and when.
/// `Default` is that of records from before there were stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp {
    /// 1 to 99; 0 before there were stamps.
    pub generation: u8,
    /// Microseconds since 1970, of 16 digits at most.
    pub micros: u64,
}

impl Stamp {
    /// Of blocks that were written before there were stamps, also once they are rewritten.
    pub const NONE: Self = Self {
        generation: 0,
        micros: 0,
    };

    /// Whether a seq can hold it.
    pub(crate) fn is_valid(self) -> bool {
        self.generation <= MAX_GENERATION && self.micros <= MAX_MICROS
    }
}

/// Counts the records of a commit for each workspace: the indexes in their seqs.
#[derive(Debug, Default)]
pub(crate) struct Indexes(HashMap<WorkspaceId, u32>);

impl Indexes {
    /// Goes on behind so many records of each workspace.
    pub(crate) fn behind(counts: impl IntoIterator<Item = (WorkspaceId, u32)>) -> Self {
        Self(counts.into_iter().collect())
    }

    /// The index of the workspace's next record, which is counted with it.
    pub(crate) fn take(&mut self, workspace: WorkspaceId) -> u32 {
        let next = self.0.entry(workspace).or_default();
        let index = *next;
        *next += 1;
        index
    }

    /// Takes the workspace's last record back.
    pub(crate) fn give_back(&mut self, workspace: WorkspaceId) {
        if let Some(next) = self.0.get_mut(&workspace) {
            *next = next.saturating_sub(1);
        }
    }

    /// How many were counted of each workspace that has one of these entries, where there were any.
    pub(crate) fn of(&self, entries: &[Entry]) -> Vec<(WorkspaceId, u32)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let counted = |entry: &Entry| {
            let count = self.0.get(&entry.workspace).copied().unwrap_or(0);
            (count > 0).then_some((entry.workspace, count))
        };
        let counts: BTreeMap<_, _> = entries.iter().filter_map(counted).collect();
        counts.into_iter().collect()
    }
}

/// A seq as callers see it. Its order is that of the log, and that of its text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PublicSeq(u128);

/// The text is no seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a seq has {DIGITS} digits")]
pub struct NotASeq;

impl PublicSeq {
    /// Before the first record.
    pub const START: Self = Self(0);

    /// The seq of the record at `seq`, which is the workspace's number `index` in its commit.
    #[must_use]
    pub fn of(stamp: Stamp, index: u32, seq: Seq) -> Self {
        let Stamp { generation, micros } = stamp;
        if generation == 0 {
            return Self(seq.0.into());
        }
        debug_assert!(micros <= MAX_MICROS && index <= MAX_INDEX);
        Self((u128::from(generation) * TIMES + u128::from(micros)) * INDEXES + u128::from(index))
    }

    /// The place in the log, of a seq from before there were stamps.
    #[must_use]
    pub fn old(self) -> Option<Seq> {
        u64::try_from(self.0)
            .ok()
            .filter(|_| self.0 < TIMES * INDEXES)
            .map(Seq)
    }

    /// Of any other: the stamp of its commit, and its index there.
    #[must_use]
    pub(crate) fn stamped(self) -> Option<(Stamp, u32)> {
        let generation = u8::try_from(self.0 / INDEXES / TIMES).ok()?;
        let micros = u64::try_from(self.0 / INDEXES % TIMES).ok()?;
        let index = u32::try_from(self.0 % INDEXES).ok()?;
        (generation > 0).then_some((Stamp { generation, micros }, index))
    }
}

impl fmt::Display for PublicSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$}", self.0)
    }
}

impl fmt::Debug for PublicSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicSeq({self})")
    }
}

impl FromStr for PublicSeq {
    type Err = NotASeq;

    /// All 24 digits; or up to 20, which are a number of an older store as it was given then.
    fn from_str(text: &str) -> Result<Self, NotASeq> {
        // Digits alone: `u128::from_str` would take a sign too.
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotASeq);
        }
        let seq = Self(text.parse().map_err(|_| NotASeq)?);
        let is_seq = match text.len() {
            DIGITS => seq.old().is_some() || seq.stamped().is_some(),
            1..=20 => seq.old().is_some(),
            _ => false,
        };
        if is_seq { Ok(seq) } else { Err(NotASeq) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What distinguishes seqs, in the order of the log: old ones come first, by their number.
    type Place = (Stamp, u32, u64);

    fn any_place() -> impl Strategy<Value = Place> {
        // Small parts too, so that they collide.
        let micros = prop_oneof![0..=MAX_MICROS, 0u64..3];
        let index = prop_oneof![0..=MAX_INDEX, 0u32..3];
        prop_oneof![
            any::<u64>().prop_map(|seq| (Stamp::default(), 0, seq)),
            (1u8..=99, micros, index).prop_map(|(generation, micros, index)| {
                (Stamp { generation, micros }, index, 0)
            }),
        ]
    }

    fn seq((stamp, index, seq): Place) -> PublicSeq {
        PublicSeq::of(stamp, index, Seq(seq))
    }

    proptest! {
        #[test]
        fn a_seq_is_read_as_it_is_written(place in any_place()) {
            let seq = seq(place);
            let text = seq.to_string();
            prop_assert_eq!(text.len(), 24);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit()));
            prop_assert_eq!(text.parse(), Ok(seq));
            let parts = seq.stamped().map(|(stamp, index)| (stamp, index, 0));
            let old = seq.old().map(|seq| (Stamp::default(), 0, seq.0));
            prop_assert_eq!((parts.or(old), parts.is_some()), (Some(place), place.0.generation > 0));
        }

        #[test]
        fn texts_sort_as_the_log_does(one in any_place(), other in any_place()) {
            let (a, b) = (seq(one), seq(other));
            prop_assert_eq!(one.cmp(&other), a.cmp(&b));
            prop_assert_eq!(one.cmp(&other), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn whatever_is_sent_as_a_seq_is_read_or_refused(text in "[0-9]{0,30}|.{0,30}") {
            if let Ok(seq) = text.parse::<PublicSeq>() {
                let written = seq.to_string();
                prop_assert!(written == text || text.len() <= 20 && written.ends_with(&text));
            }
        }
    }

    #[test]
    fn a_seq_has_generation_time_and_index() {
        let stamp = Stamp {
            generation: 1,
            micros: 1_764_201_600_123_456,
        };
        let seq = PublicSeq::of(stamp, 7, Seq(42));
        assert_eq!(seq.to_string(), "011764201600123456000007");
    }

    #[test]
    fn numbers_of_older_stores_are_taken_bare_and_filled_up() {
        let seq = PublicSeq::of(Stamp::default(), 0, Seq(42));
        assert_eq!(seq.to_string(), "000000000000000000000042");
        assert_eq!("42".parse(), Ok(seq));
        assert_eq!("000000000000000000000042".parse(), Ok(seq));
    }

    #[test]
    fn nothing_else_is_a_seq() {
        let texts = [
            "",
            "x",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1.0",
            "0x1",
            "١",
            // Beyond what a place can be.
            "99999999999999999999",
            "009999999999999999999999",
            // Neither length.
            "000000000000000000042",
            "00000000000000000000042",
            "0117642016001234560000070",
            "0117642016001234560000-7",
        ];
        for text in texts {
            assert_eq!(text.parse::<PublicSeq>(), Err(NotASeq), "{text}");
        }
    }
}
