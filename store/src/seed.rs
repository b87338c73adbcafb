//! Made-up traffic, the same every time: events that a number alone decides, and definitions of segments over them.
//! For trying a store out and for measuring one.
//!
//! - `traffic`: who does what, and when
//! - `definitions`: the segments
//!
//! Four events in five come evenly from all contacts, the fifth from some more than from others. Two names in three
//! are `page_viewed`'s and its kind's, the others have a long tail; three events in a hundred tell traits, one is an
//! order, ten are about messages. One page view in six comes from a browser that names nobody; two events in a hundred
//! arrive up to five days late.

mod definitions;
mod traffic;

use shared::ids::EventId;
use shared::time::Timestamp;

use crate::ledger::{Log, LogError, Submission};
use crate::record::{Entry, WorkspaceId, WorkspaceKey};

pub use definitions::{PATHS, PER_NAME, of_names, of_paths};

/// What a server takes at once.
const BATCH: u64 = 4_000;

/// How much, for whom, and of which time.
#[derive(Debug, Clone)]
pub struct Seed {
    pub workspace: WorkspaceId,
    /// The secret of the workspace, by which contacts have their ids.
    pub key: WorkspaceKey,
    /// At least 1.
    pub contacts: u64,
    pub events: u64,
    /// When the last event arrives; the others came evenly before.
    pub until: Timestamp,
    /// How long before that the first one arrives, in milliseconds.
    pub span_ms: i64,
}

impl Seed {
    /// The event with this number, from 0 on.
    #[must_use]
    pub fn entry(&self, number: u64) -> Entry {
        traffic::entry(self, number)
    }

    /// Of which contact the event with this number is, from 0 on, also where it does not say so itself.
    #[must_use]
    pub fn whose(&self, number: u64) -> u64 {
        traffic::whose(self, number)
    }

    /// When the event with this number arrives.
    #[must_use]
    pub fn arrives(&self, number: u64) -> Timestamp {
        let left = i128::from(self.events.saturating_sub(number + 1));
        let before = i128::from(self.span_ms) * left / i128::from(self.events.max(1));
        // Less than the span.
        self.until
            .plus_millis(-i64::try_from(before).unwrap_or(self.span_ms))
    }
}

/// Appends so many submissions, made of their numbers from 0 on; `progress` is told how many are there. Returns how many
/// of them are new.
///
/// # Errors
/// [`LogError`]: those before it are there.
pub async fn append(
    log: &dyn Log,
    count: u64,
    mut make: impl FnMut(u64) -> Submission,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, LogError> {
    let mut new = 0;
    for from in (0..count).step_by(usize::try_from(BATCH).unwrap_or(usize::MAX)) {
        let upto = count.min(from + BATCH);
        let before = *log.committed().borrow();
        log.append((from..upto).map(&mut make).collect()).await?;
        new += log.committed().borrow().0 - before.0;
        progress(upto);
    }
    Ok(new)
}

/// Spreads numbers evenly, the same ones every time (the end of splitmix64).
#[must_use]
pub fn spread(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// The address of a contact, from 0 on.
#[must_use]
pub fn address_of(contact: u64) -> String {
    format!("reader{contact}@example.com")
}

/// An id that nobody else makes (RFC 9562, section 5.8).
fn id_of(number: u64) -> EventId {
    let (high, low) = (spread(number), spread(!number));
    let mut bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    EventId::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shared::segment::Definition;

    use super::*;
    use crate::record::Fact;

    fn seed(events: u64) -> Seed {
        Seed {
            workspace: WorkspaceId(1),
            key: WorkspaceKey([7; 32]),
            contacts: 100,
            events,
            until: Timestamp::from_millis(1_790_000_000_000),
            span_ms: 120 * 24 * 60 * 60 * 1000,
        }
    }

    #[test]
    fn traffic_is_the_same_every_time_and_of_all_kinds() {
        let seed = seed(4_000);
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        let mut before = Timestamp::from_millis(0);
        for number in 0..seed.events {
            let entry = seed.entry(number);
            assert!(entry == seed.entry(number));
            assert!(entry.received_at >= before && entry.received_at <= seed.until);
            assert!(
                entry.address.is_some()
                    || entry.anonymous_id.is_some()
                    || entry.fact.send().is_some()
            );
            before = entry.received_at;
            let kind = match entry.fact {
                Fact::Track { .. } => "track",
                Fact::Identify { .. } => "identify",
                Fact::Purchase { .. } => "purchase",
                Fact::Send { .. } => "send",
                Fact::Open { .. } => "open",
                Fact::Click { .. } => "click",
                _ => "other",
            };
            *kinds.entry(kind).or_default() += 1;
        }
        assert_eq!(before, seed.until);
        let kinds: Vec<_> = kinds.into_iter().collect();
        assert_eq!(
            kinds,
            [
                ("click", 40),
                ("identify", 120),
                ("open", 160),
                ("purchase", 40),
                ("send", 200),
                ("track", 3_440)
            ]
        );
    }

    #[test]
    fn every_definition_can_be_read_and_is_there_once() {
        for made in [of_names(1_000), of_paths(1_000)] {
            assert_eq!(made.len(), 1_000);
            let mut keys: Vec<String> = made
                .iter()
                .map(|(_, json)| match Definition::parse(json) {
                    Ok(definition) => definition.key(),
                    Err(error) => panic!("{json}: {error:?}"),
                })
                .collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), 1_000);
        }
    }
}
