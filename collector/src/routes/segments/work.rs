//! From what was asked about segments to the answer, wherever it was asked. Blocks on disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use shared::ids::SegmentId;
use shared::segment::Definition;
use shared::time::Timestamp;

use super::super::read::ReadMeta;
use super::bodies::{Sent, refused};
use super::views::{
    ConditionView, MoveList, MovesOfDay, SegmentDeleted, SegmentDetails, SegmentDifference,
    SegmentExplanation, SegmentHistory, SegmentList, SegmentMember, SegmentMembers, SegmentMoves,
    SegmentOfContact, SegmentPreview, SegmentVersionView, SegmentView, SegmentsOfContact,
    Uncertain, sentence,
};
use crate::app::App;
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use crate::segment_moves::MoveView;
use store::meta::{MAX_SEGMENTS, MAX_VERSIONS, MetaError, SegmentRefusal};
use store::record::segments::Segment;
use store::record::{ContactId, SegmentBook, WorkspaceId};
use store::views::segments::{Filling, MoveKey};
use store::views::{Building, ViewError};

/// How long it is waited for what is committed, and for a definition to hold.
const PATIENCE: Duration = Duration::from_secs(2);
/// Days of which it is told how many entered and left.
const DAYS: i64 = 90;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Addresses that a difference shows of each side.
const SHOWN: usize = 10;

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
        let view = self.view(&segment)?;
        let views = &self.app.views;
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

    /// A page of members.
    pub(crate) fn members(
        &self,
        id: &str,
        behind: Option<u32>,
        limit: usize,
    ) -> Result<SegmentMembers, ApiError> {
        let segment = self.known(id)?;
        self.held(&segment)?;
        let views = &self.app.views;
        let mut found = views.segment_members(self.workspace, segment.number, behind, limit + 1)?;
        let next = (found.len() > limit).then(|| found.pop());
        let next = next.and(found.last().map(|last| last.contact.to_string()));
        let held = views.segments_held()?;
        let version = segment.held_at(held).ok_or(ApiError::Internal)?;
        let uncertain = self.uncertain(&version.definition, self.app.clock.now())?;
        Ok(SegmentMembers {
            members: found.into_iter().map(SegmentMember::of).collect(),
            uncertain: uncertain.map(|uncertain| uncertain.count),
            since: uncertain.map(|uncertain| uncertain.since.to_string()),
            next,
            meta: self.meta()?,
        })
    }

    /// The number of a segment that holds, for lists of its members.
    pub(crate) fn number(&self, id: &str) -> Result<u32, ApiError> {
        let segment = self.known(id)?;
        self.held(&segment)?;
        Ok(segment.number)
    }

    /// Why a contact is in a segment, or is not.
    pub(crate) fn explain(
        &self,
        id: &str,
        contact: Option<ContactId>,
    ) -> Result<SegmentExplanation, ApiError> {
        let segment = self.known(id)?;
        self.held(&segment)?;
        let held = self.app.views.segments_held()?;
        let version = segment.held_at(held).ok_or(ApiError::Internal)?;
        let now = self.app.clock.now();
        let explained = match contact {
            Some(contact) => {
                self.app
                    .views
                    .explain_segment(self.workspace, contact, &version.definition, now)?
            }
            None => None,
        };
        // Of whom nothing is known nothing holds.
        let (is_in, conditions) = explained.unwrap_or_default();
        let since = self.since()?;
        let is_unknown = match (contact, since) {
            (Some(contact), Some(since)) => self.app.views.is_segment_uncertain(
                self.workspace,
                &self.book(),
                contact,
                &version.definition,
                now,
                since,
            )?,
            _ => false,
        };
        Ok(SegmentExplanation {
            r#in: is_in,
            unknown: is_unknown.then_some(true),
            since: since.map(|since| since.to_string()),
            conditions: conditions.into_iter().map(ConditionView::of).collect(),
            meta: self.meta()?,
        })
    }

    /// In which segments a contact is, and in which not.
    pub(crate) fn of_contact(
        &self,
        contact: Option<ContactId>,
    ) -> Result<SegmentsOfContact, ApiError> {
        let views = &self.app.views;
        let held = views.segments_held()?;
        let inside = match contact {
            Some(contact) => views.segments_of(self.workspace, contact)?,
            None => BTreeSet::new(),
        };
        let book = self.book();
        let holds = book
            .kept()
            .into_iter()
            .filter(|one| one.held_at(held).is_some());
        let segments = holds.map(|segment| SegmentOfContact {
            id: segment.id.as_str().to_owned(),
            name: segment.name.clone(),
            r#in: inside.contains(&segment.number),
        });
        Ok(SegmentsOfContact {
            segments: segments.collect(),
            meta: self.meta()?,
        })
    }

    /// What a definition comes to.
    pub(crate) fn preview(&self, text: &str) -> Result<SegmentPreview, ApiError> {
        let mut sent = Sent::read(text, &["definition", "at", "limit"])?;
        let definition = sent.definition()?;
        let book = self.book();
        all_known(&book, &definition)?;
        self.filled()?;
        let at = sent.at.unwrap_or_else(|| self.app.clock.now());
        let views = &self.app.views;
        let preview = views.preview_segment(self.workspace, &book, &definition, at, sent.limit)?;
        let sentence = sentence(&book, &definition);
        let uncertain = self.uncertain(&definition, at)?;
        Ok(SegmentPreview::of(
            preview,
            uncertain,
            sentence,
            self.meta()?,
        ))
    }

    /// Who would move under another definition.
    pub(crate) fn diff(&self, id: &str, text: &str) -> Result<SegmentDifference, ApiError> {
        let mut sent = Sent::read(text, &["definition"])?;
        let definition = sent.definition()?;
        let (segment, book) = (self.known(id)?, self.book());
        let newest = |id: &SegmentId| Some(&*book.get(id)?.newest()?.definition);
        all_known(&book, &definition)?;
        if let Some(way) = definition.circle(&segment.id, &newest) {
            return Err(circle(&way));
        }
        self.held(&segment)?;
        let now = self.app.clock.now();
        let difference = self.app.views.diff_segment(
            self.workspace,
            &book,
            segment.number,
            &definition,
            now,
            SHOWN,
        )?;
        let shown = |list: Vec<Option<String>>| list.into_iter().flatten().collect();
        Ok(SegmentDifference {
            enter: difference.enter,
            leave: difference.leave,
            entering: shown(difference.entering),
            leaving: shown(difference.leaving),
            sentence: sentence(&book, &definition),
            meta: self.meta()?,
        })
    }

    /// The moves behind a place.
    pub(crate) fn moves(&self, after: Option<MoveKey>, limit: usize) -> Result<MoveList, ApiError> {
        let after = after.unwrap_or_default();
        let moves = self.app.views.segment_moves(self.workspace, after, limit)?;
        let next = moves.last().map_or(after, |last| last.of.key);
        Ok(MoveList {
            moves: moves.into_iter().map(MoveView::of).collect(),
            next: next.to_string(),
            meta: self.meta()?,
        })
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
        let uncertain = match segment.held_at(held) {
            Some(version) => self.uncertain(&version.definition, self.app.clock.now())?,
            None => None,
        };
        Ok(SegmentView::of(
            &self.book(),
            segment,
            newest,
            progress,
            standing,
            uncertain,
        ))
    }

    /// From when on everything is known that definitions ask for; `None` where that is so from the start.
    fn since(&self) -> Result<Option<Timestamp>, ApiError> {
        Ok(self.app.views.segments_since(self.workspace)?)
    }

    /// What retention has left open of a definition; `None` where nothing was thrown away.
    fn uncertain(
        &self,
        definition: &Definition,
        at: Timestamp,
    ) -> Result<Option<Uncertain>, ApiError> {
        let Some(since) = self.since()? else {
            return Ok(None);
        };
        let (views, book) = (&self.app.views, self.book());
        let count = views.segment_uncertain(self.workspace, &book, definition, at, since)?;
        Ok(Some(Uncertain { count, since }))
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

    /// Whether all facts of the workspace are there.
    fn filled(&self) -> Result<(), ApiError> {
        match self.app.views.segments_filling(self.workspace)? {
            None => Ok(()),
            Some(filling) => Err(ViewError::Building(building_of(filling)).into()),
        }
    }

    /// What came of a change.
    fn taken<T>(
        &self,
        changed: Result<Result<T, SegmentRefusal>, MetaError>,
    ) -> Result<T, ApiError> {
        let changed = changed.map_err(not_kept)?;
        self.app.projector.nudge();
        changed.map_err(|refusal| match refusal {
            SegmentRefusal::Unknown => unknown(),
            SegmentRefusal::TooMany => too_many(format!(
                "the workspace has {MAX_SEGMENTS} segments, which is all that it may have: delete some"
            )),
            SegmentRefusal::TooManyVersions => too_many(format!(
                "the definition was changed {MAX_VERSIONS} times, and all are kept: duplicate the segment"
            )),
            SegmentRefusal::UnknownReference(id) => unknown_reference(&id),
            SegmentRefusal::Circle(way) => circle(&way),
            SegmentRefusal::AskedFor(by) => {
                let names: Vec<&str> = by.iter().map(SegmentId::as_str).collect();
                let message = format!(
                    "other segments ask for this one: change or delete {} before",
                    names.join(", ")
                );
                Refusal::new(StatusCode::CONFLICT, "segment_in_use", message).into()
            }
        })
    }
}

