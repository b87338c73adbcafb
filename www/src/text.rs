//! Making strangers' text fit to be shown: cut, indented, and with nothing in it that hides or reorders.

use std::fmt::Write as _;

/// Deeper than this nothing moves further right: a hostile body would else grow with its square.
const DEEPEST_INDENT: usize = 12;

/// Shows what would be invisible or would turn the text around it: control characters become
/// their pictures (`␛`), marks of direction and width their number (`⟦U+202E⟧`). Line breaks and tabs stay.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            '\u{0}'..='\u{1f}' => {
                shown.extend(char::from_u32(0x2400 + u32::from(character)));
            }
            '\u{7f}' => shown.push('\u{2421}'),
            _ if hides(character) => mark(&mut shown, character),
            _ => shown.push(character),
        }
    }
    shown
}

/// As [`visible`], on one line and of at most `limit` characters.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    let (start, cut) = cut(text, limit);
    let mut line = visible(start).replace(['\n', '\t'], " ");
    if cut {
        line.push('…');
    }
    line
}

/// The first `limit` characters, and whether there were more.
pub(crate) fn cut(text: &str, limit: usize) -> (&str, bool) {
    match text.char_indices().nth(limit) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    }
}

/// Indents JSON, keeping every number as it was written. The text must be JSON already.
pub(crate) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut rest = json.trim();
    while let Some(character) = rest.chars().next() {
        let mut taken = character.len_utf8();
        match character {
            '"' => taken = string(rest, &mut out),
            '{' | '[' => {
                out.push(character);
                let inside = rest[taken..].trim_start();
                if inside.starts_with(['}', ']']) {
                    out.extend(inside.chars().next());
                    taken = rest.len() - inside.len() + 1;
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(',');
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ if character.is_ascii_whitespace() => {}
            _ => out.push(character),
        }
        rest = &rest[taken..];
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(DEEPEST_INDENT)));
}

/// Copies the string that `rest` begins with, its escaped letters written out; says how long it was.
fn string(rest: &str, out: &mut String) -> usize {
    let bytes = rest.as_bytes();
    out.push('"');
    let mut at = 1;
    let mut copied = 1;
    while at < bytes.len() && bytes[at] != b'"' {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        out.push_str(&rest[copied..at]);
        let length = match letter(&bytes[at..]) {
            Some((character, length)) => {
                out.push(character);
                length
            }
            None => {
                out.push('\\');
                1
            }
        };
        copied = at + length;
        // An escape that stays has a second character, which must not be taken for the end.
        at = copied + usize::from(length == 1);
    }
    let end = at.min(bytes.len());
    out.push_str(rest.get(copied..end).unwrap_or_default());
    out.push('"');
    (end + 1).min(bytes.len())
}

/// The letter that an escape stands for, where it can be shown as itself, and the escape's length.
fn letter(escape: &[u8]) -> Option<(char, usize)> {
    if escape.get(1) == Some(&b'/') {
        return Some(('/', 2));
    }
    let first = unit(escape)?;
    let (code, length) = if (0xd800..0xdc00).contains(&first) {
        let second = unit(escape.get(6..)?)?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        (0x1_0000 + ((first - 0xd800) << 10) + low, 12)
    } else {
        (first, 6)
    };
    let character = char::from_u32(code)?;
    let plain = code >= 0x80 && !character.is_control() && !hides(character);
    plain.then_some((character, length))
}

fn unit(escape: &[u8]) -> Option<u32> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Marks that show nothing themselves, or change how others are shown.
fn hides(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

fn mark(shown: &mut String, character: char) {
    // Writing to a string cannot fail.
    write!(shown, "⟦U+{:04X}⟧", u32::from(character)).unwrap_or_default();
}

/// When something happened, as a reader in that place would say it: the time, with the day unless it
/// is today.
pub(crate) fn clock(then: LocalTime, today: LocalTime) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let LocalTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = then;
    if (year, month, day) == (today.year, today.month, today.day) {
        return format!("{hour:02}:{minute:02}:{second:02}");
    }
    let name = MONTHS.get(month as usize).unwrap_or(&"?");
    if year == today.year {
        return format!("{day} {name} {hour:02}:{minute:02}");
    }
    format!("{day} {name} {year}")
}

