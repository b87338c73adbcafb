//! What a page is told whose site is not on its key's list: which origin was seen, and the command that
//! adds it. The origin is whatever the client wrote, so it is shown with care.

use store::meta::{Key, Origin};

/// Characters of an origin that are shown; the longest host name and a port fit.
const MAX_SHOWN: usize = 300;
/// What is shown of an origin that holds a secret key, which must stand in no answer and no log.
const MASKED: &str = "(one that holds a secret key)";

/// The sentence. A command with the origin in it, to be copied, only where that is a plain origin.
pub(super) fn refusal(key: &Key, header: &str) -> String {
    let update = format!("misar keys update {} --add-origin", key.id);
    if holds_secret_key(header) {
        return format!(
            "this key is not for the origin that the request names, {MASKED}: `{update} ORIGIN` adds one"
        );
    }
    match Origin::parse_of_any(header) {
        Ok(origin) => format!(
            "this key is not for {origin}: where that is your site, run `{update} {origin}`"
        ),
        Err(_) => format!(
            "this key is not for the origin that the request names, \"{}\": `{update} ORIGIN` adds one, such as \
             https://shop.example",
            shown(header)
        ),
    }
}

/// Printable ASCII as it is, anything else escaped, cut where it is long.
fn shown(header: &str) -> String {
    let mut shown = String::new();
    for character in header.chars() {
        let part = match character {
            ' '..='~' if character != '"' => character.to_string(),
            other => other.escape_default().to_string(),
        };
        if shown.len() + part.len() > MAX_SHOWN {
            shown.push('…');
            break;
        }
        shown.push_str(&part);
    }
    shown
}

/// Whether it looks as if a secret key stood in it, also percent-encoded or in other letters: a host is
/// read in lower case.
fn holds_secret_key(header: &str) -> bool {
    let mut text = header.to_owned();
    // Escapes may be escaped once more.
    for _ in 0..3 {
        if text.to_ascii_lowercase().contains("msk_sec_") {
            return true;
        }
        let pairs = form_urlencoded::parse(text.as_bytes());
        text = pairs.flat_map(|(name, value)| [name, value]).collect();
    }
    text.to_ascii_lowercase().contains("msk_sec_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_shown_printable_and_bounded() {
        for (header, expected) in [
            ("file://", "file://"),
            ("", ""),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\"quoted\"", "\\\"quoted\\\""),
            (
                "https://m\u{fc}nchen.example",
                "https://m\\u{fc}nchen.example",
            ),
            ("\u{202e}evil", "\\u{202e}evil"),
        ] {
            assert_eq!(shown(header), expected);
        }
        let long = shown(&"x".repeat(10_000));
        assert_eq!(long.chars().count(), MAX_SHOWN + 1);
    }

    #[test]
    fn a_secret_key_is_seen_however_it_is_written() {
        for header in [
            "msk_sec_0123",
            "https://MSK_SEC_0123.example",
            "https://x.example/?key=msk_sec_0123",
            "https://x.example/%6dsk_sec_0123",
            "https://x.example/%256dsk%255Fsec%255F0123",
        ] {
            assert!(holds_secret_key(header), "{header}");
        }
        for header in ["https://shop.example", "msk_pub_0123", "", "%"] {
            assert!(!holds_secret_key(header), "{header}");
        }
    }
}
