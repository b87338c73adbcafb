//! One limit of a key: all of it, half of it, and a part for each address.

use std::time::{Duration, Instant};

use super::bucket::{Bucket, Quota};
use crate::error::limit::Limit;

/// Above this part of a key's rate, an address has no more than that part of it.
pub(super) const HALF: f64 = 2.0;
pub(super) const ADDRESS_PART: f64 = 10.0;

/// All of it, half of it to tell when it runs short, and a part for each address.
pub(super) struct Gauge {
    limit: Limit,
    pub(super) quota: Quota,
    pub(super) bucket: Bucket,
    pub(super) half: Bucket,
}

impl Gauge {
    pub(super) fn new(limit: Limit, (per_second, burst): (u32, u32), now: Instant) -> Self {
        let quota = Quota::new(per_second, burst);
        Self {
            limit,
            quota,
            bucket: Bucket::full(quota, now),
            half: Bucket::full(quota.part(HALF), now),
        }
    }

    /// Refused with what ran out and how long to wait. `share` is the address' bucket.
    pub(super) fn check(
        &mut self,
        share: Option<&mut Bucket>,
        taken: f64,
        cost: f64,
        now: Instant,
    ) -> Result<(), (Limit, Duration)> {
        let wait = self.bucket.wait(self.quota, now, taken, cost);
        if !wait.is_zero() {
            return Err((self.limit, wait));
        }
        let half = self.quota.part(HALF);
        let runs_short = !self.half.wait(half, now, taken, cost).is_zero();
        if let Some(share) = share
            && runs_short
        {
            let wait = share.wait(self.quota.part(ADDRESS_PART), now, taken, cost);
            if !wait.is_zero() {
                return Err((Limit::Address, wait));
            }
        }
        Ok(())
    }

    pub(super) fn take(&mut self, share: Option<&mut Bucket>, cost: f64, now: Instant) {
        self.bucket.take(cost);
        self.half.drain(self.quota.part(HALF), now, cost);
        if let Some(share) = share {
            share.drain(self.quota.part(ADDRESS_PART), now, cost);
        }
    }
}
