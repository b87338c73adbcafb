//! Listing events page by page, in either order.

use super::places::{read, stretches};
use super::sieve::Sieve;
use super::{EventList, EventView, QueryError};
use crate::ledger::Log;
use crate::record::public_seq::PublicSeq;
use crate::record::{Record, WorkspaceId};
use crate::views::Views;
use crate::views::filter::{EventFilter, Order};

/// Candidates are asked for in portions of at least this many where many of them may not match.
const PORTION: usize = 256;
/// The most records that are looked at for one page: behind them a page ends early, with a `next`.
const MAX_LOOKED_AT: usize = 100_000;

/// Lists events of a workspace in the filter's order by seq: exactly `limit` of them where there are
/// that many, unless 100,000 records had to be passed over. Blocks on disk.
///
/// # Errors
/// [`QueryError`].
pub fn list_events(
    views: &Views,
    log: &dyn Log,
    workspace: WorkspaceId,
    filter: &EventFilter,
) -> Result<EventList, QueryError> {
    list_within(views, log, workspace, filter, MAX_LOOKED_AT)
}

pub(super) fn list_within(
    views: &Views,
    log: &dyn Log,
    workspace: WorkspaceId,
    filter: &EventFilter,
    most: usize,
) -> Result<EventList, QueryError> {
    let mut events = Vec::new();
    let next = walk(views, log, workspace, filter, most, &mut |_, view| {
        events.push(view);
    })?;
    Ok(EventList { events, next })
}

/// The same for whoever needs more of an event than is shown: each with its record. Answers where the
/// next page begins. Blocks on disk.
///
/// # Errors
/// [`QueryError`].
pub fn each_event(
    views: &Views,
    log: &dyn Log,
    workspace: WorkspaceId,
    filter: &EventFilter,
    each: &mut dyn FnMut(&Record, EventView),
) -> Result<Option<PublicSeq>, QueryError> {
    walk(views, log, workspace, filter, MAX_LOOKED_AT, each)
}

fn walk(
    views: &Views,
    log: &dyn Log,
    workspace: WorkspaceId,
    filter: &EventFilter,
    most: usize,
    each: &mut dyn FnMut(&Record, EventView),
) -> Result<Option<PublicSeq>, QueryError> {
    let limit = filter.page_limit();
    let portion = if filter.is_loose() { PORTION } else { 1 };
    let mut count = 0;
    // Behind which the next page begins, and the last record of all that were looked at.
    let (mut last, mut passed) = (PublicSeq::START, PublicSeq::START);
    let mut looked_at = 0;
    let mut asked = filter.clone();
    let mut sieve = Sieve::new(views, workspace, filter);
    loop {
        // One more than fits, to know whether there is a next page.
        asked.limit = (limit + 1 - count).max(portion);
        let page = views.events(workspace, &asked)?;
        let mut descending = page.seqs.clone();
        if filter.order == Order::OldestFirst {
            descending.reverse();
        }
        let mut parts: Vec<_> = stretches(&descending).collect();
        if filter.order == Order::OldestFirst {
            parts.reverse();
        }
        for seqs in parts {
            let records = read(log, seqs)?;
            let beside = views.beside(&records)?;
            let mut found: Vec<_> = records.iter().zip(beside).collect();
            if filter.order == Order::NewestFirst {
                found.reverse();
            }
            for (record, beside) in found {
                if !sieve.takes(record)? {
                    passed = record.public_seq;
                    continue;
                }
                let view = EventView::of(record, beside);
                if !sieve.shows(&view) {
                    passed = record.public_seq;
                    continue;
                }
                if count == limit {
                    return Ok(Some(last));
                }
                (last, passed) = (record.public_seq, record.public_seq);
                count += 1;
                each(record, view);
            }
        }
        asked.cursor = page.seqs.last().copied();
        looked_at += page.seqs.len();
        if page.complete || asked.cursor.is_none() {
            return Ok(None);
        }
        if looked_at >= most && passed > PublicSeq::START {
            return Ok(Some(passed));
        }
    }
}
