//! What the collector counts, for `GET /metrics`. Names end in their unit.

mod by_workspace;
mod exposition;
mod gauges;
mod labels;
mod machine;
pub(crate) mod reasons;
mod told;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::error::limit::Limit;
use store::meta::Workspace;
use store::record::WorkspaceId;

use by_workspace::{ByWorkspace, Series};
pub(crate) use exposition::MetricsForm;
pub(crate) use gauges::Gauges;
pub(crate) use labels::{DroppedHit, Verdict};
use labels::{DurationLabels, LimitLabels, ReasonLabels, RefusalLabels, RequestLabels};
pub(crate) use machine::Machine;
pub(crate) use told::Told;

/// What the names of our series begin with.
const PREFIX: &str = "misar";

/// Upper bounds of the times that requests take, in seconds: from an answer out of memory to the
/// longest that is waited for.
const DURATIONS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0,
];

/// All counters. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<DurationLabels, Histogram>,
    by_workspace: ByWorkspace,
    commits: Histogram,
    group: Histogram,
    pub exposed_keys: Counter,
    pub rate_limited: Counter,
    pub shed_requests: Counter,
    pub refused_connections: Counter,
    /// Of those, the ones of a network that held too many.
    pub refused_network_connections: Counter,
    pub dropped_receipts: Counter,
    dropped_hits: Family<ReasonLabels, Counter>,
    rate_limits: Family<LimitLabels, Counter>,
    refused_bodies: Family<ReasonLabels, Counter>,
    refused_requests: Family<RefusalLabels, Counter>,
    refused_messages: Family<ReasonLabels, Counter>,
    /// Work that takes long, refused because too much of it waits.
    pub heavy_refused: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let dropped_hits: Family<ReasonLabels, Counter> = Family::default();
        for reason in DroppedHit::ALL {
            // So that there is a zero to grow from.
            drop(dropped_hits.get_or_create(&reason.labels()));
        }
        let rate_limits: Family<LimitLabels, Counter> = Family::default();
        for limit in Limit::ALL.map(Limit::as_str) {
            drop(rate_limits.get_or_create(&LimitLabels { limit }));
        }
        let refused_bodies: Family<ReasonLabels, Counter> = Family::default();
        for reason in reasons::BODY {
            drop(refused_bodies.get_or_create(&ReasonLabels { reason }));
        }
        let refused_messages: Family<ReasonLabels, Counter> = Family::default();
        for reason in reasons::MESSAGES {
            drop(refused_messages.get_or_create(&ReasonLabels { reason }));
        }
        Self {
            rate_limits,
            refused_bodies,
            refused_requests: Family::default(),
            refused_messages,
            heavy_refused: Counter::default(),
            dropped_hits,
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            by_workspace: ByWorkspace::default(),
            // 0.1 ms to 3.3 s: from a fast disk's sync to a stalled one's.
            commits: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
            group: Histogram::new(exponential_buckets(1.0, 4.0, 9)),
            exposed_keys: Counter::default(),
            rate_limited: Counter::default(),
            shed_requests: Counter::default(),
            refused_connections: Counter::default(),
            refused_network_connections: Counter::default(),
            dropped_receipts: Counter::default(),
        }
    }
}

/// Who asks, and therefore how much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Whoever runs the process: everything.
    Operator,
    /// A tenant: its own series, and what every read tells anyway.
    Workspace(WorkspaceId),
}

