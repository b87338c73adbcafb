//! Files of rows that servers send: CSV with a header line, or one JSON object a line. What the rows say is read by
//! who asked for them.
//!
//! - `raw`: rows of files of any length, as they stand there
//! - `cells`: those of CSV as cells

pub(super) mod cells;
pub(crate) mod raw;

use shared::rejection::{Rejection, codes};

use crate::error::ApiError;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileFormat {
    Csv,
    /// One JSON object a line.
    Lines,
}

impl FileFormat {
    /// By its media type; `None` of one JSON document.
    pub(crate) fn of(media: &str) -> Option<Self> {
        let essence = media.split(';').next().unwrap_or_default().trim();
        match essence.to_ascii_lowercase().as_str() {
            "text/csv" => Some(Self::Csv),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
                Some(Self::Lines)
            }
            _ => None,
        }
    }
}

/// A row by the line where it begins, from 1: what it says, or what is wrong with it.
pub(super) type Numbered<T> = (u64, Result<T, Rejection>);

pub(super) fn refused(message: String) -> ApiError {
    ApiError::Rejected(Rejection::whole(codes::INVALID_BODY, message))
}

/// A row as a text.
///
/// # Errors
/// Where it is none in UTF-8.
pub(super) fn text(row: Vec<u8>) -> Result<String, Rejection> {
    let message = "the row is not in UTF-8: save the file in UTF-8";
    String::from_utf8(row).map_err(|_| Rejection::whole(codes::INVALID_BODY, message))
}
