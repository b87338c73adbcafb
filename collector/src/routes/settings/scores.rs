//! What events weigh in the scores of a workspace's contacts: as it is asked for, and as it is told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::error::refusal::Refusal;
use store::ledger::decide::Scoring;

/// Digits behind the point of a weight, as a factor.
const THOUSAND: f64 = 1_000.0;

/// How scores are reckoned: the sum of the weights of all genuine events, each halved with every half-life.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScoreView {
    /// After so many days an event counts half.
    #[schema(minimum = 1, maximum = 3650, example = 30)]
    pub half_life_days: u32,
    pub weights: WeightsView,
}

/// What an event of each kind weighs, in points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WeightsView {
    /// An open of a message.
    #[schema(minimum = 0, maximum = 1000, example = 1.0)]
    pub open: f64,
    /// A click in a message.
    #[schema(minimum = 0, maximum = 1000, example = 3.0)]
    pub click: f64,
    /// `page_viewed`.
    #[schema(minimum = 0, maximum = 1000, example = 0.5)]
    pub page_view: f64,
    /// Any other event.
    #[schema(minimum = 0, maximum = 1000, example = 2.0)]
    pub event: f64,
    /// A purchase that a server told.
    #[schema(minimum = 0, maximum = 1000, example = 10.0)]
    pub purchase: f64,
}

/// How scores are to be reckoned; what is not named stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScoreBody {
    /// After so many days an event counts half, 1 to 3,650.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 3650, example = 30)]
    pub half_life_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub weights: Option<WeightsBody>,
}

/// Weights to be changed, each 0 to 1,000 with at most three decimals; what is not named stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WeightsBody {
    /// An open of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1000)]
    pub open: Option<f64>,
    /// A click in a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1000)]
    pub click: Option<f64>,
    /// `page_viewed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1000)]
    pub page_view: Option<f64>,
    /// Any other event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1000)]
    pub event: Option<f64>,
    /// A purchase that a server told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1000)]
    pub purchase: Option<f64>,
}

/// What is wanted of the field, for a refusal.
pub(super) const WANTED: &str = "an object with `halfLifeDays`, a whole number of days, and `weights`, an object of \
                                 numbers (`open`, `click`, `pageView`, `event`, `purchase`),";

impl ScoreView {
    pub(crate) fn of(scoring: &Scoring) -> Self {
        let [open, click, page_view, event, purchase] =
            scoring.weights.map(|weight| f64::from(weight) / THOUSAND);
        Self {
            half_life_days: scoring.half_life_days,
            weights: WeightsView {
                open,
                click,
                page_view,
                event,
                purchase,
            },
        }
    }
}

impl ScoreBody {
    /// What is wanted, where that is what was before save for what is named.
    pub(super) fn over(&self, before: Scoring) -> Result<Scoring, ApiError> {
        let refused = |message: String| Err(Refusal::of_field("score", message).into());
        let half_life_days = self.half_life_days.unwrap_or(before.half_life_days);
        let most = Scoring::MOST_DAYS;
        if !(1..=most).contains(&half_life_days) {
            return refused(format!(
                "`halfLifeDays` is a whole number of days from 1 to {most}"
            ));
        }
        let WeightsBody {
            open,
            click,
            page_view,
            event,
            purchase,
        } = self.weights.unwrap_or_default();
        let mut weights = before.weights;
        for (weight, named) in weights
            .iter_mut()
            .zip([open, click, page_view, event, purchase])
        {
            let Some(named) = named else { continue };
            match thousandths(named) {
                Some(wanted) => *weight = wanted,
                None => {
                    let most = Scoring::MOST_WEIGHT / 1_000;
                    return refused(format!(
                        "a weight is a number from 0 to {most} with at most three decimals"
                    ));
                }
            }
        }
        Ok(Scoring {
            half_life_days,
            weights,
        })
    }
}

/// A weight in thousandths of a point, where it is one.
fn thousandths(weight: f64) -> Option<u32> {
    let wanted = weight * THOUSAND;
    let whole = wanted.round();
    let is_one =
        (0.0..=f64::from(Scoring::MOST_WEIGHT)).contains(&whole) && (wanted - whole).abs() < 1e-6;
    // Within the bound, so that it fits.
    is_one.then_some(whole as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_three_decimals_and_bounds() {
        for (weight, wanted) in [
            (0.0, Some(0)),
            (-0.0, Some(0)),
            (0.1, Some(100)),
            (0.3, Some(300)),
            (2.675, Some(2_675)),
            (1_000.0, Some(1_000_000)),
            (1_000.001, None),
            (0.000_5, None),
            (-0.001, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            assert_eq!(thousandths(weight), wanted, "{weight}");
        }
    }
}
