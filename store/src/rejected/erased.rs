//! What a workspace has of rejected events about somebody who is erased: it goes, from memory and from the
//! file.

use redb::ReadableTable as _;

use super::tables::{BY_ID, COUNTS, Holder, REJECTED, spelling};
use super::{Rejected, RejectedStore};
use crate::locks::lock;
use crate::record::WorkspaceId;
use crate::record::identity::Sender;

impl RejectedStore {
    /// Forgets those of a workspace that are `theirs`; returns how many were on disk. Blocks on disk.
    ///
    /// # Errors
    /// When the file cannot be read or written; some may be gone then.
    pub fn erase(
        &self,
        workspace: WorkspaceId,
        theirs: &dyn Fn(&Rejected) -> bool,
    ) -> Result<u64, redb::Error> {
        // What waits comes to the disk first, so that one look finds everything.
        self.shared.flush()?;
        self.recent.erase(workspace, theirs);
        let _one = lock(&self.shared.flushing);
        let transaction = self.shared.database.begin_write()?;
        let mut gone = 0;
        {
            let mut table = transaction.open_table(REJECTED)?;
            let mut places = transaction.open_table(BY_ID)?;
            let mut counts = transaction.open_table(COUNTS)?;
            for sender in Sender::ALL {
                let holder = Holder { workspace, sender };
                let prefix = holder.prefix();
                let mut doomed = Vec::new();
                for row in table.range(prefix.as_slice()..)? {
                    let (place, value) = row?;
                    if !place.value().starts_with(&prefix) {
                        break;
                    }
                    // A row that nobody can read may be anybody's.
                    let rejected = serde_json::from_slice::<Rejected>(value.value()).ok();
                    if rejected.as_ref().is_none_or(theirs) {
                        doomed.push((place.value().to_vec(), rejected));
                    }
                }
                for (place, rejected) in &doomed {
                    table.remove(place.as_slice())?;
                    let Some(rejected) = rejected else { continue };
                    let id = holder.key(&spelling(&rejected.id));
                    let is_newest = places
                        .get(id.as_slice())?
                        .is_some_and(|newest| newest.value() == place);
                    if is_newest {
                        places.remove(id.as_slice())?;
                    }
                }
                if !doomed.is_empty() {
                    let before = counts
                        .get(prefix.as_slice())?
                        .map_or(0, |count| count.value());
                    let left = before.saturating_sub(doomed.len() as u64);
                    counts.insert(prefix.as_slice(), left)?;
                }
                gone += doomed.len() as u64;
            }
        }
        transaction.commit()?;
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::{open, rejected};
    use super::*;
    use crate::clock::{Clock as _, FixedClock};
    use shared::time::Timestamp;

    #[test]
    fn what_is_erased_is_found_no_more_and_the_others_are() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(1 << 42)));
        let store = open(folder.path(), &clock);
        let now = clock.now().as_millis();
        for id in ["a", "b", "c"] {
            store.keep(rejected(id, now));
        }
        let other = Rejected {
            workspace: WorkspaceId(2),
            ..rejected("b", now)
        };
        store.keep(other);
        let is_b = |rejected: &Rejected| rejected.id == "b";
        assert_eq!(store.erase(WorkspaceId(1), &is_b).unwrap(), 1);
        assert_eq!(store.erase(WorkspaceId(1), &is_b).unwrap(), 0);
        let found = |workspace, id: &str| {
            let found = store.find(WorkspaceId(workspace), Sender::Server, id);
            found.unwrap().is_some()
        };
        assert!(found(1, "a") && !found(1, "b") && found(1, "c") && found(2, "b"));
        let newest = store.recent.newest(WorkspaceId(1), 10);
        let newest: Vec<_> = newest.iter().map(|(_, one)| one.id.as_str()).collect();
        assert_eq!(newest, ["a", "c"]);
    }
}
