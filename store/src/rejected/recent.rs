//! The newest rejections in memory, numbered for each workspace, so that a reader of the live stream
//! goes on where it was and knows what it has missed.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::Rejected;
use crate::locks::lock;
use crate::record::WorkspaceId;

/// Rejections of one workspace in memory; the oldest make room.
const MAX_RECENT: usize = 1_000;
/// And about how many bytes.
const MAX_RECENT_BYTES: usize = 8 * 1024 * 1024;
/// The bytes of all workspaces; past that, the oldest of the one that has most make room.
const MAX_ALL_BYTES: usize = 4 * MAX_RECENT_BYTES;

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
    rings: Mutex<Rings>,
    /// How many there have been, and a wake-up.
    count: watch::Sender<u64>,
}

#[derive(Default)]
struct Rings {
    workspaces: HashMap<WorkspaceId, Ring>,
    bytes: usize,
}

/// The newest of one workspace.
#[derive(Default)]
struct Ring {
    /// With its number.
    newest: VecDeque<(u64, Arc<Rejected>)>,
    bytes: usize,
    /// The last number; numbers begin with 1.
    last: u64,
}

impl Ring {
    /// Drops the oldest; returns its size.
    fn drop_oldest(&mut self) -> usize {
        let size = self.newest.pop_front().map_or(0, |(_, old)| old.size());
        self.bytes -= size;
        size
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            // The hasher's keys are random.
            process: RandomState::new().build_hasher().finish(),
            rings: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }
}

impl Recent {
    pub(super) fn push(&self, rejected: Arc<Rejected>) {
        self.put(rejected);
        self.count.send_modify(|count| *count += 1);
    }

    fn put(&self, rejected: Arc<Rejected>) {
        let mut rings = lock(&self.rings);
        let Rings { workspaces, bytes } = &mut *rings;
        let ring = workspaces.entry(rejected.workspace).or_default();
        ring.last += 1;
        ring.bytes += rejected.size();
        *bytes += rejected.size();
        ring.newest.push_back((ring.last, rejected));
        while ring.newest.len() > MAX_RECENT || ring.bytes > MAX_RECENT_BYTES {
            *bytes -= ring.drop_oldest();
        }
        while *bytes > MAX_ALL_BYTES {
            let Some(largest) = workspaces.values_mut().max_by_key(|ring| ring.bytes) else {
                return;
            };
            *bytes -= largest.drop_oldest();
        }
    }

    /// Forgets those of a workspace that are `theirs`; the others keep their numbers.
    pub(super) fn erase(&self, workspace: WorkspaceId, theirs: &dyn Fn(&Rejected) -> bool) {
        let mut rings = lock(&self.rings);
        let Rings { workspaces, bytes } = &mut *rings;
        let Some(ring) = workspaces.get_mut(&workspace) else {
            return;
        };
        ring.newest.retain(|(_, rejected)| !theirs(rejected));
        let left = ring
            .newest
            .iter()
            .map(|(_, rejected)| rejected.size())
            .sum();
        *bytes = *bytes + left - ring.bytes;
        ring.bytes = left;
    }

    /// The last number that was given in a workspace; 0 before the first.
    pub fn last(&self, workspace: WorkspaceId) -> u64 {
        let rings = lock(&self.rings);
        rings.workspaces.get(&workspace).map_or(0, |ring| ring.last)
    }

    /// The first `most` (at least one) of a workspace behind this number.
    pub fn behind(&self, workspace: WorkspaceId, number: u64, most: usize) -> Unseen {
        let rings = lock(&self.rings);
        let Some(ring) = rings.workspaces.get(&workspace) else {
            return Unseen::default();
        };
        let unseen = ring.newest.iter().filter(|(at, _)| *at > number);
        let rejected: Vec<_> = unseen.take(most).cloned().collect();
        let first_here = rejected.first().map_or(ring.last + 1, |(at, _)| *at);
        Unseen {
            missed: first_here.saturating_sub(number + 1),
            rejected,
        }
    }

    /// The newest `most` of a workspace, with their numbers, oldest first.
    pub fn newest(&self, workspace: WorkspaceId, most: usize) -> Vec<(u64, Arc<Rejected>)> {
        let rings = lock(&self.rings);
        let Some(ring) = rings.workspaces.get(&workspace) else {
            return Vec::new();
        };
        let skipped = ring.newest.len().saturating_sub(most);
        ring.newest.iter().skip(skipped).cloned().collect()
    }

    /// How many there have been, in all workspaces, and a wake-up for whoever follows them.
    pub fn count(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Personal;
    use crate::record::identity::Sender;

    fn rejected(workspace: u32, body: usize) -> Arc<Rejected> {
        Arc::new(Rejected {
            workspace: WorkspaceId(workspace),
            sender: Sender::Page,
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
        // What another workspace floods with is no reason to miss any.
        let unseen = recent.behind(one, 0, 10);
        assert_eq!((unseen.missed, unseen.rejected.len()), (0, 2));
        let unseen = recent.behind(two, 0, 10);
        assert_eq!((unseen.missed, unseen.rejected[0].0), (1, 2));
        assert_eq!((recent.last(one), recent.last(two)), (2, 1_001));
    }

    #[test]
    fn the_memory_is_bounded_by_bytes_too_and_whoever_has_most_makes_room() {
        let recent = Recent::default();
        let small = WorkspaceId(100);
        recent.push(rejected(small.0, 1_000));
        for workspace in 1..10 {
            for _ in 0..MAX_RECENT {
                recent.push(rejected(workspace, 32 * 1024));
            }
            let rings = lock(&recent.rings);
            let held: usize = rings.workspaces.values().map(|ring| ring.bytes).sum();
            assert_eq!(held, rings.bytes);
            assert!(held <= MAX_ALL_BYTES);
            let mut all = rings.workspaces.values();
            assert!(all.all(|ring| ring.bytes <= MAX_RECENT_BYTES));
        }
        assert!(recent.behind(WorkspaceId(1), 0, 1).missed > 0);
        assert_eq!(recent.behind(small, 0, 1).missed, 0);
    }
}
