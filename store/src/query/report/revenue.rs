//! The report on revenue: which message, campaign, day or currency brought how much.

use std::collections::BTreeMap;

use serde::Serialize;
use shared::time::Timestamp;
use utoipa::ToSchema;

use super::super::words::{AttributionModel, RevenueGrouping, spelled};
use super::Zone;
use super::figures::{Earnings, Models, monies};
use crate::attribution::Model;
use crate::record::WorkspaceId;
use crate::views::engagement::order::Order;
use crate::views::engagement::tally::{Earned, Revenue};
use crate::views::{ViewError, Views};

/// Groups that a report lists; the rest is counted in `omitted`.
const MAX_GROUPS: usize = 1_000;

/// By what revenue is grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    Campaign,
    Message,
    Day,
    Currency,
}

impl GroupBy {
    pub const ALL: [Self; 4] = [Self::Campaign, Self::Message, Self::Day, Self::Currency];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Message => "message",
            Self::Day => "day",
            Self::Currency => "currency",
        }
    }
}

/// Verified orders of one group and one currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevenueGroup {
    /// The campaignId, the messageId, the day (`2026-11-23`) or the currency; null for orders that no
    /// message, or no message of a campaign, is credited with.
    #[schema(required)]
    pub key: Option<String>,
    #[serde(flatten)]
    pub money: Earnings,
    /// Those of them that are credited to a message.
    pub attributed: Earnings,
}

/// Which message, campaign, day or currency brought how much.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevenueReport {
    #[serde(serialize_with = "spelled")]
    #[schema(value_type = RevenueGrouping)]
    pub group_by: GroupBy,
    #[serde(serialize_with = "spelled")]
    #[schema(value_type = AttributionModel)]
    pub model: Model,
    /// The time zone of days, by its IANA name.
    #[schema(example = "UTC")]
    pub tz: String,
    /// The most net first; days in their order.
    pub groups: Vec<RevenueGroup>,
    /// Groups beyond 1,000 that are not listed; the sums hold them all the same.
    pub omitted: usize,
    /// All verified orders, by currency.
    pub total: Vec<Earnings>,
    /// Those that are credited to a message under the model.
    pub attributed: Vec<Earnings>,
    /// Those that are credited to none.
    pub unattributed: Vec<Earnings>,
    /// What is credited under each model.
    pub models: Models,
    /// Orders that a page reports and no server has confirmed: in no other sum.
    pub unverified: Vec<Earnings>,
}

/// What is asked of the revenue report.
#[derive(Debug, Clone)]
pub struct RevenueAsk {
    pub group_by: GroupBy,
    pub model: Model,
    pub tz: Zone,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// Goes through the orders of the span and sums them up. Blocks on disk.
///
/// # Errors
/// [`ViewError`].
pub fn revenue(
    views: &Views,
    workspace: WorkspaceId,
    query: &RevenueAsk,
) -> Result<RevenueReport, ViewError> {
    let mut sums = Sums::default();
    let mut groups: BTreeMap<(Option<String>, String), (Sum, Sum)> = BTreeMap::new();
    let mut campaign_of: BTreeMap<String, Option<String>> = BTreeMap::new();
    let from = query.from.map_or(i64::MIN, Timestamp::as_millis);
    let to = query.to.map_or(i64::MAX, Timestamp::as_millis);
    views.orders(workspace, from..to, |time, order, message| {
        if !order.verified {
            sums.unverified.add(&order.earned(Model::default()), 1);
            return Ok(());
        }
        sums.add(&order, query.model);
        let credit = order.credits[query.model].as_ref();
        let message_id = credit.map(|credit| credit.message_id.as_str());
        let group = match query.group_by {
            GroupBy::Message => message_id.map(str::to_owned),
            GroupBy::Campaign => match message_id {
                None => None,
                Some(message_id) => match campaign_of.get(message_id) {
                    Some(campaign_id) => campaign_id.clone(),
                    None => {
                        let campaign_id = message(message_id)?.and_then(|known| known.campaign_id);
                        campaign_of.insert(message_id.to_owned(), campaign_id.clone());
                        campaign_id
                    }
                },
            },
            GroupBy::Day => Some(query.tz.day(time)),
            GroupBy::Currency => Some(order.currency.clone()),
        };
        let (all, attributed) = groups.entry((group, order.currency.clone())).or_default();
        all.add(&order);
        if credit.is_some() {
            attributed.add(&order);
        }
        Ok(())
    })?;
    let mut groups: Vec<_> = groups.into_iter().collect();
    if query.group_by != GroupBy::Day {
        // Stable: equal ones stay in the order of their keys.
        groups.sort_by_key(|(_, (all, _))| std::cmp::Reverse(all.net()));
    }
    let omitted = groups.len().saturating_sub(MAX_GROUPS);
    groups.truncate(MAX_GROUPS);
    Ok(RevenueReport {
        group_by: query.group_by,
        model: query.model,
        tz: query.tz.name().to_owned(),
        groups: groups
            .into_iter()
            .map(|((key, currency), (all, attributed))| RevenueGroup {
                key,
                money: all.money(&currency),
                attributed: attributed.money(&currency),
            })
            .collect(),
        omitted,
        total: monies(&sums.total, Model::default(), None),
        attributed: monies(&sums.credited, query.model, None),
        unattributed: monies(&sums.uncredited, query.model, None),
        models: Models::of(&sums.credited, None),
        unverified: monies(&sums.unverified, Model::default(), None),
    })
}

#[derive(Default)]
struct Sums {
    total: Revenue,
    credited: Revenue,
    uncredited: Revenue,
    unverified: Revenue,
}

impl Sums {
    fn add(&mut self, order: &Order, asked: Model) {
        self.total.add(&order.earned(Model::default()), 1);
        for (model, credit) in order.credits.iter() {
            let earned = order.earned(model);
            if credit.is_some() {
                self.credited.add(&earned, 1);
            } else if model == asked {
                self.uncredited.add(&earned, 1);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Sum {
    orders: i64,
    gross: i128,
    refunded: i128,
}

impl Sum {
    fn add(&mut self, order: &Order) {
        self.orders += 1;
        self.gross += i128::from(order.gross);
        self.refunded += i128::from(order.refunded);
    }

    fn net(&self) -> i128 {
        self.gross - self.refunded
    }

    fn money(&self, currency: &str) -> Earnings {
        Earnings::of(
            &Earned {
                model: Model::default(),
                currency: currency.to_owned(),
                orders: self.orders,
                gross: self.gross,
                refunded: self.refunded,
            },
            None,
        )
    }
}
