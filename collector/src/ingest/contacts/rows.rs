//! Files of contacts: CSV with a header line (`email`, if wanted `timestamp`, and a column for each trait), or one JSON
//! object a line as `identify` takes it. Row by row, of a file of any length.

use std::io::Read;

use csv::{ReaderBuilder, StringRecord, Trim};
use serde_json::Map;
use serde_json::value::{RawValue, Value, to_raw_value};
use shared::event::Event;
use shared::rejection::{Rejection, codes};
use shared::wire::{self, Arrival, IdentifyBody, parse_identify};

use super::super::files::raw::RawRows;
use super::super::files::{FileFormat, Numbered, refused};
use crate::csv_text;
use crate::error::ApiError;

/// What to send where the header line names no contacts.
const WANTED: &str = "send CSV with a header line that names the column `email`, and if wanted `timestamp`; every other column is a trait";

/// Looks at a row before anything is made of it: masks secret keys in it, or refuses it.
pub(super) type Screen<'a> = dyn Fn(&mut String) -> Result<(), Rejection> + Send + 'a;

/// The rows of a source.
pub(super) struct Rows<'a, R> {
    raw: RawRows<R>,
    /// Of CSV.
    columns: Option<Columns>,
    screen: &'a Screen<'a>,
    /// Of all rows that were read.
    bytes: u64,
}

impl<'a, R: Read> Rows<'a, R> {
    /// Reads the header line, where there is one.
    ///
    /// # Errors
    /// What `failed` makes of errors of the source, and 422 where it is no such file.
    pub(super) fn begin(
        source: R,
        format: FileFormat,
        screen: &'a Screen<'a>,
        failed: impl FnOnce(&R) -> ApiError,
    ) -> Result<Self, ApiError> {
        let mut raw = RawRows::new(source, format);
        let columns = match format {
            FileFormat::Lines => None,
            FileFormat::Csv => {
                let Ok(header) = raw.next() else {
                    return Err(failed(raw.source()));
                };
                let header = header.map_or(Ok(Vec::new()), |(_, header)| header);
                let mut header = header.map_err(ApiError::Rejected)?;
                if let Ok(text) = std::str::from_utf8(&header) {
                    let mut text = text.to_owned();
                    screen(&mut text).map_err(ApiError::Rejected)?;
                    header = text.into_bytes();
                }
                Some(Columns::of(&header)?)
            }
        };
        Ok(Self {
            raw,
            columns,
            screen,
            bytes: 0,
        })
    }

    /// What it reads from.
    pub(super) fn source(&self) -> &R {
        self.raw.source()
    }

    /// How many bytes the rows had that were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next row; `None` behind the last. Blocks.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) fn next(
        &mut self,
        arrival: &Arrival<'_>,
    ) -> std::io::Result<Option<Numbered<Event>>> {
        let Some((line, row)) = self.raw.next()? else {
            return Ok(None);
        };
        let row = row.and_then(|row| {
            self.bytes += row.len() as u64;
            self.read(row, arrival)
        });
        Ok(Some((line, row)))
    }

    fn read(&self, row: Vec<u8>, arrival: &Arrival<'_>) -> Result<Event, Rejection> {
        let mut row = String::from_utf8(row).map_err(|_| not_utf8())?;
        match &self.columns {
            Some(columns) => columns.row(&row, self.screen, arrival),
            None => {
                (self.screen)(&mut row)?;
                let body: IdentifyBody<'_> = wire::body(&row).map_err(|_| {
                    let message = "Send one JSON object a line, such as {\"email\":\"user@example.com\",\"traits\":{\"plan\":\"pro\"}}";
                    Rejection::whole(codes::INVALID_BODY, message)
                })?;
                parse_identify(&body, arrival).outcome
            }
        }
    }
}

fn not_utf8() -> Rejection {
    let message = "the row is not in UTF-8: save the file in UTF-8";
    Rejection::whole(codes::INVALID_BODY, message)
}

/// Where the columns are.
struct Columns {
    email: usize,
    time: Option<usize>,
    /// Each with its name.
    traits: Vec<(usize, String)>,
}

impl Columns {
    fn of(header: &[u8]) -> Result<Self, ApiError> {
        // A text in UTF-16 is full of them, and reads as if no column had a name.
        if header.contains(&0) {
            let message = "line 1 holds NUL characters: save the file in UTF-8, not in UTF-16";
            return Err(refused(message.to_owned()));
        }
        let is_utf16 = header.starts_with(&[0xff, 0xfe]) || header.starts_with(&[0xfe, 0xff]);
        let header = std::str::from_utf8(header).map_err(|_| {
            let found = if is_utf16 { ", but in UTF-16" } else { "" };
            refused(format!(
                "line 1 is not in UTF-8{found}: save the file in UTF-8"
            ))
        })?;
        let header = record(header).map_err(|_| refused(WANTED.to_owned()))?;
        let column = |name: &str| header.iter().position(|one| one.eq_ignore_ascii_case(name));
        let email = column("email").ok_or_else(|| refused(WANTED.to_owned()))?;
        let time = column("timestamp");
        let others = header.iter().enumerate();
        let others =
            others.filter(|(at, name)| *at != email && Some(*at) != time && !name.is_empty());
        let named = |(at, name): (usize, &str)| {
            let name = name.strip_prefix("traits.").unwrap_or(name);
            (at, csv_text::read(name).to_owned())
        };
        let traits = others.map(named).collect();
        Ok(Self {
            email,
            time,
            traits,
        })
    }

