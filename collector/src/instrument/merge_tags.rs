//! Merge tags: what some other system fills later, or forgot to. A link that holds one leads elsewhere
//! once it is filled, so it is no target of ours. Not the unsubscribe placeholder (`placeholder`).

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

/// The longest that is looked for, within its braces.
pub(super) const MAX_BYTES: usize = 256;

/// What may stand within.
#[derive(Clone, Copy)]
enum Inside {
    /// Anything in one line.
    Anything,
    /// A name, as in `*|FNAME|*`: it begins with a letter, and has no signs but those of names.
    Name,
    /// A name of at least two characters in single braces, where an address may also have one.
    Word,
}

/// The longer before the shorter.
const TAGS: [(&str, &str, Inside); 19] = [
    ("{{", "}}", Inside::Anything),
    ("{%", "%}", Inside::Anything),
    ("{$", "}", Inside::Name),
    ("{!", "}", Inside::Name),
    ("{", "}", Inside::Word),
    ("[[", "]]", Inside::Name),
    ("[%", "%]", Inside::Anything),
    ("[*", "*]", Inside::Name),
    ("*|", "|*", Inside::Name),
    ("<%", "%>", Inside::Anything),
    ("<<", ">>", Inside::Name),
    ("${", "}", Inside::Anything),
    ("#{", "}", Inside::Anything),
    ("@{", "}", Inside::Anything),
    ("%%", "%%", Inside::Name),
    ("%", "%", Inside::Word),
    ("##", "##", Inside::Name),
    ("@@", "@@", Inside::Name),
    ("((", "))", Inside::Name),
];

/// Whether a link's target, decoded and clean, holds one.
pub(super) fn are_in(target: &str) -> bool {
    if !find(target).is_empty() {
        return true;
    }
    // What an editor has percent-encoded. Single braces and percent signs may be the address's own.
    let plain = with_plain_braces(target);
    let is_double = |tag: &Range<usize>| {
        let begins = |start: &str| plain[tag.start..].starts_with(start);
        !begins("%") || begins("%%")
    };
    matches!(plain, Cow::Owned(_))
        && find(&plain).iter().any(|tag| {
            let is_single = plain[tag.start..].starts_with('{')
                && !plain[tag.start..].starts_with("{{")
                && !plain[tag.start..].starts_with("{%");
            !is_single && is_double(tag)
        })
}

/// With the signs of merge tags as they are.
fn with_plain_braces(target: &str) -> Cow<'_, str> {
    let mut plain = String::new();
    let mut from = 0;
    for (at, _) in target.match_indices('%') {
        let Some(meant) = target.get(at + 1..at + 3).and_then(|digits| {
            let byte = u8::from_str_radix(digits, 16).ok()?;
            b"{}[]|<>%$#@".contains(&byte).then_some(char::from(byte))
        }) else {
            continue;
        };
        if at < from {
            continue;
        }
        plain.push_str(&target[from..at]);
        plain.push(meant);
        from = at + 3;
    }
    if from == 0 {
        return Cow::Borrowed(target);
    }
    plain.push_str(&target[from..]);
    Cow::Owned(plain)
}

/// Where they stand in a text, in order.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    let signs = text
        .bytes()
        .enumerate()
        .filter(|(_, byte)| b"{[*<$#@%(".contains(byte));
    for (at, _) in signs {
        if at < from {
            continue;
        }
        if let Some(length) = tag_length(&text[at..]) {
            from = at + length;
            found.push(at..from);
        }
    }
    found
}

/// How long the merge tag is that the text begins with.
fn tag_length(text: &str) -> Option<usize> {
    TAGS.iter().find_map(|(open, close, inside)| {
        let rest = text.strip_prefix(open)?;
        let window = &rest[..rest.floor_char_boundary(MAX_BYTES)];
        let end = memmem::find(window.as_bytes(), close.as_bytes())?;
        let content = &window[..end];
        let fits = match inside {
            Inside::Anything => !content.trim().is_empty() && !content.contains('\n'),
            Inside::Name => is_name(content.trim_matches(' ')),
            Inside::Word => {
                is_word(content) && (*open != "%" || is_between_percents(content, &rest[end + 1..]))
            }
        };
        fits.then_some(open.len() + end + close.len())
    })
}

fn is_name(content: &str) -> bool {
    let is_sign =
        |character: char| matches!(character, '_' | '-' | '.' | ':' | ' ' | '=' | '|' | '/');
    content.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && content
            .chars()
            .all(|character| character.is_alphanumeric() || is_sign(character))
}

fn is_word(content: &str) -> bool {
    content.len() >= 2
        && content.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && content
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// Whether `%content%` is a name between percent signs, and not what lies between two bytes that are
/// percent-encoded.
fn is_between_percents(content: &str, after: &str) -> bool {
    let is_hex = |text: &str| {
        text.get(..2)
            .is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
    };
    let is_shouted =
        content.len() >= 4 && !content.contains(|character: char| character.is_ascii_lowercase());
    content.len() >= 3 && !is_hex(after) && (!is_hex(content) || is_shouted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merge_tags_are_told_from_what_an_address_may_hold() {
        for target in [
            "https://shop.example/?code=*|CODE|*",
            "https://{{shop_host}}/cart",
            "https://app.example/verify/{{token}}",
            "https://app.example/verify/{{ user.token | escape }}",
            "https://app.example/{{{token}}}",
            "https://app.example/?c=%7B%7Btoken%7D%7D",
            "https://app.example/?c=%7b%7b%20token%20%7d%7d",
            "https://app.example/?c=%5B%5BTOKEN%5D%5D",
            "https://app.example/?c=*%7CCODE%7C*",
            "https://app.example/?c=%3C%25=code%25%3E",
            "https://app.example/?c=%25%25code%25%25",
            "https://app.example/?c=%%code%%",
            "https://app.example/?c=%%=v(@code)=%%x{{y}}",
            "https://app.example/?c=<%= code %>",
            "https://app.example/?c=[[code]]",
            "https://app.example/?c=${code}",
            "https://app.example/?c=#{code}",
            "https://app.example/?c={% code %}",
            "https://app.example/?c={CODE}",
            "https://app.example/?c={$code}",
            "https://app.example/?c=%CODE%",
            "https://app.example/?c=%FIRSTNAME%&x=1",
            "https://app.example/?c=%ADDRESS%",
            "https://app.example/?c=%recipient.code%",
            "https://app.example/?c=@@code@@",
            "https://app.example/?c=##code##",
            "{{url}}",
            "*|URL|*",
        ] {
            assert!(are_in(target), "{target}");
        }
        for target in [
            "https://e.x/%7Bz%7D{y}[x]",
            "https://e.x/?filter[price]=10&sort[]=a",
            "https://e.x/?q={\"a\":{\"b\":1}}",
            "https://e.x/?q=%7B%22a%22%3A%7B%22b%22%3A1%7D%7D",
            "https://e.x/%7B6F9619FF-8B86-D011-B42D-00C04FC964FF%7D/a",
            "https://e.x/%7Bid%7D",
            "https://e.x/?bbox=[[1,2],[3,4]]",
            "https://e.x/?q=%C3%A4b%C3%A4&r=100%",
            "https://e.x/100%off%20now",
            "https://e.x/a|b$c*d@e!f,g",
            "https://e.x/*|x",
            "https://e.x/%zz%",
            "https://e.x/{{",
            "https://e.x/{{}}",
            "https://e.x/$1|2",
            "https://e.x/(p)/^d/#%23",
            "https://e.x/@me/@you",
        ] {
            assert!(!are_in(target), "{target}");
        }
    }
}
