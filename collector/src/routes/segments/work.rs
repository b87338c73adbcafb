//! From what was asked about segments to the answer, wherever it was asked. Blocks on disk.
//!
//! - `asked`: who is in, why, who moved, and what other definitions come to

mod asked;

use std::sync::Arc;
use std::time::Duration;

use shared::ids::SegmentId;
use shared::segment::Definition;
use shared::time::Timestamp;

use super::super::read::ReadMeta;
use super::bodies::Sent;
use super::refusals::{not_kept, of_change, unknown};
use super::views::{
    MovesOfDay, SegmentDeleted, SegmentDetails, SegmentHistory, SegmentList, SegmentMoves,
    SegmentVersionView, SegmentView,
};
use crate::app::App;
use crate::error::ApiError;
use store::meta::{MetaError, SegmentRefusal};
use store::record::segments::Segment;
use store::record::{SegmentBook, WorkspaceId};
use store::views::Building;
use store::views::segments::Filling;

/// How long it is waited for what is committed, and for a definition to hold.
const PATIENCE: Duration = Duration::from_secs(2);
/// Days of which it is told how many entered and left.
const DAYS: i64 = 90;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Who asks about segments, and where.
pub(crate) struct Segments<'a> {
    pub(crate) app: &'a App,
    pub(crate) workspace: WorkspaceId,
}

