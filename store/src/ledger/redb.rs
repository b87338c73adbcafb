//! The log on one machine's disk: segments, one writer thread, adaptive group commit.
//!
//! The writer takes whatever queued during the last commit, decides it, writes one transaction to
//! the active segment, then answers all its callers; there is no timer. Behind it a second thread
//! seals segments that are full. What the crash of any instant leaves behind is put right by
//! [`RedbLog::open`].

mod lineage;
mod seqs;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use shared::ids::EventId;
use tokio::sync::{mpsc, oneshot, watch};

use super::amend::revenue_of;
use super::decide::{
    Known, OrderKey, OrderState, RefundKey, WorkspaceKey, WorkspaceKeys, fold_order,
};
use super::orders::OrderBook;
use super::stamps::Stamps;
use super::suppressions::Suppressions;
use super::verify::{self, Report};
use super::{Appended, Health, Later, Located, Log, LogError, Submission};
use crate::clock::{Clock, SystemClock};
use crate::journal::block::Packer;
use crate::journal::local::segment::{Disk, RealDisk, Segment};
use crate::lineage::{Lineage, Part, Standing};
use crate::record::identity::{IdKey, Seen, Sender};
use crate::record::public_seq::{FIRST_GENERATION, PublicSeq};
use crate::record::{Entry, Record, Seq, WorkspaceId};

use crate::files;
pub use crate::journal::local::start::accept_loss;
pub(crate) use crate::journal::local::start::{aside_of, list_segments, sorted};
use crate::journal::local::start::{open_segments, remembered_since};
pub use crate::journal::local::{ASIDE_FOLDER, LOG_FOLDER};
use crate::locks::{lock, read, write};
pub(crate) use lineage::lineages_of;
use writer::Writer;

/// Events that may wait for the writer; more are refused at once.
pub const MAX_QUEUED: usize = 65_536;
/// What could not be sealed is tried again after this time.
const SEALER_PAUSE: Duration = Duration::from_secs(30);
/// Records read at once when the order book catches up at start.
const CATCH_UP_RECORDS: usize = 4_096;

/// The file of the order book within the data folder.
pub const ORDERS_FILE: &str = "orders.redb";
/// The file of suppressions within the data folder.
pub const SUPPRESSIONS_FILE: &str = "suppressions.redb";

/// Called after each commit with its events and how long it took, for the metrics.
pub type OnCommit = Box<dyn Fn(usize, Duration) + Send + Sync>;

/// How to open the log.
pub struct Options {
    /// The data folder.
    pub data: PathBuf,
    pub keys: Arc<dyn WorkspaceKeys>,
    /// The log must reach at least this seq, because something durable already reflects it;
    /// a log that ends before has lost acknowledged events.
    pub reached: Seq,
    /// The generation of the store, 1 to 99: it stands in the seqs that callers see.
    pub generation: u8,
    /// What the files are compared with; `None` does not compare them.
    pub standing: Option<Standing>,
    /// A segment rotates when its file has this size, bytes. A restart checks all of the last one,
    /// at about 2.3 s per GB (measured, in the survey of stores that the design rests on).
    pub rotate_bytes: u64,
    /// A segment rotates when it holds this many records; their ids are in memory, 70 bytes each.
    pub rotate_records: u64,
    pub clock: Arc<dyn Clock>,
    pub disk: Arc<dyn Disk>,
    pub on_commit: OnCommit,
}

impl Options {
    pub fn new(data: &Path, keys: Arc<dyn WorkspaceKeys>) -> Self {
        Self {
            data: data.to_owned(),
            keys,
            reached: Seq::START,
            generation: FIRST_GENERATION,
            standing: None,
            rotate_bytes: 128 * 1024 * 1024,
            rotate_records: 1 << 20,
            clock: Arc::new(SystemClock),
            disk: Arc::new(RealDisk),
            on_commit: Box::new(|_, _| {}),
        }
    }
}

