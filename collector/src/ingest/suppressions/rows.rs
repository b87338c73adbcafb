//! Files of suppressions: CSV with a header line (`email`, and if wanted `reason` and `timestamp`; other
//! columns are ignored), or one JSON object a line.

use csv::{ReaderBuilder, Trim};
use shared::rejection::{Rejection, codes};
use shared::time::Timestamp;
use shared::wire::{self, Suppressed, SuppressionBody, parse_suppression, parse_suppression_row};

use crate::csv_text;
use crate::error::ApiError;

/// Rows of one file.
pub(super) const MAX_ROWS: usize = 100_000;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileFormat {
    Csv,
    /// One JSON object a line.
    Lines,
}

impl FileFormat {
    /// By its media type; `None` of one JSON document.
    pub(super) fn of(media: &str) -> Option<Self> {
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
pub(super) type SuppressionRow = (u64, Result<Suppressed, Rejection>);

/// Reads all rows; blank lines are none.
///
/// # Errors
/// Where it is no such file, or one of too many rows.
pub(super) fn read(
    text: &str,
    format: FileFormat,
    received_at: Timestamp,
) -> Result<Vec<SuppressionRow>, ApiError> {
    // Spreadsheets write one.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rows = match format {
        FileFormat::Csv => csv_rows(text, received_at)?,
        FileFormat::Lines => lines(text, received_at),
    };
    if rows.len() > MAX_ROWS {
        return Err(refused(
            "a file takes at most 100000 rows: split it".to_owned(),
        ));
    }
    Ok(rows)
}

fn refused(message: String) -> ApiError {
    ApiError::Rejected(Rejection::whole(codes::INVALID_BODY, message))
}

fn csv_rows(text: &str, received_at: Timestamp) -> Result<Vec<SuppressionRow>, ApiError> {
    // A text in UTF-16 is full of them, and reads as if no column had a name.
    let first = text.lines().next().unwrap_or_default();
    if first.contains('\0') {
        let message = "line 1 holds NUL characters: save the file in UTF-8, not in UTF-16";
        return Err(refused(message.to_owned()));
    }
    let wanted = "send CSV with a header line that names the column `email`, and if wanted `reason` and `timestamp`";
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
    let column = |name: &str| {
        let mut headers = headers.iter();
        headers.position(|header| header.eq_ignore_ascii_case(name))
    };
    let email = column("email").ok_or_else(|| refused(wanted.to_owned()))?;
    let (reason, time) = (column("reason"), column("timestamp"));
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
        let at = |column: Option<usize>| column.and_then(|at| record.get(at)).unwrap_or_default();
        let email = csv_text::read(at(Some(email)));
        let row = parse_suppression_row(email, at(reason), at(time), received_at);
        rows.push((line, row));
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

fn lines(text: &str, received_at: Timestamp) -> Vec<SuppressionRow> {
    let numbered = (1..).zip(text.lines());
    let full = numbered.filter(|(_, line)| !line.trim().is_empty());
    let read = |line: &str| {
        let body: SuppressionBody<'_> = wire::body(line).map_err(|_| {
            let message = "Send one JSON object a line, such as {\"email\":\"user@example.com\"}";
            Rejection::whole(codes::INVALID_BODY, message)
        })?;
        parse_suppression(&body, received_at)
    };
    full.take(MAX_ROWS + 1)
        .map(|(number, line)| (number, read(line)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line of a row, and its address and reason, or the code of its refusal.
    type Short = (u64, Result<(String, &'static str), &'static str>);

    fn read_all(text: &str, format: FileFormat) -> Vec<Short> {
        let rows = read(text, format, Timestamp::from_millis(1_790_000_000_000)).unwrap();
        let short = |(line, row): SuppressionRow| {
            let row = row.map(|entry| (entry.email.normalised().to_owned(), entry.reason.as_str()));
            (line, row.map_err(|rejection| rejection.code))
        };
        rows.into_iter().map(short).collect()
    }

    #[test]
    fn a_quotation_mark_that_is_never_closed_loses_nobody_in_silence() {
        for (text, line) in [
            (
                "email,reason\n\"a@example.com,manual\nb@example.com,manual\n",
                2,
            ),
            (
                "email,reason\na@example.com,manual\nb@example.com,\"manual\nc@example.com,manual\n",
                3,
            ),
            (
                "email,name\na@example.com,\"Ada \"\"A\"\"\"\nb@example.com,\"",
                3,
            ),
        ] {
            let refusal = read(
                text,
                FileFormat::Csv,
                Timestamp::from_millis(1_790_000_000_000),
            );
            let Err(ApiError::Rejected(rejection)) = refusal else {
                panic!("{text} is read");
            };
            assert!(
                rejection.message.contains(&format!("line {line} ")),
                "{}",
                rejection.message
            );
        }
    }

    #[test]
    fn a_csv_file_is_read_by_its_header_whatever_else_is_in_it() {
        let text = "\u{feff}Name,Email,Reason\r\n\"Ada, \"\"A\"\"\", Ada@example.com ,bounced\r\nBen,ben@example.com,\n,nobody,\nCy,cy@example.com,cold\n";
        assert_eq!(
            read_all(text, FileFormat::Csv),
            [
                (2, Ok(("ada@example.com".to_owned(), "bounced"))),
                (3, Ok(("ben@example.com".to_owned(), "manual"))),
                (4, Err("invalid_email")),
                (5, Err("invalid_reason")),
            ]
        );
    }

    #[test]
    fn a_file_of_lines_is_read_line_by_line() {
        let text =
            "{\"email\":\"ada@example.com\",\"reason\":\"complained\"}\n\n{\"email\":5}\nnothing\n";
        assert_eq!(
            read_all(text, FileFormat::Lines),
            [
                (1, Ok(("ada@example.com".to_owned(), "complained"))),
                (3, Err("invalid_email")),
                (4, Err("invalid_body")),
            ]
        );
    }

    #[test]
    fn an_address_is_read_as_our_own_files_and_as_others_write_it() {
        let text = "email\n'=a@example.com\n''b@example.com\n'c@example.com\n+d@example.com\n";
        let emails = read_all(text, FileFormat::Csv)
            .into_iter()
            .map(|(_, row)| row.unwrap().0);
        assert_eq!(
            emails.collect::<Vec<_>>(),
            [
                "=a@example.com",
                "'b@example.com",
                "'c@example.com",
                "+d@example.com"
            ]
        );
    }

    #[test]
    fn a_text_in_utf_16_is_named_as_one_and_a_stray_nul_spoils_its_row_alone() {
        let now = Timestamp::from_millis(1_790_000_000_000);
        let Err(ApiError::Rejected(refusal)) = read("e\0m\0a\0i\0l\0\n\0", FileFormat::Csv, now)
        else {
            panic!("it is read");
        };
        assert!(refusal.message.contains("UTF-16"), "{}", refusal.message);
        let text = "email\nada\0@example.com\nben@example.com\n";
        let rows = read_all(text, FileFormat::Csv);
        assert_eq!(rows[0], (2, Err("invalid_email")));
        assert!(rows[1].1.is_ok());
    }

    #[test]
    fn a_file_without_addresses_is_refused() {
        let now = Timestamp::from_millis(0);
        assert!(read("name\nada\n", FileFormat::Csv, now).is_err());
        assert!(read("", FileFormat::Csv, now).is_err());
    }
}
