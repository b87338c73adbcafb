//! Addresses of ours in what is to be instrumented: a template that was sent before, a reply that quotes
//! a mail. Whoever follows one of them counts as the one that it was made for.

use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::resolve::WORDS;
use store::token::{TokenKind, is_token};

/// What stands before a token, whatever the host: tokens of ours work wherever the server is reached.
const ROUTES: [(&str, TokenKind); 3] = [
    ("/mail/track/click/", TokenKind::Click),
    ("/mail/track/open/", TokenKind::Open),
    ("/mail/unsubscribe/", TokenKind::Unsubscribe),
];
/// How often an address may be encoded within another.
const MAX_DEPTH: usize = 3;
/// What is shorter is no token: a header, 16 bytes of a seal and what it says, in base64.
pub(super) const MIN_TOKEN_CHARS: usize = 24;
/// So many texts that are long enough are looked at in one address.
const MAX_RUNS: usize = 64;
/// How far behind one of the words a token is looked for.
const LOOSE_BYTES: usize = 4_096;
const KINDS: [TokenKind; 3] = [TokenKind::Click, TokenKind::Open, TokenKind::Unsubscribe];

/// What a text in the place of a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// A token of this very message.
    Own,
    /// One of another message of the same workspace; of a click with its target.
    Other { target: Option<String> },
    /// One of another workspace: its links are ordinary ones.
    Elsewhere,
    /// None that this store has made, or a damaged one.
    Nothing,
}

/// Reads tokens.
pub(crate) type ReadToken<'a> = &'a dyn Fn(TokenKind, &str) -> Held;

/// Where a token may stand: the route before it, and itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub kind: TokenKind,
    pub route: Range<usize>,
    pub token: Range<usize>,
}

impl Spot {
    /// Whether what stands before the route is the server's public address, below which `own_prefix`
    /// lies. With `http` and with `https` it is the same server.
    pub(super) fn is_public(&self, text: &str, own_prefix: &str) -> bool {
        let own = own_prefix
            .split_once("://")
            .map_or(own_prefix, |(_, own)| own);
        let Some(own) = own.strip_suffix("/mail/").filter(|own| !own.is_empty()) else {
            return false;
        };
        let before = &text[..self.route.start];
        let start = before.len().checked_sub(own.len());
        let is_own = start
            .and_then(|start| before.get(start..))
            .is_some_and(|host| host.eq_ignore_ascii_case(own));
        let is_whole = start.is_some_and(|start| {
            !before[..start]
                .ends_with(|last: char| last.is_ascii_alphanumeric() || matches!(last, '.' | '-'))
        });
        is_own && is_whole
    }
}

/// Every place of a text where a token may stand, in order. What mail programs put behind a token is no
/// part of it.
pub(super) fn spots(text: &str) -> impl Iterator<Item = Spot> + '_ {
    text.match_indices("/mail/").filter_map(|(at, _)| {
        let (route, kind) = ROUTES
            .iter()
            .find(|(route, _)| text[at..].starts_with(route))?;
        let start = at + route.len();
        let rest = &text.as_bytes()[start..];
        let length = rest.iter().position(|byte| !is_token(*byte));
        Some(Spot {
            kind: *kind,
            route: at..start,
            token: start..start + length.unwrap_or(rest.len()),
        })
    })
}

/// The place of the token that an address leads to, as opposed to those that it carries in its query.
pub(super) fn spot_of(url: &str) -> Option<Spot> {
    let path_end = url.find(['?', '#']).unwrap_or(url.len());
    let spot = spots(&url[..path_end]).next()?;
    let before = &url[..spot.route.start];
    // `https://shield.example/https://track.example/mail/…` leads to a shield.
    let is_direct = before
        .split_once("//")
        .is_some_and(|(_, host)| !host.contains("://"));
    is_direct.then_some(spot)
}

/// Whether an address carries a token of another message, however often it is encoded.
pub(super) fn carries_another(url: &str, read: ReadToken<'_>) -> bool {
    holds_when_decoded(url, |text| {
        let is_other = |spot: &Spot| {
            matches!(
                read(spot.kind, &text[spot.token.clone()]),
                Held::Other { .. }
            )
        };
        spots(text).any(|spot| is_other(&spot)) || has_loose_other(text, read)
    })
}

/// Whether this is so of a text, or of what comes out when it is percent-decoded.
fn holds_when_decoded(text: &str, is_so: impl Fn(&str) -> bool) -> bool {
    let mut text = std::borrow::Cow::Borrowed(text);
    for _ in 0..MAX_DEPTH {
        if is_so(&text) {
            return true;
        }
        if !text.contains('%') {
            break;
        }
        text = percent_decoded(&text).into();
    }
    false
}

/// Whether a token of another message stands behind one of our words, whatever stands between them:
/// `/mail/./track/click/x/../TOKEN` leads to it too.
fn has_loose_other(text: &str, read: ReadToken<'_>) -> bool {
    let words = WORDS.iter().filter_map(|word| text.find(word));
    words.min().is_some_and(|at| has_other(&text[at..], read))
}

