//! Tokens as versions before made them.

use super::*;
use crate::token::{TokenForm, TokenKey, TokenKeys};

/// A key of that time.
fn key() -> TokenKey {
    TokenKey {
        form: TokenForm::First,
        ..crate::token::tests::key(1)
    }
}

fn keys() -> TokenKeys {
    TokenKeys::new(vec![key()]).unwrap()
}

fn click(target: &str) -> Token {
    Token::Click {
        sent: crate::token::tests::sent(),
        link: 3,
        target_number: None,
        target: target.to_owned(),
    }
}

#[test]
fn a_token_of_an_older_version_is_read_on_its_own_kind_alone_and_made_again_as_it_was() {
    let sent = crate::token::tests::sent();
    let long = format!("https://shop.example/{}", "spring-sale/".repeat(9));
    // With a newer key, as any store has that was opened by this version.
    let keys = keys().with(crate::token::tests::key(2));
    for token in [
        Token::Open(sent.clone()),
        Token::Unsubscribe(sent),
        click("https://shop.example/a"),
        click(&long),
    ] {
        let text = keys.seal(Some(1), &token);
        assert!(text.starts_with("AQ"), "{text}");
        for kind in [TokenKind::Open, TokenKind::Click, TokenKind::Unsubscribe] {
            let expected = (kind == token.kind()).then(|| token.clone());
            assert_eq!(keys.open(kind, &text), expected);
        }
        for at in 0..text.len() {
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(keys.open(token.kind(), &changed), None, "at {at}");
        }
        let new = keys.seal(None, &token);
        assert!(!new.starts_with("AQ") && new.len() < text.len(), "{new}");
    }
}

#[test]
fn the_very_texts_that_an_older_version_made_are_made_and_read() {
    let text = "AQIAAAABXNzxxr-Bc_BCYuCtqf-4XQJ7z829TsFSeLlmhpaJCleTLDrk23-rAPdCpTBtpyh9jlmC81bdFfl7cAgD6ZKeez4uUBAYIAp5OSVgMjA23a-l2kDYYzt2pD0";
    assert_eq!(keys().seal(None, &click("https://shop.example/a")), text);
    let opened = keys().open(TokenKind::Click, text);
    assert_eq!(opened, Some(click("https://shop.example/a")));
}

#[test]
fn what_is_appended_to_a_token_that_ends_in_a_hyphen_is_cut_off() {
    let mut ends = 0;
    for number in 0..2_000 {
        let token = click(&format!("https://shop.example/{number}"));
        let text = keys().seal(None, &token);
        ends += usize::from(text.ends_with(['-', '_']));
        for end in ["", "/", ".", "%27"] {
            let appended = format!("{text}{end}");
            let read = keys()
                .read(TokenKind::Click, &appended)
                .map(|(token, text)| (token, text.to_owned()));
            assert_eq!(read, Some((token.clone(), text.clone())));
        }
    }
    assert!(ends > 0);
}

#[test]
fn what_inflates_has_a_bound() {
    let deflated = |bytes: &[u8]| SealedTarget::Deflated(deflate(bytes).unwrap());
    assert_eq!(deflated(&vec![b'a'; 1_000_000]).text(), None);
    let most = deflated(&[b'a'; 16 * 1024]).text();
    assert_eq!(most.map(|text| text.len()), Some(16 * 1024));
}