    fn row(
        &self,
        text: &str,
        screen: &Screen<'_>,
        arrival: &Arrival<'_>,
    ) -> Result<Event, Rejection> {
        let mut cells = Vec::new();
        for cell in &record(text)? {
            let mut cell = cell.to_owned();
            screen(&mut cell)?;
            cells.push(cell);
        }
        let at = |column: usize| {
            let cell = cells.get(column).map(String::as_str);
            cell.filter(|cell| !cell.is_empty())
        };
        let mut traits = Map::new();
        for (column, name) in &self.traits {
            if let Some(cell) = at(*column) {
                traits.insert(name.clone(), value_of(cell));
            }
        }
        let email = raw(&at(self.email).map(csv_text::read));
        let time = self.time.and_then(at).map(|time| raw(&time));
        let traits = (!traits.is_empty()).then(|| raw(&traits));
        let body = IdentifyBody {
            email: Some(&*email),
            timestamp: time.as_deref(),
            traits: traits.as_deref(),
            ..IdentifyBody::default()
        };
        parse_identify(&body, arrival).outcome
    }
}

/// The cells of a row.
fn record(row: &str) -> Result<StringRecord, Rejection> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .trim(Trim::All)
        .flexible(true)
        .buffer_capacity(row.len().max(1))
        .from_reader(row.as_bytes());
    let (mut cells, mut rest) = (StringRecord::new(), StringRecord::new());
    let read = reader.read_record(&mut cells);
    match (read, reader.read_record(&mut rest)) {
        (Ok(true), Ok(false)) => Ok(cells),
        // What would be another row was taken for a part of this one.
        _ => {
            let message = "the row is no CSV: double quotation marks that stand in quotation marks";
            Err(Rejection::whole(codes::INVALID_BODY, message))
        }
    }
}

/// Numbers, `true`, `false` and `null` (which unsets) are what they look like, save numbers that would be written in
/// another way (`007`, `+49`); a text in quotation marks is that text; so is everything else.
fn value_of(cell: &str) -> Value {
    match serde_json::from_str::<Value>(cell) {
        Ok(value @ (Value::Bool(_) | Value::Null | Value::String(_))) => value,
        Ok(Value::Number(number)) if number.to_string() == cell => Value::Number(number),
        _ => Value::String(csv_text::read(cell).to_owned()),
    }
}

