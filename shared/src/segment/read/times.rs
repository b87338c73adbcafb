//! Reading windows, moments, days and spans.

use alloc::string::String;

use super::{Fields, Read, wanted};
use crate::segment::calendar::Day;
use crate::segment::refusal::DefinitionError;
use crate::segment::span::Span;
use crate::segment::tree::{DayWord, Moment, Window};
use crate::segment::value::Value;
use crate::time::Timestamp;

/// The words of windows.
const WINDOW: [&str; 3] = ["within", "between", "ago"];

/// The window beside a leaf.
pub(super) fn window(fields: &Fields<'_>) -> Read<Option<Window>> {
    fields.refuse_second(&WINDOW)?;
    if let Some((path, value)) = fields.get("within") {
        return match value {
            Value::Text(word) if word == "today" => Ok(Some(Window::Today)),
            Value::Text(word) if word.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                Err(DefinitionError::unknown(path, word, &["today", "7d"]))
            }
            other => span(&path, other).map(|span| Some(Window::Within(span))),
        };
    }
    if let Some((path, value)) = fields.get("between") {
        let ends = Fields::of(&path, value)?;
        ends.only(&["from", "to"])?;
        let end = |name| {
            let (path, value) = ends.required(name)?;
            fixed(&path, value)
        };
        let (from, to) = (end("from")?, end("to")?);
        // Days and instants are compared where the zone is known; alike ones here.
        let is_backward = match (from, to) {
            (Moment::At(from), Moment::At(to)) => from >= to,
            (Moment::StartOf(from), Moment::StartOf(to)) => from >= to,
            _ => false,
        };
        if is_backward {
            return Err(DefinitionError::at(
                path,
                "Send a `from` that lies before `to`: `to` itself is not meant",
            ));
        }
        return Ok(Some(Window::Between(from, to)));
    }
    if let Some((path, value)) = fields.get("ago") {
        let ends = Fields::of(&path, value)?;
        ends.only(&["from", "to"])?;
        let end = |name| {
            let (path, value) = ends.required(name)?;
            span(&path, value)
        };
        let (from, to) = (end("from")?, end("to")?);
        if from <= to {
            let message = "Send the longer span as `from`: {\"from\":\"14d\",\"to\":\"7d\"} is from 14 to 7 days ago";
            return Err(DefinitionError::at(path, message));
        }
        return Ok(Some(Window::Ago { from, to }));
    }
    Ok(None)
}

/// A span such as `7d`.
pub(super) fn span(path: &str, value: &Value) -> Read<Span> {
    let Value::Text(text) = value else {
        return Err(wanted(path, "a span such as \"7d\"", value));
    };
    Span::parse(text).map_err(|error| DefinitionError::at(path, alloc::format!("{error}")))
}

/// A moment: fixed, `now`, or so long from it.
pub(super) fn moment(path: &str, value: &Value) -> Read<Moment> {
    match value {
        Value::Text(word) if word == "now" => Ok(Moment::Now),
        Value::Object(_) => {
            let fields = Fields::of(path, value)?;
            fields.only(&["ago", "ahead"])?;
            fields.refuse_second(&["ago", "ahead"])?;
            if let Some((path, value)) = fields.get("ago") {
                return span(&path, value).map(Moment::Ago);
            }
            if let Some((path, value)) = fields.get("ahead") {
                return span(&path, value).map(Moment::Ahead);
            }
            Err(DefinitionError::at(
                path,
                "Send {\"ago\":\"7d\"} or {\"ahead\":\"7d\"}",
            ))
        }
        Value::Text(_) => fixed(path, value),
        other => Err(wanted(
            path,
            "a time, \"now\", {\"ago\":\"7d\"} or {\"ahead\":\"7d\"}",
            other,
        )),
    }
}

/// A moment that does not move: RFC 3339, or a date for its first instant.
fn fixed(path: &str, value: &Value) -> Read<Moment> {
    let Value::Text(text) = value else {
        return Err(wanted(
            path,
            "a time such as \"2026-03-01T00:00:00Z\"",
            value,
        ));
    };
    if let Some(day) = Day::parse(text) {
        return Ok(Moment::StartOf(day));
    }
    Timestamp::parse_rfc3339(text)
        .map(Moment::At)
        .map_err(|_| {
            let message = "Send a time as RFC 3339 with its zone, such as 2026-03-01T00:00:00Z, or a date, such as 2026-03-01";
            DefinitionError::at(path, message)
        })
}

/// A calendar day.
pub(super) fn day(path: &str, value: &Value) -> Read<DayWord> {
    let Value::Text(text) = value else {
        return Err(wanted(path, "\"today\", \"yesterday\" or a date", value));
    };
    match text.as_str() {
        "today" => Ok(DayWord::Today),
        "yesterday" => Ok(DayWord::Yesterday),
        text => match Day::parse(text) {
            Some(day) => Ok(DayWord::Date(day)),
            None if text.starts_with(|first: char| first.is_ascii_digit()) => Err(
                DefinitionError::at(path, "Send a date as YYYY-MM-DD, such as 2026-03-01"),
            ),
            None => Err(DefinitionError::unknown(
                String::from(path),
                text,
                &["today", "yesterday", "2026-03-01"],
            )),
        },
    }
}
