//! What everybody else sees of the ledger.

use shared::ids::EventId;
use shared::time::Timestamp;
use tokio::sync::watch;

use super::{Appended, Later, Located, LogError, Submission};
use crate::record::identity::Sender;
use crate::record::public_seq::PublicSeq;
use crate::record::{Record, Seq, WorkspaceId};

/// Whether the log takes events now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogHealth {
    Ready,
    QueueFull,
    /// The last commit failed, or the log is closed.
    Failing,
}

/// How many records are read at once where nothing is known of how they lie.
const READ_RECORDS: usize = 1_024;

/// The durable record of events.
///
/// Promises, each of which `conformance` tests:
/// 1. **Durable**: when `append` returns `Ok`, every `Tracked` record is on storage that survives
///    the process and the machine's power (memory logs excepted, and they say so).
/// 2. **Atomic**: the submissions of one `append` are all recorded or none is.
/// 3. **Ordered**: seqs grow by one in the order of submission; `read_from` yields them in that order
///    without gaps, and never yields a record that was not committed.
/// 4. **Once**: an (workspace, kind of sender, id) is tracked once within seven days, however
///    many appends race; an id counts as seen only with the commit that holds it. An order of a
///    server's is tracked once for ever, and so is a refund by its refundId.
/// 5. **Found**: `find` sees a record as soon as its `append` has returned.
/// 6. **Bounded**: `append` waits for no space: it takes the submissions or says `Overloaded`.
/// 7. **Redacted**: after `redact`, the personal part of those records is in no answer any more, also
///    after a crash, and some minutes later nowhere on disk; their seq, id, time, name, class and money
///    are as before. Repeating it changes nothing.
/// 8. **Shown**: a record has one public seq for ever. Those of a workspace rise with the log, and
///    differ by the time between commits and by its own records within one, by nothing of others.
///    `public_seqs` tells them, and `locate` leads back.
/// 9. **Handed over**: what `hand_over` gives is what `read_from` would.
/// 10. **On time**: what lies behind the record that `promise` returns arrived at the promised instant or later.
pub trait Log: Send + Sync + 'static {
    /// Appends; one outcome for each submission, in order.
    fn append(&self, batch: Vec<Submission>) -> Later<'_, Result<Vec<Appended>, LogError>>;

    /// Reads up to `limit` records behind `after`. Blocks on disk: not for an async worker.
    fn read_from(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError>;

    /// Reads the records behind `after` as they lie together: about `limit`, or less where they have about so many
    /// `bytes` by their weights. None at the end alone. Blocks on disk.
    fn read_many(&self, after: Seq, limit: usize, bytes: usize) -> Result<Vec<Record>, LogError> {
        let _ = bytes;
        self.read_from(after, limit.min(READ_RECORDS))
    }

    /// The records behind `after` without reading them, at most `limit` and as far as they are still in memory:
    /// none is always right. For one follower: what is handed over, and what lies before it, is not handed
    /// over again.
    fn hand_over(&self, after: Seq, limit: usize) -> Vec<Record> {
        let _ = (after, limit);
        Vec::new()
    }

    /// From now on nothing is recorded as having arrived before `instant`: what did, and is not committed yet, counts as
    /// having arrived then. Returns the last record to which that does not apply. Waits for the commit that is being
    /// made: not for an async worker.
    ///
    /// A log that promises nothing returns its end: whoever goes by its clock may see otherwise after a restart.
    fn promise(&self, instant: Timestamp) -> Seq {
        let _ = instant;
        *self.committed().borrow()
    }

    /// Finds a record by its id and by who chose that, at any age; the newest where the id came back
    /// after the window. Blocks on disk.
    fn find(
        &self,
        workspace: WorkspaceId,
        sender: Sender,
        id: EventId,
    ) -> Result<Option<Record>, LogError>;

    /// What callers see as the seqs of the records at these places, in their order; `None` where there
    /// is no record (any more). Blocks on disk.
    fn public_seqs(&self, places: &[Seq]) -> Result<Vec<Option<PublicSeq>>, LogError>;

    /// Where the workspace's record with this seq is, or would be. Blocks on disk.
    fn locate(&self, workspace: WorkspaceId, seq: PublicSeq) -> Result<Located, LogError>;

    /// Takes away the personal part of these records; returns once that is sure.
    fn redact(&self, seqs: Vec<Seq>) -> Later<'_, Result<(), LogError>>;

    /// The last committed seq, and a wake-up for whoever follows the log.
    fn committed(&self) -> watch::Receiver<Seq>;

    fn health(&self) -> LogHealth;

    /// Events taken and not yet answered.
    fn queued(&self) -> usize;

    /// Commits what is queued, then closes the store in order. Appends fail from then on.
    fn close(&self) -> Later<'_, Result<(), LogError>>;
}
