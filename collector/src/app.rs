//! What a running collector is made of, and in which order it opens and closes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipnet::IpNet;
use shared::time::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::erasing::ErasuresFile;
use crate::error::ApiError;
use crate::limits::exports;
use crate::limits::heavy::Heavy;
use crate::limits::hits::HitsInFlight;
use crate::limits::live::LivePermits;
use crate::limits::long::LongWork;
use crate::limits::memory::BodyMemory;
use crate::limits::rates::Rates;
use crate::log_at_rest::reached;
use crate::metrics::{Gauges, Machine, Metrics};
use crate::privacy::Privacy;
use crate::proxies::ProxiesSeen;
use crate::public_url::PublicUrl;
use crate::session::Codes;
use store::classify::relay::RelayList;
use store::clock::Clock;
use store::ledger::local::{LocalLedger, Options};
use store::ledger::suppressions::Suppressions;
use store::ledger::verify::LogReport;
use store::ledger::{Log, LogError, LogHealth};
use store::lineage::{Running, StoreState, Strange};
use store::meta::{DEFAULT_WORKSPACE, Meta, MetaError};
use store::projector::Projector;
use store::record::Seq;
use store::rejected::{self, RejectedStore};
use store::renewal::{RenewalError, renew};
use store::views::{DEFAULT_CACHE, ViewError, Views};

/// Requests that may be in flight; more are refused at once with 503.
pub const MAX_REQUESTS: usize = 4_096;

/// A running collector. Everything that a route needs is here.
pub struct App {
    pub log: Arc<dyn Log>,
    pub meta: Arc<Meta>,
    pub views: Arc<Views>,
    pub projector: Projector,
    /// Who was erased, beside the data folder.
    pub erasures: Arc<ErasuresFile>,
    pub rejected: RejectedStore,
    pub metrics: Metrics,
    pub clock: Arc<dyn Clock>,
    pub trusted_proxies: Vec<IpNet>,
    /// Whether a page names nobody without the signature of its server.
    pub(crate) wants_signed_identify: AtomicBool,
    /// The addresses of Apple's relays.
    pub relay: RelayList,
    /// Where pages and mails reach this server.
    pub public_url: PublicUrl,
    /// Peers that forward requests and are not trusted.
    pub proxies_seen: ProxiesSeen,
    pub(crate) rates: Arc<Rates>,
    pub(crate) body_memory: BodyMemory,
    /// For work that takes long.
    pub(crate) heavy: Arc<Heavy>,
    in_work: Arc<Semaphore>,
    /// Of mail clients, behind their answers.
    pub(crate) hits: HitsInFlight,
    /// Of the links to the live page.
    pub(crate) codes: Codes,
    pub(crate) live_permits: LivePermits,
    pub(crate) exports: exports::ExportPermits,
    /// Of imports, which are bounded in the same way and count apart.
    pub(crate) imports: exports::ExportPermits,
    pub(crate) long_work: Arc<LongWork>,
    /// The same log as `log`, for what only the one on disk can do.
    durable: Arc<LocalLedger>,
    running: Running,
    /// What is kept of who stands behind requests.
    pub privacy: Privacy,
    /// Where the log began when that was last looked at, and when the first event there arrived.
    pub(crate) begins: Mutex<Option<(Seq, Timestamp)>>,
    data: PathBuf,
    /// True once this node goes away.
    draining: watch::Sender<bool>,
}

