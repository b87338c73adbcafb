//! Standard output and standard error: the one place that writes to them.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

pub(super) use crate::terminal::tell;

/// Standard output: what the command was asked for.
pub(super) struct Output(io::StdoutLock<'static>);

impl Output {
    pub(super) fn standard() -> Self {
        Self(io::stdout().lock())
    }

    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.0, "{text}")
    }

    /// A text as it is, to the byte.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes())?;
        self.0.flush()
    }

    /// One object, on one line.
    pub(super) fn json(&mut self, object: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(object)?;
        self.line(&text)
    }

    /// Columns as wide as their widest cell, under their names.
    pub(super) fn table<const N: usize>(
        &mut self,
        names: [&str; N],
        rows: &[[String; N]],
    ) -> io::Result<()> {
        for line in table(names, rows) {
            self.line(&line)?;
        }
        Ok(())
    }
}

/// Shows warnings of the modules that a command uses; a server logs in its own way.
pub(super) fn log_warnings() {
    // Already set, by an earlier call: then it stands.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .try_init()
        .ok();
}

/// A value as a cell: a text without its quotation marks, and nothing for what is not there.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn table<const N: usize>(names: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let width = |text: &str| text.chars().count();
    let names = names.map(str::to_owned);
    let mut widths = [0; N];
    for row in std::iter::once(&names).chain(rows) {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = width(cell).max(*widest);
        }
    }
    std::iter::once(&names)
        .chain(rows)
        .map(|row| {
            let mut line = String::new();
            for (cell, widest) in row.iter().zip(widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', widest - width(cell) + 2));
            }
            line.truncate(line.trim_end().len());
            line
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            ["1".to_owned(), "ä".to_owned()],
            ["100".to_owned(), String::new()],
        ];
        assert_eq!(table(["ID", "NAME"], &rows), ["ID   NAME", "1    ä", "100"]);
    }
}
