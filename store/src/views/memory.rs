//! What views hold in memory, and what of it is put aside where it is too much.
//!
//! Numbers and columns are asked for with every event and by every list, and stay; rows by key are in their file save
//! those that have changed lately. What is left for rows by number is what the rest does not take.

use std::path::Path;
use std::sync::Arc;

use super::aside::Aside;
use super::pages::Pages;
use super::view::Plan;
use super::{Shelves, terms};

/// What views may take in memory unless it is said, in bytes; `misar serve --cache`.
pub const DEFAULT_CACHE: usize = 512 * 1024 * 1024;
/// And for each contact, in bytes: what finds it, and its place in the order of scores, are never put aside.
const OF_A_CONTACT: usize = 24;
/// About what is held of the run that is being filled, and of one that is being sealed.
const RUNS: usize = 24 * 1024 * 1024;
/// The part of it that the cache of one file may take at the most,
const OF_FILE: usize = 16;
/// and what it takes at the least.
const LEAST_OF_FILE: usize = 1024 * 1024;
/// The part of the memory that is for rows by number, however much the rest takes.
const LEAST: usize = 8;

/// How much memory a view's rows may take, and where they go beyond it.
#[derive(Clone)]
pub(crate) struct Room {
    /// Of all views together, in bytes.
    pub(crate) cache: usize,
    pub(crate) aside: Arc<Aside>,
}

impl Room {
    /// Of views whose files lie in this folder, and bear this ending.
    pub(super) fn of(data: &Path, suffix: &str, cache: usize) -> Self {
        let aside = data.join(format!("views-aside{suffix}.draft"));
        Self {
            cache,
            aside: Arc::new(Aside::new(aside)),
        }
    }

    /// What the cache of a view's file may take.
    pub(super) fn of_file(&self, plan: &Plan) -> usize {
        plan.cache.min(self.cache / OF_FILE).max(LEAST_OF_FILE)
    }
}

impl Shelves {
    /// Puts rows aside until what is held fits, as far as it can.
    pub(super) fn shrink(&mut self, room: &Room) {
        let shelves = self.all();
        let fixed = shelves.into_iter().map(|shelf| shelf.fixed_memory(room));
        let fixed = fixed.sum::<usize>() + self.catalogues.memory();
        let contacts = self.terms.numbers[terms::CONTACTS].count() as usize;
        let bytes = (room.cache + contacts * OF_A_CONTACT).saturating_sub(fixed + RUNS);
        let bytes = bytes.max(room.cache / LEAST);
        let books = [&mut self.events, &mut self.engagement, &mut self.segments];
        let books = books.into_iter().flat_map(|shelf| &mut shelf.rows.pages);
        let mut books: Vec<&mut Pages> = books.collect();
        let most = level(books.iter().map(|pages| pages.held()).collect(), bytes);
        for pages in &mut books {
            shrink(pages, most, room);
        }
    }
}

/// Puts pages aside until no more than so many bytes are held. Where they cannot be written they stay.
pub(super) fn shrink(pages: &mut Pages, bytes: usize, room: &Room) {
    if pages.held() <= bytes {
        return;
    }
    if let Err(error) = pages.shrink_to(bytes)
        && room.aside.fails_first()
    {
        tracing::warn!(%error, "the views take more memory than they may: rows cannot be put aside");
    }
}

/// The most that each of these may have, so that all together have so much: who has less keeps it. Those with most are
/// those with the largest rows, of which fewer must be moved.
fn level(mut held: Vec<usize>, all: usize) -> usize {
    held.sort_unstable();
    let mut left = all;
    for (at, bytes) in held.iter().enumerate() {
        let share = left / (held.len() - at);
        if *bytes > share {
            return share;
        }
        left -= bytes;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_most_gives_first() {
        assert_eq!(level(vec![500, 10, 40], 300), 250);
        assert_eq!(level(vec![500, 10, 400], 300), 145);
        assert_eq!(level(vec![500, 10, 40], 550), usize::MAX);
        assert_eq!(level(vec![500, 10, 40], 20), 6);
        assert_eq!(level(Vec::new(), 20), usize::MAX);
    }
}