/// The log on redb. See [`Log`] for what it promises.
pub struct RedbLog {
    inner: Arc<Inner>,
    /// `None` once closed.
    queue: RwLock<Option<mpsc::UnboundedSender<Command>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    sealer: Mutex<Option<JoinHandle<()>>>,
}

struct Inner {
    folder: PathBuf,
    /// In seq order; the last one is active.
    segments: RwLock<Vec<Arc<Segment>>>,
    orders: OrderBook,
    suppressions: Suppressions,
    /// Written into every new segment.
    lineage: Mutex<Option<Lineage>>,
    keys: Arc<dyn WorkspaceKeys>,
    committed: watch::Sender<Seq>,
    /// Events taken and not yet answered. The channel itself is unbounded; this is its bound,
    /// because it counts events and not requests.
    queued: AtomicUsize,
    failing: AtomicBool,
    /// Held while sealed files change: by the sealer and by redaction.
    maintenance: Mutex<()>,
    rotate_bytes: u64,
    rotate_records: u64,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    on_commit: OnCommit,
}

type Answer<T> = oneshot::Sender<Result<T, LogError>>;

enum Command {
    Append(Vec<Submission>, Answer<Vec<Appended>>),
    /// Make what is active now a closed segment.
    Rotate(Answer<()>),
}

impl RedbLog {
    /// Opens the log of a data folder, recovers what a crash left, and starts the writer.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when synced data is not what was written. A file that was closed in order
    /// has not been written to then; one that a crash left may have been repaired as far as it goes.
    pub fn open(options: Options) -> Result<Self, LogError> {
        let Options {
            data,
            keys,
            reached,
            generation,
            standing,
            rotate_bytes,
            rotate_records,
            clock,
            disk,
            on_commit,
        } = options;
        let storage = |error: &dyn std::fmt::Display| LogError::storage("opening the log", error);
        let folder = data.join(LOG_FOLDER);
        files::create_folder(&folder).map_err(|error| storage(&error))?;
        let orders_file = data.join(ORDERS_FILE);
        let orders = OrderBook::open(&orders_file)?;
        if let Some(standing) = &standing {
            standing.check_file(&orders_file, Part::Orders, orders.lineage()?)?;
        }
        let suppressions_file = data.join(SUPPRESSIONS_FILE);
        let suppressions = Suppressions::open(&suppressions_file)?;
        if let Some(standing) = &standing {
            let found = suppressions.lineage()?;
            standing.check_file(&suppressions_file, Part::Suppressions, found)?;
        }
        let (segments, next) = open_segments(
            &folder,
            standing.as_ref(),
            reached.max(orders.cursor()).max(suppressions.cursor()),
            remembered_since(&*clock),
            &disk,
        )?;
        let last = Seq(next.0 - 1);
        let newest = seqs::newest_stamp(&segments)?;
        let stamps = Stamps::new(generation, newest, Arc::clone(&clock));
        let inner = Arc::new(Inner {
            folder,
            segments: RwLock::new(segments),
            orders,
            suppressions,
            lineage: Mutex::new(standing.and_then(|standing| standing.lineage)),
            keys,
            committed: watch::Sender::new(last),
            queued: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            maintenance: Mutex::new(()),
            rotate_bytes,
            rotate_records,
            clock,
            disk,
            on_commit,
        });
        inner.catch_up_orders(last)?;
        inner.catch_up_suppressions(last)?;
        inner.ensure_active(next)?;
        inner.orders.start()?;
        inner.suppressions.start()?;

        let (to_seal, sealing) = std::sync::mpsc::channel();
        let sealer = {
            let inner = Arc::clone(&inner);
            spawn("sealer", move || inner.run_sealer(&sealing))?
        };
        // What a crash kept from being sealed is sealed now.
        to_seal.send(()).ok();
        let (queue, commands) = mpsc::unbounded_channel();
        let packer = Packer::new().map_err(|error| storage(&error))?;
        let writer = {
            let inner = Arc::clone(&inner);
            spawn("log writer", move || {
                Writer {
                    inner,
                    packer,
                    stamps,
                    to_seal,
                    recovered_at: None,
                }
                .run(commands)
            })?
        };
        Ok(Self {
            inner,
            queue: RwLock::new(Some(queue)),
            writer: Mutex::new(Some(writer)),
            sealer: Mutex::new(Some(sealer)),
        })
    }

