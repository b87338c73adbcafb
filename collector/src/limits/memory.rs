//! The memory of bodies on their way, in two pools: of callers whose secret key is proven, and of
//! everybody else. Within a pool nobody holds more than a share, and who is too slow makes room for who
//! comes. Not how a body is read (`body`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::ApiError;
use crate::limits::network::Network;
use crate::metrics::Metrics;
use store::locks::lock;
use store::meta::Key;
use store::record::WorkspaceId;

/// Kilobytes of bodies whose sender has shown a secret key that is good.
pub const MAX_PROVEN_KB: usize = 256 * 1024;
/// Kilobytes of all other bodies: with a public key, which everybody has, or with a key in the body.
pub const MAX_UNPROVEN_KB: usize = 64 * 1024;
/// A workspace holds at most a third of the first pool.
const WORKSPACE_PART: usize = 3;
/// A key holds at most so many kilobytes of it: what the largest request needs, which is 32 MB packed
/// and the 32 MB that they may inflate to, and a little more.
const MAX_KEY_KB: usize = 66 * 1024;
/// A network holds at most a tenth of the second pool.
const NETWORK_PART: usize = 10;

/// Bytes per second below which a body is slow.
const SLOW: f64 = 4.0 * 1024.0;
/// How long a body may pause before that counts.
pub const GRACE: Duration = Duration::from_secs(3);

/// Why a body was not read to its end. Also the label of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMemory {
    /// The pool is full, and nobody in it is slow.
    Pool,
    Workspace,
    Key,
    Address,
    /// It was slow, and its memory went to another.
    Slow,
}

impl NoMemory {
    pub const ALL: [Self; 5] = [
        Self::Pool,
        Self::Workspace,
        Self::Key,
        Self::Address,
        Self::Slow,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pool => "memory_full",
            Self::Workspace => "workspace_share",
            Self::Key => "key_share",
            Self::Address => "address_share",
            Self::Slow => "slow",
        }
    }
}

/// Who sends a body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A server, by the id of its secret key.
    Server(WorkspaceId, Arc<str>),
    /// Anybody, from that network; `None` where an address stands for many.
    Anybody(Option<Network>),
}

impl Owner {
    pub fn server(key: &Key) -> Self {
        Self::Server(key.workspace, key.id.as_str().into())
    }

    fn shares(&self) -> Arc<[Share]> {
        match self {
            Self::Server(workspace, key) => {
                Arc::new([Share::Workspace(*workspace), Share::Key(Arc::clone(key))])
            }
            Self::Anybody(Some(network)) => Arc::new([Share::Network(*network)]),
            Self::Anybody(None) => Arc::new([]),
        }
    }
}

/// Whose part of a pool is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Share {
    Workspace(WorkspaceId),
    Key(Arc<str>),
    Network(Network),
}

/// Both pools.
pub struct BodyMemory {
    proven: Arc<Pool>,
    unproven: Arc<Pool>,
}

struct Pool {
    size_kb: usize,
    metrics: Metrics,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held_kb: usize,
    /// What each share holds; none that holds nothing.
    shares: HashMap<Share, usize>,
    bodies: HashMap<u64, Held>,
    next: u64,
}

/// What one body holds.
struct Held {
    kb: usize,
    shares: Arc<[Share]>,
    /// From when on it counts as slow: each byte that comes moves it ahead. `None` once it is whole.
    slow_from: Option<Instant>,
    evicted: Arc<Notify>,
}

impl BodyMemory {
    pub fn new(metrics: Metrics) -> Self {
        Self::sized(metrics, MAX_PROVEN_KB, MAX_UNPROVEN_KB)
    }

    /// With pools of these sizes.
    pub fn sized(metrics: Metrics, proven_kb: usize, unproven_kb: usize) -> Self {
        let pool = |size_kb| {
            Arc::new(Pool {
                size_kb,
                metrics: metrics.clone(),
                state: Mutex::default(),
            })
        };
        Self {
            proven: pool(proven_kb),
            unproven: pool(unproven_kb),
        }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.proven.metrics
    }

    /// A permit for a body of which nothing has come yet.
    pub fn enter(&self, owner: &Owner) -> BodyPermit {
        let pool = match owner {
            Owner::Server(..) => &self.proven,
            Owner::Anybody(_) => &self.unproven,
        };
        let evicted = Arc::new(Notify::new());
        let mut state = lock(&pool.state);
        let id = state.next;
        state.next += 1;
        let held = Held {
            kb: 0,
            shares: owner.shares(),
            slow_from: Some(Instant::now() + GRACE),
            evicted: Arc::clone(&evicted),
        };
        state.bodies.insert(id, held);
        drop(state);
        BodyPermit {
            pool: Arc::clone(pool),
            id,
            kb: 0,
            evicted,
        }
    }
}

/// The memory of one body; given back when it is dropped.
pub struct BodyPermit {
    pool: Arc<Pool>,
    id: u64,
    kb: usize,
    evicted: Arc<Notify>,
}

impl BodyPermit {
    /// Whether there is room for so many bytes, if nobody else takes it. Holds nothing yet.
    ///
    /// # Errors
    /// 503 where there is none.
    pub fn expect(&self, bytes: usize) -> Result<(), ApiError> {
        let room = self.pool.make_room(self.id, bytes.div_ceil(1024));
        room.map_err(|reason| self.refused(reason))
    }

