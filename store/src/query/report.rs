//! Read models of the reports: what became of a message or a campaign, and which of them earned the
//! revenue. Pure but for reading the views; not the routes, nor who may ask.
//!
//! Amounts are JSON numbers with exact decimals of their currency, and never summed across
//! currencies.

//!
//! - `figures`: what they are made of
//! - `span`: messages and campaigns, of all time or within a span
//! - `revenue`: what was earned, and by what

mod figures;
mod revenue;
mod span;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::words::{MessageKind, spelled};
use crate::attribution::Model;
use crate::record::MessageType;
use crate::views::engagement::tally::Totals;

pub use super::days::Zone;
pub use figures::{ByClass, Count, Earnings, Models, ThreeFigures};
use figures::{monies, rate};
pub use revenue::{GroupBy, RevenueAsk, RevenueGroup, RevenueReport, revenue};
pub use span::{LinkClicks, ReportAsk, campaign, campaigns, message, messages, overview};

/// What became of a message or of a campaign's messages.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Engagement {
    /// Messages that were sent: registered, and the time of sending has come.
    pub sent: i64,
    /// Messages that are registered to be sent later; they count in `sent` from then on.
    pub planned: i64,
    pub opens: ThreeFigures,
    pub clicks: ThreeFigures,
    /// Messages by which somebody unsubscribed.
    pub unsubscribes: i64,
    /// Messages that the receiving server took and that did not bounce later, as far as it was told.
    pub delivered: i64,
    /// Messages that were refused for good.
    pub bounced: i64,
    /// Messages that their readers called spam.
    pub complained: i64,
    /// Messages with a genuine open, by messages sent.
    #[schema(value_type = Option<f64>, required, example = 0.2500)]
    pub open_rate: Option<Box<RawValue>>,
    /// Messages with a genuine click, by messages sent.
    #[schema(value_type = Option<f64>, required, example = 0.1250)]
    pub click_rate: Option<Box<RawValue>>,
    /// Messages with a genuine click, by messages with a genuine open.
    #[schema(value_type = Option<f64>, required, example = 0.5000)]
    pub click_to_open_rate: Option<Box<RawValue>>,
    /// Orders credited under the model that was asked for.
    pub orders: i64,
    /// The same in money, by currency.
    pub revenue: Vec<Earnings>,
    pub models: Models,
}

/// A message's report, but for what every read tells.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageReport {
    pub message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub campaign_id: Option<String>,
    #[serde(rename = "type", serialize_with = "spelled")]
    #[schema(value_type = MessageKind)]
    pub kind: MessageType,
    /// RFC 3339; absent where nothing but orders names the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-11-23T10:00:00Z")]
    pub sent_at: Option<String>,
    #[serde(flatten)]
    pub engagement: Engagement,
    /// Its links that were followed, the most genuine clicks first, at most 1,000. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub links: Option<Vec<LinkClicks>>,
}

/// A campaign's report, but for what every read tells.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CampaignReport {
    pub campaign_id: String,
    #[serde(flatten)]
    pub engagement: Engagement,
    /// Where its links led that were followed, the most genuine clicks first, at most 1,000. Not in
    /// lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub links: Option<Vec<LinkClicks>>,
}

impl Engagement {
    fn of(totals: &Totals, model: Model) -> Self {
        let recipients = Some(totals.sent);
        let opened = totals.opens.unique_genuine;
        let clicked = totals.clicks.unique_genuine;
        Self {
            sent: totals.sent,
            planned: totals.planned,
            opens: ThreeFigures::of(&totals.opens, Some(totals.inferred_opens)),
            clicks: ThreeFigures::of(&totals.clicks, None),
            unsubscribes: totals.unsubscribes,
            delivered: totals.delivered,
            bounced: totals.bounced,
            complained: totals.complained,
            open_rate: rate(opened, totals.sent),
            click_rate: rate(clicked, totals.sent),
            click_to_open_rate: rate(clicked, opened),
            orders: totals
                .revenue
                .iter()
                .filter(|earned| earned.model == model)
                .map(|earned| earned.orders)
                .sum(),
            revenue: monies(&totals.revenue, model, recipients),
            models: Models::of(&totals.revenue, recipients),
        }
    }
}