fn not_kept(error: MetaError) -> ApiError {
    tracing::error!(%error, "what was asked of segments could not be kept");
    ApiError::StorageFailing
}

fn building_of(filling: Filling) -> Building {
    Building {
        done: filling.done,
        total: filling.total,
    }
}

fn unknown() -> ApiError {
    let message = "there is no such segment: GET /v1/segments lists them";
    Refusal::new(StatusCode::NOT_FOUND, "unknown_segment", message).into()
}

fn too_many(message: String) -> ApiError {
    Refusal::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "too_many_segments",
        message,
    )
    .into()
}

fn unknown_reference(id: &SegmentId) -> ApiError {
    let message = format!(
        "There is no segment {}: send the `id` of one, as GET /v1/segments tells it",
        shown(id)
    );
    refused("segment", message)
}

/// Whether there is every segment that a definition asks for.
fn all_known(book: &SegmentBook, definition: &Definition) -> Result<(), ApiError> {
    let asked = definition.references().into_iter();
    let mut unknown = asked.filter(|id| book.get(id).is_none());
    match unknown.next() {
        Some(id) => Err(unknown_reference(id)),
        None => Ok(()),
    }
}

fn circle(way: &[SegmentId]) -> ApiError {
    let way: Vec<String> = way.iter().map(shown).collect();
    let message = format!(
        "A segment cannot ask for itself, and this one would: {}",
        way.join(" → ")
    );
    refused("segment", message)
}

/// An id as it may be repeated: one of ours, or nothing of it.
fn shown(id: &SegmentId) -> String {
    let is_ours = id
        .as_str()
        .strip_prefix("seg_")
        .is_some_and(|rest| rest.len() == 20 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match is_ours {
        true => id.as_str().to_owned(),
        false => "of this id".to_owned(),
    }
}
