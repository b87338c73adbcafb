//! Rows by number, packed into pages in memory: 32 rows a page, each as long as its bytes. A copy of all of
//! them is a snapshot that costs next to nothing; what changes afterwards is copied then, page by page.
//!
//! Pages that nobody has asked for lately are put aside where the memory is bounded, changed or not (`aside`), and read
//! again by whoever asks for them.

mod page;

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::aside::{Aside, Lying};
use page::Page;

/// Rows in a page: few enough for one to be found by walking over their lengths.
const ROWS: usize = 32;
/// Pages in a group, which is what is copied first when a snapshot is out.
const PAGES: usize = 256;
const GROUP_ROWS: usize = ROWS * PAGES;

/// See above.
#[derive(Clone, Default)]
pub(crate) struct Pages {
    groups: Arc<Vec<Arc<Group>>>,
    /// How many rows have changed since [`Self::capture`].
    changed: usize,
    /// About how many bytes the pages take that are in memory.
    held: usize,
    /// The page at which the search for those to put aside goes on.
    hand: usize,
    /// Where they go; nowhere where there is none.
    aside: Option<Arc<Aside>>,
}

#[derive(Clone, Default)]
struct Group {
    pages: Vec<Slot>,
    /// A bit for each row that has changed since the last capture; empty where none has.
    changed: Vec<u64>,
    /// A bit for each page that was asked for since the hand came by; of all copies.
    used: Arc<[AtomicU64; PAGES / 64]>,
}

#[derive(Clone)]
enum Slot {
    Held(Arc<Page>),
    Aside(Arc<Lying>),
}

impl Default for Slot {
    fn default() -> Self {
        Self::Held(Arc::default())
    }
}

impl Pages {
    pub(crate) fn new(aside: Arc<Aside>) -> Self {
        Self {
            aside: Some(aside),
            ..Self::default()
        }
    }

    /// Has what [`Self::get`] walks over brought near from memory, where it is there. Changes nothing: called for many
    /// rows one behind the other, they are waited for together.
    pub(crate) fn touch(&self, number: u32) {
        let (group, page, row) = place(number);
        let group = self.groups.get(group);
        if let Some(Slot::Held(held)) = group.and_then(|group| group.pages.get(page)) {
            held.touch(row);
        }
    }

