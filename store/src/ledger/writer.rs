//! The writer thread: takes what has queued, decides it, commits it as one, answers it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::decide::Staged;
use super::erasures::erase_late;
use super::inner::Inner;
use super::stamps::Stamps;
use super::{Answer, Appended, Ask, LogError, MAX_QUEUED, Submission};
use crate::journal::block::{CommitPart, Packed, Packer};
use crate::journal::{AppendError, wait};
use crate::locks::lock;
use crate::record::identity::{IdKey, Seen};
use crate::record::public_seq::{Indexes, MAX_INDEX, Stamp};
use crate::record::{Entry, Seq};

/// A commit takes no more than about this many bytes of entries, so that nobody waits for long.
const MAX_GROUP_BYTES: usize = 16 * 1024 * 1024;
/// A block holds at most this many entries and about this many bytes: small enough to read one
/// record cheaply, large enough to compress well (measured, in the survey of crates that the design rests on).
const MAX_BLOCK_RECORDS: usize = 1_000;
const MAX_BLOCK_BYTES: usize = 512 * 1024;
// No commit holds more records than there are indexes.
const _: () = assert!(2 * MAX_QUEUED <= MAX_INDEX as usize);
/// After a failed commit the store is opened again at most this often.
const RECOVERY_PAUSE: Duration = Duration::from_secs(1);
/// What became of one append.
type Outcome = Result<Vec<Appended>, LogError>;

/// The thread that commits.
pub(super) struct Writer {
    pub(super) inner: Arc<Inner>,
    pub(super) packer: Packer,
    pub(super) stamps: Stamps,
    /// When recovery from a failed commit was last tried.
    pub(super) recovered_at: Option<Instant>,
}

impl Writer {
    pub(super) fn run(mut self, mut asked: mpsc::UnboundedReceiver<Ask>) {
        while let Some(first) = asked.blocking_recv() {
            let mut appends = Vec::new();
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some((batch, answer)) = next {
                bytes += batch
                    .iter()
                    .map(|submission| submission.entry.weight())
                    .sum::<usize>();
                appends.push((batch, answer));
                next = if bytes < MAX_GROUP_BYTES {
                    asked.try_recv().ok()
                } else {
                    None
                };
            }
            self.commit(appends);
            self.inner.journal.tidy();
        }
    }

    /// Commits one group and answers it.
    fn commit(&mut self, appends: Vec<(Vec<Submission>, Answer)>) {
        let started = Instant::now();
        let events: usize = appends.iter().map(|(batch, _)| batch.len()).sum();
        let (batches, answers): (Vec<_>, Vec<_>) = appends.into_iter().unzip();
        let outcomes = self
            .ensure_sound()
            .and_then(|()| self.write_guarded(batches));
        self.inner.queued.fetch_sub(events, Ordering::AcqRel);
        let outcomes = match outcomes {
            Ok(outcomes) => {
                let recorded = outcomes.iter().flatten().flatten();
                let recorded = recorded.filter(|one| matches!(one, Appended::Tracked { .. }));
                // Duplicates and empty batches commit nothing.
                match recorded.count() {
                    0 => {}
                    recorded => (self.inner.on_commit)(recorded, started.elapsed()),
                }
                outcomes
            }
            Err(error) => vec![Err(error); answers.len()],
        };
        for (outcome, answer) in outcomes.into_iter().zip(answers) {
            // A caller that has gone away does not take its event with it.
            drop(answer.send(outcome));
        }
    }

    /// Writes; a panic is a failed commit like any other, so that the thread lives on and says so.
    fn write_guarded(&mut self, batches: Vec<Vec<Submission>>) -> Result<Vec<Outcome>, LogError> {
        catch_unwind(AssertUnwindSafe(|| self.write(batches))).unwrap_or_else(|_| {
            self.inner.failing.store(true, Ordering::Release);
            Err(LogError::storage(
                "committing events",
                &"the writer panicked",
            ))
        })
    }

