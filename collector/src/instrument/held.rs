//! Addresses of ours in what is to be instrumented: a template that was sent before, a reply that quotes
//! a mail. Whoever follows one of them counts as the one that it was made for.

use std::ops::Range;

use crate::token::{TokenKind, is_token};

/// What stands before a token, whatever the host: tokens of ours work wherever the server is reached.
const ROUTES: [(&str, TokenKind); 3] = [
    ("/mail/track/click/", TokenKind::Click),
    ("/mail/track/open/", TokenKind::Open),
    ("/mail/unsubscribe/", TokenKind::Unsubscribe),
];
/// How often an address may be encoded within another.
const MAX_DEPTH: usize = 3;

/// What a text in the place of a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
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
pub type Reader<'a> = &'a dyn Fn(TokenKind, &str) -> Held;

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
pub(super) fn carries_another(url: &str, read: Reader<'_>) -> bool {
    let mut text = std::borrow::Cow::Borrowed(url);
    for _ in 0..MAX_DEPTH {
        let is_other = |spot: &Spot| {
            matches!(
                read(spot.kind, &text[spot.token.clone()]),
                Held::Other { .. }
            )
        };
        if spots(&text).any(|spot| is_other(&spot)) {
            return true;
        }
        if !text.contains('%') {
            break;
        }
        text = percent_decoded(&text).into();
    }
    false
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let byte = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = byte {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
