//! What goes into the log in one append, among what was decided without it: put together in the order of
//! the request, and told apart again there alone.

use std::sync::Arc;

use super::settle::{self, Settled};
use store::ledger::{Log, LogError, Submission};

/// The parts of a request in their order. Of what goes into the log `N` is kept for its answer; what is
/// decided already is a `D`.
pub(crate) struct Pending<N, D> {
    submissions: Vec<Submission>,
    parts: Vec<Part<N, D>>,
}

enum Part<N, D> {
    Submitted(N),
    Decided(D),
}

/// What became of one part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Became<N, D> {
    /// It went into the log.
    Settled(N, Settled),
    /// It was decided before.
    Decided(D),
}

impl<N, D> Pending<N, D> {
    pub(crate) fn new() -> Self {
        Self {
            submissions: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// The next part goes into the log.
    pub(crate) fn submit(&mut self, submission: Submission, kept: N) {
        self.submissions.push(submission);
        self.parts.push(Part::Submitted(kept));
    }

    /// The next part needs no log.
    pub(crate) fn decide(&mut self, decided: D) {
        self.parts.push(Part::Decided(decided));
    }

    /// Whether nothing goes into the log so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.submissions.is_empty()
    }

    /// Appends what there is to append; what became of each part, in order. All that is new is on disk
    /// then.
    ///
    /// # Errors
    /// [`LogError`], and then nothing is on disk that was not before, save where a first could not be
    /// read or the disk failed: asking again is right.
    pub(crate) async fn append(self, log: &Arc<dyn Log>) -> Result<Vec<Became<N, D>>, LogError> {
        let mut settled = settle::append(log, self.submissions).await?.into_iter();
        let became = |part| match part {
            Part::Decided(decided) => Ok(Became::Decided(decided)),
            Part::Submitted(kept) => {
                // One outcome for each submission: the log promises it.
                let missing = || LogError::Storage("settling: an outcome is missing".to_owned());
                let settled = settled.next().ok_or_else(missing)?;
                Ok(Became::Settled(kept, settled))
            }
        };
        self.parts.into_iter().map(became).collect()
    }
}

/// Appends one submission.
///
/// # Errors
/// See [`Pending::append`].
pub(crate) async fn append_one(
    log: &Arc<dyn Log>,
    submission: Submission,
) -> Result<Settled, LogError> {
    let settled = settle::append(log, vec![submission]).await?.pop();
    settled.ok_or_else(|| LogError::Storage("settling: the outcome is missing".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::clock::FixedClock;
    use store::ledger::conformance::subject::{NOW, OneKey, purchase, track};
    use store::ledger::memory::MemoryLedger;
    use store::record::Seq;

    /// A log in memory whose clock stands at the time of its events.
    fn memory() -> MemoryLedger {
        let clock = FixedClock::new(shared::time::Timestamp::from_millis(NOW));
        MemoryLedger::with_clock(Arc::new(OneKey), Arc::new(clock))
    }

    #[tokio::test]
    async fn each_part_gets_its_own_outcome_whatever_was_decided_between() {
        let log: Arc<dyn Log> = Arc::new(memory());
        let mut pending = Pending::new();
        assert!(pending.is_empty());
        pending.decide("bad");
        pending.submit(track(1), "new");
        pending.decide("worse");
        pending.submit(track(1), "again");
        pending.submit(purchase(2, "a", 100), "order");
        pending.submit(purchase(3, "a", 200), "another");
        assert!(!pending.is_empty());
        let became = pending.append(&log).await.unwrap();
        let said: Vec<(&str, &str)> = became
            .into_iter()
            .map(|became| match became {
                Became::Decided(part) => (part, "decided"),
                Became::Settled(part, Settled::Tracked { .. }) => (part, "tracked"),
                Became::Settled(part, Settled::Duplicate { at, .. }) => {
                    assert_eq!(at, Seq(1));
                    (part, "duplicate")
                }
                Became::Settled(part, Settled::Refused(_)) => (part, "refused"),
            })
            .collect();
        let expected = [
            ("bad", "decided"),
            ("new", "tracked"),
            ("worse", "decided"),
            ("again", "duplicate"),
            ("order", "tracked"),
            ("another", "refused"),
        ];
        assert_eq!(said, expected);
    }

    #[tokio::test]
    async fn a_log_that_takes_nothing_is_not_asked_about_what_is_decided() {
        let log: Arc<dyn Log> = Arc::new(memory());
        log.close().await.unwrap();
        let mut pending = Pending::<(), _>::new();
        pending.decide("bad");
        let became = pending.append(&log).await.unwrap();
        assert_eq!(became, [Became::Decided("bad")]);
        assert!(append_one(&log, track(1)).await.is_err());
    }
}
