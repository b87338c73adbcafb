//! How many exports there may be at once: each reads all that a workspace has. Imports, which take as long as their
//! senders, are bounded alike.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use store::locks::lock;
use store::record::WorkspaceId;

/// In all.
const MOST: usize = 8;
/// Of one workspace.
const MOST_OF_WORKSPACE: usize = 2;

/// What all exports share. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct ExportPermits(Arc<Mutex<HashMap<WorkspaceId, usize>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct ExportPermit {
    permits: ExportPermits,
    workspace: WorkspaceId,
}

impl ExportPermits {
    /// A permit; `None` where this workspace, or all, have as many as they may.
    #[must_use]
    pub fn take(&self, workspace: WorkspaceId) -> Option<ExportPermit> {
        let mut taken = lock(&self.0);
        let own = taken.get(&workspace).copied().unwrap_or(0);
        if own >= MOST_OF_WORKSPACE || taken.values().sum::<usize>() >= MOST {
            return None;
        }
        taken.insert(workspace, own + 1);
        Some(ExportPermit {
            permits: self.clone(),
            workspace,
        })
    }
}

impl Drop for ExportPermit {
    fn drop(&mut self) {
        let mut taken = lock(&self.permits.0);
        if let Some(own) = taken.get_mut(&self.workspace) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.workspace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shared_out_and_come_back() {
        let permits = ExportPermits::default();
        let of = |workspace| permits.take(WorkspaceId(workspace));
        let mut held: Vec<_> = (0..4).flat_map(|n| [of(n), of(n)]).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(of(0).is_none() && of(9).is_none());
        held.pop();
        assert!(of(9).is_some());
        drop(held);
        assert!(lock(&permits.0).is_empty());
    }
}
