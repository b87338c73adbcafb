//! Dense numbers: what a digest stands for (a contact, a message, a name) has one small number from its
//! first record on, given in the order of the log, so that rows, columns and runs can be kept by number.
//! A number never changes, and a rebuild gives the same ones.
//!
//! In memory alone; what is on disk is written by `shelf`. 16 bytes a digest, 4 for its place in its
//! workspace's list, and 5 to 9 in the table that finds it.

use std::collections::BTreeMap;

use crate::record::WorkspaceId;

/// What is numbered: the first 16 bytes of an HMAC under its workspace's key, so that no two workspaces
/// share one.
pub(crate) type Digest = [u8; 16];

/// Tables of their own that the digests are spread over: when one must grow, the fold waits for a 256th of
/// the work.
const SHARDS: usize = 256;
/// Digests in a piece of memory: no growth ever moves them.
const PIECE: usize = 4_096;

/// See above.
#[derive(Default)]
pub(crate) struct Numbers {
    shards: Vec<Shard>,
    digests: Vec<Vec<Digest>>,
    count: u32,
    /// The numbers of each workspace, ascending: a number's place here is the contact's (message's, name's)
    /// ordinal within its workspace.
    of_workspace: BTreeMap<WorkspaceId, Vec<u32>>,
    /// The workspaces of the newest numbers, those that the file does not hold yet.
    fresh: Vec<WorkspaceId>,
}

/// Open addressing: number + 1, or 0 where nothing lies.
#[derive(Default)]
struct Shard {
    slots: Vec<u32>,
    taken: usize,
}

impl Numbers {
    /// How many have been given: the numbers are those below.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn find(&self, digest: &Digest) -> Option<u32> {
        let slots = &self.shards.get(usize::from(digest[0]))?.slots;
        let mask = slots.len().checked_sub(1)?;
        let mut at = hash(digest) & mask;
        loop {
            match slots[at] {
                0 => return None,
                found if self.digest(found - 1) == Some(digest) => return Some(found - 1),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// The number of a digest, a new one where it has none; `None` where all 2^32 - 1 are given.
    pub(crate) fn assign(&mut self, workspace: WorkspaceId, digest: &Digest) -> Option<u32> {
        if let Some(known) = self.find(digest) {
            return Some(known);
        }
        let number = self.push(workspace, digest)?;
        self.fresh.push(workspace);
        Some(number)
    }

    /// Takes in what the file holds, in the order of the numbers.
    pub(crate) fn load(&mut self, workspace: WorkspaceId, digest: &Digest) -> Option<u32> {
        self.push(workspace, digest)
    }

    pub(crate) fn digest(&self, number: u32) -> Option<&Digest> {
        let number = number as usize;
        self.digests.get(number / PIECE)?.get(number % PIECE)
    }

    /// The numbers of a workspace, in the order in which they were given.
    pub(crate) fn of_workspace(&self, workspace: WorkspaceId) -> &[u32] {
        self.of_workspace.get(&workspace).map_or(&[], Vec::as_slice)
    }

    /// How many the file does not hold yet.
    pub(crate) fn fresh(&self) -> usize {
        self.fresh.len()
    }

    /// The numbers from the start of a page of `size` on which the newest are that the file does not hold, each
    /// with its workspace and digest; from now on they count as written.
    pub(crate) fn take_fresh(&mut self, size: u32) -> (u32, Vec<(WorkspaceId, Digest)>) {
        let fresh = std::mem::take(&mut self.fresh);
        let kept = self.count - u32::try_from(fresh.len()).unwrap_or(self.count);
        let first = kept / size * size;
        if fresh.is_empty() {
            return (self.count, Vec::new());
        }
        // Those before on the same page: their workspaces are found in the lists' ends.
        let mut before = Vec::new();
        for (workspace, numbers) in &self.of_workspace {
            let from = numbers.partition_point(|number| *number < first);
            let to = numbers.partition_point(|number| *number < kept);
            before.extend(numbers[from..to].iter().map(|number| (*number, *workspace)));
        }
        before.sort_unstable();
        let workspaces = before.into_iter().map(|(_, workspace)| workspace);
        let all = workspaces.chain(fresh);
        let with_digest = |(number, workspace)| Some((workspace, *self.digest(number)?));
        (first, (first..).zip(all).filter_map(with_digest).collect())
    }

    /// Every number's workspace and digest, in order.
    pub(crate) fn each(&self) -> Vec<(WorkspaceId, Digest)> {
        let mut workspaces = vec![WorkspaceId(0); self.count as usize];
        for (workspace, numbers) in &self.of_workspace {
            for number in numbers {
                workspaces[*number as usize] = *workspace;
            }
        }
        let digests = self.digests.iter().flatten();
        workspaces.into_iter().zip(digests.copied()).collect()
    }

    fn push(&mut self, workspace: WorkspaceId, digest: &Digest) -> Option<u32> {
        let number = self.count;
        self.count = number.checked_add(1)?;
        match self.digests.last_mut().filter(|piece| piece.len() < PIECE) {
            Some(piece) => piece.push(*digest),
            None => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(*digest);
                self.digests.push(piece);
            }
        }
        self.of_workspace.entry(workspace).or_default().push(number);
        self.insert(number, digest);
        Some(number)
    }

    fn insert(&mut self, number: u32, digest: &Digest) {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, Shard::default);
        }
        let at = usize::from(digest[0]);
        let shard = &self.shards[at];
        if (shard.taken + 1) * 8 > shard.slots.len() * 7 {
            let mut slots = vec![0; (shard.slots.len() * 2).max(8)];
            for found in shard.slots.iter().filter(|found| **found != 0) {
                if let Some(digest) = self.digest(found - 1) {
                    put(&mut slots, hash(digest), *found);
                }
            }
            self.shards[at].slots = slots;
        }
        let shard = &mut self.shards[at];
        put(&mut shard.slots, hash(digest), number + 1);
        shard.taken += 1;
    }
}

