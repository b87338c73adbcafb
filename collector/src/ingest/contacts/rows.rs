//! Files of contacts: CSV with a header line (`email`, if wanted `timestamp`, and a column for each trait), or one JSON
//! object a line as `identify` takes it. Row by row, of a file of any length.

use std::borrow::Cow;
use std::io::Read;

use serde_json::Map;
use serde_json::value::{RawValue, Value, to_raw_value};
use shared::event::Event;
use shared::rejection::{Rejection, codes};
use shared::wire::{self, Arrival, IdentifyBody, parse_identify};

use super::super::files::cells::{Cells, column, header};
use super::super::files::raw::{RawRow, RawRows};
use super::super::files::{FileFormat, Numbered, refused, text};
use crate::csv_text;
use crate::error::ApiError;

/// What to send where the header line names no contacts.
const WANTED: &str = "send CSV with a header line that names the column `email`, and if wanted `timestamp`; every other column is a trait";

/// Looks at a row, or at a cell of one, before anything is made of it: masks secret keys in it, or refuses it.
pub(super) type Screen<'a> = dyn Fn(&str) -> Result<Cow<'_, str>, Rejection> + Send + Sync + 'a;

/// How the rows of a file are read.
pub(super) enum Form {
    Csv(Columns),
    Lines,
}

impl Form {
    /// Reads the header line, where there is one.
    ///
    /// # Errors
    /// What `failed` makes of errors of the source, and 422 where it is no such file.
    pub(super) fn begin<R: Read>(
        rows: &mut RawRows<R>,
        screen: &Screen<'_>,
        failed: impl FnOnce(&R) -> ApiError,
    ) -> Result<Self, ApiError> {
        match rows.format() {
            FileFormat::Lines => Ok(Self::Lines),
            FileFormat::Csv => {
                let Ok(header) = header(rows) else {
                    return Err(failed(rows.source()));
                };
                let header = header?;
                let header = screen(&header).map_err(ApiError::Rejected)?;
                Ok(Self::Csv(Columns::of(&header)?))
            }
        }
    }

    /// What rows say. It computes, and nothing else.
    pub(super) fn read(
        &self,
        rows: Vec<RawRow>,
        screen: &Screen<'_>,
        arrival: &Arrival<'_>,
    ) -> Vec<Numbered<Event>> {
        let mut cells = Cells::new();
        let read = |(line, row): RawRow| {
            let row = row.and_then(|row| {
                let row = text(row)?;
                match self {
                    Self::Csv(columns) => columns.row(&cells.of(&row)?, screen, arrival),
                    Self::Lines => contact(&screen(&row)?, arrival),
                }
            });
            (line, row)
        };
        rows.into_iter().map(read).collect()
    }
}

/// What a line of JSON says.
fn contact(line: &str, arrival: &Arrival<'_>) -> Result<Event, Rejection> {
    let body: IdentifyBody<'_> = wire::body(line).map_err(|_| {
        let message = "Send one JSON object a line, such as {\"email\":\"user@example.com\",\"traits\":{\"plan\":\"pro\"}}";
        Rejection::whole(codes::INVALID_BODY, message)
    })?;
    parse_identify(&body, arrival).outcome
}

/// Where the columns are.
pub(super) struct Columns {
    email: usize,
    time: Option<usize>,
    /// Each with its name.
    traits: Vec<(usize, String)>,
}

impl Columns {
    fn of(header: &str) -> Result<Self, ApiError> {
        let wanted = || refused(WANTED.to_owned());
        let mut cells = Cells::new();
        let header = cells.of(header).map_err(|_| wanted())?;
        let email = column(&header, "email").ok_or_else(wanted)?;
        let time = column(&header, "timestamp");
        let others = header.iter().enumerate();
        let others =
            others.filter(|(at, name)| *at != email && Some(*at) != time && !name.is_empty());
        let named = |(at, name): (usize, &&str)| {
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
        cells: &[&str],
        screen: &Screen<'_>,
        arrival: &Arrival<'_>,
    ) -> Result<Event, Rejection> {
        let cells = cells.iter().map(|cell| screen(cell));
        let cells = cells.collect::<Result<Vec<_>, _>>()?;
        let at = |column: usize| {
            let cell = cells.get(column).map(|cell| &**cell);
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
    use shared::event::EventKind;
    use shared::time::Timestamp;

    use super::super::of_operator;
    use super::*;

    /// The line of a row, and its address and traits, or the code of its refusal.
    type Short = (u64, Result<(String, String), &'static str>);

    fn as_it_is(text: &str) -> Result<Cow<'_, str>, Rejection> {
        Ok(Cow::Borrowed(text))
    }

    fn begin(raw: &mut RawRows<&[u8]>) -> Result<Form, ApiError> {
        Form::begin(raw, &as_it_is, |_| unreachable!("a text fails nobody"))
    }

    fn read_all(text: &str, format: FileFormat) -> Vec<Short> {
        let arrival = of_operator(Timestamp::from_millis(1_790_000_000_000));
        let mut raw = RawRows::new(text.as_bytes(), format);
        let form = begin(&mut raw).unwrap();
        let rows = std::iter::from_fn(|| raw.next().unwrap()).collect();
        let rows = form.read(rows, &as_it_is, &arrival).into_iter();
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
            let begun = begin(&mut RawRows::new(text, FileFormat::Csv));
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
        let mut raw = RawRows::new(&text[..], FileFormat::Csv);
        let form = begin(&mut raw).unwrap();
        let rows = std::iter::from_fn(|| raw.next().unwrap()).collect();
        let told = form.read(rows, &as_it_is, &arrival).into_iter();
        let told =
            told.map(|(line, row)| (line, row.map(|_| ()).map_err(|rejection| rejection.code)));
        let bad = Err("invalid_body");
        assert_eq!(told.collect::<Vec<_>>(), [(2, bad), (3, bad), (4, Ok(()))]);
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
        fn screen(text: &str) -> Result<Cow<'_, str>, Rejection> {
            match text.contains("secret") {
                true => Err(Rejection::whole(codes::INVALID_BODY, "it is secret")),
                false => as_it_is(text),
            }
        }
        let text = &b"email,secret\nada@example.com,x\n"[..];
        let mut raw = RawRows::new(text, FileFormat::Csv);
        let begun = Form::begin(&mut raw, &screen, |_| ApiError::Internal);
        assert!(matches!(begun.map(|_| ()), Err(ApiError::Rejected(_))));
    }
}
