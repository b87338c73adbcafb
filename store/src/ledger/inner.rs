//! What is known of all that was committed: the ledger's books over one journal, and how they learn
//! what the journal holds.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use shared::ids::OrderId;
use shared::time::Timestamp;
use tokio::sync::watch;

use super::amend::revenue_of;
use super::decide::{Known, OrderKey, OrderState, RefundKey, fold_order};
use super::erasures::PendingErasure;
use super::handover::Handover;
use super::ids::Ids;
use super::orders::OrderBook;
use super::redactions::{Places, Redactions};
use super::suppressions::Suppressions;
use super::{LogError, OnCommit};
use crate::journal::Journal;
use crate::journal::block::{Block, Packer};
use crate::locks::lock;
use crate::record::identity::{FactKind, IdKey, Seen};
use crate::record::public_seq::Stamp;
use crate::record::{Entry, Record, Seq, WorkspaceId, WorkspaceKey, WorkspaceKeys};

/// Records read at once where a book catches up.
const CATCH_UP_RECORDS: usize = 4_096;

/// The ledger's own files, or what stands for them in memory. Each says how far it reaches; what is
/// missing is learnt from the journal.
pub(super) struct Books {
    pub(super) ids: Ids,
    pub(super) orders: OrderBook,
    pub(super) suppressions: Suppressions,
    pub(super) redactions: Redactions,
}

/// Shared by the writer, by readers and by what works behind them.
pub(super) struct Inner {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) books: Books,
    pub(super) keys: Arc<dyn WorkspaceKeys>,
    /// The last record that all books know.
    pub(super) committed: watch::Sender<Seq>,
    /// Events taken and not yet answered. The channel itself is unbounded; this is its bound,
    /// because it counts events and not requests.
    pub(super) queued: AtomicUsize,
    pub(super) failing: AtomicBool,
    pub(super) handover: Handover,
    /// Nothing is recorded as having arrived before then. Held from before a commit is made until it is known.
    pub(super) floor: Mutex<Timestamp>,
    pub(super) on_commit: OnCommit,
}

impl Inner {
    /// The last record that all books know.
    pub(super) fn end(&self) -> Seq {
        *self.committed.borrow()
    }

    /// See [`super::Log::promise`].
    pub(super) fn promise(&self, instant: Timestamp) -> Seq {
        let mut floor = lock(&self.floor);
        *floor = instant.max(*floor);
        self.end()
    }

    /// Brings every book up to where the journal ends; returns the stamp of the last commit among those
    /// that were not known, if there is any.
    pub(super) fn catch_up(&self) -> Result<Option<Stamp>, LogError> {
        let end = *self.journal.committed().borrow();
        let newest = self.catch_up_ids(end)?;
        self.catch_up_orders(end)?;
        self.catch_up_suppressions(end)?;
        self.committed.send_replace(end);
        Ok(newest)
    }

    fn catch_up_ids(&self, end: Seq) -> Result<Option<Stamp>, LogError> {
        let ids = &self.books.ids;
        let mut newest = None;
        while ids.reached() < end {
            let mut failed = None;
            let before = ids.reached();
            self.journal.read(before.next(), &mut |block| {
                newest = Some(block.stamp());
                ids.learn(seen_in(block)?, block.last(), block.last_received());
                match ids.relieve() {
                    Ok(()) => Ok(ControlFlow::Continue(())),
                    Err(error) => {
                        failed = Some(error);
                        Ok(ControlFlow::Break(()))
                    }
                }
            })?;
            if let Some(error) = failed {
                return Err(error);
            }
            if ids.reached() == before {
                // A gap at the end.
                ids.learn([], end, i64::MIN);
            }
        }
        Ok(newest)
    }

    /// The orders that the order book's file had not reached are folded from the log.
    fn catch_up_orders(&self, end: Seq) -> Result<(), LogError> {
        let orders = &self.books.orders;
        let mut after = orders.reached();
        while after < end {
            let records = self.read_raw(after, CATCH_UP_RECORDS)?;
            let Some(last) = records.last().map(|record| record.seq) else {
                break;
            };
            for record in &records {
                let changed = fold_order(self, record)?;
                orders.learn(changed, record.seq);
            }
            if orders.is_behind() {
                orders.flush()?;
            }
            after = last;
        }
        orders.learn([], end.max(orders.reached()));
        Ok(())
    }

