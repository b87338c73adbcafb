//! Finding the events in which several terms meet, run by run and from the newest down, or from the oldest
//! up for readers who pull on. Of a contact and a message each run tells the one before that holds it, so
//! that the others are not looked at; names are looked for in every run, since nearly all hold nearly all.

use std::ops::Range;

use super::list::{List, Source, Times};
use super::{Reader, RunsError, Wanted};
use crate::record::{Seq, WorkspaceId};
use crate::views::EventPage;
use crate::views::filter::{EventFilter, Order};

use super::block::{Kind, Term};

/// A term that is looked for.
struct Lookup {
    term: Term,
    /// The newest run that may hold it.
    run: u32,
    /// An offset in that run that none of its events is above.
    newest: u32,
    times: Option<Times>,
}

/// What one run came to.
enum Turn {
    Full,
    /// Nothing behind it in the walk's order is asked for.
    Done,
    On,
}

/// A page that fills.
struct Page<'a> {
    filter: &'a EventFilter,
    range: Range<u64>,
    size: u64,
    seqs: Vec<Seq>,
}

/// See [`Reader::events`].
pub(super) fn walk(
    reader: &Reader,
    workspace: WorkspaceId,
    wanted: &Wanted,
    filter: &EventFilter,
) -> Result<EventPage, RunsError> {
    let range = range(filter, reader.cursor);
    let mut page = Page {
        filter,
        range,
        size: reader.size.into(),
        seqs: Vec::new(),
    };
    let mut lookups = lookups(reader, workspace, wanted, filter);
    let complete = if page.range.is_empty() || lookups.is_empty() {
        true
    } else {
        match filter.order {
            Order::NewestFirst => page.descend(reader, &mut lookups)?,
            Order::OldestFirst => page.ascend(reader, &mut lookups)?,
        }
    };
    Ok(EventPage {
        seqs: page.seqs,
        complete,
    })
}

/// Where the filter begins and ends, whatever it asks for between.
fn range(filter: &EventFilter, cursor: Seq) -> Range<u64> {
    let until = filter.until.map_or(cursor, |until| until.min(cursor));
    let end = until.0.saturating_add(1);
    match (filter.order, filter.cursor) {
        (_, None) => 0..end,
        (Order::NewestFirst, Some(before)) => 0..end.min(before.0),
        (Order::OldestFirst, Some(behind)) => behind.0.saturating_add(1)..end,
    }
}

/// Those that are held by the fewest events come first: where they are not, the others need no look.
fn lookups(
    reader: &Reader,
    workspace: WorkspaceId,
    wanted: &Wanted,
    filter: &EventFilter,
) -> Vec<Lookup> {
    let size = u64::from(reader.size);
    let lookup = |kind, number, newest: Seq, times| Lookup {
        term: Term {
            kind,
            workspace: workspace.0,
            number,
        },
        run: u32::try_from(newest.0 / size).unwrap_or(u32::MAX),
        // A remainder by a size of 32 bits.
        newest: (newest.0 % size) as u32,
        times,
    };
    let chained = [
        (Kind::Message, wanted.message),
        (Kind::Contact, wanted.contact),
    ];
    let mut lookups: Vec<_> = chained
        .into_iter()
        .filter_map(|(kind, head)| head.map(|head| lookup(kind, head.number, head.newest, None)))
        .collect();
    if let Some(name) = wanted.name {
        lookups.push(lookup(Kind::Name, name, reader.cursor, None));
    }
    let (from, to) = (filter.from, filter.to);
    let times = (from.is_some() || to.is_some()).then(|| Times {
        from: from.map(|time| time.as_millis()),
        to: to.map(|time| time.as_millis()),
    });
    if lookups.is_empty() || times.is_some() {
        lookups.push(lookup(Kind::All, 0, reader.cursor, times));
    }
    lookups
}

