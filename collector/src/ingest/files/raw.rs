//! Rows of a file as they stand in it, one by one, of a file of any length: where each begins and ends. What is in
//! them is read by others.

use std::io::{self, Read};

use shared::limits::MAX_EVENT_BYTES;
use shared::rejection::{Rejection, codes};

use super::FileFormat;

/// A row has so many bytes at the most.
const MAX_ROW: usize = MAX_EVENT_BYTES;
/// Read at once.
const STEP: usize = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The rows of a source; blank lines are none.
pub(crate) struct RawRows<R> {
    source: R,
    format: FileFormat,
    buffer: Vec<u8>,
    /// What is read at once.
    step: Box<[u8]>,
    /// Where the next row begins in the buffer.
    start: usize,
    /// The line where it begins, from 1.
    line: u64,
    /// Nothing but marks of the byte order has been passed over yet.
    is_at_start: bool,
    is_at_end: bool,
    /// The rest of a line that was too long is passed over.
    is_passing: bool,
    /// How far the row has been looked at.
    seen: Seen,
}

/// How far a row has been looked at: so many bytes, with so many line breaks in them.
#[derive(Debug, Clone, Copy)]
struct Seen {
    bytes: usize,
    breaks: u64,
    within: Within,
}

impl Seen {
    const NOTHING: Self = Self {
        bytes: 0,
        breaks: 0,
        within: Within::CellStart,
    };
}

/// A row by the line where it begins, from 1: its bytes without the end of its line, or what is wrong with it.
pub(crate) type RawRow = (u64, Result<Vec<u8>, Rejection>);

/// Where in a row of CSV one stands, as `csv` reads it: a quotation mark means something where a cell begins, and within
/// one that began so.
#[derive(Debug, Clone, Copy)]
enum Within {
    CellStart,
    Cell,
    /// With the line of the mark that opened it.
    Quoted(u64),
    /// Behind a mark that closes the cell, or is the first of two.
    Closed(u64),
}

impl Within {
    /// Behind one more byte that ends no row, in this line.
    fn behind(self, byte: u8, line: u64) -> Self {
        match (self, byte) {
            (Self::CellStart, b'"') => Self::Quoted(line),
            (Self::Quoted(opened), b'"') => Self::Closed(opened),
            (Self::Quoted(opened), _) | (Self::Closed(opened), b'"') => Self::Quoted(opened),
            (_, b',') => Self::CellStart,
            _ => Self::Cell,
        }
    }

    fn is_quoted(self) -> bool {
        matches!(self, Self::Quoted(_))
    }
}

/// What the bytes in front are.
enum Front {
    /// A row with so many bytes and so many line breaks, its own end among them.
    Row(usize, u64),
    /// Behind what is there the row may go on.
    Open,
    /// A quotation mark in this line is closed nowhere that a row may reach to.
    Unclosed(u64),
    TooLong,
}

/// Whether a line ends at a byte.
enum End {
    None,
    /// What follows it says so.
    Open,
    /// It does, with so many bytes of what is looked at.
    Behind(usize),
}

impl<R: Read> RawRows<R> {
    pub(crate) fn new(source: R, format: FileFormat) -> Self {
        Self {
            source,
            format,
            buffer: Vec::new(),
            step: vec![0; STEP].into(),
            start: 0,
            line: 1,
            is_at_start: true,
            is_at_end: false,
            is_passing: false,
            seen: Seen::NOTHING,
        }
    }

    pub(crate) fn format(&self) -> FileFormat {
        self.format
    }

    /// What it reads from.
    pub(crate) fn source(&self) -> &R {
        &self.source
    }

