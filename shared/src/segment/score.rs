//! The engagement score: what each genuine event weighs, halved with every half-life. Integer sums, so
//! that neither the order of arrival nor taking back changes a bit; no floats but for the last step.

use alloc::collections::BTreeMap;

use super::billionths::Billionths;
use crate::time::Timestamp;

/// What is weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scored {
    /// A message was opened.
    Open,
    /// A link was followed.
    Click,
    /// A page was viewed: the event `page_viewed`.
    PageView,
    /// Any other event of the caller's.
    Custom,
    /// An order was paid.
    Purchase,
}

impl Scored {
    /// All of them.
    pub const ALL: [Scored; 5] = [
        Scored::Open,
        Scored::Click,
        Scored::PageView,
        Scored::Custom,
        Scored::Purchase,
    ];
}

/// A workspace's rules of scoring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRules {
    /// Milliseconds in which a weight halves; at least 1.
    pub half_life_ms: i64,
    /// What each of [`Scored::ALL`] weighs, in its order.
    pub weights: [f64; 5],
}

impl Default for ScoreRules {
    /// The defaults of the contract: 30 days; open 1, click 3, page view 0.5, custom event 2, purchase 10.
    fn default() -> Self {
        ScoreRules {
            half_life_ms: 30 * DAY_MS,
            weights: [1.0, 3.0, 0.5, 2.0, 10.0],
        }
    }
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// What pages say counts for no more than this, a contact and UTC day.
const PAGE_CAP: f64 = 20.0;
/// What is older than so many half-lives has gone.
const MAX_HALVES: i64 = 60;
/// Bits behind the point of a sum's parts.
const PART_BITS: u32 = 48;
/// Bits behind the point while a power is worked out.
const POWER_BITS: u32 = 60;
/// The natural logarithm of 2, times 2^60.
const LN_2: u128 = 799_144_290_325_165_979;

/// What a contact's scored events add up to, up to some instant. Adding is commutative, and taking
/// back exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ScoreSums {
    /// Per half-life since 1970 and kind: Σ 2^(part of the half-life that had passed), times 2^48.
    blocks: BTreeMap<(i64, Scored), u128>,
    /// Of pages, per UTC day since 1970 and kind: how many.
    days: BTreeMap<(i64, Scored), u64>,
}

impl ScoreSums {
    /// Adds one event.
    pub(super) fn add(
        &mut self,
        rules: &ScoreRules,
        kind: Scored,
        time: Timestamp,
        from_page: bool,
    ) {
        let millis = time.as_millis();
        if from_page {
            *self
                .days
                .entry((millis.div_euclid(DAY_MS), kind))
                .or_default() += 1;
        } else {
            let (block, part) = part_of(rules, millis);
            *self.blocks.entry((block, kind)).or_default() += part;
        }
    }

    /// The score at an instant, rounded to nine decimals. What was added must not be later.
    pub(super) fn at(&self, rules: &ScoreRules, now: Timestamp) -> Billionths {
        let (block_now, passed) = split(rules, now.as_millis());
        // 2^(block − now) times the part that each sum carries.
        let scale = |block: i64| match block_now - block {
            halves @ 0..=MAX_HALVES => 1.0 / (1u64 << halves) as f64,
            _ => 0.0,
        };
        let weight = |kind: Scored| rules.weights[kind as usize];
        let mut sum = 0.0;
        for ((block, kind), parts) in self.blocks.iter().rev() {
            sum += weight(*kind) * (*parts as f64) * scale(*block);
        }
        for (day, raw) in self.pages(rules) {
            let start = day * DAY_MS;
            if now.as_millis() - start > MAX_HALVES.saturating_mul(rules.half_life_ms) {
                continue;
            }
            let (block, part) = part_of(rules, start);
            sum += raw * (part as f64) * scale(block);
        }
        let falling = power(rules.half_life_ms - passed, rules.half_life_ms) as f64
            / (1u64 << POWER_BITS) as f64
            / 2.0;
        let score = sum / (1u64 << PART_BITS) as f64 * falling;
        // Far below 2^127; rounds half up, and no score is negative unless a weight is.
        Billionths((score * 1e9 + if score < 0.0 { -0.5 } else { 0.5 }) as i128)
    }

