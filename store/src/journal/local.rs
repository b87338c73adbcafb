//! The journal on one machine's disk: segments, each a redb file, of which the last one is active.
//!
//! Whoever appends writes one transaction to the active segment. Behind it a thread seals segments
//! that are full. What the crash of any instant leaves behind is put right by [`RedbJournal::open`].

mod floor;
pub mod segment;
mod segments;
mod start;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::block::Packed;
use super::{AppendError, BlockChange, Journal, JournalError, Later, Visit};
use crate::files;
use crate::lineage::{Lineage, Standing};
use crate::locks::{lock, read, write};
use crate::record::Seq;
use crate::record::identity::{FactKind, IdKey};
pub(crate) use floor::floor_of;
pub use floor::{FLOOR_FILE, read_floor};
use segment::{Disk, LogSegment, RealDisk};
use segments::OpenSegments;
pub use start::accept_loss;
pub(crate) use start::{list_segments, quarantined_in, sorted};

/// The folder of the segments within the data folder.
pub const LOG_FOLDER: &str = "log";
/// The quarantine: the folder of segments that an operator took out of the log, within the log's. On disk it has the
/// name that it had first.
pub const QUARANTINE_FOLDER: &str = "aside";

/// How to open the journal.
pub struct JournalOptions {
    /// The data folder.
    pub data: PathBuf,
    /// The journal must reach at least this seq, because something durable already reflects it;
    /// one that ends before has lost acknowledged events.
    pub reached: Seq,
    /// What the files are compared with; `None` does not compare them.
    pub standing: Option<Standing>,
    /// A segment rotates when its file has this size, bytes. A restart checks all of the last one,
    /// at about 2.3 s per GB (measured, in the survey of stores that the design rests on).
    pub rotate_bytes: u64,
    /// A segment rotates when it holds this many records.
    pub rotate_records: u64,
    pub disk: Arc<dyn Disk>,
}

impl JournalOptions {
    pub fn new(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            reached: Seq::START,
            standing: None,
            rotate_bytes: 128 * 1024 * 1024,
            rotate_records: 1 << 20,
            disk: Arc::new(RealDisk),
        }
    }
}

/// The journal on redb. See [`Journal`] for what it promises.
pub struct RedbJournal {
    inner: Arc<OpenSegments>,
    /// `None` once closed.
    to_seal: Mutex<Option<Sender<()>>>,
    sealer: Mutex<Option<JoinHandle<()>>>,
}

impl RedbJournal {
    /// Opens the journal of a data folder and recovers what a crash left.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when synced data is not what was written. A file that was closed in
    /// order has not been written to then; one that a crash left may have been repaired as far as it
    /// goes.
    pub fn open(options: JournalOptions) -> Result<Self, JournalError> {
        let JournalOptions {
            data,
            reached,
            standing,
            rotate_bytes,
            rotate_records,
            disk,
        } = options;
        let folder = data.join(LOG_FOLDER);
        files::create_folder(&folder)
            .map_err(|error| JournalError::storage("opening the log", &error))?;
        let floor = floor_of(&folder)?;
        let (segments, next) =
            start::open_segments(&folder, standing.as_ref(), reached, floor, &disk)?;
        let inner = Arc::new(OpenSegments {
            folder,
            segments: RwLock::new(segments),
            floor: AtomicU64::new(floor.0),
            lineage: Mutex::new(standing.and_then(|standing| standing.lineage)),
            committed: watch::Sender::new(Seq(next.0 - 1)),
            writing: Mutex::new(()),
            failing: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            maintenance: Mutex::new(()),
            rotate_bytes,
            rotate_records,
            disk,
        });
        inner.ensure_active(next)?;
        let (to_seal, sealing) = std::sync::mpsc::channel();
        let sealer = {
            let inner = Arc::clone(&inner);
            std::thread::Builder::new()
                .name("sealer".into())
                .spawn(move || inner.run_sealer(&sealing))
                .map_err(|error| JournalError::storage("starting a thread", &error))?
        };
        // What a crash kept from being sealed is sealed now.
        to_seal.send(()).ok();
        Ok(Self {
            inner,
            to_seal: Mutex::new(Some(to_seal)),
            sealer: Mutex::new(Some(sealer)),
        })
    }

