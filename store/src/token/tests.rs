//! Tokens under attack: every bit, every length, every splice, every other spelling.

use proptest::prelude::*;

use super::*;

const KINDS: [TokenKind; 3] = [TokenKind::Open, TokenKind::Click, TokenKind::Unsubscribe];
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const ADDRESS: &str = "alice@person.example";

pub(super) fn key(id: u32) -> TokenKey {
    let mut secret = [7; SECRET_BYTES];
    secret[..4].copy_from_slice(&id.to_le_bytes());
    TokenKey {
        id,
        created_at: Timestamp::from_millis(0),
        secret,
        form: TokenForm::Short,
    }
}

pub(super) fn keys() -> TokenKeys {
    TokenKeys::new(vec![key(1)]).unwrap()
}

pub(super) fn sent() -> Sent {
    let workspace = crate::ledger::decide::WorkspaceKey([3; 32]);
    Sent {
        workspace: WorkspaceId(1),
        message_id: "msg_welcome_42".to_owned(),
        contact: workspace.contact(ADDRESS),
        campaign_id: Some("spring".to_owned()),
        message_type: MessageType::Campaign,
        sent_at: Timestamp::from_millis(1_764_000_000_000),
    }
}

fn click(target: &str) -> Token {
    Token::Click {
        sent: sent(),
        link: 3,
        target_number: Some(2),
        target: target.to_owned(),
    }
}

/// One of each kind, the click with a short target and with a long one.
fn tokens() -> [Token; 4] {
    [
        Token::Open(sent()),
        click("https://shop.example/a"),
        click(&format!(
            "https://shop.example/{}",
            "spring-sale/".repeat(9)
        )),
        Token::Unsubscribe(sent()),
    ]
}

fn is_refused(keys: &TokenKeys, text: &str) -> bool {
    KINDS
        .into_iter()
        .all(|kind| keys.open(kind, text).is_none())
}

#[test]
fn a_token_opens_to_what_was_sealed_and_on_its_own_kind_alone() {
    for token in tokens() {
        let text = keys().seal(None, &token);
        for kind in KINDS {
            let expected = (kind == token.kind()).then(|| token.clone());
            assert_eq!(keys().open(kind, &text), expected, "{kind:?} {token:?}");
        }
    }
}

#[test]
fn equal_input_gives_the_equal_token_and_other_input_another() {
    for token in tokens() {
        assert_eq!(keys().seal(None, &token), keys().seal(None, &token));
    }
    let mut texts = tokens().map(|token| keys().seal(None, &token)).to_vec();
    let mut other = sent();
    other.message_type = MessageType::Transactional;
    texts.push(keys().seal(None, &Token::Open(other)));
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 5);
}

#[test]
fn every_flipped_bit_of_the_bytes_is_refused() {
    for token in tokens() {
        let bytes = decode(&keys().seal(None, &token)).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let text = URL_SAFE_NO_PAD.encode(flipped);
            assert!(is_refused(&keys(), &text), "bit {bit} of {token:?}");
        }
    }
}

#[test]
fn every_flipped_bit_of_the_text_and_every_other_character_is_refused() {
    for token in tokens() {
        let text = keys().seal(None, &token).into_bytes();
        for at in 0..text.len() {
            let bits = (0..8).map(|bit| text[at] ^ (1 << bit));
            for byte in bits.chain(ALPHABET.iter().copied()) {
                let mut changed = text.clone();
                changed[at] = byte;
                let Ok(changed) = String::from_utf8(changed) else {
                    // No path is that: it would not even come as a text.
                    continue;
                };
                if changed.as_bytes() != text {
                    assert!(is_refused(&keys(), &changed), "{byte} at {at}, {token:?}");
                }
            }
        }
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    for token in tokens() {
        let text = keys().seal(None, &token);
        for length in 0..text.len() {
            assert!(is_refused(&keys(), &text[..length]), "{length}");
            assert!(
                is_refused(&keys(), &text[text.len() - length..]),
                "{length}"
            );
        }
        for character in ALPHABET {
            let character = char::from(*character);
            assert!(is_refused(&keys(), &format!("{text}{character}")));
            assert!(is_refused(&keys(), &format!("{character}{text}")));
        }
        assert!(is_refused(&keys(), &format!("{text}{text}")));
    }
}

#[test]
fn splices_of_two_tokens_are_refused() {
    let texts = tokens().map(|token| keys().seal(None, &token));
    for one in &texts {
        for other in &texts {
            for at in 1..one.len().min(other.len()) {
                let spliced = format!("{}{}", &one[..at], &other[at..]);
                if spliced != *one && spliced != *other {
                    assert!(is_refused(&keys(), &spliced), "at {at}");
                }
            }
        }
    }
}

#[test]
fn another_kind_in_the_header_is_refused_by_the_tag() {
    for token in tokens() {
        let bytes = decode(&keys().seal(None, &token)).unwrap();
        for number in (0..=255).filter(|number| *number != bytes[0]) {
            let mut relabelled = bytes.clone();
            relabelled[0] = number;
            let text = URL_SAFE_NO_PAD.encode(relabelled);
            assert!(is_refused(&keys(), &text), "{number}");
        }
    }
}

#[test]
fn other_spellings_of_the_same_bytes_are_refused() {
    let mut different = 0;
    for number in 0..200 {
        let token = click(&format!("https://shop.example/{number}"));
        let text = keys().seal(None, &token);
        let bytes = decode(&text).unwrap();
        let padded = base64::engine::general_purpose::URL_SAFE.encode(&bytes);
        let standard = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&bytes);
        let mut spellings = vec![
            padded,
            standard,
            format!("{text}="),
            format!("{text}=="),
            format!("{text}\n"),
            format!(" {text}"),
            format!("{text} "),
            format!("{text}\0"),
            text.to_lowercase(),
            text.replace('-', "%2D"),
        ];
        // What the last character says beyond the last byte.
        let (front, last) = text.split_at(text.len() - 1);
        let place = ALPHABET.iter().position(|one| last.as_bytes() == [*one]);
        let place = place.unwrap();
        for bits in 1..4 {
            let other = ALPHABET[place ^ bits];
            spellings.push(format!("{front}{}", char::from(other)));
        }
        for spelling in spellings {
            if spelling != text {
                different += 1;
                assert!(is_refused(&keys(), &spelling), "{spelling}");
            }
        }
    }
    assert!(different > 1_500, "{different}");
}

