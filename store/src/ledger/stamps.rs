//! When a commit was made, as its stamp says: later than every commit before it, whatever the clock
//! does. Not the seq that is made of it (`public_seq`).

use std::sync::Arc;

use super::LogError;
use crate::clock::Clock;
use crate::record::public_seq::{MAX_MICROS, Stamp};

/// Hands out the stamps of commits, in order.
///
/// Where the clock has been set back, stamps go on from the last one with the time that passes, and
/// not by one with each commit: the difference of two seqs would count the commits of everybody.
pub(crate) struct Stamps {
    clock: Arc<dyn Clock>,
    /// The last that was handed out, or the newest in the log.
    last: Stamp,
    /// What the clock's steady count was then, microseconds.
    steady: u64,
}

impl Stamps {
    /// Goes on behind `newest`, the stamp of the log's last block, in `generation` or, if that is
    /// higher, in that of `newest`.
    pub(crate) fn new(generation: u8, newest: Stamp, clock: Arc<dyn Clock>) -> Self {
        let last = Stamp {
            generation: generation.max(newest.generation),
            micros: newest.micros,
        };
        let steady = clock.steady_micros();
        Self {
            clock,
            last,
            steady,
        }
    }

    /// The stamp of the next commit, once [`Self::advance`] has been told of it.
    ///
    /// # Errors
    /// Where seqs have no room for a later time.
    pub(crate) fn next(&self) -> Result<Stamp, LogError> {
        let passed = self
            .clock
            .steady_micros()
            .saturating_sub(self.steady)
            .max(1);
        // A clock that has gone mad is not believed: it would use up all times that there are.
        let now = Some(self.clock.now_micros()).filter(|now| *now <= MAX_MICROS / 2);
        let micros = (self.last.micros + passed).max(now.unwrap_or(0));
        if micros > MAX_MICROS {
            return Err(LogError::storage(
                "stamping a commit",
                &"the times are used up",
            ));
        }
        Ok(Stamp {
            micros,
            ..self.last
        })
    }

    /// A commit with this stamp is made: the next one is later.
    pub(crate) fn advance(&mut self, stamp: Stamp) {
        self.last = stamp;
        self.steady = self.clock.steady_micros();
    }

    /// Others have made a commit with this stamp: the next one is later.
    pub(crate) fn go_on_behind(&mut self, newest: Stamp) {
        if newest > self.last {
            self.advance(newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::time::Timestamp;

    use super::*;
    use crate::clock::FixedClock;

    const NOW: i64 = 1_764_201_600_000;

    fn micros(millis: i64) -> u64 {
        u64::try_from(millis).unwrap() * 1_000
    }

    fn stamps(newest: Stamp) -> (Stamps, Arc<FixedClock>) {
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(NOW)));
        (Stamps::new(1, newest, Arc::clone(&clock) as _), clock)
    }

    /// The stamp of a commit that is made.
    fn commit(stamps: &mut Stamps) -> Stamp {
        let stamp = stamps.next().unwrap();
        stamps.advance(stamp);
        stamp
    }

    #[test]
    fn a_stamp_is_the_time_of_its_commit() {
        let (mut stamps, clock) = stamps(Stamp::default());
        let stamp = |millis| Stamp {
            generation: 1,
            micros: micros(millis),
        };
        assert_eq!(commit(&mut stamps), stamp(NOW));
        clock.advance_millis(5);
        assert_eq!(commit(&mut stamps), stamp(NOW + 5));
    }

    #[test]
    fn stamps_rise_where_the_clock_stands_still_or_steps_back() {
        let (mut stamps, clock) = stamps(Stamp::default());
        let mut last = commit(&mut stamps);
        for step in [0, 0, -3_600_000, 0, 7, -1, 3_600_000] {
            clock.advance_millis(step);
            let next = commit(&mut stamps);
            assert!(next > last, "{step}: {next:?} after {last:?}");
            last = next;
        }
    }

    #[test]
    fn while_the_clock_is_behind_stamps_tell_the_time_that_passes_and_not_the_commits() {
        let (mut stamps, clock) = stamps(Stamp::default());
        let before = commit(&mut stamps);
        clock.advance_millis(-3_600_000);
        for _ in 0..10 {
            clock.pass_millis(2);
            commit(&mut stamps);
        }
        clock.pass_millis(2);
        assert_eq!(commit(&mut stamps).micros - before.micros, micros(22));
    }

    #[test]
    fn stamps_go_on_behind_the_newest_of_the_log_and_never_in_an_earlier_generation() {
        let ahead = Stamp {
            generation: 3,
            micros: micros(NOW) + 77,
        };
        let (mut stamps, _) = stamps(ahead);
        let stamp = Stamp {
            generation: 3,
            micros: ahead.micros + 1,
        };
        assert_eq!(commit(&mut stamps), stamp);
    }

    #[test]
    fn a_clock_that_has_gone_mad_is_not_believed() {
        let (mut stamps, clock) = stamps(Stamp::default());
        let before = commit(&mut stamps);
        clock.advance_millis(i64::MAX / 2);
        assert_eq!(commit(&mut stamps).micros, before.micros + 1);
    }

    #[test]
    fn where_the_times_are_used_up_nothing_is_stamped() {
        let newest = Stamp {
            generation: 1,
            micros: MAX_MICROS,
        };
        assert!(stamps(newest).0.next().is_err());
    }
}
