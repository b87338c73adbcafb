//! What is wrong with a text that is no JSON, in words for whoever sent it. Repeats nothing of the text
//! but words that JSON lacks, such as `NaN`.

use alloc::format;
use alloc::string::String;

/// Words of programming languages that JSON does not have, and what to send in their place.
const WORDS: [(&str, &str); 12] = [
    ("NaN", "null, or leave the field out"),
    ("nan", "null, or leave the field out"),
    ("Infinity", "null, or leave the field out"),
    ("inf", "null, or leave the field out"),
    ("Inf", "null, or leave the field out"),
    ("undefined", "null, or leave the field out"),
    ("None", "null"),
    ("nil", "null"),
    ("NULL", "null"),
    ("Null", "null"),
    ("True", "true"),
    ("False", "false"),
];

/// The sentence: the cause, and line and column, both counted from 1.
pub(super) fn explain(text: &str, error: &serde_json::Error) -> String {
    if text.trim_ascii().is_empty() {
        return "The body is empty: send one JSON object, `{…}`".into();
    }
    let (line, column) = (error.line(), error.column());
    let place = format!("line {line} column {column}");
    let start = text.trim_ascii_start();
    if start.starts_with('<') {
        return format!(
            "The body is not JSON but HTML or XML ({place}): send one JSON object, `{{…}}`"
        );
    }
    let is_form = || {
        let name = start.split_once('=').map(|(name, _)| name);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]%".contains(&byte);
        name.is_some_and(|name| !name.is_empty() && name.bytes().all(is_name))
    };
    if !start.starts_with(['{', '[']) && is_form() {
        return format!("The body is not JSON but a form ({place}): send one JSON object, `{{…}}`");
    }
    if error.is_eof() {
        return format!(
            "The body is not JSON: it ends in the middle ({place}). Was it cut off, or is a bracket or quotation mark \
             missing?"
        );
    }
    let at = offset(text, line, column);
    if let Some((word, instead)) = word_at(text, at) {
        return format!(
            "The body is not JSON: there is no `{word}` in JSON ({place}): send {instead}"
        );
    }
    let told = format!("{error}");
    let cause = if told.starts_with("trailing characters") {
        "something follows the object. Send one object; several events go to /v1/track/batch"
    } else if told.starts_with("trailing comma") {
        "a comma before a closing bracket is one too many"
    } else if told.starts_with("control character") {
        "a line break or tab within a text is written \\n or \\t"
    } else if told.starts_with("invalid escape") {
        "a backslash within a text is written \\\\"
    } else if told.starts_with("invalid number")
        || told.starts_with("expected `:`") && is_digit(text, at)
    {
        "numbers are written as 0.5, 10 or -3: no leading zero or plus sign, no comma"
    } else if text.as_bytes().get(at.saturating_sub(1)) == Some(&b'\'') {
        "names and texts stand in double quotes, \"…\""
    } else if told.starts_with("key must be a string") {
        "names stand in double quotes, \"…\""
    } else {
        return format!("The body is not JSON: {error}");
    };
    format!("The body is not JSON: {cause} ({place})")
}

/// The byte behind that column, or the text's end.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    (before + column).min(text.len())
}

fn is_digit(text: &str, at: usize) -> bool {
    text.as_bytes()
        .get(at.saturating_sub(1))
        .is_some_and(u8::is_ascii_digit)
}

/// The word around a place, where it is one of those that JSON lacks.
fn word_at(text: &str, at: usize) -> Option<(&'static str, &'static str)> {
    let bytes = text.as_bytes();
    let is_letter = |at: &usize| bytes.get(*at).is_some_and(u8::is_ascii_alphabetic);
    // The fault lies at the word's beginning, or within it where JSON has one that begins alike.
    let within = [at.saturating_sub(1), at].into_iter().find(is_letter)?;
    let start = (0..within).rev().take_while(is_letter).last();
    let start = start.unwrap_or(within);
    let length = (start..).take_while(is_letter).take(16).count();
    let word = bytes.get(start..start + length)?;
    WORDS
        .into_iter()
        .find(|(known, _)| known.as_bytes() == word)
}

#[cfg(test)]
mod tests {
    use crate::wire::{BodyError, EventBody, body};

    fn said(text: &str) -> std::string::String {
        match body::<EventBody<'_>>(text) {
            Err(BodyError::NotJson(message)) => message,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn each_cause_has_its_words() {
        for (text, words) in [
            ("", "is empty"),
            (" \n ", "is empty"),
            (
                "{\"a\":NaN}",
                "no `NaN` in JSON (line 1 column 6): send null",
            ),
            ("{\"a\":\n [1, nan]}", "no `nan`"),
            ("{\"a\":-Infinity}", "no `Infinity`"),
            ("{\"a\":Infinity,\"b\":1}", "no `Infinity`"),
            ("{\"a\":undefined}", "no `undefined`"),
            (
                "{\"a\":None}",
                "no `None` in JSON (line 1 column 6): send null",
            ),
            ("{\"a\":True}", "send true"),
            ("{\"a\":False}", "send false"),
            ("{\"a\":1", "ends in the middle"),
            ("{\"a\":\"x", "ends in the middle"),
            ("{\"a\":1,}", "one too many"),
            ("{\"a\":1}{\"b\":2}", "/v1/track/batch"),
            ("{\"a\":1}\n{\"b\":2}\n", "/v1/track/batch"),
            ("{'a':1}", "double quotes"),
            ("{a:1}", "double quotes"),
            ("{\"a\":'b'}", "double quotes"),
            ("{\"a\":\"x\ny\"}", "line break"),
            ("{\"a\":\"C:\\dir\"}", "backslash"),
            ("{\"a\":01}", "no leading zero"),
            ("event=x&email=y", "a form"),
            ("<html>", "HTML"),
        ] {
            let message = said(text);
            assert!(message.contains(words), "{text}: {message}");
            assert!(!message.contains("alice"), "{message}");
        }
    }
}
