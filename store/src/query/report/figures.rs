//! The figures that reports are made of: counts in three figures, money by currency, rates.

use serde::Serialize;
use serde_json::value::RawValue;
use shared::money::{Currency, decimal_string};
use utoipa::ToSchema;

use super::super::raw;
use crate::attribution::Model;
use crate::views::engagement::tally::{Earned, Figures, Revenue};

/// Decimals of rates.
const RATE_DIGITS: u8 = 4;
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
#[schema(as = Money)]
#[serde(rename_all = "camelCase")]
pub struct Earnings {
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
    pub last_touch: Vec<Earnings>,
    /// The order's own messageId, else the last genuine click within the window.
    pub last_click: Vec<Earnings>,
    /// The order's own messageId alone.
    pub explicit: Vec<Earnings>,
}

impl ThreeFigures {
    pub(super) fn of(figures: &Figures, inferred: Option<i64>) -> Self {
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
    pub(super) fn of(revenue: &Revenue, recipients: Option<i64>) -> Self {
        let of = |model| monies(revenue, model, recipients);
        Self {
            last_touch: of(Model::LastTouch),
            last_click: of(Model::LastClick),
            explicit: of(Model::Explicit),
        }
    }
}

pub(super) fn monies(revenue: &Revenue, model: Model, recipients: Option<i64>) -> Vec<Earnings> {
    revenue
        .iter()
        .filter(|earned| earned.model == model)
        .map(|earned| Earnings::of(earned, recipients))
        .collect()
}

impl Earnings {
    pub(super) fn of(earned: &Earned, recipients: Option<i64>) -> Self {
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
pub(super) fn rate(part: i64, whole: i64) -> Option<Box<RawValue>> {
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
    fn rates_of_nothing_are_none() {
        let shown = |part, whole| rate(part, whole).map(|rate| rate.get().to_owned());
        assert_eq!(shown(1, 0), None);
        for (part, whole, text) in [(1, 3, "0.3333"), (1, 2, "0.5000"), (3, 2, "1.5000")] {
            assert_eq!(shown(part, whole).as_deref(), Some(text));
        }
    }
}
