//! Character references in attribute values: to text as a browser reads it, and from text for the
//! quoting in use.

use std::borrow::Cow;

/// How an attribute's value is quoted where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    Double,
    Single,
    Unquoted,
}

/// The text of an attribute's raw value: HTML's rule for attributes, by which `&copy=` and `&copyx`
/// are no references and `&copy;` and `&copy` at the end are.
pub(super) fn decode(raw: &str) -> Cow<'_, str> {
    htmlize::unescape_attribute(raw)
}

/// The raw value that [`decode`] turns back into `text`, safe between quotes of this kind. `<` and `>`
/// are never in it: a value inside a conditional comment must not end the comment.
pub(super) fn encode(text: &str, quoting: Quoting) -> String {
    let mut raw = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => raw.push_str("&amp;"),
            '<' => raw.push_str("&lt;"),
            '>' => raw.push_str("&gt;"),
            '"' if quoting != Quoting::Single => raw.push_str("&quot;"),
            '\'' if quoting != Quoting::Double => raw.push_str("&#39;"),
            '`' | ' ' | '\t' | '\n' | '\r' | '\u{c}' if quoting == Quoting::Unquoted => {
                raw.push_str("&#");
                raw.push_str(&u32::from(character).to_string());
                raw.push(';');
            }
            _ => raw.push(character),
        }
    }
    raw
}
