//! Where the unsubscribe placeholder stands, in whatever way it is written: with the braces of other
//! systems, in other case, percent-encoded by an editor, behind a scheme that an editor put there. Where
//! it cannot become an address, the message is refused: it would be sent with a dead link.
//!
//! **What is ours** is the name alone, whole: `unsubscribe_url`, also without or with another separator.
//! `{{list_unsubscribe_url}}`, `{{contact.unsubscribe_url}}` and `*|UNSUB|*` are others', for others
//! to fill.

use std::borrow::Cow;
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
pub(super) struct FoundPlaceholder {
    /// With the scheme that stands right before it.
    pub range: Range<usize>,
    /// How the address can stand there.
    pub fill: Fill,
}

/// How the address takes a placeholder's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    Plain,
    /// Percent-encoded, every sign of it: it becomes a part of another address's parameter.
    Encoded,
    /// It would be dead there.
    Never,
}

impl Fill {
    fn plain_where(is_fillable: bool) -> Self {
        if is_fillable {
            Self::Plain
        } else {
            Self::Never
        }
    }

    /// The address as it is put there.
    pub(super) fn written(self, url: &str) -> Cow<'_, str> {
        if self != Self::Encoded {
            return Cow::Borrowed(url);
        }
        let encoded = url.bytes().map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        });
        Cow::Owned(encoded.collect())
    }
}

/// Every placeholder of a text, in order.
pub(super) fn find(text: &str, syntax: Syntax) -> impl Iterator<Item = FoundPlaceholder> + '_ {
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

