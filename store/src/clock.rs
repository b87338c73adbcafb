//! The clock: the one door through which the current time enters, so that tests can set it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use shared::time::Timestamp;

/// Tells the current time.
pub trait Clock: Send + Sync + 'static {
    /// Now, in milliseconds since 1970 UTC.
    fn now(&self) -> Timestamp;

    /// Now, in microseconds since 1970 UTC, as finely as the clock tells.
    fn now_micros(&self) -> u64 {
        u64::try_from(self.now().as_millis()).map_or(0, |millis| millis.saturating_mul(1_000))
    }

    /// Microseconds that have passed since some moment of this process; never steps back.
    fn steady_micros(&self) -> u64;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that may ask"
    )]
    fn since_1970() -> Duration {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let millis = Self::since_1970().as_millis();
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    fn now_micros(&self) -> u64 {
        u64::try_from(Self::since_1970().as_micros()).unwrap_or(u64::MAX)
    }

    fn steady_micros(&self) -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct FixedClock {
    now: AtomicI64,
    steady: AtomicI64,
}

impl FixedClock {
    pub fn new(now: Timestamp) -> Self {
        Self {
            now: AtomicI64::new(now.as_millis()),
            steady: AtomicI64::new(0),
        }
    }

    /// Moves it on to this time.
    pub fn set(&self, now: Timestamp) {
        self.advance_millis(now.millis_since(self.now()));
    }

    /// Sets the clock forward, or back.
    pub fn advance_millis(&self, by: i64) {
        self.now.fetch_add(by, Ordering::SeqCst);
    }

    /// Lets time pass.
    #[cfg(test)]
    pub(crate) fn pass_millis(&self, by: u32) {
        self.advance_millis(by.into());
        self.steady.fetch_add(by.into(), Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn steady_micros(&self) -> u64 {
        u64::try_from(self.steady.load(Ordering::SeqCst)).map_or(0, |millis| millis * 1_000)
    }
}