/// Whether a text holds a token of another message anywhere.
fn has_other(text: &str, read: ReadToken<'_>) -> bool {
    let runs = text.split(|character: char| !u8::try_from(character).is_ok_and(is_token));
    let mut long = runs
        .filter(|run| run.len() >= MIN_TOKEN_CHARS)
        .take(MAX_RUNS);
    long.any(|run| {
        KINDS
            .iter()
            .any(|kind| matches!(read(*kind, run), Held::Other { .. }))
    })
}

/// Where tokens may stand in no plain address, outside of links: behind one of our words, to the end of the
/// attribute or the text. With `anywhere` every text that is long enough may be one.
pub(super) fn loose(text: &str, anywhere: bool) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut from = 0;
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &text.as_bytes()[at..];
            let found = memchr::memchr3_iter(b'c', b'o', b'u', rest).find(|place| {
                let rest = &rest[*place..];
                WORDS.iter().any(|word| rest.starts_with(word.as_bytes()))
            });
            let start = if anywhere { from } else { at + found? };
            if start >= text.len() {
                return None;
            }
            let to = text.floor_char_boundary((start + LOOSE_BYTES).min(text.len()));
            let window = &text[start..to];
            let end = window.find([' ', '"', '\'', '<', '>']);
            let end = end.map_or(to, |end| start + end);
            from = (end + 1).max(start + 1);
            while !text.is_char_boundary(from) && from < text.len() {
                from += 1;
            }
            at = from.min(text.len());
            if end - start >= MIN_TOKEN_CHARS {
                return Some(start..end);
            }
        }
    })
}

/// Whether what [`loose`] has found holds a token of another message, once it is read as an address is.
pub(super) fn is_loose_other(text: &str, read: ReadToken<'_>) -> bool {
    let plain = super::entities::decode(text).replace(['\t', '\n', '\r'], "");
    holds_when_decoded(&plain, |text| has_other(text, read))
}

pub(super) fn percent_decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_behind_its_route_and_without_what_programs_append() {
        let text = "see https://t.example/mail/track/click/AbC-_1/%27) or /mail/unsubscribe/x, /mail/track.js";
        let found: Vec<_> = spots(text)
            .map(|spot| {
                (
                    spot.kind,
                    text[spot.token.clone()].to_owned(),
                    spot.is_public(text, "http://T.example/mail/"),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                (TokenKind::Click, "AbC-_1".to_owned(), true),
                (TokenKind::Unsubscribe, "x".to_owned(), false)
            ]
        );
        let other = "https://not-t.example/mail/track/open/x";
        let spot = spots(other).next().unwrap();
        assert!(!spot.is_public(other, "https://t.example/mail/"));
    }

    #[test]
    fn a_token_behind_one_of_our_words_is_found_whatever_stands_between_them() {
        let token = "annClick_0123456789abcdef";
        let read = |_: TokenKind, text: &str| match text {
            "annClick_0123456789abcdef" => Held::Other { target: None },
            _ => Held::Nothing,
        };
        for before in [
            "mail/./track/click/",
            "mail/track/click/x/../",
            r"http:\\t.example\mail\track\click\x\..\",
            "?u=mail%2F.%2Ftrack%2Fclick%2F",
            "?u=mail%252F.%252Ftrack%252Fclick%252F",
        ] {
            let url = format!("https://s.example/{before}{token}");
            assert!(carries_another(&url, &read), "{url}");
            let text = format!("é <td background='{url}'>");
            let found: Vec<_> = loose(&text, false).collect();
            assert_eq!(found.len(), 1, "{text}");
            assert!(is_loose_other(&text[found[0].clone()], &read), "{text}");
        }
        let encoded = "click&#47;annClick&#95;01234567\n89abcd%65f";
        assert!(is_loose_other(encoded, &read));
        assert!(!carries_another(
            &format!("https://s.example/{token}"),
            &read
        ));
        assert_eq!(
            loose("a click on this opens it: unsubscribe é", false).count(),
            0
        );
        assert_eq!(loose(token, false).count(), 0);
        assert_eq!(loose(&format!("é {token} é"), true).count(), 1);
        assert_eq!(loose("", true).count(), 0);
    }

    #[test]
    fn what_an_address_leads_to_is_told_from_what_it_carries() {
        assert!(spot_of("https://t.example/base/mail/track/open/x?y").is_some());
        for other in [
            "https://s.example/?u=https://t.example/mail/track/open/x",
            "https://s.example/https://t.example/mail/track/open/x",
            "https://s.example/#/mail/track/open/x",
        ] {
            assert_eq!(spot_of(other), None, "{other}");
        }
        let other = Held::Other { target: None };
        let read = |_: TokenKind, text: &str| {
            if text == "x" {
                other.clone()
            } else {
                Held::Own
            }
        };
        for (url, carries) in [
            (
                "https://s.example/?u=https://t.example/mail/track/open/x",
                true,
            ),
            (
                "https://s.example/?u=https%3A%2F%2Ft.example%2Fmail%2Ftrack%2Fopen%2Fx",
                true,
            ),
            (
                "https://s.example/?u=%252Fmail%252Funsubscribe%252Fx%26z",
                true,
            ),
            ("https://s.example/?u=%2Fmail%2Funsubscribe%2Fown", false),
            ("https://s.example/100%", false),
        ] {
            assert_eq!(carries_another(url, &read), carries, "{url}");
        }
    }
}
