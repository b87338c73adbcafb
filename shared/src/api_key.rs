//! API keys (`msk_pub_…`, `msk_sec_…`) with their built-in checksum, and the scopes that a key holds.
//! Hashing, storing and looking up keys is the collector's.

use alloc::string::String;
use core::fmt;

/// Base62 digits in ascending order: the random part and the checksum are written with them.
/// The base62 digit of a value below 62: `0`–`9`, `A`–`Z`, `a`–`z`. A table would be a hundred bytes in the
/// snippet.
const fn digit(value: u8) -> u8 {
    match value {
        0..10 => b'0' + value,
        10..36 => b'A' - 10 + value,
        _ => b'a' - 36 + value,
    }
}
const PREFIX_LEN: usize = 8;
const RANDOM_LEN: usize = 24;
const CHECKSUM_LEN: usize = 6;
const SIGNED_LEN: usize = PREFIX_LEN + RANDOM_LEN;
/// Characters of every key.
pub const KEY_LEN: usize = SIGNED_LEN + CHECKSUM_LEN;

/// Who may see a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// `msk_pub_…`: stands in every page of a site, so it may only send.
    Public,
    /// `msk_sec_…`: stays on a server.
    Secret,
}

impl KeyKind {
    /// The first eight characters of every key of this kind.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            KeyKind::Public => "msk_pub_",
            KeyKind::Secret => "msk_sec_",
        }
    }
}

/// A key in plain text whose checksum holds: prefix, 24 random base62 characters, 6 of checksum.
/// It may still be unknown or revoked.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes a key as it was issued; nothing is trimmed.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn parse(text: &str) -> Result<ApiKey, KeyError> {
        check(text)?;
        Ok(ApiKey(text.into()))
    }

    /// Makes a new key from random bytes, which must come from a cryptographic generator.
    ///
    /// Bytes from 248 up are thrown away: 248 is 4 × 62, so every character is equally likely. On
    /// average 24.8 bytes are taken; a generator that never yields one below 248 never ends.
    pub fn generate(kind: KeyKind, random_byte: &mut dyn FnMut() -> u8) -> ApiKey {
        let mut key = String::with_capacity(KEY_LEN);
        key.push_str(kind.prefix());
        while key.len() < SIGNED_LEN {
            let byte = random_byte();
            if byte < 248 {
                key.push(char::from(digit(byte % 62)));
            }
        }
        let sum = checksum(key.as_bytes());
        key.extend(sum.into_iter().map(char::from));
        ApiKey(key)
    }

    /// Public or secret.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        // The text was checked, so it begins with one of the two prefixes.
        kind_of(&self.0).unwrap_or(KeyKind::Secret)
    }

    /// The key in plain text. Never log it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().prefix())?;
        f.write_str("[redacted]")
    }
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It does not begin as a key does: perhaps a key of another product.
    NotAKey,
    /// The prefix is right, but length, alphabet or checksum are not: a typo or a cut.
    Mistyped,
}

impl KeyError {
    /// What to tell the caller. Never holds the text that was sent.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            KeyError::NotAKey => "This is not an API key: keys begin with msk_pub_ or msk_sec_",
            KeyError::Mistyped => {
                "This API key is mistyped or cut off: copy all of its 38 characters again"
            }
        }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for KeyError {}

/// Checks a key without keeping it: for the snippet, which allocates nothing here.
///
/// # Errors
/// See [`KeyError`].
pub fn check(text: &str) -> Result<KeyKind, KeyError> {
    let kind = kind_of(text).ok_or(KeyError::NotAKey)?;
    let bytes = text.as_bytes();
    if bytes.len() != KEY_LEN || !bytes[PREFIX_LEN..].iter().all(u8::is_ascii_alphanumeric) {
        return Err(KeyError::Mistyped);
    }
    let (signed, sum) = bytes.split_at(SIGNED_LEN);
    if sum == checksum(signed) {
        Ok(kind)
    } else {
        Err(KeyError::Mistyped)
    }
}

/// The kind by the prefix alone, however the rest looks: enough to tell that a text is meant as a
/// key, for instance to refuse a secret one that stands in a page.
#[must_use]
pub fn kind_of(text: &str) -> Option<KeyKind> {
    [KeyKind::Public, KeyKind::Secret]
        .into_iter()
        .find(|kind| text.starts_with(kind.prefix()))
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Send events, purchases, refunds and identify calls. All that a public key can hold.
    Send,
    /// `Send`, and messages, segments, webhooks.
    Write,
    /// Read, change, export and erase contacts.
    Contacts,
    /// Read events, reports, segments and the live stream.
    Read,
    /// Everything, and keys and settings.
    Admin,
}

impl Scope {
    /// Every scope, in the order in which documents list them.
    pub const ALL: [Scope; 5] = [
        Scope::Send,
        Scope::Write,
        Scope::Contacts,
        Scope::Read,
        Scope::Admin,
    ];

    /// The spelling in commands, files and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Send => "send",
            Scope::Write => "write",
            Scope::Contacts => "contacts",
            Scope::Read => "read",
            Scope::Admin => "admin",
        }
    }

    /// The scope with exactly this spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    /// Whether a key that holds `self` may do what needs `wanted`.
    #[must_use]
    pub fn allows(self, wanted: Scope) -> bool {
        match self {
            Scope::Admin => true,
            Scope::Write => matches!(wanted, Scope::Write | Scope::Send),
            Scope::Send | Scope::Contacts | Scope::Read => self == wanted,
        }
    }
}