impl Segments<'_> {
    /// Waits until what is committed is reflected, for a moment until what was before segments were used is, and until
    /// everything that is due by now has happened.
    ///
    /// # Errors
    /// 503.
    pub(crate) async fn prepared(&self) -> Result<(), ApiError> {
        let (projector, workspace) = (&self.app.projector, self.workspace);
        let meta = Arc::clone(&self.app.meta);
        // It waits for the disk, the first time.
        let using = tokio::task::spawn_blocking(move || meta.use_segments(workspace)).await;
        using.map_err(|_| ApiError::Internal)?.map_err(not_kept)?;
        let committed = *self.app.log.committed().borrow();
        let reached = projector.wait_for(committed, PATIENCE).await;
        reached.map_err(|_| ApiError::ViewBehind)?;
        // Whether they are whole is said by who reads them.
        projector.wait_until_filled(workspace, PATIENCE).await;
        Ok(projector.reach_now().await?)
    }

    /// Waits a moment until what was asked for holds.
    pub(crate) async fn held_soon(&self) {
        self.app.projector.wait_until_held(PATIENCE).await;
    }

    /// Makes a segment of what was sent.
    pub(crate) fn create(&self, text: &str) -> Result<SegmentView, ApiError> {
        let mut sent = Sent::read(text, &["name", "definition"])?;
        let (name, definition) = (sent.name()?, sent.definition()?);
        self.made(&name, definition)
    }

    fn made(&self, name: &str, definition: Definition) -> Result<SegmentView, ApiError> {
        let meta = &self.app.meta;
        let made = meta.create_segment(self.workspace, name, definition);
        self.view(&*self.taken(made)?)
    }

    /// Changes a segment.
    pub(crate) fn change(&self, id: &str, text: &str) -> Result<SegmentView, ApiError> {
        let sent = Sent::read(text, &["name", "definition"])?;
        let id = self.known(id)?.id.clone();
        let (meta, name) = (&self.app.meta, sent.name.as_deref());
        let changed = meta.change_segment(self.workspace, &id, name, sent.definition);
        let segment = self.taken(changed)?;
        self.view(&segment)
    }

    /// Makes a segment of the definition of another.
    pub(crate) fn duplicate(&self, id: &str, text: &str) -> Result<SegmentView, ApiError> {
        let sent = Sent::read(text, &["name"])?;
        let known = self.known(id)?;
        let name = sent.name.unwrap_or_else(|| {
            let name: String = known.name.chars().take(192).collect();
            format!("Copy of {name}")
        });
        let newest = known.newest().ok_or(ApiError::Internal)?;
        self.made(&name, Definition::clone(&newest.definition))
    }

    /// Deletes a segment.
    pub(crate) fn delete(&self, id: &str) -> Result<SegmentDeleted, ApiError> {
        let id = self.known(id)?.id.clone();
        self.taken(self.app.meta.delete_segment(self.workspace, &id))?;
        self.app.projector.nudge();
        Ok(SegmentDeleted { success: true })
    }

    /// A page of the segments, behind the one with this number.
    pub(crate) fn list(&self, behind: u32, limit: usize) -> Result<SegmentList, ApiError> {
        let book = self.book();
        let kept = book.kept();
        let rest = kept.iter().filter(|segment| segment.number > behind);
        let mut page: Vec<_> = rest.take(limit + 1).collect();
        let next = (page.len() > limit).then(|| page.pop());
        let next = next.and(page.last().map(|last| last.number.to_string()));
        let views = page.into_iter().map(|segment| self.view(segment));
        Ok(SegmentList {
            segments: views.collect::<Result<_, _>>()?,
            next,
            meta: self.meta()?,
        })
    }

    /// A segment with its moves.
    pub(crate) fn show(&self, id: &str) -> Result<SegmentDetails, ApiError> {
        let segment = self.known(id)?;
        let mut view = self.view(&segment)?;
        let views = &self.app.views;
        if let (Some(since), Some(version)) =
            (self.since()?, segment.held_at(views.segments_held()?))
        {
            let count = self.uncertain(&version.definition, self.app.clock.now(), since)?;
            view.uncertain = Some(count);
        }
        let standing = views.segment_standing(self.workspace, segment.number)?;
        let since = self.app.clock.now().as_millis().div_euclid(DAY_MS) - DAYS;
        let days = views.segment_days(self.workspace, segment.number, since)?;
        let day = |(day, entered, left): (i64, u64, u64)| {
            let start = shared::time::Timestamp::from_millis(day * DAY_MS).to_string();
            MovesOfDay {
                day: start.chars().take(10).collect(),
                entered,
                left,
            }
        };
        Ok(SegmentDetails {
            segment: view,
            moves: SegmentMoves {
                entered: standing.entered,
                left: standing.left,
                days: days.into_iter().map(day).collect(),
            },
            meta: self.meta()?,
        })
    }

    /// The versions of a definition.
    pub(crate) fn history(&self, id: &str) -> Result<SegmentHistory, ApiError> {
        let (segment, book) = (self.known(id)?, self.book());
        let versions = segment.versions.iter().rev();
        Ok(SegmentHistory {
            versions: versions
                .map(|version| SegmentVersionView::of(&book, version))
                .collect(),
        })
    }

    /// The number of a segment that holds, for lists of its members.
    pub(crate) fn number(&self, id: &str) -> Result<u32, ApiError> {
        let segment = self.known(id)?;
        self.held(&segment)?;
        Ok(segment.number)
    }

    fn book(&self) -> Arc<SegmentBook> {
        self.app.meta.segment_book(self.workspace)
    }

    fn meta(&self) -> Result<ReadMeta, ApiError> {
        ReadMeta::of(self.app)
    }

    /// The segment of this id.
    fn known(&self, id: &str) -> Result<Arc<Segment>, ApiError> {
        let id = SegmentId::parse(id).map_err(|_| unknown())?;
        self.book().get(&id).cloned().ok_or_else(unknown)
    }

    fn view(&self, segment: &Segment) -> Result<SegmentView, ApiError> {
        let newest = segment.newest().ok_or(ApiError::Internal)?;
        let held = self.app.views.segments_held()?;
        let progress = match newest.since {
            Some(since) if since <= held => None,
            _ => Some(self.building()?.percent()),
        };
        let standing = match segment.held_at(held) {
            Some(_) => Some(
                self.app
                    .views
                    .segment_standing(self.workspace, segment.number)?,
            ),
            None => None,
        };
        let since = match standing {
            Some(_) => self.since()?,
            None => None,
        };
        Ok(SegmentView::of(
            &self.book(),
            segment,
            newest,
            progress,
            standing,
            since,
        ))
    }

    /// From when on everything is known that definitions ask for; `None` where that is so from the start.
    fn since(&self) -> Result<Option<Timestamp>, ApiError> {
        Ok(self.app.views.segments_since(self.workspace)?)
    }

    /// Of how many contacts it cannot be said any more whether they are in. Asks all who were there before.
    fn uncertain(
        &self,
        definition: &Definition,
        at: Timestamp,
        since: Timestamp,
    ) -> Result<u64, ApiError> {
        let (views, book) = (&self.app.views, self.book());
        Ok(views.segment_uncertain(self.workspace, &book, definition, at, since)?)
    }

    /// Whether any version of a segment holds: until then nothing is told of who is in.
    fn held(&self, segment: &Segment) -> Result<(), ApiError> {
        let held = self.app.views.segments_held()?;
        if segment.held_at(held).is_some() {
            return Ok(());
        }
        Err(ApiError::ViewBuilding(self.building()?))
    }

    /// How far what a definition asks for has been gathered.
    fn building(&self) -> Result<Building, ApiError> {
        // Once it has, all that is left is to ask everybody once.
        const ALL_BUT_ASKED: Building = Building {
            done: 99,
            total: 100,
        };
        let filling = self.app.views.segments_filling(self.workspace)?;
        Ok(filling.map_or(ALL_BUT_ASKED, building_of))
    }

    /// What came of a change.
    fn taken<T>(
        &self,
        changed: Result<Result<T, SegmentRefusal>, MetaError>,
    ) -> Result<T, ApiError> {
        let changed = changed.map_err(not_kept)?;
        self.app.projector.nudge();
        changed.map_err(of_change)
    }
}

fn building_of(filling: Filling) -> Building {
    Building {
        done: filling.done,
        total: filling.total,
    }
}
