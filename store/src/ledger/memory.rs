//! A log in memory: small enough to read in one go, so that the trait is not shaped by one
//! implementation and so that tests have an oracle. Keeps every promise but durability.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use shared::ids::EventId;
use tokio::sync::watch;

use super::amend::revenue_of;
use super::decide::{Known, OrderKey, OrderState, RefundKey, Staged, WorkspaceKey, WorkspaceKeys};
use super::stamps::Stamps;
use super::{Appended, Health, Later, Located, Log, LogError, Submission};
use crate::clock::{Clock, SystemClock};
use crate::locks::lock;
use crate::record::identity::{IdKey, Seen, Sender};
use crate::record::public_seq::{FIRST_GENERATION, Indexes, PublicSeq, Stamp};
use crate::record::{Record, Seq, WorkspaceId};

/// The log in memory. Remembers ids for as long as it lives.
pub struct MemoryLog {
    state: Mutex<State>,
    committed: watch::Sender<Seq>,
}

struct State {
    records: Vec<Record>,
    ids: HashMap<IdKey, Seen>,
    orders: HashMap<OrderKey, OrderState>,
    refunds: HashMap<RefundKey, String>,
    keys: Arc<dyn WorkspaceKeys>,
    stamps: Stamps,
    closed: bool,
}

impl MemoryLog {
    pub fn new(keys: Arc<dyn WorkspaceKeys>) -> Self {
        Self::with_clock(keys, Arc::new(SystemClock))
    }

    /// One whose commits are made when this clock says.
    pub fn with_clock(keys: Arc<dyn WorkspaceKeys>, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            records: Vec::new(),
            ids: HashMap::new(),
            orders: HashMap::new(),
            refunds: HashMap::new(),
            keys,
            stamps: Stamps::new(FIRST_GENERATION, Stamp::NONE, clock),
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            committed: watch::Sender::new(Seq::START),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn append_now(&self, batch: Vec<Submission>) -> Result<Vec<Appended>, LogError> {
        let mut state = self.state();
        if state.closed {
            return Err(LogError::Unavailable);
        }
        let first = Seq(state.records.len() as u64 + 1);
        let stamp = state.stamps.next()?;
        let mut staged = Staged::new(&*state, first, stamp);
        let outcomes = staged.decide_all(batch)?;
        let Staged {
            entries,
            ids,
            orders,
            refunds,
            ..
        } = staged;
        if !entries.is_empty() {
            state.stamps.advance(stamp);
        }
        let mut indexes = Indexes::default();
        for (entry, seq) in entries.into_iter().zip((first.0..).map(Seq)) {
            let index = indexes.take(entry.workspace);
            state.records.push(Record {
                seq,
                public_seq: PublicSeq::of(stamp, index, seq),
                entry,
            });
        }
        state.ids.extend(ids);
        state.orders.extend(orders);
        state.refunds.extend(refunds);
        self.committed.send_replace(Seq(state.records.len() as u64));
        Ok(outcomes)
    }
}

impl Known for State {
    fn id(&self, key: &IdKey) -> Result<Option<Seen>, LogError> {
        Ok(self.ids.get(key).copied())
    }

    fn is_of_older_version(&self, _: Seq) -> Result<bool, LogError> {
        Ok(false)
    }

    fn order(&self, key: &OrderKey) -> Result<Option<OrderState>, LogError> {
        Ok(self.orders.get(key).cloned())
    }

    fn refund(&self, key: &RefundKey) -> Result<Option<String>, LogError> {
        Ok(self.refunds.get(key).cloned())
    }

    fn revenue(&self, seq: Seq) -> Result<Option<i64>, LogError> {
        let at = usize::try_from(seq.0).ok().and_then(|at| at.checked_sub(1));
        Ok(at.and_then(|at| revenue_of(self.records.get(at)?)))
    }

    fn workspace_key(&self, workspace: WorkspaceId) -> Result<WorkspaceKey, LogError> {
        self.keys.key_of(workspace).ok_or(LogError::Unavailable)
    }

    fn email_digest_today(&self, workspace: WorkspaceId, digest: u64) -> u64 {
        self.keys.email_digest_today(workspace, digest)
    }
}

impl Log for MemoryLog {
    fn append(&self, batch: Vec<Submission>) -> Later<'_, Result<Vec<Appended>, LogError>> {
        Box::pin(async move { self.append_now(batch) })
    }

    fn read_from(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        let skip = usize::try_from(after.0).unwrap_or(usize::MAX);
        Ok(self
            .state()
            .records
            .iter()
            .skip(skip)
            .take(limit)
            .cloned()
            .collect())
    }

    fn find(
        &self,
        workspace: WorkspaceId,
        sender: Sender,
        id: EventId,
    ) -> Result<Option<Record>, LogError> {
        let key = IdKey {
            workspace,
            sender,
            id,
        };
        let state = self.state();
        let mut newest_first = state.records.iter().rev();
        Ok(newest_first
            .find(|record| record.entry.id_key() == key)
            .cloned())
    }

    fn public_seqs(&self, places: &[Seq]) -> Result<Vec<Option<PublicSeq>>, LogError> {
        let state = self.state();
        let of = |place: &Seq| {
            let at = usize::try_from(place.0).ok()?.checked_sub(1)?;
            state.records.get(at).map(|record| record.public_seq)
        };
        Ok(places.iter().map(of).collect())
    }

    fn locate(&self, workspace: WorkspaceId, seq: PublicSeq) -> Result<Located, LogError> {
        let state = self.state();
        let theirs = |record: &&Record| record.entry.workspace == workspace;
        let up_to_it = state
            .records
            .iter()
            .filter(theirs)
            .take_while(|record| record.public_seq <= seq);
        Ok(match up_to_it.last() {
            Some(record) if record.public_seq == seq => Located::At(record.seq),
            Some(record) => Located::Behind(record.seq),
            None => Located::Behind(Seq::START),
        })
    }

    fn redact(&self, seqs: Vec<Seq>) -> Later<'_, Result<(), LogError>> {
        Box::pin(async move {
            let mut state = self.state();
            state
                .records
                .iter_mut()
                .filter(|record| seqs.contains(&record.seq))
                .for_each(|record| record.entry.redact());
            Ok(())
        })
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        self.committed.subscribe()
    }

    fn health(&self) -> Health {
        if self.state().closed {
            Health::Failing
        } else {
            Health::Ready
        }
    }

    fn queued(&self) -> usize {
        0
    }

    fn close(&self) -> Later<'_, Result<(), LogError>> {
        self.state().closed = true;
        Box::pin(async { Ok(()) })
    }
}
