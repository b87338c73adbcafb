//! A file of contacts, sent in parts: a part of CSV has the header line again.

use std::fs::File;
use std::io;

use super::super::output::{Output, tell};
use super::super::{Failure, Folder};
use super::Import;
use crate::control::calls;
use crate::ingest::files::FileFormat;
use crate::ingest::files::raw::RawRows;
use crate::routes::control::contacts::ImportBody;

/// A part has so many rows,
const ROWS: usize = 5_000;
/// or ends earlier at so many bytes, so that it fits into one call.
const BYTES: usize = 8 * 1024 * 1024;
/// Rows that are refused and shown; the rest is counted.
const MOST_SHOWN: usize = 20;

#[derive(Default)]
struct Counts {
    recorded: u64,
    duplicates: u64,
    rejected: u64,
    /// Rows that have been sent.
    rows: u64,
    shown: usize,
}

pub(super) fn import(import: &Import, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::Failed(format!("{} cannot be read: {error}", import.file.display()))
    };
    let file = File::open(&import.file).map_err(failed)?;
    let is_csv = import
        .file
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let mut counts = Counts::default();
    let mut send = |text: &str, lines: &[(u64, u64)]| -> Result<(), Failure> {
        let body = ImportBody { csv: is_csv, text };
        let done = folder.ask(&calls::import_contacts(&import.workspace, &body))?;
        let count = |name: &str| done[name].as_u64().unwrap_or_default();
        counts.recorded += count("recorded");
        counts.duplicates += count("duplicates");
        counts.rejected += count("rejected");
        counts.rows += lines.len() as u64;
        let refused = done["results"].as_array();
        for one in refused.into_iter().flatten() {
            if counts.shown == MOST_SHOWN {
                break;
            }
            counts.shown += 1;
            let line = line_of(lines, one["line"].as_u64().unwrap_or_default());
            let message = one["message"].as_str().unwrap_or_default();
            tell(&format!("line {line}: {message}"));
        }
        tell(&format!("{} rows", counts.rows));
        Ok(())
    };
    let rejected = &mut |line: u64, message: &str| {
        tell(&format!("line {line}: {message}"));
    };
    let unreadable = parts(file, is_csv, &mut send, &failed, rejected)?;
    let Counts {
        recorded,
        duplicates,
        rejected,
        ..
    } = counts;
    let rejected = rejected + unreadable;
    if import.json {
        let all = serde_json::json!({
            "recorded": recorded, "duplicates": duplicates, "rejected": rejected,
        });
        output.json(&all)?;
    } else {
        output.line(&format!(
            "{recorded} recorded, {duplicates} known already, {rejected} refused"
        ))?;
    }
    if rejected > 0 {
        return Err(Failure::Failed(match rejected {
            1 => "1 row was refused".to_owned(),
            rows => format!("{rows} rows were refused"),
        }));
    }
    Ok(())
}

/// The line in the file of what stands in this line of a part.
fn line_of(lines: &[(u64, u64)], at: u64) -> u64 {
    let behind = lines.partition_point(|(in_part, _)| *in_part <= at);
    let row = behind.checked_sub(1).and_then(|at| lines.get(at));
    row.map_or(at, |(in_part, in_file)| in_file + (at - in_part))
}

/// Takes a part: its text, and of each row the line in it and the line in the file.
type Send<'a> = dyn FnMut(&str, &[(u64, u64)]) -> Result<(), Failure> + 'a;

/// A part that grows.
#[derive(Default)]
struct Part {
    text: String,
    /// Line breaks in it.
    breaks: u64,
    lines: Vec<(u64, u64)>,
}

impl Part {
    fn push(&mut self, row: &str) {
        self.breaks += row.bytes().filter(|byte| *byte == b'\n').count() as u64 + 1;
        self.text.push_str(row);
        self.text.push('\n');
    }
}

/// Sends a file in parts; answers how many rows were too long or not to be read, which are told by their lines.
fn parts(
    file: File,
    is_csv: bool,
    send: &mut Send<'_>,
    failed: &dyn Fn(io::Error) -> Failure,
    refused: &mut dyn FnMut(u64, &str),
) -> Result<u64, Failure> {
    let format = if is_csv {
        FileFormat::Csv
    } else {
        FileFormat::Lines
    };
    let (mut rows, mut count) = (RawRows::new(file, format), 0);
    let no_header = |why: String| failed(io::Error::other(why));
    let header = match is_csv {
        false => None,
        true => match rows.next().map_err(failed)? {
            None => return Err(no_header("it is empty".to_owned())),
            Some((_, Err(rejection))) => return Err(no_header(rejection.message)),
            Some((_, Ok(header))) => Some(text_of(header).map_err(no_header)?),
        },
    };
    let begin = || {
        let mut part = Part::default();
        if let Some(header) = &header {
            part.push(header);
        }
        part
    };
    let mut part = begin();
    while let Some((line, row)) = rows.next().map_err(failed)? {
        match row.map_err(|rejection| rejection.message).and_then(text_of) {
            Ok(row) => {
                part.lines.push((part.breaks + 1, line));
                part.push(&row);
            }
            Err(why) => {
                count += 1;
                if count <= MOST_SHOWN as u64 {
                    refused(line, &why);
                }
            }
        }
        if part.lines.len() == ROWS || part.text.len() >= BYTES {
            send(&part.text, &part.lines)?;
            part = begin();
        }
    }
    // A header line without rows is looked at too.
    if !part.lines.is_empty() || header.is_some() {
        send(&part.text, &part.lines)?;
    }
    Ok(count)
}

fn text_of(row: Vec<u8>) -> Result<String, String> {
    String::from_utf8(row).map_err(|_| "it is not in UTF-8: save the file in UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_part_is_told_as_the_line_of_the_file() {
        // A header, and two rows of which the first has three lines.
        let lines = [(2, 7_001), (5, 7_006)];
        for (in_part, in_file) in [(2, 7_001), (4, 7_003), (5, 7_006)] {
            assert_eq!(line_of(&lines, in_part), in_file);
        }
    }
}