/// Why a collector could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Meta(#[from] MetaError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Renewal(#[from] RenewalError),
    #[error(transparent)]
    Views(#[from] ViewError),
    #[error("the store of rejected events cannot be opened: {0}")]
    Rejected(#[from] redb::Error),
    #[error("threads could not be started: {0}")]
    Threads(std::io::Error),
    #[error(transparent)]
    Strange(#[from] Strange),
}

impl App {
    /// Opens everything in a data folder whose lock the caller holds. Blocks on disk; wants to be
    /// called on a runtime.
    pub fn open(
        data: &Path,
        trusted_proxies: Vec<IpNet>,
        public_url: PublicUrl,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        Self::open_with(data, trusted_proxies, public_url, clock, DEFAULT_CACHE)
    }

    /// The same with so many bytes of memory for the rows of views, see `Settings::cache`.
    ///
    /// # Errors
    /// That of [`Self::open`].
    pub fn open_with(
        data: &Path,
        trusted_proxies: Vec<IpNet>,
        public_url: PublicUrl,
        clock: Arc<dyn Clock>,
        cache: usize,
    ) -> Result<Self, OpenError> {
        let metrics = Metrics::default();
        let mut running = Running::begin(data)?;
        let meta = Arc::new(Meta::open(data, Arc::clone(&clock))?);
        let standing = meta.standing();
        standing.check(data, running.found())?;
        let counting = metrics.clone();
        let durable = Arc::new(LocalLedger::open(Options {
            reached: reached(data, &meta),
            generation: meta.generation(),
            standing: Some(standing),
            clock: Arc::clone(&clock),
            on_commit: Box::new(move |events, took| counting.observe_commit(events, took)),
            ..Options::new(data, Arc::clone(&meta) as _)
        })?);
        let senders = rejected::senders(&meta);
        let dropped = metrics.dropped_receipts.clone();
        let count = move |more| {
            dropped.inc_by(more);
        };
        let rejected = RejectedStore::open(data, &senders, Arc::clone(&clock), count)?;
        rejected.check_lineage(data, &standing)?;
        // All of it fits together: from here on the files are of this opening.
        running.keep();
        let lineage = meta.begin_opening()?;
        durable.set_lineage(lineage)?;
        rejected.set_lineage(lineage)?;
        meta.set_state(StoreState::Open)?;
        let log: Arc<dyn Log> = Arc::clone(&durable) as _;
        renew(&meta, &durable)?;
        let views = Arc::new(Views::open_or_put_off(data, Arc::clone(&meta) as _, cache)?);
        let projector = Projector::start(Arc::clone(&log), Arc::clone(&views), Arc::clone(&clock));
        Ok(Self {
            log,
            meta,
            views,
            projector,
            erasures: Arc::new(ErasuresFile::beside(data)),
            rejected,
            rates: Arc::new(Rates::new(metrics.clone())),
            body_memory: BodyMemory::new(metrics.clone()),
            heavy: Arc::new(Heavy::new(metrics.clone()).map_err(OpenError::Threads)?),
            metrics,
            clock,
            trusted_proxies,
            wants_signed_identify: AtomicBool::new(false),
            relay: RelayList::open(data),
            public_url,
            proxies_seen: ProxiesSeen::default(),
            in_work: Arc::new(Semaphore::new(MAX_REQUESTS)),
            hits: HitsInFlight::default(),
            codes: Codes::default(),
            live_permits: LivePermits::default(),
            exports: exports::ExportPermits::default(),
            imports: exports::ExportPermits::default(),
            long_work: Arc::default(),
            durable,
            running,
            privacy: Privacy::default(),
            begins: Mutex::default(),
            data: data.to_owned(),
            draining: watch::Sender::new(false),
        })
    }

    /// From now on a page names nobody without the signature of its server.
    pub fn require_signed_identify(&self) {
        self.wants_signed_identify.store(true, Ordering::Relaxed);
    }

    /// A permit for one more request in flight; 503 at once where there is none.
    pub(crate) fn take_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.in_work).try_acquire_owned().map_err(|_| {
            self.metrics.shed_requests.inc();
            ApiError::Overloaded
        })
    }

    /// Whether events are taken now, and else why not.
    pub fn readiness(&self) -> Result<(), &'static str> {
        if *self.draining.borrow() {
            return Err("stopping");
        }
        match self.log.health() {
            LogHealth::Ready => Ok(()),
            LogHealth::QueueFull => Err("the queue is full"),
            LogHealth::Failing => Err("the store is failing"),
        }
    }

    /// Says to load balancers that this node goes away, and ends the live streams: they would hold
    /// the stop.
    pub fn start_draining(&self) {
        self.draining.send_replace(true);
    }

    /// True once this node goes away, and a wake-up for whoever must end then.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// A link to the live page that lets one browser in, once, as admin of the workspace `default`.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn make_link(&self) -> Result<String, MetaError> {
        let workspace = self.meta.workspace(DEFAULT_WORKSPACE);
        let workspace = workspace.ok_or(MetaError::NoDefaultWorkspace)?;
        let code = self.codes.make(workspace.id, self.clock.now())?;
        Ok(format!("{}/live#code={code}", self.public_url))
    }

    /// What is measured now. Blocks on disk.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            queued_events: self.log.queued(),
            view_lag: Duration::from_millis(self.projector.lag_ms()),
            views_built: self
                .views
                .building()
                .map_or(1.0, |building| f64::from(building.percent()) / 100.0),
            ready: self.readiness().is_ok(),
            waiting_segments: self.durable.waiting_segments(),
            untrusted_proxies: self.proxies_seen.count(),
            machine: Machine::measure(&self.data),
        }
    }

    /// Commits what is queued and closes every file in order.
    pub async fn close(&self) -> Result<(), LogError> {
        self.hits.close().await;
        // The projector reads the log, so it stops first.
        if let Err(error) = self.projector.close().await {
            tracing::warn!(%error, "the views could not be closed in order; the next start makes up for it");
        }
        let closed = self.log.close().await;
        self.rejected.close();
        let end = *self.log.committed().borrow();
        let remembered = self
            .meta
            .set_log_end(end)
            .and_then(|()| self.meta.flush_last_used());
        if let Err(error) = remembered {
            tracing::error!(%error, "the end of the log could not be noted");
        }
        // Only what is closed in order may later be opened without the marks of a crash.
        if closed.is_ok()
            && let Err(error) = self.close_in_order()
        {
            tracing::error!(%error, "the folder looks like one that was not stopped in good order");
        }
        closed
    }

    fn close_in_order(&self) -> Result<(), OpenError> {
        self.meta.set_state(StoreState::Closed)?;
        Ok(self.running.end()?)
    }

    /// Who is to get no more mail.
    pub(crate) fn suppressions(&self) -> &Suppressions {
        self.durable.suppressions()
    }

    /// The same log as `log`, for what only the one on disk can do.
    pub(crate) fn durable(&self) -> Arc<LocalLedger> {
        Arc::clone(&self.durable)
    }

    /// Checks the whole log beside the writer. Blocks on disk.
    pub fn verify_log(&self, progress: &mut dyn FnMut(u64)) -> Result<LogReport, LogError> {
        self.durable.verify(progress)
    }

    /// Writes the log anew without what is hidden, now rather than some minutes later. Blocks on disk.
    ///
    /// # Errors
    /// When a disk fails; what is hidden stays hidden.
    pub fn purge_log(&self) -> Result<(), LogError> {
        self.durable.purge()
    }

    pub fn data(&self) -> &Path {
        &self.data
    }
}