/// CRC-32/ISO-HDLC as six base62 digits, most significant first, padded with `0`. Six are enough:
/// 62^6 is above 2^32.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut rest = crc32(bytes);
    let mut digits = [b'0'; CHECKSUM_LEN];
    for place in digits.iter_mut().rev() {
        *place = digit((rest % 62) as u8);
        rest /= 62;
    }
    digits
}

/// Bit by bit, since 32 bytes do not earn a table of 1 KB in the snippet. Polynomial, start and
/// final inversion are those of the CRC-32/ISO-HDLC entry in the catalogue of parametrised CRCs.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc >>= 1;
            if carry == 1 {
                crc ^= 0xEDB8_8320;
            }
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::ToString as _;

    fn key_from(kind: KeyKind, seed: u8) -> ApiKey {
        let mut byte = seed;
        ApiKey::generate(kind, &mut || {
            byte = byte.wrapping_mul(5).wrapping_add(57);
            byte
        })
    }

    #[test]
    fn the_crc_has_the_catalogues_check_value() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn a_checksum_is_padded_with_zeros_and_most_significant_first() {
        assert_eq!(&checksum(b""), b"000000");
        // 0xCBF43926 = 3421780262, in base62 digits 3 45 35 27 22 14.
        assert_eq!(&checksum(b"123456789"), b"3jZRME");
    }

    #[test]
    fn a_generated_key_has_the_documented_shape() {
        let key = key_from(KeyKind::Public, 1);
        assert_eq!(key.as_str().len(), 38);
        assert!(key.as_str().starts_with("msk_pub_"));
        assert_eq!(key.kind(), KeyKind::Public);
        assert_eq!(key_from(KeyKind::Secret, 1).kind(), KeyKind::Secret);
    }

    #[test]
    fn random_bytes_that_would_favour_some_characters_are_thrown_away() {
        let mut bytes = (248..=255).chain(0..24u8);
        let key = ApiKey::generate(KeyKind::Public, &mut || bytes.next().unwrap_or(0));
        assert_eq!(&key.as_str()[8..32], "0123456789ABCDEFGHIJKLMN");
    }

    #[test]
    fn what_does_not_begin_as_a_key_is_no_key() {
        for text in [
            "",
            "msk_",
            "msk_pub",
            "sk_live_123",
            " msk_pub_",
            "MSK_PUB_",
            "msk_tst_abc",
        ] {
            assert_eq!(ApiKey::parse(text).err(), Some(KeyError::NotAKey), "{text}");
            assert_eq!(kind_of(text), None);
        }
    }

    #[test]
    fn a_right_prefix_with_a_wrong_rest_is_mistyped() {
        let key = key_from(KeyKind::Secret, 9);
        let whole = key.as_str();
        for text in [
            "msk_sec_".to_string(),
            format!("{whole}0"),
            format!("{whole} "),
            whole[..37].to_string(),
            format!("{}é", &whole[..36]),
            whole.replace("msk_sec_", "msk_pub_"),
        ] {
            assert_eq!(
                ApiKey::parse(&text).err(),
                Some(KeyError::Mistyped),
                "{text}"
            );
            assert!(kind_of(&text).is_some());
        }
    }

    #[test]
    fn debug_shows_the_kind_and_nothing_of_the_key() {
        assert_eq!(
            format!("{:?}", key_from(KeyKind::Secret, 3)),
            "msk_sec_[redacted]"
        );
        assert_eq!(
            format!("{:?}", key_from(KeyKind::Public, 3)),
            "msk_pub_[redacted]"
        );
    }

    #[test]
    fn every_scope_keeps_its_spelling() {
        let spelled = [
            (Scope::Send, "send"),
            (Scope::Write, "write"),
            (Scope::Contacts, "contacts"),
            (Scope::Read, "read"),
            (Scope::Admin, "admin"),
        ];
        assert_eq!(spelled.map(|(scope, _)| scope), Scope::ALL);
        for (scope, text) in spelled {
            assert_eq!(scope.as_str(), text);
            assert_eq!(Scope::parse(text), Some(scope));
        }
        for text in ["", "Send", "send ", "all"] {
            assert_eq!(Scope::parse(text), None);
        }
    }

    #[test]
    fn admin_allows_all_write_allows_send_and_the_others_themselves() {
        for held in Scope::ALL {
            for wanted in Scope::ALL {
                let expected = held == wanted
                    || held == Scope::Admin
                    || (held == Scope::Write && wanted == Scope::Send);
                assert_eq!(held.allows(wanted), expected, "{held:?} {wanted:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_generated_key_parses_back(seed: u64, secret: bool) {
            let kind = if secret { KeyKind::Secret } else { KeyKind::Public };
            let mut state = seed | 1;
            let key = ApiKey::generate(kind, &mut || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            });
            let again = ApiKey::parse(key.as_str()).unwrap();
            prop_assert_eq!(again.as_str(), key.as_str());
            prop_assert_eq!(check(key.as_str()), Ok(kind));
        }

        #[test]
        fn one_changed_character_is_noticed(seed: u8, at in 8usize..38, with in 0u8..62) {
            let key = key_from(KeyKind::Public, seed);
            let mut bytes = key.as_str().as_bytes().to_vec();
            prop_assume!(bytes[at] != digit(with));
            bytes[at] = digit(with);
            let text = std::string::String::from_utf8(bytes).unwrap();
            prop_assert_eq!(check(&text), Err(KeyError::Mistyped));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}", tail in "[0-9A-Za-z]{0,40}") {
            let _ = check(&text);
            let _ = check(&format!("msk_pub_{tail}"));
        }
    }
}