#[test]
fn what_is_no_token_at_all_is_refused() {
    let long = "A".repeat(MAX_TEXT_CHARS + 4);
    for text in [
        "",
        "A",
        "AQ",
        "AQEAAAAB",
        "IgE",
        "Iv_____________",
        "é",
        "\0",
        "..",
        &"A".repeat(100),
        &long,
    ] {
        assert!(is_refused(&keys(), text));
    }
    // A real one, but longer than any text may be.
    let target: String = (0..2_000_u32)
        .map(|number| char::from(ALPHABET[(number.wrapping_mul(2_654_435_761) >> 26) as usize]))
        .collect();
    let text = keys().seal(None, &click(&(target.clone() + &target + &target)));
    assert!(text.len() <= MAX_TEXT_CHARS || is_refused(&keys(), &text));
}

#[test]
fn a_token_made_with_the_key_of_nobody_is_refused() {
    let foreign = TokenKeys::new(vec![STAND_IN.clone()]).unwrap();
    for token in tokens() {
        assert!(is_refused(&keys(), &foreign.seal(None, &token)));
    }
}

#[test]
fn a_key_of_another_store_with_the_same_id_opens_nothing() {
    let mut other = key(1);
    other.secret[63] ^= 1;
    let other = TokenKeys::new(vec![other]).unwrap();
    for token in tokens() {
        assert!(is_refused(&other, &keys().seal(None, &token)));
    }
}

