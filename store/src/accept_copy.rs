//! Taking a folder for one store by an operator's word.

use std::path::Path;
use std::sync::Arc;

use crate::clock::SystemClock;
use crate::files;
use crate::ledger::local::lineages_of;
use crate::lineage::{Lineage, Part, Running, Standing, StoreState, Strange};
use crate::meta::Meta;
use crate::rejected::{self, RejectedStore};
use crate::views;

/// Takes the files as they are from now on, of whichever openings they are. Files of another store
/// are not taken.
///
/// # Errors
/// A sentence for whoever runs the command.
pub fn accept_copy(data: &Path, meta: &Meta) -> Result<(), String> {
    let standing = meta.standing();
    if standing.state == StoreState::Backup {
        let data = data.to_owned();
        return Err(Strange::OutOfBackup { data }.to_string());
    }
    let mut found = lineages_of(data).map_err(|error| error.to_string())?;
    if files::is_taken(&data.join(rejected::FILE)) {
        let rejected = RejectedStore::open(
            data,
            &rejected::senders(meta),
            Arc::new(SystemClock),
            |_| {},
        )
        .map_err(|error| format!("rejected events cannot be read: {error}"))?;
        let lineage = rejected.lineage(data).map_err(|error| error.to_string())?;
        found.push((data.join(rejected::FILE), Part::Rejected, lineage));
    }
    // Of the newest opening of all, so that nothing but another store speaks against a file.
    let newest = found
        .iter()
        .filter_map(|(_, _, lineage)| *lineage)
        .chain(standing.lineage)
        .max_by_key(|lineage| lineage.opening.count());
    let lineage = match (standing.lineage, newest) {
        (Some(ours), Some(newest)) => Some(Lineage {
            opening: newest.opening,
            ..ours
        }),
        (ours, newest) => ours.or(newest),
    };
    let accepted = Standing {
        lineage,
        state: StoreState::Accepted,
    };
    for (path, part, lineage) in found {
        accepted
            .check_file(&path, part, lineage)
            .map_err(|strange| strange.to_string())?;
    }
    // They are derived, and may reflect what is not here.
    views::delete(data).map_err(|error| error.to_string())?;
    // Seqs that the original gave after it was copied are not given again.
    meta.raise_generation().map_err(|error| error.to_string())?;
    meta.accept(lineage).map_err(|error| error.to_string())?;
    Running::forget(data).map_err(|strange| strange.to_string())
}