    /// Who is to get no more mail is folded from the log behind what that book had reached; where there
    /// was none, from all of the log, once.
    pub(super) fn catch_up_suppressions(&self, end: Seq) -> Result<(), LogError> {
        let suppressions = &self.books.suppressions;
        let mut after = if suppressions.is_broken() {
            suppressions.start_again();
            suppressions.cursor()
        } else {
            suppressions.reached()
        };
        while after < end {
            let records = self.read_raw(after, CATCH_UP_RECORDS)?;
            let Some(last) = records.last().map(|record| record.seq) else {
                break;
            };
            self.learn_suppressions(records.iter().map(|r| (r.seq, &r.entry)), last)?;
            if suppressions.is_behind() {
                suppressions.flush()?;
            }
            after = last;
        }
        let end = end.max(suppressions.reached());
        self.learn_suppressions(std::iter::empty(), end)
    }

    /// Takes in what a commit says of who is to get mail.
    pub(super) fn learn_suppressions<'e>(
        &self,
        entries: impl Iterator<Item = (Seq, &'e Entry)>,
        upto: Seq,
    ) -> Result<(), LogError> {
        let contact = |entry: &Entry| {
            let key = self.keys.key_of(entry.workspace)?;
            let contact = entry.contact(&key)?;
            Some(self.keys.contact_today(entry.workspace, contact))
        };
        let mut erased = Ok(());
        let entries = entries.inspect(|(seq, entry)| {
            if erased.is_ok()
                && let Some(erasure) = PendingErasure::of(*seq, entry, &*self.keys)
            {
                erased = self.books.redactions.erase(erasure);
            }
        });
        let learnt = self.books.suppressions.learn(entries, contact, upto);
        // Both, or the book stays behind: then all of it is read again.
        if erased.is_err() {
            self.books.suppressions.doubt();
        }
        erased.and(learnt)
    }

