//! E-mail addresses: checked, with the form that identifies a contact and the spelling to show.
//! Whether an address exists, or accepts mail, is not asked.

use alloc::string::String;
use core::fmt;
use core::hash::{Hash, Hasher};

use email_address::{EmailAddress, Options};

use crate::limits::MAX_EMAIL_BYTES;

/// An address such as `Alice@Example.com`, without a display name. Compared by its normalised form;
/// `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Email {
    original: String,
    normalised: String,
}

impl Email {
    /// Trims and checks an address. Accepted is what RFC 5322 writes as `local@domain`, in Unicode
    /// too, also with a domain without dots (`alice@localhost`).
    ///
    /// # Errors
    /// [`EmailError`] for anything else, for more than 254 bytes, and for control characters even
    /// where RFC 5322 would let a quoted text hold them: they would end a mail header.
    pub fn parse(text: &str) -> Result<Email, EmailError> {
        let original = text.trim();
        if original.len() > MAX_EMAIL_BYTES || original.chars().any(char::is_control) {
            return Err(EmailError);
        }
        let options = Options::default()
            .with_no_minimum_sub_domains()
            .without_display_text();
        EmailAddress::parse_with_options(original, options).map_err(|_| EmailError)?;
        let normalised = original.to_lowercase();
        // A few letters grow when lower-cased (`İ`); what identifies the contact keeps the bound.
        if normalised.len() > MAX_EMAIL_BYTES {
            return Err(EmailError);
        }
        Ok(Email {
            original: original.into(),
            normalised,
        })
    }

    /// The form that identifies the contact: trimmed and lower-cased (Unicode). To be compared, not
    /// parsed: `İ` becomes two characters, of which an address may not hold the second.
    #[must_use]
    pub fn normalised(&self) -> &str {
        &self.normalised
    }

    /// The spelling that was sent, trimmed: for display, and to parse the same address again.
    #[must_use]
    pub fn original(&self) -> &str {
        &self.original
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Email) -> bool {
        self.normalised == other.normalised
    }
}

impl Eq for Email {}

impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normalised.hash(state);
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email[redacted]")
    }
}

/// The text is no address. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmailError;

impl fmt::Display for EmailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Send an e-mail address such as user@example.com, without a display name")
    }
}

impl core::error::Error for EmailError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;

    #[test]
    fn addresses_are_trimmed_and_lower_cased_and_keep_their_spelling() {
        let email = Email::parse("  Alice.Müller+News@Example.COM \n").unwrap();
        assert_eq!(email.normalised(), "alice.müller+news@example.com");
        assert_eq!(email.original(), "Alice.Müller+News@Example.COM");
        assert_eq!(
            email,
            Email::parse("alice.müller+news@example.com").unwrap()
        );
    }

    #[test]
    fn unusual_but_valid_addresses_pass() {
        for text in [
            "alice@localhost",
            "a@b.c",
            "o'hara@example.ie",
            "用户@例え.jp",
            "x_1@sub.example.co.uk",
        ] {
            assert!(Email::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            " ",
            "alice",
            "@example.com",
            "alice@",
            "alice@@example.com",
            "a b@example.com",
            "alice@exa mple.com",
            "Alice <alice@example.com>",
            "<alice@example.com>",
            "alice@example..com",
            ".alice@example.com",
            "alice@-example.com",
            "alice@example.com, bob@example.com",
            "\"a\r\nBcc: x\"@example.com",
            "alice@example.com\r\nBcc: x@y.z",
        ] {
            assert!(Email::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_has_at_most_254_bytes() {
        let domain = |letters: usize| {
            let label = "d".repeat(61);
            format!("{label}.{label}.{label}.{}", "e".repeat(letters - 3 * 62))
        };
        let local = "l".repeat(10);
        assert!(Email::parse(&format!("{local}@{}", domain(243))).is_ok());
        assert!(Email::parse(&format!("{local}@{}", domain(244))).is_err());
    }

    #[test]
    fn debug_output_hides_the_address() {
        let email = Email::parse("alice@example.com").unwrap();
        assert_eq!(format!("{email:?}"), "Email[redacted]");
        assert!(!format!("{EmailError} {EmailError:?}").contains("alice"));
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(local in "[a-zA-Z0-9ÄÖßİΣ]{1,20}", domain in "[A-Za-z]{1,9}\\.[A-Za-z]{2,6}") {
            let email = Email::parse(&format!("{local}@{domain}")).unwrap();
            prop_assert_eq!(email.normalised().to_lowercase(), email.normalised());
            prop_assert_eq!(Email::parse(email.original()).unwrap(), email);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            drop(Email::parse(&text));
        }
    }
}
