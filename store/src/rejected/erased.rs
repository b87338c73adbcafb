//! What a workspace has of rejected events about somebody who is erased: it goes, from memory and from the
//! file.

use std::ops::Bound;

use redb::{ReadableDatabase as _, ReadableTable as _};

use super::tables::{ABOUT, BY_ID, COUNTS, Holder, REJECTED, spelling};
use super::{Rejected, RejectedStore};
use crate::locks::lock;
use crate::record::WorkspaceId;
use crate::record::identity::Sender;
use crate::snapshot;

impl RejectedStore {
    /// Forgets those of a workspace that are `theirs`; returns how many were on disk. Whoever keeps others goes on
    /// meanwhile: rows are read beside them, and go some at a time. Blocks on disk.
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
        let mut gone = 0;
        for sender in Sender::ALL {
            let holder = Holder { workspace, sender };
            let mut behind = None;
            loop {
                let slice = self.slice(holder, behind.as_deref(), theirs)?;
                gone += self.forget(holder, &slice.doomed)?;
                match slice.last {
                    Some(last) => behind = Some(last),
                    None => break,
                }
            }
        }
        // Pages that are free hold them still, and those that went before.
        self.shared.ask_for_renewal()?;
        Ok(gone)
    }

    /// Looks through the next rows of one holder, behind this place.
    fn slice(
        &self,
        holder: Holder,
        behind: Option<&[u8]>,
        theirs: &dyn Fn(&Rejected) -> bool,
    ) -> Result<Slice, redb::Error> {
        let prefix = holder.prefix();
        let mut slice = Slice::default();
        let database = self.shared.database();
        let snapshot = database.begin_read()?;
        let table = snapshot.open_table(REJECTED)?;
        let first = match behind {
            Some(place) => Bound::Excluded(place),
            None => Bound::Included(prefix.as_slice()),
        };
        let mut bytes = 0;
        for row in table.range::<&[u8]>((first, Bound::Unbounded))? {
            let (place, value) = row?;
            if !place.value().starts_with(&prefix) {
                return Ok(slice);
            }
            // A row that nobody can read may be anybody's.
            let rejected = serde_json::from_slice::<Rejected>(value.value()).ok();
            if rejected.as_ref().is_none_or(theirs) {
                let id = rejected.map(|rejected| holder.key(&spelling(&rejected.id)));
                slice.doomed.push((place.value().to_vec(), id));
            }
            bytes += value.value().len();
            if bytes >= SLICE {
                slice.last = Some(place.value().to_vec());
                return Ok(slice);
            }
        }
        Ok(slice)
    }

    fn forget(&self, holder: Holder, doomed: &[Doomed]) -> Result<u64, redb::Error> {
        if doomed.is_empty() {
            return Ok(0);
        }
        let prefix = holder.prefix();
        let mut writes = lock(&self.shared.flushing);
        *writes += 1;
        let database = self.shared.database();
        let transaction = database.begin_write()?;
        let mut gone = 0;
        {
            let mut table = transaction.open_table(REJECTED)?;
            let mut places = transaction.open_table(BY_ID)?;
            let mut counts = transaction.open_table(COUNTS)?;
            for (place, id) in doomed {
                // It may have gone since: they are kept for a while, and so many.
                gone += u64::from(table.remove(place.as_slice())?.is_some());
                let Some(id) = id else { continue };
                let is_newest = places
                    .get(id.as_slice())?
                    .is_some_and(|newest| newest.value() == place);
                if is_newest {
                    places.remove(id.as_slice())?;
                }
            }
            let before = counts
                .get(prefix.as_slice())?
                .map_or(0, |count| count.value());
            counts.insert(prefix.as_slice(), before.saturating_sub(gone))?;
        }
        snapshot::set_stale(&transaction, ABOUT)?;
        transaction.commit()?;
        Ok(gone)
    }
}

/// Rows that are looked through in one go, in bytes; few where this tests itself.
const SLICE: usize = if cfg!(test) { 300 } else { 4 * 1024 * 1024 };

/// A place, and the key of its id where its row can be read.
type Doomed = (Vec<u8>, Option<Vec<u8>>);

/// What a look at some rows came to.
#[derive(Default)]
struct Slice {
    doomed: Vec<Doomed>,
    /// The last place that was looked at; `None` where none is behind it.
    last: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Instant;

    use super::super::FILE;
    use super::super::tests::{open, rejected};
    use super::*;
    use crate::clock::{Clock as _, FixedClock};
    use crate::record::Personal;
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

    /// That the file is to be written anew was known in memory alone: a crash before that left the person in pages
    /// that are free, for ever.
    #[test]
    fn what_was_erased_is_in_no_page_of_the_file_also_after_a_crash() {
        let (folder, image) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(1 << 42)));
        let store = open(folder.path(), &clock);
        let now = clock.now().as_millis();
        let hers = Rejected {
            body: Some(Personal("ada@person.example".into())),
            ..rejected("a", now)
        };
        store.keep(hers);
        store.keep(rejected("b", now));
        // It was just written anew, so that this waits for company.
        lock(&store.shared.state).renewed_at = Some(Instant::now());
        let is_a = |one: &Rejected| one.id == "a";
        assert_eq!(store.erase(WorkspaceId(1), &is_a).unwrap(), 1);
        std::fs::copy(folder.path().join(FILE), image.path().join(FILE)).unwrap();
        let holds_her = |folder: &Path| {
            let bytes = std::fs::read(folder.join(FILE)).unwrap();
            bytes.windows(10).any(|part| part == b"ada@person")
        };
        assert!(holds_her(image.path()));
        for (store, folder) in [
            (open(image.path(), &clock), image.path()),
            (store, folder.path()),
        ] {
            store.close();
            assert!(!holds_her(folder));
            let found = store.find(WorkspaceId(1), Sender::Server, "b");
            assert!(found.unwrap().is_some());
        }
    }

    #[test]
    fn others_are_kept_while_rows_are_looked_through() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(1 << 42)));
        let store = open(folder.path(), &clock);
        let now = clock.now().as_millis();
        for id in ["a", "b", "c"] {
            store.keep(rejected(id, now));
        }
        let looks = Cell::new(0);
        let gone = store.erase(WorkspaceId(1), &|one| {
            looks.set(looks.get() + 1);
            // The first three are those in memory; by now it is the file that is read.
            if looks.get() == 4 {
                store.keep(rejected("d", now));
                store.shared.flush().unwrap();
            }
            one.id == "c"
        });
        assert_eq!(gone.unwrap(), 1);
        for (id, is_there) in [("a", true), ("b", true), ("c", false), ("d", true)] {
            let found = store.find(WorkspaceId(1), Sender::Server, id).unwrap();
            assert_eq!(found.is_some(), is_there, "{id}");
        }
    }
}
