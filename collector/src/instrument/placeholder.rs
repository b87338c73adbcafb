//! Where the unsubscribe placeholder stands, in whatever way it is written: with the braces of other
//! systems, in other case, percent-encoded by an editor, behind a scheme that an editor put there. Where
//! it cannot become an address, the message is refused: it would be sent with a dead link.
//!
//! **What is ours** is the name alone, whole: `unsubscribe_url`, also without or with another separator.
//! `{{list_unsubscribe_url}}`, `{{contact.unsubscribe_url}}` and `*|UNSUB|*` are others', for others
//! to fill.

use std::ops::Range;

use super::text::is_inside_address;
use super::units::{blanks_before, blanks_of, first, last, length_before, length_of};

/// What stands before and behind the name, the longer before the shorter.
const PAIRS: [(&str, &str); 33] = [
    ("{{{", "}}}"),
    ("{{&", "}}"),
    ("{{~", "~}}"),
    ("{{=", "}}"),
    ("{{$", "}}"),
    ("{{", "}}"),
    ("{%=", "%}"),
    ("{%", "%}"),
    ("$!{", "}"),
    ("${", "}"),
    ("#{", "}"),
    ("@{", "}"),
    ("%{", "}"),
    ("{$", "}"),
    ("{!", "}"),
    ("{", "}"),
    ("[[", "]]"),
    ("[%", "%]"),
    ("[", "]"),
    ("*|", "|*"),
    ("|*", "*|"),
    ("<%=", "%>"),
    ("<%-", "%>"),
    ("<%", "%>"),
    ("<<", ">>"),
    ("<", ">"),
    ("%%", "%%"),
    ("%", "%"),
    ("##", "##"),
    ("#", "#"),
    ("@@", "@@"),
    ("$$", "$$"),
    ("((", "))"),
];
/// What shows that a name stands in an expression of some template.
const OPENERS: [(&str, &str); 7] = [
    ("{{", "}}"),
    ("{%", "%}"),
    ("[[", "]]"),
    ("[%", "%]"),
    ("<%", "%>"),
    ("*|", "|*"),
    ("${", "}"),
];
/// How far around the name an expression is looked for.
const EXPRESSION_BYTES: usize = 64;
/// How far around the name braces are looked for behind tags.
const TAGS_BYTES: usize = 256;
/// How far before the placeholder the beginning of an address is looked for.
const ADDRESS_BYTES: usize = 2_048;

/// What kind of text it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Html,
    Text,
    /// The target of a link, decoded and clean.
    Target,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// With the scheme that stands right before it.
    pub range: Range<usize>,
    /// Whether the address can stand there.
    pub is_fillable: bool,
}

/// Every placeholder of a text, in order.
pub(super) fn find(text: &str, syntax: Syntax) -> impl Iterator<Item = Found> + '_ {
    const WORD: &[u8] = b"unsubscribe";
    let bytes = text.as_bytes();
    let mut from = 0;
    memchr::memchr2_iter(b'u', b'U', bytes).filter_map(move |at| {
        let is_word = bytes
            .get(at..at + WORD.len())
            .is_some_and(|word| word.eq_ignore_ascii_case(WORD));
        if !is_word || at < from {
            return None;
        }
        let end = name_end(text, at + WORD.len())?;
        let found = placeholder(text, at..end, syntax)?;
        from = found.range.end;
        Some(found)
    })
}

/// Where the name ends whose first word ends here, if it is one.
fn name_end(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let separator = first(rest).filter(|(meant, _)| matches!(meant, '_' | '-' | ' '));
    let at = at + separator.map_or(0, |(_, length)| length);
    let url = text.get(at..at + 3)?;
    url.eq_ignore_ascii_case("url").then_some(at + 3)
}

/// Whether a character continues a name, so that it is another one.
fn continues(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.')
}

fn placeholder(text: &str, name: Range<usize>, syntax: Syntax) -> Option<Found> {
    let (before, after) = (&text[..name.start], &text[name.end..]);
    // `%un…` and `…%de…` are no percent-encodings here: what stands at the name is its end.
    let is_bounded = !last(before).is_some_and(|(meant, _)| continues(meant))
        && !first(after).is_some_and(|(meant, _)| continues(meant));
    if !is_bounded {
        return None;
    }
    let inner = name.start - blanks_before(before)..name.end + blanks_of(after);
    let refused = |range: Range<usize>| Found {
        range,
        is_fillable: false,
    };
    if let Some(range) = paired(text, &inner, syntax) {
        return Some(in_place(text, range, syntax));
    }
    if syntax == Syntax::Target && text.eq_ignore_ascii_case(&text[name.clone()]) {
        // The bare name as a whole address leads nowhere either.
        return Some(Found {
            range: name,
            is_fillable: true,
        });
    }
    if is_in_expression(text, &name) {
        return Some(refused(name));
    }
    if syntax == Syntax::Html {
        let from = text.floor_char_boundary(name.start.saturating_sub(TAGS_BYTES));
        let to = text.floor_char_boundary((name.end + TAGS_BYTES).min(text.len()));
        let (before, after) = (&text[from..name.start], &text[name.end..to]);
        let without = (without_tags_behind(before), without_tags_before(after));
        let is_split = without != (before, after)
            && PAIRS.iter().any(|(open, close)| {
                open.len() > 1
                    && without.0.trim_end().ends_with(open)
                    && without.1.trim_start().starts_with(close)
            });
        if is_split {
            return Some(refused(name));
        }
    }
    None
}

