//! Every way in which a key may be wrapped, alone and one in the other, and what is no key.

use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::*;

fn key(kind: KeyKind, seed: u64) -> String {
    let mut state = seed | 1;
    let key = ApiKey::generate(kind, &mut || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    });
    key.as_str().to_owned()
}

fn secret() -> String {
    key(KeyKind::Secret, 7)
}

fn keys(text: &str) -> Vec<String> {
    let mut keys: Vec<String> = find(text.as_bytes())
        .into_iter()
        .map(|found| found.key.as_str().to_owned())
        .collect();
    keys.dedup();
    keys
}

/// Each byte as an escape of this form.
fn each(text: &str, escape: impl Fn(u8) -> String) -> String {
    text.bytes().map(escape).collect()
}

fn percent(text: &str) -> String {
    each(text, |byte| format!("%{byte:02X}"))
}

fn unicode(text: &str) -> String {
    each(text, |byte| format!("\\u{byte:04x}"))
}

#[track_caller]
fn is_found_and_masked(text: &str) {
    assert_eq!(keys(text), [secret()], "{text}");
    let masked = mask(text);
    assert!(masked.contains(MASK), "{masked}");
    assert_eq!(keys(&masked), [] as [String; 0], "{masked}");
}

#[test]
fn a_key_is_found_whatever_stands_around_it() {
    let key = secret();
    for text in [
        key.clone(),
        format!("Bearer \"{key}\""),
        format!("  {key}\t"),
        format!("a={key};b"),
        format!("authorization=Token+token%3D{key}%26x"),
        format!("msk_sec_msk_sec_{key}"),
        format!("x{key}0"),
        format!("ümläut {key} ümläut"),
    ] {
        is_found_and_masked(&text);
    }
    assert_eq!(mask(&format!("ä{key}ö{key}ü")), format!("ä{MASK}ö{MASK}ü"));
}

#[test]
fn escapes_are_undone_alone_repeated_and_inside_each_other() {
    let key = secret();
    let one = key.replace('_', "%5f");
    for text in [
        one.clone(),
        one.replace('%', "%25"),
        one.replace('%', "%25252525"),
        percent(&key),
        percent(&percent(&key)),
        key.replace('_', "\\u005F"),
        key.replacen('m', "\\u006d", 1),
        key.replace('_', "\\\\u005f"),
        key.replace('_', "\\\\\\\\\\\\\\u005f"),
        unicode(&key),
        unicode(&percent(&key)),
        percent(&unicode(&key)),
        unicode(&percent(&unicode(&key))),
        percent(&unicode(&percent(&key))),
    ] {
        is_found_and_masked(&text);
        is_found_and_masked(&format!("\"https://x.example/?a=\\u00e4%20{text}%21\\n\""));
    }
}

#[test]
fn base64_is_undone_at_every_offset_and_in_both_alphabets() {
    let key = secret();
    for around in [
        format!("{key}:"),
        format!(":{key}"),
        format!("u:{key}"),
        format!("user:{key}:x"),
        format!("??>>~~{key}\n"),
        key,
    ] {
        for text in [
            STANDARD.encode(&around),
            STANDARD_NO_PAD.encode(&around),
            URL_SAFE.encode(&around),
            URL_SAFE_NO_PAD.encode(&around),
        ] {
            for text in [
                format!("Basic {text}"),
                format!("Basic%20{}", text.replace('=', "%3D")),
                percent(&text),
                unicode(&text),
            ] {
                is_found_and_masked(&text);
            }
        }
    }
}

#[test]
fn what_is_no_secret_key_stays_as_it_is() {
    let key = secret();
    let public = super::tests::key(KeyKind::Public, 7);
    let typo = format!(
        "{}{}",
        &key[..36],
        if key.ends_with("00") { "11" } else { "00" }
    );
    for text in [
        "",
        "msk_sec_",
        &key[..37],
        &key[1..],
        &key.to_uppercase(),
        &typo,
        &public,
        &percent(&public),
        &STANDARD.encode(&public),
        &STANDARD.encode(&typo),
        "https://x.example/%7Euser/a%20b?c=%253D%25&d=100%\\",
        "\\u00e9\\u003c\\\\\\",
        "a19zZWNf",
        "bXNrX3NlY1",
    ] {
        assert_eq!(keys(text), [] as [String; 0], "{text}");
        assert!(matches!(mask(text), Cow::Borrowed(same) if same == text));
    }
}

#[test]
fn a_place_in_the_text_covers_the_escapes_and_nothing_more() {
    let key = secret();
    let text = format!("\"\\\\{}\\n\"", key.replace('_', "\\u005f"));
    assert_eq!(mask(&text), format!("\"\\\\{MASK}\\n\""));
    let text = format!("a%20{}%20b", percent(&key));
    assert_eq!(mask(&text), format!("a%20{MASK}%20b"));
}

#[test]
fn long_rows_of_escapes_take_no_time_that_grows_with_their_square() {
    for text in ["\\", "%", "%25", "\\u005c", "%5C", "msk_sec_", "bXNrX3NlY1"] {
        assert!(find(text.repeat(100_000).as_bytes()).is_empty());
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_a_masked_one_holds_none(
        text in "([a-z%\\\\\"ü]|%25|\\\\u00|5f|5F|msk_sec_|bXNrX3NlY1|c2tfc2Vj){0,40}",
        seed: u64,
        at: prop::sample::Index,
    ) {
        let key = key(KeyKind::Secret, seed);
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let (before, behind) = text.split_at(*at.get(&places));
        let whole = format!("{before}{key}{behind}");
        prop_assert!(keys(&whole).contains(&key));
        holds_none(&mask(&whole))?;
        holds_none(&mask(&text))?;
    }
}

fn holds_none(text: &str) -> TestCaseResult {
    prop_assert!(find(text.as_bytes()).is_empty(), "{text}");
    Ok(())
}
