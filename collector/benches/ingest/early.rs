//! A log that answers before it persists, as most collectors do. Only this bench has it: the product
//! has no switch that would make a 200 mean less.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shared::ids::EventId;
use store::ledger::MAX_QUEUED;
use store::ledger::{Appended, Later, Located, Log, LogError, LogHealth, Submission};
use store::record::identity::Sender;
use store::record::public_seq::PublicSeq;
use store::record::{Record, Seq, WorkspaceId};
use tokio::sync::{Semaphore, watch};

/// Appends behind the answer, with made-up seqs.
pub(crate) struct EarlyLog {
    log: Arc<dyn Log>,
    next: AtomicU64,
    /// What may lie in memory: half of the real queue. Where persisting is slower than answering,
    /// callers wait for room here; else this would measure how fast events can be thrown away.
    room: Arc<Semaphore>,
}

impl EarlyLog {
    pub(crate) fn new(log: Arc<dyn Log>) -> Self {
        Self {
            log,
            next: AtomicU64::new(1),
            room: Arc::new(Semaphore::new(MAX_QUEUED / 2)),
        }
    }
}

impl Log for EarlyLog {
    fn append(&self, batch: Vec<Submission>) -> Later<'_, Result<Vec<Appended>, LogError>> {
        Box::pin(async move {
            let events = u32::try_from(batch.len()).map_err(|_| LogError::Overloaded)?;
            let room = Arc::clone(&self.room).acquire_many_owned(events).await;
            let room = room.map_err(|_| LogError::Unavailable)?;
            let first = self.next.fetch_add(u64::from(events), Ordering::Relaxed);
            let log = Arc::clone(&self.log);
            tokio::spawn(async move {
                if let Err(error) = log.append(batch).await {
                    eprintln!("bench: answered, then not recorded: {error}");
                }
                drop(room);
            });
            Ok((first..first + u64::from(events))
                .map(|seq| Appended::Tracked {
                    seq: Seq(seq),
                    public_seq: PublicSeq::START,
                })
                .collect())
        })
    }

    fn read_from(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        self.log.read_from(after, limit)
    }

    fn find(
        &self,
        workspace: WorkspaceId,
        sender: Sender,
        id: EventId,
    ) -> Result<Option<Record>, LogError> {
        self.log.find(workspace, sender, id)
    }

    fn redact(&self, seqs: Vec<Seq>) -> Later<'_, Result<(), LogError>> {
        self.log.redact(seqs)
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        self.log.committed()
    }

    fn health(&self) -> LogHealth {
        self.log.health()
    }

    fn queued(&self) -> usize {
        self.log.queued()
    }

    fn close(&self) -> Later<'_, Result<(), LogError>> {
        self.log.close()
    }

    fn public_seqs(&self, places: &[Seq]) -> Result<Vec<Option<PublicSeq>>, LogError> {
        self.log.public_seqs(places)
    }

    fn locate(&self, workspace: WorkspaceId, seq: PublicSeq) -> Result<Located, LogError> {
        self.log.locate(workspace, seq)
    }
}
