//! One token bucket: what may come at once, and how fast it comes back. No clock and no lock.
//!
//! Not governor's: its cells are whole numbers that a request takes one of, and a request that costs
//! more than the burst could never pass there; nor can what was taken be given back.

use std::time::{Duration, Instant};

/// A rate and what may come at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quota {
    /// Tokens that come back in a second; more than 0.
    pub(super) per_second: f64,
    /// Tokens of a full bucket; at least 1.
    pub(super) burst: f64,
}

impl Quota {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: f64::from(per_second.max(1)),
            burst: f64::from(burst.max(1)),
        }
    }

    /// A part of it: a half, a tenth. Its burst is at least 1, or nothing would ever pass.
    pub(super) fn part(self, of: f64) -> Self {
        Self {
            per_second: self.per_second / of,
            burst: (self.burst / of).max(1.0),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    /// Below 0 after a request that cost more than the burst.
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn full(quota: Quota, now: Instant) -> Self {
        Self {
            tokens: quota.burst,
            at: now,
        }
    }

    fn refill(&mut self, quota: Quota, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.tokens = (self.tokens + passed * quota.per_second).min(quota.burst);
    }

    /// How long a request would have to wait before it takes `cost`; zero where it may now. `taken` is
    /// what it has taken already: one that costs more than the burst in all passes where it found the
    /// bucket full.
    pub(super) fn wait(&mut self, quota: Quota, now: Instant, taken: f64, cost: f64) -> Duration {
        self.refill(quota, now);
        let missing = cost.min(quota.burst - taken) - self.tokens;
        if missing <= 0.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64(missing / quota.per_second)
        }
    }

    /// Takes the cost, and goes into debt where it is more than there is.
    pub(super) fn take(&mut self, cost: f64) {
        self.tokens -= cost;
    }

    /// Takes as much of the cost as there is.
    pub(super) fn drain(&mut self, quota: Quota, now: Instant, cost: f64) {
        self.refill(quota, now);
        self.tokens = (self.tokens - cost).max(self.tokens.min(0.0));
    }

    pub(super) fn give_back(&mut self, quota: Quota, cost: f64) {
        self.tokens = (self.tokens + cost).min(quota.burst);
    }

    /// Whole tokens that are left, and the seconds until all are there again.
    pub(super) fn state(&self, quota: Quota) -> (u32, u32) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, and a burst is a u32"
        )]
        let whole = |number: f64| number.max(0.0) as u32;
        let reset = (quota.burst - self.tokens) / quota.per_second;
        (whole(self.tokens), whole(reset.ceil()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quota() -> Quota {
        Quota::new(10, 20)
    }

    #[test]
    fn a_full_bucket_lets_the_burst_pass_and_then_the_rate() {
        let now = Instant::now();
        let mut bucket = Bucket::full(quota(), now);
        for _ in 0..20 {
            assert_eq!(bucket.wait(quota(), now, 0.0, 1.0), Duration::ZERO);
            bucket.take(1.0);
        }
        assert_eq!(
            bucket.wait(quota(), now, 0.0, 1.0),
            Duration::from_millis(100)
        );
        let later = now + Duration::from_millis(100);
        assert_eq!(bucket.wait(quota(), later, 0.0, 1.0), Duration::ZERO);
        assert_eq!(bucket.state(quota()), (1, 2));
    }

    #[test]
    fn what_costs_more_than_the_burst_waits_for_a_full_bucket_and_leaves_a_debt() {
        let now = Instant::now();
        let mut bucket = Bucket::full(quota(), now);
        bucket.take(1.0);
        assert!(bucket.wait(quota(), now, 0.0, 120.0) > Duration::ZERO);
        let later = now + Duration::from_secs(1);
        assert_eq!(bucket.wait(quota(), later, 0.0, 120.0), Duration::ZERO);
        bucket.take(120.0);
        assert_eq!(
            bucket.wait(quota(), later, 0.0, 1.0),
            Duration::from_secs_f64(10.1)
        );
        assert_eq!(bucket.state(quota()), (0, 12));
    }

    #[test]
    fn what_a_request_has_taken_before_counts_as_found() {
        let now = Instant::now();
        let mut bucket = Bucket::full(quota(), now);
        bucket.take(1.0);
        assert_eq!(bucket.wait(quota(), now, 1.0, 119.0), Duration::ZERO);
        bucket.take(1.0);
        assert!(bucket.wait(quota(), now, 1.0, 119.0) > Duration::ZERO);
    }

    #[test]
    fn draining_never_makes_a_debt() {
        let now = Instant::now();
        let mut bucket = Bucket::full(quota(), now);
        bucket.drain(quota(), now, 1_000.0);
        assert_eq!(
            bucket.wait(quota(), now, 0.0, 1.0),
            Duration::from_millis(100)
        );
    }

    proptest! {
        /// Whatever is asked when, no more passes than the burst, the rate, and the one request that
        /// was larger than the burst.
        #[test]
        fn no_more_passes_than_the_rate_allows(
            asked in prop::collection::vec((0_u64..400, 1_u32..60), 1..200)
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::full(quota(), start);
            let (mut now, mut passed, mut largest) = (start, 0.0, 0.0_f64);
            for (pause, cost) in asked {
                now += Duration::from_millis(pause);
                let cost = f64::from(cost);
                if bucket.wait(quota(), now, 0.0, cost).is_zero() {
                    bucket.take(cost);
                    passed += cost;
                    largest = largest.max(cost);
                }
            }
            let seconds = (now - start).as_secs_f64();
            prop_assert!(passed <= 20.0 + largest + 10.0 * seconds + 1e-6);
        }
    }
}