    fn refused(&self, reason: NoMemory) -> ApiError {
        self.pool.metrics.count_refused_body(reason.as_str());
        match reason {
            NoMemory::Slow => ApiError::BodyTimeout,
            _ => ApiError::Overloaded,
        }
    }

    /// Holds memory for so many bytes in all, of which `new` have just come.
    ///
    /// # Errors
    /// 503 where there is none.
    pub fn hold(&mut self, bytes: usize, new: usize) -> Result<(), ApiError> {
        let kb = bytes.div_ceil(1024);
        let more = kb.saturating_sub(self.kb);
        let taken = self.pool.take(self.id, more, new);
        taken.map_err(|reason| self.refused(reason))?;
        self.kb += more;
        Ok(())
    }

    /// Returns once the body has lost its memory to another.
    pub async fn evicted(&self) -> ApiError {
        self.evicted.notified().await;
        self.pool
            .metrics
            .count_refused_body(NoMemory::Slow.as_str());
        ApiError::BodyTimeout
    }

    pub(crate) fn count_broken_off(&self) {
        self.pool.metrics.count_refused_body("broken_off");
    }

    /// It has come in full: what takes time now is ours, and it is not slow any more.
    pub fn is_whole(&self) {
        if let Some(held) = lock(&self.pool.state).bodies.get_mut(&self.id) {
            held.slow_from = None;
        }
    }
}

impl Drop for BodyPermit {
    fn drop(&mut self) {
        lock(&self.pool.state).release(self.id);
    }
}

impl Pool {
    fn take(&self, id: u64, more: usize, new: usize) -> Result<(), NoMemory> {
        let now = Instant::now();
        let mut state = lock(&self.state);
        // Whoever was evicted holds nothing any more.
        let held = state.bodies.get_mut(&id).ok_or(NoMemory::Slow)?;
        if let Some(slow_from) = &mut held.slow_from {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a body is far smaller than 2^52"
            )]
            let earned = Duration::from_secs_f64(new as f64 / SLOW);
            *slow_from = (*slow_from + earned).min(now + GRACE);
        }
        let shares = Arc::clone(&held.shares);
        self.evict(&mut state, id, &shares, more, now)?;
        state.held_kb += more;
        for share in shares.iter() {
            *state.shares.entry(share.clone()).or_default() += more;
        }
        if let Some(held) = state.bodies.get_mut(&id) {
            held.kb += more;
        }
        Ok(())
    }

    fn make_room(&self, id: u64, kb: usize) -> Result<(), NoMemory> {
        let mut state = lock(&self.state);
        let held = state.bodies.get(&id).ok_or(NoMemory::Slow)?;
        let shares = Arc::clone(&held.shares);
        self.evict(&mut state, id, &shares, kb, Instant::now())
    }

    /// Takes memory from the slowest until there is enough for one more.
    fn evict(
        &self,
        state: &mut State,
        id: u64,
        shares: &[Share],
        more: usize,
        now: Instant,
    ) -> Result<(), NoMemory> {
        while let Some((reason, full)) = self.lack(state, shares, more) {
            let slowest = state.slowest(id, full, now).ok_or(reason)?;
            if let Some(held) = state.release(slowest) {
                held.evicted.notify_one();
            }
        }
        Ok(())
    }

    /// What there is too little of, and whose share that is; `None` where there is enough.
    fn lack<'s>(
        &self,
        state: &State,
        shares: &'s [Share],
        more: usize,
    ) -> Option<(NoMemory, Option<&'s Share>)> {
        for share in shares {
            let (part, reason) = match share {
                Share::Workspace(_) => (self.size_kb / WORKSPACE_PART, NoMemory::Workspace),
                Share::Key(_) => (MAX_KEY_KB.min(self.size_kb), NoMemory::Key),
                Share::Network(_) => (self.size_kb / NETWORK_PART, NoMemory::Address),
            };
            if state.shares.get(share).copied().unwrap_or(0) + more > part {
                return Some((reason, Some(share)));
            }
        }
        (state.held_kb + more > self.size_kb).then_some((NoMemory::Pool, None))
    }
}

impl State {
    /// The slowest body but one's own among those that hold some of what is full.
    fn slowest(&self, own: u64, full: Option<&Share>, now: Instant) -> Option<u64> {
        let bodies = self.bodies.iter().filter(|(id, held)| {
            **id != own && held.kb > 0 && full.is_none_or(|share| held.shares.contains(share))
        });
        bodies
            .filter_map(|(id, held)| Some((held.slow_from?, *id)))
            .filter(|(slow_from, _)| *slow_from < now)
            .min()
            .map(|(_, id)| id)
    }

    fn release(&mut self, id: u64) -> Option<Held> {
        let held = self.bodies.remove(&id)?;
        self.held_kb -= held.kb;
        for share in held.shares.iter() {
            if let Some(kb) = self.shares.get_mut(share) {
                *kb -= held.kb;
                if *kb == 0 {
                    self.shares.remove(share);
                }
            }
        }
        Some(held)
    }
}

#[cfg(test)]
mod tests;
