//! Walking the index from the newest event down, or from the oldest up for readers who pull on: zone by
//! zone, where several terms are asked for through those zones alone in which all of them have a row.

use std::ops::Range;

use redb::{ReadTransaction, ReadableTable};

use super::{
    EventPage, Offsets, POSTINGS, Span, Term, ZONE, ZONES, intersection, offsets, posting_key,
    zone_key, zone_of,
};
use crate::record::{Seq, WorkspaceId};
use crate::views::filter::{EventFilter, Order};

/// The seqs that the filter asks for and in which all terms meet, in its order; see
/// [`super::candidates`].
pub(super) fn walk(
    snapshot: &ReadTransaction,
    workspace: WorkspaceId,
    terms: &[Term],
    filter: &EventFilter,
) -> Result<EventPage, redb::Error> {
    let postings = snapshot.open_table(POSTINGS)?;
    let spans = snapshot.open_table(ZONES)?;
    let wanted = wanted(filter);
    let mut zones = wanted.start / ZONE..wanted.end.div_ceil(ZONE);
    let mut seqs = Vec::new();
    while let Some((zone, rows)) = next_common(&postings, terms, filter.order, zones.clone())? {
        match filter.order {
            Order::NewestFirst => zones.end = zone,
            Order::OldestFirst => zones.start = zone + 1,
        }
        if filter.from.is_some() || filter.to.is_some() {
            let span = spans.get(&zone_key(workspace, zone))?;
            let span = span.map(|row| Span::from_bytes(row.value()));
            if !span.is_some_and(|span| span.meets(filter)) {
                continue;
            }
        }
        let mut offsets = intersection(&rows);
        if filter.order == Order::NewestFirst {
            offsets.reverse();
        }
        let found = offsets
            .into_iter()
            .map(|offset| zone * ZONE + u64::from(offset));
        for seq in found.filter(|seq| wanted.contains(seq)) {
            if seqs.len() == filter.limit {
                return Ok(EventPage {
                    seqs,
                    complete: false,
                });
            }
            seqs.push(Seq(seq));
        }
    }
    Ok(EventPage {
        seqs,
        complete: true,
    })
}

/// Where the filter begins and ends, whatever it asks for between.
fn wanted(filter: &EventFilter) -> Range<u64> {
    let until = filter.until.map(|until| until.0.saturating_add(1));
    let end = until.unwrap_or(u64::MAX);
    match (filter.order, filter.cursor) {
        (_, None) => 0..end,
        (Order::NewestFirst, Some(before)) => 0..end.min(before.0),
        (Order::OldestFirst, Some(behind)) => behind.0.saturating_add(1)..end,
    }
}

/// The first of these zones in this order in which every term has a row, and these rows. Each term says
/// which zone is the next that it could have, until all agree.
fn next_common(
    postings: &impl ReadableTable<&'static [u8; 29], &'static [u8]>,
    terms: &[Term],
    order: Order,
    mut zones: Range<u64>,
) -> Result<Option<(u64, Vec<Offsets>)>, redb::Error> {
    'onwards: loop {
        let mut zone = None;
        let mut rows = Vec::with_capacity(terms.len());
        for term in terms {
            let Some((mine, row)) = next(postings, term, order, &zones)? else {
                return Ok(None);
            };
            // None that is nearer has a row of this term.
            match order {
                Order::NewestFirst => zones.end = mine + 1,
                Order::OldestFirst => zones.start = mine,
            }
            if *zone.get_or_insert(mine) != mine {
                continue 'onwards;
            }
            rows.push(row);
        }
        return Ok(zone.map(|zone| (zone, rows)));
    }
}

/// The first of these zones in this order in which the term has a row, and the row.
fn next(
    postings: &impl ReadableTable<&'static [u8; 29], &'static [u8]>,
    term: &Term,
    order: Order,
    zones: &Range<u64>,
) -> Result<Option<(u64, Offsets)>, redb::Error> {
    if zones.is_empty() {
        return Ok(None);
    }
    let (first, end) = (posting_key(term, zones.start), posting_key(term, zones.end));
    let mut rows = postings.range::<&[u8; 29]>(&first..&end)?;
    let found = match order {
        Order::NewestFirst => rows.next_back(),
        Order::OldestFirst => rows.next(),
    };
    let Some(found) = found else {
        return Ok(None);
    };
    let (key, row) = found?;
    Ok(Some((zone_of(key.value()), offsets(row.value()))))
}
