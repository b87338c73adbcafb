//! What a page says of itself, and whether its key may be used in one.

use alloc::string::String;

use shared::api_key::{self, KeyKind};

use crate::browser::Problem;

/// How a page wants the engine to work.
pub struct Config {
    /// What each body begins with: a JSON object's `key`, checked by [`check_key`], and its `context`
    /// without the closing brace, with one field at the least.
    pub head: String,
    /// So many events wait for no company.
    pub batch_size: usize,
    /// So long the first event waits for company, in milliseconds.
    pub flush_interval: f64,
    /// The queue is kept for the next page.
    pub persistent: bool,
}

/// Whether a key may stand in a page. Looks at nothing but the text.
///
/// # Errors
/// What is wrong with it.
pub fn check_key(key: &str) -> Result<(), Problem> {
    match api_key::check(key) {
        Ok(KeyKind::Public) => Ok(()),
        // With a typo or without, it has no place here.
        _ if key.starts_with(KeyKind::Secret.prefix()) => Err(Problem::SecretKey),
        _ if key.is_empty() => Err(Problem::NoKey),
        _ => Err(Problem::MistypedKey),
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[cfg(test)]
mod tests {
    use super::*;
    use shared::api_key::ApiKey;

    fn key(kind: KeyKind) -> String {
        ApiKey::generate(kind, &mut || 7).as_str().into()
    }

    #[test]
    fn only_a_public_key_without_a_typo_may_stand_in_a_page() {
        assert_eq!(check_key(&key(KeyKind::Public)), Ok(()));
        let mut typo = key(KeyKind::Public);
        typo.pop();
        for bad in [typo.as_str(), "undefined", "pk_live_1"] {
            assert_eq!(check_key(bad), Err(Problem::MistypedKey), "{bad}");
        }
        assert_eq!(check_key(""), Err(Problem::NoKey));
    }

    #[test]
    fn a_secret_key_is_told_by_its_beginning_even_with_a_typo() {
        for secret in [key(KeyKind::Secret), "msk_sec_".into()] {
            assert_eq!(check_key(&secret), Err(Problem::SecretKey));
        }
    }
}
