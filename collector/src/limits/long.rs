//! Work that reads all of the log slows a server down: one such work at a time, and so many an hour of each
//! workspace that may ask for some itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use store::locks::lock;
use store::record::WorkspaceId;

/// Works that one workspace may have begun within [`WINDOW`]: enough to set things right, too few to keep the
/// server at it for others.
const MAX_OF_WORKSPACE: usize = 6;
const WINDOW: Duration = Duration::from_secs(60 * 60);

/// Held by the work as long as it goes on.
pub type Permit = OwnedSemaphorePermit;

/// Who may begin.
#[derive(Debug)]
pub struct LongWork {
    /// Only ever tried, but at a stop.
    once: Arc<Semaphore>,
    /// When works of each workspace began, the last [`MAX_OF_WORKSPACE`]. Operators make workspaces, so these
    /// are as many as they like.
    begun: Mutex<HashMap<WorkspaceId, Vec<Instant>>>,
}

/// Why work cannot begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Other work goes on.
    Busy,
    /// The workspace has had its share; whole seconds until it has more.
    Share(u32),
}

impl Default for LongWork {
    fn default() -> Self {
        Self {
            once: Arc::new(Semaphore::new(1)),
            begun: Mutex::default(),
        }
    }
}

impl LongWork {
    /// Begins what the operator asks for.
    ///
    /// # Errors
    /// [`Wait::Busy`].
    pub fn begin(&self) -> Result<Permit, Wait> {
        let once = Arc::clone(&self.once);
        once.try_acquire_owned().map_err(|_| Wait::Busy)
    }

    /// Begins what a workspace's admin asks for.
    ///
    /// # Errors
    /// See [`Wait`].
    pub fn begin_for(&self, workspace: WorkspaceId) -> Result<Permit, Wait> {
        self.begin_at(workspace, Instant::now())
    }

    fn begin_at(&self, workspace: WorkspaceId, now: Instant) -> Result<Permit, Wait> {
        let mut begun = lock(&self.begun);
        let of_workspace = begun.entry(workspace).or_default();
        of_workspace.retain(|began| now.duration_since(*began) < WINDOW);
        if let Some(first) = of_workspace.first()
            && of_workspace.len() >= MAX_OF_WORKSPACE
        {
            let left = WINDOW.saturating_sub(now.duration_since(*first)).as_secs();
            return Err(Wait::Share(u32::try_from(left).unwrap_or(u32::MAX) + 1));
        }
        let permit = self.begin()?;
        of_workspace.push(now);
        Ok(permit)
    }

    /// Waits until none goes on.
    pub async fn idle(&self) {
        // It is never closed.
        drop(self.once.acquire().await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: WorkspaceId = WorkspaceId(1);
    const THEIRS: WorkspaceId = WorkspaceId(2);

    #[test]
    fn one_work_goes_on_at_a_time_whoever_asks() {
        let work = LongWork::default();
        let first = work.begin_for(OURS).unwrap();
        assert_eq!(work.begin().unwrap_err(), Wait::Busy);
        assert_eq!(work.begin_for(THEIRS).unwrap_err(), Wait::Busy);
        drop(first);
        assert!(work.begin().is_ok());
    }

    #[test]
    fn a_workspace_has_its_share_of_an_hour_and_what_was_refused_does_not_count() {
        let work = LongWork::default();
        let start = Instant::now();
        let held = work.begin().unwrap();
        for _ in 0..MAX_OF_WORKSPACE {
            assert_eq!(work.begin_at(OURS, start).unwrap_err(), Wait::Busy);
        }
        drop(held);
        for _ in 0..MAX_OF_WORKSPACE {
            drop(work.begin_at(OURS, start).unwrap());
        }
        let later = start + Duration::from_secs(600);
        assert_eq!(work.begin_at(OURS, later).unwrap_err(), Wait::Share(3_001));
        assert!(work.begin_at(THEIRS, later).is_ok());
        assert!(work.begin_at(OURS, start + WINDOW).is_ok());
    }
}