impl Page<'_> {
    /// Returns whether nothing is left to look at.
    fn descend(&mut self, reader: &Reader, lookups: &mut [Lookup]) -> Result<bool, RunsError> {
        let Some(last) = self.range.end.checked_sub(1) else {
            return Ok(true);
        };
        let mut top = self.run_of(last);
        loop {
            top = lookups.iter().map(|lookup| lookup.run).fold(top, u32::min);
            let Some(source) = reader.at_or_below(top) else {
                return Ok(true);
            };
            let index = source.index();
            if index < self.run_of(self.range.start) {
                return Ok(true);
            }
            let mut lists = self.lists(source, lookups, index)?;
            if lists.len() == lookups.len() {
                match self.take(index, &mut lists)? {
                    Turn::Full => return Ok(false),
                    Turn::Done => return Ok(true),
                    Turn::On => {}
                }
            }
            // Of those that are chained the one that goes furthest back; without any, the next.
            let chained = lists.iter().filter(|list| list.is_chained());
            let before = chained.map(List::before).min();
            match before.unwrap_or(index.checked_sub(1)) {
                Some(before) => top = before,
                // No older run holds all terms.
                None => return Ok(true),
            }
        }
    }

    /// The same from below.
    fn ascend(&mut self, reader: &Reader, lookups: &mut [Lookup]) -> Result<bool, RunsError> {
        let first = self.run_of(self.range.start);
        let last = self.run_of(self.range.end - 1);
        let last = lookups.iter().map(|lookup| lookup.run).fold(last, u32::min);
        let mut runs = Vec::new();
        // Chains lead down: this one is followed to where the page begins.
        match lookups.first().filter(|first| first.term.kind.is_chained()) {
            Some(lookup) => {
                let mut top = Some(last);
                while let Some(source) = top.and_then(|top| reader.at_or_below(top)) {
                    let index = source.index();
                    if index < first {
                        break;
                    }
                    let near = lookup.near(index);
                    top = match source.list(lookup.term, near, None)? {
                        Some(list) => {
                            runs.push(index);
                            list.before()
                        }
                        None => index.checked_sub(1),
                    };
                }
                runs.reverse();
            }
            None => runs.extend(reader.indexes(first..=last)),
        }
        for index in runs {
            let Some(source) = reader.at_or_below(index) else {
                continue;
            };
            let mut lists = self.lists(source, lookups, index)?;
            if lists.len() == lookups.len() {
                match self.take(index, &mut lists)? {
                    Turn::Full => return Ok(false),
                    Turn::Done => return Ok(true),
                    Turn::On => {}
                }
            }
        }
        Ok(true)
    }

    /// The lists of the terms in a run, up to the first that has none there; also where the times are
    /// none of those that are asked for, but for those that are chained.
    fn lists<'r>(
        &self,
        source: Source<'r>,
        lookups: &[Lookup],
        index: u32,
    ) -> Result<Vec<List<'r>>, RunsError> {
        let mut lists = Vec::with_capacity(lookups.len());
        let times = lookups.iter().find_map(|lookup| lookup.times);
        let is_outside = times.is_some_and(|times| !times.meet(source.span()));
        for lookup in lookups {
            if is_outside && !lookup.term.kind.is_chained() {
                break;
            }
            let near = self.near(index).min(lookup.near(index));
            match source.list(lookup.term, near, lookup.times)? {
                Some(list) => lists.push(list),
                None => break,
            }
        }
        Ok(lists)
    }

    /// Where in a run the page begins, in its order.
    fn near(&self, index: u32) -> u32 {
        let base = u64::from(index) * self.size;
        let at = match self.filter.order {
            Order::NewestFirst => (self.range.end - 1).saturating_sub(base),
            Order::OldestFirst => self.range.start.saturating_sub(base),
        };
        u32::try_from(at.min(self.size - 1)).unwrap_or(u32::MAX)
    }

    /// Takes what the lists have in common.
    fn take(&mut self, index: u32, lists: &mut [List<'_>]) -> Result<Turn, RunsError> {
        let base = u64::from(index) * self.size;
        let mut at = self.near(index);
        // Each list says which offset is the next that it has, until all agree.
        let (mut agreed, mut turn) = (0, 0);
        loop {
            let count = lists.len();
            let list = &mut lists[turn % count];
            let found = match self.filter.order {
                Order::NewestFirst => list.at_or_before(at)?,
                Order::OldestFirst => list.at_or_after(at)?,
            };
            let Some(found) = found else {
                return Ok(Turn::On);
            };
            agreed = if found == at { agreed + 1 } else { 1 };
            at = found;
            turn += 1;
            if agreed < count {
                continue;
            }
            let seq = base + u64::from(at);
            if !self.range.contains(&seq) {
                return Ok(Turn::Done);
            }
            if self.seqs.len() == self.filter.limit {
                return Ok(Turn::Full);
            }
            self.seqs.push(Seq(seq));
            agreed = 0;
            at = match self.filter.order {
                Order::NewestFirst => match at.checked_sub(1) {
                    Some(below) => below,
                    None => return Ok(Turn::On),
                },
                Order::OldestFirst => at + 1,
            };
        }
    }

    fn run_of(&self, seq: u64) -> u32 {
        u32::try_from(seq / self.size).unwrap_or(u32::MAX)
    }
}

impl Lookup {
    /// In a run: from where downwards its events lie.
    fn near(&self, index: u32) -> u32 {
        if index == self.run {
            self.newest
        } else {
            u32::MAX
        }
    }
}