    /// The next row; `None` behind the last. Blocks.
    ///
    /// # Errors
    /// Those of the source.
    pub(crate) fn next(&mut self) -> io::Result<Option<RawRow>> {
        loop {
            if self.is_passing && !self.pass() && !self.is_at_end {
                self.read()?;
                continue;
            }
            if self.is_at_start {
                let front = &self.buffer[self.start..];
                if front.len() < BYTE_ORDER_MARK.len() && !self.is_at_end {
                    self.read()?;
                } else if front.starts_with(BYTE_ORDER_MARK) {
                    // Programs put theirs in front of what has one already.
                    self.start += BYTE_ORDER_MARK.len();
                } else {
                    self.is_at_start = false;
                }
                continue;
            }
            let front = self.front();
            let line = self.line;
            let refused = |message: String| {
                Ok(Some((
                    line,
                    Err(Rejection::whole(codes::INVALID_BODY, message)),
                )))
            };
            if !matches!(front, Front::Open) {
                self.seen = Seen::NOTHING;
            }
            match front {
                Front::Open if !self.is_at_end => self.read()?,
                Front::Open => return Ok(None),
                Front::Row(length, breaks) => {
                    let row = &self.buffer[self.start..self.start + length];
                    let row = row.trim_ascii_end().to_vec();
                    self.start += length;
                    self.line += breaks;
                    if !row.trim_ascii().is_empty() {
                        return Ok(Some((line, Ok(row))));
                    }
                }
                Front::TooLong => {
                    self.is_passing = true;
                    self.pass();
                    return refused(format!("the row has more than {MAX_ROW} bytes"));
                }
                Front::Unclosed(of) => {
                    // Nobody in the lines behind it is lost with it.
                    self.is_passing = true;
                    self.pass();
                    return refused(format!(
                        "the quotation mark in line {of} is never closed: close it, or double it if it is meant"
                    ));
                }
            }
        }
    }

    /// Passes over what is left of a line; whether its end was there.
    fn pass(&mut self) -> bool {
        let rest = &self.buffer[self.start..];
        for at in 0..rest.len() {
            match self.line_end(rest, at) {
                End::None => {}
                End::Open => {
                    self.start += at;
                    return false;
                }
                End::Behind(length) => {
                    self.start += length;
                    self.line += 1;
                    self.is_passing = false;
                    return true;
                }
            }
        }
        self.start = self.buffer.len();
        false
    }

    /// Whether a line ends at this byte: of CSV at a carriage return alone too, as `csv` reads it.
    fn line_end(&self, rest: &[u8], at: usize) -> End {
        match (rest[at], rest.get(at + 1)) {
            (b'\n', _) => End::Behind(at + 1),
            (b'\r', Some(b'\n')) if self.format == FileFormat::Csv => End::Behind(at + 2),
            (b'\r', None) if self.format == FileFormat::Csv && !self.is_at_end => End::Open,
            (b'\r', _) if self.format == FileFormat::Csv => End::Behind(at + 1),
            _ => End::None,
        }
    }

    fn front(&mut self) -> Front {
        let rest = &self.buffer[self.start..];
        let quotes = self.format == FileFormat::Csv;
        let Seen {
            bytes: mut at,
            mut breaks,
            mut within,
        } = self.seen;
        let mut front = None;
        while let Some(byte) = rest.get(at).filter(|_| at < MAX_ROW) {
            if !within.is_quoted() {
                match self.line_end(rest, at) {
                    End::None => {}
                    End::Open => {
                        front = Some(Front::Open);
                        break;
                    }
                    End::Behind(length) => {
                        front = Some(Front::Row(length, breaks + 1));
                        break;
                    }
                }
            }
            if quotes {
                within = within.behind(*byte, self.line + breaks);
            }
            breaks += u64::from(*byte == b'\n');
            at += 1;
        }
        let is_whole = self.is_at_end && rest.len() <= MAX_ROW;
        let is_full = rest.len() > MAX_ROW;
        let front = front.unwrap_or(match within {
            _ if !is_whole && !is_full => Front::Open,
            Within::Quoted(line) => Front::Unclosed(line),
            _ if rest.is_empty() => Front::Open,
            _ if is_whole => Front::Row(rest.len(), breaks),
            _ => Front::TooLong,
        });
        self.seen = Seen {
            bytes: at,
            breaks,
            within,
        };
        front
    }

    fn read(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let read = loop {
            match self.source.read(&mut self.step) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.buffer.extend_from_slice(&self.step[..read]);
        self.is_at_end = read == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives away so many bytes at once.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let taken = self.0.len().min(out.len()).min(self.1);
            out[..taken].copy_from_slice(&self.0[..taken]);
            self.0 = &self.0[taken..];
            Ok(taken)
        }
    }

