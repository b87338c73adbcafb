//! Of whom it cannot be said any more whether they are in, because the log had dropped what definitions ask for when
//! their workspace came to use segments.

use shared::segment::facts::History;
use shared::segment::{Definition, Outlived};
use shared::time::Timestamp;

use super::catalogue::Catalogue;
use super::kept;
use super::people::kept_of;
use super::read::of_segments;
use super::since_of;
use crate::record::{ContactId, SegmentBook, WorkspaceId};
use crate::views::{Shelves, ViewError, Views, engagement, terms};

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
    /// `since` or later. Asks everybody who was there before.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn segment_uncertain(
        &self,
        workspace: WorkspaceId,
        book: &SegmentBook,
        definition: &Definition,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<u64, ViewError> {
        let (rows, seen, numbers) = self.look(of_segments, |shelves| {
            let contacts = shelves.terms.numbers[terms::CONTACTS].of_workspace(workspace);
            let numbers: Vec<u32> = contacts.behind(0).collect();
            let seen = shelves.engagement.rows.clone();
            Ok((shelves.segments.rows.clone(), seen, numbers))
        })?;
        let catalogue = Catalogue::newest(book);
        let ask = || -> Result<u64, redb::Error> {
            let mut count = 0;
            for number in numbers {
                let Some(seen) = engagement::seen(&seen, number)? else {
                    continue;
                };
                let kept = kept_of(&rows, workspace, number)?;
                let Some(outlived) = outlived(seen, kept.is_empty(), since) else {
                    continue;
                };
                let history = History::of(kept::facts(&kept));
                let said = catalogue
                    .with_world(|world| definition.holds_outlived(&history, now, world, outlived));
                count += u64::from(said.is_none());
            }
            Ok(count)
        };
        ask().map_err(ViewError::while_doing("reading"))
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
        let found = self.look(of_segments, |shelves: &Shelves| {
            let number = shelves.terms.numbers[terms::CONTACTS].find(&contact.0);
            let Some(number) = number else {
                return Ok(None);
            };
            let seen = engagement::seen(&shelves.engagement.rows, number)?;
            let kept = kept_of(&shelves.segments.rows, workspace, number)?;
            Ok(seen.map(|seen| (seen, kept)))
        })?;
        let Some((seen, kept)) = found else {
            return Ok(false);
        };
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
