//! A page: rows one behind the other, the length of each (LEB128), then its bytes. Rows behind the end are empty.

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use super::ROWS;
use crate::views::aside::{Aside, Lying};

/// What a page takes beside its bytes: its counts and where they lie (48 B as the allocator gives them), and its place
/// among the others.
const BESIDE: usize = 48 + 16;

/// See above.
#[derive(Clone, Default)]
pub(super) struct Page(Vec<u8>);

impl Page {
    /// Of rows from the first on, no more than [`ROWS`]; `scratch` is memory that is used again.
    pub(super) fn of<'a>(rows: impl Iterator<Item = &'a [u8]>, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        let mut end = 0;
        for row in rows {
            scratch.extend_from_slice(write_length(row.len(), &mut [0; 5]));
            scratch.extend_from_slice(row);
            if !row.is_empty() {
                end = scratch.len();
            }
        }
        // Not shrunk: the allocator leaves what shrinks by less than half where it lies.
        let mut page = Vec::with_capacity(allocated(end));
        page.extend_from_slice(&scratch[..end]);
        Self(page)
    }

    pub(super) fn read(lying: &Lying) -> Result<Self, redb::Error> {
        Ok(Self(lying.read()?))
    }

    pub(super) fn put_aside(&self, aside: &Arc<Aside>) -> io::Result<Lying> {
        aside.put(&self.0)
    }

    /// About how many bytes of memory it takes.
    pub(super) fn held(&self) -> usize {
        self.0.capacity() + BESIDE
    }

    /// All rows of it, as many as there may be.
    pub(super) fn each(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        (0..ROWS).map(move |_| {
            let Some((length, start)) = length_at(&self.0, at) else {
                return &[][..];
            };
            at = start + length;
            &self.0[start..at]
        })
    }

    pub(super) fn get(&self, row: usize) -> &[u8] {
        self.at(self.find(row))
    }

    /// Has what is walked over to this row brought near from memory.
    pub(super) fn touch(&self, row: usize) {
        const LINE: usize = 64;
        // Where it lies if all rows are as long.
        let upto = self.0.len() * (row + 1) / ROWS;
        let lines = self.0.get(..upto).unwrap_or_default().iter();
        black_box(lines.step_by(LINE).fold(0, |all, byte| all ^ byte));
    }

    /// Where a row lies; behind the end of the page where it has no such row.
    pub(super) fn find(&self, row: usize) -> Place {
        let mut at = 0;
        for _ in 0..row {
            let Some((length, start)) = length_at(&self.0, at) else {
                break;
            };
            at = start + length;
        }
        let (start, end) = match length_at(&self.0, at) {
            Some((length, start)) => (start, start + length),
            None => (at, at),
        };
        Place { at, start, end }
    }

    /// The row that lies there.
    pub(super) fn at(&self, place: Place) -> &[u8] {
        &self.0[place.start..place.end]
    }

    /// Puts a row where it was found.
    pub(super) fn put(&mut self, row: usize, place: Place, bytes: &[u8]) {
        let Place { at, start, end } = place;
        let page = &mut self.0;
        if at == page.len() {
            // The rows between are there from now on, and empty.
            let there = rows_in(page);
            let mut length = [0; 5];
            let length = write_length(bytes.len(), &mut length);
            reserve(page, row - there + length.len() + bytes.len());
            page.resize(page.len() + row - there, 0);
            page.extend_from_slice(length);
            page.extend_from_slice(bytes);
            return;
        }
        if end - start == bytes.len() {
            page[start..end].copy_from_slice(bytes);
            return;
        }
        let mut length = [0; 5];
        let length = write_length(bytes.len(), &mut length);
        let (old, new) = (end - at, length.len() + bytes.len());
        if new > old {
            reserve(page, new - old);
            let tail = page.len();
            page.resize(tail + new - old, 0);
            page.copy_within(end..tail, at + new);
        } else {
            page.copy_within(end.., at + new);
            page.truncate(page.len() - (old - new));
        }
        page[at..at + length.len()].copy_from_slice(length);
        page[at + length.len()..at + new].copy_from_slice(bytes);
    }
}

/// Where a row lies in its page: its length, where its bytes begin and where they end.
#[derive(Clone, Copy)]
pub(super) struct Place {
    at: usize,
    start: usize,
    end: usize,
}

fn reserve(page: &mut Vec<u8>, more: usize) {
    let needed = page.len() + more;
    if page.capacity() < needed {
        page.reserve_exact(allocated(needed) - page.len());
    }
}

/// What the allocator (mimalloc) takes for so many bytes: it has four sizes from each power of two to the next. What it
/// would round up is room to grow.
fn allocated(bytes: usize) -> usize {
    const EVEN: usize = 64;
    let step = bytes.max(EVEN).next_power_of_two() / 8;
    bytes.next_multiple_of(step.max(EVEN / 4))
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
    use super::*;

    #[test]
    fn a_page_has_the_room_that_its_memory_has_anyway() {
        for (bytes, room) in [(0, 0), (1, 16), (64, 64), (65, 80), (128, 128), (129, 160)] {
            assert_eq!(allocated(bytes), room, "{bytes}");
        }
        assert_eq!((allocated(1_000), allocated(1_025)), (1_024, 1_280));
        let mut page = Page::of([&[7; 999][..]].into_iter(), &mut Vec::new());
        assert_eq!(page.held() - BESIDE, 1_024);
        page.put(1, page.find(1), &[8; 30]);
        assert_eq!(page.held() - BESIDE, 1_280);
    }
}
