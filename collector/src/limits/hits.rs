//! How many hits of mail clients may be in flight behind their answers, and how many of one token are kept.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use store::locks::{read, write};

/// Hits that may be in flight behind their answers; more are dropped. Each holds 10 KB at the most.
pub const MAX_HITS: usize = 4_096;
/// Hits of one token that are kept at once, and then one in each [`PERIOD`]: a person opens a mail a
/// few times, and a token that is replayed fills no disk.
pub const BURST: NonZeroU32 = NonZeroU32::new(100).unwrap();
pub const PERIOD: Duration = Duration::from_secs(60);

/// Tokens whose budget is remembered; past that all budgets start over. About 40 MB.
const MAX_BUDGETS: usize = 1_000_000;
/// After so many hits, budgets that are whole again are forgotten.
const SWEEP: u64 = 65_536;
/// How long a stop waits for the hits in flight.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The hits in flight, and what is left of the budget of each token.
pub struct HitsInFlight {
    permits: Arc<Semaphore>,
    budgets: Budgets,
}

impl Default for HitsInFlight {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(MAX_HITS)),
            budgets: Budgets::default(),
        }
    }
}

impl HitsInFlight {
    pub(crate) fn take_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Takes one hit of a token that is good; false where none is left. Bad ones never get here, so
    /// that nobody without tokens makes this grow.
    pub(crate) fn take_budget(&self, text: &str) -> bool {
        self.budgets.take(text)
    }

    /// Waits a moment for the hits in flight; later ones are dropped.
    pub(crate) async fn close(&self) {
        let all = u32::try_from(MAX_HITS).unwrap_or(u32::MAX);
        let drained = tokio::time::timeout(DRAIN_TIMEOUT, self.permits.acquire_many(all)).await;
        if drained.is_err() {
            tracing::warn!("opens and clicks were not written before the stop");
        }
        self.permits.close();
    }
}

/// What is left for each token, by a hash of its text.
struct Budgets {
    limiter: RwLock<Arc<DefaultKeyedRateLimiter<u64>>>,
    hasher: RandomState,
    taken: AtomicU64,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            limiter: RwLock::new(Arc::new(limiter())),
            hasher: RandomState::new(),
            taken: AtomicU64::new(0),
        }
    }
}

impl Budgets {
    fn take(&self, text: &str) -> bool {
        if self.taken.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.sweep(MAX_BUDGETS);
        }
        let limiter = Arc::clone(&read(&self.limiter));
        limiter.check_key(&self.hasher.hash_one(text)).is_ok()
    }

    /// Forgets budgets that are whole, and all of them where more than `most` are left.
    fn sweep(&self, most: usize) {
        let current = Arc::clone(&read(&self.limiter));
        current.retain_recent();
        if current.len() > most {
            *write(&self.limiter) = Arc::new(limiter());
        }
    }
}

fn limiter() -> DefaultKeyedRateLimiter<u64> {
    let quota = Quota::with_period(PERIOD).expect("a minute is longer than nothing");
    RateLimiter::keyed(quota.allow_burst(BURST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_burst_and_others_have_theirs() {
        let budgets = Budgets::default();
        let taken = |text: &str| (0..1_000).filter(|_| budgets.take(text)).count();
        assert_eq!(taken("one"), 100);
        assert_eq!(taken("other"), 100);
        assert_eq!(taken("one"), 0);
    }

    #[test]
    fn a_sweep_keeps_what_is_spent_and_starts_over_where_there_are_too_many() {
        let budgets = Budgets::default();
        while budgets.take("spent") {}
        budgets.sweep(10);
        assert!(!budgets.take("spent"));
        for number in 0..11 {
            budgets.take(&number.to_string());
        }
        budgets.sweep(10);
        assert!(budgets.take("spent"));
        assert_eq!(read(&budgets.limiter).len(), 1);
    }
}
