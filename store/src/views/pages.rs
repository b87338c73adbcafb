//! Rows by number, packed into pages in memory: 32 rows a page, each as long as its bytes. A copy of all of
//! them is a snapshot that costs next to nothing; what changes afterwards is copied then, page by page.

use std::hint::black_box;
use std::sync::Arc;

/// Rows in a page: few enough for one to be found by walking over their lengths.
const ROWS: usize = 32;
/// Pages in a group, which is what is copied first when a snapshot is out.
const PAGES: usize = 256;
const GROUP_ROWS: usize = ROWS * PAGES;
/// What a page gets beyond what it needs when it grows.
const SLACK: usize = 48;

/// See above.
#[derive(Clone, Default)]
pub(crate) struct Pages {
    groups: Arc<Vec<Arc<Group>>>,
    /// How many rows have changed since [`Self::capture`].
    changed: usize,
}

#[derive(Clone)]
struct Group {
    pages: Vec<Arc<Page>>,
    /// A bit for each row that has changed since the last capture; empty where none has.
    changed: Vec<u64>,
}

/// Rows one behind the other: the length of each (LEB128), then its bytes. Rows behind the end are empty.
#[derive(Clone, Default)]
struct Page(Vec<u8>);

impl Pages {
    /// The row of a number; empty where none was ever put.
    pub(crate) fn get(&self, number: u32) -> &[u8] {
        let (group, page, row) = place(number);
        let group = self.groups.get(group);
        let page = group.and_then(|group| group.pages.get(page));
        page.map_or(&[], |page| page.get(row))
    }

    /// Has what [`Self::get`] walks over brought near from memory. Changes nothing: called for many rows one behind
    /// the other, they are waited for together.
    pub(crate) fn touch(&self, number: u32) {
        const LINE: usize = 64;
        let (group, page, row) = place(number);
        let group = self.groups.get(group);
        let Some(page) = group.and_then(|group| group.pages.get(page)) else {
            return;
        };
        // Where it lies if all rows are as long.
        let upto = page.0.len() * (row + 1) / ROWS;
        let lines = page.0.get(..upto).unwrap_or_default().iter();
        black_box(lines.step_by(LINE).fold(0, |all, byte| all ^ byte));
    }

    pub(crate) fn put(&mut self, number: u32, bytes: &[u8]) {
        let (group, page, row) = place(number);
        let groups = Arc::make_mut(&mut self.groups);
        if groups.len() <= group {
            groups.resize_with(group + 1, || {
                Arc::new(Group {
                    pages: Vec::new(),
                    changed: Vec::new(),
                })
            });
        }
        let group = Arc::make_mut(&mut groups[group]);
        if group.pages.len() <= page {
            group.pages.resize_with(page + 1, Arc::default);
        }
        if Arc::make_mut(&mut group.pages[page]).put(row, bytes) {
            if group.changed.is_empty() {
                group.changed.resize(GROUP_ROWS / 64, 0);
            }
            let bit = page * ROWS + row;
            let word = &mut group.changed[bit / 64];
            self.changed += usize::from(*word >> (bit % 64) & 1 == 0);
            *word |= 1 << (bit % 64);
        }
    }

    /// How many rows have changed since the last [`Self::capture`].
    pub(crate) fn changed(&self) -> usize {
        self.changed
    }

    /// A snapshot that knows which rows have changed since the last one; from now on none has.
    pub(crate) fn capture(&mut self) -> Self {
        let captured = self.clone();
        if self.changed > 0 {
            for group in Arc::make_mut(&mut self.groups) {
                if !group.changed.is_empty() {
                    Arc::make_mut(group).changed.clear();
                }
            }
            self.changed = 0;
        }
        captured
    }

    /// The rows that have changed, with their numbers, ascending.
    pub(crate) fn each_changed(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.groups.iter().enumerate().flat_map(|(at, group)| {
            let words = group.changed.iter().enumerate();
            let bits = words.flat_map(|(at, word)| {
                let bits = (0..64).filter(move |bit| word >> bit & 1 == 1);
                bits.map(move |bit| at * 64 + bit)
            });
            bits.filter_map(move |bit| {
                let number = u32::try_from(at * GROUP_ROWS + bit).ok()?;
                let page = group.pages.get(bit / ROWS)?;
                Some((number, page.get(bit % ROWS)))
            })
        })
    }

    /// How many rows there are, those that are empty among them; rounded up to whole pages.
    pub(crate) fn rows(&self) -> usize {
        let Some(last) = self.groups.last() else {
            return 0;
        };
        (self.groups.len() - 1) * GROUP_ROWS + last.pages.len() * ROWS
    }
}

impl Page {
    fn get(&self, row: usize) -> &[u8] {
        let (start, end, _) = self.find(row);
        &self.0[start..end]
    }

