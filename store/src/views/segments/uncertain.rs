//! Of whom it cannot be said any more whether they are in, because the log had dropped what definitions ask for when
//! their workspace came to use segments.

use std::sync::Arc;
use std::time::Instant;

use shared::segment::facts::History;
use shared::segment::{Definition, Outlived};
use shared::time::Timestamp;

use super::catalogue::Catalogue;
use super::kept;
use super::people::kept_of;
use super::read::of_segments;
use super::since_of;
use crate::record::{ContactId, SegmentBook, WorkspaceId};
use crate::views::read::{engagement as of_engagement, reading, standing};
use crate::views::{ViewError, Views, engagement, terms};

/// An answer is given again for instants within so long behind its own, at the most: previews ask of the past too.
const LASTS_MS: i64 = 10 * 60 * 1000;

impl Views {
    /// From when on the facts of a workspace are whole, by arrival; `None` where they are from the start.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn segments_since(&self, workspace: WorkspaceId) -> Result<Option<Timestamp>, ViewError> {
        self.look(of_segments, |shelves| {
            since_of(&shelves.segments.rows, workspace)
        })
    }

    /// Of how many contacts it cannot be said whether they are in, at an instant; facts are whole that arrived
    /// `since` or later. Asks everybody who was there before, where the definition looks so far back; where that took
    /// long the answer is the same for a while.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn segment_uncertain(
        &self,
        workspace: WorkspaceId,
        book: &Arc<SegmentBook>,
        definition: &Definition,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<u64, ViewError> {
        let catalogue = Catalogue::newest(book);
        if catalogue.with_world(|world| definition.outlives(now, world, since)) {
            return Ok(0);
        }
        let began = Instant::now();
        let asked = (workspace, since, definition.key());
        if let Some((count, at, of)) = self.uncertain.get(&asked, began)
            && Arc::ptr_eq(&of, book)
            && (at..=at.plus_millis(LASTS_MS)).contains(&now)
        {
            return Ok(count);
        }
        let (seen, of_seen) = self.look(of_engagement, |shelves| {
            let shelf = &shelves.engagement;
            Ok((shelf.rows.clone(), standing(shelf)))
        })?;
        let (rows, of_rows, numbers) = self.look(of_segments, |shelves| {
            let contacts = shelves.terms.numbers[terms::CONTACTS].of_workspace(workspace);
            let numbers: Vec<u32> = contacts.behind(0).collect();
            let shelf = &shelves.segments;
            Ok((shelf.rows.clone(), standing(shelf), numbers))
        })?;
        let mut count = 0;
        for number in numbers {
            let seen = engagement::seen(&seen, number).map_err(reading());
            let Some(seen) = self.believed(&of_seen, seen)? else {
                continue;
            };
            // Whoever came later, as most have in the end, is asked nothing more.
            if seen.is_some_and(|(first, _)| first >= since.as_millis()) {
                continue;
            }
            let kept = kept_of(&rows, workspace, number).map_err(reading());
            let kept = self.believed(&of_rows, kept)?;
            let Some(outlived) = outlived(seen, kept.is_empty(), since) else {
                continue;
            };
            let history = History::of(kept::facts(&kept));
            let said = catalogue
                .with_world(|world| definition.holds_outlived(&history, now, world, outlived));
            count += u64::from(said.is_none());
        }
        let (found, ended) = ((count, now, Arc::clone(book)), Instant::now());
        self.uncertain
            .put(asked, found, ended, ended.duration_since(began));
        Ok(count)
    }

    /// Whether it cannot be said of this contact.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn is_segment_uncertain(
        &self,
        workspace: WorkspaceId,
        book: &SegmentBook,
        contact: ContactId,
        definition: &Definition,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<bool, ViewError> {
        let found = self.look(of_engagement, |shelves| {
            let number = shelves.terms.numbers[terms::CONTACTS].find(&contact.0);
            let Some(number) = number else {
                return Ok(None);
            };
            let seen = engagement::seen(&shelves.engagement.rows, number)?;
            Ok(seen.map(|seen| (number, seen)))
        })?;
        let Some((number, seen)) = found else {
            return Ok(false);
        };
        let kept = self.look(of_segments, |shelves| {
            kept_of(&shelves.segments.rows, workspace, number)
        })?;
        let Some(outlived) = outlived(seen, kept.is_empty(), since) else {
            return Ok(false);
        };
        let history = History::of(kept::facts(&kept));
        let said = Catalogue::newest(book)
            .with_world(|world| definition.holds_outlived(&history, now, world, outlived));
        Ok(said.is_none())
    }
}

/// What is known of a contact who may have done something before `since`; `None` of one who was not there. One who was
/// never seen, and of whom there are facts, came with the first of them.
fn outlived(
    seen: Option<(i64, i64)>,
    is_without_facts: bool,
    since: Timestamp,
) -> Option<Outlived> {
    let was_there = match seen {
        Some((first, _)) => first < since.as_millis(),
        None => is_without_facts,
    };
    let seen =
        seen.map(|(first, last)| (Timestamp::from_millis(first), Timestamp::from_millis(last)));
    was_there.then_some(Outlived { since, seen })
}
