//! A file of contacts, sent in parts: a part of CSV has the header line again.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};

use csv::{ReaderBuilder, WriterBuilder};

use super::super::output::{Output, tell};
use super::super::{Failure, Folder};
use super::Import;
use crate::control::calls;
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
    let mut send = |text: &str, lines: &[u64]| -> Result<(), Failure> {
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
            let at = usize::try_from(one["line"].as_u64().unwrap_or_default()).unwrap_or_default();
            let line = line_of(is_csv, lines, at);
            let message = one["message"].as_str().unwrap_or_default();
            tell(&format!("line {line}: {message}"));
        }
        tell(&format!("{} rows", counts.rows));
        Ok(())
    };
    if is_csv {
        parts_of_csv(file, &mut send, &failed)?;
    } else {
        parts_of_lines(file, &mut send, &failed)?;
    }
    let Counts {
        recorded,
        duplicates,
        rejected,
        ..
    } = counts;
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
        return Err(Failure::Failed(format!("{rejected} rows were refused")));
    }
    Ok(())
}

/// The line in the file of what stands in this line of a part.
fn line_of(is_csv: bool, lines: &[u64], at: usize) -> u64 {
    // A part of CSV begins with the header, and has every row on one line unless cells hold line breaks.
    let place = at.saturating_sub(1 + usize::from(is_csv));
    let last = lines.last().copied().unwrap_or_default();
    lines.get(place).copied().unwrap_or(last)
}

type Send<'a> = dyn FnMut(&str, &[u64]) -> Result<(), Failure> + 'a;

fn parts_of_lines(
    file: File,
    send: &mut Send<'_>,
    failed: &dyn Fn(io::Error) -> Failure,
) -> Result<(), Failure> {
    let (mut part, mut lines) = (String::new(), Vec::new());
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        part.push_str(&line);
        part.push('\n');
        lines.push(number);
        if lines.len() == ROWS || part.len() >= BYTES {
            send(&part, &lines)?;
            part.clear();
            lines.clear();
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    send(&part, &lines)
}

fn parts_of_csv(
    file: File,
    send: &mut Send<'_>,
    failed: &dyn Fn(io::Error) -> Failure,
) -> Result<(), Failure> {
    let broken = |error: csv::Error| failed(io::Error::other(error.to_string()));
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(BufReader::new(file));
    let mut records = reader.records();
    let Some(header) = records.next().transpose().map_err(broken)? else {
        return Err(failed(io::Error::other("it is empty")));
    };
    let begin = || {
        let mut part = WriterBuilder::new().flexible(true).from_writer(Vec::new());
        part.write_record(&header).map(|()| part)
    };
    let (mut part, mut lines) = (begin().map_err(broken)?, Vec::new());
    let mut bytes = 0;
    for record in records {
        let record = record.map_err(broken)?;
        bytes += record.as_slice().len();
        lines.push(record.position().map_or(0, csv::Position::line));
        part.write_record(&record).map_err(broken)?;
        if lines.len() == ROWS || bytes >= BYTES {
            let whole = std::mem::replace(&mut part, begin().map_err(broken)?);
            send(&text_of(whole, failed)?, &lines)?;
            (lines, bytes) = (Vec::new(), 0);
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    send(&text_of(part, failed)?, &lines)
}

fn text_of(
    part: csv::Writer<Vec<u8>>,
    failed: &dyn Fn(io::Error) -> Failure,
) -> Result<String, Failure> {
    let bytes = part
        .into_inner()
        .map_err(|error| failed(io::Error::other(error.to_string())))?;
    String::from_utf8(bytes).map_err(|error| failed(io::Error::other(error)))
}
