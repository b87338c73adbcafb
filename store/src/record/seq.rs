//! A record's place in the log. What callers see in its place is another number (`public_seq`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A record's place in the log: from 1, without gaps save where a damaged segment was set aside.
/// Callers see a [`PublicSeq`](super::public_seq::PublicSeq) in its place.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first record.
    pub const START: Self = Self(0);

    /// Whether there is none before it. Of a log whose floor it is nothing was ever dropped.
    #[must_use]
    pub fn is_first(self) -> bool {
        self <= Self::START.next()
    }

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Seq {
    type Err = std::num::ParseIntError;

    /// Digits alone: `u64::from_str` would take a sign too.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = if text.bytes().all(|byte| byte.is_ascii_digit()) {
            text
        } else {
            ""
        };
        digits.parse().map(Self)
    }
}
