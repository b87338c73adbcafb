//! How engaged somebody is: Σ weight · 2^(−age / half-life) over their genuine events, kept as sums of
//! whole numbers, so that neither the order of arrival nor what was taken back leaves a trace. Kinds of events are
//! kept apart and weighed when a score is read, so that other weights need nothing but the rows.
//!
//! What pages say is kept apart, by day: anybody can make a page's request, so that a day of them counts
//! as one busy visit at the most.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::record::Scoring;
use crate::record::workspace::DAY_MS;

/// What is weighed, in the order of [`Scoring::weights`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Open,
    Click,
    PageView,
    Custom,
    Purchase,
}

/// The most that a contact's pages earn it on one day, in points (design, section 7).
pub const MOST_OF_A_DAY: u32 = 20;
/// The same in thousandths of a point.
const MOST_THOUSANDTHS: u64 = 1_000 * MOST_OF_A_DAY as u64;
/// Days of pages that are so many half-lives older than the newest count for nothing: what is left of 20 points by
/// then could not be written.
const KEPT_HALF_LIVES: i64 = 60;
/// Binary digits behind the point in sums of [`Score::blocks`].
const DIGITS: i32 = 40;
/// Kinds that fit into a key beside the number of a block or day.
pub(super) const KINDS: i64 = 8;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Score {
    /// Of servers and mails. Key: half-lives since 1970 times [`KINDS`], and the kind. Value: what the events of
    /// that half-life come to at its start, each 1, times 2^[`DIGITS`]. None is zero.
    pub(super) blocks: Sums<i128>,
    /// Of pages. Key: days since 1970, UTC, times [`KINDS`], and the kind. Value: how many, without the bound on a
    /// day; none is zero. Those of long ago stay, and count for nothing: the newest may be taken back.
    pub(super) pages: Sums<u64>,
}

/// Sums by their keys, ascending. Most contacts have one of a kind or none, which needs no memory of its own: a
/// row is read and written for each event.
pub(super) type Sums<T> = SmallVec<[(i64, T); 1]>;

/// The sum of this key, a new one where there is none, and its place.
fn sum_of<T: Default>(sums: &mut Sums<T>, key: i64) -> (usize, &mut T) {
    // What is told is nearly always of the newest.
    let at = match sums.iter().rposition(|(known, _)| *known <= key) {
        Some(at) if sums[at].0 == key => at,
        before => {
            let at = before.map_or(0, |before| before + 1);
            sums.insert(at, (key, T::default()));
            at
        }
    };
    (at, &mut sums[at].1)
}

/// The weight of what a key stands for, in thousandths of a point.
fn weight_at(scoring: &Scoring, key: i64) -> u32 {
    let kind = usize::try_from(key.rem_euclid(KINDS)).unwrap_or_default();
    scoring.weights.get(kind).copied().unwrap_or_default()
}

impl Score {
    /// Adds what a server or a mail told.
    pub(super) fn add(&mut self, kind: Kind, time: i64, scoring: &Scoring) {
        self.change(scaled(time, scoring), kind, time, scoring);
    }

    /// Takes back what was added.
    pub(super) fn take_back(&mut self, kind: Kind, time: i64, scoring: &Scoring) {
        self.change(-scaled(time, scoring), kind, time, scoring);
    }

    /// Adds what a page told.
    pub(super) fn add_page(&mut self, kind: Kind, time: i64) {
        let (_, sum) = sum_of(&mut self.pages, key(number(time, DAY_MS), kind));
        *sum = sum.saturating_add(1);
    }

    /// Takes back what a page told.
    pub(super) fn take_back_page(&mut self, kind: Kind, time: i64) {
        let (at, sum) = sum_of(&mut self.pages, key(number(time, DAY_MS), kind));
        *sum = sum.saturating_sub(1);
        if *sum == 0 {
            self.pages.remove(at);
        }
    }

    fn change(&mut self, by: i128, kind: Kind, time: i64, scoring: &Scoring) {
        let (at, sum) = sum_of(&mut self.blocks, key(block_of(time, scoring), kind));
        // 2^127 is out of reach of as many events as there are seqs.
        *sum = sum.saturating_add(by);
        if *sum == 0 {
            self.blocks.remove(at);
        }
    }