    /// The row of a number; empty where none was ever put.
    ///
    /// # Errors
    /// Where its page was put aside and cannot be read.
    pub(crate) fn get(&self, number: u32) -> Result<Cow<'_, [u8]>, redb::Error> {
        let (group, page, row) = place(number);
        let Some(group) = self.groups.get(group) else {
            return Ok(Cow::Borrowed(&[]));
        };
        Ok(match group.pages.get(page) {
            None => Cow::Borrowed(&[]),
            Some(Slot::Held(held)) => {
                group.use_page(page);
                Cow::Borrowed(held.get(row))
            }
            Some(Slot::Aside(lying)) => Cow::Owned(Page::read(lying)?.get(row).to_vec()),
        })
    }

    /// The same for a row that is likely to change: its page is in memory from then on.
    ///
    /// # Errors
    /// That of [`Self::get`].
    pub(crate) fn fetch(&mut self, number: u32) -> Result<&[u8], redb::Error> {
        let (group, page, row) = place(number);
        let known = self.groups.get(group);
        if known.is_none_or(|group| group.pages.len() <= page) {
            return Ok(&[]);
        }
        self.hold(group, page)?;
        match self.groups[group].pages.get(page) {
            Some(Slot::Held(held)) => Ok(held.get(row)),
            _ => Ok(&[]),
        }
    }

    /// # Errors
    /// That of [`Self::get`]; nothing has changed then.
    pub(crate) fn put(&mut self, number: u32, bytes: &[u8]) -> Result<(), redb::Error> {
        self.change(number, |_| Ok((bytes, ())))
    }

    /// Puts what `change` makes of a row, which is looked for once; it says something more to whoever calls.
    ///
    /// # Errors
    /// That of [`Self::get`], and what `change` returns; no row has changed then.
    pub(crate) fn change<B: AsRef<[u8]>, T>(
        &mut self,
        number: u32,
        change: impl FnOnce(&[u8]) -> Result<(B, T), redb::Error>,
    ) -> Result<T, redb::Error> {
        let (group, page, row) = place(number);
        self.grow(group, page + 1);
        self.hold(group, page)?;
        let group = Arc::make_mut(&mut Arc::make_mut(&mut self.groups)[group]);
        let Slot::Held(held) = &mut group.pages[page] else {
            return Err(redb::Error::Corrupted("a page is not where it was".into()));
        };
        let found = held.find(row);
        let (bytes, told) = change(held.at(found))?;
        if held.at(found) == bytes.as_ref() {
            return Ok(told);
        }
        let before = held.held();
        let held = Arc::make_mut(held);
        held.put(row, found, bytes.as_ref());
        self.held = (self.held + held.held()).saturating_sub(before);
        if group.changed.is_empty() {
            group.changed.resize(GROUP_ROWS / 64, 0);
        }
        let bit = page * ROWS + row;
        let word = &mut group.changed[bit / 64];
        self.changed += usize::from(*word >> (bit % 64) & 1 == 0);
        *word |= 1 << (bit % 64);
        Ok(told)
    }

    /// Takes in what the file holds: rows behind all that there are, from this number on, the first of a page.
    pub(crate) fn load<'a>(&mut self, first: u32, rows: impl Iterator<Item = &'a [u8]>) {
        let (group, page, _) = place(first);
        self.grow(group, page);
        let pages = &mut Arc::make_mut(&mut Arc::make_mut(&mut self.groups)[group]).pages;
        let (mut rows, mut scratch) = (rows.peekable(), Vec::new());
        while rows.peek().is_some() {
            let page = Page::of(rows.by_ref().take(ROWS), &mut scratch);
            self.held += page.held();
            pages.push(Slot::Held(Arc::new(page)));
        }
    }

    /// How many rows have changed since the last [`Self::capture`].
    pub(crate) fn changed(&self) -> usize {
        self.changed
    }

    /// About how many bytes of memory the pages take.
    pub(crate) fn held(&self) -> usize {
        self.held
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

    /// Hands over the rows that have changed, with their numbers, ascending.
    ///
    /// # Errors
    /// Where a page was put aside and cannot be read.
    pub(crate) fn each_changed(&self, mut each: impl FnMut(u32, &[u8])) -> Result<(), redb::Error> {
        for (at, group) in self.groups.iter().enumerate() {
            let pages = group.pages.iter().enumerate();
            for (page, slot) in pages.take(group.changed.len() * 64 / ROWS) {
                let first = page * ROWS;
                let bits = group.changed[first / 64] >> (first % 64) & (u64::MAX >> (64 - ROWS));
                if bits == 0 {
                    continue;
                }
                let rows = slot.page()?;
                for (row, bytes) in rows.each().enumerate() {
                    if bits >> row & 1 == 1 {
                        // Numbers are of 32 bits, and so are the places of rows.
                        each((at * GROUP_ROWS + first + row) as u32, bytes);
                    }
                }
            }
        }
        Ok(())
    }

    /// Hands over the rows from one number on and before another, ascending, with the empty ones among them; both are
    /// rounded down to whole pages.
    ///
    /// # Errors
    /// Where a page was put aside and cannot be read.
    pub(crate) fn each(
        &self,
        numbers: Range<usize>,
        mut each: impl FnMut(u32, &[u8]),
    ) -> Result<(), redb::Error> {
        for at in numbers.start / ROWS..numbers.end / ROWS {
            let group = self.groups.get(at / PAGES);
            let page = match group.and_then(|group| group.pages.get(at % PAGES)) {
                Some(slot) => slot.page()?,
                None => Cow::default(),
            };
            for (row, bytes) in page.each().enumerate() {
                // As above.
                each((at * ROWS + row) as u32, bytes);
            }
        }
        Ok(())
    }

    /// How many rows there are, those that are empty among them; rounded up to whole pages.
    pub(crate) fn rows(&self) -> usize {
        let Some(last) = self.groups.last() else {
            return 0;
        };
        (self.groups.len() - 1) * GROUP_ROWS + last.pages.len() * ROWS
    }

    /// Puts pages aside that nobody has asked for lately, until no more than so many bytes are held; where a snapshot is
    /// out, they go with it.
    ///
    /// # Errors
    /// Where they cannot be written: those that are left stay in memory.
    pub(crate) fn shrink_to(&mut self, bytes: usize) -> io::Result<()> {
        let Some(aside) = self.aside.clone() else {
            return Ok(());
        };
        let count = self.rows() / ROWS;
        // Once around for those in use, once more for all.
        for _ in 0..2 * count {
            if self.held <= bytes {
                break;
            }
            self.hand = (self.hand + 1) % count;
            let (group, page) = (self.hand / PAGES, self.hand % PAGES);
            let known = &self.groups[group];
            let Some(Slot::Held(held)) = known.pages.get(page) else {
                continue;
            };
            if known.was_used(page) {
                continue;
            }
            let lying = held.put_aside(&aside)?;
            self.held = self.held.saturating_sub(held.held());
            let group = Arc::make_mut(&mut Arc::make_mut(&mut self.groups)[group]);
            group.pages[page] = Slot::Aside(Arc::new(lying));
        }
        Ok(())
    }

    /// Makes room for so many pages of a group.
    fn grow(&mut self, group: usize, pages: usize) {
        let there = self.groups.get(group);
        if there.is_some_and(|group| group.pages.len() >= pages) {
            return;
        }
        let groups = Arc::make_mut(&mut self.groups);
        if groups.len() <= group {
            groups.resize_with(group + 1, Arc::default);
        }
        let group = &mut Arc::make_mut(&mut groups[group]).pages;
        self.held += (pages - group.len()) * Page::default().held();
        group.resize_with(pages, Slot::default);
    }

    /// Brings a page into memory that is there.
    fn hold(&mut self, group: usize, page: usize) -> Result<(), redb::Error> {
        let known = &self.groups[group];
        known.use_page(page);
        if let Slot::Aside(lying) = &known.pages[page] {
            let read = Page::read(lying)?;
            self.held += read.held();
            let group = Arc::make_mut(&mut Arc::make_mut(&mut self.groups)[group]);
            group.pages[page] = Slot::Held(Arc::new(read));
        }
        Ok(())
    }
}