/// The range with what stands around the name, if it is one of the pairs.
fn paired(text: &str, inner: &Range<usize>, syntax: Syntax) -> Option<Range<usize>> {
    let (before, after) = (&text[..inner.start], &text[inner.end..]);
    PAIRS.iter().find_map(|(open, close)| {
        let length = length_before(before, open)?;
        let range = inner.start - length..inner.end + length_of(after, close)?;
        let is_other = match *open {
            // An element; but `&lt;` is read as `<`.
            "<" => syntax == Syntax::Html && before.ends_with('<'),
            // A link of Markdown, or what one refers to.
            "[" => {
                text[..range.start].ends_with(']') || text[range.end..].starts_with(['(', ':', '['])
            }
            _ => false,
        };
        (!is_other).then_some(range)
    })
}

/// The placeholder with the scheme before it, and whether an address can stand there.
fn in_place(text: &str, range: Range<usize>, syntax: Syntax) -> Found {
    let start = range.start - scheme_before(&text[..range.start]);
    let from = text.floor_char_boundary(start.saturating_sub(ADDRESS_BYTES));
    let before = &text[from..start];
    let (range, after) = (start..range.end, &text[range.end..]);
    if syntax == Syntax::Target {
        return Found {
            is_fillable: fits_target(before, after),
            range,
        };
    }
    // An address that is glued to a word is no link, or another one.
    let is_glued = last(before).is_some_and(|(meant, length)| {
        meant.is_ascii_alphanumeric() && !before[..before.len() - length].ends_with('\\')
    }) || first(after)
        .is_some_and(|(meant, _)| meant.is_ascii_alphanumeric() || meant == '_');
    Found {
        is_fillable: !is_glued && (!is_inside_address(before) || takes_text(before)),
        range,
    }
}

/// Whether the address can stand at this place of a link's target: as all of it, with a query or a
/// fragment of the link's own, or in the text of a mail that the reader is to write.
fn fits_target(before: &str, after: &str) -> bool {
    let is_alone = before.is_empty() && (after.is_empty() || after.starts_with(['/', '?', '#']));
    is_alone || takes_text(before)
}

/// Whether a text goes on here that a program of the reader's takes: `mailto:a@b.c?body=`.
fn takes_text(before: &str) -> bool {
    let start = before.rfind(|character: char| {
        character.is_whitespace() || matches!(character, '"' | '\'' | '<' | '>')
    });
    // An address has no spaces, but a target may hold some, as in `?body=Leave here: `.
    let run = &before[start.map_or(0, |at| at + 1)..];
    ["mailto:", "sms:"].into_iter().any(|scheme| {
        let begins = |text: &str| {
            text.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        begins(run) || begins(before)
    })
}

/// How long the scheme is that stands right before a placeholder: `http://`, `https:`, `//` …, also
/// several of them, and encoded ones.
fn scheme_before(before: &str) -> usize {
    let mut end = before.len();
    loop {
        let text = &before[..end];
        let slashes = {
            let mut at = text.len();
            while let Some((_, length)) = last(&text[..at]).filter(|(meant, _)| *meant == '/') {
                at -= length;
            }
            text.len() - at
        };
        let without = &text[..text.len() - slashes];
        let colon = last(without).filter(|(meant, _)| *meant == ':');
        let scheme = colon.and_then(|(_, length)| {
            let name = &without[..without.len() - length];
            ["https", "http"].into_iter().find_map(|scheme| {
                let start = name.len().checked_sub(scheme.len())?;
                let found = name.get(start..)?;
                let is_word = !name[..start].ends_with(|last: char| last.is_ascii_alphanumeric());
                (is_word && found.eq_ignore_ascii_case(scheme)).then_some(scheme.len() + length)
            })
        });
        match scheme {
            Some(scheme) => end -= slashes + scheme,
            // `//` that begins an address, not the end of something.
            None if slashes >= 2 && !last(without).is_some_and(|(meant, _)| is_part(meant)) => {
                end -= slashes;
                break;
            }
            None => break,
        }
    }
    before.len() - end
}

fn is_part(character: char) -> bool {
    character.is_alphanumeric()
        || matches!(character, ':' | '.' | '-' | '_' | '/' | '=' | '?' | '&')
}

/// Whether the name stands in some other expression of a template, or in half of a pair.
fn is_in_expression(text: &str, name: &Range<usize>) -> bool {
    let from = text.floor_char_boundary(name.start.saturating_sub(EXPRESSION_BYTES));
    let to = text.ceil_char_boundary((name.end + EXPRESSION_BYTES).min(text.len()));
    let (before, after) = (&text[from..name.start], &text[name.end..to]);
    OPENERS.iter().any(|(open, close)| {
        let is_open = before
            .rfind(open)
            .is_some_and(|at| !before[at..].contains(close) && !before[at..].contains('\n'));
        let is_closed = after
            .find(close)
            .is_some_and(|at| !after[..at].contains(open) && !after[..at].contains('\n'));
        is_open && is_closed
            || length_before(before.trim_end(), open).is_some()
            || open.len() == close.len() && length_of(after.trim_start(), close).is_some()
    })
}

/// Without the tags that it ends in.
fn without_tags_behind(mut text: &str) -> &str {
    while let Some(at) = text.strip_suffix('>').and_then(|tag| tag.rfind('<')) {
        text = &text[..at];
    }
    text
}

/// Without the tags that it begins with.
fn without_tags_before(mut text: &str) -> &str {
    while let Some(at) = text.strip_prefix('<').and_then(|tag| tag.find('>')) {
        text = &text[at + 2..];
    }
    text
}