    /// The segments, in order; the last one is active.
    pub(crate) fn segments(&self) -> Vec<Arc<LogSegment>> {
        read(&self.inner.segments).clone()
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.inner.disk
    }

    /// The folder of the segments.
    pub(crate) fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Writes the lineage into the newest segment, durably, and into every segment that is made from
    /// now on. For a start: nothing may be appended meanwhile.
    pub(crate) fn set_lineage(&self, lineage: Lineage) -> Result<(), JournalError> {
        *lock(&self.inner.lineage) = Some(lineage);
        self.inner.active().set_lineage(lineage)
    }

    fn append_now(&self, end: Seq, blocks: &[Packed]) -> Result<Seq, AppendError> {
        let inner = &self.inner;
        let _writing = lock(&inner.writing);
        if inner.closed.load(Ordering::Acquire) || inner.failing.load(Ordering::Acquire) {
            return Err(AppendError::NotWritten(JournalError::Unavailable));
        }
        let active = inner.active();
        let mut last = active.last();
        if last != end {
            return Err(AppendError::Lost { end: last });
        }
        for block in blocks {
            if block.first != last.next() {
                let what =
                    JournalError::storage("appending", &"the blocks do not follow each other");
                return Err(AppendError::NotWritten(what));
            }
            last = block.last;
        }
        if let Err(error) = active.append(blocks) {
            inner.failing.store(true, Ordering::Release);
            return Err(AppendError::Unknown(error));
        }
        inner.committed.send_replace(last);
        Ok(last)
    }

    /// Starts a new segment where the active one is full. Never after a failed commit: what is active
    /// then must be recovered first, and only what is active is.
    fn rotate_if_due(&self) {
        let inner = &self.inner;
        let _writing = lock(&inner.writing);
        let active = inner.active();
        let full = active.file_size() >= inner.rotate_bytes
            || active.last().0 + 1 - active.first().0 >= inner.rotate_records;
        if full
            && inner.takes_appends()
            && let Err(error) = self.rotate()
        {
            tracing::error!(%error, "the log could not start a new segment; it goes on in the old one");
        }
    }

    /// Starts a new segment, however full the active one is.
    pub(crate) fn rotate_now(&self) -> Result<(), JournalError> {
        let _writing = lock(&self.inner.writing);
        if self.inner.takes_appends() {
            self.rotate()?;
        }
        Ok(())
    }

    /// With `writing` held.
    fn rotate(&self) -> Result<(), JournalError> {
        let active = self.inner.active();
        if active.last() < active.first() {
            return Ok(()); // empty: nothing to close
        }
        self.inner.push_active(active.last().next())?;
        self.wake_sealer();
        Ok(())
    }

    fn wake_sealer(&self) {
        if let Some(to_seal) = &*lock(&self.to_seal) {
            // The sealer outlives this sender.
            to_seal.send(()).ok();
        }
    }

    fn rewrite_now(
        &self,
        places: &BTreeSet<Seq>,
        change: &mut BlockChange<'_>,
    ) -> Result<(), JournalError> {
        let inner = &self.inner;
        {
            let _writing = lock(&inner.writing);
            let active = inner.active();
            if is_touched(&active, places) {
                if !inner.takes_appends() {
                    return Err(JournalError::Unavailable);
                }
                self.rotate()?;
            }
        }
        let _maintenance = lock(&inner.maintenance);
        for segment in inner.closed_segments() {
            if is_touched(&segment, places) {
                segment.seal()?;
                segment.rewrite(places, change, &inner.disk)?;
            }
        }
        Ok(())
    }

    fn drop_now(&self, seq: Seq) -> Result<Seq, JournalError> {
        let inner = &self.inner;
        let _maintenance = lock(&inner.maintenance);
        let segments = read(&inner.segments).clone();
        // The last one whose beginning is not above: all before it lie below as a whole.
        let kept = segments.partition_point(|segment| segment.first() <= seq);
        let kept = kept.saturating_sub(1);
        let floor = self.floor();
        let Some(first) = segments.get(kept).map(|segment| segment.first()) else {
            return Ok(floor);
        };
        if kept == 0 || first <= floor {
            return Ok(floor);
        }
        floor::set_floor(&inner.folder, first)?;
        inner.floor.store(first.0, Ordering::Release);
        write(&inner.segments).drain(..kept);
        for segment in &segments[..kept] {
            segment.remove()?;
        }
        Ok(first)
    }

