//! What a page says of itself, and whether its key may be used in one.

use alloc::string::String;

use shared::api_key::{self, KeyKind};

/// How a page wants the engine to work.
pub struct Config {
    /// A public key; see [`check_key`].
    pub key: String,
    /// So many events wait for no company.
    pub batch_size: usize,
    /// So long the first event waits for company, in milliseconds.
    pub flush_interval: f64,
    /// Queue, browser and contact are kept for the next page.
    pub persistent: bool,
    /// The visitor asked not to be followed (Global Privacy Control): views count, and say of nobody.
    pub anonymous: bool,
    /// The browser says that a program steers it (`navigator.webdriver`).
    pub automated: bool,
}

/// Whether a key may stand in a page; else what to do about it. Looks at nothing but the text.
///
/// # Errors
/// A sentence for the console. It does not repeat the key.
pub fn check_key(key: &str) -> Result<(), &'static str> {
    if key.is_empty() {
        return Err(
            "there is no key: set window.MisarMail = { key: 'msk_pub_…' } before this script",
        );
    }
    match api_key::check(key) {
        Ok(KeyKind::Public) => Ok(()),
        Ok(KeyKind::Secret) => Err(SECRET),
        // Mistyped or not, it has no place here.
        Err(_) if api_key::kind_of(key) == Some(KeyKind::Secret) => Err(SECRET),
        Err(error) => Err(error.message()),
    }
}

const SECRET: &str = "a secret key stands in this page, where everybody can read it: revoke it, and put a public key (msk_pub_…) here";

#[cfg(all(test, not(target_arch = "wasm32")))]
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
        for bad in [typo.as_str(), "", "undefined", "pk_live_1"] {
            assert!(check_key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_key_is_told_by_its_beginning_even_with_a_typo() {
        for secret in [key(KeyKind::Secret), "msk_sec_".into()] {
            let message = check_key(&secret).unwrap_err();
            assert!(
                message.contains("revoke")
                    && !message.contains(&secret[8..].to_owned().replace("", "\u{0}"))
            );
        }
    }
}
