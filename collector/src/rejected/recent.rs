//! The newest rejections in memory, numbered for each workspace, so that a reader of the live stream
//! goes on where it was and knows what it has missed.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::Rejected;
use crate::locks::lock;
use crate::log::record::WorkspaceId;

/// Rejections in memory, of all workspaces; the oldest make room.
const MAX_RECENT: usize = 1_000;
/// And about how many bytes.
const MAX_RECENT_BYTES: usize = 8 * 1024 * 1024;

/// What a reader has not seen yet.
#[derive(Debug, Default)]
pub struct Unseen {
    /// Those that are no longer here: they came before the others.
    pub missed: u64,
    /// With their numbers, oldest first.
    pub rejected: Vec<(u64, Arc<Rejected>)>,
}

/// The newest rejections.
pub struct Recent {
    /// Tells this process from others, whose numbers began anew.
    pub process: u64,
    ring: Mutex<Ring>,
    /// How many there have been, and a wake-up.
    count: watch::Sender<u64>,
}

#[derive(Default)]
struct Ring {
    /// With its number in its workspace.
    newest: VecDeque<(u64, Arc<Rejected>)>,
    bytes: usize,
    /// The last number of each workspace; numbers begin with 1.
    last: HashMap<WorkspaceId, u64>,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            // The hasher's keys are random.
            process: RandomState::new().build_hasher().finish(),
            ring: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }
}

impl Recent {
    pub(super) fn push(&self, rejected: Arc<Rejected>) {
        {
            let mut ring = lock(&self.ring);
            let last = ring.last.entry(rejected.workspace).or_default();
            *last += 1;
            let number = *last;
            ring.bytes += rejected.size();
            ring.newest.push_back((number, rejected));
            while ring.newest.len() > MAX_RECENT || ring.bytes > MAX_RECENT_BYTES {
                if let Some((_, oldest)) = ring.newest.pop_front() {
                    ring.bytes -= oldest.size();
                }
            }
        }
        self.count.send_modify(|count| *count += 1);
    }

    /// The last number that was given in a workspace; 0 before the first.
    pub fn last(&self, workspace: WorkspaceId) -> u64 {
        lock(&self.ring).last.get(&workspace).copied().unwrap_or(0)
    }

    /// The first `most` (at least one) of a workspace behind this number.
    pub fn behind(&self, workspace: WorkspaceId, number: u64, most: usize) -> Unseen {
        let ring = lock(&self.ring);
        let rejected: Vec<_> = ring
            .newest
            .iter()
            .filter(|(at, rejected)| rejected.workspace == workspace && *at > number)
            .take(most)
            .cloned()
            .collect();
        let last = ring.last.get(&workspace).copied().unwrap_or(0);
        let first_here = rejected.first().map_or(last + 1, |(at, _)| *at);
        Unseen {
            missed: first_here.saturating_sub(number + 1),
            rejected,
        }
    }

    /// The newest `most` of a workspace, with their numbers, oldest first.
    pub fn newest(&self, workspace: WorkspaceId, most: usize) -> Vec<(u64, Arc<Rejected>)> {
        let ring = lock(&self.ring);
        let of_workspace = ring
            .newest
            .iter()
            .rev()
            .filter(|(_, rejected)| rejected.workspace == workspace);
        let mut newest: Vec<_> = of_workspace.take(most).cloned().collect();
        newest.reverse();
        newest
    }

    /// How many there have been, in all workspaces, and a wake-up for whoever follows them.
    pub fn count(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::Personal;

    fn rejected(workspace: u32, body: usize) -> Arc<Rejected> {
        Arc::new(Rejected {
            workspace: WorkspaceId(workspace),
            id: "a".into(),
            received_at: 0,
            key_id: "key_1".into(),
            name: None,
            code: "invalid_email".into(),
            message: "send an address".into(),
            field: None,
            ignored_fields: Vec::new(),
            body: Some(Personal("x".repeat(body))),
        })
    }

    #[test]
    fn each_workspace_has_numbers_of_its_own_and_is_told_what_made_room() {
        let recent = Recent::default();
        let (one, two) = (WorkspaceId(1), WorkspaceId(2));
        recent.push(rejected(1, 0));
        recent.push(rejected(2, 0));
        recent.push(rejected(1, 0));
        let unseen = recent.behind(one, 0, 10);
        assert_eq!((unseen.missed, unseen.rejected.len()), (0, 2));
        let unseen = recent.behind(one, 1, 10);
        assert_eq!((unseen.missed, unseen.rejected[0].0), (0, 2));
        assert_eq!(recent.behind(one, 2, 10).missed, 0);
        for _ in 0..MAX_RECENT {
            recent.push(rejected(2, 0));
        }
        let unseen = recent.behind(one, 0, 10);
        assert_eq!((unseen.missed, unseen.rejected.len()), (2, 0));
        let unseen = recent.behind(two, 0, 10);
        assert_eq!((unseen.missed, unseen.rejected[0].0), (1, 2));
        assert_eq!((recent.last(one), recent.last(two)), (2, 1_001));
    }

    #[test]
    fn the_memory_is_bounded_by_bytes_too() {
        let recent = Recent::default();
        for _ in 0..MAX_RECENT {
            recent.push(rejected(1, 32 * 1024));
        }
        assert!(lock(&recent.ring).bytes <= MAX_RECENT_BYTES);
        assert!(recent.behind(WorkspaceId(1), 0, 1).missed > 0);
    }
}
