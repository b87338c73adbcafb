//! Why runs could not be written or read.

use std::io;

use crate::views::ViewError;

/// Why runs could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// The disk failed. After a write they must be opened again.
    #[error("the event indexes: {0}")]
    Storage(#[from] io::Error),
    /// What is on disk is not what was written, or something is missing.
    #[error("the event indexes: {0} is not as it was written")]
    Damaged(String),
}

impl From<RunsError> for ViewError {
    fn from(error: RunsError) -> Self {
        error.to_view_error()
    }
}

impl RunsError {
    pub(crate) fn to_view_error(&self) -> ViewError {
        match self {
            Self::Storage(_) => ViewError::Storage(self.to_string()),
            Self::Damaged(_) => ViewError::Damaged(self.to_string()),
        }
    }
}

/// As a fold's other errors are told.
impl From<RunsError> for redb::Error {
    fn from(error: RunsError) -> Self {
        match error {
            RunsError::Storage(error) => Self::Io(error),
            RunsError::Damaged(_) => Self::Corrupted(error.to_string()),
        }
    }
}
