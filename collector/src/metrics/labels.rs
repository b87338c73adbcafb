//! By what is counted.

use prometheus_client::encoding::EncodeLabelSet;

/// Labels of a request that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    /// The route as it stands in the table, so that ids do not multiply the series.
    pub(super) route: String,
    pub(super) status: u16,
}

/// Labels of the time that a request took.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DurationLabels {
    pub(super) route: String,
    /// `2xx` to `5xx`.
    pub(super) status: &'static str,
}

/// Labels of a request that was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RefusalLabels {
    pub(super) code: &'static str,
}

/// Labels of a request that a rate refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LimitLabels {
    pub(super) limit: &'static str,
}

/// Labels of an open or click that was not recorded, or of a body that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    pub(super) reason: &'static str,
}

/// Why an open or click was not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DroppedHit {
    /// The token has had its share.
    Budget,
    /// Too many are in flight.
    Busy,
    /// The queue of the log is full.
    Overloaded,
    /// The store is failing.
    Storage,
    BadToken,
}

impl DroppedHit {
    pub(super) const ALL: [Self; 5] = [
        Self::Budget,
        Self::Busy,
        Self::Overloaded,
        Self::Storage,
        Self::BadToken,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Busy => "busy",
            Self::Overloaded => "overloaded",
            Self::Storage => "storage",
            Self::BadToken => "bad_token",
        }
    }

    pub(super) fn labels(self) -> ReasonLabels {
        ReasonLabels {
            reason: self.as_str(),
        }
    }
}

/// The verdict on an event, as counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Tracked,
    Duplicate,
    Rejected,
}

impl Verdict {
    pub(super) const ALL: [Self; 3] = [Self::Tracked, Self::Duplicate, Self::Rejected];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tracked => "tracked",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
        }
    }
}
