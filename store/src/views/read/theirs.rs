//! What a contact did: under its address, and in browsers that are theirs. Each is found by a chain of its own, and
//! they are told as one list.

use std::sync::Arc;

use super::engagement;
use crate::record::{ContactId, Entry, Record, Seq, WorkspaceId};
use crate::views::engagement as engaged;
use crate::views::filter::{EventFilter, Order};
use crate::views::runs::{Newest, Wanted};
use crate::views::{EventPage, ViewError, Views, events, terms};

impl Views {
    /// To whom a record belongs that names a browser and nobody by address; `None` where nobody is known, and of
    /// others.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn owner_of(&self, record: &Record) -> Result<Option<ContactId>, ViewError> {
        self.look(engagement, |shelves| self.owner_in(shelves, record))
    }

    pub(super) fn owner_in(
        &self,
        shelves: &crate::views::Shelves,
        Record { seq, entry, .. }: &Record,
    ) -> Result<Option<ContactId>, redb::Error> {
        let Some(digest) = self.browser_of(entry) else {
            return Ok(None);
        };
        let Some(browser) = shelves.terms.numbers[terms::BROWSERS].find(&digest) else {
            return Ok(None);
        };
        let owner = engaged::owner(&shelves.engagement.rows, browser, entry, *seq)?;
        Ok(owner.filter(|owner| !self.is_hidden(shelves, *owner)))
    }

    /// What stands for the browser of what names nobody by address.
    fn browser_of(&self, entry: &Entry) -> Option<[u8; 16]> {
        let browser = entry.anonymous_id.as_ref()?;
        if entry.address.is_some() || entry.fact.send().is_some() {
            return None;
        }
        let key = self.keys.key_of(entry.workspace)?.prepared();
        Some(terms::digest(&key, terms::BROWSER, browser.as_str()))
    }

    /// Where the events begin that browsers did which were named together with a contact: not all of them are
    /// theirs.
    pub(super) fn browsers_of(&self, contact: ContactId) -> Result<Vec<Newest>, ViewError> {
        loop {
            let (browsers, edition) = self.look(engagement, |shelves| {
                let browsers = engaged::browsers_of(&shelves.engagement.rows, contact)?;
                Ok((browsers, Arc::clone(&shelves.terms.rows.state)))
            })?;
            let chains = self.look(super::of_events, |shelves| {
                // Where others have taken the place of these rows, the numbers may be others.
                if !Arc::ptr_eq(&edition, &shelves.terms.rows.state) {
                    return Ok(None);
                }
                let rows = &shelves.events.rows;
                let chains = browsers
                    .iter()
                    .map(|browser| events::of_browser(rows, *browser));
                let chains: Result<Vec<_>, redb::Error> = chains.collect();
                Ok(Some(chains?.into_iter().flatten().collect()))
            })?;
            if let Some(chains) = chains {
                return Ok(chains);
            }
        }
    }

    /// How many events there are of browsers that belong to a contact.
    pub(in crate::views) fn count_in_browsers(&self, contact: ContactId) -> Result<u64, ViewError> {
        self.look(engagement, |shelves| {
            engaged::count_in_browsers(&shelves.engagement.rows, contact)
        })
    }

    /// The events of several chains as one page.
    pub(super) fn merged(
        &self,
        runs: &super::Runs,
        workspace: WorkspaceId,
        all: &[Wanted],
        filter: &EventFilter,
    ) -> Result<EventPage, ViewError> {
        let mut pages = Vec::with_capacity(all.len());
        for wanted in all {
            pages.push(runs.ask(self, |runs| runs.events(workspace, wanted, filter))?);
        }
        Ok(merged(pages, filter))
    }
}

/// Several pages in the filter's order as one, as far as all of them reach.
fn merged(pages: Vec<EventPage>, filter: &EventFilter) -> EventPage {
    let key = |seq: &Seq| match filter.order {
        Order::NewestFirst => u64::MAX - seq.0,
        Order::OldestFirst => seq.0,
    };
    let cut = pages.iter().filter(|page| !page.complete);
    let cut = cut.filter_map(|page| page.seqs.last().map(key)).min();
    let mut complete = cut.is_none();
    let mut seqs: Vec<Seq> = pages.into_iter().flat_map(|page| page.seqs).collect();
    seqs.sort_unstable_by_key(key);
    seqs.dedup();
    if let Some(cut) = cut {
        seqs.truncate(seqs.partition_point(|seq| key(seq) <= cut));
    }
    if seqs.len() > filter.limit {
        seqs.truncate(filter.limit);
        complete = false;
    }
    EventPage { seqs, complete }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn several_lists_read_page_by_page_as_one(
            lists in prop::collection::vec(prop::collection::btree_set(1..60_u64, 0..20), 1..5),
            limit in 1..9_usize,
            up in any::<bool>(),
        ) {
            let order = if up { Order::OldestFirst } else { Order::NewestFirst };
            let mut filter = EventFilter { limit, order, ..EventFilter::default() };
            let sorted = |all: Vec<u64>| {
                let mut all = all;
                all.sort_unstable();
                all.dedup();
                if !up {
                    all.reverse();
                }
                all
            };
            let mut found = Vec::new();
            loop {
                let page = |list: &std::collections::BTreeSet<u64>| {
                    let all = sorted(list.iter().copied().collect());
                    let behind = |seq: &u64| match filter.cursor {
                        Some(Seq(cursor)) if up => *seq > cursor,
                        Some(Seq(cursor)) => *seq < cursor,
                        None => true,
                    };
                    let all: Vec<u64> = all.into_iter().filter(behind).collect();
                    let complete = all.len() <= limit;
                    let seqs = all.into_iter().take(limit).map(Seq).collect();
                    EventPage { seqs, complete }
                };
                let page = merged(lists.iter().map(page).collect(), &filter);
                prop_assert!(page.seqs.len() <= limit);
                found.extend(page.seqs.iter().map(|seq| seq.0));
                if page.complete {
                    break;
                }
                filter.cursor = page.seqs.last().copied();
                prop_assert!(filter.cursor.is_some());
            }
            prop_assert_eq!(found, sorted(lists.into_iter().flatten().collect()));
        }
    }
}