    /// The same by another half-life, as if everything had happened in the middle of the half-life that it is known by.
    pub(super) fn halved(&self, before: &Scoring, after: &Scoring) -> Self {
        let mut halved = Self {
            blocks: Sums::new(),
            pages: self.pages.clone(),
        };
        for (place, sum) in &self.blocks {
            let (block, kind) = (place.div_euclid(KINDS), place.rem_euclid(KINDS));
            let middle = block * before.half_life_ms() + before.half_life_ms() / 2;
            let passed = middle.rem_euclid(after.half_life_ms()) as f64;
            let shift = passed / after.half_life_ms() as f64 - 0.5;
            let by = (*sum as f64 * shift.exp2()).round() as i128;
            let place = block_of(middle, after) * KINDS + kind;
            let (at, sum) = sum_of(&mut halved.blocks, place);
            *sum = sum.saturating_add(by);
            if *sum == 0 {
                halved.blocks.remove(at);
            }
        }
        halved
    }

    /// What the half-lives come to at their starts, in thousandths of a point times 2^[`DIGITS`]; ascending. Above
    /// nothing: what is taken back of a score that was [`Self::halved`] may be more than had been left of it.
    fn weighed_blocks<'a>(&'a self, scoring: &'a Scoring) -> impl Iterator<Item = (i64, i128)> {
        let by_block = self
            .blocks
            .chunk_by(|(one, _), (other, _)| one.div_euclid(KINDS) == other.div_euclid(KINDS));
        by_block.filter_map(|of_block| {
            let sums = of_block.iter();
            let weighed =
                sums.map(|(key, sum)| sum.saturating_mul(weight_at(scoring, *key).into()));
            let sum = weighed.fold(0_i128, i128::saturating_add);
            (sum > 0).then(|| (of_block[0].0.div_euclid(KINDS), sum))
        })
    }

    /// What the days of pages that count come to, in thousandths of a point, without the bound on a day; ascending.
    fn weighed_days<'a>(&'a self, scoring: &'a Scoring) -> impl Iterator<Item = (i64, u64)> {
        let newest = self
            .pages
            .last()
            .map_or(0, |(key, _)| key.div_euclid(KINDS));
        let kept = KEPT_HALF_LIVES * i64::from(scoring.half_life_days);
        let oldest = key_of_day(newest.saturating_sub(kept));
        let gone = self.pages.partition_point(|(key, _)| *key < oldest);
        let by_day = self.pages[gone..]
            .chunk_by(|(one, _), (other, _)| one.div_euclid(KINDS) == other.div_euclid(KINDS));
        by_day.map(|of_day| {
            let sums = of_day.iter();
            let weighed =
                sums.map(|(key, sum)| sum.saturating_mul(weight_at(scoring, *key).into()));
            (
                of_day[0].0.div_euclid(KINDS),
                weighed.fold(0, u64::saturating_add),
            )
        })
    }

    /// What an event of this kind adds to it at that moment, in points: of a page its share of what the day counts
    /// for.
    pub(super) fn share(
        &self,
        kind: Kind,
        is_page: bool,
        time: i64,
        at: i64,
        scoring: &Scoring,
    ) -> f64 {
        let whole = f64::from(scoring.weights[kind as usize]) / THOUSAND;
        if !is_page {
            return whole * left(time, at, scoring);
        }
        let day = number(time, DAY_MS);
        let sum = self.weighed_days(scoring).find(|(known, _)| *known == day);
        let part = sum.filter(|(_, sum)| *sum > 0).map_or(0.0, |(_, sum)| {
            sum.min(MOST_THOUSANDTHS) as f64 / sum as f64
        });
        whole * part * left(day * DAY_MS, at, scoring)
    }

    /// What it is at a moment no earlier than the latest event, in points.
    pub fn value_at(&self, time: i64, scoring: &Scoring) -> f64 {
        let unit = (-DIGITS_F64).exp2();
        let blocks = self.weighed_blocks(scoring).map(|(block, sum)| {
            let start = block * scoring.half_life_ms();
            sum as f64 * unit * left(start, time, scoring)
        });
        let pages = self.weighed_days(scoring).map(|(day, sum)| {
            let start = day * DAY_MS;
            sum.min(MOST_THOUSANDTHS) as f64 * left(start, time, scoring)
        });
        // From the oldest on in both, so that equal sums give equal bits.
        // Without any, the sum of floats is -0.0.
        blocks.chain(pages).sum::<f64>() / THOUSAND + 0.0
    }

    /// What scores of a workspace are sorted by, the same at every moment since all of them decay alike: the
    /// logarithm to the base of 2 of what it would be at the start of 1970. Negative infinity of none.
    pub(super) fn height(&self, scoring: &Scoring) -> f64 {
        let thousand = THOUSAND.log2();
        if let ([(key, sum)], []) = (&*self.blocks, &*self.pages) {
            // Of most contacts, without what adds nothing to it.
            let weighed = sum.saturating_mul(weight_at(scoring, *key).into()).max(0);
            return (weighed as f64).log2() - thousand - DIGITS_F64 + key.div_euclid(KINDS) as f64;
        }
        let heights = || {
            let blocks = self
                .weighed_blocks(scoring)
                .map(|(block, sum)| (sum as f64).log2() - thousand - DIGITS_F64 + block as f64);
            let pages = self.weighed_days(scoring).map(|(day, sum)| {
                let sum = sum.min(MOST_THOUSANDTHS) as f64;
                sum.log2() - thousand + day as f64 / f64::from(scoring.half_life_days)
            });
            blocks.chain(pages)
        };
        let highest = heights().fold(f64::NEG_INFINITY, f64::max);
        if highest == f64::NEG_INFINITY {
            return highest;
        }
        // Relative to the highest, so that nothing is too large for a float.
        let sum: f64 = heights().map(|height| (height - highest).exp2()).sum();
        highest + sum.log2()
    }
}