/// A moment in the reader's zone; months count from 0, as the browser's do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LocalTime {
    pub(crate) year: u32,
    pub(crate) month: u32,
    pub(crate) day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
}

/// Points of a score, with one decimal each, so that they stand under each other.
pub(crate) fn points(points: f64) -> String {
    let text = format!("{points:.1}");
    match text.as_str() {
        "-0.0" => "0.0".to_owned(),
        _ => text,
    }
}

/// A number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_turn_text_around_are_shown_by_their_number() {
        assert_eq!(visible("a\u{202e}b\u{1b}[31m\u{7f}"), "a⟦U+202E⟧b␛[31m␡");
        assert_eq!(
            visible("two\nlines\tand a tab, שלום"),
            "two\nlines\tand a tab, שלום"
        );
    }

    #[test]
    fn a_long_name_is_cut_at_a_character_and_says_so() {
        assert_eq!(one_line("ééé\né", 4), "ééé …");
        assert_eq!(one_line("short", 5), "short");
    }

    #[test]
    fn json_is_indented_and_its_numbers_keep_their_text() {
        let json = r#"{"n":12345678901234567890.50,"e":1e2,"list":[1,{"a":"x, {y}: \"z\""}],"none":{ },"no":[]}"#;
        let shown = pretty(json);
        assert_eq!(
            shown,
            "{\n  \"n\": 12345678901234567890.50,\n  \"e\": 1e2,\n  \"list\": [\n    1,\n    {\n      \"a\": \"x, {y}: \\\"z\\\"\"\n    }\n  ],\n  \"none\": {},\n  \"no\": []\n}"
        );
    }

    #[test]
    fn escaped_letters_are_written_out_but_nothing_that_hides() {
        assert_eq!(
            pretty(r#""caf\u00e9 \ud83d\ude00 \/ \u202e \u0000 \\u00e9 \\""#),
            r#""café 😀 / \u202e \u0000 \\u00e9 \\""#
        );
        assert_eq!(pretty(r#""\ud83d alone""#), r#""\ud83d alone""#);
    }

    #[test]
    fn deep_nesting_does_not_grow_with_its_square() {
        let deep = format!(
            "{}{}",
            "[1,".repeat(8_000),
            "1".to_owned() + &"]".repeat(8_000)
        );
        assert!(pretty(&deep).len() < 1_000_000);
    }

    #[test]
    fn unfinished_json_does_not_panic() {
        for text in [
            "\"",
            "\"\\",
            "{\"a",
            "[",
            "\"\\u12",
            "\"\\ud83d\\u",
            "é\"\\é",
        ] {
            pretty(text);
        }
    }

    #[test]
    fn a_time_of_another_day_has_its_day() {
        let now = LocalTime {
            year: 2026,
            month: 10,
            day: 24,
            hour: 9,
            minute: 5,
            second: 7,
        };
        assert_eq!(clock(now, now), "09:05:07");
        assert_eq!(clock(LocalTime { day: 23, ..now }, now), "23 Nov 09:05");
        assert_eq!(clock(LocalTime { year: 2025, ..now }, now), "24 Nov 2025");
    }

    #[test]
    fn points_have_one_decimal() {
        let shown = [0.0, 12.0, 0.5, 1.274_567, 100.0, -0.001].map(points);
        assert_eq!(shown, ["0.0", "12.0", "0.5", "1.3", "100.0", "0.0"]);
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            ["0", "999", "1,000", "12,345,678"],
            [count(0), count(999), count(1_000), count(12_345_678)]
                .map(|text| text)
                .each_ref()
                .map(String::as_str)
        );
    }
}
