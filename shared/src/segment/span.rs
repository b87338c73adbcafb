//! Spans of time as definitions write them: `7d`, `90m`, `0s`.

use alloc::format;
use alloc::string::String;
use core::fmt;

use crate::limits::MAX_SEGMENT_SPAN_MS;

/// The units and their milliseconds, the longest first.
const UNITS: [(char, i64, &str); 5] = [
    ('w', 7 * 24 * 60 * 60 * 1000, "week"),
    ('d', 24 * 60 * 60 * 1000, "day"),
    ('h', 60 * 60 * 1000, "hour"),
    ('m', 60 * 1000, "minute"),
    ('s', 1000, "second"),
];

/// A span of whole seconds, from none to ten years. A day is 24 hours, a week seven days. Equal spans
/// are equal, however they were written (`7d`, `1w`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub(super) const NONE: Span = Span(0);

    /// Reads a whole number and one of `s m h d w`.
    ///
    /// # Errors
    /// [`SpanError`].
    pub fn parse(text: &str) -> Result<Span, SpanError> {
        let unit = text.chars().next_back().ok_or(SpanError::Malformed)?;
        let (_, millis, _) = UNITS
            .iter()
            .find(|(letter, _, _)| *letter == unit)
            .ok_or(SpanError::Malformed)?;
        let digits = &text[..text.len() - unit.len_utf8()];
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SpanError::Malformed);
        }
        let span = digits
            .parse::<i64>()
            .ok()
            .and_then(|n| n.checked_mul(*millis));
        match span {
            Some(span) if span <= MAX_SEGMENT_SPAN_MS => Ok(Span(span)),
            _ => Err(SpanError::TooLong),
        }
    }

    /// The span in milliseconds.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// The span in the longest unit of which it is a whole number, weeks apart: people count days.
    fn unit(self) -> (i64, char, &'static str) {
        let fits =
            |unit: &&(char, i64, &str)| self.0 % unit.1 == 0 && (self.0 != 0 || unit.1 == 1000);
        match UNITS.iter().skip(1).find(fits) {
            Some((letter, millis, name)) => (self.0 / millis, *letter, name),
            // Every span is of whole seconds.
            None => (self.0 / 1000, 's', "second"),
        }
    }

    /// In words: `7 days`, `1 hour`, `90 minutes`.
    pub(super) fn in_words(self) -> String {
        let (count, _, name) = self.unit();
        format!("{count} {name}{}", if count == 1 { "" } else { "s" })
    }

    /// The same behind “the last”, where one is not counted: `7 days`, `hour`.
    pub(super) fn in_words_of_the_last(self) -> String {
        match self.unit() {
            (1, _, name) => name.into(),
            _ => self.in_words(),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, letter, _) = self.unit();
        write!(f, "{count}{letter}")
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanError {
    /// Not a whole number and a unit.
    Malformed,
    /// More than ten years.
    TooLong,
}

impl fmt::Display for SpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SpanError::Malformed => {
                "Send a whole number and one of s, m, h, d, w (seconds, minutes, hours, days, weeks), such as \"7d\""
            }
            SpanError::TooLong => "Send a span of at most ten years (\"3650d\")",
        })
    }
}

impl core::error::Error for SpanError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn spans_are_equal_by_what_they_span_and_written_in_one_way() {
        for (sent, written, words) in [
            ("7d", "7d", "7 days"),
            ("1w", "7d", "7 days"),
            ("168h", "7d", "7 days"),
            ("24h", "1d", "1 day"),
            ("90m", "90m", "90 minutes"),
            ("500s", "500s", "500 seconds"),
            ("3600s", "1h", "1 hour"),
            ("0d", "0s", "0 seconds"),
            ("007d", "7d", "7 days"),
            ("3650d", "3650d", "3650 days"),
        ] {
            let span = Span::parse(sent).unwrap();
            assert_eq!(
                (span.to_string(), span.in_words()),
                (written.into(), words.into())
            );
            assert_eq!(Span::parse(written), Ok(span));
        }
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in [
            "", "7", "d", "7 d", "-7d", "+7d", "1.5d", "7D", "7days", "1y", "7é", "P7D",
        ] {
            assert_eq!(Span::parse(text), Err(SpanError::Malformed), "{text}");
        }
        for text in ["3651d", "99999999999999999999d", "9223372036854775807w"] {
            assert_eq!(Span::parse(text), Err(SpanError::TooLong), "{text}");
        }
    }
}
