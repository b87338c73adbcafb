//! What a workspace's segments are, as folds go by them: their definitions, version by version, each with
//! the place in the log from which it holds.
//!
//! - `reads`: what a definition looks at, so that a record is held against those alone that it may concern

mod reads;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::ids::SegmentId;
use shared::segment::Definition;
use shared::segment::calendar::Calendar;
use shared::time::Timestamp;

use super::seq::Seq;
use super::workspace::{Scoring, WorkspaceId};

pub use reads::{Concern, Reads};

/// From where on something holds: behind this record, and not before this instant. A replay puts it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Since {
    pub seq: Seq,
    /// Milliseconds since 1970.
    pub at: i64,
    /// Tells apart what holds from one record and instant on, one after the other.
    pub turn: u32,
}

impl Since {
    /// Before everything.
    pub const NEVER: Self = Self {
        seq: Seq::START,
        at: i64::MIN,
        turn: 0,
    };

    /// From this record and instant on, and behind this one.
    #[must_use]
    pub fn behind(self, seq: Seq, at: i64) -> Self {
        let turn = match (self.seq, self.at) == (seq, at) {
            true => self.turn + 1,
            false => 0,
        };
        Self { seq, at, turn }
    }
}

/// One version of a segment's definition.
#[derive(Debug, Clone)]
pub struct SegmentVersion {
    /// From 1 on.
    pub version: u32,
    pub definition: Arc<Definition>,
    pub reads: Arc<Reads>,
    pub made_at: Timestamp,
    /// `None` until it holds: what it needs is being gathered.
    pub since: Option<Since>,
}

/// A segment, with all versions of its definition.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Within the store; never given again.
    pub number: u32,
    pub id: SegmentId,
    pub name: String,
    pub created_at: Timestamp,
    /// When its name or definition was last changed.
    pub changed_at: Timestamp,
    /// The oldest first; at least one.
    pub versions: Vec<SegmentVersion>,
    /// When it was deleted, and from where on it is gone.
    pub deleted: Option<(Timestamp, Option<Since>)>,
}

impl Segment {
    /// The version that was made last, whether or not it holds yet.
    #[must_use]
    pub fn newest(&self) -> Option<&SegmentVersion> {
        self.versions.last()
    }

    /// Whether something was asked of it that does not hold yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.versions.iter().any(|one| one.since.is_none())
            || self.deleted.is_some_and(|(_, since)| since.is_none())
    }

    /// The version that holds for who has come so far.
    #[must_use]
    pub fn held_at(&self, reached: Since) -> Option<&SegmentVersion> {
        let holds = |since: Option<Since>| since.is_some_and(|since| since <= reached);
        if self.deleted.is_some_and(|(_, since)| holds(since)) {
            return None;
        }
        let mut versions = self.versions.iter().rev();
        versions.find(|version| holds(version.since))
    }
}

/// The days of a workspace, from some place in the log on.
#[derive(Debug, Clone)]
pub struct ZoneVersion {
    /// IANA's name.
    pub name: String,
    pub calendar: Calendar,
    /// `None` until it holds.
    pub since: Option<Since>,
}

/// What events weigh in a workspace's scores, from some place in the log on.
#[derive(Debug, Clone)]
pub struct ScoringVersion {
    pub scoring: Scoring,
    /// `None` until it holds.
    pub since: Option<Since>,
}

/// The segments of one workspace.
#[derive(Debug, Clone, Default)]
pub struct SegmentBook {
    /// Deleted ones too.
    pub segments: BTreeMap<SegmentId, Arc<Segment>>,
    /// Time zones, the oldest first; none is UTC.
    pub zones: Vec<ZoneVersion>,
    /// Rules of scoring, the oldest first; none is the usual ones.
    pub scorings: Vec<ScoringVersion>,
}

impl SegmentBook {
    /// The segment of this id, unless it was deleted.
    #[must_use]
    pub fn get(&self, id: &SegmentId) -> Option<&Arc<Segment>> {
        let segment = self.segments.get(id);
        segment.filter(|segment| segment.deleted.is_none())
    }

