//! Rows of CSV as cells. Where a row begins and ends is `raw`'s.

use std::io::{self, Read};

use csv_core::{ReadRecordResult, Reader};
use shared::rejection::{Rejection, codes};

use super::raw::RawRows;
use super::refused;
use crate::error::ApiError;

/// Splits rows into cells, one row after another; kept for all of a file, since a reader of CSV is dear to make.
pub(crate) struct Cells {
    reader: Reader,
    /// Of the last row: the contents of all cells, and where each of them ends.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Cells {
    pub(crate) fn new() -> Self {
        Self {
            // Its default is one that reads nothing.
            reader: Reader::new(),
            text: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// The cells of a row, without the blanks around them.
    ///
    /// # Errors
    /// Where it is not one row.
    pub(crate) fn of(&mut self, row: &str) -> Result<Vec<&str>, Rejection> {
        self.reader.reset();
        // What is read is no longer than what it is read from; one byte of room is left, or the reader asks for more.
        self.text.resize(row.len() + 1, 0);
        self.ends.resize(row.len() + 2, 0);
        let (mut read, mut written, mut count) = (0, 0, 0);
        loop {
            let rest = &row.as_bytes()[read..];
            // No more input is the end of the row.
            let (result, nin, nout, ends) =
                (self.reader).read_record(rest, &mut self.text[written..], &mut self.ends[count..]);
            (read, written, count) = (read + nin, written + nout, count + ends);
            match result {
                ReadRecordResult::InputEmpty if !rest.is_empty() => {}
                ReadRecordResult::Record if read == row.len() => break,
                // What would be another row was taken for a part of this one.
                _ => return Err(no_csv()),
            }
        }
        let text = std::str::from_utf8(&self.text[..written]).map_err(|_| no_csv())?;
        let mut start = 0;
        let cells = self.ends[..count].iter().map(|end| {
            let cell = text.get(start..*end).unwrap_or_default();
            start = *end;
            cell.trim()
        });
        Ok(cells.collect())
    }
}

fn no_csv() -> Rejection {
    let message = "the row is no CSV: double quotation marks that stand in quotation marks";
    Rejection::whole(codes::INVALID_BODY, message)
}

/// The header line of a CSV, which names its columns; an empty one where there is none.
///
/// # Errors
/// Those of the source; within, 422 where it is no text in UTF-8.
pub(crate) fn header<R: Read>(rows: &mut RawRows<R>) -> io::Result<Result<String, ApiError>> {
    let header = match rows.next()? {
        Some((_, Ok(header))) => header,
        Some((_, Err(rejection))) => return Ok(Err(ApiError::Rejected(rejection))),
        None => Vec::new(),
    };
    // A text in UTF-16 is full of them, and reads as if no column had a name.
    if header.contains(&0) {
        let message = "line 1 holds NUL characters: save the file in UTF-8, not in UTF-16";
        return Ok(Err(refused(message.to_owned())));
    }
    let is_utf16 = header.starts_with(&[0xff, 0xfe]) || header.starts_with(&[0xfe, 0xff]);
    let found = if is_utf16 { ", but in UTF-16" } else { "" };
    Ok(String::from_utf8(header).map_err(|_| {
        refused(format!(
            "line 1 is not in UTF-8{found}: save the file in UTF-8"
        ))
    }))
}

/// The place of a column, whatever the case of its name.
pub(crate) fn column(header: &[&str], name: &str) -> Option<usize> {
    header.iter().position(|one| one.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use csv::{ReaderBuilder, StringRecord, Trim};
    use proptest::prelude::*;

    use super::super::FileFormat;
    use super::*;

    proptest! {
        #[test]
        fn rows_are_those_that_a_csv_reader_makes_of_the_whole_file(text in "[a\",\n\r ü]{0,60}") {
            let mut raw = RawRows::new(text.as_bytes(), FileFormat::Csv);
            let (mut cells, mut rows) = (Cells::new(), Vec::new());
            while let Some((_, row)) = raw.next().unwrap() {
                let Ok(row) = row else {
                    // One that is never closed, which that reader takes for the rest of the file.
                    return Ok(());
                };
                let row = String::from_utf8(row).unwrap();
                rows.push(StringRecord::from(cells.of(&row).unwrap()));
            }
            let mut whole = ReaderBuilder::new()
                .has_headers(false)
                .trim(Trim::All)
                .flexible(true)
                .from_reader(text.as_bytes());
            let whole = whole.records().map(|one| one.unwrap());
            // A row of blanks is none here.
            let is_row = |row: &StringRecord| row.len() > 1 || row.get(0).is_some_and(|cell| !cell.is_empty());
            let whole: Vec<StringRecord> = whole.filter(is_row).collect();
            rows.retain(is_row);
            prop_assert_eq!(rows, whole);
        }
    }
}