/// Puts a slot's value where there is room; `slots` are a power of two and not full.
fn put(slots: &mut [u32], hash: usize, value: u32) {
    let mask = slots.len() - 1;
    let mut at = hash & mask;
    while slots[at] != 0 {
        at = (at + 1) & mask;
    }
    slots[at] = value;
}

/// Digests are evenly spread already; the first byte says which shard.
fn hash(digest: &Digest) -> usize {
    let [_, a, b, c, d, ..] = *digest;
    u32::from_le_bytes([a, b, c, d]) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u32) -> Digest {
        let mut digest = [0; 16];
        // Many of them share a shard and a slot.
        digest[0] = u8::try_from(number % 3).unwrap();
        digest[1] = u8::try_from(number % 7).unwrap();
        digest[12..].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn numbers_are_given_in_order_and_found_again() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.find(&digest(0)), None);
        for number in 0..10_000 {
            let workspace = WorkspaceId(number % 2);
            assert_eq!(numbers.assign(workspace, &digest(number)), Some(number));
            assert_eq!(numbers.assign(workspace, &digest(number)), Some(number));
        }
        for number in 0..10_000 {
            assert_eq!(numbers.find(&digest(number)), Some(number));
            assert_eq!(numbers.digest(number), Some(&digest(number)));
        }
        assert_eq!(numbers.find(&digest(10_000)), None);
        assert_eq!(numbers.of_workspace(WorkspaceId(1))[..3], [1, 3, 5]);
        assert_eq!(numbers.of_workspace(WorkspaceId(7)), [0_u32; 0]);
        assert_eq!(numbers.each()[4_097], (WorkspaceId(1), digest(4_097)));
    }

    #[test]
    fn what_is_to_be_written_begins_with_a_page_and_ends_with_the_newest() {
        let mut numbers = Numbers::default();
        for number in 0..25 {
            numbers
                .assign(WorkspaceId(number % 3), &digest(number))
                .unwrap();
        }
        let (first, all) = numbers.take_fresh(10);
        assert_eq!((first, all.len()), (0, 25));
        assert_eq!(numbers.take_fresh(10), (25, Vec::new()));
        for number in 25..32 {
            numbers
                .assign(WorkspaceId(number % 3), &digest(number))
                .unwrap();
        }
        let (first, fresh) = numbers.take_fresh(10);
        assert_eq!(first, 20);
        let expected: Vec<_> = (20..32).map(|n| (WorkspaceId(n % 3), digest(n))).collect();
        assert_eq!(fresh, expected);
    }
}
