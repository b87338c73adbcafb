//! What events weigh in scores, by workspace: the rules that the rows were folded under. Folds and readers go by what
//! stands here, so that rows never mix two settings. Other weights need one pass over the workspace's contacts, since
//! rows keep kinds of events apart; another half-life needs the times of all events again, which no sum tells, and is
//! left as it is for views that are built anew.

use super::rows::{decode, encode, key, read};
use super::{Fold, Numbers, SCORING};
use crate::ledger::decide::{Scoring, WorkspaceKeys};
use crate::record::WorkspaceId;
use crate::views::rows::Rows;

// Key in `SCORING`: workspace (u32, big-endian). Value: postcard of `Scoring`.

impl Fold<'_> {
    /// Those of a workspace. One that is met for the first time begins with its setting of today.
    pub(super) fn scoring(&mut self, workspace: WorkspaceId) -> Result<Scoring, redb::Error> {
        if let Some(known) = self.known_scoring.get(&workspace) {
            return Ok(*known);
        }
        let row = key(workspace, &[]);
        let scoring = match read(self.scoring, &row)? {
            Some(scoring) => scoring,
            None => {
                let scoring = self.keys.scoring(workspace);
                self.scoring.insert(&row, &encode(&scoring)?);
                scoring
            }
        };
        self.known_scoring.insert(workspace, scoring);
        Ok(scoring)
    }

    /// Weighs what all contacts of a workspace did by other weights.
    fn weigh_all(&mut self, workspace: WorkspaceId, scoring: Scoring) -> Result<(), redb::Error> {
        self.scoring
            .insert(&key(workspace, &[]), &encode(&scoring)?);
        self.known_scoring.insert(workspace, scoring);
        let numbers = self.numbers;
        for number in numbers.of_workspace(workspace).behind(0) {
            if !self.contacts.fetch(number)?.is_empty() {
                self.person(workspace, number, |_| {})?;
            }
        }
        Ok(())
    }
}

/// Brings every workspace whose half-life is another one by now to that, where the events themselves are not to be
/// had any more: what is known of a half-life of before counts as if it had happened in its middle.
pub(crate) fn halve_anew(
    rows: &mut Rows,
    keys: &dyn WorkspaceKeys,
    contacts: &Numbers,
) -> Result<(), redb::Error> {
    let all = each(rows, keys)?;
    let mut fold = Fold::of(rows, keys, contacts)?;
    for (workspace, known, wanted) in all {
        if known.half_life_days == wanted.half_life_days {
            continue;
        }
        let scoring = Scoring {
            half_life_days: wanted.half_life_days,
            ..known
        };
        fold.scoring
            .insert(&key(workspace, &[]), &encode(&scoring)?);
        fold.known_scoring.insert(workspace, scoring);
        for number in contacts.of_workspace(workspace).behind(0) {
            if !fold.contacts.fetch(number)?.is_empty() {
                fold.person(workspace, number, |row| {
                    row.score = row.score.halved(&known, &scoring);
                })?;
            }
        }
    }
    fold.write()
}

/// The rules that a workspace's rows go by.
pub(super) fn of(rows: &Rows, workspace: WorkspaceId) -> Result<Scoring, redb::Error> {
    let scoring = read(&rows.tables[SCORING], &key(workspace, &[]))?;
    Ok(scoring.unwrap_or_default())
}

/// Brings every workspace whose weights are others by now to those. Returns whether there was any.
pub(crate) fn apply(
    rows: &mut Rows,
    keys: &dyn WorkspaceKeys,
    contacts: &Numbers,
) -> Result<bool, redb::Error> {
    let mut changed = Vec::new();
    for (workspace, known, wanted) in each(rows, keys)? {
        let weights = wanted.weights;
        if known.weights != weights {
            changed.push((workspace, Scoring { weights, ..known }));
        }
    }
    if changed.is_empty() {
        return Ok(false);
    }
    let mut fold = Fold::of(rows, keys, contacts)?;
    for (workspace, scoring) in changed {
        fold.weigh_all(workspace, scoring)?;
    }
    fold.write()?;
    Ok(true)
}

/// Whether rows of any workspace go by another half-life than its setting of today.
pub(crate) fn is_outlived(rows: &Rows, keys: &dyn WorkspaceKeys) -> Result<bool, redb::Error> {
    let all = each(rows, keys)?;
    let differs = |(_, known, wanted): &(WorkspaceId, Scoring, Scoring)| {
        known.half_life_days != wanted.half_life_days
    };
    Ok(all.iter().any(differs))
}

/// Every workspace with the rules of its rows, and its setting of today.
fn each(
    rows: &Rows,
    keys: &dyn WorkspaceKeys,
) -> Result<Vec<(WorkspaceId, Scoring, Scoring)>, redb::Error> {
    let mut all = Vec::new();
    for row in rows.tables[SCORING].beginning_with(&[])? {
        let (place, row) = row?;
        let workspace = place.first_chunk().copied().unwrap_or_default();
        let workspace = WorkspaceId(u32::from_be_bytes(workspace));
        all.push((workspace, decode(&row)?, keys.scoring(workspace)));
    }
    Ok(all)
}
