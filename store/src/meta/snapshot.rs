//! A consistent copy of the meta store, for a backup. Sessions stay out of it: a restore ends them.

use std::path::Path;

use super::file::{KEYS, LAST_USED, NUMBERS, WORKSPACES};
use super::{
    Meta, MetaError, erasures, former, lineage, segments, session, storage, stretches, token_key,
};
use crate::lineage::StoreState;
use crate::snapshot;

impl Meta {
    /// Writes all of it but the sessions into a new file, marked as one of a backup.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn snapshot(&self, to: &Path) -> Result<(), MetaError> {
        let database = self.lock_database();
        let Some(open) = &*database else {
            return Err(storage(&self.path, "copying it", &"it is not open"));
        };
        snapshot::take(open, to, |copy| {
            copy.table(WORKSPACES)?;
            copy.table(KEYS)?;
            copy.table(LAST_USED)?;
            copy.table(NUMBERS)?;
            copy.table(token_key::TOKEN_KEYS)?;
            copy.table(lineage::NOTES)?;
            copy.table(former::FORMER)?;
            copy.table(erasures::ERASURES)?;
            copy.table(segments::SEGMENTS)?;
            copy.table(segments::ZONES)?;
            copy.table(segments::SCORINGS)?;
            copy.table(stretches::STRETCHES)?;
            copy.leave_out(session::SESSIONS);
            copy.insert(NUMBERS, lineage::STATE, StoreState::Backup as u64)
        })
        .map_err(|error| storage(&self.path, "copying it", &error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redb::{Database, ReadableDatabase as _, ReadableTableMetadata as _};
    use shared::segment::Definition;

    use super::*;
    use crate::clock::SystemClock;
    use crate::record::{Scoring, WorkspaceId};

    #[test]
    fn a_backup_holds_the_definitions_of_segments() {
        let folder = tempfile::tempdir().unwrap();
        let meta = Meta::open(folder.path(), Arc::new(SystemClock)).unwrap();
        meta.use_segments(WorkspaceId(1)).unwrap();
        let definition = Definition::parse(r#"{"event":"a"}"#).unwrap();
        let made = meta.create_segment(WorkspaceId(1), "A", definition);
        made.unwrap().unwrap();
        let scoring = Scoring {
            half_life_days: 7,
            ..Scoring::USUAL
        };
        meta.set_scoring(WorkspaceId(1), scoring).unwrap();
        let to = folder.path().join("copy");
        meta.snapshot(&to).unwrap();
        let copy = Database::open(&to).unwrap();
        let copy = copy.begin_read().unwrap();
        let kept = copy.open_table(segments::SEGMENTS).unwrap();
        assert_eq!(kept.len().unwrap(), 1);
        let scorings = copy.open_table(segments::SCORINGS).unwrap();
        assert_eq!(scorings.len().unwrap(), 1);
    }
}
