//! What people did with messages, as it is asked of the views: messages, campaigns and orders.

use super::engagement;
use crate::record::{Seq, WorkspaceId};
use crate::views::engagement as engaged;
use crate::views::engagement::message::Message;
use crate::views::engagement::order::{self, Order};
use crate::views::engagement::spans::{self, Happened, Whose};
use crate::views::engagement::tally::Totals;
use crate::views::{ViewError, Views};

impl Views {
    /// What is known of a send.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn message(
        &self,
        workspace: WorkspaceId,
        message_id: &str,
    ) -> Result<Option<Message>, ViewError> {
        self.ask(engagement, |rows| {
            engaged::message(rows, workspace, message_id)
        })
    }

    /// The messages of a campaign behind the id `after` (empty: from the first), in the order of their
    /// ids, at most `limit`.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn messages_of_campaign(
        &self,
        workspace: WorkspaceId,
        campaign_id: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Message)>, ViewError> {
        self.ask(engagement, |rows| {
            engaged::messages_of_campaign(rows, workspace, campaign_id, after, limit)
        })
    }

    /// The messages behind the id `after` (empty: from the first), in the order of their ids, at most
    /// `limit`.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn messages(
        &self,
        workspace: WorkspaceId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Message)>, ViewError> {
        self.ask(engagement, |rows| {
            spans::messages(rows, workspace, after, limit)
        })
    }

    /// The campaigns likewise, as of `now` in milliseconds since 1970.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn campaigns(
        &self,
        workspace: WorkspaceId,
        after: &str,
        limit: usize,
        now: i64,
    ) -> Result<Vec<(String, Totals)>, ViewError> {
        self.ask(engagement, |rows| {
            spans::campaigns(rows, workspace, after, limit, now)
        })
    }

    /// What all messages of a workspace come to, as of `now` in milliseconds since 1970.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn workspace(&self, workspace: WorkspaceId, now: i64) -> Result<Totals, ViewError> {
        self.ask(engagement, |rows| engaged::workspace(rows, workspace, now))
    }

    /// Hands over messages with everything that happened to them, in the order of their ids.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn each_message(
        &self,
        workspace: WorkspaceId,
        whose: &Whose,
        each: impl FnMut(&str, &Message, &[Happened]),
    ) -> Result<(), ViewError> {
        self.ask(engagement, |rows| {
            spans::for_each(rows, workspace, whose, each)
        })
    }

    /// What is known of a campaign, as of `now` in milliseconds since 1970.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn campaign(
        &self,
        workspace: WorkspaceId,
        campaign_id: &str,
        now: i64,
    ) -> Result<Option<Totals>, ViewError> {
        self.ask(engagement, |rows| {
            engaged::campaign(rows, workspace, campaign_id, now)
        })
    }

    /// An order as it stands, and the record that counts for it; verified ones and those that pages told
    /// stand apart.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub fn order(
        &self,
        workspace: WorkspaceId,
        verified: bool,
        order_id: &str,
    ) -> Result<Option<(Seq, Order)>, ViewError> {
        self.ask(engagement, |rows| {
            engaged::single::order(rows, workspace, verified, order_id)
        })
    }

    /// A workspace's orders with a time from `from` and before `to`, in milliseconds since 1970, the
    /// oldest first, each with its time and a way to look messages up in the same snapshot.
    ///
    /// # Errors
    /// [`ViewError::Storage`], [`ViewError::Damaged`], [`ViewError::Closed`].
    pub(crate) fn orders(
        &self,
        workspace: WorkspaceId,
        span: std::ops::Range<i64>,
        mut each: impl FnMut(
            i64,
            Order,
            &dyn Fn(&str) -> Result<Option<Message>, redb::Error>,
        ) -> Result<(), redb::Error>,
    ) -> Result<(), ViewError> {
        self.ask(engagement, |rows| {
            let message = |id: &str| engaged::message(rows, workspace, id);
            order::for_each(rows, workspace, span.start, span.end, |time, order| {
                each(time, order, &message)
            })
        })
    }
}
