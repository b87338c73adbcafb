//! Read models of the reports: what became of a message or a campaign, and which of them earned the
//! revenue. Pure but for reading the views; not the routes, nor who may ask.
//!
//! Amounts are JSON numbers with exact decimals of their currency, and never summed across
//! currencies.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use shared::money::{Currency, decimal_string};
use shared::time::Timestamp;
use utoipa::ToSchema;

use super::raw;
use super::words::{AttributionModel, MessageKind, RevenueGrouping};
use crate::record::WorkspaceId;
use crate::views::engagement::order::{MODELS, Model, Order};
use crate::views::engagement::tally::{Earned, Figures, Revenue, Totals};
use crate::views::{ViewError, Views};

mod span;

pub use span::{Asked, LinkClicks, campaign, campaigns, message, messages, overview};

/// Decimals of rates.
const RATE_DIGITS: u8 = 4;
/// Groups that a report lists; the rest is counted in `omitted`.
const MAX_GROUPS: usize = 1_000;

/// How many, and of how many messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct Count {
    /// As many as there are rows on record.
    pub total: i64,
    /// Messages, each counted once.
    pub unique: i64,
}

/// Rows by class; together they are all.
#[derive(Debug, Serialize, ToSchema)]
pub struct ByClass {
    pub human: i64,
    pub proxy_human: i64,
    pub machine: i64,
    pub bot: i64,
}

/// Opens or clicks in three figures: `machine.total` and `genuine.total` make `all.total`, which is
/// the number of rows on record.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreeFigures {
    pub all: Count,
    /// Machines and bots.
    pub machine: Count,
    /// People, by a mailbox provider's proxy or not.
    pub genuine: Count,
    pub by_class: ByClass,
    /// Of `genuine.unique`: messages whose pixel no person loaded, but whose link a person followed.
    /// They have no row of their own and are in no total. Of opens alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub inferred: Option<i64>,
}

/// What orders of one currency have earned.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Money {
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
    pub orders: i64,
    #[schema(value_type = f64, example = 120.00)]
    pub gross: Box<RawValue>,
    #[schema(value_type = f64, example = 20.00)]
    pub refunded: Box<RawValue>,
    /// `gross` less `refunded`.
    #[schema(value_type = f64, example = 100.00)]
    pub net: Box<RawValue>,
    /// `gross` by `orders`, rounded half up to the decimals of the currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, nullable = false, example = 60.00)]
    pub average_order: Option<Box<RawValue>>,
    /// `net` by the messages sent, rounded likewise. Of messages and campaigns alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, nullable = false, example = 0.12)]
    pub revenue_per_recipient: Option<Box<RawValue>>,
}

/// The models of attribution, side by side.
#[derive(Debug, Serialize, ToSchema)]
pub struct Models {
    /// The order's own messageId, else the last genuine click within the window, else the last
    /// genuine open within the window.
    pub last_touch: Vec<Money>,
    /// The order's own messageId, else the last genuine click within the window.
    pub last_click: Vec<Money>,
    /// The order's own messageId alone.
    pub explicit: Vec<Money>,
}

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
    pub revenue: Vec<Money>,
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
    #[serde(rename = "type")]
    #[schema(value_type = MessageKind)]
    pub kind: &'static str,
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
    pub money: Money,
    /// Those of them that are credited to a message.
    pub attributed: Money,
}

/// Which message, campaign, day or currency brought how much.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevenueReport {
    #[schema(value_type = RevenueGrouping)]
    pub group_by: &'static str,
    #[schema(value_type = AttributionModel)]
    pub model: &'static str,
    /// The time zone of days, by its IANA name.
    #[schema(example = "UTC")]
    pub tz: String,
    /// The most net first; days in their order.
    pub groups: Vec<RevenueGroup>,
    /// Groups beyond 1,000 that are not listed; the sums hold them all the same.
    pub omitted: usize,
    /// All verified orders, by currency.
    pub total: Vec<Money>,
    /// Those that are credited to a message under the model.
    pub attributed: Vec<Money>,
    /// Those that are credited to none.
    pub unattributed: Vec<Money>,
    /// What is credited under each model.
    pub models: Models,
    /// Orders that a page reports and no server has confirmed: in no other sum.
    pub unverified: Vec<Money>,
}