fn raw<T: serde::Serialize>(value: &T) -> Box<RawValue> {
    // Texts and JSON values: nothing of this can fail to serialise.
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::event::EventKind;
    use shared::time::Timestamp;

    use super::super::of_operator;
    use super::*;

    /// The line of a row, and its address and traits, or the code of its refusal.
    type Short = (u64, Result<(String, String), &'static str>);

    fn read_all(text: &str, format: FileFormat) -> Vec<Short> {
        let arrival = of_operator(Timestamp::from_millis(1_790_000_000_000));
        let never = |_: &&[u8]| -> ApiError { unreachable!("a text fails nobody") };
        let mut reader = Rows::begin(text.as_bytes(), format, &|_| Ok(()), never).unwrap();
        let rows = std::iter::from_fn(|| reader.next(&arrival).unwrap());
        let short = |(line, row): Numbered<Event>| {
            let row = row.map(|event| {
                let EventKind::Identify { traits } = event.kind else {
                    panic!("a row is an identify");
                };
                let email = event.email.unwrap().normalised().to_owned();
                (email, traits.unwrap_or_default())
            });
            (line, row.map_err(|rejection| rejection.code))
        };
        rows.map(short).collect()
    }

    fn ok(email: &str, traits: &str) -> Result<(String, String), &'static str> {
        Ok((email.to_owned(), traits.to_owned()))
    }

    #[test]
    fn every_other_column_of_a_csv_is_a_trait_and_empty_cells_say_nothing() {
        let text = "\u{feff}Email,plan,traits.seats,active,zip,note\r\nAda@example.com,pro,12,true,01234,\"\"\"7\"\"\"\r\nben@example.com,,,null,,'=x\r\nnobody,,,,,\r\n";
        assert_eq!(
            read_all(text, FileFormat::Csv),
            [
                (
                    2,
                    ok(
                        "ada@example.com",
                        r#"{"active":true,"note":"7","plan":"pro","seats":12,"zip":"01234"}"#
                    )
                ),
                (3, ok("ben@example.com", r#"{"active":null,"note":"=x"}"#)),
                (4, Err("invalid_email")),
            ]
        );
    }

    #[test]
    fn lines_are_read_as_identify_is() {
        let text =
            "{\"email\":\"ada@example.com\",\"traits\":{\"a\":[1]}}\n\n{\"traits\":{}}\nnothing\n";
        assert_eq!(
            read_all(text, FileFormat::Lines),
            [
                (1, ok("ada@example.com", r#"{"a":[1]}"#)),
                (3, Err("missing_field")),
                (4, Err("invalid_body")),
            ]
        );
    }

    #[test]
    fn what_is_no_file_of_contacts_is_refused_by_its_header() {
        for (text, part) in [
            ("name\nada\n".as_bytes(), "column `email`"),
            (b"", "column `email`"),
            (b"e\0m\0a\0i\0l\0\n\0", "UTF-16"),
            (b"\xff\xfee\0\n\0", "UTF-16"),
            (b"email,\xff\n", "line 1 is not in UTF-8"),
            (b"\"email\nada@example.com\n", "never closed"),
        ] {
            let failed = |_: &&[u8]| ApiError::Internal;
            let begun = Rows::begin(text, FileFormat::Csv, &|_| Ok(()), failed);
            let Err(ApiError::Rejected(rejection)) = begun.map(|_| ()) else {
                panic!("{} is read", text.escape_ascii());
            };
            assert!(rejection.message.contains(part), "{}", rejection.message);
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_is_refused_by_its_line_and_the_next_is_taken() {
        let text = b"email,plan\nada@example.com,\xff\nben@example.com,\"x\ncy@example.com,pro\n";
        let arrival = of_operator(Timestamp::from_millis(1_790_000_000_000));
        let failed = |_: &&[u8]| ApiError::Internal;
        let begun = Rows::begin(&text[..], FileFormat::Csv, &|_| Ok(()), failed);
        let mut rows = begun.map_err(|_| "it is read").unwrap();
        let mut told = Vec::new();
        while let Some((line, row)) = rows.next(&arrival).unwrap() {
            told.push((line, row.map(|_| ()).map_err(|rejection| rejection.code)));
        }
        let bad = Err("invalid_body");
        assert_eq!(told, [(2, bad), (3, bad), (4, Ok(()))]);
    }

    #[test]
    fn quotation_marks_within_a_cell_and_lines_that_end_in_a_carriage_return_lose_nobody() {
        let inches = "email,note\nada@example.com,5\" tv\nben@example.com,7\" tv\n";
        let told = [
            (2, ok("ada@example.com", r#"{"note":"5\" tv"}"#)),
            (3, ok("ben@example.com", r#"{"note":"7\" tv"}"#)),
        ];
        assert_eq!(read_all(inches, FileFormat::Csv), told);
        let returns = "email,plan\rada@example.com,pro\rben@example.com,free";
        let told = [
            (2, ok("ada@example.com", r#"{"plan":"pro"}"#)),
            (3, ok("ben@example.com", r#"{"plan":"free"}"#)),
        ];
        assert_eq!(read_all(returns, FileFormat::Csv), told);
    }

    #[test]
    fn the_names_of_columns_are_screened_too() {
        let screen = |text: &mut String| match text.contains("secret") {
            true => Err(Rejection::whole(codes::INVALID_BODY, "it is secret")),
            false => Ok(()),
        };
        let failed = |_: &&[u8]| ApiError::Internal;
        let text = &b"email,secret\nada@example.com,x\n"[..];
        let begun = Rows::begin(text, FileFormat::Csv, &screen, failed);
        assert!(matches!(begun.map(|_| ()), Err(ApiError::Rejected(_))));
    }

    proptest! {
        #[test]
        fn rows_are_those_that_the_csv_reader_makes_of_the_whole_file(text in "[a\",\n\r]{0,60}") {
            let mut raw = RawRows::new(text.as_bytes(), FileFormat::Csv);
            let mut rows = Vec::new();
            while let Some((_, row)) = raw.next().unwrap() {
                let Ok(row) = row else {
                    // One that is never closed, which that reader takes for the rest of the file.
                    return Ok(());
                };
                rows.push(record(std::str::from_utf8(&row).unwrap()).unwrap());
            }
            let mut whole = ReaderBuilder::new()
                .has_headers(false)
                .trim(Trim::All)
                .flexible(true)
                .from_reader(text.as_bytes());
            let whole: Vec<StringRecord> = whole.records().map(|one| one.unwrap()).collect();
            prop_assert_eq!(rows, whole);
        }
    }
}
