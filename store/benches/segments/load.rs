//! The log of made-up events, and the definitions that hold over it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use shared::ids::SegmentId;
use shared::segment::Definition;
use shared::time::Timestamp;
use store::ledger::{Log as _, Submission};
use store::record::segments::{Reads, SegmentVersion};
use store::record::{
    Segment, SegmentBook, SegmentBooks, Seq, Since, WorkspaceId, WorkspaceKey, WorkspaceKeys,
};
use store::seed::{self, Seed};

use crate::Failure;
use crate::plan::Plan;
use crate::store_in::open_log;

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId(1);
const KEY: WorkspaceKey = WorkspaceKey([7; 32]);
/// In September 2026.
const UNTIL: i64 = 1_790_000_000_000;
const SPAN_MS: i64 = 120 * 24 * 60 * 60 * 1000;

/// One workspace, and its segments.
pub(crate) struct Keys(Mutex<Arc<SegmentBooks>>);

impl WorkspaceKeys for Keys {
    fn key_of(&self, _: WorkspaceId) -> Option<WorkspaceKey> {
        Some(KEY)
    }

    fn segments(&self) -> Arc<SegmentBooks> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hold_segments(&self, _: &[WorkspaceId], since: Since) -> Result<bool, String> {
        let mut book = self.book();
        for segment in book.segments.values_mut() {
            let mut changed = Segment::clone(segment);
            for version in &mut changed.versions {
                version.since = version.since.or(Some(since));
            }
            *segment = Arc::new(changed);
        }
        self.put(book);
        Ok(true)
    }
}

impl Keys {
    /// The workspace uses no segments.
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// These hold from the beginning.
    pub(crate) fn holding(definitions: Vec<(String, String)>) -> Result<Arc<Self>, Failure> {
        let keys = Self::none();
        let since = Since::NEVER.behind(Seq::START, i64::MIN + 1);
        keys.define(definitions, Some(since))?;
        Ok(keys)
    }

    pub(crate) fn book(&self) -> SegmentBook {
        let books = self.segments();
        let book = books.of_workspace.get(&WORKSPACE);
        book.map(|book| SegmentBook::clone(book))
            .unwrap_or_default()
    }

    fn put(&self, book: SegmentBook) {
        let books = BTreeMap::from([(WORKSPACE, Arc::new(book))]);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(SegmentBooks::of(books));
    }

    /// More definitions, which hold from there on or as soon as they can.
    pub(crate) fn define(
        &self,
        definitions: Vec<(String, String)>,
        since: Option<Since>,
    ) -> Result<(), Failure> {
        let mut book = self.book();
        let made_at = Timestamp::from_millis(UNTIL);
        let first = u32::try_from(book.segments.len())? + 1;
        for (number, (name, json)) in (first..).zip(definitions) {
            let definition =
                Definition::parse(&json).map_err(|error| format!("{json}: {error}"))?;
            let id = SegmentId::from_kept(format!("seg_{number}"));
            let version = SegmentVersion {
                version: 1,
                reads: Arc::new(Reads::of(&definition)),
                definition: Arc::new(definition),
                made_at,
                since,
            };
            let segment = Segment {
                number,
                id: id.clone(),
                name,
                created_at: made_at,
                changed_at: made_at,
                versions: vec![version],
                deleted: None,
            };
            book.segments.insert(id, Arc::new(segment));
        }
        self.put(book);
        Ok(())
    }
}

/// For whoever opens the log alone.
pub(crate) fn keys() -> Arc<dyn WorkspaceKeys> {
    Keys::none()
}

pub(crate) fn seed(plan: &Plan) -> Seed {
    Seed {
        workspace: WORKSPACE,
        key: KEY,
        contacts: plan.contacts,
        events: plan.events,
        until: Timestamp::from_millis(UNTIL),
        span_ms: SPAN_MS,
    }
}

pub(crate) fn write_log(
    data: &Path,
    plan: &Plan,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let (log, seed) = (open_log(data)?, seed(plan));
    let make = |number| Submission::from(seed.entry(number));
    runtime.block_on(seed::append(&log, seed.events, make, progress))?;
    log.flush_ids()?;
    runtime.block_on(log.close())?;
    Ok(())
}