#[test]
fn after_a_rotation_old_tokens_work_and_can_be_made_again() {
    let old = keys();
    let rotated = old.with(key(2)).with(key(3));
    assert_eq!(rotated.current().id, 3);
    assert_eq!(
        rotated.all().map(|key| key.id).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    for token in tokens() {
        let before = old.seal(None, &token);
        assert_eq!(rotated.open(token.kind(), &before), Some(token.clone()));
        assert_eq!(rotated.seal(Some(1), &token), before);
        let after = rotated.seal(None, &token);
        assert_ne!(after, before);
        assert_eq!(rotated.open(token.kind(), &after), Some(token.clone()));
        assert!(is_refused(&old, &after));
        // Said to be of the other key.
        let mut bytes = decode(&before).unwrap();
        bytes[1] = 3;
        assert!(is_refused(&rotated, &URL_SAFE_NO_PAD.encode(bytes)));
    }
    assert_eq!(TokenKeys::new(Vec::new()).map(|keys| keys.current.id), None);
}

#[test]
fn nothing_personal_can_be_read_in_a_token_or_in_what_debug_shows() {
    let token = click(&format!("https://shop.example/?email={ADDRESS}"));
    let text = keys().seal(None, &token);
    let bytes = decode(&text).unwrap();
    for secret in [
        ADDRESS.as_bytes(),
        b"shop.example",
        b"msg_welcome",
        b"spring",
    ] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    assert!(!format!("{token:?}").contains("person.example"));
    let shown = format!("{:?}", keys());
    assert!(
        !shown.contains("secret") && !shown.contains("7, 7"),
        "{shown}"
    );
}

#[test]
fn a_long_target_is_packed_and_one_beyond_all_bounds_has_a_token_too_long_for_a_link() {
    let long = format!("https://shop.example/{}", "spring-sale/".repeat(400));
    let token = click(&long);
    let text = keys().seal(None, &token);
    assert!(text.len() < 400, "{}", text.len());
    assert_eq!(keys().open(TokenKind::Click, &text), Some(token));
    let text = keys().seal(None, &click(&"a".repeat(16 * 1024 + 1)));
    assert!(text.len() > MAX_TOKEN_CHARS);
}

#[test]
fn a_token_never_ends_in_what_is_taken_for_the_end_of_a_sentence() {
    let mut lengths = std::collections::BTreeSet::new();
    for number in 0..3_000 {
        let path = "a".repeat(number % 7);
        let token = click(&format!("https://shop.example/{path}{number}"));
        let text = keys().seal(None, &token);
        assert!(
            text.ends_with(|last: char| last.is_ascii_alphanumeric()),
            "{text}"
        );
        assert_eq!(keys().open(TokenKind::Click, &text), Some(token));
        lengths.insert(text.len() % 4);
    }
    assert_eq!(lengths.len(), 2, "{lengths:?}");
}

#[test]
fn tokens_are_short() {
    let of = |message_id: &str, campaign_id: &str| Sent {
        message_id: message_id.to_owned(),
        campaign_id: Some(campaign_id.to_owned()),
        ..sent()
    };
    for (message_id, campaign_id) in [
        ("msg_welcome_42", "spring"),
        ("msg_019ac1f0e52c7c3e9d2b7a41c08e6f35", "spring-2026"),
        (
            "019ac1f0-e52c-7c3e-9d2b-7a41c08e6f35",
            "0192f3c4-1b2d-4e5f-8a9b-0c1d2e3f4a5b",
        ),
    ] {
        let text = keys().seal(None, &Token::Open(of(message_id, campaign_id)));
        assert!(text.len() <= 104, "{} for {message_id}", text.len());
    }
}

#[test]
fn the_forms_of_names_come_back_as_they_were() {
    for name in [
        "019ac1f0-e52c-7c3e-9d2b-7a41c08e6f35",
        "019AC1F0-e52c-7c3e-9d2b-7a41c08e6f35",
        "019ac1f0e52c7c3e9d2b7a41c08e6f35",
        "019ac1f0-e52c7c3e-9d2b-7a41-c08e6f35",
        "msg_019ac1f0e52c7c3e9d2b7a41c08e6f35",
        "msg_00000000000000000000000000000000",
        "msg_+19ac1f0e52c7c3e9d2b7a41c08e6f35",
        "msg_019AC1F0e52c7c3e9d2b7a41c08e6f35",
        "msg_",
        "",
        "\0",
        "ü",
    ] {
        let sent = Sent {
            message_id: name.to_owned(),
            campaign_id: Some(name.to_owned()),
            ..sent()
        };
        let token = Token::Unsubscribe(sent);
        let text = keys().seal(None, &token);
        assert_eq!(keys().open(TokenKind::Unsubscribe, &text), Some(token));
    }
}

#[test]
fn a_token_that_was_made_once_is_read_for_ever() {
    let token = click("https://shop.example/a");
    let text = "IgG0an7LYnD6Hj6p7m58VlhtiLN4WruDyKyl0LwKsF3SuczadKTqZKigRjRT0i4UuWr6_Bjii-l8j1obzw";
    assert_eq!(keys().seal(None, &token), text);
    assert_eq!(keys().open(TokenKind::Click, text), Some(token));
}

fn any_sent() -> impl Strategy<Value = Sent> {
    (
        any::<u32>(),
        ".{0,64}",
        any::<[u8; 16]>(),
        proptest::option::of(".{0,32}"),
        any::<bool>(),
        any::<i64>(),
    )
        .prop_map(
            |(workspace, message_id, contact, campaign_id, campaign, sent_at)| Sent {
                workspace: WorkspaceId(workspace),
                message_id,
                contact: ContactId(contact),
                campaign_id,
                message_type: if campaign {
                    MessageType::Campaign
                } else {
                    MessageType::Transactional
                },
                sent_at: Timestamp::from_millis(sent_at),
            },
        )
}

fn any_token() -> impl Strategy<Value = Token> {
    prop_oneof![
        any_sent().prop_map(Token::Open),
        any_sent().prop_map(Token::Unsubscribe),
        (
            any_sent(),
            any::<u32>(),
            proptest::option::of(0..u32::MAX),
            ".{0,400}"
        )
            .prop_map(|(sent, link, target_number, target)| Token::Click {
                sent,
                link,
                target_number,
                target
            }),
    ]
}

proptest! {
    #[test]
    fn what_is_sealed_opens_again(token in any_token(), id in any::<u32>()) {
        let keys = TokenKeys::new(vec![key(id)]).unwrap();
        let text = keys.seal(None, &token);
        prop_assert!(!text.ends_with(['-', '_']));
        if text.len() <= MAX_TEXT_CHARS {
            prop_assert_eq!(keys.open(token.kind(), &text), Some(token));
        }
    }

    #[test]
    fn noise_is_refused(text in "[A-Za-z0-9_-]{0,300}", any in ".{0,100}") {
        prop_assert!(is_refused(&keys(), &text));
        prop_assert!(is_refused(&keys(), &any));
    }
}
