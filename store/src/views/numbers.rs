//! Dense numbers: what a digest stands for (a contact, a message, a name) has one small number from its
//! first record on, given in the order of the log, so that rows, columns and runs can be kept by number.
//! A number never changes, and a rebuild gives the same ones; one of a contact that was erased is that of
//! the person who is left, so it is found by no address and not given again. Where records of the contact were
//! read under both before the erasure itself, the later number stands for nothing, and a rebuild gives one less.
//!
//! In memory alone; what is on disk is written by `shelf`. 16 bytes a digest, 5 to 7 in the table that finds it, and
//! next to nothing for its place in its workspace's list (`members`).

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use super::members::{self, Members};
use crate::record::WorkspaceId;

/// What is numbered: the first 16 bytes of an HMAC under its workspace's key, so that no two workspaces
/// share one.
pub(crate) type Digest = [u8; 16];

/// What a number stands for that nothing has any more: no digest, and never found.
const NOTHING: Digest = [0; 16];

/// Numbers in order from one on, each with its workspace and digest.
pub(crate) type Stretch = (u32, Vec<(WorkspaceId, Digest)>);

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
    of_workspace: BTreeMap<WorkspaceId, Members>,
    /// The workspaces of the newest numbers, those that the file does not hold yet.
    fresh: Vec<WorkspaceId>,
    /// Numbers that stand for something else than they do in the file.
    renamed: BTreeSet<u32>,
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

    /// About how many bytes of memory they take.
    pub(crate) fn memory(&self) -> usize {
        let digests = self.digests.len() * PIECE * size_of::<Digest>();
        let slots = self.shards.iter().map(|shard| shard.slots.capacity());
        let places = self.of_workspace.values().map(Members::memory);
        digests + slots.sum::<usize>() * size_of::<u32>() + places.sum::<usize>()
    }

    pub(crate) fn find(&self, digest: &Digest) -> Option<u32> {
        let slots = &self.shards.get(usize::from(digest[0]))?.slots;
        if slots.is_empty() {
            return None;
        }
        let mut at = first_slot(digest, slots.len());
        loop {
            match slots[at] {
                0 => return None,
                found if self.digest(found - 1) == Some(digest) => return Some(found - 1),
                _ => at = next_slot(at, slots.len()),
            }
        }
    }

    /// Has what [`Self::find`] looks at first brought near from memory, as [`Pages::touch`] does.
    ///
    /// [`Pages::touch`]: super::pages::Pages::touch
    pub(crate) fn touch(&self, digest: &Digest) {
        let slots = self.shards.get(usize::from(digest[0]));
        let slots = slots.map_or(&[] as &[u32], |shard| &shard.slots);
        if slots.is_empty() {
            return;
        }
        let found = slots[first_slot(digest, slots.len())];
        // Of an empty place this is the first number's, which is near: no branch is guessed wrong.
        let digest = self.digest(found.saturating_sub(1));
        black_box(digest.map(|digest| digest[0]));
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

    /// From now on what one digest had is the other's, and nothing is found by the first. A number that the other
    /// had stands for nothing then: no row and no event was ever kept by it.
    pub(crate) fn rename(&mut self, from: &Digest, to: &Digest) {
        let Some(number) = self.find(from).filter(|_| from != to) else {
            return;
        };
        if let Some(other) = self.find(to) {
            self.take_out(to);
            self.put_digest(other, &NOTHING);
        }
        self.take_out(from);
        self.put_digest(number, to);
        self.insert(number, to);
    }

    fn put_digest(&mut self, number: u32, digest: &Digest) {
        let piece = self.digests.get_mut(number as usize / PIECE);
        if let Some(known) = piece.and_then(|piece| piece.get_mut(number as usize % PIECE)) {
            *known = *digest;
            self.renamed.insert(number);
        }
    }

    /// Lets a digest be found no more.
    fn take_out(&mut self, digest: &Digest) {
        let shard = usize::from(digest[0]);
        let Some(number) = self.find(digest) else {
            return;
        };
        let mut slots = std::mem::take(&mut self.shards[shard].slots);
        let mut at = first_slot(digest, slots.len());
        while slots[at] != number + 1 {
            at = next_slot(at, slots.len());
        }
        slots[at] = 0;
        // Those behind it may lie where they do because it was there.
        loop {
            at = next_slot(at, slots.len());
            let found = std::mem::take(&mut slots[at]);
            match found.checked_sub(1).and_then(|number| self.digest(number)) {
                Some(digest) => put(&mut slots, digest, found),
                None => break,
            }
        }
        self.shards[shard].slots = slots;
        self.shards[shard].taken -= 1;
    }

    /// Makes room for so many that are about to be [loaded](Self::load): tables that grow one after the other leave
    /// behind what they were.
    pub(crate) fn make_room(&mut self, numbers: usize) {
        // Digests are evenly spread: few tables have a tenth more than their share.
        let each = (numbers / SHARDS + numbers / SHARDS / 10) * 8 / 7 + 8;
        self.shards.resize_with(SHARDS, || Shard {
            slots: vec![0; each],
            taken: 0,
        });
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
    pub(crate) fn of_workspace(&self, workspace: WorkspaceId) -> &Members {
        self.of_workspace.get(&workspace).unwrap_or(&members::NONE)
    }

    /// How many the file does not hold yet, or not as they are now.
    pub(crate) fn fresh(&self) -> usize {
        self.fresh.len() + self.renamed.len()
    }

    /// What the file does not hold yet, in whole pages of `size` up to the newest number; from now on that counts as
    /// written.
    pub(crate) fn take_fresh(&mut self, size: u32) -> Vec<Stretch> {
        let fresh = std::mem::take(&mut self.fresh);
        let kept = self.count - u32::try_from(fresh.len()).unwrap_or(self.count);
        let first = if fresh.is_empty() {
            self.count
        } else {
            kept / size * size
        };
        let renamed = std::mem::take(&mut self.renamed);
        let pages: BTreeSet<u32> = renamed.range(..first).map(|number| number / size).collect();
        let mut stretches = Vec::new();
        for page in pages {
            let start = page * size;
            let end = start.saturating_add(size).min(self.count);
            stretches.push(self.stretch(start, self.workspaces(start, end)));
        }
        if !fresh.is_empty() {
            // Those before on the same page come with it.
            let before = self.workspaces(first, kept);
            stretches.push(self.stretch(first, before.into_iter().chain(fresh)));
        }
        stretches
    }

    fn stretch(&self, first: u32, workspaces: impl IntoIterator<Item = WorkspaceId>) -> Stretch {
        let with_digest = |(number, workspace)| Some((workspace, *self.digest(number)?));
        let all = (first..).zip(workspaces).filter_map(with_digest);
        (first, all.collect())
    }

    /// Whose the numbers from `first` on and before `end` are, in order.
    fn workspaces(&self, first: u32, end: u32) -> Vec<WorkspaceId> {
        let mut found = Vec::new();
        for (workspace, numbers) in &self.of_workspace {
            let of_these = numbers.range(first, end);
            found.extend(of_these.map(|number| (number, *workspace)));
        }
        found.sort_unstable();
        found.into_iter().map(|(_, workspace)| workspace).collect()
    }

    /// Every number's workspace and digest, in order.
    pub(crate) fn each(&self) -> Vec<(WorkspaceId, Digest)> {
        let mut workspaces = vec![WorkspaceId(0); self.count as usize];
        for (workspace, numbers) in &self.of_workspace {
            for number in numbers.behind(0) {
                workspaces[number as usize] = *workspace;
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
        if *digest != NOTHING {
            self.insert(number, digest);
        }
        Some(number)
    }

    fn insert(&mut self, number: u32, digest: &Digest) {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, Shard::default);
        }
        let at = usize::from(digest[0]);
        let shard = &self.shards[at];
        if (shard.taken + 1) * 8 > shard.slots.len() * 7 {
            // By half: all shards grow at about the same time, and would be half empty behind it.
            let mut slots = vec![0; (shard.slots.len() * 3 / 2).max(8)];
            for found in shard.slots.iter().filter(|found| **found != 0) {
                if let Some(digest) = self.digest(found - 1) {
                    put(&mut slots, digest, *found);
                }
            }
            self.shards[at].slots = slots;
        }
        let shard = &mut self.shards[at];
        put(&mut shard.slots, digest, number + 1);
        shard.taken += 1;
    }
}

/// Puts a slot's value where there is room: the slots are not full.
fn put(slots: &mut [u32], digest: &Digest, value: u32) {
    let mut at = first_slot(digest, slots.len());
    while slots[at] != 0 {
        at = next_slot(at, slots.len());
    }
    slots[at] = value;
}

/// Where the search for a digest begins. Digests are evenly spread already; the first byte says which shard.
fn first_slot(digest: &Digest, slots: usize) -> usize {
    let [_, a, b, c, d, ..] = *digest;
    // Below the number of slots, which is below 2^32 as digests are.
    ((u64::from(u32::from_le_bytes([a, b, c, d])) * slots as u64) >> 32) as usize
}

fn next_slot(at: usize, slots: usize) -> usize {
    if at + 1 == slots { 0 } else { at + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u32) -> Digest {
        let mut digest = [0; 16];
        // Many of them share a shard and a slot.
        digest[0] = u8::try_from(number % 3).unwrap();
        digest[1] = u8::try_from(number % 7).unwrap();
        digest[8] = 1;
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
        let of_one: Vec<u32> = numbers.of_workspace(WorkspaceId(1)).behind(0).collect();
        assert_eq!((of_one.len(), &of_one[..3]), (5_000, &[1, 3, 5][..]));
        assert_eq!(numbers.of_workspace(WorkspaceId(7)).behind(0).count(), 0);
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
        let all = numbers.take_fresh(10);
        assert_eq!((all.len(), all[0].0, all[0].1.len()), (1, 0, 25));
        assert_eq!(numbers.take_fresh(10), []);
        for number in 25..32 {
            numbers
                .assign(WorkspaceId(number % 3), &digest(number))
                .unwrap();
        }
        let stretch = |range: std::ops::Range<u32>| {
            let each = range.clone().map(|n| (WorkspaceId(n % 3), digest(n)));
            (range.start, each.collect::<Vec<_>>())
        };
        assert_eq!(numbers.take_fresh(10), [stretch(20..32)]);
        // One that is renamed takes its own page with it and no other.
        numbers.rename(&digest(14), &digest(100));
        assert_eq!(numbers.fresh(), 1);
        let mut expected = stretch(10..20);
        expected.1[4].1 = digest(100);
        assert_eq!(numbers.take_fresh(10), [expected]);
        assert_eq!(numbers.take_fresh(10), []);
        numbers.rename(&digest(31), &digest(101));
        let taken = numbers.take_fresh(10);
        assert_eq!((taken.len(), taken[0].0, taken[0].1.len()), (1, 30, 2));
        assert_eq!(taken[0].1[1].1, digest(101));
    }

    #[test]
    fn what_is_renamed_keeps_its_number_and_everything_else_is_found_as_before() {
        let mut numbers = Numbers::default();
        for number in 0..2_000 {
            numbers.assign(WorkspaceId(1), &digest(number));
        }
        let person = |number| digest(10_000 + number);
        // Some persons are known already, under numbers of their own.
        numbers.assign(WorkspaceId(1), &person(6));
        for number in (0..2_000).step_by(3) {
            numbers.rename(&digest(number), &person(number));
        }
        numbers.rename(&digest(50_000), &digest(50_001));
        let mut again = Numbers::default();
        // Few of the tables take all of them here, and grow.
        again.make_room(numbers.count() as usize);
        for (workspace, digest) in numbers.each() {
            again.load(workspace, &digest).unwrap();
        }
        for numbers in [&numbers, &again] {
            for number in 0..2_000 {
                let (found, left) = (numbers.find(&digest(number)), numbers.find(&person(number)));
                let expected = if number % 3 == 0 {
                    (None, Some(number))
                } else {
                    (Some(number), None)
                };
                assert_eq!((found, left), expected, "{number}");
            }
            assert_eq!(numbers.find(&NOTHING), None);
            assert_eq!(numbers.find(&digest(50_001)), None);
        }
        // Whoever comes again is somebody new.
        assert_eq!(numbers.assign(WorkspaceId(1), &digest(0)), Some(2_001));
    }
}
