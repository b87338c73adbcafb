//! What is counted for each workspace: its events by verdict, its rejections by code, and what mails have
//! come to.
//!
//! Counted by number and given its name when it is told, because an event must not pay for a text.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Verdict;
use super::told::Told;
use store::locks::{lock, read, write};
use store::meta::Workspace;
use store::record::WorkspaceId;

/// Labels of an event that was given a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabels {
    workspace: String,
    verdict: &'static str,
}

/// Labels of what counts all of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkspaceLabels {
    workspace: String,
}

/// A workspace's series with one label more.
type OneLabel = Family<Vec<(&'static str, String)>, Counter>;

/// Labels of a rejected event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    workspace: String,
    code: &'static str,
}

/// Of those of a workspace, each with one label beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Series {
    Deliveries,
    Suppressions,
    DroppedHits,
    RefusedMessages,
}

impl Series {
    const ALL: [Self; 4] = [
        Self::Deliveries,
        Self::Suppressions,
        Self::DroppedHits,
        Self::RefusedMessages,
    ];

    /// Name, help, and the name of its label. A series of the whole process has another name, so that sums
    /// of either stay right.
    fn about(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Deliveries => (
                "deliveries",
                "What mail servers told of messages, by workspace and status",
                "status",
            ),
            Self::Suppressions => (
                "suppressions",
                "Times that a contact was to get no more mail, by workspace and reason, or was let again",
                "change",
            ),
            Self::DroppedHits => (
                "workspace_mail_hits_dropped",
                "Opens and clicks of a workspace's mails that were not recorded, by reason",
                "reason",
            ),
            Self::RefusedMessages => (
                "workspace_messages_refused",
                "Requests of a workspace to register messages that were refused for their links or their answer",
                "reason",
            ),
        }
    }
}

/// The counters of all workspaces. As many as there are: only the operator makes them.
#[derive(Debug, Clone, Default)]
pub(super) struct ByWorkspace(Arc<RwLock<HashMap<WorkspaceId, Arc<Counts>>>>);

/// The counters of one workspace.
#[derive(Debug, Default)]
pub(super) struct Counts {
    verdicts: [AtomicU64; 3],
    lost_in_pages: AtomicU64,
    /// By code, of which there are as many as the contract has.
    rejections: Mutex<HashMap<&'static str, u64>>,
    /// By the value of the label, of which each series has a handful.
    others: Mutex<BTreeMap<(Series, &'static str), u64>>,
}

impl Counts {
    pub(super) fn count(&self, verdict: Verdict) {
        self.verdicts[verdict as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_lost_in_page(&self, events: u32) {
        self.lost_in_pages
            .fetch_add(events.into(), Ordering::Relaxed);
    }

    /// Rare events alone: they share a lock.
    pub(super) fn count_one(&self, series: Series, value: &'static str) {
        *lock(&self.others).entry((series, value)).or_default() += 1;
    }

    pub(super) fn count_told(&self, told: Told) {
        if let Some(status) = told.delivery {
            self.count_one(Series::Deliveries, status);
        }
        if let Some(change) = told.suppression {
            self.count_one(Series::Suppressions, change);
        }
    }

    pub(super) fn count_rejection(&self, code: &'static str) {
        self.count(Verdict::Rejected);
        *lock(&self.rejections).entry(code).or_default() += 1;
    }
}

impl ByWorkspace {
    pub(super) fn of(&self, workspace: WorkspaceId) -> Arc<Counts> {
        if let Some(counts) = read(&self.0).get(&workspace) {
            return Arc::clone(counts);
        }
        Arc::clone(write(&self.0).entry(workspace).or_default())
    }

    /// Registers the series of these workspaces, also of those that have sent nothing yet: a zero is
    /// what a rate grows from.
    pub(super) fn register<'a>(
        &self,
        registry: &mut Registry,
        workspaces: impl Iterator<Item = &'a Arc<Workspace>>,
    ) {
        let verdicts: Family<VerdictLabels, Counter> = Family::default();
        let rejections: Family<CodeLabels, Counter> = Family::default();
        let lost: Family<WorkspaceLabels, Counter> = Family::default();
        let others = Series::ALL.map(|series| (series, OneLabel::default()));
        for workspace in workspaces {
            let counts = self.of(workspace.id);
            let name = || workspace.name.clone();
            for verdict in Verdict::ALL {
                let labels = VerdictLabels {
                    workspace: name(),
                    verdict: verdict.name(),
                };
                let count = counts.verdicts[verdict as usize].load(Ordering::Relaxed);
                verdicts.get_or_create(&labels).inc_by(count);
            }
            let labels = WorkspaceLabels { workspace: name() };
            let count = counts.lost_in_pages.load(Ordering::Relaxed);
            lost.get_or_create(&labels).inc_by(count);
            for (code, count) in lock(&counts.rejections).iter() {
                let labels = CodeLabels {
                    workspace: name(),
                    code,
                };
                rejections.get_or_create(&labels).inc_by(*count);
            }
            for ((series, value), count) in lock(&counts.others).iter() {
                let (_, _, label) = series.about();
                let labels = vec![("workspace", name()), (label, (*value).to_owned())];
                let family = others.iter().find(|(one, _)| one == series);
                if let Some((_, family)) = family {
                    family.get_or_create(&labels).inc_by(*count);
                }
            }
        }
        for (series, family) in others {
            let (name, help, _) = series.about();
            registry.register(name, help, family);
        }
        registry.register("events", "Events by workspace and verdict", verdicts);
        registry.register(
            "events_lost_in_pages",
            "Events that pages say they have lost, because their queues were full",
            lost,
        );
        registry.register(
            "rejections",
            "Rejected events by workspace and code",
            rejections,
        );
    }
}
