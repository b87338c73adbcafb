//! Files of suppressions: CSV with a header line (`email`, and if wanted `reason` and `timestamp`; other
//! columns are ignored), or one JSON object a line.

use shared::rejection::{Rejection, codes};
use shared::time::Timestamp;
use shared::wire::{self, Suppressed, SuppressionBody, parse_suppression, parse_suppression_row};

use super::super::files::cells::{Cells, column, header};
use super::super::files::raw::RawRows;
use super::super::files::{self, Numbered, refused};
use crate::csv_text;
use crate::error::ApiError;

pub(super) use super::super::files::FileFormat;

/// Rows of one file.
const MAX_ROWS: usize = 100_000;
/// What to send where the header line names no addresses.
const WANTED: &str = "send CSV with a header line that names the column `email`, and if wanted `reason` and `timestamp`";

/// A row by the line where it begins, from 1: what it says, or what is wrong with it.
pub(super) type SuppressionRow = Numbered<Suppressed>;

/// Reads all rows; blank lines are none.
///
/// # Errors
/// Where it is no such file, or one of too many rows.
pub(super) fn read(
    text: &str,
    format: FileFormat,
    received_at: Timestamp,
) -> Result<Vec<SuppressionRow>, ApiError> {
    let mut raw = RawRows::new(text.as_bytes(), format);
    let mut cells = Cells::new();
    let columns = match format {
        FileFormat::Csv => {
            // A text in memory is always read to its end.
            let header = header(&mut raw).map_err(|_| ApiError::Internal)??;
            let named = cells.of(&header).ok();
            let columns = named.and_then(|named| Columns::of(&named));
            Some(columns.ok_or_else(|| refused(WANTED.to_owned()))?)
        }
        FileFormat::Lines => None,
    };
    let mut rows = Vec::new();
    while let Some((line, row)) = raw.next().map_err(|_| ApiError::Internal)? {
        if rows.len() == MAX_ROWS {
            let message = format!("a file takes at most {MAX_ROWS} rows: split it");
            return Err(refused(message));
        }
        let row = row.and_then(|row| {
            let row = files::text(row)?;
            match &columns {
                Some(columns) => columns.row(&cells.of(&row)?, received_at),
                None => {
                    let body: SuppressionBody<'_> = wire::body(&row).map_err(|_| no_object())?;
                    parse_suppression(&body, received_at)
                }
            }
        });
        rows.push((line, row));
    }
    Ok(rows)
}

fn no_object() -> Rejection {
    let message = "Send one JSON object a line, such as {\"email\":\"user@example.com\"}";
    Rejection::whole(codes::INVALID_BODY, message)
}

/// Where the columns are.
struct Columns {
    email: usize,
    reason: Option<usize>,
    time: Option<usize>,
}

impl Columns {
    fn of(header: &[&str]) -> Option<Self> {
        Some(Self {
            email: column(header, "email")?,
            reason: column(header, "reason"),
            time: column(header, "timestamp"),
        })
    }

    fn row(&self, cells: &[&str], received_at: Timestamp) -> Result<Suppressed, Rejection> {
        let at = |column: Option<usize>| column.and_then(|at| cells.get(at)).copied();
        let at = |column| at(column).unwrap_or_default();
        let email = csv_text::read(at(Some(self.email)));
        parse_suppression_row(email, at(self.reason), at(self.time), received_at)
    }
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
    fn a_quotation_mark_that_is_never_closed_loses_its_row_alone_and_not_in_silence() {
        let manual = |email: &str| Ok((email.to_owned(), "manual"));
        for (text, rows) in [
            (
                "email,reason\n\"a@example.com,manual\nb@example.com,manual\n",
                vec![(2, Err("invalid_body")), (3, manual("b@example.com"))],
            ),
            (
                "email,reason\na@example.com,manual\nb@example.com,\"manual\nc@example.com,manual\n",
                vec![
                    (2, manual("a@example.com")),
                    (3, Err("invalid_body")),
                    (4, manual("c@example.com")),
                ],
            ),
            (
                "email,name\na@example.com,\"Ada \"\"A\"\"\"\nb@example.com,\"",
                vec![(2, manual("a@example.com")), (3, Err("invalid_body"))],
            ),
        ] {
            assert_eq!(read_all(text, FileFormat::Csv), rows);
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