/// What is asked of the revenue report.
#[derive(Debug, Clone)]
pub struct RevenueQuery {
    pub group_by: GroupBy,
    pub model: ModelName,
    pub tz: Zone,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// A model of attribution, by its place among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModelName(u8);

impl ModelName {
    /// The model that it names.
    pub fn model(self) -> Model {
        MODELS
            .get(usize::from(self.0))
            .copied()
            .unwrap_or(Model::LastTouch)
    }

    /// `last_touch` (the default), `last_click` or `explicit`.
    pub fn parse(text: &str) -> Option<Self> {
        let place = MODELS.iter().position(|model| model.as_str() == text)?;
        u8::try_from(place).ok().map(Self)
    }

    fn as_str(self) -> &'static str {
        MODELS
            .get(usize::from(self.0))
            .map_or(Model::LastTouch.as_str(), |model| model.as_str())
    }
}

/// A time zone by its IANA name, such as `Europe/Paris`; UTC unless said.
#[derive(Debug, Clone)]
pub struct Zone(pub(super) jiff::tz::TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(jiff::tz::TimeZone::UTC)
    }
}

impl Zone {
    pub fn parse(name: &str) -> Option<Self> {
        jiff::tz::TimeZone::get(name).ok().map(Self)
    }

    fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    fn day(&self, millis: i64) -> String {
        // Every time on record has four digits of a year, which jiff can hold.
        let time = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
        self.0.to_datetime(time).date().to_string()
    }
}

