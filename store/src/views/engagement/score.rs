//! How engaged somebody is: Σ weight · 2^(−age / half-life) over their genuine events, kept as sums of
//! whole numbers, so that neither the order of arrival nor what was taken back leaves a trace.
//!
//! What pages say is kept apart, by day: anybody can make a page's request, so that a day of them counts
//! as one busy visit at the most.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// What an event is worth, in halves of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Weight(u32);

/// Design, section 7.
pub(super) const OPEN: Weight = Weight(2);
pub(super) const CLICK: Weight = Weight(6);
pub(super) const PAGE_VIEW: Weight = Weight(1);
pub(super) const CUSTOM_EVENT: Weight = Weight(4);
pub(super) const PURCHASE: Weight = Weight(20);

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// After so many milliseconds an event counts half: 30 days (design, section 7).
const HALF_LIFE_MS: i64 = HALF_LIFE_DAYS as i64 * DAY_MS;
/// The same in days.
pub const HALF_LIFE_DAYS: u32 = 30;
/// The most that a contact's pages earn it on one day, in points (design, section 7).
pub const MOST_OF_A_DAY: u32 = 20;
/// The same in halves of a point.
const MOST_HALVES: u64 = 2 * MOST_OF_A_DAY as u64;
/// Days that are so much older than the newest count for nothing, 60 half-lives: what is left of 20 points by then
/// could not be written.
const KEPT_DAYS: i32 = 60 * 30;
/// Binary digits behind the point in sums of [`Score::blocks`].
const DIGITS: i32 = 40;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Score {
    /// Of servers and mails. Key: half-lives since 1970. Value: what the events of that half-life come
    /// to at its start, in halves of a point times 2^[`DIGITS`]. None is zero.
    pub(super) blocks: Sums<i128>,
    /// Of pages. Key: days since 1970, UTC. Value: what the day's events come to in halves of a point,
    /// without the bound on a day; none is zero. Those of long ago stay, and count for nothing: the newest may be
    /// taken back.
    pub(super) pages: Sums<u64>,
}

/// Sums by their keys, ascending. Most contacts have one of a kind or none, which needs no memory of its own: a
/// row is read and written for each event.
pub(super) type Sums<T> = SmallVec<[(i32, T); 1]>;

