//! Rejections on their way to the disk, in memory that everybody may use and nobody keeps others out
//! of: where it is full, the one that holds most makes room.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Rejected;
use super::tables::Holder;

/// Rejections that wait for the disk, of all holders.
pub(super) const MAX_WAITING: usize = 10_000;
/// And the bytes of their bodies.
pub(super) const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;

/// What waits, for each holder.
#[derive(Default)]
pub(super) struct Waiting {
    holders: HashMap<Holder, Queue>,
    count: usize,
    bytes: usize,
}

#[derive(Default)]
struct Queue {
    /// By the id's spelling, see [`super::tables::spelling`].
    rejected: BTreeMap<Vec<u8>, Arc<Rejected>>,
    bytes: usize,
}

impl Queue {
    /// How much of what there is it takes, in bytes: of the two bounds the one it is closer to.
    fn share(&self) -> usize {
        let of_count = self.rejected.len() * (MAX_WAITING_BYTES / MAX_WAITING);
        self.bytes.max(of_count)
    }
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn get(&self, holder: Holder, spelling: &[u8]) -> Option<&Arc<Rejected>> {
        self.holders.get(&holder)?.rejected.get(spelling)
    }

    /// Takes a rejection in; returns how many found no room: this one, or others of whoever holds
    /// more.
    pub(super) fn put(&mut self, spelling: Vec<u8>, rejected: Arc<Rejected>) -> u64 {
        let (holder, size) = (rejected.holder(), rejected.size());
        let mut dropped = 0;
        while self.count >= MAX_WAITING || self.bytes + size > MAX_WAITING_BYTES {
            let own = self.holders.get(&holder).map_or(0, Queue::share);
            let others = self.holders.iter().filter(|(other, _)| **other != holder);
            let largest = others.max_by_key(|(_, queue)| queue.share());
            let Some((largest, _)) = largest.filter(|(_, queue)| queue.share() > own + size) else {
                return dropped + 1;
            };
            let largest = *largest;
            dropped += 1;
            if self.take_one(largest).is_none() {
                return dropped;
            }
        }
        let queue = self.holders.entry(holder).or_default();
        queue.bytes += size;
        self.bytes += size;
        match queue.rejected.insert(spelling, rejected) {
            Some(before) => {
                queue.bytes -= before.size();
                self.bytes -= before.size();
            }
            None => self.count += 1,
        }
        dropped
    }

    fn take_one(&mut self, holder: Holder) -> Option<Arc<Rejected>> {
        let queue = self.holders.get_mut(&holder)?;
        let (_, taken) = queue.rejected.pop_last()?;
        self.forget(holder, &taken);
        Some(taken)
    }

    /// Everything that waits.
    pub(super) fn all(&self) -> Vec<Arc<Rejected>> {
        let queues = self.holders.values();
        queues
            .flat_map(|queue| queue.rejected.values().cloned())
            .collect()
    }

    /// Takes a rejection out that has been written, unless another one has its place now.
    pub(super) fn remove(&mut self, spelling: &[u8], written: &Arc<Rejected>) {
        let holder = written.holder();
        let Some(queue) = self.holders.get_mut(&holder) else {
            return;
        };
        let is_here = queue
            .rejected
            .get(spelling)
            .is_some_and(|now| Arc::ptr_eq(now, written));
        if is_here {
            queue.rejected.remove(spelling);
            self.forget(holder, written);
        }
    }

    /// Counts one down that is no longer in its queue.
    fn forget(&mut self, holder: Holder, gone: &Rejected) {
        self.count -= 1;
        self.bytes -= gone.size();
        if let Some(queue) = self.holders.get_mut(&holder) {
            queue.bytes -= gone.size();
            if queue.rejected.is_empty() {
                self.holders.remove(&holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::rejected;
    use super::*;
    use crate::record::identity::Sender;
    use crate::record::{Personal, WorkspaceId};

    fn of(workspace: u32, sender: Sender, number: usize, body: usize) -> (Vec<u8>, Arc<Rejected>) {
        let id = number.to_string();
        let rejected = Rejected {
            workspace: WorkspaceId(workspace),
            sender,
            body: Some(Personal("x".repeat(body))),
            ..rejected(&id, 0)
        };
        (id.into_bytes(), Arc::new(rejected))
    }

    fn count(waiting: &Waiting, workspace: u32, sender: Sender) -> usize {
        let holder = Holder {
            workspace: WorkspaceId(workspace),
            sender,
        };
        let queue = waiting.holders.get(&holder);
        queue.map_or(0, |queue| queue.rejected.len())
    }

    /// One floods with more than there is room for; the others' few come in all the same.
    #[test]
    fn a_flood_makes_room_for_everybody_else() {
        for body in [0, 32 * 1024] {
            let mut waiting = Waiting::default();
            let mut dropped = 0;
            let put = |waiting: &mut Waiting, workspace, sender, number| {
                let (spelling, rejected) = of(workspace, sender, number, body);
                waiting.put(spelling, rejected)
            };
            for number in 0..MAX_WAITING * 2 {
                dropped += put(&mut waiting, 1, Sender::Page, number);
            }
            let room = count(&waiting, 1, Sender::Page);
            assert_eq!(dropped, (MAX_WAITING * 2 - room) as u64);
            for number in 0..100 {
                assert_eq!(put(&mut waiting, 1, Sender::Server, number), 1);
                assert_eq!(put(&mut waiting, 2, Sender::Page, number), 1);
            }
            // And the flood goes on.
            for number in 0..1_000 {
                assert_eq!(
                    put(&mut waiting, 1, Sender::Page, MAX_WAITING * 3 + number),
                    1
                );
            }
            assert_eq!(count(&waiting, 1, Sender::Server), 100);
            assert_eq!(count(&waiting, 2, Sender::Page), 100);
            assert_eq!(count(&waiting, 1, Sender::Page), room - 200);
            for rejected in waiting.all() {
                waiting.remove(rejected.id.as_bytes(), &rejected);
            }
            assert!(waiting.is_empty() && waiting.bytes == 0 && waiting.holders.is_empty());
        }
    }

    #[test]
    fn a_second_rejection_of_an_id_takes_the_place_of_the_first() {
        let mut waiting = Waiting::default();
        let (spelling, first) = of(1, Sender::Page, 1, 10);
        let (_, second) = of(1, Sender::Page, 1, 20);
        waiting.put(spelling.clone(), Arc::clone(&first));
        waiting.put(spelling.clone(), Arc::clone(&second));
        assert_eq!(waiting.get(second.holder(), &spelling), Some(&second));
        assert_eq!((waiting.count, waiting.bytes), (1, second.size()));
        waiting.remove(&spelling, &first);
        assert!(!waiting.is_empty());
        waiting.remove(&spelling, &second);
        assert!(waiting.is_empty() && waiting.bytes == 0);
    }
}
