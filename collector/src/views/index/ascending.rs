//! The same index walked from the oldest up, for readers who pull on.

use redb::{ReadTransaction, ReadableTable};

use super::{
    EventPage, Offsets, POSTINGS, Span, Term, ZONE, ZONES, intersection, offsets, posting_key,
    zone_key,
};
use crate::log::record::{Seq, WorkspaceId};
use crate::query::EventFilter;

/// The seqs behind the filter's cursor in which all terms meet, oldest first.
pub(super) fn candidates(
    snapshot: &ReadTransaction,
    workspace: WorkspaceId,
    terms: &[Term],
    filter: &EventFilter,
) -> Result<EventPage, redb::Error> {
    let postings = snapshot.open_table(POSTINGS)?;
    let zones = snapshot.open_table(ZONES)?;
    let first = filter.cursor.map_or(0, |behind| behind.0.saturating_add(1));
    let mut seqs = Vec::new();
    let mut from = first / ZONE;
    while let Some((zone, rows)) = oldest_common(&postings, terms, from)? {
        from = zone + 1;
        if filter.from.is_some() || filter.to.is_some() {
            let span = zones.get(&zone_key(workspace, zone))?;
            let span = span.map(|row| Span::from_bytes(row.value()));
            if !span.is_some_and(|span| span.meets(filter)) {
                continue;
            }
        }
        for offset in intersection(&rows) {
            let seq = Seq(zone * ZONE + u64::from(offset));
            if seq.0 < first {
                continue;
            }
            if filter.until.is_some_and(|until| seq > until) {
                return Ok(EventPage {
                    seqs,
                    complete: true,
                });
            }
            if seqs.len() == filter.limit {
                return Ok(EventPage {
                    seqs,
                    complete: false,
                });
            }
            seqs.push(seq);
        }
    }
    Ok(EventPage {
        seqs,
        complete: true,
    })
}

/// The oldest zone from `from` on in which every term has a row, and these rows.
fn oldest_common(
    postings: &impl ReadableTable<&'static [u8; 29], &'static [u8]>,
    terms: &[Term],
    from: u64,
) -> Result<Option<(u64, Vec<Offsets>)>, redb::Error> {
    let mut from = from;
    'higher: loop {
        let mut zone = None;
        let mut rows = Vec::with_capacity(terms.len());
        for term in terms {
            let Some((mine, row)) = oldest(postings, term, from)? else {
                return Ok(None);
            };
            from = mine;
            if *zone.get_or_insert(mine) < mine {
                continue 'higher;
            }
            rows.push(row);
        }
        return Ok(zone.map(|zone| (zone, rows)));
    }
}

/// The oldest zone from `from` on in which the term has a row, and the row.
fn oldest(
    postings: &impl ReadableTable<&'static [u8; 29], &'static [u8]>,
    term: &Term,
    from: u64,
) -> Result<Option<(u64, Offsets)>, redb::Error> {
    let (first, last) = (posting_key(term, from), posting_key(term, u64::MAX));
    let found = postings.range::<&[u8; 29]>(&first..=&last)?.next();
    let Some(found) = found else {
        return Ok(None);
    };
    let (key, row) = found?;
    Ok(Some((super::zone_of(key.value()), offsets(row.value()))))
}
