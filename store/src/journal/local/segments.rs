//! The segments of a journal that is open: which there are, which is active, and the thread that seals the
//! others.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use super::segment::{Disk, LogSegment};
use crate::journal::JournalError;
use crate::lineage::Lineage;
use crate::locks::{lock, read, write};
use crate::record::Seq;

/// What could not be sealed is tried again after this time.
const SEALER_PAUSE: Duration = Duration::from_secs(30);

/// Shared by whoever appends, by readers and by the sealer.
pub(super) struct OpenSegments {
    pub(super) folder: PathBuf,
    /// In seq order; the last one is active.
    pub(super) segments: RwLock<Vec<Arc<LogSegment>>>,
    pub(super) floor: AtomicU64,
    /// Written into every new segment.
    pub(super) lineage: Mutex<Option<Lineage>>,
    pub(super) committed: watch::Sender<Seq>,
    /// Held by whoever appends, rotates or recovers.
    pub(super) writing: Mutex<()>,
    /// The last commit failed.
    pub(super) failing: AtomicBool,
    pub(super) closed: AtomicBool,
    /// Held while sealed files change: by the sealer, by rewriting and by dropping.
    pub(super) maintenance: Mutex<()>,
    pub(super) rotate_bytes: u64,
    pub(super) rotate_records: u64,
    pub(super) disk: Arc<dyn Disk>,
}

impl OpenSegments {
    pub(super) fn takes_appends(&self) -> bool {
        !self.closed.load(Ordering::Acquire) && !self.failing.load(Ordering::Acquire)
    }

    pub(super) fn active(&self) -> Arc<LogSegment> {
        let segments = read(&self.segments);
        // `open` makes the first and nothing removes the last.
        Arc::clone(segments.last().expect("a log has an active segment"))
    }

    /// Makes sure that the last segment is one that can be appended to, with `next` behind it.
    pub(super) fn ensure_active(&self, next: Seq) -> Result<(), JournalError> {
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

    pub(super) fn push_active(&self, next: Seq) -> Result<(), JournalError> {
        let active = LogSegment::create(&self.folder, next, &self.disk)?;
        if let Some(lineage) = *lock(&self.lineage) {
            active.set_lineage(lineage)?;
        }
        write(&self.segments).push(Arc::new(active));
        Ok(())
    }

    /// The segment that holds this place, or else the first behind it, and whether it is the active one.
    pub(super) fn segment_from(&self, from: Seq) -> Option<(Arc<LogSegment>, bool)> {
        let segments = read(&self.segments);
        let at =
            segments.partition_point(|segment| segment.last() < from && segment.first() < from);
        let segment = segments.get(at).cloned()?;
        Some((segment, at + 1 == segments.len()))
    }

    pub(super) fn segments_behind(&self, segment: &LogSegment) -> Vec<Arc<LogSegment>> {
        let segments = read(&self.segments);
        let start = segments.partition_point(|other| other.first() <= segment.first());
        segments[start..].to_vec()
    }

    pub(super) fn run_sealer(&self, wakes: &Receiver<()>) {
        loop {
            match wakes.recv_timeout(SEALER_PAUSE) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let _maintenance = lock(&self.maintenance);
            for segment in self.closed_segments() {
                let sealed = segment.reopen(&self.disk).and_then(|()| segment.seal());
                if let Err(error) = sealed {
                    tracing::error!(%error, "a segment could not be sealed; it is tried again");
                }
            }
        }
    }

    /// All but the active one.
    pub(super) fn closed_segments(&self) -> Vec<Arc<LogSegment>> {
        let segments = read(&self.segments);
        segments[..segments.len().saturating_sub(1)].to_vec()
    }
}
