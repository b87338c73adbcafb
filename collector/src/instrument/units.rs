//! One character at a time of a text that may be written in several ways: as it is, percent-encoded, or
//! as a character reference. Editors of mails write `{` in all of them.

use super::entities::decode;

/// The longest character reference that is looked for, as in `&UnderBar;`.
const MAX_REFERENCE_BYTES: usize = 10;

/// What stands at the beginning or the end of a text: the character that is meant, and how many bytes it
/// takes. ASCII alone is decoded: nothing else is looked for.
type Unit = (char, usize);

/// The first character. What is encoded counts as what it stands for.
pub(super) fn first(text: &str) -> Option<Unit> {
    let encoded = match text.as_bytes().first()? {
        b'%' => text.get(1..3).and_then(percent).map(|meant| (meant, 3)),
        b'&' => {
            let bytes = &text.as_bytes()[..text.len().min(MAX_REFERENCE_BYTES)];
            let end = bytes.iter().position(|byte| *byte == b';');
            end.and_then(|end| Some((reference(text.get(..=end)?)?, end + 1)))
        }
        _ => None,
    };
    encoded.or_else(|| raw_first(text))
}

/// The last character; see [`first`].
pub(super) fn last(text: &str) -> Option<Unit> {
    let bytes = text.as_bytes();
    if bytes.last() == Some(&b';') {
        let from = bytes.len().saturating_sub(MAX_REFERENCE_BYTES);
        let start = bytes[from..].iter().rposition(|byte| *byte == b'&');
        let meant = start.and_then(|start| reference(text.get(from + start..)?));
        if let (Some(start), Some(meant)) = (start, meant) {
            return Some((meant, bytes.len() - from - start));
        }
    }
    let encoded = text.len().checked_sub(3).and_then(|at| text.get(at..));
    let encoded = encoded.and_then(|text| percent(text.strip_prefix('%')?));
    encoded.map(|meant| (meant, 3)).or_else(|| raw_last(text))
}

fn raw_first(text: &str) -> Option<Unit> {
    let first = text.chars().next()?;
    Some((first, first.len_utf8()))
}

fn raw_last(text: &str) -> Option<Unit> {
    let last = text.chars().next_back()?;
    Some((last, last.len_utf8()))
}

fn percent(digits: &str) -> Option<char> {
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = u8::from_str_radix(digits, 16).ok()?;
    (is_hex && byte.is_ascii()).then_some(char::from(byte))
}

fn reference(text: &str) -> Option<char> {
    let meant = decode(text);
    let mut meant = meant.chars();
    let first = meant.next()?;
    (meant.next().is_none()).then_some(first)
}

/// How many bytes of these characters the text begins with, however each is written.
pub(super) fn length_of(text: &str, wanted: &str) -> Option<usize> {
    let mut at = 0;
    for character in wanted.chars() {
        let rest = &text[at..];
        at += match rest.strip_prefix(character) {
            Some(_) => character.len_utf8(),
            None => first(rest).filter(|(meant, _)| *meant == character)?.1,
        };
    }
    Some(at)
}

/// How many bytes of these characters the text ends with, however each is written.
pub(super) fn length_before(text: &str, wanted: &str) -> Option<usize> {
    let mut end = text.len();
    for character in wanted.chars().rev() {
        let rest = &text[..end];
        end -= match rest.strip_suffix(character) {
            Some(_) => character.len_utf8(),
            None => last(rest).filter(|(meant, _)| *meant == character)?.1,
        };
    }
    Some(text.len() - end)
}

fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '+' | '\u{200b}' | '\u{feff}')
}

/// How many bytes of blanks the text begins with.
pub(super) fn blanks_of(text: &str) -> usize {
    let mut at = 0;
    while let Some((_, length)) = first(&text[at..]).filter(|(meant, _)| is_blank(*meant)) {
        at += length;
    }
    at
}

/// How many bytes of blanks the text ends with.
pub(super) fn blanks_before(text: &str) -> usize {
    let mut end = text.len();
    while let Some((_, length)) = last(&text[..end]).filter(|(meant, _)| is_blank(*meant)) {
        end -= length;
    }
    text.len() - end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_told_however_it_is_written() {
        for text in ["{", "%7B", "%7b", "&#123;", "&#x7B;", "&lcub;", "&lbrace;"] {
            assert_eq!(
                first(&format!("{text}x")),
                Some(('{', text.len())),
                "{text}"
            );
            assert_eq!(last(&format!("x{text}")), Some(('{', text.len())), "{text}");
        }
        for (text, wanted) in [
            ("%7", '%'),
            ("%zz", '%'),
            ("%e2%82", '%'),
            ("&x", '&'),
            ("é", 'é'),
        ] {
            assert_eq!(first(text).map(|(meant, _)| meant), Some(wanted), "{text}");
        }
        assert_eq!(length_of("%7B{x", "{{"), Some(4));
        assert_eq!(length_before("x{&#123;", "{{"), Some(7));
        assert_eq!(length_of("{x", "{{"), None);
        assert_eq!(blanks_of("%20 &nbsp;\n+x"), 12);
        assert_eq!(blanks_before("x%20 "), 4);
        assert_eq!((first(""), last("")), (None, None));
    }
}
