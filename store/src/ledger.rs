//! The ledger: what becomes of each submission, and what is known of all before it: ids, orders,
//! refunds, who is to get no more mail. One code for every journal, which keeps nothing but blocks.
//!
//! The writer takes whatever queued during the last commit, decides it, appends it to the journal as
//! one, then answers all its callers; there is no timer.
//!
//! In reading order:
//!
//! - `asked`: what is proposed and answered; `face`: what everybody else sees
//! - `decide`: duplicate, conflict or new (pure); `order`: an order as it is remembered; `amend`: its
//!   changes
//! - `writer`: from the queue to the journal; `stamps`: the times of commits
//! - `inner`: what is known of all that was committed, and how it is learnt
//! - `ids`: which ids are in the log; `orders`: every order for ever; `suppression`, `suppressions`: who
//!   is to get no more mail; `redactions`: what is hidden; `erasures`: contacts that are erased;
//!   `redactor`: the thread that takes them out of the journal; `visitors`: less of who stood behind requests
//! - `behind`: at which pace books are written behind the acknowledgement; `book_file`: their files
//! - `handover`: records from the writer to who follows the log
//! - `seqs`: places and the seqs that callers know
//! - `local`: over the journal on this machine's disk; `memory`: over one in memory
//! - `verify`: a look at everything
//! - `conformance`: the promises as checks, for ledgers over any journal

pub(crate) mod amend;
mod asked;
mod behind;
mod book_file;
pub mod decide;
mod erasures;
mod error;
mod face;
mod handover;
pub mod ids;
mod inner;
mod order;
pub(crate) mod orders;
mod redactions;
mod redactor;
mod seqs;
mod stamps;
pub mod suppression;
pub mod suppressions;
mod visitors;
mod writer;

pub mod local;
pub mod memory;
pub mod verify;

pub mod conformance;
#[cfg(test)]
pub(crate) mod laws;
#[cfg(test)]
mod old_layout;
#[cfg(test)]
mod power_cut;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use shared::ids::{EventId, OrderId};
use shared::time::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

pub use asked::{Appended, Located, OrderRefusal, Proposed, Submission};
pub use error::LogError;
pub use face::{Log, LogHealth};
pub use visitors::Keep;

use crate::clock::Clock;
use crate::journal::Journal;
use crate::journal::block::Packer;
pub use crate::journal::{Damage, Later};
use crate::locks::{lock, read, write};
use crate::record::identity::{IdKey, Sender};
use crate::record::public_seq::PublicSeq;
use crate::record::{Fact, Record, Seq, WorkspaceId, WorkspaceKeys};
use decide::OrderKey;
use handover::Handover;
use inner::{Books, Inner};
use redactor::Redactor;
use stamps::Stamps;
use suppressions::Suppressions;
use writer::Writer;

/// How long an id is remembered at the least, in milliseconds: 7 days.
pub(crate) const DEDUPE_WINDOW_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Events that may wait for the writer; more are refused at once.
pub const MAX_QUEUED: usize = 65_536;

/// Called after each commit with its events and how long it took, for the metrics.
pub type OnCommit = Box<dyn Fn(usize, Duration) + Send + Sync>;

type Answer = oneshot::Sender<Result<Vec<Appended>, LogError>>;
type Ask = (Vec<Submission>, Answer);

/// What a ledger is opened with, beside its journal.
struct Setup {
    books: Books,
    keys: Arc<dyn WorkspaceKeys>,
    generation: u8,
    clock: Arc<dyn Clock>,
    on_commit: OnCommit,
    /// How long a redaction waits for others.
    gathering: Duration,
}

/// The ledger over one journal. See [`Log`] for what it promises.
///
/// It holds the journal as a trait object: a call costs nothing beside a commit, and which journal it
/// is is a setting of the process, not a type that all above would have to name.
pub struct Ledger {
    inner: Arc<Inner>,
    /// `None` once closed.
    queue: RwLock<Option<mpsc::UnboundedSender<Ask>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    redactor: Redactor,
}