impl Metrics {
    pub fn count_request(&self, route: &str, status: u16) {
        let labels = RequestLabels {
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// A request that was answered after this time. Of a stream, the answer is its head.
    pub fn observe_request(&self, route: &str, status: u16, took: Duration) {
        let labels = DurationLabels {
            route: route.to_owned(),
            status: match status {
                100..=199 => "1xx",
                200..=299 => "2xx",
                300..=399 => "3xx",
                400..=499 => "4xx",
                _ => "5xx",
            },
        };
        self.durations
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    pub fn count_verdict(&self, workspace: WorkspaceId, verdict: Verdict) {
        self.by_workspace.of(workspace).count(verdict);
    }

    pub fn count_rejection(&self, workspace: WorkspaceId, code: &'static str) {
        self.by_workspace.of(workspace).count_rejection(code);
    }

    /// Events that a page says it has lost, because its queue was full.
    pub fn count_lost_in_page(&self, workspace: WorkspaceId, events: u32) {
        self.by_workspace.of(workspace).count_lost_in_page(events);
    }

    pub fn count_dropped_hit(&self, reason: DroppedHit) {
        self.dropped_hits.get_or_create(&reason.labels()).inc();
    }

    /// The same, of a mail of this workspace.
    pub fn count_dropped_hit_of(&self, workspace: WorkspaceId, reason: DroppedHit) {
        self.count_dropped_hit(reason);
        let counts = self.by_workspace.of(workspace);
        counts.count_one(Series::DroppedHits, reason.as_str());
    }

    /// A fact that was recorded.
    pub(crate) fn count_told(&self, workspace: WorkspaceId, told: Told) {
        if told != Told::default() {
            self.by_workspace.of(workspace).count_told(told);
        }
    }

    /// A request that a rate refused.
    pub fn count_rate_limited(&self, limit: Limit) {
        self.rate_limited.inc();
        let limit = limit.as_str();
        self.rate_limits.get_or_create(&LimitLabels { limit }).inc();
    }

    /// A body that was refused: one of [`reasons::BODY`].
    pub fn count_refused_body(&self, reason: &'static str) {
        self.refused_bodies
            .get_or_create(&ReasonLabels { reason })
            .inc();
    }

    /// A request to register messages that was refused: one of [`reasons::MESSAGES`].
    pub fn count_refused_messages(&self, workspace: WorkspaceId, reason: &'static str) {
        let counts = self.by_workspace.of(workspace);
        counts.count_one(Series::RefusedMessages, reason);
        self.refused_messages
            .get_or_create(&ReasonLabels { reason })
            .inc();
    }

    /// A request whose sender was refused for its form or its key, by the code of the answer.
    pub fn count_refused_request(&self, code: &'static str) {
        self.refused_requests
            .get_or_create(&RefusalLabels { code })
            .inc();
    }

    /// A commit of so many new events, at least one.
    pub fn observe_commit(&self, events: usize, took: Duration) {
        self.commits.observe(took.as_secs_f64());
        #[expect(
            clippy::cast_precision_loss,
            reason = "a group is far smaller than 2^52"
        )]
        self.group.observe(events as f64);
    }

    /// The `OpenMetrics` text for this audience. `workspaces` are all of them, with their names.
    pub fn render(
        &self,
        now: Gauges,
        workspaces: &[Arc<Workspace>],
        audience: Audience,
    ) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::default();
        let ours = registry.sub_registry_with_prefix(PREFIX);
        let told = workspaces.iter().filter(|one| match audience {
            Audience::Operator => true,
            Audience::Workspace(workspace) => one.id == workspace,
        });
        self.by_workspace.register(ours, told);
        if audience == Audience::Operator {
            self.register_process(ours);
        }
        now.register(&mut registry, audience);
        let mut page = String::new();
        text::encode(&mut page, &registry)?;
        Ok(page)
    }

    /// What belongs to no workspace.
    fn register_process(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer's",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register_with_unit(
            "commit",
            "Time to decide, write and sync one group of events",
            Unit::Seconds,
            self.commits.clone(),
        );
        registry.register("commit_events", "Events in one commit", self.group.clone());
        registry.register(
            "exposed_keys",
            "Secret keys seen in pages",
            self.exposed_keys.clone(),
        );
        registry.register(
            "rate_limited",
            "Requests refused with 429",
            self.rate_limited.clone(),
        );
        registry.register(
            "rate_limits",
            "Requests refused with 429, by what ran out",
            self.rate_limits.clone(),
        );
        registry.register(
            "bodies_refused",
            "Bodies that were not read to their end or could not be read, by reason",
            self.refused_bodies.clone(),
        );
        registry.register(
            "requests_refused",
            "Requests to the ingest routes refused for their form or their key, by code",
            self.refused_requests.clone(),
        );
        registry.register(
            "messages_refused",
            "Requests to register messages that were refused for their links or their answer",
            self.refused_messages.clone(),
        );
        registry.register(
            "heavy_work_refused",
            "Large bodies refused because too many of one workspace wait to be worked on",
            self.heavy_refused.clone(),
        );
        registry.register(
            "shed_requests",
            "Requests refused because too many were in flight",
            self.shed_requests.clone(),
        );
        registry.register(
            "refused_connections",
            "Connections refused because too many were open",
            self.refused_connections.clone(),
        );
        registry.register(
            "refused_network_connections",
            "Those of them whose network held too many",
            self.refused_network_connections.clone(),
        );
        registry.register(
            "dropped_receipts",
            "Receipts of rejected events that were not kept",
            self.dropped_receipts.clone(),
        );
        registry.register(
            "mail_hits_dropped",
            "Opens and clicks that were not recorded, by reason",
            self.dropped_hits.clone(),
        );
    }
}