/// Goes through the orders of the span and sums them up. Blocks on disk.
///
/// # Errors
/// [`ViewError`].
pub fn revenue(
    views: &Views,
    workspace: WorkspaceId,
    query: &RevenueQuery,
) -> Result<RevenueReport, ViewError> {
    let mut sums = Sums::default();
    let mut groups: BTreeMap<(Option<String>, String), (Sum, Sum)> = BTreeMap::new();
    let mut campaign_of: BTreeMap<String, Option<String>> = BTreeMap::new();
    let from = query.from.map_or(i64::MIN, Timestamp::as_millis);
    let to = query.to.map_or(i64::MAX, Timestamp::as_millis);
    views.orders(workspace, from..to, |time, order, message| {
        if !order.verified {
            sums.unverified.add(&order.earned(0), 1);
            return Ok(());
        }
        sums.add(&order, query.model);
        let credit = order.credits[usize::from(query.model.0)].as_ref();
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
        group_by: query.group_by.as_str(),
        model: query.model.as_str(),
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
        total: monies(&sums.total, 0, None),
        attributed: monies(&sums.credited, query.model.0, None),
        unattributed: monies(&sums.uncredited, query.model.0, None),
        models: Models::of(&sums.credited, None),
        unverified: monies(&sums.unverified, 0, None),
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
    fn add(&mut self, order: &Order, asked: ModelName) {
        self.total.add(&order.earned(0), 1);
        for (model, credit) in (0..).zip(&order.credits) {
            let earned = order.earned(model);
            if credit.is_some() {
                self.credited.add(&earned, 1);
            } else if model == asked.0 {
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

    fn money(&self, currency: &str) -> Money {
        Money::of(
            &Earned {
                model: 0,
                currency: currency.to_owned(),
                orders: self.orders,
                gross: self.gross,
                refunded: self.refunded,
            },
            None,
        )
    }
}

impl Engagement {
    fn of(totals: &Totals, model: ModelName) -> Self {
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
                .filter(|earned| earned.model == model.0)
                .map(|earned| earned.orders)
                .sum(),
            revenue: monies(&totals.revenue, model.0, recipients),
            models: Models::of(&totals.revenue, recipients),
        }
    }
}

impl ThreeFigures {
    fn of(figures: &Figures, inferred: Option<i64>) -> Self {
        let total = &figures.total;
        let count = |total, unique| Count { total, unique };
        Self {
            all: count(total.all(), figures.unique_all),
            machine: count(total.machines(), figures.unique_machines),
            genuine: count(total.genuine(), figures.unique_genuine),
            by_class: ByClass {
                human: total.human,
                proxy_human: total.proxy_human,
                machine: total.machine,
                bot: total.bot,
            },
            inferred,
        }
    }
}

impl Models {
    fn of(revenue: &Revenue, recipients: Option<i64>) -> Self {
        let [last_touch, last_click, explicit] =
            [0, 1, 2].map(|model| monies(revenue, model, recipients));
        Self {
            last_touch,
            last_click,
            explicit,
        }
    }
}

fn monies(revenue: &Revenue, model: u8, recipients: Option<i64>) -> Vec<Money> {
    revenue
        .iter()
        .filter(|earned| earned.model == model)
        .map(|earned| Money::of(earned, recipients))
        .collect()
}

impl Money {
    fn of(earned: &Earned, recipients: Option<i64>) -> Self {
        // What came in was parsed; a currency that has since gone counts in hundredths as most do.
        let digits = Currency::parse(&earned.currency).map_or(2, Currency::minor_digits);
        let amount = |minor| raw(decimal_string(minor, digits));
        let share = |minor, parts: i64| (parts > 0).then(|| raw(quotient(minor, parts, digits)));
        let net = earned.gross - earned.refunded;
        Self {
            currency: earned.currency.clone(),
            orders: earned.orders,
            gross: amount(earned.gross),
            refunded: amount(earned.refunded),
            net: amount(net),
            average_order: share(earned.gross, earned.orders),
            revenue_per_recipient: recipients.and_then(|recipients| share(net, recipients)),
        }
    }
}

/// `minor` by `parts`, rounded half up to the decimals of the currency; `parts` is above 0 and amounts
/// are not below.
fn quotient(minor: i128, parts: i64, digits: u8) -> String {
    let parts = i128::from(parts);
    let rounded = (2 * minor + parts).div_euclid(2 * parts);
    decimal_string(rounded, digits)
}

/// A share of something, always with [`RATE_DIGITS`] decimals, rounded half up; `None` of nothing.
fn rate(part: i64, whole: i64) -> Option<Box<RawValue>> {
    let scaled = i128::from(part) * 10_i128.pow(RATE_DIGITS.into());
    (whole > 0).then(|| raw(quotient(scaled, whole, RATE_DIGITS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_decimals_of_their_currency() {
        for (minor, digits, text) in [
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (12_345, 2, "123.45"),
            (500, 0, "500"),
            (1_234, 3, "1.234"),
        ] {
            assert_eq!(decimal_string(minor, digits), text);
        }
    }

    #[test]
    fn shares_are_rounded_half_up_to_the_decimals_of_the_currency() {
        for (minor, parts, digits, text) in [
            (100, 3, 2, "0.33"),
            (200, 3, 2, "0.67"),
            (65_615_625, 1_000, 2, "656.16"),
            (1, 2, 2, "0.01"),
            (1, 3, 2, "0.00"),
            (10, 4, 0, "3"),
            (9, 4, 0, "2"),
            (1_234, 2, 3, "0.617"),
        ] {
            assert_eq!(quotient(minor, parts, digits), text);
        }
    }

    #[test]
    fn a_day_begins_where_its_zone_says() {
        let late = Timestamp::parse_rfc3339("2026-11-23T23:30:00Z")
            .unwrap()
            .as_millis();
        assert_eq!(Zone::default().day(late), "2026-11-23");
        assert_eq!(Zone::parse("Europe/Paris").unwrap().day(late), "2026-11-24");
        assert_eq!(
            Zone::parse("Asia/Kathmandu").unwrap().name(),
            "Asia/Kathmandu"
        );
        assert!(Zone::parse("Mars/Olympus").is_none());
    }

    #[test]
    fn rates_of_nothing_are_none() {
        let shown = |part, whole| rate(part, whole).map(|rate| rate.get().to_owned());
        assert_eq!(shown(1, 0), None);
        for (part, whole, text) in [(1, 3, "0.3333"), (1, 2, "0.5000"), (3, 2, "1.5000")] {
            assert_eq!(shown(part, whole).as_deref(), Some(text));
        }
    }
}
