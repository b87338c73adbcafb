//! Who is in a segment by number alone, for lists of contacts that show something else of them.

use crate::record::WorkspaceId;
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
        self.settled_for(workspace, segment, |rows, catalogues| {
            let remembered = catalogues.remembered(rows)?;
            Ok(remembered.members(workspace, segment, behind, limit))
        })
    }
}