/// The sum of this key, a new one where there is none, and its place.
fn sum_of<T: Default>(sums: &mut Sums<T>, key: i32) -> (usize, &mut T) {
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

impl Score {
    /// Adds what a server or a mail told.
    pub(super) fn add(&mut self, weight: Weight, time: i64) {
        self.change(scaled(weight, time), time);
    }

    /// Takes back what was added.
    pub(super) fn take_back(&mut self, weight: Weight, time: i64) {
        self.change(-scaled(weight, time), time);
    }

    /// Adds what a page told.
    pub(super) fn add_page(&mut self, Weight(halves): Weight, time: i64) {
        let (_, sum) = sum_of(&mut self.pages, number(time, DAY_MS));
        *sum = sum.saturating_add(halves.into());
    }

    /// Takes back what a page told.
    pub(super) fn take_back_page(&mut self, Weight(halves): Weight, time: i64) {
        let (at, sum) = sum_of(&mut self.pages, number(time, DAY_MS));
        *sum = sum.saturating_sub(halves.into());
        if *sum == 0 {
            self.pages.remove(at);
        }
    }

    /// Of pages what counts.
    fn counted_pages(&self) -> &[(i32, u64)] {
        let newest = self.pages.last().map_or(0, |(day, _)| *day);
        let oldest = newest.saturating_sub(KEPT_DAYS);
        let gone = self.pages.partition_point(|(day, _)| *day < oldest);
        &self.pages[gone..]
    }

    fn change(&mut self, by: i128, time: i64) {
        let (at, sum) = sum_of(&mut self.blocks, block_of(time));
        // 2^127 is out of reach of as many events as there are seqs.
        *sum = sum.saturating_add(by);
        if *sum == 0 {
            self.blocks.remove(at);
        }
    }

    /// What an event of this weight adds to it at that moment, in points: of a page its share of what the day counts
    /// for.
    pub(super) fn share(&self, Weight(halves): Weight, is_page: bool, time: i64, at: i64) -> f64 {
        let whole = f64::from(halves) / 2.0;
        if !is_page {
            return whole * left(time, at);
        }
        let day = number(time, DAY_MS);
        let sum = self.counted_pages().iter().find(|(known, _)| *known == day);
        let part = sum.map_or(0.0, |(_, sum)| (*sum).min(MOST_HALVES) as f64 / *sum as f64);
        whole * part * left(i64::from(day) * DAY_MS, at)
    }

    /// What it is at a moment no earlier than the latest event, in points.
    pub fn value_at(&self, time: i64) -> f64 {
        let unit = (-DIGITS_F64).exp2();
        let blocks = self.blocks.iter().map(|(block, sum)| {
            let start = i64::from(*block) * HALF_LIFE_MS;
            *sum as f64 * unit * left(start, time)
        });
        let pages = self.counted_pages().iter().map(|(day, sum)| {
            let start = i64::from(*day) * DAY_MS;
            (*sum).min(MOST_HALVES) as f64 * left(start, time)
        });
        // From the oldest on in both, so that equal sums give equal bits.
        // Without any, the sum of floats is -0.0.
        blocks.chain(pages).sum::<f64>() / 2.0 + 0.0
    }
}

impl Score {
    /// What scores are sorted by, the same at every moment since all of them decay alike: the logarithm to the
    /// base of 2 of what it would be at the start of 1970. Negative infinity of none.
    pub(super) fn height(&self) -> f64 {
        let blocks = self.blocks.iter().map(|(block, sum)| {
            let sum = *sum as f64;
            sum.log2() - DIGITS_F64 + f64::from(*block)
        });
        let pages = self.counted_pages().iter().map(|(day, sum)| {
            let sum = (*sum).min(MOST_HALVES) as f64;
            sum.log2() + f64::from(*day) / (HALF_LIFE_MS / DAY_MS) as f64
        });
        if let ([(block, sum)], []) = (&*self.blocks, &*self.pages) {
            // Of most contacts, without what adds nothing to it.
            return (*sum as f64).log2() - DIGITS_F64 + f64::from(*block);
        }
        let heights = blocks.chain(pages);
        let highest = heights.clone().fold(f64::NEG_INFINITY, f64::max);
        if highest == f64::NEG_INFINITY {
            return highest;
        }
        // Relative to the highest, so that nothing is too large for a float.
        let sum: f64 = heights.map(|height| (height - highest).exp2()).sum();
        highest + sum.log2()
    }
}

const DIGITS_F64: f64 = DIGITS as f64;

/// What an event comes to at the start of its half-life, as in [`Score::blocks`].
fn scaled(Weight(halves): Weight, time: i64) -> i128 {
    let passed = time.rem_euclid(HALF_LIFE_MS) as f64 / HALF_LIFE_MS as f64;
    (f64::from(halves) * (passed + DIGITS_F64).exp2()).round() as i128
}

/// The half-life that a time lies in, since 1970.
pub(super) fn block_of(time: i64) -> i32 {
    number(time, HALF_LIFE_MS)
}

/// What is left at `now` of 1 at `then`.
fn left(then: i64, now: i64) -> f64 {
    (then.saturating_sub(now) as f64 / HALF_LIFE_MS as f64).exp2()
}

/// Whole spans of this length from 1970 to a time. Times lie within the years 0 to 9999, so there are
/// fewer than 2^31.
fn number(time: i64, span: i64) -> i32 {
    i32::try_from(time.div_euclid(span)).unwrap_or(if time < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::views::engagement::contact::Contact;

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
        score.add(CLICK, NOON);
        near(score.value_at(NOON), 3.0);
        near(score.value_at(NOON + 30 * DAY_MS), 1.5);
        near(score.value_at(NOON + 60 * DAY_MS), 0.75);
        score.add(PURCHASE, NOON + 30 * DAY_MS);
        near(score.value_at(NOON + 30 * DAY_MS), 11.5);
        score.take_back(CLICK, NOON);
        score.take_back(PURCHASE, NOON + 30 * DAY_MS);
        assert_eq!(score, Score::default());
    }

    #[test]
    fn a_day_of_pages_counts_from_its_start_and_twenty_at_the_most() {
        let mut score = Score::default();
        score.add_page(CUSTOM_EVENT, NOON);
        near(score.value_at(NOON), 2.0 * (-0.5_f64 / 30.0).exp2());
        for _ in 0..1_000 {
            score.add_page(CUSTOM_EVENT, NOON + 1);
        }
        near(score.value_at(NOON), 20.0 * (-0.5_f64 / 30.0).exp2());
        // The next day is a day of its own, and what servers say comes on top.
        score.add_page(PAGE_VIEW, NOON + DAY_MS / 2);
        score.add(PURCHASE, NOON + DAY_MS / 2);
        let midnight = 20.0 * (-1.0_f64 / 30.0).exp2() + 0.5 + 10.0;
        near(score.value_at(NOON + DAY_MS / 2), midnight);
    }

    #[test]
    fn days_of_sixty_half_lives_ago_count_for_nothing_until_the_newest_are_taken_back() {
        let (mut first, mut last) = (Score::default(), Score::default());
        let old = NOON - 1_801 * DAY_MS;
        first.add_page(CUSTOM_EVENT, old);
        for score in [&mut first, &mut last] {
            score.add_page(CUSTOM_EVENT, NOON);
            score.add_page(CUSTOM_EVENT, NOON - 1_800 * DAY_MS);
        }
        last.add_page(CUSTOM_EVENT, old);
        assert_eq!(first, last);
        assert_eq!(first.counted_pages().len(), 2);
        first.take_back_page(CUSTOM_EVENT, NOON);
        assert_eq!(first.counted_pages().len(), 2);
        last.take_back_page(CUSTOM_EVENT, NOON - 1_800 * DAY_MS);
        assert_eq!(last.counted_pages().len(), 1);
    }

    #[test]
    fn ten_years_of_visits_keep_the_row_small() {
        let mut score = Score::default();
        for day in 0..3_650 {
            for _ in 0..100 {
                score.add_page(CUSTOM_EVENT, NOON + day * DAY_MS);
                score.add(OPEN, NOON + day * DAY_MS);
            }
        }
        let bytes = row(&score).len();
        assert!(bytes < 16 * 1024, "{bytes} bytes");
    }

    #[derive(Debug, Clone, Copy)]
    enum Told {
        Page(u32, i64),
        Other(u32, i64),
        TakenBack(u32, i64),
    }

    fn told() -> impl Strategy<Value = Vec<Told>> {
        let weight = prop_oneof![Just(1_u32), Just(2), Just(4), Just(6), Just(20)];
        let time = prop_oneof![
            4 => (-90..90_i64).prop_map(|day| NOON + day * DAY_MS / 3),
            1 => (-2_000..0_i64).prop_map(|day| NOON + day * DAY_MS),
            1 => any::<i32>().prop_map(|ms| NOON + i64::from(ms)),
        ];
        let told = (0..3, weight, time).prop_map(|(kind, weight, time)| match kind {
            0 => Told::Page(weight, time),
            1 => Told::Other(weight, time),
            _ => Told::TakenBack(weight, time),
        });
        prop::collection::vec(told, 0..120)
    }

    fn score_of(told: &[Told]) -> Score {
        let mut score = Score::default();
        for one in told {
            match *one {
                Told::Page(weight, time) => score.add_page(Weight(weight), time),
                Told::Other(weight, time) => score.add(Weight(weight), time),
                Told::TakenBack(weight, time) => score.take_back(Weight(weight), time),
            }
        }
        score
    }

    proptest! {
        #[test]
        fn any_order_of_arrival_comes_to_the_same_bits(
            (told, shuffled) in told().prop_flat_map(|told| (Just(told.clone()), Just(told).prop_shuffle())),
        ) {
            let (score, other) = (score_of(&told), score_of(&shuffled));
            prop_assert_eq!(row(&score), row(&other));
            prop_assert_eq!(score.value_at(NOON).to_bits(), other.value_at(NOON).to_bits());
        }

        #[test]
        fn scores_are_sorted_as_they_are_at_any_moment(
            first in told(), second in told(), days in 0..4_000_i64,
        ) {
            let now = NOON + (days + 40_000) * DAY_MS;
            let kept = |told: &[Told]| {
                let added = told.iter().filter(|one| !matches!(one, Told::TakenBack(..)));
                score_of(&added.copied().collect::<Vec<_>>())
            };
            let (a, b) = (kept(&first), kept(&second));
            let near = (a.height() - b.height()).abs() < 1e-9;
            // So late that small ones are nothing any more.
            let gone = a.value_at(now) == b.value_at(now);
            let sorted = a.height().total_cmp(&b.height());
            prop_assert!(near || gone || sorted == a.value_at(now).total_cmp(&b.value_at(now)));
            prop_assert_eq!(Score::default().height(), f64::NEG_INFINITY);
        }

        #[test]
        fn a_page_earns_nobody_more_than_twenty_a_day(
            events in prop::collection::vec((1..21_u32, 0..10 * DAY_MS), 0..400),
        ) {
            let mut score = Score::default();
            let mut days = std::collections::BTreeSet::new();
            for (weight, after) in events {
                score.add_page(Weight(weight), NOON + after);
                days.insert((NOON + after).div_euclid(DAY_MS));
            }
            let most = 20.0 * days.len() as f64;
            prop_assert!(score.value_at(NOON + 10 * DAY_MS) <= most);
        }
    }
}