    /// The line of each row with its text; of a refused one with what is said of it.
    fn all(text: &str, format: FileFormat, step: usize) -> Vec<(u64, String)> {
        let mut rows = RawRows::new(Slowly(text.as_bytes(), step), format);
        let mut all = Vec::new();
        while let Some((line, row)) = rows.next().unwrap() {
            let text = match row {
                Ok(row) => String::from_utf8(row).unwrap(),
                Err(rejection) => format!("! {}", rejection.message),
            };
            all.push((line, text));
        }
        all
    }

    fn short(text: &str, format: FileFormat) -> Vec<(u64, String)> {
        let whole = all(text, format, usize::MAX);
        for step in [1, 2, 7, 1_000] {
            assert_eq!(all(text, format, step), whole, "{step}");
        }
        whole
    }

    #[test]
    fn rows_are_told_with_their_lines_whatever_ends_them() {
        let text = "\u{feff}a,b\r\n\r\n\"x\ny\",\"say \"\"no\"\"\"\n  \n7";
        let rows = [(1, "a,b"), (3, "\"x\ny\",\"say \"\"no\"\"\""), (6, "7")];
        let rows = rows.map(|(line, text)| (line, text.to_owned()));
        assert_eq!(short(text, FileFormat::Csv), rows);
        let lines = ["a,b", "\"x", "y\",\"say \"\"no\"\"\"", "7"];
        let told: Vec<String> = short(text, FileFormat::Lines)
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        assert_eq!(told, lines);
        assert_eq!(short("", FileFormat::Csv), []);
        assert_eq!(short("\n\r\n", FileFormat::Lines), []);
    }

    #[test]
    fn marks_of_the_byte_order_are_passed_over_at_the_start_alone_however_many_there_are() {
        for format in [FileFormat::Csv, FileFormat::Lines] {
            for marks in ["", "\u{feff}", "\u{feff}\u{feff}"] {
                let told = short(&format!("{marks}a\n\u{feff}b"), format);
                let rows = [(1, "a".to_owned()), (2, "\u{feff}b".to_owned())];
                assert_eq!(told, rows, "{marks:?}");
                assert_eq!(short(marks, format), []);
            }
        }
    }

    #[test]
    fn a_quotation_mark_that_is_never_closed_loses_its_line_alone() {
        let text = "email\nada,\"x\nben,y\ncy,z\n";
        let told = short(text, FileFormat::Csv);
        assert_eq!(told[0], (1, "email".to_owned()));
        assert_eq!(told[1].0, 2);
        assert!(
            told[1].1.contains("line 2 is never closed"),
            "{}",
            told[1].1
        );
        assert_eq!(told[2..], [(3, "ben,y".to_owned()), (4, "cy,z".to_owned())]);
        // Also where much follows it,
        let many: String = (0..10_000).map(|at| format!("p{at},z\n")).collect();
        let told = short(&format!("email\nada,\"x\n{many}"), FileFormat::Csv);
        assert_eq!(told.len(), 10_002);
        assert_eq!(told.last(), Some(&(10_002, "p9999,z".to_owned())));
        // and where it stands at the end.
        let told = short("email\nada\nben,\"", FileFormat::Csv);
        assert!(
            told[2].1.contains("line 3 is never closed"),
            "{}",
            told[2].1
        );
        assert_eq!(told.len(), 3);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_is_not() {
        let long = "x".repeat(3 * MAX_ROW);
        for format in [FileFormat::Csv, FileFormat::Lines] {
            let told = all(&format!("a\n{long}\nb\n"), format, 5_000);
            assert_eq!(told[0], (1, "a".to_owned()));
            assert!(told[1].1.contains("more than 32768 bytes"), "{}", told[1].1);
            assert_eq!(told[2..], [(3, "b".to_owned())]);
            let told = all(&long, format, 5_000);
            assert_eq!(told.len(), 1);
            let fits = "y".repeat(MAX_ROW - 1);
            assert_eq!(all(&format!("{fits}\n"), format, 5_000), [(1, fits)]);
        }
    }

    proptest! {
        #[test]
        fn rows_are_the_same_however_they_arrive(text in "\u{feff}{0,2}[a\",\n\r]{0,80}", step in 1..9_usize) {
            for format in [FileFormat::Csv, FileFormat::Lines] {
                prop_assert_eq!(all(&text, format, step), all(&text, format, usize::MAX));
            }
        }
    }
}