    /// What each day of pages weighs, capped, the latest day first.
    fn pages(&self, rules: &ScoreRules) -> impl Iterator<Item = (i64, f64)> {
        let mut days: BTreeMap<i64, f64> = BTreeMap::new();
        for ((day, kind), count) in &self.days {
            *days.entry(*day).or_default() += rules.weights[*kind as usize] * (*count as f64);
        }
        days.into_iter()
            .rev()
            .map(|(day, raw)| (day, raw.min(PAGE_CAP)))
    }
}

/// Half-lives since 1970, and the milliseconds of the one that has not ended.
fn split(rules: &ScoreRules, millis: i64) -> (i64, i64) {
    let half_life = rules.half_life_ms.max(1);
    (millis.div_euclid(half_life), millis.rem_euclid(half_life))
}

/// The half-life, and 2^(its part that has passed) times 2^48.
fn part_of(rules: &ScoreRules, millis: i64) -> (i64, u128) {
    let (block, passed) = split(rules, millis);
    let drop = POWER_BITS - PART_BITS;
    let part = (power(passed, rules.half_life_ms) + (1 << (drop - 1))) >> drop;
    (block, part)
}

/// 2^(`passed` / `whole`) times 2^60, for 0 ≤ `passed` ≤ `whole`: the series of e^x in integers, the
/// same on every machine.
fn power(passed: i64, whole: i64) -> u128 {
    let one = 1u128 << POWER_BITS;
    let share = u128::from(passed.unsigned_abs()) * one / u128::from(whole.unsigned_abs().max(1));
    let x = (share * LN_2) >> POWER_BITS;
    let mut term = one;
    let mut sum = one;
    // x < 0.7: the 24th term is below 2^-60.
    for n in 1..=24u128 {
        term = ((term * x) >> POWER_BITS) / n;
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const START: i64 = 1_772_323_200_000; // 2026-03-01T00:00:00Z
    const HALF: i64 = 30 * DAY_MS;

    fn score(events: &[(Scored, i64, bool)], at: i64) -> f64 {
        let rules = ScoreRules::default();
        let mut sums = ScoreSums::default();
        for (kind, time, from_page) in events {
            sums.add(&rules, *kind, Timestamp::from_millis(*time), *from_page);
        }
        sums.at(&rules, Timestamp::from_millis(at)).0 as f64 / 1e9
    }

    #[test]
    fn a_weight_is_half_of_it_after_one_half_life_to_the_digit() {
        let order = [(Scored::Purchase, START, false)];
        assert_eq!(score(&order, START), 10.0);
        assert_eq!(score(&order, START + HALF), 5.0);
        assert_eq!(score(&order, START + HALF + 1), 4.999_999_999);
        assert_eq!(score(&order, START + 10 * HALF), 10.0 / 1024.0);
    }

    #[test]
    fn what_pages_say_is_capped_a_day_and_decays_from_its_start() {
        let views: Vec<_> = (0..100)
            .map(|n| (Scored::PageView, START + n, true))
            .collect();
        assert_eq!(score(&views[..10], START), 5.0);
        assert_eq!(score(&views, START), 20.0);
        let late = [(Scored::Custom, START + DAY_MS - 1, true)];
        assert_eq!(score(&late, START + HALF), 1.0);
        assert_eq!(score(&late, START + 60 * HALF + 1), 0.0);
    }

    proptest! {
        #[test]
        fn the_score_is_the_sum_of_what_is_left_of_each_weight(
            events in proptest::collection::vec((0..5usize, 0..400 * DAY_MS), 0..20),
            later in 0..400 * DAY_MS,
        ) {
            let now = START + 400 * DAY_MS + later;
            let rules = ScoreRules::default();
            let plain: f64 = events
                .iter()
                .map(|(kind, time)| {
                    let age = (now - START - time) as f64 / HALF as f64;
                    rules.weights[*kind] * (-age).exp2()
                })
                .sum();
            let events: Vec<_> = events
                .iter()
                .map(|(kind, time)| (Scored::ALL[*kind], START + time, false))
                .collect();
            let backwards: Vec<_> = events.iter().rev().copied().collect();
            prop_assert!((score(&events, now) - plain).abs() < 1e-9);
            prop_assert_eq!(score(&events, now), score(&backwards, now));
        }
    }
}
