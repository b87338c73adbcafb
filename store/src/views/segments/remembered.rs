//! The digests of contacts that were looked at last, within a bound: what is not there is worked out of rows again.

use std::collections::HashMap;
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::digest::Digest;
use crate::record::WorkspaceId;
use crate::views::rows::{Rows, State};

/// Bytes that digests take at the most, of all workspaces.
const MOST: usize = 128 * 1024 * 1024;

/// See above.
#[derive(Default)]
pub(super) struct Remembered {
    /// Of which rows they are.
    of: Option<Arc<State>>,
    /// By which definitions.
    catalogues: HashMap<WorkspaceId, Arc<Catalogue>>,
    /// Those that were put last; and those before, which go all at once when these have become too many.
    young: HashMap<(WorkspaceId, u32), Box<Digest>>,
    old: HashMap<(WorkspaceId, u32), Box<Digest>>,
    /// Bytes of the young.
    bytes: usize,
    /// No timer is due before, in milliseconds since 1970.
    pub(super) least_due: i64,
}

impl Remembered {
    /// Lets go of what is of other rows than these.
    pub(super) fn keep_to(&mut self, rows: &Rows) {
        let is_same = self
            .of
            .as_ref()
            .is_some_and(|of| Arc::ptr_eq(of, &rows.state));
        if !is_same {
            self.clear();
            self.catalogues.clear();
            self.least_due = i64::MIN;
            self.of = Some(Arc::clone(&rows.state));
        }
    }

    /// Lets go of what is by other definitions than these.
    pub(super) fn keep_by(&mut self, workspace: WorkspaceId, catalogue: &Arc<Catalogue>) {
        let known = self.catalogues.get(&workspace);
        if !known.is_some_and(|known| Arc::ptr_eq(known, catalogue)) {
            // Definitions change seldom.
            self.clear();
            self.catalogues.insert(workspace, Arc::clone(catalogue));
        }
    }

    fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.bytes = 0;
    }

    pub(super) fn take(&mut self, workspace: WorkspaceId, contact: u32) -> Option<Box<Digest>> {
        let key = (workspace, contact);
        if let Some(digest) = self.young.remove(&key) {
            self.bytes = self.bytes.saturating_sub(digest.memory());
            return Some(digest);
        }
        self.old.remove(&key)
    }

    pub(super) fn put(&mut self, workspace: WorkspaceId, contact: u32, digest: Box<Digest>) {
        self.bytes += digest.memory();
        self.young.insert((workspace, contact), digest);
        if self.bytes > MOST / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }
}
