//! Files of suppressions: CSV with a header line (`email`, and if wanted `reason` and `timestamp`; other
//! columns are ignored), or one JSON object a line.

use shared::rejection::{Rejection, codes};
use shared::time::Timestamp;
use shared::wire::{self, Suppressed, SuppressionBody, parse_suppression, parse_suppression_row};

use super::super::files::{Columns, Numbered, csv_rows, lines, not_too_many, without_mark};
use crate::csv_text;
use crate::error::ApiError;

pub(super) use super::super::files::FileFormat;

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
    let text = without_mark(text);
    let rows = match format {
        FileFormat::Csv => {
            let wanted = "send CSV with a header line that names the column `email`, and if wanted `reason` and `timestamp`";
            csv_rows(text, wanted, |headers| Cells::of(headers, received_at))?
        }
        FileFormat::Lines => lines(text, |line| {
            let body: SuppressionBody<'_> = wire::body(line).map_err(|_| {
                let message =
                    "Send one JSON object a line, such as {\"email\":\"user@example.com\"}";
                Rejection::whole(codes::INVALID_BODY, message)
            })?;
            parse_suppression(&body, received_at)
        }),
    };
    not_too_many(rows)
}

/// Where the columns are.
struct Cells {
    email: usize,
    reason: Option<usize>,
    time: Option<usize>,
    received_at: Timestamp,
}

impl Cells {
    fn of(headers: &[&str], received_at: Timestamp) -> Option<Self> {
        let column = |name: &str| {
            let mut headers = headers.iter();
            headers.position(|header| header.eq_ignore_ascii_case(name))
        };
        Some(Self {
            email: column("email")?,
            reason: column("reason"),
            time: column("timestamp"),
            received_at,
        })
    }
}

impl Columns for Cells {
    type Row = Suppressed;

    fn row(&self, cells: &[&str]) -> Result<Suppressed, Rejection> {
        let at = |column: Option<usize>| column.and_then(|at| cells.get(at)).copied();
        let at = |column| at(column).unwrap_or_default();
        let email = csv_text::read(at(Some(self.email)));
        parse_suppression_row(email, at(self.reason), at(self.time), self.received_at)
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