impl Group {
    fn use_page(&self, page: usize) {
        let (word, bit) = (&self.used[page / 64], 1 << (page % 64));
        // Most often it is in use already, and then nothing is written that others must read anew.
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Whether it was asked for; from now on it was not.
    fn was_used(&self, page: usize) -> bool {
        let bit = 1 << (page % 64);
        self.used[page / 64].fetch_and(!bit, Ordering::Relaxed) & bit != 0
    }
}

impl Slot {
    fn page(&self) -> Result<Cow<'_, Page>, redb::Error> {
        Ok(match self {
            Self::Held(page) => Cow::Borrowed(&**page),
            Self::Aside(lying) => Cow::Owned(Page::read(lying)?),
        })
    }
}

fn place(number: u32) -> (usize, usize, usize) {
    let number = number as usize;
    let in_group = number % GROUP_ROWS;
    (number / GROUP_ROWS, in_group / ROWS, in_group % ROWS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use tempfile::tempdir;

    use super::*;

    type Rows = BTreeMap<u32, Vec<u8>>;

    fn check(pages: &Pages, expected: &Rows) {
        let mut all = Rows::new();
        pages
            .each(0..pages.rows(), |number, row| {
                drop(all.insert(number, row.to_vec()))
            })
            .unwrap();
        for number in 0..u32::try_from(pages.rows()).unwrap() {
            let row = expected.get(&number).map_or(&[] as &[u8], Vec::as_slice);
            assert_eq!(
                (&*pages.get(number).unwrap(), &all[&number][..]),
                (row, row)
            );
        }
    }

    fn changed(pages: &Pages) -> Rows {
        let mut changed = Rows::new();
        pages
            .each_changed(|number, row| drop(changed.insert(number, row.to_vec())))
            .unwrap();
        assert_eq!(changed.len(), pages.changed());
        changed
    }

    proptest! {
        // Each goes through all rows two hundred times.
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn pages_hold_what_was_put_and_a_snapshot_what_was_there_wherever_they_lie(
            puts in prop::collection::vec((0..20_000_u32, 0..300_usize, any::<u8>()), 0..200),
            captured_at in 0..200_usize,
            shrunk in prop::collection::vec((0..200_usize, 0..40_000_usize), 0..6),
        ) {
            let folder = tempdir().unwrap();
            let aside = Arc::new(Aside::new(folder.path().join("aside")));
            let (mut pages, mut expected) = (Pages::new(aside), Rows::new());
            let mut snapshot = None;
            for (turn, (number, length, byte)) in puts.into_iter().enumerate() {
                if turn == captured_at {
                    snapshot = Some((pages.capture(), expected.clone()));
                }
                for (_, bytes) in shrunk.iter().filter(|(at, _)| *at == turn) {
                    pages.shrink_to(*bytes).unwrap();
                    prop_assert!(pages.held() <= *bytes || *bytes == 0);
                }
                // Few numbers, so that they meet.
                let (number, bytes) = (number % 100 * 173, vec![byte; length]);
                let before = expected.get(&number).map_or(&[] as &[u8], Vec::as_slice);
                prop_assert_eq!(pages.fetch(number).unwrap(), before);
                pages.put(number, &bytes).unwrap();
                expected.insert(number, bytes);
            }
            check(&pages, &expected);
            if let Some((snapshot, then)) = snapshot {
                check(&snapshot, &then);
                for (number, row) in changed(&snapshot) {
                    prop_assert_eq!(then.get(&number), Some(&row));
                }
                // Nothing that has changed since is missing.
                let changed = changed(&pages);
                for (number, row) in &expected {
                    let is_same = then.get(number) == Some(row);
                    prop_assert!(is_same || row.is_empty() || changed.contains_key(number));
                }
            }
            pages.shrink_to(0).unwrap();
            prop_assert_eq!(pages.held(), 0);
            check(&pages, &expected);
        }

        #[test]
        fn what_is_loaded_is_there_and_has_not_changed(
            rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..300),
        ) {
            let mut pages = Pages::default();
            let loaded: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
            for (chunk, rows) in (0..).zip(loaded.chunks(2 * ROWS)) {
                pages.load(chunk * 2 * ROWS as u32, rows.iter().copied());
            }
            let expected: Rows = (0..).zip(rows).collect();
            check(&pages, &expected);
            prop_assert_eq!(pages.changed(), 0);
        }
    }

    #[test]
    fn what_is_asked_for_stays_longest() {
        let folder = tempdir().unwrap();
        let aside = Arc::new(Aside::new(folder.path().join("aside")));
        let mut pages = Pages::new(aside);
        let row = [7; 100];
        for number in 0..32 * 100 {
            pages.put(number, &row).unwrap();
        }
        let all = pages.held();
        pages.shrink_to(all - 1).unwrap();
        // All were in use, and are not any more; these are.
        for number in 0..32 * 20 {
            pages.get(number).unwrap();
        }
        pages.shrink_to(all / 4).unwrap();
        let is_held = |page: usize| matches!(pages.groups[0].pages[page], Slot::Held(_));
        let held = (0..20).filter(|page| is_held(*page)).count();
        assert!(held >= 19, "{held}");
        assert!(pages.held() <= all / 4);
    }
}
