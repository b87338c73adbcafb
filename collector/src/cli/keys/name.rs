//! How the command line names a key: by its id, or by its text, of which a digest goes further.

use std::io::{BufRead as _, Read as _};

use shared::api_key::{ApiKey, KeyKind, kind_of};

use crate::cli::Failure;
use crate::cli::output::tell;
use crate::routes::keys::wire::KeyName;
use store::meta::KeyDigest;

/// Stands for a key's text on standard input, which leaves it out of the shell's history.
const STANDARD_INPUT: &str = "-";
/// More of a line is no key.
const MAX_LINE: u64 = 1_024;

/// Reads it. No error repeats it: it may be a key.
pub(super) fn key_name(text: &str) -> Result<KeyName, Failure> {
    if text == STANDARD_INPUT {
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .take(MAX_LINE)
            .read_line(&mut line)
            .map_err(|error| Failure::Failed(format!("standard input cannot be read: {error}")))?;
        return named(line.trim()).map_err(Failure::Failed);
    }
    let text = text.trim();
    if kind_of(text) == Some(KeyKind::Secret) {
        tell(
            "warning: a secret key now stands in this shell's history: take it out there. Next time give its id, or - \
             and the key on standard input",
        );
    }
    named(text).map_err(Failure::Failed)
}

fn named(text: &str) -> Result<KeyName, String> {
    match ApiKey::parse(text) {
        Ok(key) => Ok(KeyName::Digest(KeyDigest::of(&key))),
        Err(error) if kind_of(text).is_some() => Err(error.to_string()),
        Err(_) => Ok(KeyName::Id(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_begins_like_a_key_is_one_or_has_a_typo_and_all_else_is_an_id() {
        let mut byte = 0;
        let key = ApiKey::generate(KeyKind::Secret, &mut || {
            byte += 1;
            byte
        });
        let digest = KeyName::Digest(KeyDigest::of(&key));
        assert_eq!(named(key.as_str()), Ok(digest));
        assert_eq!(named("key_1"), Ok(KeyName::Id("key_1".to_owned())));
        for cut in ["msk_sec_", "msk_pub_abc", &key.as_str()[..37]] {
            let refusal = named(cut).unwrap_err();
            assert!(refusal.contains("mistyped"), "{refusal}");
            assert!(!refusal.contains(cut), "{refusal}");
        }
    }
}
