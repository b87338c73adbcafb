//! URLs in plain text, where nothing but custom says where one ends.
//!
//! Not the crate `linkify` 0.11: it ends `https://example.com#part` at the host and
//! `https://example.com/a|b` at the bar, so that the rest of the old URL would be glued to the new one.

use std::ops::Range;

/// Characters that never stand inside a URL in a text: those that no URL may have, quotation marks,
/// and the punctuation of scripts that put no space after it.
fn ends_url(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(
            character,
            '<' | '>' | '"' | '`' | '“' | '”' | '„' | '«' | '»' | '‹' | '›' | '、' | '。' | '「' | '」' | '『' | '』'
            | '（' | '）' | '【' | '】' | '《' | '》' | '〈' | '〉' | '，' | '．' | '！' | '？' | '：' | '；'
            | '،' | '؛' | '؟' | '।' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// Characters that may stand in a URL but end a sentence, a quotation or a table's cell where they come
/// last.
const TRAILING: [char; 14] = [
    '?', '!', '.', ',', ':', ';', '*', '|', '\'', '’', '…', '(', '[', '{',
];

/// The byte ranges of http and https URLs in a text, in order.
pub(super) fn urls(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    for (colon, _) in text.match_indices("://") {
        if colon < from {
            continue;
        }
        let Some(start) = scheme_start(&text[from..colon]).map(|start| from + start) else {
            continue;
        };
        let after = colon + "://".len();
        let length = url_length(&text[after..]);
        if length > 0 {
            from = after + length;
            found.push(start..from);
        }
    }
    found
}

/// Where `http` or `https` begins at the end of `before`, not as the end of a longer word.
fn scheme_start(before: &str) -> Option<usize> {
    ["https", "http"].into_iter().find_map(|scheme| {
        let start = before.len().checked_sub(scheme.len())?;
        let is_scheme = before.as_bytes()[start..].eq_ignore_ascii_case(scheme.as_bytes());
        let is_word_start = is_scheme
            && !before[..start].ends_with(|last: char| last.is_ascii_alphanumeric() || last == '_');
        is_word_start.then_some(start)
    })
}

/// How many bytes after `://` belong to the URL: to the first character that cannot, or to a closing
/// bracket that was not opened; less the punctuation at its end.
fn url_length(rest: &str) -> usize {
    let mut open = [0_u32; 3];
    let mut is_in_host = true;
    let mut end = rest.len();
    for (at, character) in rest.char_indices() {
        if matches!(character, '/' | '?' | '#') {
            is_in_host = false;
        }
        let closes_nothing = if let Some(kind) = "([{".find(character) {
            open[kind] += 1;
            false
        } else if let Some(kind) = ")]}".find(character) {
            open[kind]
                .checked_sub(1)
                .map(|left| open[kind] = left)
                .is_none()
        } else {
            false
        };
        if closes_nothing || ends_url(character) || (is_in_host && character == '|') {
            end = at;
            break;
        }
    }
    let mut url = &rest[..end];
    let mut quotes = url.matches('\'').count();
    while let Some(last) = url.chars().next_back() {
        if !TRAILING.contains(&last) || (last == '\'' && quotes.is_multiple_of(2)) {
            break;
        }
        quotes -= usize::from(last == '\'');
        url = &url[..url.len() - last.len_utf8()];
    }
    url.len()
}
