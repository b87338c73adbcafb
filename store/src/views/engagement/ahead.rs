//! Messages that are planned: registered, to be sent at a time that lay ahead when that was told. Every
//! message counts in its campaign's row from its registration on, and a row knows no clock; so beside it
//! stands how many of them are sent when, and a reader takes off what its clock has not reached.

use super::message::Message;
use super::rows::{decode, key, sortable};
use super::tally::Totals;
use super::{AHEAD, Fold, hits};
use crate::record::WorkspaceId;
use crate::views::ordered::{Way, successor};
use crate::views::rows::Rows;

// Key in `AHEAD`: workspace (u32), length of the campaignId (u16), campaignId (none: of all messages), time of
// sending in milliseconds since 1970 (sortable), numbers big-endian. Value: postcard of their number
// (i64), 0 where they were told another time.

fn of_all(workspace: WorkspaceId, campaign_id: Option<&str>) -> Vec<u8> {
    let campaign_id = campaign_id.unwrap_or_default();
    key(
        workspace,
        &[&hits::length(campaign_id), campaign_id.as_bytes()],
    )
}

fn place(workspace: WorkspaceId, campaign_id: Option<&str>, time: i64) -> Vec<u8> {
    let mut place = of_all(workspace, campaign_id);
    place.extend(sortable(time));
    place
}

impl Fold<'_> {
    /// One message more (1) or less (-1) that is sent at this time.
    pub(super) fn count_ahead(
        &mut self,
        workspace: WorkspaceId,
        campaign_id: Option<&str>,
        time: i64,
        sign: i64,
    ) -> Result<(), redb::Error> {
        *self.ahead.get(place(workspace, None, time))? += sign;
        if campaign_id.is_some() {
            *self.ahead.get(place(workspace, campaign_id, time))? += sign;
        }
        Ok(())
    }
}

/// How many messages of a campaign, or of a workspace, are sent later than `now`. Goes through the
/// different times that lie ahead.
fn planned(
    rows: &Rows,
    workspace: WorkspaceId,
    campaign_id: Option<&str>,
    now: i64,
) -> Result<i64, redb::Error> {
    let of_all = of_all(workspace, campaign_id);
    let first = place(workspace, campaign_id, now.saturating_add(1));
    let mut planned = 0;
    for row in rows.tables[AHEAD].range(&first, successor(&of_all).as_deref(), Way::Up)? {
        planned += decode::<i64>(&row?.1)?;
    }
    Ok(planned)
}

/// Takes off what is sent later than `now`; `totals` are of this campaign, or of all messages, in the same
/// snapshot.
pub(super) fn take_off(
    rows: &Rows,
    workspace: WorkspaceId,
    campaign_id: Option<&str>,
    now: i64,
    totals: &mut Totals,
) -> Result<(), redb::Error> {
    let planned = planned(rows, workspace, campaign_id, now)?;
    totals.sent -= planned;
    totals.planned += planned;
    Ok(())
}

impl Message {
    /// Learns whether it is sent later than what told so came, both in milliseconds since 1970.
    pub(super) fn note_ahead(&mut self, received_at: i64) {
        let sent_at = self.sent_at().filter(|_| self.registered);
        self.ahead = sent_at.filter(|at| *at > received_at);
    }

    /// When it left or is to leave, as far as that is known.
    pub(crate) fn sent_at(&self) -> Option<i64> {
        self.told_at.or(self.sent_at)
    }

    /// What it comes to as of `now`.
    pub(crate) fn totals_at(&self, now: i64) -> Totals {
        let mut totals = self.totals();
        if self.is_planned(now) {
            (totals.sent, totals.planned) = (0, totals.sent);
        }
        totals
    }

    pub(super) fn is_planned(&self, now: i64) -> bool {
        self.ahead.is_some_and(|at| at > now)
    }
}