    fn stop(&self) -> Option<JoinHandle<()>> {
        self.inner.closed.store(true, Ordering::Release);
        // The sealer ends when its channel does.
        drop(lock(&self.to_seal).take());
        lock(&self.sealer).take()
    }
}

impl Journal for RedbJournal {
    fn append(&self, end: Seq, blocks: Vec<Packed>) -> Later<'_, Result<Seq, AppendError>> {
        Box::pin(async move { self.append_now(end, &blocks) })
    }

    fn read(&self, from: Seq, visit: &mut Visit<'_>) -> Result<(), JournalError> {
        let mut go_through = |segment: &LogSegment| {
            let mut next = ControlFlow::Continue(());
            segment.visit_blocks(from.max(segment.first()), &mut |block| {
                next = visit(block).map_err(|bad| segment.bad_block(block.first(), &bad))?;
                Ok(next)
            })?;
            Ok::<_, JournalError>(next)
        };
        // Whoever looks one record up wants one segment: to list the others costs more than to read it.
        let Some((segment, is_active)) = self.inner.segment_from(from) else {
            return Ok(());
        };
        // What comes behind the active one has come since, and perhaps behind records of it that were not there
        // yet when it was read.
        if go_through(&segment)?.is_break() || is_active {
            return Ok(());
        }
        for segment in self.inner.segments_behind(&segment) {
            if go_through(&segment)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Of the newer layout: from the place itself, since to read and check a block of a thousand records costs
    /// more than all else in a look-up.
    fn id_at(&self, place: Seq) -> Result<Option<(IdKey, FactKind)>, JournalError> {
        let Some((segment, _)) = self.inner.segment_from(place) else {
            return Ok(None);
        };
        segment.id_at(place)
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        self.inner.committed.subscribe()
    }

    fn floor(&self) -> Seq {
        Seq(self.inner.floor.load(Ordering::Acquire))
    }

    fn settle(&self) -> Later<'_, Result<Seq, JournalError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let _writing = lock(&inner.writing);
            let active = inner.active();
            if inner.failing.load(Ordering::Acquire) {
                active.recover(&inner.disk)?;
                inner.failing.store(false, Ordering::Release);
                // What could not be sealed for the same reason can be now.
                self.wake_sealer();
            }
            Ok(active.last())
        })
    }

    fn rewrite(
        &self,
        places: &BTreeSet<Seq>,
        change: &mut BlockChange<'_>,
    ) -> Result<(), JournalError> {
        self.rewrite_now(places, change)
    }

    fn touched(&self, places: &BTreeSet<Seq>) -> usize {
        let segments = read(&self.inner.segments);
        let touched = segments.iter().filter(|one| is_touched(one, places));
        touched.count()
    }

    fn drop_before(&self, seq: Seq) -> Result<Seq, JournalError> {
        self.drop_now(seq)
    }

    fn is_sound(&self) -> bool {
        self.inner.takes_appends()
    }

    fn tidy(&self) {
        self.rotate_if_due();
    }

    fn close(&self) -> Later<'_, Result<(), JournalError>> {
        let sealer = self.stop();
        let inner = Arc::clone(&self.inner);
        let close = move || {
            if let Some(sealer) = sealer {
                sealer
                    .join()
                    .map_err(|_| JournalError::storage("closing the log", &"a thread panicked"))?;
            }
            inner.active().close()
        };
        Box::pin(async move {
            // Beside the workers of a runtime, where there is one.
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => runtime
                    .spawn_blocking(close)
                    .await
                    .unwrap_or_else(|error| Err(JournalError::storage("closing the log", &error))),
                Err(_) => close(),
            }
        })
    }
}

impl Drop for RedbJournal {
    fn drop(&mut self) {
        if let Some(sealer) = self.stop() {
            drop(sealer.join());
        }
        drop(self.inner.active().close());
    }
}

/// Whether one of these places lies in the segment.
fn is_touched(segment: &LogSegment, places: &BTreeSet<Seq>) -> bool {
    let mut behind = places.range(segment.first()..);
    behind.next().is_some_and(|place| *place <= segment.last())
}