    /// Reads everything and checks every checksum and invariant, beside the writer. Blocks on disk.
    pub fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<Report, LogError> {
        // In this order: the segments reach at least as far as what was written behind them.
        let orders = self.inner.orders.cursor();
        let reached = orders.max(self.inner.suppressions.cursor());
        let segments = self.inner.segments_from(Seq::START);
        let segments = segments
            .into_iter()
            .map(|segment| (segment.first(), Ok(segment)));
        let aside = aside_of(&self.inner.folder)?;
        verify::verify_segments(&aside, segments, reached, progress)
    }

    /// The currency of an order that a server has sent. Looks into the order book.
    pub fn order_currency(
        &self,
        workspace: WorkspaceId,
        order_id: &str,
    ) -> Option<shared::money::Currency> {
        let key = OrderKey {
            workspace,
            verified: true,
            order_id: order_id.to_owned(),
        };
        self.inner.orders.get(&key).ok()??.its_currency()
    }

    fn send(&self, command: Command) -> Result<(), LogError> {
        let queue = read(&self.queue);
        queue
            .as_ref()
            .and_then(|queue| queue.send(command).ok())
            .ok_or(LogError::Unavailable)
    }
}

impl Log for RedbLog {
    fn append(&self, batch: Vec<Submission>) -> Later<'_, Result<Vec<Appended>, LogError>> {
        Box::pin(async move {
            let events = batch.len();
            if events == 0 {
                return Ok(Vec::new());
            }
            let queued = self.inner.queued.fetch_add(events, Ordering::AcqRel);
            let is_behind = self.inner.orders.is_behind() || self.inner.suppressions.is_behind();
            if queued + events > MAX_QUEUED || is_behind {
                self.inner.queued.fetch_sub(events, Ordering::AcqRel);
                return Err(LogError::Overloaded);
            }
            let (answer, outcome) = oneshot::channel();
            if let Err(error) = self.send(Command::Append(batch, answer)) {
                self.inner.queued.fetch_sub(events, Ordering::AcqRel);
                return Err(error);
            }
            outcome.await.unwrap_or(Err(LogError::Unavailable))
        })
    }

    fn read_from(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        let mut records = Vec::new();
        let mut after = after;
        for segment in self.inner.segments_from(after.next()) {
            if records.len() >= limit {
                break;
            }
            segment.read_from(after, limit - records.len(), &mut records)?;
            after = after.max(segment.last());
        }
        Ok(records)
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
        for segment in self.inner.segments_newest_first() {
            if let Some(seen) = segment.find(&key)? {
                let mut records = Vec::with_capacity(1);
                segment.read_from(Seq(seen.seq.0 - 1), 1, &mut records)?;
                return Ok(records.pop());
            }
        }
        Ok(None)
    }

    fn public_seqs(&self, places: &[Seq]) -> Result<Vec<Option<PublicSeq>>, LogError> {
        self.inner.public_seqs(places)
    }

    fn locate(&self, workspace: WorkspaceId, seq: PublicSeq) -> Result<Located, LogError> {
        self.inner.locate(workspace, seq)
    }

    fn redact(&self, seqs: Vec<Seq>) -> Later<'_, Result<(), LogError>> {
        Box::pin(async move {
            let active = self.inner.active().first();
            if seqs.iter().any(|seq| *seq >= active) {
                let (answer, rotated) = oneshot::channel();
                self.send(Command::Rotate(answer))?;
                rotated.await.unwrap_or(Err(LogError::Unavailable))?;
            }
            let inner = Arc::clone(&self.inner);
            tokio::task::spawn_blocking(move || inner.redact(&seqs))
                .await
                .unwrap_or_else(|error| Err(LogError::storage("redacting", &error)))
        })
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        self.inner.committed.subscribe()
    }

    fn health(&self) -> Health {
        let writer = lock(&self.writer);
        let dead = writer.as_ref().is_some_and(JoinHandle::is_finished);
        let closed = read(&self.queue).is_none();
        if closed || dead || self.inner.failing.load(Ordering::Acquire) {
            Health::Failing
        } else if self.queued() >= MAX_QUEUED {
            Health::QueueFull
        } else {
            Health::Ready
        }
    }

    fn queued(&self) -> usize {
        self.inner.queued.load(Ordering::Acquire)
    }

    fn close(&self) -> Later<'_, Result<(), LogError>> {
        // The writer ends when its queue does, the sealer when the writer has gone.
        drop(write(&self.queue).take());
        let threads = [lock(&self.writer).take(), lock(&self.sealer).take()];
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            tokio::task::spawn_blocking(move || {
                for thread in threads.into_iter().flatten() {
                    thread
                        .join()
                        .map_err(|_| LogError::storage("closing the log", &"a thread panicked"))?;
                }
                inner.orders.close()?;
                inner.suppressions.close()?;
                inner.active().close()
            })
            .await
            .unwrap_or_else(|error| Err(LogError::storage("closing the log", &error)))
        })
    }
}