impl Ledger {
    /// Learns what the journal holds and the books do not, and starts the writer.
    fn open(journal: Arc<dyn Journal>, setup: Setup) -> Result<Self, LogError> {
        let Setup {
            books,
            keys,
            generation,
            clock,
            on_commit,
            gathering,
        } = setup;
        let end = *journal.committed().borrow();
        let reached = books.orders.cursor().max(books.suppressions.cursor());
        if reached > end {
            let what = format!("it ends at seq {end}, and what is known of it reaches {reached}");
            return Err(LogError::storage("opening the log", &what));
        }
        let inner = Arc::new(Inner {
            journal,
            books,
            keys,
            committed: watch::Sender::new(end),
            queued: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            handover: Handover::default(),
            floor: Mutex::new(Timestamp::from_millis(i64::MIN)),
            on_commit,
        });
        let newest = match inner.catch_up()? {
            Some(newest) => newest,
            None => inner.newest_stamp(end)?,
        };
        inner.books.ids.start()?;
        inner.books.orders.start()?;
        inner.books.suppressions.start()?;
        let (queue, asked) = mpsc::unbounded_channel();
        let packer = Packer::new().map_err(|error| LogError::storage("opening the log", &error))?;
        let writer = Writer {
            inner: Arc::clone(&inner),
            packer,
            stamps: Stamps::new(generation, newest, clock),
            recovered_at: None,
        };
        let writer = spawn("log writer", move || writer.run(asked))?;
        let this = Self {
            inner,
            queue: RwLock::new(Some(queue)),
            writer: Mutex::new(Some(writer)),
            redactor: Redactor::new(gathering),
        };
        let books = &this.inner.books;
        let is_stale = books.suppressions.is_stale()?;
        if is_stale {
            books.redactions.remind();
        }
        if is_stale || !books.redactions.is_idle() {
            this.redactor.start(&this.inner)?;
        }
        Ok(this)
    }

    /// Who is to get no more mail.
    pub fn suppressions(&self) -> &Suppressions {
        &self.inner.books.suppressions
    }

    /// The currency of an order that a server has sent. Looks into the order book.
    pub fn order_currency(
        &self,
        workspace: WorkspaceId,
        order_id: &OrderId,
    ) -> Option<shared::money::Currency> {
        let key = OrderKey {
            workspace,
            verified: true,
            order_id: order_id.clone(),
        };
        self.inner.books.orders.get(&key).ok()??.its_currency()
    }

    /// Makes what is hidden by redactions gone: the journal is written anew where they are. That comes
    /// by itself some minutes after a redaction. Blocks on disk.
    ///
    /// # Errors
    /// When the journal fails; what is hidden stays hidden.
    pub fn purge(&self) -> Result<(), LogError> {
        self.inner.purge()
    }

    /// Keeps no more of clients than this, in all that is in the log by now; whoever appends meanwhile sees to it
    /// for what is new. Returns of how many records that took something. In portions, each of which is on disk before
    /// the next; whoever begins again after a crash changes what is left. `progress` is told the seqs read and in all.
    /// Blocks on disk.
    ///
    /// # Errors
    /// When the journal cannot be read or written, or [`LogError::Unavailable`] where `stop` says so; what was changed
    /// by then stays so.
    pub fn keep_of_clients(
        &self,
        keep: &Keep<'_>,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64, LogError> {
        self.inner.keep_of_clients(keep, stop, progress)
    }

    /// How many stretches of the journal wait to be written anew, as far as is known yet.
    pub fn waiting_segments(&self) -> usize {
        let places = self.inner.books.redactions.pending();
        self.inner.journal.touched(&places.into_keys().collect())
    }

    /// Lets go of what lies before `seq`, as far as the journal does by whole stretches. Returns the
    /// first seq that is left. Blocks on disk.
    ///
    /// # Errors
    /// When a disk fails. Nothing goes that is not in every book.
    pub fn drop_before(&self, seq: Seq) -> Result<Seq, LogError> {
        self.inner.books.orders.flush()?;
        self.inner.books.suppressions.flush()?;
        let books = &self.inner.books;
        let known = books.orders.cursor().min(books.suppressions.cursor());
        let floor = self.inner.journal.drop_before(seq.min(known.next()))?;
        books.ids.drop_below(floor);
        Ok(floor)
    }

    /// The first seq that may be in the log.
    pub fn floor(&self) -> Seq {
        self.inner.journal.floor()
    }

    /// Ids in the index on disk, and its bytes.
    pub fn index_sizes(&self) -> (u64, u64) {
        self.inner.books.ids.sizes()
    }

    /// Brings the newest ids to disk too, which otherwise happens behind the writer. Blocks on disk.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn flush_ids(&self) -> Result<(), LogError> {
        self.inner.books.ids.flush()
    }

    /// The place of a record by its id, without the record; see [`Log::find`]. Blocks on disk.
    ///
    /// # Errors
    /// When the index or the journal cannot be read.
    pub fn place_of(
        &self,
        workspace: WorkspaceId,
        sender: Sender,
        id: EventId,
    ) -> Result<Option<Seq>, LogError> {
        let key = IdKey {
            workspace,
            sender,
            id,
        };
        let inner = &self.inner;
        let seen = inner
            .books
            .ids
            .find(&key, &|seq, key| inner.kind_at(seq, key))?;
        Ok(seen.map(|seen| seen.seq))
    }

    /// Takes nothing any more, and hands out the threads, which end by themselves: the writer once it has
    /// committed what is queued.
    fn stop(&self) -> Vec<JoinHandle<()>> {
        drop(write(&self.queue).take());
        let threads = [lock(&self.writer).take(), self.redactor.stop()];
        threads.into_iter().flatten().collect()
    }
}