    /// Decides and writes; nothing is known of the group unless this returns `Ok`. An append that
    /// could not be decided fails by itself.
    fn write(&mut self, batches: Vec<Vec<Submission>>) -> Result<Vec<Outcome>, LogError> {
        let inner = Arc::clone(&self.inner);
        // Until the commit is known: who is promised something waits for it.
        let floor = lock(&inner.floor);
        let end = inner.end();
        if *inner.journal.committed().borrow() > end {
            // Somebody else has appended. What they did is known before anything is decided.
            self.learn()?;
        }
        let end = inner.end();
        let first = end.next();
        let stamp = self.stamps.next()?;
        let mut staged = Staged::new(&*inner, first, stamp);
        let outcomes = batches
            .into_iter()
            .map(|batch| staged.decide_all(batch))
            .collect();
        let Staged {
            mut entries,
            orders,
            ..
        } = staged;
        if entries.is_empty() {
            return Ok(outcomes);
        }
        for entry in &mut entries {
            entry.received_at = entry.received_at.max(*floor);
            erase_late(entry, &*inner.keys);
        }
        self.stamps.advance(stamp);
        let blocks = self.pack(first, stamp, &entries)?;
        let seqs = (first.0..).map(Seq);
        let ids: Vec<(IdKey, Seen)> = entries
            .iter()
            .zip(seqs)
            .map(|(entry, seq)| {
                let kind = entry.fact.kind();
                (entry.id_key(), Seen { seq, kind })
            })
            .collect();
        let last_received = entries
            .iter()
            .map(|entry| entry.received_at.as_millis())
            .max()
            .unwrap_or(0);
        let last = match wait(inner.journal.append(end, blocks)) {
            Ok(last) => last,
            Err(error) => return Err(self.not_acknowledged(error)),
        };
        inner.books.ids.learn(ids, last, last_received);
        inner.books.orders.learn(orders, last);
        let seqs = (first.0..).map(Seq);
        let learnt = if inner.books.suppressions.is_broken() {
            // This commit is in the log by now too.
            inner.catch_up_suppressions(last)
        } else {
            inner.learn_suppressions(seqs.zip(&entries), last)
        };
        if let Err(error) = learnt {
            tracing::error!(%error, "who unsubscribed cannot be noted; it is tried again with the next event");
        }
        inner.handover.put(stamp, first, entries);
        inner.committed.send_replace(last);
        Ok(outcomes)
    }

    /// What becomes of a group that the journal did not take. Nobody is told that it is tracked; what
    /// of it may be there is found when the journal is read again.
    fn not_acknowledged(&mut self, error: AppendError) -> LogError {
        match error {
            AppendError::Lost { end } => {
                tracing::warn!(%end, "another process has written to this log; its events are read before more are taken");
                // Where that fails, the next group meets the same again.
                if let Err(error) = self.learn() {
                    tracing::error!(%error, "what another process has written could not be read");
                }
                LogError::Unavailable
            }
            AppendError::NotWritten(error) => error.into(),
            AppendError::Unknown(error) => {
                tracing::error!(%error, "a commit failed; no event is acknowledged until the store is open again");
                self.inner.failing.store(true, Ordering::Release);
                error.into()
            }
        }
    }

    /// Takes in what is in the journal and not yet known here.
    fn learn(&mut self) -> Result<(), LogError> {
        if let Some(newest) = self.inner.catch_up()? {
            self.stamps.go_on_behind(newest);
        }
        Ok(())
    }

    fn pack(
        &mut self,
        first: Seq,
        stamp: Stamp,
        entries: &[Entry],
    ) -> Result<Vec<Packed>, LogError> {
        let mut blocks = Vec::new();
        let mut earlier = Indexes::default();
        let mut rest = entries;
        let mut seq = first;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |entry: &&Entry| {
                bytes += entry.weight();
                bytes <= MAX_BLOCK_BYTES
            };
            let count = rest
                .iter()
                .take(MAX_BLOCK_RECORDS)
                .take_while(fits)
                .count()
                .max(1);
            let (chunk, tail) = rest.split_at(count);
            let part = CommitPart {
                stamp,
                earlier: earlier.of(chunk),
            };
            let bytes = self
                .packer
                .pack(seq, &part, chunk.iter())
                .map_err(|error| LogError::storage("packing", &error))?;
            let received = chunk.iter().map(|entry| entry.received_at.as_millis());
            let next = Seq(seq.0 + count as u64);
            blocks.push(Packed {
                first: seq,
                last: Seq(next.0 - 1),
                last_received: received.max().unwrap_or(0),
                bytes,
            });
            seq = next;
            rest = tail;
            if !tail.is_empty() {
                for entry in chunk {
                    earlier.take(entry.workspace);
                }
            }
        }
        Ok(blocks)
    }

    /// After a failed commit: opens the store again before anything else is taken.
    fn ensure_sound(&mut self) -> Result<(), LogError> {
        if !self.inner.failing.load(Ordering::Acquire) {
            return Ok(());
        }
        if self
            .recovered_at
            .is_some_and(|at| at.elapsed() < RECOVERY_PAUSE)
        {
            return Err(LogError::storage(
                "recovering",
                &"it is tried again every second",
            ));
        }
        self.recovered_at = Some(Instant::now());
        // What was in doubt is there from now on or is not; both are learnt like anybody's.
        let recovered = wait(self.inner.journal.settle())
            .map_err(LogError::from)
            .and_then(|_| self.learn());
        match &recovered {
            Ok(()) => {
                self.inner.failing.store(false, Ordering::Release);
                tracing::info!("the store is open again");
            }
            Err(error) => tracing::error!(%error, "the store could not be opened again"),
        }
        recovered
    }
}