fn placeholder(text: &str, name: Range<usize>, syntax: Syntax) -> Option<FoundPlaceholder> {
    let (before, after) = (&text[..name.start], &text[name.end..]);
    // `%un…` and `…%de…` are no percent-encodings here: what stands at the name is its end.
    let is_bounded = !last(before).is_some_and(|(meant, _)| continues(meant))
        && !first(after).is_some_and(|(meant, _)| continues(meant));
    if !is_bounded {
        return None;
    }
    let inner = name.start - blanks_before(before)..name.end + blanks_of(after);
    let refused = |range: Range<usize>| FoundPlaceholder {
        range,
        fill: Fill::Never,
    };
    if let Some(range) = paired(text, &inner, syntax) {
        return Some(in_place(text, range, syntax));
    }
    if syntax == Syntax::Target && text.eq_ignore_ascii_case(&text[name.clone()]) {
        // The bare name as a whole address leads nowhere either.
        return Some(FoundPlaceholder {
            range: name,
            fill: Fill::Plain,
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
fn in_place(text: &str, range: Range<usize>, syntax: Syntax) -> FoundPlaceholder {
    let start = range.start - scheme_before(&text[..range.start]);
    let from = text.floor_char_boundary(start.saturating_sub(ADDRESS_BYTES));
    let before = &text[from..start];
    let (range, after) = (start..range.end, &text[range.end..]);
    if syntax == Syntax::Target {
        return FoundPlaceholder {
            fill: fill_of_target(before, after),
            range,
        };
    }
    // An address that is glued to a word is no link, or another one.
    let is_glued = last(before).is_some_and(|(meant, length)| {
        meant.is_ascii_alphanumeric() && !before[..before.len() - length].ends_with('\\')
    }) || first(after)
        .is_some_and(|(meant, _)| meant.is_ascii_alphanumeric() || meant == '_');
    let fill = match place_in_message(before) {
        _ if is_glued => Fill::Never,
        Some(fill) => fill,
        None => Fill::plain_where(!is_inside_address(before) && !is_behind_scheme(before, syntax)),
    };
    FoundPlaceholder { fill, range }
}

/// How the address can stand at this place of a link's target: as all of it, with a query or a fragment
/// of the link's own, or in the text of a message that the reader is to write.
fn fill_of_target(before: &str, after: &str) -> Fill {
    let is_alone = before.is_empty() && (after.is_empty() || after.starts_with(['/', '?', '#']));
    place_in_message(before).unwrap_or(Fill::plain_where(is_alone))
}

/// How the address can stand in an address that begins a message of the reader's (`mailto:`, `sms:`),
/// where what goes before ends in one: in its text alone, since a recipient or a subject is no link.
/// `None` where there is no such address.
fn place_in_message(before: &str) -> Option<Fill> {
    let start = before.rfind(|character: char| {
        character.is_whitespace() || matches!(character, '"' | '\'' | '<' | '>')
    });
    // An address has no spaces, but a target may hold some, as in `?body=Leave here: `.
    let run = &before[start.map_or(0, |at| at + 1)..];
    let (scheme, rest) = ["mailto:", "sms:", "smsto:", "mms:"]
        .into_iter()
        .find_map(|scheme| {
            Some((
                scheme,
                after_scheme(before, scheme).or(after_scheme(run, scheme))?,
            ))
        })?;
    // `sms:+1;body=` and `sms:+1&body=` are written too.
    let ends: &[char] = if scheme == "mailto:" {
        &['?']
    } else {
        &['?', ';', '&']
    };
    let Some(parameters) = rest.find(ends).map(|at| &rest[at + 1..]) else {
        return Some(Fill::Never);
    };
    let last = parameters.rsplit('&').next().unwrap_or_default();
    // As it is written in HTML: `&amp;body=`.
    let last = ["amp;", "#38;", "#x26;"]
        .into_iter()
        .find_map(|rest| last.strip_prefix(rest))
        .unwrap_or(last);
    let is_text = last
        .get(.."body=".len())
        .is_some_and(|name| name.eq_ignore_ascii_case("body="));
    // A fragment is no part of the text.
    let is_text = is_text && !last.contains('#');
    Some(if is_text { Fill::Encoded } else { Fill::Never })
}

fn after_scheme<'t>(text: &'t str, scheme: &str) -> Option<&'t str> {
    let start = text.get(..scheme.len())?;
    start
        .eq_ignore_ascii_case(scheme)
        .then(|| &text[scheme.len()..])
}

/// Schemes of addresses that lead nowhere with another address behind them. No word that ends a sentence
/// before a colon is among them.
const SCHEMES: [&str; 24] = [
    "mailto",
    "tel",
    "sms",
    "smsto",
    "mms",
    "callto",
    "javascript",
    "vbscript",
    "data",
    "cid",
    "mid",
    "blob",
    "ftp",
    "sftp",
    "file",
    "geo",
    "sip",
    "sips",
    "xmpp",
    "facetime",
    "whatsapp",
    "skype",
    "webcal",
    "intent",
];
/// Attributes that hold an address.
const OF_ADDRESSES: [&str; 9] = [
    "href",
    "src",
    "action",
    "formaction",
    "background",
    "cite",
    "poster",
    "longdesc",
    "data",
];

/// Whether an address goes on here that has another scheme than the web's. In an attribute that holds an
/// address any word before a colon is one.
fn is_behind_scheme(before: &str, syntax: Syntax) -> bool {
    let ends = |character: char| {
        character.is_whitespace() || matches!(character, '"' | '\'' | '<' | '>' | '(')
    };
    let run = before.rsplit(ends).next().unwrap_or_default();
    let is_known = scheme_of(run).is_some_and(|scheme| {
        let mut known = SCHEMES.iter();
        known.any(|known| known.eq_ignore_ascii_case(scheme))
    });
    if is_known || syntax != Syntax::Html {
        return is_known;
    }
    let quoted = before.rfind(['"', '\'']).and_then(|quote| {
        let name = before[..quote].trim_end().strip_suffix('=')?;
        Some((name.trim_end(), &before[quote + 1..]))
    });
    let Some((name, value)) = quoted.or_else(|| run.split_once('=')) else {
        return false;
    };
    let holds_address = OF_ADDRESSES.iter().any(|attribute| {
        let end = name.len().checked_sub(attribute.len());
        let end = end.and_then(|start| name.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(attribute))
    });
    let is_web = |scheme: &str| {
        ["http", "https"]
            .iter()
            .any(|web| web.eq_ignore_ascii_case(scheme))
    };
    holds_address && scheme_of(value.trim_start()).is_some_and(|scheme| !is_web(scheme))
}

/// The scheme that an address begins with.
fn scheme_of(address: &str) -> Option<&str> {
    let (scheme, _) = address.split_once(':')?;
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(is_part);
    is_scheme.then_some(scheme)
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
                let is_word =
                    !last(&name[..start]).is_some_and(|(meant, _)| meant.is_ascii_alphanumeric());
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
