//! Who is in a segment, why, who moved, and who would be in under another definition.

use std::collections::BTreeSet;

use shared::ids::SegmentId;

use super::super::super::query::invalid;
use super::super::bodies::Sent;
use super::super::refusals::{all_known, circle};
use super::super::views::{
    ConditionView, MoveList, SegmentDifference, SegmentExplanation, SegmentMember, SegmentMembers,
    SegmentOfContact, SegmentPreview, SegmentsOfContact, sentence,
};
use super::{Segments, building_of};
use crate::error::ApiError;
use crate::seal::Seal;
use crate::segment_moves::MoveView;
use store::record::ContactId;
use store::views::ViewError;

/// Addresses that a difference shows of each side.
const SHOWN: usize = 10;

impl Segments<'_> {
    /// A page of members.
    pub(crate) fn members(
        &self,
        id: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<SegmentMembers, ApiError> {
        let segment = self.known(id)?;
        self.held(&segment)?;
        let seal = self.seal()?;
        let place = |text| seal.member_of(text).ok_or_else(|| bad_cursor("cursor"));
        let behind = cursor.map(place).transpose()?;
        let views = &self.app.views;
        let mut found = views.segment_members(self.workspace, segment.number, behind, limit + 1)?;
        let next = (found.len() > limit).then(|| found.pop());
        let next = next.and(found.last().map(|last| seal.of_member(last.contact)));
        let held = views.segments_held()?;
        let version = segment.held_at(held).ok_or(ApiError::Internal)?;
        let since = self.since()?;
        // It takes asking all of them, and is the same on every page.
        let asked = since.filter(|_| behind.is_none());
        let count = |since| self.uncertain(&version.definition, self.app.clock.now(), since);
        Ok(SegmentMembers {
            members: found.into_iter().map(SegmentMember::of).collect(),
            uncertain: asked.map(count).transpose()?,
            since: since.map(|since| since.to_string()),
            next,
            meta: self.meta()?,
        })
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
        let since = self.since()?;
        let count = |since| self.uncertain(&definition, at, since);
        let uncertain = since.map(count).transpose()?;
        Ok(SegmentPreview::of(
            preview,
            uncertain.unwrap_or(0),
            since,
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
    pub(crate) fn moves(&self, after: Option<&str>, limit: usize) -> Result<MoveList, ApiError> {
        let seal = self.seal()?;
        let place = |text| seal.move_of(text).ok_or_else(|| bad_cursor("after"));
        let after = after.map(place).transpose()?.unwrap_or_default();
        let moves = self.app.views.segment_moves(self.workspace, after, limit)?;
        let next = moves.last().map_or(after, |last| last.of.key);
        Ok(MoveList {
            moves: moves.into_iter().map(MoveView::of).collect(),
            next: seal.of_move(next),
            meta: self.meta()?,
        })
    }

    /// Whether all facts of the workspace are there.
    fn filled(&self) -> Result<(), ApiError> {
        match self.app.views.segments_filling(self.workspace)? {
            None => Ok(()),
            Some(filling) => Err(ViewError::Building(building_of(filling)).into()),
        }
    }

    fn seal(&self) -> Result<Seal, ApiError> {
        Seal::of(&self.app.meta, self.workspace).ok_or(ApiError::Internal)
    }
}

fn bad_cursor(name: &'static str) -> ApiError {
    invalid(name, "send the `next` of the page before as it was")
}
