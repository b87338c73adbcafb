//! Reports of messages, campaigns and a whole workspace: of all time from rows that are kept, within a
//! span of time from everything that happened in it. An open, a click, an unsubscribe and a delivery
//! count when they happened, a message when it was sent, an order with its refunds and amendments at its
//! own time.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;
use shared::time::Timestamp;
use utoipa::ToSchema;

use super::{CampaignReport, Engagement, MessageReport, ThreeFigures};
use crate::attribution::Model;
use crate::record::WorkspaceId;
use crate::views::engagement::hits::What;
use crate::views::engagement::message::Message;
use crate::views::engagement::spans::{Happened, Whose};
use crate::views::engagement::tally::{Figures, Revenue, Tally, Totals};
use crate::views::{ViewError, Views};

/// Links that a report lists.
const MAX_LINKS: usize = 1_000;

/// What is asked of a report.
#[derive(Debug, Clone, Default)]
pub struct ReportAsk {
    pub model: Model,
    /// From this time on.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// When it is asked, in milliseconds since 1970: what is to be sent later is only planned.
    pub now: i64,
}

/// Clicks on one link.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkClicks {
    /// Its number within the message; of messages alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub link: Option<u32>,
    /// Where it led; absent once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "https://shop.example/mugs")]
    pub url: Option<String>,
    pub clicks: ThreeFigures,
}

impl ReportAsk {
    /// `None` for all time.
    fn span(&self) -> Option<Range<i64>> {
        if self.from.is_none() && self.to.is_none() {
            return None;
        }
        let from = self.from.map_or(i64::MIN, Timestamp::as_millis);
        let to = self.to.map_or(i64::MAX, Timestamp::as_millis);
        Some(from..to)
    }
}

/// What became of a message; `None` where nothing is known of it. Blocks on disk.
///
/// # Errors
/// [`ViewError`].
pub fn message(
    views: &Views,
    workspace: WorkspaceId,
    message_id: &str,
    asked: &ReportAsk,
) -> Result<Option<MessageReport>, ViewError> {
    let Some(message) = views.message(workspace, message_id)? else {
        return Ok(None);
    };
    let whose = Whose::Message(message_id.to_owned());
    let (totals, links) = looked_through(views, workspace, &whose, asked, true)?;
    let totals = totals.unwrap_or_else(|| message.totals_at(asked.now));
    let engagement = Engagement::of(&totals, asked.model);
    Ok(Some(MessageReport {
        links: Some(links),
        ..of_message(message_id, &message, engagement)
    }))
}

/// What became of a campaign; `None` where nothing is known of it. Blocks on disk.
///
/// # Errors
/// [`ViewError`].
pub fn campaign(
    views: &Views,
    workspace: WorkspaceId,
    campaign_id: &str,
    asked: &ReportAsk,
) -> Result<Option<CampaignReport>, ViewError> {
    let Some(of_all_time) = views.campaign(workspace, campaign_id, asked.now)? else {
        return Ok(None);
    };
    let whose = Whose::Campaign(campaign_id.to_owned());
    let (totals, links) = looked_through(views, workspace, &whose, asked, false)?;
    Ok(Some(CampaignReport {
        campaign_id: campaign_id.to_owned(),
        engagement: Engagement::of(&totals.unwrap_or(of_all_time), asked.model),
        links: Some(links),
    }))
}

/// What became of all messages of a workspace. Blocks on disk.
///
/// # Errors
/// [`ViewError`].
pub fn overview(
    views: &Views,
    workspace: WorkspaceId,
    asked: &ReportAsk,
) -> Result<Engagement, ViewError> {
    let totals = match asked.span() {
        None => views.workspace(workspace, asked.now)?,
        Some(span) => within(views, workspace, &Whose::Workspace, &span, asked.now)?,
    };
    Ok(Engagement::of(&totals, asked.model))
}

/// The messages behind `after`, of a campaign where one is named, at most `limit` and in the order of
/// their ids. Blocks on disk.
///
/// # Errors
/// [`ViewError`].
pub fn messages(
    views: &Views,
    workspace: WorkspaceId,
    campaign_id: Option<&str>,
    after: &str,
    limit: usize,
    asked: &ReportAsk,
) -> Result<Vec<MessageReport>, ViewError> {
    let found = match campaign_id {
        Some(campaign_id) => views.messages_of_campaign(workspace, campaign_id, after, limit)?,
        None => views.messages(workspace, after, limit)?,
    };
    let span = asked.span();
    let earned = match &span {
        Some(span) => earned(views, workspace, span)?,
        None => BTreeMap::new(),
    };
    let mut reports = Vec::with_capacity(found.len());
    for (id, message) in found {
        let totals = match &span {
            None => message.totals_at(asked.now),
            Some(span) => {
                let mut totals = Totals::default();
                let whose = Whose::Message(id.clone());
                views.each_message(workspace, &whose, |id, message, all| {
                    totals = of_span(id, message, all, span, asked.now, &earned);
                })?;
                totals
            }
        };
        let engagement = Engagement::of(&totals, asked.model);
        reports.push(of_message(&id, &message, engagement));
    }
    Ok(reports)
}

