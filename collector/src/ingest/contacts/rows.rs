//! Files of contacts: CSV with a header line (`email`, if wanted `timestamp`, and a column for each trait), or one JSON
//! object a line as `identify` takes it.

use serde_json::Map;
use serde_json::value::{RawValue, Value, to_raw_value};
use shared::event::Event;
use shared::rejection::{Rejection, codes};
use shared::wire::{self, Arrival, IdentifyBody, parse_identify};

use super::super::files::{
    Columns, FileFormat, Numbered, csv_rows, lines, not_too_many, without_mark,
};
use crate::csv_text;
use crate::error::ApiError;

/// Reads all rows; blank lines are none.
///
/// # Errors
/// Where it is no such file, or one of too many rows.
pub(super) fn read(
    text: &str,
    format: FileFormat,
    arrival: &Arrival<'_>,
) -> Result<Vec<Numbered<Event>>, ApiError> {
    let text = without_mark(text);
    let rows = match format {
        FileFormat::Csv => {
            let wanted = "send CSV with a header line that names the column `email`, and if wanted `timestamp`; every other column is a trait";
            csv_rows(text, wanted, |headers| Cells::of(headers, arrival))?
        }
        FileFormat::Lines => lines(text, |line| {
            let body: IdentifyBody<'_> = wire::body(line).map_err(|_| {
                let message = "Send one JSON object a line, such as {\"email\":\"user@example.com\",\"traits\":{\"plan\":\"pro\"}}";
                Rejection::whole(codes::INVALID_BODY, message)
            })?;
            parse_identify(&body, arrival).outcome
        }),
    };
    not_too_many(rows)
}

/// Where the columns are.
struct Cells<'a> {
    email: usize,
    time: Option<usize>,
    /// Each with its name.
    traits: Vec<(usize, String)>,
    arrival: &'a Arrival<'a>,
}

impl<'a> Cells<'a> {
    fn of(headers: &[&str], arrival: &'a Arrival<'a>) -> Option<Self> {
        let column = |name: &str| {
            let mut headers = headers.iter();
            headers.position(|header| header.eq_ignore_ascii_case(name))
        };
        let (email, time) = (column("email")?, column("timestamp"));
        let others = headers.iter().enumerate();
        let others =
            others.filter(|(at, name)| *at != email && Some(*at) != time && !name.is_empty());
        let named = |(at, name): (usize, &&str)| {
            let name = name.strip_prefix("traits.").unwrap_or(name);
            (at, csv_text::read(name).to_owned())
        };
        Some(Self {
            email,
            time,
            traits: others.map(named).collect(),
            arrival,
        })
    }
}

impl Columns for Cells<'_> {
    type Row = Event;

    fn row(&self, cells: &[&str]) -> Result<Event, Rejection> {
        let at = |column: usize| cells.get(column).copied().filter(|cell| !cell.is_empty());
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
        parse_identify(&body, self.arrival).outcome
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

    fn read_all(text: &str, format: FileFormat) -> Vec<Short> {
        let arrival = of_operator(Timestamp::from_millis(1_790_000_000_000));
        let rows = read(text, format, &arrival).unwrap();
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
        rows.into_iter().map(short).collect()
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
}
