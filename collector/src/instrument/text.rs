//! URLs in plain text, where nothing but custom says where one ends.
//!
//! Not the crate `linkify` 0.11: it ends `https://example.com#part` at the host and
//! `https://example.com/a|b` at the bar, so that the rest of the old URL would be glued to the new one.

use std::ops::Range;

use super::merge_tags;

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

/// How far before a URL the beginning of another address is looked for.
const ADDRESS_BYTES: usize = 2_048;

/// The byte ranges of http and https URLs in a text, in order; those are left out that stand inside
/// another address. A merge tag that a URL holds or touches is a part of it.
pub(super) fn urls(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut from = 0;
    text.match_indices("://").filter_map(move |(colon, _)| {
        if colon < from {
            return None;
        }
        let start = from + scheme_start(&text[from..colon])?;
        let window = text.floor_char_boundary(start.saturating_sub(ADDRESS_BYTES));
        if is_inside_address(&text[from.max(window)..start]) {
            return None;
        }
        let after = colon + "://".len();
        let end = end_with_tags(text, after);
        (end > after).then(|| {
            from = end;
            start..end
        })
    })
}

/// Where a URL ends whose host begins here.
fn end_with_tags(text: &str, after: usize) -> usize {
    let mut end = after + url_length(&text[after..]);
    let mut from = after;
    loop {
        let to = end.max(from) + merge_tags::MAX_BYTES * 2;
        let window = &text[from..text.floor_char_boundary(to.min(text.len()))];
        let (before, mut last) = (end, from);
        for tag in merge_tags::find(window) {
            if from + tag.start > end {
                break;
            }
            last = from + tag.end;
            if last > end {
                end = last + url_length(&text[last..]);
            }
        }
        if end == before {
            return end;
        }
        from = last;
    }
}

/// Whether what begins behind this text is a part of an address that the text ends in: of another
/// scheme (`myapp://open?url=`, `mailto:a@b.c?body=`), or without one (`shop.example/login?next=`).
pub(super) fn is_inside_address(before: &str) -> bool {
    let start = before
        .char_indices()
        .rfind(|(_, character)| ends_url(*character))
        .map_or(0, |(at, character)| at + character.len_utf8());
    let run = &before[start..];
    if !run.ends_with(['=', '/', '?', '&', '#', '+', '~', '@', '%']) {
        return false;
    }
    // What a bracket or a quotation mark stands before is an address of its own.
    let run = run.trim_start_matches(['(', '[', '{', '\'', '*', '|']);
    let end_of_host = run.find(['/', '?', '#']);
    let has_host = end_of_host.is_some_and(|end| {
        let host = run[..end].split(':').next().unwrap_or_default();
        let last = host.rsplit('.').next().unwrap_or_default();
        let is_name = host
            .chars()
            .all(|character| character.is_alphanumeric() || matches!(character, '.' | '-'));
        is_name && (host == "localhost" || host.contains('.') && last.chars().nth(1).is_some())
    });
    let has_scheme = run.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
            && rest.len() > 1
    });
    has_host
        || has_scheme
        || run.contains("://")
        || run.ends_with('=') && run.contains(['?', '&'])
        || run.starts_with('/') && run.len() > 2
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