    /// Those that were not deleted, in the order in which they were made.
    #[must_use]
    pub fn kept(&self) -> Vec<&Arc<Segment>> {
        let all = self.segments.values();
        let mut kept: Vec<_> = all.filter(|segment| segment.deleted.is_none()).collect();
        kept.sort_by_key(|segment| segment.number);
        kept
    }

    /// The calendar that was chosen last.
    #[must_use]
    pub fn calendar(&self) -> Calendar {
        let newest = self.zones.last();
        newest.map_or(Calendar::UTC, |zone| zone.calendar.clone())
    }

    /// The calendar that holds for who has come so far.
    #[must_use]
    pub fn calendar_at(&self, reached: Since) -> Calendar {
        let holds = |zone: &&ZoneVersion| zone.since.is_some_and(|since| since <= reached);
        let zone = self.zones.iter().rev().find(holds);
        zone.map_or(Calendar::UTC, |zone| zone.calendar.clone())
    }

    /// The rules of scoring that were chosen last.
    #[must_use]
    pub fn scoring(&self) -> Scoring {
        self.scorings
            .last()
            .map(|newest| newest.scoring)
            .unwrap_or_default()
    }

    /// The rules of scoring that hold for who has come so far.
    #[must_use]
    pub fn scoring_at(&self, reached: Since) -> Scoring {
        let holds = |one: &&ScoringVersion| one.since.is_some_and(|since| since <= reached);
        let scoring = self.scorings.iter().rev().find(holds);
        scoring.map(|one| one.scoring).unwrap_or_default()
    }

    /// Whether something was asked for that does not hold yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        let mut segments = self.segments.values();
        segments.any(|segment| segment.is_pending())
            || self.zones.iter().any(|zone| zone.since.is_none())
            || self.scorings.iter().any(|one| one.since.is_none())
    }

    /// Every place from which something holds.
    pub fn places(&self) -> impl Iterator<Item = Since> + '_ {
        let of_segment = |segment: &'_ Arc<Segment>| {
            let deleted = segment.deleted.and_then(|(_, since)| since);
            let versions: Vec<Since> = segment
                .versions
                .iter()
                .filter_map(|one| one.since)
                .collect();
            versions.into_iter().chain(deleted)
        };
        let zones = self.zones.iter().filter_map(|zone| zone.since);
        let scorings = self.scorings.iter().filter_map(|one| one.since);
        let of_settings = zones.chain(scorings);
        self.segments
            .values()
            .flat_map(of_segment)
            .chain(of_settings)
    }
}

/// The segments of every workspace that uses any. What is there is never changed: another takes its place.
#[derive(Debug, Clone, Default)]
pub struct SegmentBooks {
    pub of_workspace: BTreeMap<WorkspaceId, Arc<SegmentBook>>,
    /// Every place from which something holds.
    places: BTreeSet<Since>,
    is_pending: bool,
}

impl SegmentBooks {
    /// Of these books.
    #[must_use]
    pub fn of(of_workspace: BTreeMap<WorkspaceId, Arc<SegmentBook>>) -> Self {
        let places = of_workspace.values().flat_map(|book| book.places());
        let places = places.collect();
        let is_pending = of_workspace.values().any(|book| book.is_pending());
        Self {
            of_workspace,
            places,
            is_pending,
        }
    }

    /// The last place from which something holds; [`Since::NEVER`] of none.
    #[must_use]
    pub fn last(&self) -> Since {
        self.places.last().copied().unwrap_or(Since::NEVER)
    }

    /// Whether something was asked for that does not hold yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.is_pending
    }

    /// The first place behind this one from which something holds.
    #[must_use]
    pub fn next_behind(&self, reached: Since) -> Option<Since> {
        let mut behind = self.places.range((Excluded(reached), Unbounded));
        behind.next().copied()
    }
}
