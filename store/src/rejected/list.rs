//! The rejected events of a workspace, the newest first, page by page: for whoever looks for one without
//! its id.

use std::fmt;
use std::str::FromStr;

use redb::ReadableDatabase as _;

use super::tables::{Holder, REJECTED, place};
use super::{KEPT_MS, Rejected, RejectedStore};
use crate::locks::lock;
use crate::record::WorkspaceId;
use crate::record::identity::Sender;

/// The most rejections that are looked at for one page.
const MAX_LOOKED_AT: usize = 20_000;

/// A page of rejections.
#[derive(Debug, Default)]
pub struct Listed {
    pub found: Vec<Rejected>,
    /// Behind which the next page begins; absent where nothing is left to look at.
    pub next: Option<RejectedCursor>,
}

/// Where a rejection stands among those of its workspace, in order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RejectedCursor {
    received_at: i64,
    count: u64,
    /// [`Sender::code`].
    sender: u8,
}

/// The text is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAPlace;

impl fmt::Display for RejectedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "r-{:x}-{:x}-{}",
            self.received_at, self.count, self.sender
        )
    }
}

impl FromStr for RejectedCursor {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let mut parts = text.strip_prefix("r-").ok_or(NotAPlace)?.splitn(3, '-');
        let mut part = || {
            let part = parts.next().ok_or(NotAPlace)?;
            let is_plain = part.bytes().all(|byte| byte.is_ascii_alphanumeric());
            is_plain.then_some(part).ok_or(NotAPlace)
        };
        Ok(Self {
            received_at: i64::from_str_radix(part()?, 16).map_err(|_| NotAPlace)?,
            count: u64::from_str_radix(part()?, 16).map_err(|_| NotAPlace)?,
            sender: part()?.parse().map_err(|_| NotAPlace)?,
        })
    }
}

impl RejectedStore {
    /// Lists at most `limit` rejections of the last 30 days that are `wanted`, older than `before`. What
    /// waits for the disk is written first. Blocks on disk.
    pub fn list(
        &self,
        workspace: WorkspaceId,
        before: Option<RejectedCursor>,
        limit: usize,
        wanted: &dyn Fn(&Rejected) -> bool,
    ) -> Result<Listed, redb::Error> {
        if !lock(&self.shared.state).waiting.is_empty() {
            self.shared.flush()?;
        }
        let since = self.shared.clock.now().as_millis() - KEPT_MS;
        let database = self.shared.database();
        let transaction = database.begin_read()?;
        let table = transaction.open_table(REJECTED)?;
        // Of each kind of sender, from the newest down, the next row.
        let mut rows = Vec::new();
        let mut heads: Vec<Option<(RejectedCursor, Vec<u8>)>> = Vec::new();
        for sender in Sender::ALL {
            let holder = Holder { workspace, sender };
            let first = place(holder, since, 0);
            let last = match before {
                Some(before) => place(holder, before.received_at, u64::MAX),
                None => place(holder, i64::MAX, u64::MAX),
            };
            let mut range = table.range(first.as_slice()..=last.as_slice())?.rev();
            heads.push(next_row(&mut range, sender)?);
            rows.push((sender, range));
        }
        let mut listed = Listed::default();
        let mut last = None;
        for _ in 0..MAX_LOOKED_AT {
            let newest = (0..heads.len()).max_by_key(|at| heads[*at].as_ref().map(|head| head.0));
            let Some((newest, (at, row))) = newest.and_then(|n| Some((n, heads[n].take()?))) else {
                return Ok(listed);
            };
            let (sender, range) = &mut rows[newest];
            heads[newest] = next_row(range, *sender)?;
            if before.is_some_and(|before| at >= before) {
                continue;
            }
            let rejected: Rejected = serde_json::from_slice(&row)
                .map_err(|error| redb::Error::Corrupted(error.to_string()))?;
            if !wanted(&rejected) {
                last = Some(at);
                continue;
            }
            if listed.found.len() == limit {
                listed.next = last;
                return Ok(listed);
            }
            last = Some(at);
            listed.found.push(rejected);
        }
        listed.next = last;
        Ok(listed)
    }
}

type Row<'a> = Result<
    (
        redb::AccessGuard<'a, &'static [u8]>,
        redb::AccessGuard<'a, &'static [u8]>,
    ),
    redb::StorageError,
>;

fn next_row<'a>(
    rows: &mut impl Iterator<Item = Row<'a>>,
    sender: Sender,
) -> Result<Option<(RejectedCursor, Vec<u8>)>, redb::Error> {
    let Some(row) = rows.next() else {
        return Ok(None);
    };
    let (key, value) = row?;
    // Holder (5 bytes), arrival and count (8 each), see `place`.
    let numbers = key
        .value()
        .get(5..21)
        .and_then(|rest| rest.split_first_chunk::<8>());
    let numbers = numbers.and_then(|(at, count)| Some((*at, *count.first_chunk::<8>()?)));
    let (at, count) =
        numbers.ok_or_else(|| redb::Error::Corrupted("a rejection has no place".into()))?;
    let place = RejectedCursor {
        received_at: u64::from_be_bytes(at).cast_signed(),
        count: u64::from_be_bytes(count),
        sender: sender.code(),
    };
    Ok(Some((place, value.value().to_vec())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::{open, rejected};
    use super::*;
    use crate::clock::FixedClock;
    use shared::time::Timestamp;

    #[test]
    fn all_senders_are_listed_newest_first_and_page_by_page() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(KEPT_MS * 2)));
        let store = open(folder.path(), &clock);
        for n in 0..20 {
            let sender = if n % 3 == 0 {
                Sender::Page
            } else {
                Sender::Server
            };
            let at = KEPT_MS * 2 - 100 + i64::from(n / 2);
            store.keep(Rejected {
                sender,
                ..rejected(&n.to_string(), at)
            });
        }
        store.keep(rejected("old", KEPT_MS - 1));
        store.keep(Rejected {
            workspace: WorkspaceId(2),
            ..rejected("theirs", KEPT_MS * 2)
        });
        let (mut before, mut found) = (None, Vec::new());
        loop {
            let page = store.list(WorkspaceId(1), before, 3, &|_| true).unwrap();
            assert!((1..=3).contains(&page.found.len()));
            found.extend(page.found.into_iter().map(|one| one.received_at));
            let Some(next) = page.next else { break };
            let text = next.to_string();
            assert!(
                text.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            );
            before = Some(text.parse().unwrap());
        }
        assert_eq!(found.len(), 20);
        assert!(found.is_sorted_by(|a, b| a >= b));
        let odd = |one: &Rejected| one.id == "7" || one.id == "3";
        let page = store.list(WorkspaceId(1), None, 10, &odd).unwrap();
        let ids: Vec<_> = page.found.iter().map(|one| one.id.as_str()).collect();
        assert_eq!((ids, page.next), (vec!["7", "3"], None));
    }
}