impl Drop for RedbLog {
    fn drop(&mut self) {
        drop(write(&self.queue).take());
        for thread in [lock(&self.writer).take(), lock(&self.sealer).take()]
            .into_iter()
            .flatten()
        {
            drop(thread.join());
        }
        drop(self.inner.orders.close());
        drop(self.inner.suppressions.close());
        drop(self.inner.active().close());
    }
}

impl Inner {
    fn active(&self) -> Arc<Segment> {
        let segments = read(&self.segments);
        // `open` makes the first and nothing removes the last.
        Arc::clone(segments.last().expect("a log has an active segment"))
    }

    /// Makes sure that the last segment is one that can be appended to, with `next` behind it.
    fn ensure_active(&self, next: Seq) -> Result<(), LogError> {
        let segments = read(&self.segments);
        let usable = segments
            .last()
            .is_some_and(|last| !last.is_sealed() && last.last().next() == next);
        drop(segments);
        if usable {
            Ok(())
        } else {
            self.push_active(next)
        }
    }

    fn push_active(&self, next: Seq) -> Result<(), LogError> {
        let active = Segment::create(&self.folder, next, &self.disk)?;
        if let Some(lineage) = *lock(&self.lineage) {
            active.set_lineage(lineage)?;
        }
        write(&self.segments).push(Arc::new(active));
        Ok(())
    }

    fn segments_from(&self, from: Seq) -> Vec<Arc<Segment>> {
        let segments = read(&self.segments);
        let start =
            segments.partition_point(|segment| segment.last() < from && segment.first() < from);
        segments[start..].to_vec()
    }

    fn segments_newest_first(&self) -> Vec<Arc<Segment>> {
        let segments = read(&self.segments);
        segments.iter().rev().cloned().collect()
    }

    /// The orders that the order book's file had not reached are folded from the log.
    fn catch_up_orders(&self, last: Seq) -> Result<(), LogError> {
        let mut after = self.orders.cursor();
        for segment in self.segments_from(after.next()) {
            loop {
                let mut records = Vec::new();
                segment.read_from(after, CATCH_UP_RECORDS, &mut records)?;
                let Some(end) = records.last().map(|record| record.seq) else {
                    break;
                };
                for record in &records {
                    let changed = fold_order(self, record)?;
                    self.orders.learn(changed, record.seq);
                }
                if self.orders.is_behind() {
                    self.orders.flush()?;
                }
                after = end;
            }
        }
        self.orders.learn([], last.max(self.orders.cursor()));
        Ok(())
    }