/// The campaigns behind `after`, at most `limit` and in the order of their ids. Blocks on disk.
///
/// # Errors
/// [`ViewError`].
pub fn campaigns(
    views: &Views,
    workspace: WorkspaceId,
    after: &str,
    limit: usize,
    asked: &ReportAsk,
) -> Result<Vec<CampaignReport>, ViewError> {
    let found = views.campaigns(workspace, after, limit, asked.now)?;
    let span = asked.span();
    let earned = match &span {
        Some(span) => earned(views, workspace, span)?,
        None => BTreeMap::new(),
    };
    let mut reports = Vec::with_capacity(found.len());
    for (campaign_id, mut totals) in found {
        if let Some(span) = &span {
            totals = Totals::default();
            let whose = Whose::Campaign(campaign_id.clone());
            views.each_message(workspace, &whose, |id, message, all| {
                totals.add(&of_span(id, message, all, span, asked.now, &earned), 1);
            })?;
        }
        reports.push(CampaignReport {
            campaign_id,
            engagement: Engagement::of(&totals, asked.model),
            links: None,
        });
    }
    Ok(reports)
}

fn of_message(message_id: &str, message: &Message, engagement: Engagement) -> MessageReport {
    let sent_at = message.sent_at();
    MessageReport {
        message_id: message_id.to_owned(),
        campaign_id: message.campaign_id.clone(),
        kind: message.message_type,
        sent_at: sent_at.map(|sent_at| Timestamp::from_millis(sent_at).to_string()),
        engagement,
        links: None,
    }
}

/// The totals of the span that is asked for, if one is, and the clicks by link: by its number and
/// target where `by_number`, else by its target alone.
fn looked_through(
    views: &Views,
    workspace: WorkspaceId,
    whose: &Whose,
    asked: &ReportAsk,
    by_number: bool,
) -> Result<(Option<Totals>, Vec<LinkClicks>), ViewError> {
    let span = asked.span();
    let earned = match &span {
        Some(span) => earned(views, workspace, span)?,
        None => BTreeMap::new(),
    };
    let mut totals = Totals::default();
    let mut links: BTreeMap<(Option<u32>, Option<String>), Figures> = BTreeMap::new();
    views.each_message(workspace, whose, |id, message, all| {
        let mut of_message: BTreeMap<(Option<u32>, Option<String>), Tally> = BTreeMap::new();
        for one in all {
            let What::Click { link, target, .. } = &one.what else {
                continue;
            };
            if span.as_ref().is_none_or(|span| span.contains(&one.time)) {
                let link = by_number.then_some(*link);
                let tally = of_message.entry((link, target.clone())).or_default();
                tally.add(one.class, 1);
            }
        }
        for (link, tally) in of_message {
            let figures = Figures::of_message(tally, false);
            links.entry(link).or_default().add(&figures, 1);
        }
        if let Some(span) = &span {
            totals.add(&of_span(id, message, all, span, asked.now, &earned), 1);
        }
    })?;
    let mut links: Vec<_> = links.into_iter().collect();
    // Stable: equal ones stay in the order of number and target.
    links.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.total.genuine()));
    links.truncate(MAX_LINKS);
    let link = |((link, url), figures): ((Option<u32>, Option<String>), Figures)| LinkClicks {
        link,
        url,
        clicks: ThreeFigures::of(&figures, None),
    };
    Ok((span.map(|_| totals), links.into_iter().map(link).collect()))
}

fn within(
    views: &Views,
    workspace: WorkspaceId,
    whose: &Whose,
    span: &Range<i64>,
    now: i64,
) -> Result<Totals, ViewError> {
    let earned = earned(views, workspace, span)?;
    let mut totals = Totals::default();
    views.each_message(workspace, whose, |id, message, all| {
        totals.add(&of_span(id, message, all, span, now, &earned), 1);
    })?;
    Ok(totals)
}

/// What a message comes to within the span.
fn of_span(
    message_id: &str,
    message: &Message,
    all: &[Happened],
    span: &Range<i64>,
    now: i64,
    earned: &BTreeMap<String, Revenue>,
) -> Totals {
    let mut totals = message.totals_within(all, span, now);
    if let Some(revenue) = earned.get(message_id) {
        totals.revenue.clone_from(revenue);
    }
    totals
}

/// What the orders of the span earn each message, under every model.
fn earned(
    views: &Views,
    workspace: WorkspaceId,
    span: &Range<i64>,
) -> Result<BTreeMap<String, Revenue>, ViewError> {
    let mut earned: BTreeMap<String, Revenue> = BTreeMap::new();
    views.orders(workspace, span.clone(), |_, order, _| {
        if order.verified {
            for (model, credit) in order.credits.iter() {
                if let Some(credit) = credit {
                    let revenue = earned.entry(credit.message_id.clone()).or_default();
                    revenue.add(&order.earned(model), 1);
                }
            }
        }
        Ok(())
    })?;
    Ok(earned)
}