const DIGITS_F64: f64 = DIGITS as f64;
const THOUSAND: f64 = 1_000.0;

/// What an event comes to at the start of its half-life, as in [`Score::blocks`].
fn scaled(time: i64, scoring: &Scoring) -> i128 {
    let half_life = scoring.half_life_ms();
    let passed = time.rem_euclid(half_life) as f64 / half_life as f64;
    (passed + DIGITS_F64).exp2().round() as i128
}

/// The half-life that a time lies in, since 1970.
pub(super) fn block_of(time: i64, scoring: &Scoring) -> i64 {
    number(time, scoring.half_life_ms())
}

fn key(number: i64, kind: Kind) -> i64 {
    number * KINDS + kind as i64
}

/// The least key of a day.
fn key_of_day(day: i64) -> i64 {
    day.saturating_mul(KINDS)
}

/// What is left at `now` of 1 at `then`.
fn left(then: i64, now: i64, scoring: &Scoring) -> f64 {
    (then.saturating_sub(now) as f64 / scoring.half_life_ms() as f64).exp2()
}

/// Whole spans of this length from 1970 to a time. Times lie within the years 0 to 9999, so there are
/// fewer than 2^31.
fn number(time: i64, span: i64) -> i64 {
    time.div_euclid(span)
        .clamp(i64::from(i32::MIN), i64::from(i32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Kind::{Click, Custom, Open, PageView, Purchase};
    use super::*;
    use crate::views::engagement::contact::Contact;

    const USUAL: Scoring = Scoring::USUAL;
    const NOON: i64 = 20_700 * DAY_MS + DAY_MS / 2;

    /// The row of a contact of whom nothing else is known.
    fn row(score: &Score) -> Vec<u8> {
        let score = score.clone();
        let contact = Contact {
            score,
            ..Contact::default()
        };
        let mut row = Vec::new();
        contact.pack(&mut row);
        row
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} for {expected}");
    }

    #[test]
    fn an_event_halves_in_thirty_days() {
        let mut score = Score::default();
        score.add(Click, NOON, &USUAL);
        near(score.value_at(NOON, &USUAL), 3.0);
        near(score.value_at(NOON + 30 * DAY_MS, &USUAL), 1.5);
        near(score.value_at(NOON + 60 * DAY_MS, &USUAL), 0.75);
        score.add(Purchase, NOON + 30 * DAY_MS, &USUAL);
        near(score.value_at(NOON + 30 * DAY_MS, &USUAL), 11.5);
        score.take_back(Click, NOON, &USUAL);
        score.take_back(Purchase, NOON + 30 * DAY_MS, &USUAL);
        assert_eq!(score, Score::default());
    }

    #[test]
    fn a_day_of_pages_counts_from_its_start_and_twenty_at_the_most() {
        let mut score = Score::default();
        score.add_page(Custom, NOON);
        near(score.value_at(NOON, &USUAL), 2.0 * (-0.5_f64 / 30.0).exp2());
        for _ in 0..1_000 {
            score.add_page(Custom, NOON + 1);
        }
        near(
            score.value_at(NOON, &USUAL),
            20.0 * (-0.5_f64 / 30.0).exp2(),
        );
        // The next day is a day of its own, and what servers say comes on top.
        score.add_page(PageView, NOON + DAY_MS / 2);
        score.add(Purchase, NOON + DAY_MS / 2, &USUAL);
        let midnight = 20.0 * (-1.0_f64 / 30.0).exp2() + 0.5 + 10.0;
        near(score.value_at(NOON + DAY_MS / 2, &USUAL), midnight);
    }

    #[test]
    fn days_of_sixty_half_lives_ago_count_for_nothing_until_the_newest_are_taken_back() {
        let (mut first, mut last) = (Score::default(), Score::default());
        let old = NOON - 1_801 * DAY_MS;
        first.add_page(Custom, old);
        for score in [&mut first, &mut last] {
            score.add_page(Custom, NOON);
            score.add_page(Custom, NOON - 1_800 * DAY_MS);
        }
        last.add_page(Custom, old);
        assert_eq!(first, last);
        assert_eq!(first.weighed_days(&USUAL).count(), 2);
        first.take_back_page(Custom, NOON);
        assert_eq!(first.weighed_days(&USUAL).count(), 2);
        last.take_back_page(Custom, NOON - 1_800 * DAY_MS);
        assert_eq!(last.weighed_days(&USUAL).count(), 1);
    }

    /// Once the half-life is another one, an event of before counts as of the middle of its half-life: what is taken
    /// back of it is what it really was, which left less than nothing, a height that was no number, and with it an
    /// order of contacts that was none.
    #[test]
    fn what_is_taken_back_after_another_half_life_leaves_nothing_and_not_less() {
        let slower = Scoring {
            half_life_days: 60,
            ..USUAL
        };
        // At the beginning of a half-life of both, so that more goes than was thought to be there.
        let mut known = Score::default();
        known.add(Click, NOON, &USUAL);
        let mut score = known.halved(&USUAL, &slower);
        score.take_back(Click, NOON, &slower);
        assert!(
            matches!(&*score.blocks, [(_, sum)] if *sum < 0),
            "{score:?}"
        );
        assert_eq!(score.height(&slower), f64::NEG_INFINITY);
        assert_eq!(score.value_at(NOON, &slower), 0.0);
        // Nor does it take from what else there is.
        let mut alone = Score::default();
        for score in [&mut score, &mut alone] {
            score.add_page(Custom, NOON);
        }
        assert_eq!(score.height(&slower), alone.height(&slower));
        assert_eq!(score.value_at(NOON, &slower), alone.value_at(NOON, &slower));
    }

    #[test]
    fn ten_years_of_visits_keep_the_row_small() {
        let mut score = Score::default();
        for day in 0..3_650 {
            for _ in 0..100 {
                score.add_page(Custom, NOON + day * DAY_MS);
                score.add(Open, NOON + day * DAY_MS, &USUAL);
            }
        }
        let bytes = row(&score).len();
        assert!(bytes < 16 * 1024, "{bytes} bytes");
    }

    #[derive(Debug, Clone, Copy)]
    enum Told {
        Page(Kind, i64),
        Other(Kind, i64),
        TakenBack(Kind, i64),
    }

    fn kinds() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Open),
            Just(Click),
            Just(PageView),
            Just(Custom),
            Just(Purchase)
        ]
    }

    fn scorings() -> impl Strategy<Value = Scoring> {
        let weight = prop_oneof![Just(0), Just(1), 0..Scoring::MOST_WEIGHT];
        let other = (1..400_u32, prop::array::uniform5(weight));
        let other = other.prop_map(|(half_life_days, weights)| Scoring {
            half_life_days,
            weights,
        });
        prop_oneof![Just(USUAL), other]
    }

    fn told() -> impl Strategy<Value = Vec<Told>> {
        let time = prop_oneof![
            4 => (-90..90_i64).prop_map(|day| NOON + day * DAY_MS / 3),
            1 => (-2_000..0_i64).prop_map(|day| NOON + day * DAY_MS),
            1 => any::<i32>().prop_map(|ms| NOON + i64::from(ms)),
        ];
        let told = (0..3, kinds(), time).prop_map(|(how, kind, time)| match how {
            0 => Told::Page(kind, time),
            1 => Told::Other(kind, time),
            _ => Told::TakenBack(kind, time),
        });
        prop::collection::vec(told, 0..120)
    }

    fn score_of(told: &[Told], scoring: &Scoring) -> Score {
        let mut score = Score::default();
        for one in told {
            match *one {
                Told::Page(kind, time) => score.add_page(kind, time),
                Told::Other(kind, time) => score.add(kind, time, scoring),
                Told::TakenBack(kind, time) => score.take_back(kind, time, scoring),
            }
        }
        score
    }

    proptest! {
        #[test]
        fn any_order_of_arrival_comes_to_the_same_bits(
            (told, shuffled) in told().prop_flat_map(|told| (Just(told.clone()), Just(told).prop_shuffle())),
            scoring in scorings(), others in scorings(),
        ) {
            let (score, other) = (score_of(&told, &scoring), score_of(&shuffled, &scoring));
            prop_assert_eq!(row(&score), row(&other));
            // Under other weights too, which are read off the same rows.
            for weights in [scoring.weights, others.weights] {
                let scoring = Scoring { weights, ..scoring };
                let bits = |score: &Score| score.value_at(NOON, &scoring).to_bits();
                prop_assert_eq!(bits(&score), bits(&other));
            }
        }

        #[test]
        fn a_score_is_what_is_left_of_each_event_that_counts(
            events in prop::collection::vec((kinds(), 0..900_i64, any::<bool>()), 0..40),
            scoring in scorings(),
        ) {
            let now = NOON + 900 * DAY_MS;
            let mut score = Score::default();
            let (mut plain, mut days) = (0.0, std::collections::BTreeMap::<i64, f64>::new());
            let newest = events.iter().filter(|(.., is_page)| *is_page).map(|(_, day, _)| *day).max();
            for (kind, day, is_page) in events {
                let time = NOON + day * DAY_MS;
                let weight = f64::from(scoring.weights[kind as usize]) / 1_000.0;
                if is_page {
                    score.add_page(kind, time);
                    *days.entry(day).or_default() += weight;
                } else {
                    score.add(kind, time, &scoring);
                    plain += weight * left(time, now, &scoring);
                }
            }
            let kept = KEPT_HALF_LIVES * i64::from(scoring.half_life_days);
            for (day, weight) in days {
                if newest.is_some_and(|newest| newest - day <= kept) {
                    let start = NOON + day * DAY_MS - DAY_MS / 2;
                    plain += weight.min(20.0) * left(start, now, &scoring);
                }
            }
            near(score.value_at(now, &scoring), plain);
        }

        #[test]
        fn scores_are_sorted_as_they_are_at_any_moment(
            first in told(), second in told(), days in 0..4_000_i64, scoring in scorings(),
        ) {
            let now = NOON + (days + 40_000) * DAY_MS;
            let (a, b) = (score_of(&first, &scoring), score_of(&second, &scoring));
            let (a_height, b_height) = (a.height(&scoring), b.height(&scoring));
            let near = (a_height - b_height).abs() < 1e-9;
            // So late that small ones are nothing any more.
            let (a, b) = (a.value_at(now, &scoring), b.value_at(now, &scoring));
            let sorted = a_height.total_cmp(&b_height);
            prop_assert!(near || a == b || sorted == a.total_cmp(&b));
            prop_assert_eq!(Score::default().height(&scoring), f64::NEG_INFINITY);
        }

        #[test]
        fn a_page_earns_nobody_more_than_twenty_a_day(
            events in prop::collection::vec((kinds(), 0..10 * DAY_MS), 0..400),
            scoring in scorings(),
        ) {
            let mut score = Score::default();
            let mut days = std::collections::BTreeSet::new();
            for (kind, after) in events {
                score.add_page(kind, NOON + after);
                days.insert((NOON + after).div_euclid(DAY_MS));
            }
            let most = 20.0 * days.len() as f64;
            prop_assert!(score.value_at(NOON + 10 * DAY_MS, &scoring) <= most);
        }
    }
}
