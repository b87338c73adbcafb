//! How long touches are credited with orders, by workspace: the setting that the rows were folded under. Folds go
//! by what stands here, so that rows never mix two settings; a change of a workspace's setting credits its
//! orders anew, and touches nobody else's rows.

use super::rows::{encode, key, read};
use super::{Fold, Numbers, WINDOWS};
use crate::ledger::decide::{Attribution, WorkspaceKeys};
use crate::record::WorkspaceId;
use crate::views::rows::Rows;

// Key in `WINDOWS`: workspace (u32, big-endian). Value: postcard of `Attribution`.

impl Fold<'_> {
    /// Those of a workspace. One that is met for the first time begins with its setting of today.
    pub(super) fn windows(&mut self, workspace: WorkspaceId) -> Result<Attribution, redb::Error> {
        if let Some(known) = self.known_windows.get(&workspace) {
            return Ok(*known);
        }
        let row = key(workspace, &[]);
        let windows = match read(self.windows, &row)? {
            Some(windows) => windows,
            None => {
                let windows = self.keys.attribution(workspace);
                self.windows.insert(&row, &encode(&windows)?);
                windows
            }
        };
        self.known_windows.insert(workspace, windows);
        Ok(windows)
    }

    /// Credits all orders of a workspace by other windows.
    fn credit_all(
        &mut self,
        workspace: WorkspaceId,
        windows: Attribution,
    ) -> Result<(), redb::Error> {
        self.windows
            .insert(&key(workspace, &[]), &encode(&windows)?);
        self.known_windows.insert(workspace, windows);
        for order_key in self.orders.of_workspace(workspace)? {
            let moves = self.orders.credit_by(workspace, &order_key, &windows)?;
            self.credit(workspace, &moves)?;
        }
        Ok(())
    }
}

/// Brings every workspace whose setting is another one by now to that. Returns whether there was any.
pub(crate) fn apply(
    rows: &mut Rows,
    keys: &dyn WorkspaceKeys,
    contacts: &Numbers,
) -> Result<bool, redb::Error> {
    let mut changed = Vec::new();
    for row in rows.tables[WINDOWS].beginning_with(&[])? {
        let (place, row) = row?;
        let workspace = place.first_chunk().copied().unwrap_or_default();
        let workspace = WorkspaceId(u32::from_be_bytes(workspace));
        let windows = keys.attribution(workspace);
        if super::rows::decode::<Attribution>(&row)? != windows {
            changed.push((workspace, windows));
        }
    }
    if changed.is_empty() {
        return Ok(false);
    }
    let mut fold = Fold::of(rows, keys, contacts)?;
    for (workspace, windows) in changed {
        fold.credit_all(workspace, windows)?;
    }
    fold.write()?;
    Ok(true)
}