    /// Who is to get no more mail is folded from the log behind what that file had reached; where there
    /// was none, from all of the log, once.
    fn catch_up_suppressions(&self, last: Seq) -> Result<(), LogError> {
        self.suppressions.start_again();
        let mut after = self.suppressions.cursor();
        for segment in self.segments_from(after.next()) {
            loop {
                let mut records = Vec::new();
                segment.read_from(after, CATCH_UP_RECORDS, &mut records)?;
                let Some(end) = records.last().map(|record| record.seq) else {
                    break;
                };
                self.learn_suppressions(records.iter().map(|r| (r.seq, &r.entry)), end)?;
                if self.suppressions.is_behind() {
                    self.suppressions.flush()?;
                }
                after = end;
            }
        }
        let end = last.max(self.suppressions.cursor());
        self.learn_suppressions(std::iter::empty(), end)
    }

    /// Takes in what a commit says of who is to get mail.
    fn learn_suppressions<'e>(
        &self,
        entries: impl Iterator<Item = (Seq, &'e Entry)>,
        upto: Seq,
    ) -> Result<(), LogError> {
        let contact = |entry: &Entry| {
            let key = self.keys.key_of(entry.workspace)?;
            let contact = entry.contact(&key)?;
            Some(self.keys.contact_today(entry.workspace, contact))
        };
        self.suppressions.learn(entries, contact, upto)
    }

    fn run_sealer(&self, wakes: &std::sync::mpsc::Receiver<()>) {
        loop {
            match wakes.recv_timeout(SEALER_PAUSE) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let _maintenance = lock(&self.maintenance);
            let since = remembered_since(&*self.clock);
            for segment in self.closed_segments() {
                segment.drop_filter_before(since);
                let sealed = segment.reopen(&self.disk).and_then(|()| segment.seal());
                if let Err(error) = sealed {
                    tracing::error!(%error, "a segment could not be sealed; it is tried again");
                }
            }
        }
    }

    /// All but the active one.
    fn closed_segments(&self) -> Vec<Arc<Segment>> {
        let segments = read(&self.segments);
        segments[..segments.len().saturating_sub(1)].to_vec()
    }

    fn redact(&self, seqs: &[Seq]) -> Result<(), LogError> {
        // An order's digests need the address: the order book must have passed these records.
        self.orders.flush()?;
        self.suppressions.flush()?;
        let _maintenance = lock(&self.maintenance);
        let mut packer = Packer::new().map_err(|error| LogError::storage("redacting", &error))?;
        for segment in self.closed_segments() {
            let touched: std::collections::HashSet<Seq> = seqs
                .iter()
                .copied()
                .filter(|seq| (segment.first()..=segment.last()).contains(seq))
                .collect();
            if touched.is_empty() {
                continue;
            }
            segment.seal()?;
            let mut change = |record: &mut Record| {
                if touched.contains(&record.seq) {
                    record.entry.redact();
                }
            };
            segment.rewrite(&mut change, &mut packer, &self.disk)?;
        }
        Ok(())
    }
}

impl Known for Inner {
    fn id(&self, key: &IdKey) -> Result<Option<Seen>, LogError> {
        let since = remembered_since(&*self.clock);
        let segments = read(&self.segments);
        for segment in segments
            .iter()
            .rev()
            .filter(|segment| !segment.is_sealed() || segment.last_received() >= since)
        {
            if let Some(seen) = segment.find(key)? {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }

    fn is_of_older_version(&self, seq: Seq) -> Result<bool, LogError> {
        let segment = self.segments_from(seq).into_iter().next();
        segment.map_or(Ok(false), |segment| segment.is_of_older_version(seq))
    }

    fn order(&self, key: &OrderKey) -> Result<Option<OrderState>, LogError> {
        self.orders.get(key)
    }

    fn refund(&self, key: &RefundKey) -> Result<Option<String>, LogError> {
        self.orders.refund(key)
    }

    fn revenue(&self, seq: Seq) -> Result<Option<i64>, LogError> {
        let Some(segment) = self.segments_from(seq).into_iter().next() else {
            return Ok(None);
        };
        let mut records = Vec::with_capacity(1);
        segment.read_from(Seq(seq.0.saturating_sub(1)), 1, &mut records)?;
        let record = records.first().filter(|record| record.seq == seq);
        Ok(record.and_then(revenue_of))
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

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LogError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|error| LogError::storage("starting a thread", &error))
}
