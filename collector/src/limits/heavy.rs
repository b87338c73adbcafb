//! Work that takes long (inflating, reading and instrumenting large bodies), kept away from the workers
//! that answer everybody else: a runtime of its own, on threads of low priority, and permits for which
//! workspaces take turns. Not what is done there.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;
use crate::limits::memory::Owner;
use crate::limits::network::Network;
use crate::metrics::Metrics;
use store::locks::lock;
use store::record::WorkspaceId;

/// Who waits in one lane for its turn; more are told 503. Their bodies are bounded besides.
const MAX_WAITING: usize = 256;
/// How much the threads yield to others: `nice 5`, a third of the weight of a usual thread, and all
/// that is left over.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    Workspace(WorkspaceId),
    /// Of those whose key is not proven yet or is everybody's: those of one network, and of all whose
    /// address says nothing.
    Anybody(Option<Network>),
}

impl Lane {
    pub fn of(owner: &Owner) -> Self {
        match owner {
            Owner::Server(workspace, _) => Self::Workspace(*workspace),
            Owner::Anybody(network) => Self::Anybody(*network),
        }
    }
}

/// The threads and the permits.
pub struct Heavy {
    /// `None` once it is dropped.
    runtime: Option<Runtime>,
    /// One for each thread: of all lanes, first come, first served.
    permits: Arc<Semaphore>,
    /// What one lane may hold or wait for of them at once, so that none fills the queue before
    /// [`Self::permits`]; of lanes that somebody is in.
    lanes: Arc<Mutex<HashMap<Lane, Line>>>,
    /// Permits of one lane.
    share: usize,
    metrics: Metrics,
}

/// The line before one lane's permits.
struct Line {
    share: Arc<Semaphore>,
    /// Who waits or works.
    people: usize,
}

impl Heavy {
    /// As many threads as there are cores, and at least two, so that one lane never has all.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn new(metrics: Metrics) -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_threads(cores.max(2), metrics)
    }

    fn with_threads(threads: usize, metrics: Metrics) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(threads)
            .thread_name("misar-heavy")
            .on_thread_start(yield_to_others)
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
            permits: Arc::new(Semaphore::new(threads)),
            lanes: Arc::default(),
            share: (threads / 2).max(1),
            metrics,
        })
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// 503 where too many wait in this lane.
    pub async fn turn(&self, lane: Lane) -> Result<Turn, ApiError> {
        let in_line = self.line_up(lane)?;
        let share = Arc::clone(&in_line.share);
        // Neither semaphore is ever closed.
        let share = share
            .acquire_owned()
            .await
            .map_err(|_| ApiError::Internal)?;
        let permit = Arc::clone(&self.permits);
        let permit = permit
            .acquire_owned()
            .await
            .map_err(|_| ApiError::Internal)?;
        Ok(Turn {
            _permits: (permit, share),
            _in_line: in_line,
        })
    }

    /// Does work on these threads. It may wait for other things there; the turn is its to keep or to
    /// give back before it waits.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let runtime = self.runtime.as_ref().ok_or(ApiError::Internal)?;
        runtime.spawn(work).await.map_err(|_| ApiError::Internal)
    }

    /// Computes something when it is this lane's turn.
    ///
    /// # Errors
    /// 503 where too many wait in this lane.
    pub async fn compute<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = self.turn(lane).await?;
        self.run(async move {
            let done = work();
            drop(turn);
            done
        })
        .await
    }

    fn line_up(&self, lane: Lane) -> Result<InLine, ApiError> {
        let mut lanes = lock(&self.lanes);
        let line = lanes.entry(lane).or_insert_with(|| Line {
            share: Arc::new(Semaphore::new(self.share)),
            people: 0,
        });
        if line.people >= MAX_WAITING {
            self.metrics.heavy_refused.inc();
            return Err(ApiError::Overloaded);
        }
        line.people += 1;
        Ok(InLine {
            lane,
            share: Arc::clone(&line.share),
            lanes: Arc::clone(&self.lanes),
        })
    }
}

impl Drop for Heavy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting is not allowed where this may be dropped; nobody waits for the work any more.
            runtime.shutdown_background();
        }
    }
}

/// A turn: work that takes long may be done for as long as it is held.
pub struct Turn {
    _permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
    _in_line: InLine,
}

/// Somebody in a lane; the last one to leave takes the lane away.
struct InLine {
    lane: Lane,
    share: Arc<Semaphore>,
    lanes: Arc<Mutex<HashMap<Lane, Line>>>,
}

impl Drop for InLine {
    fn drop(&mut self) {
        let mut lanes = lock(&self.lanes);
        if let Some(line) = lanes.get_mut(&self.lane) {
            line.people -= 1;
            if line.people == 0 {
                lanes.remove(&self.lane);
            }
        }
    }
}

/// Gives the thread a low priority. On Linux that is the thread's own; elsewhere it would be the whole
/// process'.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a thread keeps its usual priority");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn heavy(threads: usize) -> Heavy {
        Heavy::with_threads(threads, Metrics::default()).unwrap()
    }

    const A: Lane = Lane::Workspace(WorkspaceId(1));
    const B: Lane = Lane::Workspace(WorkspaceId(2));

    async fn is_free(heavy: &Heavy, lane: Lane) -> Option<Turn> {
        let turn = heavy.turn(lane);
        let turn = tokio::time::timeout(Duration::from_millis(1), turn).await;
        turn.ok().map(Result::unwrap)
    }

    #[tokio::test(start_paused = true)]
    async fn one_workspace_leaves_places_for_the_others() {
        let heavy = heavy(4);
        let first = heavy.turn(A).await.unwrap();
        let _second = heavy.turn(A).await.unwrap();
        assert!(is_free(&heavy, A).await.is_none());
        assert!(is_free(&heavy, B).await.is_some());
        drop(first);
        assert!(is_free(&heavy, A).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_is_bounded_and_forgotten_when_it_is_empty() {
        let heavy = Arc::new(heavy(2));
        let turn = heavy.turn(A).await.unwrap();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 1..MAX_WAITING {
            let heavy = Arc::clone(&heavy);
            waiting.spawn(async move { heavy.turn(A).await.map(drop) });
        }
        while lock(&heavy.lanes)[&A].people < MAX_WAITING {
            tokio::task::yield_now().await;
        }
        let refused = heavy.turn(A).await;
        assert!(matches!(refused, Err(ApiError::Overloaded)));
        assert!(is_free(&heavy, B).await.is_some());
        drop(turn);
        for waited in waiting.join_all().await {
            assert!(waited.is_ok());
        }
        assert!(lock(&heavy.lanes).is_empty());
    }

    #[tokio::test]
    async fn what_is_computed_comes_back() {
        assert_eq!(heavy(2).compute(A, || 6 * 7).await.unwrap(), 42);
    }
}
