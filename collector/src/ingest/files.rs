//! Files of rows that servers send: CSV with a header line, or one JSON object a line. What the rows say is read by
//! who asked for them.
//!
//! - `raw`: rows of files of any length, as they stand there

pub(crate) mod raw;

use csv::{ReaderBuilder, Trim};
use shared::rejection::{Rejection, codes};

use crate::error::ApiError;

/// Rows of one file.
pub(super) const MAX_ROWS: usize = 100_000;

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

/// How the cells of a row are read, by the header line.
pub(super) trait Columns {
    type Row;

    fn row(&self, cells: &[&str]) -> Result<Self::Row, Rejection>;
}

/// Spreadsheets write one.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

pub(super) fn refused(message: String) -> ApiError {
    ApiError::Rejected(Rejection::whole(codes::INVALID_BODY, message))
}

/// # Errors
/// Where there are more rows than one file takes.
pub(super) fn not_too_many<T>(rows: Vec<T>) -> Result<Vec<T>, ApiError> {
    if rows.len() > MAX_ROWS {
        let message = format!("a file takes at most {MAX_ROWS} rows: split it");
        return Err(refused(message));
    }
    Ok(rows)
}

/// Reads all rows of a CSV, one more than are taken at the most; `wanted` says what to send where the header line names
/// no such columns, of which `columns` makes nothing then.
///
/// # Errors
/// Where it is no such file.
pub(super) fn csv_rows<C: Columns>(
    text: &str,
    wanted: &str,
    columns: impl FnOnce(&[&str]) -> Option<C>,
) -> Result<Vec<Numbered<C::Row>>, ApiError> {
    // A text in UTF-16 is full of them, and reads as if no column had a name.
    let first = text.lines().next().unwrap_or_default();
    if first.contains('\0') {
        let message = "line 1 holds NUL characters: save the file in UTF-8, not in UTF-16";
        return Err(refused(message.to_owned()));
    }
    if let Some(line) = unclosed_quote(text) {
        let message = format!(
            "the quotation mark in line {line} is never closed: close it, or double it if it is meant"
        );
        return Err(refused(message));
    }
    let mut reader = ReaderBuilder::new()
        .trim(Trim::All)
        .flexible(true)
        .from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|_| refused(wanted.to_owned()))?;
    let headers: Vec<&str> = headers.iter().collect();
    let columns = columns(&headers).ok_or_else(|| refused(wanted.to_owned()))?;
    let (mut line, mut counted) = (1, 0);
    let mut rows = Vec::new();
    for record in reader.records().take(MAX_ROWS + 1) {
        let Ok(record) = record else {
            let message = "the file is no CSV from here on: send it in UTF-8, with quotation marks doubled in quotes";
            rows.push((0, Err(Rejection::whole(codes::INVALID_BODY, message))));
            break;
        };
        // The position may lie within the end of the row before.
        let start = record.position().map_or(0, csv::Position::byte);
        let start = usize::try_from(start).unwrap_or(text.len()).min(text.len());
        let ends = text.as_bytes()[start..].iter();
        let start = start
            + ends
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
        let passed = text.as_bytes()[counted..start].iter();
        line += passed.filter(|byte| **byte == b'\n').count() as u64;
        counted = start;
        let cells: Vec<&str> = record.iter().collect();
        rows.push((line, columns.row(&cells)));
    }
    Ok(rows)
}

/// The line, from 1, of a quotation mark that holds everything to the end of the file together: the
/// reader takes that for one cell, and the people in it would be lost. A doubled one closes and opens.
fn unclosed_quote(text: &str) -> Option<u64> {
    let (mut line, mut open) = (1, None);
    for byte in text.bytes() {
        match byte {
            b'\n' => line += 1,
            b'"' if open.is_some() => open = None,
            b'"' => open = Some(line),
            _ => {}
        }
    }
    open
}

/// Reads every line that is not blank, one more than are taken at the most.
pub(super) fn lines<T>(
    text: &str,
    read: impl Fn(&str) -> Result<T, Rejection>,
) -> Vec<Numbered<T>> {
    let numbered = (1..).zip(text.lines());
    let full = numbered.filter(|(_, line)| !line.trim().is_empty());
    full.take(MAX_ROWS + 1)
        .map(|(number, line)| (number, read(line)))
        .collect()
}
