//! Reading messages with everything that happened to them: pages of messages and campaigns, and what
//! a message comes to within a span of time.

use std::ops::Range;

use super::hits::{Hit, What, of_message};
use super::message::{Fate, Message};
use super::rows::{decode, key};
use super::tally::{Figures, Tally, Totals};
use super::{CAMPAIGNS, HITS, MESSAGES, RELABELLED, ahead, messages_of_campaign};
use crate::record::{Class, WorkspaceId};
use crate::views::ordered::{Ordered, Way, successor};
use crate::views::rows::Rows;

/// Messages that are read in one go.
const PORTION: usize = 1_000;

/// Whose messages are asked for.
#[derive(Debug, Clone)]
pub(crate) enum Whose {
    /// The one of this id.
    Message(String),
    Campaign(String),
    Workspace,
}

/// Something that happened to a message, with the class that it has by now.
pub(crate) struct Happened {
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    pub(crate) class: Class,
    pub(crate) what: What,
}

/// Hands over each message with what happened to it, in the order of their ids.
pub(crate) fn for_each(
    rows: &Rows,
    workspace: WorkspaceId,
    whose: &Whose,
    mut each: impl FnMut(&str, &Message, &[Happened]),
) -> Result<(), redb::Error> {
    let (hits, relabelled) = (&rows.tables[HITS], &rows.tables[RELABELLED]);
    let happened = |(seq, hit): (u64, Hit)| -> Result<Happened, redb::Error> {
        let is_machine =
            matches!(hit.what, What::Click { .. }) && relabelled.get(&seq.to_be_bytes())?.is_some();
        Ok(Happened {
            time: hit.time,
            class: if is_machine { Class::Bot } else { hit.class },
            what: hit.what,
        })
    };
    let mut after = String::new();
    loop {
        let page = match whose {
            Whose::Message(id) => super::message(rows, workspace, id)?
                .map(|message| (id.clone(), message))
                .into_iter()
                .collect(),
            Whose::Campaign(id) => messages_of_campaign(rows, workspace, id, &after, PORTION)?,
            Whose::Workspace => messages(rows, workspace, &after, PORTION)?,
        };
        for (id, message) in &page {
            let all = of_message(hits, workspace, id)?.into_iter();
            let all: Vec<Happened> = all.map(happened).collect::<Result<_, _>>()?;
            each(id, message, &all);
        }
        match (page.into_iter().next_back(), whose) {
            (Some((last, _)), Whose::Campaign(_) | Whose::Workspace) => after = last,
            _ => return Ok(()),
        }
    }
}

/// The workspace's messages behind `after` in the order of their ids, at most `limit`.
pub(crate) fn messages(
    rows: &Rows,
    workspace: WorkspaceId,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, Message)>, redb::Error> {
    page(&rows.tables[MESSAGES], workspace, after, limit)
}

/// Its campaigns likewise, as of `now` in milliseconds since 1970.
pub(crate) fn campaigns(
    rows: &Rows,
    workspace: WorkspaceId,
    after: &str,
    limit: usize,
    now: i64,
) -> Result<Vec<(String, Totals)>, redb::Error> {
    let mut found: Vec<(String, Totals)> = page(&rows.tables[CAMPAIGNS], workspace, after, limit)?;
    for (campaign_id, totals) in &mut found {
        ahead::take_off(rows, workspace, Some(campaign_id), now, totals)?;
    }
    Ok(found)
}

fn page<V: serde::de::DeserializeOwned>(
    table: &Ordered,
    workspace: WorkspaceId,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, V)>, redb::Error> {
    let of_all = key(workspace, &[]);
    let first = key(workspace, &[after.as_bytes()]);
    let mut found = Vec::new();
    for row in table.range(&first, successor(&of_all).as_deref(), Way::Up)? {
        let (place, row) = row?;
        let Some(id) = place.strip_prefix(of_all.as_slice()) else {
            break;
        };
        if id == after.as_bytes() {
            continue;
        }
        let id = String::from_utf8_lossy(id).into_owned();
        found.push((id, decode(&row)?));
        if found.len() == limit {
            break;
        }
    }
    Ok(found)
}

impl Message {
    /// What it comes to within a span of milliseconds since 1970, as of `now`, but for what orders earned
    /// it.
    pub(crate) fn totals_within(&self, all: &[Happened], span: &Range<i64>, now: i64) -> Totals {
        let (mut opens, mut clicks) = (Tally::default(), Tally::default());
        let (mut fate, mut unsubscribes) = (Fate::default(), 0);
        for one in all.iter().filter(|one| span.contains(&one.time)) {
            match one.what {
                What::Open => opens.add(one.class, 1),
                What::Click { .. } => clicks.add(one.class, 1),
                What::Unsubscribe => unsubscribes = 1,
                What::Delivery(status) => fate.see(status),
            }
        }
        let is_here = self.registered && self.sent_at().is_some_and(|at| span.contains(&at));
        let is_planned = self.is_planned(now);
        let is_inferred = clicks.genuine() > 0 && opens.genuine() == 0;
        Totals {
            sent: i64::from(is_here && !is_planned),
            planned: i64::from(is_here && is_planned),
            opens: Figures::of_message(opens, is_inferred),
            clicks: Figures::of_message(clicks, false),
            inferred_opens: i64::from(is_inferred),
            unsubscribes,
            delivered: i64::from(fate.is_delivered()),
            bounced: i64::from(fate.is_bounced()),
            complained: i64::from(fate.is_complained()),
            ..Totals::default()
        }
    }
}