    /// As the journal has them, also what is hidden.
    pub(super) fn read_raw(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        let mut records = Vec::new();
        if limit == 0 {
            return Ok(records);
        }
        self.journal.read(after.next(), &mut |block| {
            block.records(after, limit - records.len(), &mut records)?;
            Ok(if records.len() < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        Ok(records)
    }

    /// The records behind `after`, without what is hidden.
    pub(super) fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        let mut records = self.read_raw(after, limit)?;
        self.books.redactions.hide_in(&mut records, &*self.keys);
        Ok(records)
    }

    /// The same in whole blocks, each of which is unpacked once: until there are `limit`, or `bytes` by their weights.
    pub(super) fn read_many(
        &self,
        after: Seq,
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<Record>, LogError> {
        let mut records = Vec::new();
        let mut weight = 0;
        self.journal.read(after.next(), &mut |block| {
            let before = records.len();
            block.records(after, usize::MAX, &mut records)?;
            weight += records[before..]
                .iter()
                .map(|record| record.entry.weight())
                .sum::<usize>();
            Ok(if records.len() < limit && weight < bytes {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        self.books.redactions.hide_in(&mut records, &*self.keys);
        Ok(records)
    }

    /// The same as far as they are still in memory; see [`Handover`].
    pub(super) fn hand_over(&self, after: Seq, limit: usize) -> Vec<Record> {
        let mut records = self.handover.take(after, limit);
        self.books.redactions.hide_in(&mut records, &*self.keys);
        records
    }

    /// The record at this place.
    pub(super) fn record_at(&self, seq: Seq) -> Result<Option<Record>, LogError> {
        let Some(before) = seq.0.checked_sub(1) else {
            return Ok(None);
        };
        let record = self.read(Seq(before), 1)?.pop();
        Ok(record.filter(|record| record.seq == seq))
    }

    /// The type of the record at this place, where it has this id. What equals an id of 16 bytes is no damage;
    /// what does not is believed once its block has been checked.
    pub(super) fn kind_at(&self, seq: Seq, key: &IdKey) -> Result<Option<FactKind>, LogError> {
        let is_it = |(found, kind)| (found == *key).then_some(kind);
        if let Some(kind) = self.journal.id_at(seq)?.and_then(is_it) {
            return Ok(Some(kind));
        }
        let mut found = None;
        self.journal.read(seq, &mut |block| {
            found = block.id_at(seq)?;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found.and_then(is_it))
    }

    /// Hides the personal part of these records, at once and for good.
    pub(super) fn redact(&self, seqs: &[Seq]) -> Result<(), LogError> {
        // What books know of an address they must have on disk before it goes.
        self.books.orders.flush()?;
        self.books.suppressions.flush()?;
        self.books.redactions.add(seqs)
    }

    /// Writes the journal anew without what is hidden.
    pub(super) fn purge(&self) -> Result<(), LogError> {
        self.find_erased()?;
        // What it knew of an address lies in pages that its file has freed, also where the log holds nothing of it. First,
        // since where this fails all is done again.
        self.books.suppressions.renew_file()?;
        let places = self.books.redactions.pending();
        if places.is_empty() {
            return self.books.redactions.done(&places);
        }
        let mut packer = Packer::new().map_err(|error| LogError::storage("redacting", &error))?;
        let seqs = places.keys().copied().collect();
        self.journal
            .rewrite(&seqs, &mut |block| redacted(block, &places, &mut packer))?;
        self.books.redactions.done(&places)?;
        tracing::info!(
            records = places.len(),
            "the log holds nothing any more of what was redacted"
        );
        Ok(())
    }
}

/// The block without the personal part of these records.
fn redacted(
    block: &Block<'_>,
    places: &Places,
    packer: &mut Packer,
) -> Result<Option<Vec<u8>>, crate::journal::block::BadBlock> {
    changed(block, packer, &mut |record| {
        if let Some(person) = places.get(&record.seq) {
            record.entry.redact_for(*person);
        }
    })
}

/// The block with its records as this leaves each of them.
pub(super) fn changed(
    block: &Block<'_>,
    packer: &mut Packer,
    change: &mut dyn FnMut(&mut Record),
) -> Result<Option<Vec<u8>>, crate::journal::block::BadBlock> {
    let mut records = Vec::with_capacity(block.count());
    block.records(Seq::START, usize::MAX, &mut records)?;
    records.iter_mut().for_each(change);
    let entries = records.iter().map(|record| &record.entry);
    let packed = packer.pack(block.first(), &block.part(), entries);
    packed
        .map(Some)
        .map_err(|_| crate::journal::block::BadBlock("it could not be packed again"))
}

/// The ids of a block's records with what is known of them.
fn seen_in(block: &Block<'_>) -> Result<Vec<(IdKey, Seen)>, crate::journal::block::BadBlock> {
    let seqs = (block.first().0..).map(Seq);
    let ids = block.ids()?.into_iter().zip(seqs);
    Ok(ids
        .map(|((key, kind), seq)| (key, Seen { seq, kind }))
        .collect())
}

impl Known for Inner {
    fn id(&self, key: &IdKey) -> Result<Option<Seen>, LogError> {
        self.books
            .ids
            .within_window(key, &|seq, key| self.kind_at(seq, key))
    }

    fn is_of_older_version(&self, seq: Seq) -> Result<bool, LogError> {
        let stamp = self.in_block_from(seq, |block| block.stamp())?;
        Ok(stamp == Some(Stamp::NONE))
    }

    fn order(&self, key: &OrderKey) -> Result<Option<OrderState>, LogError> {
        self.books.orders.get(key)
    }

    fn refund(&self, key: &RefundKey) -> Result<Option<OrderId>, LogError> {
        self.books.orders.refund(key)
    }

    fn revenue(&self, seq: Seq) -> Result<Option<i64>, LogError> {
        Ok(self.record_at(seq)?.as_ref().and_then(revenue_of))
    }

    fn workspace_key(&self, workspace: WorkspaceId) -> Result<WorkspaceKey, LogError> {
        self.keys.key_of(workspace).ok_or_else(|| {
            LogError::storage("deciding", &format!("workspace {} has no key", workspace.0))
        })
    }

    fn email_digest_today(&self, workspace: WorkspaceId, digest: u64) -> u64 {
        self.keys.email_digest_today(workspace, digest)
    }
}
