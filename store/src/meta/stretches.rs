//! What browsers did for contacts that were erased: of each browser the pseudonym that its anonymousId gives, with the
//! times between which it was theirs. What comes late of such a time names no address, and is redacted as it is recorded
//! all the same; about 60 bytes each in memory.

use std::collections::HashMap;
use std::path::Path;

use redb::{ReadableDatabase, ReadableTable as _, TableDefinition};
use shared::time::Timestamp;

use super::{Meta, MetaError, guarded};
use crate::files::database::table;
use crate::locks::{read, write};
use crate::part::part;
use crate::record::{ErasedStretch, WorkspaceId};

/// Key: workspace (u32, big-endian), browser (16 bytes), from (i64 milliseconds since 1970, little-endian). Value: until
/// and when the contact was erased (i64 each, likewise).
pub(super) const STRETCHES: TableDefinition<'_, &[u8; 28], &[u8; 16]> =
    TableDefinition::new("erased_stretches_v1");

/// All of them, by browser, each in the order of `from`.
#[derive(Default)]
pub(super) struct Stretches(HashMap<(WorkspaceId, [u8; 16]), Vec<ErasedStretch>>);

impl Stretches {
    fn add(&mut self, stretch: ErasedStretch) {
        let of_browser = self.0.entry((stretch.workspace, stretch.browser));
        let known = of_browser.or_default();
        match known.binary_search_by_key(&stretch.from, |one| one.from) {
            Ok(at) => known[at] = stretch,
            Err(at) => known.insert(at, stretch),
        }
    }
}

impl Meta {
    /// Remembers them, durably; of one browser from one time on the last counts.
    pub(super) fn keep_stretches(&self, stretches: &[ErasedStretch]) -> Result<(), MetaError> {
        let mut database = self.lock_database();
        let doing = "keeping what browsers did for who was erased";
        self.write(&mut database, doing, |transaction| {
            let mut table = transaction.open_table(STRETCHES)?;
            for stretch in stretches {
                let (key, value) = row(stretch);
                table.insert(&key, &value)?;
            }
            Ok(())
        })?;
        let mut known = write(&self.stretches);
        stretches.iter().for_each(|stretch| known.add(*stretch));
        Ok(())
    }

    /// Whether a browser was somebody's at this time who was erased since.
    pub(super) fn is_in_stretch(
        &self,
        workspace: WorkspaceId,
        browser: [u8; 16],
        time: Timestamp,
    ) -> bool {
        let known = read(&self.stretches);
        let of_browser = known.0.get(&(workspace, browser));
        let at = time.as_millis();
        of_browser
            .into_iter()
            .flatten()
            .any(|stretch| (stretch.from..stretch.until).contains(&at) && time <= stretch.erased_at)
    }
}

fn row(stretch: &ErasedStretch) -> ([u8; 28], [u8; 16]) {
    let (mut key, mut value) = ([0; 28], [0; 16]);
    key[..4].copy_from_slice(&stretch.workspace.0.to_be_bytes());
    key[4..20].copy_from_slice(&stretch.browser);
    key[20..].copy_from_slice(&stretch.from.to_le_bytes());
    value[..8].copy_from_slice(&stretch.until.to_le_bytes());
    value[8..].copy_from_slice(&stretch.erased_at.as_millis().to_le_bytes());
    (key, value)
}

fn stretch_of(key: &[u8; 28], value: &[u8; 16]) -> ErasedStretch {
    ErasedStretch {
        workspace: WorkspaceId(u32::from_be_bytes(part(key, 0))),
        browser: part(key, 4),
        from: i64::from_le_bytes(part(key, 20)),
        until: i64::from_le_bytes(part(value, 0)),
        erased_at: Timestamp::from_millis(i64::from_le_bytes(part(value, 8))),
    }
}

/// What the file says; nothing where it is from before there were any.
pub(super) fn load(path: &Path, database: &impl ReadableDatabase) -> Result<Stretches, MetaError> {
    guarded(path, || {
        let transaction = database.begin_read()?;
        let mut known = Stretches::default();
        let Some(table) = table(&transaction, STRETCHES)? else {
            return Ok(known);
        };
        for entry in table.iter()? {
            let (key, value) = entry?;
            known.add(stretch_of(key.value(), value.value()));
        }
        Ok(known)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn what_a_browser_did_for_somebody_outlives_the_process_and_nothing_else_is_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Meta::open(folder.path(), Arc::new(SystemClock)).unwrap();
        let stretch = |from, until| ErasedStretch {
            workspace: WorkspaceId(1),
            browser: [7; 16],
            from,
            until,
            erased_at: Timestamp::from_millis(60),
        };
        open()
            .keep_stretches(&[stretch(i64::MIN, 10), stretch(40, i64::MAX)])
            .unwrap();
        let meta = open();
        let is_theirs = |browser, at| {
            meta.is_in_stretch(WorkspaceId(1), [browser; 16], Timestamp::from_millis(at))
        };
        for (at, is) in [
            (0, true),
            (9, true),
            (10, false),
            (39, false),
            (40, true),
            (60, true),
            (61, false),
        ] {
            assert_eq!(is_theirs(7, at), is, "{at}");
        }
        assert!(!is_theirs(8, 0));
        assert!(!meta.is_in_stretch(WorkspaceId(2), [7; 16], Timestamp::from_millis(0)));
    }
}
