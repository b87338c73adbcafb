//! Who is in a segment by number alone, for lists of contacts that show something else of them.

use super::MEMBERS;
use crate::record::WorkspaceId;
use crate::views::engagement::rows::key;
use crate::views::ordered::{Way, successor};
use crate::views::{ViewError, Views};

impl Views {
    /// At most `limit` members of a segment behind this one, by their numbers within the store, ascending.
    ///
    /// # Errors
    /// [`ViewError`].
    pub(in crate::views) fn member_numbers(
        &self,
        workspace: WorkspaceId,
        segment: u32,
        behind: Option<u32>,
        limit: usize,
    ) -> Result<Vec<u32>, ViewError> {
        let Some(from) = behind.map_or(Some(0), |behind| behind.checked_add(1)) else {
            return Ok(Vec::new());
        };
        self.settled_for(workspace, segment, |rows| {
            let segment = segment.to_be_bytes();
            let first = key(workspace, &[&segment, &from.to_be_bytes()]);
            let end = successor(&key(workspace, &[&segment]));
            let members = rows.tables[MEMBERS].range(&first, end.as_deref(), Way::Up)?;
            let mut numbers = Vec::new();
            for row in members.take(limit) {
                let (place, _) = row?;
                numbers.push(u32::from_be_bytes(
                    place.last_chunk().copied().unwrap_or_default(),
                ));
            }
            Ok(numbers)
        })
    }
}