    /// Where a row's bytes begin and end, and where its length begins; behind the end of the page where it
    /// has no such row.
    fn find(&self, row: usize) -> (usize, usize, usize) {
        let mut at = 0;
        for _ in 0..row {
            let Some((length, start)) = length_at(&self.0, at) else {
                return (at, at, at);
            };
            at = start + length;
        }
        match length_at(&self.0, at) {
            Some((length, start)) => (start, start + length, at),
            None => (at, at, at),
        }
    }

    /// Returns whether that changes anything.
    fn put(&mut self, row: usize, bytes: &[u8]) -> bool {
        let (start, end, length_start) = self.find(row);
        if self.0[start..end] == *bytes {
            return false;
        }
        let page = &mut self.0;
        if length_start == page.len() {
            // The rows between are there from now on, and empty.
            let there = rows_in(page);
            let mut length = [0; 5];
            let length = write_length(bytes.len(), &mut length);
            reserve(page, row - there + length.len() + bytes.len());
            page.resize(page.len() + row - there, 0);
            page.extend_from_slice(length);
            page.extend_from_slice(bytes);
            return true;
        }
        if end - start == bytes.len() {
            page[start..end].copy_from_slice(bytes);
            return true;
        }
        let mut length = [0; 5];
        let length = write_length(bytes.len(), &mut length);
        let (old, new) = (end - length_start, length.len() + bytes.len());
        if new > old {
            reserve(page, new - old);
            let tail = page.len();
            page.resize(tail + new - old, 0);
            page.copy_within(end..tail, length_start + new);
        } else {
            page.copy_within(end.., length_start + new);
            page.truncate(page.len() - (old - new));
        }
        page[length_start..length_start + length.len()].copy_from_slice(length);
        page[length_start + length.len()..length_start + new].copy_from_slice(bytes);
        true
    }
}

fn place(number: u32) -> (usize, usize, usize) {
    let number = number as usize;
    let in_group = number % GROUP_ROWS;
    (number / GROUP_ROWS, in_group / ROWS, in_group % ROWS)
}

fn reserve(page: &mut Vec<u8>, more: usize) {
    if page.capacity() - page.len() < more {
        page.reserve_exact(more + SLACK);
    }
}

fn rows_in(page: &[u8]) -> usize {
    let (mut at, mut rows) = (0, 0);
    while let Some((length, start)) = length_at(page, at) {
        at = start + length;
        rows += 1;
    }
    rows
}

/// The length that stands here, and where its bytes begin.
fn length_at(page: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = *page.get(at)?;
    if first < 0x80 {
        return Some((usize::from(first), at + 1));
    }
    let (mut length, mut at, mut shift) = (usize::from(first & 0x7F), at + 1, 7);
    loop {
        let byte = *page.get(at)?;
        length |= usize::from(byte & 0x7F) << shift;
        (at, shift) = (at + 1, shift + 7);
        if byte < 0x80 {
            return Some((length, at));
        }
    }
}

/// Rows are shorter than 2^35 bytes.
fn write_length(length: usize, bytes: &mut [u8; 5]) -> &[u8] {
    let (mut left, mut count) = (length, 0);
    loop {
        bytes[count] = (left & 0x7F) as u8;
        left >>= 7;
        if left == 0 || count == 4 {
            return &bytes[..=count];
        }
        bytes[count] |= 0x80;
        count += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pages_hold_what_was_put_and_a_snapshot_what_was_there(
            puts in prop::collection::vec((0..20_000_u32, 0..300_usize, any::<u8>()), 0..200),
            captured_at in 0..200_usize,
        ) {
            let (mut pages, mut expected) = (Pages::default(), BTreeMap::new());
            let mut snapshot = None;
            for (turn, (number, length, byte)) in puts.into_iter().enumerate() {
                if turn == captured_at {
                    snapshot = Some((pages.capture(), expected.clone()));
                }
                // Few numbers, so that they meet.
                let (number, bytes) = (number % 100 * 173, vec![byte; length]);
                pages.put(number, &bytes);
                expected.insert(number, bytes);
            }
            for number in 0..u32::try_from(pages.rows()).unwrap() {
                let row = expected.get(&number).map_or(&[] as &[u8], Vec::as_slice);
                prop_assert_eq!(pages.get(number), row);
            }
            if let Some((snapshot, then)) = snapshot {
                let mut changed = 0;
                for (number, row) in snapshot.each_changed() {
                    prop_assert_eq!(then.get(&number).map(Vec::as_slice), Some(row));
                    changed += 1;
                }
                prop_assert_eq!(changed, snapshot.changed());
                for (number, row) in &then {
                    prop_assert_eq!(snapshot.get(*number), row.as_slice());
                }
                // Nothing that has changed since is missing.
                let changed: Vec<u32> = pages.each_changed().map(|(number, _)| number).collect();
                for (number, row) in &expected {
                    let is_same = then.get(number) == Some(row);
                    prop_assert!(is_same || row.is_empty() || changed.contains(number));
                }
            }
        }
    }
}
