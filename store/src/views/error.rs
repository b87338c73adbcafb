//! Why views could not be written or read.

use super::owed::Building;
use crate::ledger::LogError;
use crate::record::WorkspaceId;

/// Why a view could not be written or read. All of them are ours.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ViewError {
    /// The disk failed; trying again later is right.
    #[error("the views are failing while {0}")]
    Storage(String),
    /// What is in the file is not what was written; it must be built anew.
    #[error("the views are damaged: {0}")]
    Damaged(String),
    /// The log could not be read.
    #[error("reading the log for the views: {0}")]
    Log(#[from] LogError),
    /// A record belongs to a workspace without a key: meta is older than the log.
    #[error("workspace {} has no key", .0.0)]
    NoKey(WorkspaceId),
    /// The views are closed, or wait to be opened again after a failure.
    #[error("the views are not open")]
    Closed,
    /// They hold less than is known, and are not read until they have made up for it.
    #[error("the views are being built: {} % is done", .0.percent())]
    Building(Building),
    /// Another rebuild is under way.
    #[error("the views are being rebuilt already")]
    Busy,
    /// The server stops; what was under way has been given up.
    #[error("the views are closing")]
    Stopped,
}

impl ViewError {
    pub(super) fn while_doing(doing: &'static str) -> impl Fn(redb::Error) -> Self {
        move |error| {
            if is_damage(&error) {
                Self::Damaged(format!("{doing}: {error}"))
            } else {
                Self::Storage(format!("{doing}: {error}"))
            }
        }
    }
}

/// True where the file itself is at fault, so that deleting it helps; false where the disk, the
/// folder or another process is.
fn is_damage(error: &redb::Error) -> bool {
    use std::io::ErrorKind;
    match error {
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TableIsNotMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableDoesNotExist(_) => true,
        redb::Error::Io(error) => {
            matches!(
                error.kind(),
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof
            )
        }
        _ => false,
    }
}
