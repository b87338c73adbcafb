//! How a row is written: as a line of NDJSON, an object with every column, or of CSV (RFC 4180). Texts
//! stay texts, whatever they look like (in CSV marked where they look like formulas: `csv_text`); amounts are exact decimals, with their minor units beside them
//! as whole numbers; instants are RFC 3339 in UTC.

use serde_json::value::RawValue;
use shared::money::{Money, decimal_string};
use shared::time::Timestamp;

use crate::csv_text;

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ExportFormat {
    #[default]
    Ndjson,
    Csv,
}

/// One value of a row.
#[derive(Clone)]
pub(crate) enum Cell {
    Null,
    Text(String),
    /// Of a closed set of words.
    Word(&'static str),
    /// A JSON number in its own text.
    Number(String),
    Bool(bool),
    /// JSON as it is; in CSV its text.
    Json(Box<RawValue>),
}

/// The values of a row, in the order of its columns.
pub(crate) type Row = Vec<Cell>;

impl Cell {
    pub(super) fn text(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.into()))
    }

    pub(super) fn word(word: Option<&'static str>) -> Self {
        word.map_or(Self::Null, Self::Word)
    }

    pub(super) fn time(time: Timestamp) -> Self {
        Self::Text(time.to_string())
    }

    /// Milliseconds since 1970.
    pub(super) fn millis(millis: Option<i64>) -> Self {
        millis.map_or(Self::Null, |millis| {
            Self::time(Timestamp::from_millis(millis))
        })
    }

    /// An amount in major units, and in minor ones.
    pub(super) fn money(money: Option<Money>) -> [Self; 2] {
        money.map_or([Self::Null, Self::Null], |money| {
            let digits = money.currency.minor_digits();
            [
                Self::Number(decimal_string(money.minor.into(), digits)),
                Self::Number(money.minor.to_string()),
            ]
        })
    }
}

impl ExportFormat {
    /// `ndjson` or `csv`.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "ndjson" => Some(Self::Ndjson),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    #[must_use]
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// The end of a file's name.
    #[must_use]
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    /// What stands before the rows.
    pub(super) fn head(self, columns: &[&str]) -> Vec<u8> {
        match self {
            Self::Ndjson => Vec::new(),
            Self::Csv => format!("{}\r\n", columns.join(",")).into_bytes(),
        }
    }

    pub(super) fn write(self, columns: &[&str], row: &[Cell], to: &mut Vec<u8>) {
        debug_assert_eq!(columns.len(), row.len());
        match self {
            Self::Ndjson => {
                for (at, (column, cell)) in columns.iter().zip(row).enumerate() {
                    to.extend_from_slice(if at == 0 { b"{\"" } else { b",\"" });
                    to.extend_from_slice(column.as_bytes());
                    to.extend_from_slice(b"\":");
                    write_json(cell, to);
                }
                to.extend_from_slice(b"}\n");
            }
            Self::Csv => {
                for (at, cell) in row.iter().enumerate() {
                    if at > 0 {
                        to.push(b',');
                    }
                    write_csv(cell, to);
                }
                to.extend_from_slice(b"\r\n");
            }
        }
    }
}

fn write_json(cell: &Cell, to: &mut Vec<u8>) {
    match cell {
        Cell::Null => to.extend_from_slice(b"null"),
        Cell::Text(text) => write_text(text, to),
        Cell::Word(word) => write_text(word, to),
        Cell::Number(number) => to.extend_from_slice(number.as_bytes()),
        Cell::Bool(value) => to.extend_from_slice(if *value { b"true" } else { b"false" }),
        // The caller's own text may hold line breaks between its values; none of them is in a text.
        Cell::Json(json) => {
            let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
            to.extend(json.get().bytes().filter(|byte| !is_break(byte)));
        }
    }
}

fn write_text(text: &str, to: &mut Vec<u8>) {
    // Writing a text into memory cannot fail.
    serde_json::to_writer(to, text).ok();
}

fn write_csv(cell: &Cell, to: &mut Vec<u8>) {
    match cell {
        Cell::Null => {}
        Cell::Text(text) => csv_text::write(text, to),
        Cell::Word(word) => csv_text::write(word, to),
        Cell::Number(number) => to.extend_from_slice(number.as_bytes()),
        Cell::Bool(value) => to.extend_from_slice(if *value { b"true" } else { b"false" }),
        Cell::Json(json) => csv_text::write(json.get(), to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_whatever_is_in_it() {
        let json = RawValue::from_string("{\"a\":\n [1,\r\n\"x\\ny\"]}".to_owned()).unwrap();
        let row = [
            Cell::Text("0017".into()),
            Cell::Text("a \"b\", c\nd".into()),
            Cell::Text("-1".into()),
            Cell::Number("-1".into()),
            Cell::Text(String::new()),
            Cell::Null,
            Cell::Number("49.90".into()),
            Cell::Bool(true),
            Cell::Json(json),
        ];
        let columns = [
            "id", "text", "name", "less", "empty", "none", "amount", "yes", "json",
        ];
        let write = |format: ExportFormat| {
            let mut text = format.head(&columns);
            format.write(&columns, &row, &mut text);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(
            write(ExportFormat::Ndjson),
            "{\"id\":\"0017\",\"text\":\"a \\\"b\\\", c\\nd\",\"name\":\"-1\",\"less\":-1,\"empty\":\"\",\"none\":null,\"amount\":49.90,\"yes\":true,\
             \"json\":{\"a\": [1,\"x\\ny\"]}}\n"
        );
        assert_eq!(
            write(ExportFormat::Csv),
            "id,text,name,less,empty,none,amount,yes,json\r\n0017,\"a \"\"b\"\", c\nd\",'-1,-1,\"\",,49.90,true,\"{\"\"a\"\":\n [1,\r\n\
             \"\"x\\ny\"\"]}\"\r\n"
        );
    }
}
