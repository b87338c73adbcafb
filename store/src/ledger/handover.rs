//! Records on their way from the writer to the one who follows the log: what has just been committed need
//! not be read and decoded again. Bounded, and never needed: whatever is not here is in the journal.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::locks::lock;
use crate::record::public_seq::{Indexes, PublicSeq, Stamp};
use crate::record::{Entry, Record, Seq};

/// So many bytes of entries wait at the most, by their weights: a third of a second of as many events as one
/// machine takes. A follower that is further behind reads the journal.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// See above.
#[derive(Default)]
pub(super) struct Handover {
    /// Somebody has asked. Nothing is kept for nobody.
    is_followed: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// In order, and without a gap.
    commits: VecDeque<Commit>,
    bytes: usize,
}

/// What is left of a commit's records; never nothing.
struct Commit {
    records: VecDeque<Record>,
    bytes: usize,
}

impl Handover {
    /// Puts in what has been committed, `first` and those behind it.
    pub(super) fn put(&self, stamp: Stamp, first: Seq, entries: Vec<Entry>) {
        if !self.is_followed.load(Ordering::Acquire) {
            return;
        }
        let mut indexes = Indexes::default();
        let mut bytes = 0;
        let records: VecDeque<Record> = (first.0..)
            .map(Seq)
            .zip(entries)
            .map(|(seq, entry)| {
                bytes += entry.weight();
                let index = indexes.take(entry.workspace);
                Record {
                    seq,
                    public_seq: PublicSeq::of(stamp, index, seq),
                    entry,
                }
            })
            .collect();
        if records.is_empty() {
            return;
        }
        let mut gone = VecDeque::new();
        let mut kept = lock(&self.kept);
        // Somebody else's commits may lie between.
        if kept.last().is_some_and(|last| last.next() != first) {
            gone.append(&mut kept.commits);
            kept.bytes = 0;
        }
        kept.bytes += bytes;
        kept.commits.push_back(Commit { records, bytes });
        while kept.bytes > MOST_BYTES
            && let Some(oldest) = kept.commits.pop_front()
        {
            kept.bytes -= oldest.bytes;
            gone.push_back(oldest);
        }
        drop(kept);
        // Freeing takes longer than anybody should wait for the lock.
        drop(gone);
    }

    /// Takes out the records that follow on `after`, at most `limit`, and lets go of those up to there. None
    /// where the next one is not here.
    pub(super) fn take(&self, after: Seq, limit: usize) -> Vec<Record> {
        self.is_followed.store(true, Ordering::Release);
        let mut taken = Vec::new();
        let mut kept = lock(&self.kept);
        while taken.len() < limit
            && let Some(commit) = kept.commits.front_mut()
        {
            let known = commit.records.partition_point(|record| record.seq <= after);
            let next = after.0 + 1 + taken.len() as u64;
            drop(commit.records.drain(..known));
            match commit.records.front() {
                Some(first) if first.seq.0 != next => break,
                Some(_) => {
                    let room = commit.records.len().min(limit - taken.len());
                    taken.extend(commit.records.drain(..room));
                }
                None => {}
            }
            if commit.records.is_empty() {
                let bytes = commit.bytes;
                kept.bytes -= bytes;
                kept.commits.pop_front();
            }
        }
        taken
    }
}

impl Kept {
    fn last(&self) -> Option<Seq> {
        Some(self.commits.back()?.records.back()?.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::conformance::subject::viewed;

    fn entries(count: u32) -> Vec<Entry> {
        (0..count).map(viewed).collect()
    }

    fn seqs(records: &[Record]) -> Vec<u64> {
        records.iter().map(|record| record.seq.0).collect()
    }

    #[test]
    fn what_follows_is_handed_over_once_in_order_and_up_to_the_limit() {
        let handover = Handover::default();
        handover.put(Stamp::NONE, Seq(1), entries(3));
        // Nobody had asked.
        assert_eq!(seqs(&handover.take(Seq(0), 10)), [0_u64; 0]);
        handover.put(Stamp::NONE, Seq(4), entries(3));
        handover.put(Stamp::NONE, Seq(7), entries(2));
        // What lies before is not here.
        assert_eq!(seqs(&handover.take(Seq(2), 10)), [0_u64; 0]);
        assert_eq!(seqs(&handover.take(Seq(4), 1)), [5]);
        assert_eq!(seqs(&handover.take(Seq(5), 2)), [6, 7]);
        assert_eq!(seqs(&handover.take(Seq(7), 9)), [8]);
        assert_eq!(seqs(&handover.take(Seq(8), 9)), [0_u64; 0]);
        assert_eq!(lock(&handover.kept).bytes, 0);
    }

    #[test]
    fn behind_a_gap_and_beyond_the_bound_the_older_ones_go() {
        let handover = Handover::default();
        handover.take(Seq(0), 0);
        handover.put(Stamp::NONE, Seq(1), entries(2));
        handover.put(Stamp::NONE, Seq(9), entries(2));
        assert_eq!(seqs(&handover.take(Seq(0), 9)), [0_u64; 0]);
        assert_eq!(seqs(&handover.take(Seq(8), 9)), [9, 10]);
        let mut heavy = entries(3);
        for entry in &mut heavy {
            entry.ignored_fields.clear();
            entry.fact = crate::record::Fact::track(&"n".repeat(MOST_BYTES / 2));
        }
        for (seq, entry) in (11..).zip(heavy) {
            handover.put(Stamp::NONE, Seq(seq), vec![entry]);
        }
        assert_eq!(seqs(&handover.take(Seq(10), 9)), [0_u64; 0]);
        assert_eq!(seqs(&handover.take(Seq(12), 9)), [13]);
    }
}