/// Waits for the threads, then closes the books.
fn close_books(inner: &Inner, threads: Vec<JoinHandle<()>>) -> Result<(), LogError> {
    let mut ended = Ok(());
    for thread in threads {
        if thread.join().is_err() {
            ended = Err(LogError::storage("closing the log", &"a thread panicked"));
        }
    }
    let books = &inner.books;
    books.ids.close();
    books.redactions.close();
    ended
        .and(books.orders.close())
        .and(books.suppressions.close())
}

/// Runs what blocks beside the workers of a runtime, or here where there is none.
async fn beside<T: Send + 'static>(
    doing: &str,
    run: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime
            .spawn_blocking(run)
            .await
            .unwrap_or_else(|error| Err(LogError::storage(doing, &error))),
        Err(_) => run(),
    }
}

impl Log for Ledger {
    fn append(&self, batch: Vec<Submission>) -> Later<'_, Result<Vec<Appended>, LogError>> {
        Box::pin(async move {
            let events = batch.len();
            if events == 0 {
                return Ok(Vec::new());
            }
            let inner = &self.inner;
            let queued = inner.queued.fetch_add(events, Ordering::AcqRel);
            let books = &inner.books;
            let is_behind =
                books.orders.is_behind() || books.suppressions.is_behind() || books.ids.is_behind();
            if queued + events > MAX_QUEUED || is_behind {
                inner.queued.fetch_sub(events, Ordering::AcqRel);
                return Err(LogError::Overloaded);
            }
            let is_erasure =
                |one: &Submission| matches!(one.entry.fact, Proposed::Fact(Fact::Erase { .. }));
            let erases = batch.iter().any(is_erasure);
            let (answer, outcome) = oneshot::channel();
            let sent = {
                let queue = read(&self.queue);
                queue
                    .as_ref()
                    .is_some_and(|queue| queue.send((batch, answer)).is_ok())
            };
            if !sent {
                inner.queued.fetch_sub(events, Ordering::AcqRel);
                return Err(LogError::Unavailable);
            }
            let outcome = outcome.await.unwrap_or(Err(LogError::Unavailable));
            if erases && outcome.is_ok() {
                self.redactor.start(&self.inner)?;
                self.redactor.call();
            }
            outcome
        })
    }

    fn read_from(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        self.inner.read(after, limit)
    }

    fn read_many(&self, after: Seq, limit: usize, bytes: usize) -> Result<Vec<Record>, LogError> {
        self.inner.read_many(after, limit, bytes)
    }

    fn hand_over(&self, after: Seq, limit: usize) -> Vec<Record> {
        self.inner.hand_over(after, limit)
    }

    fn promise(&self, instant: Timestamp) -> Seq {
        self.inner.promise(instant)
    }

    fn find(
        &self,
        workspace: WorkspaceId,
        sender: Sender,
        id: EventId,
    ) -> Result<Option<Record>, LogError> {
        match self.place_of(workspace, sender, id)? {
            Some(place) => self.inner.record_at(place),
            None => Ok(None),
        }
    }

    fn public_seqs(&self, places: &[Seq]) -> Result<Vec<Option<PublicSeq>>, LogError> {
        self.inner.public_seqs(places)
    }

    fn locate(&self, workspace: WorkspaceId, seq: PublicSeq) -> Result<Located, LogError> {
        self.inner.locate(workspace, seq)
    }

    fn redact(&self, seqs: Vec<Seq>) -> Later<'_, Result<(), LogError>> {
        Box::pin(async move {
            self.redactor.start(&self.inner)?;
            let inner = Arc::clone(&self.inner);
            beside("redacting", move || inner.redact(&seqs)).await
        })
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        self.inner.committed.subscribe()
    }

    fn health(&self) -> LogHealth {
        let writer = lock(&self.writer);
        let dead = writer.as_ref().is_some_and(JoinHandle::is_finished);
        let closed = read(&self.queue).is_none();
        if closed || dead || self.inner.failing.load(Ordering::Acquire) {
            LogHealth::Failing
        } else if self.queued() >= MAX_QUEUED {
            LogHealth::QueueFull
        } else {
            LogHealth::Ready
        }
    }

    fn queued(&self) -> usize {
        self.inner.queued.load(Ordering::Acquire)
    }

    fn close(&self) -> Later<'_, Result<(), LogError>> {
        // From here on nothing is taken, also where nobody waits for the rest.
        let threads = self.stop();
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let books = Arc::clone(&inner);
            beside("closing the log", move || close_books(&books, threads)).await?;
            Ok(inner.journal.close().await?)
        })
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        drop(close_books(&self.inner, self.stop()));
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LogError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|error| LogError::storage("starting a thread", &error))
}
